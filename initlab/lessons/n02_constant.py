"""Notebook 02: equal units stay equal; biases may be zero, and one of them should not be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from initlab.exercises.answers import Array, as_entries, as_number, in_place
from initlab.exercises.exercise import Exercise, Mistake
from initlab.exercises.values import Values, farthest, gives, gives_instead, values_of

# --- distinct_units ---

_WEIGHTS = [
    torch.tensor(rows)
    for rows in [
        [[0.5, 0.5, 0.5]] * 4,  # 1 unit, four times
        [[1.0, 2.0, 3.0, 1.0], [1.0, 2.0, 3.0, 1.0], [3.0, 1.0, 2.0, 3.0]],  # 2 units
        [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0], [1.0, 2.0], [0.0, 1.0]],  # 4 units, rank 2
        [[0.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]],
    ]
]


def _distinct(rows: Any) -> int:
    return len(np.unique(np.asarray(rows), axis=0))


def _count_seen(values: Values) -> str:
    k = farthest(values, _distinct)
    return (
        f"For the weights {values.cases[k].tolist()} your count is {float(values.given[k]):g}. "
        "Which rows of these are equal?"
    )


_DISTINCT_UNITS = Exercise(
    name="distinct_units",
    notebook="02",
    task="A unit's weights are one row of `weight`, a tensor of shape `(fan_out, fan_in)`. Write a "
    "function that counts how many *different* units there are.",
    stub="def distinct_units(weight):\n    ...\n",
    hints=(
        "Two units are the same when their whole rows are equal.",
        "`torch.unique` drops what it has seen before. What does its argument `dim` say?",
        "Along `dim=0` it compares rows. How many are left?",
    ),
    solution="""
def distinct_units(weight):
    return len(weight.unique(dim=0))
""",
    measure=values_of(_WEIGHTS, _distinct, number_from=as_number),
    right=gives(_distinct),
    mistakes=(
        gives_instead(
            "columns for rows",
            lambda weight: _distinct(weight.T),
            "You counted different columns. A column is what one input sends out: where are one "
            "unit's weights?",
        ),
        gives_instead(
            "entries for rows",
            lambda weight: len(weight.unique()),
            "You counted different numbers. Can two different units have the same numbers in "
            "another order?",
        ),
        gives_instead(
            "rank",
            torch.linalg.matrix_rank,
            "You gave the rank. Is a unit that is twice another one the same unit?",
        ),
        gives_instead(
            "all rows",
            len,
            "You counted all units. How many are left when each is counted once?",
        ),
        gives_instead(
            "copies for units",
            lambda weight: len(weight) - _distinct(weight),
            "You counted how many are copies. How many are left without them?",
        ),
        gives_instead(
            "units that have no copy",
            lambda weight: int(
                (np.unique(weight.numpy(), axis=0, return_counts=True)[1] == 1).sum()
            ),
            "You counted the units that occur only once. Does a unit with copies count as none?",
        ),
        gives_instead(
            "sum of the row for the row",
            lambda weight: len(weight.sum(1).unique()),
            "You compared one number of each row, such as its sum. Can two different units have "
            "the same sum?",
        ),
    ),
    otherwise=_count_seen,
    praise="the count is right for 4 weight matrices, also where rank and columns differ from it.",
)

# --- break_symmetry ---

_SIZES = [(32, 64, 0.02), (48, 20, 0.5)]
"""(fan_out, fan_in, the constant in all entries)."""


@dataclass(frozen=True)
class _Broken:
    constant: float
    values: Array

    @property
    def units(self) -> int:
        return _distinct(self.values)

    @property
    def is_near(self) -> bool:
        """No entry has moved by more than the constant itself."""
        return bool(np.abs(self.values - self.constant).max() <= self.constant * 1.001)

    @property
    def keeps_mean(self) -> bool:
        return bool(abs(self.values.mean() / self.constant - 1) < 0.1)


def _measure_broken(function: Callable[..., Any]) -> list[_Broken]:
    broken = []
    for fan_out, fan_in, constant in _SIZES:
        weight = torch.full((fan_out, fan_in), constant)
        broken.append(
            _Broken(constant, as_entries(in_place(function, weight), (fan_out, fan_in)).values)
        )
    return broken


def _every(test: Callable[[_Broken], bool]) -> Callable[[Sequence[_Broken]], bool]:
    return lambda broken: all(test(b) for b in broken)


_BREAK_SYMMETRY = Exercise(
    name="break_symmetry",
    notebook="02",
    task="All entries of `weight`, a tensor of shape `(fan_out, fan_in)`, are the same positive "
    "constant. Change it, in place or in a new tensor, so that no two units are equal. No entry "
    "may move by more than the constant itself, and the mean must stay within 10 % of it.",
    stub="def break_symmetry(weight):\n    ...\n",
    hints=(
        "A unit is a row. What must differ between two rows?",
        "Add random numbers. How large may they be beside the constant?",
        "Draw as many numbers as the weight has: `torch.randn_like(weight)`, times a tenth of the "
        "constant.",
    ),
    solution="""
import torch

def break_symmetry(weight):
    return weight + 0.1 * weight.mean() * torch.randn_like(weight)
