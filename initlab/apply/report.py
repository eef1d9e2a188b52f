"""What was done to each parameter, and what was left alone, and why?"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any, ClassVar, NamedTuple

from initlab import format
from initlab.arguments import unknown


@dataclass(frozen=True, kw_only=True)
class Row:
    """What happened to one parameter.

    Args:
        layer: Name of its module in the model; empty for the model itself.
        type: Class of that module.
        parameter: Its name in that module.
        shape: Its shape.
        scheme: What filled it; empty when it was left as it is.
        fan_in: Inputs that a unit sums, for each matrix that the parameter holds.
        fan_out: Units that an input reaches, likewise.
        std_given: Standard deviation that the scheme stands for; None where no number is true.
        std_got: Standard deviation over the entries that were filled.
        note: Why it was left alone, or how it was cut or stored.
    """

    layer: str
    type: str
    parameter: str
    shape: tuple[int, ...]
    scheme: str = ""
    fan_in: int | None = None
    fan_out: int | None = None
    std_given: float | None = None
    std_got: float | None = None
    note: str = ""

    @property
    def name(self) -> str:
        """The parameter's name in the model."""
        return f"{self.layer}.{self.parameter}" if self.layer else self.parameter


_TITLES = {"name": "parameter", "fan_in_variance": "fan_in·var"}
_TITLES |= {"std_given": "std given", "std_got": "std got"}


