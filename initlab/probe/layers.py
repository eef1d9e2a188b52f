"""Which modules of a model are its layers, and what are their weights?"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn
from torch.nn.utils import parametrize

Filter = Sequence[str | type[nn.Module]] | str | type[nn.Module]
"""Names, name globs and module types: one of them or several."""

_LISTS = (nn.ModuleList, nn.ModuleDict, nn.Sequential)


def choose_layers(model: nn.Module, layers: Filter | None = None) -> dict[nn.Module, str]:
    """Return the modules to record, with their names.

    Args:
        model: Any module.
        layers: What to choose; a name, glob or type that fits no layer may fit a whole block.
            `None` chooses every module without children and every one that owns parameters.
    """
    every = {module: name or kind_of(module) for name, module in model.named_modules()}
    usual = {module: name for module, name in every.items() if _is_layer(module, name)}
    if layers is None:
        return usual
    entries: Sequence[Any] = layers if isinstance(layers, (list, tuple)) else [layers]
    chosen: dict[nn.Module, str] = {}
    for entry in entries:
        found = _fitting(entry, usual) or _fitting(entry, every)
        if not found:
            raise ValueError(_fits_nothing(entry, every))
        chosen |= found
    return {module: name for module, name in every.items() if module in chosen}


def _is_layer(module: nn.Module, name: str) -> bool:
    if "parametrizations" in name.split(".") or isinstance(module, _LISTS):
        return False
    return bool(module._parameters) or not module._modules or "parametrizations" in module._modules


def _fitting(
    entry: str | type[nn.Module], modules: Mapping[nn.Module, str]
) -> dict[nn.Module, str]:
    if isinstance(entry, str):
        return {module: name for module, name in modules.items() if fnmatchcase(name, entry)}
    if isinstance(entry, type) and issubclass(entry, nn.Module):
        return {module: name for module, name in modules.items() if isinstance(module, entry)}
    raise TypeError(
        "layers must hold names, name globs or module types, "
        f"got {entry!r} of type {type(entry).__name__}."
    )


def _fits_nothing(entry: str | type[nn.Module], modules: Mapping[nn.Module, str]) -> str:
    if isinstance(entry, type):
        kinds = sorted({kind_of(module) for module in modules})
        return f"layers={entry.__name__} fits no module of the model, which has {', '.join(kinds)}."
    near = difflib.get_close_matches(entry, modules.values(), n=3, cutoff=0.4)
    names = near or list(modules.values())[:6]
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {', '.join(names)}"
    return f"layers={entry!r} fits no module of the model: {hint}"


def kind_of(module: nn.Module) -> str:
    """Return the name of the module's class, the original one where it is parametrised."""
    return parametrize.type_before_parametrizations(module).__name__


def weights_of(module: nn.Module) -> Sequence[Tensor]:
    """Return the module's parameter `weight`, or else its matrices, or else what it owns."""
    owned = {name: p for name, p in module._parameters.items() if p is not None}
    if "weight" in owned:
        return [owned["weight"]]
    matrices = [parameter for parameter in owned.values() if parameter.dim() > 1]
    return matrices or [p for name, p in owned.items() if not name.startswith("bias")]
