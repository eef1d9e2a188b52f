"""Notebook 06: a ReLU throws half of the second moment away, and the weights make up for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from initlab.exercises.answers import as_number
from initlab.exercises.exercise import Exercise, Mistake
from initlab.exercises.random_matrices import drawn, wrong_std
from initlab.exercises.values import Values, gives, gives_instead, values_of

# --- kaiming_normal and kaiming_uniform ---

_BOTH = (  # what goes wrong in the uniform and in the normal form alike
    wrong_std(
        "gain missing",
        lambda i, o: (1 / i) ** 0.5,
        "Your variance is 1/n: that keeps a linear layer level. What does ReLU do to half of the "
        "signal?",
    ),
    wrong_std(
        "fan_out for fan_in",
        lambda i, o: (2 / o) ** 0.5,
        "Your variance is 2/fan_out: that keeps the backward pass level. How many terms does the "
        "sum in one output have?",
    ),
    wrong_std(
        "Xavier",
        lambda i, o: (2 / (i + o)) ** 0.5,
        "Your variance is 2/(fan_in + fan_out): that is Xavier's. Which pass does this task want "
        "to keep level, and through which nonlinearity?",
    ),
    wrong_std(
        "gain squared",
        lambda i, o: 2 / i**0.5,
        "Your variance is 4/fan_in: twice too much. Is the 2 a factor of the variance or of the "
        "standard deviation?",
    ),
    wrong_std(
        "no root of the fan",
        lambda i, o: 2**0.5 / i,
        "Your standard deviation falls with fan_in itself. Which root of fan_in belongs there, and "
        "why?",
    ),
    wrong_std(
        "gain of tanh",
        lambda i, o: 5 / 3 / i**0.5,
        "Your gain is 5/3, the one that PyTorch lists for tanh. Which nonlinearity follows here?",
    ),
    wrong_std(
        "PyTorch's default",
        lambda i, o: (1 / (3 * i)) ** 0.5,
        "Your variance is 1/(3·fan_in): so has `nn.Linear` before you touch it. PyTorch calls "
        "`kaiming_uniform_` with a = √5: which slope has a plain ReLU on the left?",
    ),
)

_DRAWN = [
    drawn(
        name="kaiming_normal",
        notebook="06",
        task="Write Kaiming's normal initialisation for ReLU, which keeps the forward pass level: "
        "normal numbers, mean 0, shape `(fan_out, fan_in)`.",
        hints=(
            "Let z be symmetric around 0. Which share of E[z²] does ReLU let through?",
            "A linear layer stays level with Var(w) = 1/fan_in. By which factor must the variance "
            "grow, if half of the second moment is lost?",
            "Take the root of that variance, if your call wants a standard deviation.",
        ),
        solution="""
import torch

def kaiming_normal(fan_in, fan_out):
    std = (2 / fan_in) ** 0.5
    return torch.randn(fan_out, fan_in) * std
""",
        std=lambda i, o: (2 / i) ** 0.5,
        shape="normal",
        mistakes=(
            wrong_std(
                "variance for std",
                lambda i, o: 2 / i,
                "Your standard deviation is what the variance should be. Which of the two does "
                "your call take?",
            ),
            wrong_std(
                "bound for std",
                lambda i, o: (6 / i) ** 0.5,
                "You gave the normal distribution the bound of the uniform one. What is the "
                "standard deviation of a uniform distribution with that bound?",
            ),
            *_BOTH,
        ),
    ),
    drawn(
        name="kaiming_uniform",
        notebook="06",
        task="Write Kaiming's uniform initialisation for ReLU, which keeps the forward pass level: "
        "uniform numbers around 0, shape `(fan_out, fan_in)`.",
        hints=(
            "First find the variance: it is the same as for the normal form.",
            "A uniform distribution on [−b, b] has the variance b²/3.",
            "Solve b²/3 = Var(w) for `b`, with twice the variance of a linear layer.",
        ),
        solution="""
import numpy as np

