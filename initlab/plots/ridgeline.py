"""How are the values of each layer spread, and how does that change with depth?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike, NDArray

from initlab.format import number, percent
from initlab.plots import headlines, records
from initlab.plots.axes import dress, few_ticks
from initlab.plots.figure import HEIGHT, WIDTH, picture, tell
from initlab.plots.records import QUANTITIES, Row
from initlab.plots.style import FONT, INK, THEORY, look_of, looks, themed

BINS = 70  # across the panel: as fine as the eye follows
COLUMNS = 4  # panels side by side

Limits = tuple[float, float]


@themed()
def histograms(
    trace: Any,
    quantity: str = "activation",
    *,
    layers: Sequence[str] | str | None = None,
    predicted: Any = None,
    headline: str | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Draw one histogram for each layer, the first on top; several traces stand side by side.

    All ridges share the x axis, which fits the layer where the signal comes in (the first for
    activations, the last for gradients): what shrinks on its way becomes a spike, what grows
    leaves the panel and becomes flat. A ridge's height is its own peak, times the share of values
    inside the panel; a bar at 0 gives the share of exact zeros; numbers beside it give the rms.

    Args:
        trace: What `il.trace` returns; or a dict (name → trace) or a list of them for panels;
            of several seeds under one name the first is drawn.
        quantity: "activation", "gradient", "weight" or "weight_gradient".
        layers: Name globs such as "linear*"; None draws the nonlinearities, if there are any.
        predicted: What `il.theory.predict` returns, or a dict of it with the traces' names: a
            dashed line at the rms that theory expects, and a dot at the measured rms.
        headline: What is to be seen; None computes it, "" writes none.
        figure: Figure or subfigure to draw on; None makes one.

    Raises:
        TypeError: `trace` is no trace.
        ValueError: `quantity` is unknown, `layers` fits nothing, or there is nothing to draw.
    """
    traces = {name: runs[0] for name, runs in records.seeds(trace).items()}
    rows = {name: records.picked(one, quantity, layers) for name, one in traces.items()}
    curves = {
        name: records.theory_curve(one, rows[name], quantity)
        for name, one in records.predictions(predicted, list(traces)).items()
    }
    limits = common_limits(list(rows.values()), quantity)
    columns = min(COLUMNS, len(traces))
    lines = math.ceil(len(traces) / columns)
    if figure is None:
        figure = picture(WIDTH, HEIGHT + 0.2 if lines == 1 else 0.8 + 2.7 * lines)
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    style = looks(traces) | ({"": look_of(quantity)} if "" in traces else {})
    said = headlines.across_depth(rows, quantity)
    places = [row.position for one in rows.values() for row in one]
    ticks = records.ticks(places, most=9 if lines == 1 else 5)
    words = [f"Histograms of {quantity.replace('_', ' ')} by layer."]
    for name, ax in zip(traces, grid.flat, strict=False):
        curve = curves.get(name, [])
        _panel(ax, rows[name], limits, style[name].colour, curve, ticks)
        ax.set_title(name, loc="left", fontsize=FONT)
        words.append(headlines.about(name, _sentence(rows[name], curve)))
    for ax in grid.flat[len(traces) :]:
        ax.set_axis_off()
    label = QUANTITIES[quantity]
    if any(row.summary.zeros > 0 for one in rows.values() for row in one):
        label += ";  ▮ share of exact zeros"
    if curves:
        label += ";  rms: ● measured, ╌ theory"
    if grid.size == 1:
        grid[0, 0].set(xlabel=label, ylabel="layer")
    else:
        figure.supxlabel(label, fontsize=FONT)
        figure.supylabel("layer", fontsize=FONT)
    if columns > 2 or (columns > 1 and "gradient" in quantity):  # their numbers are long
        few_ticks(grid[0, 0])
    tell(figure, said, " ".join(words), headline)
    return figure


