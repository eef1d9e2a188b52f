"""Notebook 07: weights that turn the signal and change no length; how far others stretch it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from initlab.exercises import statistics
from initlab.exercises.answers import Array, as_number
from initlab.exercises.exercise import Exercise, Mistake
from initlab.exercises.random_matrices import Draw, every, measure, some
from initlab.exercises.values import Values, gives, gives_instead, values_of


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


_SINGULAR_VALUES = [
    np.array([3.0, 2.0, 0.5, 0.1]),
    np.array([1.2, 1.1, 0.7]),
    np.array([5.0, 0.2]),
]


def _spread(values: Array) -> float:
    return float((values**4).mean() / (values**2).mean() ** 2)


def _told(values: Values) -> str:
    return (
        f"For the singular values {values.cases[0].tolist()} you give "
        f"{float(values.given[0]):.3g}. What must come out when all are equal, also when all are 2?"
    )


_SINGULAR_SPREAD = Exercise(
    name="singular_spread",
    notebook="07",
    task="How unequal are singular values? Write the function that gives the mean of their fourth "
    "powers, divided by the square of the mean of their squares. It is 1 when all are equal. "
    "`singular_values` is a numpy array.",
    stub="def singular_spread(singular_values): ...\n",
    hints=(
        "You need two means: one of the fourth powers, one of the squares.",
        "`(s**4).mean()` and `(s**2).mean()`. Which of them must be squared, so that doubling all "
        "singular values changes nothing?",
        "Doubling all values multiplies the first mean by 16 and the second by 4.",
    ),
    solution="""
def singular_spread(singular_values):
    return (singular_values**4).mean() / (singular_values**2).mean() ** 2
""",
    measure=values_of(
        _SINGULAR_VALUES,
        _spread,
        number_from=as_number,
    ),
    right=gives(_spread),
    mistakes=(
        gives_instead(
            "not squared",
            lambda s: (s**4).mean() / (s**2).mean(),
            "Your number changes when all singular values are doubled. Which mean must be squared?",
        ),
        gives_instead(
            "squares for fourth powers",
            lambda s: (s**2).mean() / s.mean() ** 2,
            "You compare the mean square with the square of the mean. Which powers does the task "
            "name?",
        ),
        gives_instead(
            "sums for means",
            lambda s: (s**4).sum() / (s**2).sum() ** 2,
            "You took sums. What comes out for n equal values?",
        ),
        gives_instead(
            "condition number",
            lambda s: s.max() / s.min(),
            "Your number is the largest value divided by the smallest, the condition number. It "
            "sees two of the values. Which does the task use?",
        ),
        gives_instead(
            "upside down",
            lambda s: (s**2).mean() ** 2 / (s**4).mean(),
            "Your number is below 1, and smaller the more the values differ. Which mean stands "
            "above?",
        ),
        gives_instead(
            "minus one",
            lambda s: _spread(s) - 1,
            "Your number is 0 when all are equal. Is something subtracted that the task does not "
            "ask for?",
        ),
        gives_instead(
            "square of the mean",
            lambda s: (s**4).mean() / s.mean() ** 4,
            "Below, you took the mean first and the powers after it. Is the mean of the squares "
            "the square of the mean?",
        ),
    ),
    otherwise=_told,
    praise="it holds for 3 sets of singular values.",
)

EXERCISES = [
    _SINGULAR_SPREAD,
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
]


def _is_triangular(values: Array) -> bool:
    return not np.tril(values, -1).any() or not np.triu(values, 1).any()
