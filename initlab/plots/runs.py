"""What does training make of a choice: of a scheme, a depth, a gain, over seeds and over time?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from initlab.plots import records
from initlab.plots.axes import at_edge, axes, dress, legend, log_axis
from initlab.plots.figure import WIDTH, picture, say
from initlab.plots.records import QUANTITIES, number, percent
from initlab.plots.style import INK, OTHERS, THEORY, looks, themed

LABELS = {
    "accuracy": "accuracy (share that is right)",
    "loss": "loss after training",
    "depth": "depth (hidden layers)",
    "width": "width (units in a layer)",
    "gain": "gain (factor on the std)",
}
BINS = 60  # of an image's columns
FAINTEST = 1e-3  # share of a layer's values that a bin must hold to be seen
RULE_OF_THUMB = 1e-3


@themed()
def against(
    runs: Any,
    x: str = "depth",
    *,
    y: str = "accuracy",
    by: str = "scheme",
    chance: float | None = None,
    predicted: Callable[[float], float] | Mapping[str, Callable[[float], float]] | None = None,
    log: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw what runs reached against one of their settings: a line and a band for each scheme.

    The dots are medians over the seeds, the band reaches from the lowest to the highest. A loss
    that is no number is marked on the upper edge.

    Args:
        runs: What `il.sweep` returns, or its rows.
        x: The setting along the axis, such as "depth", "width" or "gain"; the axis is logarithmic
            where its values reach over a factor of 30.
        y: "accuracy" or "loss", on all of the data after training; or another key of the rows.
        by: The setting that each line stands for, such as "scheme" or "norm".
        chance: What guessing reaches, such as 0.1 for ten classes: a dashed line.
        predicted: Theory, a function from `x` to `y`, or one for each line's name: dashed curves.
        log: Whether the y axis is logarithmic. What it cannot show stands at its edges.
        ax: Axes to draw on; None makes a figure.

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: A name is no key of the rows, a curve is predicted for a line that is not
            there, or there is nothing to draw.

    >>> from initlab.plots import explain
    >>> rows = [{"scheme": "normal", "depth": d, "accuracy": a} for d, a in [(2, 0.9), (4, 0.7)]]
    >>> explain(against(rows))
    'accuracy against depth, 1 run at each point. normal: 0.90 at 2, 0.70 at 4.'
    """
    rows = _rows(runs, (x, y, by))
    names = list(dict.fromkeys(_name(by, row[by]) for row in rows))
    places = sorted({float(row[x]) for row in rows})
    ax = axes(ax)
    words, drawn = [], []
    for name, look in looks(names).items():
        columns = [
            [_value(row[y]) for row in rows if _name(by, row[by]) == name and row[x] == place]
            for place in places
        ]
        bands = [(p, *_band(column)) for p, column in zip(places, columns, strict=True) if column]
        _band_line(ax, np.array(bands, dtype=float), look, name, log, joined=predicted is None)
        words.append(f"{name}: {_said(bands)}.")
        drawn += [size for _, *sizes in bands for size in sizes if 0 < size < math.inf]
    for name, curve in _curves(ax, predicted, names, places).items():
        theory = f"{name}, theory" if name else "Theory"
        words.append(f"{theory}: {number(curve[0])} to {number(curve[-1])}.")
        drawn += [size for size in curve if 0 < size < math.inf]
    if chance is not None:
        ax.axhline(chance, linestyle="--", linewidth=2, color=THEORY, label="chance")
        words.append(f"Chance is {number(chance)}.")
    _scales(ax, x, y, places)
    if log:
        log_axis(ax, drawn)
    legend(ax)
    most = max(_counts(rows, x, by))
    many = "1 run" if most == 1 else f"median of {most} runs"
    say(ax, " ".join([f"{y} against {x}, {many} at each point.", *words]))
    return ax


