"""Which exercises are there, and which quiz? One module for each notebook.

A module holds `EXERCISES` and `QUIZ`. To add an exercise, declare it in the module of its notebook
(and name a new module below).
"""

from __future__ import annotations

import difflib

from initlab.exercises.entries import (
    n00_start,
    n01_depth,
    n02_constant,
    n03_random,
    n04_sparse,
    n05_xavier,
    n06_kaiming,
    n07_orthogonal,
    n08_batchnorm,
    n09_pytorch,
    n10_activation,
    n11_residual,
    n12_clinic,
)
from initlab.exercises.exercise import Exercise, Question

_MODULES = [
    n00_start,
    n01_depth,
    n02_constant,
    n03_random,
    n04_sparse,
    n05_xavier,
    n06_kaiming,
    n07_orthogonal,
    n08_batchnorm,
    n09_pytorch,
    n10_activation,
    n11_residual,
    n12_clinic,
]

EXERCISES: dict[str, Exercise] = {
    exercise.name: exercise for module in _MODULES for exercise in module.EXERCISES
}
"""Name → exercise, in the order of the notebooks."""

QUIZZES: dict[str, tuple[Question, ...]] = {
    module.__name__.rpartition(".")[2][1:3]: module.QUIZ for module in _MODULES
}
"""Two digits of a notebook → the three questions that end it."""


def find(name: str) -> Exercise:
    """Give the exercise of that name.

    Raises:
        ValueError: There is none; the message names the nearest.

    >>> find("xavier_uniform").notebook
    '05'
    """
    if name in EXERCISES:
        return EXERCISES[name]
    near = difflib.get_close_matches(str(name), EXERCISES, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "please choose one of them."
    raise ValueError(
        f"name={name!r} is no exercise: {hint} The exercises are: {', '.join(EXERCISES)}."
    )
