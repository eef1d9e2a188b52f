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


def default_loss(output: Any, target: Tensor) -> Tensor:
    """Cross-entropy for whole-number targets, mean squared error for floating-point ones.

    Raises:
        ValueError: Output and target do not fit each other.
    """
    return each_loss(scores(output), target).mean()


def each_loss(output: Tensor, target: Tensor) -> Tensor:
    """Return the loss of each example, before the mean is taken."""
    if not target.is_floating_point():
        output = output.movedim(class_dim(output, target), 1)
        return F.cross_entropy(output, target, reduction="none")
    if output.shape != target.shape:
        raise ValueError(
            f"data's y must have the shape of the output, {tuple(output.shape)}, "
            f"got {tuple(target.shape)}."
        )
    return F.mse_loss(output, target, reduction="none")


def hits(output: Any, target: Tensor) -> Tensor | None:
    """Return the share of examples whose largest output is the target; None for regression."""
    output = scores(output)
    if target.is_floating_point() or output.dim() != target.dim() + 1:
        return None
    guess = output.argmax(class_dim(output, target))
    share: Tensor = (guess == target).to(output.dtype).mean()
    return share


def scores(output: Any) -> Tensor:
    """Return the tensor that an output is about, as a trace finds it: `logits`, or the first."""
    return output if isinstance(output, Tensor) else logits_of(output)


def class_dim(output: Tensor, target: Tensor) -> int:
    """Find the dimension that holds the classes: the last one, or 1 as for images."""
    return output.dim() - 1 if output.shape[:-1] == target.shape else 1


def evaluate(model: nn.Module, data: Batch, loss: Loss) -> tuple[float, float | None]:
    """Return loss and accuracy on all of the data, in evaluation mode."""
    with mode(model, training=False), torch.no_grad():
        output = model(data.x)
        share = hits(output, data.y)
        return loss(output, data.y).item(), None if share is None else share.item()


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
