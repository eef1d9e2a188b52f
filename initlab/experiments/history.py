"""What happened while a network was trained, and how is it noted?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from initlab import format
from initlab.arguments import number
from initlab.data import Batch
from initlab.experiments.loop import default_loss
from initlab.experiments.recipe import Loss
from initlab.probe import Probe, Trace, distinct_rows, rank
from initlab.probe.run import traced


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """What was seen of the network at one step, before that step's update.

    Args:
        step: How many updates the network had had.
        trace: One forward and backward pass on the same batch every time.
        update_ratio: Layer → ‖Δw‖/‖w‖ of the update that followed; in the last record, of the
            last update. Empty where no update was made.
        dead: Nonlinearity → share of its units that emit 0 for every example of the batch.
        saturated: Bounded nonlinearity → share of its outputs near an end of its range.
        rank: Layer → rank of its weight with one row for each unit; `nan` where not finite.
        distinct: Layer → number of different rows: 1 means that all units are the same.
    """

    step: int
    trace: Trace
    update_ratio: dict[str, float]
    dead: dict[str, float]
    saturated: dict[str, float]
    rank: dict[str, float]
    distinct: dict[str, int]


@dataclass(kw_only=True)
class History:
    """A training run as plain numbers.

    Args:
        loss: Loss on the batch of each step, before its update.
        accuracy: Share of that batch that was right; None for regression.
        lr: Learning rate of each step.
        records: What `record_every` asked for, in order.
        final_loss: Loss on all of the data after the run, in evaluation mode.
        final_accuracy: Accuracy on all of the data after the run; None for regression.
        stopped: Why the run ended early ("diverged at step 12: the loss is nan"), or None.
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] | None = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    final_loss: float = float("nan")
    final_accuracy: float | None = None
    stopped: str | None = None

    def __repr__(self) -> str:
        accuracy = ""
        if self.final_accuracy is not None:
            accuracy = f", accuracy {format.number(self.final_accuracy, 3)}"
        loss = format.number(self.final_loss, 4)
        end = f"; {self.stopped}" if self.stopped else ""
        return f"<History: {len(self.loss)} steps, loss {loss}{accuracy}{end}>"

    def note(self, loss: float, accuracy: float | None, lr: float) -> None:
        """Add one step."""
        self.loss.append(loss)
        self.lr.append(lr)
        if self.accuracy is not None and accuracy is not None:
            self.accuracy.append(accuracy)

    def steps_to(self, share: float) -> int | None:
        """Return after how many updates the loss was first below a share of its start, or None.

        Args:
            share: Part of the first step's loss.

        Raises:
            TypeError: `share` is no number.
            ValueError: It is not above 0 and below 1.

        >>> History(loss=[8.0, 2.0, 0.5, 0.1]).steps_to(0.1)
        2
        """
        number("share", share, low=0, high=1, open_=True)
        below = (step for step, loss in enumerate(self.loss) if loss < share * self.loss[0])
        return next(below, None)

    def rows(self) -> list[dict[str, Any]]:
        """Return one plain dict for each step, as `pandas.DataFrame` takes them."""
        accuracy = self.accuracy if self.accuracy is not None else [None] * len(self.loss)
        return [
            {"step": step, "loss": loss, "accuracy": share, "lr": lr}
            for step, (loss, share, lr) in enumerate(zip(self.loss, accuracy, self.lr, strict=True))
        ]

    def plot(self, **options: Any) -> Any:
        """Draw the loss by step; the options are those of `il.plots.over_time`."""
        from initlab import plots

        return plots.over_time(self, **options)


class Recorder:
    """Looks at a network in training mode every so many steps, and leaves no mark."""

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

    def kind(item: tuple[str, Tensor]) -> tuple[object, ...]:
        return item[1].shape, item[1].dtype, item[1].device

    ranks: dict[str, float] = {}
    for _, group in groupby(matrices.items(), kind):
        names, alike = zip(*group, strict=True)
        found = rank(torch.stack(alike)).tolist()
        ranks |= zip(names, (int(one) if math.isfinite(one) else one for one in found), strict=True)
    return ranks


@torch.no_grad()
def _update_ratios(before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, float]:
    """Return ‖Δw‖/‖w‖ for each layer; 0 where nothing moved, `inf` where weights left 0."""
    old, new = list(before.values()), list(after.values())
    moved = torch.stack(torch._foreach_norm(torch._foreach_sub(new, old)))
    sizes = torch.stack(torch._foreach_norm(old))
    return dict(zip(before, torch.where(moved > 0, moved / sizes, moved).tolist(), strict=True))
