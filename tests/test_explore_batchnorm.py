"""The explorer of BatchNorm: beside `il.trace`, plain torch modules, and closed forms."""

from __future__ import annotations

import gc
import math
import re
import sys
import weakref

import numpy as np
import pytest

from initlab.explore import BatchNorm, batchnorm
from initlab.explore.batchnorm import recent
from initlab.explore.batchnorm_records import BatchnormSettings, batchnorm_records
from test_explore import Browser

MODULE = sys.modules["initlab.explore.batchnorm_records"]
SMALL = {"depth": 4, "width": 32, "batch_size": 32}


def records(*, seconds=math.inf, **values):
    settings = BatchnormSettings(**{**SMALL, **values})
    return batchnorm_records(settings, seconds)


def curves(panel):
    """Name of what was measured → its numbers."""
    return {s["name"]: s["y"] for s in panel["series"] if s["name"] != "theory"}


def test_a_run_that_diverges_stops_and_is_told():
    explorer = batchnorm(**{**SMALL, "depth": 10}, scale=10.0)
    assert [row.cells[-1] for row in explorer.scene.table.rows][1] == "diverged"
    with_norm, without = explorer.scene.panels[4].series
    assert len(with_norm.y) == 100 > len(without.y)
    assert np.isfinite(without.y).all()


def test_accuracies_are_averaged_over_20_batches():
    shares = np.random.default_rng(0).random(50)
    expected = [shares[max(0, k - 19) : k + 1].mean() for k in range(50)]
    assert recent(shares) == pytest.approx(expected)
    assert recent(np.array([0.5, math.nan, math.nan])) == pytest.approx([0.5])
    assert recent(np.array([])).size == 0


def test_signals_come_first_and_the_rest_follows():
    browser = Browser(batchnorm(**SMALL))
    sent = browser.ask(set={"seed": 8})
    assert sent["unfinished"]
    assert sent["sentence"].endswith("(computing)")
    assert [s["style"] for s in sent["panels"][0]["series"]] == ["dots", "dots"]
    seen = [sent]
    while seen[-1]["unfinished"]:
        seen.append(browser.ask(go_on=True))
    assert [s["style"] for s in seen[-1]["panels"][0]["series"]] == ["dots", "dashes"] * 2
    assert curves(seen[-1]["panels"][0]) == curves(sent["panels"][0])
    MODULE._study.cache_clear()
    MODULE._invariance.cache_clear()
    fresh = batchnorm(**browser.explorer.values)
    assert fresh.sentence == seen[-1]["sentence"]
    assert fresh.scene.panels[4].series[0].y.tolist() == seen[-1]["panels"][4]["series"][0]["y"]


def test_each_control_moves_something():
    browser = Browser(batchnorm(**SMALL))
    seen = [browser.ask(ready=True)["panels"]]
    for name, value in {
        "scale": 0.5, "batch_size": 8, "depth": 5, "width": 64, "activation": "linear", "seed": 1,
    }.items():  # fmt: skip
        sent = browser.ask(set={name: value})
        assert sent["error"] == ""
        assert sent["panels"] not in seen
        seen.append(sent["panels"])
    assert set(browser.explorer.values) == set(BatchNorm.defaults())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scale": 0.0}, "scale must be a finite number from 0.0001 to 10, got 0.0."),
        ({"depth": 51}, "depth must be at most 50, got 51."),
        (
            {"batch_size": 2},
            "batch_size=2 is unknown: did you mean '32'? Allowed: 4, 8, 32, 128, 512.",
        ),
        (
            {"activation": "gelu"},
            "activation='gelu' is unknown: did you mean 'relu'? Allowed: relu, leaky_relu, tanh, "
            "sigmoid, linear.",
        ),
    ],
    ids=str,
)
def test_a_wrong_value_is_named_and_changes_nothing(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        batchnorm(**values)
    explorer = batchnorm(**SMALL)
    before, seen = explorer.values, explorer.sentence
    sent = Browser(explorer).ask(set=values)
    assert message in sent["error"]
    assert (sent["values"], sent["sentence"]) == (before, seen)


def test_each_preset_is_reached_from_anywhere():
    browser = Browser(batchnorm(**SMALL))
    for name, values in BatchNorm.presets.items():
        sent = browser.ask(preset=name)
        assert sent["error"] == ""
        assert sent["values"] == {**BatchNorm.defaults(), **values}


def test_the_still_picture_shows_the_same_numbers():
    explorer = batchnorm(**SMALL)
    figure = explorer.figure()
    assert figure.alt == explorer.sentence
    signals, gradients, _, invariance, accuracy = figure.axes
    got = records()
    shown = {line.get_label(): line.get_ydata() for line in gradients.lines}
    assert shown["with BatchNorm"] == pytest.approx(got.normed.gradient, rel=1e-6)
    assert shown["without"] == pytest.approx(got.plain.gradient, rel=1e-6)
    assert [row.cells[2] for row in explorer.scene.table.rows] == ["× 1.52", "× 0.01"]
    assert signals.get_yscale() == invariance.get_xscale() == "log"
    assert len(accuracy.lines[0].get_ydata()) == 100


@pytest.mark.parametrize("seconds", [0.0, 0.05, math.inf])
def test_what_the_cache_drops_is_freed_without_the_garbage_collector(seconds):
    records(seconds=seconds, seed=9)
    settings = BatchnormSettings(**{**SMALL, "seed": 9})
    dropped = weakref.ref(MODULE._study(settings))
    assert dropped() is not None
    gc.disable()
    try:
        MODULE._study.cache_clear()
        assert dropped() is None
    finally:
        gc.enable()
