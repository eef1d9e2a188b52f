"""What does training make of a choice: of a scheme, a depth, a gain, a learning rate?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from initlab.format import number
from initlab.plots import headlines, records
from initlab.plots.axes import (
    CROSS,
    Name,
    at_edge,
    axes,
    label_powers,
    linear_axis,
    log_axis,
    name_lines,
)
from initlab.plots.figure import tell
from initlab.plots.style import DASHES, Look, looks, themed

LABELS = {
    "accuracy": "accuracy (share that is right)",
    "loss": "loss after training",
    "depth": "depth (hidden layers)",
    "width": "width (units in a layer)",
    "gain": "gain (factor on the std)",
    "lr": "learning rate",
}
DENSE = 12  # measured places from which on a band is drawn, not a bar at each

Rule = Callable[[float], float]


class Point(NamedTuple):
    """What several seeds reached at one place; what is no number counts as above all."""

    place: float
    middle: float
    low: float
    high: float
    runs: int


@themed()
def against(
    runs: Any,
    x: str = "depth",
    *,
    y: str = "accuracy",
    by: str = "scheme",
    chance: float | None = None,
    rules: Mapping[str, float] | None = None,
    predicted: Rule | Mapping[str, Rule] | None = None,
    log: bool = False,
    headline: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw what runs reached against one of their settings: a row of dots for each scheme.

    The dots are medians over the seeds, the bars reach from the lowest to the highest. A loss that
    is no number is marked on the upper edge.

    Args:
        runs: What `il.sweep` returns, or its rows.
        x: The setting along the axis, such as "depth", "width" or "lr"; the axis is logarithmic
            where its values reach over a factor of 30.
        y: "accuracy" or "loss", on all of the data after training; or another key of the rows.
        by: The setting that each line stands for, such as "scheme" or "norm".
        chance: What guessing reaches, such as 0.1 for ten classes: a dashed line.
        rules: Name → value of further dashed lines, such as a limit.
        predicted: Theory, a function from `x` to `y`, or one for each line's name: dashed curves.
        log: Whether the y axis is logarithmic. What it cannot show stands at its edges.
        headline: What is to be seen; None computes it, "" writes none.
        ax: Axes to draw on; None makes a figure.

    Raises:
        ValueError: A name is no key of the rows, a curve is predicted for a line that is not
            there, or there is nothing to draw.

    >>> from initlab.plots import alt_text
    >>> rows = [{"scheme": "normal", "depth": d, "accuracy": a} for d, a in [(2, 0.9), (4, 0.7)]]
    >>> alt_text(against(rows)).split(". ", 1)[1]
    'accuracy against depth, 1 run at each point. normal: 0.9 at 2, 0.7 at 4.'
    """
    rows = _rows(runs, (x, y, by))
    lines = _lines(rows, x, y, by)
    theories = {"": predicted} if callable(predicted) else {}
    theories = theories or records.predictions(predicted, list(lines), "line")
    levels = ({} if chance is None else {"chance": chance}) | dict(rules or {})
    places = sorted({point.place for line in lines.values() for point in line})
    is_wide = places[0] > 0 and places[-1] / places[0] > 30
    spaced = np.geomspace if is_wide else np.linspace
    fine = spaced(places[0], places[-1], 101).tolist()
    curves = {name: [float(rule(place)) for place in fine] for name, rule in theories.items()}
    ax = axes(ax)
    _scale_x(ax, places, log=is_wide)
    drawn = [size for line in lines.values() for point in line for size in point[1:4]]
    drawn += [size for curve in curves.values() for size in curve] + list(levels.values())
    _scale_y(ax, y, [size for size in drawn if math.isfinite(size)], log=log)
    ax.set(xlabel=LABELS.get(x, x), ylabel=LABELS.get(y, y))
    style = looks(lines)
    names = []
    for name, line in lines.items():
        _draw(ax, line, style[name], name, log, joined=not theories)
        names.append(Name(name, line[-1].middle, style[name].dot))
    for name, curve in curves.items():
        colour = {"color": style[name].colour} if name else {}
        ax.plot(fine, curve, label="_theory" if name else "theory", **DASHES | colour)
    if curves:
        names.append(Name("theory", curves.get("", [None])[-1], DASHES))
    for name, level in levels.items():
        ax.axhline(level, label=name, **DASHES)
        names.append(Name(name, level, DASHES))
    for name, line in lines.items():
        lost = [point.place for point in line if not math.isfinite(point.high)]
        at_edge(ax, lost, top=True, color=style[name].colour, **CROSS)
    name_lines(ax, names)
    said = headlines.against_setting(
        x, y, {name: {p.place: p[1:4] for p in line} for name, line in lines.items()},
        theory=_distance(theories, lines),
    )  # fmt: skip
    tell(ax, said, _sentence(x, y, lines, curves, levels), headline)
    return ax


