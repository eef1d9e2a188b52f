"""What does an explorer show, before anyone draws it?

Records of numbers and labels. `js/` paints them in the browser, `static.py` with matplotlib; both
get the same ones, so the still picture cannot tell another story. A colour is the name of a role or
of a scheme in `colours.py`.
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
        ticks: Where the ticks are; chosen by the one who draws, if left out.
    """

    label: str
    low: float
    high: float
    log: bool = False
    whole: bool = False
    powers: bool = False
    ticks: list[float] | None = None


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One plot of a picture.

    Args:
        title: What it shows.
        x: The horizontal axis.
        y: The vertical axis.
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
    heights: Floats
    colour: str
    zeros: Floats | None = None
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
        palette: "diverging", or the colour of the high end.
        bar: Whether a colour bar stands at the right.
        bar_labels: What its low and high end mean; the numbers, if left out.
        hovers: What the pointer reads off each row; without it, the value of the cell.
    """

    kind = "heatmap"
    low: float
    high: float
    palette: str = "diverging"
    bar: bool = True
    bar_labels: list[str] | None = None
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
        colour: A role or a scheme.
        thick: Thickness of the line in pixels.
        hollow: Whether its dots show what lies behind them.
        listed: Whether the legend names it; no, where the table beside it does.
    """

    name: str
    x: Floats
    y: Floats
    style: str = "line"
    symbol: str = "circle"
    every: int = 0
    colour: str = "ink"
    thick: float = 2.2
    hollow: bool = False
    listed: bool = True


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
class Column:
    """One quantity of a table.

    Args:
        label: Its name or symbol, short.
        hint: What it means, with its unit.
        told: Whether the sentence tells it too. Digits that come out of training do not belong
            there: another processor has others, and notebooks are compared by their sentences.
    """

    label: str
    hint: str
    told: bool = True


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a table says about one thing: a short text for each column, "" where there is nothing.

    Args:
        name: What it is about.
        cells: The texts.
        colour: In which the panels show it.
        mark: The symbol with which they do, as a letter ("●"); "" for none.
    """

    name: str
    cells: list[str]
    colour: str = "ink"
    mark: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """The numbers behind a headline: the same columns at every setting.

    Args:
        columns: The quantities.
        rows: The things.
        most: Rows for which there is room; what does not use it leaves it empty.
    """

    columns: list[Column]
    rows: list[Row]
    most: int = 0

    @property
    def room(self) -> int:
        """Rows for which there is room."""
        return max(self.most, len(self.rows))

    def say(self) -> str:
        """Tell the numbers in words, those aside that are not to be told."""
        told = []
        for row in self.rows:
            pairs = zip(self.columns, row.cells, strict=True)
            cells = [f"{column.label} = {cell}" for column, cell in pairs if column.told and cell]
            if cells:
                told.append(f"{row.name}: {', '.join(cells)}.")
        return " ".join(told)


@dataclass(frozen=True, kw_only=True)
class Strip:
    """A network, as thin as a line of text.

    Args:
        values: A colour for each layer, from -1 (low) over 0 (the page's) to 1 (high); -∞ where all
            is 0, nan where a number is inf or nan.
        notes: What there is to say about each layer when it is asked.
    """

    values: Floats
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class Network:
    """The network itself, coloured by what happens in its layers.

    Args:
        strips: One for each of the table's first rows.
        low: What the low end of the colours means.
        high: What the high end means.
    """

    strips: list[Strip]
    low: str
    high: str


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What an explorer shows: a conclusion, the numbers behind it, and the panels that prove it.

    Args:
        headline: The conclusion, true at this setting, in at most twelve words.
        table: The numbers.
        panels: The plots, in reading order.
        network: The network above them, if there is one.
        finished: Whether a longer computation behind it has come to its end.
    """

    headline: str
    table: Table
    panels: list[Panel]
    network: Network | None = None
    finished: bool = True

    @property
    def sentence(self) -> str:
        """Headline and numbers as a text, for those who cannot see them."""
        waits = "" if self.finished else "(computing)"
        return " ".join(filter(None, [self.headline, self.table.say(), waits]))


def pack(record: Any) -> tuple[Any, bytes]:
    """Split records into what JSON carries and one buffer of float32.

    Args:
        record: A record of this module, or a dict or list of them.

    Returns:
        Dicts and lists, in which {"$": [start, length]} stands for an array, and the bytes of all
        arrays in a row. An array that occurs several times travels once.

    >>> axis = Axis(label="step", low=0, high=1)
    >>> x = np.zeros(2, np.float32)
    >>> line = Lines(title="", x=axis, y=axis, series=[Series(name="loss", x=x, y=x)])
    >>> plain, floats = pack([line])
    >>> plain[0]["series"][0]["y"], len(floats)
    ({'$': [0, 2]}, 8)
    """
    arrays: dict[int, tuple[int, Floats]] = {}
    plain = _plain(record, arrays)
    return plain, b"".join(array.astype("<f4").tobytes() for _, array in arrays.values())


def _plain(node: Any, arrays: dict[int, tuple[int, Floats]]) -> Any:
    """Copy a record to dicts and lists, and move its arrays with their starts to `arrays`."""
    if isinstance(node, np.ndarray):
        end = sum(array.size for _, array in arrays.values())
        start, _ = arrays.setdefault(id(node), (end, node))
        return {"$": [start, node.size]}
    if isinstance(node, list):
        return [_plain(child, arrays) for child in node]
    if isinstance(node, dict):
        return {name: _plain(child, arrays) for name, child in node.items()}
    if not hasattr(node, "__dataclass_fields__"):
        return node
    names = dict.fromkeys([*node.__dataclass_fields__, "kind", "rows", "columns", "room"])
    return {name: _plain(getattr(node, name), arrays) for name in names if hasattr(node, name)}
