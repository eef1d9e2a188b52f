"""What is a loss compared with? The loss of an output that knows nothing of the input.

It depends on the loss function and the targets, never on the network, so that a sick network
cannot hide in its own unit.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from initlab.probe.run import logits_of, outputs_of, own_loss
from initlab.probe.tensors import map_tensors

SAME = 1e-9  # of their mean square: targets that vary less are one number
STEPS = 20  # of L-BFGS
MANY = 4_000_000  # numbers in an output; with more, only the output 0 is tried

_FUNCTION: dict[str, Callable[[Tensor, int], Tensor]] = {
    "Softmax": lambda c, dim: c.softmax(dim),
    "SafeSoftmax": lambda c, dim: c.softmax(dim),
    "LogSoftmax": lambda c, dim: c.log_softmax(dim),
    "Sigmoid": lambda c, dim: c.sigmoid(),
    "LogSigmoid": lambda c, dim: F.logsigmoid(c),
}


@dataclass(frozen=True)
class Guess:
    """Losses of outputs that are the same for every input.

    Args:
        unit: What losses are counted in: for targets that are values, the loss of the best
            constant output; for classes, that of the output 0, where all are equally likely.
            None where there is no such loss.
        values: Whether the targets are values that the output is to have; else classes or labels.
        best: The loss of the best constant output, or None.
        zero: The loss of the output 0, or None.
        why_not: Why `unit` is None.
    """

    unit: float | None
    values: bool = False
    best: float | None = None
    zero: float | None = None
    why_not: str = ""


def guess(
    output: Any, x: Any, target: Any, value: float, given: Any, loss_of: Any, function: str
) -> Guess:
    """Find the loss of a guess.

    Args:
        output: What the model emitted.
        x: The batch, which may hold the labels.
        target: What the loss compares with, or None.
        value: The loss of the network.
        given: The caller's loss function, or None.
        loss_of: (output, target) → loss.
        function: The last function before the output, from the graph: constant outputs go
            through it, since the loss may need its range.
    """
    if given is None and own_loss(output) is not None:
        if target is None and isinstance(x, Mapping):
            target = x.get("labels")
        return _of_own_loss(output, target, value)
    if given is None:
        return (
            Guess(None, why_not="no target and no loss were given")
            if target is None
            else _usual(logits_of(output), target)
        )
    with torch.enable_grad():
        return _numerically(output, target, loss_of, function)


def _usual(logits: Tensor, target: Tensor) -> Guess:
    """Return that of the losses that need no name: ln C, or the variance of the targets."""
    if not target.numel():
        return Guess(None, why_not="the target is empty")
    if not target.is_floating_point():
        classes = logits.shape[-1] if logits.shape[:-1] == target.shape else logits.shape[1]
        return Guess(math.log(classes) or None, zero=math.log(classes))
    values = target.double()
    zero = values.square().mean().item()
    variance = (values - values.mean(0)).square().mean().item()
    if not variance > SAME * zero:
        return Guess(None, values=True, zero=zero, why_not="all targets are the same")
    return Guess(variance, values=True, best=variance, zero=zero)


def _of_own_loss(output: Any, target: Any, value: float) -> Guess:
    unknown = Guess(None, why_not="the model computes its loss by itself")
    if not isinstance(target, Tensor):
        return unknown
    try:
        logits = logits_of(output)
        scores = target.is_floating_point() and logits.shape == target.shape
        if scores and math.isclose(
            F.binary_cross_entropy_with_logits(logits, target).item(), value, rel_tol=1e-3
        ):
            return Guess(math.log(2), zero=math.log(2))
        return _usual(logits, target)
    except (TypeError, ValueError, RuntimeError, IndexError):
        return unknown


def _numerically(output: Any, target: Any, loss_of: Any, function: str) -> Guess:
    tensors = [t for t in outputs_of(output) if t.numel()]
    columns = [column_of(t, target) for t in tensors]
    apply: Callable[[Tensor, int], Tensor] = _FUNCTION.get(function, lambda c, dim: c)

    def loss_at(constants: list[Tensor]) -> Tensor:
        made = {
            id(t): apply(c, dim).expand(t.shape)
            for t, c, dim in zip(tensors, constants, columns, strict=True)
        }
        value: Tensor = loss_of(_replaced(output, made), target)
        return value.reshape(())

    zeros = [t.new_zeros(_shape(t, dim)) for t, dim in zip(tensors, columns, strict=True)]
    zero = _tried(loss_at, zeros)
    starts = [zeros]
    if isinstance(target, Tensor) and target.is_floating_point() and len(tensors) == 1:
        (t,), (dim,) = tensors, columns
        if target.shape == t.shape:
            others = [d for d in range(t.dim()) if d != dim]
            starts.append([target.mean(others, keepdim=True).to(t) if others else target.to(t)])
    if sum(t.numel() for t in tensors) > MANY:
        best, slope = zero, 0.0
    else:
        found = [_minimised(loss_at, start) for start in starts]
        known = [one for one in found if one[0] is not None]
        best, slope = min(known, key=lambda one: one[0]) if known else (None, 0.0)  # type: ignore[arg-type,return-value]
    values = _wants_values(output, tensors, target, loss_of, best)
    if values and best is not None and zero is not None:
        scale = max(abs(zero), abs(best))
        if not best > SAME * scale:
            return Guess(None, True, best, zero, "all targets are the same")
        return Guess(best, True, best, zero)
    if zero is None or not zero > 0:
        zero_like = _tried(loss_at, [0.1 * torch.randn_like(c) for c in zeros])
        zero = zero_like if zero_like is not None and zero_like > 0 else zero
    if zero is not None and zero > 0:
        return Guess(zero, False, best, zero)
    if best is not None and best > 0 and slope < 1e-2 * best:
        return Guess(best, False, best, zero)
    return Guess(None, False, best, zero, "this loss has no smallest value over constant outputs")


def column_of(t: Tensor, target: Any) -> int:
    """Say which dimension holds the columns: channels of pictures, else the last."""
    if isinstance(target, Tensor) and not target.is_floating_point() and t.dim() > 1:
        return t.dim() - 1 if t.shape[:-1] == target.shape else 1
    return 1 if t.dim() > 3 else max(t.dim() - 1, 0)


def _shape(t: Tensor, dim: int) -> list[int]:
    return [n if d == dim and t.dim() > 1 else 1 for d, n in enumerate(t.shape)]


def _tried(loss_at: Any, constants: list[Tensor]) -> float | None:
    try:
        value = loss_at(constants).item()
    except (RuntimeError, ValueError, TypeError, IndexError):
        return None
    return value if math.isfinite(value) else None


def _minimised(loss_at: Any, start: list[Tensor]) -> tuple[float | None, float]:
    """Return the least loss over constant outputs, and how steep it still is."""
    from scipy.optimize import minimize  # torch's optimisers take a second to import

    best = _tried(loss_at, start)
    if best is None:
        return None, 0.0
    sizes = [c.numel() for c in start]

    def with_slope(flat: Any) -> tuple[float, Any]:
        parts = torch.split(torch.as_tensor(flat), sizes)
        constants = [
            part.to(c).reshape(c.shape).requires_grad_()
            for part, c in zip(parts, start, strict=True)
        ]
        value = loss_at(constants)
        slopes = torch.autograd.grad(value, constants, allow_unused=True)
        flat_slopes = [
            (c if g is None else g).detach().double().flatten() * (g is not None)
            for g, c in zip(slopes, constants, strict=True)
        ]
        return value.item(), torch.cat(flat_slopes).numpy()

    first = torch.cat([c.detach().double().flatten() for c in start]).numpy()
    try:
        found = minimize(with_slope, first, jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    except (RuntimeError, ValueError, TypeError, IndexError):
        return best, 0.0
    if not math.isfinite(found.fun):
        return best, math.inf
    return min(best, float(found.fun)), float(abs(found.jac).sum())


def _wants_values(output: Any, tensors: list[Tensor], target: Any, loss_of: Any, best: Any) -> bool:
    """Say whether the loss is least where the output equals the target."""
    if not isinstance(target, Tensor) or not target.is_floating_point() or best is None:
        return False
    fitting = [t for t in tensors if t.numel() == target.numel()]
    if not fitting:
        return False
    t = fitting[0]
    hit = _tried(
        lambda c: loss_of(_replaced(output, {id(t): c[0]}), target), [target.reshape(t.shape).to(t)]
    )
    if hit is None or hit > best:
        return False
    sure = torch.where(target > target.mean(), 20.0, -20.0).reshape(t.shape).to(t)
    beyond = _tried(lambda c: loss_of(_replaced(output, {id(t): c[0]}), target), [sure])
    return beyond is None or beyond > hit - 1e-6 * abs(best)


def _replaced(output: Any, made: dict[int, Tensor]) -> Any:
    """Return what a model emits with other tensors in it."""

    def change(t: Tensor) -> Tensor:
        return made.get(id(t), t)

    if isinstance(output, (Tensor, tuple, list)):
        return map_tensors(change, output)
    twin = copy.copy(output)
    if isinstance(output, Mapping):
        for key, item in output.items():
            twin[key] = map_tensors(change, item)
    elif hasattr(output, "__dict__"):
        for key, item in vars(output).items():
            setattr(twin, key, map_tensors(change, item))
    return twin
