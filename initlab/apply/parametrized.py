"""How does a module hold a weight, plain or computed from others, and how is it put back?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize

from initlab.probe.preserving import keep_random_states

HOOKED = "held by a hook (torch.nn.utils.weight_norm, spectral_norm or prune)"
_ENOUGH = 20  # power iterations for the largest singular value of a fresh weight


class Held:
    """A weight that is a plain parameter.

    Args:
        module: Its owner.
        name: The name under which the layer reads it.
    """

    def __init__(self, module: nn.Module, name: str) -> None:
        self.module, self.name = module, name
        computed = vars(module).get(name.rpartition("_")[0])  # "weight" of "weight_orig"
        self.note = HOOKED if isinstance(computed, Tensor) else ""
        """How it is held, for a report."""

    def parameters(self) -> dict[str, nn.Parameter]:
        """The parameters that hold it, by their names in the module."""
        return {self.name: self.module.get_parameter(self.name)}

    def value(self) -> Tensor:
        """Give the weight that the layer uses now."""
        return self.parameters()[self.name].detach()

    def put(self, value: Tensor) -> None:
        """Make the layer use this value, as far as a parametrization can take it."""
        self.value().copy_(value)


class Parametrized(Held):
    """A weight that `torch.nn.utils.parametrize` computes from other parameters."""

    def __init__(self, module: nn.Module, name: str) -> None:
        super().__init__(module, name)
        self.list: Any = module.parametrizations[name]  # type: ignore[index]
        self.note = "held by " + ", ".join(type(step).__name__.lstrip("_") for step in self.list)

    def parameters(self) -> dict[str, nn.Parameter]:
        """The originals."""
        return {
            f"parametrizations.{self.name}.{name}": parameter
            for name, parameter in self.list.named_parameters(recurse=False)
        }

    def value(self) -> Tensor:
        """Compute it on a copy, since computing may change buffers."""
        with torch.no_grad():
            return copy.deepcopy(self.list)().detach()  # type: ignore[no-any-return]

    def put(self, value: Tensor) -> None:
        """Ask a copy of the parametrization for the originals that give this value."""
        twin = copy.deepcopy(self.list)  # `right_inverse` would give the originals other memory
        twin.right_inverse(value.clone())
        for step in twin:
            if hasattr(step, "_power_method") and value.dim() > 1:  # spectral norm
                step._power_method(step._reshape_weight_to_matrix(value), _ENOUGH)
        with torch.no_grad():
            for tensor, new in zip(_state(self.list), _state(twin), strict=True):
                tensor.copy_(new)


def held(module: nn.Module) -> dict[str, Held]:
    """Find the weights that a module holds itself, by the names under which it reads them."""
    if isinstance(module, parametrize.ParametrizationList):
        return {}  # it belongs to a weight of the module around it
    found = {name: Held(module, name) for name, p in module._parameters.items() if p is not None}
    if parametrize.is_parametrized(module):
        lists: Any = module.parametrizations
        for name, steps in lists.items():
            if list(steps.parameters(recurse=False)):
                found[name] = Parametrized(module, name)
    return found


def own_values(module: nn.Module) -> dict[str, Tensor] | None:
    """Draw by name what `reset_parameters` gives; None where the module has no such method."""
    twin = _twin(module)
    reset = getattr(twin, "reset_parameters", None) or getattr(twin, "_reset_parameters", None)
    if reset is None:
        return None
    reset()
    return {name: p.detach() for name, p in twin._parameters.items() if p is not None}


def _twin(module: nn.Module) -> nn.Module:
    """Copy a module with its own parameters and buffers, free of any parametrization."""
    twin: nn.Module = object.__new__(parametrize.type_before_parametrizations(module))
    children = {n: c for n, c in module._modules.items() if n != "parametrizations"}
    values = {name: nn.Parameter(weight.value().clone()) for name, weight in held(module).items()}
    twin.__dict__.update(
        {k: v.detach().clone() if isinstance(v, Tensor) else v for k, v in vars(module).items()}
    )
    twin.__dict__["_parameters"] = {n: values.get(n) for n in {**module._parameters, **values}}
    twin.__dict__["_buffers"] = {
        n: b if b is None else b.clone() for n, b in module._buffers.items()
    }
    twin.__dict__["_modules"] = {n: c if c is None else _twin(c) for n, c in children.items()}
    return twin


def keep_values(model: nn.Module) -> Callable[[], None]:
    """Note all parameters and buffers, and return a function that puts their values back."""
    before = [tensor.detach().clone() for tensor in _state(model)]

    def put_back() -> None:
        with torch.no_grad():
            for tensor, values in zip(_state(model), before, strict=True):
                tensor.copy_(values)

    return put_back


@contextmanager
def restored_on_failure(model: nn.Module, generator: Generator | None) -> Iterator[None]:
    """Put parameters, buffers and random states back if the block raises."""
    put_back = keep_values(model), keep_random_states(generator)
    try:
        yield
    except BaseException:
        for step in put_back:
            step()
        raise


def _state(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
