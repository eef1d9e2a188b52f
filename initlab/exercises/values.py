"""Does this function give the right values, or those of a typical mistake?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from initlab.exercises.answers import Array, as_entries, call, returned
from initlab.exercises.exercise import Mistake

SWAPPED = (
    "rows and columns are swapped. What is a row of the argument, and what is a row of your result?"
)
Reference = Callable[[Any], Any]
"""A case → the value that the right function, or a wrong one, gives for it."""


@dataclass(frozen=True)
class Values:
    """What the answer gave for each case, and the spacing of the coarsest dtype that it came in."""

    cases: Sequence[Any]
    given: Sequence[Array]
    eps: float


def values_of(
    cases: Sequence[Any],
    reference: Reference,
    *,
    prepare: Callable[[Any], Any] = lambda case: case,
    compare_as: Callable[[Array], Array] = lambda value: value,
    number_from: Callable[[Any], Any] = lambda value: value,
    unpack: bool = False,
) -> Callable[[Any], Values]:
    """Measure a function by what it gives for each case.

    Args:
        cases: What to call it with.
        reference: The right function; only the shape of its values is used here.
        prepare: Turns a case into the argument; the answer gets a copy that it may change.
        compare_as: Removes what does not matter from a value, such as a free constant.
        number_from: Reads what was returned, such as `as_number`.
        unpack: Whether a case is a tuple of several arguments; else it is the one argument.
    """

    def measure(function: Callable[..., Any]) -> Values:
        given, eps = [], 0.0
        for case in cases:
            argument = copy.deepcopy(prepare(case))
            value = returned(call(function, *(argument if unpack else (argument,))))
            if isinstance(value, Tensor) and value.is_floating_point():
                eps = max(eps, torch.finfo(value.dtype).eps)  # a number that is read shows none
            shape = np.shape(reference(case))
            entries = as_entries(number_from(value), shape, whole=True, transposed=SWAPPED)
            given.append(compare_as(entries.values))
            eps = max(eps, entries.eps)
        return Values(cases, given, eps)

    return measure


def farthest(
    values: Values, reference: Reference, compare_as: Callable[[Array], Array] = lambda value: value
) -> int:
    """Which case is farthest from right? To show one that is right would only confuse."""

    def error(case: Any, given: Array) -> float:
        right = compare_as(np.asarray(reference(case), dtype=float))
        return float(np.max(np.abs(given - right) / (np.abs(right) + 1e-9)))

    return int(np.argmax([error(*pair) for pair in zip(values.cases, values.given, strict=True)]))


def gives(
    reference: Reference,
    *,
    rtol: float = 1e-3,
    compare_as: Callable[[Array], Array] = lambda value: value,
) -> Callable[[Values], bool]:
    """Does the answer give what `reference` gives, in every case?

    Args:
        reference: The right function or a wrong one.
        rtol: Relative tolerance; an answer in a coarser dtype has that of its dtype.
        compare_as: As in `values_of`.
    """

    def agrees(values: Values) -> bool:
        close = max(rtol, values.eps)
        return all(
            np.allclose(given, compare_as(np.asarray(reference(case), dtype=float)), close, 1e-9)
            for case, given in zip(values.cases, values.given, strict=True)
        )

    return agrees


def gives_instead(name: str, reference: Reference, says: str, **how: Any) -> Mistake:
    """Describe a mistake by the values that it gives; `how` as in `gives`."""
    return Mistake(name=name, seen=gives(reference, **how), says=says)
