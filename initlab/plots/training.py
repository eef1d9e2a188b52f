"""What happens over the steps of a training run?"""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from initlab.plots import records
from initlab.plots.axes import at_edge, axes, legend, log_axis
from initlab.plots.figure import say
from initlab.plots.records import number
from initlab.plots.style import INK, THEORY, Look, looks, themed

LABELS = {
    "loss": "loss (nats if cross-entropy)",
    "accuracy": "accuracy (share that is right)",
    "lr": "learning rate (no unit)",
}
FAR = 3  # times higher than all that trains: what diverges leaves the picture
COUNTED = {"rank": "rank of the weight", "distinct": "distinct rows of the weight"}


class Band(NamedTuple):
    """Several runs of one kind: at each step the median, the lowest and the highest."""

    steps: NDArray[np.float64]
    middle: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    runs: int
    stopped: list[int]


@themed()
def over_time(
    history: Any,
    *,
    y: str = "loss",
    predicted: float | Mapping[str, float] | None = None,
    log: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw loss or accuracy against the step; several runs of one kind become a line and a band.

    The line is the median of the runs, the band reaches from the lowest to the highest. A run that
    ends early or stops being finite is marked by a cross on the upper edge, and said in words.

    Args:
        history: What `il.train` returns, or rows (dicts with "step" and `y`); a list of them is
            several runs of one kind (seeds), a dict gives each kind its name.
        y: Which value of a row: "loss", "accuracy", "lr", or another key that the rows have.
        predicted: Theory's value (or name → value): a dashed horizontal line, such as ln C for the
            loss at the start, or 1/C for the accuracy of chance.
        log: Whether the y axis is logarithmic.
        ax: Axes to draw on; None makes a figure.

    Returns:
        The axes that were drawn on.

    Raises:
        TypeError: `history` is neither a history nor rows.
        ValueError: `y` is no key of the rows, or there is nothing to draw.

    >>> from initlab.plots import explain
    >>> rows = [{"step": 0, "loss": 2.3}, {"step": 1, "loss": 1.1}]
    >>> explain(over_time({"normal": rows}, predicted={"ln 10": 2.3026}))
    'loss over 2 steps. normal: 2.3 to 1.1. ln 10: 2.3 (theory).'
    """
    kinds = {name: _runs(runs, y) for name, runs in _named(history).items()}
    last = max(run[-1][0] for runs in kinds.values() for run in runs)
    bands = {name: _band(runs, last) for name, runs in kinds.items()}
    ax = axes(ax)
    style = looks(bands)
    for place, (name, band) in enumerate(bands.items()):
        _line(ax, band, style[name], name or "measured", place)
    rules = _rules(predicted)
    for (label, value), dashes in zip(rules.items(), itertools.cycle(["--", "-.", ":"])):
        ax.axhline(value, linestyle=dashes, linewidth=2, color=THEORY, label=f"{label} (theory)")
    ax.set(xlabel="step (updates)", ylabel=LABELS.get(y, y))
    _y_axis(ax, y, log, bands, rules)
    if "" not in bands or rules or any(band.stopped for band in bands.values()):
        legend(ax)
    words = [(f"{name}: " if name else "") + _words(band) for name, band in bands.items()]
    words += [f"{label}: {number(value)} (theory)." for label, value in rules.items()]
    say(ax, " ".join([f"{y} over {last + 1} steps.", *words]))
    return ax


@themed()
def ranks(
    history: Any,
    *,
    quantity: str = "rank",
    layers: Sequence[str] | str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the rank of every weight matrix over the steps: a table whose cells are shaded.

    Equal units make equal rows, and equal rows make a matrix of rank 1; if training breaks the
    symmetry, the numbers grow.

    Args:
        history: What `il.train(..., record_every=k)` returns.
        quantity: "rank", or "distinct" for the number of different rows.
        layers: Names of the layers to draw; None draws all that have a weight.
        ax: Axes to draw on; None makes a figure.

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: Nothing was recorded, or a name is unknown.
    """
    if quantity not in COUNTED:
        raise ValueError(f"quantity must be 'rank' or 'distinct', got {quantity!r}.")
    seen = getattr(history, "records", None)
    if not seen:
        raise ValueError(
            f"history holds no records: train with il.train(..., record_every=10), got {history!r}."
        )
    known = list(getattr(seen[0], quantity))
    names = _chosen(known, layers)
    steps = [record.step for record in seen]
    table = np.array(
        [[getattr(record, quantity)[name] for record in seen] for name in names], float
    )
    ax = axes(ax, height=1.6 + 0.5 * len(names))
    _table(ax, table, steps, names)
    ax.set(xlabel="step (updates)", title=COUNTED[quantity])
    lines = [f"{name} {_change(row)}" for name, row in zip(names, table, strict=True)]
    say(ax, f"{COUNTED[quantity]}, step {steps[0]} to {steps[-1]}: {', '.join(lines)}.")
    return ax


def _named(history: Any) -> dict[str, Any]:
    return records.named(history) if isinstance(history, Mapping) else {"": history}


def _runs(runs: Any, y: str) -> list[list[tuple[int, float]]]:
    """One kind → its runs, each a list of (step, value)."""
    one = hasattr(runs, "rows") or (bool(runs) and isinstance(_first(runs), Mapping))
    return [_values(run, y) for run in ([runs] if one else _as_list(runs))]


def _first(runs: Any) -> Any:
    return runs[0] if isinstance(runs, Sequence) else None


def _as_list(runs: Any) -> list[Any]:
    if not isinstance(runs, Sequence) or isinstance(runs, str):
        raise TypeError(
            "history must be what il.train returns, rows with a 'step', or a dict or list of such, "
            f"got {runs!r} of type {type(runs).__name__}."
        )
    if not runs:
        raise ValueError("history holds no steps: train for at least one.")
    return list(runs)


def _values(run: Any, y: str) -> list[tuple[int, float]]:
    rows = _as_list(run.rows() if hasattr(run, "rows") else run)
    keys = [key for key, value in rows[0].items() if value is not None]
    if y not in keys or "step" not in keys:
        near = difflib.get_close_matches(y, keys, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"y={y!r} is in no row: they hold {', '.join(map(repr, keys))}.{hint}")
    return [(int(row["step"]), float(row[y])) for row in rows]


def _band(runs: list[list[tuple[int, float]]], last: int) -> Band:
    """Take median and extremes at each step; a run that has ended is no longer counted."""
    steps = sorted({step for run in runs for step, _ in run})
    table = np.full((len(runs), len(steps)), math.nan)
    column = {step: place for place, step in enumerate(steps)}
    for row, run in zip(table, runs, strict=True):
        for step, value in run:
            row[column[step]] = value if math.isfinite(value) else math.nan
    ends = [run[-1][0] if run[-1][0] < last else _last_finite(run) for run in runs]
    alive = np.isfinite(table).any(axis=0)
    middle, low, high = (np.full(len(steps), math.nan) for _ in range(3))
    middle[alive] = np.nanmedian(table[:, alive], axis=0)
    low[alive], high[alive] = np.nanmin(table[:, alive], axis=0), np.nanmax(table[:, alive], axis=0)
    stopped = [end for end in ends if end < last]
    return Band(np.array(steps, float), middle, low, high, len(runs), stopped)


def _last_finite(run: list[tuple[int, float]]) -> int:
    return max((step for step, value in run if math.isfinite(value)), default=run[0][0])


def _line(ax: Axes, band: Band, look: Look, name: str, place: int) -> None:
    every = max(1, len(band.steps) // 8)
    start = min(place * every // 4, len(band.steps) - 1)  # markers of two lines stand apart
    label = name + (f"\n  {_stops(band)}" if band.stopped else "")
    ax.plot(band.steps, band.middle, label=label, zorder=3, markevery=(start, every), **look.dot)
    if band.runs > 1:
        ax.fill_between(band.steps, band.low, band.high, color=look.colour, alpha=0.2, linewidth=0)
    at_edge(ax, band.stopped, top=True, marker="x", color=look.colour, markersize=10,
            markeredgewidth=3)  # fmt: skip


def _stops(band: Band) -> str:
    where = ", ".join(map(str, sorted(band.stopped)[:3]))
    of = f" ({len(band.stopped)} of {band.runs} runs)" if band.runs > 1 else ""
    return f"ends at step {where}{of}"


def _rules(predicted: float | Mapping[str, float] | None) -> dict[str, float]:
    if predicted is None:
        return {}
    return dict(predicted) if isinstance(predicted, Mapping) else {"expected": float(predicted)}


def _y_axis(
    ax: Axes, y: str, log: bool, bands: Mapping[str, Band], rules: Mapping[str, float]
) -> None:
    if log:
        seen = np.concatenate([np.r_[band.low, band.high] for band in bands.values()])
        log_axis(ax, [*seen[seen > 0], *(value for value in rules.values() if value > 0)])
    elif y == "accuracy":
        ax.set_ylim(0, 1.03)
    else:
        _leave_out_what_diverged(ax, list(bands.values()), list(rules.values()))


def _leave_out_what_diverged(ax: Axes, bands: list[Band], rules: list[float]) -> None:
    """Let a kind whose runs all ended early leave the picture, if it would flatten the rest."""
    kept = [band.high for band in bands if len(band.stopped) < band.runs]
    if not kept or len(kept) == len(bands):
        return
    top = max([*(float(np.nanmax(highest)) for highest in kept), *rules])
    low, high = ax.get_ylim()
    if high > FAR * top > 0:
        ax.set_ylim(max(low, -0.05 * top), 1.1 * top)


def _words(band: Band) -> str:
    finite = band.middle[np.isfinite(band.middle)]
    said = f"{number(finite[0])} to {number(finite[-1])}" if len(finite) else "never finite"
    if band.runs > 1 and len(finite):
        ends = f"{number(band.low[-1])} to {number(band.high[-1])}"
        said += f" (median of {band.runs} runs; at the end {ends})"
    return said + (f"; {_stops(band)}" if band.stopped else "") + "."


def _chosen(known: list[str], layers: Sequence[str] | str | None) -> list[str]:
    wanted = known if layers is None else [layers] if isinstance(layers, str) else list(layers)
    for name in wanted:
        if name not in known:
            raise ValueError(
                f"layers={name!r} is no layer with a weight: they are {', '.join(known)}."
            )
    return wanted


def _table(ax: Axes, table: NDArray[np.float64], steps: list[int], names: list[str]) -> None:
    ax.grid(False)
    highest = np.nanmax(table, initial=1.0)
    ax.imshow(table, cmap="Blues", vmin=0, vmax=max(8, 1.6 * highest), aspect="auto")
    every = -(-len(steps) // 14)
    for line, row in enumerate(table):
        for column in range(0, len(steps), every):
            word = "nan" if math.isnan(row[column]) else f"{row[column]:.0f}"
            ax.text(column, line, word, ha="center", va="center", color=INK)
    ax.set_xticks(range(0, len(steps), every), [str(step) for step in steps[::every]])
    ax.set_yticks(range(len(names)), names)


def _change(row: NDArray[np.float64]) -> str:
    first, last = (("nan" if math.isnan(one) else f"{one:.0f}") for one in (row[0], row[-1]))
    return f"{first}" if first == last else f"{first} to {last}"
