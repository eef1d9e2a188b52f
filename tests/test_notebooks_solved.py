"""Does each lesson work in a browser, all solved, on one core with 2 GB, of another processor?

With the stubs untouched, nbval runs the lessons. Here each stub gives way to the solution that is
folded below it, as a learner would copy it, with nothing but what the lesson has imported so far.
Each check must then say correct; so must it of the source that `il.solution` shows, in a namespace
of its own. The machine is that of a visitor of Binder, with AVX2 alone and two threads, and the
text of all other cells is the stored one. The reader runs all cells in JupyterLab and moves every
slider: nothing may appear on the console.
"""

from __future__ import annotations

import re
import sys

import nbformat
import pytest

from browser import move_all
from initlab.lessons import EXERCISES
from notebook_parts import code_cells
from other_processors import ALL_KINDS, kinds
from run_notebooks import MOST_MEMORY_MB, NOTEBOOKS, SMALL_MACHINE

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(sys.platform != "linux", reason="limits a process as Linux does"),
]

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
CHECK = re.compile(r'il\.check\("(\w+)", .*\)')
FOLDED = re.compile(r"<details>.*?```python\n(.*?)```", re.DOTALL)
SOLVED = """{folded}
verdict = {check}
assert str(verdict) == {praise!r}, verdict
own = {{}}
exec(il.solution("{name}").text, own)
assert str(il.check("{name}", own["{name}"])) == {praise!r}, "the source of il.solution"
verdict"""


@pytest.fixture(scope="module", autouse=True)
def _other_processor():
    """Kernels that are started from here on compute as another processor would."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (ALL_KINDS | kinds()["threads"]).items():
            patch.setenv(name, value)
        yield


def said(outputs: list[dict]) -> str:
    """The text that nbval would compare."""
    texts = [output.get("data", {}).get("text/plain", output.get("text", "")) for output in outputs]
    return re.sub("0x[0-9a-f]+", "ADDRESS", "".join("".join(text) for text in texts))


def solved(notebook: nbformat.NotebookNode) -> set[str]:
    """Fill the solutions in; each must be correct. Gives the names of the exercises."""
    names = set()
    for cell, after in zip(notebook.cells, notebook.cells[1:], strict=False):
        check = CHECK.search(cell.source) if cell.cell_type == "code" else None
        if check:
            name = check[1]
            (folded,) = FOLDED.findall(after.source)
            praise = f"✓ Correct ({name}): {EXERCISES[name].praise}"
            cell.source = SOLVED.format(folded=folded, check=check[0], name=name, praise=praise)
            names.add(name)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(SMALL_MACHINE))
    return names


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_a_solved_lesson_runs_in_a_browser_on_a_small_machine(open_notebook, path):
    notebook = nbformat.read(path, as_version=4)
    assert solved(notebook) == {
        name for name, e in EXERCISES.items() if e.notebook == path.stem[:2]
    }
    code = code_cells(notebook)
    is_compared = [
        "nbval-ignore-output" not in cell.metadata.get("tags", []) and "verdict" not in cell.source
        for cell in code
    ]
    with open_notebook(path.name, notebook=notebook) as reader:
        reader.run_all()
        seen = reader.outputs()
        for cell, now, compared in zip(code, seen, is_compared, strict=True):
            if compared:
                assert said(now) == said(cell.outputs), cell.source
        sliders, problems = move_all(reader)
        assert problems == []
        assert sliders > 0
        assert reader.barriers() == []
        assert (reader.peak_memory() or 0) < MOST_MEMORY_MB
