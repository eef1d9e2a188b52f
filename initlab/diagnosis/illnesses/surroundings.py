"""What is wrong around the network? The last function, and the mode it runs in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from initlab.diagnosis import cures
from initlab.diagnosis.case import Case
from initlab.diagnosis.facts import value_of
from initlab.diagnosis.findings import Cure, Measured
from initlab.diagnosis.guess import column_of
from initlab.diagnosis.illnesses.illness import Illness, Seen
from initlab.diagnosis.watch import is_norm
from initlab.format import number, percent
from initlab.probe import trace
from initlab.probe.preserving import copied


class Output(Illness):
    """A last function that the loss does not go with, or that cannot reach the targets."""

    name = "output function"
    why = (
        "The last function decides which outputs are possible and how much gradient comes through "
        "it. A loss that contains its own softmax or sigmoid takes scores, any real numbers."
    )
    refuted = False
    _RANGES: ClassVar = {
        "Softmax": (0.0, 1.0), "SafeSoftmax": (0.0, 1.0), "Sigmoid": (0.0, 1.0),
        "Hardsigmoid": (0.0, 1.0), "Tanh": (-1.0, 1.0), "Relu": (0.0, math.inf),
        "Softplus": (0.0, math.inf), "LogSigmoid": (-math.inf, 0.0),
        "LogSoftmax": (-math.inf, 0.0),
    }  # fmt: skip
    zero = 0.9
    """Largest share of outputs that are exactly 0 behind a ReLU; half is usual."""
    outside = 0.01
    """Largest share of targets that lie outside of the function's range."""

    def test(self, case: Case) -> Seen | None:
        """Look at the function that makes the output, at the loss and at the targets."""
        facts, name = case.facts, self._function(case)
        if facts.stands_in or not name or not math.isfinite(facts.loss):
            return None
        low, high = self._RANGES[name]
        shown = {"SafeSoftmax": "Softmax", "Relu": "ReLU"}.get(name, name)
        zeros = float((facts.output == 0).double().mean())
        evidence = {"outputs that are 0": zeros, "loss": facts.loss}
        summary = ""
        if self._takes_scores(case):
            if name != "LogSoftmax":  # a second one changes nothing
                summary = (
                    f"a {shown} stands in front of a loss that takes scores: it only sees outputs "
                    f"from {low:g} to {high:g}."
                )
        elif facts.guess.values:
            target = case.target.detach().double()
            outside = float(((target < low) | (target > high)).double().mean())
            if outside > self.outside:
                evidence["targets out of reach"] = outside
                summary = (
                    f"{percent(outside)} of the targets lie outside of what the {shown} at the end "
                    f"can emit ({low:g} to {high:g})."
                )
            elif name == "Relu" and zeros > self.zero:
                summary = (
                    f"{percent(zeros)} of the outputs are 0, since a ReLU ends the network: there, "
                    "no gradient comes through it."
                )
        return Seen(summary, evidence, (facts.last or "output",)) if summary else None

    def _function(self, case: Case) -> str:
        name = case.facts.graph.function
        output = case.facts.output
        if output.is_complex():
            return ""
        if name in ("Clamp", "ClampMin", "Threshold"):
            return "Relu" if float(output.min()) >= 0 else ""
        if not name and output.dim() > 1 and output.shape[-1] > 1:
            sums = output.double().sum(-1)
            if bool((output >= 0).all()) and bool(((sums - 1).abs() < 1e-4).all()):
                return "Softmax"  # written by hand
        return name if name in self._RANGES else ""

    def _takes_scores(self, case: Case) -> bool:
        """Say whether the loss contains a softmax or a sigmoid, by what it gives."""
        target, output, loss = case.target, case.facts.output, case.loss
        if not isinstance(target, Tensor) or loss is None:
            return isinstance(target, Tensor) and not target.is_floating_point()

        def tried(o: Tensor) -> float:
            try:
                return float(loss(o, target))
            except (RuntimeError, ValueError, TypeError, IndexError, AttributeError):
                return math.nan

        if target.is_floating_point():
            if target.shape != output.shape or not ((target == 0) | (target == 1)).all():
                return False
            hit = target.to(output)
        else:
            dim = column_of(output, target)
            classes = target.clamp(0, output.shape[dim] - 1).long()
            hit = F.one_hot(classes, output.shape[dim]).movedim(-1, dim).to(output)
            shift = tried(output + 3) - tried(output)  # nll_loss takes logarithms, and falls by 3
            if tried(output) < 0 and min(abs(shift + 3), abs(shift / len(output) + 3)) < 1e-3:
                return True
        sure = tried(40 * hit - 20)
        return -1e-6 < sure < tried(hit) - 1e-6

    def cures(self, case: Case, seen: Seen) -> Iterator[Cure]:
        """Take away what ends a Sequential; or let a ReLU's outputs start above 0."""
        if self._function(case) == "Relu" and "targets out of reach" not in seen.evidence:
            yield from cures.output_bias(case)
        last, path, where = case.model, "", ""
        while isinstance(last, nn.Sequential) and len(last):
            where = f"{case.names.path(path)}[{len(last) - 1}]"
            path += f".{[*last._modules][-1]}"
            last = last[-1]
        kinds = nn.Softmax, nn.Sigmoid, nn.Tanh, nn.ReLU, nn.Softplus, nn.Hardsigmoid, nn.LogSigmoid
        if where and isinstance(last, kinds):
            yield Cure(call=f"{where} = torch.nn.Identity()")

    def otherwise(self, case: Case, seen: Seen) -> str:
        """Say what to take away."""
        name = self._function(case)
        if "Softmax" in name and not case.facts.guess.values:
            return (
                "return the scores, without the softmax, where the loss is computed: "
                "cross_entropy takes scores and contains its own log-softmax (nll_loss takes "
                "log_softmax)"
            )
        if name == "Relu":
            return "return the output of the last layer without the ReLU, or use a softplus"
        return f"return the scores, without the {name.lower()}, where the loss is computed"

    def right(self, case: Case) -> str:
        """Tell that it was looked at."""
        name = self._function(case)
        return f"a {name} ends the network, and the loss goes with it" if name else ""


