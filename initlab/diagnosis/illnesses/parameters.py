"""Which parameters are equal, asleep, or copies of each other?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import torch

from initlab.diagnosis import cures
from initlab.diagnosis.case import Case
from initlab.diagnosis.facts import Parameter
from initlab.diagnosis.findings import Cure, Measured
from initlab.diagnosis.illnesses.illness import Illness, Seen, in_order, several
from initlab.diagnosis.illnesses.signals import Dead, Restarted, Saturated, Vanishing
from initlab.format import number


class Symmetric(Restarted):
    """Units that are equal, and get equal gradients."""

    name = "symmetric"
    why = (
        "Units that start equal and get equal gradients stay equal: a wide layer then computes a "
        "single feature."
    )
    refuted = False
    equal = 0.05
    """Least relative difference between the rows of a weight, ‖W - W̄‖/‖W‖; it is about 1 for random
    numbers, and 0 for units that are all equal."""
    pull = 0.01
    """Units that are equal are ill only if the gradient is equal too: at least this much of a guess
    must pull them apart (rows of the output layer differ in it, so that zeros are fine there)."""

    def test(self, case: Case) -> Seen | None:
        """Look for weights with equal units that the gradient leaves equal."""
        facts = case.facts
        gates = [p for p in facts.parameters if p.name in facts.asleep and _is_gate(p)]
        equal = [
            p
            for p in self._rows(case)
            if _or_one(p.rows_differ) < self.equal
            and _or_one(p.pull_apart) < self.pull * case.facts.unit
            and not (p.size == 0 and gates)  # then it is the gate that must open
        ]
        if not equal:
            return None
        worst = min(equal, key=lambda p: _or_one(p.rows_differ))
        shown = {p.name: _or_one(p.rows_differ) for p in self._rows(case)}
        differ = _or_one(worst.rows_differ)
        same = "are equal" if differ == 0 else f"differ by {number(differ)} of their size"
        what = "all 0" if worst.size == 0 else f"its {worst.units} units {same}"
        return Seen(
            f"{worst.name}: {what}, and so is the gradient that comes back to them.",
            {"rows differ": differ, "pull apart": _or_one(worst.pull_apart)},
            tuple(p.name for p in equal),
            [Measured("relative difference\nbetween the units of a weight", shown, low=self.equal)],
        )

    def _rows(self, case: Case) -> list[Parameter]:
        return [p for p in case.facts.weights if p.rows_differ is not None and not p.embedding]

    def cures(self, case: Case, seen: Seen) -> Iterator[Cure]:
        """Draw one side of each product of zeros; or what is equal; or the whole network."""
        weights = [p for p in case.facts.parameters if p.matrix]
        others = [p for p in weights if p.name not in seen.layers and p.size]
        zeros = all(p.size == 0 for p in weights if p.name in seen.layers)
        few = len(others) > len(seen.layers) or (bool(others) and zeros)
        if few:
            yield from _one_side(case, seen.layers)
            yield cures.refill(case, seen.layers)
        else:
            yield from cures.restarts(case, seen.layers)
            yield from _one_side(case, seen.layers)

    def otherwise(self, case: Case, seen: Seen) -> str:
        """Name the lines that only its author can judge."""
        named = case.facts.named(seen.layers)
        return (
            cures.raw_lines(case, named).call + "  # tried on a copy, and not enough alone: "
            "fill these where the model is built, and keep one side of each product at 0"
        )

    def right(self, case: Case) -> str:
        """Tell that units differ."""
        return "the units of each layer differ" if self._rows(case) else ""


class Asleep(Illness):
    """Parameters whose gradient is exactly 0, at the start and after the first steps."""

    name = "asleep"
    why = (
        "Where two factors of a product are both 0, or a gate is shut by a function that is flat "
        "there, no gradient comes through: these parameters never move."
    )
    refuted = False

    def test(self, case: Case) -> Seen | None:
        """Look for gradients that stay 0, unless another illness explains them."""
        names = case.facts.asleep
        if not names or case.facts.stands_in:
            return None
        if any(other.test(case) for other in (Symmetric(), Dead(), Saturated(), Vanishing())):
            return None
        trainable = [p for p in case.facts.parameters if p.trainable and p.called]
        return Seen(
            f"{several(names)}: the gradient is exactly 0, and still is after a few steps "
            f"({len(names)} of {len(trainable)} parameters).",
            {"asleep": float(len(names)), "trainable": float(len(trainable))},
            names,
            partial=len(names) < len(trainable) / 2,
            care="the rest of the network trains; these parameters, and what lies behind them, "
            "do not.",
        )

    def cures(self, case: Case, seen: Seen) -> Iterator[Cure]:
        """Open the gates, or draw one side of each product."""
        named = case.facts.named(seen.layers)
        gates = [p for p in named if _is_gate(p)]
        if gates:
            yield cures.raw_lines(case, gates, "one")
        zero = [p.name for p in named if p.size == 0 and p.matrix]
        if zero:
            yield from _one_side(case, zero)

    def otherwise(self, case: Case, seen: Seen) -> str:
        """Name the gates."""
        named = case.facts.named(seen.layers)
        cut = [p.name for p in named if p.gradient is None]
        if cut:
            return f"let the gradient through: remove .detach() or .data from {several(cut)}"
        zero = [p for p in named if p.size == 0 and not p.name.endswith("bias")] or [
            p for p in named if "factor" in p.uses
        ]
        if zero:
            return cures.raw_lines(case, zero[:4]).call + "  # one factor of each product is enough"
        return (
            "look at what these are multiplied by in the forward pass: a constant 0, a mask, a "
            "softmax over a single entry"
        )


class Copies(Illness):
    """Layers that are copies of each other."""

    name = "copies"
    why = (
        "They compute the same function at the start. They do train apart, since each stands at "
        "another place, but the network starts with less variety than it could."
    )
    refuted = False

    def test(self, case: Case) -> Seen | None:
        """Compare weights of one shape with each other."""
        groups = self._groups(case)
        if not groups:
            return None
        names = tuple(name for group in groups for name in group)
        first = groups[0]
        return Seen(
            f"{several(first)} hold the same random numbers"
            + (f", and so do {len(groups) - 1} other groups." if len(groups) > 1 else "."),
            {"groups": float(len(groups)), "copies in the first": float(len(first))},
            names,
            partial=True,
            care="nothing must be done, and it is often not noticed: nn.TransformerEncoder copies "
            "the layer that it is given (PyTorch issue 72253).",
        )

    def _groups(self, case: Case) -> list[list[str]]:
        held = dict(case.model.named_parameters())
        by_look: dict[tuple[object, ...], list[str]] = defaultdict(list)
        for p in case.facts.weights:
            w = held[p.name].detach()
            varies = p.rows_differ is not None and p.rows_differ > Symmetric.equal
            if varies and w.numel() >= 16 and w.std() > 0:
                by_look[(w.shape, *w.flatten()[:4].tolist())].append(p.name)
        return [
            names
            for names in by_look.values()
            if len(names) > 1 and all(torch.equal(held[names[0]], held[n]) for n in names[1:])
        ]

    def otherwise(self, case: Case, seen: Seen) -> str:
        """Name the line that draws them anew."""
        parents = [name.split(".") for name in seen.layers]
        common = []
        for parts in zip(*parents, strict=False):
            if len(set(parts)) > 1:
                break
            common.append(parts[0])
        scheme, _ = next(cures.starts(case))
        where = case.names.path(".".join(common))
        return f'il.initialize({where}, "{scheme}")  # draws each of them anew'


def _one_side(case: Case, names: Sequence[str]) -> Iterator[Cure]:
    """Fill the zeros of one kind (such as LoRA's A), and leave the others."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in in_order(names, case.facts):
        parts = [part for part in name.split(".") if not part.isdigit()]
        groups[(*parts[-2:],) if parts[-1] == "weight" else (parts[-1],)].append(name)
    for group in groups.values():
        chosen = case.facts.named(group)
        if len(group) < len(names) and not any(p.size for p in chosen):
            yield cures.raw_lines(case, chosen, "kaiming")


def _is_gate(p: Parameter) -> bool:
    """Whether a parameter multiplies what others compute."""
    return "factor" in p.uses and not p.matrix and not p.known


def _or_one(value: float | None) -> float:
    return 1.0 if value is None else value
