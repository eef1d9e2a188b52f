"""Which numbers stand in what the caller passed: a tensor, an array, a list?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def array(values: Any, name: str) -> NDArray[np.float64]:
    """Turn a tensor (of any library that detaches), an array or a list into float64."""
    detached = values.detach().cpu().double() if hasattr(values, "detach") else values
    try:
        found = np.asarray(detached, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(
            f"{name} must be a tensor, an array or a list of numbers, "
            f"got {values!r} of type {type(values).__name__}."
        ) from None
    if found.size == 0:
        raise ValueError(f"{name} holds no numbers: its shape is {found.shape}.")
    return found


def matrix(values: Any, name: str) -> NDArray[np.float64]:
    """Turn a weight into a matrix with one row for each unit: a kernel is laid out flat."""
    found = array(values, name)
    if found.ndim < 2:
        raise ValueError(
            f"{name} must have at least 2 dimensions, (units, inputs, ...), "
            f"got shape {found.shape}."
        )
    return found.reshape(len(found), -1)
