"""The race: what is shown is what `il.train` and `il.trace` give, at every step, in any order."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch

import initlab as il
from front_end import Browser
from initlab.explore import Race, race
from initlab.explore.race_records import race_records
from initlab.format import percent

MODULE = sys.modules["initlab.explore.race_records"]
SMALL = {"depth": 3, "width": 16, "data": "moons"}
TRAINING = {
    "sgd": {"optimizer": "sgd"},
    "momentum": {"optimizer": "sgd", "momentum": 0.9},
    "adam": {"optimizer": "adam"},
}
DATA = {
    "moons": il.data.moons(),
    "spirals": il.data.spirals(),
    "digits": il.data.digits(split="train"),
}


def trained(scheme, values):
    """The same network by the package's front door: the model, and its history."""
    data = DATA[values["data"]]
    model = il.models.mlp(
        values["depth"], values["width"], values["activation"],
        n_in=data.x.shape[1], n_out=int(data.y.max()) + 1,
    )  # fmt: skip
    bias = "torch_default" if scheme == "torch_default" else "zeros"
    generator = torch.Generator().manual_seed(values["seed"])
    il.initialize(model, scheme, bias=bias, generator=generator)
    history = il.train(
        model, data, steps=values["step"], lr=values["lr"], seed=values["seed"], progress=False,
        **TRAINING[values["optimizer"]],
    )  # fmt: skip
    return model, history


def run_of(values):
    """The run behind these controls, where it stands."""
    names = ("data", "depth", "width", "activation", "optimizer", "lr", "seed")
    schemes = tuple(values[lane] for lane in ("first", "second", "third", "fourth"))
    schemes = tuple(name for name in schemes if name != "none")
    return MODULE._run(schemes, *(values[name] for name in names))


def weights_at(step, values):
    explorer = race(**{**values, "step": step})
    return [value.detach().clone() for value in run_of(explorer.values).networks.parameters()]


def records(**values):
    start = {**Race.defaults(), **SMALL, **values}
    lanes = [start.pop(lane) for lane in ("first", "second", "third", "fourth")]
    del start["quantity"]
    return race_records(schemes=tuple(lane for lane in lanes if lane != "none"), **start)


@pytest.mark.parametrize(
    "changed",
    [
        {"data": "moons", "step": 25},
        {"data": "spirals", "step": 7, "optimizer": "adam", "lr": 0.01, "activation": "tanh"},
        {"data": "digits", "step": 13, "optimizer": "sgd", "lr": 0.1, "fourth": "orthogonal"},
        {"data": "digits", "step": 3, "seed": 4, "depth": 12, "second": "none"},
    ],
    ids=str,
)
@pytest.mark.parametrize("quantity", ["activation", "gradient"])
def test_the_browser_gets_what_train_and_trace_give(changed, quantity):
    explorer = race(width=16, depth=4, quantity=quantity)
    sent = Browser(explorer).ask(set=changed)
    while sent["unfinished"]:
        sent = Browser(explorer).ask(go_on=True)
    assert sent["error"] == ""
    values = explorer.values
    schemes = [values[lane] for lane in ("first", "second", "third", "fourth")]
    schemes = [scheme for scheme in schemes if scheme != "none"]
    panels = sent["panels"]
    planes = [panel for panel in panels if panel["kind"] == "regions"]
    losses, accuracies, profile = (panel for panel in panels if panel["kind"] == "lines")
    ridges = [panel for panel in panels if panel["kind"] == "ridgeline"]
    assert len(planes) == (0 if values["data"] == "digits" else len(schemes))
    assert len(ridges) == len(schemes) - len(planes)
    for lane, scheme in enumerate(schemes):
        model, history = trained(scheme, values)
        assert losses["series"][lane]["y"] == pytest.approx(history.loss, rel=1e-4)
        assert accuracies["series"][lane]["y"] == pytest.approx(history.accuracy, abs=0.02)
        shown = sent["table"]["rows"][lane]["cells"][0]
        assert shown == percent(history.final_accuracy)
        data = DATA[values["data"]]
        trace = il.trace(model, data.x[:128], data.y[:128])
        layers = [getattr(trace[f"act{k}"], quantity) for k in range(1, values["depth"] + 1)]
        expected = [layer.rms for layer in layers]
        assert profile["series"][lane]["y"] == pytest.approx(expected, rel=1e-4)
        if planes:
            plane = planes[lane]
            x, y = (np.linspace(plane[a]["low"], plane[a]["high"], plane["columns"]) for a in "xy")
            points = torch.tensor([(a, b) for b in y for a in x], dtype=torch.float32)
            with torch.no_grad():
                expected = model(points).argmax(1).tolist()
            assert (
                np.mean(np.equal(plane["values"], expected)) > 0.998
            )  # a point may lie on the edge


