"""What is a loss compared with? The loss of an output that knows nothing of the input.

It depends on the loss function and the targets, never on the network, so that a sick network
cannot hide in its own unit.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from initlab.probe.run import Loss, logits_of, outputs_of, own_loss
from initlab.probe.tensors import map_tensors

SAME = 1e-9  # of their mean square: targets that vary less are one number
STEPS = 20  # of L-BFGS
MANY = 4_000_000  # numbers in an output; with more, only the output 0 is tried

_MISFITS = (RuntimeError, ValueError, TypeError, IndexError)  # of a loss and what it is given
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
        zero: The loss of the output 0, or None.
        why_not: Why `unit` is None.
    """

    unit: float | None
    values: bool = False
    zero: float | None = None
    why_not: str = ""


def guess(
    output: Any, x: Any, target: Any, value: float, loss: Loss | None, function: str
) -> Guess:
    """Find the loss of a guess.

    Args:
        output: What the model emitted.
        x: The batch, which may hold the labels.
        target: What the loss compares with, or None.
        value: The loss of the network.
        loss: The caller's loss function, or None.
        function: The last function before the output, from the graph: constant outputs go
            through it, since the loss may need its range.
    """
    if loss is not None:
        with torch.enable_grad():
            return _numerically(output, target, loss, function)
    if own_loss(output) is not None:
        if target is None and isinstance(x, Mapping):
            target = x.get("labels")
        return _of_own_loss(output, target, value)
    if target is None:
        return Guess(None, why_not="no target and no loss were given")
    return _usual(logits_of(output), target)


def _usual(logits: Tensor, target: Tensor) -> Guess:
    """Return that of the losses that need no name: ln C, or the variance of the targets."""
    if not target.numel():
        return Guess(None, why_not="the target is empty")
    if not target.is_floating_point():
        classes = logits.shape[-1] if logits.shape[:-1] == target.shape else logits.shape[1]
        return Guess(math.log(classes) or None, zero=math.log(classes))
    values = target.double()
    zero = values.square().mean().item()
    return _of_values((values - values.mean(0)).square().mean().item(), zero)


def _of_values(best: float, zero: float | None) -> Guess:
    """Return that of targets that are values, of which `best` is left by a constant output."""
    if not best > SAME * max(best, zero or 0.0):
        return Guess(None, True, zero, "all targets are the same")
    return Guess(best, True, zero)


def _of_own_loss(output: Any, target: Any, value: float) -> Guess:
    if isinstance(target, Tensor):
        try:
            logits = logits_of(output)
            scores = target.is_floating_point() and logits.shape == target.shape
            if scores and math.isclose(
                F.binary_cross_entropy_with_logits(logits, target).item(), value, rel_tol=1e-3
            ):
                return Guess(math.log(2), zero=math.log(2))
            return _usual(logits, target)
        except _MISFITS:
            pass
    return Guess(None, why_not="the model computes its loss by itself")


def _numerically(output: Any, target: Any, loss: Loss, function: str) -> Guess:
    tensors = [t for t in outputs_of(output) if t.numel()]
    columns = [column_of(t, target) for t in tensors]
    apply: Callable[[Tensor, int], Tensor] = _FUNCTION.get(function, lambda c, dim: c)

    def loss_at(constants: list[Tensor]) -> Tensor:
        made = {
            id(t): apply(c, dim).expand(t.shape)
            for t, c, dim in zip(tensors, constants, columns, strict=True)
        }
        return loss(_replaced(output, made), target).reshape(())

    zeros = [t.new_zeros(_shape(t, dim)) for t, dim in zip(tensors, columns, strict=True)]
    zero = _tried(loss_at, zeros)
    starts = [zeros]
    if isinstance(target, Tensor) and target.is_floating_point() and len(tensors) == 1:
        (t,), (dim,) = tensors, columns
        if target.shape == t.shape:
            others = [d for d in range(t.dim()) if d != dim]
            starts.append([target.mean(others, keepdim=True).to(t) if others else target.to(t)])
    if sum(t.numel() for t in tensors) > MANY:
        best, slope = math.inf if zero is None else zero, 0.0
    else:
        best, slope = min(_minimised(loss_at, start) for start in starts)
    if zero is not None and _wants_values(output, tensors, target, loss, best):
        return _of_values(best, zero)
    if zero is None or not zero > 0:
        near_zero = _tried(loss_at, [0.1 * torch.randn_like(c) for c in zeros])
        zero = near_zero if near_zero is not None and near_zero > 0 else zero
    if zero is not None and zero > 0:
        return Guess(zero, zero=zero)
    if 0 < best < math.inf and slope < 1e-2 * best:
        return Guess(best, zero=zero)
    why_not = "this loss has no smallest value over constant outputs"
    return Guess(None, zero=zero, why_not=why_not)


def column_of(t: Tensor, target: Any) -> int:
    """Say which dimension holds the columns: channels of pictures, else the last."""
    if isinstance(target, Tensor) and not target.is_floating_point() and t.dim() > 1:
        return t.dim() - 1 if t.shape[:-1] == target.shape else 1
    return 1 if t.dim() > 3 else max(t.dim() - 1, 0)


def _shape(t: Tensor, dim: int) -> list[int]:
    return [n if d == dim and t.dim() > 1 else 1 for d, n in enumerate(t.shape)]


def _tried(loss_at: Callable[[Any], Tensor], constants: Any) -> float | None:
    try:
        value = loss_at(constants).item()
    except _MISFITS:
        return None
    return value if math.isfinite(value) else None


def _minimised(
    loss_at: Callable[[list[Tensor]], Tensor], start: list[Tensor]
) -> tuple[float, float]:
    """Return the least loss over constant outputs (∞: it takes none), and how steep it still is."""
    from scipy.optimize import minimize  # torch's optimisers take a second to import

    best = _tried(loss_at, start)
    if best is None:
        return math.inf, 0.0

    def with_slope(flat: Any) -> tuple[float, Any]:
        parts = torch.split(torch.as_tensor(flat), [c.numel() for c in start])
        constants = [
            part.to(c).reshape(c.shape).requires_grad_()
            for part, c in zip(parts, start, strict=True)
        ]
        value = loss_at(constants)
        slopes = torch.autograd.grad(value, constants, materialize_grads=True, allow_unused=True)
        return value.item(), _flat(slopes)

    try:
        found = minimize(
            with_slope, _flat(start), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}
        )
    except _MISFITS:
        return best, 0.0
    if not math.isfinite(found.fun):
        return best, math.inf
    return min(best, float(found.fun)), float(abs(found.jac).sum())


def _flat(tensors: Iterable[Tensor]) -> Any:
    """Join tensors to one vector of numpy."""
    return torch.cat([t.detach().double().flatten() for t in tensors]).cpu().numpy()


def _wants_values(output: Any, tensors: list[Tensor], target: Any, loss: Loss, best: float) -> bool:
    """Say whether the loss is least where the output equals the target."""
    if not isinstance(target, Tensor) or not target.is_floating_point():
        return False
    t = next((t for t in tensors if t.numel() == target.numel()), None)
    if t is None:
        return False

    def loss_at(answer: Tensor) -> Tensor:
        return loss(_replaced(output, {id(t): answer.reshape(t.shape).to(t)}), target)

    hit = _tried(loss_at, target)
    if hit is None or hit > best:
        return False
    beyond = _tried(loss_at, torch.where(target > target.mean(), 20.0, -20.0))
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