def ridgeline(
    ax: Axes,
    heights: ArrayLike,
    limits: Limits,
    *,
    colour: str,
    places: Sequence[int] | None = None,
    zeros: Sequence[float] | None = None,
    ticks: Sequence[int] | None = None,
    notes: Sequence[str] | None = None,
) -> None:
    """Draw given histograms as ridges, the first on top: the one way in which all pictures do.

    Args:
        ax: Axes to draw on.
        heights: Height of each bin, ridges × bins of equal width from limits[0] to limits[1]; 1 is
            the height of a full ridge. A ridge of nan is a dotted line.
        limits: Both ends of the x axis.
        colour: Hexadecimal.
        places: Number of each layer; None counts from 1.
        zeros: Share of exact zeros in each layer, drawn as a bar at 0.
        ticks: Layers that have a tick and a note; None chooses them.
        notes: The rms of each layer in words, written beside the ridges that have a tick.
    """
    table = np.asarray(heights, dtype=float)
    places = list(places or range(1, len(table) + 1))
    pitch = min((b - a for a, b in pairwise(places)), default=1)
    high = pitch * float(np.clip(len(table) / 14, 0.85, 3.0))
    edges = np.linspace(*limits, table.shape[1] + 1)
    centres = (edges[:-1] + edges[1:]) / 2
    pale = 0.35 * np.array(to_rgb(colour)) + 0.65  # not see-through: the ridge behind stays behind
    thin: dict[str, Any] = {"color": colour, "linewidth": 1.2 if len(table) <= 30 else 0.7}
    shares = zeros if zeros is not None else [0.0] * len(table)
    for order, (base, ridge, share) in enumerate(zip(places, table, shares, strict=True)):
        layer: dict[str, Any] = {"zorder": 2 + 0.001 * order}  # from the back to the front
        if np.isnan(ridge).all():
            ax.plot(limits, (base, base), linestyle=":", label=f"ridge {base}", **thin, **layer)
            continue
        top = base - high * ridge
        ax.fill_between(centres, base, top, color=pale, linewidth=0, **layer)
        ax.plot(centres, top, label=f"ridge {base}", **thin, **layer)
        if share > 0:
            ax.plot((0, 0), (base, base - high * share), color=INK, linewidth=3,
                    solid_capstyle="butt", label=f"zeros {base}", **layer)  # fmt: skip
    dress(ax)
    ax.grid(False)
    ax.set(xlim=limits, ylim=(places[-1] + 0.5 * pitch, places[0] - high - 0.3 * pitch))
    shown = list(ticks if ticks is not None else records.ticks(places))
    ax.set_yticks(shown)
    if notes is None:
        return
    ax.annotate("rms", (1, 1), (6, 1), xycoords="axes fraction",
                textcoords="offset points", fontsize=FONT - 1, style="italic")  # fmt: skip
    for base, note in zip(places, notes, strict=True):
        if base in shown:
            ax.annotate(note, (1, base), (6, 0), xycoords=ax.get_yaxis_transform(),
                        textcoords="offset points", va="center", fontsize=FONT - 1)  # fmt: skip


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


def density(summary: Any, limits: Limits) -> NDArray[np.float64]:
    """Redistribute a histogram without its exact zeros on the panel's bins; nan where all is.

    The highest bin has the height of the share that lies inside the limits: 1 if all does.
    """
    if summary.nonfinite == 1:
        return np.full(BINS, math.nan)
    grid = np.linspace(*limits, BINS + 1)
    counts, edges = (np.array(part, float) for part in summary.histogram)
    if summary.min == summary.max:  # the bins around a single value are the recorder's choice
        counts, edges = np.array([counts.sum()]), np.array([summary.min, summary.max])
    home = np.clip(np.searchsorted(edges, 0.0, side="right") - 1, 0, len(counts) - 1)
    counts[home] = max(0.0, counts[home] - summary.zeros * counts.sum())
    held = np.concatenate([[0.0], np.cumsum(counts)])
    if not np.isfinite(edges).all():
        held, edges = np.zeros(2), np.array([0.0, 1.0])
    heights: NDArray[np.float64] = np.diff(np.interp(grid, edges, held, left=0.0, right=held[-1]))
    highest = heights.max() * held[-1]
    if highest > 0:
        heights *= heights.sum() / highest
    return heights


def _panel(
    ax: Axes,
    rows: Sequence[Row],
    limits: Limits,
    colour: str,
    curve: list[float],
    ticks: Sequence[int],
) -> None:
    places = [row.position for row in rows]
    summaries = [row.summary for row in rows]
    ridgeline(
        ax, [density(one, limits) for one in summaries], limits, colour=colour, places=places,
        zeros=[one.zeros for one in summaries], ticks=ticks,
        notes=[records.state(one) or number(one.rms) for one in summaries],
    )  # fmt: skip
    if curve:
        ax.plot(curve, places, color=THEORY, linestyle="--", linewidth=2, zorder=5, label="theory")
        ax.plot([one.rms for one in summaries], places, "o", color=THEORY, markersize=4.5,
                zorder=5, label="measured")  # fmt: skip


def _sentence(rows: Sequence[Row], curve: list[float]) -> str:
    said = records.account(rows)
    if rows[-1].summary.zeros not in (0, 1):
        said += f"; {percent(rows[-1].summary.zeros)} zeros at layer {rows[-1].position}"
    if any(map(math.isfinite, curve)):
        said += f"; theory {number(curve[0])} to {number(curve[-1])}"
    return said + "."
