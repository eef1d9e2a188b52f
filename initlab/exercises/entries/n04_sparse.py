"""Notebook 04: all zero but k weights of each unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from initlab.exercises import statistics
from initlab.exercises.answers import Array, Entries, as_entries, call, need_function, returned
from initlab.exercises.drawn import TwoCalls
from initlab.exercises.exercise import Exercise, Mistake

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


def _measure(answer: Any) -> list[_Sparse]:
    function = need_function(answer, "sparse_incoming(fan_in, fan_out, k)")
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


EXERCISES = [
    Exercise(
        name="sparse_incoming",
        notebook="04",
        task="Write a function that gives each unit exactly `k` incoming weights, drawn from a "
        "normal law with mean 0 and standard deviation 1, at places drawn afresh for each unit. "
        "All other weights are 0. The shape is `(fan_out, fan_in)`.",
        signature="sparse_incoming(fan_in, fan_out, k) -> array of shape (fan_out, fan_in)",
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
                says="All weights that are not 0 are equal. From which law should they be drawn?",
            ),
            Mistake(
                name="uniform for normal",
                seen=_every(lambda d: statistics.looks_uniform(d.weights)),
                says="Your weights are uniform. Which distribution does the task ask for?",
            ),
        ),
        otherwise=_otherwise,
        praise="each unit has k weights, at fresh places and from the normal law, at each call.",
    )
]
