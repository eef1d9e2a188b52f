"""What does theory say of one step: what happens to a signal, and to the gradient on its way back?

A signal is a few numbers, since all units of a wide layer are alike. A rule takes the signals that
enter a step, and says what comes out and what happens to a gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from initlab.theory.batchnorm import small_batch_factor
from initlab.theory.quadrature import Moments


class NoTheory(Exception):  # noqa: N818 (it is an answer, not an error)
    """Why theory does not speak about this network, in words for a reader."""


@dataclass(frozen=True)
class Signal:
    """What theory knows of the numbers between two layers.

    Args:
        square: q, their second moment.
        contrast: E[a² - a a′] for two different inputs: what the inputs do not share.
        width: How many units there are.
        noise: Var ln of the mean square over the units, among networks drawn anew.
        level_noise: The part of `noise` that earlier layers made.
        gaussian: Whether they are sums of many terms.
        normalised_over: The batch size, where BatchNorm made them (`inf` for a large batch).
    """

    square: float
    contrast: float
    width: int
    noise: float = 0.0
    level_noise: float = 0.0
    gaussian: bool = False
    normalised_over: float | None = None


class Passed(NamedTuple):
    """The signal that comes out, and what happens to the mean squared gradient on its way back."""

    signal: Signal
    factor: float = 1.0  # from the output to each input
    noise: float = 0.0  # what is added to Var ln


Rule = Callable[..., Passed]


class Same:
    """What passes everything on: Identity, Flatten, dropout in eval mode."""

    def __call__(self, signal: Signal) -> Passed:
        """Give the input."""
        return Passed(signal)


@dataclass(frozen=True)
class Affine:
    """A linear layer whose weights are independent, with mean 0."""

    fan_in: int
    fan_out: int
    weight_square: float  # E[w²]
    bias_square: float  # E[b²]

    def __call__(self, signal: Signal) -> Passed:
        """Sum fan_in independent terms, and add the bias."""
        from_weights = self.fan_in * self.weight_square * signal.square
        square = from_weights + self.bias_square
        level = signal.noise * (from_weights / square if square else 0.0) ** 2
        emitted = Signal(
            square=square,
            contrast=self.fan_in * self.weight_square * signal.contrast,
            width=self.fan_out,
            noise=level + 2 / self.fan_out,
            level_noise=level,
            gaussian=True,
        )
        return Passed(emitted, self.fan_out * self.weight_square, 2 / self.fan_in)


@dataclass(frozen=True)
class Elementwise:
    """An activation, which needs a Gaussian pre-activation to average over."""

    name: str
    moments: Moments

    def __call__(self, signal: Signal) -> Passed:
        """Average φ² and φ′² over a Gaussian."""
        if not signal.gaussian:
            raise NoTheory(
                f"{self.name} does not follow a linear layer, so its input is not Gaussian."
            )
        here = self.moments.averages(signal.square)
        excess = kurtosis(here.fourth, here.square) - 1
        emitted = Signal(
            square=here.square,
            contrast=self._contrast(signal, here.square),
            width=signal.width,
            noise=here.elasticity**2 * signal.level_noise + excess / signal.width,
        )
        factor = here.slope_square
        if signal.normalised_over is not None and self.moments.homogeneous:
            factor *= small_batch_factor(self.moments, signal.normalised_over)
        # (φ′ times a Gaussian gradient)² spreads beyond the gradient's own 2 / width.
        noise = 3 * (kurtosis(here.slope_fourth, here.slope_square) - 1) / signal.width
        return Passed(emitted, factor, noise)

    def _contrast(self, signal: Signal, square: float) -> float:
        if math.isnan(signal.contrast) or not signal.square:
            return signal.contrast
        c = max(1 - signal.contrast / signal.square, -1.0)
        return square - self.moments.pair(c, signal.square).item()


@dataclass(frozen=True)
class Norm:
    """Normalisation over the batch, or over the units of each example."""

    over_batch: bool  # BatchNorm in train mode, else LayerNorm
    weight_square: float  # of γ
    bias_square: float  # of β
    eps: float
    batch_size: float  # `inf` for a large one; only BatchNorm asks

    def __call__(self, signal: Signal) -> Passed:
        """Bring the variance to γ², up to eps, and divide a gradient by what was divided by."""
        variance = signal.square
        if self.over_batch:
            variance = signal.contrast * (1 - 1 / self.batch_size)
        factor = self.weight_square / (variance + self.eps)
        emitted = replace(
            signal,
            square=factor * variance + self.bias_square,
            contrast=factor * signal.contrast,
            noise=0.0,
            level_noise=0.0,
            normalised_over=self.batch_size if self.over_batch else None,
        )
        return Passed(emitted, factor)


@dataclass(frozen=True)
class Scale:
    """A constant factor, and a constant added: x / 2, or BatchNorm before it has seen a batch."""

    weight_square: float
    bias_square: float = 0.0

    def __call__(self, signal: Signal) -> Passed:
        """Scale forwards and backwards alike."""
        emitted = replace(
            signal,
            square=self.weight_square * signal.square + self.bias_square,
            contrast=self.weight_square * signal.contrast,
            normalised_over=None,
        )
        return Passed(emitted, self.weight_square)


class Add:
    """Two paths that meet: they are independent, so second moments add up."""

    def __call__(self, first: Signal, second: Signal) -> Passed:
        """Add second moments; the noise of the two is taken as one and the same."""
        square = first.square + second.square
        share = first.square / square if square else 0.5
        emitted = Signal(
            square=square,
            contrast=first.contrast + second.contrast,
            width=first.width,
            noise=add_noise(share, first.noise, second.noise),
            level_noise=add_noise(share, first.level_noise, second.level_noise),
            gaussian=first.gaussian and second.gaussian,
        )
        return Passed(emitted)


def add_noise(share: float, first: float, second: float) -> float:
    """Give Var ln of a sum whose first part has this share; the two scatter together."""
    return (share * math.sqrt(first) + (1 - share) * math.sqrt(second)) ** 2


def kurtosis(fourth: float, square: float) -> float:
    """Give E[a⁴] / E[a²]², 1 for what never varies."""
    return fourth / square / square if square else 1.0
