"""What was done to each parameter, and what was left alone, and why?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any, ClassVar

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
