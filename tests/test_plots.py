"""Figures are read by their artists' data: what stands where, and which words go with it."""

import base64
import io
import itertools
import re
from types import SimpleNamespace

import IPython.display
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image

import initlab as il
from initlab.plots import records
from initlab.plots.ridgeline import common_limits, density
from initlab.plots.style import (
    CLASSES,
    LOOKS,
    MEANINGS,
    OTHERS,
    SCHEMES,
    colour_of,
    look_of,
    looks,
    on_dark,
    palette,
    ramp,
)

NAN = float("nan")


def summary(values):
    """Do what a trace does, in float64 numpy."""
    values = np.asarray(values, float).ravel()
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (NAN, NAN)
    span = (0, 1) if not finite.size else (low, high) if low < high else (low - 0.5, high + 0.5)
    return SimpleNamespace(
        count=values.size,
        mean=finite.mean() if finite.size else NAN,
        std=finite.std() if finite.size else NAN,
        rms=np.sqrt(np.mean(finite**2)) if finite.size else NAN,
        min=low,
        max=high,
        zeros=(values == 0).mean(),
        nonfinite=1 - finite.size / values.size,
        histogram=np.histogram(finite, 64, span),
    )


def layer(name, values, *, nonlinearity=True, gradient=None):
    return SimpleNamespace(
        name=name,
        nonlinearity=nonlinearity,
        activation=summary(values),
        gradient=None if gradient is None else summary(gradient),
        weight=None,
        weight_gradient=None,
    )


def trace(stds, *, names="act{}", gradients=None):
    """Make a trace whose layer k emits normal numbers with rms stds[k-1]."""
    noise = np.random.default_rng(0).standard_normal(2000)
    noise /= np.sqrt(np.mean(noise**2))
    gradients = [None] * len(stds) if gradients is None else [g * noise for g in gradients]
    layers = [
        layer(names.format(place), std * noise, gradient=gradient)
        for place, (std, gradient) in enumerate(zip(stds, gradients, strict=True), start=1)
    ]
    return SimpleNamespace(layers=layers)


def prediction(activation, gradient=None, *, applies=True, reason=""):
    names = [f"act{place}" for place in range(1, len(activation) + 1)]
    gradient = gradient or [None] * len(activation)
    return SimpleNamespace(
        names=names, activation=activation, gradient=gradient, applies=applies, reason=reason
    )


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


def history(losses, accuracy=None):
    accuracy = accuracy or [None] * len(losses)
    return [
        {"step": step, "loss": loss, "accuracy": share}
        for step, (loss, share) in enumerate(zip(losses, accuracy, strict=True))
    ]


def record(step, rank):
    return SimpleNamespace(step=step, rank=rank, distinct=rank)


RUN = SimpleNamespace(records=[record(0, {"a": 1.0, "b": 1.0}), record(10, {"a": 4.0, "b": NAN})])
DRAW = {  # every drawing function, on axes of ours and on the caller's
    "histograms": lambda **k: il.plots.histograms({"a": trace([1, 2]), "b": trace([0, 1])}, **k),
    "ridges": lambda **k: il.plots.ridges(trace([1, 2]), **k),
    "depth_profile": lambda **k: il.plots.depth_profile(trace([1, 0, 2]), **k),
    "spectrum": lambda **k: il.plots.spectrum([3.0, 1.0, 0.0], **k),
    "over_time": lambda **k: il.plots.over_time(history([2, 1]), **k),
    "ranks": lambda **k: il.plots.ranks(RUN, **k),
    "weights": lambda **k: il.plots.weights(torch.eye(3), **k),
    "scheme_picture": lambda **k: il.plots.scheme_picture({"eye": torch.eye(3)}, **k),
}
ON_AXES = ["ridges", "depth_profile", "spectrum", "over_time", "ranks"]


# The promises that hold for every figure


@pytest.mark.parametrize("name", DRAW)
def test_no_global_setting_changes_and_nothing_is_shown(name, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *a, **k: pytest.fail("show was called"))
    before = dict(matplotlib.rcParams)
    DRAW[name]()
    assert dict(matplotlib.rcParams) == before


def test_no_global_setting_changes_when_drawing_fails():
    before = dict(matplotlib.rcParams)
    with pytest.raises(ValueError, match="quantity"):
        il.plots.depth_profile(trace([1]), quantity="size")
    assert dict(matplotlib.rcParams) == before
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", ON_AXES)
def test_axes_of_the_caller_are_drawn_on_and_returned(name):
    _, ax = plt.subplots()
    assert DRAW[name](ax=ax) is ax
    assert il.plots.explain(ax) == il.plots.explain(DRAW[name]())


