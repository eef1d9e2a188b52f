"""Pictures of runs: what the artists hold is what the rows say."""

import math

import numpy as np
import pytest

import initlab as il
from initlab.plots import COLOURS, against, alt_text, over_time, ranks, update_ratios
from plot_records import NAN, RUN, history

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
TERMS = [{"scheme": "eye", "terms": n, "rms": size} for n, size in [(1, 1), (4, 2), (64, 8)]]


def lines(ax):
    return {
        line.get_label(): line.get_xydata() for line in ax.lines if "_s" not in line.get_label()
    }


def names(ax):
    return [text.get_text() for text in ax.texts]


def edge(ax):
    return [x for line in ax.lines if line.get_label() == "_edge" for x in line.get_xdata()]


# Against a setting


def test_against_draws_medians_and_a_bar_over_the_seeds():
    ax = against(ROWS, chance=0.1, rules={"limit": 0.6})
    assert lines(ax)["eye"].tolist() == [[2, 0.8], [50, 0.4]]
    assert ax.lines[0].get_color() == COLOURS["eye"]
    bars = [segment.tolist() for segment in ax.collections[0].get_segments()]
    assert bars == [[[2, 0.7], [2, 0.9]], [[50, 0.4], [50, 0.4]]]
    assert lines(ax)["chance"][:, 1].tolist() == [0.1, 0.1]
    assert lines(ax)["limit"][:, 1].tolist() == [0.6, 0.6]
    assert sorted(names(ax)) == ["chance", "eye", "limit", "normal"]
    assert alt_text(ax) == (
        "At depth 2, eye reaches accuracy 0.8, normal 0.5. "
        "accuracy against depth, median of 3 runs at each point. "
        "eye: 0.8 at 2 (0.7 to 0.9), 0.4 at 50. normal: 0.5 at 2. "
        "Chance is 0.1. Limit is 0.6."
    )


def test_many_places_have_a_band():
    rows = [{"scheme": "eye", "layer": k, "cosine": s / k} for k in range(1, 21) for s in (1, 2)]
    ax = against(rows, "layer", y="cosine")
    band = ax.collections[0].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == pytest.approx((1 / 20, 2))
    assert all(tick == int(tick) for tick in ax.get_xticks())  # none between two layers


def test_against_marks_what_is_no_number():
    ax = against(ROWS, y="loss", by="norm")
    assert lines(ax)["no norm"].tolist() == [[2, 0.4]]
    assert edge(ax) == [2, 50]
    assert "no norm: 0.4 at 2 (0.2 to inf), inf at 50." in alt_text(ax)
    assert "norm batch: 1 at 2." in alt_text(ax)


def test_against_theory_on_a_log_axis():
    ax = against(TERMS, "terms", y="rms", predicted={"eye": math.sqrt}, log=True)
    x, y = lines(ax)["_theory"].T
    assert (x[0], x[-1], len(x)) == (1, 64, 101)
    assert y == pytest.approx(np.sqrt(x))
    styles = {line.get_label(): line.get_linestyle() for line in ax.lines}
    assert (styles["eye"], styles["_theory"]) == ("None", "--")
    assert names(ax) == ["eye", "theory"]
    assert against(TERMS, "terms", y="rms").lines[0].get_linestyle() == "-"
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert alt_text(ax) == (
        "Rms: theory (dashed) meets the dots within 1 %. rms against terms, 1 run at each point. "
        "eye: 1 at 1, 2 at 4, 8 at 64. eye, theory: 1 to 8."
    )
    alone = against(TERMS, "terms", y="rms", predicted=math.sqrt)
    assert lines(alone)["theory"][:, 1] == pytest.approx(y)
    assert alt_text(alone).endswith("8 at 64. Theory: 1 to 8.")
    assert alone.get_yscale() == "linear"


def test_against_has_its_ticks_where_it_measured_if_there_is_room():
    ax = against(TERMS, "terms", y="rms")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "4", "64"]
    assert ax.get_xticks(minor=True).tolist() == []
    rates = [{"scheme": "eye", "lr": float(lr), "accuracy": 0.5} for lr in np.geomspace(1e-4, 3, 8)]
    shown = [label.get_text() for label in against(rates, "lr").get_xticklabels()]
    assert shown == ["$10^{-4}$", "0.001", "0.01", "0.1", "1"]


