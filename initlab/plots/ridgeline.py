"""How are the values of each layer spread, and how does that change with depth?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from initlab.plots import records
from initlab.plots.axes import axes, dress, few_ticks
from initlab.plots.figure import HEIGHT, WIDTH, picture, say
from initlab.plots.records import QUANTITIES, Row, number
from initlab.plots.style import INK, THEORY, Look, looks, themed

BINS = 100  # across the panel: finer than a projector shows
COLUMNS = 4  # panels side by side

Limits = tuple[float, float]


@themed()
def histograms(
    trace: Any,
    quantity: str = "activation",
    *,
    layers: Sequence[str] | str | None = None,
    predicted: Any = None,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Draw one histogram for each layer, the first on top; several traces stand side by side.

    All ridges share the x axis, which fits the layer where the signal comes in (the first for
    activations, the last for gradients): what shrinks on its way becomes a spike, what grows
    leaves the panel and becomes flat. A ridge's height is its own peak, times the share of values
    inside the panel; a bar at 0 gives the share of exact zeros; numbers beside it give the rms.

    Args:
        trace: What `il.trace` returns; or a dict (name → trace) or a list of them for panels.
        quantity: "activation", "gradient", "weight" or "weight_gradient".
        layers: Name globs such as "linear*"; None draws the nonlinearities, if there are any.
        predicted: What `il.theory.predict` returns, or a dict of it with the traces' names: a
            dashed line at the rms that theory expects, and a dot at the measured rms.
        figure: Figure or subfigure to draw on; None makes one.

    Returns:
        The figure that was drawn on.

    Raises:
        TypeError: `trace` is no trace.
        ValueError: `quantity` is unknown, `layers` fits nothing, or there is nothing to draw.
    """
    traces = records.traces(trace)
    rows = {name: records.picked(one, quantity, layers) for name, one in traces.items()}
    expected = records.predictions(predicted, list(traces))
    limits = common_limits(list(rows.values()), quantity)
    columns = min(COLUMNS, len(traces))
    lines = math.ceil(len(traces) / columns)
    if figure is None:
        figure = picture(WIDTH, HEIGHT if lines == 1 else 0.6 + 3.0 * lines)
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    style = looks(traces)
    reach = max(one[-1].position - one[0].position for one in rows.values())
    for place, (name, ax) in enumerate(zip(traces, grid.flat, strict=False)):
        curve = _curve(expected.get(name), rows[name], quantity)
        _panel(ax, rows[name], limits, style[name], curve)
        _notes(ax, rows[name], reach, lines)
        ax.set_yticks(records.ticks(range(1, reach + 2), most=10 if lines == 1 else 5))
        ax.set_title(name, fontsize=14)
        opening = f"Histograms of {quantity.replace('_', ' ')} by layer. " if place == 0 else ""
        say(ax, opening + _sentence(name, rows[name], curve))
    for ax in grid.flat[len(traces) :]:
        ax.set_axis_off()
    _label(figure, grid, _x_label(quantity, rows, bool(expected)))
    if columns > 2 or (columns > 1 and "gradient" in quantity):  # their numbers are long
        few_ticks(grid[0, 0])
    return figure


