"""What is an illness? A limit, why it matters, a test and its cures, in one class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from initlab.diagnosis.case import Case
from initlab.diagnosis.facts import Facts
from initlab.diagnosis.findings import Cure, Measured
from initlab.diagnosis.trial import Outcome


@dataclass(frozen=True)
class Seen:
    """What a test saw.

    Args:
        summary: One sentence with the main numbers.
        evidence: Name of a number → the number.
        layers: Where, in the model's order: layers, parameters, or "x" and "y" for the data.
        measured: The numbers that its picture shows, a part of the picture for each.
        illness: Another name than that of the class.
        partial: Whether the rest of the network trains, so that care is enough.
        care: With which care it trains; empty where trial steps tell.
    """

    summary: str
    evidence: dict[str, float]
    layers: tuple[str, ...]
    measured: Sequence[Measured] = ()
    illness: str = ""
    partial: bool = False
    care: str = ""


class Illness(ABC):
    """One illness; what is measured once for a network is in the `Case`.

    Attributes:
        name: What a finding is called.
        why: Why it matters, in one sentence.
        refuted: Whether a network that trains in a few trial steps does not have it.
        ends: Whether what is asked after it cannot be measured any more.
        trained: Whether a cure must show that the network then trains better; else it is enough
            that what was seen is gone.
    """

    name: ClassVar[str]
    why: ClassVar[str]
    refuted: ClassVar[bool] = True
    ends: ClassVar[bool] = False
    trained: ClassVar[bool] = True

    @abstractmethod
    def test(self, case: Case) -> Seen | None:
        """Say what was seen, or None where the network does not have it."""

    def cures(self, case: Case, seen: Seen) -> Iterator[Cure]:
        """Give what could fix it, the best first; each is tried before it is offered."""
        return iter(())

    @abstractmethod
    def otherwise(self, case: Case, seen: Seen) -> str:
        """Say what helps where no cure does."""

    def right(self, case: Case) -> str:
        """Say in a few words what was measured and found right; empty where nothing was."""
        return ""

    def steps(self, case: Case) -> Outcome:
        """Give the trial that tells "will not train" from "trains with care"."""
        return case.untouched


def leverage_and_signal(facts: Facts, low: float, high: float) -> list[Measured]:
    """Picture the leverage of each weight, and the size of what each layer emits."""
    return [
        Measured("leverage of each weight\n(losses of a guess)", facts.leverage, low, high),
        Measured("rms of what\neach layer emits (no unit)", facts.signal),
    ]


def in_order(names: Sequence[str], facts: Facts) -> list[str]:
    """Sort parameters by when their layer is first called, which need not be their order."""
    called = [layer.name.split(":")[0] for layer in facts.trace.layers]
    places = {name: place for place, name in reversed([*enumerate(called)])}
    owner = {p.name: p.layer for p in facts.parameters}
    return sorted(names, key=lambda name: places.get(owner[name], -1))


def several(names: Iterable[str], most: int = 3) -> str:
    """Write a few names in a sentence."""
    names = list(names)
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
