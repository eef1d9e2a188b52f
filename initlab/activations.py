"""Which nonlinearity does this name mean?

One table for networks, theory and exercises, so that "tanh" is the same function everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.arguments import unknown


class Activation(NamedTuple):
    """A nonlinearity as a function on tensors and as a layer.

    Args:
        name: The key in `ACTIVATIONS`, or the function's own name.
        function: Elementwise map, tensor to tensor of the same shape.
        module: Makes a fresh layer that applies `function`.
    """

    name: str
    function: Callable[[Tensor], Tensor]
    module: Callable[[], nn.Module]


class Elementwise(nn.Module):
    """Any elementwise function as a layer, so that a trace can see what it emits.

    Args:
        function: Elementwise map, tensor to tensor of the same shape.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function."""
        return self.function(x)

    def extra_repr(self) -> str:
        """Show which function it is."""
        return getattr(self.function, "__name__", repr(self.function))


_FUNCTIONS: list[tuple[str, Callable[[Tensor], Tensor], Callable[[], nn.Module]]] = [
    ("linear", lambda x: x, nn.Identity),
    ("sigmoid", torch.sigmoid, nn.Sigmoid),
    ("tanh", torch.tanh, nn.Tanh),
    ("relu", F.relu, nn.ReLU),
    ("leaky_relu", F.leaky_relu, nn.LeakyReLU),
    ("elu", F.elu, nn.ELU),
    ("selu", F.selu, nn.SELU),
    ("gelu", F.gelu, nn.GELU),
    ("silu", F.silu, nn.SiLU),
    ("mish", F.mish, nn.Mish),
    ("softplus", F.softplus, nn.Softplus),
    ("erf", torch.erf, lambda: Elementwise(torch.erf)),
]

ACTIVATIONS = {name: Activation(name, function, module) for name, function, module in _FUNCTIONS}
"""Name → activation, in teaching order; the names are PyTorch's."""


_FURTHER: list[tuple[str, Callable[[Tensor], Tensor], Callable[[], nn.Module]]] = [
    ("celu", F.celu, nn.CELU),
    ("hardshrink", F.hardshrink, nn.Hardshrink),
    ("hardsigmoid", F.hardsigmoid, nn.Hardsigmoid),
    ("hardswish", F.hardswish, nn.Hardswish),
    ("hardtanh", F.hardtanh, nn.Hardtanh),
    ("logsigmoid", F.logsigmoid, nn.LogSigmoid),
    ("prelu", lambda x: F.leaky_relu(x, 0.25), nn.PReLU),  # as it starts
    ("relu6", F.relu6, nn.ReLU6),
    ("sin", torch.sin, lambda: Elementwise(torch.sin)),
    ("softshrink", F.softshrink, nn.Softshrink),
    ("softsign", F.softsign, nn.Softsign),
    ("tanhshrink", F.tanhshrink, nn.Tanhshrink),
]

FURTHER_ACTIVATIONS = {
    name: Activation(name, function, module) for name, function, module in _FURTHER
}
"""The other elementwise functions of `torch.nn`, with its defaults, which no lesson shows."""


def names() -> list[str]:
    """List every name that `activation` knows."""
    return [*ACTIVATIONS, *FURTHER_ACTIVATIONS]


def activation(which: str | Callable[[Tensor], Tensor]) -> Activation:
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
        if which in ACTIVATIONS:
            return ACTIVATIONS[which]
        if which not in FURTHER_ACTIVATIONS:
            raise ValueError(unknown("activation", which, names()))
        return FURTHER_ACTIVATIONS[which]
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
