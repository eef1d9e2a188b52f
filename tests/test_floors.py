"""Do imports in `initlab` only go down?"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[1] / "initlab"
FLOORS = {
    "schemes": 1, "data": 1, "plots": 1, "activations": 1,
    "format": 1, "arguments": 1, "source": 1,
    "theory": 2, "models": 2,
    "apply": 3, "probe": 3,
    "experiments": 4, "diagnosis": 4, "exercises": 4, "lessons": 5,
    "explore": 5,
}  # fmt: skip
MAY_IMPORT = {  # what stays cheap to import, and never sees a model
    "format": {*sys.stdlib_module_names},
    "plots": {  # PIL belongs to matplotlib; IPython shows a figure, where it runs at all
        "numpy", "matplotlib", "PIL", "IPython", "format", *sys.stdlib_module_names,
    },
}  # fmt: skip
HANDED_ON = {  # names that moved up, and go on at their old place: loaded when asked for
    ("diagnosis", "initlab.lessons.clinic"),  # il.diagnosis.clinic()
}
ROOT = "the package itself"  # `initlab/__init__.py` stands on top: it hands on the names of all


class Import(NamedTuple):
    """One import statement of a module."""

    place: str
    importer: str
    imported: str  # a dotted name, in full
    is_run: bool  # False under `if TYPE_CHECKING:`


def imports(package: Path) -> Iterator[Import]:
    """All imports of a package's modules, also those inside functions and for type checkers."""
    for file in sorted(package.rglob("*.py")):
        inside = file.relative_to(package).with_suffix("").parts
        if inside == ("__init__",):
            continue
        tree = ast.parse(file.read_text())
        folder = [package.name, *inside[:-1]]
        for node, is_run in _statements(tree):
            place = f"{file.relative_to(package.parent).as_posix()}:{node.lineno}"
            for imported in _imported(node, folder):
                yield Import(place, inside[0], imported, is_run)


def _statements(
    node: ast.AST, is_run: bool = True
) -> Iterator[tuple[ast.Import | ast.ImportFrom | ast.Call, bool]]:
    if isinstance(node, ast.Import | ast.ImportFrom) or _is_import_module(node):
        yield node, is_run
    elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        for statement in node.body:
            yield from _statements(statement, is_run=False)
        for statement in node.orelse:
            yield from _statements(statement, is_run)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _statements(child, is_run)


def _is_import_module(node: ast.AST) -> bool:
    """Is it `import_module("a.name")`, which is an import all the same?"""
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("import_module")
        and isinstance(node.args[0], ast.Constant)
    )


def _imported(node: ast.Import | ast.ImportFrom | ast.Call, folder: list[str]) -> list[str]:
    if isinstance(node, ast.Call):
        return [ast.literal_eval(node.args[0])]
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    above = folder[: len(folder) - node.level + 1] if node.level else []
    start = ".".join([*above, *filter(None, [node.module])])
    return [f"{start}.{alias.name}" for alias in node.names]


def wrong_imports(package: Path, floors: dict[str, int]) -> list[str]:
    """Say which modules stand on no floor, and which imports go up or round in a circle."""
    wrong = []
    modules = {path.stem for path in package.iterdir() if path.suffix == ".py" or path.is_dir()}
    for module in sorted(modules - {"__init__", "__pycache__"} - set(floors)):
        wrong.append(f"{module} stands on no floor")
    graph: dict[str, set[str]] = {}
    for place, importer, imported, is_run in imports(package):
        top, _, rest = imported.partition(".")
        target = rest.split(".")[0]
        if top != package.name:
            target = top
        elif target not in modules:
            target = ROOT
        if target == importer or _is_handed_on(importer, imported):
            continue
        if target not in MAY_IMPORT.get(importer, {target}):
            wrong.append(f"{place}: {importer} imports {target}")
        elif top != package.name:
            continue
        elif floors.get(target, 99) > floors.get(importer, 99):
            wrong.append(f"{place}: {importer} imports {target}")
        elif is_run:
            graph.setdefault(importer, set()).add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        wrong.append("circle: " + " -> ".join(sorted(set(error.args[1]))))
    return wrong


def _is_handed_on(importer: str, imported: str) -> bool:
    return any(importer == old and imported.startswith(new) for old, new in HANDED_ON)


def test_imports_only_go_down():
    assert wrong_imports(PACKAGE, FLOORS) == []


GOOD = {
    "__init__.py": "from house.roof import view",
    "cellar.py": "import torch",
    "plots/__init__.py": "import numpy\nfrom matplotlib.axes import Axes\nfrom .lines import a",
    "plots/lines.py": "import math\nfrom house.plots import colours\nfrom ..plots import marks",
    "format.py": "import math",
    "plots/words.py": "from house.format import number\nfrom .. import format",
    "hall.py": "from house import cellar\nfrom house.kitchen import cook",
    "kitchen.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house import hall",
    "roof.py": "def view():\n    from . import cellar, plots",
}
HOUSE = {"cellar": 1, "format": 1, "plots": 1, "hall": 2, "kitchen": 2, "roof": 3}


def build(folder, files):
    for name, text in files.items():
        file = folder / "house" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder / "house"


def test_a_house_in_order_has_no_wrong_import(tmp_path):
    assert wrong_imports(build(tmp_path, GOOD), HOUSE) == []


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("cellar.py", "\nimport house.roof", "house/cellar.py:2: cellar imports roof"),
        (
            "cellar.py",
            "def go():\n    import_module('house.roof')",
            "house/cellar.py:2: cellar imports roof",
        ),
        ("cellar.py", "from .roof import view", "house/cellar.py:1: cellar imports roof"),
        ("cellar.py", "from house import roof", "house/cellar.py:1: cellar imports roof"),
        ("hall.py", "def go():\n    from house import roof", "house/hall.py:2: hall imports roof"),
        ("roof.py", "import house", f"house/roof.py:1: roof imports {ROOT}"),
        ("roof.py", "from house import view", f"house/roof.py:1: roof imports {ROOT}"),
        (
            "cellar.py",
            "if TYPE_CHECKING:\n    from house import hall",
            "house/cellar.py:2: cellar imports hall",
        ),
        ("kitchen.py", "from house import hall", "circle: hall -> kitchen"),
        ("plots/lines.py", "import torch", "house/plots/lines.py:1: plots imports torch"),
        (
            "plots/lines.py",
            "from house import cellar",
            "house/plots/lines.py:1: plots imports cellar",
        ),
        (
            "plots/lines.py",
            "from ..cellar import a",
            "house/plots/lines.py:1: plots imports cellar",
        ),
        ("format.py", "import numpy", "house/format.py:1: format imports numpy"),
        ("attic/__init__.py", "", "attic stands on no floor"),
        ("shed.py", "", "shed stands on no floor"),
    ],
)
def test_a_wrong_import_is_named(tmp_path, name, text, complaint):
    assert wrong_imports(build(tmp_path, GOOD | {name: text}), HOUSE) == [complaint]
