"""Pictures of what happens across depth: what stands where, and which words go with it."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from initlab import plots
from initlab.plots import records
from initlab.plots.ridgeline import common_limits, density
from initlab.plots.style import SCHEMES
from plot_records import NAN, layer, prediction, summary, trace


def line(ax, start):
    """Return the one line whose label begins with `start`."""
    (found,) = [one for one in ax.lines if str(one.get_label()).startswith(start)]
    return found


def edges(ax):
    return {
        height: [x for one in ax.lines if one.get_label() == "_edge" for x in one.get_xdata()
                 if set(one.get_ydata()) == {height}]
        for height in (0.0, 1.0)
    }  # fmt: skip


def names(ax):
    return [text.get_text() for text in ax.texts]


# Depth profile


def test_dots_are_the_measured_rms_on_a_log_axis():
    ax = plots.depth_profile(trace([1, 0.5, 0.25]))
    measured = line(ax, "measured")
    assert measured.get_xdata().tolist() == [1, 2, 3]
    assert measured.get_ydata().tolist() == pytest.approx([1, 0.5, 0.25])
    assert measured.get_linestyle() == "None"
    assert ax.get_yscale() == "log"
    assert ax.get_xticks().tolist() == [1, 2, 3]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("layer", "rms of activation")
    assert plots.alt_text(ax) == (
        "The signal shrinks 4 times. "
        "Size of activation against depth, log axis. rms 1 at layer 1, 0.25 at layer 3."
    )


def test_dashes_are_the_prediction():
    ax = plots.depth_profile(trace([1, 2, 4]), predicted=prediction([1.0, None, 3.0]))
    theory = line(ax, "theory")
    np.testing.assert_array_equal(theory.get_ydata(), [1.0, NAN, 3.0])
    assert theory.get_linestyle() == "--"
    assert names(ax) == ["measured", "theory"]
    assert plots.alt_text(ax).endswith("; theory 1 to 3.")


def test_predicted_gradient_meets_the_last_layer():
    measured = trace([1, 1, 1], gradients=[8e-3, 4e-3, 2e-3])
    ax = plots.depth_profile(
        measured, quantity="gradient", predicted=prediction([None] * 3, [4.0, 2.0, 1.0])
    )
    assert line(ax, "theory").get_ydata() == pytest.approx([8e-3, 4e-3, 2e-3])
    assert ax.get_ylabel() == "rms of gradient (loss per activation)"


def test_where_theory_does_not_apply_the_reason_stands_in_its_place():
    reason = "Theory does not apply: conv1 (Conv2d) is not a layer that theory knows."
    silent = prediction([1.0, 1.0], applies=False, reason=reason)
    ax = plots.depth_profile(trace([1, 2]), predicted=silent)
    assert all(one.get_linestyle() != "--" for one in ax.lines)
    measured, said = names(ax)
    assert (measured, said.replace("\n", " ")) == ("measured", reason)
    assert max(map(len, said.split("\n"))) <= 28  # a longer line leaves no room for the axes
    assert plots.alt_text(ax).endswith(f"layer 2. {reason}")


def test_what_a_log_axis_cannot_show_stands_at_its_edges_in_words():
    ax = plots.depth_profile({"normal": trace([1, 0, 0, NAN])})
    assert line(ax, "normal").get_xdata().tolist() == [1]
    assert edges(ax) == {0.0: [2, 3], 1.0: [4]}
    assert names(ax) == ["normal\n0 at layers 2 to 3\nnan or inf at layer 4"]
    assert plots.alt_text(ax).endswith(
        "normal: rms 1 at layer 1; all 0 at layers 2 to 3; nan or inf at layer 4."
    )


@pytest.mark.parametrize("stds", [[0, 0], [NAN, NAN], [1e-12, 1e-12], [1e30, 1e-30]])
def test_extreme_traces_draw(stds):
    ax = plots.depth_profile(trace(stds))
    low, high = ax.get_ylim()
    assert high / low > 3
    assert all(low < y < high for y in line(ax, "measured").get_ydata())


def test_the_ends_of_float32_are_marked_where_the_axis_reaches_them():
    ax = plots.depth_profile({"std 1": trace([1, 1e30]), "std 9": trace([1, 1e-30])})
    assert not [one for one in ax.lines if one.get_label() == "_float32"]
    theory = {"": prediction([1.0, 1e50])}
    ax = plots.depth_profile(trace([1, 1e30]), predicted=theory[""])
    assert line(ax, "_float32").get_ydata()[0] == pytest.approx(3.4e38)


def test_a_partly_broken_layer_keeps_its_dot_and_gets_its_word():
    values = np.ones(100)
    values[:3] = NAN
    ax = plots.depth_profile(SimpleNamespace(layers=[layer("act1", values)]))
    assert line(ax, "measured").get_ydata().tolist() == [1.0]
    assert edges(ax)[1.0] == [1]
    assert plots.alt_text(ax).endswith(" 3 % nan or inf at layer 1.")


def test_names_stand_at_the_last_layer_in_their_colours():
    traces = {"zeros": trace([0, 0]), "normal": trace([1, 9]), "orthogonal": trace([1, 1])}
    ax = plots.depth_profile(traces, predicted={"normal": prediction([1.0, 9.0])})
    down = sorted(ax.texts, key=lambda text: -text.get_position()[1])
    said = [text.get_text().split("\n")[0] for text in down]
    assert said == ["normal", "orthogonal", "zeros", "theory"]
    assert line(ax, "normal").get_color() == plots.COLOURS["normal"]
    assert line(ax, "_theory").get_color() == plots.COLOURS["normal"]


def test_kinds_that_lie_on_each_other_stand_side_by_side():
    ax = plots.depth_profile({"a": trace([1, 2, 3, 4]), "b": trace([1, 2, 3, 4])})
    assert line(ax, "b").get_xdata() - line(ax, "a").get_xdata() == pytest.approx([0.24] * 4)
    ax = plots.depth_profile({"a": trace([1, 2, 3, 4]), "b": trace([1, 4, 9, 16])})
    assert line(ax, "b").get_xdata().tolist() == line(ax, "a").get_xdata().tolist()


def band_of(ax):
    """The corners of the one shaded band: layer → (lowest, highest)."""
    (band,) = [one.get_paths()[0].vertices for one in ax.collections if len(one.get_paths()[0])]
    return {x: (band[band[:, 0] == x, 1].min(), band[band[:, 0] == x, 1].max())
            for x in sorted(set(band[:, 0]))}  # fmt: skip


def test_seeds_of_one_kind_become_a_median_on_a_band():
    runs = [trace([1, 4]), trace([2, 5]), trace([3, 0.5])]
    ax = plots.depth_profile({"normal": runs}, predicted={"normal": prediction([2.0, 4.0])})
    assert line(ax, "normal").get_ydata().tolist() == pytest.approx([2, 4])
    assert band_of(ax) == {1: pytest.approx((1, 3)), 2: pytest.approx((0.5, 5))}
    assert line(ax, "_theory").get_ydata().tolist() == [2, 4]
    low, high = ax.get_ylim()
    assert low < 0.5
    assert high > 5
    assert plots.alt_text(ax).endswith(
        ", as theory says. Size of activation against depth, log axis. "
        "normal: rms 2 at layer 1, 4 at layer 2 "
        "(median of 3; 0.5 to 5 at layer 2); theory 2 to 4."
    )


def test_seeds_that_leave_the_axis_count_as_above_all_or_0():
    runs = [trace([1, 5, NAN, 0]), trace([2, NAN, NAN, 0]), trace([3, 6, 7, 4])]
    ax = plots.depth_profile({"normal": runs})
    assert line(ax, "normal").get_xdata().tolist() == [1, 2]
    assert line(ax, "normal").get_ydata().tolist() == pytest.approx([2, 6])
    assert band_of(ax) == {1: pytest.approx((1, 3)), 2: pytest.approx((5, 6))}
    assert edges(ax) == {0.0: [4], 1.0: [3]}
    assert plots.alt_text(ax).endswith(
        "nan or inf at layer 3; all 0 at layer 4 (median of 3; 0 to 4 at layer 4)."
    )


# Histograms


def centres(low, high, bins=70):
    edges = np.linspace(low, high, bins + 1)
    return (edges[1:] + edges[:-1]) / 2


def test_heights_keep_the_shape_and_zeros_do_not_squash_it():
    noise = np.random.default_rng(0).standard_normal(200_000)
    heights = density(summary(np.maximum(noise, 0)), (-1.0, 3.0))
    x = centres(-1.0, 3.0, len(heights))
    assert heights.max() == pytest.approx(1, abs=0.01)
    inside = abs(x) > 0.1
    expected = np.exp(-(x**2) / 2) * (x > 0.1)
    assert heights[inside] == pytest.approx(expected[inside], abs=0.06)


@pytest.mark.parametrize(
    ("values", "highest"),
    [
        (np.zeros(9), 0),  # all 0: the bar says it
        (np.full(9, 0.5), 1),  # all equal: one spike where it stands
        (np.full(9, 7.0), 0),  # outside the panel
        (np.linspace(-1e-12, 1e-12, 99), 1),  # vanished: a spike
        (np.linspace(-100, 100, 9999), 0.01),  # exploded: what is left inside is flat
    ],
)
def test_heights_of_degenerate_layers(values, highest):
    heights = density(summary(values), (-1.0, 1.0))
    assert np.isfinite(heights).all()
    assert heights.max() == pytest.approx(highest, rel=0.1)
    if highest == 1:
        assert abs(centres(-1, 1, len(heights))[heights.argmax()] - values[-1]) < 0.03


@pytest.mark.parametrize(
    ("stds", "quantity", "reach"),
    [
        ([1, 100, 1e4], "activation", 2.8),  # the signal comes in at layer 1
        ([1e4, 100, 1], "gradient", 2.8),  # and the gradient at the last one
        ([0, 1, 1], "activation", 2.8),  # nothing comes in: the others decide
        ([0, 0, 0], "activation", 1),
        ([NAN, NAN, NAN], "activation", 1),
    ],
)
def test_the_x_axis_fits_where_the_signal_comes_in(stds, quantity, reach):
    rows = records.picked(trace(stds, gradients=stds), quantity, None)
    left, right = common_limits([rows], quantity)
    assert right == pytest.approx(1.1 * reach, rel=0.1)
    assert left == pytest.approx(-right if any(std > 0 for std in stds) else 0, abs=0.1)


def test_each_layer_has_its_ridge_its_zeros_and_its_rms():
    values = np.r_[np.zeros(300), np.linspace(0.01, 1, 700)]
    broken = np.full(5, NAN)
    figure = plots.histograms(
        SimpleNamespace(layers=[layer("act1", values), layer("act2", np.zeros(5)),
                                layer("act3", broken)])
    )  # fmt: skip
    (ax,) = figure.axes
    for place, share in [(1, 0.3), (2, 1.0)]:
        (base, tip), (_, other) = (line(ax, f"zeros {p}").get_ydata() for p in (place, 1))
        assert base == place
        assert (base - tip) * 0.3 == pytest.approx((1 - other) * share)
    assert line(ax, "ridge 3").get_linestyle() == ":"
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # layer 1 on top
    assert names(ax) == ["rms", "0.49", "all 0", "nan or inf"]
    assert ax.get_yticks().tolist() == [1, 2, 3]
    assert ax.get_xlabel() == "activation;  ▮ share of exact zeros"


def test_numbers_stand_at_the_ticks():
    (ax,) = plots.histograms(trace(range(1, 21))).axes
    told = [text.xy[1] for text in ax.texts[1:]]
    assert told == ax.get_yticks().tolist() == [1, 5, 10, 15, 20]


def test_an_explorer_draws_its_ridges_the_same_way():
    figure = plots.picture()
    ax = figure.add_subplot()
    heights = [[0.0, 1.0, 0.0], [NAN] * 3]
    plots.ridgeline(ax, heights, (-1, 1), colour="#123456", zeros=[0.5, 0], notes=["a", "b"])
    ridge = line(ax, "ridge 1")
    assert ridge.get_xdata() == pytest.approx([-2 / 3, 0, 2 / 3])
    base = ridge.get_ydata()
    assert base[0] == base[2] == 1 > base[1]
    assert line(ax, "zeros 1").get_ydata()[1] == pytest.approx((1 + base[1]) / 2)
    assert names(ax) == ["rms", "a", "b"]


def test_panels_share_their_axes_and_carry_their_names():
    traces = {"zeros": trace([0, 0]), "normal": trace([1, 5]), "broken": trace([1, NAN])}
    figure = plots.histograms(traces)
    assert [ax.get_title("left") for ax in figure.axes] == list(traces)
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    assert (figure.get_supxlabel(), figure.get_supylabel()) == (
        "activation;  ▮ share of exact zeros",
        "layer",
    )
    assert figure.alt == (
        "normal amplifies the signal 5 times; zeros gives exactly 0; broken ends in nan or inf. "
        "Histograms of activation by layer. zeros: all 0 at layers 1 to 2. "
        "normal: rms 1 at layer 1, 5 at layer 2. "
        "broken: rms 1 at layer 1; nan or inf at layer 2."
    )


@pytest.mark.parametrize(
    ("names", "quantity", "rows"),
    [(list(SCHEMES)[:8], "activation", 2), (["a", "b"], "gradient", 1)],
)
def test_numbers_and_ticks_of_many_panels_do_not_touch(names, quantity, rows):
    one = trace([1] * 20, gradients=[2e-4] * 20)
    figure = plots.histograms(dict.fromkeys(names, one), quantity)
    figure.draw_without_rendering()
    assert len({ax.get_subplotspec().rowspan.start for ax in figure.axes}) == rows
    for ax in figure.axes:
        notes = sorted(text.get_window_extent().y0 for text in ax.texts)
        assert min(np.diff(notes)) >= 12
        ticks = [t.get_window_extent() for t in ax.get_xticklabels() if t.get_visible()]
        assert all(a.x1 < b.x0 for a, b in itertools.pairwise(ticks))


def test_prediction_lies_over_the_ridges():
    figure = plots.histograms(trace([1, 2]), predicted=prediction([1.0, 1.5]))
    (ax,) = figure.axes
    assert line(ax, "theory").get_xdata().tolist() == [1.0, 1.5]
    assert line(ax, "measured").get_xdata().tolist() == pytest.approx([1, 2])
    assert ax.get_xlabel().endswith("rms: ● measured, ╌ theory")
