"""What does a step of a network do to a signal, and to the gradient on its way back?

A signal is a few numbers, since all units of a wide layer are alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from initlab.theory.batchnorm import small_batch_factor
from initlab.theory.quadrature import Moments


class NoTheory(Exception):  # noqa: N818 (it is an answer, not an error)
    """Why theory does not speak about this network, in words for a reader."""


@dataclass(frozen=True)
class Signal:
    """What theory knows of the numbers between two layers."""

    square: float  # q, their second moment
    contrast: float  # E[a² - a a′] for two inputs: what they do not share; nan if nobody asks
    width: int  # how many units there are
    noise: float = 0.0  # Var ln of the mean square over the units, among networks drawn anew
    level_noise: float = 0.0  # the part of `noise` that earlier layers made
    gaussian: bool = False  # whether they are sums of many terms
    normalised_over: float | None = None  # the batch size, if BatchNorm made them


class Passed(NamedTuple):
    """The signal that comes out, and what happens to the mean squared gradient on its way back."""

    signal: Signal
    factor: float = 1.0  # from the output to each input
    noise: float = 0.0  # what is added to Var ln


def affine(
    signal: Signal, fan_in: int, fan_out: int, weight_square: float, bias_square: float
) -> Passed:
    """Pass a linear layer whose weights are independent, with mean 0; E[w²] and E[b²] are given."""
    from_weights = fan_in * weight_square * signal.square
    square = from_weights + bias_square
    level = signal.noise * (from_weights / square if square else 0.0) ** 2
    emitted = Signal(
        square=square,
        contrast=fan_in * weight_square * signal.contrast,
        width=fan_out,
        noise=level + 2 / fan_out,
        level_noise=level,
        gaussian=True,
    )
    return Passed(emitted, fan_out * weight_square, 2 / fan_in)


def elementwise(signal: Signal, name: str, moments: Moments) -> Passed:
    """Pass an activation: averages of φ² and φ′² over a Gaussian pre-activation."""
    if not signal.gaussian:
        raise NoTheory(f"{name} does not follow a linear layer, so its input is not Gaussian.")
    here = moments.averages(signal.square)
    contrast = signal.contrast
    if not math.isnan(contrast) and signal.square:
        c = max(1 - contrast / signal.square, -1.0)
        contrast = here.square - moments.pair(c, signal.square).item()
    excess = kurtosis(here.fourth, here.square) - 1
    noise = here.elasticity**2 * signal.level_noise + excess / signal.width
    factor = here.slope_square
    if signal.normalised_over is not None and moments.homogeneous:
        factor *= small_batch_factor(moments, signal.normalised_over)
    # (φ′ times a Gaussian gradient)² spreads beyond the gradient's own 2 / width.
    spread = 3 * (kurtosis(here.slope_fourth, here.slope_square) - 1) / signal.width
    return Passed(Signal(here.square, contrast, signal.width, noise), factor, spread)


def norm(
    signal: Signal, weight_square: float, bias_square: float, eps: float, batch_size: float | None
) -> Passed:
    """Pass a LayerNorm, or a BatchNorm over a batch of this size (`inf` for a large one).

    It brings the variance to γ², up to eps, and divides a gradient by what it divided by.
    """
    variance = signal.square if batch_size is None else signal.contrast * (1 - 1 / batch_size)
    passed = scale(signal, weight_square / (variance + eps))
    emitted = replace(
        passed.signal,
        square=passed.factor * variance + bias_square,
        noise=0.0,
        level_noise=0.0,
        normalised_over=batch_size,
    )
    return Passed(emitted, passed.factor)


def scale(signal: Signal, weight_square: float, bias_square: float = 0.0) -> Passed:
    """Pass a constant factor, and a constant added: x / 2, or BatchNorm before it saw a batch."""
    emitted = replace(
        signal,
        square=weight_square * signal.square + bias_square,
        contrast=weight_square * signal.contrast,
        normalised_over=None,
    )
    return Passed(emitted, weight_square)


def add(first: Signal, second: Signal) -> Passed:
    """Let two paths meet: they are independent, so second moments add up."""
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
