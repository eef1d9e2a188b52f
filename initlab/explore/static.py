"""How does a scene look without a browser? The same panels, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, to_rgb
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from initlab.explore.colours import colour
from initlab.explore.controls import Control, Slider
from initlab.explore.panels import (
    Axis,
    HeatMap,
    Lines,
    Panel,
    Plane,
    Regions,
    Ridgeline,
    Series,
)
from initlab.explore.scene import Scene
from initlab.format import number
from initlab.plots.figure import Picture, add_alt
from initlab.plots.ridgeline import ridgeline
from initlab.plots.style import GRID, THEME, TICKS

MARKERS = {"circle": "o", "square": "s", "diamond": "D", "plus": "P"}
STYLES = {"line": "-", "dashes": "--", "dots": ""}
WIDTH = 12.0  # inches
LINE = 0.26  # inches of a line of the table
STRIP = 0.72  # inches of the controls
INVITATION = "Run this cell to move it"
PIXELS = 68  # of the browser to an inch


def draw(scene: Scene, controls: Sequence[tuple[Control, Any]] = ()) -> Picture:
    """Draw every panel of a scene.

    Args:
        scene: What an explorer shows.
        controls: Controls to draw above it, each with its value, and how to bring them to life.

    Returns:
        A figure whose text alternative is the scene's sentence. Pyplot does not know it, so that
        no notebook shows it a second time.
    """
    rows = _rows(scene.panels)
    strip = STRIP if controls else 0.0
    head = strip + 0.55 + LINE * len(scene.table.rows)
    heights = [max(panel.height for panel in row) / PIXELS for row in rows] or [1.0]
    with rc_context(THEME):
        figure = Picture(figsize=(WIDTH, head + sum(heights)), dpi=100, layout="constrained")
        parts: Any = figure.subfigures(2, 1, height_ratios=[head, sum(heights)])
        top, body = parts
        _head(top, scene, below=strip)
        if controls:
            _controls(top, controls)
        grid = body.add_gridspec(len(heights), 1, height_ratios=heights)
        for line, row in enumerate(rows):
            cells = grid[line].subgridspec(1, len(row), width_ratios=[panel.span for panel in row])
            for place, panel in enumerate(row):
                axes = body.add_subplot(cells[place])
                _dress(axes, panel)
                DRAWERS[type(panel)](axes, panel)
                if panel.remark:
                    box = {"facecolor": colour("paper"), "edgecolor": colour("ink"), "pad": 4}
                    axes.text(0.5, 0.06, panel.remark, ha="center", bbox=box, zorder=99,
                              transform=axes.transAxes)  # fmt: skip
        axes = figure.axes[0] if rows else body.add_subplot()
        add_alt(axes, scene.sentence)
    return figure


def _head(top: SubFigure, scene: Scene, *, below: float) -> None:
    """Write the headline, and below it the rows of the table, which are the legend too."""
    height = top.bbox.height / top.dpi
    y = 1 - (below + 0.08) / height
    top.text(0.008, y, scene.headline, va="top", fontsize=17, fontweight="bold")
    for place, row in enumerate(scene.table.rows):
        y = 1 - (below + 0.6 + LINE * place) / height
        pairs = zip(scene.table.columns, row.cells, strict=True)
        cells = ",  ".join(f"{column.label} = {cell}" for column, cell in pairs if cell)
        look: dict[str, Any] = {"va": "center", "fontsize": 14}
        top.text(0.01, y, row.mark, color=colour(row.colour), **look)
        top.text(0.027 if row.mark else 0.01, y, f"{row.name}:  {cells}", **look)


def _controls(top: SubFigure, controls: Sequence[tuple[Control, Any]]) -> None:
    """Draw the controls as they stand, and say what brings them to life."""
    height = top.bbox.height / top.dpi
    upper, lower = 1 - 0.18 / height, 1 - 0.48 / height
    look: dict[str, Any] = {"fontsize": 14, "va": "center"}
    step = 0.74 / len(controls)
    for place, (control, value) in enumerate(controls):
        left, right = 0.01 + place * step, (place + 1) * step - 0.03
        top.text(left, upper, control.label, **look)
        if isinstance(control, Slider):
            top.text(right, upper, control.text(value), ha="right", **look)
            knob = left + control.share(value) * (right - left)
            for end, thick, shade in ((right, 3, "grid"), (knob, 4, "accent")):
                _line(top, [left, end], [lower, lower], color=colour(shade), lw=thick)
            _line(top, [knob], [lower], color=colour("accent"), marker="o", ms=12)
        else:
            x = [left, left, right, right, left]
            y = [lower + half * 0.14 / height for half in (-1, 1, 1, -1, -1)]
            _line(top, x, y, color=colour("muted"), lw=1.2)
            top.text(left + 0.008, lower, control.text(value), **look)
            top.text(right - 0.008, lower, "▾", ha="right", **look)
    frame = {"boxstyle": "round,pad=0.5", "facecolor": colour("accent"), "edgecolor": "none"}
    paper, middle = colour("paper"), (upper + lower) / 2
    top.text(0.99, middle, INVITATION, ha="right", color=paper, bbox=frame, **look)


def _line(top: SubFigure, x: list[float], y: list[float], **look: Any) -> None:
    top.add_artist(Line2D(x, y, transform=top.transSubfigure, **look))


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
    axes.set_title(panel.title, loc="left", fontsize=13 if is_narrow else None, fontweight="bold")
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
        if axis.ticks:
            ruler.set_ticks(axis.ticks)
        if axis.powers:
            ruler.set_major_formatter(FuncFormatter(lambda tick, _: f"$10^{{{tick:.0f}}}$"))


def _ridgeline(axes: Axes, panel: Ridgeline) -> None:
    zeros = None if panel.zeros is None else panel.zeros.tolist()
    limits = (panel.x.low, panel.x.high)
    ridgeline(axes, panel.heights, limits, colour=colour(panel.colour), zeros=zeros)
    if panel.span <= 4:
        ends = [panel.x.low, panel.x.high]  # more would touch
        axes.set_xticks(ends, [f"{end:g}" for end in ends])  # and an offset hit the label


def _heatmap(axes: Axes, panel: HeatMap) -> None:
    edges = (panel.x.low, panel.x.high, panel.y.high, panel.y.low)
    axes.set_ylim(panel.y.high, panel.y.low)  # row 1 on top
    drawn = axes.imshow(
        panel.values, cmap=_colours(panel.palette), vmin=panel.low, vmax=panel.high,
        extent=edges, aspect="auto", interpolation="nearest",
    )  # fmt: skip
    if panel.bar:
        bar = axes.figure.colorbar(drawn, ax=axes, ticks=[panel.low, panel.high], fraction=0.06)
        if panel.bar_labels:
            bar.ax.set_yticklabels(panel.bar_labels)


def _colours(palette: str) -> LinearSegmentedColormap:
    roles = ["negative", "paper", "positive"] if palette == "diverging" else ["paper", palette]
    return LinearSegmentedColormap.from_list("initlab", [colour(role) for role in roles])


def _regions(axes: Axes, panel: Regions) -> None:
    classes = int(max(panel.values.max(), panel.labels.max())) + 1
    edges = (panel.x.low, panel.x.high, panel.y.low, panel.y.high)
    colours = [colour(f"class {label}") for label in range(classes)]
    pale = ListedColormap([0.6 + 0.4 * np.array(to_rgb(colour)) for colour in colours])
    axes.imshow(
        panel.values, cmap=pale, vmin=0, vmax=classes - 1, extent=edges, aspect="equal",
        origin="lower", interpolation="nearest",
    )  # fmt: skip
    for label in range(classes):
        here = panel.labels == label
        axes.plot(panel.points_x[here], panel.points_y[here], [*MARKERS.values()][label],
                  color=colours[label], ms=4)  # fmt: skip


def _plane(axes: Axes, panel: Plane) -> None:
    edges = (panel.x.low, panel.x.high, panel.y.low, panel.y.high)
    drawn = axes.imshow(
        panel.values, cmap=_colours("diverging"), vmin=panel.low, vmax=panel.high, extent=edges,
        aspect="auto", origin="lower", interpolation="bilinear",
    )  # fmt: skip
    bar = axes.figure.colorbar(drawn, ax=axes, ticks=[panel.low, 0, panel.high], fraction=0.06)
    bar.ax.set_yticklabels([number(10.0**end) for end in (panel.low, 0, panel.high)])
    bar.ax.set_title(panel.quantity)
    for series in panel.series:
        _series(axes, series, panel.y)
    axes.plot(*panel.point, "o", ms=12, mfc="white", mec=colour("ink"), mew=2.5, clip_on=False)
    if panel.series:
        _legend(axes, panel)


def _lines(axes: Axes, panel: Lines) -> None:
    axes.grid(True, **GRID)
    for series in panel.series:
        _series(axes, series, panel.y)
    for rule in panel.rules:
        axes.axhline(rule.y, color=colour("ink"), lw=1.2, ls=":", label=rule.label)
    if panel.cursor is not None:
        axes.axvline(panel.cursor, color=colour("ink"), lw=1)
    _legend(axes, panel)


def _legend(axes: Axes, panel: Lines | Plane) -> None:
    """Stack title, legend and note above the plot, never over the data.

    It names what the table does not, and all dashes of theory at once.
    """
    unlisted = {series.name for series in panel.series if not series.listed}
    named = {str(line.get_label()): line for line in axes.lines}
    hidden = unlisted | {name for name in named if name.startswith("_")}  # matplotlib's own names
    handles = {name: line for name, line in named.items() if name not in hidden}
    if not handles:
        return
    longest = max(map(len, handles))
    room = (panel.span - 0.8) / (0.6 + 0.115 * longest)  # inches of the panel by those of an entry
    columns = min(max(int(room), 1), 4)
    legend = axes.legend(
        [*handles.values()], [*handles], loc="lower left", bbox_to_anchor=(0, 1.02), ncols=columns,
        borderaxespad=0, borderpad=0, columnspacing=1.2,
    )  # fmt: skip
    legend.set_in_layout(False)  # its height is in the title's distance
    for handle in legend.get_lines():
        handle.set_linewidth(min(handle.get_linewidth(), 3))
    rows = -(-len(handles) // columns)
    note = panel.note if isinstance(panel, Lines) else ""
    title = f"{panel.title}\n{note}" if note else panel.title
    axes.set_title(title, loc="left", pad=10 + 21 * rows, fontweight="bold")


def _series(axes: Axes, series: Series, y: Axis) -> None:
    below = (series.y <= 0) if y.log else (series.y == -np.inf)
    beyond = ~np.isfinite(series.y) & ~below
    if series.style != "dashes":
        beyond |= series.y > y.high
    shown = np.where(beyond | below, np.nan, series.y)
    look: dict[str, Any] = {"color": colour(series.colour)}
    dots: dict[str, Any] = {"marker": MARKERS[series.symbol], "ms": 6}
    dots |= {"mfc": "none"} if series.hollow else {}
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