def kaiming_uniform(fan_in, fan_out):
    bound = np.sqrt(6 / fan_in)
    return np.random.default_rng().uniform(-bound, bound, size=(fan_out, fan_in))
""",
        std=lambda i, o: (2 / i) ** 0.5,
        shape="uniform",
        mistakes=(
            wrong_std(
                "std for bound",
                lambda i, o: (2 / i) ** 0.5 / 3**0.5,
                "You took the standard deviation as the bound. Which standard deviation has a "
                "uniform distribution on [−b, b]?",
            ),
            wrong_std(
                "variance for std",
                lambda i, o: 6 / i / 3**0.5,
                "Your numbers are far too small, and they shrink too fast with fan_in. Is there a "
                "root missing over the whole fraction?",
            ),
            *_BOTH,
        ),
    ),
]

# --- fan_out_growth ---

_WIDTHS = [[1024, 512, 256, 128, 64, 32], [100, 50, 200, 300], [64, 64, 80, 32], [64, 10, 40, 20]]


def _growth(widths: Sequence[int]) -> float:
    return widths[1] / widths[-1]


def _growth_seen(values: Values) -> str:
    return (
        f"For the widths {_WIDTHS[1]} you give {values.given[1]:.3g}. What is the factor from the "
        "layer of 50 units to the layer of 200, and from there to the layer of 300?"
    )


_FAN_OUT_GROWTH = Exercise(
    name="fan_out_growth",
    notebook="06",
    task="`widths` lists the input and all hidden layers, such as `[64, 512, 256, 128]`. A ReLU "
    'follows each hidden layer, and all weights have Var(w) = 2/fan_out (`mode="fan_out"`), biases '
    "0. Return the factor by which E[z²] grows from the first hidden layer to the last.",
    stub="def fan_out_growth(widths):\n    ...\n",
    hints=(
        "By which factor does one layer with n_in inputs and n_out units multiply E[z²], when "
        "Var(w) = 2/n_out and a ReLU stands before it?",
        "One layer multiplies by n_in/n_out. Write down the product for three layers.",
        "In the product each width stands once above and once below, but for two of them. Which "
        "two?",
    ),
    solution="""
def fan_out_growth(widths):
    factor = 1.0
    for n_in, n_out in zip(widths[1:], widths[2:]):
        factor *= n_in / n_out
    return factor
""",
    measure=values_of(_WIDTHS, _growth, number_from=as_number),
    right=gives(_growth, rtol=1e-2),  # 16 bits will do
    mistakes=(
        gives_instead(
            "fan_in for fan_out",
            lambda widths: 1.0,
            "You say that E[z²] stays level. That is what fan_in gives. Which sum does fan_out "
            "count the terms of?",
        ),
        gives_instead(
            "inverse",
            lambda widths: widths[-1] / widths[1],
            "Your factor is upside down. Do many inputs and few units make E[z²] larger or "
            "smaller, if the weights only know the number of units?",
        ),
        gives_instead(
            "input counted",
            lambda widths: widths[0] / widths[-1],
            "You started at the input. The task starts at the first *hidden* layer: whose fan-in "
            "stands first in the product then?",
        ),
        gives_instead(
            "rms for second moment",
            lambda widths: math.sqrt(_growth(widths)),
            "You gave the factor of the rms. Which power of it does E[z²] have?",
        ),
        gives_instead(
            "last layer only",
            lambda widths: widths[-2] / widths[-1],
            "You gave the factor of the last layer alone. How many layers lie between the first "
            "hidden one and the last?",
        ),
        gives_instead(
            "ReLU forgotten",
            lambda widths: _growth(widths) * 2.0 ** (len(widths) - 2),
            "You let everything through the ReLU, so a 2 is left over in each layer. Which share "
            "of E[z²] does a ReLU let through?",
        ),
        gives_instead(
            "half counted twice",
            lambda widths: _growth(widths) / 2.0 ** (len(widths) - 2),
            "Your factor is halved once more in each layer. What is the 2 in 2/fan_out there for?",
        ),
        gives_instead(
            "ReLU forgotten, input counted",
            lambda widths: widths[0] / widths[-1] * 2.0 ** (len(widths) - 1),
            "You counted the input layer, and you let everything through the ReLU. Where does the "
            "task start, and which share of E[z²] passes a ReLU?",
        ),
        Mistake(
            name="widths ignored",
            seen=lambda values: len({round(float(v), 6) for v in values.given}) == 1,
            says="Your factor is the same for all widths. What does Var(w) = 2/fan_out know of the "
            "number of inputs?",
        ),
    ),
    otherwise=_growth_seen,
    praise=f"the factor holds for {len(_WIDTHS)} networks, growing and shrinking ones.",
)

# --- leaky_gain ---

_SLOPES = [0.0, 0.01, 0.2, 0.5, 0.9]


def _leaky(slope: float) -> float:
    return math.sqrt(2 / (1 + slope**2))


def _leaky_seen(values: Values) -> str:
    return (
        f"For slope {_SLOPES[3]} your gain is {values.given[3]:.4g}. Square it and multiply it by "
        "the share of E[z²] that this leaky ReLU lets through: do you get 1?"
    )


_LEAKY_GAIN = Exercise(
    name="leaky_gain",
    notebook="06",
    task="A leaky ReLU gives z for z > 0 and `slope`·z for z < 0. Write the function that gives "
    "its gain: the number g for which weights with Var(w) = g²/fan_in keep E[z²] level.",
    stub="def leaky_gain(slope):\n    ...\n",
    hints=(
        "Let z be symmetric around 0. Which share of E[z²] comes from z > 0, and what does the "
        "function do to the other part?",
        "The negative part is multiplied by `slope`, so its square by slope². Add the two halves.",
        "The share that passes, times g², must be 1. Solve for g.",
    ),
    solution="""
