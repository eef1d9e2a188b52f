"""What was done to each parameter, and what was left alone, and why?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

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


class Report(Sequence[Any]):
    """A row for each parameter of a model, in the model's order.

    It prints as a table, in text and as HTML; `rows()` gives plain dicts, and
    `report["fc1.weight"]` one row.
    """

    columns: ClassVar[dict[str, str]] = {
        "layer": "left",
        "type": "left",
        "parameter": "left",
        "shape": "right",
        "scheme": "left",
        "fan_in": "right",
        "fan_out": "right",
        "std given": "right",
        "std got": "right",
        "note": "left",
    }
    """Title → alignment."""
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

    def _cells(self) -> list[list[str]]:
        """Write out all cells, line by line."""
        return [
            [
                row.layer or "(model)",
                row.type,
                row.parameter,
                size(row.shape),
                row.scheme or "left",
                number(row.fan_in),
                number(row.fan_out),
                number(row.std_given),
                number(row.std_got),
                row.note,
            ]
            for row in self._rows
        ]

    def _table(self) -> tuple[list[tuple[str, str]], list[list[str]]]:
        """Give titles with their alignment, and lines, without the columns that are empty."""
        lines = self._cells()
        used = [
            i for i in range(len(self.columns)) if i < self.always or any(line[i] for line in lines)
        ]
        titles = list(self.columns.items())
        return [titles[i] for i in used], [[line[i] for i in used] for line in lines]

    def __repr__(self) -> str:
        titles, lines = self._table()
        names = [title for title, _ in titles]
        widths = [max(map(len, column)) for column in zip(names, *lines, strict=True)]
        text = [
            "  ".join(
                cell.rjust(width) if side == "right" else cell.ljust(width)
                for (_, side), cell, width in zip(titles, line, widths, strict=True)
            ).rstrip()
            for line in [names, *lines]
        ]
        return "\n".join([self.summary, "", *text])

    def _repr_html_(self) -> str:
        titles, lines = self._table()
        align = [f' style="text-align:{side}"' for _, side in titles]
        head = "".join(
            f'<th scope="col"{a}>{escape(title)}</th>'
            for (title, _), a in zip(titles, align, strict=True)
        )
        body = "".join(
            "<tr>"
            + "".join(f"<td{a}>{escape(cell)}</td>" for cell, a in zip(line, align, strict=True))
            + "</tr>"
            for line in lines
        )
        return (
            f"<table><caption>{escape(self.summary)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def size(shape: Sequence[int]) -> str:
    """Write a shape."""
    return "×".join(map(str, shape)) or "scalar"


def number(value: float | None) -> str:
    """Write a number, or nothing."""
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3g}"


def count(how_many: int, what: str) -> str:
    """Write so many of them."""
    return f"{how_many} {what}{'' if how_many == 1 else 's'}"
