"""What is the average of a function of a Gaussian number, or of two that are correlated?

The line is cut into panels that halve towards 0 (where a function bends, whatever the variance)
and end where this one has a kink or a jump. On each panel Gauss-Legendre nodes give close to
every digit of float64.

For two numbers of correlation c the average is a power series in c (Mehler's formula),

    E[φ(u₁) φ(u₂)] = Σ a_n² c^n,     a_n = E[φ(√q ζ) h_n(ζ)],

with Hermite polynomials h_n that are orthonormal for ζ. What lies beyond the last term computed is
known in total, from c = 1 and c = -1, and falls with n like the power that the last terms show.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from initlab import activations
from initlab.theory import functions
from initlab.theory.functions import ActivationLike, Array

SMALLEST, LARGEST = 1e-150, 1e150  # variances beyond these would leave float64
_REACH = 12.0  # in standard deviations: the density there is 1e-32 of its peak
_QUARTERS = 4.0 ** np.arange(-35, 0)
_EDGES = np.concatenate([-_QUARTERS, [0.0], _QUARTERS, np.arange(-_REACH, _REACH + 0.5, 0.5)])
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_TERMS = 384
_MOST_BEYOND = 0.1  # share of E[φ²] that may lie beyond the last term
_FALL, _FALL_WEIGHTS = np.polynomial.legendre.leggauss(200)
_FALL = 15 * (1 + _FALL)  # from 0 to 30, with weights for a mean over exp(-x)
_FALL_WEIGHTS = 15 * _FALL_WEIGHTS * np.exp(-_FALL)


class Averages(NamedTuple):
    """What is known at one variance q.

    Args:
        mean: E[φ].
        square: E[φ²].
        fourth: E[φ⁴].
        elasticity: d ln E[φ²] / d ln q, by Stein's identity, so φ need not be differentiable.
        slope_square: E[φ′²]; infinite where φ jumps.
        slope_fourth: E[φ′⁴].
    """

    mean: float
    square: float
    fourth: float
    elasticity: float
    slope_square: float
    slope_fourth: float


class Moments:
    """Averages of one activation φ over Gaussian numbers of variance q.

    Args:
        which: A name in `ACTIVATIONS`, or any elementwise function or layer on tensors or arrays.

    Raises:
        TypeError: `which` is neither a name nor a function.
        ValueError: The function fails, is not elementwise, is constant or random, or returns
            numbers that are not finite.

    >>> round(Moments("relu").square(4.0).item(), 12)
    2.0
    """

    def __init__(self, which: ActivationLike) -> None:
        found = activations.activation(which)
        self.name = found.name
        self._function = functions.evaluator(found)
        functions.check(self.name, self._function)
        self.edges, self.kinks, self.jumps = functions.shape(self._function)
        x = np.linspace(-8, 8, 33)
        values = self._values(x)
        self.homogeneous = bool(np.allclose(self._values(2 * x), 2 * values, rtol=1e-12))
        """Whether φ(kx) = kφ(x) for k > 0, as for ReLU."""
        with np.errstate(over="ignore"):  # a tail that is nothing beside the function is none
            self._tail = 1e-20 * np.abs(values).max() ** np.array([1, 2, 4, 2, 2, 4])
        self.averages = lru_cache(maxsize=512)(self._averages)
        self._series = lru_cache(maxsize=512)(self._expand)

    def square(self, q: float | Array) -> Array:
        """E[φ(z)²] for z of variance q."""
        levels = np.asarray(q, dtype=float)
        return np.reshape([self.averages(level).square for level in levels.flat], levels.shape)

    def pair(self, c: float | Array, q: float | Array) -> Array:
        """E[φ(u₁)φ(u₂)] for u₁ and u₂ of variance q and correlation c."""
        c, q = np.broadcast_arrays(np.asarray(c, dtype=float), np.asarray(q, dtype=float))
        values = np.empty(c.shape)
        for level in np.unique(q):
            values[q == level] = self._series(float(level)).at(c[q == level])
        return values

    def _averages(self, q: float) -> Averages:
        """All averages that a curve needs, at one variance."""
        root = min(q, LARGEST) ** 0.5
        z, weights = _panels(self._own_edges(root))
        x = root * z
        with np.errstate(over="ignore", invalid="ignore"):
            values, slopes = self._values(x), self._slopes(x) ** 2
            rows = [values, values**2, values**4, (z * values) ** 2, slopes, slopes**2]
            weighted = np.stack(rows) * weights
            totals, far = weighted.sum(1), weighted[:, np.abs(z) > 0.9 * _REACH].sum(1)
        exists = np.isfinite(totals)
        exists[1:] &= (far <= 5e-3 * totals + self._tail)[1:]  # else the sum goes on and on
        mean, square, fourth, moved, slope, slope_fourth = np.where(exists, totals, np.inf)
        if len(self.jumps):
            slope = slope_fourth = np.inf
        elasticity = (moved / square - 1) / 2 if 0 < square < np.inf else 1.0
        return Averages(*map(float, (mean, square, fourth, elasticity, slope, slope_fourth)))

    def _expand(self, q: float) -> _Series:
        """Find the terms of Mehler's formula."""
        root = min(max(q, SMALLEST), LARGEST) ** 0.5
        own = self._own_edges(root)
        z, weights = _panels(own)
        values = self._values(root * z)
        terms = (_hermite(own) @ (np.sqrt(weights) * values)) ** 2
        ends = (weights * values) @ values, (weights * values) @ values[::-1]
        beyond = ends[0] - terms.sum(), ends[1] - terms[::2].sum() + terms[1::2].sum()
        if beyond[0] > _MOST_BEYOND * ends[0]:
            raise ValueError(
                f"activation={self.name} varies too fast for a correlation map at variance {q:g}: "
                "its error would exceed 1e-4. Use a smaller variance, or a slower function with "
                "larger weights."
            )
        return _Series(terms, beyond)

    def _own_edges(self, root: float) -> tuple[float, ...]:
        """Tell at which ζ within reach panels must end too, since φ(root · ζ) bends or jumps."""
        return tuple((self.edges[np.abs(self.edges) < _REACH * root] / root).tolist())

    def _values(self, x: Array) -> Array:
        return functions.to_array(self._function(torch.from_numpy(x)))

    def _slopes(self, x: Array) -> Array:
        """Differentiate by autograd, or where the function has none, by differences."""
        with torch.inference_mode(False), torch.enable_grad():
            inputs = torch.from_numpy(x).requires_grad_()
            try:
                (slope,) = torch.autograd.grad(self._function(inputs).sum(), inputs)
                return functions.to_array(slope)
            except (RuntimeError, TypeError):  # a numpy function, or one that cuts the graph
                step = 1e-6 * (1 + np.abs(x))
                return np.asarray((self._values(x + step) - self._values(x - step)) / (2 * step))