@pytest.mark.parametrize("name", sorted(DRAW.keys() - set(ON_AXES)))
def test_figures_and_subfigures_of_the_caller_are_drawn_on_and_returned(name):
    _, right = plt.figure().subfigures(1, 2)
    assert DRAW[name](figure=right) is right
    assert il.plots.explain(right) == il.plots.explain(DRAW[name]())


@pytest.mark.parametrize("name", DRAW)
def test_figures_are_readable_labelled_and_white(name):
    drawn = DRAW[name]()
    figure = getattr(drawn, "figure", None) or drawn
    figure.draw_without_rendering()
    assert figure.get_facecolor() == (1, 1, 1, 1)
    texts = [text for ax in figure.axes for text in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    assert min(text.get_fontsize() for text in texts) >= 14
    labels = [figure.get_supxlabel(), *(ax.get_xlabel() for ax in figure.axes)]
    assert any(labels)
    for one in figure.findobj(matplotlib.text.Text):
        assert one.get_fontsize() >= 12  # × 4/3 on a slide


@pytest.mark.parametrize("name", DRAW)
def test_figure_says_in_words_and_as_html_what_is_to_be_seen(name):
    drawn = DRAW[name]()
    figure = getattr(drawn, "figure", None) or drawn
    assert re.search(r"\d", figure.alt)
    assert re.fullmatch(r"<Figure \d+x\d+, \d+ axes>: .*", repr(figure))
    assert repr(figure).endswith(figure.alt)
    alt, data = re.fullmatch(
        r'<img alt="([^"]+)" style="max-width: 100%" src="data:image/png;base64,([^"]+)">',
        figure._repr_html_(),
    ).groups()
    assert alt == figure.alt
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.width == 1000
        assert abs(image.height - 100 * figure.get_figheight()) < 1  # old releases round down
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_few_shades_look_the_same():
    figure = il.plots.weights(torch.randn(32, 32))
    figure.png()  # the layout settles
    full, few = io.BytesIO(), io.BytesIO(figure.png())
    figure.savefig(full, format="png", dpi=100, bbox_inches=None)
    with Image.open(full) as a, Image.open(few) as b:
        apart = np.abs(np.asarray(a.convert("RGB"), int) - np.asarray(b.convert("RGB"), int))
    assert apart.max() <= 8  # of 255
    assert len(few.getvalue()) < 0.7 * len(full.getvalue())


def test_a_notebook_shows_each_figure_once(monkeypatch):
    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda data, raw: shown.append(data))
    figure = il.plots.histograms(trace([1, 2]))
    figure._ipython_display_()
    (bundle,) = shown
    assert bundle["text/plain"] == repr(figure)
    assert bundle["image/png"] in bundle["text/html"]
    assert plt.get_fignums() == []  # so that the end of the cell does not show it again


def test_quotes_in_a_name_stay_inside_the_alternative():
    figure = il.plots.histograms({'"><b>': trace([1])})
    assert '<img alt="Histograms of activation by layer. &quot;&gt;&lt;b&gt;: rms' in (
        figure._repr_html_()
    )


def test_explain_joins_what_was_drawn_and_forgets_what_was_cleared():
    figure, (left, right) = plt.subplots(1, 2)
    il.plots.depth_profile(trace([1, 1]), ax=left)
    il.plots.spectrum([2.0, 1.0], ax=right)
    assert il.plots.explain(figure) == f"{il.plots.explain(left)} {il.plots.explain(right)}"
    left.clear()
    il.plots.spectrum([4.0], ax=left)
    assert il.plots.explain(left).startswith("Singular values")
    assert il.plots.explain(plt.figure()) == ""


# Style


def apart(one, other):
    """The smallest distance of two colours for all kinds of sight, and their distance in grey."""
    seen = [(lab(kind @ linear(one)), lab(kind @ linear(other))) for kind in SIGHT]
    return min(np.linalg.norm(a - b) for a, b in seen), abs(seen[0][0][0] - seen[0][1][0])


