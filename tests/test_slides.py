"""Are the slides of each lesson fit for a room? What needs a browser: `benchmarks/slides.py`."""

from __future__ import annotations

import re

import lecture
import nbformat
import pytest

from run_notebooks import NOTEBOOKS

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))


def kind(cell):
    return cell.metadata["slideshow"]["slide_type"] if "slideshow" in cell.metadata else "-"


def slides_of(cells):
    slides = []
    for cell in cells:
        if kind(cell) == "slide":
            slides.append([])
        slides[-1].append(cell)
    return slides


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_each_slide_has_a_headline_and_one_thing(path):
    notebook = nbformat.read(path, as_version=4)
    line = [c for c in notebook.cells if kind(c) != "skip" and "il.check(" not in c.source]
    pictures = sum(any(map(lecture._is_picture, c.get("outputs", []))) for c in line)
    questions = sum("il.ask(" in c.source for c in line if c.cell_type == "code")
    slides = slides_of(lecture.Deck(notebook.cells).cells)
    assert 10 <= len(slides) <= 25
    shown, asked, answered = 0, 0, 0
    for heading, *content in slides:
        assert re.fullmatch(r"##? .+", heading.source)
        code = [c for c in content if c.cell_type == "code"]
        shown += sum(any(map(lecture._is_picture, c.outputs)) for c in code)
        asked += sum("il.ask(" in c.source for c in code)
        fragments = [c for c in content if kind(c) == "fragment"]
        answered += len(fragments)
        assert all("Measured: " in str(c.outputs) for c in fragments)
        seen = [c.source for c in code if "transient" not in c.metadata]
        assert not re.search(r"\bassert\b", "\n".join(seen))
        said = " ".join(c.source for c in content if c.cell_type == "markdown" and kind(c) == "-")
        assert len(said.split()) <= 90
    assert (shown, asked) == (pictures, questions)
    assert answered == questions


def test_prose_that_makes_no_slide_is_in_the_notes():
    long = "word " * 80
    text = nbformat.v4.new_markdown_cell
    cells = [
        text("# Title\n\nA question."),
        text(f"## Long\n\n{long}"),
        text("## Short\n\nA fact."),
    ]
    made = lecture.Deck(cells).cells
    assert [kind(cell) for cell in made] == ["slide", "-", "notes", "slide", "-"]
    assert made[2].source == long.strip()
