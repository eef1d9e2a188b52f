"""How good is a network on a batch? Loss, accuracy, and what it says about a plane of inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.probe.run import logits_of, usual_loss

Loss = Callable[[Any, Tensor], Tensor]
"""(output, target) → scalar."""

IGNORED = -100  # the class that cross-entropy leaves out


def losses_of(output: Any, y: Tensor, loss: Loss | None, *, stacked: bool) -> Tensor:
    """Return the loss of one network, or of each in an ensemble.

    Args:
        output: What the network emits; (S, B, C) for an ensemble.
        y: Targets of the batch.
        loss: (output, target) → scalar; None means `default_loss`.
        stacked: Whether it is an ensemble's output.

    Shape:
        (1,) or (S,).
    """
    if not stacked:
        return (loss or default_loss)(output, y).reshape(1)
    if loss is not None:
        return torch.stack([loss(one, y).reshape(()) for one in output.unbind()])
    if not y.is_floating_point() and y.dim() == 1:  # all in one go
        every = F.cross_entropy(
            output.flatten(0, 1), y.long().repeat(len(output)), reduction="none"
        )
        return every.view(len(output), -1).sum(1) / (y != IGNORED).sum()
    return torch.stack([default_loss(one, y) for one in output.unbind()])


def default_loss(output: Any, target: Tensor) -> Tensor:
    """Cross-entropy for whole-number targets, mean squared error for floating-point ones.

    Raises:
        ValueError: Output and target do not fit each other.
    """
    return usual_loss(logits_of(output), target)


def hits(output: Any, target: Tensor, *, stacked: bool) -> Tensor | None:
    """Return the share of examples whose largest output is the target; None for regression.

    Shape:
        (1,), or (S,) for the output of an ensemble.
    """
    output = output if stacked else logits_of(output)[None]
    if target.is_floating_point() or output.dim() != target.dim() + 2:
        return None
    classes_last = output.shape[1:-1] == target.shape  # else they are first, as for images
    guess = output.argmax(-1 if classes_last else 2)
    share: Tensor = (guess == target).to(output.dtype).flatten(1).mean(1)
    return share


@contextmanager
def mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Put a network into training or evaluation mode, and each module back afterwards."""
    before = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, was in before.items():
            module.training = was
