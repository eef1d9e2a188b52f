"""Is this random matrix drawn from the distribution that the task asks for?"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from initlab.exercises import statistics
from initlab.exercises.answers import Array, Entries, as_entries, call, in_place, returned
from initlab.exercises.exercise import Exercise, Mistake
from initlab.format import number

Std = Callable[[int, int], float]
"""(fan_in, fan_out) → standard deviation of an entry."""

FANS = [(100, 200), (256, 80), (60, 400)]
"""Never square, so that fan-in cannot pass for fan-out; each with at least 20,000 entries."""


@dataclass(frozen=True, kw_only=True)
class TwoCalls:
    """What two calls with the same arguments gave: the numbers, and whether they are fresh."""

    entries: Entries
    again: Array

    @property
    def values(self) -> Array:
        """The first call's numbers."""
        return self.entries.values

    @property
    def fresh(self) -> bool:
        """Did the second call give other numbers?"""
        return not statistics.same_numbers(self.values, self.again)

    @property
    def independent(self) -> bool:
        """Is there neither a copy nor a pattern in it, nor a row that the other call had?"""
        return statistics.is_even(self.values) and not (
            statistics.has_copies(np.concatenate([self.values, self.again]))
            or statistics.has_copies(np.concatenate([self.values, self.again], axis=1).T)
            or statistics.has_pattern(self.values)
            or statistics.values_return(self.entries)
        )


@dataclass(frozen=True, kw_only=True)
class Draw(TwoCalls):
    """What two calls with the same fans gave, matrices of shape (fan_out, fan_in)."""

    fan_in: int
    fan_out: int


def measure(function: Callable[..., Any]) -> list[Draw]:
    """Call the answer twice for each pair of fans."""
    draws = []
    for fan_in, fan_out in FANS:
        first, second = (_matrix(function, fan_in, fan_out) for _ in range(2))
        draws.append(Draw(fan_in=fan_in, fan_out=fan_out, entries=first, again=second.values))
    return draws


def _matrix(function: Callable[..., Any], fan_in: int, fan_out: int) -> Entries:
    """Call with the fans; a function that needs one argument gets a tensor to fill instead."""
    if _fills(function):
        value = in_place(function, torch.full((fan_out, fan_in), torch.nan))
    else:
        value = returned(call(function, fan_in, fan_out))
    return as_entries(value, (fan_out, fan_in))


def _fills(function: Callable[..., Any]) -> bool:
    """Does it need one argument only, as `torch.nn.init.xavier_uniform_` does: the tensor?"""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # written in C, without a signature
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return sum(p.default is p.empty for p in positional) == 1


def every(test: Callable[[Draw], bool]) -> Callable[[Sequence[Draw]], bool]:
    """Make a test of one draw a test that all of them must pass."""
    return lambda draws: all(map(test, draws))


def some(test: Callable[[Draw], bool]) -> Callable[[Sequence[Draw]], bool]:
    """Make a test of one draw a test that one of them must pass."""
    return lambda draws: any(map(test, draws))


def wrong_std(name: str, std: Std, says: str) -> Mistake:
    """Describe a mistake by the standard deviation that it gives."""

    def seen(draw: Draw) -> bool:
        return statistics.std_is(draw.values, std(draw.fan_in, draw.fan_out), statistics.NAMED)

    return Mistake(name=name, seen=every(seen), says=says)


def drawn(
    *, std: Std, shape: statistics.Shape, mistakes: tuple[Mistake, ...], **declared: Any
) -> Exercise:
    """Declare an exercise `(fan_in, fan_out) -> array (fan_out, fan_in)` of independent entries.

    Args:
        std: The standard deviation that the entries must have.
        shape: Their distribution, around 0.
        mistakes: What is typical for this scheme; what is typical for all is added here.
        declared: The other fields of `Exercise`.
    """

    def right(draw: Draw) -> bool:
        wanted = std(draw.fan_in, draw.fan_out)
        return (
            statistics.mean_is(draw.values, 0, wanted)
            and statistics.std_is(draw.values, wanted)
            and statistics.shape_is(draw.values, shape, wanted)
            and draw.fresh
            and draw.independent
        )

    def otherwise(draws: Sequence[Draw]) -> str:
        for d in draws:
            ratio = d.values.std() / std(d.fan_in, d.fan_out)
            if abs(ratio - 1) > statistics.TOLERANCE:
                return (
                    f"With fan_in={d.fan_in} and fan_out={d.fan_out} your standard deviation is "
                    f"{number(ratio, 3)} times the one that the task asks for. By which factor "
                    "must the numbers change, and how does it depend on the two fans?"
                )
        return f"The standard deviation is right, but this is not a {shape} distribution around 0."

    return Exercise(
        stub=f"def {declared['name']}(fan_in, fan_out):\n    ...\n",
        measure=measure,
        right=every(right),
        mistakes=(*_before(std), *mistakes, *_after(shape)),
        otherwise=otherwise,
        praise=(
            "mean, standard deviation, distribution and independence hold for "
            f"{len(FANS)} pairs of fans, with fresh numbers at each call."
        ),
        **declared,
    )


