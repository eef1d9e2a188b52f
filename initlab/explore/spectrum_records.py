"""How far do the singular values of a deep product spread, and is every digit of them true?

After 20 random matrices the smallest singular value is some 10⁻²⁰ of the largest: a product in
float64 would lose it. So the product is kept as Q · diag(e^k) · T: Q has orthonormal columns,
T has rows of length 1 and no small singular values, and the sizes stand in the exponents k alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from scipy.linalg.lapack import dgejsv
from torch import Tensor

from initlab import theory
from initlab.activations import ACTIVATIONS
from initlab.explore import usual
from initlab.explore.networks import generator
from initlab.explore.panels import Numbers
from initlab.schemes import SCHEMES

MARKS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100)  # layers after which all are computed
RESOLVED = 260 * math.log(10)  # of the largest: what is smaller leaves the range of float64
SCALE_FREE = ("linear", "relu", "leaky_relu")  # φ(kx) = kφ(x): their slopes do not know the gain
SLOPES = {
    "tanh": lambda z: 1 / torch.cosh(z) ** 2,
    "sigmoid": lambda z: torch.sigmoid(z) * torch.sigmoid(-z),
}
KNOWN = ("normal", "uniform", "truncated normal", "orthogonal")  # all but the last: independent
LARGEST = 1e100  # second moment that theory is asked about


@dataclass(frozen=True, kw_only=True)
class SpectrumSettings:
    """What decides two networks of square layers."""

    scheme: str = usual.scheme(
        "xavier_normal", is_random=True, main=True, hint="Of the first network"
    )
    gain: float = usual.gain()
    depth: int = usual.depth(20, 100, play=True, hint="Layers")
    other: str = usual.scheme(
        "orthogonal", is_random=True, label="beside", hint="Scheme of the second network"
    )
    activation: str = usual.activation("linear")
    width: int = usual.width(64, 32, 64, 128, hint="Units of each layer: so many directions")
    seed: int = usual.seed()


@dataclass(frozen=True, kw_only=True)
class Values:
    """The singular values of one matrix.

    Args:
        logs: log₁₀ of them, largest first, without those that are counted below.
        zeros: How many are exactly 0: units whose slope is 0 pass nothing on.
        unresolved: How many more lie below 10⁻²⁶⁰ of the largest.
    """

    logs: Numbers
    zeros: int
    unresolved: int


@dataclass(frozen=True, kw_only=True)
class SchemeSpectrum:
    """The singular values of one network's Jacobian, and how they came about layer by layer.

    Args:
        values: Number of layers → singular values after them, for the last one and a few before.
        spread: m₄ / m₂² after each layer; nan where all are 0.
        predicted: log₁₀ of the singular values that theory expects after the last layer; empty
            where it knows only their moments.
        predicted_largest: log₁₀ of the largest that it expects after each layer; empty likewise.
        predicted_spread: m₄ / m₂² that it expects after each layer.
    """

    scheme: str
    values: dict[int, Values]
    spread: Numbers
    predicted: Numbers
    predicted_largest: Numbers
    predicted_spread: Numbers

    @property
    def last(self) -> Values:
        """The singular values of the whole."""
        return self.values[len(self.spread)]


def spectrum_records(settings: SpectrumSettings) -> list[SchemeSpectrum]:
    """Give the singular values of the Jacobian of two networks, layer by layer.

    A network has L layers of W inputs and W outputs, without biases, each with the activation
    after it. Its Jacobian, from input to output, is the product of diag(φ′(z)) W over the layers;
    without nonlinearity that is the product of the matrices. The input is standard normal.
    Weights are drawn in float32, as by `il.initialize`; all else is float64.

    Returns:
        A spectrum for each scheme: one, if both are the same.
    """
    factor = settings.gain if settings.activation in SCALE_FREE else 1.0  # needs no new pass
    return [
        _product(
            name, settings.width, settings.activation, settings.gain / factor, settings.seed
        ).spectrum(settings.depth, math.log10(factor))
        for name in dict.fromkeys((settings.scheme, settings.other))
    ]


class _Product:
    """The Jacobian of one network, which grows layer by layer, as Q · diag(e^k) · T."""

    def __init__(self, scheme: str, width: int, activation: str, gain: float, seed: int) -> None:
        self.scheme, self.gain = SCHEMES[scheme], gain
        self.width, self.activation = width, activation
        self.is_orthogonal = self.scheme.distribution == "orthogonal"
        self.generator = generator(seed)
        self.signal = torch.randn(width, generator=self.generator).double()
        self.level = self.signal.square().mean().item()  # of the input
        self.q = torch.eye(width, dtype=torch.float64)
        self.k_and_t = [(torch.zeros(width, dtype=torch.float64), self.q)]  # after each layer
        self.spread: list[float] = []
        self.values: dict[int, Values] = {}

    def spectrum(self, depth: int, shift: float) -> SchemeSpectrum:
        """Give what is measured after some layers, with a factor 10^shift on every matrix."""
        while len(self.spread) < depth:
            self.k_and_t.append(self._multiplied(self._layer(), *self.k_and_t[-1]))
            self.spread.append(self.width * _fourth_over_second(*self.k_and_t[-1]))
        seen = {layer: self._measure(layer) for layer in sorted({*MARKS, depth}) if layer <= depth}
        predicted, largest = self._predicted_values(depth)
        return SchemeSpectrum(
            scheme=self.scheme.name,
            values={n: replace(v, logs=v.logs + n * shift) for n, v in seen.items()},
            spread=np.array(self.spread[:depth]),
            predicted=predicted + depth * shift,
            predicted_largest=largest + shift * np.arange(1, len(largest) + 1),
            predicted_spread=self._predicted_spread(depth),
        )

    def _layer(self) -> Tensor:
        """Draw the next matrix, send the signal through, and give diag(φ′) W."""
        drawn = self.scheme.fill_(torch.empty(self.width, self.width), self.generator)
        weight = self.gain * drawn.double()
        z = (weight @ self.signal).requires_grad_()
        a = ACTIVATIONS[self.activation].function(z)
        if self.activation in SLOPES:  # autograd's 1 - a² and a(1 - a) round to 0
            slope = SLOPES[self.activation](z.detach())
        else:
            (slope,) = torch.autograd.grad(a.sum(), z)
        self.signal = a.detach()
        return slope[:, None] * weight

    def _multiplied(self, layer: Tensor, k: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Bring layer · Q · diag(e^k) · T into the same form.

        QR does not mind the size of a column, so the sizes stay out of it. Rows that are 0 stay
        out too: what is lost is lost exactly.
        """
        active = layer.any(dim=1)
        q, r = torch.linalg.qr((layer @ self.q)[active])
        sizes = r.abs().log() + k
        peaks = sizes.amax(1) if sizes.numel() else torch.empty(0)
        kept = peaks.isfinite()
        rows = r[kept].sign() * (sizes[kept] - peaks[kept, None]).exp() @ t
        lengths = torch.linalg.vector_norm(rows, dim=1)
        self.q = torch.zeros(self.width, len(lengths), dtype=torch.float64)
        self.q[active] = q[:, kept]
        return peaks[kept] + lengths.log(), rows / lengths[:, None]

    def _measure(self, depth: int) -> Values:
        """Compute all singular values after this many layers, once."""
        if depth not in self.values:
            k, t = self.k_and_t[depth]
            found = _singular_values(k, t)
            self.values[depth] = Values(
                logs=np.asarray((found / math.log(10)).numpy()),
                zeros=self.width - len(k),
                unresolved=len(k) - len(found),
            )
        return self.values[depth]

    @property
    def weight_var(self) -> float:
        """n·Var(w); nan where theory does not know how the entries are distributed."""
        is_known = self.scheme.centred and self.scheme.distribution in KNOWN
        variance = self.scheme.variance(self.width, self.width) if is_known else None
        return self.gain**2 * self.width * (math.nan if variance is None else variance)

    def _predicted_values(self, depth: int) -> tuple[Numbers, Numbers]:
        """Without nonlinearity theory knows every singular value, else only their moments."""
        if self.activation != "linear" or math.isnan(self.weight_var):
            return np.empty(0), np.empty(0)
        layers = range(1, depth + 1)
        factor = math.log10(self.weight_var) / 2 * np.array(layers)
        if self.is_orthogonal:
            return np.full(self.width, factor[-1]), factor
        largest = np.log10([theory.largest_singular_value(layer) for layer in layers])
        return theory.singular_values(depth, self.width) + factor[-1], largest + factor

    def _predicted_spread(self, depth: int) -> Numbers:
        """Add up wide layers, each at its own level; nan where theory is silent."""
        spread, level = np.full(depth, math.nan), self.level
        weights = "orthogonal" if self.is_orthogonal else "gaussian"
        for layer in range(0 if math.isnan(self.weight_var) else depth):
            bent = self.activation if layer else "linear"  # the input is as it is
            level = theory.variance_map(bent, level, self.weight_var)
            if not 0 < level < LARGEST:
                break
            added = theory.singular_value_spread(1, weights, self.activation, q=level) - 1
            spread[layer] = added + (spread[layer - 1] if layer else 1.0)
        return spread


