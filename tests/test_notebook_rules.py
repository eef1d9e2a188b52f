"""Does each notebook keep the rules that a machine can check?

The rules are tested too: a made notebook keeps them all, and each bad one is that with one thing
spoilt.
"""

from __future__ import annotations

from copy import deepcopy

import nbformat
import pytest
from nbformat import NotebookNode

from notebook_rules import (
    MOST_BYTES,
    RULES,
    code_cells,
    complaints,
    has_short_cells,
    has_short_functions,
    is_named_by_number_and_topic,
    is_split_into_slides,
    is_stored_clean,
)
from run_notebooks import NOTEBOOK_METADATA, NOTEBOOKS, WIDGET_VIEW


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_every_notebook_keeps_the_rules(path, rule):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert list(rule(path, notebook)) == []


# The rules, tested


def made(*cells: str) -> NotebookNode:
    """A notebook of these cells, as run; text starts with `#`, all else is code."""
    notebook = nbformat.v4.new_notebook(metadata=deepcopy(NOTEBOOK_METADATA))
    for source in cells:
        is_text = source.startswith("#")
        new = nbformat.v4.new_markdown_cell if is_text else nbformat.v4.new_code_cell
        notebook.cells.append(new(source, metadata={"slideshow": {"slide_type": "slide"}}))
    for count, cell in enumerate(code_cells(notebook), 1):
        cell.execution_count = count
    return notebook


PICTURE = {"image/png": "", "text/html": '<img alt="Dots fall." src="data:">', "text/plain": "Dots"}


def good() -> NotebookNode:
    notebook = made(
        "# 02 Zero\nWhy not 0?\n\nYou will be able to say why. 30 minutes. To know before: "
        "[00](00_start.ipynb).",
        "import initlab as il",
        'asked = il.ask("Which?", ["this", "that"], name="which")',
        'asked.reveal("this")',
        "x = il.data.digits().x\nx = x / 2\ny = [x for x in x]",
        "for n in range(9):\n    z = n\n    z = z + 1",
        "il.explore.symmetry()",
        "## Exercises",
        "def mine(n):\n    return n",
        'il.check("zeros", mine)',
        '### Help\n`il.hint("zeros")` `il.hint("ones")`\n```python\n# no heading\n```',
        'il.solution("zeros")\nil.solution("ones")',
        'il.check("ones", mine)',
        "## The one thing to remember\nZero is symmetric. [He](https://arxiv.org/abs/1502.01852), "
        "next [03](03_random.ipynb#start)",
        'il.quiz("02")',
    )
    code_cells(notebook)[4].outputs = [nbformat.v4.new_output("display_data", PICTURE)]
    return notebook


@pytest.fixture
def path(tmp_path):
    """Where the made notebook would lie: between two others."""
    for neighbour in ("00_start.ipynb", "03_random.ipynb"):
        (tmp_path / neighbour).touch()
    return tmp_path / "02_zero.ipynb"


def test_a_good_notebook_has_no_complaint(path):
    assert complaints(path, good()) == []


