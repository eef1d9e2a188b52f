"""What holds for every figure: words, layout, paper, global settings, bad input."""

import base64
import io
import itertools
import re

import IPython.display
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.text import Text
from PIL import Image

import initlab as il
from initlab import plots
from initlab.plots import records
from initlab.plots.axes import apart, label_powers
from plot_records import NAN, RUN, history, prediction, trace

ROWS = [{"scheme": name, "depth": d, "accuracy": 1 / d} for name in ("a", "b") for d in (2, 4)]
DRAW = {  # every drawing function, on axes of ours and on the caller's
    "histograms": lambda **k: plots.histograms({"a": trace([1, 2]), "b": trace([0, 1])}, **k),
    "one_histogram": lambda **k: plots.histograms(trace([1, 2]), **k),
    "depth_profile": lambda **k: plots.depth_profile(trace([1, 0, 2]), **k),
    "spectrum": lambda **k: plots.spectrum({"a": [3.0, 1.0, 0.0], "b": [1.0, 1.0]}, **k),
    "over_time": lambda **k: plots.over_time(history([2, 1]), **k),
    "ranks": lambda **k: plots.ranks(RUN, **k),
    "update_ratios": lambda **k: plots.update_ratios(RUN, **k),
    "against": lambda **k: plots.against(ROWS, chance=0.1, **k),
    "limits": lambda **k: plots.limits({"act1": 0.1, "act2": 3.0}, high=1.0, **k),
    "weights": lambda **k: plots.weights(torch.eye(3), **k),
    "scheme_picture": lambda **k: plots.scheme_picture({"eye": torch.eye(3)}, **k),
    "distributions": lambda **k: plots.distributions({"eye": torch.eye(3)}, limit=2.0, **k),
}
ON_FIGURES = ["histograms", "one_histogram", "weights", "scheme_picture"]


def figure_of(drawn):
    return drawn if hasattr(drawn, "savefig") else drawn.figure


@pytest.mark.parametrize("name", DRAW)
def test_every_figure_reads_well_and_leaves_the_settings_alone(name, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *a, **k: pytest.fail("show was called"))
    before = dict(matplotlib.rcParams)
    figure = figure_of(DRAW[name]())
    assert dict(matplotlib.rcParams) == before
    figure.draw_without_rendering()
    assert figure.get_facecolor()[3] == 0  # clear: the page shows through
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert min(text.get_fontsize() for text in texts) * figure.dpi / 72 >= 15  # text is 14 pixels
    ticks = [tick for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)
             for tick in axis.get_ticklabels()]  # fmt: skip
    for text in set(texts) - set(ticks):  # ticks beyond the axis count as visible
        box = text.get_window_extent()
        assert box.width == 0 or (box.x0 >= 0 and box.x1 <= figure.bbox.width + 1), text
    bold = [text.get_text() for text in texts if text.get_fontweight() == "bold"]
    assert len(bold) == 1
    headline = bold[0].replace("\n", " ")
    assert figure.alt.startswith(f"{headline}. ")
    assert re.search(r"\d", figure.alt)
    assert "no unit" not in " ".join(text.get_text() for text in texts)


@pytest.mark.parametrize("name", DRAW)
def test_axes_and_figures_of_the_caller_are_drawn_on_and_take_his_headline(name):
    if name in ON_FIGURES:
        _, right = plt.figure().subfigures(1, 2)
        drawn = DRAW[name](figure=right, headline="Look at this")
        assert drawn is right
        assert right._suptitle.get_text() == "Look at this"
    else:
        _, ax = plt.subplots()
        drawn = DRAW[name](ax=ax, headline="Look at this")
        assert drawn is ax
        assert ax.get_title("left") == "Look at this"


def test_no_headline_is_possible():
    ax = plots.depth_profile(trace([1, 2]), headline="")
    assert ax.get_title("left") == ""
    assert plots.alt_text(ax).startswith("Size of activation")


def test_no_global_setting_changes_when_drawing_fails():
    before = dict(matplotlib.rcParams)
    with pytest.raises(ValueError, match="quantity"):
        plots.depth_profile(trace([1]), quantity="size")
    assert dict(matplotlib.rcParams) == before
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", ["depth_profile", "weights"])
def test_a_figure_shows_as_a_sharp_picture_with_words(name):
    figure = figure_of(DRAW[name]())
    assert repr(figure).startswith(f"<Figure 900x{100 * figure.get_figheight():.0f}, 1 axes>: ")
    assert repr(figure).endswith(figure.alt)
    shown = figure.shown(figure.alt)
    alt, width, data = re.search(
        r'alt="([^"]+)" width="(\d+)" style="[^"]+" src="data:image/png;base64,([^"]+)">$',
        shown["text/html"],
    ).groups()
    assert (alt, width) == (figure.alt, "900")
    for picture, wide in ((data, 1800), (shown["image/png"], 900)):
        with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
            assert image.width == wide
            clear = image.convert("RGBA").getpixel((0, 0))
            assert clear == (255, 255, 255, 0)
    assert len(data) < 60_000


