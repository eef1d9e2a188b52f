"""Networks in plain torch beside what theory says of them: an oracle, a row for each claim."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from initlab import activations
from initlab.theory import (
    batchnorm_factor,
    born_dead,
    fixed_point,
    gain,
    gain_slope,
    initial_loss,
    log_norm_variance,
    mean_singular_value,
    residual_growth,
    singular_value_spread,
    variance_map,
)
from initlab.theory.quadrature import moments
from theory_claims import Claim, torch_default


@dataclass(frozen=True)
class _Run:
    """E[z²] of each layer, and the mean squared gradient there."""

    levels: list[float]
    gradients: list[float]


def _run(
    activation: str, weight_var: float, *, depth: int, width: int, seed: int, batch: int = 32
) -> _Run:
    """Send a batch through L Gaussian matrices, and a random gradient back."""
    source = Generator().manual_seed(seed)
    function = activations.activation(activation).function
    a = torch.randn(batch, width, generator=source)
    states = []
    for _ in range(depth):
        weight = torch.randn(width, width, generator=source) * math.sqrt(weight_var / width)
        z = (a @ weight).requires_grad_()
        z.retain_grad()
        states.append(z)
        a = function(z)
    torch.autograd.backward(a, torch.randn(a.shape, generator=source))
    return _Run([_mean_square(z) for z in states], [_mean_square(z.grad) for z in states])


def _mean_square(x: Tensor | None) -> float:
    return math.nan if x is None else x.detach().double().square().mean().item()


_claim = Claim.of


def _relu(seeds: int) -> Iterator[Claim]:
    for name, weight_var in (("Xavier", 1.0), ("Kaiming", 2.0)):
        runs = [_run("relu", weight_var, depth=30, width=512, seed=seed) for seed in range(seeds)]
        growth = [math.sqrt(run.levels[-1] / run.levels[0]) for run in runs]
        predicted = (weight_var / 2) ** 14.5
        bias = log_norm_variance("relu", 29, 512) / 8  # of a root: half of a quarter
        yield _claim(
            f"{name} in a ReLU net: rms at layer 30 over layer 1 (W=512)", predicted, growth, bias
        )


def _fan(seeds: int) -> Iterator[Claim]:
    widths = [1024, 512, 256, 128, 64, 32]

    def growth(seed: int) -> float:
        source = Generator().manual_seed(seed)
        a, levels = torch.randn(64, widths[0], generator=source), []
        for n_out in widths[1:]:
            weight = torch.randn(a.shape[1], n_out, generator=source) * math.sqrt(2 / n_out)
            levels.append(_mean_square(a @ weight))
            a = (a @ weight).relu()
        return levels[-1] / levels[0]

    measured = [growth(seed) for seed in range(4 * seeds)]
    yield _claim("fan_out where widths halve, 512 to 32: factor of E[z²]", 16.0, measured)


def _tanh(seeds: int) -> Iterator[Claim]:
    weight_var = (5 / 3) ** 2
    point = fixed_point("tanh", weight_var)
    runs = [_run("tanh", weight_var, depth=16, width=512, seed=seed) for seed in range(seeds)]
    yield _claim(
        "tanh, gain 5/3: q* (W=512)",
        point.q_star,
        [statistics.fmean(run.levels[8:]) for run in runs],
        0.01,
    )
    backward = [(run.gradients[4] / run.gradients[14]) ** 0.1 for run in runs]
    yield _claim("tanh, gain 5/3: χ₁ (W=512)", point.chi_1, backward, 0.01)
    runs = [_run("tanh", 1.0, depth=30, width=512, seed=seed) for seed in range(seeds)]
    q = 1.0
    for _ in range(29):
        q = variance_map("tanh", q, 1.0)
    decay = [60 * run.levels[-1] for run in runs]
    yield _claim("tanh, gain 1: 2·l·q at layer l = 30 (W=512)", 60 * q, decay, 0.04)


def _selu(seeds: int) -> Iterator[Claim]:
    for level, depth in ((1.0, 20), (0.75, 50)):
        q = 1.0
        for _ in range(depth - 1):
            q = variance_map("selu", q, level**2)
        runs = [_run("selu", level**2, depth=depth, width=512, seed=seed) for seed in range(seeds)]
        last = [run.levels[-1] for run in runs]
        yield _claim(f"SELU, gain {level:g}: q at layer {depth} (W=512)", q, last, 0.05)


def _gelu(seeds: int) -> Iterator[Claim]:
    level = gain("gelu")

    def slope(seed: int) -> float:
        source = Generator().manual_seed(seed)
        z = torch.randn(64, 4096, generator=source, dtype=torch.float64)
        low, high = (_mean_square(nn.functional.gelu(s * z)) for s in (0.99**0.5, 1.01**0.5))
        return level**2 * (high - low) / 0.02

    measured = [slope(seed) for seed in range(seeds)]
    yield _claim("GELU: slope of the variance map at gain 1.5335", gain_slope("gelu"), measured)


def _sigmoid(seeds: int) -> Iterator[Claim]:
    level = gain("sigmoid")
    runs = [_run("sigmoid", level**2, depth=10, width=512, seed=seed) for seed in range(seeds)]
    backward = [(run.gradients[1] / run.gradients[8]) ** (1 / 7) for run in runs]
    predicted = fixed_point("sigmoid", level**2).chi_1
    yield _claim("sigmoid, gain 1.846: χ₁ (W=512)", predicted, backward, 0.01)


def _isometry(seeds: int) -> Iterator[Claim]:
    def spread(seed: int, depth: int, width: int, is_orthogonal: bool) -> float:
        source, product = Generator().manual_seed(seed), torch.eye(width, dtype=torch.float64)
        for _ in range(depth):
            matrix = torch.randn(width, width, generator=source, dtype=torch.float64)
            matrix = torch.linalg.qr(matrix).Q if is_orthogonal else matrix / math.sqrt(width)
            product = matrix @ product
        squares = torch.linalg.svdvals(product).square()
        return float(squares.square().mean() / squares.mean().square())

    for weights, depth, width, allowance in (
        ("gaussian", 2, 200, 0.02),
        ("orthogonal", 100, 50, 1e-9),
    ):
        predicted = singular_value_spread(depth, weights)
        measured = [spread(seed, depth, width, weights == "orthogonal") for seed in range(seeds)]
        claim = f"product of {depth} {weights} matrices: m₄/m₂² (W={width})"
        yield _claim(claim, predicted, measured, allowance)


def _jacobian(seeds: int) -> Iterator[Claim]:
    widths = [64, 500, 500, 500, 500, 500]  # 64 features, as digits have

    def mean_value(seed: int, law: Callable[[int, int], float]) -> float:
        source = Generator().manual_seed(seed)
        a, values = torch.randn(64, generator=source), []
        for n_in, n_out in pairwise(widths):
            weight = torch.randn(n_out, n_in, generator=source) * math.sqrt(law(n_in, n_out))
            a = torch.tanh(weight @ a)
            if n_in == n_out:  # from what this layer gets to what it emits
                jacobian = (1 - a.square())[:, None] * weight
                values.append(torch.linalg.svdvals(jacobian).mean().item())
        return statistics.fmean(values)

    laws: dict[str, Callable[[int, int], float]] = {
        "Xavier": lambda n_in, n_out: 2 / (n_in + n_out),
        "the old standard": lambda n_in, n_out: 1 / (3 * n_in),
    }
    for name, law in laws.items():
        weight_var, levels = 500 * law(500, 500), [64 * law(64, 500)]
        for _ in widths[2:]:
            levels.append(variance_map("tanh", levels[-1], weight_var))
        slopes = [moments("tanh").averages(level).slope_square for level in levels[1:]]
        predicted = statistics.fmean(mean_singular_value(weight_var * s) for s in slopes)
        measured = [mean_value(seed, law) for seed in range(seeds)]
        yield _claim(
            f"mean singular value of a tanh layer's Jacobian, {name} (W=500)",
            predicted,
            measured,
            0.03,
        )


def _batchnorm(seeds: int) -> Iterator[Claim]:
    width, depth = 256, 20

    def factor(seed: int, activation: str, batch: int) -> float:
        source, states = Generator().manual_seed(seed), []
        function = activations.activation(activation).function
        a = torch.randn(batch, width, generator=source)
        for _ in range(depth):
            weight = torch.randn(width, width, generator=source) / math.sqrt(width)
            z = (a @ weight).requires_grad_()
            y = nn.functional.batch_norm(z, None, None, training=True, eps=1e-12)
            y.retain_grad()
            states.append(y)
            a = function(y)
        torch.autograd.backward(a, torch.randn(a.shape, generator=source))
        first, last = _mean_square(states[4].grad), _mean_square(states[-2].grad)
        return math.pow(first / last, 1 / (depth - 6))

    for activation, batch, predicted, allowance in (
        ("relu", 512, batchnorm_factor("relu"), 0.02),
        ("relu", 8, batchnorm_factor("relu", 8), 0.03),
        ("linear", 8, batchnorm_factor("linear", 8), 0.03),
    ):
        measured = [factor(seed, activation, batch) for seed in range(seeds)]
        yield _claim(
            f"BatchNorm, {activation}, B={batch}: squared gradient per layer (L=20, W=256)",
            predicted,
            measured,
            allowance,
        )


def _residual(seeds: int) -> Iterator[Claim]:
    blocks, width = 16, 256

    def growth(seed: int, scale: float, is_normalised: bool) -> float:
        source = Generator().manual_seed(seed)
        x = torch.randn(64, width, generator=source)
        start = _mean_square(x)
        for _ in range(blocks):
            weight = torch.randn(width, width, generator=source) * math.sqrt(2 / width)
            branch = nn.functional.layer_norm(x, (width,)) if is_normalised else x
            x = x + scale * branch.relu() @ weight
        return _mean_square(x) / start

    for kind, scale in (("plain", 1.0), ("scaled", blocks**-0.5), ("normalised", 1.0)):
        measured = [growth(seed, scale, kind == "normalised") for seed in range(2 * seeds)]
        predicted = residual_growth(blocks, kind)
        yield _claim(
            f"residual stream, {kind}: E[x²] over 16 blocks (W=256)", predicted, measured, 0.02
        )


def _narrow(seeds: int) -> Iterator[Claim]:
    depth, width, count = 10, 3, 400

    def share_dead(seed: int) -> float:
        source = Generator().manual_seed(seed)
        a = torch.randn(count, 1, width, generator=source)
        for _ in range(depth):
            weights = torch.randn(count, width, width, generator=source)
            a = (a @ weights).relu()
            a = a / a.amax(dim=2, keepdim=True).clamp(min=1e-30)  # direction only
        return (a.amax(dim=(1, 2)) == 0).float().mean().item()

    measured = [share_dead(seed) for seed in range(seeds)]
    yield _claim("ReLU, L=10, W=3: share born dead", born_dead(depth, width), measured)


def _finite_width(seeds: int) -> Iterator[Claim]:
    depth, width, count = 15, 50, 200
    for name in ("linear", "relu", "tanh"):
        function, level = activations.activation(name).function, gain(name)

        def variance(
            seed: int, function: Callable[[Tensor], Tensor] = function, level: float = level
        ) -> float:
            source = Generator().manual_seed(seed)
            a = function(torch.randn(count, 1, width, generator=source))
            for _ in range(depth - 1):
                weights = torch.randn(count, width, width, generator=source)
                a = function(a @ weights * (level / math.sqrt(width)))
            return a.square().mean(dim=2).log().var().item()

        measured = [variance(seed) for seed in range(2 * seeds)]
        predicted = log_norm_variance(name, depth, width)
        yield _claim(f"{name}, L=15, W=50: Var ln‖a‖²", predicted, measured, 0.06)


def _loss(seeds: int) -> Iterator[Claim]:
    for rms in (0.16, 5.0):

        def loss(seed: int, rms: float = rms) -> float:
            source = Generator().manual_seed(seed)
            logits = rms * torch.randn(4096, 10, generator=source)
            return nn.functional.cross_entropy(logits, torch.arange(4096) % 10).item()

        measured = [loss(seed) for seed in range(seeds)]
        yield _claim(f"loss of random logits of rms {rms:g}, C=10", initial_loss(10, rms), measured)


EXPERIMENTS: dict[str, Callable[[int], Iterator[Claim]]] = {
    "torch default": lambda seeds: iter(torch_default(seeds)),
    "relu": _relu,
    "fan": _fan,
    "tanh": _tanh,
    "selu": _selu,
    "gelu": _gelu,
    "sigmoid": _sigmoid,
    "isometry": _isometry,
    "jacobian": _jacobian,
    "batchnorm": _batchnorm,
    "residual": _residual,
    "narrow": _narrow,
    "finite width": _finite_width,
    "loss": _loss,
}
"""Name → experiment, in the order of the lessons."""
