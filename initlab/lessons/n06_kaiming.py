"""Notebook 06: what a nonlinearity lets through, weights that make up for it, and dead ReLUs."""

from __future__ import annotations

import math
from collections.abc import Callable

from initlab.exercises.answers import as_number
from initlab.exercises.exercise import Exercise
from initlab.exercises.random_matrices import drawn, wrong_std
from initlab.exercises.values import Values, gives, gives_instead, values_of

Case = tuple[float, ...]

# --- kaiming_normal ---

_STDS = (
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

_KAIMING_NORMAL = drawn(
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
        *_STDS,
    ),
)

# --- two_slopes_std ---

_SLOPES = [(100, 1, 0), (100, 1, -1), (64, 1, 0.5), (200, 2, -1), (50, 0.3, 0.9)]
"""(fan_in, right, left): ReLU, |z|, a leak, and two of nobody's."""


def _std(case: Case, passes: Callable[[float, float], float]) -> float:
    """Keep E[z²] level where this share of it passes for these two slopes."""
    fan_in, right, left = case
    return 1 / math.sqrt(fan_in * passes(right, left))


def _share(right: float, left: float) -> float:
    return (right**2 + left**2) / 2


def _two_slopes(case: Case) -> float:
    return _std(case, _share)


def _two_slopes_seen(values: Values) -> str:
    fan_in, right, left = _SLOPES[2]
    return (
        f"For fan_in {fan_in} and the slopes {right} and {left} your std is "
        f"{values.given[2]:.4g}. Square it and multiply it by {fan_in} and by the share of E[z²] "
        "that passes: do you get 1?"
    )


_TWO_SLOPES = Exercise(
    name="two_slopes_std",
    notebook="06",
    task="A nonlinearity has two slopes: it gives `right`·z for z > 0 and `left`·z for z < 0. |z| "
    "has the slopes 1 and −1. Return the standard deviation of the weights that keeps E[z²] level, "
    "for a layer with `fan_in` inputs, biases 0.",
    stub="def two_slopes_std(fan_in, right, left):\n    ...\n",
    hints=(
        "Let z be symmetric around 0. Which share of E[z²] comes from z > 0, and which from z < 0?",
        "A slope multiplies z, so its square multiplies z². Add the two halves.",
        "fan_in · Var(w) · (share that passes) must be 1. Solve for Var(w), and take the root.",
    ),
    solution="""
def two_slopes_std(fan_in, right, left):
    return (2 / (fan_in * (right**2 + left**2))) ** 0.5
""",
    measure=values_of(_SLOPES, _two_slopes, number_from=as_number, unpack=True),
    right=gives(_two_slopes, rtol=1e-2),  # 16 bits will do, and so will an average over many z
    mistakes=(
        gives_instead(
            "variance for std",
            lambda case: _two_slopes(case) ** 2,
            "You gave the variance. The task asks for the standard deviation.",
        ),
        gives_instead(
            "left ignored",
            lambda case: _std(case, lambda right, _: right**2 / 2),
            "Your std does not depend on what happens to z < 0. For |z|, does that side carry "
            "nothing?",
        ),
        gives_instead(
            "slopes ignored",
            lambda case: _std(case, lambda *_: 1 / 2),
            "Your std is that of a ReLU, whatever the slopes. Which share of E[z²] does |z| let "
            "through?",
        ),
        gives_instead(
            "slope not squared",
            lambda case: _std(case, lambda right, left: (abs(right) + abs(left)) / 2),
            "You added the slopes themselves. What becomes of z², when z is multiplied by a slope?",
        ),
        gives_instead(
            "square of the sum",
            lambda case: _std(case, lambda right, left: (abs(right) + abs(left)) ** 2 / 2),
            "You squared the sum of the slopes. Does one z meet both of them?",
        ),
        gives_instead(
            "halves forgotten",
            lambda case: _std(case, lambda right, left: right**2 + left**2),
            "For ReLU your variance is 1/fan_in, as if nothing were lost. Which share of E[z²] "
            "lies on each side of 0?",
        ),
        gives_instead(
            "fan_in forgotten",
            lambda case: _two_slopes((1, *case[1:])),
            "You gave the gain: the std that a unit with one input needs. How many terms does the "
            "sum have here?",
        ),
        gives_instead(
            "inverse",
            lambda case: math.sqrt(_share(*case[1:]) / case[0]),
            "The more passes, the larger is your std. Must the weights make up for what passes or "
            "for what is lost?",
        ),
        gives_instead(
            "variance for second moment",
            lambda case: _std(
                case, lambda right, left: _share(right, left) - (right - left) ** 2 / (2 * math.pi)
            ),
            "You used the variance of the output. Its mean is not 0: does the next sum see the "
            "variance or the second moment?",
            rtol=1e-2,
        ),
    ),
    otherwise=_two_slopes_seen,
    praise=f"the std fits {len(_SLOPES)} nonlinearities, ReLU and |z| among them.",
)

