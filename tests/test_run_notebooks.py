"""Are outputs stored whole, and without what changes from run to run?"""

from __future__ import annotations

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from run_notebooks import WIDGET_VIEW, Cost, main

WIDGET = "import ipywidgets\nipywidgets.IntSlider()"


@pytest.fixture
def notebook(tmp_path):
    """Writes a notebook with these code cells, as an editor would leave it."""

    def write(*sources):
        made = nbformat.v4.new_notebook(metadata={"widgets": {"state": {}}})
        made.cells = [nbformat.v4.new_code_cell(source) for source in sources]
        made.cells[0].metadata = {"collapsed": True, "tags": ["lesson"]}
        path = tmp_path / "made.ipynb"
        nbformat.write(made, path)
        return path

    return write


def test_outputs_are_stored_and_the_rest_is_tidied(notebook, capsys):
    path = notebook("print('one')\nprint('two')", WIDGET)
    assert main([path]) == 0
    first = path.read_text()
    stored = nbformat.reads(first, as_version=4)
    text, widget = stored.cells
    assert [output.text for output in text.outputs] == ["one\ntwo\n"]
    assert (text.execution_count, widget.execution_count) == (1, 2)
    assert "text/plain" in widget.outputs[0].data
    assert WIDGET_VIEW not in widget.outputs[0].data
    assert "widgets" not in stored.metadata
    assert text.metadata == {"tags": ["lesson"]}
    assert capsys.readouterr().out.startswith("made.ipynb: ")

    main([path])
    assert path.read_text() == first


def test_a_notebook_that_raises_stays_as_it_was(notebook):
    path = notebook("1 / 0")
    before = path.read_text()
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        main([path])
    assert path.read_text() == before


def test_a_cost_over_a_limit_is_named():
    assert Cost([1.0, 2.0], 300.0).over_limits() == []
    assert Cost([1.0, 6.0], None).over_limits() == ["6.0 s in one cell > 5"]
    assert Cost([4.0] * 8, 901.0).over_limits() == ["32.0 s in all > 30", "901.0 MB > 900"]
    assert str(Cost([1.0, 6.0], 300.0)) == "  7.0 s, code cell 2 slowest with 6.0 s, 300 MB"
