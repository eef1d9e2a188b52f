"""What is noted of a network while it trains?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

import torch
from torch import Tensor, nn

from initlab.data import Batch
from initlab.experiments.history import Record
from initlab.experiments.loop import default_loss
from initlab.experiments.recipe import Loss
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
        self.probe = Probe(model)
        self.weights: dict[str, Tensor] = {
            name.removesuffix(".weight"): parameter
            for name, parameter in model.named_parameters()
            if parameter.dim() >= 2
        }
        self.records: list[Record] = []
        self.ratios: dict[str, float] = {}  # of the latest update that was measured

    @contextmanager
    def around_update(self, step: int, is_last: bool) -> Iterator[None]:
        """Take a record where one is due, with the update that happens inside."""
        is_due = step % self.every == 0
        if is_due:
            self._look(step)
        if not (is_due or is_last):
            yield
            return
        before = {name: weight.detach().clone() for name, weight in self.weights.items()}
        yield
        self.ratios = _update_ratios(before, self.weights)
        if is_due:
            self.records[-1].update_ratio.update(self.ratios)

    def finish(self, step: int) -> list[Record]:
        """Take the last record, unless this very step has one."""
        if not self.records or self.records[-1].step != step:
            self._look(step)
            self.records[-1].update_ratio.update(self.ratios)
        return self.records

    def _look(self, step: int) -> None:
        trace = traced(self.model, *self.batch, loss=self.loss, probe=self.probe)
        matrices = {name: weight.detach().flatten(1) for name, weight in self.weights.items()}
        ranks = _ranks(matrices)
        record = Record(
            step=step,
            trace=trace,
            update_ratio={},
            dead={layer.name: layer.dead for layer in trace if layer.dead is not None},
            saturated={
                layer.name: layer.saturated for layer in trace if layer.saturated is not None
            },
            rank=ranks,
            distinct={  # as many directions as rows: then no row is a copy of another
                name: len(rows) if ranks[name] == len(rows) else int(distinct_rows(rows))
                for name, rows in matrices.items()
            },
        )
        self.records.append(record)


def _ranks(matrices: dict[str, Tensor]) -> dict[str, float]:
    """Find all ranks; neighbours of one kind go together, which costs half as much."""

    def kind(name: str) -> tuple[object, ...]:
        return matrices[name].shape, matrices[name].dtype, matrices[name].device

    ranks: dict[str, float] = {}
    for _, group in groupby(matrices, kind):
        names = list(group)
        found = rank(torch.stack([matrices[name] for name in names])).tolist()
        ranks |= zip(names, (int(one) if math.isfinite(one) else one for one in found), strict=True)
    return ranks


@torch.no_grad()
def _update_ratios(before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, float]:
    """Return ‖Δw‖/‖w‖ for each layer; 0 where nothing moved, `inf` where weights left 0."""
    moved = torch._foreach_norm(torch._foreach_sub(list(after.values()), list(before.values())))
    sizes = torch._foreach_norm(list(before.values()))
    ratios = {}
    for name, step, size in zip(before, moved, sizes, strict=True):
        by, of = step.item(), size.item()
        ratios[name] = by / of if of else math.inf if by else 0.0
    return ratios
