"""Which values may a parameter of an explorer take, and which control sets it?

A control is declared once, as a field of an explorer's record of settings:

    gain: float = slider(1.0, label="gain", low=0.1, high=10, log=True)

The record gives the value to whatever computes; the explorer makes a trait of it, so that
`explorer.gain` is a plain number in Python and a slider in the browser.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, fields
from typing import Any, ClassVar

from traitlets import TraitType

from initlab.arguments import number, unknown, whole

FEW = 5  # options that are listed


class Control(TraitType[Any, Any]):
    """A trait that the browser shows as a control.

    Args:
        default: The value at the start.
        label: What stands beside the control, and what a screen reader says.
        hint: What it means, with its unit, in a few words.
        main: Whether it is one of the few that are shown large; the others are folded away.
    """

    kind = "control"
    described: ClassVar[tuple[str, ...]] = ("name", "label", "hint", "main")

    def __init__(self, default: Any, *, label: str, hint: str = "", main: bool = False) -> None:
        super().__init__(default_value=default)
        self.label, self.hint, self.main = label, hint, main

    def describe(self) -> dict[str, Any]:
        """Tell the front end what to build, in values that JSON knows."""
        return {"kind": self.kind, **{name: getattr(self, name) for name in self.described}}

    def text(self, value: Any) -> str:
        """Write a value as it stands beside the control."""
        return str(value)

    def allowed(self) -> str:
        """Say which values it takes, in a few words."""
        raise NotImplementedError

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the value in its plain type, or raise an error that names what is allowed."""
        raise NotImplementedError


def controls_of(settings: type) -> dict[str, Control]:
    """Give the controls of a record of settings by name, in the order of its fields."""
    return {one.name: one.metadata["control"] for one in fields(settings)}


class Slider(Control):
    """A number between two ends.

    Args:
        low: The left end; `high` is the right one.
        log: Equal steps multiply, rather than add; both ends must be above 0.
        whole: Whole numbers only.
        unit: What stands behind the number.
        play: Whether a button beside it moves it by itself, one position after the other.
        **more: What every control has.
    """

    kind = "slider"
    described = (*Control.described, "low", "high", "log", "whole", "unit", "play")

    def __init__(
        self,
        default: float,
        *,
        low: float,
        high: float,
        log: bool = False,
        whole: bool = False,
        unit: str = "",
        play: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(default, **more)
        self.low, self.high, self.log, self.whole = low, high, log, whole
        self.unit, self.play = unit, play

    def text(self, value: Any) -> str:
        """Write it with its unit."""
        return f"{value:.3g} {self.unit}".strip()

    def share(self, value: float) -> float:
        """Say where on the slider a value is: from 0 at the left end to 1 at the right."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def allowed(self) -> str:
        """Say the ends."""
        return f"{self.low:g} to {self.high:g}"

    def validate(self, obj: Any, value: Any) -> float:
        """Accept any real number in range, numpy's too."""
        if not self.whole:
            return number(str(self.name), value, low=self.low, high=self.high)
        count = whole(str(self.name), value, least=int(self.low))
        if count > self.high:
            raise ValueError(f"{self.name} must be at most {self.high}, got {value}.")
        return count


class Choice(Control):
    """One of a few values.

    Args:
        options: The allowed values, or a function that finds them; mapped to the text that the
            browser shows, where that is another.
        **more: What every control has.
    """

    kind = "choice"

    def __init__(
        self, default: Any, *, options: Iterable[Any] | Callable[[], Iterable[Any]], **more: Any
    ) -> None:
        super().__init__(default, **more)
        self._options = options

    @property
    def options(self) -> dict[Any, str]:
        """Each allowed value, mapped to its text."""
        found = self._options() if callable(self._options) else self._options
        return dict(found) if isinstance(found, Mapping) else {one: str(one) for one in found}

    def describe(self) -> dict[str, Any]:
        """Add the options to what every control says."""
        return {**super().describe(), "options": [list(item) for item in self.options.items()]}

    def text(self, value: Any) -> str:
        """Write it as the list does."""
        return self.options[value]

    def allowed(self) -> str:
        """Say the options, or one of many."""
        if len(self.options) > FEW:
            return f"such as {self.default_value!r}"
        return " or ".join(map(repr, self.options))

    def validate(self, obj: Any, value: Any) -> Any:
        """Accept one of the options; a misspelt name gets the nearest ones."""
        for option in self.options:
            if type(option) is type(value) and option == value:
                return option
        raise ValueError(unknown(str(self.name), value, map(str, self.options)))


class Switch(Control):
    """On or off."""

    kind = "switch"

    def allowed(self) -> str:
        """Say both values."""
        return "True or False"

    def validate(self, obj: Any, value: Any) -> bool:
        """Accept True and False only."""
        if not isinstance(value, bool):
            raise TypeError(
                f"{self.name} must be True or False, got {value!r} of type {type(value).__name__}."
            )
        return value


def slider(default: float, **how: Any) -> Any:
    """Declare a field that a `Slider` sets: its arguments."""
    return _set_by(Slider(default, **how))


def choice(default: Any, **how: Any) -> Any:
    """Declare a field that a `Choice` sets: its arguments."""
    return _set_by(Choice(default, **how))


def switch(default: bool, **how: Any) -> Any:
    """Declare a field that a `Switch` sets: its arguments."""
    return _set_by(Switch(default, **how))


def _set_by(control: Control) -> Any:
    return field(default=control.default_value, metadata={"control": control})
