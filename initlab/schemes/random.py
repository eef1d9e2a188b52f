"""What if weights are random, with a spread that ignores the layer's size?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from initlab.arguments import number
from initlab.schemes.base import (
    DrawnByTorch,
    Reference,
    check_ordered,
    normal_below,
    register,
    torch_docs,
)

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(100)


@register
@dataclass(frozen=True, kw_only=True)
class Uniform(DrawnByTorch):
    """Draw every weight evenly from one interval.

    Random weights make units differ. PyTorch's default interval, 0 to 1, has mean ½: all units
    then see nearly the same sum; choose `a = -b`.

    Args:
        a: Lower bound, finite.
        b: Upper bound, finite, not below `a`.

    >>> Uniform(a=-1, b=2).variance(fan_in=100, fan_out=30)
    0.75
    """

    name = "uniform"
    formula = r"w \sim \mathcal{U}(a, b)"
    summary = "Weights are drawn evenly between a and b, whatever the layer's size."
    reference = torch_docs("nn.init.html#torch.nn.init.uniform_", "torch.nn.init.uniform_")
    dims = (0, None)
    distribution = "uniform"

    a: float = 0.0
    b: float = 1.0

    def __post_init__(self) -> None:
        check_ordered(self.a, self.b)

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Tell the variance of the interval, (b - a)² / 12."""
        return (self.b - self.a) ** 2 / 12

    def cumulative(
        self, values: NDArray[np.float64], fan_in: int, fan_out: int
    ) -> NDArray[np.float64] | None:
        """Tell the share of the interval below each value."""
        return super().cumulative(values - (self.a + self.b) / 2, fan_in, fan_out)

    @property
    def centred(self) -> bool:
        """Whether the interval is symmetric about 0."""
        return self.a == -self.b


@register
@dataclass(frozen=True, kw_only=True)
class Normal(DrawnByTorch):
    """Draw every weight from one normal distribution.

    `std` is a standard deviation, not a variance, and the first argument of PyTorch's function
    is the mean: `normal_(t, 0.1)` moves all weights by 0.1.

    Args:
        mean: Mean, finite.
        std: Standard deviation, at least 0.

    >>> Normal(std=0.5).variance(fan_in=100, fan_out=30)
    0.25
    """

    name = "normal"
    formula = r"w \sim \mathcal{N}(\mathrm{mean}, \mathrm{std}^2)"
    summary = "Weights are normal with one std, whatever the layer's size."
    reference = torch_docs("nn.init.html#torch.nn.init.normal_", "torch.nn.init.normal_")
    dims = (0, None)
    distribution = "normal"

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        number("mean", self.mean)
        number("std", self.std, low=0)

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Tell std²."""
        return self.std**2

    def cumulative(
        self, values: NDArray[np.float64], fan_in: int, fan_out: int
    ) -> NDArray[np.float64] | None:
        """Tell the share of N(mean, std²) below each value."""
        return super().cumulative(values - self.mean, fan_in, fan_out)

    @property
    def centred(self) -> bool:
        """Whether the mean is 0."""
        return self.mean == 0


def _truncated(mean: float, std: float, a: float, b: float) -> tuple[float, float]:
    """Integrate N(mean, std²) on [a, b]: the share of [a, b] under the curve, and the variance.

    By quadrature, since the textbook formula loses all digits for narrow or far bounds.
    """
    peak = min(max(mean, a), b)
    away = abs(peak - mean) / std
    reach = std * (math.sqrt(away**2 + 80) - away)  # beyond it, the density is below peak / e⁴⁰
    low, high = max(a, peak - reach), min(b, peak + reach)
    if low == high:
        return 1.0, 0.0
    offset = (low - peak) + (high - low) * (_NODES + 1) / 2  # from the peak
    step = offset / std
    density = _WEIGHTS * np.exp(-step * (step / 2 + (peak - mean) / std))
    mass = density.sum()
    shift = float((density * offset).sum() / mass)
    variance = float((density * (offset - shift) ** 2).sum() / mass)
    return float(mass / 2 * (high - low) / (b - a)), variance


@register
@dataclass(frozen=True, kw_only=True)
class TruncNormal(DrawnByTorch):
    """Draw every weight from a normal distribution with its tails cut off.

    The bounds are numbers, not multiples of `std`: with std = 0.02, the default bounds of ±2 are
    ±100 std and cut nothing. At ±2 std, the spread that is left is 0.8796 std.

    Args:
        mean: Mean before the cut, finite.
        std: Standard deviation before the cut, above 0.
        a: Lower bound, finite.
        b: Upper bound, finite, not below `a`.

    Raises:
        ValueError: The bounds hold so little of the distribution that drawing would hardly end.

    >>> round(TruncNormal().variance(fan_in=100, fan_out=30), 6)
    0.773741
    """

    name = "trunc_normal"
    formula = r"w \sim \mathcal{N}(\mathrm{mean}, \mathrm{std}^2), \ a \leq w \leq b"
    summary = "Weights are normal, and any outside the bounds is drawn again."
    reference = torch_docs(
        "nn.init.html#torch.nn.init.trunc_normal_", "torch.nn.init.trunc_normal_"
    )
    dims = (0, None)
    distribution = "truncated normal"

    mean: float = 0.0
    std: float = 1.0
    a: float = -2.0
    b: float = 2.0

    def __post_init__(self) -> None:
        number("mean", self.mean)
        number("std", self.std, low=0, open_=True)
        check_ordered(self.a, self.b)
        inside = self.a <= self.mean <= self.b
        if not inside and _truncated(self.mean, self.std, self.a, self.b)[0] < 1e-3:
            raise ValueError(
                f"[a, b] must hold enough of N(mean, std²) to draw from, got [{self.a}, {self.b}] "
                f"with mean={self.mean} and std={self.std}: move mean into [a, b] or raise std."
            )

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Tell the variance after the cut."""
        return _truncated(self.mean, self.std, self.a, self.b)[1]

    def cumulative(
        self, values: NDArray[np.float64], fan_in: int, fan_out: int
    ) -> NDArray[np.float64] | None:
        """Tell the share of what is left of N(mean, std²) below each value."""
        places = np.clip([self.a, *values.flat, self.b], self.a, self.b)
        low, *below, high = normal_below((places - self.mean) / self.std)
        return np.reshape((np.array(below) - low) / (high - low), values.shape)

    @property
    def centred(self) -> bool:
        """Whether the mean after the cut is 0."""
        return self.mean == 0 and self.a == -self.b


