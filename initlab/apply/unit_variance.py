"""Which weights make every layer emit unit variance on a real batch?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from initlab.apply.drafting import random_state_kept_on_failure
from initlab.apply.filling import initialize
from initlab.apply.layers import emits_sums
from initlab.apply.report import Report, Row
from initlab.apply.rules import AnyScheme
from initlab.apply.slots import Slot, slots
from initlab.apply.telling import spread, untouched
from initlab.arguments import network, number, whole
from initlab.probe.run import call_model
from initlab.probe.tensors import first_tensor


def lsuv(
    model: nn.Module,
    x: Any,
    *,
    scheme: AnyScheme | None = "orthogonal",
    tolerance: float = 0.1,
    passes: int = 10,
    generator: Generator | None = None,
) -> Report:
    """Scale the weights of each layer until it emits unit variance on a batch.

    Theory assumes wide layers and inputs of unit variance; this rule measures instead. Layer by
    layer, in the order of the forward pass, it divides the weight by the standard deviation
    that the layer emits, at most `passes` times. Linear and bilinear layers and convolutions
    take part; others keep what `scheme` gave them.

    The model runs in the mode in which it is. Buffers (running statistics) and the random state
    are as before; so are the weights if anything fails.

    Args:
        model: Any module; its weights are changed in place.
        x: A batch: a tensor, a tuple of arguments or a dict of keyword arguments.
        scheme: What fills the model first, as in `il.initialize`; None keeps its weights.
        tolerance: How far from 1 the variance may stay, above 0.
        passes: Most forward passes for one layer, at least 1.
        generator: Source of the random numbers of `scheme`.

    Returns:
        A row for each parameter, as from `il.initialize`; the note says what the layer emits,
        and where it did not converge.

    Raises:
        ValueError: `tolerance` or `passes` is out of range.
        TypeError: An argument has the wrong type.

    Reference:
        Mishkin & Matas (2016), All you need is a good init. arXiv:1511.06422

    >>> _ = torch.manual_seed(0)
    >>> network = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))
    >>> lsuv(network, torch.randn(256, 64))[2].note
    'emits std 1 after 2 passes'
    """
    network(model, hooked=True)
    number("tolerance", tolerance, low=0, open_=True)
    whole("passes", passes)
    with random_state_kept_on_failure(model, generator), _weights_kept_on_failure(model):
        if scheme is None:
            start = untouched(model, "kept")
        else:
            start = initialize(model, scheme, generator=generator)
        with _buffers_kept(model):
            notes = _scale_layers(model, x, tolerance, passes)
    return Report(
        [_told(row, notes[row.name], model) if row.name in notes else row for row in start]
    )


class _Note(NamedTuple):
    scaled: bool
    text: str


def _scale_layers(model: nn.Module, x: Any, tolerance: float, passes: int) -> dict[str, _Note]:
    """Scale layer after layer, and give a note for each weight."""
    layers = {m: _weight_name(name, m) for name, m in model.named_modules() if emits_sums(m)}
    unseen = _Note(False, "not called by the forward pass: not scaled")
    notes = dict.fromkeys(layers.values(), unseen)
    done: dict[int, str] = {}
    for module in _call_order(model, x, list(layers)):
        slot = slots(module)["weight"]
        parameters = slot.parameters().values()
        tied = [done[id(p)] for p in parameters if id(p) in done]
        if tied:
            note = _Note(False, f"tied to {tied[0]}: scaled there")
        elif not all(p.requires_grad for p in parameters):
            note = _Note(False, "frozen (requires_grad=False): not scaled")
        else:
            note = _Note(True, _scale(model, x, module, slot, tolerance, passes))
        notes[layers[module]] = note
        done.update({id(p): layers[module] for p in parameters})
    return notes


def _weight_name(layer: str, module: nn.Module) -> str:
    """Name the parameter that holds the weight, or the first of those that do."""
    first = next(iter(slots(module)["weight"].parameters()))
    return f"{layer}.{first}" if layer else first


def _scale(
    model: nn.Module, x: Any, module: nn.Module, slot: Slot, tolerance: float, passes: int
) -> str:
    """Scale one layer until it emits unit variance, and say what came of it."""
    for attempt in range(1, passes + 1):
        std = _emitted_std(model, x, module)
        if not std > 0 or std == float("inf"):
            return f"emits std {std:.3g}: not scaled further"
        if abs(std**2 - 1) <= tolerance:
            return f"emits std {std:.3g} after {attempt} {'pass' if attempt == 1 else 'passes'}"
        if attempt < passes:
            slot.put(slot.value() / std).commit()
    return f"did not converge: emits std {std:.3g} after {passes} passes"


def _emitted_std(model: nn.Module, x: Any, module: nn.Module) -> float:
    """Run the model and measure what a module emits, the first time that it is called."""
    seen: list[float] = []

    def look(_: nn.Module, inputs: Any, output: Any) -> None:
        tensor = first_tensor(output)
        std = None if tensor is None else spread(tensor)
        seen.append(math.nan if std is None else std)

    with _hooked([module], look):
        _run(model, x)
    return seen[0]


def _call_order(model: nn.Module, x: Any, modules: list[nn.Module]) -> list[nn.Module]:
    """Run the model once, and tell which modules it called, in which order."""
    called: dict[nn.Module, None] = {}
    with _hooked(modules, lambda module, *_: called.setdefault(module)):
        _run(model, x)
    return list(called)


def _run(model: nn.Module, x: Any) -> None:
    """Run a batch without gradients, with the same random numbers (dropout) each time."""
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    with torch.no_grad(), torch.random.fork_rng(devices=devices):
        call_model(model, x)


@contextmanager
def _hooked(modules: list[nn.Module], hook: Callable[..., Any]) -> Iterator[None]:
    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _weights_kept_on_failure(model: nn.Module) -> Iterator[None]:
    state = [*model.parameters(), *model.buffers()]
    before = [tensor.detach().clone() for tensor in state]
    try:
        yield
    except BaseException:
        _restore(state, before)
        raise


@contextmanager
def _buffers_kept(model: nn.Module) -> Iterator[None]:
    """Keep running statistics as they are; those of parametrizations belong to the weights."""
    state = [b for name, b in model.named_buffers() if "parametrizations." not in name]
    before = [tensor.detach().clone() for tensor in state]
    try:
        yield
    finally:
        _restore(state, before)


def _restore(tensors: list[Tensor], values: list[Tensor]) -> None:
    with torch.no_grad():
        for tensor, value in zip(tensors, values, strict=True):
            tensor.copy_(value)


def _told(row: Row, note: _Note, model: nn.Module) -> Row:
    """Add to the row of a weight what its layer emits, and its spread now."""
    text = f"{row.note}; {note.text}" if row.note and row.scheme else note.text
    if not note.scaled:
        return replace(row, note=text)
    value = slots(model.get_submodule(row.layer))["weight"].value()
    scheme = f"{row.scheme}, lsuv" if row.scheme else "lsuv"
    return replace(row, note=text, scheme=scheme, std_given=None, std_got=spread(value))
