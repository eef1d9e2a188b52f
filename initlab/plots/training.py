"""What happens over the steps of a training run?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from initlab.format import number
from initlab.plots import headlines, records
from initlab.plots.axes import (
    CROSS,
    Name,
    at_edge,
    axes,
    hidden,
    linear_axis,
    log_axis,
    name_lines,
)
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
    stopped: list[int]  # the last steps of those that end early

    @property
    def alive(self) -> NDArray[np.intp]:
        """The places of the steps at which some run is finite."""
        return np.flatnonzero(np.isfinite(self.middle))

    def stops(self) -> str:
        """Say where runs end early; empty if none does."""
        if not self.stopped:
            return ""
        first = f"step {min(self.stopped)}"
        if self.runs == 1:
            return f"ends at {first}"
        of = f"{len(self.stopped)} of {self.runs} runs end"
        return f"{of} at {first}" if len(set(self.stopped)) == 1 else f"{of}, the first at {first}"


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

    Raises:
        TypeError: `history` is neither a history nor rows.
        ValueError: `y` is no key of the rows, or there is nothing to draw.

    >>> from initlab.plots import alt_text
    >>> rows = [{"step": 0, "loss": 2.3}, {"step": 1, "loss": 1.1}]
    >>> alt_text(over_time({"normal": rows}, predicted={"ln 10": 2.3026})).split(". ", 1)[1]
    'loss over 2 steps. normal: 2.3 to 1.1. ln 10: 2.3 (theory).'
    """
    named = records.named(history, "history") if isinstance(history, Mapping) else {"": history}
    kinds = {name: _runs(runs, y) for name, runs in named.items()}
    last = max(max(run) for runs in kinds.values() for run in runs)
    bands = {name: _band(runs, last) for name, runs in kinds.items()}
    rules: dict[str, float] = {}
    if predicted is not None:
        rules |= predicted if isinstance(predicted, Mapping) else {"expected": predicted}
    ax = axes(ax)
    _step_axis(ax, last)
    ax.set_ylabel(LABELS.get(y, y))
    _y_axis(ax, y, log, [*bands.values()], [*rules.values()])
    style = looks(bands)
    below = hidden(ax, [zip(one.steps, one.middle, strict=True) for one in bands.values()])
    names = []
    for place, (name, band) in enumerate(bands.items()):
        # A line that lies below another one is wider, so that both are seen.
        wide = 2.0 + 2.4 * below[place]
        _draw(ax, band, style[name], name or "measured", place, wide)
        text = "\n".join(filter(None, [name or "measured", band.stops()]))
        end = float(band.middle[band.alive[-1]]) if len(band.alive) else math.inf
        look = {"linestyle": "-", "linewidth": min(wide, 5), **style[name].dot}
        names.append(Name(text, end, look))
    for (label, value), dashes in zip(rules.items(), itertools.cycle(["--", "-.", ":"])):
        look = DASHES | {"linestyle": dashes}
        ax.axhline(value, label=f"{label} (theory)", **look)
        names.append(Name(f"{label} (theory)", value, look))
    if len(names) > 1 or "\n" in names[0].text or "" not in bands:
        name_lines(ax, names)
    said = headlines.over_steps(y, {name: _ends(band) for name, band in bands.items()})
    words = [headlines.about(name, _sentence(band)) for name, band in bands.items()]
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
    ax.grid(False)
    darkest = max(10, 3 * np.nanmax(table, initial=1.0))
    ax.imshow(table, cmap="Greys", vmin=0, vmax=darkest, aspect="auto")
    shown = range(0, len(steps), -(-len(steps) // 14))
    for line, column in itertools.product(range(len(names)), shown):
        ax.text(column, line, f"{table[line, column]:.0f}", ha="center", va="center", color=INK)
    ax.set_xticks(shown, [str(steps[column]) for column in shown])
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="step (updates)")
    ends = {name: (row[0], row[-1]) for name, row in zip(names, table, strict=True)}
    lines = [
        f"{name} {' to '.join(dict.fromkeys(f'{count:.0f}' for count in pair))}"
        for name, pair in ends.items()
    ]
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
    _step_axis(ax, steps[-1])
    ax.set_ylabel("‖Δw‖ / ‖w‖ of an update")
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


def _chosen(known: list[str], layers: Sequence[str] | str | None) -> list[str]:
    wanted = known if layers is None else [layers] if isinstance(layers, str) else list(layers)
    for name in wanted:
        if name not in known:
            raise ValueError(
                f"layers={name!r} is no layer with a weight: they are {', '.join(known)}."
            )
    return wanted


def _runs(runs: Any, y: str) -> list[dict[int, float]]:
    """One kind → its runs, each as step → value."""
    first = runs[0] if isinstance(runs, Sequence) and runs else None
    is_one = hasattr(runs, "rows") or isinstance(first, Mapping)
    return [_values(run, y) for run in ([runs] if is_one else _as_list(runs))]


def _as_list(runs: Any) -> list[Any]:
    if not isinstance(runs, Sequence) or isinstance(runs, str):
        raise TypeError(
            "history must be what il.train returns, rows with a 'step', or a dict or list of such, "
            f"got {runs!r} of type {type(runs).__name__}."
        )
    if not runs:
        raise ValueError("history holds no steps: train for at least one.")
    return list(runs)


def _values(run: Any, y: str) -> dict[int, float]:
    rows = _as_list(run.rows() if hasattr(run, "rows") else run)
    keys = [key for key, value in rows[0].items() if value is not None]
    if y not in keys or "step" not in keys:
        hint = records.did_you_mean(y, keys)
        raise ValueError(f"y={y!r} is in no row: they hold {', '.join(map(repr, keys))}.{hint}")
    return {int(row["step"]): float(row[y]) for row in rows}


def _band(runs: list[dict[int, float]], last: int) -> Band:
    """Take median and extremes at each step; a run that has ended is no longer counted."""
    steps = sorted(set().union(*runs))
    table = np.ma.masked_invalid([[run.get(step, math.nan) for step in steps] for run in runs])
    middle, low, high = (
        np.ma.filled(some, math.nan)
        for some in (np.ma.median(table, axis=0), table.min(axis=0), table.max(axis=0))
    )
    ends = [max(run) if max(run) < last else _last_finite(run) for run in runs]
    stopped = [end for end in ends if end < last]
    return Band(np.array(steps, float), middle, low, high, len(runs), stopped)


def _last_finite(run: dict[int, float]) -> int:
    return max((step for step, value in run.items() if math.isfinite(value)), default=min(run))


def _step_axis(ax: Axes, last: float) -> None:
    room = 0.02 * last or 0.5
    ax.set(xlabel="step (updates)", xlim=(-room, last + room))


def _y_axis(ax: Axes, y: str, log: bool, bands: Sequence[Band], rules: list[float]) -> None:
    """Fit the axis to what trains: what diverges leaves it where it would flatten the rest."""
    if y == "accuracy" and not log:
        ax.set_ylim(0, 1.03)
        return
    calm = [band.middle for band in bands if len(band.stopped) < band.runs]
    middles = calm or [band.middle for band in bands]
    reach = (100 if log else FAR) * np.nanmax(np.concatenate([*middles, rules]), initial=0.0)
    seen = np.concatenate([*(part for band in bands for part in band[1:4]), rules])
    seen = seen[np.isfinite(seen)]
    drawn = seen[seen <= reach] if reach > 0 else seen
    if log:
        log_axis(ax, drawn[drawn > 0].tolist())
    elif len(drawn):
        linear_axis(ax, drawn.tolist(), room=0.05)


def _draw(ax: Axes, band: Band, look: Look, name: str, place: int, wide: float) -> None:
    every = max(1, len(band.steps) // 8)
    start = min(place * every // 4, len(band.steps) - 1)  # markers of two lines stand apart
    ax.plot(band.steps, band.middle, label=name, zorder=3, linewidth=wide,
            markevery=(start, every), **look.dot)  # fmt: skip
    if band.runs > 1:
        ax.fill_between(band.steps, band.low, band.high, color=look.colour, alpha=0.2, linewidth=0)
    at_edge(ax, band.stopped, top=True, color=look.colour, **CROSS)


def _ends(band: Band) -> tuple[float, float, float, float]:
    """Return the first median, and the last with its extremes; infinite where all ended early."""
    if len(band.stopped) == band.runs or not len(band.alive):
        return (math.inf,) * 4
    first, last = band.alive[0], band.alive[-1]
    return band.middle[first], band.middle[last], band.low[last], band.high[last]


def _sentence(band: Band) -> str:
    if not len(band.alive):
        words = "never finite"
    else:
        first, last = band.middle[band.alive[[0, -1]]]
        words = f"{number(first)} to {number(last)}"
        if band.runs > 1:
            reach = f"; at the end {number(band.low[-1])} to {number(band.high[-1])}"
            words += f" (median of {band.runs} runs{reach * math.isfinite(band.low[-1])})"
    return "; ".join(filter(None, [words, band.stops()])) + "."
