"""Do the eight demonstrations of the course still strike? What each gave, beside what it should.

    python tests/benchmarks/demonstrations.py [numbers]

Each trains real networks on the digits, prints expected values, what came out and the seconds that
it took (goal: at most 10 on two cores). The exit status is 1 if one does not show what it should.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import mean, median
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

import initlab as il
from initlab.experiments import Runs, compare, sweep

DIGITS = il.data.digits()
X, Y = DIGITS
SEEDS = 3
SAXE_STEPS = 140  # a network that needs more counts as one that never learns
SAXE_RATES = np.geomspace(3.2, 0.03, 16)  # times depth, of ½‖error‖²; what diverges stops soon


class Line(NamedTuple):
    """One claim: what was expected, what was measured, and whether that will do."""

    claim: str
    expected: str
    got: str
    holds: bool


def medians(runs: Runs) -> dict[tuple[object, ...], float]:
    """Settings → median accuracy."""
    bands = runs.bands()
    names = list(bands[0])[: list(bands[0]).index("seeds")]
    return {tuple(band[name] for name in names): band["accuracy"] for band in bands}


def glorot_figure_2() -> Iterator[Line]:
    """Sigmoid: the top hidden layer saturates at 0, the lower ones do not."""
    ends = []
    for seed in range(SEEDS):
        net = il.models.mlp(4, 300, "sigmoid")
        generator = torch.Generator().manual_seed(seed)
        il.initialize(net, "torch_default", bias="zeros", generator=generator)
        ends.append(il.train(net, DIGITS, steps=600, lr=0.1, batch_size=10, record_every=300))
    first, last = (
        [mean(h.records[at].trace[f"act{n}"].activation.mean for h in ends) for n in range(1, 5)]
        for at in (0, -1)
    )
    top = f"{first[3]:.2f} to {last[3]:.2f}"
    yield Line(
        "mean of the top layer", ".50 to .15", top, abs(first[3] - 0.5) < 0.05 > last[3] - 0.2
    )
    lower = min(last[:3])
    yield Line("mean of the lower layers", "above .5", f"{lower:.2f} at least", lower > 0.5)


def default_is_bad() -> Iterator[Line]:
    """Depth 10 and 30 with PyTorch's default, Xavier and Kaiming."""
    schemes = ["kaiming_normal", "xavier_normal", "torch_default"]
    options = {"steps": 200, "lr": 0.01, "momentum": 0.9}
    runs = sweep(schemes, DIGITS, depths=[10, 30], widths=100, seeds=SEEDS, **options)
    found = {key[:2]: accuracy for key, accuracy in medians(runs).items()}
    expected = {10: (0.99, 0.96, 0.10), 30: (0.48, 0.10, 0.10)}
    for depth, values in expected.items():
        for scheme, value in zip(schemes, values, strict=True):
            got = found[scheme, depth]
            near = abs(got - value) < (0.25 if value == 0.48 else 0.06)
            yield Line(f"depth {depth}, {scheme}", f"{value:.2f}", f"{got:.2f}", near)
    for scheme, value in [("kaiming_normal", 0.8), ("torch_default", 3e-12)]:
        net = il.models.mlp(30, 100)
        bias = "torch_default" if scheme == "torch_default" else "zeros"
        il.initialize(net, scheme, bias=bias, generator=torch.Generator().manual_seed(0))
        torch.nn.functional.cross_entropy(net(X), Y).backward()
        norm = net.linear1.weight.grad.norm().item()
        near = abs(math.log10(norm / value)) < 1
        yield Line(f"first-layer gradient, {scheme}", f"{value:.1g}", f"{norm:.1g}", near)
    adam = sweep(
        "torch_default", DIGITS, depths=[10, 30], widths=100, seeds=SEEDS, steps=200, lr=1e-3,
        optimizer="adam",
    )  # fmt: skip
    shallow, deep = medians(adam).values()
    yield Line("Adam rescues depth 10", "yes", f"{shallow:.2f}", shallow > 0.6)
    yield Line("... but not depth 30", "no", f"{deep:.2f}", deep < 0.3)


