"""Make the explorers of notebooks move on pages without a kernel.

    python .site/record.py --to FOLDER notebooks/*.ipynb

writes copies of the notebooks in which the output of each cell that shows an explorer holds its
record: what the kernel would say at the settings of `stops.py`, with the front end that paints it
and `recorded.js`, which answers in the kernel's place. Everything is in the page: nothing is
fetched, so that it works from a file. Whatever makes pages of notebooks takes these copies.
"""

from __future__ import annotations

import argparse
import ast
import base64
import gzip
import json
import re
import struct
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from numpy.typing import NDArray
from stops import Values, states

import initlab
from initlab import explore
from initlab.explore import Explorer
from initlab.explore.explorer import front_end

HERE = Path(__file__).parent
SCRIPTS = ["recorded.js", "page.js"]
MOST = 1_000_000  # letters of a record
ROUGH = {"ridgeline": "heights", "heatmap": "values", "regions": "values"}  # painted in few shades

Message = tuple[dict[str, Any], bytes]
Floats = NDArray[np.float32]


# ------------------------------------------------------------------ what the kernel says


def messages(explorer: Explorer, settings: Iterable[Values]) -> Iterator[Message]:
    """Give an explorer one setting after the other; give what it sends to the browser."""
    heard: list[Message] = []
    explorer.send = lambda content, buffers: heard.append((content, buffers[0]))
    for values in settings:
        explorer.set(**values)
        content, floats = heard.pop()
        if content["error"]:
            raise RuntimeError(f"{type(explorer).__name__} at {values}: {content['error']}")
        yield {**content, "took": 0}, floats


# ------------------------------------------------------------------ small


class Arrays:
    """All arrays of a record, each once, in one byte or two for each number.

    One byte, times a factor for the array, where the panel is painted in few shades or the
    numbers are small and whole; else the upper half of a float32, which keeps its range, its
    infinities and whole numbers up to 256, and is off by at most 1 part in 256.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[float, bytes], int] = {}

    def add(self, values: Floats, *, rough: bool) -> int:
        """Take an array; give its number."""
        most = float(np.abs(values).max(initial=0))
        is_whole = most <= 127 and bool((values == np.round(values)).all())
        if is_whole or (rough and np.isfinite(most)):
            factor = 1.0 if is_whole else float(f"{most / 127:.6g}")
            key = factor, np.round(values / factor).astype(np.int8).tobytes()
        else:
            key = 0.0, _upper_halves(values).tobytes()
        return self._places.setdefault(key, len(self._places))

    def packed(self) -> tuple[list[list[float]], bytes, bytes]:
        """Give factor, length and start of each array, and the numbers in one byte and in two.

        What is the beginning of another array lies in it: the losses up to a step in those of
        the whole run.
        """
        longest: dict[tuple[float, bytes], tuple[float, bytes]] = {}
        last = (0.0, b"")
        for key in sorted(self._places, reverse=True):
            if key[0] != last[0] or not last[1].startswith(key[1]):
                last = key
            longest[key] = last
        starts: dict[tuple[float, bytes], int] = {}
        ends = {True: 0, False: 0}
        for key in dict.fromkeys(longest[key] for key in self._places):
            is_byte = key[0] > 0
            starts[key] = ends[is_byte]
            ends[is_byte] += len(key[1]) if is_byte else len(key[1]) // 2
        index = [
            [key[0], len(key[1]) if key[0] else len(key[1]) // 2, starts[longest[key]]]
            for key in self._places
        ]
        whole = b"".join(key[1] for key in starts if key[0])
        halves = b"".join(key[1] for key in starts if not key[0])
        return index, whole, halves[1::2] + halves[::2]  # alike stands by alike


def _upper_halves(values: Floats) -> NDArray[np.uint16]:
    """Round to the nearest float32 whose lower 16 bits are 0; nan stays nan."""
    bits = np.ascontiguousarray(values, "<f4").view("<u4").astype(np.uint64)
    rounded = ((bits + 0x8000) >> 16).astype("<u2")
    return np.where(np.isnan(values), np.uint16(0x7FC0), rounded).astype("<u2")


class Shapes:
    """All descriptions of a record: what is the same in many of them is there once.

    Descriptions with the same keys and lists share a shape; their leaves stand in columns, one
    for each place in the shape, which holds a single value where all are equal.
    """

    def __init__(self) -> None:
        self._rows: dict[str, list[list[Any]]] = {}

    def add(self, description: Any) -> tuple[int, int]:
        """Take a description; give the number of its shape, and its row there."""
        leaves: list[Any] = []
        shape = json.dumps(_cut(description, leaves))
        rows = self._rows.setdefault(shape, [])
        rows.append(leaves)
        return [*self._rows].index(shape), len(rows) - 1

    def packed(self) -> list[dict[str, Any]]:
        """Give each shape with its columns."""
        return [
            {
                "shape": json.loads(shape),
                "columns": [_column(one) for one in zip(*rows, strict=True)],
            }
            for shape, rows in self._rows.items()
        ]


def _cut(node: Any, leaves: list[Any]) -> Any:
    """Copy dicts and lists, with a 0 for each leaf, which goes to `leaves`."""
    if isinstance(node, dict):
        return {name: _cut(child, leaves) for name, child in node.items()}
    if isinstance(node, list):
        return [_cut(child, leaves) for child in node]
    leaves.append(node)
    return 0


def _column(values: tuple[Any, ...]) -> list[Any]:
    first = json.dumps(values[0])
    return [values[0]] if all(json.dumps(one) == first for one in values) else [*values]


def pack(explorer: Explorer, said: Iterable[Message]) -> bytes:
    """Pack what an explorer has said: `recorded.js` reads it.

    Args:
        explorer: The explorer; its controls and chips go with it.
        said: Its messages, the one with which it starts first.

    Returns:
        Compressed: the length of a JSON text, the text, and the bytes of all arrays.
    """
    arrays, shapes = Arrays(), Shapes()
    frames = []
    for content, buffer in said:
        floats = np.frombuffer(buffer, "<f4")
        values = content["values"]
        frames.append([*shapes.add(_move(content, floats, arrays)), [*values.values()]])
    index, whole, halves = arrays.packed()
    record = {
        "setup": {**explorer._setup, "buttons": []},
        "presets": {
            name: {**explorer.defaults(), **values} for name, values in explorer.presets.items()
        },
        "frames": frames,
        "shapes": shapes.packed(),
        "arrays": index,
        "bytes": len(whole),
    }
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
    return gzip.compress(struct.pack("<I", len(text)) + text + whole + halves, 9, mtime=0)


def _move(node: Any, floats: Floats, arrays: Arrays, *, rough: bool = False) -> Any:
    """Copy a message's description; each place of an array becomes its number."""
    if isinstance(node, list):
        return [_move(child, floats, arrays) for child in node]
    if not isinstance(node, dict):
        return node
    if "$" in node:
        start, length = node["$"]
        return {"$": arrays.add(floats[start : start + length], rough=rough)}
    shades = ROUGH.get(node.get("kind", ""))
    return {
        name: _move(child, floats, arrays, rough=name == shades) for name, child in node.items()
    }


