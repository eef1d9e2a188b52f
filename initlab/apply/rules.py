"""Which layers get a scheme of their own, and what may a bias start as?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from numbers import Real
from typing import Any, Literal

import torch
from torch import Tensor, nn

from initlab.apply.layers import Bias, kinds_of
from initlab.apply.parametrized import held
from initlab.arguments import number, unknown
from initlab.schemes import SCHEMES, Constant, Scheme, TorchDefault
from initlab.schemes import scheme as find_scheme

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
        scheme: What fills the weights; None is the model's scheme. Of a layer type that is not in
            `apply.LAYERS` it fills every parameter of two or more dimensions.
        bias: What fills the biases, as in `il.initialize`; None is the model's. Of an unknown
            layer type it fills the vectors that are named like a bias (`bias`, `b1`, `shift`).
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
        if not (isinstance(which, str) or (types and all(map(is_module_type, types)))):
            raise TypeError(
                "which must be a module type, a tuple of them or a glob over names, "
                f"got {which!r} of type {type(which).__name__}."
            )
        if scheme is None and params:
            raise ValueError(f"scheme must be given with its parameters {', '.join(params)}.")
        if scheme is None and bias is None:
            raise ValueError("scheme or bias must be given, got neither: a rule changes something.")
        self.which = which
        self.scheme = None if scheme is None else find_scheme(scheme, **params)
        self.bias = None if bias is None else resolve_bias(bias)

    def fit(self, layer: str, module: nn.Module, parameter: str) -> Fit | None:
        """Tell by what the rule fits a parameter of the module `layer`; None where it does not."""
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
        found = find_scheme(bias)
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


def check_rules(rules: Any) -> list[Rule]:
    """Raise unless these are rules."""
    if isinstance(rules, Rule):
        raise TypeError(f"rules must be a list of il.Rule, got one rule: write rules=[{rules!r}].")
    found = list(rules or [])
    for index, rule in enumerate(found):
        if not isinstance(rule, Rule):
            raise TypeError(
                f"rules must be a list of il.Rule, got {rule!r} of type "
                f"{type(rule).__name__} at place {index}."
            )
    return found


def output_bias_of(model: nn.Module, frequencies: Any) -> tuple[str, Tensor]:
    """Find the bias of the output layer, and its values from class frequencies."""
    counts = numbers("output_bias", frequencies).double()
    if counts.dim() != 1 or len(counts) < 2 or not (counts.isfinite() & (counts > 0)).all():
        raise ValueError(
            "output_bias must be the frequencies of at least 2 classes, each finite and above 0, "
            f"got {counts.tolist()}: give a class that never came a small count."
        )
    logs = (counts / counts.sum()).log()
    found = [
        (f"{name}.bias".lstrip("."), len(weight.value()))
        for name, module in model.named_modules()
        if isinstance(kinds_of(module).get("bias"), Bias)
        for weight in [held(module).get("bias")]
        if weight is not None
    ]
    for name, size in reversed(found):
        if size == len(counts):
            return name, logs
        if size == 1 and len(counts) == 2:
            return name, (logs[1] - logs[0]).reshape(1)
    raise ValueError(
        f"output_bias has {len(counts)} classes, but no layer has a bias of that many entries. "
        f"Sizes of biases: {', '.join(f'{name} {size}' for name, size in found) or 'none'}."
    )


def numbers(name: str, values: Any) -> Tensor:
    """Turn numbers (a list, an array, a tensor) into a floating-point tensor of their own."""
    try:
        found = torch.as_tensor(values).detach().clone()
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must hold numbers, got {values!r}.") from None
    return found if found.is_floating_point() else found.float()


_VECTORS = [n for n, s in SCHEMES.items() if s.dims[0] <= 1 or isinstance(s, TorchDefault)]


def is_module_type(value: object) -> bool:
    """Whether this is a class of modules."""
    return isinstance(value, type) and issubclass(value, nn.Module)