def edge_of_chaos() -> Iterator[Line]:
    """Tanh: accuracy has its peak at the critical weight variance."""
    variances = [0.8, 1, 1.3, 1.76, 2.5, 4, 6]
    runs = sweep(
        "lecun_normal", DIGITS, depths=40, widths=64, activations="tanh", seeds=SEEDS,
        gains=[math.sqrt(variance) for variance in variances],
        bias=il.scheme("normal", std=math.sqrt(0.05)), steps=60, lr=0.05,
    )  # fmt: skip
    found = list(medians(runs).values())
    expected = [0.10, 0.10, 0.33, 0.61, 0.50, 0.10, 0.10]
    for variance, value, got in zip(variances, expected, found, strict=True):
        far = variance in (0.8, 1, 4, 6)
        near = got < 0.25 if far else got > 0.2
        yield Line(f"n·Var(w) = {variance}", f"{value:.2f}", f"{got:.2f}", near)
    yield Line("the best is at the edge", "1.76", f"{variances[found.index(max(found))]}",
               max(found) in (found[3], found[4]))  # fmt: skip


def saxe() -> Iterator[Line]:
    """Deep linear nets: steps to 2 % of the loss hardly grow with depth if orthogonal."""
    task = il.data.regression(40, 40, n_out=10, noise=0, white=True)
    expected = {"orthogonal": [3.7, 4, 5, 5.3, 6], "lecun_normal": [4.7, 10.7, 23, 131, math.inf]}
    for scheme, values in expected.items():
        for depth, value in zip((2, 4, 8, 16, 32), values, strict=True):
            got = _steps_to_2_percent(scheme, depth, task)
            near = got == value or value / 1.5 < got < 1.5 * value < math.inf
            label = "Gaussian" if scheme == "lecun_normal" else scheme
            yield Line(f"{label}, depth {depth}", f"{value:g} steps", f"{got:.1f}", near)


def _steps_to_2_percent(scheme: str, depth: int, task: tuple[Tensor, Tensor]) -> float:
    """Return the mean over the seeds, at the best of 16 learning rates."""
    net = il.models.mlp(depth - 1, 40, "linear", n_in=40, bias=False)  # `depth` matrices
    best = math.inf
    for rate in SAXE_RATES:
        # PyTorch's mean over 10 outputs, without the half: 5 times the rate of ½‖error‖²
        options = {"steps": int(min(SAXE_STEPS, SEEDS * best)), "lr": 5 * rate / depth}
        runs = compare(scheme, net, task, seeds=SEEDS, batch_size=40, **options)
        best = min(best, mean(run.history.steps_to(0.02) or math.inf for run in runs))
    return best


def batch_norm_explodes() -> Iterator[Line]:
    """The factor per layer of the squared gradient norm, beside π/(π − 1)."""
    theory = math.pi / (math.pi - 1)
    found = {}
    for batch in (8, 32, 128, 512):
        factors = []
        for seed in range(SEEDS):
            net = il.models.mlp(30, 256, norm="batch")
            il.initialize(net, "kaiming_normal", generator=torch.Generator().manual_seed(seed))
            x, y = il.data.gaussian(batch, seed=seed)
            seen = il.trace(net, x, y, layers="act*")
            growth = seen["act5"].gradient.rms / seen["act25"].gradient.rms
            factors.append(growth ** (2 / 20))
        found[batch] = median(factors)
    big = found[512]
    yield Line("B = 512", f"{theory:.4f}", f"{big:.4f}", abs(big / theory - 1) < 0.03)
    yield Line("B = 8", "1.77", f"{found[8]:.2f}", abs(found[8] - 1.77) < 0.15)
    falls = found[8] > found[32] > found[128] > found[512]
    values = " ".join(f"{value:.3f}" for value in found.values())
    yield Line("smaller batches, larger factors", "falling", values, falls)


