"""Which controls do several explorers have?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from initlab.activations import ACTIVATIONS
from initlab.explore.controls import choice, slider


def activation(default: str, names: Iterable[str] = ACTIVATIONS, **how: Any) -> Any:
    """Choose the nonlinearity by its name."""
    hint = "The nonlinearity of each layer"
    return choice(
        default, label="activation", options={name: name for name in names}, **{"hint": hint, **how}
    )


def width(default: int, *widths: int, hint: str = "Units in each hidden layer") -> Any:
    """Choose one of a few widths: a slider would build many networks."""
    return choice(default, label="width", options={n: str(n) for n in widths}, hint=hint)


def seed(hint: str = "Other random numbers, same distribution") -> Any:
    """Choose the random numbers."""
    return slider(0, label="seed", low=0, high=99, whole=True, hint=hint)
