"""What the site adds to the notebooks; `tests/test_recorded*.py` tests its explorers."""

from __future__ import annotations

import nbformat
import pages

import initlab as il


def test_the_reference_names_all_that_is_public():
    said = pages.reference()
    here = [name for name in il.__all__ if not hasattr(getattr(il, name), "__path__")]
    public = [name for name in here if type(getattr(il, name)).__name__ != "module"]
    for name in public:
        assert f":: initlab.{name}\n" in said, name
    for name in ("gain", "predict", "edge_of_chaos"):
        assert f".. autofunction:: initlab.theory.{name}\n" in said
    assert ".. autoclass:: initlab.Trace\n   :members:\n" in said


def test_the_landing_page_is_filled_in(monkeypatch):
    explorer = "<div>explorer</div>"
    monkeypatch.setattr(pages, "recorded", lambda _: {"text/html": explorer})
    page = pages.landing()
    assert explorer in page
    assert "| 00 | [Start here](notebooks/00_start_here.ipynb) |" in page
    assert page.count("mybinder.org") == 1
    assert "git+https://github.com/OWNER/REPO" in page
    for placeholder in ("EXPLORER", "LESSONS", "REPOSITORY"):
        assert placeholder not in page


def test_answers_are_folded_and_nothing_else(tmp_path):
    code = nbformat.v4.new_code_cell
    sources = ["import initlab", "guess = il.ask()", "measure()", "guess.reveal()", "more()"]
    notebook = nbformat.v4.new_notebook(
        cells=[*map(code, sources), code('il.check("a", a)'), code("last()")]
    )
    nbformat.write(notebook, tmp_path / "a.ipynb")
    pages.fold(tmp_path / "a.ipynb")
    folded = nbformat.read(tmp_path / "a.ipynb", as_version=4)
    assert [cell.metadata.tags for cell in folded.cells] == [
        [], [], ["hide-output"], ["hide-cell"], [], ["remove-output"], [],
    ]  # fmt: skip
