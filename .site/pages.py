"""Write what the site needs beside the notebooks: landing page, reference, folded answers.

    python .site/pages.py FOLDER     # FOLDER/notebooks holds the recorded notebooks

The landing page gets a live explorer and the README's table of lessons; the reference names what
`initlab` makes public, for autodoc; and what answers a question is folded, as JupyterLab holds it
back.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
from record import recorded

import initlab as il

HERE = Path(__file__).parent
README = (HERE.parent / "README.md").read_text("utf-8")
GROUPS = {  # of the reference: title → names
    "Initialise a model": ["initialize", "lsuv", "scale_residual", "initialize_from", "audit"],
    "Schemes": ["scheme", "SCHEMES", "Scheme"],
    "Look into a network": ["trace", "Trace", "LayerTrace", "Summary", "Probe"],
    "What is wrong with it?": ["diagnose", "Findings", "Finding"],
    "Train and compare": ["train", "compare", "sweep", "coordinate_check", "History", "Runs"],
    "Learn": ["ask", "check", "hint", "solution", "quiz", "progress", "show"],
    "Records": ["Report", "Rule"],
}
CONSTANTS = {
    "SCHEMES": "Name → scheme with its usual parameters, in the order in which they are taught.",
    "COLOURS": "Scheme → colour, the same in every notebook and explorer.",
    "THEME": "Matplotlib's settings for all figures.",
}
MODULES = ["theory", "plots", "explore", "models", "data"]  # all that they make public


def landing() -> str:
    """Fill the landing page in."""
    table = re.search(r"^\| \| notebook .*?\n\n", README, re.MULTILINE | re.DOTALL)
    binder = re.search(r"^\[binder\]: .*$", README, re.MULTILINE)
    assert table, "the README has no table of lessons"
    assert binder, "the README has no link to Binder"
    shown = recorded(il.explore.signal(scheme="xavier_normal"))["text/html"]
    explorer = f"```{{raw}} html\n{shown}\n```"
    page = (HERE / "index.md").read_text("utf-8")
    repository = re.search(r"gh/([^/]+/[^/]+)/", binder[0])
    assert repository, "the link to Binder names no repository"
    filled = page.replace("EXPLORER", explorer).replace("LESSONS", table[0].strip())
    source = f"git+https://github.com/{repository[1]}"
    return f"{filled.replace('REPOSITORY', source)}\n{binder[0]}\n"


def reference() -> str:
    """Name all that is public; autodoc writes what it is."""
    said = ["# Reference", "Everything stands in `initlab`: `import initlab as il`."]
    for title, names in GROUPS.items():
        said += [f"## {title}", *(_entry(il, name) for name in names)]
    for name in MODULES:
        module = getattr(il, name)
        first = (module.__doc__ or "").split("\n\n")[0]
        said += [f"## il.{name}", first, *(_entry(module, one) for one in module.__all__)]
    return "\n\n".join(said) + "\n"


def _entry(module: object, name: str) -> str:
    thing = getattr(module, name)
    path = f"{module.__name__}.{name}"  # type: ignore[attr-defined]
    if isinstance(thing, type):
        said = f".. autoclass:: {path}\n   :members:\n   :exclude-members: set"  # matplotlib's
    elif callable(thing):
        said = f".. autofunction:: {path}"
    else:  # a dict: its docstring would be Python's
        said = f".. py:data:: {path}\n\n   {CONSTANTS[name]}"
    return f"```{{eval-rst}}\n{said}\n```"


def fold(path: Path) -> None:
    """Fold what would answer a question before the reader has thought."""
    notebook = nbformat.read(path, as_version=4)
    is_open = False
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        tags = cell.metadata.setdefault("tags", [])
        if is_open:
            is_answer = ".reveal(" in cell.source
            tags.append("hide-cell" if is_answer else "hide-output")
            is_open = not is_answer
        elif "il.ask(" in cell.source:
            is_open = True
        elif "il.check(" in cell.source:
            tags.append("remove-output")  # nothing is attempted here
    nbformat.write(notebook, path)


def main(folder: Path) -> None:
    """Write all of it."""
    (folder / "index.md").write_text(landing(), "utf-8")
    (folder / "reference.md").write_text(reference(), "utf-8")
    for path in sorted((folder / "notebooks").glob("*.ipynb")):
        fold(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
