"""By how much does BatchNorm make gradients grow at the start?"""

from __future__ import annotations

import math

import numpy as np

from initlab.arguments import whole
from initlab.theory.functions import ActivationLike
from initlab.theory.quadrature import Moments, moments


def batchnorm_factor(activation: ActivationLike = "relu", batch_size: int | None = None) -> float:
    """Give the factor per layer of a squared gradient norm, in a deep network with BatchNorm.

    Each layer is linear → BatchNorm → φ. Forwards every pre-activation has variance 1, whatever the
    weights. Backwards BatchNorm divides by the std that it found. The inputs of a batch share a
    part of their signal, which BatchNorm removes, so that std is small and gradients grow:

    - large batch: E[φ′²] / Var φ for a standard Gaussian; π / (π - 1) for ReLU, 1 without
      nonlinearity;
    - batch of B inputs: a pre-activation, as a vector over the batch, is uniform on a sphere in
      B - 1 dimensions, whose squared radius has mean inverse 1 / (B - 3); without nonlinearity
      the factor is (B - 2) / (B - 3).

    The formulas were derived here, for wide networks, many layers from the input, and a gradient
    that does not depend on the forward pass; the tests check them by measurement. The paper is
    where the effect was found.

    Args:
        activation: A name, or any elementwise function or layer.
        batch_size: B, at least 4 (below, no mean exists); None is the limit of a large batch.

    Returns:
        The factor, above 1 except for linear networks with a large batch.

    Raises:
        TypeError: `activation` is neither a name nor a function.
        ValueError: `batch_size` is below 4, or is given for an activation without
            φ(kx) = kφ(x); or `activation` is not fit for theory (see `gain`).

    Reference:
        Yang et al. (2019), A Mean Field Theory of Batch Normalization. arXiv:1902.08129
        (source not read in full).

    >>> round(batchnorm_factor("relu"), 4), round(batchnorm_factor("linear", batch_size=8), 4)
    (1.4669, 1.2)
    """
    found = moments(activation)
    if batch_size is None:
        here = found.averages(1.0)
        return here.slope_square / (here.square - here.mean**2)
    whole("batch_size", batch_size, least=4)
    if not found.homogeneous:
        raise ValueError(
            f"batch_size is understood for activations with φ(kx) = kφ(x) only (linear, relu, "
            f"leaky_relu), got activation={found.name}: leave it out for a large batch."
        )
    return _small_batch(found, batch_size)


def small_batch_factor(found: Moments, batch_size: float) -> float:
    """Return what this batch size adds to the factor that follows from levels and slopes alone."""
    if math.isinf(batch_size):
        return 1.0
    here, shared = found.averages(1.0), found.pair(-1 / (batch_size - 1), 1.0).item()
    within = (here.square - shared) * (1 - 1 / batch_size)  # the variance that BatchNorm finds
    return _small_batch(found, batch_size) * within / here.slope_square


def _small_batch(found: Moments, b: float) -> float:
    """Mean squared gradient after (I - ûûᵀ) G φ′ on the sphere, per mean square before it.

    G takes the mean over the batch away and û is the direction of the pre-activation; with
    φ(kx) = kφ(x) averages over the sphere are those over a Gaussian of correlation -1 / (b - 1).
    """
    c, step = -1 / (b - 1), 1e-4
    low, shared, high = found.pair(np.array([c - step, c, c + step]), 1.0)
    slopes = (high - low) / (2 * step)  # E[φ′(u₁)φ′(u₂)], by Price's theorem
    here = found.averages(1.0)
    trace = (1 - 1 / b) * ((b - 1) * here.slope_square - here.square + slopes + shared)
    return float(b * trace / ((b - 3) * (here.square - shared) * (b - 1)))
