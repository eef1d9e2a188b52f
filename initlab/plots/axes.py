"""How are axes made readable: ticks, grid, names at the lines, a log axis, what it cannot show?"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from initlab.plots.figure import HEIGHT, clear_alt, picture
from initlab.plots.style import FONT, GRID, INK, TICKS

LARGEST, SMALLEST = 3.4e38, 1e-45  # of float32: beyond is inf, below is 0
LETTERS = 28  # of a name beside its line
CROSS: dict[str, Any] = {"marker": "x", "markersize": 9, "markeredgewidth": 2.5}  # of a lost run


def axes(ax: Axes | None, height: float = HEIGHT) -> Axes:
    """Return the caller's axes, or new ones on a new figure; both with readable ticks."""
    if ax is None:
        ax = picture(height=height).add_subplot()
    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax must be matplotlib axes or None, got {ax!r} of type {type(ax).__name__}."
        )
    if not ax.has_data():
        clear_alt(ax)
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


def linear_axis(ax: Axes, values: Sequence[float], *, room: float) -> None:
    """Let y reach over all values, and beyond both ends by a share of that."""
    low, high = min(values), max(values)
    space = room * (high - low) or 0.1 * abs(high) or 0.1
    ax.set_ylim(low - space, high + space)


def log_axis(ax: Axes, values: Sequence[float]) -> None:
    """Make y logarithmic, the values well inside, with a handful of ticks that are read at once.

    Where the axis reaches what float32 cannot hold, a dotted line says so.
    """
    low, high = np.log10([min(values, default=1.0), max(values, default=1.0)])
    room = max(0.06 * (high - low), (0.6 - (high - low)) / 2, 0.06)
    low, high = low - room, high + room
    ax.set_yscale("log")
    ax.set_ylim(10.0**low, 10.0**high)
    label_powers(ax.yaxis, low, high)
    for end, words in ((LARGEST, "float32's largest number"), (SMALLEST, "its smallest")):
        if low < math.log10(end) < high:
            ax.axhline(end, linestyle=":", linewidth=1.2, color=INK, label="_float32")
            ax.text(0.01, end, words, transform=ax.get_yaxis_transform(), va="bottom",
                    fontsize=FONT - 1)  # fmt: skip


