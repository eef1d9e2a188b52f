"""Which parameters are not finite, or cut off from the loss?"""

from __future__ import annotations

import math
from collections.abc import Iterator

from initlab.diagnosis import cures
from initlab.diagnosis.case import Case, float_tensors
from initlab.diagnosis.findings import Cure, Measured
from initlab.diagnosis.illnesses.illness import Illness, Seen, several
from initlab.diagnosis.illnesses.signals import Restarted
from initlab.diagnosis.watch import is_norm
from initlab.format import percent


class NonFinite(Restarted):
    """NaN or infinity, in a parameter, in the batch, or on the way."""

    name = "non-finite"
    why = "One nan in the loss makes every gradient nan, and after one step every weight."
    ends = True
    huge = 1e4
    """The rms above which a parameter is named where numbers overflow; usual ones are below 1."""

    def test(self, case: Case) -> Seen | None:
        """Look for the first place where a number is not finite."""
        facts = case.facts
        broken = {p.name: p.nonfinite for p in facts.parameters if p.nonfinite}
        data = self._data(case)
        buffers = self._buffers(case)
        gets = [la.name for la in facts.trace.layers if la.gradient and la.gradient.nonfinite]
        shares = facts.each(lambda la: la.activation.nonfinite if la.activation else None)
        emits = [name for name, share in shares.items() if share]
        if not (broken or data or buffers or gets or not math.isfinite(facts.loss)):
            return None
        names = tuple(broken) or data or buffers or self._huge(case) or tuple(emits or gets)
        loss = f"the loss is {facts.loss:.3g}."
        if broken:
            share = max(broken.values())
            summary = f"{percent(share)} of {several(broken)} is nan or inf, and {loss}"
        elif data:
            summary = f"the batch itself holds nan or inf, in {several(data)}; {loss}"
        elif buffers:
            summary = f"the buffer {several(buffers)} holds nan or inf; {loss}"
        elif self._huge(case):
            summary = f"{several(names)} is so large that numbers overflow; {loss}"
        else:
            first = names[0] if names else "the loss function"
            summary = f"{first} is the first to emit nan or inf; {loss}"
        counts = {"layers": float(len(emits)), "parameters": float(len(broken))}
        what = "share of nan or inf\nin what a layer emits"
        shown = Measured(what, shares or {"the model": 1.0}, high=0.0, log=False)
        return Seen(summary, {"loss": facts.loss} | counts, names, [shown])

    def cures(self, case: Case, seen: Seen) -> Iterator[Cure]:
        """Fill what is broken, and leave the rest alone."""
        if self._data(case):
            return
        held = dict(case.model.named_modules())
        for name in self._buffers(case):
            owner = name.rpartition(".")[0]
            if is_norm(held[owner]):
                yield Cure(call=f"{case.names.path(owner)}.reset_running_stats()")
        named = case.facts.named(seen.layers)
        if named and all(p.trainable for p in named):
            yield cures.refill(case, seen.layers)
            if not any(p.known for p in named):
                yield cures.raw_lines(case, named, "one")
                yield cures.raw_lines(case, named, "zero")
        if not any(p.nonfinite for p in named):
            yield from cures.restarts(case, seen.layers)

    def otherwise(self, case: Case, seen: Seen) -> str:
        """Say what its author can do."""
        data = self._data(case)
        if data:
            x = data[0]
            return f"{x} = torch.nan_to_num({x})  # or leave those samples out"
        if not all(p.trainable for p in case.facts.named(seen.layers)):
            return f"{several(seen.layers)} is frozen and broken: load its values again"
        if self._buffers(case):
            return f"give {several(seen.layers)} its values again: a buffer is no parameter"
        return super().otherwise(case, seen)

    def _data(self, case: Case) -> tuple[str, ...]:
        found = float_tensors(case.names.x, case.x)
        found |= float_tensors(case.names.target, case.target)
        return tuple(name for name, t in found.items() if not t.isfinite().all())

    def _buffers(self, case: Case) -> tuple[str, ...]:
        return tuple(
            name
            for name, b in case.model.named_buffers()
            if b.is_floating_point() and b.isnan().any()
        )

    def _huge(self, case: Case) -> tuple[str, ...]:
        sizes = {p.name: p.size / math.sqrt(p.units or 1) for p in case.facts.parameters}
        return tuple(name for name, size in sizes.items() if size > self.huge * 30)


class NoGradient(Illness):
    """Parameters that are frozen, or cut off from the loss."""

    name = "no gradient"
    why = "A parameter without a gradient keeps its random values for ever."
    refuted = False
    trained = False
    ends = True

    def test(self, case: Case) -> Seen | None:
        """Count what no gradient comes back to."""
        called = [p for p in case.facts.parameters if p.called]
        trainable = [p for p in called if p.trainable]
        cut = [p for p in trainable if p.gradient is None]
        if len(cut) < len(trainable):  # a raw one that the pass does not use is no fault
            cut = [p for p in cut if p.known]
        if trainable and not cut:
            return None
        if trainable:
            what = f"no gradient comes back to {len(cut)} of {len(trainable)} trainable parameters"
        else:
            what = f"all {len(called)} parameters are frozen (requires_grad=False)"
        names = tuple(p.name for p in (cut or called))
        norms = {p.name: p.gradient or 0.0 for p in called}
        return Seen(
            f"{what}.",
            {"trainable": float(len(trainable)), "without gradient": float(len(cut))},
            names,
            [Measured("norm of the gradient\n(0: none came back)", norms, marked=names)],
        )

    def cures(self, case: Case, seen: Seen) -> Iterator[Cure]:
        """Unfreeze a network that is all frozen."""
        if not seen.evidence["trainable"]:
            yield Cure(call=f"{case.names.model}.requires_grad_(True)")

    def otherwise(self, case: Case, seen: Seen) -> str:
        """Say where to look for the cut."""
        after = seen.layers[-1].rpartition(".")[0] or "the model"
        return (
            "let the gradient through: remove .detach(), .data, torch.no_grad() or .item() "
            f"after {after}, or pass a loss= that uses every output"
        )

    def right(self, case: Case) -> str:
        """Tell that all is reached."""
        return "a gradient reaches every trainable layer"
