"""Which rules of a lesson can a machine check? Length, the folded part, honest prints."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from notebook_parts import calls, code_cells, opening, text_of

WORDS_A_MINUTE = 120
MINUTES = {"code cell": 1 / 3, "exercise": 3, "explorer": 2}
MOST_WORDS, MOST_CODE_CELLS, MOST_WORDS_DEEPER = 2000, 36, 800
SHORTER = {"00": (1500, 26)}  # words and code cells
DEEPER = "## Going deeper"


def parts(notebook: NotebookNode) -> tuple[list[NotebookNode], list[NotebookNode]]:
    """The cells of the main line, and those of the section that is folded."""
    main, deeper, inside = [], [], False
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.match(r"#{1,2} ", cell.source):
            inside = cell.source.startswith(DEEPER)
        (deeper if inside else main).append(cell)
    return main, deeper


def words(cells: list[NotebookNode]) -> int:
    """Words that one reads: a folded solution and the target of a link are not."""
    text = re.sub(r"<details>.*?</details>", "", text_of(cells, "markdown"), flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return sum(bool(re.search(r"\w", word)) for word in text.split())


def minutes(cells: list[NotebookNode]) -> float:
    """How long a learner needs for these cells."""
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    exercises = sum("il.check(" in source for source in code)
    explorers = sum("il.explore." in source for source in code)
    return (
        words(cells) / WORDS_A_MINUTE
        + len(code) * MINUTES["code cell"]
        + exercises * MINUTES["exercise"]
        + explorers * MINUTES["explorer"]
    )


def is_as_long_as_it_says(path: Path, notebook: NotebookNode) -> Iterator[str]:
    main, deeper = parts(notebook)
    most_words, most_cells = SHORTER.get(path.name[:2], (MOST_WORDS, MOST_CODE_CELLS))
    code = sum(cell.cell_type == "code" for cell in main)
    if (count := words(main)) > most_words:
        yield f"the main line has {count} words, not at most {most_words}"
    if code > most_cells:
        yield f"the main line has {code} code cells, not at most {most_cells}"
    if (count := words(deeper)) > MOST_WORDS_DEEPER:
        yield f"'Going deeper' has {count} words, not at most {MOST_WORDS_DEEPER}"
    needed = 5 * math.ceil(minutes(main) / 5)
    said = re.search(r"(\d+) minutes", opening(notebook))
    if not said or int(said[1]) != needed:
        yield f"it needs {needed} minutes and says {said[1] if said else 'nothing'}"


def folds_what_goes_deeper(path: Path, notebook: NotebookNode) -> Iterator[str]:
    _, deeper = parts(notebook)
    headings = [cell for cell in deeper if cell.source.startswith(DEEPER)]
    if len(headings) > 1:
        yield "it goes deeper in more than one section"
    if headings and not headings[0].metadata.get("jp-MarkdownHeadingCollapsed"):
        yield "the section 'Going deeper' is not collapsed"
    for cell in deeper:
        if cell.metadata.get("slideshow", {}).get("slide_type") not in {"skip", "notes"}:
            yield f"a cell of 'Going deeper' is shown in slides: {cell.source[:40]!r}"


def prints_what_it_measured(path: Path, notebook: NotebookNode) -> Iterator[str]:
    """A print shows at least one value; a sentence that was typed is no measurement."""
    for number, cell in enumerate(code_cells(notebook), 1):
        for name, node in calls([cell]):
            if name != "print" or not node.args:
                continue
            named = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)
            shown = [part for arg in node.args for part in ast.walk(arg)]
            if not any(isinstance(part, named) for part in shown):
                yield f"code cell {number} prints a text that was typed: {ast.unparse(node)[:60]}"


LESSON_RULES = [is_as_long_as_it_says, folds_what_goes_deeper, prints_what_it_measured]
