"""Which weights make every layer emit unit variance on a real batch?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Generator, nn

from initlab.apply.initialize import initialize, report_kept, spread
from initlab.apply.layers import emits_sums
from initlab.apply.parametrized import held
from initlab.apply.report import Report, Row
from initlab.apply.restore import keep_values, restored_on_failure
from initlab.apply.rules import AnyScheme
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
    take part; others keep what `scheme` gave them. So does a layer whose weight has (nearly) no
    say in what it emits: behind a dead layer, under a large bias or under spectral norm.

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
    with restored_on_failure(model, generator):
        if scheme is None:
            start = report_kept(model, "kept")
        else:
            start = initialize(model, scheme, generator=generator)
        with _buffers_kept(model):
            outcomes = _scale_layers(model, x, tolerance, passes)
    return Report([_told(row, outcomes, model) for row in start])


class _Outcome(NamedTuple):
    """What became of the weight of one layer."""

    scaled: bool
    text: str


def _scale_layers(model: nn.Module, x: Any, tolerance: float, passes: int) -> dict[str, _Outcome]:
    """Scale layer after layer, and tell for each weight what became of it, by its full name."""
    layers = {m: _weight_name(name, m) for name, m in model.named_modules() if emits_sums(m)}
    unseen = _Outcome(False, "not called by the forward pass: not scaled")
    outcomes = dict.fromkeys(layers.values(), unseen)
    done: dict[nn.Parameter, str] = {}
    for module in _call_order(model, x, list(layers)):
        parameters = held(module)["weight"].parameters().values()
        tied = [done[p] for p in parameters if p in done]
        if tied:
            outcome = _Outcome(False, f"tied to {tied[0]}: scaled there")
        elif not all(p.requires_grad for p in parameters):
            outcome = _Outcome(False, "frozen (requires_grad=False): not scaled")
        else:
            outcome = _scale(model, x, module, tolerance, passes)
        outcomes[layers[module]] = outcome
        done.update(dict.fromkeys(parameters, layers[module]))
    return outcomes


def _weight_name(layer: str, module: nn.Module) -> str:
    """Name the parameter that holds the weight, or the first of those that do."""
    first = next(iter(held(module)["weight"].parameters()))
    return f"{layer}.{first}" if layer else first


def _scale(model: nn.Module, x: Any, module: nn.Module, tolerance: float, passes: int) -> _Outcome:
    """Scale one layer until it emits unit variance, or put it back where scaling is no use."""
    weight, put_back = held(module)["weight"], keep_values(module)
    stds = [_emitted_std(model, x, module)]
    cuts: list[float] = []  # logarithms of what the weight was divided by
    power = 1.0  # the std grows as this power of the weight: above 1 if other layers share it
    while abs(stds[-1] ** 2 - 1) > tolerance and 0 < stds[-1] < math.inf and len(stds) < passes:
        if cuts:
            power = max(1.0, math.log(stds[-2] / stds[-1]) / cuts[-1])
        cuts.append(math.log(stds[-1]) / power)
        weight.put(weight.value() * math.exp(-cuts[-1]))
        stds.append(_emitted_std(model, x, module))
    first, last = stds[0], stds[-1]
    count = "1 pass" if len(stds) == 1 else f"{len(stds)} passes"
    if abs(last**2 - 1) <= tolerance:
        return _Outcome(bool(cuts), f"emits std {last:.3g} after {count}")
    if not 0 < first < math.inf:
        return _Outcome(False, f"emits std {first:.3g}: not scaled further")
    if not cuts or (0 < last < math.inf and math.log(first / last) / sum(cuts) > _SAY):
        return _Outcome(bool(cuts), f"did not converge: emits std {last:.3g} after {count}")
    put_back()
    return _Outcome(False, f"emits std {first:.3g} whatever the size of its weight: not scaled")


_SAY = 0.1
"""The least share of a change of the weight's size, in logarithms, that must reach the output."""


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
def _buffers_kept(model: nn.Module) -> Iterator[None]:
    """Keep running statistics as they are; those of parametrizations belong to the weights."""
    state = [b for name, b in model.named_buffers() if "parametrizations." not in name]
    before = [tensor.detach().clone() for tensor in state]
    try:
        yield
    finally:
        for tensor, values in zip(state, before, strict=True):
            tensor.copy_(values)


def _told(row: Row, outcomes: dict[str, _Outcome], model: nn.Module) -> Row:
    """Add to the row of a weight what its layer emits, and its spread now."""
    parameter = model.get_parameter(row.name)
    scaled_as = [
        name for name, o in outcomes.items() if o.scaled and model.get_parameter(name) is parameter
    ]
    text = outcomes[row.name].text if row.name in outcomes else ""
    if scaled_as and not text:
        text = f"scaled for {scaled_as[0]}"
    if text:
        row = replace(row, note=f"{row.note}; {text}" if row.note and row.scheme else text)
    if not scaled_as:
        return row
    weights = held(model.get_submodule(row.layer)).values()
    (value,) = (weight.value() for weight in weights if row.parameter in weight.parameters())
    scheme = f"{row.scheme}, lsuv" if row.scheme else "lsuv"
    return replace(row, scheme=scheme, std_given=None, std_got=spread(value))
