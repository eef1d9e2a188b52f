"""What was done to each parameter, and what was left alone, and why?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

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


class Report(Sequence[Row]):
    """A row for each parameter of a model, in the model's order.

    It prints as a table, in text and as HTML; `rows()` gives plain dicts, and
    `report["fc1.weight"]` one row.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
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
    def left(self) -> list[Row]:
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
        return f"{_count(len(self._rows), 'parameter')}: {done} set{rest}."

    def __repr__(self) -> str:
        columns, table = self._table()
        widths = [max(map(len, column)) for column in zip(columns, *table, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if title in _NUMBERS else cell.ljust(width)
                for title, cell, width in zip(columns, line, widths, strict=True)
            ).rstrip()
            for line in [columns, *table]
        ]
        return "\n".join([self.summary, "", *lines])

    def _repr_html_(self) -> str:
        columns, table = self._table()
        align = [f' style="text-align:{"right" if c in _NUMBERS else "left"}"' for c in columns]
        head = "".join(
            f'<th scope="col"{a}>{escape(c)}</th>' for c, a in zip(columns, align, strict=True)
        )
        body = "".join(
            "<tr>"
            + "".join(f"<td{a}>{escape(c)}</td>" for c, a in zip(line, align, strict=True))
            + "</tr>"
            for line in table
        )
        return (
            f"<table><caption>{escape(self.summary)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Write out all cells, without the columns in which every cell is empty."""
        cells = [
            [
                row.layer or "(model)",
                row.type,
                row.parameter,
                "×".join(map(str, row.shape)) or "scalar",
                row.scheme or "left",
                _number(row.fan_in),
                _number(row.fan_out),
                _number(row.std_given),
                _number(row.std_got),
                row.note,
            ]
            for row in self._rows
        ]
        used = [i for i in range(len(_COLUMNS)) if i < 5 or any(line[i] for line in cells)]
        return [_COLUMNS[i] for i in used], [[line[i] for i in used] for line in cells]


_COLUMNS = [
    "layer",
    "type",
    "parameter",
    "shape",
    "scheme",
    "fan_in",
    "fan_out",
    "std given",
    "std got",
    "note",
]
_NUMBERS = {"shape", "fan_in", "fan_out", "std given", "std got"}


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3g}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
