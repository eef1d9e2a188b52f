"""Opens notebooks of one cell in a real JupyterLab, for the benchmarks that need a browser."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser import Reader, chromium, find_chromium, jupyterlab, opened
from run_notebooks import NOTEBOOK_METADATA

EXPLORER = "import initlab as il\n\nexplorer = il.explore.{}()\nexplorer"


@contextmanager
def lab(cells: dict[str, str]) -> Iterator[Callable[[str], AbstractContextManager[Reader]]]:
    """Start JupyterLab and a browser; give what opens and runs a notebook by its name.

    Args:
        cells: Name of a notebook → its only cell.
    """
    executable = find_chromium()
    if executable is None:
        raise SystemExit("no Chromium or Chrome on this machine: install one")
    with TemporaryDirectory() as folder:
        root, scratch = Path(folder, "notebooks"), Path(folder, "scratch")
        root.mkdir()
        scratch.mkdir()
        for name, source in cells.items():
            made = nbformat.v4.new_notebook(metadata=NOTEBOOK_METADATA)
            made.cells = [nbformat.v4.new_code_cell(source)]
            nbformat.write(made, root / f"{name}.ipynb")
        with jupyterlab(root, scratch) as url, chromium(executable) as browser:

            @contextmanager
            def open_one(name: str) -> Iterator[Reader]:
                with opened(browser, url, f"{name}.ipynb") as reader:
                    reader.run_all()
                    yield reader

            yield open_one
