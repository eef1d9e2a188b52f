"""How is one step taken? The training loop of every run, for one network or for an ensemble."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.data import Batch
from initlab.experiments.ensemble import Ensemble
from initlab.experiments.recipe import Loss, Recipe
from initlab.probe.run import logits_of, usual_loss

IGNORED = -100  # the class that cross-entropy leaves out


class Scores(NamedTuple):
    """How good each network is on a batch: one loss and one accuracy for each.

    Accuracies are None where targets are no classes.
    """

    losses: list[float]
    accuracies: list[float | None]


@dataclass(frozen=True)
class Saved:
    """All that the steps after a certain one depend on, apart from the batches."""

    done: int
    network: dict[str, Any]
    optimizer: dict[str, Any]
    lost: dict[int, int]


class Loop:
    """Networks on their way: `gradients` runs a batch forwards and backwards, `update` follows.

    A network whose loss is no number any more is lost: it gets no further update, so that it stays
    as `il.train` leaves it, and the others go on.

    Args:
        network: One network, or an ensemble, in training mode. It is trained in place.
        recipe: How it is trained.
        optimizer: Somebody's own, with its own rates; None makes that of the recipe.

    >>> from initlab.data import digits
    >>> from initlab.models import mlp
    >>> recipe, data = Recipe(steps=3, lr=0.1), digits()
    >>> loop = Loop(Ensemble([mlp(depth=2, width=8, seed=seed) for seed in range(4)]), recipe)
    >>> for batch in recipe.batches(data):
    ...     losses, accuracies = loop.gradients(batch)
    ...     loop.update()
    >>> loop.done, len(losses), len(loop.scores(data).accuracies)
    (3, 4, 4)
    """

    def __init__(
        self, network: nn.Module, recipe: Recipe, optimizer: torch.optim.Optimizer | None = None
    ) -> None:
        self.network, self.recipe = network, recipe
        self.ensemble = network if isinstance(network, Ensemble) else None
        self.count = network.count if isinstance(network, Ensemble) else 1
        self.optimizer = optimizer or recipe.optimizer_for(network)
        self.done = 0  # updates so far
        self.lr = recipe.lr_at(0)  # of the latest step
        self.lost: dict[int, int] = {}  # network → the step at which its loss was lost
        self._held: dict[int, list[Tensor]] = {}  # its numbers at that step

    @property
    def going_on(self) -> list[int]:
        """The networks that are not lost."""
        return [place for place in range(self.count) if place not in self.lost]

    def gradients(self, batch: Batch) -> Scores:
        """Leave the gradients of a batch's losses in the parameters; return the scores."""
        self.lr = self.recipe.set_rates(self.optimizer, self.done)
        self.optimizer.zero_grad()
        losses, found = self._run(batch)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        for place in self.going_on:
            if not math.isfinite(found.losses[place]):
                self.lost[place] = self.done
                if self.ensemble:
                    self._held[place] = [n.clone() for n in self.ensemble.numbers(place)]
        self._hold_lost()
        return found

    def update(self) -> None:
        """Take the step: every network but those that are lost."""
        self.optimizer.step()
        self._hold_lost()
        self.done += 1

    def _hold_lost(self) -> None:
        """Undo what a pass (running statistics) or a step has changed in networks that are lost."""
        if self.ensemble:
            for place, numbers in self._held.items():
                self.ensemble.put(place, numbers)

    def scores(self, data: Batch) -> Scores:
        """Return loss and accuracy on all of the data, in evaluation mode."""
        with mode(self.network, training=False), torch.no_grad():
            return self._run(data)[1]

    def save(self) -> Saved:
        """Copy all that the next steps depend on."""
        state = self.network.state_dict(), self.optimizer.state_dict()
        return Saved(self.done, *copy.deepcopy(state), dict(self.lost))

    def restore(self, saved: Saved) -> None:
        """Go back to where `save` was called."""
        self.network.load_state_dict(saved.network)
        self.optimizer.load_state_dict(copy.deepcopy(saved.optimizer))
        self.done, self.lost = saved.done, dict(saved.lost)
        self._held = {place: self._held[place] for place in self.lost if place in self._held}

    def _run(self, batch: Batch) -> tuple[Tensor, Scores]:
        """Run forwards; return the losses to differentiate, and the scores."""
        output, stacked = self.network(batch.x), self.ensemble is not None
        losses = losses_of(output, batch.y, self.recipe.loss, stacked=stacked)
        with torch.no_grad():
            shares = hits(output, batch.y, stacked=stacked)
        accuracies = [None] * self.count if shares is None else shares.tolist()
        return losses, Scores(losses.tolist(), accuracies)


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
