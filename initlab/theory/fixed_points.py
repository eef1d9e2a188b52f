"""Where do signals settle in a deep network, and how fast?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from initlab.arguments import number
from initlab.theory.functions import ActivationLike, Array
from initlab.theory.quadrature import Moments, moments

_LEVELS = 10.0 ** np.arange(-30, 30.5, 0.5)
_MOST = 1e20  # of a variance, so that the grid reaches beyond where it leads
_LOW, _HIGH = 1e-36, 1e36  # stand for 0 and for infinity
_NEUTRAL = 1e-7
_ROUNDING = 1e-10


@dataclass(frozen=True)
class FixedPoint:
    """Where a deep network takes its signals.

    Args:
        q_star: q*, the second moment of the pre-activations that q = 1 is led to; 0 where signals
            die out, `inf` where they grow without bound, 1 where every level is kept (ReLU with
            σ_w² = 2).
        c_star: c*, the correlation at which any two inputs end. At 1 they become one point. `nan`
            where φ grows so fast that none is defined.
        chi_1: χ₁ = σ_w² E[φ′(√q* ζ)²], the factor of a squared gradient in each layer, and, where
            q* is finite and not 0, of 1 − c for two inputs that are nearly alike (half the square
            of the angle between them): below 1 ordered (gradients vanish), above 1 chaotic (they
            explode). `inf` where φ jumps.
        xi_q: ξ_q, number of layers in which the distance to q* falls by e; `inf` if it does not.
        xi_c: ξ_c, the same for c*: how deep information about the input reaches.
    """

    q_star: float
    c_star: float
    chi_1: float
    xi_q: float
    xi_c: float


def fixed_point(activation: ActivationLike, weight_var: float, bias_var: float = 0.0) -> FixedPoint:
    """Find where q and c end in a deep network, χ₁ there, and the depth scales.

    Args:
        activation: A name, or any elementwise function or layer.
        weight_var: σ_w² = n·Var(w), from 1e-20 to 1e20.
        bias_var: σ_b² = Var(b), from 0 to 1e20.

    Returns:
        The fixed point that a signal with q = 1 is led to.

    Raises:
        TypeError: `activation` is neither a name nor a function.
        ValueError: `activation` is not fit for theory (see `gain`), or a variance is out of range.

    Reference:
        Poole et al. (2016), arXiv:1606.05340, for q*, c* and χ₁; Schoenholz et al. (2017), Deep
        Information Propagation. arXiv:1611.01232, for ξ_q and ξ_c.

    >>> point = fixed_point("tanh", weight_var=(5 / 3) ** 2)  # PyTorch's gain for tanh
    >>> round(point.q_star, 4), round(point.chi_1, 4)
    (1.1785, 1.2098)
    """
    found = moments(activation)
    weight_var = number("weight_var", weight_var, low=1 / _MOST, high=_MOST)
    bias_var = number("bias_var", bias_var, low=0, high=_MOST)
    q_star = _level(found, weight_var, bias_var)
    q = min(max(q_star, _LOW), _HIGH)
    here = found.averages(q)
    if math.isinf(here.square):
        return FixedPoint(q_star, math.nan, math.inf, math.inf, math.inf)
    chi_1 = weight_var * here.slope_square
    level_slope = weight_var * here.square * here.elasticity / q
    c_star, angle_slope = _correlation(found, q, weight_var, bias_var, chi_1)
    return FixedPoint(q_star, c_star, chi_1, _depth_scale(level_slope), _depth_scale(angle_slope))


def edge_of_chaos(activation: ActivationLike, bias_var: float = 0.0) -> float:
    """Give the σ_w² at which χ₁ = 1: neither vanishing nor exploding gradients.

    For each level q there is one σ_w² that makes it a fixed point, (q - σ_b²) / E[φ²]. The edge is
    where that one also has χ₁ = 1. With `bias_var` = 0 it may lie at q = 0: for tanh σ_w² = 1.

    Args:
        activation: A name, or any elementwise function or layer.
        bias_var: σ_b² = Var(b), from 0 to 1e20.

    Returns:
        The critical σ_w², of the fixed point that attracts signals; the lowest if there are
        several. It may lie at infinity (`fixed_point(...).q_star` is `inf`): with biases ReLU's
        signal grows by a little in each layer, and so does GELU's for some `bias_var`.

    Raises:
        TypeError: `activation` is neither a name nor a function.
        ValueError: There is no edge (GELU, SiLU and Mish with `bias_var` = 0: the only points with
            χ₁ = 1 repel), `activation` is not fit for theory, or `bias_var` is out of range.

    Reference:
        Schoenholz et al. (2017), arXiv:1611.01232.

    >>> round(edge_of_chaos("relu"), 9), round(edge_of_chaos("tanh", bias_var=0.05), 2)
    (2.0, 1.76)
    """
    found = moments(activation)
    bias_var = number("bias_var", bias_var, low=0, high=_MOST)
    levels = bias_var + np.concatenate([[_LOW], _LEVELS, [_HIGH]])

    def excess(q: float) -> float:  # of χ₁, with the weights that make q a fixed point
        here = found.averages(q)
        if not 0 < here.square < math.inf:
            return math.nan
        return (q - bias_var) * here.slope_square / here.square - 1

    values = np.array([excess(q) for q in levels])
    levels, values = levels[np.isfinite(values)], values[np.isfinite(values)]
    ends = [q for q, value in zip(levels, values, strict=True) if abs(value) < _ROUNDING]
    for q in sorted([*ends[:1], *_crossings(excess, levels, values), *ends[-1:]]):
        weight_var = float((q - bias_var) / found.averages(q).square)
        if not 1 / _MOST <= weight_var <= _MOST:
            continue
        if abs(fixed_point(activation, weight_var, bias_var).chi_1 - 1) < 1e-5:
            return weight_var
    raise ValueError(
        f"activation={found.name} has no edge of chaos at bias_var={bias_var:g}: "
        "no fixed point that attracts signals has χ₁ = 1. Normalisation layers or residual "
        "branches keep such a network trainable."
    )


def _level(found: Moments, weight_var: float, bias_var: float) -> float:
    """Follow q = 1 up or down to the next level that is kept."""

    def excess(q: float) -> float:  # relative, so that 1e-50 counts like 1
        return weight_var * found.averages(q).square / q + bias_var / q - 1

    at_one = excess(1.0)
    if abs(at_one) < _ROUNDING:
        return 1.0
    levels = _LEVELS[_LEVELS >= 1] if at_one > 0 else _LEVELS[_LEVELS <= 1][::-1]
    for left, right in pairwise(levels):
        if excess(right) * np.sign(at_one) < -_ROUNDING:
            return _root(excess, left, right)
    return math.inf if at_one > 0 else 0.0


def _correlation(
    found: Moments, q: float, weight_var: float, bias_var: float, chi_1: float
) -> tuple[float, float]:
    """c* and the slope of the correlation map there.

    The map is convex between 0 and 1 (its power series has no negative terms), so 1 attracts if
    the slope there is at most 1, and else there is exactly one other fixed point.
    """
    level = weight_var * found.averages(q).square + bias_var
    if not level:  # nothing is emitted
        return 1.0, 0.0
    slope_at_one = chi_1 * q / level
    if slope_at_one <= 1 + _NEUTRAL:
        return 1.0, slope_at_one

    def shared(c: Array | float) -> Array:
        return (weight_var * found.pair(c, q) + bias_var) / level

    grid = np.append(np.cos(np.linspace(np.pi / 2, 0, 12, endpoint=False)), 1 - 1e-6)
    values = shared(grid) - grid
    roots = _crossings(lambda c: float(shared(c)) - c, grid, values)
    if abs(values[0]) < 1e-9:  # φ is odd: 0 stays 0
        roots = [0.0]
    root = roots[0] if roots else 1.0
    low, high = max(root - 1e-4, 0.0), min(root + 1e-4, 1.0)
    return root, float(shared(high) - shared(low)) / (high - low)


def _crossings(function: Callable[[float], float], grid: Array, values: Array) -> list[float]:
    """Find the zeros of a function between grid points of clearly different sign."""
    signs = np.where(np.abs(values) < _ROUNDING, 0, np.sign(values))
    clear = np.flatnonzero(signs)
    changes = clear[1:][signs[clear[1:]] != signs[clear[:-1]]]
    return [_root(function, grid[i - 1], grid[i]) for i in changes]


def _root(function: Callable[[float], float], left: float, right: float) -> float:
    """Close in on a zero, where the two ends differ in sign but for rounding."""
    from scipy.optimize import brentq

    at_left, at_right = function(left), function(right)
    if (at_left > 0) == (at_right > 0):  # one of the two is 0, but for rounding
        return float(left if abs(at_left) < abs(at_right) else right)
    return float(brentq(function, left, right, xtol=1e-300, rtol=1e-14))


def _depth_scale(slope: float) -> float:
    """Layers after which a small distance, multiplied by `slope` in each, falls by e."""
    slope = abs(slope)
    if slope >= 1 - _NEUTRAL:
        return math.inf
    return -1 / math.log(slope) if slope else 0.0
