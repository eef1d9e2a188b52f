"""How much does `import initlab` cost beside `import torch`?

    python tests/benchmarks/import_time.py [pairs]

Fresh interpreters, in turn, so that what else the machine does falls on all alike; the ratio is the
median over the rounds of one import's time to that of `import torch`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

BASE = "import torch"
IMPORTS = {
    BASE: BASE,
    "import torch, initlab": "import torch, initlab",
    "... and what measures a model": (
        "import initlab as il; il.initialize, il.trace, il.SCHEMES, il.models, il.data"
    ),
}


def seconds(code: str) -> float:
    """Time a fresh interpreter that runs `code`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main(rounds: int) -> None:
    """Print one row for each import."""
    seconds(IMPORTS["... and what measures a model"])  # fills the caches of files and byte code
    times = [{name: seconds(code) for name, code in IMPORTS.items()} for _ in range(rounds)]
    for name in IMPORTS:
        ratio = statistics.median(row[name] / row[BASE] for row in times)
        print(f"{name:32}{statistics.median(row[name] for row in times):6.2f} s {ratio:6.2f} x")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