@themed()
def update_ratios(
    history: Any, *, layers: Sequence[str] | str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how much an update changes each weight, ‖Δw‖/‖w‖, over the steps, on a log axis.

    Far below 1e-3 a layer hardly learns; far above, each step throws away what the last one found.
    The dashed line is a rule of thumb, not a law.

    Args:
        history: What `il.train(..., record_every=k)` returns.
        layers: Names of the layers to draw; None draws the first, the middle and the last.
        ax: Axes to draw on; None makes a figure.

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: Nothing was recorded, or a name is unknown.
    """
    seen = [record for record in _records(history) if record.update_ratio]
    if not seen:
        raise ValueError("history holds no update: the run stopped before its first one.")
    names = _layers(list(seen[0].update_ratio), layers)
    ax = axes(ax)
    words, drawn = [], [RULE_OF_THUMB]
    for name, look in zip(names, OTHERS * len(names), strict=False):
        ratios = np.array([record.update_ratio[name] for record in seen])
        steps = np.array([record.step for record in seen])
        fine = np.isfinite(ratios) & (ratios > 0)
        ax.plot(steps[fine], ratios[fine], label=name, **look.dot)
        at_edge(ax, steps[ratios == 0].tolist(), top=False, color=look.colour, marker=look.marker)
        drawn += ratios[fine].tolist()
        words.append(f"{name}: {number(ratios[0])} to {number(ratios[-1])}.")
    ax.axhline(RULE_OF_THUMB, linestyle="--", linewidth=2, color=THEORY, label="rule of thumb")
    log_axis(ax, drawn)
    ax.set(xlabel="step (updates)", ylabel="‖Δw‖ / ‖w‖ (no unit)")
    legend(ax)
    opening = f"Update-to-weight ratio at step {seen[0].step} to {seen[-1].step}."
    say(ax, " ".join([opening, *words, "The rule of thumb is 0.001."]))
    return ax


@themed()
def histograms_over_time(
    history: Any,
    quantity: str = "activation",
    *,
    layers: Sequence[str] | str | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Draw the histograms of a layer as the columns of an image: time to the right, values up.

    The darker, the more of the layer's values lie there; the scale is logarithmic, so that rare
    values show. Each panel has a y axis of its own.

    Args:
        history: What `il.train(..., record_every=k)` returns.
        quantity: "activation", "gradient", "weight" or "weight_gradient".
        layers: Names of the layers to draw; None draws the first, the middle and the last.
        figure: Figure or subfigure to draw on; None makes one.

    Returns:
        The figure that was drawn on.

    Raises:
        ValueError: Nothing was recorded, or a name is unknown.
    """
    seen = _records(history)
    known = [row.name for row in records.picked(seen[0].trace, quantity, None)]
    names = _layers(known, layers)
    figure = figure or picture(WIDTH, 4.2)
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for place, (name, ax) in enumerate(zip(names, panels, strict=True)):
        found = [(record.step, getattr(record.trace[name], quantity)) for record in seen]
        known_ones = [(step, summary) for step, summary in found if summary is not None]
        image = _image(ax, known_ones)
        dress(ax)
        ax.grid(False)
        ax.set(title=name, xlabel="step (updates)")
        opening = f"Histograms of {quantity.replace('_', ' ')} over time. " if place == 0 else ""
        first, last = known_ones[0], known_ones[-1]
        say(ax, f"{opening}{name}: rms {number(first[1].rms)} at step {first[0]}, "
                f"{number(last[1].rms)} at step {last[0]}.")  # fmt: skip
    panels[0].set_ylabel(QUANTITIES[quantity])
    bar = figure.colorbar(image, ax=list(panels), extend="min")
    bar.set_label("share of the layer's values", size=15)
    bar.ax.tick_params(labelsize=14)
    return figure


@themed()
def boundaries(
    history: Any,
    *,
    steps: Sequence[int] | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Draw which class a network gives to each point of the plane: rows are runs, columns time.

    Args:
        history: What `il.train(..., record_every=k)` returns on points such as `il.data.spirals()`;
            or a dict (name → history) for several rows.
        steps: Recorded steps to draw; None draws the first, the middle and the last record.
        figure: Figure or subfigure to draw on; None makes one.

    Returns:
        The figure that was drawn on.

    Raises:
        ValueError: Nothing was recorded, the inputs have not two features, or a step has no record.
    """
    rows = {
        name: _chosen_records(one, steps) for name, one in records.named(history, "history").items()
    }
    columns = max(map(len, rows.values()))
    figure = figure or picture(WIDTH, 0.4 + 3.1 * len(rows))
    grid = figure.subplots(len(rows), columns, squeeze=False, sharex=True, sharey=True)
    for line, (name, seen) in zip(grid, rows.items(), strict=True):
        for ax in line[len(seen) :]:
            ax.set_axis_off()
        for ax, record in zip(line, seen, strict=False):
            _plane(ax, record.regions)
            dress(ax)
            ax.grid(False)
            ax.set_title(f"{name}, step {record.step}" if name else f"step {record.step}")
            right = _right(record.regions)
            say(ax, f"{name or 'network'} at step {record.step}: {percent(right)} of the points "
                    "lie in the region of their class.")  # fmt: skip
    for ax in grid[-1]:
        ax.set_xlabel("first input")
    for ax in grid[:, 0]:
        ax.set_ylabel("second input")
    return figure


def _rows(runs: Any, keys: Sequence[str]) -> list[dict[str, Any]]:
    rows = list(runs.rows() if hasattr(runs, "rows") else runs)
    if not rows:
        raise ValueError("runs holds no run to draw.")
    for key in keys:
        if rows[0].get(key) is None and key not in rows[0]:
            raise ValueError(f"{key!r} is in no row: they hold {', '.join(map(repr, rows[0]))}.")
    return rows


def _name(by: str, value: Any) -> str:
    if by == "scheme":
        return str(value)
    return f"no {by}" if value is None else f"{by} {value}"


def _value(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _band(values: Sequence[float]) -> tuple[float, float, float]:
    """Return median, lowest and highest; what is no number counts as above all."""
    ordered = [math.inf if math.isnan(value) else value for value in values]
    return median(ordered), min(ordered), max(ordered)


def _band_line(
    ax: Axes, bands: NDArray[np.float64], look: Any, name: str, log: bool, joined: bool
) -> None:
    places, middle, low, high = bands.T
    fine = np.isfinite(middle) & ((middle > 0) | (not log))
    line = "-" if joined else ""  # a line would hide the dashes of theory
    ax.plot(places[fine], middle[fine], label=name, zorder=3, linestyle=line, **look.dot)
    if log:
        low = np.where(low > 0, low, middle)
        at_edge(ax, places[middle <= 0].tolist(), top=False, **look.dot)
    top = np.where(np.isfinite(high), high, np.max(high, where=np.isfinite(high), initial=0.0))
    ax.fill_between(places[fine], low[fine], top[fine], color=look.colour, alpha=0.2, linewidth=0)
    lost = places[~np.isfinite(high)].tolist()
    at_edge(ax, lost, top=True, marker="x", color=look.colour, markersize=10, markeredgewidth=3)


def _curves(
    ax: Axes, predicted: Any, names: Sequence[str], places: Sequence[float]
) -> dict[str, list[float]]:
    """Draw theory as dashes, in the colour of the line that it speaks of; one alone in black."""
    if predicted is None:
        return {}
    several = predicted if isinstance(predicted, Mapping) else {"": predicted}
    for name in several:
        if name and name not in names:
            raise ValueError(
                f"predicted has {name!r}, which is no line: the lines are "
                f"{', '.join(map(repr, names))}."
            )
    style = looks(names)
    low, high = places[0], places[-1]
    fine = np.linspace(low, high, 101)
    if low > 0 and high / low > 30:
        fine = np.geomspace(low, high, 101)
    curves = {}
    for name, rule in several.items():
        curves[name] = [float(rule(float(place))) for place in fine]
        colour = style[name].colour if name else THEORY
        ax.plot(fine, curves[name], linestyle="--", linewidth=2, color=colour, zorder=2.5,
                label="theory" if not name else "_theory")  # fmt: skip
    if "" not in several:
        ax.plot([], [], linestyle="--", linewidth=2, color=INK, label="theory")
    return curves


def _said(bands: Sequence[tuple[float, float, float, float]]) -> str:
    ends = [
        f"{number(middle)} at {place:g}" + (f" ({number(low)} to {number(high)})" * (low < high))
        for place, middle, low, high in bands
    ]
    return ", ".join(ends)


def _counts(rows: Sequence[Mapping[str, Any]], x: str, by: str) -> list[int]:
    keys = [(str(row[by]), row[x]) for row in rows]
    return [keys.count(key) for key in set(keys)]


def _scales(ax: Axes, x: str, y: str, places: Sequence[float]) -> None:
    ax.set(xlabel=LABELS.get(x, x), ylabel=LABELS.get(y, y))
    if log := places[0] > 0 and places[-1] / places[0] > 30:
        ax.set_xscale("log")
    if len(places) <= 8 and (not log or _is_roomy(places)):
        ax.set_xticks(places, [f"{place:g}" for place in places])
        ax.xaxis.set_minor_locator(NullLocator())
    elif not log and all(place == int(place) for place in places):  # no tick at layer 2.5
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if y == "accuracy":
        ax.set_ylim(0, 1.03)


def _is_roomy(places: Sequence[float]) -> bool:
    """Tell whether the labels of all places have room beside each other on a log axis."""
    logs = np.log(places)
    return bool(np.diff(logs).min() > 0.07 * (logs[-1] - logs[0]))


def _records(history: Any) -> list[Any]:
    seen = getattr(history, "records", None)
    if not seen:
        raise ValueError(
            f"history holds no records: train with il.train(..., record_every=10), got {history!r}."
        )
    return list(seen)


def _layers(known: list[str], layers: Sequence[str] | str | None) -> list[str]:
    """Return the layers that were asked for, or the first, the middle and the last."""
    if layers is None:
        return list(dict.fromkeys([known[0], known[(len(known) - 1) // 2], known[-1]]))
    wanted = [layers] if isinstance(layers, str) else list(layers)
    for name in wanted:
        if name not in known:
            raise ValueError(f"layers={name!r} was not recorded: there are {', '.join(known)}.")
    return wanted


def _image(ax: Axes, found: Sequence[tuple[int, Any]]) -> Any:
    """Draw histograms that each have their own bins on bins that all share."""
    ends = np.array([_reach(summary) for _, summary in found if math.isfinite(summary.min)])
    low, high = (ends[:, 0].min(), ends[:, 1].max()) if len(ends) else (0.0, 1.0)
    room = 0.02 * (high - low) or 0.5
    edges = np.linspace(low - room, high + room, BINS + 1)
    shares = np.stack([_shares(summary, edges) for _, summary in found], axis=1)
    steps = np.array([step for step, _ in found], dtype=float)
    middles = (steps[1:] + steps[:-1]) / 2
    sides = np.concatenate([[steps[0] - 0.5], middles, [steps[-1] + 0.5]])
    norm = LogNorm(FAINTEST, 1)
    return ax.pcolormesh(sides, edges, np.maximum(shares, 1e-9), cmap="Blues", norm=norm)


def _reach(summary: Any) -> NDArray[np.float64]:
    """Return between which values all but the last few in a thousand lie."""
    counts, edges = summary.histogram
    up_to = np.concatenate([[0.0], np.cumsum(counts)]) / max(1, counts.sum())
    return np.asarray(np.interp([2 * FAINTEST, 1 - 2 * FAINTEST], up_to, edges))


def _shares(summary: Any, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return which share of a layer's values lies in each bin."""
    counts, own = summary.histogram
    up_to = np.concatenate([[0.0], np.cumsum(counts)]) / max(1, counts.sum())
    shares: NDArray[np.float64] = np.diff(np.interp(edges, own, up_to))
    shares *= 1 - summary.nonfinite
    return shares


def _chosen_records(history: Any, steps: Sequence[int] | None) -> list[Any]:
    seen = _records(history)
    if seen[0].regions is None:
        raise ValueError(
            "history must come from inputs with two features and a class each, "
            "such as il.data.spirals(): only a plane can be drawn."
        )
    if steps is None:
        return [seen[place] for place in sorted({0, len(seen) // 2, len(seen) - 1})]
    known = {record.step: record for record in seen}
    for step in steps:
        if step not in known:
            raise ValueError(f"steps={step} has no record: there are {', '.join(map(str, known))}.")
    return [known[step] for step in steps]


def _plane(ax: Axes, regions: Any) -> None:
    count = int(max(regions.labels.max(), regions.classes.max())) + 1
    kinds = [OTHERS[place % len(OTHERS)] for place in range(count)]
    colours = ListedColormap([look.colour for look in kinds])
    ax.pcolormesh(
        regions.x, regions.y, regions.classes, cmap=colours, vmin=-0.5, vmax=count - 0.5,
        alpha=0.3, shading="nearest", rasterized=True,
    )  # fmt: skip
    for kind, look in enumerate(kinds):
        chosen = regions.points[regions.labels == kind]
        ax.plot(*chosen.T, linestyle="", marker=look.marker, markersize=5,
                color=look.colour, markeredgecolor=INK, markeredgewidth=0.4)  # fmt: skip


def _right(regions: Any) -> float:
    """Return the share of points whose nearest place in the plane has their class."""
    column = np.abs(regions.points[:, :1] - regions.x).argmin(1)
    row = np.abs(regions.points[:, 1:] - regions.y).argmin(1)
    return float(np.mean(regions.classes[row, column] == regions.labels))
