"""Notebook 03: the bound of a uniform distribution; normal numbers whose sum keeps its size."""

from __future__ import annotations

from initlab.exercises.answers import as_number
from initlab.exercises.exercise import Exercise
from initlab.exercises.random_matrices import drawn, wrong_std
from initlab.exercises.values import Values, gives, gives_instead, values_of

_STDS = [0.02, 0.5, 3.0]
"""Of both sides of 1, so that a square, a root and the number itself differ."""


def _bound(std: float) -> float:
    return 3**0.5 * std


def _uniform_std(values: Values) -> str:
    return (
        f"For a standard deviation of {_STDS[1]} you give the bound {float(values.given[1]):.3g}. "
        f"A uniform distribution with that bound has the standard deviation "
        f"{float(values.given[1]) / 3**0.5:.3g}."
    )


_UNIFORM_BOUND = Exercise(
    name="uniform_bound",
    notebook="03",
    task="Uniform numbers between −bound and bound shall have the standard deviation `std`. Write "
    "the function that gives the bound.",
    stub="def uniform_bound(std): ...\n",
    hints=(
        "The mean is 0, so the variance is the mean of w² over the interval.",
        "The mean of w² between −b and b is the integral of w² from −b to b, divided by 2b.",
        "That is b²/3. Set it equal to the variance that is asked for, and solve for b.",
    ),
    solution="""
def uniform_bound(std):
    return 3**0.5 * std
""",
    measure=values_of(_STDS, _bound, number_from=as_number),
    right=gives(_bound),
    mistakes=(
        gives_instead(
            "std for bound",
            lambda std: std,
            "You took the standard deviation as the bound. Most numbers are closer to 0 than the "
            "bound: can their typical distance from 0 be the bound itself?",
        ),
        gives_instead(
            "√6 for √3",
            lambda std: 6**0.5 * std,
            "Your numbers have twice the variance. The 6 belongs to a rule for two fans; is there "
            "a fan in this task?",
        ),
        gives_instead(
            "width for bound",
            lambda std: 12**0.5 * std,
            "Your number is the whole width of the interval. How far is each end from 0?",
        ),
        gives_instead(
            "no root",
            lambda std: 3 * std,
            "Your variance is three times too large. Is there a root missing?",
        ),
        gives_instead(
            "std for variance",
            lambda std: (3 * std) ** 0.5,
            "You treated `std` as a variance. Which of the two was given?",
        ),
        gives_instead(
            "divided",
            lambda std: std / 3**0.5,
            "Your number is the standard deviation of a uniform distribution with the bound `std`. "
            "Which of "
            "the two is given, and which is asked for?",
        ),
        gives_instead(
            "variance for bound",
            lambda std: 3 * std**2,
            "Your number is the *square* of the bound. What is left to do?",
        ),
    ),
    otherwise=_uniform_std,
    praise="uniform numbers between minus and plus your bound have the right standard deviation.",
)

EXERCISES = [
    _UNIFORM_BOUND,
    drawn(
        name="lecun_normal",
        notebook="03",
        task="Write a function that draws the weights of a linear layer so that its output has the "
        "same mean square as its input: normal numbers, mean 0, shape `(fan_out, fan_in)`. No "
        "nonlinearity follows.",
        hints=(
            "Each output is a sum of fan_in products w·x. How large is the mean square of such a "
            "sum?",
            "It is fan_in · Var(w), times the mean square of the inputs. Which Var(w) makes the "
            "two mean squares equal?",
            "`rng.normal(0, std, size)` wants a standard deviation, and you have a variance.",
        ),
        solution="""
import numpy as np

def lecun_normal(fan_in, fan_out):
    std = np.sqrt(1 / fan_in)
    return np.random.default_rng().normal(0, std, size=(fan_out, fan_in))
""",
        std=lambda i, o: (1 / i) ** 0.5,
        shape="normal",
        mistakes=(
            wrong_std(
                "variance for std",
                lambda i, o: 1 / i,
                "Your standard deviation is 1/fan_in. Is it the variance or the standard "
                "deviation that should be that, and which of the two does your call take?",
            ),
            wrong_std(
                "fan_out for fan_in",
                lambda i, o: (1 / o) ** 0.5,
                "Your variance is 1/fan_out. How many terms does the sum in one output have?",
            ),
            wrong_std(
                "Xavier",
                lambda i, o: (2 / (i + o)) ** 0.5,
                "Your variance is 2/(fan_in + fan_out), a compromise between the forward and the "
                "backward pass. Which of the two does this task ask for?",
            ),
            wrong_std(
                "gain for ReLU",
                lambda i, o: (2 / i) ** 0.5,
                "Your variance is 2/fan_in: that makes up for a ReLU. Which nonlinearity follows "
                "here?",
            ),
            wrong_std(
                "PyTorch's default",
                lambda i, o: (1 / (3 * i)) ** 0.5,
                "Your variance is 1/(3·fan_in), a third of what is asked for: so has "
                "`nn.Linear` before you touch it. Where does the 3 come from?",
            ),
            wrong_std(
                "bound for std",
                lambda i, o: (3 / i) ** 0.5,
                "Your variance is three times too large. Is √(3/fan_in) a standard deviation, or "
                "the bound of a uniform distribution?",
            ),
        ),
    ),
]