def test_few_shades_look_the_same():
    figure = plots.weights(torch.randn(32, 32))
    figure.pngs()  # the layout settles
    few, full = io.BytesIO(figure.pngs()[0]), io.BytesIO()
    figure.savefig(full, format="png", dpi=200, bbox_inches=None, facecolor="white")
    with Image.open(full) as a, Image.open(few) as b:
        apart = np.abs(np.asarray(a.convert("RGB"), int) - np.asarray(b.convert("RGB"), int))
    assert apart.max() <= 16  # of 255
    assert len(few.getvalue()) < 0.7 * len(full.getvalue())


def test_a_notebook_shows_each_figure_once(monkeypatch):
    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda data, raw: shown.append(data))
    figure = plots.histograms({'"><b>': trace([1, 2])})
    figure._ipython_display_()
    (bundle,) = shown
    assert bundle["text/plain"] == repr(figure)
    assert bundle.keys() == {"text/plain", "text/html", "image/png"}
    assert 'alt="&quot;&gt;&lt;b&gt; ' in bundle["text/html"]
    assert plt.get_fignums() == []  # so that the end of the cell does not show it again


def test_alternatives_are_joined_and_forgotten_with_what_was_cleared():
    figure, (left, right) = plt.subplots(1, 2)
    plots.depth_profile(trace([1, 1]), ax=left)
    plots.spectrum([2.0, 1.0], ax=right)
    assert plots.alt_text(figure) == f"{plots.alt_text(left)} {plots.alt_text(right)}"
    left.clear()
    plots.spectrum([4.0], ax=left)
    assert "depth" not in plots.alt_text(left)
    assert plots.alt_text(plt.figure()) == ""


# Axes


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (-0.1, 0.5, ["1", "1.5", "2", "3"]),
        (-1.2, 1.1, ["0.1", "0.2", "0.5", "1", "2", "5", "10"]),
        (-4, 2, ["$10^{-4}$", "0.001", "0.01", "0.1", "1", "10", "100"]),
        (-48, 52, ["$10^{-40}$", "$10^{-20}$", "1", "$10^{20}$", "$10^{40}$"]),
    ],
)
def test_a_log_axis_has_a_handful_of_labels_that_are_read_at_once(low, high, labels):
    _, ax = plt.subplots()
    ax.set_yscale("log")
    ax.set_ylim(10.0**low, 10.0**high)
    label_powers(ax.yaxis, low, high)
    assert [text.get_text() for text in ax.get_yticklabels()] == labels


def test_names_at_lines_never_touch():
    rng = np.random.default_rng(0)
    for count in range(2, 9):
        heights = rng.uniform(0.05, 0.1, count)
        wanted = rng.choice([0.0, 0.5, 0.52, 1.0], count)
        placed = apart(wanted, heights)
        order = np.argsort(-placed)
        gaps = -np.diff(placed[order])
        assert (gaps >= (heights[order][1:] + heights[order][:-1]) / 2 - 1e-9).all()
        assert (placed - heights / 2 >= -1e-9).all()
        assert (placed + heights / 2 <= 1 + 1e-9).all()
    assert apart(np.array([0.2, 0.8]), np.array([0.1, 0.1])) == pytest.approx([0.2, 0.8])


@pytest.mark.parametrize("count", [3, 8])
def test_names_stand_beside_the_axes_apart_from_each_other(count):
    names = {f"a{place}x": trace([1, 1 + 1e-3 * place]) for place in range(count)}
    ax = plots.depth_profile(names)
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == count
    assert min(box.x0 for box in boxes) > ax.get_window_extent().x1
    for one, other in itertools.combinations(boxes, 2):
        assert one.y0 >= other.y1 or other.y0 >= one.y1


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
        (range(1, 21), [1, 5, 10, 15, 20]),
        (range(1, 31), [1, 5, 10, 15, 20, 25, 30]),
        (range(1, 101), [1, 20, 40, 60, 80, 100]),
        ([1, 3, 16], [1, 4, 6, 8, 10, 12, 14, 16]),
    ],
)
def test_ticks_are_whole_layers(places, expected):
    assert records.ticks(places) == expected


def test_only_nonlinearities_are_drawn_if_there_are_any():
    mixed = trace([1, 2, 3])
    mixed.layers[1].nonlinearity = False
    assert [row.name for row in records.picked(mixed, "activation", None)] == ["act1", "act3"]
    for one in mixed.layers:
        one.nonlinearity = False
    assert len(records.picked(mixed, "activation", None)) == 3
    assert [row.position for row in records.picked(mixed, "activation", "act[23]")] == [2, 3]


