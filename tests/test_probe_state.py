"""A trace leaves no mark: everything is as it was, bit for bit, over every kind of model."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import initlab as il
from probe_models import FACTORIES, Forward, batch, case, classes


def bits(tensor: Tensor) -> tuple[Any, ...]:
    dense = tensor.detach().to_dense() if tensor.is_sparse else tensor.detach()
    values = torch.view_as_real(dense) if dense.is_complex() else dense
    raw = values.contiguous().view(torch.uint8) if values.dim() else values.reshape(1)
    return id(tensor), tensor.shape, tensor.dtype, tensor.requires_grad, raw.numpy().tobytes()


def tensors_in(thing: Any) -> Iterator[Tensor]:
    if isinstance(thing, Tensor):
        yield thing
    elif isinstance(thing, (tuple, list)):
        for item in thing:
            yield from tensors_in(item)
    elif isinstance(thing, dict):
        yield from tensors_in(list(thing.values()))


def state(model: nn.Module, *batch: Any) -> list[Any]:
    """All that a pass might change, as something that can be compared."""
    found: list[Any] = [
        torch.get_rng_state().tolist(), random.getstate(),
        repr(np.random.get_state()),  # noqa: NPY002
        torch.is_grad_enabled(), torch.is_inference_mode_enabled(),
    ]  # fmt: skip
    for name, module in model.named_modules():
        plain = {k: id(v) for k, v in vars(module).items()}
        hooks = {k: list(v) for k, v in vars(module).items() if "hooks" in k}
        found.append((name, module.training, plain, hooks, list(module._buffers)))
    leaves = [v for m in model.modules() for v in vars(m).values() if isinstance(v, Tensor)]
    for tensor in (*model.parameters(), *model.buffers(), *leaves, *tensors_in(batch)):
        grad = tensor.grad if tensor.is_leaf else None
        hooks = [*(tensor._backward_hooks or ()), *(tensor._post_accumulate_grad_hooks or ())]
        found.append((bits(tensor), None if grad is None else bits(grad), hooks))
    return found


def give_gradients(model: nn.Module) -> None:
    """Let every second parameter have a gradient already."""
    for parameter in list(model.parameters())[::2]:
        parameter.grad = torch.full_like(parameter, 0.5)


@pytest.mark.filterwarnings("ignore:.*online_softmax")
@pytest.mark.parametrize("name", FACTORIES)
def test_trace_leaves_no_mark(name: str) -> None:
    model, x, target = case(name)
    give_gradients(model)
    before = state(model, x, target)
    il.trace(model, x, target)
    assert state(model, x, target) == before


@pytest.mark.parametrize("where", ["forward", "backward", "loss"])
def test_no_mark_when_the_pass_raises(where: str) -> None:
    def breaks(*_: Any) -> Any:
        raise ArithmeticError("too hot")

    class Break(torch.autograd.Function):
        backward = staticmethod(breaks)

        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

    end = {"forward": breaks, "backward": lambda m, x: Break.apply(x), "loss": lambda m, x: x}
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 3), Forward(end[where]))
    give_gradients(model)
    x, target = batch(6, 4), classes()
    before = state(model, x, target)
    with pytest.raises(ArithmeticError, match="too hot"):
        il.trace(model, x, target, loss=breaks if where == "loss" else None)
    assert state(model, x, target) == before


def test_other_leaves_of_the_loss_keep_their_gradients() -> None:
    model, x, _ = case("tanh")
    weight = torch.ones(3, requires_grad=True)
    il.trace(model, x, loss=lambda output, _: (output * weight).mean())
    assert weight.grad is None


def test_the_callers_graph_is_left_alone() -> None:
    model, x, target = case("tanh")
    x = x.requires_grad_() * 2
    il.trace(model, x, target)
    x.sum().backward()  # would raise if the trace had gone through it
    loss = model(x.detach()).mean()
    il.trace(model, x, target)
    loss.backward()


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_gradients_are_measured_in_any_context(context: Any) -> None:
    model, x, target = case("conv_norm_dropout_train")
    expected = il.trace(model, x, target)["0"].gradient.std
    with context():
        found = il.trace(model, x * 1, target)
    assert found["0"].gradient.std == expected > 0


def test_a_second_trace_draws_the_same() -> None:
    model, x, target = case("conv_norm_dropout_train")
    assert il.trace(model, x, target).rows() == il.trace(model, x, target).rows()


def test_probe_takes_its_hooks_off_and_changes_no_training() -> None:
    losses = []
    for probed in (False, True):
        model, x, target = case("conv_norm_dropout_train")
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with il.Probe(model) if probed else torch.enable_grad() as probe:
            for _ in range(3):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), target)
                loss.backward()
                found = probe.trace() if probed else None
                optimizer.step()
        losses.append(loss.item())
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert losses[0] == losses[1]
    assert found.loss is None
    assert [layer.name for layer in found] == list("012345")
    assert all(layer.gradient for layer in found)
    assert found["5"].weight_gradient.std == pytest.approx(
        model[5].weight.grad.std(correction=0).item(), rel=1e-5
    )


def test_probe_records_the_latest_pass_alone() -> None:
    model, x, _ = case("tanh")
    with il.Probe(model) as probe:
        model(x).mean().backward()
        model(x[:5])
    found = probe.trace()
    assert len(found) == 5
    assert found["1"].activation.count == 5 * 40
    assert found["1"].gradient is None


def test_a_trace_that_was_handed_out_stays_as_it_is() -> None:
    model, x, _ = case("tanh")
    with il.Probe(model) as probe:
        loss = model(x).mean()
        ahead = probe.trace()
        loss.backward()
        after = probe.trace(loss=loss.item())
    assert ahead["1"].gradient is None
    assert after["1"].gradient is not None
    assert (ahead.loss, after.loss) == (None, loss.item())


BREAKING = [
    *["keeps_things", "conv_norm_dropout_train", "writes_to_itself", "embedding_with_max_norm"],
]


@pytest.mark.parametrize("name", [*BREAKING, "spectral"])
def test_a_bare_pass_does_leave_marks(name: str) -> None:
    """So that the comparison of states can fail."""
    model, x, target = case("parametrised" if name == "spectral" else name)
    before = state(model, x, target)
    model(x)
    assert state(model, x, target) != before
