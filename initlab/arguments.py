"""Is this argument what it may be? The sentences that say what is allowed and what came."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy


def whole(name: str, value: object, *, least: int = 1) -> int:
    """Return a whole number of at least `least`, or say what is wrong with it.

    >>> whole("depth", 0)
    Traceback (most recent call last):
    ValueError: depth must be a whole number of at least 1, got 0.
    """
    wanted = f"{name} must be a whole number of at least {least}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{wanted}, got {value!r} of type {type(value).__name__}.")
    if value < least:
        raise ValueError(f"{wanted}, got {value}.")
    return int(value)


def number(
    name: str, value: object, *, low: float = -math.inf, high: float = math.inf, open_: bool = False
) -> float:
    """Return a finite number in [low, high], or say what is wrong with it.

    Args:
        name: The argument that `value` came for.
        value: What is to be checked.
        low: Least value.
        high: Greatest value; given only together with `low`.
        open_: Whether the two themselves are not allowed.

    >>> number("std", -1, low=0)
    Traceback (most recent call last):
    ValueError: std must be a finite number of at least 0, got -1.
    """
    wanted = f"{name} must be a finite number{_range(low, high, open_)}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{wanted}, got {value!r} of type {type(value).__name__}.")
    given = float(value)
    inside = low < given < high if open_ else low <= given <= high
    if not (math.isfinite(given) and inside):
        raise ValueError(f"{wanted}, got {value!r}.")
    return given


def _range(low: float, high: float, open_: bool) -> str:
    if low == -math.inf:
        return ""
    if high == math.inf:
        return f" above {low}" if open_ else f" of at least {low}"
    return f" between {low} and {high}" if open_ else f" from {low} to {high}"


def choice(name: str, value: object, allowed: Iterable[str]) -> None:
    """Raise unless `value` is one of the allowed names."""
    names = list(allowed)
    if value not in names:
        raise ValueError(unknown(name, value, names))


def loss_function(loss: Any) -> None:
    """Raise unless this can be called as `loss(output, target)`; None means the usual one."""
    if loss is not None and (not callable(loss) or isinstance(loss, type)):
        hint = f": write {loss.__name__}()" if isinstance(loss, type) else ""
        raise TypeError(
            "loss must be None or a function (output, target) → scalar, "
            f"got {loss!r} of type {type(loss).__name__}{hint}."
        )


def network(model: Any, *, hooked: bool = False) -> None:
    """Raise unless this is a module all of whose parameters hold numbers.

    Args:
        model: What came for the argument `model`.
        hooked: Whether its layers must take hooks, too.
    """
    if not isinstance(model, nn.Module):
        came = type(model).__name__
        if torch.is_tensor(model):
            came += ": for one tensor call il.scheme(name).fill_(tensor)"
        elif isinstance(model, type):
            came = f"the class {model.__name__}: make a module of it with {model.__name__}(...)"
        raise TypeError(f"model must be a torch.nn.Module, got {came}.")
    scripted = [name for name, m in model.named_modules() if isinstance(m, torch.jit.ScriptModule)]
    if scripted and hooked:
        raise TypeError(
            f"model has TorchScript modules, whose layers take no hooks ({_some(scripted)}): "
            "pass the model from which they were made."
        )
    parameters = [*model.named_parameters(remove_duplicate=False)]
    lazy = [name for name, parameter in parameters if is_lazy(parameter)]
    if lazy:
        raise ValueError(
            f"model has lazy parameters that have no shape yet ({_some(lazy)}): "
            "run one batch through it first."
        )
    meta = [name for name, parameter in parameters if parameter.is_meta]
    if meta:
        raise ValueError(
            f"model has parameters on the meta device, which hold no numbers ({_some(meta)}): "
            "give them memory first with model.to_empty(device=...). After that, tied weights are "
            "tied no longer and buffers hold garbage: tie them again, and fill the buffers."
        )


def _some(names: Sequence[str]) -> str:
    shown = [name or "the model itself" for name in names[:5]]
    return ", ".join(shown) + (", ..." if len(names) > 5 else "")


def unknown(what: str, value: Any, allowed: Iterable[str]) -> str:
    """Say that `value` is unknown as `what`, what is nearest, and what is allowed, in its order.

    >>> unknown("mode", "fan_inn", ["fan_in", "fan_out"])
    "mode='fan_inn' is unknown: did you mean 'fan_in'? Allowed: fan_in, fan_out."
    """
    names = list(allowed)
    near = difflib.get_close_matches(str(value), names, n=2, cutoff=0.6)
    hint = f": did you mean {' or '.join(map(repr, near))}?" if near else "."
    return f"{what}={value!r} is unknown{hint} Allowed: {', '.join(names) or 'none'}."
