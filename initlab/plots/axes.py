"""How are axes made readable: ticks, grid, legend, a log axis, and what it cannot show?"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from initlab.plots.figure import HEIGHT, hush, picture
from initlab.plots.style import GRID, TICKS


def axes(ax: Axes | None, height: float = HEIGHT) -> Axes:
    """Return the caller's axes, or new ones on a new figure; both with readable ticks."""
    if ax is None:
        ax = picture(height=height).add_subplot()
    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax must be matplotlib axes or None, got {ax!r} of type {type(ax).__name__}."
        )
    if not ax.has_data():
        hush(ax)
    dress(ax)
    return ax


def dress(ax: Axes) -> None:
    """Set ticks and grid for good: matplotlib makes them late, after the theme has ended."""
    ax.tick_params(**TICKS)
    ax.grid(True, **GRID)


def few_ticks(ax: Axes) -> None:
    """Put few ticks under a narrow panel: 0, and one round number near each end."""
    left, right = ax.get_xlim()
    reach = max(abs(left), abs(right)) / 1.05
    power = 10.0 ** math.floor(math.log10(reach))
    far = max(unit * power for unit in (1, 2, 5) if unit * power <= reach)
    ax.set_xticks([tick for tick in (-far, 0.0, far) if left <= tick <= right])
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))


def legend(ax: Axes) -> None:
    """Put the legend beside the axes, never over the data; long lines are broken."""
    handles, labels = ax.get_legend_handles_labels()
    broken = ["\n".join(map(_broken, label.split("\n"))) for label in labels]
    ax.legend(handles, broken, loc="upper left", bbox_to_anchor=(1.01, 1.02), handlelength=1.6,
              borderaxespad=0)  # fmt: skip


def _broken(line: str) -> str:
    indent = "" if line == line.lstrip() else "    "
    return textwrap.fill(line, 30, subsequent_indent=indent, break_on_hyphens=False)


def log_axis(ax: Axes, values: Sequence[float]) -> None:
    """Make y logarithmic, at least two powers of ten high, with the values well inside."""
    low, high = np.log10([min(values, default=1.0), max(values, default=1.0)])
    room = max(0.06 * (high - low), (2 - (high - low)) / 2, 0.15)
    ax.set_yscale("log")
    ax.set_ylim(10.0 ** (low - room), 10.0 ** (high + room))
    ax.yaxis.set_major_locator(LogLocator(numticks=8))
    ax.yaxis.set_minor_formatter(NullFormatter())


def at_edge(ax: Axes, places: Sequence[float], *, top: bool, **dot: Any) -> None:
    """Mark on the lower or upper edge what the y axis cannot show, so that it is not lost."""
    if not len(places):  # a line without points would count as one at the figure's corner
        return
    height = [1.0 if top else 0.0] * len(places)
    ax.plot(places, height, linestyle="", transform=ax.get_xaxis_transform(), clip_on=False,
            zorder=4, label="_edge", **dot)  # fmt: skip