@register
@dataclass(frozen=True, kw_only=True)
class Sparse(DrawnByTorch):
    """Let each input reach only a few units.

    A fraction of every column is set to zero, the rest is normal. A column holds the outgoing
    weights of one input; Martens' rule (a fixed number of incoming weights for each unit) is
    this one on the transposed weight.

    PyTorch draws the places of the zeros from its global generator even when it is given
    another one. Here `generator` controls them too; without it, the numbers are PyTorch's.

    Args:
        sparsity: Fraction of each column that is zero, 0 to 1; rounded up to whole entries.
            PyTorch has no default.
        std: Standard deviation of the other entries, at least 0.

    >>> Sparse(sparsity=0.75, std=2.0).variance(fan_in=100, fan_out=40)
    1.0
    """

    name = "sparse"
    formula = (
        r"w \sim \mathcal{N}(0, \mathrm{std}^2), \ w = 0 \ "
        r"\mathrm{for\ a\ fraction\ of\ each\ column}"
    )
    summary = "Each input reaches only a few units, with normal weights; the others are 0."
    reference = Reference(
        "Martens",
        2010,
        "Deep learning via Hessian-free optimization",
        "https://icml.cc/Conferences/2010/papers/458.pdf",
    )
    dims = (2, 2)
    always_shown = ("sparsity",)
    distribution = "sparse"

    sparsity: float = 0.9
    std: float = 0.01

    def __post_init__(self) -> None:
        number("sparsity", self.sparsity, low=0, high=1)
        number("std", self.std, low=0)

    def draw_(self, tensor: Tensor, generator: Generator | None) -> None:
        """Draw as PyTorch does, but take the places of the zeros from `generator` too."""
        if generator is None:
            super().draw_(tensor, generator)
            return
        tensor.normal_(0.0, self.std, generator=generator)
        for column in tensor.T:
            order = torch.randperm(len(column), generator=generator, device=generator.device)
            column[order[: self._zeros(len(column))]] = 0

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Tell the variance over all entries, zeros included."""
        return self.std**2 * (fan_out - self._zeros(fan_out)) / fan_out

    def _zeros(self, rows: int) -> int:
        return math.ceil(self.sparsity * rows)
