"""How does a model come back exactly as it was, whatever a pass through it does?"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_AccumulateGrad = torch._C._functions.AccumulateGrad  # type: ignore[attr-defined]


@contextmanager
def untouched(model: nn.Module) -> Iterator[Callable[[Tensor], None]]:
    """Undo all that a forward and backward pass inside leaves behind.

    Buffers (running statistics), modes and plain attributes of the modules, the gradients that the
    caller has (the same tensors, with the same values), and the states of the random generators.
    Of the parameters, only those of modules that may write to them are copied: torch's own layers
    do not, but for an embedding with `max_norm`. So a module that writes to the weight of a torch
    layer inside it leaves that mark. An optimizer that steps from inside the backward pass (a
    post-accumulate hook) is held back.

    Yields:
        A function to call with the loss before its backward pass: it sets aside the gradients of
        leaves that are not among the model's parameters.
    """
    modules = list(model.modules())
    own = [module for module in modules if not _is_torchs(module)]
    with ExitStack() as undo:
        _keep_random_states(undo, everywhere=bool(own))
        undo.callback(_put_back_modes, [(module, module.training) for module in modules])
        for module in own:
            for held in (vars(module), module._parameters, module._buffers, module._modules):
                undo.callback(_put_back, held, dict(held))
            _keep_values(undo, module._parameters.values())
        for module in modules:
            _keep_values(undo, module._buffers.values())
        parameters: set[Tensor] = {
            p for m in modules for p in m._parameters.values() if p is not None
        }
        _keep_gradients(undo, parameters)

        def keep_other_leaves(loss: Tensor) -> None:
            for parameter in parameters:
                parameter.grad = None  # what a forward pass may have left there
            _keep_gradients(undo, leaves_of(loss) - parameters)

        yield keep_other_leaves


def _is_torchs(module: nn.Module) -> bool:
    """Say whether a module is torch's own, whose forward pass changes nothing but buffers."""
    plain = type(module).__module__.startswith("torch.nn.modules") and not module._forward_pre_hooks
    return plain and vars(module).get("max_norm") is None


def _keep_random_states(undo: ExitStack, everywhere: bool) -> None:
    undo.callback(torch.set_rng_state, torch.get_rng_state())
    if everywhere:
        undo.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002 (the caller's)
        undo.callback(random.setstate, random.getstate())
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        for device in range(torch.cuda.device_count()):
            undo.callback(torch.cuda.set_rng_state, torch.cuda.get_rng_state(device), device)


def _keep_values(undo: ExitStack, tensors: Iterable[Tensor | None]) -> None:
    for tensor in tensors:
        if tensor is not None:
            undo.callback(_put_back_values, tensor, tensor.detach().clone())


def _put_back_modes(before: list[tuple[nn.Module, bool]]) -> None:
    for module, training in before:
        if module.training != training:  # setting an attribute of a module is slow
            module.training = training


def _put_back(current: dict[str, Any], before: dict[str, Any]) -> None:
    for key in current.keys() - before.keys():
        del current[key]
    current.update(before)


def _put_back_values(tensor: Tensor, before: Tensor) -> None:
    if not torch.equal(tensor, before):
        tensor.data.copy_(before)


def _keep_gradients(undo: ExitStack, leaves: set[Tensor]) -> None:
    """Set the caller's gradients aside, so that a backward pass starts from none."""
    undo.callback(_put_back_gradients, [(leaf, leaf.grad) for leaf in leaves])
    for leaf in leaves:
        leaf.grad = None
        hooks = leaf._post_accumulate_grad_hooks
        if hooks:
            undo.callback(hooks.update, dict(hooks))
            hooks.clear()


def _put_back_gradients(before: list[tuple[Tensor, Tensor | None]]) -> None:
    for leaf, gradient in before:
        leaf.grad = gradient


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
