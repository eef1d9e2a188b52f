"""How far do the singular values of a deep network's Jacobian spread?"""

from __future__ import annotations

import math

import numpy as np

from initlab.activations import ActivationLike
from initlab.arguments import choice, number, whole
from initlab.theory.functions import Array
from initlab.theory.quadrature import moments

_S_TRANSFORM = {"gaussian": 1.0, "orthogonal": 0.0}
_CELLS = 4096  # of the angle, in which the share of singular values is smooth


def singular_value_spread(
    depth: int, weights: str = "gaussian", activation: ActivationLike = "linear", q: float = 1.0
) -> float:
    """Give m₄ / m₂² of the singular values of the Jacobian from input to output.

    m_k is the mean of the k-th powers. 1 means that all singular values are equal (dynamical
    isometry): every direction of the input passes alike. For L square matrices

        m₄ / m₂² = 1 + L (E[φ′⁴] / E[φ′²]² - 1 + s),   s = 1 for Gaussian, 0 for orthogonal

    so a deep linear network of Gaussian matrices has L + 1, one of orthogonal matrices 1.
    Behind ReLU neither is near 1: half of the slopes are 0.

    Args:
        depth: L, the number of matrices, at least 1.
        weights: "gaussian" (independent entries) or "orthogonal".
        activation: After each matrix: a name, or any elementwise function or layer.
        q: Second moment of the pre-activations, the same in all layers; above 0.

    Returns:
        The ratio, at least 1, for infinite width. It does not depend on the gain.

    Raises:
        TypeError: `activation` is neither a name nor a function.
        ValueError: `depth`, `weights` or `q` is out of range, or `activation` is not fit
            for theory (see `gain`).

    Reference:
        Saxe et al. (2014), Exact solutions to the nonlinear dynamics of learning in deep linear
        neural networks. arXiv:1312.6120; Pennington et al. (2017), Resurrecting the sigmoid in
        deep learning through dynamical isometry. arXiv:1711.04735.

    >>> round(singular_value_spread(10), 9), singular_value_spread(10, "orthogonal")
    (11.0, 1.0)
    """
    whole("depth", depth)
    choice("weights", weights, _S_TRANSFORM)
    number("q", q, low=0, open_=True)
    here = moments(activation).averages(q)
    per_layer = here.slope_fourth / here.slope_square**2 - 1 + _S_TRANSFORM[weights]
    return 1 + depth * max(per_layer, 0.0)


def largest_singular_value(depth: int) -> float:
    """Give the largest singular value of a product of L Gaussian matrices with n·Var(w) = 1.

    The largest grows like √(eL) while most others fall towards 0: a typical direction dies out,
    although the mean square of all is 1.

    Args:
        depth: L, the number of square matrices, at least 1.

    Returns:
        √((L + 1)^(L + 1) / L^L), for infinite width; 2 for one matrix.

    Reference:
        Penson & Życzkowski (2011), Product of Ginibre matrices: Fuss-Catalan and Raney
        distributions. arXiv:1103.3453.

    >>> largest_singular_value(1)
    2.0
    """
    whole("depth", depth)
    return math.sqrt((1 + 1 / depth) ** depth * (depth + 1))


def singular_values(depth: int, count: int) -> Array:
    """Give the singular values of a product of L Gaussian matrices with n·Var(w) = 1.

    The squares follow the Fuss-Catalan distribution of order L. It has a simple form in an angle φ
    between 0 and π / (L + 1):

        σ² = sin^(L+1)((L + 1)φ) / (sin φ sin^L(Lφ))
        density of σ² = sin² φ sin^(L-1)(Lφ) / (π sin^L((L + 1)φ))

    so the share of singular values above a given one is an integral over φ.

    Args:
        depth: L, the number of square matrices, at least 1.
        count: How many, at least 1.

    Returns:
        log₁₀ of the singular values, largest first: of `count` equal shares of all of them, the
        middle one of each. Logarithms, since deep products leave the range of floats.

    Reference:
        Penson & Życzkowski (2011), arXiv:1103.3453.

    >>> values = 10 ** singular_values(depth=3, count=1000)
    >>> [round((values**k).mean().item(), 2) for k in (2, 4)]  # 1 and L + 1
    [1.0, 4.0]
    """
    whole("depth", depth)
    whole("count", count)
    grid = (np.arange(_CELLS) + 0.5) / _CELLS
    short = math.pi * (1 - grid) ** 3  # by how much (L + 1)φ falls short of π: dense at the end
    angle = (math.pi - short) / (depth + 1)
    low, here, high = np.sin(angle), np.sin(depth * angle), np.sin(short)
    log_square = (depth + 1) * np.log(high) - np.log(low) - depth * np.log(here)
    log_density = 2 * np.log(low) + (depth - 1) * np.log(here) - depth * np.log(high)
    fall = np.cos(angle) / low + depth**2 * np.cos(depth * angle) / here
    fall += (depth + 1) ** 2 * np.cos(short) / high  # of ln σ² with the angle
    width = 3 * (1 - grid) ** 2 / (_CELLS * (depth + 1))  # of a cell, by π
    above = np.cumsum(np.exp(log_density + log_square) * fall * width)
    middles = np.interp((np.arange(count) + 0.5) / count, above, np.arange(_CELLS) + 1)
    return np.asarray(np.interp(middles, np.arange(_CELLS) + 0.5, log_square) / math.log(100))


def mean_singular_value(weight_var: float) -> float:
    """Give the mean singular value of a square Gaussian matrix: 8 / (3π) · √σ_w².

    Args:
        weight_var: σ_w² = n·Var(w), at least 0. For the Jacobian of a layer multiply it by
            E[φ′²] (an approximation, good while φ′ hardly varies).

    Returns:
        The mean, for infinite width, by the quarter-circle distribution.

    Reference:
        Glorot & Bengio (2010), Understanding the difficulty of training deep feedforward neural
        networks, measured it: about 0.8 and 0.5. The distribution is Marčenko & Pastur's (1967).

    >>> round(mean_singular_value(1.0), 4)
    0.8488
    """
    return 8 / (3 * math.pi) * math.sqrt(number("weight_var", weight_var, low=0))
