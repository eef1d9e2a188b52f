"""What does each notebook cost? Runs notebooks from top to bottom and stores their outputs.

    python tests/run_notebooks.py                 # all
    python tests/run_notebooks.py notebooks/02*   # some

Prints seconds, the slowest cell and the peak memory of the kernel; fails where a notebook is over a
limit. A notebook in which a cell raises stays as it was.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
MOST_SECONDS, MOST_CELL_SECONDS, MOST_MEMORY_MB = 30, 5, 900
SMALL_MEMORY = 2 * 1024**3  # bytes: the most that the public Binder service gives

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
NOTEBOOK_METADATA = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
CELL_METADATA = {"tags", "slideshow", "jp-MarkdownHeadingCollapsed"}
WIDGET_VIEW = (
    "application/vnd.jupyter.widget-view+json"  # means nothing without the kernel that ran
)

# What a visitor of Binder gets. The kernel limits itself: the process that starts it may hold more.
SMALL_MACHINE = f"""
import os, resource
cores = sorted(os.sched_getaffinity(0))
os.sched_setaffinity(0, {{cores[os.getpid() % len(cores)]}})
resource.setrlimit(resource.RLIMIT_DATA, ({SMALL_MEMORY}, {SMALL_MEMORY}))
del os, resource, cores
"""
KERNEL_STATUS = """
from pathlib import Path
status = Path("/proc/self/status")
print(status.read_text() if status.exists() else "")
"""


class Cost(NamedTuple):
    """What one run took."""

    seconds: list[float]  # by code cell
    peak_memory_mb: float | None

    def over_limits(self) -> list[str]:
        """Say which limits this run broke."""
        costs = {
            "s in all": (sum(self.seconds), MOST_SECONDS),
            "s in one cell": (max(self.seconds), MOST_CELL_SECONDS),
            "MB": (self.peak_memory_mb or 0, MOST_MEMORY_MB),
        }
        return [
            f"{cost:.1f} {unit} > {most}" for unit, (cost, most) in costs.items() if cost > most
        ]

    def __str__(self) -> str:
        slowest = max(range(len(self.seconds)), key=self.seconds.__getitem__)
        memory = f"{self.peak_memory_mb:.0f} MB" if self.peak_memory_mb else "memory unknown"
        return (
            f"{sum(self.seconds):5.1f} s, code cell {slowest + 1} slowest with "
            f"{self.seconds[slowest]:.1f} s, {memory}"
        )


def peak_memory_mb(kernel_status: str) -> float | None:
    """Read the most memory that a process held; only Linux tells."""
    peak = re.search(r"VmHWM:\D*(\d+) kB", kernel_status)
    return int(peak[1]) / 1024 if peak else None


def run(notebook: nbformat.NotebookNode, folder: Path) -> Cost:
    """Run all cells in a fresh kernel that starts in `folder`; their outputs go into `notebook`."""
    os.environ["INITLAB_PROGRESS"] = "off"  # what somebody has done already must not be stored
    client = NotebookClient(
        notebook,
        timeout=60,
        coalesce_streams=True,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    )
    seconds = []
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                start = time.perf_counter()
                client.execute_cell(cell, index)
                seconds.append(time.perf_counter() - start)
        status = execute(client, KERNEL_STATUS)
    return Cost(seconds, peak_memory_mb(status))


def execute(client: NotebookClient, code: str) -> str:
    """Run a line that is not the notebook's own, and give what it prints."""
    cells = client.nb.cells
    cells.append(nbformat.v4.new_code_cell(code))
    try:
        client.execute_cell(cells[-1], len(cells) - 1)
    finally:
        own = cells.pop()
    return "".join(output.text for output in own.outputs)


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Drop what changes from run to run or machine to machine and says nothing to a reader."""
    notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    for cell in notebook.cells:
        for key in set(cell.metadata) - CELL_METADATA:
            del cell.metadata[key]
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)


def main(paths: list[Path]) -> int:
    """Run, store and report; the exit status says whether all kept the limits."""
    within_limits = True
    for path in paths or sorted(NOTEBOOKS.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        cost = run(notebook, path.parent)
        tidy(notebook)
        nbformat.write(notebook, path)
        print(f"{path.name}: {cost}", *cost.over_limits(), sep="\n    TOO MUCH: ", flush=True)
        within_limits &= not cost.over_limits()
    return 0 if within_limits else 1


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))
