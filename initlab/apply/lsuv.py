"""Which weights make every layer emit unit variance on a real batch?"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, nn

from initlab import format
from initlab.apply.initialize import initialize, report_kept, spread
from initlab.apply.layers import emits_sums
from initlab.apply.parametrized import HOOKED, held, keep_values, restored_on_failure
from initlab.apply.plan import join
from initlab.apply.report import Report, Row, joined
from initlab.apply.rules import AnyScheme
from initlab.arguments import network, number, whole
from initlab.probe.preserving import preserving
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
        notes, scaled = _scale_layers(model, x, tolerance, passes)
    return Report([_told(row, model, notes, scaled) for row in start])


def _scale_layers(
    model: nn.Module, x: Any, tolerance: float, passes: int
) -> tuple[dict[str, str], dict[nn.Parameter, str]]:
    """Scale layer after layer; give a note for each weight, and the names of the scaled ones."""
    names, notes = {}, {}
    for layer, module in model.named_modules():
        weights = held(module) if emits_sums(module) else {}
        if "weight" in weights:
            names[module] = join(layer, next(iter(weights["weight"].parameters())))
            notes[names[module]] = "not called by the forward pass: not scaled"
        else:
            hooked = [weight.name for weight in weights.values() if weight.note == HOOKED]
            notes |= {join(layer, name): f"{HOOKED}: not scaled" for name in hooked}
    scaled: dict[nn.Parameter, str] = {}
    done: dict[nn.Parameter, str] = {}
    for module in _emitted(model, x, list(names)):
        parameters = list(held(module)["weight"].parameters().values())
        tied = [done[p] for p in parameters if p in done]
        if tied:
            note = f"tied to {tied[0]}: scaled there"
        elif not all(p.requires_grad for p in parameters):
            note = "frozen (requires_grad=False): not scaled"
        else:
            changed, note = _scale(model, x, module, tolerance, passes)
            scaled |= {parameters[0]: names[module]} if changed else {}
        notes[names[module]] = note
        done |= dict.fromkeys(parameters, names[module])
    return notes, scaled


def _scale(
    model: nn.Module, x: Any, module: nn.Module, tolerance: float, passes: int
) -> tuple[bool, str]:
    """Scale one layer, or put it back where that is no use; tell which, and what it emits."""
    weight, put_back = held(module)["weight"], keep_values(module)
    stds = [_emitted(model, x, [module])[module]]
    cuts: list[float] = []  # logarithms of what the weight was divided by
    power = 1.0  # the std grows as this power of the weight: above 1 if other layers share it
    while abs(stds[-1] ** 2 - 1) > tolerance and 0 < stds[-1] < math.inf and len(stds) < passes:
        if cuts:
            power = max(1.0, math.log(stds[-2] / stds[-1]) / cuts[-1])
        cuts.append(math.log(stds[-1]) / power)
        weight.put(weight.value() * math.exp(-cuts[-1]))
        stds.append(_emitted(model, x, [module])[module])
    first, last = stds[0], stds[-1]
    after = "1 pass" if len(stds) == 1 else f"{len(stds)} passes"
    emits = f"emits std {format.number(last, 3)} after {after}"
    if abs(last**2 - 1) <= tolerance:
        return bool(cuts), emits
    if not 0 < first < math.inf:
        return False, f"emits std {format.number(first, 3)}: not scaled further"
    if not cuts or (0 < last < math.inf and math.log(first / last) / sum(cuts) > _SAY):
        return bool(cuts), f"did not converge: {emits}"
    put_back()
    what = f"emits std {format.number(first, 3)}"
    return False, f"{what} whatever the size of its weight: not scaled"


_SAY = 0.1
"""The least share of a change of the weight's size, in logarithms, that must reach the output."""


def _emitted(model: nn.Module, x: Any, modules: list[nn.Module]) -> dict[nn.Module, float]:
    """Measure the std that modules emit at their first call, in the order of these calls."""
    stds: dict[nn.Module, float] = {}

    def look(module: nn.Module, inputs: Any, output: Any) -> None:
        tensor = first_tensor(output)
        std = None if tensor is None else spread(tensor)
        stds.setdefault(module, math.nan if std is None else std)

    with preserving(model), torch.no_grad(), ExitStack() as hooks:
        for module in modules:
            hooks.callback(module.register_forward_hook(look).remove)
        call_model(model, x)
    return stds


def _told(
    row: Row, model: nn.Module, notes: dict[str, str], scaled: dict[nn.Parameter, str]
) -> Row:
    """Add to the row of a weight what its layer emits, and its spread now."""
    parameter = model.get_parameter(row.name)
    note, before = notes.get(row.name, ""), row.note if row.scheme else ""
    if parameter in scaled:
        note = note or f"scaled for {scaled[parameter]}"
        weights = held(model.get_submodule(row.layer)).values()
        (value,) = (weight.value() for weight in weights if row.parameter in weight.parameters())
        scheme = joined(row.scheme, "lsuv", between=", ")
        row = replace(row, scheme=scheme, std_given=None, std_got=spread(value))
    return replace(row, note=joined(before, note)) if note else row