def test_real_records_draw():
    model = il.models.mlp(3, 16, "tanh")
    x, y = il.data.digits(32)
    measured = il.trace(model, x, y)
    assert "Histograms of weight by layer. rms" in plots.histograms(measured, "weight").alt
    run = il.train(model, (x, y), steps=3, lr=0.1, record_every=1, progress=False)
    assert "loss over 3 steps" in plots.alt_text(run.plot())
    assert "rank of the weight, step 0 to 3" in plots.alt_text(plots.ranks(run))
    ax = plots.update_ratios(run)
    (line,) = [one for one in ax.lines if one.get_label() == "head"]
    expected = [[one.step, one.update_ratio["head"]] for one in run.records if one.update_ratio]
    assert line.get_xydata().tolist() == expected


# Bad input


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda p: p.depth_profile(3), TypeError,
         "trace must be what il.trace(model, x) returns, or a dict or list of such, "
         "got 3 of type int."),
        (lambda p: p.histograms({}), ValueError, "trace holds nothing to draw: got {}."),
        (lambda p: p.histograms(trace([1]), "activations"), ValueError,
         "quantity must be one of 'activation', 'gradient', 'weight', 'weight_gradient', "
         "got 'activations'. Did you mean 'activation'?"),
        (lambda p: p.histograms(trace([1]), "gradient"), ValueError,
         "the trace holds no gradient of any layer. Give il.trace a loss that reaches them."),
        (lambda p: p.depth_profile(trace([1, 2]), layers="atc1"), ValueError,
         "layers='atc1' fits no layer of the trace: did you mean 'act1' or 'act2'?"),
        (lambda p: p.depth_profile({"a": trace([1])}, predicted={"b": prediction([1.0])}),
         ValueError, "predicted has 'b', which is no trace: the traces are 'a'."),
        (lambda p: p.depth_profile({"normal": []}), ValueError,
         "trace holds an empty list for 'normal': it needs a trace or more."),
        (lambda p: p.depth_profile({"normal": [trace([1]), trace([1, 2])]}), ValueError,
         "trace has a list of traces whose layers differ: only networks of one kind make a band."),
        (lambda p: p.depth_profile(trace([1]), ax=plt.figure()), TypeError,
         "ax must be matplotlib axes or None, got <Figure size 640x480 with 0 Axes> "
         "of type Figure."),
        (lambda p: p.alt_text(3), TypeError,
         "drawn must be matplotlib axes or a figure, got 3 of type int."),
        (lambda p: p.spectrum([1.0, -2.0]), ValueError,
         "singular_values must be at least 0, got -2: pass torch.linalg.svdvals(matrix), "
         "not the matrix or its eigenvalues."),
        (lambda p: p.weights("linear1"), TypeError,
         "weight must be a tensor, an array or a list of numbers, got 'linear1' of type str."),
        (lambda p: p.weights({"b": torch.ones(3)}), ValueError,
         "weight['b'] must have at least 2 dimensions, (units, inputs, ...), got shape (3,)."),
        (lambda p: p.weights(torch.ones(0, 3)), ValueError,
         "weight holds no numbers: its shape is (0, 3)."),
        (lambda p: p.scheme_picture([np.eye(2)] * 5), ValueError,
         "weight must hold at most 4 matrices, got 5."),
        (lambda p: p.scheme_picture(np.eye(2), limit=0), ValueError,
         "limit must be a finite number above 0, got 0."),
        (lambda p: p.distributions(np.eye(2), limit=np.inf), ValueError,
         "limit must be a finite number above 0, got inf."),
        (lambda p: p.over_time(3), TypeError,
         "history must be what il.train returns, rows with a 'step', or a dict or list of such, "
         "got 3 of type int."),
        (lambda p: p.over_time([]), ValueError,
         "history holds no steps: train for at least one."),
        (lambda p: p.over_time(history([1]), y="los"), ValueError,
         "y='los' is in no row: they hold 'step', 'loss'. Did you mean 'loss'?"),
        (lambda p: p.ranks([1]), ValueError,
         "history holds no records: train with il.train(..., record_every=10), got [1]."),
        (lambda p: p.ranks(RUN, layers="c"), ValueError,
         "layers='c' is no layer with a weight: they are a, b."),
        (lambda p: p.ranks(RUN, quantity="dead"), ValueError,
         "quantity must be 'rank' or 'distinct', got 'dead'."),
        (lambda p: p.against([]), ValueError, "runs holds no run to draw."),
        (lambda p: p.against(ROWS, "dept"), ValueError,
         "'dept' is in no row: they hold 'scheme', 'depth', 'accuracy'."),
        (lambda p: p.against(ROWS, predicted={"c": abs}), ValueError,
         "predicted has 'c', which is no line: the lines are 'a', 'b'."),
        (lambda p: p.limits({}), ValueError, "values holds nothing to draw: got an empty dict."),
        (lambda p: records.theory_curve(prediction([1.0]), [], "weight"), ValueError,
         "predicted speaks about 'activation' and 'gradient' only, got quantity='weight'."),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(draw, error, message):
    with pytest.raises(error) as caught:
        draw(plots)
    assert str(caught.value) == message


def test_nan_alone_draws():
    assert "nan or inf at layers 1 to 2" in plots.histograms(trace([NAN, NAN])).alt
