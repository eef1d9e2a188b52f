"""Pictures of matrices: entries as colours, histograms, singular values, limits."""

import math

import numpy as np
import pytest
import torch

from initlab import plots


def points(ax, marker):
    """Return the drawn points of a marker; samples beside the axes are not."""
    return [
        tuple(map(float, xy))
        for line in ax.lines
        if line.get_marker() == marker
        for xy in line.get_xydata()
    ]


def test_weights_share_a_symmetric_range_and_count_equal_rows():
    same, other = torch.full((4, 3), 0.5), torch.tensor([[1.0, -2.0], [3.0, 4.0]])
    figure = plots.weights({"same": same, "other": other})
    images = [ax.images[0] for ax in figure.axes[:2]]
    assert [image.get_clim() for image in images] == [(-4, 4)] * 2
    assert images[1].get_array().tolist() == other.tolist()
    assert figure.axes[0].get_title("left") == "same\n1 distinct row, rank 1"
    assert figure.alt == (
        "same has equal units only; other has no two equal units. "
        "Weights as colours. same: 4 units × 3 inputs, 1 distinct row, rank 1, all 0.5. "
        "other: 2 units × 2 inputs, 2 distinct rows, rank 2, from -2 to 4."
    )


@pytest.mark.parametrize(
    ("noise", "said"), [(1e-6, "1 distinct row, rank 1"), (1e-2, "40 distinct rows, rank 20")]
)
def test_rounding_makes_no_new_row_and_no_rank(noise, said):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=20) + noise * rng.normal(size=(40, 20))
    assert said in plots.weights(rows).alt
    shuffled = rng.permutation(np.concatenate([rows, 2 * rows]))
    assert f"{2 * int(said.split()[0])} distinct rows" in plots.weights(shuffled).alt


def test_a_kernel_is_laid_out_with_one_row_for_each_unit():
    figure = plots.weights(torch.arange(24.0, requires_grad=True).reshape(2, 3, 2, 2))
    assert figure.axes[0].images[0].get_array().shape == (2, 12)


def test_distributions_share_one_axis_and_tell_zeros_apart():
    half = torch.tensor([[0.0, 1.0], [0.0, -1.0]])
    ax = plots.distributions({"half": half, "ones": torch.ones(2, 3)}, limit=1.1)
    assert ax.get_xlim() == (-1.1, 1.1)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["half", "ones"]
    assert [text.get_text() for text in ax.texts] == ["rms", "0.71", "1"]
    lines = {line.get_label(): line for line in ax.lines}
    low, ridge, high = (lines["ridge 1"].get_ydata()[k] for k in (0, 35, -1))
    assert (low, ridge, high) == (1, 1, 1)  # nothing at the ends, and the zeros are not in it
    assert lines["ridge 1"].get_ydata().min() == pytest.approx(0.15)  # peaks at -1, 1
    assert list(lines["zeros 1"].get_ydata()) == pytest.approx([1, 1 - 0.85 / 2])
    assert "zeros 2" not in lines
    assert plots.alt_text(ax) == (
        "Rms from 0.71 to 1. Entries of 2 weights, one below the other. "
        "half: 2 units × 2 inputs, mean 0, std 0.71, from -1 to 1, 50 % zeros. "
        "ones: 2 units × 3 inputs, mean 1, std 0, all 1."
    )


def test_scheme_picture_shows_all_entries_in_the_colours_of_the_picture():
    values = np.r_[np.zeros(90), np.ones(5), -np.ones(5)].reshape(10, 10)
    figure = plots.scheme_picture({"sparse": values})
    heat, bars = figure.axes
    assert heat.images[0].get_array().shape == (10, 10)
    assert sum(bar.get_height() for bar in bars.patches) == pytest.approx(100)
    assert max(bars.patches, key=lambda bar: bar.get_height()).get_height() == pytest.approx(90)
    (left_red, _, left_blue, _), (red, _, blue, _) = (
        bars.patches[place].get_facecolor() for place in (0, -1)
    )
    assert left_blue > left_red
    assert red > blue
    assert figure.alt.endswith(
        "sparse: 10 units × 10 inputs, mean 0, std 0.32, from -1 to 1, 90 % zeros."
    )
    figure = plots.scheme_picture({"a": np.eye(2), "b": 9 * np.eye(2)}, limit=3.0)
    assert [ax.images[0].get_clim() for ax in figure.axes if ax.images] == [(-3, 3)] * 2


def test_spectrum_is_sorted_and_keeps_zeros():
    ax = plots.spectrum({"normal": torch.tensor([0.5, 2.0, 0.0]), "orthogonal": [1.0, 1.0, 1.0]})
    drawn = {line.get_label(): line for line in ax.lines}
    assert drawn["normal"].get_ydata().tolist() == [2.0, 0.5]
    assert drawn["_edge"].get_xydata().tolist() == [[3, 0]]
    assert ax.get_xlabel() == "place of the singular value (1 = largest)"
    assert plots.alt_text(ax) == (
        "orthogonal stretches all directions alike; normal loses 1 of 3 directions. "
        "Singular values, largest first, log axis. normal: 2 to 0.5; 1 of 3 are 0. "
        "orthogonal: 1 to 1."
    )


def test_a_dot_inside_of_the_band_and_a_cross_outside():
    ax = plots.limits({"a": 0.5, "b": 3.0, "c": 0.01}, low=0.1, high=1.0, quantity="size (m)")
    assert points(ax, "o") == [(1, 0.5)]
    assert points(ax, "X") == [(2, 3.0), (3, 0.01)]
    (band,) = ax.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((0.1, 1.0))
    assert ax.get_ylabel() == "size (m)"
    assert plots.alt_text(ax) == (
        "2 of 3 are out of the healthy range. "
        "size (m): 0.5 at a, 0.01 at c. Healthy: at least 0.1 and at most 1; outside: b, c."
    )


def test_what_a_log_axis_cannot_show_stands_at_its_edges():
    ax = plots.limits({"a": 1.0, "b": 0.0, "c": math.inf, "d": math.nan}, low=0.1)
    assert points(ax, "o")[0] == (1, 1.0)
    assert points(ax, "o")[1] == (3, 1.0)  # infinity: above a band without an upper end
    assert points(ax, "X") == [(2, 0.0), (4, 1.0)]
    marked = plots.limits({"a": 1.0, "b": 2.0}, marked=["b"])
    assert points(marked, "X") == [(2, 2.0)]
    assert plots.alt_text(marked).endswith("Marked: b.")


def test_many_or_long_names_become_numbers_and_the_ends_are_told():
    names = {f"encoder.layers.{i}.self_attn.in_proj_weight": 1.0 + i for i in range(40)}
    ax = plots.limits(names)
    assert ax.get_xlabel() == (
        "1 = …layers.0.self_attn.in_proj_weight,\n40 = …ayers.39.self_attn.in_proj_weight"
    )
    ax = plots.limits({"act1": 0.2, "act2": 0.4}, log=False)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["act1", "act2"]
    assert ax.get_ylim() == pytest.approx((-0.03, 1.03))