# --- born_dead ---

_NETWORKS = [(1, 1), (2, 3), (4, 10), (5, 20), (3, 2), (8, 100)]
"""(width, depth)"""


def _born_dead(case: Case) -> float:
    width, depth = case
    return 1 - math.pow(1 - math.pow(0.5, width), depth)


def _born_dead_seen(values: Values) -> str:
    width, depth = _NETWORKS[1]
    return (
        f"For {depth} layers of {width} units you give {values.given[1]:.4g}. With which "
        "probability are both units of one layer off, and with which does that happen in none of "
        "the three layers?"
    )


_BORN_DEAD = Exercise(
    name="born_dead",
    notebook="06",
    task="A ReLU network has `depth` hidden layers of `width` units each; its weights are drawn "
    "from a normal distribution, its biases are 0. It gets one input that is not 0. Return the "
    "probability that nothing of it arrives: that some hidden layer emits only zeros.",
    stub="def born_dead(width, depth):\n    ...\n",
    hints=(
        "Something arrives at a layer. With which probability does *one* of its units emit 0?",
        "The units of a layer draw their weights independently. With which probability are all "
        "`width` of them off?",
        "The signal arrives if that happens in none of the `depth` layers. The answer is the "
        "opposite.",
    ),
    solution="""
def born_dead(width, depth):
    return 1 - (1 - 0.5**width) ** depth
""",
    measure=values_of(_NETWORKS, _born_dead, number_from=as_number, unpack=True),
    right=gives(_born_dead, rtol=1e-2),  # 16 bits will do
    mistakes=(
        gives_instead(
            "the opposite",
            lambda case: 1 - _born_dead(case),
            "You gave the probability that something arrives. The task asks for the opposite.",
        ),
        gives_instead(
            "depth ignored",
            lambda case: 0.5 ** case[0],
            "You gave the probability for one layer. The signal must get through all of them.",
        ),
        gives_instead(
            "sum over layers",
            lambda case: case[1] * 0.5 ** case[0],
            "You added up the layers. What does your formula give for 3 layers of 1 unit, and can "
            "that be a probability?",
        ),
        gives_instead(
            "every layer",
            lambda case: 0.5 ** (case[0] * case[1]),
            "You ask that every unit of every layer is off. How many layers of zeros does it take "
            "to lose the signal?",
        ),
        gives_instead(
            "one unit will do",
            lambda case: 1 - 0.5 ** (case[0] * case[1]),
            "You count the signal as lost as soon as one unit is off. Do the other units of its "
            "layer not carry it on?",
        ),
        gives_instead(
            "width and depth swapped",
            lambda case: _born_dead(case[::-1]),
            "You swapped the two arguments: `width` units stand beside each other in a layer, and "
            "`depth` layers follow one another.",
        ),
    ),
    otherwise=_born_dead_seen,
    praise=f"the probability is right for {len(_NETWORKS)} networks.",
)

EXERCISES = [_KAIMING_NORMAL, _TWO_SLOPES, _BORN_DEAD]