@pytest.mark.parametrize(
    "group",
    [
        ["zeros", "constant", "normal", "sparse", "xavier_normal", "kaiming_normal", "orthogonal",
         "torch_default"],
        ["normal", "uniform", "trunc_normal"],
        ["xavier_normal", "xavier_uniform", "torch_default"],
        ["kaiming_normal", "kaiming_uniform"],
        ["lecun_normal", "orthogonal"],
        ["eye", "dirac"],
        ["activation", "gradient", "weight", "weight_gradient"],
        ["with", "without"],
        ["positive", "negative"],
        ["first", "last"],
        ["healthy", "ill"],
        ["measured", "theory"],
        [look.colour for look in CLASSES],
        [look.colour for look in OTHERS],
    ],
    ids=lambda group: group[0],
)  # fmt: skip
@pytest.mark.parametrize("page", ["light", "dark"])
def test_names_of_one_figure_are_told_apart_by_the_colour_blind_and_in_grey(group, page):
    colours = [name if name[0] == "#" else colour_of(name) for name in group]
    if page == "dark":
        colours = [on_dark(colour) for colour in colours]
    pairs = [apart(*pair) for pair in itertools.combinations(colours, 2)]
    assert min(distance for distance, _ in pairs) > 13
    assert min(grey for _, grey in pairs) > (5 if page == "light" else 2.5)


@pytest.mark.parametrize("look", [*SCHEMES.values(), *MEANINGS.values(), *CLASSES, *OTHERS])
def test_colours_stand_out_from_the_page(look):
    for colour, page in ((look.colour, "#ffffff"), (on_dark(look.colour), "#111111")):
        dark, light = sorted(linear(one) @ [0.2126, 0.7152, 0.0722] for one in (colour, page))
        assert (light + 0.05) / (dark + 0.05) >= 2.99


def test_classes_are_no_schemes():
    pairs = itertools.product(CLASSES, SCHEMES.values())
    assert min(apart_now(one.colour, other.colour) for one, other in pairs) > 8


def apart_now(one, other):
    return np.linalg.norm(lab(linear(one)) - lab(linear(other)))


def test_every_scheme_has_its_own_look_and_any_name_has_one():
    assert set(SCHEMES) <= set(il.SCHEMES)
    assert len(set(SCHEMES.values())) == len({look.colour for look in SCHEMES.values()}) == 18
    assert look_of("kumar") == look_of("kumar") in OTHERS
    assert looks(["kumar", "normal"])["kumar"] == look_of("kumar")
    assert palette()["dark"]["class 0"] == on_dark(CLASSES[0].colour)


def test_a_name_that_starts_with_a_scheme_looks_like_it():
    names = ["kaiming_normal, bias 0", "kaiming_normal(a=0.2)", "normal weights", "kaiming_normal"]
    given = looks(names)
    own = SCHEMES["kaiming_normal"]
    assert given["kaiming_normal"] == own  # the scheme itself comes first, wherever it stands
    assert given["kaiming_normal, bias 0"] == own._replace(filled=False)
    assert given["kaiming_normal(a=0.2)"] in OTHERS
    assert given["normal weights"] in OTHERS
    assert list(given) == names


def test_with_and_without_are_known():
    for one, other in [("with BatchNorm", "without"), ("with", "no norm")]:
        assert looks([other, one]) == {other: MEANINGS["without"], one: MEANINGS["with"]}


@pytest.mark.parametrize(
    ("names", "order"),
    [(["std 1.0", "std 0.01", "std 0.1"], [2, 0, 1]), (["80 % zeros", "9 % zeros"], [1, 0])],
)
def test_what_differs_by_a_number_becomes_darker_with_it(names, order):
    assert [look.colour for look in looks(names).values()] == [ramp(len(names))[k] for k in order]
    assert [lab(linear(one))[0] for one in ramp(7)] == sorted(
        (lab(linear(one))[0] for one in ramp(7)), reverse=True
    )


def test_many_names_look_different():
    schemes = ["xavier_normal", "kaiming_normal", "torch_default"]
    names = [f"{scheme}, depth {depth}" for scheme in schemes for depth in (2, 5, 10, 20, 30)]
    assert len(set(looks(names).values())) == len(names)


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# Machado, Oliveira, Fernandes (2009): how full protanopia and deuteranopia see linear RGB
PROTAN = np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]])  # fmt: skip
DEUTAN = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                   [-0.011820, 0.042940, 0.968881]])  # fmt: skip
SIGHT = (np.eye(3), PROTAN, DEUTAN)


