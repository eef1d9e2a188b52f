"""Which layers are nonlinearities, and when is a unit of theirs dead, an element saturated?

A unit is *dead* that is exactly 0 for every sample of the batch. An element of a bounded
nonlinearity is *saturated* that lies farther from the middle of its range than `SATURATION` times
half of the range.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules import activation as torch_activations
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from initlab.activations import Elementwise

SATURATION = 0.97
"""How far out an element is saturated. The slope of tanh is below 1 - 0.97² = 0.06 there."""

_MIXING = nn.MultiheadAttention, nn.Softmax, nn.Softmin, nn.LogSoftmax, nn.Softmax2d
_RANGES = {
    "tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "erf": (-1.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
}


def is_nonlinearity(module: nn.Module) -> bool:
    """Say whether a module is an activation function: torch's, ours or those of transformers."""
    homes = torch_activations.__name__, "transformers.activations"
    known = type(module).__module__ in homes and not isinstance(module, _MIXING)
    return known or isinstance(module, Elementwise)


def ends_of(module: nn.Module) -> tuple[float, float] | None:
    """Return the ends of a bounded nonlinearity's range, symmetric about its steepest point."""
    if type(module) is nn.Hardtanh:
        return float(module.min_val), float(module.max_val)
    name = type(module).__name__
    if isinstance(module, Elementwise):
        name = getattr(module.function, "__name__", "")
    return _RANGES.get(name.lower())


def dead_share(x: Tensor, *, channels_first: bool = False) -> float:
    """Return the share of units that are exactly 0 for every sample of the batch, 0 to 1.

    Args:
        x: What a nonlinearity emits.
        channels_first: Whether the units of a three-dimensional `x` are in its dimension 1.

    Shape:
        x (batch, ..., units), or (batch, units, ...) with four or more dimensions.

    >>> dead_share(torch.tensor([[0.0, 0.0], [0.0, 3.0]]))
    0.5
    """
    axis = 1 if x.dim() > 3 or (channels_first and x.dim() == 3) else x.dim() - 1
    others = [dim for dim in range(x.dim()) if dim != axis]
    x = x.detach()
    off = (x.amax(others) == 0) & (x.amin(others) == 0) if others else x == 0
    return off.double().mean().item()


def saturated_share(x: Tensor, ends: tuple[float, float]) -> float:
    """Return the share of saturated elements in what a bounded nonlinearity emits, 0 to 1.

    `ends` are the ends of its range, such as (-1, 1) for tanh.

    >>> saturated_share(torch.tensor([-0.99, 0.0, 0.5, 0.98]), (-1, 1))
    0.5
    """
    middle, half = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
    x = x.detach()
    x = x.float() if x.element_size() < 4 else x
    outside = torch.count_nonzero((x - middle).abs_() > SATURATION * half)
    return outside.item() / max(x.numel(), 1)


def puts_units_first(module: nn.Module) -> bool | None:
    """Say whether a module's units are in dimension 1; `None` if it takes them as they come."""
    if isinstance(module, (_ConvNd, _NormBase, nn.GroupNorm)):
        return True
    return False if module._parameters else None
