"""How large does the image get that Binder builds?

    python tests/benchmarks/image_size.py

Adds up what the packages of `binder/requirements.txt`, and all that they need, take on this disk
(with the CPU build of torch). What repo2docker puts below them is not counted: about 1.2 GB.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

BINDER = Path(__file__).parents[2] / "binder" / "requirements.txt"


def needed(names: list[str]) -> dict[str, int]:
    """Package → bytes, for these packages and all that they need here."""
    sizes: dict[str, int] = {}
    while names:
        name = re.sub(r"[-_.]+", "-", names.pop()).lower()
        if name in sizes:
            continue
        try:
            found = distribution(name)
        except PackageNotFoundError:
            print(f"not installed here, so not counted: {name}", file=sys.stderr)
            continue
        sizes[name] = sum(file.size or 0 for file in found.files or [])
        for line in found.requires or []:
            wanted = Requirement(line)
            if not wanted.marker or wanted.marker.evaluate({"extra": ""}):
                names.append(wanted.name)
    return sizes


if __name__ == "__main__":
    sizes = needed(re.findall(r"^([\w-]+)==", BINDER.read_text(), flags=re.MULTILINE))
    for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:8]:
        print(f"{name:24} {size / 1e6:7.1f} MB")
    print(f"{len(sizes)} packages      {sum(sizes.values()) / 1e6:9.1f} MB")
