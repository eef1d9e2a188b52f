"""How is one step taken? The training loop of every run, for one network or for an ensemble."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.data import Batch
from initlab.experiments.ensemble import Ensemble
from initlab.experiments.recipe import Recipe
from initlab.probe.run import logits_of, usual_loss


class Scores(NamedTuple):
    """How good each network is on a batch; accuracies are None where targets are no classes."""

    losses: list[float]
    accuracies: list[float | None]


class Saved(NamedTuple):
    """All that the steps after a certain one depend on, apart from the batches."""

    done: int
    network: dict[str, Any]
    optimizer: dict[str, Any]
    lost: dict[int, int]


class Loop:
    """One network or an ensemble, in training mode: `gradients` of a batch, then `update`, ...

    A network whose loss is no number any more is lost: it gets no further update, so that it stays
    as `il.train` leaves it, and the others go on. An optimizer of somebody's own has its own rates.
    """

    def __init__(
        self, network: nn.Module, recipe: Recipe, optimizer: torch.optim.Optimizer | None = None
    ) -> None:
        self.network, self.recipe = network, recipe
        self.ensemble = network if isinstance(network, Ensemble) else None
        self.count = self.ensemble.count if self.ensemble else 1
        self.optimizer = optimizer or recipe.optimizer_for(network)
        self.done = 0  # updates so far
        self.lr = math.nan  # of the latest step
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
            for place in self.lost:
                self.ensemble.put(place, self._held[place])

    def scores(self, data: Batch) -> Scores:
        """Return loss and accuracy on all of the data, in evaluation mode."""
        with mode(self.network, training=False), torch.no_grad():
            return self._run(data)[1]

    def save(self) -> Saved:
        """Copy all that the next steps depend on."""
        state = self.network.state_dict(), self.optimizer.state_dict()
        return copy.deepcopy(Saved(self.done, *state, self.lost))

    def restore(self, saved: Saved) -> None:
        """Go back to where `save` was called."""
        self.done, network, optimizer, self.lost = copy.deepcopy(saved)
        self.network.load_state_dict(network)
        self.optimizer.load_state_dict(optimizer)

    def _run(self, batch: Batch) -> tuple[Tensor, Scores]:
        """Run forwards; return the losses to differentiate, and the scores."""
        output, y = self.network(batch.x), batch.y
        are_classes = y.dim() == 1 and not y.is_floating_point()
        if self.ensemble and self.recipe.loss is None and are_classes:  # all in one go
            rows, targets = output.flatten(0, 1), y.long().repeat(self.count)
            every = F.cross_entropy(rows, targets, reduction="none").view(self.count, -1)
            losses = every.sum(1) / (y != -100).sum()  # the class that cross-entropy leaves out
        else:
            loss = self.recipe.loss or default_loss
            outputs = output.unbind() if self.ensemble else [output]
            losses = torch.stack([loss(one, y).reshape(()) for one in outputs])
        with torch.no_grad():
            shares = _hits(output if self.ensemble else logits_of(output)[None], y)
        return losses, Scores(losses.tolist(), shares or [None] * self.count)


def default_loss(output: Any, target: Tensor) -> Tensor:
    """Cross-entropy for whole-number targets, mean squared error for floating-point ones."""
    return usual_loss(logits_of(output), target)


def _hits(output: Tensor, target: Tensor) -> list[float | None]:
    """Return each network's share of examples whose largest output is the target, if any has one.

    Shape:
        output (S, B, C, ...) or (S, B, ..., C).
    """
    if target.is_floating_point() or output.dim() != target.dim() + 2:
        return []
    classes_last = output.shape[1:-1] == target.shape  # else they are first, as for images
    guess = output.argmax(-1 if classes_last else 2)
    shares: list[float | None] = (guess == target).to(output.dtype).flatten(1).mean(1).tolist()
    return shares


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
