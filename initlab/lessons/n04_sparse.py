"""Notebook 04: the size of sparse weights, all zero but k for each unit, and units cut off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from initlab.exercises import statistics
from initlab.exercises.answers import (
    Array,
    Entries,
    as_entries,
    as_number,
    call,
    returned,
)
from initlab.exercises.exercise import Exercise, Mistake
from initlab.exercises.random_matrices import TwoCalls
from initlab.exercises.values import Values, gives, gives_instead, values_of

_SIZES = [(200, 1400, 15), (80, 2100, 10)]
"""(fan_in, fan_out, k): never square, with at least 20,000 weights that are not 0."""


@dataclass(frozen=True, kw_only=True)
class _Sparse(TwoCalls):
    k: int

    @property
    def mask(self) -> Array:
        return np.asarray(self.values != 0, dtype=np.float64)

    @property
    def weights(self) -> Array:
        return np.asarray(self.values[self.values != 0])

    @property
    def fresh(self) -> bool:
        return not np.array_equal(self.values, self.again)


def _measure(function: Callable[..., Any]) -> list[_Sparse]:
    found = []
    for fan_in, fan_out, k in _SIZES:
        first, second = (
            as_entries(returned(call(function, fan_in, fan_out, k)), (fan_out, fan_in))
            for _ in range(2)
        )
        found.append(_Sparse(k=k, entries=first, again=second.values))
    return found


def _each_unit_has_k(d: _Sparse) -> bool:
    return bool((d.mask.sum(axis=1) == d.k).all())


def _inputs_are_used_evenly(d: _Sparse) -> bool:
    """A column's count is binomial: 9 standard deviations off has P < 1e-10, in any of 200."""
    units, inputs = d.mask.shape
    mean = units * d.k / inputs
    spread = np.sqrt(mean * (1 - d.k / inputs))
    return bool((np.abs(d.mask.sum(axis=0) - mean) < 9 * spread).all())


def _places_are_fresh(d: _Sparse) -> bool:
    """Fewer than one row in ten, of both calls, has the places of another one.

    There are more than 1e12 sets of places, so chance has no say in that.
    """
    places = np.concatenate([d.values, d.again]) != 0
    return len(np.unique(np.packbits(places, axis=1), axis=0)) > 0.9 * len(places)


def _right(d: _Sparse) -> bool:
    return (
        _each_unit_has_k(d)
        and _places_are_fresh(d)
        and _inputs_are_used_evenly(d)
        and _weights_are_standard_normal(d)
        and d.fresh
        and not statistics.values_return(Entries(d.weights, d.entries.eps))
    )


def _weights_are_standard_normal(d: _Sparse) -> bool:
    return (
        statistics.mean_is(d.weights, 0, 1)
        and statistics.std_is(d.weights, 1)
        and statistics.shape_is(d.weights, "normal", 1)
    )


def _every(test: Callable[[_Sparse], bool]) -> Callable[[Sequence[_Sparse]], bool]:
    return lambda found: all(test(d) for d in found)


def _otherwise(found: Sequence[_Sparse]) -> str:
    for d in found:
        counts = d.mask.sum(axis=1)
        if not _each_unit_has_k(d):
            return (
                f"With k={d.k} your units have between {counts.min():.0f} and {counts.max():.0f} "
                "incoming weights that are not 0. How can you be sure of the count in each row?"
            )
    return (
        "Each unit has k weights, but these are not normal numbers with mean 0 and standard "
        f"deviation 1: yours have mean {found[0].weights.mean():.2g} and standard deviation "
        f"{found[0].weights.std():.2g}."
    )


class _Layer(NamedTuple):
    fan_in: int
    fan_out: int
    sparsity: float


_LAYERS = [_Layer(64, 100, 0.9), _Layer(20, 50, 0.8), _Layer(100, 30, 0.5)]
"""Fan-in and fan-out differ, as do the sparsity and the share that is left (but in one)."""
_FEW = [_Layer(10, 30, 0.9), _Layer(20, 7, 0.95), _Layer(4, 12, 0.6)]
"""Few enough incoming weights for a unit to be cut off now and then."""


def _level_std(layer: _Layer) -> float:
    return float((layer.fan_in * (1 - layer.sparsity)) ** -0.5)


def _cut_off(layer: _Layer) -> float:
    return layer.sparsity**layer.fan_in


def _told(values: Values, what: str) -> str:
    layer = values.cases[0]
    return (
        f"For fan_in {layer.fan_in} and sparsity {layer.sparsity} you give "
        f"{float(values.given[0]):.3g}. {what}"
    )