# Which layers, and how they are said


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["act1", "act2", "act10"], [1, 2, 10]),
        (["linear1", "linear2", "head"], [1, 2, 3]),
        (["1", "3", "5"], [1, 2, 3]),
        (["act2", "act1"], [1, 2]),
        (["act1", "act1:2"], [1, 2]),
        (["block1.act1", "block2.act1"], [1, 2]),
    ],
)
def test_layers_are_numbered_as_a_reader_counts(names, expected):
    assert records.positions(names) == expected


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([1], [1]),
        ([1, 2, 3], [1, 2, 3]),
        (range(1, 21), [1, 4, 6, 8, 10, 12, 14, 16, 18, 20]),
        (range(1, 31), [1, 5, 10, 15, 20, 25, 30]),
        (range(1, 101), [1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]),
    ],
)
def test_ticks_are_whole_layers(places, expected):
    assert records.ticks(places) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.98, "0.98"), (0.9996, "1.0"), (12.3, "12"), (1234, "1200"), (99_999, "1.0e5"),
        (3.2e-6, "3.2e-6"), (-0.04, "-0.040"), (NAN, "nan"), (float("inf"), "inf"),
        (float("-inf"), "-inf"),
    ],
)  # fmt: skip
def test_numbers_have_two_digits(value, text):
    assert records.number(value) == text


def test_only_nonlinearities_are_drawn_if_there_are_any():
    mixed = trace([1, 2, 3])
    mixed.layers[1].nonlinearity = False
    assert [row.name for row in records.picked(mixed, "activation", None)] == ["act1", "act3"]
    for one in mixed.layers:
        one.nonlinearity = False
    assert len(records.picked(mixed, "activation", None)) == 3
    assert [row.position for row in records.picked(mixed, "activation", "act[23]")] == [2, 3]


# Depth profile


def test_dots_are_the_measured_rms_on_a_log_axis():
    ax = il.plots.depth_profile(trace([1, 0.5, 0.25]))
    measured = line(ax, "measured")
    assert measured.get_xdata().tolist() == [1, 2, 3]
    assert measured.get_ydata().tolist() == pytest.approx([1, 0.5, 0.25])
    assert measured.get_linestyle() == "None"
    assert ax.get_yscale() == "log"
    assert ax.get_xticks().tolist() == [1, 2, 3]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("layer", "rms of activation (no unit)")
    assert il.plots.explain(ax) == (
        "Size of activation against depth, log axis. rms 1.0 at layer 1, 0.25 at layer 3."
    )


def test_dashes_are_the_prediction():
    ax = il.plots.depth_profile(trace([1, 2, 4]), predicted=prediction([1.0, None, 3.0]))
    theory = line(ax, "theory")
    np.testing.assert_array_equal(theory.get_ydata(), [1.0, NAN, 3.0])
    assert theory.get_linestyle() == "--"
    assert il.plots.explain(ax).endswith("; theory 1.0 to 3.0.")


def test_predicted_gradient_meets_the_last_layer():
    measured = trace([1, 1, 1], gradients=[8e-3, 4e-3, 2e-3])
    ax = il.plots.depth_profile(
        measured, quantity="gradient", predicted=prediction([None] * 3, [4.0, 2.0, 1.0])
    )
    assert line(ax, "theory").get_ydata() == pytest.approx([8e-3, 4e-3, 2e-3])
    assert ax.get_ylabel() == "rms of gradient (loss per activation)"


def test_where_theory_does_not_apply_the_reason_stands_in_its_place():
    reason = "Theory does not apply: conv1 (Conv2d) is not a layer that theory knows."
    silent = prediction([1.0, 1.0], applies=False, reason=reason)
    ax = il.plots.depth_profile(trace([1, 2]), predicted=silent)
    assert all(one.get_linestyle() != "--" or len(one.get_xdata()) == 0
               or np.isnan(one.get_ydata()).all() for one in ax.lines)  # fmt: skip
    measured, said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert (measured, said.replace("\n", " ")) == ("measured", reason)
    assert max(map(len, said.split("\n"))) <= 30  # a longer line leaves no room for the axes
    assert il.plots.explain(ax).endswith(f"layer 2. {reason}")


def test_what_a_log_axis_cannot_show_stands_at_its_edges_in_words():
    ax = il.plots.depth_profile({"normal": trace([1, 0, 0, NAN])})
    assert line(ax, "normal").get_xdata().tolist() == [1]
    assert edges(ax) == {0.0: [2, 3], 1.0: [4]}
    (text,) = [text.get_text() for text in ax.get_legend().get_texts()]
    assert text == "normal\n  0 at layers 2 to 3\n  nan or inf at layer 4"
    assert il.plots.explain(ax).endswith(
        "normal: rms 1.0 at layer 1; all 0 at layers 2 to 3; nan or inf at layer 4."
    )


