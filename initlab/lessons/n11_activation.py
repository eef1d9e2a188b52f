"""Notebook 11: the gain of any function by drawing numbers, and the factor χ₁ of a layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from initlab.exercises.answers import Array, as_number
from initlab.exercises.exercise import Exercise, Mistake
from initlab.exercises.values import Values, gives, gives_instead, values_of

_FUNCTIONS = [torch.relu, torch.sigmoid, F.silu]
"""Their means are not 0, so that a standard deviation cannot pass for an rms."""

_CLOSE = 0.03
"""With 100,000 numbers the standard error of the gain is 0.4 % (SiLU) or less: a right answer lies
7 of them inside: P < 1e-11 to reject it. One that is off by 10 % passes with an error of 17."""


class _ForBoth:
    """An activation for torch tensors that also takes numpy arrays, so that either may be used."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function
        self.__name__ = function.__name__

    def __call__(self, z: Any) -> Any:
        if isinstance(z, Tensor):
            return self.function(z)
        value = self.function(torch.as_tensor(np.asarray(z, dtype=np.float64))).numpy()
        return value if value.ndim else float(value)


def _mean(function: Callable[[Tensor], Tensor], power: int, *, size: bool = False) -> float:
    """E[φ(z)ᵖ], or E[|φ(z)|ᵖ], for a standard normal z, by a sum over a fine grid."""
    z = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    weight = torch.exp(-(z**2) / 2) / (2 * torch.pi) ** 0.5 * (z[1] - z[0])
    value = function(z)
    return float(((value.abs() if size else value) ** power * weight).sum())


def _right(function: Callable[[Tensor], Tensor]) -> float:
    return 1 / math.sqrt(_mean(function, 2))


def _std(function: Callable[[Tensor], Tensor]) -> float:
    return float((_mean(function, 2) - _mean(function, 1) ** 2) ** 0.5)


def _nearly(values: Values) -> bool:
    wanted = np.array([_right(function) for function in values.cases])
    return bool((np.abs(np.array(values.given) / wanted - 1) < 0.2).all())


def _otherwise(values: Values) -> str:
    given = ", ".join(
        f"{function.__name__} {float(gain):.3g}"
        for function, gain in zip(values.cases, values.given, strict=True)
    )
    return (
        f"Your gains are: {given}. Take z with E[z²] = 1, multiply φ(z) by your "
        "gain: is the mean square 1 again?"
    )


_SLOPES: list[tuple[Array, float]] = [
    (np.array([0.9, 0.5, 0.1, 1.0]), 1.5),
    (np.array([1.0, 0.0, 1.0, 0.0, 0.0]), 2.0),
    (np.array([0.3, 0.8, 0.75]), 0.6),
]


def _chi_1(case: tuple[Array, float]) -> float:
    slopes, weight_var = case
    return float(weight_var * (slopes**2).mean())


def _told(values: Values) -> str:
    return (
        f"For the slopes {values.cases[1][0].tolist()} and σ_w² = {values.cases[1][1]} you give "
        f"{float(values.given[1]):.3g}. What happens to a squared difference at each of these "
        "units, and then on average?"
    )


