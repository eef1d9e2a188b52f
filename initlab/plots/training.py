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

from initlab.format import number
from initlab.plots import headlines, records
from initlab.plots.axes import Name, at_edge, axes, hidden, log_axis, name_lines
from initlab.plots.figure import tell
from initlab.plots.style import DASHES, INK, Look, looks, ramp, themed

LABELS = {
    "loss": "loss (nats if cross-entropy)",
    "accuracy": "accuracy (share that is right)",
    "lr": "learning rate",
}
FAR = 3  # times higher than all that trains: what diverges leaves the picture
COUNTED = {"rank": "rank of the weight", "distinct": "number of distinct rows of the weight"}
RULE_OF_THUMB = 1e-3


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
    headline: str | None = None,
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
        headline: What is to be seen; None computes it, "" writes none.
        ax: Axes to draw on; None makes a figure.

    Returns:
        The axes that were drawn on.

    Raises:
        TypeError: `history` is neither a history nor rows.
        ValueError: `y` is no key of the rows, or there is nothing to draw.

    >>> from initlab.plots import alt_text
    >>> rows = [{"step": 0, "loss": 2.3}, {"step": 1, "loss": 1.1}]
    >>> alt_text(over_time({"normal": rows}, predicted={"ln 10": 2.3026})).split(". ", 1)[1]
    'loss over 2 steps. normal: 2.3 to 1.1. ln 10: 2.3 (theory).'
    """
    named = records.named(history) if isinstance(history, Mapping) else {"": history}
    kinds = {name: _runs(runs, y) for name, runs in named.items()}
    last = max(run[-1][0] for runs in kinds.values() for run in runs)
    bands = {name: _band(runs, last) for name, runs in kinds.items()}
    rules: dict[str, float] = {}
    if predicted is not None:
        rules |= predicted if isinstance(predicted, Mapping) else {"expected": predicted}
    ax = axes(ax)
    ax.set(xlabel="step (updates)", ylabel=LABELS.get(y, y), xlim=_room(0, last))
    _y_axis(ax, y, log, bands, rules)
    style = looks(bands)
    below = hidden(ax, [(one.steps.tolist(), one.middle.tolist()) for one in bands.values()])
    names = []
    for place, (name, band) in enumerate(bands.items()):
        # A line that lies below another one is wider, so that both are seen.
        wide = 2.0 + 2.4 * below[place]
        _line(ax, band, style[name], name or "measured", place, wide)
        finite = band.middle[np.isfinite(band.middle)]
        text = "\n".join(filter(None, [name or "measured", _stops(band) if band.stopped else ""]))
        look = {"linestyle": "-", "linewidth": min(wide, 5), **style[name].dot}
        names.append(Name(text, float(finite[-1]) if len(finite) else math.inf, look))
    for (label, value), dashes in zip(rules.items(), itertools.cycle(["--", "-.", ":"])):
        look = DASHES | {"linestyle": dashes}
        ax.axhline(value, label=f"{label} (theory)", **look)
        names.append(Name(f"{label} (theory)", value, look))
    if len(names) > 1 or "" not in bands or bands[""].stopped:
        name_lines(ax, names)
    said = headlines.over_steps(y, {name: _ends(band) for name, band in bands.items()})
    words = [(f"{name}: " if name else "") + _words(band) for name, band in bands.items()]
    words += [f"{label}: {number(value)} (theory)." for label, value in rules.items()]
    tell(ax, said, " ".join([f"{y} over {last + 1} steps.", *words]), headline)
    return ax


@themed()
def ranks(
    history: Any,
    *,
    quantity: str = "rank",
    layers: Sequence[str] | str | None = None,
    headline: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the rank of every weight matrix over the steps: a table whose cells are shaded.

    Equal units make equal rows, and equal rows make a matrix of rank 1; if training breaks the
    symmetry, the numbers grow.

    Args:
        history: What `il.train(..., record_every=k)` returns.
        quantity: "rank", or "distinct" for the number of different rows.
        layers: Names of the layers to draw; None draws all that have a weight.
        headline: What is to be seen; None computes it, "" writes none.
        ax: Axes to draw on; None makes a figure.

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: Nothing was recorded, or a name is unknown.
    """
    if quantity not in COUNTED:
        raise ValueError(f"quantity must be 'rank' or 'distinct', got {quantity!r}.")
    seen = _records(history)
    known = list(getattr(seen[0], quantity))
    names = _chosen(known, layers)
    steps = [record.step for record in seen]
    table = np.array(
        [[getattr(record, quantity)[name] for record in seen] for name in names], float
    )
    ax = axes(ax, height=1.6 + 0.5 * len(names))
    _table(ax, table, steps, names)
    ax.set(xlabel="step (updates)")
    ends = {name: (row[0], row[-1]) for name, row in zip(names, table, strict=True)}
    lines = [f"{name} {_change(row)}" for name, row in zip(names, table, strict=True)]
    about = f"{COUNTED[quantity]}, step {steps[0]} to {steps[-1]}: {', '.join(lines)}."
    tell(ax, headlines.counts_over_steps(COUNTED[quantity], ends), about, headline)
    return ax


