"""Which parameters make the output, and what is each one used for? Read from autograd's graph.

Names of modules do not tell: a head may be a function of a raw parameter, the module that ran
last may lie in a side branch, and a softmax may be a line in `forward`. The graph of the output
holds every operation, with the tensors that it took.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

_RESHAPES = {
    "View", "ReshapeAlias", "UnsafeView", "Squeeze", "Unsqueeze", "Select", "Slice", "Permute",
    "Transpose", "T", "Expand", "Clone", "ToCopy", "Alias", "AsStrided", "Split", "Unbind", "Cat",
    "Index", "Unfold", "Stack",
}  # fmt: skip
_SCALES = {"Mul", "Div", "Neg", "Mean", "Sum", "WeightNormInterface", "LinalgVectorNorm", "Add"}
_PRODUCTS = {
    "Mm", "Addmm", "Bmm", "Baddbmm", "Mv", "Dot", "Convolution", "ConvolutionOverrideable",
    "MkldnnConvolution", "Bilinear", "Linear",
}  # fmt: skip
_FUNCTIONS = {
    "Softmax", "LogSoftmax", "Sigmoid", "Tanh", "Relu", "Hardtanh", "Hardsigmoid", "Softplus",
    "Clamp", "ClampMin", "LogSigmoid", "Threshold", "SafeSoftmax",
}  # fmt: skip


@dataclass(frozen=True)
class Graph:
    """What the graph of one forward pass says.

    Args:
        function: The last function before the output, such as "Softmax" or "Relu"; empty if the
            output is a weighted sum.
        head: Name of the module that emits the output; empty where none does.
        head_parameters: Names of the parameters that make the output, in a module or not.
        uses: Name of a parameter → what it is used for: "product" (a matrix), "factor", "added",
            "lookup" or "other".
        operations: Names of all operations.
    """

    function: str = ""
    head: str = ""
    head_parameters: tuple[str, ...] = ()
    uses: Mapping[str, frozenset[str]] = field(default_factory=dict)
    operations: frozenset[str] = frozenset()


def read(
    output: Tensor, root: Tensor, emitted: Mapping[Any, str], parameters: Mapping[int, str]
) -> Graph:
    """Read the graph of a pass, before its backward pass.

    Args:
        output: The model's output.
        root: The loss, or whatever else depends on all that was computed.
        emitted: Node that made what a module emits → name of the module; layers with weights only.
        parameters: `id` of a parameter → its name.
    """
    *_, node = _through(output.grad_fn, _RESHAPES, emitted)
    function = _kind(node) if _kind(node) in _FUNCTIONS else ""
    head: str = ""
    names: tuple[str, ...] = ()
    for step in _through(node, _RESHAPES | _SCALES | _FUNCTIONS, emitted):
        if step in emitted:
            head = emitted[step]
            break
        if _kind(step) in _PRODUCTS | {"Embedding"}:
            names = tuple(dict.fromkeys(_leaves_near(step, parameters)))
            break
    users: dict[Any, list[Any]] = defaultdict(list)
    leaves: dict[Any, str] = {}
    seen: set[Any] = {None}
    waiting: list[Any] = [root.grad_fn, output.grad_fn]
    for node in waiting:
        if node in seen:
            continue
        seen.add(node)
        name = _parameter(node, parameters)
        if name:
            leaves[node] = name
        for following, _ in node.next_functions:
            users[following].append(node)
            waiting.append(following)
    uses = {name: frozenset(_uses(leaf, users)) for leaf, name in leaves.items()}
    return Graph(function, head, names, uses, frozenset(map(_kind, seen - {None})))


def _kind(node: Any) -> str:
    return re.sub(r"Backward\d*$", "", node.name().rpartition("::")[2])


def _through(node: Any, passed: set[str], emitted: Mapping[Any, str]) -> Iterator[Any]:
    """Walk down from a node along its first input, as long as nothing mixes the numbers."""
    while node is not None:
        yield node
        if node in emitted or _kind(node) not in passed:
            return
        inputs = [n for n, _ in node.next_functions if n is not None]
        deeper = [n for n in inputs if not hasattr(n, "variable")]
        node = deeper[0] if deeper else None


def _leaves_near(node: Any, parameters: Mapping[int, str]) -> Iterator[str]:
    for following, _ in node.next_functions:
        name = _parameter(following, parameters)
        if name:
            yield name
        elif following is not None and _kind(following) in _RESHAPES | _SCALES:
            yield from _leaves_near(following, parameters)


def _parameter(node: Any, parameters: Mapping[int, str]) -> str:
    """Name the parameter that a node stands for; empty if it is an operation."""
    return parameters.get(id(getattr(node, "variable", None)), "")


def _uses(node: Any, users: Mapping[Any, list[Any]]) -> Iterator[str]:
    """Say what the number at a node goes into, past reshaping, norms and pointwise functions."""
    waiting, seen = [node], set()
    for place in waiting:
        for user in users.get(place, ()):
            kind = _kind(user)
            if user in seen:
                continue
            seen.add(user)
            sides = [n for n, _ in user.next_functions if n is not None]
            if kind in _PRODUCTS:
                is_bias = kind == "Addmm" and place is user.next_functions[0][0]
                yield "added" if is_bias else "product"
            elif kind == "Mul" and len(sides) > 1:
                yield "factor"
            elif kind in ("Add", "Sub") and len(sides) > 1:
                yield "added"
            elif kind.startswith("Embedding"):
                yield "lookup"
            elif kind in _RESHAPES | _SCALES | _FUNCTIONS | {"Exp", "Pow", "Abs"}:
                waiting.append(user)
            else:
                yield "other"
