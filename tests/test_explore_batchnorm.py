"""The explorer of BatchNorm: beside `il.trace`, plain torch modules, and closed forms."""

from __future__ import annotations

import gc
import math
import re
import sys
import weakref

import numpy as np
import pytest
import torch
from torch import nn

import initlab as il
from initlab.explore import BatchNorm, batchnorm
from initlab.explore.batchnorm import recent
from initlab.explore.batchnorm_records import SCALES, batchnorm_records
from test_explore import Browser

MODULE = sys.modules["initlab.explore.batchnorm_records"]
SMALL = {"depth": 4, "width": 32, "batch_size": 32}


def records(**values):
    return batchnorm_records(**{**BatchNorm.defaults(), **SMALL, **values})


def network(scale, depth, width, activation, seed, norm, **_):
    """The explorer's network, built by the package's front door; also the generator."""
    model = il.models.mlp(depth, width, activation, norm=norm)
    generator = torch.Generator().manual_seed(seed)
    il.initialize(model, "kaiming_normal", nonlinearity=activation, generator=generator)
    with torch.no_grad():
        for name, layer in model.named_children():
            if name.startswith("linear"):
                layer.weight *= scale
    return model, generator


def curves(panel):
    """Name of what was measured → its numbers."""
    return {s["name"]: s["y"] for s in panel["series"] if s["name"] != "theory"}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"scale": 3.0, "activation": "tanh", "seed": 3},
        {"scale": 0.01, "batch_size": 8, "depth": 6},
        {"activation": "leaky_relu", "width": 64},
    ],
    ids=str,
)
def test_what_the_browser_gets_is_what_a_trace_of_the_same_network_gives(changed):
    explorer = batchnorm(**SMALL)
    sent = Browser(explorer).ask(set=changed)
    assert sent["error"] == ""
    batch = il.data.digits(explorer.batch_size)
    for name, norm in (("with BatchNorm", "batch"), ("without", None)):
        model, _ = network(**explorer.values, norm=norm)
        trace = il.trace(model, *batch)
        layers = [trace[f"act{layer}"] for layer in range(1, explorer.depth + 1)]
        gradients = np.array([layer.gradient.rms for layer in layers])
        activations, shown, factors = (curves(panel)[name] for panel in sent["panels"][:3])
        assert activations == pytest.approx([layer.activation.rms for layer in layers], rel=1e-4)
        assert shown == pytest.approx(gradients, rel=1e-4)
        assert factors == pytest.approx((gradients[:-1] / gradients[1:]) ** 2, rel=1e-3)


@pytest.mark.parametrize(("norm", "place"), [("batch", 0), (None, 1)])
def test_the_run_is_what_torch_optim_does(norm, place):
    values = {**BatchNorm.defaults(), **SMALL, "scale": 0.5}
    model, generator = network(**values, norm=norm)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    x, y = il.data.digits(split="train")
    shares = []
    for _ in range(12):
        rows = torch.randint(len(x), (32,), generator=generator)
        logits = model(x[rows])
        shares.append((logits.argmax(1) == y[rows]).float().mean().item())
        optimizer.zero_grad()
        nn.functional.cross_entropy(logits, y[rows]).backward()
        optimizer.step()
    got = batchnorm_records(**values)
    assert got.finished
    accuracies = (got.accuracies, got.plain_accuracies)[place]
    assert len(accuracies) == 100
    assert accuracies[:12] == pytest.approx(shares, abs=1 / 32 + 1e-6)  # a tie may round


def test_scale_invariance_is_that_of_modules():
    values = {**BatchNorm.defaults(), **SMALL}
    x, y = il.data.digits(32)
    known = {}
    for scale in (1.0, *SCALES):
        model, _ = network(**{**values, "scale": scale}, norm="batch")
        logits = model(x)
        nn.functional.cross_entropy(logits, y).backward()
        weights = [layer.weight for name, layer in model.named_children() if "linear" in name]
        size = math.hypot(*(weight.grad.double().norm().item() for weight in weights))
        cosines = [
            (w.grad.double() * w).sum().item() / (w.grad.double().norm() * w.double().norm()).item()
            for w in weights
        ]
        known[scale] = (logits.detach(), size, max(map(abs, cosines)))
    got = batchnorm_records(**values).scaled
    assert [one.factor for one in got] == list(SCALES)
    for one in got:
        logits, size, cosine = known[one.factor]
        before = known[1.0][0]
        change = ((logits - before).norm() / before.norm()).item()
        assert one.change == pytest.approx(change, rel=0.02, abs=1e-5)
        assert one.gradient == pytest.approx(size / known[1.0][1], rel=1e-3)
        assert one.cosine == pytest.approx(cosine, rel=0.02, abs=1e-6)


def test_eps_breaks_scale_invariance_where_weights_are_small():
    by_factor = {round(math.log10(one.factor), 1): one for one in records(seed=1).scaled}
    assert by_factor[0.5].change < 1e-4
    assert by_factor[0.5].gradient * by_factor[0.5].factor == pytest.approx(1, rel=1e-3)
    assert by_factor[0.5].cosine < 1e-5
    assert by_factor[-2.0].change > 0.01
    assert by_factor[-4.0].gradient < 0.1


def test_theory_is_laid_over_the_measurement():
    got = records(scale=1.0, depth=20, width=256, batch_size=512, seconds=0.4)
    assert got.factor_large == pytest.approx(math.pi / (math.pi - 1))
    assert got.normed.factors[3:15].mean() == pytest.approx(got.factor, rel=0.05)
    assert got.normed.predicted_factors[5] == pytest.approx(got.factor, rel=1e-3)
    assert got.normed.predicted_activation == pytest.approx([2**-0.5] * 20, rel=1e-3)
    assert got.normed.activation == pytest.approx(got.normed.predicted_activation, rel=0.05)
    assert got.normed.gradient == pytest.approx(got.normed.predicted_gradient, rel=0.5)
    assert got.plain.predicted_activation == pytest.approx([1.0] * 20, rel=0.05)
    assert got.plain.activation[:5] == pytest.approx([1.0] * 5, rel=0.3)
    assert got.factor_large < got.factor < 1.01 * got.factor_large
    assert records(activation="linear", batch_size=8, seconds=0).factor == pytest.approx(6 / 5)
    assert math.isnan(records(activation="tanh", seconds=0).factor)


def test_batchnorm_forgives_small_weights():
    got = records(depth=10, batch_size=128, scale=0.1)
    assert recent(got.accuracies)[-1] > 0.9
    assert recent(got.plain_accuracies)[-1] < 0.25


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
    seen = [browser.ask(hello=True)["panels"]]
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
    dropped = weakref.ref(MODULE._study(0.1, 32, 4, 32, "relu", 9))
    assert dropped() is not None
    gc.disable()
    try:
        MODULE._study.cache_clear()
        assert dropped() is None
    finally:
        gc.enable()


def test_caches_are_bounded():
    for seed in range(6):
        records(seed=seed, seconds=0)
    assert MODULE._study.cache_info().currsize <= 2
    assert MODULE._invariance.cache_info().currsize <= 1


@pytest.mark.parametrize("batch_size", [8, 32])
def test_the_dashes_count_a_small_batch_once(batch_size):
    found = records(batch_size=batch_size, scale=1.0)
    dashes = np.exp(np.log(found.normed.predicted_factors).mean())
    assert dashes == pytest.approx(
        il.theory.batchnorm_factor("relu", batch_size=batch_size), rel=0.01
    )
