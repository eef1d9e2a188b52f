"""What came out of many runs? Plain rows, and the median and band over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import median
from typing import Any

from initlab.arguments import choice
from initlab.experiments.history import History
from initlab.format import number

VALUES = ("accuracy", "loss")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One network with one seed.

    Args:
        settings: What it was: scheme, and in a sweep also depth, width, activation, ...
        seed: Decided its weights.
        history: How it trained.
    """

    settings: dict[str, Any]
    seed: int
    history: History

    def row(self) -> dict[str, Any]:
        """Return one flat dict: settings, seed, and loss and accuracy on all of the data."""
        return {
            **self.settings,
            "seed": self.seed,
            "loss": self.history.final_loss,
            "accuracy": self.history.final_accuracy,
            "stopped": self.history.stopped,
        }


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Many runs, in the order of their settings.

    Args:
        runs: One for each point and seed.
        stopped: Why some are missing ("interrupted: 12 of 40 runs are done"), or None.
    """

    runs: list[Run] = field(default_factory=list)
    stopped: str | None = None

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def rows(self) -> list[dict[str, Any]]:
        """Return one plain dict for each run, as `pandas.DataFrame` takes them."""
        return [run.row() for run in self.runs]

    def bands(self) -> list[dict[str, Any]]:
        """Return one plain dict for each point: median, lowest and highest over its seeds."""
        points = groupby(self.runs, lambda run: run.settings)
        return [{**settings, **_band(list(runs))} for settings, runs in points]

    def by(self, *settings: str) -> dict[str, list[History]]:
        """Return label → histories of all runs that agree in some settings.

        Args:
            *settings: Their names, such as "scheme"; none means all that vary.

        Raises:
            ValueError: A name is no setting.
        """
        chosen = settings or self._varying()
        groups: dict[str, list[History]] = {}
        for run in self.runs:
            for name in chosen:
                choice("setting", name, run.settings)
            groups.setdefault(_label(run.settings, chosen), []).append(run.history)
        return groups

    def plot(self, **options: Any) -> Any:
        """Draw the median and the band of each point by step; options of `il.plots.over_time`."""
        from initlab import plots

        return plots.over_time(self.by(), **options)

    def best_rates(self) -> list[dict[str, Any]]:
        """Return, for each seed of each point, the row of the learning rate with the lowest loss.

        Points whose runs have all diverged are left out.
        """
        best: dict[str, dict[str, Any]] = {}
        for run in self.runs:
            row, key = run.row(), repr(run.settings | {"lr": None, "seed": run.seed})
            if row["loss"] < best.get(key, {"loss": math.inf})["loss"]:
                best[key] = row
        return list(best.values())

    def plot_best_rate(self, x: str = "width", *, by: str = "optimizer", **options: Any) -> Any:
        """Draw the best learning rate against a setting, with a band over seeds.

        Args:
            x: The setting along the axis, such as "width" or "depth".
            by: What each line stands for, such as "optimizer" or "scheme".
            **options: More, as `il.plots.against` takes them.
        """
        from initlab import plots

        rows = self.best_rates()
        ax = plots.against(rows, x, y="lr", by=by, log=True, **options)
        ax.set_ylabel("best learning rate")
        if x == "width":  # what changes by a factor is seen on a log axis only
            widths = sorted({row["width"] for row in rows})
            ax.set_xscale("log")
            ax.set_xticks(widths, map(str, widths))
            ax.set_xticks([], minor=True)
        return ax

    def __repr__(self) -> str:
        lines = [f"{len(self.runs)} runs" + (f"; {self.stopped}" if self.stopped else "")]
        for band in self.bands():
            said = ", ".join(f"{value} {_span(band, value)}" for value in VALUES if value in band)
            lost = f"; {band['stopped']} of {band['seeds']} stopped early" * bool(band["stopped"])
            lines.append(f"  {_label(band, self._varying())}: {said}{lost}")
        return "\n".join(lines)

    def _varying(self) -> tuple[str, ...]:
        """Return the settings that tell the points apart; the scheme is always one."""
        known = self.runs[0].settings if self.runs else {}
        values = {name: {str(run.settings[name]) for run in self.runs} for name in known}
        return tuple(name for name in known if name == "scheme" or len(values[name]) > 1)


def _band(runs: list[Run]) -> dict[str, Any]:
    band: dict[str, Any] = {"seeds": len(runs)}
    for value in VALUES:
        numbers = [run.row()[value] for run in runs]
        if None not in numbers:
            ordered = [math.inf if math.isnan(one) else one for one in numbers]  # the worst
            band[value] = median(ordered)
            band |= {f"{value}_low": min(ordered), f"{value}_high": max(ordered)}
    return band | {"stopped": sum(run.history.stopped is not None for run in runs)}


def _label(settings: dict[str, Any], names: Sequence[str]) -> str:
    parts = [str(settings[n]) if n == "scheme" else f"{n} {settings[n]}" for n in names]
    return ", ".join(parts)


def _span(band: dict[str, Any], value: str) -> str:
    middle, low, high = (number(band[value + end], 3) for end in ("", "_low", "_high"))
    return middle if low == high else f"{middle} ({low} to {high})"