def label_powers(axis: Axis, low: float, high: float) -> None:
    """Label a log axis from 10^low to 10^high: 1, 2, 5, 10, ... or every so many powers of ten."""
    units: tuple[float, ...] = (1,)
    if high - low < 3.1:
        units = (1, 2, 5) if high - low > 0.9 else (1, 1.5, 2, 3, 4, 5, 7)
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100) if high - low < 8 * step)
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [unit * 10.0**power for power in powers if power % step == 0 for unit in units]
    axis.set_major_locator(FixedLocator([t for t in ticks if low <= math.log10(t) <= high]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
    axis.set_minor_locator(NullLocator())


def _power(value: float) -> str:
    if 1e-3 <= value < 1e5:
        return f"{value:g}"
    mantissa, exponent = f"{value:.0e}".split("e")
    front = "" if mantissa == "1" else f"{mantissa}·"
    return f"${front}10^{{{int(exponent)}}}$"


def at_edge(ax: Axes, places: Sequence[float], *, top: bool, **dot: Any) -> None:
    """Mark on the lower or upper edge what the y axis cannot show, so that it is not lost."""
    if not len(places):  # a line without points would count as one at the figure's corner
        return
    height = [1.0 if top else 0.0] * len(places)
    ax.plot(places, height, linestyle="", transform=ax.get_xaxis_transform(), clip_on=False,
            zorder=4, label="_edge", **dot)  # fmt: skip


class Name(NamedTuple):
    """A name that stands beside the end of its line.

    Args:
        text: What is written.
        y: Where the line ends; infinite above the axis, nan or 0 (on a log axis) below it, None
            for a name without a line of its own, which stands below all others.
        look: Keyword arguments of `plot` for the sample before the name.
    """

    text: str
    y: float | None
    look: dict[str, Any]


def name_lines(ax: Axes, names: Sequence[Name]) -> None:
    """Write names at the ends of their lines, right of the axes, pushed apart where they overlap.

    Call it last: it needs the limits of the y axis.
    """
    if not names:
        return
    pixels = max(ax.bbox.height, 1.0)
    letter = FONT * ax.figure.dpi / 72
    texts = ["\n".join(_broken(line) for line in name.text.split("\n")) for name in names]
    heights = np.array([(0.25 + 1.2 * (1 + text.count("\n"))) * letter / pixels for text in texts])
    wanted = np.array([_height(ax, name.y) for name in names])
    for name, text, at, to in zip(names, texts, wanted, apart(wanted, heights), strict=True):
        right = 1 + np.array([0.0, 1.0, 2.0]) * letter / max(ax.bbox.width, 1.0)
        here: dict[str, Any] = {"transform": ax.transAxes, "clip_on": False}
        if name.y is not None and abs(to - at) > 0.2 * letter / pixels:
            ax.plot(right[:2], [at, to], color="#999999", linewidth=0.8, label="_leader", **here)
        if name.look:
            reach = 0.0 if name.look.get("linestyle", "") == "" else 0.7 * letter / ax.bbox.width
            sample = right[1] + np.array([-reach, 0.0, reach])  # a dot, or a line with a dot on it
            ax.plot(sample, [to] * 3, label="_sample", markevery=[1], **name.look, **here)
        ax.text(
            right[2] if name.look else right[1], to, text, va="center", linespacing=1.15, **here
        )


def _broken(line: str) -> str:
    return textwrap.fill(line, LETTERS, break_on_hyphens=False)


def _height(ax: Axes, y: float | None) -> float:
    """Return where a value lies on the y axis, from 0 (its lower end) to 1."""
    if y is None:
        return -1.0
    if ax.get_yscale() == "log" and not y > 0:
        return 0.0
    if not math.isfinite(y):
        return 1.0 if y > 0 else 0.0
    place = (ax.transScale + ax.transLimits).transform((ax.get_xlim()[0], y))
    return float(np.clip(place[1], 0, 1))


def apart(wanted: NDArray[np.float64], heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move places as little as possible so that what is `heights` high does not overlap.

    All stay between 0 and 1 if they fit.

    >>> [round(float(place), 3) for place in apart(np.array([0.5, 0.5, 0.1]), np.full(3, 0.2))]
    [0.6, 0.4, 0.1]
    """
    order = np.argsort(-wanted, kind="stable")
    high = heights[order]
    shift = np.concatenate([[0.0], np.cumsum((high[1:] + high[:-1]) / 2)])
    blocks: list[list[float]] = []  # mean and count of neighbours that touch
    for place in wanted[order] + shift:
        blocks.append([place, 1.0])
        while len(blocks) > 1 and blocks[-1][0] > blocks[-2][0]:
            (mean, count), (other, more) = blocks.pop(), blocks.pop()
            blocks.append([(mean * count + other * more) / (count + more), count + more])
    free = np.repeat([mean for mean, _ in blocks], [int(count) for _, count in blocks])
    lowest, highest = shift[-1] + high[-1] / 2, 1 - high[0] / 2
    if lowest > highest:  # they do not fit: as many above as below
        lowest = highest = (lowest + highest) / 2
    placed = np.empty_like(wanted)
    placed[order] = np.clip(free, lowest, highest) - shift
    return placed


def hidden(ax: Axes, curves: Sequence[Iterable[tuple[float, float]]]) -> list[int]:
    """Count for each curve, made of (x, y), the later ones that lie on it at most places."""
    drawn = [{x: _height(ax, y) for x, y in one if math.isfinite(y)} for one in curves]
    return [
        sum(_is_covered(one, other) for other in drawn[place + 1 :])
        for place, one in enumerate(drawn)
    ]


def _is_covered(one: dict[float, float], other: dict[float, float]) -> bool:
    both = one.keys() & other.keys()
    return sum(abs(one[x] - other[x]) < 0.02 for x in both) > max(1.0, 0.6 * len(both))
