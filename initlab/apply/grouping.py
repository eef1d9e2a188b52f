"""Which rows of a long table say the same, block after block? They can share a line."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple


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
    found: list[tuple[_Line, list[int]]] = []
    by_key: dict[Any, list[tuple[_Line, list[int]]]] = defaultdict(list)
    for line in lines:
        numbers = [int(part) for part in line.parts[place : place + 1] if part.isdigit()]
        row, name = line.rows[0], list(line.parts)
        if numbers:
            name[place] = "number"
        # Equal blocks may differ in the digits of an argument, and by chance in what fits as well.
        scheme = row.scheme if "constant" in row.scheme else re.sub(r"\([^)]*\)", "", row.scheme)
        note = re.sub(r"(^|; )or .*", "", row.note)
        alike = by_key[*name, row.type, row.shape, row.done, scheme, note]
        for other, its_numbers in alike:
            if _close(other.rows[0], row):
                other.rows.extend(line.rows)
                its_numbers.extend(numbers)
                break
        else:
            found.append((line, numbers))
            alike.append(found[-1])
    for line, numbers in found:
        if numbers:
            line.parts[place] = _range(numbers)
    return [line for line, _ in found]


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
