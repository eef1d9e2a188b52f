"""Does each notebook keep the rules that a machine can check?

The rules are tested too: a made notebook keeps them all, and each bad one is that with one thing
spoilt.
"""

from __future__ import annotations

from copy import deepcopy

import nbformat
import pytest
from nbformat import NotebookNode

from lesson_rules import LESSON_RULES, words
from notebook_parts import code_cells
from notebook_rules import (
    MOST_BYTES,
    MOST_CHAOTIC_CELLS,
    RULES,
    asserts_what_it_does_not_compare,
    compares_all_but_what_training_gave,
    complaints,
    has_short_cells,
    has_short_functions,
    is_named_by_number_and_topic,
    is_split_into_slides,
    is_stored_clean,
)
from run_notebooks import NOTEBOOK_METADATA, NOTEBOOKS, WIDGET_VIEW


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_every_notebook_keeps_the_rules(path):
    notebook = nbformat.read(path, as_version=4)
    said = [complaint for rule in LESSON_RULES for complaint in rule(path, notebook)]
    assert complaints(path, notebook) + said == []


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


def a_lesson() -> NotebookNode:
    """(7 words + 120 s of code + 2 exercises) make 10 minutes."""
    deeper = "## Going deeper\nOnce."
    notebook = made("# 90 Zero\n10 minutes", *['il.check("a", mine)'] * 2, deeper, "1", "## End")
    notebook.cells[3].metadata["jp-MarkdownHeadingCollapsed"] = True
    for cell in notebook.cells[3:5]:
        cell.metadata.slideshow.slide_type = "skip"
    return notebook


def spoil_source(number, source):
    return lambda notebook: notebook.cells[number].update(source=source)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (
            spoil_source(0, "# 90 Zero\n20 minutes"),
            "it needs 10 minutes and says 20",
        ),
        (spoil_source(0, "# 90 Zero"), "it needs 10 minutes and says nothing"),
        (
            spoil_source(5, "## End\n" + "word " * 2000),
            "the main line has 2005 words, not at most 2000",
        ),
        (
            spoil_source(3, "## Going deeper\n" + "word " * 799),
            "'Going deeper' has 801 words, not at most 800",
        ),
        (
            lambda notebook: notebook.cells[3].metadata.pop("jp-MarkdownHeadingCollapsed"),
            "the section 'Going deeper' is not collapsed",
        ),
        (
            lambda notebook: notebook.cells[4].metadata.slideshow.update(slide_type="slide"),
            "a cell of 'Going deeper' is shown in slides: '1'",
        ),
        (
            spoil_source(4, 'print("It agrees.")'),
            "code cell 3 prints a text that was typed: print('It agrees.')",
        ),
    ],
)
def test_what_a_lesson_must_not_do_is_named(path, spoil, complaint):
    path = path.with_name("90_zero.ipynb")
    notebook = a_lesson()
    assert [c for rule in LESSON_RULES for c in rule(path, notebook)] == []
    spoil(notebook)
    assert complaint in [c for rule in LESSON_RULES for c in rule(path, notebook)]


def test_folded_answers_and_targets_of_links_are_not_read():
    text = "# One [two](three.md)\n<details>four\nfive</details> six"
    assert words(made(text).cells) == 3


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


# The numbers that training gives

STEP = "optimizer = torch.optim.SGD(net.parameters())\noptimizer.step()"
TRAINER = "def learn(net):\n    for p in net.parameters():\n        p.sub_(p.grad)"


