"""How is one step taken? The training loop of every run, for one network or for an ensemble."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from initlab.data import Batch
from initlab.experiments.ensemble import Ensemble
from initlab.experiments.recipe import Recipe
from initlab.experiments.scores import hits, losses_of, mode


class Scores(NamedTuple):
    """How good each network is on a batch.

    Args:
        losses: One for each network; a network alone is the first.
        accuracies: The same; None each where targets are no classes.
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
        output = self.network(batch.x)
        losses = self._losses(output, batch.y)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        found = self._scores(losses, output, batch.y)
        for place, loss in enumerate(found.losses):
            if not math.isfinite(loss) and place not in self.lost:
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
            output = self.network(data.x)
            return self._scores(self._losses(output, data.y), output, data.y)

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

    def _losses(self, output: Any, y: Tensor) -> Tensor:
        return losses_of(output, y, self.recipe.loss, stacked=self.ensemble is not None)

    def _scores(self, losses: Tensor, output: Any, y: Tensor) -> Scores:
        with torch.no_grad():
            shares = hits(output, y, stacked=self.ensemble is not None)
        nothing: list[float | None] = [None] * self.count
        return Scores(losses.tolist(), nothing if shares is None else shares.tolist())