def leaky_gain(slope):
    return (2 / (1 + slope**2)) ** 0.5
""",
    measure=values_of(_SLOPES, _leaky, number_from=as_number),
    right=gives(_leaky, rtol=1e-2),  # 16 bits will do, and so will an average over many numbers
    mistakes=(
        gives_instead(
            "variance for gain",
            lambda slope: 2 / (1 + slope**2),
            "You gave g². Is the gain a factor of the variance or of the standard deviation?",
        ),
        gives_instead(
            "slope not squared",
            lambda slope: math.sqrt(2 / (1 + slope)),
            "You added the slope itself. What becomes of E[z²], when z is multiplied by the slope?",
        ),
        gives_instead(
            "square of the sum",
            lambda slope: math.sqrt(2) / (1 + slope),
            "You squared 1 + slope as a whole. Does one z pass through both branches?",
        ),
        gives_instead(
            "slope ignored",
            lambda slope: math.sqrt(2),
            "Your gain is that of a plain ReLU for each slope. What does the leak give back?",
        ),
        gives_instead(
            "sign",
            lambda slope: math.sqrt(2 / (1 - slope**2)),
            "Your gain grows with the slope. Does a leak let more through or less?",
        ),
        gives_instead(
            "inverse",
            lambda slope: math.sqrt((1 + slope**2) / 2),
            "You gave the factor by which the function shrinks the rms. What must the weights do "
            "about it?",
        ),
        gives_instead(
            "halves forgotten",
            lambda slope: 1 / math.sqrt(1 + slope**2),
            "For slope 0 your gain is 1, as if nothing were lost. Which share of E[z²] lies on "
            "each side of 0?",
        ),
        gives_instead(
            "variance for second moment",
            lambda slope: 1 / math.sqrt((1 + slope**2) / 2 - (1 - slope) ** 2 / (2 * math.pi)),
            "You used the standard deviation of its output. Its mean is not 0: does "
            "the next sum see the variance or the second moment?",
            rtol=1e-2,
        ),
    ),
    otherwise=_leaky_seen,
    praise=f"the gain holds for {len(_SLOPES)} slopes, from a plain ReLU to nearly linear.",
)

EXERCISES = [*_DRAWN, _FAN_OUT_GROWTH, _LEAKY_GAIN]
