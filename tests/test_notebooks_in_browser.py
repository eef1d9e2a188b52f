"""Does each notebook work in a browser: all cells, all sliders, nothing on the console?"""

from __future__ import annotations

import pytest

from browser import read
from run_notebooks import MOST_MEMORY_MB, NOTEBOOKS

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def test_a_notebook_runs_in_a_browser(open_notebook, name):
    with open_notebook(name) as reader:
        sliders, problems = read(reader)
        assert problems == []
        assert sliders > 0
        assert reader.barriers() == []
        assert (reader.peak_memory() or 0) < MOST_MEMORY_MB
