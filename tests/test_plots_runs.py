"""Pictures of runs: what the artists hold is what the rows say."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import QuadMesh

import initlab as il
from initlab.plots import COLOURS, explain
from initlab.plots.runs import against, boundaries, histograms_over_time, update_ratios

ROWS = [
    {"scheme": scheme, "depth": depth, "norm": norm, "accuracy": accuracy, "loss": loss}
    for scheme, depth, norm, accuracy, loss in [
        ("eye", 2, None, 0.9, 0.2),
        ("eye", 2, None, 0.7, 0.4),
        ("eye", 2, None, 0.8, math.inf),
        ("eye", 50, None, 0.4, math.nan),
        ("normal", 2, "batch", 0.5, 1.0),
    ]
]


def lines(ax: Any) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_xydata() for line in ax.lines}


def test_against() -> None:
    ax = against(ROWS, chance=0.1)
    assert lines(ax)["eye"].tolist() == [[2, 0.8], [50, 0.4]]
    assert ax.lines[0].get_color() == COLOURS["eye"]
    band = ax.collections[0].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == pytest.approx((0.4, 0.9))
    assert lines(ax)["chance"][:, 1].tolist() == [0.1, 0.1]
    assert explain(ax) == (
        "accuracy against depth, median of 3 runs at each point. "
        "eye: 0.80 at 2 (0.70 to 0.90), 0.40 at 50. normal: 0.50 at 2. Chance is 0.10."
    )


def test_against_marks_what_is_no_number() -> None:
    ax = against(ROWS, y="loss", by="norm")
    assert lines(ax)["no norm"].tolist() == [[2, 0.4]]
    assert next(line.get_xdata().tolist() for line in ax.lines if line.get_label() == "_edge") == [
        2,
        50,
    ]
    assert "no norm: 0.40 at 2 (0.20 to inf), inf at 50." in explain(ax)
    assert "norm batch: 1.0 at 2." in explain(ax)


TERMS = [{"scheme": "eye", "terms": n, "rms": size} for n, size in [(1, 1), (4, 2), (64, 8)]]


def test_against_theory_on_a_log_axis() -> None:
    ax = against(TERMS, "terms", y="rms", predicted={"eye": math.sqrt}, log=True)
    x, y = lines(ax)["_theory"].T
    assert (x[0], x[-1], len(x)) == (1, 64, 101)
    assert y == pytest.approx(np.sqrt(x))
    styles = {str(line.get_label()): line.get_linestyle() for line in ax.lines}
    assert styles == {"eye": "None", "_theory": "--", "theory": "--"}
    assert against(TERMS, "terms", y="rms").lines[0].get_linestyle() == "-"
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert explain(ax).endswith("eye: 1.0 at 1, 2.0 at 4, 8.0 at 64. eye, theory: 1.0 to 8.0.")
    alone = against(TERMS, "terms", y="rms", predicted=math.sqrt)
    assert lines(alone)["theory"][:, 1] == pytest.approx(y)
    assert explain(alone).endswith("8.0 at 64. Theory: 1.0 to 8.0.")
    assert alone.get_yscale() == "linear"


def test_against_has_its_ticks_where_it_measured_if_there_is_room() -> None:
    ax = against(TERMS, "terms", y="rms")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "4", "64"]
    assert ax.get_xticks(minor=True).tolist() == []
    close = [{"scheme": "eye", "std": std, "rms": 1.0} for std in [1e-6, 0.9, 1.0]]
    assert 0.9 not in against(close, "std", y="rms").get_xticks()


def test_against_marks_zero_on_a_log_axis() -> None:
    ax = against([*TERMS, {"scheme": "eye", "terms": 9, "rms": 0.0}], "terms", y="rms", log=True)
    assert lines(ax)["eye"][:, 0].tolist() == [1, 4, 64]
    assert lines(ax)["_edge"].tolist() == [[9, 0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "runs holds no run to draw."),
        ((ROWS, "dept"),
         "'dept' is in no row: they hold 'scheme', 'depth', 'norm', 'accuracy', 'loss'."),
    ],
)  # fmt: skip
def test_against_nothing(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        against(*arguments)
    assert str(caught.value) == message


def test_against_theory_of_nothing() -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        against(ROWS, predicted={"ey": math.sqrt})
    assert (
        str(caught.value) == "predicted has 'ey', which is no line: the lines are 'eye', 'normal'."
    )


def history(**options: Any) -> il.History:
    model = il.models.mlp(4, 8, "tanh")
    return il.train(model, il.data.digits(64), steps=6, lr=0.1, record_every=2, **options)


def test_update_ratios() -> None:
    seen = history()
    ax = update_ratios(seen)
    assert set(lines(ax)) == {"linear1", "linear3", "head", "rule of thumb"}
    expected = [[record.step, record.update_ratio["head"]] for record in seen.records]
    assert lines(ax)["head"].tolist() == expected
    assert ax.get_yscale() == "log"
    assert lines(update_ratios(seen, layers="linear2")).keys() >= {"linear2"}
    with pytest.raises(ValueError, match=r"^layers='linar2' was not recorded: there are linear1,"):
        update_ratios(seen, layers="linar2")
    with pytest.raises(ValueError, match=r"^history holds no records: train with il.train\("):
        update_ratios(il.History())


def test_update_ratio_of_0_is_on_the_edge() -> None:
    record = SimpleNamespace(step=0, update_ratio={"a": 0.0})
    ax = update_ratios(SimpleNamespace(records=[record]))
    assert lines(ax)["_edge"].tolist() == [[0, 0]]


def test_histograms_over_time() -> None:
    seen = history()
    figure = histograms_over_time(seen, "weight", layers=["linear1", "head"])
    first, second = figure.axes[:2]
    assert [first.get_title(), second.get_title()] == ["linear1", "head"]
    image = next(one for one in first.collections if isinstance(one, QuadMesh))
    shares = image.get_array()
    assert shares.shape == (60, 4)  # bins, records
    assert np.all((shares.sum(0) > 0.98) & (shares.sum(0) <= 1 + 1e-6))
    sides = image.get_coordinates()[0, :, 0]
    assert sides.tolist() == [-0.5, 1, 3, 5, 6.5]
    heights = image.get_coordinates()[:, 0, 1]
    middle = np.average((heights[1:] + heights[:-1]) / 2, weights=shares[:, 0])
    trace = seen.records[0].trace["linear1"].weight
    assert middle == pytest.approx(trace.mean, abs=0.1 * trace.std)
    assert explain(figure).startswith("Histograms of weight over time. linear1: rms ")
    assert len(histograms_over_time(seen).axes) == 3 + 1  # first, middle, last, and the scale


def test_boundaries() -> None:
    model = il.models.mlp(1, 8, n_in=2, n_out=3)
    seen = il.train(model, il.data.spirals(60), steps=4, lr=0.1, record_every=1)
    figure = boundaries({"mine": seen, "yours": seen}, steps=[0, 4])
    assert [ax.get_title() for ax in figure.axes] == [
        "mine, step 0", "mine, step 4", "yours, step 0", "yours, step 4",
    ]  # fmt: skip
    ax = figure.axes[1]
    plane = next(one for one in ax.collections if isinstance(one, QuadMesh))
    assert np.array_equal(plane.get_array(), seen.records[-1].regions.classes)
    points = np.concatenate([line.get_xydata() for line in ax.lines])
    assert len(points) == 60
    assert "mine at step 0: " in explain(figure)
    assert len(boundaries(seen).axes) == 3
    with pytest.raises(ValueError, match=r"^steps=9 has no record: there are 0, 1, 2, 3, 4\.$"):
        boundaries(seen, steps=[9])
    with pytest.raises(ValueError, match=r"^history must come from inputs with two features"):
        boundaries(history())


def test_records_plot_themselves() -> None:
    runs = il.experiments.compare(
        ["eye", "normal"], il.models.mlp(1, 8), il.data.digits(64), seeds=2, steps=3, lr=0.1
    )
    ax = runs.plot(y="accuracy")
    assert set(lines(ax)) >= {"eye", "normal"}
    assert history().plot().get_ylabel().startswith("loss")


def test_against_has_no_tick_between_two_layers():
    rows = [{"scheme": "normal", "layer": k, "correlation": 0.5} for k in range(1, 21)]
    ax = il.plots.against(rows, "layer", y="correlation")
    assert all(tick == int(tick) for tick in ax.get_xticks())
