"""Which rows of a long table say the same, block after block? They can share a line."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple


class Group(NamedTuple):
    """Rows that say the same.

    Args:
        name: Their name, with the numbers of the blocks: "h.0 … 11.ln_1.weight".
        row: One of them, with the mean of their means and standard deviations.
        block: The blocks, "h.0 … h.11", if all their rows share lines; else empty.
    """

    name: str
    row: Any
    block: str = ""


class _Line:
    """A line of the table, while it is put together."""

    def __init__(self, row: Any) -> None:
        self.parts = row.name.split(".")
        self.rows = [row]


def grouped(rows: Sequence[Any]) -> list[Group]:
    """Put rows together whose names differ in one number, and which say the same.

    Args:
        rows: With `name`, `type`, `shape`, `scheme`, `done`, `note`, `mean` and `std`.
    """
    lines = [_Line(row) for row in rows]
    deepest = max((len(line.parts) for line in lines), default=0)
    for place in range(deepest):
        lines = _merged(lines, place)
    blocks = _blocks(rows, lines)
    return [
        Group(".".join(line.parts) or "(model)", _together(line.rows), blocks.get(id(line), ""))
        for line in lines
    ]


def _merged(lines: list[_Line], place: int) -> list[_Line]:
    """Merge lines whose names differ in the number at one place only."""
    buckets: dict[tuple[Any, ...], list[list[_Line]]] = {}
    order: list[list[_Line]] = []
    for line in lines:
        parts = line.parts
        if place < len(parts) and parts[place].isdigit():
            row = line.rows[0]
            key = (
                *("." if i == place else part for i, part in enumerate(parts)),
                *(row.type, row.shape, row.done, _families(row.scheme), _state(row.note)),
            )
            same = buckets.setdefault(key, [])
            bucket = next((b for b in same if _alike(b[0].rows[0], row)), None)
            if bucket is not None:
                bucket.append(line)
                continue
            same.append([line])
            order.append(same[-1])
        else:
            order.append([line])
    for bucket in order:
        numbers = [line.parts[place] for line in bucket] if len(bucket) > 1 else []
        if numbers:
            bucket[0].parts[place] = _range([int(number) for number in numbers])
            bucket[0].rows = [row for line in bucket for row in line.rows]
    return [bucket[0] for bucket in order]


def _range(numbers: list[int]) -> str:
    steps = {b - a for a, b in itertools.pairwise(numbers)}
    if len(steps) == 1 and len(numbers) > 2:
        step = steps.pop()
        second = f"{numbers[1]}, " if step > 1 else ""
        return (
            f"{numbers[0]}, {second}… {numbers[-1]}" if second else f"{numbers[0]} … {numbers[-1]}"
        )
    return ", ".join(map(str, numbers)) if steps != {1} else f"{numbers[0]} … {numbers[-1]}"


def _families(scheme: str) -> str:
    """Drop the arguments: how many digits they have may differ between equal blocks."""
    return re.sub(r"\([^)]*\)", "", scheme) if "constant" not in scheme else scheme


def _state(note: str) -> str:
    """Drop the schemes that fit as well: which do is up to chance."""
    return re.sub(r"(^|; )or .*", "", note)


def _alike(one: Any, other: Any) -> bool:
    """Whether two standard deviations differ by no more than so many draws do."""
    if one.std is None or other.std is None or one.std == other.std:
        return bool(one.std == other.std)
    error = 6 / math.sqrt(math.prod(one.shape))
    return bool(abs(one.std - other.std) <= error * max(one.std, other.std))


def _together(rows: Sequence[Any]) -> Any:
    """Make one row of several: their commonest scheme and note, and mean numbers."""
    if len(rows) == 1:
        return rows[0]
    scheme, note = Counter((row.scheme, row.note) for row in rows).most_common(1)[0][0]
    means = {}
    for name in ("mean", "std", "fan_in_variance"):
        numbers = [getattr(row, name) for row in rows]
        if None not in numbers:
            means[name] = sum(numbers) / len(numbers)
    return replace(rows[0], scheme=scheme, note=note, **means)


def _blocks(rows: Sequence[Any], lines: Sequence[_Line]) -> dict[int, str]:
    """Say of each merged line which blocks are the same in all their rows."""
    told = {}
    for line in lines:
        place = next((i for i, part in enumerate(line.parts) if "…" in part or ", " in part), None)
        if place is None or place + 1 >= len(line.parts):
            continue
        start = ".".join([*line.parts[:place], ""])
        numbers = {row.name.split(".")[place] for row in line.rows}
        inside = [row for row in rows if row.name.startswith(start)]
        inside = [row for row in inside if row.name.split(".")[place] in numbers]
        shared = [other for other in lines if other.parts[: place + 1] == line.parts[: place + 1]]
        if sum(len(other.rows) for other in shared) == len(inside) and "…" in line.parts[place]:
            first, last = (part.strip(" ,") for part in line.parts[place].split("…"))
            told[id(line)] = f"{start}{first} … {start}{last}"
    return told
