"""Which rules for notebooks can a machine check?

Each is a function of a notebook (and the path that it has) that yields complaints; `RULES` lists
them.
"""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from lesson_rules import DEEPER
from notebook_parts import calls, code_cells, links, opening, outputs, text_of, tree
from run_notebooks import CELL_METADATA, NOTEBOOK_METADATA, WIDGET_VIEW
from training_rules import Training

NOTEBOOK_NAME = re.compile(r"\d\d(_[a-z0-9]+)+\.ipynb")
MOST_BYTES = 1_500_000
MOST_CELL_LINES, MOST_MEDIAN_LINES, MOST_FUNCTION_LINES = 12, 4, 6
MOST_CHAOTIC_CELLS = 3  # without training: each layer of a chaotic network magnifies a rounding
SLIDE_TYPES = {"slide", "subslide", "fragment", "skip", "notes", "-"}
OPENING = {  # what the text before the first code cell must hold
    "a question": r"\?",
    "what you will be able to do": r"able to",
    "minutes": r"\d+ minutes",
    "what to know before": r"(to know|know before|before you start|you need)",
}
ENDING = {  # what the text after the last check must hold
    "the one thing to remember": r"remember",
    "papers with links": r"\]\(https?://",
}
SCOPES = (
    ast.FunctionDef,
    ast.ClassDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)
Rule = Callable[[Path, NotebookNode], Iterator[str]]


# The rules


def is_named_by_number_and_topic(path: Path, notebook: NotebookNode) -> Iterator[str]:
    if not NOTEBOOK_NAME.fullmatch(path.name):
        yield f"its name is not like 02_zero_and_constant.ipynb: {path.name}"


def opens_with_what_a_learner_wants_to_know(path: Path, notebook: NotebookNode) -> Iterator[str]:
    for what, pattern in OPENING.items():
        if not re.search(pattern, opening(notebook), re.IGNORECASE):
            yield f"the opening lacks {what}"


def ends_with_what_stays(path: Path, notebook: NotebookNode) -> Iterator[str]:
    checks = [i for i, cell in enumerate(notebook.cells) if "il.check(" in cell.source]
    ending = notebook.cells[checks[-1] + 1 if checks else 0 :]
    for what, pattern in ENDING.items():
        if not re.search(pattern, text_of(ending, "markdown"), re.IGNORECASE):
            yield f"the ending lacks {what}"
    if "il.quiz" not in dict(calls(ending)):
        yield "the ending lacks a quiz"


def leads_to_its_neighbours(path: Path, notebook: NotebookNode) -> Iterator[str]:
    names = sorted({other.name for other in path.parent.glob("*.ipynb")} | {path.name})
    place = names.index(path.name)
    linked = {link.partition("#")[0] for link in links(text_of(notebook.cells, "markdown"))}
    for neighbour in names[max(place - 1, 0) : place + 2]:
        if neighbour != path.name and neighbour not in linked:
            yield f"no link to {neighbour}"


def has_links_that_lead_somewhere(path: Path, notebook: NotebookNode) -> Iterator[str]:
    for link in links(text_of(notebook.cells, "markdown")):
        target = link.partition("#")[0]
        if not re.match(r"\w+:", link) and target and not (path.parent / target).exists():
            yield f"a link leads nowhere: {link}"


def has_headings_without_gaps(path: Path, notebook: NotebookNode) -> Iterator[str]:
    prose = re.sub(r"```.*?```", "", text_of(notebook.cells, "markdown"), flags=re.DOTALL)
    headings = re.findall(r"^(#+) (.+)$", prose, flags=re.MULTILINE)
    levels = [len(marks) for marks, _ in headings]
    if levels[:1] != [1] or levels.count(1) != 1:
        yield "it does not start with its one heading of level 1"
    for before, (marks, title) in zip(levels, headings[1:], strict=False):
        if len(marks) > before + 1:
            yield f"a heading skips a level: {title}"


def has_short_cells(path: Path, notebook: NotebookNode) -> Iterator[str]:
    lengths = [len(cell.source.splitlines()) for cell in code_cells(notebook)]
    for number, length in enumerate(lengths, 1):
        if length > MOST_CELL_LINES:
            yield f"code cell {number} has {length} lines"
    if statistics.median(lengths) > MOST_MEDIAN_LINES:
        yield f"half of the code cells have more than {statistics.median(lengths):g} lines"


