"""What does an explorer show, before anyone draws it?

Records of numbers and labels. `js/` paints them in the browser, `static.py` with matplotlib; both
get the same ones, so the still picture cannot tell another story.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from initlab.explore.panels import Numbers, Panel, Record


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
class Strip(Record):
    """A network, as thin as a line of text.

    Args:
        values: A colour for each layer, from -1 (low) over 0 (the page's) to 1 (high); -∞ where all
            is 0, nan where a number is inf or nan.
        notes: What there is to say about each layer when it is asked.
    """

    values: Numbers
    notes: list[str]


def sizes(values: Numbers, level: float, notes: list[str]) -> Strip:
    """Colour each layer by its size beside that of `level`: ±1 at a factor of 100."""
    with np.errstate(all="ignore"):
        colours = np.clip(np.log10(values / level) / 2, -1, 1)
    colours = np.where(values == 0, -np.inf, colours)
    return Strip(values=np.where(np.isfinite(values), colours, np.nan), notes=notes)


@dataclass(frozen=True, kw_only=True)
class Network:
    """The network itself, coloured by what happens in its layers.

    Args:
        strips: One for each of the table's first rows.
        low: What the low end of the colours means; `high` is for the other.
    """

    strips: list[Strip]
    low: str = "smaller"
    high: str = "larger"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What an explorer shows: a conclusion, the numbers behind it, and the panels that prove it.

    Args:
        headline: The conclusion, true at this setting, in at most twelve words.
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
        arrays in a row. Equal arrays travel once.

    >>> from initlab.explore.panels import Series
    >>> x = np.zeros(2)
    >>> plain, floats = pack([Series(name="loss", x=x, y=x)])
    >>> plain[0]["y"], len(floats)
    ({'$': [0, 2]}, 8)
    """
    arrays: dict[bytes, int] = {}  # with their starts
    return _plain(record, arrays), b"".join(arrays)


def _plain(node: Any, arrays: dict[bytes, int]) -> Any:
    """Copy a record to dicts and lists, and move its arrays to `arrays`."""
    if isinstance(node, np.ndarray):
        numbers = node.astype("<f4").tobytes()
        start = arrays.setdefault(numbers, sum(map(len, arrays)) // 4)
        return {"$": [start, node.size]}
    if isinstance(node, list):
        return [_plain(child, arrays) for child in node]
    if isinstance(node, dict):
        return {name: _plain(child, arrays) for name, child in node.items()}
    if not hasattr(node, "__dataclass_fields__"):
        return node
    names = [name for name in (*node.__dataclass_fields__, "kind", "room") if hasattr(node, name)]
    plain = {name: _plain(getattr(node, name), arrays) for name in names}
    for value in vars(node).values():
        if isinstance(value, np.ndarray) and value.ndim == 2:  # it travels flat
            plain["rows"], plain["columns"] = value.shape
    return plain
