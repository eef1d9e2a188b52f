"""What is noted of a network while it trains?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from initlab.data import Batch
from initlab.experiments.history import Record, Regions
from initlab.experiments.scores import Loss, default_loss, regions
from initlab.experiments.stack import Stack, Watch
from initlab.experiments.together import Losses
from initlab.probe import Probe, Trace, distinct_rows, rank
from initlab.probe.recorder import Numbers
from initlab.probe.run import traced
from initlab.probe.side_by_side import SideBySide

TOGETHER = 8  # steps that a stack holds at most


class Observer:
    """What is noted of one network, step by step.

    Args:
        model: The network, in training mode.
        batch: What each trace runs on.
        loss: What it is trained with; None is the usual one.
    """

    def __init__(self, model: nn.Module, batch: Batch, loss: Loss | None = None) -> None:
        self.model, self.batch, self.loss = model, batch, loss or default_loss
        self.probe, self.weights = Probe(model), weights(model)
        self.records: list[Record] = []

    def look(self, step: int) -> None:
        """Note all that can be seen between two updates, and leave no mark."""
        seen = traced(self.model, *self.batch, loss=self.loss, probe=self.probe)
        (ranks,) = _ranks_and_rows([self.weights])
        self.records.append(_record(step, seen, *ranks, regions(self.model, self.batch)))

    def finish(self) -> list[Record]:
        """Return a record of each step that was looked at."""
        return self.records


class LateObserver(Observer):
    """The same for networks that can be stacked, at less than half of the price.

    It keeps the weights of several steps, side by side, and looks at all of them in one pass. The
    loss is the usual one: one of somebody's own may look at the network as it is now.

    Args:
        model: The network, in training mode.
        batch: What each trace runs on.
        looks: How many steps it is looked at, if the run goes on to its end.
    """

    def __init__(self, model: nn.Module, batch: Batch, looks: int) -> None:
        self.room = math.ceil(looks / math.ceil(looks / TOGETHER))  # so that none stays empty
        self.model, self.batch, self.losses = model, batch, Losses(None, batch.y)
        self.parameters, self.weights = list(model.parameters()), weights(model)
        self.passing = SideBySide(model, self.room)
        self.stack = Stack([model] * self.room, Watch(self.passing.emitted, self.passing.returned))
        self.waiting: list[tuple[int, Regions | None]] = []  # step and plane of each place in use
        self.records: list[Record] = []

    def look(self, step: int) -> None:
        """Keep the weights, until there is no more room."""
        with torch.no_grad():
            for kept, parameter in zip(self.stack.values, self.parameters, strict=True):
                kept[len(self.waiting)] = parameter
        self.waiting.append((step, regions(self.model, self.batch)))
        if len(self.waiting) == self.room:
            self.finish()

    def finish(self) -> list[Record]:
        """Look at what was kept."""
        if not self.waiting:
            return self.records
        self.passing.begin(len(self.waiting))
        outputs = self.stack.forward(self.batch.x, training=True)
        losses, gradient = self.losses.and_gradient(outputs, self.batch.y)
        self.stack.backward(gradient)
        held = self._held()
        traces = self.passing.traces(losses[: len(held)].tolist(), held)
        found = _ranks_and_rows(
            [{name: own[weight][0] for name, weight in self.weights.items()} for own in held]
        )
        records = [
            _record(step, seen, *ranks, plane)
            for (step, plane), seen, ranks in zip(self.waiting, traces, found, strict=True)
        ]
        self.records, self.waiting = self.records + records, []
        return self.records

    def _held(self) -> list[Numbers]:
        """Return what the parameters of each network that waits hold: values and gradients."""
        each = [
            zip(stacked.value.unbind(), stacked.gradient.unbind(), strict=True)
            for stacked in self.stack.parameters
        ]
        by_place = islice(zip(*each, strict=True), len(self.waiting))
        return [dict(zip(self.parameters, numbers, strict=True)) for numbers in by_place]


def _record(
    step: int, seen: Trace, ranks: dict[str, float], distinct: dict[str, int], plane: Regions | None
) -> Record:
    return Record(
        step=step,
        trace=seen,
        update_ratio={},
        dead={layer.name: layer.dead for layer in seen if layer.dead is not None},
        saturated={layer.name: layer.saturated for layer in seen if layer.saturated is not None},
        rank=ranks,
        distinct=distinct,
        regions=plane,
    )


def _ranks_and_rows(
    networks: Sequence[dict[str, Tensor]],
) -> list[tuple[dict[str, float], dict[str, int]]]:
    """Find for each network the rank of each weight's matrix, and its number of different rows."""
    matrices = {
        (place, name): weight.detach().flatten(1)
        for place, weights in enumerate(networks)
        for name, weight in weights.items()
    }
    alike: dict[tuple[torch.Size, torch.dtype], list[tuple[int, str]]] = {}
    for key, matrix in matrices.items():
        alike.setdefault((matrix.shape, matrix.dtype), []).append(key)
    ranks = dict.fromkeys(matrices, math.nan)
    for keys in alike.values():  # matrices of one shape in one go
        found = rank(torch.stack([matrices[key] for key in keys])).tolist()
        ranks.update((k, int(r)) for k, r in zip(keys, found, strict=True) if math.isfinite(r))
    distinct = {  # as many directions as rows: then no row is a copy of another
        key: len(matrix) if ranks[key] == len(matrix) else int(distinct_rows(matrix))
        for key, matrix in matrices.items()
    }
    return [
        (
            {name: ranks[place, name] for name in weights},
            {name: distinct[place, name] for name in weights},
        )
        for place, weights in enumerate(networks)
    ]


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights of two and more dimensions, by layer."""
    return {
        name.removesuffix(".weight"): parameter
        for name, parameter in model.named_parameters()
        if parameter.dim() >= 2
    }


@torch.no_grad()
def update_ratios(before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, float]:
    """Return ‖Δw‖/‖w‖ for each layer; 0 where nothing moved, `inf` where weights left 0."""
    moved = torch._foreach_norm(torch._foreach_sub(list(after.values()), list(before.values())))
    sizes = torch._foreach_norm(list(before.values()))
    ratios = {}
    for name, step, size in zip(before, moved, sizes, strict=True):
        by, of = step.item(), size.item()
        ratios[name] = by / of if of else math.inf if by else 0.0
    return ratios
