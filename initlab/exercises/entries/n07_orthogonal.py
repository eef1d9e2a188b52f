"""Notebook 07: weights that turn the signal and change no length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from initlab.exercises import statistics
from initlab.exercises.answers import Array
from initlab.exercises.drawn import Draw, every, measure, some
from initlab.exercises.exercise import Exercise, Mistake


def _gram(draw: Draw) -> Array:
    """Products of the rows with each other, or of the columns where those are fewer."""
    w = draw.values if draw.fan_out <= draw.fan_in else draw.values.T
    return w @ w.T


def _lengths(draw: Draw) -> Array:
    return np.sqrt(np.diag(_gram(draw)))


def _angles_are_right(draw: Draw) -> bool:
    cosines = _gram(draw) / np.maximum(np.outer(_lengths(draw), _lengths(draw)), 1e-300)
    return bool(np.abs(cosines - np.eye(len(cosines))).max() < _slack(draw))


def _slack(draw: Draw) -> float:
    """What rounding may do: up to eps / 2 to a length, and far less to an angle."""
    return max(4 * draw.entries.eps, 1e-4)


def _right(draw: Draw) -> bool:
    return (
        _angles_are_right(draw)
        and bool(np.abs(_lengths(draw) - 1).max() < _slack(draw))
        and draw.fresh
        and not _copies_inputs(draw)
        and not _has_zeros(draw)
    )


def _has_zeros(draw: Draw) -> bool:
    """A share of exact zeros that no rounding makes: blocks, not one matrix among all."""
    return bool((draw.values == 0).mean() > 0.01)


def _copies_inputs(draw: Draw) -> bool:
    """An entry near ±1: by chance with P < 1e-20, since its square is Beta(1/2, 199/2) or rarer."""
    return bool(np.abs(draw.values).max() > 0.95 * _lengths(draw).max())


def _is_normalised(draw: Draw) -> bool:
    sides = [np.linalg.norm(draw.values, axis=axis) for axis in (0, 1)]
    return any(np.abs(side - 1).max() < _slack(draw) for side in sides)


def _otherwise(draws: Sequence[Draw]) -> str:
    values = np.linalg.svd(draws[0].values, compute_uv=False)
    return (
        f"With fan_in={draws[0].fan_in} and fan_out={draws[0].fan_out} your singular values lie "
        f"between {values.min():.2g} and {values.max():.2g}. Between which numbers do they lie "
        "when no length changes?"
    )


EXERCISES = [
    Exercise(
        name="orthogonal",
        notebook="07",
        task="Write a function that draws an orthogonal weight matrix of shape "
        "`(fan_out, fan_in)`: where fan_out ≤ fan_in its rows have length 1 and are at right "
        "angles, else its columns. Each call gives another one.",
        signature="orthogonal(fan_in, fan_out) -> array of shape (fan_out, fan_in)",
        stub="def orthogonal(fan_in, fan_out):\n    ...\n",
        hints=(
            "Start from a matrix of normal numbers. Which decomposition turns its columns into "
            "vectors of length 1 at right angles?",
            "`np.linalg.qr` gives such columns, as many as the matrix has. Which side must be the "
            "longer one?",
            "Decompose a matrix of shape (longer, shorter), and transpose where fan_out is the "
            "shorter one.",
        ),
        solution="""
import numpy as np

def orthogonal(fan_in, fan_out):
    longer, shorter = max(fan_in, fan_out), min(fan_in, fan_out)
    q, r = np.linalg.qr(np.random.default_rng().normal(size=(longer, shorter)))
    q = q * np.sign(np.diag(r))  # every orientation equally likely
    return q if fan_out == longer else q.T
""",
        measure=measure,
        right=every(_right),
        mistakes=(
            Mistake(
                name="identity",
                seen=some(lambda d: _copies_inputs(d) and _angles_are_right(d)),
                says="Units of yours copy one input each. Length is kept, but is that one matrix "
                "drawn among all orthogonal ones?",
            ),
            Mistake(
                name="wrong factor of the decomposition",
                seen=some(lambda d: _is_triangular(d.values)),
                says="Half of your matrix is 0: it is triangular. Which factor of the "
                "decomposition has columns at right angles?",
            ),
            Mistake(
                name="blocks",
                seen=some(lambda d: _has_zeros(d) and _angles_are_right(d)),
                says="Many of your entries are 0: no signal passes between some inputs and some "
                "units. Is that one matrix drawn among all orthogonal ones?",
            ),
            Mistake(
                name="same numbers at each call",
                seen=some(lambda d: not d.fresh),
                says="Two calls gave the same matrix. Is there a seed inside your function, or is "
                "the matrix drawn outside of it?",
            ),
            Mistake(
                name="wrong length",
                seen=every(_angles_are_right),
                says="The angles are right, the lengths are not 1. Is there a gain in it, and "
                "which one does the task ask for?",
            ),
            Mistake(
                name="normalised only",
                seen=every(_is_normalised),
                says="The lengths are 1, the angles are not right. What does dividing by the "
                "length do to the angle between two rows?",
            ),
            Mistake(
                name="not decomposed",
                seen=every(lambda d: statistics.looks_normal(d.values)),
                says="Your numbers are independent normal ones, so their rows are only nearly at "
                "right angles. Which decomposition makes the angles exact?",
            ),
        ),
        otherwise=_otherwise,
        praise="lengths and angles are kept for 3 pairs of fans, with a fresh matrix at each call.",
    )
]


def _is_triangular(values: Array) -> bool:
    return not np.tril(values, -1).any() or not np.triu(values, 1).any()