@pytest.mark.parametrize(
    "sources",
    [
        ["il.train(net, data).final_loss"],
        ["runs = {k: il.train(net, data) for k in names}", "_ = il.plots.over_time(runs)"],
        ["rows = il.sweep(scheme, data).rows()", "for row in rows:\n    print(row['loss'])"],
        ["il.train(net, data)", "print(net.head.weight.std())"],  # the network is changed
        ["best = 0", "for run in il.compare(a, b):\n    best = max(best, run.loss)", "best"],
        [STEP, "net(x).mean()"],
        ["with torch.no_grad():\n    net.weight -= lr * net.weight.grad", "print(net.weight[0])"],
        ["for p in net.parameters():\n    p.data -= 0.1 * p.grad", "net(x).mean()"],
        [TRAINER, "learn(net)", "net(x).mean()"],  # a function changes what it is given
        ["def reached(seed):\n    return il.train(net, data).accuracy", "print(reached(3))"],
        ["runs = il.compare(a, b)", "def best():\n    return max(runs)", "best()"],
        ["found = []", "found.append(il.train(net, data).loss)", "found"],
        ["table = {}", "table['a'] = il.train(net, data).loss", "print(f'{table}')"],
        ["run = il.train(net, data)", "asked.reveal('this', f'{run.loss:.2f}')"],
        ["il.explore.race('zeros', 'ones')"],
        ["il.coordinate_check(build, widths, data).plot()"],
    ],
)
def test_numbers_from_training_are_named_and_asserted(path, sources):
    notebook = made("import torch\nimport initlab as il", *sources)
    last = code_cells(notebook)[-1]
    last.outputs = [nbformat.v4.new_output("stream", text="0.93")]
    (complaint,) = compares_all_but_what_training_gave(path, notebook)
    number = len(sources) + 1
    assert complaint == f"code cell {number} shows numbers from training, and tests compare them"

    last.metadata.tags = ["nbval-ignore-output"]
    assert list(compares_all_but_what_training_gave(path, notebook)) == []
    missing = (
        [] if "explore" in last.source else [f"nothing is asserted of what code cell {number}"]
    )
    found = list(asserts_what_it_does_not_compare(path, notebook))
    assert [complaint.removesuffix(" shows") for complaint in found] == missing


@pytest.mark.parametrize(
    "sources",
    [
        ["il.trace(net, x).loss"],
        ["runs = il.compare(a, b)", "print(len(names))"],
        ["runs = il.compare(a, b)", "assert runs.loss < 2", "print('the loss falls')"],
        ["run = il.train(net, data)", "run = il.trace(net2, x)", "run.loss"],  # another value now
        ["il.train(net, data)", "net = il.models.mlp(3, 8)", "print(net.head.weight.std())"],
        ["def learn(net):\n    return il.train(net, data)", "il.show(learn)"],
        ["runs = [il.train(net, data) for net in nets]", "print([net for net in others])"],
        ["runs = il.compare(a, b)", "def mean(runs):\n    return sum(runs) / 3", "print(mean(c))"],
        ["loss.backward()", "print(net.weight.grad.std())"],  # a gradient is no training
        [STEP.replace("net", "other"), "net(x).mean()"],
    ],
)
def test_other_numbers_are_compared(path, sources):
    notebook = made("import torch\nimport initlab as il", *sources)
    code_cells(notebook)[-1].outputs = [nbformat.v4.new_output("stream", text="0.93")]
    assert list(compares_all_but_what_training_gave(path, notebook)) == []


def test_few_outputs_are_not_compared_for_another_reason(path):
    notebook = made(*["x"] * (MOST_CHAOTIC_CELLS + 1))
    for number, cell in enumerate(notebook.cells, 1):
        cell.metadata.tags = ["nbval-ignore-output"]
        found = len(list(compares_all_but_what_training_gave(path, notebook)))
        assert found == (number > MOST_CHAOTIC_CELLS)


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("assert run.loss < 0.5", True),
        ("assert all(loss < 2 for loss in run.losses)", True),
        ("assert 1 < 2", False),
        ("# ## Next\nassert run.loss < 0.5", False),  # in another section
    ],
)
def test_a_claim_is_about_what_training_gave_and_stands_in_its_section(path, claim, said):
    heading, _, code = claim.rpartition("\n")
    cells = ["# Title", "import initlab as il", "run = il.train(net, data)\nrun.loss"]
    notebook = made(*cells, *[text for text in (heading, code) if text])
    code_cells(notebook)[1].metadata.tags = ["nbval-ignore-output"]
    found = list(asserts_what_it_does_not_compare(path, notebook))
    assert found == ([] if said else ["nothing is asserted of what code cell 2 shows"])


def test_widget_state_is_named(path):
    notebook = good()
    notebook.metadata["widgets"] = {}
    (complaint,) = is_stored_clean(path, notebook)
    assert complaint.startswith("it holds metadata of one machine or session")
