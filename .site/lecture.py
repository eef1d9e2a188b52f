"""How a lesson becomes slides for a room: a headline each, one picture; the prose becomes notes.

A slide is made of every figure, every explorer and every question (its answer comes at the next
click), of the code that opens the lesson, and of a section that has none of these. Everything comes
from the notebook: titles are its headings, and what a lecturer says is its prose, as speaker notes.
Exercises, checks, the quiz and what is skipped stay in the notebook.
"""

from __future__ import annotations

import re
from typing import Any

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode, v4

MOST_WORDS = 60  # of prose on a slide
HEADING = re.compile(r"^(#{1,4}) +(?:(?<=## )\d+(?:\.\d+)* +)?(.*)$", re.MULTILINE)
PICTURES = ("image/png", "image/svg+xml")
RECORDED = "initlab-recorded"  # an explorer that moves without a kernel


class Lecture(Preprocessor):  # type: ignore[misc]
    """Makes the slides of one lesson."""

    def preprocess(self, notebook: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Replace the cells by those of the slides."""
        notebook.cells = Deck(notebook.cells).cells
        return notebook, resources


class Deck:
    """The slides so far.

    Args:
        cells: Of the notebook.
    """

    def __init__(self, cells: list[NotebookNode]) -> None:
        self.cells: list[NotebookNode] = []
        self.title = ""
        self.said: list[str] = []  # prose since the last slide
        self.question = -1  # where the answer to the open question belongs
        self.is_bare = True  # no slide of this section yet
        for cell in cells:
            skips = cell.metadata.get("slideshow", {}).get("slide_type") == "skip"
            if not skips and cell.cell_type == "markdown":
                self._read(cell.source)
            elif not skips and "il.check(" in cell.source:
                self.said, self.is_bare = [], False  # an exercise is for those who sit at a machine
            elif not skips and "il.quiz(" not in cell.source:
                self._run(cell)
        self._end_section()

    def _read(self, text: str) -> None:
        """Note a title, and keep the prose."""
        for part in re.split(r"(?=^#{1,4} )", text, flags=re.MULTILINE):
            heading = HEADING.match(part)
            if heading:
                self._end_section()
                self.title, self.is_bare = heading[2], True
                part = part[heading.end() :]
            if part.strip():
                self.said.append(part.strip())
            if heading and len(heading[1]) == 1:
                self._prose("#")

    def _end_section(self) -> None:
        """Give a section without a picture a slide of its first sentences."""
        if self.is_bare and self.said and self.title:
            self._prose("##")
        if self.cells:
            self._notes()

    def _prose(self, level: str) -> None:
        """A slide with as many paragraphs as fit; all others go to the notes."""
        paragraphs = "\n\n".join(self.said).split("\n\n")
        shown = paragraphs[: 1 if level == "#" else None]
        while len(shown) > 1 and sum(len(one.split()) for one in shown) > MOST_WORDS:
            shown.pop()
        while len(shown) > 1 and shown[-1].rstrip().endswith(":"):  # of a cell that is not here
            shown.pop()
        is_torn = shown[0].rstrip().endswith(":") or len(shown[0].split()) > MOST_WORDS
        if level == "##" and is_torn:
            return
        self.said = paragraphs[len(shown) :]
        self._slide(v4.new_markdown_cell("\n\n".join(shown)), level=level)

    def _run(self, cell: NotebookNode) -> None:
        """Make slides of what a code cell shows."""
        pictures = [output for output in cell.outputs if _is_picture(output)]
        if "il.ask(" in cell.source:
            self._slide(_shown(cell, [o for o in cell.outputs if "data" in o]))
            self.question = len(self.cells)
            return
        if ".reveal(" in cell.source and self.question >= 0:
            answer = _shown(cell, [o for o in cell.outputs if "Measured: " in _text(o)], "fragment")
            self.cells.insert(self.question, answer)
            self.question = -1
        if pictures:
            self._slide(_shown(cell, pictures[:1]))
        elif self.is_bare and len(self.cells) <= 2 and _is_short(cell):
            self._slide(_shown(cell, cell.outputs, code=True))

    def _slide(self, content: NotebookNode, *, level: str = "##") -> None:
        heading = v4.new_markdown_cell(f"{level} {self.title}")
        heading.metadata["slideshow"] = {"slide_type": "slide"}
        self.cells += [heading, content]
        self.is_bare = False
        self._notes()

    def _notes(self) -> None:
        """Put the prose since the last slide into the notes of this one."""
        if self.said:
            notes = v4.new_markdown_cell("\n\n".join(self.said))
            notes.metadata["slideshow"] = {"slide_type": "notes"}
            self.cells.append(notes)
        self.said = []


def _shown(
    cell: NotebookNode, outputs: list[NotebookNode], kind: str = "-", *, code: bool = False
) -> NotebookNode:
    """A cell with some of its outputs, and without its code unless that is the point."""
    source = re.sub(r"^\s*assert .*\n?", "", cell.source, flags=re.MULTILINE).strip()
    made = v4.new_code_cell(source, outputs=outputs, execution_count=cell.execution_count)
    made.metadata["slideshow"] = {"slide_type": kind}
    if not code:
        made.metadata["transient"] = {"remove_source": True}
    return made


def _is_picture(output: NotebookNode) -> bool:
    data = output.get("data", {})
    return any(kind in data for kind in PICTURES) or RECORDED in data.get("text/html", "")


def _text(output: NotebookNode) -> str:
    return str(output.get("text", "") or output.get("data", {}).get("text/plain", ""))


def _is_short(cell: NotebookNode) -> bool:
    prints = any(output.output_type == "stream" for output in cell.outputs)
    return prints and cell.source.count("\n") < 13
