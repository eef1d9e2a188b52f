"""What do several explorers say?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from initlab.format import number, times

SAME = 1.25  # a factor below which a size counts as kept


def trend(ratio: float, level: str = "keep their size") -> str:
    """Say in words what a factor does to a size.

    >>> trend(0.25), trend(8.04), trend(0.9)
    ('shrink 4 times', 'grow 8 times', 'keep their size')
    """
    if 1 / SAME < ratio < SAME:
        return level
    return f"grow {times(ratio)}" if ratio > 1 else f"shrink {times(1 / ratio)}"


def first(flags: NDArray[np.bool_]) -> int:
    """Number (from 1) of the first layer that is flagged, 0 where none is."""
    return int(flags.argmax()) + 1 if flags.any() else 0


def last(flags: NDArray[np.bool_]) -> int:
    """Number (from 1) of the last layer that is flagged, 0 where none is."""
    return len(flags) - int(flags[::-1].argmax()) if flags.any() else 0


def when(step: int) -> str:
    """Write when a training step is.

    >>> when(0), when(1), when(60)
    ('At the start', 'After 1 step', 'After 60 steps')
    """
    return f"After {step} step{'s' * (step > 1)}" if step else "At the start"


def factor(size: float, before: float) -> str:
    """Write by how much a size has changed; nothing where that is no number.

    >>> factor(6.0, 3.0), factor(1.0, 0.0)
    ('× 2', '')
    """
    with np.errstate(all="ignore"):
        ratio = np.divide(size, before)
    return f"× {number(ratio)}" if np.isfinite(ratio) else ""


def known(value: float) -> str:
    """Write a number; nothing where it is inf or nan.

    >>> known(0.5), known(float("nan"))
    ('0.5', '')
    """
    return number(value) if np.isfinite(value) else ""
