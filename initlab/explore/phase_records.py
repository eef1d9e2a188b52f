"""What does a network do at one point of the plane of weight and bias variance, and should it?

Weights are drawn once, with variance 1; a point of the plane only multiplies them, so the picture
moves smoothly. What theory says of the whole plane is prepared once for each activation.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.interpolate import RectBivariateSpline
from torch import Tensor, nn

from initlab.activations import ACTIVATIONS
from initlab.explore import usual
from initlab.explore.controls import slider
from initlab.explore.networks import generator
from initlab.explore.panels import Numbers
from initlab.explore.signal_records import rms_of
from initlab.probe import input_correlation, trace
from initlab.theory import FixedPoint, correlation_map, edge_of_chaos, fixed_point
from initlab.theory.quadrature import moments

WEIGHT_VARS = (0.05, 5.05)  # ends of the plane
BIAS_VARS = (0.0, 0.5)
DEEPEST = 60  # layers
COLUMNS, ROWS = 60, 40  # cells of the plane, at whose middles χ₁ is known
LEVELS = np.linspace(-6, 6, 241)  # log₁₀ of second moments at which averages are known
KNOTS = np.array([-4, -3, -2.5, *np.arange(-2, 1.75, 0.25), 2, 2.5, 3, 4, 5, 6])  # ... and pairs
ANGLES = np.pi / 2 * (1 - np.cos(np.pi * np.arange(25) / 24))  # of pairs, denser near 0 and π
EDGE = BIAS_VARS[1] * np.linspace(0, 1, 16) ** 2  # bias variances at which the edge is known


@dataclass(frozen=True, kw_only=True)
class PhaseSettings:
    """A point of the plane, and the network that is measured there."""

    weight_var: float = slider(
        1.75, label="weights, σ_w²", low=WEIGHT_VARS[0], high=WEIGHT_VARS[1], main=True,
        hint="Weight variance times fan-in, n·Var(w)",
    )  # fmt: skip
    bias_var: float = slider(
        0.05, label="biases, σ_b²", low=BIAS_VARS[0], high=BIAS_VARS[1], main=True,
        hint="Variance of the biases, Var(b)",
    )  # fmt: skip
    activation: str = usual.activation(
        "tanh", main=True, hint="The nonlinearity; it decides where the edge is"
    )
    depth: int = usual.depth(30, DEEPEST, play=True, main=False, hint="Layers of the network")
    similarity: float = slider(
        0.6, label="inputs' correlation", low=0.0, high=1.0, hint="1: the two inputs are the same"
    )
    width: int = usual.width(200, 100, 200, 300, hint="Units in each layer")
    seed: int = usual.seed()


@dataclass(frozen=True, kw_only=True)
class Path:
    """Two inputs on their way up, and a gradient on its way down.

    Args:
        q: Second moment of the pre-activations of each layer.
        c: Correlation of the two inputs' pre-activations in each layer.
        gradient: rms of the gradient at the pre-activations of each layer.
    """

    q: Numbers
    c: Numbers
    gradient: Numbers


@dataclass(frozen=True, kw_only=True)
class PhaseRecords:
    """One network, and the plane in which it is a point.

    Args:
        settings: Which network, and which point.
        measured: What one network of finite width does.
        predicted: What a wide one should do.
        fixed: Where it should lead, χ₁ there, and the depth scales.
        plane: log₁₀ χ₁, bias variances × weight variances, the lowest first.
        edge: Weight and bias variances where χ₁ = 1, 2 × points; no points where there is none.
    """

    settings: PhaseSettings
    measured: Path
    predicted: Path
    fixed: FixedPoint
    plane: Numbers
    edge: Numbers


def phase_records(settings: PhaseSettings) -> PhaseRecords:
    """Send two inputs through a network, a gradient back, and lay theory beside it.

    z_l = √(σ_w²/n) W_l φ(z_(l-1)) + σ_b b_l, where W and b are standard normal. The inputs are two
    z₁ with a mean square of 1 and the given correlation, both exactly. The gradient is that of a
    fixed random sum of the last layer's z, whose weights have rms 1.
    """
    theory = _theory(settings.activation)
    return PhaseRecords(
        settings=settings,
        measured=_measure(settings),
        predicted=theory.path(settings),
        fixed=fixed_point(settings.activation, settings.weight_var, settings.bias_var),
        plane=theory.plane,
        edge=theory.edge,
    )


class _Network:
    """The deepest network: layers of standard normal numbers."""

    def __init__(self, width: int, activation: str, seed: int) -> None:
        draw = generator(seed)
        self.width = width
        self.directions = torch.linalg.qr(torch.randn(width, 2, generator=draw)).Q.T * width**0.5
        above = torch.randn(width, generator=draw)
        self.above = above / above.square().mean().sqrt()
        self.modules: list[nn.Module] = [nn.Identity()]  # emits the inputs
        self.drawn: list[tuple[nn.Linear, Tensor, Tensor]] = []
        for _ in range(DEEPEST - 1):
            linear = nn.Linear(width, width, device="meta").to_empty(device="cpu")
            self.modules += [ACTIVATIONS[activation].module(), linear.requires_grad_(False)]
            numbers = torch.randn(width, width, generator=draw), torch.randn(width, generator=draw)
            self.drawn.append((linear, *numbers))

    def inputs(self, similarity: float) -> Tensor:
        """Give two inputs with mean square 1 and this correlation."""
        first, other = self.directions
        return torch.stack([first, similarity * first + math.sqrt(1 - similarity**2) * other])

    def at(self, weight_var: float, bias_var: float, depth: int) -> nn.Sequential:
        """Return the first layers with these variances."""
        for linear, weight, bias in self.drawn[: depth - 1]:
            torch.mul(weight, math.sqrt(weight_var / self.width), out=linear.weight)
            torch.mul(bias, math.sqrt(bias_var), out=linear.bias)
        return nn.Sequential(*self.modules[: 2 * depth - 1])


_network = lru_cache(maxsize=1)(_Network)  # 43 MB at the most: width 300


def _measure(settings: PhaseSettings) -> Path:
    """Trace a real pass, forwards and backwards."""
    kept = _network(settings.width, settings.activation, settings.seed)
    network = kept.at(settings.weight_var, settings.bias_var, settings.depth)
    x = kept.inputs(settings.similarity)
    names = [str(place) for place in range(0, len(network), 2)]
    seen = trace(
        network, x.requires_grad_(), loss=lambda z, _: (z * kept.above).sum(),
        layers=names, histogram_sample=1, bins=1,
    )  # fmt: skip
    alike = input_correlation(network, x.detach(), layers=names)
    return Path(
        q=np.array([rms_of(seen[name].activation) ** 2 for name in names]),
        c=np.array([alike[name] for name in names]),
        gradient=np.array([rms_of(seen[name].gradient) for name in names]),
    )


class _Theory:
    """What `il.theory` says of one activation, as fast as the hand moves: from tables."""

    def __init__(self, activation: str) -> None:
        self.activation = activation
        self.moments = moments(activation)
        averages = [self.moments.averages(10.0**level) for level in LEVELS]
        values = np.array([[one.square, one.slope_square] for one in averages])
        self.square, self.slope_square = values.T
        alike = correlation_map(activation, np.cos(ANGLES), 10.0 ** KNOTS[:, None], 1.0)
        self.alike = RectBivariateSpline(KNOTS, ANGLES, alike)  # correlation of φ(z)
        self.plane = self._plane()
        self.edge = self._edge()

    def path(self, settings: PhaseSettings) -> Path:
        """Iterate the variance map and the correlation map, and send a gradient back."""
        q, c, factors = [1.0], [settings.similarity], []
        for _ in range(settings.depth - 1):
            here = self.moments.averages(q[-1])
            emitted = settings.weight_var * here.square
            factors.append(settings.weight_var * here.slope_square)
            c.append(self._next_c(q[-1], c[-1], emitted, settings.bias_var))
            q.append(emitted + settings.bias_var)
        with np.errstate(over="ignore"):
            gradient = np.sqrt(np.cumprod([1.0, *factors[::-1]])[::-1])
        return Path(q=np.array(q), c=np.array(c), gradient=gradient)

    def _next_c(self, q: float, c: float, emitted: float, bias_var: float) -> float:
        if not emitted + bias_var > 0:
            return math.nan
        if c == 1:  # equal inputs stay equal, also where rounding would grow
            return 1.0
        level = float(np.clip(math.log10(q), KNOTS[0], KNOTS[-1]))
        alike = float(self.alike(level, math.acos(min(max(c, -1.0), 1.0))).item())
        return (emitted * alike + bias_var) / (emitted + bias_var)

    def _plane(self) -> Numbers:
        """log₁₀ χ₁ at each point of the plane."""
        columns = np.linspace(*WEIGHT_VARS, 2 * COLUMNS + 1)[1::2]
        rows = np.linspace(*BIAS_VARS, 2 * ROWS + 1)[1::2]
        weight_var, bias_var = np.meshgrid(columns, rows)
        level = self._settled(weight_var, bias_var)
        slope = np.interp(level, LEVELS, np.log10(np.maximum(self.slope_square, 1e-300)))
        return np.asarray(np.log10(weight_var) + slope, dtype=np.float32)

    def _settled(self, weight_var: Numbers, bias_var: Numbers) -> Numbers:
        """log₁₀ of the level that q = 1 is led to; the ends of `LEVELS` stand for 0 and ∞."""
        growth = (weight_var[..., None] * self.square + bias_var[..., None]) / 10.0**LEVELS - 1
        one = len(LEVELS) // 2
        rises = growth[..., one] > 1e-9
        return np.where(
            rises,
            _first_zero(LEVELS[one:], growth[..., one:]),
            _first_zero(LEVELS[one::-1], -growth[..., one::-1]),
        )

    def _edge(self) -> Numbers:
        """Where χ₁ = 1, as far as it lies in the plane."""
        found = []
        for bias_var in EDGE:
            with suppress(ValueError):  # there is none
                found.append((edge_of_chaos(self.activation, bias_var), bias_var))
        inside = [point for point in found if point[0] <= WEIGHT_VARS[1]]
        return np.array(inside).T if len(inside) > 1 else np.empty((2, 0))


def _first_zero(levels: Numbers, values: Numbers) -> Numbers:
    """Where values along the last axis first turn negative; the last level where none does."""
    place = np.maximum((values < 0).argmax(-1), 1)
    before, after = (
        np.take_along_axis(values, near[..., None], -1)[..., 0] for near in (place - 1, place)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(before / (before - after), 0, 1)
    found = levels[place - 1] + share * (levels[place] - levels[place - 1])
    return np.asarray(np.where((values < 0).any(-1), found, levels[-1]))


_theory = lru_cache(maxsize=16)(_Theory)