def _rows(runs: Any, keys: Sequence[str]) -> list[dict[str, Any]]:
    rows = list(runs.rows() if hasattr(runs, "rows") else runs)
    if not rows:
        raise ValueError("runs holds no run to draw.")
    for key in keys:
        if key not in rows[0]:
            raise ValueError(f"{key!r} is in no row: they hold {', '.join(map(repr, rows[0]))}.")
    return rows


def _lines(rows: Sequence[Mapping[str, Any]], x: str, y: str, by: str) -> dict[str, list[Point]]:
    """Name of a line → its points from left to right."""
    found: dict[str, dict[float, list[float]]] = {}
    for row in rows:
        value = math.inf if row[y] is None or math.isnan(row[y]) else float(row[y])
        found.setdefault(_name(by, row[by]), {}).setdefault(float(row[x]), []).append(value)
    return {
        name: [
            Point(place, median(seen), min(seen), max(seen), len(seen))
            for place, seen in sorted(line.items())
        ]
        for name, line in found.items()
    }


def _name(by: str, value: Any) -> str:
    if by == "scheme":
        return str(value)
    return f"no {by}" if value is None else f"{by} {value}"


def _scale_x(ax: Axes, places: Sequence[float], *, log: bool) -> None:
    labels = [f"{place:g}" for place in places]
    is_roomy = len(places) <= 10 and len("".join(labels)) <= 32
    if log:
        ax.set_xscale("log")
        gaps = np.diff(np.log(places))
        is_roomy = is_roomy and gaps.min() > 0.09 * gaps.sum()
    if is_roomy:
        ax.set_xticks(places, labels)
        ax.xaxis.set_minor_locator(NullLocator())
    elif log:
        label_powers(ax.xaxis, *np.log10([places[0] / 1.01, places[-1] * 1.01]))
    elif all(place == int(place) for place in places):  # no tick at layer 2.5
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def _scale_y(ax: Axes, y: str, drawn: Sequence[float], *, log: bool) -> None:
    if log:
        log_axis(ax, [size for size in drawn if size > 0])
    elif y == "accuracy":
        ax.set_ylim(0, 1.03)
    elif drawn:
        linear_axis(ax, drawn, room=0.06)


def _draw(
    ax: Axes, line: Sequence[Point], look: Look, name: str, log: bool, *, joined: bool
) -> None:
    places, middle, low, high, _ = np.array(line, dtype=float).T
    fine = np.isfinite(middle) & ((middle > 0) | (not log))
    style = "-" if joined else ""  # a line would hide the dashes of theory
    dot = look.dot | ({"markersize": 5} if len(line) > DENSE else {})
    ax.plot(places[fine], middle[fine], label=name, zorder=3, linestyle=style, linewidth=1.3, **dot)
    floor, ceiling = ax.get_ylim()
    low = np.where(low > 0, low, floor) if log else low
    high = np.where(np.isfinite(high), high, ceiling)
    if len(line) > DENSE:
        ax.fill_between(places[fine], low[fine], high[fine], color=look.colour, alpha=0.2, lw=0)
    else:
        ax.vlines(places[fine], low[fine], high[fine], color=look.colour, lw=2.5, alpha=0.55)
    at_edge(ax, places[(middle <= 0) & log].tolist(), top=False, **look.dot)


def _distance(theories: Mapping[str, Rule], lines: Mapping[str, Sequence[Point]]) -> float | None:
    """Return the largest relative distance of a median from theory."""
    pairs = [
        (point.middle, float(rule(point.place)))
        for name, rule in theories.items()
        for line in ([lines[name]] if name else lines.values())
        for point in line
    ]
    if not pairs:
        return None
    return max(abs(seen / said - 1) if said else math.inf for seen, said in pairs)


def _sentence(
    x: str,
    y: str,
    lines: Mapping[str, Sequence[Point]],
    curves: Mapping[str, list[float]],
    levels: Mapping[str, float],
) -> str:
    most = max(point.runs for line in lines.values() for point in line)
    many = "1 run" if most == 1 else f"median of {most} runs"
    said = [f"{y} against {x}, {many} at each point."]
    for name, line in lines.items():
        ends = [
            f"{number(point.middle)} at {headlines.setting(point.place)}"
            + f" ({number(point.low)} to {number(point.high)})" * (point.low < point.high)
            for point in line
        ]
        said.append(f"{name}: {', '.join(ends)}.")
    for name, curve in curves.items():
        theory = f"{name}, theory" if name else "Theory"
        said.append(f"{theory}: {number(curve[0])} to {number(curve[-1])}.")
    said += [f"{headlines.capital(name)} is {number(level)}." for name, level in levels.items()]
    return " ".join(said)
