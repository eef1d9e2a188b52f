"""What does an explorer show, before anyone draws it?

Records of numbers and labels. `explorer.js` paints them in the browser, `still.py` with
matplotlib; both get the same ones, so the still picture cannot tell another story.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a panel.

    Args:
        label: Its name, with the unit where there is one.
        low: Left or lower end.
        high: Right or upper end, above `low`.
        log: Equal distances multiply.
        whole: Ticks at whole numbers only.
        powers: Values are exponents of ten, and so are the ends: for numbers beyond float32. A
            tick at -3 says 10⁻³, and an exponent of -∞ is a 0.
    """

    label: str
    low: float
    high: float
    log: bool = False
    whole: bool = False
    powers: bool = False


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One plot of a picture.

    Args:
        title: What it shows.
        x: The horizontal axis.
        y: The vertical axis.
        span: Its width in twelfths of the whole.
        height: Its height in CSS pixels.
    """

    kind: ClassVar[str]
    title: str
    x: Axis
    y: Axis
    span: int = 12
    height: int = 300


@dataclass(frozen=True, kw_only=True)
class Ridgeline(Panel):
    """One histogram for each row, row 1 on top.

    Args:
        heights: Height of each bin, as a share of its row's room, rows × bins.
        colour: Index of the colour, or "#rrggbb".
        notes: A short text at the right end of each row.
        notes_label: What the notes are.
        hovers: What the pointer reads off each row.
    """

    kind = "ridgeline"
    heights: Floats
    colour: int | str = 0
    notes: list[str] | None = None
    notes_label: str = ""
    hovers: list[str] | None = None

    @property
    def rows(self) -> int:
        """How many histograms there are."""
        return len(self.heights)


@dataclass(frozen=True, kw_only=True)
class Grid(Panel):
    """A panel that shows a matrix of numbers.

    Args:
        values: The matrix, rows × columns.
    """

    values: Floats

    @property
    def rows(self) -> int:
        """Rows of the matrix."""
        return len(self.values)

    @property
    def columns(self) -> int:
        """Columns of the matrix."""
        return len(self.values[0])


@dataclass(frozen=True, kw_only=True)
class HeatMap(Grid):
    """A matrix as coloured cells, row 1 on top.

    Args:
        values: The matrix, rows × columns.
        low: Value at the low end of the colours.
        high: Value at the high end.
        palette: "diverging", or the index of the colour of the high end.
        bar: Whether a colour bar stands at the right.
        hovers: What the pointer reads off each row; without it, the value of the cell.
    """

    kind = "heatmap"
    low: float
    high: float
    palette: str | int = "diverging"
    bar: bool = True
    hovers: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Regions(Grid):
    """Which class each point of a plane belongs to, with examples on it.

    Args:
        values: Index of the class, rows × columns, the lowest row first.
        points_x: Where the examples are.
        points_y: The other coordinate.
        labels: Index of their classes.
    """

    kind = "regions"
    points_x: Floats
    points_y: Floats
    labels: Floats


@dataclass(frozen=True, kw_only=True)
class Series:
    """One curve of a `Lines` panel.

    Args:
        name: Its entry in the legend.
        x: Where.
        y: How much; what lies above the axis, and 0 on a log axis, is shown at the edge.
        style: "dots" for what was measured at each x, "line", or "dashes" for theory.
        symbol: Shape of the dots: "circle", "square", "diamond" or "plus".
        every: A line carries its symbol at every so many points; 0 for never.
        colour: Index of the colour, or "#rrggbb".
        thick: Thickness of the line in pixels.
    """

    name: str
    x: Floats
    y: Floats
    style: str = "line"
    symbol: str = "circle"
    every: int = 0
    colour: int | str = 0
    thick: float = 2.2


@dataclass(frozen=True, kw_only=True)
class Plane(Grid):
    """A quantity over the plane of two controls, and the point at which they stand.

    A press or a drag on the picture sets both controls.

    Args:
        values: log₁₀ of the quantity, rows × columns, the lowest row first, at the middles of
            equal cells.
        low: log₁₀ at the low end of the colours.
        high: log₁₀ at the high end; a quantity of 1 has the page's colour if it is -`low`.
        quantity: Its name.
        series: Curves over the plane.
        point: Where the controls stand.
        picks: Names of the sliders along x and y.
    """

    kind = "plane"
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
        series: The curves.
        rules: Labelled horizontal lines.
        cursor: Where a vertical line stands, if anywhere.
        note: A remark under the legend.
    """

    kind = "lines"
    series: list[Series]
    rules: list[Rule] = field(default_factory=list)
    cursor: float | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What an explorer shows: a sentence, and the panels that prove it.

    Args:
        sentence: What is to be seen, in words, with numbers.
        panels: The plots, in reading order.
        finished: Whether a longer computation behind it has come to its end.
    """

    sentence: str
    panels: list[Panel]
    finished: bool = True


def pack(panels: list[Panel]) -> tuple[list[dict[str, Any]], bytes]:
    """Split panels into what JSON carries and one buffer of float32.

    Args:
        panels: The plots of a scene.

    Returns:
        A dict for each panel, in which {"$": [start, length]} stands for an array, and the bytes
        of all arrays in a row. An array that several panels share travels once.

    >>> axis = Axis(label="step", low=0, high=1)
    >>> x = np.zeros(2, np.float32)
    >>> line = Lines(title="", x=axis, y=axis, series=[Series(name="loss", x=x, y=x)])
    >>> plain, floats = pack([line])
    >>> plain[0]["series"][0]["y"], len(floats)
    ({'$': [0, 2]}, 8)
    """
    arrays: dict[int, tuple[int, Floats]] = {}
    plain = [_plain(panel, arrays) for panel in panels]
    return plain, b"".join(array.astype("<f4").tobytes() for _, array in arrays.values())


def _plain(node: Any, arrays: dict[int, tuple[int, Floats]]) -> Any:
    """Copy a record to dicts and lists, and move its arrays with their starts to `arrays`."""
    if isinstance(node, np.ndarray):
        end = sum(array.size for _, array in arrays.values())
        start, _ = arrays.setdefault(id(node), (end, node))
        return {"$": [start, node.size]}
    if isinstance(node, list):
        return [_plain(child, arrays) for child in node]
    if hasattr(node, "__dataclass_fields__"):
        fields = {name: _plain(getattr(node, name), arrays) for name in node.__dataclass_fields__}
        derived = {name: getattr(node, name) for name in ("kind", "rows", "columns")
                   if hasattr(node, name)}  # fmt: skip
        return {**fields, **derived}
    return node
