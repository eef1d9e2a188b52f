"""How much longer does each notebook take on one core with 2 GB, as a visitor of Binder has?

    python tests/benchmarks/small_machine.py [notebooks]

Prints seconds and peak memory on this machine and on the small one, and their ratio (goal: at most
2). Only an idle machine gives figures that mean something. Writes no notebook.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).parents[1]))
from run_notebooks import NOTEBOOKS, run

MOST_TIMES = 2


def main(paths: list[Path]) -> int:
    """Run each notebook twice, and compare."""
    kept = True
    print(f"{'notebook':36} {'normal':>8} {'small':>8} {'ratio':>6} {'memory':>8}")
    for path in paths or sorted(NOTEBOOKS.glob("*.ipynb")):
        costs = [
            run(nbformat.read(path, as_version=4), path.parent, small=small)
            for small in (False, True)
        ]
        normal, small = (sum(cost.seconds) for cost in costs)
        memory = costs[1].peak_memory_mb or float("nan")
        kept &= small <= MOST_TIMES * normal
        print(
            f"{path.name:36} {normal:6.1f} s {small:6.1f} s {small / normal:6.2f} {memory:5.0f} MB",
            flush=True,
        )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))