def symmetry() -> Iterator[Line]:
    """Constant weights: rows stay equal at powers of two; rounding or dropout breaks the tie."""
    for width in (32, 64, 128, 37, 48, 100):
        rows, accuracy = _constant(width, dropout=0.0)
        even = width in (32, 64, 128)
        claim = f"width {width}: different rows, accuracy"
        expected = "1, .3 to .4" if even else f"up to {width}, better"
        holds = rows == 1 and 0.15 < accuracy < 0.5 if even else rows > 1
        yield Line(claim, expected, f"{rows}, {accuracy:.2f}", holds)
    rows, accuracy = _constant(64, dropout=0.2)
    yield Line("dropout .2", "64, .997", f"{rows}, {accuracy:.3f}", rows == 64 and accuracy > 0.9)


def _constant(width: int, dropout: float) -> tuple[int, float]:
    net = il.models.mlp(2, width, "tanh", dropout=dropout)
    il.initialize(net, il.scheme("constant", val=0.02))
    history = il.train(net, DIGITS, steps=500, lr=0.1, momentum=0.9, record_every=500)
    return history.records[-1].distinct["linear2"], history.final_accuracy or 0.0


def residual() -> Iterator[Line]:
    """30 blocks without normalisation: 2^L at the start, or branches times 1/√L."""
    options = {"steps": 100, "lr": 0.01, "momentum": 0.9, "seeds": SEEDS}
    plain = compare("kaiming_normal", il.models.residual(30, 64), DIGITS, **options)
    scaled = compare(
        "kaiming_normal", il.models.residual(30, 64, branch_scale=1 / math.sqrt(30)), DIGITS,
        **options,
    )  # fmt: skip
    start = median(run.history.loss[0] for run in plain)
    yield Line("plain: loss at the start", "5e4", f"{start:.1g}", 3.5 < math.log10(start) < 6)
    bad, good = plain.bands()[0]["accuracy"], scaled.bands()[0]["accuracy"]
    yield Line("plain: accuracy", "chance", f"{bad:.2f}", bad < 0.25)
    yield Line("branch / √L: accuracy", ".97", f"{good:.2f}", good > 0.9)


def batch_norm_forgives() -> Iterator[Line]:
    """Accuracy against the weights' std, with and without BatchNorm."""
    stds = [1e-4, 1e-3, 1e-2, 0.1, 0.2, 1.0]
    runs = sweep(
        il.scheme("normal", std=1.0), DIGITS, depths=5, widths=64, gains=stds,
        norms=[None, "batch"], seeds=SEEDS, steps=150, lr=0.1,
    )  # fmt: skip
    found = list(medians(runs).values())
    without, with_norm = found[0::2], found[1::2]
    values = (" ".join(f"{value:.2f}" for value in one) for one in (without, with_norm))
    yield Line("without: good std among 6", "few", next(values), sum(a > 0.8 for a in without) <= 2)
    yield Line("with: good std among 6", "most", next(values), sum(a > 0.8 for a in with_norm) >= 4)


DEMONSTRATIONS: Sequence[Callable[[], Iterator[Line]]] = (
    glorot_figure_2,
    default_is_bad,
    edge_of_chaos,
    saxe,
    batch_norm_explodes,
    symmetry,
    residual,
    batch_norm_forgives,
)


def main(numbers: Sequence[str]) -> int:
    """Run them, or those whose numbers are given; return how many lines do not hold."""
    missed = 0
    for place, demonstration in enumerate(DEMONSTRATIONS, start=1):
        if numbers and str(place) not in numbers:
            continue
        start = time.perf_counter()
        lines = list(demonstration())
        seconds = time.perf_counter() - start
        print(f"{place}. {demonstration.__doc__} [{seconds:.1f} s]")
        for line in lines:
            sign = "ok  " if line.holds else "MISS"
            print(f"   {sign} {line.claim}: expected {line.expected}, got {line.got}")
            missed += not line.holds
    return missed


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))