_CHI_1 = Exercise(
    name="chi_1",
    notebook="10",
    task="`slopes`, a numpy array, holds φ′(z) of the units of a layer, and `weight_var` is "
    "σ_w² = n·Var(w). Write the function that gives χ₁, the factor by which the layer multiplies "
    "the mean *square* of a small difference.",
    stub="def chi_1(slopes, weight_var): ...\n",
    hints=(
        "A unit multiplies a small difference by its slope. What does it do to the *square* of it?",
        "Take the mean over the units. What do the weights multiply this mean by?",
        "A sum of n random weights times numbers multiplies a mean square by n·Var(w). Which of "
        "your arguments is that?",
    ),
    solution="""
def chi_1(slopes, weight_var):
    return weight_var * (slopes**2).mean()
""",
    measure=values_of(_SLOPES, _chi_1, number_from=as_number, unpack=True),
    right=gives(_chi_1),
    mistakes=(
        gives_instead(
            "slopes not squared",
            lambda case: case[1] * case[0].mean(),
            "You averaged the slopes themselves. What multiplies a *squared* difference?",
        ),
        gives_instead(
            "square of the mean",
            lambda case: case[1] * case[0].mean() ** 2,
            "You took the mean first and the square after it. Which of the two does each unit do?",
        ),
        gives_instead(
            "root",
            lambda case: (case[1] * (case[0] ** 2).mean()) ** 0.5,
            "Your number is what the layer does to the difference itself. Which is asked for?",
        ),
        gives_instead(
            "weights ignored",
            lambda case: (case[0] ** 2).mean(),
            "Your number does not depend on the weights. What do they do to the mean square?",
        ),
        gives_instead(
            "sum for mean",
            lambda case: case[1] * (case[0] ** 2).sum(),
            "You added up over the units. σ_w² holds the number of units already: is a mean left?",
        ),
        gives_instead(
            "variance for std",
            lambda case: case[1] ** 2 * (case[0] ** 2).mean(),
            "You squared σ_w², which is a variance already. Which factor has a mean square?",
        ),
        gives_instead(
            "variance of the slopes",
            lambda case: case[1] * case[0].var(),
            "You took the variance of the slopes. Does a slope count less when all are equal?",
        ),
    ),
    otherwise=_told,
    praise="it holds for 3 layers, one of them with ReLU's slopes.",
)

EXERCISES = [
    Exercise(
        name="gain_by_sampling",
        notebook="10",
        task="Write a function that finds the gain of any activation by drawing at least 100,000 "
        "standard normal numbers z: the factor that brings the mean square of φ(z) back to 1. "
        "`activation` takes a tensor or an array.",
        stub="def gain_by_sampling(activation):\n    ...\n",
        hints=(
            "Draw z, and compute activation(z). What is its mean square?",
            "A factor g multiplies the mean square by g².",
            "Solve g² · E[φ(z)²] = 1 for g.",
        ),
        solution="""
import torch

def gain_by_sampling(activation):
    z = torch.randn(1_000_000)
    return 1 / activation(z).square().mean().sqrt().item()
""",
        measure=values_of(
            _FUNCTIONS,
            _right,
            prepare=_ForBoth,
            number_from=as_number,
        ),
        right=gives(_right, rtol=_CLOSE),
        mistakes=(
            gives_instead(
                "std for rms",
                lambda function: 1 / _std(function),
                "You divided by the standard deviation of φ(z). Does the next layer see what φ(z) "
                "is around its mean, or also the mean?",
                rtol=_CLOSE,
            ),
            gives_instead(
                "no root",
                lambda function: 1 / _mean(function, 2),
                "Your number brings the mean square back if it multiplies the *variance*. What "
                "multiplies the signal itself?",
                rtol=_CLOSE,
            ),
            gives_instead(
                "inverse",
                lambda function: _mean(function, 2) ** 0.5,
                "Your number is what φ does to the rms. Which factor undoes it?",
                rtol=_CLOSE,
            ),
            gives_instead(
                "inverse, no root",
                lambda function: _mean(function, 2),
                "Your number is the mean square of φ(z). Which factor brings it back to 1?",
                rtol=_CLOSE,
            ),
            gives_instead(
                "variance for mean square",
                lambda function: _std(function) ** -2,
                "You divided by the variance of φ(z). Is that its mean square, when its mean is "
                "not 0?",
                rtol=_CLOSE,
            ),
            gives_instead(
                "mean size",
                lambda function: 1 / _mean(function, 1, size=True),
                "You divided by the mean of |φ(z)|. Which mean does the variance of the next "
                "layer depend on?",
                rtol=_CLOSE,
            ),
            gives_instead(
                "mean",
                lambda function: 1 / _mean(function, 1),
                "You divided by the mean of φ(z). Which mean does the variance of the next layer "
                "depend on?",
                rtol=_CLOSE,
            ),
            Mistake(
                name="too few numbers",
                seen=_nearly,
                says="Your gains are near, and not near enough. How many numbers do you draw, and "
                "how fast does the error of a mean fall with them? Or is z not standard normal?",
            ),
            Mistake(
                name="activation ignored",
                seen=lambda values: bool(np.ptp(values.given) < 1e-6),
                says="Your gain is the same for every activation. Where does your function call "
                "it?",
            ),
        ),
        otherwise=_otherwise,
        praise="within 3 % of the integral for relu, sigmoid and silu.",
    ),
    _CHI_1,
]