@pytest.mark.parametrize("stds", [[0, 0], [NAN, NAN], [1e-12, 1e-12], [1e30, 1e-30]])
def test_extreme_traces_draw(stds):
    ax = il.plots.depth_profile(trace(stds))
    low, high = ax.get_ylim()
    assert high / low >= 99
    assert all(low < y < high for y in line(ax, "measured").get_ydata())


def test_a_partly_broken_layer_keeps_its_dot_and_gets_its_word():
    values = np.ones(100)
    values[:3] = NAN
    ax = il.plots.depth_profile(SimpleNamespace(layers=[layer("act1", values)]))
    assert line(ax, "measured").get_ydata().tolist() == [1.0]
    assert edges(ax)[1.0] == [1]
    assert il.plots.explain(ax).endswith(" 3 % nan or inf at layer 1.")


def test_the_legend_is_beside_the_data_in_the_order_of_the_last_layer():
    traces = {"zeros": trace([0, 0]), "normal": trace([1, 9]), "orthogonal": trace([1, 1])}
    ax = il.plots.depth_profile(traces, predicted={"normal": prediction([1.0, 9.0])})
    names = [text.get_text().split("\n")[0] for text in ax.get_legend().get_texts()]
    assert names == ["normal", "orthogonal", "zeros", "theory"]
    assert line(ax, "normal").get_color() == il.plots.COLOURS["normal"]
    assert line(ax, "_theory").get_color() == il.plots.COLOURS["normal"]
    ax.figure.draw_without_rendering()
    assert ax.get_legend().get_window_extent().x0 > ax.get_window_extent().x1


def band_of(ax):
    """The corners of the one shaded band: layer → (lowest, highest)."""
    (band,) = [one.get_paths()[0].vertices for one in ax.collections if len(one.get_paths()[0])]
    return {x: (band[band[:, 0] == x, 1].min(), band[band[:, 0] == x, 1].max())
            for x in sorted(set(band[:, 0]))}  # fmt: skip


def test_seeds_of_one_kind_become_a_median_on_a_band():
    runs = [trace([1, 4]), trace([2, 5]), trace([3, 0.5])]
    ax = il.plots.depth_profile({"normal": runs}, predicted={"normal": prediction([2.0, 4.0])})
    assert line(ax, "normal").get_ydata().tolist() == pytest.approx([2, 4])
    assert band_of(ax) == {1: pytest.approx((1, 3)), 2: pytest.approx((0.5, 5))}
    assert line(ax, "_theory").get_ydata().tolist() == [2, 4]
    low, high = ax.get_ylim()
    assert low < 0.5
    assert high > 5
    assert il.plots.explain(ax) == (
        "Size of activation against depth, log axis. normal: rms 2.0 at layer 1, 4.0 at layer 2 "
        "(median of 3; 0.50 to 5.0 at layer 2); theory 2.0 to 4.0."
    )


def test_seeds_that_leave_the_axis_count_as_above_all_or_0():
    runs = [trace([1, 5, NAN, 0]), trace([2, NAN, NAN, 0]), trace([3, 6, 7, 4])]
    ax = il.plots.depth_profile({"normal": runs})
    assert line(ax, "normal").get_xdata().tolist() == [1, 2]
    assert line(ax, "normal").get_ydata().tolist() == pytest.approx([2, 6])
    assert band_of(ax) == {1: pytest.approx((1, 3)), 2: pytest.approx((5, 6))}
    assert edges(ax) == {0.0: [4], 1.0: [3]}
    assert il.plots.explain(ax).endswith(
        "nan or inf at layer 3; all 0 at layer 4 (median of 3; 0 to 4.0 at layer 4)."
    )


@pytest.mark.parametrize(
    ("runs", "error", "message"),
    [
        ([], ValueError, "trace holds an empty list for 'normal': it needs a trace or more."),
        (
            [trace([1]), trace([1, 2])],
            ValueError,
            "trace has a list of traces whose layers differ: only networks of one kind make a "
            "band.",
        ),
        (
            [1.0],
            TypeError,
            "trace must be what il.trace(model, x) returns, or a dict or list of such, "
            "got 1.0 of type float.",
        ),
    ],
)
def test_what_is_no_list_of_seeds_is_told(runs, error, message):
    with pytest.raises(error) as caught:
        il.plots.depth_profile({"normal": runs})
    assert str(caught.value) == message


# Histograms


