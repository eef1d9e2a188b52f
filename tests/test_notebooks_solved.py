"""Does Run All pass for a learner who has solved everything, on one core and with 2 GB?

With the stubs untouched, nbval runs the notebooks. Here each stub gives way to the solution that is
folded below it, as a learner would copy it: with nothing but what the notebook has imported so far.
Each check must then say correct. The source that `il.solution` shows is checked beside it, in a
namespace of its own. The machine is that of a visitor of Binder.
"""

from __future__ import annotations

import re
import sys

import nbformat
import pytest

from initlab.lessons import EXERCISES
from run_notebooks import MOST_MEMORY_MB, NOTEBOOKS, run

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(sys.platform != "linux", reason="limits a process as Linux does"),
]

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
CHECK = re.compile(r'il\.check\("(\w+)", .*\)')
FOLDED = re.compile(r"<details>.*?```python\n(.*?)```", re.DOTALL)
OWN = """own = {{}}
exec(il.solution("{name}").text, own)
il.check("{name}", own["{name}"])
"""


def solved(notebook):
    """Fill the solutions in; give the cells of the checks, by exercise."""
    cells, checks = [], {}
    for cell, after in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        cells.append(cell)
        check = CHECK.search(cell.source) if cell.cell_type == "code" else None
        if check:
            (folded,) = FOLDED.findall(after.source)
            cell.source = f"{folded}\n{check[0]}"
            cells.append(nbformat.v4.new_code_cell(OWN.format(name=check[1])))
            checks[check[1]] = [cell, cells[-1]]
    notebook.cells = cells
    return checks


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_run_all_passes_with_every_solution_on_a_small_machine(path):
    notebook = nbformat.read(path, as_version=4)
    checks = solved(notebook)
    assert set(checks) == {e.name for e in EXERCISES.values() if e.notebook == path.stem[:2]}
    assert run(notebook, path.parent, small=True).peak_memory_mb < MOST_MEMORY_MB
    for name, cells in checks.items():
        for cell in cells:
            said = cell.outputs[-1]["data"]["text/plain"]
            assert said == f"✓ Correct ({name}): {EXERCISES[name].praise}", cell.source
