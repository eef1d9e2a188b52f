"""Are the data what every initialisation is made for? Inputs and targets near mean 0 and std 1."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from initlab.diagnosis import cures
from initlab.diagnosis.case import Case, float_tensors
from initlab.diagnosis.findings import Cure
from initlab.diagnosis.illnesses.illness import Illness, Seen
from initlab.diagnosis.trial import LEARNT
from initlab.format import number


@dataclass(frozen=True)
class Scale:
    """The size of one tensor of data, over the columns that vary.

    Args:
        where: What the caller's code calls it, such as `x["pixels"]`.
        target: Whether it is the target.
        offset: Rms of the columns' means, over their standard deviation.
        std: Root of the mean variance of the columns.
        uneven: Largest standard deviation of a column, over the median one.
        over: Over which dimensions it is to be standardised: all (empty), or all but the columns,
            where these differ much.
    """

    where: str
    target: bool
    offset: float
    std: float
    uneven: float
    over: tuple[int, ...] = ()

    @classmethod
    def of(cls, where: str, t: Tensor, target: bool = False) -> Scale | None:
        """Measure it; None where nothing varies, or where it only marks, with 0 and 1."""
        dim = 1 if t.dim() in (2, 4, 5) else t.dim() - 1
        others = [d for d in range(t.dim()) if d != dim] if t.dim() > 1 else [0]
        values = t.detach().double()
        if values.numel() < 2 or ((values == 0) | (values == 1)).all():
            return None
        mean, std = values.mean(others), values.std(others, correction=0)
        varies = std > 1e-9 * values.abs().max()
        if not varies.any():
            return None
        size = float(std[varies].square().mean().sqrt())
        uneven = float(std[varies].max() / std[varies].median())
        apart = float(mean[varies].std(correction=0)) > Data.offset * size
        return cls(
            where,
            target,
            float(mean[varies].square().mean().sqrt()) / size,
            size,
            uneven,
            tuple(others) if t.dim() > 1 and (uneven > Data.uneven or apart) else (),
        )

    @property
    def line(self) -> str:
        """The line that standardises it."""
        w = self.where
        if self.over:
            at = "0" if self.over == (0,) else f"{self.over}, keepdim=True"
            return f"{w} = ({w} - {w}.mean({at})) / {w}.std({at}).clamp(min=1e-6)"
        return f"{w} = ({w} - {w}.mean()) / {w}.std()"


class Data(Illness):
    """Inputs or targets far from mean 0 and standard deviation 1."""

    name = "data"
    why = (
        "Every usual initialisation and learning rate is made for data with mean 0 and standard "
        "deviation 1. No start of the network replaces that, so the data come first."
    )
    refuted = False
    offset = 3.0
    """Largest mean of inputs, in standard deviations, that is not looked into."""
    least, scale = 0.05, 3.0
    """Least and largest standard deviation that are not looked into: pixels from 0 to 1 have about
    0.3, and from 0 to 16 about 5."""
    uneven = 100.0
    """Largest ratio of the columns' standard deviations that is not looked into."""
    far = 20.0
    """From here on the data are named even if standardising them is not enough by itself."""
    alike = 1e-3
    """How far apart samples must be, as for `Collapsed`."""

    def test(self, case: Case) -> Seen | None:
        """Look for data far from standard, and try whether the network trains better on others."""
        suspects = self.suspects(case)
        if not suspects or not math.isfinite(case.facts.loss):
            return None
        fixed = self.standardised(case)
        raw, better = case.untouched, fixed.untouched
        improved = better.best < min(0.9 * raw.best, raw.best - 0.1)
        blind = math.isclose(better.first, raw.first, rel_tol=0.05)
        far = any(
            max(s.offset, s.std, s.uneven / 5) > self.far
            for s in suspects
            if not s.target or raw.first > 2  # else the output starts at their mean already
        )
        explained = raw.first > 2 and better.first < raw.first / 2  # a loss that is too large
        stuck = raw.best >= LEARNT and (improved or (far and not blind))
        if not (explained or stuck):
            return None
        inputs = [s for s in suspects if not s.target]
        alike = bool(inputs) and case.facts.input_spread < self.alike
        said = "; ".join(
            f"the {'target' if s.target else 'input'} {s.where} "
            f"has mean {number(s.offset * s.std)} and std {number(s.std)}"
            + (f", its columns differ by a factor of {number(s.uneven)}" if s.uneven > 100 else "")
            for s in suspects
        )
        if alike:
            said = (
                f"different inputs look alike: they differ by {number(case.facts.input_spread)} of "
                f"their size in the batch itself already ({said})"
            )
        return Seen(
            f"{said}.",
            {
                "1 - cosine of x": case.facts.input_spread,
                "std": max(s.std for s in suspects),
                "offset in std": max(s.offset for s in suspects),
                "loss after trial steps": raw.best,
                "loss with standardised data": better.best,
            },
            tuple(s.where for s in suspects),
            illness="collapsed" if alike else "",
        )

    def suspects(self, case: Case) -> list[Scale]:
        """Measure what may be far from standard."""
        found = self._inputs(case)
        if case.facts.guess.values:
            found.append(Scale.of(case.names.target, case.target, target=True))
        return [
            s
            for s in found
            if s is not None
            and (
                s.offset > self.offset
                or not self.least < s.std < self.scale
                or s.uneven > self.uneven
            )
        ]

    def _inputs(self, case: Case) -> list[Scale | None]:
        return [Scale.of(name, t) for name, t in float_tensors(case.names.x, case.x).items()]

    def standardised(self, case: Case) -> Case:
        """Give the same network standardised data."""
        x = list(case.x) if isinstance(case.x, tuple) else copy.copy(case.x)
        names = {case.names.x: x, case.names.target: case.target}
        exec("\n".join(s.line for s in self.suspects(case)), names)
        x = names[case.names.x]
        x = tuple(x) if isinstance(case.x, tuple) else x
        return replace(case, x=x, target=names[case.names.target])

    def cures(self, case: Case, seen: Seen) -> Iterator[Cure]:
        """Where only the targets' mean is far from 0, the output layer can start there."""
        (first, *more) = self.suspects(case)
        usual = self.least < first.std < self.scale
        if not more and first.target and usual:
            for cure in cures.quiet_output(case):
                yield replace(cure, call=f"{cure.call}  # or: {first.line}", settles=True)

    def otherwise(self, case: Case, seen: Seen) -> str:
        """Standardise."""
        lines = [s.line for s in self.suspects(case)]
        return "\n".join([f"{lines[0]}  # the same numbers for every batch", *lines[1:]])

    def right(self, case: Case) -> str:
        """Tell the scale of the data."""
        first = next(filter(None, self._inputs(case)), None)
        return "" if first is None else f"{first.where} has std {number(first.std)}"
