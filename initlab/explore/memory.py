"""How much memory may a kernel keep that nothing uses any more?"""

from __future__ import annotations

import ctypes
import math
import os
import sys
from pathlib import Path

UNUSED = 16 * 2**20  # bytes that may lie about; a computation with 100 layers takes 20 MB

_least = math.inf  # bytes that this process held when it held least


def release_memory() -> None:
    """Return freed memory to the system, if the process holds much more than it did at its least.

    Only Linux needs it: of its own accord glibc would keep some 300 MB. To return all of it after
    each computation would cost more than the computation: memory is handed out page by page.
    """
    global _least
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is None:
        return
    held = resident()
    if held > _least + UNUSED:
        trim(0)
        _least = held = resident()  # what is really needed now may be more than before
    _least = min(_least, held)


def resident() -> int:
    """Give the bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
