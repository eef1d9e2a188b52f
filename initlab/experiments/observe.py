"""What is noted of a network while it trains?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from initlab.data import Batch
from initlab.experiments.history import Record, Regions
from initlab.experiments.scores import Loss, default_loss, regions
from initlab.probe import Probe, Trace, distinct_rows, rank
from initlab.probe.run import traced


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
