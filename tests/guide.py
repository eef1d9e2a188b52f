"""What do the contributor's guides say? Their code, by heading."""

from __future__ import annotations

import re
from pathlib import Path

PAGES = Path(__file__).parents[1] / ".github"


def blocks(heading: str, language: str = "python") -> list[str]:
    """The code under a heading of CONTRIBUTING.md, block by block."""
    page = (PAGES / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def changed(source: str, diff: str) -> str:
    """Carry out a change: each part of it must fit exactly one place."""
    for part in diff.split("@@\n"):
        lines = part.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] != "+")
        new = "".join(line[1:] for line in lines if line[0] != "-")
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return source
