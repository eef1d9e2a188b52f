"""In how many threads does a small network compute? In one: more would wait for each other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread(when: bool = True) -> Iterator[None]:
    """Keep torch, numpy and scipy to one core, or leave them as they are.

    Small matrices lose nothing, and the other cores have work too, such as the next task, or the
    browser that paints. Threads that are started inside are limited as well: numpy's library has
    one setting for the whole process.
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
def _libraries(scipy_is_loaded: bool) -> ThreadpoolController:
    """Find what numpy multiplies with, and scipy: it takes milliseconds."""
    return ThreadpoolController()
