"""In how many threads is computed, and who ends them?

Each computes in one, where more would wait for each other. Those of a sweep end with it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from threadpoolctl import ThreadpoolController

_thread = threading.local()  # `crew`: whom it works for


@contextmanager
def one_thread(when: bool = True) -> Iterator[None]:
    """Keep torch, numpy and scipy to one core: sums keep their order, whatever their number.

    Small matrices lose nothing: threads would wait longer for each other than they compute. The
    other cores have work too, such as the next task, or the browser that paints. Who starts
    threads of his own is inside as well: numpy's library has one setting for the whole process.

    Args:
        when: False leaves everything as it is.
    """
    if not when:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _libraries("scipy.linalg" in sys.modules).limit(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=2)
def _libraries(scipy_is_loaded: bool) -> Any:
    """Find what numpy multiplies with, and scipy: it takes milliseconds."""
    return ThreadpoolController()


class Crew:
    """Threads that work for one call, and end when it does, even if it was interrupted."""

    def __init__(self) -> None:
        self.over = False
        self._changed, self._at_work = threading.Condition(), 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Count this thread in; it stops where it asks `go_on`."""
        with self._changed:
            self._at_work += 1
        _thread.crew = self
        try:
            yield
        finally:
            _thread.crew = None
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    def dismiss(self) -> None:
        """Ask all threads to stop, and wait until they have."""
        self.over = True
        with self._changed:
            self._changed.wait_for(lambda: not self._at_work)


class Dismissed(Exception):  # noqa: N818  (nothing went wrong)
    """Nobody waits for this thread any more."""


def go_on() -> None:
    """Say that this thread can stop here.

    Raises:
        Dismissed: It should.
    """
    crew = getattr(_thread, "crew", None)
    if crew is not None and crew.over:
        raise Dismissed
