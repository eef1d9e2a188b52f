"""Is the measurement held back until a reader has answered, or asked to see it?"""

from __future__ import annotations

import nbformat
import pytest

from run_notebooks import NOTEBOOK_METADATA

pytestmark = pytest.mark.thorough

ASK = 'import initlab as il\nguess = il.ask("Up or down?", ["up", "down"])\nguess'


@pytest.fixture
def asked(open_notebook):
    """A notebook: a question, how to read the measurement, the measurement, what it means."""
    code, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    notebook = nbformat.v4.new_notebook(metadata=NOTEBOOK_METADATA)
    notebook.cells = [
        text("Before."),
        code(ASK),
        text("How to read it."),
        code('print("a number")'),
        code('guess.reveal("down", "A reason.")'),
        text("An explanation."),
        text("## The next section"),
        code('print("another")'),
    ]
    with open_notebook("asked.ipynb", notebook=notebook) as reader:
        reader.run_all()
        yield reader


def visible(reader):
    texts = [
        "How to read it.",
        "a number",
        "A reason.",
        "An explanation.",
        "next section",
        "another",
    ]
    page = reader.page
    return [t for t in texts if page.locator(f".jp-Notebook :text('{t}')").last.is_visible()]


OPEN = ["How to read it.", "next section", "another"]
ALL = ["How to read it.", "a number", "A reason.", "An explanation.", "next section", "another"]


@pytest.mark.parametrize("how", ["button", "answer"])
def test_the_measurement_is_shown_after_an_answer_or_on_demand(asked, how):
    page = asked.page
    button = page.get_by_role("button", name="Show the measurement")
    button.wait_for()
    assert visible(asked) == OPEN
    assert page.get_by_text("Held back").count() == 0  # a style writes it, not the document
    if how == "button":
        button.press("Enter")
    else:
        page.get_by_role("radio", name="down").check()
    page.wait_for_function("() => !document.querySelector('.initlab-held, .initlab-held-output')")
    assert visible(asked) == ALL
    assert not button.is_visible()
    assert asked.problems() == []


def test_a_question_without_its_reveal_holds_nothing(open_notebook):
    with open_notebook("alone.ipynb", ASK, "print(1)") as reader:
        reader.run_all()
        reader.page.wait_for_timeout(500)
        assert reader.page.locator(".initlab-held, .initlab-held-output").count() == 0
        assert not reader.page.get_by_role("button", name="Show the measurement").is_visible()
