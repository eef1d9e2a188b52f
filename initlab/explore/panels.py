"""Which plots does a scene have, before anyone draws them?

A colour is the name of a role or of a scheme in `colours.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]


class Record:
    """Turns its arrays into float32: theory knows no largest number, and there it is infinite."""

    def __post_init__(self) -> None:
        with np.errstate(over="ignore"):
            for name, value in vars(self).items():
                if isinstance(value, np.ndarray):
                    object.__setattr__(self, name, np.asarray(value, np.float32))


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a panel.

    Args:
        label: Its name, with the unit where there is one.
        low: Left or lower end; `high` is the other.
        log: Equal distances multiply.
        whole: Ticks at whole numbers only.
        powers: Values are exponents of ten, and so are the ends: for numbers beyond float32. A
            tick at -3 says 10⁻³, and an exponent of -∞ is a 0.
        ticks: Where the ticks are; chosen by the one who draws, if left out.
    """

    label: str
    low: float
    high: float
    log: bool = False
    whole: bool = False
    powers: bool = False
    ticks: list[float] | None = None


def counted(label: str, count: int) -> Axis:
    """Return an axis for layers, units or places, which start at 1."""
    return Axis(label=label, low=0.5, high=count + 0.5, whole=True)


def decades(label: str, *curves: Numbers) -> Axis:
    """Return a log axis from one power of ten to another around all finite positive values.

    It has four decades at least.

    >>> axis = decades("rms", np.array([0.02, 3.0, 0.0, np.inf]))
    >>> axis.low, axis.high
    (0.01, 100.0)
    """
    values = np.concatenate(curves)
    seen = values[np.isfinite(values) & (values > 0)]
    low, high = -3, 1
    if seen.size:
        low = max(-44, math.floor(math.log10(seen.min())))
        high = min(38, math.ceil(math.log10(seen.max())))
    while high - low < 4:
        low, high = (low - 1, high) if (high - low) % 2 == 0 else (low, high + 1)
    return Axis(label=label, low=10.0**low, high=10.0**high, log=True)


def round_up(value: float) -> float:
    """Find the next 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten; 1 for 0.

    >>> round_up(0.032), round_up(1.0)
    (0.04, 1.0)
    """
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
    return float(f"{next(step for step in steps if step * power >= value * 0.9999) * power:.2g}")


@dataclass(frozen=True, kw_only=True)
class Panel(Record):
    """One plot of a picture.

    Args:
        span: Its width in twelfths of the whole.
        height: Its height in pixels where the page has room for them; beside the controls, its
            share of what there is.
        small: Whether several of it stand side by side on a small screen too.
        remark: What must not be overlooked, such as "nan from layer 38"; written on the plot.
    """

    kind: ClassVar[str]
    title: str
    x: Axis
    y: Axis
    span: int = 12
    height: int = 230
    small: bool = False
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class Ridgeline(Panel):
    """One histogram for each row, row 1 on top.

    Args:
        heights: Height of each bin, as a share of its row's room, rows × bins; the bins divide
            the x axis.
        colour: Of the histograms.
        zeros: Share of each row that is exactly 0 and in no bin: a bar.
        hovers: What the pointer reads off each row.
    """

    kind = "ridgeline"
    heights: Numbers
    colour: str
    zeros: Numbers | None = None
    hovers: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class HeatMap(Panel):
    """A matrix as coloured cells, row 1 on top.

    Args:
        values: The matrix, rows × columns.
        low: Value at the low end of the colours; `high` is that at the other.
        palette: "diverging", or the colour of the high end.
        bar: Whether a colour bar stands at the right.
        bar_labels: What its low and high end mean; the numbers, if left out.
        hovers: What the pointer reads off each row; without it, the value of the cell.
    """

    kind = "heatmap"
    values: Numbers
    low: float
    high: float
    palette: str = "diverging"
    bar: bool = True
    bar_labels: list[str] | None = None
    hovers: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Regions(Panel):
    """Which class each point of a plane belongs to, with examples on it.

    Args:
        values: Index of the class, rows × columns, the lowest row first.
        points_x: Where the examples are; `points_y` is the other coordinate.
        labels: Index of their classes.
    """

    kind = "regions"
    values: Numbers
    points_x: Numbers
    points_y: Numbers
    labels: Numbers


@dataclass(frozen=True, kw_only=True)
class Series(Record):
    """One curve of a `Lines` panel.

    Args:
        name: Its entry in the legend.
        y: How much at each x; what lies above the axis, and 0 on a log axis, is shown at the edge.
        style: "dots" for what was measured at each x, "line", or "dashes" for theory.
        symbol: Shape of the dots: "circle", "square", "diamond" or "plus".
        every: A line carries its symbol at every so many points; 0 for never.
        colour: A role or a scheme.
        thick: Thickness of the line in pixels.
        hollow: Whether its dots show what lies behind them.
        listed: Whether the legend names it; no, where the table beside it does.
    """

    name: str
    x: Numbers
    y: Numbers
    style: str = "line"
    symbol: str = "circle"
    every: int = 0
    colour: str = "ink"
    thick: float = 2.2
    hollow: bool = False
    listed: bool = True


def dots(name: str, y: Numbers, *, x: Numbers | None = None, **look: Any) -> Series:
    """Show what was measured; places count from 1 where `x` is left out."""
    x = np.arange(1, len(y) + 1) if x is None else x
    return Series(name=name, x=x, y=y, style="dots", **look)


def dashes(
    y: Numbers, colour: str, *, x: Numbers | None = None, name: str = "theory"
) -> list[Series]:
    """Show what theory says: one curve, and none where it is silent."""
    x = np.arange(1, len(y) + 1) if x is None else x
    curve = Series(name=name, x=x, y=y, style="dashes", colour=colour)
    return [curve] if np.isfinite(y).any() else []


@dataclass(frozen=True, kw_only=True)
class Plane(Panel):
    """A quantity over the plane of two controls, and the point at which they stand.

    A press or a drag on the picture sets both controls.

    Args:
        values: log₁₀ of the quantity, rows × columns, the lowest row first, at the middles of
            equal cells.
        low: log₁₀ at the low end of the colours.
        high: log₁₀ at the high end; a quantity of 1 has the page's colour if it is -`low`.
        quantity: Its name.
        point: Where the controls stand.
        picks: Names of the sliders along x and y.
    """

    kind = "plane"
    values: Numbers
    low: float
    high: float
    quantity: str
    series: list[Series]
    point: list[float]
    picks: list[str]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A labelled horizontal line at `y`."""

    y: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Lines(Panel):
    """Curves over a common axis.

    Args:
        cursor: Where a vertical line stands, if anywhere.
        note: A remark under the legend.
    """

    kind = "lines"
    series: list[Series]
    rules: list[Rule] = field(default_factory=list)
    cursor: float | None = None
    note: str = ""