def has_short_functions(path: Path, notebook: NotebookNode) -> Iterator[str]:
    for cell in code_cells(notebook):
        if "lesson" in cell.metadata.get("tags", []):  # writing it is the lesson
            continue
        for node in ast.walk(tree(cell)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                length = node.end_lineno - node.lineno + 1
                if length > MOST_FUNCTION_LINES:
                    yield f"{node.name} has {length} lines: it belongs into initlab"


def has_exercises_with_help(path: Path, notebook: NotebookNode) -> Iterator[str]:
    made = calls(notebook.cells)
    names = {call.args[0].value for name, call in made if name == "il.check"}
    if len(names) < 2:
        yield f"{len(names)} checked exercises, not two or more"
    everything = "\n".join(cell.source for cell in notebook.cells)
    for name in sorted(names):
        for help_ in ("hint", "solution"):
            if f'il.{help_}("{name}"' not in everything:
                yield f"exercise {name} lacks its {help_}"


def asks_before_it_shows(path: Path, notebook: NotebookNode) -> Iterator[str]:
    names = [name for name, _ in calls(notebook.cells)]
    asked = names.count("il.ask")
    revealed = sum(name.endswith(".reveal") for name in names)
    if not asked or asked != revealed:
        yield f"{asked} predictions asked for, {revealed} revealed"


def has_an_explorer(path: Path, notebook: NotebookNode) -> Iterator[str]:
    if not any(name.startswith("il.explore.") for name, _ in calls(notebook.cells)):
        yield "no live explorer"


def was_run_from_top_to_bottom(path: Path, notebook: NotebookNode) -> Iterator[str]:
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"it was not run once from top to bottom: {counts}"


def has_no_error_stored(path: Path, notebook: NotebookNode) -> Iterator[str]:
    for number, output in outputs(notebook):
        if output.output_type == "error" or output.get("name") == "stderr":
            yield f"code cell {number} shows an error or a warning"


def has_pictures_with_text(path: Path, notebook: NotebookNode) -> Iterator[str]:
    for number, output in outputs(notebook):
        data = output.get("data", {})
        html = data.get("text/html", "")
        pictures = re.findall(r"<img\b[^>]*>", html)
        if "image/png" in data and not pictures:
            yield f"code cell {number} shows a picture without HTML beside it"
        if not all(re.search(r'\balt="[^"]*\w[^"]*"', picture) for picture in pictures):
            yield f"code cell {number} shows a picture without text"
    if re.search(r"!\[\s*\]\(", text_of(notebook.cells, "markdown")):
        yield "a picture in the text has no text of its own"


def is_split_into_slides(path: Path, notebook: NotebookNode) -> Iterator[str]:
    for number, cell in enumerate(notebook.cells, 1):
        kind = cell.metadata.get("slideshow", {}).get("slide_type")
        if kind not in SLIDE_TYPES:
            yield f"cell {number} has no slide type"
        elif (
            cell.cell_type == "markdown"
            and re.match("#{1,2} ", cell.source)
            and kind not in {"slide", "subslide"}
            and not cell.source.startswith(DEEPER)  # slides leave it out
        ):
            yield f"cell {number} is a section but no new slide"


def is_stored_clean(path: Path, notebook: NotebookNode) -> Iterator[str]:
    if notebook.metadata != NOTEBOOK_METADATA:
        yield f"it holds metadata of one machine or session: {sorted(notebook.metadata)}"
    for number, cell in enumerate(notebook.cells, 1):
        if extra := set(cell.metadata) - CELL_METADATA:
            yield f"cell {number} holds metadata of one session: {sorted(extra)}"
    for number, output in outputs(notebook):
        if WIDGET_VIEW in output.get("data", {}):
            yield f"code cell {number} holds the view of a widget that is gone"


def compares_all_but_what_training_gave(path: Path, notebook: NotebookNode) -> Iterator[str]:
    training = Training()
    tagged_without = 0
    for number, cell in enumerate(code_cells(notebook), 1):
        for statement in tree(cell).body:
            training.read(statement)
        tagged = "nbval-ignore-output" in cell.metadata.get("tags", [])
        shows = any(training.shown(tree(cell)))
        if shows and not tagged and re.search(r"\d", _text_shown(cell)):
            yield f"code cell {number} shows numbers from training, and tests compare them"
        tagged_without += tagged and not shows
    if tagged_without > MOST_CHAOTIC_CELLS:
        yield f"{tagged_without} outputs are not compared, and do not come from training"
    tags = {tag for cell in notebook.cells for tag in cell.metadata.get("tags", [])}
    for tag in sorted({"nbval-skip", "raises-exception", "nbval-raises-exception"} & tags):
        yield f"a cell is tagged {tag}"


def asserts_what_it_does_not_compare(path: Path, notebook: NotebookNode) -> Iterator[str]:
    training, waiting = Training(), []
    number = 0
    for cell in [*notebook.cells, nbformat.v4.new_markdown_cell("# End")]:
        if cell.cell_type == "code":
            number += 1
            for statement in tree(cell).body:
                training.read(statement)
            made = [name for name, _ in calls([cell])]
            explores = any(name.startswith("il.explore.") for name in made)  # makes no claim
            if "nbval-ignore-output" in cell.metadata.get("tags", []) and not explores:
                waiting.append((number, any(training.shown(tree(cell)))))
            if any(isinstance(part, ast.Assert) for part in ast.walk(tree(cell))):
                about = training.asserted(tree(cell))
                waiting = [late for late in waiting if late[1] and not about]
        elif re.match("#", cell.source):  # an assert in the same section will do
            for late, _ in waiting:
                yield f"nothing is asserted of what code cell {late} shows"
            waiting = []


def _text_shown(cell: NotebookNode) -> str:
    """The text that nbval compares."""
    data = [output.get("data", {}) for output in cell.outputs]
    texts = [text for kinds in data for kind, text in kinds.items() if kind.startswith("text/")]
    texts += [output.get("text", "") for output in cell.outputs]
    return re.sub(r"base64,[A-Za-z0-9+/=\n]+|0x[0-9a-f]+", "", "".join(texts))


def can_be_run_again(path: Path, notebook: NotebookNode) -> Iterator[str]:
    for number, cell in enumerate(code_cells(notebook), 1):
        made_here: set[str] = set()
        for node in _own_scope(tree(cell)):
            for name in sorted(_made_from_itself(node) - made_here):
                yield f"code cell {number} makes {name} from {name}: running it twice differs"
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                made_here.add(node.id)


def _own_scope(node: ast.AST) -> Iterator[ast.AST]:
    """A cell's nodes in order, without those that have names of their own."""
    yield node
    if not isinstance(node, SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from _own_scope(child)


def _made_from_itself(node: ast.AST) -> set[str]:
    if isinstance(node, ast.AugAssign):
        return _names(node.target, ast.Store)
    if isinstance(node, ast.Assign):
        targets = set().union(*(_names(target, ast.Store) for target in node.targets))
        return targets & _free_names(node.value)
    return set()


def _names(node: ast.AST, context: type[ast.expr_context]) -> set[str]:
    return {
        part.id
        for part in ast.walk(node)
        if isinstance(part, ast.Name) and isinstance(part.ctx, context)
    }


def _free_names(value: ast.AST) -> set[str]:
    """Names that an expression reads from outside; those that a comprehension makes are its own."""
    own = {argument.arg for argument in ast.walk(value) if isinstance(argument, ast.arg)}
    return _names(value, ast.Load) - _names(value, ast.Store) - own


def is_small(path: Path, notebook: NotebookNode) -> Iterator[str]:
    size = len(nbformat.writes(notebook).encode())
    if size > MOST_BYTES:
        yield f"{size / 1e6:.1f} MB: smaller pictures?"


RULES: list[Rule] = [
    is_named_by_number_and_topic,
    opens_with_what_a_learner_wants_to_know,
    ends_with_what_stays,
    leads_to_its_neighbours,
    has_links_that_lead_somewhere,
    has_headings_without_gaps,
    has_short_cells,
    has_short_functions,
    has_exercises_with_help,
    asks_before_it_shows,
    has_an_explorer,
    was_run_from_top_to_bottom,
    has_no_error_stored,
    has_pictures_with_text,
    is_split_into_slides,
    is_stored_clean,
    compares_all_but_what_training_gave,
    asserts_what_it_does_not_compare,
    can_be_run_again,
    is_small,
]


def complaints(path: Path, notebook: NotebookNode) -> list[str]:
    nbformat.validate(notebook)
    return [complaint for rule in RULES for complaint in rule(path, notebook)]
