"""Which units of a nonlinearity are dead, and how much of it is saturated?"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from torch import Tensor, nn
from torch.nn.modules import activation as torch_activations
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from initlab.activations import Elementwise

_NO_NONLINEARITY = (  # in torch's file of activations, but they mix the units
    nn.MultiheadAttention, nn.Softmax, nn.Softmin, nn.LogSoftmax, nn.Softmax2d,
)  # fmt: skip

_RANGES = {
    "tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "erf": (-1.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
}


def is_nonlinearity(module: nn.Module) -> bool:
    """Say whether a module is an activation function: torch's, ours or those of transformers."""
    return _is_nonlinearity(type(module))  # type: ignore[arg-type]


@lru_cache
def _is_nonlinearity(kind: type[nn.Module]) -> bool:
    homes = torch_activations.__name__, "transformers.activations"
    mixes = issubclass(kind, _NO_NONLINEARITY)
    return issubclass(kind, Elementwise) or (kind.__module__ in homes and not mixes)


def channels_first(module: nn.Module) -> bool | None:
    """Say whether a module's units are in dimension 1; `None` if it takes them as they come."""
    if _has_channels_first(type(module)):  # type: ignore[arg-type]
        return True
    return False if module._parameters else None


@lru_cache
def _has_channels_first(kind: type[nn.Module]) -> bool:
    return issubclass(kind, (_ConvNd, _NormBase, nn.GroupNorm))


def ends_of(module: nn.Module) -> tuple[float, float] | None:
    """Return the ends of a bounded nonlinearity's range, symmetric about its steepest point."""
    if type(module) is nn.Hardtanh:
        return float(module.min_val), float(module.max_val)
    name = type(module).__name__
    if isinstance(module, Elementwise):
        name = getattr(module.function, "__name__", "")
    return _RANGES.get(name.lower())


def dead_share(x: Tensor, channels_first: bool) -> Tensor | float:
    """Return the share of units that are zero for every sample.

    Shape:
        x (batch, ..., units), or (batch, units, ...) with four or more dimensions or
        `channels_first`.
    """
    x = x.detach()
    axis = 1 if x.dim() > 3 or (channels_first and x.dim() == 3) else x.dim() - 1
    others = [dim for dim in range(x.dim()) if dim != axis]
    if not others:
        return (x == 0).double().mean()
    dead = x.amax(others) == 0
    if not dead.is_cpu:  # it would have to be waited for
        return (dead & (x.amin(others) == 0)).double().mean()
    if not dead.numpy().any():
        return 0.0
    dead &= x.amin(others) == 0
    return np.count_nonzero(dead.numpy()) / dead.numel()


def saturation_starts(ends: tuple[float, float], saturation: float) -> tuple[float, float]:
    """Return the values below and above which an element counts as saturated."""
    middle, half = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
    return middle - saturation * half, middle + saturation * half


def share_outside(x: Tensor, low: float, high: float) -> Tensor | float:
    """Return the share of elements that are below `low` or above `high`."""
    x = x.detach()
    x = x.float() if x.element_size() < 4 else x
    if x.is_cpu:  # numpy compares several times faster
        a = x.numpy(force=True)
        return float(np.count_nonzero(a < low) + np.count_nonzero(a > high)) / max(a.size, 1)
    return (x < low).logical_or_(x > high).double().mean()
