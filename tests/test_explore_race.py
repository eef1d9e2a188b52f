"""The race: what is shown is what `il.train` and `il.trace` give, at every step, in any order."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch

import initlab as il
from front_end import Browser
from initlab.explore import race
from initlab.explore.race_records import RaceSettings, race_records

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


def settings(**values):
    return RaceSettings(**{**SMALL, **values})


def records(**values):
    return race_records(settings(**values))


def test_a_run_in_slices_says_that_it_is_computing(monkeypatch):
    monkeypatch.setattr(sys.modules["initlab.explore.explorer"], "SLICE", 0.0)
    MODULE._run.cache_clear()
    browser = Browser(race(**SMALL))
    sent = browser.ask(set={"step": 20})
    assert sent["unfinished"]
    assert sent["sentence"].startswith("After 1 step ")
    assert sent["sentence"].endswith("(computing)")
    for _ in range(19):
        sent = browser.ask(go_on=True)
    assert not sent["unfinished"]


def test_a_network_that_diverges_stops_where_train_stops_it():
    values = {"data": "digits", "lr": 0.05, "depth": 8, "width": 32}
    explorer = race("normal", "kaiming_normal", **values, step=40)
    _, history = trained("normal", explorer.values)
    assert history.stopped.startswith("diverged at step 2:")
    assert explorer.scene.table.rows[0].cells[0] == "diverged"
    lost, good = explorer.scene.panels[2].series
    assert lost.y == pytest.approx(np.float32(history.loss), rel=1e-4, nan_ok=True)
    assert good.y == pytest.approx(trained("kaiming_normal", explorer.values)[1].loss, rel=1e-4)
    explorer.step = 2
    assert explorer.scene.table.rows[0].cells[0] != "diverged"


def test_curves_end_at_the_step_that_is_looked_at():
    explorer = race(**SMALL, step=30)
    explorer.step = 10
    losses = explorer.scene.panels[4]
    assert [len(series.y) for series in losses.series] == [10] * 4
    assert losses.cursor == 10
    assert losses.rules[0].y == pytest.approx(math.log(2))


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
