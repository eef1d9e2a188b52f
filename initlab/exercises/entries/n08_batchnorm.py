"""Notebook 08: what a normalisation layer starts from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from initlab.exercises.answers import NotAttempted, call, need_function
from initlab.exercises.exercise import Exercise, Mistake

_START = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
_SPOILED = 0.37

Layers = list[nn.modules.batchnorm._BatchNorm]


def _measure(answer: Any) -> Layers:
    """Spoil a layer of each kind, and let the answer mend it."""
    function = need_function(answer, "batchnorm_initial_values(layer)")
    layers: Layers = [nn.BatchNorm1d(12), nn.BatchNorm2d(7)]
    returned = []
    for layer in layers:
        with torch.no_grad():
            for name in _START:
                getattr(layer, name).fill_(_SPOILED)
        returned.append(call(function, layer))
    if all(value is None for value in returned) and all(
        _is(layer, name, _SPOILED) for layer in layers for name in _START
    ):
        raise NotAttempted("The layer is as it was before.")
    return layers


def _is(layer: nn.modules.batchnorm._BatchNorm, name: str, value: float) -> bool:
    tensor = getattr(layer, name, None)
    return (
        isinstance(tensor, Tensor)
        and tensor.shape == (layer.num_features,)
        and bool(torch.allclose(tensor, torch.tensor(value, dtype=tensor.dtype)))
    )


def _has(**values: float) -> Callable[[Layers], bool]:
    return lambda layers: all(_is(x, name, value) for x in layers for name, value in values.items())


def _right(layers: Layers) -> bool:
    return _has(**_START)(layers) and not _has_lost_gradient(layers)


def _has_lost_gradient(layers: Layers) -> bool:
    return any(
        not isinstance(getattr(x, name), nn.Parameter) or not getattr(x, name).requires_grad
        for x in layers
        for name in ("weight", "bias")
    )


def _otherwise(layers: Layers) -> str:
    wrong = [name for name, value in _START.items() if not all(_is(x, name, value) for x in layers)]
    return (
        f"Not yet as it should start: {', '.join(f'`{name}`' for name in wrong)}. What leaves a "
        "normalised signal as it is, and what are the mean and variance of one that nobody has "
        "seen yet?"
    )


EXERCISES = [
    Exercise(
        name="batchnorm_initial_values",
        notebook="08",
        task="Somebody has spoiled a BatchNorm layer. Set its `weight`, `bias`, `running_mean` and "
        "`running_var` back to what a new layer starts from.",
        signature="batchnorm_initial_values(layer)",
        stub="def batchnorm_initial_values(layer):\n    ...\n",
        hints=(
            "The layer computes weight · normalised + bias. Which two numbers change nothing?",
            "The running statistics stand for the signal's mean and variance. Before the first "
            "batch they should normalise nothing away.",
            "`nn.init.ones_` and `nn.init.zeros_` fill in place; two of the four are ones.",
        ),
        solution="""
from torch import nn

def batchnorm_initial_values(layer):
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    layer.running_mean.zero_()
    layer.running_var.fill_(1)
""",
        measure=_measure,
        right=_right,
        mistakes=(
            Mistake(
                name="swapped",
                seen=_has(weight=0.0, bias=1.0),
                says="`weight` is 0 and `bias` is 1: every output is 1, whatever comes in. Which "
                "of the two multiplies?",
            ),
            Mistake(
                name="weight zero",
                seen=_has(weight=0.0),
                says="`weight` is 0. What does the layer emit then, and when would one want that "
                "on purpose?",
            ),
            Mistake(
                name="bias one",
                seen=_has(bias=1.0),
                says="`bias` is 1. What is the mean of what the layer emits then?",
            ),
            Mistake(
                name="variance zero",
                seen=_has(running_var=0.0),
                says="`running_var` is 0. By what does the layer divide in `eval()` mode?",
            ),
            Mistake(
                name="running mean one",
                seen=_has(running_mean=1.0),
                says="`running_mean` is 1. What does the layer subtract in `eval()` mode?",
            ),
            Mistake(
                name="running statistics forgotten",
                seen=_has(weight=1.0, bias=0.0, running_mean=_SPOILED, running_var=_SPOILED),
                says="`weight` and `bias` are right, the running statistics are still the old "
                "ones. When does the layer use them?",
            ),
            Mistake(
                name="gradient lost",
                seen=_has_lost_gradient,
                says="`weight` or `bias` is no longer a parameter that gets a gradient. How can "
                "one fill a parameter without replacing it?",
            ),
        ),
        otherwise=_otherwise,
        praise="all four values are those of a new layer, and weight and bias still learn.",
    )
]
