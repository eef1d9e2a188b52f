"""Where does a module keep a weight: as a parameter, or behind a parametrization?"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod

# torch.nn.utils hides these two modules behind functions of the same names.
_WEIGHT_NORM = sys.modules["torch.nn.utils.weight_norm"].WeightNorm
_SPECTRAL_NORM = sys.modules["torch.nn.utils.spectral_norm"].SpectralNorm
_ENOUGH = 20  # power iterations for the largest singular value of a fresh weight


@dataclass
class Change:
    """What to copy where, once every layer is ready.

    Args:
        effective: The weight that the layer will use.
        copies: Pairs of a tensor of the model and its new values.
        then: Called after the copies.
    """

    effective: Tensor
    copies: list[tuple[Tensor, Tensor]]
    then: Callable[[], object] = lambda: None

    def commit(self) -> None:
        """Write it into the model."""
        with torch.no_grad():
            for target, values in self.copies:
                target.copy_(values)
            self.then()


@dataclass
class Slot:
    """A plain parameter.

    Args:
        module: Its owner.
        name: The name under which the layer reads it.
    """

    module: nn.Module
    name: str
    note: str = field(default="", init=False)

    def parameters(self) -> dict[str, nn.Parameter]:
        """The parameters that hold it, by their names in the module."""
        parameter = self.module._parameters[self.name]
        return {} if parameter is None else {self.name: parameter}

    def value(self) -> Tensor:
        """Give the weight that the layer uses now."""
        return self.parameters()[self.name].detach()

    def put(self, value: Tensor) -> Change:
        """Prepare to make the layer use this value."""
        return Change(value, [(self.value(), value)])


class Parametrized(Slot):
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

    def put(self, value: Tensor) -> Change:
        """Ask a copy of the parametrization for the originals that give this value."""
        twin = copy.deepcopy(self.list)
        with torch.no_grad():
            twin.right_inverse(value.clone())
            for step in twin:
                if hasattr(step, "_power_method") and value.dim() > 1:  # spectral norm
                    step._power_method(step._reshape_weight_to_matrix(twin.original), _ENOUGH)
            effective = twin().detach()
        return Change(effective, list(zip(_state(self.list), _state(twin), strict=True)))


class Hooked(Slot):
    """A weight that a hook computes from other parameters before each pass."""

    def __init__(self, module: nn.Module, name: str, hook: Any, by: str) -> None:
        super().__init__(module, name)
        self.hook = hook
        self.note = f"held by {by}"


class WeightNormed(Hooked):
    """A weight behind the older `torch.nn.utils.weight_norm`: g·v / ‖v‖."""

    def parameters(self) -> dict[str, nn.Parameter]:
        """Length and direction."""
        names = [f"{self.name}_g", f"{self.name}_v"]
        return {name: self.module.get_parameter(name) for name in names}

    def value(self) -> Tensor:
        """Compute it."""
        with torch.no_grad():
            return self.hook.compute_weight(self.module)  # type: ignore[no-any-return]

    def put(self, value: Tensor) -> Change:
        """Store the value as direction, and its norms as length."""
        length, direction = self.parameters().values()
        norms = torch.norm_except_dim(value, 2, self.hook.dim)
        effective = torch._weight_norm(value, norms, self.hook.dim)
        return Change(effective, [(length, norms), (direction, value)], self._refresh)

    def _refresh(self) -> None:
        setattr(self.module, self.name, self.hook.compute_weight(self.module))


class Pruned(Hooked):
    """A weight that `torch.nn.utils.prune` multiplies by a mask of zeros and ones."""

    def parameters(self) -> dict[str, nn.Parameter]:
        """The weight before the mask."""
        return {f"{self.name}_orig": self.module.get_parameter(f"{self.name}_orig")}

    def value(self) -> Tensor:
        """Compute it."""
        with torch.no_grad():
            return self.hook.apply_mask(self.module)  # type: ignore[no-any-return]

    def put(self, value: Tensor) -> Change:
        """Store the value; the mask stays."""
        (original,) = self.parameters().values()
        effective = value * self.module.get_buffer(f"{self.name}_mask")
        refresh = partial(setattr, self.module, self.name, effective)
        return Change(effective, [(original, value)], refresh)


class SpectralNormed(Hooked):
    """A weight behind the older `torch.nn.utils.spectral_norm`: w / its largest singular value."""

    def parameters(self) -> dict[str, nn.Parameter]:
        """The weight before it is divided."""
        return {f"{self.name}_orig": self.module.get_parameter(f"{self.name}_orig")}

    def value(self) -> Tensor:
        """Compute it."""
        with torch.no_grad():
            return self.hook.compute_weight(  # type: ignore[no-any-return]
                self.module, do_power_iteration=False
            )

    def put(self, value: Tensor) -> Change:
        """Store the value, and singular vectors that belong to it."""
        (original,) = self.parameters().values()
        u, v = (self.module.get_buffer(f"{self.name}_{end}") for end in "uv")
        matrix, left, right = self.hook.reshape_weight_to_matrix(value), u, v
        for _ in range(_ENOUGH):
            right = F.normalize(matrix.t() @ left, dim=0, eps=self.hook.eps)
            left = F.normalize(matrix @ right, dim=0, eps=self.hook.eps)
        effective = value / (left @ matrix @ right)
        copies = [(original, value), (u, left), (v, right)]
        return Change(effective, copies, partial(setattr, self.module, self.name, effective))


def slots(module: nn.Module) -> dict[str, Slot]:
    """Find what a module holds itself, by the names under which it reads it."""
    found: dict[str, Slot] = {}
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, _WEIGHT_NORM):
            found[hook.name] = WeightNormed(module, hook.name, hook, "weight_norm")
        elif isinstance(hook, _SPECTRAL_NORM):
            found[hook.name] = SpectralNormed(module, hook.name, hook, "spectral_norm")
        elif isinstance(hook, BasePruningMethod):
            found[hook._tensor_name] = Pruned(module, hook._tensor_name, hook, "pruning")
    for name in _parametrized(module):
        found[name] = Parametrized(module, name)
    behind = {name for slot in found.values() for name in slot.parameters()}
    plain = [name for name, p in module._parameters.items() if p is not None]
    return {**{name: Slot(module, name) for name in plain if name not in behind}, **found}


def own_values(module: nn.Module) -> dict[str, Tensor] | None:
    """Draw what the module's `reset_parameters` would give it, and leave it alone.

    Returns:
        Values by name, or None where the module has no such method.
    """
    twin = _twin(module)
    reset = getattr(twin, "reset_parameters", None) or getattr(twin, "_reset_parameters", None)
    if reset is None:
        return None
    reset()
    return {name: p.detach() for name, p in twin._parameters.items() if p is not None}


def _twin(module: nn.Module) -> nn.Module:
    """Copy a module with its own parameters and buffers, free of any parametrization."""
    twin: nn.Module = object.__new__(parametrize.type_before_parametrizations(module))
    held = slots(module)
    children = {n: c for n, c in module._modules.items() if n != "parametrizations"}
    values = {n: None if n not in held else nn.Parameter(held[n].value().clone()) for n in held}
    missing = {n: None for n, p in module._parameters.items() if p is None}
    twin.__dict__.update({k: v for k, v in module.__dict__.items() if k not in held})
    twin.__dict__["_parameters"] = {**values, **missing}
    twin.__dict__["_buffers"] = {n: None if b is None else b.clone() for n, b in _buffers(module)}
    twin.__dict__["_modules"] = {n: None if c is None else _twin(c) for n, c in children.items()}
    return twin


def _parametrized(module: nn.Module) -> list[str]:
    if not parametrize.is_parametrized(module):
        return []
    lists = module.parametrizations.items()  # type: ignore[operator, union-attr]
    return [name for name, steps in lists if list(steps.parameters(recurse=False))]


def _buffers(module: nn.Module) -> Iterator[tuple[str, Tensor | None]]:
    yield from module._buffers.items()


def _state(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
