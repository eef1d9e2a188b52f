"""How much memory may a kernel keep that nothing uses any more?"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

LITTER = 16 * 2**20  # bytes that may lie about; a computation with 100 layers takes 20 MB


class Tidy:
    """Returns freed memory to the system when there is much of it; only Linux needs and tells it.

    Of its own accord glibc would keep some 300 MB. To return all of it after each computation
    would cost more than the computation: the system hands memory out page by page.
    """

    def __init__(self) -> None:
        is_linux = sys.platform == "linux"
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if is_linux else None
        self._least: int | None = None

    def up(self) -> None:
        """Return what was freed, if the process holds much more than it did at its least."""
        if self._trim is None:
            return
        held = resident()
        if self._least is None or held > self._least + LITTER:
            self._trim(0)
            self._least = resident()
        self._least = min(self._least, held)


def resident() -> int:
    """Give the bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
