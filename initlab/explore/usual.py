"""Which controls do several explorers have?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from initlab.activations import ACTIVATIONS
from initlab.explore.controls import choice, slider
from initlab.schemes import SCHEMES, Scheme


def scheme(default: str, *others: str, is_random: bool = False, **how: Any) -> Any:
    """Choose one of the schemes that fill a matrix, also of those that are registered later.

    `is_random` asks for random numbers of mean 0; `others` are choices that are no schemes.
    """

    def fits(one: Scheme) -> bool:
        low, high = one.dims
        fills_a_matrix = low <= 2 <= (high or 2)
        if is_random and fills_a_matrix:
            return one.centred and bool(one.variance(64, 64))
        return fills_a_matrix

    def names() -> list[str]:
        return [*(name for name, one in SCHEMES.items() if fits(one)), *others]

    return choice(default, options=names, **{"label": "scheme", **how})


def gain(*, main: bool = True, hint: str = "Factor on the std of every weight") -> Any:
    """Choose a factor on the weights."""
    return slider(1.0, label="gain", low=0.1, high=10, log=True, unit="× std", main=main, hint=hint)


def depth(default: int, most: int, *, hint: str = "Hidden layers", **how: Any) -> Any:
    """Choose how many layers there are."""
    return slider(
        default, label="depth", low=1, high=most, whole=True, **{"main": True, "hint": hint, **how}
    )


def step(default: int, most: int) -> Any:
    """Choose the training step that is looked at."""
    return slider(
        default, label="training step", low=0, high=most, whole=True, play=True, main=True,
        hint="How often the weights were updated",
    )  # fmt: skip


def activation(default: str, names: Iterable[str] = ACTIVATIONS, **how: Any) -> Any:
    """Choose the nonlinearity by its name."""
    hint = "The nonlinearity of each layer"
    return choice(default, label="activation", options=[*names], **{"hint": hint, **how})


def width(default: int, *widths: int, hint: str = "Units in each hidden layer") -> Any:
    """Choose one of a few widths: a slider would build many networks."""
    return choice(default, label="width", options=widths, hint=hint)


def seed(hint: str = "Other random numbers, same distribution") -> Any:
    """Choose the random numbers."""
    return slider(0, label="seed", low=0, high=99, whole=True, hint=hint)