def test_against_marks_zero_on_a_log_axis():
    ax = against([*TERMS, {"scheme": "eye", "terms": 9, "rms": 0.0}], "terms", y="rms", log=True)
    assert lines(ax)["eye"][:, 0].tolist() == [1, 4, 64]
    assert lines(ax)["_edge"].tolist() == [[9, 0]]


# Over time


def test_over_time_draws_the_median_and_the_band_of_the_runs():
    runs = [history([3, 1]), history([2, 1.5]), history([4, 0.5])]
    ax = over_time({"normal": runs, "zeros": history([2.3, 2.3])})
    assert lines(ax)["normal"].tolist() == [[0, 3], [1, 1]]
    (band,) = ax.collections
    assert band.get_paths()[0].get_extents().bounds == (0, 0.5, 1, 3.5)
    assert ax.get_xlabel() == "step (updates)"
    assert alt_text(ax) == (
        "normal ends lowest: loss 1, zeros 2.3. loss over 2 steps. "
        "normal: 3 to 1 (median of 3 runs; at the end 0.5 to 1.5). zeros: 2.3 to 2.3."
    )


def test_over_time_tells_a_run_that_ends_early():
    ax = over_time({"good": history([3, 2, 1]), "bad": history([3, NAN])}, log=True)
    assert edge(ax) == [1]
    assert names(ax) == ["good", "bad\nends at step 1"]
    assert alt_text(ax).endswith("bad: 3 to 3; ends at step 1.")


@pytest.mark.parametrize(("bad", "top"), [([3, 4e8], 3.1), ([3, 5], 5.2)])
def test_what_diverges_leaves_the_picture_and_does_not_flatten_the_rest(bad, top):
    ax = over_time({"good": history([3, 2, 1]), "bad": history(bad)})
    assert ax.get_ylim()[1] == pytest.approx(top)
    assert edge(ax) == [1]


def test_a_line_that_lies_under_another_is_wider():
    below, above, apart = ([2, 1.5, 1.2], [2, 1.5, 1.2], [2, 1, 0.1])
    runs = {"a": history(below), "b": history(above), "c": history(apart)}
    wide = {line.get_label(): line.get_linewidth() for line in over_time(runs).lines}
    assert wide["a"] > wide["b"] == wide["c"]


def test_over_time_lays_theory_over_as_dashes():
    ax = over_time(history([3, 2], [0.1, 0.9]), y="accuracy", predicted={"chance": 0.1})
    (rule,) = [line for line in ax.lines if line.get_label() == "chance (theory)"]
    assert rule.get_linestyle() == "--"
    assert set(rule.get_ydata()) == {0.1}
    assert ax.get_ylim() == (0, 1.03)
    assert ax.get_ylabel() == "accuracy (share that is right)"


def test_ranks_stand_in_their_cells():
    ax = ranks(RUN)
    assert names(ax) == ["1", "4", "1", "nan"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "10"]
    assert alt_text(ax) == (
        "Rank of the weight grows in a only. "
        "rank of the weight, step 0 to 10: a 1 to 4, b 1 to nan."
    )


def test_update_ratios_leave_0_on_the_edge_and_have_a_rule_of_thumb():
    zero = il.History()
    with pytest.raises(ValueError, match=r"^history holds no records: train with il.train\("):
        update_ratios(zero)
    model = il.models.mlp(2, 8)
    il.initialize(model, "zeros")
    seen = il.train(model, il.data.digits(16), steps=2, lr=0.0, record_every=1, progress=False)
    ax = update_ratios(seen, layers=["linear1", "head"])
    assert edge(ax)
    assert names(ax) == ["linear1", "head", "rule of thumb"]
    with pytest.raises(ValueError, match=r"^layers='linar1' is no layer with a weight: they are"):
        update_ratios(seen, layers="linar1")


def test_records_plot_themselves():
    runs = il.experiments.compare(
        ["eye", "normal"], il.models.mlp(1, 8), il.data.digits(64), seeds=2, steps=3, lr=0.1
    )
    assert set(lines(runs.plot(y="accuracy"))) >= {"eye", "normal"}
