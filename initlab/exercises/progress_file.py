"""Which exercises are done? One small file beside the notebooks, which nothing can break."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

_session: dict[str, str] = {}
_said: set[str] = set()


def record(name: str, status: str) -> str:
    """Note the status of an exercise; "correct" stays, whatever is tried afterwards.

    An untouched stub changes nothing, so running a notebook as it comes writes no file.

    Returns:
        What the learner should know (progress cannot be kept), said once in a session; else "".
    """
    known = read()
    if status == "not attempted" or known.get(name) in ("correct", status):
        return ""
    _session[name] = status
    path = _path()
    if path is None:
        return ""
    try:
        # The file is read again just now: another notebook may have written since.
        _write(path, {**known, name: status})
    except OSError as error:
        note = f"(Progress is not kept: {path.name} cannot be written here, {error.strerror}.)"
        if note not in _said:
            _said.add(note)
            return note
    return ""


def read() -> dict[str, str]:
    """Give name → status, from the file and from this session; a broken file is set aside."""
    path, kept = _path(), {}
    try:
        kept = dict(json.loads(path.read_text("utf-8"))["exercises"]) if path else {}
        if not all(isinstance(status, str) for status in kept.values()):
            raise TypeError("a status is not a text")
    except OSError:
        pass  # no file yet, or none that we may read
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        kept = {}
        if path:
            _set_aside(path)
    return kept | {name: now for name, now in _session.items() if kept.get(name) != "correct"}


def _path() -> Path | None:
    wanted = os.environ.get("INITLAB_PROGRESS", ".initlab_progress.json")
    return None if wanted == "off" else Path(wanted)


def _set_aside(path: Path) -> None:
    number = 1
    while (aside := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    with suppress(OSError):
        path.rename(aside)


def _write(path: Path, done: dict[str, str]) -> None:
    """Write beside the file, then swap: a crash leaves the old file or the new one, whole."""
    text = json.dumps({"exercises": done}, indent=1, sort_keys=True) + "\n"
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft)
        raise