@themed()
def update_ratios(
    history: Any,
    *,
    layers: Sequence[str] | str | None = None,
    headline: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how much an update changes each weight, ‖Δw‖/‖w‖, over the steps, on a log axis.

    Far below 1e-3 a layer hardly learns; far above, each step throws away what the last one found.
    The dashed line is a rule of thumb, not a law.

    Args:
        history: What `il.train(..., record_every=k)` returns.
        layers: Names of the layers to draw; None draws the first, the middle and the last.
        headline: What is to be seen; None computes it, "" writes none.
        ax: Axes to draw on; None makes a figure.

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: Nothing was recorded, or a name is unknown.
    """
    seen = [record for record in _records(history) if record.update_ratio]
    if not seen:
        raise ValueError("history holds no update: the run stopped before its first one.")
    known = list(seen[0].update_ratio)
    names = _chosen(known, layers or [known[0], known[(len(known) - 1) // 2], known[-1]])
    steps = np.array([record.step for record in seen])
    table = {name: np.array([record.update_ratio[name] for record in seen]) for name in names}
    drawn = [ratio for row in table.values() for ratio in row if 0 < ratio < math.inf]
    ax = axes(ax)
    ax.set(xlabel="step (updates)", ylabel="‖Δw‖ / ‖w‖ of an update", xlim=_room(0, steps[-1]))
    log_axis(ax, [*drawn, RULE_OF_THUMB])
    ended = []
    for (name, ratios), colour, marker in zip(
        table.items(), ramp(len(names)), "osDP^v" * len(names), strict=False
    ):
        dot = Look(colour, marker).dot | {"markevery": max(1, len(steps) // 12)}
        fine = np.isfinite(ratios) & (ratios > 0)
        ax.plot(steps[fine], ratios[fine], label=name, **dot)
        at_edge(ax, steps[ratios == 0].tolist(), top=False, color=colour, marker=marker)
        ended.append(Name(name, float(ratios[-1]), {"linestyle": "-", **Look(colour, marker).dot}))
    ax.axhline(RULE_OF_THUMB, label="rule of thumb", **DASHES)
    name_lines(ax, [*ended, Name("rule of thumb", RULE_OF_THUMB, DASHES)])
    words = [f"{n}: {number(row[0])} to {number(row[-1])}." for n, row in table.items()]
    about = f"Update-to-weight ratio at step {steps[0]} to {steps[-1]}."
    said = headlines.updates({name: float(row[-1]) for name, row in table.items()}, RULE_OF_THUMB)
    tell(ax, said, " ".join([about, *words, "The rule of thumb is 0.001."]), headline)
    return ax


def _records(history: Any) -> list[Any]:
    seen = getattr(history, "records", None)
    if not seen:
        raise ValueError(
            f"history holds no records: train with il.train(..., record_every=10), got {history!r}."
        )
    return list(seen)


def _room(low: float, high: float) -> tuple[float, float]:
    room = 0.02 * (high - low) or 0.5
    return low - room, high + room


def _runs(runs: Any, y: str) -> list[list[tuple[int, float]]]:
    """One kind → its runs, each a list of (step, value)."""
    first = runs[0] if isinstance(runs, Sequence) and len(runs) else None
    one = hasattr(runs, "rows") or isinstance(first, Mapping)
    return [_values(run, y) for run in ([runs] if one else _as_list(runs))]


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


def _line(ax: Axes, band: Band, look: Look, name: str, place: int, wide: float) -> None:
    every = max(1, len(band.steps) // 8)
    start = min(place * every // 4, len(band.steps) - 1)  # markers of two lines stand apart
    ax.plot(band.steps, band.middle, label=name, zorder=3, linewidth=wide,
            markevery=(start, every), **look.dot)  # fmt: skip
    if band.runs > 1:
        ax.fill_between(band.steps, band.low, band.high, color=look.colour, alpha=0.2, linewidth=0)
    at_edge(ax, band.stopped, top=True, marker="x", color=look.colour, markersize=9,
            markeredgewidth=2.5)  # fmt: skip


def _ends(band: Band) -> tuple[float, float, float, float]:
    """Return the first median, and the last with its extremes; infinite where all ended early."""
    alive = np.isfinite(band.middle)
    if len(band.stopped) == band.runs or not alive.any():
        return (math.inf,) * 4
    last = [float(values[alive][-1]) for values in (band.middle, band.low, band.high)]
    return float(band.middle[alive][0]), last[0], last[1], last[2]


def _stops(band: Band) -> str:
    if band.runs == 1:
        return f"ends at step {band.stopped[0]}"
    first = f"step {min(band.stopped)}"
    of = f"{len(band.stopped)} of {band.runs} runs end"
    return f"{of} at {first}" if len(set(band.stopped)) == 1 else f"{of}, the first at {first}"


def _y_axis(
    ax: Axes, y: str, log: bool, bands: Mapping[str, Band], rules: Mapping[str, float]
) -> None:
    """Fit the axis to what trains: what diverges leaves it where it would flatten the rest."""
    if y == "accuracy" and not log:
        ax.set_ylim(0, 1.03)
        return
    every = [*bands.values()]
    calm = [band.middle for band in every if len(band.stopped) < band.runs]
    middles = np.concatenate([*(calm or [band.middle for band in every]), [*rules.values()]])
    reach = (100 if log else FAR) * np.nanmax(middles, initial=0.0)
    seen = np.concatenate([np.r_[band.low, band.middle, band.high] for band in every])
    seen = np.concatenate([seen[np.isfinite(seen)], [*rules.values()]])
    drawn = seen[seen <= reach] if reach > 0 else seen
    if log:
        log_axis(ax, drawn[drawn > 0].tolist())
    elif len(drawn):
        room = 0.05 * (drawn.max() - drawn.min()) or 0.1 * abs(drawn.max()) or 0.1
        ax.set_ylim(drawn.min() - room, drawn.max() + room)


def _words(band: Band) -> str:
    finite = band.middle[np.isfinite(band.middle)]
    said = f"{number(finite[0])} to {number(finite[-1])}" if len(finite) else "never finite"
    if band.runs > 1 and len(finite):
        ends = f"; at the end {number(band.low[-1])} to {number(band.high[-1])}"
        said += f" (median of {band.runs} runs{ends * math.isfinite(band.low[-1])})"
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
    ax.imshow(table, cmap="Greys", vmin=0, vmax=max(10, 3 * highest), aspect="auto")
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
