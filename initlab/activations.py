"""Which nonlinearity does this name mean?

One table for networks, theory and exercises, so that "tanh" is the same function everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.arguments import choice

ActivationLike = str | Callable[[Tensor], Tensor]
"""A name that `activation` knows, or any elementwise function or layer."""


class Activation(NamedTuple):
    """A nonlinearity as a function on tensors and as a layer."""

    name: str  # the key in `ACTIVATIONS`, or the function's own name
    function: Callable[[Tensor], Tensor]  # elementwise
    module: Callable[[], nn.Module]  # makes a fresh layer that applies `function`


class Elementwise(nn.Module):
    """Any elementwise function as a layer, so that a trace can see what it emits."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function."""
        return self.function(x)

    def extra_repr(self) -> str:
        """Show which function it is."""
        return getattr(self.function, "__name__", repr(self.function))


_SHOWN = [
    Activation("linear", lambda x: x, nn.Identity),
    Activation("sigmoid", torch.sigmoid, nn.Sigmoid),
    Activation("tanh", torch.tanh, nn.Tanh),
    Activation("relu", F.relu, nn.ReLU),
    Activation("leaky_relu", F.leaky_relu, nn.LeakyReLU),
    Activation("elu", F.elu, nn.ELU),
    Activation("selu", F.selu, nn.SELU),
    Activation("gelu", F.gelu, nn.GELU),
    Activation("silu", F.silu, nn.SiLU),
    Activation("mish", F.mish, nn.Mish),
    Activation("softplus", F.softplus, nn.Softplus),
    Activation("erf", torch.erf, lambda: Elementwise(torch.erf)),
]

_FURTHER = [
    Activation("celu", F.celu, nn.CELU),
    Activation("hardshrink", F.hardshrink, nn.Hardshrink),
    Activation("hardsigmoid", F.hardsigmoid, nn.Hardsigmoid),
    Activation("hardswish", F.hardswish, nn.Hardswish),
    Activation("hardtanh", F.hardtanh, nn.Hardtanh),
    Activation("logsigmoid", F.logsigmoid, nn.LogSigmoid),
    Activation("prelu", lambda x: F.leaky_relu(x, 0.25), nn.PReLU),  # as it starts
    Activation("relu6", F.relu6, nn.ReLU6),
    Activation("sin", torch.sin, lambda: Elementwise(torch.sin)),
    Activation("softshrink", F.softshrink, nn.Softshrink),
    Activation("softsign", F.softsign, nn.Softsign),
    Activation("tanhshrink", F.tanhshrink, nn.Tanhshrink),
]

ACTIVATIONS = {one.name: one for one in _SHOWN}
"""Name → activation, in teaching order; the names are PyTorch's."""

FURTHER_ACTIVATIONS = {one.name: one for one in _FURTHER}
"""The other elementwise functions of `torch.nn`, with its defaults, which no lesson shows."""


def names() -> list[str]:
    """List every name that `activation` knows."""
    return [*ACTIVATIONS, *FURTHER_ACTIVATIONS]


def activation(which: ActivationLike) -> Activation:
    """Find the activation that a name or a callable means.

    Args:
        which: A name in `ACTIVATIONS` or `FURTHER_ACTIVATIONS`, or any elementwise function or
            layer on tensors.

    Returns:
        The activation; for a callable, with the callable's own name.

    Raises:
        ValueError: The name is unknown.
        TypeError: `which` is neither a name nor a callable.

    >>> activation("tanh").module()
    Tanh()
    """
    if isinstance(which, str):
        choice("activation", which, names())
        return {**ACTIVATIONS, **FURTHER_ACTIVATIONS}[which]
    if not callable(which) or isinstance(which, type):
        fix = f": write {which.__name__}() to make a layer" if isinstance(which, type) else ""
        raise TypeError(
            "activation must be a name or a function on tensors (a layer is one too), "
            f"got {which!r} of type {type(which).__name__}{fix}."
        )
    if isinstance(which, nn.Module):
        return Activation(type(which).__name__.lower(), which, lambda: which)
    name = getattr(which, "__name__", type(which).__name__)
    return Activation(name, which, lambda: Elementwise(which))
