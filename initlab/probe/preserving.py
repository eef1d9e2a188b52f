"""How does a model come back exactly as it was, whatever a pass through it does?"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_AccumulateGrad = torch._C._functions.AccumulateGrad  # type: ignore[attr-defined]


@contextmanager
def preserving(model: nn.Module) -> Iterator[Callable[[Tensor], None]]:
    """Undo all that a forward and backward pass inside leaves behind.

    Buffers, modes and plain attributes of the modules, the gradients that the caller has (the same
    tensors, with the same values), and the states of the random generators. Of the parameters,
    only those of modules that may write to them are copied, which spares memory: torch's own layers
    do not, but for an embedding with `max_norm`. So a module that writes to the weight of a torch
    layer inside it leaves that mark. An optimizer that steps in the backward pass is held back.

    Yields:
        A function to call with the loss before its backward pass, which then starts from no
        gradients: it sets aside those of all leaves, also of such as are no parameters.
    """
    modules = list(model.modules())
    own = [module for module in modules if not _is_torchs(module)]
    parameters: set[Tensor] = {p for m in modules for p in m._parameters.values() if p is not None}
    values = [b for m in modules for b in m._buffers.values()]
    values += [p for m in own for p in m._parameters.values()]
    with ExitStack() as undo:
        undo.callback(keep_random_states())
        undo.callback(_put_back_attributes, "training", [(m, m.training) for m in modules])
        for module in own:
            for held in (vars(module), module._parameters, module._buffers, module._modules):
                undo.callback(_put_back, held, dict(held))
        for tensor in values:
            if tensor is not None:
                undo.callback(_put_back_values, tensor, tensor.detach().clone())
        _set_gradients_aside(undo, parameters)

        def start_from_no_gradients(loss: Tensor) -> None:
            for parameter in parameters:
                parameter.grad = None  # what a forward pass may have left there
            _set_gradients_aside(undo, leaves_of(loss) - parameters)

        yield start_from_no_gradients


def _is_torchs(module: nn.Module) -> bool:
    """Say whether a module is torch's own, whose forward pass changes nothing but buffers."""
    plain = type(module).__module__.startswith("torch.nn.modules") and not module._forward_pre_hooks
    return plain and vars(module).get("max_norm") is None


def keep_random_states(generator: torch.Generator | None = None) -> Callable[[], None]:
    """Note the states of all random generators, and return a function that puts them back.

    Those of torch on every device in use, of numpy and of Python, and of `generator`.
    """
    undo: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (torch.set_rng_state, (torch.get_rng_state(),)),
        (np.random.set_state, (np.random.get_state(),)),  # noqa: NPY002 (the caller's)
        (random.setstate, (random.getstate(),)),
    ]
    for library in (torch.cuda, torch.xpu):
        for device in range(library.device_count()) if library.is_initialized() else ():
            undo.append((library.set_rng_state, (library.get_rng_state(device), device)))
    if generator is not None:
        undo.append((generator.set_state, (generator.get_state(),)))

    def put_back() -> None:
        for step, state in undo:
            step(*state)

    return put_back


def _put_back_attributes(name: str, before: list[tuple[Any, Any]]) -> None:
    for thing, value in before:
        if getattr(thing, name) is not value:  # setting an attribute of a module is slow
            setattr(thing, name, value)


def _put_back(current: dict[str, Any], before: dict[str, Any]) -> None:
    for key in current.keys() - before.keys():
        del current[key]
    current.update(before)


def _put_back_values(tensor: Tensor, before: Tensor) -> None:
    if not torch.equal(tensor, before):
        tensor.data.copy_(before)


def _set_gradients_aside(undo: ExitStack, leaves: set[Tensor]) -> None:
    undo.callback(_put_back_attributes, "grad", [(leaf, leaf.grad) for leaf in leaves])
    for leaf in leaves:
        leaf.grad = None
        hooks = leaf._post_accumulate_grad_hooks
        if hooks:
            undo.callback(hooks.update, dict(hooks))
            hooks.clear()


def leaves_of(loss: Tensor) -> set[Tensor]:
    """Return the tensors that a backward pass from `loss` leaves gradients in."""
    leaves: set[Tensor] = set()
    seen: set[Any] = {None}
    waiting: list[Any] = [loss.grad_fn]
    for node in waiting:
        if node not in seen:
            seen.add(node)
            if type(node) is _AccumulateGrad:
                leaves.add(node.variable)
            else:
                waiting += [following for following, _ in node.next_functions]
    return leaves


def copied(model: nn.Module) -> nn.Module:
    """Copy a model, also where a hook keeps a weight as an attribute that is no parameter."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        for held in (*vars(module).values(), *module._buffers.values()):
            if isinstance(held, Tensor) and not held.is_leaf:
                memo[id(held)] = held.detach().clone()
    return copy.deepcopy(model, memo)
