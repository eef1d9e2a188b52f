"""Notebook 05: one number between what the forward and the backward pass ask for."""

from __future__ import annotations

import math
from typing import NamedTuple

from initlab.exercises.exercise import Exercise
from initlab.exercises.random_matrices import drawn, wrong_std
from initlab.exercises.values import gives, gives_instead, values_of


class _Fans(NamedTuple):
    fan_in: int
    fan_out: int


_LAYERS = [_Fans(100, 300), _Fans(512, 128), _Fans(60, 90)]


def _factors(layer: _Fans) -> tuple[float, float]:
    total = layer.fan_in + layer.fan_out
    return math.sqrt(2 * layer.fan_in / total), math.sqrt(2 * layer.fan_out / total)


_XAVIER_FACTORS = Exercise(
    name="xavier_factors",
    notebook="05",
    task="A linear layer with `fan_in` inputs and `fan_out` outputs has Xavier's weights (gain 1) "
    "and no bias. By which factor does it multiply the rms of a signal on its way forwards, and "
    "the rms of a gradient on its way back? Return both, the forward one first.",
    stub="def xavier_factors(fan_in, fan_out):\n    ...\n",
    hints=(
        "Forwards, each output is a sum of fan_in products. How many products are in each sum on "
        "the way back?",
        "A sum of n products multiplies the mean square by n · Var(w). Which variance has Xavier?",
        "The rms is the root of the mean square.",
    ),
    solution="""
def xavier_factors(fan_in, fan_out):
    variance = 2 / (fan_in + fan_out)
    return (fan_in * variance) ** 0.5, (fan_out * variance) ** 0.5
""",
    measure=values_of(_LAYERS, _factors, unpack=True),
    right=gives(_factors),
    mistakes=(
        gives_instead(
            "mean square for rms",
            lambda layer: [factor**2 for factor in _factors(layer)],
            "These are the factors of the mean square. How does one get the rms from it?",
        ),
        gives_instead(
            "forwards and backwards swapped",
            lambda layer: _factors(layer)[::-1],
            "Your two numbers stand in the wrong order. Over how many terms does an output sum?",
        ),
        gives_instead(
            "fan_in only",
            lambda layer: (1, math.sqrt(layer.fan_out / layer.fan_in)),
            "Your weights have the variance 1/fan_in. Which variance has Xavier?",
        ),
        gives_instead(
            "fan_out only",
            lambda layer: (math.sqrt(layer.fan_in / layer.fan_out), 1),
            "Your weights have the variance 1/fan_out. Which variance has Xavier?",
        ),
        gives_instead(
            "both level",
            lambda layer: (1, 1),
            "Both factors are 1 only where fan_in = fan_out. What is Xavier's variance in between?",
        ),
        gives_instead(
            "1 for 2",
            lambda layer: [factor / math.sqrt(2) for factor in _factors(layer)],
            "Your variance is 1/(fan_in + fan_out). What would your factors be for equal fans, and "
            "what should they be?",
        ),
        gives_instead(
            "std for variance",
            lambda layer: [
                math.sqrt(fan * math.sqrt(2 / (layer.fan_in + layer.fan_out))) for fan in layer
            ],
            "You put the standard deviation where the variance belongs. How do the two belong "
            "together?",
        ),
        gives_instead(
            "std of the weights only",
            lambda layer: [math.sqrt(2 / (layer.fan_in + layer.fan_out))] * 2,
            "You gave the standard deviation of one weight, twice. How many weights does each sum "
            "have?",
        ),
        gives_instead(
            "inverse",
            lambda layer: [1 / factor for factor in _factors(layer)],
            "Your factors are upside down. What happens to a sum that gets more terms?",
        ),
    ),
    otherwise=lambda values: (
        f"For {values.cases[0].fan_in} inputs and {values.cases[0].fan_out} outputs you give "
        f"{values.given[0][0]:.3g} and {values.given[0][1]:.3g}. Which terms does an output sum, "
        "and how many? And the gradient of an input?"
    ),
    praise="their squares add up to 2, so where one pass grows, the other shrinks.",
)

