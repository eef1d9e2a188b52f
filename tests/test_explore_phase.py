"""The explorer of order and chaos: beside autograd on plain layers, and beside `il.theory`."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

import initlab as il
from initlab.explore import Phase, phase
from initlab.explore.phase_records import PhaseSettings, phase_records
from test_explore import Browser, Patient

MODULE = sys.modules["initlab.explore.phase_records"]
SMALL = {"depth": 6, "width": 100}


def records(**values):
    return phase_records(PhaseSettings(**{**SMALL, **values}))


def test_where_there_is_no_edge_in_the_plane_none_is_drawn():
    for activation in ("sigmoid", "silu"):
        explorer = phase(activation=activation, **SMALL)
        assert explorer.error == ""
        assert explorer.scene.panels[0].series == []
        assert explorer.figure().axes[0].get_legend() is None


def test_the_plane_is_computed_once_for_each_activation(monkeypatch):
    explorer = phase(**SMALL)
    browser = Browser(explorer)
    before = explorer.scene.panels[0].values
    monkeypatch.setattr(MODULE._Theory, "_plane", lambda self: pytest.fail("computed again"))
    for values in ({"weight_var": 3.0}, {"bias_var": 0.1}, {"seed": 4}, {"depth": 7}):
        sent = browser.ask(set=values)
        assert (sent["error"], sent["unfinished"]) == ("", False)
        assert explorer.scene.panels[0].values is before
    assert sent["panels"][0]["point"] == [3.0, 0.1]


def test_the_point_is_that_of_two_sliders():
    explorer = phase(**SMALL)
    plane = Browser(explorer).ask(set={"weight_var": 2.5, "bias_var": 0.2})["panels"][0]
    assert plane["kind"] == "plane"
    assert [explorer.values[name] for name in plane["picks"]] == plane["point"] == [2.5, 0.2]
    sliders = [Phase.controls()[name] for name in plane["picks"]]
    assert [(one.low, one.high) for one in sliders] == [
        (plane[axis]["low"], plane[axis]["high"]) for axis in "xy"
    ]


@pytest.mark.parametrize("activation", list(il.activations.ACTIVATIONS))
def test_every_corner_of_the_plane_is_drawn(activation):
    explorer = phase(activation=activation, **SMALL)
    for corner in ((0.05, 0.0), (0.05, 0.5), (5.05, 0.0), (5.05, 0.5)):
        explorer.set(weight_var=corner[0], bias_var=corner[1], depth=60)
        assert explorer.error == ""
        assert explorer.scene.finished


def test_each_control_moves_something():
    browser = Patient(phase(**SMALL))
    seen = [browser.ask(ready=True)["panels"]]
    for name, value in {
        "weight_var": 3.0, "bias_var": 0.2, "activation": "relu", "similarity": 0.9, "depth": 7,
        "width": 200, "seed": 1,
    }.items():  # fmt: skip
        sent = browser.ask(set={name: value})
        assert sent["error"] == ""
        assert sent["panels"] not in seen
        seen.append(sent["panels"])
    assert set(browser.explorer.values) == set(Phase.defaults())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weight_var": 0.0}, "weight_var must be a finite number from 0.05 to 5.05, got 0.0."),
        ({"bias_var": -0.1}, "bias_var must be a finite number from 0.0 to 0.5, got -0.1."),
        ({"similarity": 1.5}, "similarity must be a finite number from 0.0 to 1.0, got 1.5."),
        ({"depth": 61}, "depth must be at most 60, got 61."),
        ({"width": 64}, "width=64 is unknown. Allowed: 100, 200, 300."),
    ],
    ids=str,
)
def test_a_wrong_value_is_named_and_changes_nothing(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        phase(**values)
    explorer = phase(**SMALL)
    before, seen = explorer.values, explorer.sentence
    sent = Browser(explorer).ask(set=values)
    assert message in sent["error"]
    assert (sent["values"], sent["sentence"]) == (before, seen)


def test_each_preset_is_reached_from_anywhere():
    browser = Patient(phase(**SMALL))
    for name, values in Phase.presets.items():
        sent = browser.ask(preset=name)
        assert sent["error"] == ""
        assert sent["values"] == {**Phase.defaults(), **values}


def test_the_still_picture_shows_the_same_numbers():
    explorer = phase(**SMALL)
    figure = explorer.figure()
    assert figure.alt == explorer.sentence
    plane, correlation, size, gradient, _ = (
        axes for axes in figure.axes if axes.get_label() != "<colorbar>"
    )
    (image,) = plane.images
    assert np.array_equal(image.get_array(), explorer.scene.panels[0].values)
    assert (image.origin, image.get_extent()) == ("lower", [0.05, 5.05, 0.0, 0.5])
    assert (plane.get_xlabel(), plane.get_ylabel()) == ("σ_w² (weights)", "σ_b² (biases)")
    edge, point = plane.lines
    assert edge.get_label() == "edge of chaos, χ₁ = 1"
    assert [point.get_xdata()[0], point.get_ydata()[0]] == [1.75, 0.05]
    got = records()
    for axes, quantity in ((correlation, "c"), (size, "q"), (gradient, "gradient")):
        shown = {line.get_label(): line.get_ydata() for line in axes.lines}
        assert shown["measured"] == pytest.approx(getattr(got.measured, quantity), rel=1e-6)
        assert shown["theory"] == pytest.approx(getattr(got.predicted, quantity), rel=1e-6)


def test_no_end_is_drawn_where_nothing_leads_to_it():
    """A linear network without biases keeps every correlation, whatever c* says."""
    for values, led in [
        ({"activation": "linear", "weight_var": 1.0, "bias_var": 0.0}, False),
        ({"activation": "gelu", "weight_var": 2.0, "bias_var": 0.0}, False),
        ({"activation": "tanh", "weight_var": 1.0}, True),
        ({"activation": "relu", "weight_var": 1.5, "bias_var": 0.0}, True),
    ]:
        panel = phase(**{**SMALL, **values}).scene.panels[1]
        assert bool(panel.rules) == led
