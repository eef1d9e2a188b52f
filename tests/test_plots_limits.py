"""Does the picture of limits show what is inside, outside, and off the scale?"""

from __future__ import annotations

import math

import pytest

from initlab import plots


def points(ax, marker):
    return [
        tuple(map(float, xy))
        for line in ax.lines
        if line.get_marker() == marker
        for xy in line.get_xydata()
    ]


def test_a_dot_inside_of_the_band_and_a_cross_outside():
    ax = plots.limits({"a": 0.5, "b": 3.0, "c": 0.01}, low=0.1, high=1.0, quantity="size (m)")
    assert points(ax, "o") == [(1, 0.5)]
    assert points(ax, "X") == [(2, 3.0), (3, 0.01)]
    (band,) = ax.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((0.1, 1.0))
    assert ax.get_ylabel() == "size (m)"
    assert plots.explain(ax) == (
        "size (m): 0.50 at a, 0.010 at c. Healthy: at least 0.10 and at most 1.0; outside: b, c."
    )


def test_what_a_log_axis_cannot_show_stands_at_its_edges():
    ax = plots.limits({"a": 1.0, "b": 0.0, "c": math.inf, "d": math.nan}, low=0.1)
    assert points(ax, "o")[0] == (1, 1.0)
    assert points(ax, "o")[1] == (3, 1.0)  # infinity: above a band without an upper end
    assert points(ax, "X") == [(2, 0.0), (4, 1.0)]


def test_a_mark_needs_no_limit():
    ax = plots.limits({"a": 1.0, "b": 2.0}, marked=["b"])
    assert points(ax, "X") == [(2, 2.0)]
    assert plots.explain(ax).endswith("Marked: b.")


def test_many_or_long_names_become_numbers_and_the_ends_are_told():
    names = {f"encoder.layers.{i}.self_attn.in_proj_weight": 1.0 + i for i in range(40)}
    ax = plots.limits(names)
    ax.figure.canvas.draw()
    assert ax.get_xlabel() == (
        "1 = …layers.0.self_attn.in_proj_weight,\n40 = …ayers.39.self_attn.in_proj_weight"
    )
    ax = plots.limits({"act1": 0.2, "act2": 0.4}, log=False)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["act1", "act2"]
    assert ax.get_ylim() == pytest.approx((-0.03, 1.03))


def test_nothing_to_draw_is_told():
    with pytest.raises(ValueError, match=r"^values holds nothing to draw: got an empty dict\.$"):
        plots.limits({})
