"""Notebook 11: many branches that add up to one."""

from __future__ import annotations

from initlab.exercises.answers import as_number
from initlab.exercises.exact import Values, gives, gives_instead, values_of
from initlab.exercises.exercise import Exercise, Mistake

_DEPTHS = [4, 9, 50]


def _right(depth: int) -> float:
    return float(depth**-0.5)


def _ratio(values: Values) -> str:
    return (
        f"With {_DEPTHS[0]} blocks you scale each branch by {values.given[0]:.3g}. How much "
        "variance has one branch then, and how much have all of them together?"
    )


EXERCISES = [
    Exercise(
        name="residual_scaling",
        notebook="11",
        task="A residual network has `depth` blocks x + s·f(x). Each branch f(x) has variance 1. "
        "Write the function that gives the factor s for which the variances of all branches "
        "together add up to 1.",
        signature="residual_scaling(depth) -> float",
        stub="def residual_scaling(depth):\n    ...\n",
        hints=(
            "What is the variance of s·f(x), when f(x) has variance 1?",
            "There are `depth` branches, and their variances add up.",
            "Solve depth · s² = 1.",
        ),
        solution="""
def residual_scaling(depth):
    return 1 / depth**0.5
""",
        measure=values_of(
            _DEPTHS, _right, signature="residual_scaling(depth)", number_from=as_number
        ),
        right=gives(_right, rtol=1e-2),  # 16 bits will do
        mistakes=(
            gives_instead(
                "variance for std",
                lambda depth: 1 / depth,
                "You scale each branch by 1/depth. Is that its variance or its standard "
                "deviation, and which of the two does a factor multiply?",
            ),
            gives_instead(
                "inverse",
                lambda depth: depth**0.5,
                "Your factor grows with the depth. Must more branches each be larger or smaller?",
            ),
            gives_instead(
                "two branches a block",
                lambda depth: (2 * depth) ** -0.5,
                "You counted two branches in each block, as GPT-2 has. How many has this network?",
            ),
            gives_instead(
                "no scaling",
                lambda depth: 1.0,
                "Your factor is 1. What is the sum of the variances of all branches then?",
            ),
            gives_instead(
                "squared twice",
                lambda depth: depth**-0.25,
                "You took one root too many: your factor falls as depth to the power −1/4.",
            ),
            gives_instead(
                "halved at each block",
                lambda depth: 2.0 ** (-depth / 2),
                "Your factor falls exponentially with depth. Do the variances of the branches "
                "multiply, or add?",
            ),
            Mistake(
                name="depth ignored",
                seen=lambda values: len({round(float(v), 6) for v in values.given}) == 1,
                says="Your factor is the same for every depth. What do more branches add up to?",
            ),
        ),
        otherwise=_ratio,
        praise=f"the branches add up to a variance of 1 at depths {_DEPTHS[0]} to {_DEPTHS[-1]}.",
    )
]
