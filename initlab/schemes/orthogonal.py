"""What if a layer only turns its input? Weights whose singular values are all equal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from initlab.arguments import number
from initlab.schemes.base import DrawnByTorch, Reference, Scheme, register


@register
@dataclass(frozen=True, kw_only=True)
class Orthogonal(DrawnByTorch):
    """Make every singular value of the weight equal to the gain.

    A product of many such matrices still has all its singular values equal, while those of
    Gaussian matrices spread with depth. A kernel is flattened to (out, in·positions) first, and
    that does *not* make the convolution itself orthogonal; `delta_orthogonal` does.

    `variance` reads the fans of a matrix; for a kernel, `expected_std` flattens the shape.
    Types that PyTorch cannot factorise (float16, bfloat16) are drawn in float32 and rounded.

    Args:
        gain: The singular value, at least 0.

    >>> Orthogonal().variance(fan_in=100, fan_out=30)
    0.01
    """

    name = "orthogonal"
    distribution = "orthogonal"
    formula = r"W^\top W = g^2 I \ \mathrm{or} \ W W^\top = g^2 I"
    summary = "All singular values are equal, so a square layer only turns its input."
    reference = Reference(
        "Saxe et al.",
        2013,
        "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
        "https://arxiv.org/abs/1312.6120",
    )

    gain: float = 1.0

    def __post_init__(self) -> None:
        number("gain", self.gain, low=0)

    def draw_(self, tensor: Tensor, generator: Generator | None) -> None:
        """Draw as PyTorch does, by way of the dense float32 or float64 tensor that it needs."""
        dtype = torch.promote_types(tensor.dtype, torch.float32)
        dense = torch.empty(tensor.shape, dtype=dtype, device=tensor.device)
        super().draw_(dense, generator)
        tensor.copy_(dense)

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Tell gain² / max(fan_in, fan_out), exact for a matrix."""
        return self.gain**2 / max(fan_in, fan_out)

    def expected_std(self, shape: Sequence[int]) -> float:
        """Tell the standard deviation of an entry, for the matrix that PyTorch flattens to."""
        return math.sqrt(self.variance(math.prod(shape[1:]), shape[0]))


@register
@dataclass(frozen=True, kw_only=True)
class DeltaOrthogonal(Scheme):
    """Make a convolution that only turns the channels at each place.

    The kernel is 0 except at its centre, which holds an orthogonal matrix. With stride 1 and
    circular padding, the convolution then keeps the norm of every input; it needs at least as
    many output as input channels.

    No single number is true of an entry: the centre is random and the rest is 0.

    Args:
        gain: The singular value of the centre, at least 0.

    >>> DeltaOrthogonal().fill_(torch.empty(1, 1, 3)).abs()
    tensor([[[0., 1., 0.]]])
    """

    name = "delta_orthogonal"
    distribution = "orthogonal"
    formula = r"W_{centre}^\top W_{centre} = g^2 I, \ \mathrm{0\ elsewhere}"
    summary = "A kernel with an orthogonal matrix at its centre and 0 elsewhere."
    reference = Reference(
        "Xiao et al.",
        2018,
        "Dynamical Isometry and a Mean Field Theory of CNNs: How to Train 10,000-Layer Vanilla "
        "Convolutional Neural Networks",
        "https://arxiv.org/abs/1806.05393",
    )
    dims = (3, 5)

    gain: float = 1.0

    def __post_init__(self) -> None:
        number("gain", self.gain, low=0)

    def check(self, tensor: Tensor, generator: Generator | None = None) -> None:
        """Refuse also a kernel that narrows, since it cannot keep every input's norm."""
        super().check(tensor, generator)
        if tensor.shape[0] < tensor.shape[1]:
            raise ValueError(
                "delta_orthogonal needs at least as many output as input channels, got shape "
                f"{tuple(tensor.shape)} (out, in, ...): use orthogonal or kaiming_normal here."
            )

    def draw_(self, tensor: Tensor, generator: Generator | None) -> None:
        """Put an orthogonal matrix at the centre."""
        centre = torch.empty(tensor.shape[:2], dtype=tensor.dtype, device=tensor.device)
        Orthogonal(gain=self.gain).draw_(centre, generator)
        tensor.zero_()
        middle: list[Any] = [size // 2 for size in tensor.shape[2:]]
        tensor[(..., *middle)] = centre

    def variance(self, fan_in: int, fan_out: int) -> None:
        """Give None: the centre is random and the rest is 0."""
        return None