_SPARSE_STD = Exercise(
    name="sparse_std",
    notebook="04",
    task="A linear layer has the fans `fan_in` and `fan_out`. A share `sparsity` of its weights is "
    "0, at random places. All others are drawn with mean 0 and standard deviation std. Which std "
    "keeps the mean square of the signal?",
    stub="def sparse_std(fan_in, fan_out, sparsity): ...\n",
    hints=(
        "An output is a sum of fan_in products. How many of them are not 0, on average?",
        "That many terms of variance std² each must add up to 1 (times the mean square of the "
        "input).",
        "Solve fan_in · (1 − sparsity) · std² = 1.",
    ),
    solution="""
def sparse_std(fan_in, fan_out, sparsity):
    return 1 / (fan_in * (1 - sparsity)) ** 0.5
""",
    measure=values_of(
        _LAYERS,
        _level_std,
        number_from=as_number,
        unpack=True,
    ),
    right=gives(_level_std),
    mistakes=(
        gives_instead(
            "variance for std",
            lambda layer: 1 / (layer.fan_in * (1 - layer.sparsity)),
            "Your number is the variance of the weights. Which of the two does the task ask for?",
        ),
        gives_instead(
            "share of zeros",
            lambda layer: (layer.fan_in * layer.sparsity) ** -0.5,
            "You counted the weights that *are* 0. Which weights make up the sum?",
        ),
        gives_instead(
            "sparsity ignored",
            lambda layer: layer.fan_in**-0.5,
            "Your number is right for a layer without zeros. How many terms of the sum are left?",
        ),
        gives_instead(
            "fan_out for fan_in",
            lambda layer: (layer.fan_out * (1 - layer.sparsity)) ** -0.5,
            "You counted the units of the layer. How many terms has the sum of *one* unit?",
        ),
        gives_instead(
            "zeros make it smaller",
            lambda layer: ((1 - layer.sparsity) / layer.fan_in) ** 0.5,
            "The more zeros, the smaller you make the other weights. Fewer terms are left: must "
            "each of them be larger or smaller?",
        ),
        gives_instead(
            "gain of ReLU",
            lambda layer: (2 / (layer.fan_in * (1 - layer.sparsity))) ** 0.5,
            "Your variance is twice too large. Is there a ReLU in this layer?",
        ),
        gives_instead(
            "inverse",
            lambda layer: (layer.fan_in * (1 - layer.sparsity)) ** 0.5,
            "Your number grows with the fan-in. Must each term be larger when there are more?",
        ),
    ),
    otherwise=lambda values: _told(values, "How large is the sum of the terms that are left?"),
    praise="it holds for 3 layers with different fans and sparsities.",
)

_CUT_OFF_SHARE = Exercise(
    name="cut_off_share",
    notebook="04",
    task="Each weight of a layer is 0 with probability `sparsity`, independently of the others. "
    "Write the function that gives the share of units that have *no* incoming weight, on average.",
    stub="def cut_off_share(fan_in, fan_out, sparsity): ...\n",
    hints=(
        "A unit is cut off when every one of its incoming weights is 0. How many are they?",
        "With two incoming weights, the probability that both are 0 is sparsity · sparsity.",
        "Independent events happen together with the product of their probabilities.",
    ),
    solution="""
def cut_off_share(fan_in, fan_out, sparsity):
    return sparsity**fan_in
""",
    measure=values_of(
        _FEW,
        _cut_off,
        number_from=as_number,
        unpack=True,
    ),
    right=gives(_cut_off),
    mistakes=(
        gives_instead(
            "fan_out for fan_in",
            lambda layer: layer.sparsity**layer.fan_out,
            "Your number is the share of *inputs* that reach no unit. How many weights come into "
            "one unit?",
        ),
        gives_instead(
            "share that is left",
            lambda layer: (1 - layer.sparsity) ** layer.fan_in,
            "Your number is the probability that no weight of a unit is 0. Which event is asked "
            "for?",
        ),
        gives_instead(
            "the other units",
            lambda layer: 1 - layer.sparsity**layer.fan_in,
            "Your number is the share of units that still have an incoming weight. Which are asked "
            "for?",
        ),
        gives_instead(
            "at least one zero",
            lambda layer: 1 - (1 - layer.sparsity) ** layer.fan_in,
            "Your number is the share of units with at least one zero. How many zeros must a unit "
            "have to be cut off?",
        ),
        gives_instead(
            "times for power",
            lambda layer: layer.sparsity * layer.fan_in,
            "You multiplied the probability by the number of weights, and a share came out above "
            "1. How do the probabilities of independent events combine?",
        ),
        gives_instead(
            "one weight only",
            lambda layer: layer.sparsity,
            "Your number is right for a unit with a single incoming weight. How many has it here?",
        ),
        gives_instead(
            "count for share",
            lambda layer: layer.fan_out * layer.sparsity**layer.fan_in,
            "Your number is how *many* units are cut off. Which share of the layer is that?",
        ),
    ),
    otherwise=lambda values: _told(values, "What must hold for all incoming weights of a unit?"),
    praise="it holds for 3 layers with different fans and sparsities.",
)