@pytest.mark.parametrize("name", ["2_zero.ipynb", "02.ipynb", "02_Zero.ipynb", "02-zero.ipynb"])
def test_a_name_out_of_the_pattern_is_named(path, name):
    (complaint,) = is_named_by_number_and_topic(path.with_name(name), good())
    assert complaint.endswith(name)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("Why not 0?", "", "the opening lacks a question"),
        ("able to", "", "the opening lacks what you will be able to do"),
        ("30 minutes", "half an hour", "the opening lacks minutes"),
        ("To know before", "", "the opening lacks what to know before"),
        ("remember", "keep", "the ending lacks the one thing to remember"),
        ("(https://arxiv.org/abs/1502.01852)", "", "the ending lacks papers with links"),
        ('il.quiz("02")', "il", "the ending lacks a quiz"),
        ("[00](00_start.ipynb)", "", "no link to 00_start.ipynb"),
        ("[03](03_random.ipynb#start)", "", "no link to 03_random.ipynb"),
        ("Why", "[See](missing.md)", "a link leads nowhere: missing.md"),
        ("Why", '<img src="missing.png" alt="a">', "a link leads nowhere: missing.png"),
        ("# 02 Zero", "## 02 Zero", "it does not start with its one heading of level 1"),
        ("### Help", "# Help", "it does not start with its one heading of level 1"),
        ("### Help", "#### Help", "a heading skips a level: Help"),
        ("x = x / 2", "\n" * 12, "code cell 4 has 15 lines"),
        ("n):\n", "n):\n" + "    n\n" * 5, "mine has 7 lines: it belongs into initlab"),
        ('il.check("ones", mine)', "mine", "1 checked exercises, not two or more"),
        ('il.hint("ones")', "", "exercise ones lacks its hint"),
        ('\nil.solution("ones")', "", "exercise ones lacks its solution"),
        ('asked.reveal("this")', "asked", "1 predictions asked for, 0 revealed"),
        ("il.explore.symmetry()", "il", "no live explorer"),
        ("Why", "![ ](00_start.ipynb)", "a picture in the text has no text of its own"),
        ("x = il", "z = il", "code cell 4 makes x from x: running it twice differs"),
        ("x = x / 2", "w, n = 1, n", "code cell 4 makes n from n: running it twice differs"),
        ("x = x / 2", "n += 1", "code cell 4 makes n from n: running it twice differs"),
        (
            "x = x / 2",
            "for n in x: z = z @ n",
            "code cell 4 makes z from z: running it twice differs",
        ),
    ],
)
def test_a_spoilt_source_is_named(path, old, new, complaint):
    notebook = good()
    (cell,) = (cell for cell in notebook.cells if old in cell.source)
    cell.source = cell.source.replace(old, new)
    assert complaints(path, notebook) == [complaint]


def test_long_cells_throughout_are_named(path):
    notebook = made(*["1\n2\n3\n4\n5"] * 3)
    assert list(has_short_cells(path, notebook)) == [
        "half of the code cells have more than 5 lines"
    ]


def test_a_long_function_may_be_the_lesson(path):
    notebook = made("def long():\n" + "    1\n" * 9)
    assert len(list(has_short_functions(path, notebook))) == 1
    notebook.cells[0].metadata.tags = ["lesson"]
    assert list(has_short_functions(path, notebook)) == []


def spoil_metadata(**changes):
    return lambda cell: cell.metadata.update(changes)


def show(kind, **content):
    return lambda cell: cell.outputs.append(nbformat.v4.new_output(kind, **content))


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (
            lambda cell: cell.update(execution_count=7),
            "it was not run once from top to bottom: [7, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]",
        ),
        (show("error", ename="a", evalue="b"), "code cell 1 shows an error or a warning"),
        (show("stream", name="stderr", text="a"), "code cell 1 shows an error or a warning"),
        (
            show("display_data", data={"image/png": ""}),
            "code cell 1 shows a picture without HTML beside it",
        ),
        (
            show("display_data", data={"text/html": '<img src="data:">'}),
            "code cell 1 shows a picture without text",
        ),
        (
            show("display_data", data={"text/html": '<img alt=" " src="data:">'}),
            "code cell 1 shows a picture without text",
        ),
        (
            show("display_data", data={WIDGET_VIEW: {}}),
            "code cell 1 holds the view of a widget that is gone",
        ),
        (spoil_metadata(slideshow={}), "cell 2 has no slide type"),
        (spoil_metadata(execution={}), "cell 2 holds metadata of one session: ['execution']"),
        (spoil_metadata(tags=["nbval-skip"]), "a cell is tagged nbval-skip"),
        (spoil_metadata(tags=["nbval-ignore-output"] * 2), "2 outputs are not compared"),
        (show("stream", name="stdout", text="a" * MOST_BYTES), "1.5 MB: smaller pictures?"),
    ],
)
def test_a_spoilt_cell_is_named(path, spoil, complaint):
    notebook = good()
    spoil(code_cells(notebook)[0])
    found = [complaint for rule in RULES for complaint in rule(path, notebook)]
    assert found == [complaint]


def test_a_section_that_starts_no_slide_is_named(path):
    notebook = made("# Title", "## Section")
    notebook.cells[1].metadata.slideshow.slide_type = "-"
    assert list(is_split_into_slides(path, notebook)) == ["cell 2 is a section but no new slide"]


def test_widget_state_is_named(path):
    notebook = good()
    notebook.metadata["widgets"] = {}
    (complaint,) = is_stored_clean(path, notebook)
    assert complaint.startswith("it holds metadata of one machine or session")
