"""How does a module hold a weight, plain or computed from others, and how is it put back?"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod

from initlab.probe.preserving import keep_random_states

# torch.nn.utils hides these two modules behind functions of the same names.
_WEIGHT_NORM = sys.modules["torch.nn.utils.weight_norm"].WeightNorm
_SPECTRAL_NORM = sys.modules["torch.nn.utils.spectral_norm"].SpectralNorm
_ENOUGH = 20  # power iterations for the largest singular value of a fresh weight


class Held:
    """A weight that is a plain parameter.

    Args:
        module: Its owner.
        name: The name under which the layer reads it.
    """

    note = ""
    """How it is held, for a report."""

    def __init__(self, module: nn.Module, name: str) -> None:
        self.module, self.name = module, name

    def parameters(self) -> dict[str, nn.Parameter]:
        """The parameters that hold it, by their names in the module."""
        parameter = self.module._parameters[self.name]
        return {} if parameter is None else {self.name: parameter}

    def value(self) -> Tensor:
        """Give the weight that the layer uses now."""
        return self.parameters()[self.name].detach()

    def put(self, value: Tensor) -> None:
        """Make the layer use this value, as far as a parametrization can take it."""
        self.value().copy_(value)

    def refresh(self) -> None:
        """Compute the weight again, after the parameters that hold it have changed."""


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


class Hooked(Held):
    """A weight that a hook computes from other parameters before each pass."""

    ends: tuple[str, ...] = ("orig",)
    """What follows the weight's name in the names of those parameters; the last gets the value."""

    def __init__(self, module: nn.Module, name: str, hook: Any) -> None:
        super().__init__(module, name)
        self.hook = hook

    def parameters(self) -> dict[str, nn.Parameter]:
        """What the hook reads."""
        names = [f"{self.name}_{end}" for end in self.ends]
        return {name: self.module.get_parameter(name) for name in names}

    def value(self) -> Tensor:
        """Do what the hook does."""
        with torch.no_grad():
            return self.hook.compute_weight(self.module)  # type: ignore[no-any-return]

    def put(self, value: Tensor) -> None:
        """Store the value, and what belongs to it."""
        self.module.get_parameter(f"{self.name}_{self.ends[-1]}").detach().copy_(value)
        self.adapt()
        self.refresh()

    def adapt(self) -> None:
        """Adapt what else the hook reads to a new value."""

    def refresh(self) -> None:
        """Set the attribute that the layer reads."""
        setattr(self.module, self.name, self.value())


class WeightNormed(Hooked):
    """A weight behind the older `torch.nn.utils.weight_norm`: g·v / ‖v‖."""

    note, ends = "held by weight_norm", ("g", "v")

    def adapt(self) -> None:
        """Make the length that of the direction."""
        length, direction = (parameter.detach() for parameter in self.parameters().values())
        length.copy_(torch.norm_except_dim(direction, 2, self.hook.dim))


class Pruned(Hooked):
    """A weight that `torch.nn.utils.prune` multiplies by a mask of zeros and ones."""

    note = "held by pruning"

    def value(self) -> Tensor:
        """Apply the mask."""
        with torch.no_grad():
            return self.hook.apply_mask(self.module)  # type: ignore[no-any-return]


class SpectralNormed(Hooked):
    """A weight behind the older `torch.nn.utils.spectral_norm`: w / its largest singular value."""

    note = "held by spectral_norm"

    def value(self) -> Tensor:
        """Divide, and leave the singular vectors."""
        with torch.no_grad():
            return self.hook.compute_weight(self.module, False)  # type: ignore[no-any-return]

    def adapt(self) -> None:
        """Look for the singular vectors."""
        for _ in range(_ENOUGH):
            self.hook.compute_weight(self.module, do_power_iteration=True)


def held(module: nn.Module) -> dict[str, Held]:
    """Find the weights that a module holds itself, by the names under which it reads them."""
    if isinstance(module, parametrize.ParametrizationList):
        return {}  # it belongs to a weight of the module around it
    found: dict[str, Held] = {}
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, _WEIGHT_NORM):
            found[hook.name] = WeightNormed(module, hook.name, hook)
        elif isinstance(hook, _SPECTRAL_NORM):
            found[hook.name] = SpectralNormed(module, hook.name, hook)
        elif isinstance(hook, BasePruningMethod):
            found[hook._tensor_name] = Pruned(module, hook._tensor_name, hook)
    if parametrize.is_parametrized(module):
        lists: Any = module.parametrizations
        for name, steps in lists.items():
            if list(steps.parameters(recurse=False)):
                found[name] = Parametrized(module, name)
    behind = {name for weight in found.values() for name in weight.parameters()}
    plain = [name for name, p in module._parameters.items() if p is not None]
    return {**{name: Held(module, name) for name in plain if name not in behind}, **found}


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
    weights = held(module)
    children = {n: c for n, c in module._modules.items() if n != "parametrizations"}
    values = {name: nn.Parameter(weight.value().clone()) for name, weight in weights.items()}
    missing = {n: None for n, p in module._parameters.items() if p is None}
    buffers = {n: None if b is None else b.clone() for n, b in module._buffers.items()}
    twin.__dict__.update({k: v for k, v in module.__dict__.items() if k not in weights})
    twin.__dict__["_parameters"] = {**values, **missing}
    twin.__dict__["_buffers"] = buffers
    twin.__dict__["_modules"] = {n: None if c is None else _twin(c) for n, c in children.items()}
    return twin


def keep_values(model: nn.Module) -> Callable[[], None]:
    """Note all parameters and buffers, and return a function that puts their values back."""
    before = [tensor.detach().clone() for tensor in _state(model)]

    def put_back() -> None:
        with torch.no_grad():
            for tensor, values in zip(_state(model), before, strict=True):
                tensor.copy_(values)
        for module in model.modules():
            for weight in held(module).values():
                weight.refresh()

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
