"""How does a long computation let the hand on a control in? It is done in short slices."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Piece = TypeVar("Piece")


def in_time(pieces: Iterable[Piece], seconds: float) -> Iterator[Piece]:
    """Give one small piece of work after the other for this long, one at least.

    >>> work = iter(range(3))
    >>> list(in_time(work, 0.0)), list(in_time(work, 60.0))
    ([0], [1, 2])
    """
    end = time.perf_counter() + seconds
    for piece in pieces:
        yield piece
        if time.perf_counter() >= end:
            return