def test_the_signals_are_those_of_a_trace():
    got = records(step=12)
    values = {**Race.defaults(), **SMALL, "step": 12}
    for lane in got.lanes:
        model, history = trained(lane.scheme, values)
        data = DATA["moons"]
        trace = il.trace(model, data.x[:128], data.y[:128])
        for quantity in ("activation", "gradient"):
            layers = [getattr(trace[f"act{k}"], quantity) for k in (1, 2, 3)]
            measured = getattr(lane, quantity)
            assert measured.rms == pytest.approx([layer.rms for layer in layers], rel=1e-5)
            assert measured.zeros == pytest.approx([layer.zeros for layer in layers], abs=1e-9)
        assert lane.loss == pytest.approx(history.final_loss, rel=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_rewinding_gives_the_same_weights(optimizer, monkeypatch):
    monkeypatch.setattr(MODULE, "KEEP_EVERY", 7)
    values = {**SMALL, "optimizer": optimizer, "lr": 0.01}
    MODULE._run.cache_clear()
    seen = {step: weights_at(step, values) for step in (30, 43, 55)}
    for step in (43, 30, 55, 0, 30, 43):
        for then, now in zip(seen.get(step, []), weights_at(step, values), strict=step in seen):
            assert torch.equal(then, now)
    MODULE._run.cache_clear()
    for then, now in zip(seen[43], weights_at(43, values), strict=True):
        assert torch.equal(then, now)
    for lane, name in enumerate(("kaiming_normal", "xavier_normal", "torch_default", "zeros")):
        model, _ = trained(name, {**Race.defaults(), **values, "step": 43})
        for ours, theirs in zip(seen[43], model.parameters(), strict=True):
            assert torch.allclose(ours[lane], theirs, rtol=1e-3, atol=1e-5)


def test_a_run_in_slices_ends_where_a_run_in_one_go_ends(monkeypatch):
    monkeypatch.setattr(MODULE, "SLICE", 0.0)
    MODULE._run.cache_clear()
    browser = Browser(race(**SMALL))
    sent = browser.ask(set={"step": 20})
    assert sent["unfinished"]
    assert sent["sentence"].startswith("After 1 step ")
    assert sent["sentence"].endswith("(computing)")
    for _ in range(19):
        sent = browser.ask(go_on=True)
    assert not sent["unfinished"]
    sliced = weights_at(20, SMALL)
    MODULE._run.cache_clear()
    for ours, theirs in zip(sliced, weights_at(20, SMALL), strict=True):
        assert torch.equal(ours, theirs)


def test_a_network_that_diverges_stops_where_train_stops_it():
    values = {"data": "digits", "lr": 0.05, "depth": 8, "width": 32}
    explorer = race("normal", "kaiming_normal", **values, step=40)
    model, history = trained("normal", explorer.values)
    assert history.stopped.startswith("diverged at step 2:")
    assert explorer.scene.table.rows[0].cells[0] == "diverged"
    lost, good = explorer.scene.panels[2].series
    assert lost.y == pytest.approx(np.float32(history.loss), rel=1e-4, nan_ok=True)
    assert good.y == pytest.approx(trained("kaiming_normal", explorer.values)[1].loss, rel=1e-4)
    line_up = explorer.values
    for step in (40, 20, 3):
        for ours, theirs in zip(weights_at(step, line_up), model.parameters(), strict=True):
            assert torch.allclose(ours[0], theirs, rtol=1e-3, atol=1e-5)
    explorer.step = 2
    assert explorer.scene.table.rows[0].cells[0] != "diverged"


def test_curves_end_at_the_step_that_is_looked_at():
    explorer = race(**SMALL, step=30)
    explorer.step = 10
    losses = explorer.scene.panels[4]
    assert [len(series.y) for series in losses.series] == [10] * 4
    assert losses.cursor == 10
    assert losses.rules[0].y == pytest.approx(math.log(2))


def test_many_weights_are_kept_at_fewer_steps(monkeypatch):
    monkeypatch.setattr(MODULE, "KEPT", 1e5)
    MODULE._run.cache_clear()
    run = run_of(race(**SMALL, step=60).values)
    size = sum(4 * 2 * parameter.numel() for parameter in run.networks.parameters())
    assert run.keep_every == math.ceil(200 * size / 1e5) > 10
    assert size * (1 + 200 // run.keep_every) < 1.2e5
    assert list(run.kept) == list(range(0, 60, run.keep_every))
    MODULE._run.cache_clear()


def test_a_new_seed_is_the_next_one():
    browser = Browser(race(**SMALL, seed=98))
    assert browser.ask(press="new seed")["values"]["seed"] == 99
    assert browser.ask(press="new seed")["values"]["seed"] == 0
    assert len(browser.heard) == 2


def test_the_line_up_is_given_by_name():
    explorer = race("orthogonal", "zeros", **SMALL)
    lanes = [explorer.values[lane] for lane in ("first", "second", "third", "fourth")]
    assert lanes == ["orthogonal", "zeros", "none", "none"]
    assert [panel.span for panel in explorer.scene.panels] == [6, 6, 4, 4, 4]
    with pytest.raises(ValueError, match="schemes must be at most 4 names, got 5: leave some out"):
        race(*["zeros"] * 5)
    with pytest.raises(ValueError, match="second='zero' is unknown: did you mean 'zeros'"):
        race("ones", "zero")


def test_the_still_picture_shows_planes_curves_and_histograms():
    explorer = race(**SMALL, step=30)
    figure = explorer.figure()
    assert figure.alt == explorer.sentence
    planes, losses = figure.axes[:4], figure.axes[4]
    assert [len(axes.images) for axes in planes] == [1] * 4
    assert np.array_equal(planes[0].images[0].get_array(), explorer.scene.panels[0].values)
    assert sum(len(line.get_xdata()) for line in planes[0].lines) == 200
    shown = {line.get_label(): line.get_ydata() for line in losses.lines}
    assert shown["zeros"] == pytest.approx(records(step=30).lanes[3].losses, rel=1e-6)
    assert len(figure.axes) == 7


def test_a_loss_above_the_axis_is_marked_at_the_edge():
    figure = race("normal", "zeros", data="digits", step=5, lr=0.001).figure()
    assert "^" in {line.get_marker() for line in figure.axes[2].lines}