class _Series(NamedTuple):
    """A power series in c.

    Args:
        terms: a_n² for n = 0, 1, ...
        beyond: The sum of all further terms at c = 1, and at c = -1.
    """

    terms: Array
    beyond: tuple[float, float]

    def at(self, c: Array) -> Array:
        """Add up the series at correlations c."""
        found = np.polynomial.polynomial.polyval(np.clip(c, -1, 1), self.terms)
        half = len(self.terms) // 2
        even, odd = self.terms[half::2].sum(), self.terms[half + 1 :: 2].sum()
        if self.beyond[0] <= 1e-11 * self.terms.sum() or even + odd <= 0:
            return np.asarray(found)
        start = 2 * half - 0.5 + (odd - even) / (odd + even) / 2  # between two terms
        power = np.log2(1 + (even + odd) / self.beyond[0])  # terms fall like n^-(1 + power)
        counts = start * np.exp(np.minimum(_FALL / max(power, 0.1), 600))
        with np.errstate(divide="ignore"):
            logs = np.log(np.minimum(np.abs(c), 1))
        fades = np.exp(np.maximum(logs[..., None], -50) * counts) @ _FALL_WEIGHTS
        return np.asarray(found + np.where(c < 0, self.beyond[1], self.beyond[0]) * fades)


def moments(which: ActivationLike) -> Moments:
    """Give the averages of an activation; those of a name are prepared once."""
    return _named(which) if isinstance(which, str) else Moments(which)


@lru_cache(maxsize=64)
def _named(name: str) -> Moments:
    return Moments(name)


@lru_cache(maxsize=8)
def _panels(own: tuple[float, ...]) -> tuple[Array, Array]:
    """Give places of ζ, symmetric about 0, and the weights that a mean has there."""
    edges = np.unique([*_EDGES, *own, *(-edge for edge in own)])
    half = np.diff(edges)[:, None] / 2
    z = (edges[:-1, None] + half + half * _NODES).ravel()
    weights = (half * _WEIGHTS).ravel() * np.exp(-0.5 * z * z)
    return z, weights / weights.sum()


@lru_cache(maxsize=1)
def _hermite(own: tuple[float, ...]) -> Array:
    """Give Hermite polynomials that are orthonormal for a Gaussian, times √ of its weights.

    Shape:
        (terms, nodes)
    """
    z, weights = _panels(own)
    found = np.empty((_TERMS, len(z)))
    found[0] = np.sqrt(weights)
    found[1] = z * found[0]
    for n in range(2, _TERMS):
        found[n] = (z * found[n - 1] - (n - 1) ** 0.5 * found[n - 2]) / n**0.5
    return found
