"""Notebook 08: what BatchNorm computes, and what it starts from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from initlab.exercises.answers import Array, NothingDone, call
from initlab.exercises.exercise import Exercise, Mistake
from initlab.exercises.values import Values, farthest, gives, gives_instead, values_of

_START = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
_SPOILED = 0.37

Layers = list[nn.modules.batchnorm._BatchNorm]


def _measure(function: Callable[..., Any]) -> Layers:
    """Spoil a layer of each kind, and let the answer mend it."""
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
        raise NothingDone("The layer is as it was before.")
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
        not isinstance(getattr(x, name, None), nn.Parameter) or not getattr(x, name).requires_grad
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


_EPS = 1e-5
_RNG = np.random.default_rng(8)
_BATCHES: list[Array] = [
    _RNG.normal(2.0, 3.0, size=(6, 4)),
    _RNG.normal(-1.0, 0.01, size=(5, 3)),  # so small that eps counts
    _RNG.normal(0.5, 1.0, size=(3, 7)),
]


def _normalised(z: Array, axis: int = 0, ddof: int = 0) -> Array:
    mean, var = z.mean(axis, keepdims=True), z.var(axis, ddof=ddof, keepdims=True)
    return np.asarray((z - mean) / np.sqrt(var + _EPS))


def _told(values: Values) -> str:
    k = farthest(values, _normalised)
    z, given = values.cases[k][:, 0], values.given[k][:, 0]
    return (
        f"A unit with the values {np.round(z, 3).tolist()} becomes {np.round(given, 3).tolist()}. "
        "Which mean and which variance has it before, and what is added to the variance?"
    )


_BATCHNORM_FORWARD = Exercise(
    name="batchnorm_forward",
    notebook="08",
    task="Write what BatchNorm computes in training, before `weight` and `bias`: each unit of `z` "
    "(a numpy array, examples × units) gets mean 0 and variance 1 over the batch. The variance "
    "divides by the number of examples. Add `eps` to it, as PyTorch does; eps is 1e-5.",
    stub="def batchnorm_forward(z): ...\n",
    hints=(
        "Each unit is a column. Which axis runs over the examples?",
        "Subtract the mean over axis 0, and divide by the standard deviation over axis 0.",
        "The standard deviation is the root of (variance + eps), and the variance is the mean of "
        "the squares: divide by the number of examples, not by one less.",
    ),
    solution="""
def batchnorm_forward(z):
    centred = z - z.mean(0)
    variance = (centred**2).mean(0)
    return centred / (variance + 1e-5) ** 0.5
""",
    measure=values_of(
        _BATCHES,
        _normalised,
    ),
    right=gives(_normalised),
    mistakes=(
        gives_instead(
            "LayerNorm",
            lambda z: _normalised(z, axis=1),
            "You normalised each example over its units: that is LayerNorm. Over which axis does "
            "BatchNorm go?",
        ),
        gives_instead(
            "unbiased variance",
            lambda z: _normalised(z, ddof=1),
            "Your variance is divided by one less than the number of examples. Which of the two "
            "does the task ask for? (`torch.var` and `numpy.var` differ in this.)",
        ),
        gives_instead(
            "no root",
            lambda z: (z - z.mean(0)) / (z.var(0) + _EPS),
            "You divided by the variance. What is the variance of the result then?",
        ),
        gives_instead(
            "mean kept",
            lambda z: z / np.sqrt(z.var(0) + _EPS),
            "Your units have variance 1, but not mean 0. Which step is missing?",
        ),
        gives_instead(
            "variance kept",
            lambda z: z - z.mean(0),
            "Your units have mean 0, and their variance is as before. Which step is missing?",
        ),
        gives_instead(
            "eps forgotten",
            lambda z: (z - z.mean(0)) / z.std(0),
            "It is right for large numbers, and off for small ones. What is added to the variance?",
        ),
        gives_instead(
            "eps outside the root",
            lambda z: (z - z.mean(0)) / (z.std(0) + _EPS),
            "You added eps to the standard deviation. To which number does the task add it?",
        ),
        gives_instead(
            "one mean for all units",
            lambda z: (z - z.mean()) / np.sqrt(z.var() + _EPS),
            "You took one mean and one variance of the whole batch. How many has BatchNorm?",
        ),
    ),
    otherwise=_told,
    praise="it holds for 3 batches, one of them so small that eps counts.",
)

EXERCISES = [
    _BATCHNORM_FORWARD,
    Exercise(
        name="batchnorm_initial_values",
        notebook="08",
        task="Somebody has spoiled a BatchNorm layer. Set its `weight`, `bias`, `running_mean` and "
        "`running_var` back to what a new layer starts from.",
        stub="def batchnorm_initial_values(layer):\n    ...\n",
        hints=(
            "The layer computes weight · normalised + bias. Which two numbers change nothing?",
            "The running statistics stand for the signal's mean and variance. Before the first "
            "batch, subtracting this mean and dividing by the root of this variance should change "
            "nothing.",
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
                says="`bias` is 1. What is the mean of the output then?",
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
    ),
]
