"""Who is examined? A network, its batch, what was measured of it, and how the caller calls them."""

from __future__ import annotations

import ast
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from initlab.diagnosis.facts import Facts, Parameter, examine, zeros_of
from initlab.diagnosis.trial import LEARNT, STEPS, Outcome, is_large, try_steps
from initlab.diagnosis.watch import is_norm
from initlab.probe.run import Loss


@dataclass(frozen=True)
class Names:
    """How the caller's own code calls things, so that a line can be pasted there."""

    model: str = "model"
    x: str = "x"
    target: str = "y"

    @classmethod
    def of_caller(cls, depth: int, model: Any, x: Any, target: Any) -> Names:
        """Look the objects up among the variables of the calling function."""
        frame = sys._getframe(depth)
        known = frame.f_locals | frame.f_globals | frame.f_locals  # locals win, and come first
        found = {}
        for key, thing in (("model", model), ("x", x), ("target", target)):
            usual = getattr(cls, key)
            names = [n for n, v in known.items() if v is thing and not n.startswith("_")]
            if thing is not None and names:
                found[key] = usual if usual in names else names[0]
        return cls(**found)

    def path(self, name: str) -> str:
        """Write a module's or parameter's name as Python: `model.layers[3].weight`."""
        text = self.model
        for part in filter(None, name.split(".")):
            index = part if part.isdigit() else repr(part)
            text += f".{part}" if part.isidentifier() else f"[{index}]"
        return text


@dataclass(frozen=True)
class Case:
    """A network under examination.

    Args:
        model: The network.
        x: Its batch.
        target: Its target, or None.
        loss: The caller's loss, or None.
        names: What the caller calls the first three.
    """

    model: nn.Module
    x: Any
    target: Any
    loss: Loss | None
    names: Names = Names()

    @cached_property
    def facts(self) -> Facts:
        """What one pass shows."""
        return examine(self.model, self.x, self.target, self.loss)

    def trial(self, model: nn.Module, only: str = "", steps: int = STEPS) -> Outcome:
        """Train copies of a network for a few steps, by every recipe or by one."""
        return try_steps(model, self.x, self.target, self.loss, self.facts.unit, only, steps)

    @cached_property
    def untouched(self) -> Outcome:
        """What a few steps of the network come to as it is."""
        return self.trial(self.model)

    @cached_property
    def in_time(self) -> Outcome:
        """What more steps of it come to, for a fault that the first ones only take back."""
        if is_large(self.model):
            return self.untouched
        return self.trial(self.model, steps=6 * STEPS)

    def run(self, call: str, model: nn.Module) -> Any:
        """Run lines of Python on another network; return the value of the last, as a cell does."""
        known: dict[str, Any] = {"il": sys.modules["initlab"], "torch": torch}
        known |= {self.names.x: self.x, self.names.model: model}
        *lines, last = ast.parse(call).body
        exec(compile(ast.Module(lines, []), "<fix>", "exec"), known)
        if isinstance(last, ast.Expr):
            return eval(compile(ast.Expression(last.value), "<fix>", "eval"), known)
        exec(compile(ast.Module([last], []), "<fix>", "exec"), known)
        return None

    @cached_property
    def zeros(self) -> frozenset[str]:
        """Parameters that are 0 on purpose: all 0, beside others that are not, and awake.

        A zero head, LoRA's B, the last norm of a branch, ReZero's factors: each gets a gradient at
        the start, or its partner does.
        """
        awake = {p.name for p in self.facts.parameters if p.gradient}
        return frozenset(awake.intersection(zeros_of(self.model)))

    @cached_property
    def trained(self) -> frozenset[str]:
        """Weights with values that no usual initialisation gives; all, if the loss is low."""
        held = dict(self.model.named_parameters())
        unit = self.facts.guess.unit
        knows = unit is not None and self.facts.loss < LEARNT * unit
        weights = [p.name for p in self.facts.parameters if p.matrix and not p.nonfinite]
        found = [name for name in weights if knows or looks_trained(held[name])]
        return frozenset(found if len(found) > len(weights) / 20 else [])  # of many, one may err

    @property
    def norms(self) -> list[str]:
        """Modules that keep running statistics."""
        return [name for name, module in self.model.named_modules() if is_norm(module)]

    def raw(self) -> Iterator[Parameter]:
        """Trainable parameters that `il.initialize` does not know."""
        return (p for p in self.facts.parameters if p.trainable and not p.known)


def looks_trained(weight: Tensor) -> bool:
    """Say whether the values of a weight are unlike a draw: independent, of one distribution.

    Of a draw, the rows have about the same length, and so have the columns; tails are no heavier
    than the normal distribution's; and no singular value is above σ·(√rows + √columns), the edge
    of Marchenko and Pastur. Training breaks these: its updates have a low rank. (A constant, zeros
    and small tensors cannot be told, nor can a few steps: they count as fresh.)
    """
    if not weight.is_floating_point():
        return False
    w = weight.detach().double().flatten(1)
    w = w[:, w.any(0)]
    w = w[w.any(1)]  # without padding and pruned units
    if w.numel() < 256 or min(w.shape) < 8 or not w.isfinite().all():
        return False
    centred = w - w.mean()
    square = centred.square()
    variance = square.mean()
    if not variance > 1e-6 * w.square().mean():
        return False
    kurtosis = (square.square().mean() / variance**2).item()
    if (w == 0).double().mean() > 0.05:
        return False  # sparse, a mask: nothing can be said
    if kurtosis > 3 + 8 * math.sqrt(24 / w.numel()):
        return True
    spreads = []
    for dim in (0, 1):
        lengths = square.mean(dim) / variance
        expected = max(kurtosis - 1, 0.2) / w.shape[dim]
        spreads.append(lengths.var().item() / expected / (1 + 6 * math.sqrt(2 / len(lengths))))
    if max(spreads) > 2:
        return True
    edge = math.sqrt(variance) * sum(map(math.sqrt, w.shape))
    above = 1 + 1.3 / math.pow(min(w.shape), 2 / 3)  # the edge of a finite matrix is no line
    return _largest_singular_value(centred) > above * edge


def _largest_singular_value(w: Tensor) -> float:
    """Estimate it from below, by power iteration."""
    v = torch.ones(w.shape[1], dtype=w.dtype, device=w.device) + w[0]
    for _ in range(30):
        v = w.T @ (w @ (v / v.norm()))
    return math.sqrt(float(v.norm()))


def float_tensors(name: str, x: Any) -> dict[str, Tensor]:
    """Give the tensors of floats in a batch, as they are written: `x`, `x[0]`, `x["pixels"]`."""
    items = {name: x}
    if isinstance(x, Mapping):
        items = {f'{name}["{key}"]': value for key, value in x.items()}
    elif isinstance(x, tuple):
        items = {f"{name}[{k}]": value for k, value in enumerate(x)}
    return {k: v for k, v in items.items() if isinstance(v, Tensor) and v.is_floating_point()}
