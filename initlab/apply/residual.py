"""How small must the branches of a residual network start, so that its signal does not grow?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Literal

import torch
from torch import nn

from initlab import format
from initlab.apply.initialize import report_kept, spread
from initlab.apply.layers import emits_sums, normalises
from initlab.apply.parametrized import held
from initlab.apply.report import Report
from initlab.apply.rules import is_module_type
from initlab.arguments import choice, network

How = Literal["zero_last", "depth", "fixup"]
Branches = str | type[nn.Module] | Sequence[str | type[nn.Module]]


def scale_residual(
    model: nn.Module,
    how: How,
    *,
    branches: Branches = "*branch",
    output: str | None = None,
) -> Report:
    """Make the branches of a residual network start small, so that the skips carry the signal.

    Each block adds its branch to its input, so N equal branches multiply the second moment by
    2ᴺ. Three ways against it, each on top of weights that are initialised already:

    - "zero_last" sets the last layer of each branch to 0 (weight and bias of a normalisation,
      linear or convolution layer): every block starts as the identity.
    - "depth" multiplies the last layer of each branch by 1/√N, with N the number of branches:
      growth is then at most e. A transformer of L blocks has two branches in each, so this is
      its 1/√(2L).
    - "fixup" is for networks without normalisation: the last layer of each branch and the
      output layer become 0, the other m - 1 layers of a branch are multiplied by
      N^(-1/(2m - 2)). Fixup's extra scalar biases and multipliers are a matter of architecture
      and are not added.

    Nothing changes if anything fails.

    Args:
        model: A residual network; it is changed in place.
        how: "zero_last", "depth" or "fixup".
        branches: Which modules are branches: a glob over module names, a module type, or
            several of them. A branch may be the last layer itself (`"*.bn2"`). `*` also matches
            dots, so of nested matches only the outermost counts.
        output: For "fixup", the name of the output layer; None is the last layer that sums and
            is in no branch.

    Returns:
        A row for each parameter; `scheme` says what was done to those that changed.

    Raises:
        ValueError: `how` is unknown, no module is a branch, a branch has no layer that can be
            scaled, its last layer is frozen, or "fixup" finds a normalisation layer.
        TypeError: `branches` is neither types nor globs.

    Reference:
        Zhang et al. (2019), Fixup Initialization: Residual Learning Without Normalization.
        arXiv:1901.09321; Goyal et al. (2017), Accurate, Large Minibatch SGD. arXiv:1706.02677
        (zero the last normalisation)

    >>> from torch.nn import Linear, ReLU, Sequential
    >>> block = nn.ModuleDict({"branch": Sequential(Linear(4, 4), ReLU(), Linear(4, 4))})
    >>> [row.name for row in scale_residual(block, "zero_last") if row.scheme]
    ['branch.2.weight', 'branch.2.bias']
    """
    network(model)
    choice("how", how, ["zero_last", "depth", "fixup"])
    if output is not None and how != "fixup":
        raise ValueError(f"output is for how='fixup' only, got how={how!r} and output={output!r}.")
    found = _find(model, branches)
    factors: dict[str, float] = {}
    for branch, module in found.items():
        layers = _layers(branch, module)
        if how == "fixup":
            norms = [name for name, layer in layers.items() if normalises(layer)]
            if norms:
                raise ValueError(
                    f"how='fixup' replaces normalisation, but branch {branch!r} has {norms[0]!r}: "
                    "use 'zero_last'."
                )
            inner = len(found) ** (-1 / (2 * len(layers) - 2)) if len(layers) > 1 else 1.0
            factors |= dict.fromkeys(layers, inner)
        factors[[*layers][-1]] = len(found) ** -0.5 if how == "depth" else 0.0
    if how == "fixup":
        factors[_output(model, output, found)] = 0.0
    return _multiply(model, factors)


def _find(model: nn.Module, branches: Branches) -> dict[str, nn.Module]:
    """Find the branches, outermost first."""
    wanted: Sequence[Any] = branches if isinstance(branches, (list, tuple)) else [branches]
    for item in wanted:
        if not (isinstance(item, str) or is_module_type(item)):
            raise TypeError(
                "branches must be a glob over module names, a module type, or several of them, "
                f"got {item!r} of type {type(item).__name__}."
            )
    globs = [item for item in wanted if isinstance(item, str)]
    types = tuple(item for item in wanted if item not in globs)
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        fits = isinstance(module, types) or any(fnmatchcase(name, glob) for glob in globs)
        if name and fits and not any(name.startswith(f"{outer}.") for outer in found):
            found[name] = module
    if not found:
        names = [name for name, module in model.named_modules() if name]
        raise ValueError(
            f"branches={branches!r} fits no module. Some of the model's modules: "
            f"{', '.join(names[:12]) or 'none'}."
        )
    return found


def _layers(branch: str, module: nn.Module) -> dict[str, nn.Module]:
    """Find the layers of a branch that can be scaled, in the order in which they are registered."""
    found = {
        f"{branch}.{name}".rstrip("."): layer
        for name, layer in module.named_modules()
        if (emits_sums(layer) or normalises(layer)) and held(layer)
    }
    if not found:
        raise ValueError(
            f"branch {branch!r} has no linear, convolution or normalisation layer with a weight."
        )
    return found


def _output(model: nn.Module, output: str | None, branches: dict[str, nn.Module]) -> str:
    """Find the output layer."""
    sums = [name for name, module in model.named_modules() if emits_sums(module)]
    if output is not None and output not in sums:
        raise ValueError(
            f"output={output!r} is no linear or convolution layer. There are: {', '.join(sums)}."
        )
    outside = [n for n in sums if not any(n == b or n.startswith(f"{b}.") for b in branches)]
    if output is None and not outside:
        raise ValueError("output must be named: every layer of the model is in a branch.")
    return output if output is not None else outside[-1]


def _multiply(model: nn.Module, factors: dict[str, float]) -> Report:
    """Multiply weight and bias of these layers, and report."""
    for name in factors:
        for weight in held(model.get_submodule(name)).values():
            if not all(p.requires_grad for p in weight.parameters().values()):
                raise ValueError(
                    f"{name}.{weight.name} is frozen (requires_grad=False) and cannot be scaled: "
                    "unfreeze it first."
                )
            if weight.note:
                raise ValueError(
                    f"{name}.{weight.name} is {weight.note} and cannot be scaled: "
                    "remove the parametrization first."
                )
    rows = []
    done: set[nn.Parameter] = set()  # a tied weight is scaled once
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for row in report_kept(model, "not part of it"):
        factor, parameter = factors.get(row.layer), parameters[row.name]
        if factor is not None:
            with torch.no_grad():
                if factor == 0:
                    parameter.zero_()  # NaN times 0 would stay NaN
                elif parameter not in done:
                    parameter.mul_(factor)
            done.add(parameter)
            scheme = f"× {format.number(factor, 3)}" if factor else "zeros"
            row = replace(row, scheme=scheme, note="", std_got=spread(parameter.detach()))
        rows.append(row)
    return Report(rows)
