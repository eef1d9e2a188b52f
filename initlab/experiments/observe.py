"""What is noted of a network while it trains?"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from initlab.data import Batch
from initlab.experiments.history import Record
from initlab.experiments.scores import Loss, regions
from initlab.probe import Probe, distinct_rows, rank
from initlab.probe.run import traced


def observe(model: nn.Module, batch: Batch, loss: Loss, *, step: int, probe: Probe) -> Record:
    """Note all that a probe sees of its network between two updates, and leave no mark on it."""
    seen = traced(model, batch.x, batch.y, loss=loss, probe=probe)
    ranks, distinct = _ranks_and_rows(weights(model))
    return Record(
        step=step,
        trace=seen,
        update_ratio={},
        dead={layer.name: layer.dead for layer in seen if layer.dead is not None},
        saturated={layer.name: layer.saturated for layer in seen if layer.saturated is not None},
        rank=ranks,
        distinct=distinct,
        regions=regions(model, batch),
    )


def _ranks_and_rows(weights: dict[str, Tensor]) -> tuple[dict[str, float], dict[str, int]]:
    """Find the rank of each layer's matrix, and its number of different rows."""
    matrices = {name: weight.flatten(1) for name, weight in weights.items()}
    alike: dict[tuple[torch.Size, torch.dtype], list[str]] = {}
    for name, matrix in matrices.items():
        alike.setdefault((matrix.shape, matrix.dtype), []).append(name)
    ranks = dict.fromkeys(matrices, math.nan)
    for names in alike.values():  # matrices of one shape in one go
        found = rank(torch.stack([matrices[name] for name in names])).tolist()
        ranks.update((n, int(r)) for n, r in zip(names, found, strict=True) if math.isfinite(r))
    distinct = {  # as many directions as rows: then no row is a copy of another
        name: len(matrix) if ranks[name] == len(matrix) else int(distinct_rows(matrix))
        for name, matrix in matrices.items()
    }
    return ranks, distinct


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights of two and more dimensions, by layer, without their gradients."""
    return {
        name.removesuffix(".weight"): parameter.detach()
        for name, parameter in model.named_parameters()
        if parameter.dim() >= 2
    }


def update_ratios(before: dict[str, Tensor], model: nn.Module) -> dict[str, float]:
    """Return ‖Δw‖/‖w‖ for each layer; 0 where nothing moved, `inf` where weights left 0."""
    now = weights(model)
    moved = torch._foreach_norm(torch._foreach_sub(list(now.values()), list(before.values())))
    sizes = torch._foreach_norm(list(before.values()))
    return {
        name: (step / size).item() if step else 0.0
        for name, step, size in zip(before, moved, sizes, strict=True)
    }
