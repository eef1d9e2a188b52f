"""Which distribution do many numbers follow: uniform, normal, or normal with its tails cut off?

One record, `Distribution`, is all three: a normal between two bounds; the uniform is the one whose
std is infinite. How well one fits is told by its likelihood, which needs only a few statistics of
all numbers, and by the Kolmogorov–Smirnov distance on a sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from initlab.probe.measure import sample_places, summarize

MARGIN = 7.0
"""How much less likely (in logarithms) than the best a candidate may be; the truth seldom is."""
_KS = 2.9  # of √n · distance: exceeded once in ten million samples
_SAMPLE = 8192


class Statistics(NamedTuple):
    """What is known of `n` numbers."""

    n: int
    mean: float
    std: float
    low: float
    high: float
    nonfinite: float  # share of them that are nan or infinite: left out of all others
    rounding: float  # relative spacing of their dtype
    sample: Tensor  # some of them, sorted, in float64


def statistics(pieces: Sequence[Tensor]) -> Statistics:
    """Measure numbers that lie in several tensors; the random state stays as it is."""
    every = torch.cat([piece.detach().flatten() for piece in pieces])
    seen = summarize(every, bins=1, sample=1)
    places = sample_places(len(every), min(len(every), _SAMPLE))
    sample = every[torch.from_numpy(places).to(every.device)].double().cpu().sort().values
    return Statistics(
        *(seen.count, seen.mean, seen.std, seen.min, seen.max, seen.nonfinite),
        rounding=torch.finfo(every.dtype).eps,
        sample=sample,
    )


class Distribution(NamedTuple):
    """A normal distribution between two bounds, or (std = ∞) the uniform one."""

    mean: float  # before the cut
    std: float  # before the cut
    low: float = -math.inf
    high: float = math.inf

    @property
    def kind(self) -> str:
        """Its name."""
        if math.isinf(self.std):
            return "uniform"
        reach = min(self.mean - self.low, self.high - self.mean) / self.std
        return "normal" if reach > 6 else "truncated normal"

    def log_likelihood(self, seen: Statistics) -> float:
        """Tell how likely the numbers are, as the logarithm of their density."""
        slack = seen.rounding * max(abs(seen.low), abs(seen.high))
        if seen.low < self.low - slack or seen.high > self.high + slack:
            return -math.inf
        if math.isinf(self.std):
            return -seen.n * math.log(self.high - self.low)
        spread = (seen.std**2 + (seen.mean - self.mean) ** 2) / (2 * self.std**2)
        inside = self._below(self.high) - self._below(self.low)
        return -seen.n * (math.log(self.std * math.sqrt(2 * math.pi) * inside) + spread)

    def fits(self, sample: Tensor) -> bool:
        """Whether sorted numbers follow it, by the Kolmogorov–Smirnov distance."""
        if math.isinf(self.std):
            share = (sample - self.low) / (self.high - self.low)
        else:
            below, above = self._below(self.low), self._below(self.high)
            share = (torch.special.ndtr((sample - self.mean) / self.std) - below) / (above - below)
        steps = torch.arange(1, len(sample) + 1, dtype=torch.float64) / len(sample)
        distance = float(torch.maximum(steps - share, share - steps + 1 / len(sample)).max())
        return distance * math.sqrt(len(sample)) < _KS

    def fourth(self) -> float:
        """Tell E[(x - mean)⁴] / std⁴ of the numbers: 3 for a normal distribution."""
        if math.isinf(self.std):
            return 1.8
        reach = (self.high - self.low) / 2 / self.std
        return 3.0 if reach > 8 else cut_moments(reach)[1]

    def _below(self, value: float) -> float:
        return 0.5 * math.erfc((self.mean - value) / (self.std * math.sqrt(2)))


def uniform(std: float) -> Distribution:
    """Give the uniform distribution around 0 with this standard deviation."""
    return Distribution(0.0, math.inf, -math.sqrt(3) * std, math.sqrt(3) * std)


def best_of(seen: Statistics) -> Distribution:
    """Fit the simplest of the three whose numbers these may be, whether they are or not."""
    rounded = seen.rounding * max(seen.high, -seen.low) / 2  # bounds may lie so far beyond
    flat = Distribution(0.0, math.inf, seen.low - rounded, seen.high + rounded)
    normal = Distribution(seen.mean, seen.std)
    room = (seen.high - seen.low) / max(seen.n, 2)  # what lies beyond the outermost two
    cut = truncated(seen.mean, seen.std, (seen.high - seen.low) / 2 + room)
    room += rounded
    cut = cut._replace(low=seen.low - room, high=seen.high + room)
    simple = max(flat, normal, key=lambda one: one.log_likelihood(seen))
    gain = cut.log_likelihood(seen) - simple.log_likelihood(seen)
    return cut if gain > 2 * MARGIN else simple


def truncated(mean: float, std: float, reach: float) -> Distribution:
    """Find the normal whose part within `mean` ± `reach` has this standard deviation."""
    low, high = 0.02, 40.0  # of reach / std before the cut; the std after it falls with it
    for _ in range(60):
        middle = (low + high) / 2
        if reach / middle * cut_moments(middle)[0] > std:
            low = middle
        else:
            high = middle
    return Distribution(mean, reach / low, mean - reach, mean + reach)


def cut_moments(reach: float) -> tuple[float, float]:
    """Tell the standard deviation of N(0, 1) within ±`reach`, and E[x⁴] / std⁴ of it."""
    if reach < 0.1:
        return reach / math.sqrt(3), 1.8
    inside = math.erf(reach / math.sqrt(2))
    edge = 2 * math.exp(-reach * reach / 2) / math.sqrt(2 * math.pi) / inside
    variance = 1 - reach * edge
    return math.sqrt(variance), (3 - (reach**3 + 3 * reach) * edge) / variance**2


def unstructured(matrix: Tensor, mean: float, fourth: float) -> bool:
    """Whether singular values spread as those of independent draws; training lets a few grow.

    The sum of their fourth powers is m·n·(m + n + κ - 2)·σ⁴, with κ = E[(x - mean)⁴] / σ⁴ and a
    standard deviation of 2 / (m + n) of itself (measured).
    """
    part = matrix[:512, :1024].to(torch.float32) - mean
    m, n = part.shape
    if min(m, n) < 8:
        return True
    products = part @ part.t() if m < n else part.t() @ part
    expected = float(products.trace()) ** 2 / (m * n) * (m + n + fourth - 2)
    return bool(abs(float(products.square().sum()) / expected - 1) * (m + n) / 2 < 8)