def _before(std: Std) -> tuple[Mistake, ...]:
    """What is so wrong that the standard deviation says nothing."""
    return (
        Mistake(
            name="constant",
            seen=some(lambda d: bool(np.ptp(d.values) == 0)),
            says="All your numbers are equal. What do two units compute that have the same "
            "weights?",
        ),
        Mistake(
            name="same numbers at each call",
            seen=some(lambda d: statistics.same_numbers(d.values, d.again, 0.9)),
            says="Two calls gave the same numbers. Is there a seed inside your function, or are "
            "the numbers drawn outside of it?",
        ),
        Mistake(
            name="mean for std",
            seen=every(
                lambda d: (
                    statistics.mean_is(d.values, std(d.fan_in, d.fan_out), 1)
                    and abs(d.values.mean()) > 0.5 * std(d.fan_in, d.fan_out)
                    and statistics.std_is(d.values, 1)
                )
            ),
            says="Your numbers have a standard deviation of 1, and their mean is not 0. In "
            "`normal_(tensor, x)`, which of the two does `x` set?",
        ),
        Mistake(
            name="positive only",
            seen=some(lambda d: bool(d.values.min() >= 0)),
            says="None of your numbers is negative. What sign do half of the weights need, for "
            "a mean of 0?",
        ),
        _repeated("rows", lambda d: d.values),
        _repeated("columns", lambda d: d.values.T),
        Mistake(
            name="values return",
            seen=some(lambda d: statistics.values_return(d.entries)),
            says="Many of your values come back several times. How many numbers do you draw, and "
            "how many does the matrix have?",
        ),
        Mistake(
            name="mean not 0",
            seen=some(lambda d: not statistics.mean_is(d.values, 0, d.values.std())),
            says="The mean of your numbers is not 0. Where is the middle of the interval, or of "
            "the bell, that you draw from?",
        ),
    )


def _repeated(which: str, lines: Callable[[Draw], Array]) -> Mistake:
    return Mistake(
        name=f"repeated {which}",
        seen=some(lambda d: statistics.has_copies(lines(d), 0.999)),
        says=f"Some {which} are copies of each other. How many numbers do you draw, and how many "
        "does the matrix have?",
    )


def _after(shape: statistics.Shape) -> tuple[Mistake, ...]:
    """What is wrong although the standard deviation is right, or wrong in an unknown way."""
    other = {
        "normal": Mistake(
            name="uniform for normal",
            seen=every(lambda d: statistics.looks_uniform(d.values)),
            says="Your numbers are uniform: none lies beyond 1.74 times their standard deviation. "
            "Which distribution does the name of the exercise ask for?",
        ),
        "uniform": Mistake(
            name="normal for uniform",
            seen=every(lambda d: statistics.looks_normal(d.values)),
            says="Your numbers are normal: they have tails. Which distribution does the name of "
            "the exercise ask for, and where does it end?",
        ),
    }
    return (
        Mistake(
            name="same std for every fan",
            seen=lambda draws: bool(np.ptp([np.log(d.values.std()) for d in draws]) < 0.03),
            says="Your standard deviation is the same for every pair of fans. What happens to a "
            "sum of n terms when n grows, and what must the weights do about it?",
        ),
        other[shape],
        Mistake(
            name="truncated",
            seen=every(lambda d: statistics.looks_truncated(d.values)),
            says="The tails of your normal numbers are cut. Does the task ask for that, and what "
            "does it do to the standard deviation?",
        ),
        Mistake(
            name="heavy tails",
            seen=every(lambda d: statistics.looks_heavy_tailed(d.values)),
            says="Too many of your numbers lie beyond three standard deviations. Which "
            "distribution do you draw from, and does the task ask for that one?",
        ),
        Mistake(
            name="uneven rows",
            # A matrix of low rank has uneven rows, too, but for another reason.
            seen=some(
                lambda d: not (statistics.is_even(d.values) or statistics.has_pattern(d.values))
            ),
            says="The spread differs from row to row or from column to column; one may "
            "be all 0. Is each entry drawn from the same distribution?",
        ),
        Mistake(
            name="not independent",
            seen=some(lambda d: not (d.independent and d.fresh)),
            says="Your numbers are not independent: rows, columns or calls resemble each other. "
            "Is each entry drawn for itself?",
        ),
    )
