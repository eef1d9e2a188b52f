"""How good is a network on a batch? Loss, accuracy, and what it says about a plane of inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.data import Batch
from initlab.experiments.history import Regions
from initlab.probe.run import logits_of

Loss = Callable[[Any, Tensor], Tensor]
"""(output, target) → scalar."""

GRID = 80  # points along each side of a plane
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
        every = F.cross_entropy(output.flatten(0, 1), y.repeat(len(output)), reduction="none")
        return every.view(len(output), -1).sum(1) / (y != IGNORED).sum()
    return torch.stack([default_loss(one, y) for one in output.unbind()])


def default_loss(output: Any, target: Tensor) -> Tensor:
    """Cross-entropy for whole-number targets, mean squared error for floating-point ones.

    Raises:
        ValueError: Output and target do not fit each other.
    """
    output = scores(output)
    if not target.is_floating_point():
        return F.cross_entropy(output.movedim(class_dim(output, target), 1), target)
    if output.shape != target.shape:
        raise ValueError(
            f"data's y must have the shape of the output, {tuple(output.shape)}, "
            f"got {tuple(target.shape)}."
        )
    return F.mse_loss(output, target)


def hits(output: Any, target: Tensor, *, stacked: bool) -> Tensor | None:
    """Return the share of examples whose largest output is the target; None for regression.

    Shape:
        (1,), or (S,) for the output of an ensemble.
    """
    output = scores(output) if stacked else scores(output)[None]
    if target.is_floating_point() or output.dim() != target.dim() + 2:
        return None
    guess = output.argmax(1 + class_dim(output[0], target))
    share: Tensor = (guess == target).to(output.dtype).flatten(1).mean(1)
    return share


def scores(output: Any) -> Tensor:
    """Return the tensor that an output is about, as a trace finds it: `logits`, or the first."""
    return output if isinstance(output, Tensor) else logits_of(output)


def class_dim(output: Tensor, target: Tensor) -> int:
    """Find the dimension that holds the classes: the last one, or 1 as for images."""
    return output.dim() - 1 if output.shape[:-1] == target.shape else 1


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


def regions(model: nn.Module, data: Batch) -> Regions | None:
    """Ask a network for the class of every point of a plane, if its inputs are points."""
    if data.x.shape[1:] != (2,) or data.y.is_floating_point():
        return None
    low, high = data.x.amin(0), data.x.amax(0)
    room = 0.1 * (high - low)
    shares = torch.linspace(0, 1, GRID).to(data.x)[:, None]
    axes = (low - room + shares * (high - low + 2 * room)).unbind(1)
    plane = torch.cartesian_prod(*axes)
    with mode(model, training=False), torch.no_grad():
        classes = scores(model(plane)).argmax(-1)
    return Regions(
        x=axes[0].cpu().numpy(),
        y=axes[1].cpu().numpy(),
        classes=classes.reshape(GRID, GRID).T.cpu().numpy(),
        points=data.x.cpu().numpy(),
        labels=data.y.cpu().numpy(),
    )
