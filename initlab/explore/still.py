"""How does a scene look without a browser? The same panels, drawn with matplotlib."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, to_rgb
from matplotlib.ticker import FuncFormatter, MaxNLocator

from initlab.explore.panels import (
    Axis,
    HeatMap,
    Lines,
    Panel,
    Plane,
    Regions,
    Ridgeline,
    Scene,
    Series,
)
from initlab.plots.figure import Picture, add_alt
from initlab.plots.records import ticks
from initlab.plots.style import GRID, THEME, TICKS

COLOURS = ["#0b6fb8", "#c8500a", "#008562", "#a8487f", "#6b6b6b", "#8a6d00"]  # as explorer.css
MARKERS = {"circle": "o", "square": "s", "diamond": "D", "plus": "P"}
OF_CLASSES = ["circle", "square", "diamond", "plus"]
STYLES = {"line": "-", "dashes": "--", "dots": ""}
WIDTH = 12.0  # inches
PIXELS = 80  # of the browser to an inch


def draw(scene: Scene) -> Picture:
    """Draw every panel of a scene.

    Args:
        scene: What an explorer shows.

    Returns:
        A figure whose text alternative is the scene's sentence. Pyplot does not know it, so that
        no notebook shows it a second time.
    """
    rows = _rows(scene.panels)
    heights = [max(panel.height for panel in row) / PIXELS for row in rows] or [1.0]
    with rc_context(THEME):
        figure = Picture(figsize=(WIDTH, sum(heights)), dpi=100, layout="constrained")
        grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
        for line, row in enumerate(rows):
            cells = grid[line].subgridspec(1, len(row), width_ratios=[panel.span for panel in row])
            for place, panel in enumerate(row):
                axes = figure.add_subplot(cells[place])
                _dress(axes, panel)
                DRAWERS[type(panel)](axes, panel)
        axes = figure.axes[0] if rows else figure.add_subplot()
        add_alt(axes, scene.sentence)
    return figure


def _rows(panels: list[Panel]) -> list[list[Panel]]:
    """Break the panels into rows of at most twelve twelfths."""
    rows: list[list[Panel]] = []
    room = 0
    for panel in panels:
        if panel.span > room:
            rows.append([])
            room = 12
        rows[-1].append(panel)
        room -= panel.span
    return rows


def _dress(axes: Axes, panel: Panel) -> None:
    is_narrow = panel.span <= 3
    axes.set_title(panel.title, loc="left", fontsize=13 if is_narrow else None)
    axes.tick_params(**TICKS)
    for axis, ruler, limits, scale in (
        (panel.x, axes.xaxis, axes.set_xlim, axes.set_xscale),
        (panel.y, axes.yaxis, axes.set_ylim, axes.set_yscale),
    ):
        ruler.set_label_text(axis.label)
        scale("log" if axis.log else "linear")
        limits(axis.low, axis.high)
        if not axis.log:
            whole = axis.whole or axis.powers
            ruler.set_major_locator(
                MaxNLocator(2 if is_narrow else 5, integer=whole, steps=[1, 2, 5, 10])
            )
        if axis.powers:
            ruler.set_major_formatter(FuncFormatter(lambda tick, _: f"$10^{{{tick:.0f}}}$"))


def _ridgeline(axes: Axes, panel: Ridgeline) -> None:
    bins = panel.heights.shape[1]
    x = np.linspace(panel.x.low, panel.x.high, 2 * bins + 1)[1::2]
    for row, heights in enumerate(panel.heights, start=1):
        ridge = row - 1.4 * heights
        axes.fill_between(x, row, ridge, color="white", zorder=row)
        axes.fill_between(x, row, ridge, color=_colour(panel.colour), alpha=0.4, lw=0, zorder=row)
        axes.plot(x, ridge, color=_colour(panel.colour), lw=1.2, zorder=row)
    axes.set_ylim(panel.rows + 0.15, -0.45)
    axes.set_yticks(ticks(range(1, panel.rows + 1)))
    if panel.span <= 4:
        ends = [panel.x.low, panel.x.high]  # more would touch
        axes.set_xticks(ends, [f"{end:g}" for end in ends])  # and an offset hit the label
    last = -math.inf
    notes = panel.notes or []
    step = panel.rows * 18 / (panel.height - 80)  # rows that one line of text takes
    for row, note in enumerate(notes, start=1):
        if row - last >= step:
            axes.text(1.01, row, note, transform=axes.get_yaxis_transform(), va="baseline")
            last = row
    if notes:
        axes.text(1.01, 1.02, panel.notes_label, transform=axes.transAxes)


def _heatmap(axes: Axes, panel: HeatMap) -> None:
    edges = (panel.x.low, panel.x.high, panel.y.high, panel.y.low)
    axes.set_ylim(panel.y.high, panel.y.low)  # row 1 on top
    drawn = axes.imshow(
        panel.values, cmap=_colours(panel.palette), vmin=panel.low, vmax=panel.high,
        extent=edges, aspect="auto", interpolation="nearest",
    )  # fmt: skip
    if panel.bar:
        axes.figure.colorbar(drawn, ax=axes, ticks=[panel.low, panel.high], fraction=0.06)


def _colours(palette: str | int) -> LinearSegmentedColormap:
    stops = [COLOURS[0], "#ffffff", COLOURS[1]]
    if not isinstance(palette, str):
        stops = ["#ffffff", COLOURS[palette]]
    return LinearSegmentedColormap.from_list("initlab", stops)


def _colour(which: int | str) -> str:
    return which if isinstance(which, str) else COLOURS[which]


def _regions(axes: Axes, panel: Regions) -> None:
    classes = int(max(panel.values.max(), panel.labels.max())) + 1
    edges = (panel.x.low, panel.x.high, panel.y.low, panel.y.high)
    pale = ListedColormap([0.6 + 0.4 * np.array(to_rgb(colour)) for colour in COLOURS[:classes]])
    axes.imshow(
        panel.values, cmap=pale, vmin=0, vmax=classes - 1, extent=edges, aspect="auto",
        origin="lower", interpolation="nearest",
    )  # fmt: skip
    for label in range(classes):
        here = panel.labels == label
        axes.plot(panel.points_x[here], panel.points_y[here], MARKERS[OF_CLASSES[label]],
                  color=COLOURS[label], ms=4)  # fmt: skip


def _plane(axes: Axes, panel: Plane) -> None:
    edges = (panel.x.low, panel.x.high, panel.y.low, panel.y.high)
    drawn = axes.imshow(
        panel.values, cmap=_colours("diverging"), vmin=panel.low, vmax=panel.high, extent=edges,
        aspect="auto", origin="lower", interpolation="bilinear",
    )  # fmt: skip
    bar = axes.figure.colorbar(drawn, ax=axes, ticks=[panel.low, 0, panel.high], fraction=0.06)
    bar.ax.set_yticklabels([f"{10.0**end:.2g}" for end in (panel.low, 0, panel.high)])
    bar.ax.set_title(panel.quantity)
    for series in panel.series:
        _series(axes, series, panel.y)
    axes.plot(*panel.point, "o", ms=12, mfc="white", mec="#222222", mew=2.5, clip_on=False)
    if panel.series:
        _legend(axes, panel)


def _lines(axes: Axes, panel: Lines) -> None:
    axes.grid(True, **GRID)
    for series in panel.series:
        _series(axes, series, panel.y)
    for rule in panel.rules:
        axes.axhline(rule.y, color="#222222", lw=1.2, ls=":")
        axes.text(
            0.99, rule.y, rule.label, transform=axes.get_yaxis_transform(), ha="right", va="bottom"
        )
    if panel.cursor is not None:
        axes.axvline(panel.cursor, color="#222222", lw=1)
    _legend(axes, panel)


def _legend(axes: Axes, panel: Lines | Plane) -> None:
    """Stack title, legend and note above the plot, never over the data."""
    longest = max((len(series.name) for series in panel.series), default=0)
    room = (panel.span - 0.8) / (0.6 + 0.115 * longest)  # inches of the panel by those of an entry
    columns = min(max(int(room), 1), 4)
    legend = axes.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncols=columns,
                         borderaxespad=0, borderpad=0, columnspacing=1.2)  # fmt: skip
    legend.set_in_layout(False)  # its height is in the title's distance
    for handle in legend.get_lines():
        handle.set_linewidth(min(handle.get_linewidth(), 3))
    rows = -(-len(panel.series) // columns)
    note = panel.note if isinstance(panel, Lines) else ""
    title = f"{panel.title}\n{note}" if note else panel.title
    axes.set_title(title, loc="left", pad=10 + 21 * rows)


def _series(axes: Axes, series: Series, y: Axis) -> None:
    below = (series.y <= 0) if y.log else (series.y == -np.inf)
    beyond = ~np.isfinite(series.y) & ~below
    if series.style != "dashes":
        beyond |= series.y > y.high
    shown = np.where(beyond | below, np.nan, series.y)
    look: dict[str, Any] = {"color": _colour(series.colour)}
    dots: dict[str, Any] = {"marker": MARKERS[series.symbol], "ms": 6}
    if series.style != "dots":
        dots = {"lw": series.thick, **(dots if series.every else {})}
        dots |= {"markevery": series.every} if series.every else {}
    axes.plot(series.x, shown, ls=STYLES[series.style], label=series.name, **look, **dots)
    for where, level, marker in ((below, 0.02, "v"), (beyond, 0.98, "^")):
        if where.any() and series.style != "dashes":
            axes.plot(series.x[where], np.full(where.sum(), level), marker, ms=8, **look,
                      transform=axes.get_xaxis_transform(), clip_on=False)  # fmt: skip


DRAWERS: dict[type[Panel], Callable[[Axes, Any], None]] = {
    Ridgeline: _ridgeline,
    HeatMap: _heatmap,
    Regions: _regions,
    Plane: _plane,
    Lines: _lines,
}
