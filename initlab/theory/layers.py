"""What does theory say of one layer: what happens to a signal, and to the gradient on its way back?

A signal is a few numbers per layer, since all units of a wide layer are alike. Each rule below
takes them forwards, and tells by which factor a squared gradient grows on the way back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

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


class Rule:
    """What happens to a signal at one step; `name` is the layer's, None for a plain function."""

    def forward(self, *inputs: Signal) -> Signal:
        """Give the signal that comes out."""
        raise NotImplementedError

    def backward(self, *inputs: Signal) -> float:
        """Give the factor of the mean squared gradient, from the output to each input."""
        return 1.0

    def backward_noise(self, *inputs: Signal) -> float:
        """Give what this step adds to Var ln of the mean squared gradient."""
        return 0.0


class Same(Rule):
    """Pass everything on: Identity, Flatten, dropout in eval mode."""

    def forward(self, *inputs: Signal) -> Signal:
        """Give the input."""
        return inputs[0]


@dataclass(frozen=True)
class Affine(Rule):
    """A linear layer whose weights are independent, with mean 0.

    Args:
        fan_in: Inputs of a unit.
        fan_out: Units that an input reaches.
        weight_square: E[w²].
        bias_square: E[b²].
    """

    fan_in: int
    fan_out: int
    weight_square: float
    bias_square: float

    def forward(self, *inputs: Signal) -> Signal:
        """Sum fan_in independent terms, and add the bias."""
        (signal,) = inputs
        from_weights = self.fan_in * self.weight_square * signal.square
        square = from_weights + self.bias_square
        level = signal.noise * (from_weights / square if square else 0.0) ** 2
        return Signal(
            square=square,
            contrast=self.fan_in * self.weight_square * signal.contrast,
            width=self.fan_out,
            noise=level + 2 / self.fan_out,
            level_noise=level,
            gaussian=True,
        )

    def backward(self, *inputs: Signal) -> float:
        """Sum fan_out independent terms."""
        return self.fan_out * self.weight_square

    def backward_noise(self, *inputs: Signal) -> float:
        """A mean over fan_in Gaussian squares."""
        return 2 / self.fan_in


@dataclass(frozen=True)
class Elementwise(Rule):
    """An activation, which needs a Gaussian pre-activation to average over.

    Args:
        name: For the message where it does not follow a linear layer.
        moments: Its averages.
    """

    name: str
    moments: Moments

    def forward(self, *inputs: Signal) -> Signal:
        """Average φ² over a Gaussian."""
        (signal,) = inputs
        if not signal.gaussian:
            raise NoTheory(
                f"{self.name} does not follow a linear layer, so its input is not Gaussian."
            )
        found = self.moments.averages(signal.square)
        return Signal(
            square=found.square,
            contrast=self._contrast(signal, found.square),
            width=signal.width,
            noise=found.elasticity**2 * signal.level_noise
            + (_ratio(found.fourth, found.square) - 1) / signal.width,
        )

    def backward(self, *inputs: Signal) -> float:
        """Average φ′² over a Gaussian."""
        factor = self.moments.averages(inputs[0].square).slope_square
        if not np.isfinite(factor):
            raise NoTheory(f"{self.name} jumps, or is so steep that its squared slope has no mean.")
        batch_size = inputs[0].normalised_over
        if batch_size is not None and self.moments.homogeneous:
            factor *= small_batch_factor(self.moments, batch_size)
        return factor

    def backward_noise(self, *inputs: Signal) -> float:
        """The spread of (φ′ times a Gaussian gradient)², beyond the gradient's own 2 / width."""
        found = self.moments.averages(inputs[0].square)
        return 3 * (_ratio(found.slope_fourth, found.slope_square) - 1) / inputs[0].width

    def _contrast(self, signal: Signal, square: float) -> float:
        if np.isnan(signal.contrast) or not signal.square:
            return signal.contrast
        c = max(1 - signal.contrast / signal.square, -1.0)
        return square - self.moments.pair(c, signal.square).item()


@dataclass(frozen=True)
class Norm(Rule):
    """Normalisation over the batch, or over the units of each example.

    Args:
        over_batch: BatchNorm in train mode, else LayerNorm.
        weight_square: Mean square of its weight γ.
        bias_square: Mean square of its bias β.
        eps: What it adds to the variance.
        batch_size: Inputs in a batch, `inf` for a large one; only BatchNorm asks.
    """

    over_batch: bool
    weight_square: float
    bias_square: float
    eps: float
    batch_size: float

    def forward(self, *inputs: Signal) -> Signal:
        """Bring the variance to γ², up to eps."""
        (signal,) = inputs
        variance = self._variance(signal)
        share = self.weight_square * variance / (variance + self.eps)
        rest = self.weight_square * signal.contrast / (variance + self.eps)
        return replace(
            signal,
            square=share + self.bias_square,
            contrast=rest,
            noise=0.0,
            level_noise=0.0,
            normalised_over=self.batch_size if self.over_batch else None,
        )

    def backward(self, *inputs: Signal) -> float:
        """Divide by what the forward pass divided by."""
        return self.weight_square / (self._variance(inputs[0]) + self.eps)

    def _variance(self, signal: Signal) -> float:
        if not self.over_batch:
            return signal.square
        return signal.contrast * (1 - 1 / self.batch_size)


@dataclass(frozen=True)
class FrozenNorm(Rule):
    """BatchNorm in eval mode before it has seen a batch: it multiplies by γ, and adds β."""

    weight_square: float
    bias_square: float

    def forward(self, *inputs: Signal) -> Signal:
        """Scale and shift."""
        (signal,) = inputs
        return replace(
            signal,
            square=self.weight_square * signal.square + self.bias_square,
            contrast=self.weight_square * signal.contrast,
        )

    def backward(self, *inputs: Signal) -> float:
        """Scale alike."""
        return self.weight_square


class Add(Rule):
    """Two paths that meet: they are independent, so second moments add up."""

    def forward(self, *inputs: Signal) -> Signal:
        """Add second moments; the noise of the two is taken as one and the same."""
        first, second = inputs
        square = first.square + second.square
        share = first.square / square if square else 0.5
        return Signal(
            square=square,
            contrast=first.contrast + second.contrast,
            width=first.width,
            noise=_mix(share, first.noise, second.noise),
            level_noise=_mix(share, first.level_noise, second.level_noise),
            gaussian=first.gaussian and second.gaussian,
        )


@dataclass(frozen=True)
class Times(Rule):
    """Multiplication by a constant."""

    factor: float

    def forward(self, *inputs: Signal) -> Signal:
        """Scale second moments by its square."""
        (signal,) = inputs
        return replace(
            signal,
            square=self.factor**2 * signal.square,
            contrast=self.factor**2 * signal.contrast,
            normalised_over=None,
        )

    def backward(self, *inputs: Signal) -> float:
        """Scale alike."""
        return self.factor**2


def _mix(share: float, first: float, second: float) -> float:
    return float((share * np.sqrt(first) + (1 - share) * np.sqrt(second)) ** 2)


def _ratio(fourth: float, square: float) -> float:
    """E[a⁴] / E[a²]², 1 for what never varies."""
    return fourth / square**2 if square else 1.0
