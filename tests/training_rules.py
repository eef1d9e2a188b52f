"""Which cells of a notebook show what came out of training?

Read from the source alone. A name that was made by training, or that training changed, passes this
on to all that is made from it. Such numbers differ on another processor, so no test may compare
them.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator

TRAINING_CALL = re.compile(
    r"il\.(train|compare|sweep|coordinate_check|explore\.(race|symmetry|batchnorm))|\w+\.step"
)
SHOWING_CALL = re.compile(r"print|display|il\.plots\.\w+|.*\.(plot|reveal|figure)")


class Training:
    """What has come out of training so far, while the cells are read in their order."""

    def __init__(self) -> None:
        self.names: set[str] = set()  # made or changed by training
        self.trainers: dict[str, list[int]] = {}  # functions that train, and what they change
        self.modules: set[str] = set()
        self.networks: dict[str, set[str]] = {}  # optimizer → the names it was made from

    def reaches(self, node: ast.AST) -> bool:
        """Does something in this piece of code come out of training?"""
        return bool(names_read(node) & self.names) or any(map(self.trains, calls_in(node)))

    def trains(self, call: ast.Call) -> bool:
        """Is this call itself a piece of training?"""
        name = ast.unparse(call.func)
        return bool(TRAINING_CALL.fullmatch(name)) or name in self.trainers

    def read(self, node: ast.AST) -> None:
        """Follow one statement, and those inside it in their order."""
        if isinstance(node, ast.Import | ast.ImportFrom):
            self.modules |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            self.read_function(node)
        elif isinstance(node, ast.For):
            self.read_loop(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value:
            self.follow_calls(node)
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                self.assign(target, node.value, anew=not isinstance(node, ast.AugAssign))
        else:
            inside = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.stmt)]
            for part in ast.iter_child_nodes(node):
                if not isinstance(part, ast.stmt):
                    self.follow_calls(part)
            for statement in inside:
                self.read(statement)

    def read_function(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        within = Training()
        arguments = [part.arg for part in ast.walk(node) if isinstance(part, ast.arg)]
        within.names = self.names - set(arguments)
        within.trainers, within.modules = dict(self.trainers), self.modules
        for statement in node.body:
            within.read(statement)
        if any(map(within.trains, calls_in(node))) or within.names - self.names:
            changed = [place for place, name in enumerate(arguments) if name in within.names]
            self.trainers[node.name] = changed
        elif any(map(within.reaches, node.body)):
            self.names.add(node.name)

    def read_loop(self, node: ast.For) -> None:
        self.assign(node.target, node.iter, anew=True)
        came_in = names(node.target) - self.names
        for _ in range(2):  # what the end of a loop changes, its beginning sees
            for statement in [*node.body, *node.orelse]:
                self.read(statement)
        if came_in & self.names:  # `for p in net.parameters(): p -= ...` changes the network
            self.names |= self.own(names_read(node.iter))

    def assign(self, target: ast.expr, value: ast.expr, *, anew: bool) -> None:
        found = names(target) or {root(target)}
        if self.reaches(value) or (not anew and uses_gradient(value)):
            self.names |= self.own(found)
        elif anew and isinstance(target, ast.Name | ast.Tuple | ast.List):
            self.names -= found
        for name in found:
            self.networks[name] = self.own(names_read(value))

    def follow_calls(self, node: ast.AST) -> None:
        """Note what the calls in a piece of code change."""
        for call in calls_in(node):
            name = ast.unparse(call.func)
            if name.endswith(".step") and self.trains(call):
                self.names |= self.networks.get(root(call.func), set()) | {root(call.func)}
            elif self.trains(call):
                changed = self.trainers.get(name, [0] if name == "il.train" else [])
                given = [call.args[place] for place in changed if place < len(call.args)]
                self.names |= {a.id for a in given if isinstance(a, ast.Name)} & names_read(node)
            elif isinstance(call.func, ast.Attribute):  # `rows.append(trained)`, `p.sub_(p.grad)`
                given = [*call.args, *(keyword.value for keyword in call.keywords)]
                in_place = call.func.attr.endswith("_") and any(map(uses_gradient, given))
                if in_place or any(map(self.reaches, given)):
                    self.names |= self.own({root(call.func)})

    def own(self, names: set[str]) -> set[str]:
        return names - self.modules - set(dir(builtins)) - {"", "_"}

    def shown(self, cell: ast.Module) -> Iterator[ast.expr]:
        """What a cell shows of it; after `read` of the same cell."""
        for call in calls_in(cell):
            if SHOWING_CALL.fullmatch(ast.unparse(call.func)) and self.reaches(call):
                yield call
        if cell.body and isinstance(cell.body[-1], ast.Expr) and self.reaches(cell.body[-1]):
            yield cell.body[-1].value

    def asserted(self, cell: ast.Module) -> bool:
        """Is something claimed of it; after `read` of the same cell."""
        return any(isinstance(part, ast.Assert) and self.claims(part) for part in ast.walk(cell))

    def claims(self, node: ast.Assert) -> bool:
        return bool(names_read(node.test) & self.own(self.names | {*self.trainers}))


def calls_in(node: ast.AST) -> list[ast.Call]:
    return [part for part in ast.walk(node) if isinstance(part, ast.Call)]


def names_read(node: ast.AST) -> set[str]:
    """Names from outside; those that a comprehension or a lambda makes are its own."""
    parts = list(ast.walk(node))
    own = {part.arg for part in parts if isinstance(part, ast.arg)}
    own |= {n for part in parts if isinstance(part, ast.comprehension) for n in names(part.target)}
    return names(node, ast.Load) - own


def names(node: ast.AST, context: type[ast.expr_context] = ast.Store) -> set[str]:
    return {
        part.id
        for part in ast.walk(node)
        if isinstance(part, ast.Name) and isinstance(part.ctx, context)
    }


def root(node: ast.AST) -> str:
    """The name that `a.b[c].d` starts with."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def uses_gradient(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Attribute) and part.attr == "grad" for part in ast.walk(node))
