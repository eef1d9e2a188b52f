"""What is noted of a network while it trains?"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from initlab.data import Batch
from initlab.experiments.history import Record
from initlab.experiments.scores import Loss, default_loss
from initlab.probe import Probe, distinct_rows, rank
from initlab.probe.run import traced


class Recorder:
    """Looks at a network every so many steps, and leaves no mark.

    Args:
        model: The network, in training mode.
        batch: What each trace runs on.
        loss: What it is trained with; None is the usual one.
        every: How many steps lie between two records.
    """

    def __init__(self, model: nn.Module, batch: Batch, loss: Loss | None, every: int) -> None:
        self.model, self.batch, self.loss, self.every = model, batch, loss or default_loss, every
        self.probe, self.weights = Probe(model), _weights(model)
        self.records: list[Record] = []
        self.ratios: dict[str, float] = {}  # of the latest update that was measured

    def before_step(self, step: int) -> None:
        """Take a record where one is due."""
        if step % self.every == 0:
            self._look(step)

    def before_update(self, step: int, last: bool) -> dict[str, Tensor] | None:
        """Copy the weights where the update is to be measured; for `after_update`."""
        if step % self.every and not last:
            return None
        return {name: weight.detach().clone() for name, weight in self.weights.items()}

    def after_update(self, step: int, before: dict[str, Tensor] | None) -> None:
        """Measure the update, and note it in this step's record if there is one."""
        if before is not None:
            self.ratios = update_ratios(before, self.weights)
            if self.records[-1].step == step:
                self.records[-1] = replace(self.records[-1], update_ratio=self.ratios)

    def finish(self, step: int) -> list[Record]:
        """Take the last record, unless this very step has one."""
        if not self.records or self.records[-1].step != step:
            self._look(step)
            self.records[-1] = replace(self.records[-1], update_ratio=self.ratios)
        return self.records

    def _look(self, step: int) -> None:
        self.model.zero_grad()  # so that a trace has no gradient to put back
        trace = traced(self.model, *self.batch, loss=self.loss, probe=self.probe)
        ranks, distinct = _ranks_and_rows(self.weights)
        record = Record(
            step=step,
            trace=trace,
            update_ratio={},
            dead={layer.name: layer.dead for layer in trace if layer.dead is not None},
            saturated={
                layer.name: layer.saturated for layer in trace if layer.saturated is not None
            },
            rank=ranks,
            distinct=distinct,
        )
        self.records.append(record)


def _ranks_and_rows(weights: dict[str, Tensor]) -> tuple[dict[str, float], dict[str, int]]:
    """Find the rank of each weight's matrix, and its number of different rows."""
    matrices = {name: weight.detach().flatten(1) for name, weight in weights.items()}
    ranks = {}
    for name, matrix in matrices.items():
        found = rank(matrix).item()
        ranks[name] = int(found) if math.isfinite(found) else math.nan
    distinct = {  # as many directions as rows: then no row is a copy of another
        name: len(matrix) if ranks[name] == len(matrix) else int(distinct_rows(matrix))
        for name, matrix in matrices.items()
    }
    return ranks, distinct


def _weights(model: nn.Module) -> dict[str, Tensor]:
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