_product = lru_cache(maxsize=2)(_Product)  # 13 MB each at the most: width 128, 100 layers


def _fourth_over_second(k: Tensor, t: Tensor) -> float:
    """Σσ⁴ / (Σσ²)² of diag(e^k) · T: small singular values do not count."""
    if not k.numel():
        return math.nan
    rows = t * (k - k.max()).exp()[:, None]
    squares = rows @ rows.T
    return (squares.square().sum() / squares.trace() ** 2).item()


def _singular_values(k: Tensor, t: Tensor) -> Tensor:
    """Give ln of the singular values of diag(e^k) · T, those that float64 can tell apart.

    One-sided Jacobi rotations keep every digit of a product whose sizes stand in a diagonal
    factor; the usual method keeps those of the large ones only.

    Reference:
        Drmač & Veselić (2008), New fast and accurate Jacobi SVD algorithm I. SIAM Journal on
        Matrix Analysis and Applications 29(4); LAPACK's dgejsv.
    """
    if not k.numel():
        return k
    top = k.max()
    told = k > top - RESOLVED
    rows = t[told] * (k[told] - top).exp()[:, None]
    # joba=0: the columns' sizes may be anything; jobr=0: the whole range of float64; no vectors
    scaled, _, _, work, _, info = dgejsv(
        rows.T.numpy(), joba=0, jobu=3, jobv=3, jobr=0, jobt=0, jobp=0
    )
    if info:
        raise RuntimeError(f"the Jacobi rotations did not settle (LAPACK's dgejsv: info {info}).")
    sizes = torch.from_numpy(scaled * (work[0] / work[1]))
    return sizes.log() + top
