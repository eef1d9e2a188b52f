"""Records of many steps in one pass: the numbers of a trace at each step."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initlab as il
from initlab.experiments import History, Record, training
from initlab.experiments.stack import can_stack

DIGITS = il.data.digits(300)
MLP = partial(il.models.mlp, 3, 32)


def shared_activation() -> nn.Module:
    act = nn.Tanh()
    layers = [nn.Linear(64, 16), act, nn.Linear(16, 16), act, nn.Linear(16, 10)]
    return nn.Sequential(OrderedDict(zip("abcde", layers, strict=True)))


def both(
    monkeypatch: pytest.MonkeyPatch, build: Callable[[], nn.Module], **options: Any
) -> tuple[History, History]:
    """Train twice: with records side by side, and with a trace at each step."""
    histories = []
    settings: dict[str, Any] = {"data": DIGITS, "steps": 20, "lr": 0.1, "record_every": 2}
    for stacks in (True, False):
        torch.manual_seed(0)
        model = build()
        assert can_stack(model, torch.ones(2, 64))
        monkeypatch.setattr(training, "can_stack", lambda *_, answer=stacks: answer)
        histories.append(il.train(model, **(settings | options)))
    return histories[0], histories[1]


def floats(layer: il.LayerTrace) -> list[float]:
    return [value for value in layer.row().values() if isinstance(value, (int, float))]


def numbers(record: Record) -> dict[str, Any]:
    """All that a record holds, with the floats in one place."""
    layers = [*record.trace.layers, *record.trace.uncalled]
    summaries = [s for x in layers for s in (x.activation, x.gradient, x.weight, x.weight_gradient)]
    counts = [summary.counts.tolist() for summary in summaries if summary is not None]
    words = [(x.name, x.kind, x.nonlinearity, x.dead, x.saturated) for x in layers]
    return {
        "step": record.step,
        "floats": [
            record.trace.loss,
            *(value for layer in layers for value in floats(layer)),
            *record.update_ratio.values(),
        ],
        "words": (words, list(record.update_ratio), record.dead, record.saturated),
        "counts": counts,
        "matrices": (record.rank, record.distinct),
    }


@pytest.mark.parametrize(
    ("build", "options"),
    [
        (MLP, {}),
        (partial(MLP, "tanh", norm="batch"), {"momentum": 0.9}),
        (partial(MLP, "gelu", bias=False), {"optimizer": "adam", "lr": 0.01}),
        (partial(il.models.residual, 3, 16), {"trace_batch": 32}),
        (shared_activation, {"record_every": 1, "steps": 9}),
        (lambda: nn.Linear(64, 10), {"steps": 1}),
        (MLP, {"data": il.data.Batch(DIGITS.x, torch.rand(300, 10))}),
        (MLP, {"record_every": 7}),
    ],
)
def test_records_side_by_side_are_traces(
    monkeypatch: pytest.MonkeyPatch, build: Callable[[], nn.Module], options: dict[str, Any]
) -> None:
    late, direct = both(monkeypatch, build, **options)
    assert late.loss == direct.loss
    assert len(late.records) == len(direct.records) >= 2
    for ours, theirs in zip(late.records, direct.records, strict=True):
        one, other = numbers(ours), numbers(theirs)
        assert one.pop("floats") == pytest.approx(other.pop("floats"), rel=1e-5, abs=1e-9)
        assert one == other


def test_widths_that_need_padding_differ_by_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    late, direct = both(monkeypatch, partial(il.models.mlp, 3, 37))
    for ours, theirs in zip(late.records, direct.records, strict=True):
        assert numbers(ours)["floats"] == pytest.approx(
            numbers(theirs)["floats"], rel=1e-3, abs=1e-6
        )


def test_points_of_a_plane_have_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    build = partial(il.models.mlp, 2, 16, n_in=2, n_out=3)
    monkeypatch.setattr(training, "can_stack", lambda *_: True)
    model = build()
    history = il.train(model, il.data.spirals(100), steps=9, lr=0.1, record_every=1)
    assert len(history.records) == 10
    end = history.records[-1].regions
    assert end is not None
    row, column = 20, 50
    point = torch.tensor([[end.x[column], end.y[row]]], dtype=torch.float32)
    assert model(point).argmax().item() == end.classes[row, column]


def test_a_run_that_diverges(monkeypatch: pytest.MonkeyPatch) -> None:
    late, direct = both(monkeypatch, MLP, lr=1e6, record_every=1)
    assert (
        late.stopped == direct.stopped == f"diverged at step {len(late.loss) - 1}: the loss is nan"
    )
    assert len(late.records) == len(late.loss)
    assert math.isnan(late.records[-1].trace.loss or 0)
    for ours, theirs in zip(late.records, direct.records, strict=True):
        a, b = numbers(ours), numbers(theirs)
        np.testing.assert_allclose(a["floats"], b["floats"], rtol=1e-5)
        assert repr(a["matrices"]) == repr(b["matrices"])


def test_an_interrupt_keeps_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(output: Tensor, y: Tensor) -> Tensor:
        steps.append(len(output))
        if len(steps) == 6:
            raise KeyboardInterrupt
        return hits(output, y)

    steps: list[int] = []
    hits = training.hits
    monkeypatch.setattr(training, "hits", interrupt)
    history = il.train(MLP(), DIGITS, steps=40, lr=0.1, record_every=2)
    assert history.stopped == "interrupted at step 5"
    assert [record.step for record in history.records] == [0, 2, 4, 5]


def test_a_loss_of_one_s_own_sees_the_network_of_its_step() -> None:
    def decayed(output: Tensor, y: Tensor) -> Tensor:
        weights = sum(weight.square().sum() for weight in model.parameters())
        return F.cross_entropy(output, y) + 0.5 * weights

    model = MLP()
    before = il.trace(model, DIGITS.x[:128], DIGITS.y[:128], loss=decayed)
    history = il.train(model, DIGITS, steps=3, lr=0.1, loss=decayed, record_every=1)
    after = il.trace(model, DIGITS.x[:128], DIGITS.y[:128], loss=decayed)
    for ours, theirs in ((history.records[0].trace, before), (history.records[-1].trace, after)):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
        for one, other in zip(ours, theirs, strict=True):
            assert floats(one) == pytest.approx(floats(other), rel=1e-4, abs=1e-8)


@pytest.mark.parametrize(
    "register", [Tensor.register_hook, Tensor.register_post_accumulate_grad_hook]
)
def test_hooks_of_parameters_run(register: Callable[..., Any]) -> None:
    model, called = MLP(), []
    register(model.linear2.weight, lambda *_: called.append(1))
    assert not can_stack(model, DIGITS.x)
    il.train(model, DIGITS, steps=2, lr=0.1, record_every=1)
    assert len(called) >= 2


HOOKS: list[Callable[[nn.Module, Callable[..., None]], Any]] = [
    nn.Module.register_forward_pre_hook,
    nn.Module.register_forward_hook,
    nn.Module.register_full_backward_hook,
    nn.Module.register_full_backward_pre_hook,
]


@pytest.mark.parametrize("register", HOOKS)
def test_hooks_of_others_run(register: Callable[..., Any]) -> None:
    model, called = MLP(), []
    register(model.linear2, lambda *_: called.append(1))
    assert not can_stack(model, DIGITS.x)
    il.compare("zeros", model, DIGITS, seeds=2, steps=3, lr=0.1)
    assert len(called) >= 6
