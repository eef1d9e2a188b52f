"""What is the average of a function of a Gaussian number?

The line is cut into panels that end where the function has a kink or a jump; on each panel the
function is smooth, so Gauss-Legendre nodes give close to every digit of float64. Nothing is
drawn at random and no loop runs until it converges: the cost is known beforehand.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from initlab import activations
from initlab.theory import functions
from initlab.theory.functions import COEFFICIENTS, NODES, WEIGHTS, ActivationLike, Array

_DERIVATIVE = np.polynomial.legendre.legvander(NODES, 14) @ np.stack(
    [np.polynomial.legendre.legder(row, axis=0) for row in COEFFICIENTS.T], axis=1
)
_OUTER, _OUTER_WEIGHTS = np.polynomial.legendre.leggauss(10)
_REACH = 12.0  # in standard deviations: the density there is 1e-32 of its peak
_GAP = 1e-12  # nearer to 0 than this nothing counts, in standard deviations (of 1 at most)
_OCTAVES = 2.0 ** np.arange(-460, 460)
_PAIR_PANELS = np.linspace(-8.5, 8.5, 5)
_PAIR_OUTER = np.array([0.0, 2.0, 5.0, 8.5])
SMALLEST, LARGEST = 1e-150, 1e150  # variances beyond these would leave float64
_SMALL_TAIL = 1e-20
_CHEBYSHEV = 25


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
        mesh, rough = functions.mesh(self._function)
        self.kinks, self.jumps = functions.corners(self._function, mesh, rough)
        self._pair_edges = np.union1d(functions.apart(mesh), self.kinks)
        self._corners = np.append(self.kinks, functions.steep(mesh, self.kinks))[:6]
        self._edges = np.union1d(mesh, np.concatenate([-_OCTAVES, _OCTAVES]))
        self._x, self._weights, self._rows = self._tabulate()
        is_tip = (np.diff(self._edges) < 2e-12) & (np.abs(self._edges[1:]) > 1e-6)
        self._is_tip = np.repeat(is_tip, len(NODES))
        x = np.linspace(-8, 8, 33)  # if φ(2x) = 2φ(x), one quadrature serves every variance
        self._homogeneous = np.array_equal(self._values(2 * x), 2 * self._values(x))
        size = np.abs(self._values(x)).max()  # a tail that is nothing beside this is none
        with np.errstate(over="ignore"):
            self._tail = _SMALL_TAIL * size ** np.array([1, 2, 4, 2, 2, 4])
        self._checked = 0.0  # the largest variance for which pairs are known to be exact
        self._at_one = self._averages(1.0)

    @property
    def homogeneous(self) -> bool:
        """Whether φ(kx) = kφ(x) for k > 0, as for ReLU."""
        return self._homogeneous

    def averages(self, q: float) -> Averages:
        """All averages that a curve needs, at one variance."""
        if self._homogeneous:
            one = self._at_one
            return one._replace(
                mean=one.mean * q**0.5, square=one.square * q, fourth=one.fourth * q * q
            )
        found = self._averages(min(max(q, SMALLEST), LARGEST))
        if q < SMALLEST and found.square < 1e3 * SMALLEST:  # φ(0) = 0, and straight beside it
            rest = q / SMALLEST
            return found._replace(
                mean=found.mean * rest**0.5, square=found.square * rest, fourth=0.0
            )
        return found

    def square(self, q: float | Array) -> Array:
        """E[φ(z)²] for z of variance q."""
        levels = np.asarray(q, dtype=float)
        return np.reshape([self.averages(level).square for level in levels.flat], levels.shape)

    def pair(self, c: float | Array, q: float | Array) -> Array:
        """E[φ(u₁)φ(u₂)] for u₁ and u₂ of variance q and correlation c.

        Half-sum and half-difference of the two are independent. In these coordinates the corners
        of both factors are straight lines, so panels can end on them, at any c.
        """
        c, q = np.broadcast_arrays(np.asarray(c, dtype=float), np.asarray(q, dtype=float))
        if c.size > _CHEBYSHEV and np.ptp(q) == 0:
            return self._pair_curve(c, q.flat[0])
        self._check_pair(q.max(initial=SMALLEST))
        values = np.empty(c.shape)
        for chosen in (c >= 0, c < 0):  # positive correlations need half of the nodes
            for part in _chunks(np.flatnonzero(chosen)):
                values.flat[part] = self._pair(c.flat[part], q.flat[part])
        return values

    def _check_pair(self, q: float) -> None:
        """Compare with a case whose answer is known: without correlation it is the mean squared.

        What passes at one variance passes at smaller ones, where the function varies less.
        """
        if q <= self._checked:
            return
        here = self.averages(q)
        nearly_none = np.array([0.0, -1e-12])  # each side of 0 has panels of its own
        found = np.array([self._pair(c, np.array([q])).item() for c in nearly_none[:, None]])
        if np.abs(found - here.mean**2).max() > 1e-4 * here.square:
            raise ValueError(
                f"activation={self.name} varies too fast for a correlation map at variance {q:g}: "
                "its error would exceed 1e-4. Use a smaller variance, or a slower function with "
                "larger weights."
            )
        self._checked = q

    def _pair_curve(self, c: Array, q: float) -> Array:
        """Many correlations at one q: the curve is smooth in the angle, so 25 points fix it."""
        points = np.pi / 2 * (1 - np.cos(np.pi * np.arange(_CHEBYSHEV) / (_CHEBYSHEV - 1)))
        values = self.pair(np.cos(points), q)
        return _interpolate(points, values, np.arccos(np.clip(c, -1, 1)))

    def _tabulate(self) -> tuple[Array, Array, Array]:
        """Evaluate φ and φ′ once, on panels fine enough for every variance."""
        half = np.diff(self._edges)[:, None] / 2
        x = self._edges[:-1, None] + half + half * NODES
        weights = half * (WEIGHTS / np.sqrt(2 * np.pi))
        with np.errstate(over="ignore", invalid="ignore"):
            values, slopes = self._values(x), self._slopes(x, half) ** 2
            rows = [values, values**2, values**4, (x * values) ** 2, slopes, slopes**2]
        return x.ravel(), weights.ravel(), np.stack(rows).reshape(len(rows), -1)

    def _averages(self, q: float) -> Averages:
        """Weigh the table with the Gaussian density, where it counts."""
        root = q**0.5
        gap = _GAP * min(root, 1.0)
        ends = np.array([-_REACH * root, -gap, gap, _REACH * root])
        first, last, second, end = len(NODES) * np.searchsorted(self._edges, ends)
        found = np.r_[first:last, second:end]
        x = self._x[found]
        z = x / root
        weights = self._weights[found] * np.exp(-0.5 * z * z) / root
        suspicious = (np.abs(z) > 0.9 * _REACH) | (np.abs(x) < 100 * gap) | self._is_tip[found]
        with np.errstate(over="ignore", invalid="ignore"):
            totals = self._rows[:, found] @ np.stack([weights, weights * suspicious], axis=1)
            totals[:, 0] += (1 - weights.sum()) * self._rows[:, second]  # what lies in the gap
        exists = np.isfinite(totals[:, 0])  # and no mass in the tail, or piled on one point
        exists[1:] &= totals[1:, 1] <= 5e-3 * totals[1:, 0] + self._tail[1:]
        mean, square, fourth, moved, slope, slope_fourth = np.where(exists, totals[:, 0], np.inf)
        if len(self.jumps):
            slope = slope_fourth = np.inf
        elasticity = (moved / q / square - 1) / 2 if 0 < square < np.inf else 1.0
        return Averages(*map(float, (mean, square, fourth, elasticity, slope, slope_fourth)))

    def _pair(self, c: Array, q: Array) -> Array:
        root = np.sqrt(np.clip(q, SMALLEST, LARGEST))[:, None, None]
        sign = np.where(c < 0, -1.0, 1.0)[:, None, None]
        along = np.sqrt((1 + np.minimum(np.abs(c), 1)) / 2)[:, None, None]
        across = np.sqrt((1 - np.minimum(np.abs(c), 1)) / 2)[:, None, None]
        difference, outer = _panels(self._outer_edges(c, root, sign, across), _OUTER)
        difference = across * difference.reshape(len(c), -1, 1)  # (pairs, outer nodes, 1)
        edges = self._pair_edges / root
        inner = np.concatenate([edges - difference, sign * edges + difference], axis=2) / along
        total, weights = _panels(_sorted_edges(_PAIR_PANELS, inner.reshape(-1, inner.shape[2])))
        total = along * total.reshape(*difference.shape[:2], -1)
        first = self._values(root * (total + difference))
        second = self._values(sign * root * (total - difference))
        averages = (weights.reshape(first.shape) * first * second).sum(axis=2)
        both_sides = 2 if (c >= 0).all() else 1
        return np.asarray(both_sides * (averages * outer.reshape(averages.shape)).sum(axis=1))

    def _outer_edges(self, c: Array, root: Array, sign: Array, across: Array) -> Array:
        """Panels of the half-difference: cut where two corners cross; from 0 where symmetric."""
        pairs = (self._corners[:, None] - sign * self._corners).reshape(len(c), -1) / 2
        features = np.concatenate([np.tile([1.0, 6.0], (len(c), 1)), pairs], axis=1)
        features = features / (np.maximum(across, 1e-9) * root)[:, 0]
        if (c >= 0).all():
            return _sorted_edges(_PAIR_OUTER, features)
        mirrored = np.concatenate([-_PAIR_OUTER[:0:-1], _PAIR_OUTER])
        return _sorted_edges(mirrored, np.concatenate([-features, features], axis=1))

    def _values(self, x: Array) -> Array:
        return functions.to_array(self._function(torch.from_numpy(x)))

    def _slopes(self, x: Array, half: Array) -> Array:
        """Differentiate by autograd, or where the function has none, through its own panels."""
        with torch.inference_mode(False), torch.enable_grad():
            inputs = torch.from_numpy(x).requires_grad_()
            try:
                outputs = self._function(inputs)
                (slope,) = torch.autograd.grad(outputs.sum(), inputs)
                return functions.to_array(slope)
            except (RuntimeError, TypeError):  # a numpy function, or one that cuts the graph
                return np.asarray(self._values(x) @ _DERIVATIVE.T / half)


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


def moments(which: ActivationLike) -> Moments:
    """Give the averages of an activation; those of a name are prepared once."""
    return _named(which) if isinstance(which, str) else Moments(which)


@lru_cache(maxsize=64)
def _named(name: str) -> Moments:
    return Moments(name)


def _chunks(indices: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    return [indices[i : i + _CHEBYSHEV] for i in range(0, len(indices), _CHEBYSHEV)]


def _sorted_edges(fixed: Array, moving: Array) -> Array:
    """Join panel ends that stay with those that move, row by row, within the reach."""
    both = np.empty((len(moving), len(fixed) + moving.shape[1]))
    both[:, : len(fixed)] = fixed
    np.clip(moving, fixed[0], fixed[-1], out=both[:, len(fixed) :])
    both.sort(axis=1)
    return both[:, np.diff(both, axis=1, append=np.inf).max(axis=0) > 0]


def _panels(edges: Array, nodes: Array = NODES) -> tuple[Array, Array]:
    """Give nodes, and Gaussian weights, of shape (rows, panels, nodes)."""
    weights = WEIGHTS if nodes is NODES else _OUTER_WEIGHTS
    half = np.diff(edges, axis=1)[:, :, None] / 2
    z = edges[:, :-1, None] + half + half * nodes
    density = np.exp(-0.5 * z**2)
    density *= half * (weights / np.sqrt(2 * np.pi))
    return z, density


def _interpolate(points: Array, values: Array, at: Array) -> Array:
    """Barycentric interpolation through Chebyshev points."""
    weights = (-1.0) ** np.arange(len(points))
    weights[[0, -1]] /= 2
    distance = at[..., None] - points
    hit = np.abs(distance) < 1e-14
    share = weights / np.where(hit, 1.0, distance)
    share = np.where(hit.any(axis=-1, keepdims=True), hit.astype(float), share)
    return np.asarray((share @ values) / share.sum(axis=-1))
