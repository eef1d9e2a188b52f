"""Which layers get a scheme of their own, and what may a bias start as?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from numbers import Real
from typing import Any, Literal

import torch
from torch import Tensor, nn

from initlab.arguments import number, unknown
from initlab.schemes import SCHEMES, Constant, Scheme, TorchDefault, scheme

AnyScheme = str | Scheme | Callable[..., Any]
AnyBias = str | float | Scheme | Tensor | Sequence[float]
Fit = Literal["type", "layer", "parameter"]


class Rule:
    """A scheme for some layers only.

    A glob over layers leaves normalisation layers at 1 and 0. To change those, name their type
    or their parameter. A glob over parameters is meant for exactly those, biases too.

    Args:
        which: A module type, a tuple of them, or a glob over names. A glob is compared with the
            names of layers (`"blocks.*.fc1"`), then with those of parameters (`"*.weight_hh*"`);
            `*` also matches dots.
        scheme: What fills the weights; None is the model's scheme.
        bias: What fills the biases, as in `il.initialize`; None is the model's.
        **params: Parameters of the scheme.

    Raises:
        ValueError: A name or a value is not allowed.
        TypeError: `which` is neither types nor a glob.

    >>> Rule("head", "xavier_normal")
    Rule('head', xavier_normal)
    """

    def __init__(
        self,
        which: str | type[nn.Module] | tuple[type[nn.Module], ...],
        scheme: AnyScheme | None = None,
        *,
        bias: AnyBias | None = None,
        **params: Any,
    ) -> None:
        types = which if isinstance(which, tuple) else (which,)
        if not (isinstance(which, str) or (types and all(map(_is_module_type, types)))):
            raise TypeError(
                "which must be a module type, a tuple of them or a glob over names, "
                f"got {which!r} of type {type(which).__name__}."
            )
        if scheme is None and params:
            raise ValueError(f"scheme must be given with its parameters {', '.join(params)}.")
        if scheme is None and bias is None:
            raise ValueError("scheme or bias must be given, got neither: a rule changes something.")
        self.which = which
        self.scheme = None if scheme is None else resolve_scheme(scheme, params)
        self.bias = None if bias is None else resolve_bias(bias)

    def fit(self, layer: str, module: nn.Module, parameter: str) -> Fit | None:
        """Tell by what the rule fits a parameter, or None where it does not.

        Args:
            layer: Name of the module in the model.
            module: The module that owns the parameter.
            parameter: Name of the parameter in the module.
        """
        if not isinstance(self.which, str):
            return "type" if isinstance(module, self.which) else None
        if fnmatchcase(layer, self.which):
            return "layer"
        name = f"{layer}.{parameter}" if layer else parameter
        return "parameter" if fnmatchcase(name, self.which) else None

    def __repr__(self) -> str:
        types = self.which if isinstance(self.which, tuple) else (self.which,)
        which = " | ".join(t.__name__ if isinstance(t, type) else repr(t) for t in types)
        bias = f"bias={self.bias!r}" if self.bias is not None else None
        given = [which, None if self.scheme is None else repr(self.scheme), bias]
        return f"Rule({', '.join(part for part in given if part)})"


def resolve_scheme(which: AnyScheme, params: dict[str, Any]) -> Scheme:
    """Find the scheme, as `il.scheme` does."""
    return scheme(which, **params)


def resolve_bias(bias: Any) -> Scheme | Tensor:
    """Find what a bias starts as.

    Args:
        bias: A scheme that can fill a vector, "torch_default", a finite number for every entry,
            or the values themselves, for layers of that many units.

    Raises:
        ValueError: The scheme cannot fill a vector, or a number is not finite.
        TypeError: It is none of these.
    """
    if isinstance(bias, Real):
        return Constant(val=number("bias", bias))
    if isinstance(bias, str) and bias not in _VECTORS:
        raise ValueError(unknown("bias", bias, _VECTORS))
    if isinstance(bias, (str, Scheme)) or callable(bias):
        found = scheme(bias)
        if found.dims[0] > 1 and not isinstance(found, TorchDefault):
            raise ValueError(
                f"bias={found!r} reads fans, and a bias has none. Allowed: {', '.join(_VECTORS)}, "
                "a number, or values."
            )
        return found
    if isinstance(bias, (Tensor, Sequence)) or hasattr(bias, "__array__"):
        values = numbers("bias", bias)
        if values.dim() == 0:
            return Constant(val=number("bias", values.item()))
        if values.dim() != 1 or not values.isfinite().all():
            raise ValueError(
                "bias must be a vector of finite numbers, "
                f"got shape {tuple(values.shape)} with {values.tolist()}."
            )
        return values
    raise TypeError(
        f"bias must be one of {', '.join(_VECTORS)}, a number, or values, "
        f"got {bias!r} of type {type(bias).__name__}."
    )


def numbers(name: str, values: Any) -> Tensor:
    """Turn numbers (a list, an array, a tensor) into a floating-point tensor of their own."""
    try:
        found = torch.as_tensor(values).detach().clone()
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must hold numbers, got {values!r}.") from None
    return found if found.is_floating_point() else found.float()


_VECTORS = [n for n, s in SCHEMES.items() if s.dims[0] <= 1 or isinstance(s, TorchDefault)]


def _is_module_type(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, nn.Module)
