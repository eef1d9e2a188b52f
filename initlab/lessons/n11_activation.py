"""Notebook 11: the gain that keeps any level, and χ₁ of a function with a slope of 1 or 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from initlab.exercises.answers import Array, as_number
from initlab.exercises.exercise import Exercise, Mistake
from initlab.exercises.values import Values, gives, gives_instead, values_of

# --- gain_at_level ---

_CLOSE = 0.03
"""With 100,000 numbers the standard error of the gain is 0.4 % (SiLU) or less: a right answer lies
7 of them inside: P < 1e-11 to reject it. One that is off by 10 % passes with an error of 17."""


class _Level(NamedTuple):
    function: Callable[[Tensor], Tensor]
    q: float


_LEVELS = [_Level(torch.relu, 9.0), _Level(torch.sigmoid, 0.25), _Level(F.silu, 4.0)]
"""Their means are not 0, so that a standard deviation cannot pass for an rms."""


class _ForBoth:
    """An activation for torch tensors that also takes numpy arrays, so that either may be used."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function

    def __call__(self, z: Any) -> Any:
        if isinstance(z, Tensor):
            return self.function(z)
        value = self.function(torch.as_tensor(np.asarray(z, dtype=np.float64))).numpy()
        return value if value.ndim else float(value)


def _mean(level: _Level, power: int, *, std: float | None = None) -> float:
    """E[φ(z)ᵖ] for a normal z of mean square q, or of another std, by a sum over a fine grid."""
    unit = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    weight = torch.exp(-(unit**2) / 2) / (2 * torch.pi) ** 0.5 * (unit[1] - unit[0])
    z = unit * (level.q**0.5 if std is None else std)
    return float((level.function(z) ** power * weight).sum())


def _gain(level: _Level) -> float:
    return math.sqrt(level.q / _mean(level, 2))


def _variance(level: _Level) -> float:
    return _mean(level, 2) - _mean(level, 1) ** 2


def _nearly(values: Values) -> bool:
    wanted = np.array([_gain(level) for level in values.cases])
    return bool((np.abs(np.array(values.given) / wanted - 1) < 0.2).all())


def _instead(name: str, reference: Callable[[_Level], float], says: str) -> Mistake:
    return gives_instead(name, reference, says, rtol=_CLOSE)


def _gains(values: Values) -> str:
    given = ", ".join(
        f"{level.function.__name__} at q = {level.q:g}: {float(gain):.3g}"
        for level, gain in zip(values.cases, values.given, strict=True)
    )
    return (
        f"Your gains are: {given}. Take z with E[z²] = q, multiply φ(z) by your gain: is the mean "
        "square q again?"
    )


_GAIN_AT_LEVEL = Exercise(
    name="gain_at_level",
    notebook="11",
    task="The pre-activations z of a layer are normal, with mean 0 and mean square `q`. Write a "
    "function that finds the gain with which those of the next layer have the mean square `q` "
    "again, for any activation function. Draw at least 100,000 numbers. `activation` takes a "
    "tensor or an array.",
    stub="def gain_at_level(activation, q):\n    ...\n",
    hints=(
        "Standard normal numbers have the mean square 1. By which factor must they be multiplied, "
        "so that it is q?",
        "What is the mean square of φ(z) for these z? The next layer multiplies it by g².",
        "Solve g² · E[φ(z)²] = q for g.",
    ),
    solution="""
import torch

def gain_at_level(activation, q):
    z = q**0.5 * torch.randn(1_000_000)
    return (q / activation(z).square().mean()).sqrt().item()
""",
    measure=values_of(
        _LEVELS,
        _gain,
        prepare=lambda level: (_ForBoth(level.function), level.q),
        number_from=as_number,
        unpack=True,
    ),
    right=gives(_gain, rtol=_CLOSE),
    mistakes=(
        _instead(
            "level ignored",
            lambda level: 1 / math.sqrt(_mean(level, 2, std=1)),
            "Your gain keeps the mean square 1. Which numbers must φ get, and which mean square is "
            "asked for?",
        ),
        _instead(
            "back to 1",
            lambda level: 1 / math.sqrt(_mean(level, 2)),
            "Your numbers z are right. The next layer has the mean square 1 with your gain: which "
            "is asked for?",
        ),
        _instead(
            "from level 1",
            lambda level: math.sqrt(level.q / _mean(level, 2, std=1)),
            "You give φ numbers with the mean square 1. Which mean square have the z of the task?",
        ),
        _instead(
            "q for its root",
            lambda level: math.sqrt(level.q / _mean(level, 2, std=level.q)),
            "You multiplied standard normal numbers by q. What is their mean square then?",
        ),
        _instead(
            "std for rms",
            lambda level: math.sqrt(level.q / _variance(level)),
            "You divided by the variance or the standard deviation of φ(z). Does the next layer "
            "see what φ(z) is around its mean, or also the mean?",
        ),
        _instead(
            "no root",
            lambda level: _gain(level) ** 2,
            "Your number is right if it multiplies the *variance* of the weights. What multiplies "
            "their standard deviation?",
        ),
        _instead(
            "inverse",
            lambda level: 1 / _gain(level),
            "Your number is what φ does to the rms. Which factor undoes it?",
        ),
        Mistake(
            name="too few numbers",
            seen=_nearly,
            says="Your gains are near, and not near enough. How many numbers do you draw, and "
            "how fast does the error of a mean fall with them?",
        ),
        Mistake(
            name="activation ignored",
            seen=lambda values: bool(np.ptp(values.given) < 1e-6),
            says="Your gain is the same for every activation and level. Where does your function "
            "call the activation?",
        ),
    ),
    otherwise=_gains,
    praise="within 3 % of the integral for relu, sigmoid and silu, each at another level.",
)