_BOTH = (  # what goes wrong in the uniform and in the normal form alike
    wrong_std(
        "fan_in only",
        lambda i, o: (1 / i) ** 0.5,
        "Your variance is 1/fan_in: that keeps the forward pass level. What does the backward "
        "pass ask for?",
    ),
    wrong_std(
        "fan_out only",
        lambda i, o: (1 / o) ** 0.5,
        "Your variance is 1/fan_out: that keeps the backward pass level. What does the forward "
        "pass ask for?",
    ),
    wrong_std(
        "Kaiming",
        lambda i, o: (2 / i) ** 0.5,
        "Your variance is 2/fan_in. That is another scheme, made for ReLU. Where is fan_out?",
    ),
    wrong_std(
        "sum of the roots",
        lambda i, o: 2**0.5 / (i**0.5 + o**0.5),
        "You added the roots of the two fans. Is √a + √b the root of a + b?",
    ),
    wrong_std(
        "product of the fans",
        lambda i, o: (2 / (i * o)) ** 0.5,
        "Your variance has the product of the two fans under it. How does one take a mean of two "
        "numbers?",
    ),
    wrong_std(
        "gain of ReLU",
        lambda i, o: 2 / (i + o) ** 0.5,
        "Your variance is twice too large. Is there a gain in it, and does this task ask for one?",
    ),
    wrong_std(
        "gain of tanh",
        lambda i, o: 5 / 3 * (2 / (i + o)) ** 0.5,
        "Your standard deviation is 5/3 times too large. Is there a gain in it, and does this "
        "task ask for one?",
    ),
    wrong_std(
        "PyTorch's default",
        lambda i, o: (1 / (3 * i)) ** 0.5,
        "Your variance is 1/(3·fan_in): so has `nn.Linear` before you touch it. What did you "
        "change?",
    ),
)

EXERCISES = [
    drawn(
        name="xavier_uniform",
        notebook="05",
        task="Write Xavier's uniform initialisation (gain 1): uniform numbers around 0, shape "
        "`(fan_out, fan_in)`, whose variance is the compromise between the forward and the "
        "backward pass.",
        hints=(
            "The forward pass asks for Var(w) = 1/fan_in, the backward pass for 1/fan_out. Xavier "
            "takes 1 over the mean of the two fans.",
            "A uniform distribution on [−a, a] has the variance a²/3. "
            "Which `a` gives the variance that you "
            "want?",
            "The bound `a` is the root of 6 over the sum of the two fans.",
        ),
        solution="""
import numpy as np

def xavier_uniform(fan_in, fan_out):
    bound = np.sqrt(6) / np.sqrt(fan_in + fan_out)
    return np.random.default_rng().uniform(-bound, bound, size=(fan_out, fan_in))
""",
        std=lambda i, o: (2 / (i + o)) ** 0.5,
        shape="uniform",
        mistakes=(
            wrong_std(
                "√3 for √6",
                lambda i, o: (1 / (i + o)) ** 0.5,
                "Your variance is 1/(fan_in + fan_out). What should it be when both fans are n, "
                "and what is yours then?",
            ),
            wrong_std(
                "std for bound",
                lambda i, o: (2 / (i + o)) ** 0.5 / 3**0.5,
                "You took the standard deviation as the bound. Which standard deviation has a "
                "uniform distribution on [−a, a]?",
            ),
            wrong_std(
                "variance for std",
                lambda i, o: 6 / (i + o) / 3**0.5,
                "Your numbers are far too small, and they shrink too fast with the fans. Is there "
                "a root missing over the whole fraction?",
            ),
            *_BOTH,
        ),
    ),
    drawn(
        name="xavier_normal",
        notebook="05",
        task="Write Xavier's normal initialisation (gain 1): normal numbers, mean 0, shape "
        "`(fan_out, fan_in)`, whose variance is the compromise between the forward and the "
        "backward pass.",
        hints=(
            "The forward pass asks for Var(w) = 1/fan_in, the backward pass for 1/fan_out. Xavier "
            "takes 1 over the mean of the two fans.",
            "Does your call take a variance or a standard deviation?",
            "The variance is 2 over the sum of the two fans.",
        ),
        solution="""
import torch

def xavier_normal(fan_in, fan_out):
    std = (2 / (fan_in + fan_out)) ** 0.5
    return torch.randn(fan_out, fan_in) * std
""",
        std=lambda i, o: (2 / (i + o)) ** 0.5,
        shape="normal",
        mistakes=(
            wrong_std(
                "1 for 2",
                lambda i, o: (1 / (i + o)) ** 0.5,
                "Your variance is 1/(fan_in + fan_out). What should it be when both fans are n, "
                "and what is yours then?",
            ),
            wrong_std(
                "variance for std",
                lambda i, o: 2 / (i + o),
                "Your standard deviation is what the variance should be. Which of the two does "
                "your call take?",
            ),
            wrong_std(
                "bound for std",
                lambda i, o: (6 / (i + o)) ** 0.5,
                "You gave the normal distribution the bound of the uniform one. What is the "
                "standard deviation of a uniform distribution with that bound?",
            ),
            *_BOTH,
        ),
    ),
    _XAVIER_FACTORS,
]