EXERCISES = [
    _SPARSE_STD,
    Exercise(
        name="sparse_incoming",
        notebook="04",
        task="Write a function that gives each unit exactly `k` incoming weights, drawn from a "
        "normal distribution with mean 0 and standard deviation 1, at places drawn afresh for each "
        "unit. "
        "All other weights are 0. The shape is `(fan_out, fan_in)`.",
        stub="def sparse_incoming(fan_in, fan_out, k):\n    ...\n",
        hints=(
            "A unit's incoming weights are one row of the matrix. How many numbers of that row are "
            "not 0?",
            "`rng.choice(fan_in, size=k, replace=False)` draws k different places.",
            "Start from zeros, go through the rows, draw the places, and fill k normal numbers in.",
        ),
        solution="""
import numpy as np

def sparse_incoming(fan_in, fan_out, k):
    rng = np.random.default_rng()
    weight = np.zeros((fan_out, fan_in))
    for row in weight:
        row[rng.choice(fan_in, size=k, replace=False)] = rng.normal(size=k)
    return weight
""",
        measure=_measure,
        right=_every(_right),
        mistakes=(
            Mistake(
                name="all zero",
                seen=_every(lambda d: not d.mask.any()),
                says="All your weights are 0. Which of them should be drawn?",
            ),
            Mistake(
                name="same numbers at each call",
                seen=_every(lambda d: not d.fresh),
                says="Two calls gave the same matrix. Is there a seed inside your function?",
            ),
            Mistake(
                name="k zeros",
                seen=_every(lambda d: bool((d.mask.sum(axis=1) == d.mask.shape[1] - d.k).all())),
                says="Each unit has k weights that *are* 0. How many should be 0, and how many "
                "not?",
            ),
            Mistake(
                name="k outgoing",
                seen=_every(lambda d: bool((d.mask.sum(axis=0) == d.k).all())),
                says="Each column has exactly k weights: these leave one input. Is a unit's "
                "incoming weight in its row or in its column?",
            ),
            Mistake(
                name="even columns",
                seen=_every(
                    lambda d: bool(
                        np.ptp(d.mask.sum(axis=0)) == 0 and np.ptp(d.mask.sum(axis=1)) > 0
                    )
                ),
                says="Each column has the same number of weights, the rows have not: so does "
                "`sparse_`. Whose weights are in a column, and whose in a row?",
            ),
            Mistake(
                name="k on average",
                seen=_every(
                    lambda d: bool(
                        abs(d.mask.sum(axis=1).mean() - d.k) < 0.5
                        and np.ptp(d.mask.sum(axis=1)) > 3
                    )
                ),
                says="Your units have k weights on average, some more and some fewer. How can you "
                "draw exactly k places?",
            ),
            Mistake(
                name="places drawn twice",
                seen=_every(
                    lambda d: bool(
                        (d.mask.sum(axis=1) <= d.k).all()
                        and not _each_unit_has_k(d)
                        and d.mask.sum(axis=1).mean() > 0.8 * d.k
                    )
                ),
                says="Some units have fewer than k weights. Can the same place be drawn twice, or "
                "is a weight missing?",
            ),
            Mistake(
                name="same places",
                seen=_every(lambda d: bool(_each_unit_has_k(d) and not _inputs_are_used_evenly(d))),
                says="Some inputs are used by far more units than others. Are the places drawn "
                "afresh for each unit?",
            ),
            Mistake(
                name="places return",
                seen=_every(lambda d: bool(_each_unit_has_k(d) and not _places_are_fresh(d))),
                says="Many units have their weights at the very same places as another one, in "
                "this call or in the next. Are the places drawn afresh for each unit?",
            ),
            Mistake(
                name="constant",
                seen=_every(lambda d: bool(np.ptp(d.weights) == 0)),
                says="All weights that are not 0 are equal. Which distribution should they have?",
            ),
            Mistake(
                name="uniform for normal",
                seen=_every(lambda d: statistics.looks_uniform(d.weights)),
                says="Your weights are uniform. Which distribution does the task ask for?",
            ),
        ),
        otherwise=_otherwise,
        praise="each unit has k weights, normally distributed, at fresh places at each call.",
    ),
    _CUT_OFF_SHARE,
]
