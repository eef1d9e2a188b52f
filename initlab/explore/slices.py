"""How does a long computation let the hand on a control in? It is done in short slices."""

from __future__ import annotations

import time
from collections.abc import Iterator


class Work:
    """A computation that can be left and taken up again.

    Args:
        pieces: Does one small piece of it at each step, such as a training step.

    >>> found = []
    >>> work = Work(found.append(piece) for piece in range(3))
    >>> work.go_on(0.0)
    >>> len(found), work.finished
    (1, False)
    >>> work.go_on(60.0)
    >>> len(found), work.finished
    (3, True)
    """

    def __init__(self, pieces: Iterator[None]) -> None:
        self._pieces = pieces
        self.finished = False

    def go_on(self, seconds: float) -> None:
        """Work until the end or for this long, one piece at least."""
        end = time.perf_counter() + seconds
        for _ in self._pieces:
            if time.perf_counter() >= end:
                return
        self.finished = True