# --- hardtanh_chi_1 ---


class _Layer(NamedTuple):
    z: Array
    weight_var: float


_LAYERS = [
    _Layer(np.array([0.3, -0.6, 1.7, -2.2, 0.9, 0.1, -0.2]), 1.5),
    _Layer(np.array([-1.4, -0.5, 2.6, 0.7]), 3.0),
    _Layer(np.array([0.4, -0.8, -1.3, -3.1, 0.2]), 0.6),
]


def _linear(layer: _Layer) -> float:
    """The share of the units at which hard tanh has the slope 1."""
    return float((np.abs(layer.z) < 1).mean())


def _chi_1(layer: _Layer) -> float:
    return layer.weight_var * _linear(layer)


def _told(values: Values) -> str:
    layer = values.cases[1]
    return (
        f"For z = {layer.z.tolist()} and σ_w² = {layer.weight_var:g} you give "
        f"{float(values.given[1]):.3g}. Which slope has each of these units, and what happens to a "
        "small squared difference there?"
    )


_HARDTANH_CHI_1 = Exercise(
    name="hardtanh_chi_1",
    notebook="11",
    task="Hard tanh is z between −1 and 1; below it stays at −1, above at 1. `z`, a numpy array, "
    "holds the pre-activations of a layer, and `weight_var` is σ_w² = n·Var(w). Return χ₁, "
    "measured on these units.",
    stub="def hardtanh_chi_1(z, weight_var):\n    ...\n",
    hints=(
        "Draw hard tanh. Which slopes does it have, and where?",
        "χ₁ is σ_w² times the mean of the squared slope. What is the square of 1, and of 0?",
        "The mean of numbers that are 1 or 0 is the share of the ones.",
    ),
    solution="""
import numpy as np

def hardtanh_chi_1(z, weight_var):
    slope = np.where(np.abs(z) < 1, 1.0, 0.0)
    return weight_var * (slope**2).mean()
""",
    measure=values_of(_LAYERS, _chi_1, number_from=as_number, unpack=True),
    right=gives(_chi_1),
    mistakes=(
        gives_instead(
            "one side only",
            lambda layer: layer.weight_var * float((layer.z < 1).mean()),
            "You count units far below −1 as if they had the slope 1. Is hard tanh steep there?",
        ),
        gives_instead(
            "saturated units",
            lambda layer: layer.weight_var * (1 - _linear(layer)),
            "You count the units at which hard tanh is flat. What becomes of a difference there?",
        ),
        gives_instead(
            "tanh",
            lambda layer: layer.weight_var * float(np.mean((1 - np.tanh(layer.z) ** 2) ** 2)),
            "These are the slopes of tanh. Which slopes has the function of the task?",
        ),
        gives_instead(
            "activations for slopes",
            lambda layer: layer.weight_var * float(np.mean(np.clip(layer.z, -1, 1) ** 2)),
            "Your number is what the layer makes of the signal. What does it make of a small "
            "*difference*?",
        ),
        gives_instead(
            "square of the mean",
            lambda layer: layer.weight_var * _linear(layer) ** 2,
            "You took the mean first and the square after it. Which of the two does each unit do?",
        ),
        gives_instead(
            "root",
            lambda layer: math.sqrt(_chi_1(layer)),
            "Your number is what the layer does to the difference itself. χ₁ is the factor of "
            "what?",
        ),
        gives_instead(
            "weights ignored",
            _linear,
            "Your number does not depend on the weights. What do they do to the mean square?",
        ),
        gives_instead(
            "sum for mean",
            lambda layer: _chi_1(layer) * len(layer.z),
            "You added up over the units. σ_w² holds the number of units already: is a mean left?",
        ),
        gives_instead(
            "variance for std",
            lambda layer: layer.weight_var**2 * _linear(layer),
            "You squared σ_w², which is a variance already. Which factor has a mean square?",
        ),
    ),
    otherwise=_told,
    praise="χ₁ of hard tanh is σ_w² times the share of the units that are not saturated.",
)

EXERCISES = [_GAIN_AT_LEVEL, _HARDTANH_CHI_1]
