"""What is a notebook made of? Its code, text, calls, outputs and links, for the rules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nbformat import NotebookNode


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_of(cells: list[NotebookNode], kind: str) -> str:
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == kind)


def tree(cell: NotebookNode) -> ast.Module:
    """The cell's Python; lines that only IPython knows are blanked."""
    return ast.parse(re.sub(r"^\s*[%!].*$", "", cell.source, flags=re.MULTILINE))


def calls(cells: list[NotebookNode]) -> list[tuple[str, ast.Call]]:
    """Every call in these cells, with the dotted name that is called."""
    nodes = (node for cell in cells if cell.cell_type == "code" for node in ast.walk(tree(cell)))
    return [(ast.unparse(node.func), node) for node in nodes if isinstance(node, ast.Call)]


def outputs(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    for number, cell in enumerate(code_cells(notebook), 1):
        for output in cell.outputs:
            yield number, output


def links(text: str) -> list[str]:
    """The targets of links and pictures, in Markdown and in HTML."""
    found = re.findall(r"\]\(([^)\s]+)[^)]*\)|(?:href|src)=\"([^\"]+)\"", text)
    return [markdown or html for markdown, html in found]


def opening(notebook: NotebookNode) -> str:
    """The text before the first code cell."""
    first = next(i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    return text_of(notebook.cells[:first], "markdown")
