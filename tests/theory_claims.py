"""Claims of theory beside networks; those about PyTorch's default, measured in plain torch."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.special import stdtrit
from torch import Generator, nn

from initlab.format import number
from initlab.theory.maps import correlation_map, variance_map

_WIDTH = 512


@dataclass(frozen=True)
class Claim:
    """One statement of theory, beside what networks did.

    Args:
        claim: The statement, with depth L, width W and batch B of the networks.
        predicted: What theory says, for infinite width.
        measured: Mean over the networks (over runs of all, for a probability or a variance).
        spread: Standard deviation over them.
        seeds: How many there were.
        allowance: Share of `predicted` by which networks of this width differ on average; it
            falls as 1/W.
    """

    claim: str
    predicted: float
    measured: float
    spread: float
    seeds: int
    allowance: float = 0.0

    @classmethod
    def of(
        cls, claim: str, predicted: float, measured: list[float], allowance: float = 0.0
    ) -> Claim:
        """Set one number of each network beside what theory says."""
        mean, spread = statistics.fmean(measured), statistics.stdev(measured)
        return cls(claim, predicted, mean, spread, len(measured), allowance)

    @property
    def agrees(self) -> bool:
        """Whether the two differ by no more than chance (1 in 1000, Student's t) and allowance."""
        errors = float(stdtrit(self.seeds - 1, 0.9995))
        room = errors * self.spread / math.sqrt(self.seeds) + self.allowance * abs(self.predicted)
        return abs(self.measured - self.predicted) <= room

    def __str__(self) -> str:
        outcome = "agrees" if self.agrees else "DIFFERS"
        return (
            f"{self.claim}: predicted {number(self.predicted, 4)}, measured "
            f"{number(self.measured, 4)} ± {number(self.spread)} ({self.seeds} seeds): {outcome}"
        )


def torch_default(seeds: int) -> list[Claim]:
    """n·Var(w), the rms per layer without biases, and how alike inputs become with them."""
    layers = [_default_layers(seed, 10) for seed in range(seeds)]
    variances = [_WIDTH * each[0].weight.square().mean().item() for each in layers]
    claims = [Claim.of("PyTorch's default for Linear: n·Var(w)", 1 / 3, variances, 0.005)]
    functions: dict[str, Callable[[torch.Tensor], torch.Tensor]]
    functions = {"linear": lambda x: x, "relu": torch.relu}
    for which, function in functions.items():
        shrink = []
        for seed, each in enumerate(layers):
            levels, a = [], _inputs(seed)
            for layer in each:
                z = a @ layer.weight.T
                levels.append(z.square().mean().item())
                a = function(z)
            shrink.append((levels[-1] / levels[0]) ** (1 / 18))
        per_layer = math.sqrt(variance_map(which, 1.0, 1 / 3))
        claim = f"... no bias, {which}: rms per layer (L=10, W={_WIDTH})"
        claims.append(Claim.of(claim, per_layer, shrink, 0.02))
    for depth, allowance in ((5, 0.01), (10, 1e-5)):
        claim = f"... with bias, ReLU: mean cosine at layer {depth} (W={_WIDTH})"
        cosines = [_mean_cosine(seed, each[:depth]) for seed, each in enumerate(layers)]
        claims.append(Claim.of(claim, _predicted_cosine(depth), cosines, allowance))
    return claims


@torch.no_grad()
def _default_layers(seed: int, depth: int) -> list[nn.Linear]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return [nn.Linear(_WIDTH, _WIDTH).requires_grad_(False) for _ in range(depth)]


def _inputs(seed: int) -> torch.Tensor:
    return torch.randn(64, _WIDTH, generator=Generator().manual_seed(seed))


def _mean_cosine(seed: int, layers: list[nn.Linear]) -> float:
    """Send different inputs through a ReLU network, and measure how alike they are at its end."""
    a = _inputs(seed)
    for layer in layers:
        a = layer(a).relu()
    unit = nn.functional.normalize(a, dim=1)
    count = len(unit)
    return float((unit.sum(dim=0).square().sum() - count) / (count * (count - 1)))


def _predicted_cosine(depth: int) -> float:
    bias_var, q = 1 / (3 * _WIDTH), 1 / 3 + 1 / (3 * _WIDTH)
    c = bias_var / q
    for _ in range(depth - 1):
        c, q = (
            correlation_map("relu", c, q, 1 / 3, bias_var),
            variance_map("relu", q, 1 / 3, bias_var),
        )
    return correlation_map("relu", c, q, 1.0)  # no bias: that of the activations
