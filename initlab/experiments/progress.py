"""How far is it? A progress bar where somebody is looking, and nothing anywhere else."""

from __future__ import annotations

import sys
from typing import Any, TextIO

DELAY = 1.0  # seconds before a bar appears: a short run shows none


def bar(total: int, *, show: bool, unit: str) -> Any:
    """Make a tqdm bar for a terminal or a live notebook; it takes itself away at the end."""
    from tqdm import tqdm

    stream = _stream() if show else None
    return tqdm(
        total=total, unit=unit, file=stream, disable=stream is None,
        delay=DELAY, leave=False, ncols=80,
    )  # fmt: skip


def _stream() -> TextIO | Any | None:
    """Return where a bar can be seen: this cell, the terminal, or nowhere."""
    kernel = getattr(
        getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)(), "kernel", None
    )
    if kernel is not None:
        # A front end with a person in front allows input(); nbval, nbclient and nbconvert do not.
        return _Cell() if getattr(kernel, "_allow_stdin", False) else None
    return sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None


class _Cell:
    """A stream that shows its last line in a notebook cell, as an output that it empties again.

    tqdm's own notebook bar stays in the stored file as a dead widget, and stderr as a red box.
    """

    def __init__(self) -> None:
        self._handle: Any = None

    def write(self, text: str) -> None:
        line = {"text/plain": text.strip()}
        if self._handle is not None:
            self._handle.update(line, raw=True)
        elif line["text/plain"]:
            from IPython.display import display

            self._handle = display(line, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def flush(self) -> None:
        """Nothing is held back."""