def test_heights_keep_the_shape_and_zeros_do_not_squash_it():
    noise = np.random.default_rng(0).standard_normal(200_000)
    relu = summary(np.maximum(noise, 0))
    centres, heights = density(relu, (-1.0, 3.0))
    assert heights.max() == pytest.approx(1, abs=0.01)
    expected = np.exp(-(centres**2) / 2) * (centres > 0.1)
    inside = (centres > 0.1) | (centres < -0.1)
    assert heights[inside] == pytest.approx(expected[inside], abs=0.06)


@pytest.mark.parametrize(
    ("values", "highest"),
    [
        (np.zeros(9), 0),  # all 0: the bar says it
        (np.full(9, 0.5), 1),  # all equal: one spike where it stands
        (np.full(9, 7.0), 0),  # outside the panel
        (np.linspace(-1e-12, 1e-12, 99), 1),  # vanished: a spike
        (np.linspace(-100, 100, 9999), 0.01),  # exploded: what is left inside is flat
        (np.full(9, NAN), 0),
    ],
)
def test_heights_of_degenerate_layers(values, highest):
    centres, heights = density(summary(values), (-1.0, 1.0))
    assert np.isfinite(heights).all()
    assert heights.max() == pytest.approx(highest, rel=0.1)
    if highest == 1:
        assert abs(centres[heights.argmax()] - values[-1]) < 0.02


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
    ax = il.plots.ridges(
        SimpleNamespace(layers=[layer("act1", values), layer("act2", np.zeros(5))])
    )
    for place, share in [(1, 0.3), (2, 1.0)]:
        (base, tip), (_, other) = (line(ax, f"act{p} zeros").get_ydata() for p in (place, 1))
        assert base == place
        assert (base - tip) * 0.3 == pytest.approx((1 - other) * share)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # layer 1 on top
    assert [text.get_text() for text in ax.texts] == ["rms", "0.49", "all 0"]
    assert ax.get_yticks().tolist() == [1, 2]
    assert ax.get_xlabel() == "activation (no unit);  ▮ share of exact zeros"


def test_panels_share_their_axes_and_carry_their_names():
    traces = {"zeros": trace([0, 0]), "normal": trace([1, 5]), "broken": trace([1, NAN])}
    figure = il.plots.histograms(traces)
    assert [ax.get_title() for ax in figure.axes] == list(traces)
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    assert (figure.get_supxlabel(), figure.get_supylabel()) == (
        "activation (no unit);  ▮ share of exact zeros;  numbers: rms",
        "layer",
    )
    assert figure.alt == (
        "Histograms of activation by layer. zeros: all 0 at layers 1 to 2. "
        "normal: rms 1.0 at layer 1, 5.0 at layer 2. "
        "broken: rms 1.0 at layer 1; nan or inf at layer 2."
    )


def test_eight_panels_stand_in_two_rows_without_touching():
    figure = il.plots.histograms({name: trace([1] * 20) for name in list(LOOKS)[:8]}, "activation")
    figure.draw_without_rendering()
    assert len({ax.get_subplotspec().rowspan.start for ax in figure.axes}) == 2
    for ax in figure.axes:
        notes = sorted(text.get_window_extent().y0 for text in ax.texts)
        assert min(np.diff(notes)) >= 12
        ticks = [t.get_window_extent() for t in ax.get_xticklabels() if t.get_visible()]
        assert all(a.x1 < b.x0 for a, b in itertools.pairwise(ticks))


def test_long_numbers_under_two_panels_of_gradients_do_not_touch():
    one = trace([1, 1], gradients=[2e-4, 1.8e-4])
    figure = il.plots.histograms(dict.fromkeys("ab", one), "gradient")
    figure.draw_without_rendering()
    for ax in figure.axes:
        ticks = [t.get_window_extent() for t in ax.get_xticklabels() if t.get_visible()]
        assert all(a.x1 < b.x0 for a, b in itertools.pairwise(ticks))


def test_prediction_lies_over_the_ridges():
    figure = il.plots.histograms(trace([1, 2]), predicted=prediction([1.0, 1.5]))
    (ax,) = figure.axes
    assert line(ax, "theory").get_xdata().tolist() == [1.0, 1.5]
    assert line(ax, "measured").get_xdata().tolist() == pytest.approx([1, 2])
    assert ax.get_xlabel().endswith("rms: ● measured, ╌ theory")


# Other records