class Report(Sequence[Any]):
    """A row for each parameter of a model, in the model's order.

    It prints as a table, in text and as HTML; `report["fc1.weight"]` is one row.
    """

    columns: ClassVar[tuple[str, ...]] = (
        *("layer", "type", "parameter", "shape", "scheme"),
        *("fan_in", "fan_out", "std_given", "std_got", "note"),
    )
    """Which attributes of a row are shown."""
    always: ClassVar[int] = 5
    """How many columns are shown also if every cell is empty."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = list(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, str):
            return self._rows[index]
        by_name = {row.name: row for row in self._rows}
        if index not in by_name:
            raise KeyError(unknown("parameter", index, by_name))
        return by_name[index]

    @property
    def left(self) -> list[Any]:
        """The rows of parameters that were left as they are; their `note` says why."""
        return [row for row in self._rows if not row.scheme]

    def rows(self) -> list[dict[str, Any]]:
        """Give each row as a plain dict, ready for `pandas.DataFrame`."""
        return [dataclasses.asdict(row) for row in self._rows]

    @property
    def summary(self) -> str:
        """One sentence: how many parameters were set, and how many were left."""
        done, left = len(self._rows) - len(self.left), len(self.left)
        rest = f", {left} left as {'it is' if left == 1 else 'they are'}" if left else ""
        return f"{count(len(self._rows), 'parameter')}: {done} set{rest}."

    def _lines(self) -> list[Any]:
        """Give the rows as the table shows them."""
        return [
            replace(row, layer=row.layer or "(model)", scheme=row.scheme or "left")
            for row in self._rows
        ]

    def _table(self) -> list[tuple[str, str, list[str]]]:
        """Write out the columns that are not empty: title, alignment, cells."""
        lines, table = self._lines(), []
        for place, name in enumerate(self.columns):
            values = [getattr(line, name) for line in lines]
            cells = [_cell(value) for value in values]
            if place < self.always or any(cells):
                text = all(isinstance(value, str) for value in values)
                table.append((_TITLES.get(name, name), "left" if text else "right", cells))
        return table

    def __repr__(self) -> str:
        columns = []
        for title, side, cells in self._table():
            width = max(map(len, [title, *cells]))
            pad = str.ljust if side == "left" else str.rjust
            columns.append([pad(cell, width) for cell in [title, *cells]])
        lines = ["  ".join(line).rstrip() for line in zip(*columns, strict=True)]
        return "\n".join([self.summary, "", *lines])

    def _repr_html_(self) -> str:
        head, columns = "", []
        for title, side, cells in self._table():
            align = f'style="text-align:{side}"'
            head += f'<th scope="col" {align}>{escape(title)}</th>'
            columns.append([f"<td {align}>{escape(cell)}</td>" for cell in cells])
        body = "".join(f"<tr>{''.join(line)}</tr>" for line in zip(*columns, strict=True))
        return (
            f"<table><caption>{escape(self.summary)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def _cell(value: str | float | tuple[int, ...] | None) -> str:
    """Write a text, a number, a shape or nothing."""
    match value:
        case None:
            return ""
        case tuple():
            return "×".join(map(str, value)) or "scalar"
        case float():
            return format.number(value, 3)
    return str(value)


def count(how_many: int, what: str) -> str:
    """Write so many of them."""
    return f"{how_many} {what}{'' if how_many == 1 else 's'}"


def joined(*parts: str, between: str = "; ") -> str:
    """Put the parts of a note together."""
    return between.join(part for part in parts if part)


# ------------------------------------------------------------------ rows that share a line


class Group(NamedTuple):
    """Rows that say the same."""

    name: str  # theirs, with the numbers of the blocks: "h.0 … 11.ln_1.weight"
    row: Any  # one of them, with the mean of their means and standard deviations
    block: str = ""  # the blocks, "h.0 … h.11", if all their rows share lines


class _Line(NamedTuple):
    """A line of the table, while it is put together: the parts of its name, and its rows."""

    parts: list[str]
    rows: list[Any]


def grouped(rows: Sequence[Any]) -> list[Group]:
    """Put rows of an audit together whose names differ in one number, and which say the same."""
    lines = [_Line(row.name.split("."), [row]) for row in rows]
    for place in range(max((len(line.parts) for line in lines), default=0)):
        lines = _merged(lines, place)
    return [
        Group(".".join(line.parts) or "(model)", _together(line.rows), block)
        for line, block in zip(lines, _blocks(lines), strict=True)
    ]


def _merged(lines: list[_Line], place: int) -> list[_Line]:
    """Merge lines whose names differ in the number at one place only."""
    found: list[_Line] = []
    by_key: dict[Any, list[_Line]] = defaultdict(list)
    for line in lines:
        row, name = line.rows[0], list(line.parts)
        if place < len(name) and name[place].isdigit():
            name[place] = "number"
        # Equal blocks may differ in the digits of an argument, and by chance in what fits as well.
        scheme = row.scheme if "constant" in row.scheme else re.sub(r"\([^)]*\)", "", row.scheme)
        note = re.sub(r"(^|; )or .*", "", row.note)
        alike = by_key[*name, row.type, row.shape, row.done, scheme, note]
        same = next((other for other in alike if _close(other.rows[0], row)), None)
        if same:
            same.rows.extend(line.rows)
        else:
            found.append(line)
            alike.append(line)
    for line in found:
        if place < len(line.parts) and line.parts[place].isdigit():
            numbers = dict.fromkeys(int(row.name.split(".")[place]) for row in line.rows)
            line.parts[place] = _range([*numbers])
    return found


def _range(numbers: list[int]) -> str:
    steps = {b - a for a, b in itertools.pairwise(numbers)}
    if steps == {1} or (len(steps) == 1 and len(numbers) > 2):
        second = "" if steps == {1} else f", {numbers[1]},"
        return f"{numbers[0]}{second} … {numbers[-1]}"
    return ", ".join(map(str, numbers))


def _close(one: Any, other: Any) -> bool:
    """Whether two standard deviations differ by no more than so many draws do."""
    if one.std is None or other.std is None or one.std == other.std:
        return bool(one.std == other.std)
    error = 6 / math.sqrt(math.prod(one.shape))
    return bool(abs(one.std - other.std) <= error * max(one.std, other.std))


def _together(rows: Sequence[Any]) -> Any:
    """Make one row of several: their commonest scheme and note, and mean numbers."""
    scheme, note = Counter((row.scheme, row.note) for row in rows).most_common(1)[0][0]
    means = {}
    for name in ("mean", "std", "fan_in_variance"):
        numbers = [getattr(row, name) for row in rows]
        if None not in numbers:
            means[name] = sum(numbers) / len(numbers)
    return replace(rows[0], scheme=scheme, note=note, **means)


def _blocks(lines: Sequence[_Line]) -> list[str]:
    """Tell for each line which blocks are the same in all their rows; "" for none."""
    written = defaultdict(set)  # name of a block → how the lines write its number
    for line in lines:
        for place, part in enumerate(line.parts):
            for row in line.rows:
                written[*line.parts[:place], row.name.split(".")[place]].add(part)
    blocks = []
    for line in lines:
        merged = [place for place, part in enumerate(line.parts[:-1]) if "…" in part]
        place = merged[0] if merged else 0
        start = line.parts[:place]
        numbers = {row.name.split(".")[place] for row in line.rows}
        shared = merged and all(len(written[*start, number]) == 1 for number in numbers)
        ends = [line.rows[0], line.rows[-1]]
        names = [".".join(row.name.split(".")[: place + 1]) for row in ends]
        blocks.append(" … ".join(names) if shared else "")
    return blocks
