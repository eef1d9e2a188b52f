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


def numbers(record: Record) -> dict[str, Any]:
    """All that a record holds, with the floats in one place."""
    layers = [*record.trace.layers, *record.trace.uncalled]
    summaries = [s for x in layers for s in (x.activation, x.gradient, x.weight, x.weight_gradient)]
    counts = [summary.counts.tolist() for summary in summaries if summary is not None]
    words = [(x.name, x.kind, x.nonlinearity, x.dead, x.saturated) for x in layers]
    floats = [
        value for x in layers for value in x.row().values() if isinstance(value, (int, float))
    ]
    return {
        "step": record.step,
        "floats": [record.trace.loss, *floats, *record.update_ratio.values()],
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
        (MLP, {"loss": lambda output, y: F.cross_entropy(output, y, label_smoothing=0.1)}),
        (MLP, {"data": il.data.Batch(DIGITS.x, torch.rand(300, 10)), "loss": None}),
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
    def loss(output: Tensor, y: Tensor) -> Tensor:
        calls.append(len(output))
        if len(output) == 128 and calls.count(128) == 6:
            raise KeyboardInterrupt
        return F.cross_entropy(output, y)

    calls: list[int] = []
    settings: dict[str, Any] = {"steps": 40, "lr": 0.1, "record_every": 2, "trace_batch": 50}
    history = il.train(MLP(), DIGITS, loss=loss, **settings)
    assert history.stopped == "interrupted at step 5"
    assert [record.step for record in history.records] == [0, 2, 4, 5]


def test_a_loss_that_draws_is_not_disturbed() -> None:
    def loss(output: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(output + 0.1 * torch.randn(()), y)

    losses = []
    for record_every in (None, 1):
        torch.manual_seed(0)
        settings: dict[str, Any] = {"steps": 12, "lr": 0.1, "record_every": record_every}
        losses.append(il.train(MLP(), DIGITS, loss=loss, **settings).loss)
    assert losses[0] == losses[1]


def test_the_model_stays_as_it_is_while_it_is_looked_at() -> None:
    model = MLP(norm="batch")
    seen = training.LateObserver(model, DIGITS, None, looks=2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    seen.look(0)
    assert seen.records == []
    assert [record.step for record in seen.finish()] == [0]
    assert [record.step for record in seen.finish()] == [0]
    assert all(torch.equal(before[name], now) for name, now in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


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