@themed()
def ridges(
    trace: Any,
    quantity: str = "activation",
    *,
    layers: Sequence[str] | str | None = None,
    predicted: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the histograms of one trace, the first layer on top, on axes of yours.

    One panel of `histograms`: see there for what is shown and how the x axis is chosen.

    Args:
        trace: What `il.trace` returns.
        quantity: "activation", "gradient", "weight" or "weight_gradient".
        layers: Name globs such as "linear*"; None draws the nonlinearities, if there are any.
        predicted: What `il.theory.predict` returns.
        ax: Axes to draw on; None makes a figure.

    Returns:
        The axes that were drawn on.

    Raises:
        TypeError: `trace` is no trace.
        ValueError: `quantity` is unknown, `layers` fits nothing, or there is nothing to draw.
    """
    (one,) = records.traces(trace if not isinstance(trace, Mapping) else [trace]).values()
    rows = records.picked(one, quantity, layers)
    curve = _curve(predicted, rows, quantity)
    ax = axes(ax)
    _panel(ax, rows, common_limits([rows], quantity), looks([""])[""], curve)
    _notes(ax, rows, rows[-1].position - rows[0].position, lines=1)
    ax.set(xlabel=_x_label(quantity, {"": rows}, bool(curve)), ylabel="layer")
    say(ax, f"Histograms of {quantity.replace('_', ' ')} by layer. " + _sentence("", rows, curve))
    return ax


def common_limits(panels: Sequence[Sequence[Row]], quantity: str) -> Limits:
    """Choose the x range: 99.5 % of the values of the layer where the signal comes in."""
    ends = [rows[-1 if "gradient" in quantity else 0] for rows in panels]
    every = [row for rows in panels for row in rows]
    reach = _median_reach(every if quantity == "weight" else ends) or _median_reach(every) or 1.0
    below = any(row.summary.min < -0.05 * reach for row in every)
    above = any(row.summary.max > 0.05 * reach for row in every)
    left, right = (-reach if below else 0.0), (reach if above or not below else 0.0)
    return left - 0.06 * (right - left), right + 0.06 * (right - left)


def _median_reach(rows: Sequence[Row]) -> float:
    found = [reach for row in rows if (reach := _reach(row.summary)) > 0]
    return float(np.median(found)) if found else 0.0


def _reach(summary: Any) -> float:
    """Return the magnitude that 99.5 % of the finite values stay below; 0 where there is none."""
    counts, edges = (np.asarray(part, float) for part in summary.histogram)
    if summary.nonfinite == 1 or not np.isfinite(edges).all() or counts.sum() == 0:
        return 0.0
    if summary.min == summary.max:
        return abs(float(summary.max))
    far = np.maximum(abs(edges[:-1]), abs(edges[1:]))
    order = np.argsort(far)
    held = np.cumsum(counts[order]) / counts.sum()
    return float(far[order][np.searchsorted(held, 0.995)])


def density(summary: Any, limits: Limits) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Redistribute a histogram without its exact zeros on the panel's bins: (centres, heights).

    The highest bin has the height of the share that lies inside the limits: 1 if all does.
    """
    grid = np.linspace(*limits, BINS + 1)
    counts, edges = (np.asarray(part, float) for part in summary.histogram)
    if summary.min == summary.max:  # the bins around a single value are the recorder's choice
        counts, edges = np.array([counts.sum()]), np.array([summary.min, summary.max])
    counts = _without_zeros(counts, edges, summary.zeros)
    held = np.concatenate([[0.0], np.cumsum(counts)])
    if not np.isfinite(edges).all():
        held, edges = np.zeros(2), np.array([0.0, 1.0])
    heights = np.diff(np.interp(grid, edges, held, left=0.0, right=held[-1]))
    highest = heights.max() * held[-1]
    if highest > 0:
        heights *= heights.sum() / highest
    return (grid[:-1] + grid[1:]) / 2, heights


def _without_zeros(
    counts: NDArray[np.float64], edges: NDArray[np.float64], zeros: float
) -> NDArray[np.float64]:
    """Take exact zeros out of their bin: they are drawn as a bar of their own."""
    home = int(np.clip(np.searchsorted(edges, 0.0, side="right") - 1, 0, len(counts) - 1))
    left = counts.copy()
    left[home] = max(0.0, left[home] - zeros * counts.sum())
    return left


def _panel(ax: Axes, rows: Sequence[Row], limits: Limits, look: Look, curve: list[float]) -> None:
    places = [row.position for row in rows]
    pitch = min((b - a for a, b in pairwise(places)), default=1)
    height = pitch * float(np.clip(len(rows) / 14, 0.85, 3.0))
    width = 1.2 if len(rows) <= 30 else 0.7
    for order, row in enumerate(rows):  # from the back to the front
        _ridge(ax, row, limits, look.colour, height, width, zorder=2 + 0.001 * order)
    if curve:
        _rms_marks(ax, rows, curve)
    dress(ax)
    ax.grid(False)
    ax.set(xlim=limits, ylim=(places[-1] + 0.5 * pitch, places[0] - height - 0.3 * pitch))
    ax.set_yticks(records.ticks(places))


def _ridge(
    ax: Axes, row: Row, limits: Limits, colour: str, height: float, width: float, zorder: float
) -> None:
    base = row.position
    if row.summary.nonfinite == 1:
        ax.plot(limits, (base, base), color=colour, linewidth=1, linestyle=":", zorder=zorder)
        return
    centres, heights = density(row.summary, limits)
    top = base - height * heights
    pale = 0.35 * np.array(to_rgb(colour)) + 0.65  # not see-through: the ridge behind stays behind
    ax.fill_between(centres, base, top, color=pale, linewidth=0, zorder=zorder)
    ax.plot(centres, top, color=colour, linewidth=width, zorder=zorder, label=row.name)
    if row.summary.zeros > 0:
        tip = base - height * row.summary.zeros
        ax.plot((0, 0), (base, tip), color=INK, linewidth=3, solid_capstyle="butt",
                zorder=zorder, label=f"{row.name} zeros")  # fmt: skip


def _rms_marks(ax: Axes, rows: Sequence[Row], curve: list[float]) -> None:
    places = [row.position for row in rows]
    ax.plot(curve, places, color=THEORY, linestyle="--", linewidth=2, zorder=5, label="theory")
    measured = [row.summary.rms for row in rows]
    ax.plot(measured, places, "o", color=THEORY, markersize=5, zorder=5, label="measured")


def _notes(ax: Axes, rows: Sequence[Row], reach: int, lines: int) -> None:
    """Write the rms beside the ridges, or the word that says what is wrong."""
    points = 72 * (4.2 if lines == 1 else 2.2)  # the height of a panel
    gap = math.ceil((reach + 1) * 16 / points)
    if lines == 1:
        ax.annotate("rms", (1.02, 1), (0, 8), xycoords="axes fraction",
                    textcoords="offset points", fontsize=12, style="italic")  # fmt: skip
    for row in _noted(rows, gap):
        word = records.state(row.summary) or number(row.summary.rms)
        ax.text(1.02, row.position, word, transform=ax.get_yaxis_transform(), fontsize=12,
                va="bottom")  # fmt: skip


def _noted(rows: Sequence[Row], gap: int) -> list[Row]:
    """Choose rows far enough apart: both ends, then where something changes, then the rest."""
    changes = [b for a, b in pairwise(rows) if records.state(a.summary) != records.state(b.summary)]
    chosen: list[Row] = []
    for row in [rows[0], rows[-1], *changes, *rows[::gap]]:
        if all(abs(row.position - other.position) >= gap for other in chosen):
            chosen.append(row)
    return sorted(chosen)


def _curve(prediction: Any, rows: Sequence[Row], quantity: str) -> list[float]:
    return [] if prediction is None else records.theory_curve(prediction, rows, quantity)


def _sentence(name: str, rows: Sequence[Row], curve: list[float]) -> str:
    said = (f"{name}: " if name else "") + records.account(rows)
    if rows[-1].summary.zeros not in (0, 1):
        said += f"; {records.percent(rows[-1].summary.zeros)} zeros at layer {rows[-1].position}"
    if any(map(math.isfinite, curve)):
        said += f"; theory {number(curve[0])} to {number(curve[-1])}"
    return said + "."


def _x_label(quantity: str, panels: Mapping[str, Sequence[Row]], theory: bool) -> str:
    words = [QUANTITIES[quantity]]
    if any(row.summary.zeros > 0 for rows in panels.values() for row in rows):
        words.append("▮ share of exact zeros")
    if theory:
        words.append("rms: ● measured, ╌ theory")
    elif len(panels) > 1:
        words.append("numbers: rms")
    return ";  ".join(words)


def _label(figure: Figure | SubFigure, grid: NDArray[Any], x_label: str) -> None:
    if grid.size == 1:
        grid[0, 0].set(xlabel=x_label, ylabel="layer")
        return
    figure.supxlabel(x_label, fontsize=15)
    figure.supylabel("layer", fontsize=15)
