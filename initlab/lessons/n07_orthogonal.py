"""Notebook 07: weights that turn the signal, and the gain that they need where a layer widens."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from initlab.exercises import statistics
from initlab.exercises.answers import Array, as_number
from initlab.exercises.exercise import Exercise, Mistake
from initlab.exercises.random_matrices import Draw, every, measure, some
from initlab.exercises.values import Values, farthest, gives, gives_instead, values_of


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


_FANS = [(64, 256), (100, 100), (256, 64), (50, 450), (90, 10)]  # (fan_in, fan_out)


def _gain(fans: tuple[int, int]) -> float:
    fan_in, fan_out = fans
    return math.sqrt(max(1.0, fan_out / fan_in))


def _told(values: Values) -> str:
    place = farthest(values, _gain)
    fan_in, fan_out = values.cases[place]
    return (
        f"For fan_in={fan_in} and fan_out={fan_out} you give {float(values.given[place]):.3g}. "
        "What is the mean square of one output there, without a gain?"
    )


_ORTHOGONAL_GAIN = Exercise(
    name="orthogonal_gain",
    notebook="07",
    task="A linear layer has an orthogonal weight of shape `(fan_out, fan_in)`, times a gain. "
    "Write the function that gives the gain with which the mean square of the outputs, per unit, "
    "equals that of the inputs, on average over inputs in all directions.",
    stub="def orthogonal_gain(fan_in, fan_out): ...\n",
    hints=(
        "With more units than inputs the columns are orthogonal. What happens to the length of "
        "the whole signal, and among how many units is it shared?",
        "With fewer units than inputs each row has length 1. What is the mean square of a row of "
        "length 1 times an input?",
        "Without a gain, the mean square is multiplied by fan_in/fan_out in the first case, and "
        "by 1 in the second. A gain multiplies it by gain².",
    ),
    solution="""
def orthogonal_gain(fan_in, fan_out):
    return max(1, fan_out / fan_in) ** 0.5
""",
    measure=values_of(_FANS, _gain, number_from=as_number, unpack=True),
    right=gives(_gain),
    mistakes=(
        gives_instead(
            "always 1",
            lambda fans: 1.0,
            "A gain of 1 keeps the length of the whole signal where the layer widens. What does "
            "that say about each of its units, when there are more of them?",
        ),
        gives_instead(
            "no root",
            lambda fans: max(1.0, fans[1] / fans[0]),
            "That is the factor which the mean square lacks. By what does a gain multiply the "
            "mean square?",
        ),
        gives_instead(
            "both cases alike",
            lambda fans: (fans[1] / fans[0]) ** 0.5,
            "Right where the layer widens. With fewer units than inputs, what is the length of a "
            "row, and what does that make of the mean square?",
        ),
        gives_instead(
            "fans swapped",
            lambda fans: max(1.0, fans[0] / fans[1]) ** 0.5,
            "You raise the gain where the layer narrows. Where is the signal shared among more "
            "units than before?",
        ),
        gives_instead(
            "upside down",
            lambda fans: min(1.0, fans[0] / fans[1]) ** 0.5,
            "That is by what the rms falls. Which gain makes up for it?",
        ),
    ),
    otherwise=_told,
    praise="the mean square per unit is kept for 5 pairs of fans.",
)

EXERCISES = [
    Exercise(
        name="orthogonal",
        notebook="07",
        task="Write a function that draws an orthogonal weight matrix of shape "
        "`(fan_out, fan_in)`: where fan_out ≤ fan_in its rows have length 1 and are at right "
        "angles, else its columns. Each call gives another one.",
        stub="def orthogonal(fan_in, fan_out):\n    ...\n",
        hints=(
            "Start from a matrix of normal numbers. Which decomposition turns its columns into "
            "vectors of length 1 at right angles?",
            "`np.linalg.qr` (after `import numpy as np`) or `torch.linalg.qr` gives such columns, "
            "as many as the matrix has. Which side must be the longer one?",
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
    ),
    _ORTHOGONAL_GAIN,
]


def _is_triangular(values: Array) -> bool:
    return not np.tril(values, -1).any() or not np.triu(values, 1).any()