def test_spectrum_is_sorted_and_keeps_zeros():
    ax = il.plots.spectrum({"normal": torch.tensor([0.5, 2.0, 0.0]), "orthogonal": [1.0, 1.0, 1.0]})
    assert line(ax, "normal").get_ydata().tolist() == [2.0, 0.5]
    assert edges(ax)[0.0] == [3]
    assert ax.get_xlabel() == "place of the singular value (1 = largest)"
    assert il.plots.explain(ax) == (
        "Singular values, largest first, log axis. normal: 2.0 to 0.50; 1 of 3 are 0. "
        "orthogonal: 1.0 to 1.0."
    )


def test_weights_share_a_symmetric_range_and_count_equal_rows():
    same, other = torch.full((4, 3), 0.5), torch.tensor([[1.0, -2.0], [3.0, 4.0]])
    figure = il.plots.weights({"same": same, "other": other})
    images = [ax.images[0] for ax in figure.axes[:2]]
    assert [image.get_clim() for image in images] == [(-4, 4)] * 2
    assert images[1].get_array().tolist() == other.tolist()
    assert figure.axes[0].get_title() == "same\n1 distinct row\nrank 1"
    assert figure.alt == (
        "Weights as colours. same: 4 units × 3 inputs, 1 distinct row, rank 1, all 0.50. "
        "other: 2 units × 2 inputs, 2 distinct rows, rank 2, from -2.0 to 4.0."
    )


def test_a_kernel_is_laid_out_with_one_row_for_each_unit():
    figure = il.plots.weights(torch.arange(24.0, requires_grad=True).reshape(2, 3, 2, 2))
    assert figure.axes[0].images[0].get_array().shape == (2, 12)


def test_scheme_picture_shows_all_entries_in_the_colours_of_the_picture():
    values = np.r_[np.zeros(90), np.ones(5), -np.ones(5)].reshape(10, 10)
    figure = il.plots.scheme_picture({"sparse": values})
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
        "sparse: 10 units × 10 inputs, mean 0, std 0.32, from -1.0 to 1.0, 90 % zeros."
    )


def test_scheme_pictures_can_share_a_range():
    figure = il.plots.scheme_picture({"a": np.eye(2), "b": 9 * np.eye(2)}, limit=3.0)
    assert [ax.images[0].get_clim() for ax in figure.axes if ax.images] == [(-3, 3)] * 2


def test_over_time_draws_the_median_and_the_band_of_the_runs():
    runs = [history([3, 1]), history([2, 1.5]), history([4, 0.5])]
    ax = il.plots.over_time({"normal": runs, "zeros": history([2.3, 2.3])})
    assert line(ax, "normal").get_ydata().tolist() == [3, 1]
    (band,) = ax.collections
    assert band.get_paths()[0].get_extents().bounds == (0, 0.5, 1, 3.5)
    assert ax.get_xlabel() == "step (updates)"
    assert il.plots.explain(ax) == (
        "loss over 2 steps. normal: 3.0 to 1.0 (median of 3 runs; at the end 0.50 to 1.5). "
        "zeros: 2.3 to 2.3."
    )


def test_over_time_tells_a_run_that_ends_early():
    ax = il.plots.over_time({"good": history([3, 2, 1]), "bad": history([3, NAN])}, log=True)
    assert edges(ax)[1.0] == [1]
    assert "bad\n  ends at step 1" in [text.get_text() for text in ax.get_legend().get_texts()]
    assert il.plots.explain(ax).endswith("bad: 3.0 to 3.0; ends at step 1.")


@pytest.mark.parametrize(("bad", "top"), [([3, 4e8], 3.3), ([3, 5], None)])
def test_what_diverges_leaves_the_picture_and_does_not_flatten_the_rest(bad, top):
    ax = il.plots.over_time({"good": history([3, 2, 1]), "bad": history(bad)})
    assert ax.get_ylim()[1] == pytest.approx(top or 5.2)
    assert edges(ax)[1.0] == [1]


def test_over_time_lays_theory_over_as_dashes():
    ax = il.plots.over_time(history([3, 2], [0.1, 0.9]), y="accuracy", predicted={"chance": 0.1})
    rule = line(ax, "chance (theory)")
    assert rule.get_linestyle() == "--"
    assert set(rule.get_ydata()) == {0.1}
    assert ax.get_ylim() == (0, 1.03)
    assert ax.get_ylabel() == "accuracy (share that is right)"


def test_ranks_stand_in_their_cells():
    ax = il.plots.ranks(RUN)
    assert [text.get_text() for text in ax.texts] == ["1", "4", "1", "nan"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "10"]
    assert il.plots.explain(ax) == "rank of the weight, step 0 to 10: a 1 to 4, b 1 to nan."