""",
    measure=_measure_broken,
    right=_every(lambda b: b.units == len(b.values) and b.is_near and b.keeps_mean),
    mistakes=(
        Mistake(
            name="unchanged",
            seen=_every(lambda b: bool(np.ptp(b.values) == 0)),
            says="All entries are still equal. What must differ between two units?",
        ),
        Mistake(
            name="same noise for each unit",
            seen=_every(lambda b: b.units == 1),
            says="The columns differ now, and the rows are still copies of one. How many random "
            "numbers does each unit need of its own?",
        ),
        Mistake(
            name="one unit only",
            seen=_every(lambda b: b.units == 2),
            says="One unit differs now. What about the others: do they differ from each other?",
        ),
        Mistake(
            name="some units still equal",
            seen=lambda broken: any(b.units < len(b.values) for b in broken),
            says="Some units are still copies of each other. Does each one get numbers of its own?",
        ),
        Mistake(
            name="mean not kept",
            seen=lambda broken: any(not b.keeps_mean for b in broken),
            says="All units differ, but the mean has moved. Which mean must the numbers have that "
            "you add, or are the old weights gone?",
        ),
        Mistake(
            name="too far",
            seen=lambda broken: any(not b.is_near for b in broken),
            says="All units differ, but some entries moved by more than the constant. How large "
            "should your random numbers be beside it?",
        ),
    ),
    otherwise=lambda broken: "The units do not differ in the way that the task asks for.",
    praise="all units differ, near the old weights and around the same mean.",
)

# --- output_bias ---

_COUNTS = [(900, 100), (10, 30, 60), (5, 1, 80, 14)]


def _shares(counts: Sequence[int]) -> Array:
    return np.array(counts) / sum(counts)


def _softmax(bias: Array) -> Array:
    """What the network predicts from its biases alone; a constant in all of them drops out."""
    powers = np.exp(bias - bias.max())
    return np.asarray(powers / powers.sum())


def _right_bias(counts: Sequence[int]) -> Array:
    return np.log(_shares(counts))


def _predicted(values: Values) -> str:
    return (
        f"For the counts {list(values.cases[0])} your biases make the softmax predict "
        f"{', '.join(f'{p:.3g}' for p in values.given[0])}. What should it predict before it has "
        "seen an input?"
    )


def _bias_instead(name: str, reference: Callable[[Any], Any], says: str) -> Mistake:
    return gives_instead(name, reference, says, compare_as=_softmax)


_OUTPUT_BIAS = Exercise(
    name="output_bias",
    notebook="02",
    task="`counts` says how many examples each class has. All weights of the last layer are small, "
    "so at the start the softmax sees little but the biases. Write a function that gives the "
    "biases for which it predicts each class with the share that the class has.",
    stub="def output_bias(counts):\n    ...\n",
    hints=(
        "softmax(b) = exp(b) / sum of exp(b). It should be p, the shares of the classes.",
        "Which function undoes exp?",
        "With b = log p, the sum of exp(b) is 1.",
    ),
    solution="""
import numpy as np

def output_bias(counts):
    share = np.array(counts) / np.sum(counts)
    return np.log(share)
""",
    measure=values_of(_COUNTS, _right_bias, prepare=list, compare_as=_softmax),
    right=gives(_right_bias, compare_as=_softmax, rtol=0.04),  # 16 bits will do
    mistakes=(
        _bias_instead(
            "zeros",
            lambda counts: np.zeros(len(counts)),
            "Your biases are all equal, so the softmax predicts each class equally often. Does the "
            "data have them equally often?",
        ),
        _bias_instead(
            "share for log share",
            _shares,
            "Your biases are the shares themselves. What does the softmax do to a bias before it "
            "divides?",
        ),
        _bias_instead(
            "logit of a sigmoid",
            lambda counts: np.log(_shares(counts) / (1 - _shares(counts))),
            "Your biases are log(p/(1 − p)): right for a sigmoid. How does a softmax turn biases "
            "into probabilities?",
        ),
        _bias_instead(
            "sign",
            lambda counts: -np.log(_shares(counts)),
            "Your network predicts the rarest class most often. Is there a sign too much?",
        ),
        _bias_instead(
            "base of the logarithm",
            lambda counts: np.log10(_shares(counts)),
            "Your logarithm has the base 10. Which base does the softmax use?",
        ),
        _bias_instead(
            "base of the logarithm",
            lambda counts: np.log2(_shares(counts)),
            "Your logarithm has the base 2. Which base does the softmax use?",
        ),
        _bias_instead(
            "counts for log counts",
            np.asarray,
            "Your biases are the counts. What is the softmax of two numbers that differ by "
            "hundreds?",
        ),
        _bias_instead(
            "weights of a loss",
            lambda counts: 1 / _shares(counts),
            "Your biases are 1 over the shares: so one weighs classes in a loss. What should the "
            "softmax of the biases be?",
        ),
    ),
    otherwise=_predicted,
    praise="the softmax of your biases gives the shares of the classes, for 3 sets of counts.",
)

EXERCISES = [_DISTINCT_UNITS, _BREAK_SYMMETRY, _OUTPUT_BIAS]
