"""What happened while a network was trained?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from initlab import format
from initlab.arguments import number

if TYPE_CHECKING:
    from initlab.probe import Trace


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """What was seen of the network at one step, before that step's update.

    Args:
        step: How many updates the network had had.
        trace: One forward and backward pass on the same batch every time.
        update_ratio: Layer → ‖Δw‖/‖w‖ of the update that followed; in the last record, of the
            last update. Empty where no update was made.
        dead: Nonlinearity → share of its units that emit 0 for every example of the batch.
        saturated: Bounded nonlinearity (sigmoid, tanh, ...) → share of its outputs in the flat
            part near an end of its range.
        rank: Layer → rank of its weight as a matrix with one row for each unit; `nan` where the
            weight is not finite.
        distinct: Layer → number of different rows of that matrix: 1 means that all units are
            the same.
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
            share: Part of the first step's loss, above 0 and below 1.

        Raises:
            TypeError, ValueError: `share` is no number, or out of its range.

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