def test_real_records_draw():
    model = il.models.mlp(3, 16, "tanh")
    x, y = il.data.digits(32)
    measured = il.trace(model, x, y)
    assert il.plots.histograms(measured, "weight").alt.startswith("Histograms of weight by layer.")
    assert len(line(il.plots.depth_profile(measured), "measured").get_xdata()) == 3
    run = il.train(model, (x, y), steps=3, lr=0.1, record_every=1, progress=False)
    assert len(line(il.plots.over_time(run), "measured").get_xdata()) == 3
    assert il.plots.explain(il.plots.ranks(run)).startswith("rank of the weight, step 0 to 3")


# Bad input


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (
            lambda p: p.depth_profile(3),
            TypeError,
            "trace must be what il.trace(model, x) returns, or a dict or list of such, "
            "got 3 of type int.",
        ),
        (lambda p: p.histograms({}), ValueError, "trace holds nothing to draw: got {}."),
        (
            lambda p: p.histograms(trace([1]), "activations"),
            ValueError,
            "quantity must be one of 'activation', 'gradient', 'weight', 'weight_gradient', "
            "got 'activations'. Did you mean 'activation'?",
        ),
        (
            lambda p: p.histograms(trace([1]), "gradient"),
            ValueError,
            "the trace holds no gradient of any layer. Give il.trace a loss that reaches them.",
        ),
        (
            lambda p: p.depth_profile(trace([1, 2]), layers="atc1"),
            ValueError,
            "layers='atc1' fits no layer of the trace: did you mean 'act1' or 'act2'?",
        ),
        (
            lambda p: p.depth_profile({"a": trace([1])}, predicted={"b": prediction([1.0])}),
            ValueError,
            "predicted has 'b', which is no trace: the traces are 'a'.",
        ),
        (
            lambda p: p.depth_profile(trace([1]), ax=plt.figure()),
            TypeError,
            "ax must be matplotlib axes or None, got <Figure size 640x480 with 0 Axes> "
            "of type Figure.",
        ),
        (
            lambda p: p.explain(3),
            TypeError,
            "drawn must be matplotlib axes or a figure, got 3 of type int.",
        ),
        (
            lambda p: p.spectrum([1.0, -2.0]),
            ValueError,
            "singular_values must be at least 0, got -2.0: pass torch.linalg.svdvals(matrix), "
            "not the matrix or its eigenvalues.",
        ),
        (
            lambda p: p.weights("linear1"),
            TypeError,
            "weight must be a tensor, an array or a list of numbers, got 'linear1' of type str.",
        ),
        (
            lambda p: p.weights({"b": torch.ones(3)}),
            ValueError,
            "weight['b'] must have at least 2 dimensions, (units, inputs, ...), got shape (3,).",
        ),
        (
            lambda p: p.weights(torch.ones(0, 3)),
            ValueError,
            "weight holds no numbers: its shape is (0, 3).",
        ),
        (
            lambda p: p.scheme_picture([np.eye(2)] * 5),
            ValueError,
            "weight must hold at most 4 matrices, got 5.",
        ),
        (
            lambda p: p.scheme_picture(np.eye(2), limit=0),
            ValueError,
            "limit must be a finite number above 0, got 0.",
        ),
        (
            lambda p: p.over_time(3),
            TypeError,
            "history must be what il.train returns, rows with a 'step', or a dict or list of such, "
            "got 3 of type int.",
        ),
        (lambda p: p.over_time([]), ValueError, "history holds no steps: train for at least one."),
        (
            lambda p: p.over_time(history([1]), y="los"),
            ValueError,
            "y='los' is in no row: they hold 'step', 'loss'. Did you mean 'loss'?",
        ),
        (
            lambda p: p.ranks(SimpleNamespace(records=[])),
            ValueError,
            "history holds no records: train with il.train(..., record_every=10), "
            "got namespace(records=[]).",
        ),
        (
            lambda p: p.ranks(RUN, layers="c"),
            ValueError,
            "layers='c' is no layer with a weight: they are a, b.",
        ),
        (
            lambda p: p.ranks(RUN, quantity="dead"),
            ValueError,
            "quantity must be 'rank' or 'distinct', got 'dead'.",
        ),
    ],
)
def test_bad_arguments_are_named(draw, error, message):
    with pytest.raises(error) as caught:
        draw(il.plots)
    assert str(caught.value) == message


def test_theory_is_silent_about_weights():
    with pytest.raises(ValueError, match=r"^predicted speaks about 'activation' and 'gradient'"):
        records.theory_curve(prediction([1.0]), [], "weight")
