"""What does a network do at one point of the plane of weight and bias variance, and should it?

Weights are drawn once, with variance 1; a point of the plane only multiplies them, so the picture
moves smoothly. What theory says of the whole plane is prepared once for each activation.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from torch import Generator, Tensor

from initlab.activations import ACTIVATIONS
from initlab.theory import FixedPoint, correlation_map, edge_of_chaos, fixed_point
from initlab.theory.quadrature import moments

WEIGHT_VARS = (0.05, 5.05)  # ends of the plane
BIAS_VARS = (0.0, 0.5)
COLUMNS, ROWS = 60, 40  # cells of the plane, at whose middles χ₁ is known
LEVELS = np.linspace(-6, 6, 121)  # log₁₀ of the second moments at which averages are known
KNOTS = np.array([-4, -3, -2.5, *np.arange(-2, 1.75, 0.25), 2, 2.5, 3, 4, 5, 6])  # ... and pairs
ANGLES = np.pi / 2 * (1 - np.cos(np.pi * np.arange(25) / 24))  # Chebyshev's points in (0, π)
_SIGNS = (-1.0) ** np.arange(25) * np.where(np.arange(25) % 24 == 0, 0.5, 1.0)
SLICE = 0.03  # seconds of preparing pairs between two looks at the controls

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Path:
    """Two inputs on their way up, and a gradient on its way down.

    Args:
        q: Second moment of the pre-activations of each layer.
        c: Correlation of the two inputs' pre-activations in each layer.
        gradient: rms of the gradient at the pre-activations of each layer.
    """

    q: Floats
    c: Floats
    gradient: Floats


@dataclass(frozen=True, kw_only=True)
class PhaseRecords:
    """One network, and the plane in which it is a point.

    Args:
        activation: The nonlinearity.
        weight_var: σ_w² = n·Var(w).
        bias_var: σ_b² = Var(b).
        similarity: Correlation of the two inputs.
        measured: What one network of finite width does.
        predicted: What a wide one should do; None until the maps have been prepared.
        fixed: Where it should lead, χ₁ there, and the depth scales.
        plane: log₁₀ χ₁, bias variances × weight variances, the lowest first.
        edge: Weight and bias variances where χ₁ = 1, 2 × points; no points where there is none.
    """

    activation: str
    weight_var: float
    bias_var: float
    similarity: float
    measured: Path
    predicted: Path | None
    fixed: FixedPoint
    plane: NDArray[np.float32]
    edge: Floats


def phase_records(
    *,
    weight_var: float,
    bias_var: float,
    activation: str,
    similarity: float,
    depth: int,
    width: int,
    seed: int,
    seconds: float = math.inf,
) -> PhaseRecords:
    """Send two inputs through a network, a gradient back, and lay theory beside it.

    z_l = √(σ_w²/n) W_l φ(z_(l-1)) + σ_b b_l, where W and b are standard normal. The inputs are two
    z₁ with a mean square of 1 and the given correlation, both exactly. The gradient is that of a
    fixed random sum of the last layer's z, whose weights have rms 1.

    Args:
        weight_var: σ_w².
        bias_var: σ_b².
        activation: A name in `il.activations.ACTIVATIONS`.
        similarity: Correlation of the two inputs, from -1 to 1.
        depth: Layers, at least 1, which is the inputs' own.
        width: n, units of every layer.
        seed: Decides weights, biases, inputs and the sum.
        seconds: How long to prepare what theory says of this activation; the next call goes on.

    Returns:
        The records. The same arguments give the same ones, once `predicted` is there.
    """
    theory = _theory(activation)
    theory.prepare(seconds)
    predicted = None
    if theory.is_ready:
        predicted = theory.path(weight_var, bias_var, similarity, depth)
    return PhaseRecords(
        activation=activation,
        weight_var=weight_var,
        bias_var=bias_var,
        similarity=similarity,
        measured=_measure(weight_var, bias_var, activation, similarity, _draws(width, seed), depth),
        predicted=predicted,
        fixed=theory.fixed_point(weight_var, bias_var),
        plane=theory.plane,
        edge=theory.edge,
    )


# ---------------------------------------------------------------------------- a real network


class _Draws:
    """Standard normal numbers for one width and seed; a deeper network only adds to them."""

    def __init__(self, width: int, seed: int) -> None:
        self.width = width
        self.generator = Generator().manual_seed(seed)
        self.directions = torch.linalg.qr(self._normal(width, 2)).Q.T * math.sqrt(width)
        above = self._normal(width)
        self.above = above / above.square().mean().sqrt()
        self.layers: list[tuple[Tensor, Tensor]] = []

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator)

    def take(self, depth: int) -> list[tuple[Tensor, Tensor]]:
        """Give the weights and biases of the first layers."""
        while len(self.layers) < depth:
            self.layers.append((self._normal(self.width, self.width), self._normal(self.width)))
        return self.layers[:depth]

    def inputs(self, similarity: float) -> Tensor:
        """Give two inputs with mean square 1 and this correlation."""
        first, other = self.directions
        return torch.stack([first, similarity * first + math.sqrt(1 - similarity**2) * other])


@lru_cache(maxsize=1)  # 22 MB at the most: width 300 and 60 layers
def _draws(width: int, seed: int) -> _Draws:
    return _Draws(width, seed)


def _measure(
    weight_var: float,
    bias_var: float,
    activation: str,
    similarity: float,
    draws: _Draws,
    depth: int,
) -> Path:
    """Make one real pass, forwards and backwards."""
    factor, shift = math.sqrt(weight_var / draws.width), math.sqrt(bias_var)
    states = [draws.inputs(similarity).requires_grad_()]  # no weight needs a gradient
    for weight, bias in draws.take(depth - 1):
        a = ACTIVATIONS[activation].function(states[-1])
        states.append(torch.addmm(bias, a, weight.T, beta=shift, alpha=factor))
    gradients = torch.autograd.grad((states[-1] * draws.above).sum(), states)
    z = torch.stack(states).detach().double()
    sizes = z.square().mean(2)  # (layers, inputs)
    shared = (z[:, 0] * z[:, 1]).mean(1)
    squares = torch.stack(gradients).double().square().mean((1, 2))
    return Path(
        q=np.asarray(sizes.mean(1).numpy()),
        c=np.asarray((shared / sizes.prod(1).sqrt()).numpy()),
        gradient=np.asarray(squares.sqrt().numpy()),
    )


# ------------------------------------------------------------------------------------ theory


class _Curve:
    """A smooth positive function of q, known at `LEVELS`, as a power law beyond them."""

    def __init__(self, values: Floats) -> None:
        self.spline = CubicSpline(LEVELS, np.log10(np.maximum(values, 1e-300)))

    def __call__(self, log_q: Floats | float) -> Floats:
        """Give log₁₀ of the function at log₁₀ q."""
        inside = np.clip(log_q, LEVELS[0], LEVELS[-1])
        return np.asarray(self.spline(inside) + self.slope(inside) * (log_q - inside))

    def slope(self, log_q: Floats | float) -> Floats:
        """Give d ln of the function / d ln q."""
        return np.asarray(self.spline(np.clip(log_q, LEVELS[0], LEVELS[-1]), 1))


class _Theory:
    """What `il.theory` says of one activation, as fast as the hand moves.

    The averages over one Gaussian number are known at once; those over pairs are prepared one
    second moment after the other, since each takes some 30 ms.
    """

    def __init__(self, activation: str) -> None:
        self.activation = activation
        found = moments(activation)
        self.is_homogeneous = found.homogeneous
        averages = [found.averages(10.0**level) for level in LEVELS]
        self.square = _Curve(np.array([one.square for one in averages]))
        self.slope_square = _Curve(np.array([one.slope_square for one in averages]))
        self.pairs: list[Floats] = []  # correlation of φ(z) for each of `ANGLES`, at each knot
        self.pair_spline: Any = None
        self.plane = self._plane()
        self.edge = self._edge()

    @property
    def is_ready(self) -> bool:
        """Whether all pairs are known."""
        return len(self.pairs) == len(KNOTS)

    def prepare(self, seconds: float) -> None:
        """Compute pairs for this long, one second moment at least; none for 0."""
        end = time.perf_counter() + seconds
        for knot in KNOTS[len(self.pairs) :] if seconds else []:
            self.pairs.append(correlation_map(self.activation, np.cos(ANGLES), 10.0**knot, 1.0))
            if time.perf_counter() >= end:
                break
        if self.is_ready and self.pair_spline is None:
            self.pair_spline = CubicSpline(KNOTS, np.stack(self.pairs))

    def path(self, weight_var: float, bias_var: float, similarity: float, depth: int) -> Path:
        """Iterate the variance map and the correlation map, and send a gradient back."""
        q, c = [1.0], [similarity]
        for _ in range(depth - 1):
            level = math.log10(q[-1]) if q[-1] else -math.inf
            emitted = weight_var * 10.0 ** float(self.square(max(level, -300)))
            q.append(emitted + bias_var)
            if c[-1] == 1.0:  # equal inputs stay equal, also where rounding would grow
                c.append(1.0 if q[-1] else math.nan)
                continue
            shared = emitted * _interpolated(self._pairs_at(level), c[-1]) + bias_var
            c.append(shared / q[-1] if q[-1] else math.nan)
        levels = np.log10(np.maximum(q, 1e-300))
        factors = math.log10(weight_var) + self.slope_square(levels[:-1])
        gradient = np.append(np.cumsum(factors[::-1])[::-1] / 2, 0.0)
        with np.errstate(over="ignore"):
            return Path(q=np.array(q), c=np.array(c), gradient=10.0**gradient)

    def _pairs_at(self, level: float) -> Floats:
        """Correlation of φ(z) at `ANGLES`, for z of this log₁₀ q."""
        return np.asarray(self.pair_spline(min(max(level, KNOTS[0]), KNOTS[-1])))

    def fixed_point(self, weight_var: float, bias_var: float) -> FixedPoint:
        """Give what `il.theory.fixed_point` gives, without its 20 ms on the chaotic side."""
        level = self._settled(np.array([weight_var]), np.array([bias_var])).item()
        chi_1 = weight_var * 10.0 ** self.slope_square(level).item()
        is_inside = LEVELS[0] < level < LEVELS[-1]
        if not (self.is_ready and is_inside and chi_1 > 1.001):
            return fixed_point(self.activation, weight_var, bias_var)
        for _ in range(4):  # Newton's steps on q = V(q), in log q
            emitted = weight_var * 10.0 ** self.square(level).item()
            slope = emitted / (emitted + bias_var) * self.square.slope(level).item()
            level += (math.log10(emitted + bias_var) - level) / (1 - slope)
        share, pairs = emitted / (emitted + bias_var), self._pairs_at(level)

        def next_c(c: float) -> float:
            return float(share * _interpolated(pairs, c) + 1 - share)

        low, high = 0.0, 1 - 1e-6  # the map is convex: above c up to c*, then below it
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if next_c(middle) > middle else (low, middle)
        angle_slope = (next_c(low + 1e-4) - next_c(low - 1e-4)) / 2e-4
        return FixedPoint(
            q_star=10.0**level,
            c_star=low,
            chi_1=weight_var * 10.0 ** self.slope_square(level).item(),
            xi_q=_depth_scale(slope),
            xi_c=_depth_scale(angle_slope),
        )

    def _plane(self) -> NDArray[np.float32]:
        """log₁₀ χ₁ at each point of the plane."""
        weight_var, bias_var = np.meshgrid(
            _middles(WEIGHT_VARS, COLUMNS), _middles(BIAS_VARS, ROWS)
        )
        level = self._settled(weight_var.ravel(), bias_var.ravel()).reshape(weight_var.shape)
        return (np.log10(weight_var) + self.slope_square(level)).astype(np.float32)

    def _settled(self, weight_var: Floats, bias_var: Floats) -> Floats:
        """log₁₀ of the level that q = 1 is led to; the ends of `LEVELS` stand for 0 and ∞."""
        q = 10.0**LEVELS
        excess = (weight_var[:, None] * 10.0 ** self.square(LEVELS) + bias_var[:, None]) / q - 1
        one = len(LEVELS) // 2
        sign = np.sign(np.where(np.abs(excess[:, one]) < 1e-9, 0, excess[:, one]))
        found = np.zeros(len(weight_var))
        for direction, stretch in ((1, slice(one, None)), (-1, slice(one, None, -1))):
            chosen = np.flatnonzero(sign == direction)
            values = excess[chosen, stretch] * direction
            found[chosen] = _first_zero(LEVELS[stretch], values)
        return found

    def _edge(self) -> Floats:
        """Where χ₁ = 1: for each level there is one such point of the plane."""
        level = np.linspace(LEVELS[0], 3, 400)
        weight_var = 10.0 ** -self.slope_square(level)
        if self.is_homogeneous:
            return np.array([[weight_var[0]] * 2, BIAS_VARS])
        emitted = weight_var * 10.0 ** self.square(level)
        bias_var = 10.0**level - emitted
        attracts = emitted * self.square.slope(level) < 10.0**level * (1 + 1e-6)
        inside = (bias_var > -1e-5) & (bias_var <= BIAS_VARS[1]) & (weight_var <= WEIGHT_VARS[1])
        kept = np.flatnonzero(attracts & inside)
        reached = self._settled(weight_var[kept], np.maximum(bias_var[kept], 0))
        kept = kept[np.abs(reached - level[kept]) < 0.1]
        if not kept.size:
            return self._edge_beyond()
        return np.stack([weight_var[kept], np.maximum(bias_var[kept], 0)])

    def _edge_beyond(self) -> Floats:
        """An edge at levels without bound, as softplus has it; most have none then."""
        bias_var = np.linspace(*BIAS_VARS, 3)
        try:
            weight_var = np.array([edge_of_chaos(self.activation, one) for one in bias_var])
        except ValueError:
            return np.empty((2, 0))
        inside = weight_var <= WEIGHT_VARS[1]
        return np.stack([weight_var[inside], bias_var[inside]])


def _interpolated(values: Floats, c: float) -> float:
    """Value at the correlation c of a function known at `ANGLES`, through Chebyshev's points."""
    gaps = math.acos(min(max(c, -1.0), 1.0)) - ANGLES
    nearest = np.abs(gaps).argmin()
    if abs(gaps[nearest]) < 1e-9:
        return float(values[nearest])
    weights = _SIGNS / gaps
    return float(weights @ values / weights.sum())


def _depth_scale(slope: float) -> float:
    return -1 / math.log(abs(slope)) if 0 < abs(slope) < 1 else math.inf if slope else 0.0


def _middles(ends: tuple[float, float], count: int) -> Floats:
    return ends[0] + (np.arange(count) + 0.5) * (ends[1] - ends[0]) / count


def _first_zero(levels: Floats, values: Floats) -> Floats:
    """Where each row, positive at its start, first turns negative; its end where it does not."""
    found = np.full(len(values), levels[-1])
    rows = np.flatnonzero((values < 0).any(axis=1))
    place = (values[rows] < 0).argmax(axis=1)
    before, after = values[rows, place - 1], values[rows, place]
    share = before / (before - after)
    found[rows] = levels[place - 1] + share * (levels[place] - levels[place - 1])
    return found


@lru_cache(maxsize=16)
def _theory(activation: str) -> _Theory:
    return _Theory(activation)
