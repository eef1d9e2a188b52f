"""Does this function give the right values, or those of a typical mistake?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from initlab.exercises.answers import (
    Array,
    Entries,
    Rejected,
    as_entries,
    call,
    returned,
)
from initlab.exercises.exercise import Mistake

Reference = Callable[[Any], Any]
"""A case → the value that the right function, or a wrong one, gives for it."""


@dataclass(frozen=True)
class Values:
    """What the answer gave for each case.

    Args:
        cases: The arguments.
        given: The values, in the form in which they are compared.
        eps: Spacing of the coarsest dtype that they came in, relative to 1.
    """

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
        number_from: Turns what was returned into floats, where integers are right.
        unpack: Whether a case is a tuple of several arguments; else it is the one argument.
    """

    def measure(function: Callable[..., Any]) -> Values:
        given, eps = [], 0.0
        for case in cases:
            given_to_it = copy.deepcopy(prepare(case))
            arguments = tuple(given_to_it) if unpack else (given_to_it,)
            value = returned(call(function, *arguments))
            shape = np.shape(reference(case))
            entries = _entries(number_from(value), shape)
            given.append(compare_as(entries.values))
            eps = max(eps, entries.eps, _spacing(value))
        return Values(cases, given, eps)

    return measure


def _spacing(value: Any) -> float:
    """Return the spacing of a tensor's dtype, which a number read from it does not show."""
    real = isinstance(value, Tensor) and value.is_floating_point()
    return float(torch.finfo(value.dtype).eps) if real else 0.0


def _entries(value: Any, shape: tuple[int, ...]) -> Entries:
    """Read numbers; whole ones may be right, or wrong by their value, not by their dtype."""
    if isinstance(value, Tensor):
        whole = not (value.dtype.is_complex or value.is_floating_point())
        value = value.double() if whole else value
    elif isinstance(value, (int, np.ndarray, list, tuple)):
        with suppress(TypeError, ValueError):
            array = np.asarray(value)
            value = array.astype(np.float64) if array.dtype.kind in "iub" else value
    try:
        return as_entries(value, shape)
    except Rejected as wrong:
        if wrong.mistake != "transposed":
            raise
        raise Rejected(
            "transposed",
            f"The task asks for shape {shape}, yours is {shape[::-1]}: rows and columns are "
            "swapped. What is a row of the argument, and what is a row of your result?",
        ) from None


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