class Mode(Illness):
    """A mode in which the network does something else than it was trained for."""

    name = "mode"
    why = (
        "In eval() BatchNorm uses the statistics that it has seen before. Where they are not the "
        "batch's, it normalises nothing, and the network is another one than in training."
    )
    refuted = False
    trained = False
    shift = 3.0
    """Largest shift of the batch's mean against the running one, in running standard deviations."""
    ratio = 30.0
    """Largest ratio of the two variances, either way."""
    loss = 10.0
    """Largest loss in eval(), over the larger of that in train() and that of a guess."""

    def test(self, case: Case) -> Seen | None:
        """Compare BatchNorm's statistics with the batch's, and the losses in both modes."""
        stale = self._stale(case)
        if stale:
            worst = max(stale, key=lambda name: stale[name])
            shift, ratio = case.facts.statistics[worst]
            shifts = {name: shift for name, (shift, _) in case.facts.statistics.items()}
            what = "shift of the mean\n(stored standard deviations)"
            return Seen(
                f"{worst} is a BatchNorm in eval() with statistics that are not the batch's: the "
                f"mean is {number(shift)} standard deviations away, the variance {number(ratio)} "
                "times the stored one.",
                {"shift": shift, "ratio of variances": ratio, "loss": case.facts.loss},
                tuple(stale),
                [Measured(what, shifts, high=self.shift, marked=tuple(stale))],
            )
        other = self._other_loss(case)
        if other is None:
            return None
        training = case.model.training
        train, evaluation = (case.facts.loss, other) if training else (other, case.facts.loss)
        floor = max(train, case.facts.unit)
        if not evaluation > self.loss * floor:
            return None
        losses = {"train()": train, "eval()": evaluation}
        return Seen(
            f"the loss is {number(evaluation)} in eval(), and {number(train)} in train(), on the "
            "same batch.",
            {"loss in eval()": evaluation, "loss in train()": train},
            tuple(case.norms) or ("the model",),
            [Measured("loss in each mode", losses, marked=("eval()",))],
            partial=True,
            care="training itself is not affected; what is evaluated is another network.",
        )

    def _stale(self, case: Case) -> dict[str, float]:
        held = dict(case.model.named_modules())
        found = {}
        for name, (shift, ratio) in case.facts.statistics.items():
            off = max(shift / self.shift, ratio / self.ratio, 1 / (ratio * self.ratio or 1e-30))
            if not held[name].training and off > 1:
                found[name] = off
        return found

    def _other_loss(self, case: Case) -> float | None:
        """Return the loss in the other mode, where there may be another."""
        modules = list(case.model.modules())
        fresh = any(is_norm(m) and not getattr(m, "num_batches_tracked", None) for m in modules)
        own = any(not type(m).__module__.startswith("torch.nn.") for m in modules)
        if fresh or not (own or case.norms) or case.facts.stands_in:
            return None
        twin = copied(case.model).train(not case.model.training)

        def without_gradient(output: Any, target: Any) -> Tensor:
            return value_of(output, target, case.loss).detach()

        try:
            return trace(twin, case.x, case.target, loss=without_gradient, layers=type(twin)).loss
        except (RuntimeError, ValueError, TypeError, AttributeError, KeyError):
            return None  # made for one mode only

    def cures(self, case: Case, seen: Seen) -> Iterator[Cure]:
        """Train in train()."""
        if self._stale(case):
            yield Cure(call=f"{case.names.model}.train()")

    def otherwise(self, case: Case, seen: Seen) -> str:
        """Say what to do before the network is evaluated."""
        if case.norms:
            return (
                f"before evaluating, let it see some batches in {case.names.model}.train() under "
                "torch.no_grad(), or fuse its layers again"
            )
        return (
            "look at what the forward pass does where self.training is false: fused or cached "
            "weights must be made again after an initialisation"
        )