# ------------------------------------------------------------------ on a page


def recorded(explorer: Explorer, call: str = "") -> dict[str, str]:
    """Show an explorer without a kernel: its `text/html` can be put into any page.

    Args:
        explorer: Where the record starts.
        call: How a lesson makes it, which may have stops of its own.

    Returns:
        What a notebook stores of an output. In `text/html` there are the still picture with its
        text alternative, for readers without scripts; the record; and the code that replaces the
        picture once it is near the screen.
    """
    still = explorer.still().shown(said := repr(explorer))
    record = pack(explorer, messages(explorer, states(type(explorer), explorer.values, call)))
    packed = base64.b64encode(record).decode("ascii")
    if len(packed) > MOST:
        raise RuntimeError(
            f"the record of {explorer!r} has {len(packed)} letters, more than {MOST}: "
            f"take stops from its plan in stops.py."
        )
    page = (
        f'<div class="initlab-recorded" data-prevent-swipe>{still["text/html"]}'
        f'<script type="text/plain">{packed}</script></div>'
        f"<style>{style()}</style>"
        f'<script type="module">{code()}</script>'
    )
    return {"text/plain": said, **still, "text/html": page}


def style() -> str:
    """Give the explorers' style."""
    return (Path(initlab.__file__).parent / "explore" / "explorer.css").read_text("utf-8")


def code() -> str:
    """Join the front end and what answers it."""
    front = front_end().replace("export default", "const frontEnd =")
    return "\n".join([front, *((HERE / name).read_text("utf-8") for name in SCRIPTS)])


def call_in(source: str) -> str:
    """Give the call of `il.explore` with which a cell ends, without this name; "" if none does."""
    body = ast.parse(source).body if "il.explore." in source else []
    last = ast.unparse(body[-1]) if body and isinstance(body[-1], ast.Expr) else ""
    return last.removeprefix("il.explore.") if re.match(r"il\.explore\.\w+\(", last) else ""


def record(notebook: Path, folder: Path) -> str:
    """Write a notebook whose explorers are recorded into a folder; tell what was done."""
    read = nbformat.read(notebook, as_version=4)
    told = [notebook.name]
    for cell in read.cells:
        call = call_in(cell.source) if cell.cell_type == "code" else ""
        explorer = eval(call, vars(explore)) if call else None
        if not isinstance(explorer, Explorer):
            continue
        shown = recorded(explorer, call)
        cell.outputs = [nbformat.v4.new_output("display_data", shown)]
        told.append(f"{type(explorer).__name__} {len(shown['text/html']) / 1e6:.2f} MB")
    nbformat.write(read, folder / notebook.name)
    return ": ".join(told)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--to", required=True, type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    asked.to.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(2) as processes:
        for told in processes.map(record, asked.notebooks, [asked.to] * len(asked.notebooks)):
            print(told, file=sys.stderr)


if __name__ == "__main__":
    main()
