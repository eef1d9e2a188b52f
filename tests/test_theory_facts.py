"""The figures that the lessons use, each predicted and measured."""

from __future__ import annotations

import functools
import math

import pytest
import torch
from torch import nn

import initlab as il
from initlab import theory
from theory_claims import Claim
from theory_evidence import EXPERIMENTS

# (experiment, how the claim starts) → what the lessons say that theory predicts
FIGURES = {
    ("torch default", "PyTorch's default for Linear"): 1 / 3,
    ("torch default", "... no bias, linear"): 0.577,
    ("torch default", "... no bias, relu"): 0.408,
    ("torch default", "... with bias, ReLU: mean cosine at layer 5 "): 0.919,
    ("torch default", "... with bias, ReLU: mean cosine at layer 10 "): 0.99999,
    ("relu", "Xavier in a ReLU net"): 4.3e-5,
    ("relu", "Kaiming in a ReLU net"): 1.0,
    ("fan", "fan_out where widths halve"): 16,
    ("tanh", "tanh, gain 5/3: q*"): 1.1785,
    ("tanh", "tanh, gain 5/3: χ₁"): 1.2098,
    ("selu", "SELU, gain 1:"): 1.0,
    ("gelu", "GELU: slope"): 1.144,
    ("sigmoid", "sigmoid, gain 1.846: χ₁"): 0.153,
    ("isometry", "product of 2 gaussian"): 3.0,
    ("isometry", "product of 100 orthogonal"): 1.0,
    ("jacobian", "mean singular value of a tanh layer's Jacobian, Xavier"): 0.788,
    ("jacobian", "mean singular value of a tanh layer's Jacobian, the old standard"): 0.482,
    ("batchnorm", "BatchNorm, relu, B=512"): 1.4669,
    ("batchnorm", "BatchNorm, relu, B=8"): 1.77,
    ("residual", "residual stream, plain"): 65536,
    ("residual", "residual stream, scaled"): 2.64,
}


@functools.cache
def measured_once(name):
    return list(EXPERIMENTS[name](5))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_networks_do_what_theory_says(name):
    rows = measured_once(name)
    assert [str(row) for row in rows if not row.agrees] == []
    assert all(math.isfinite(row.spread) and row.seeds >= 5 for row in rows)


def test_a_false_claim_differs():
    (row,) = measured_once("sigmoid")
    wrong = Claim(row.claim, row.predicted * 1.1, row.measured, row.spread, row.seeds)
    assert str(row).endswith(": agrees")
    assert str(wrong).endswith(": DIFFERS")


@pytest.mark.parametrize(("name", "start"), FIGURES)
def test_figures_of_the_lessons(name, start):
    (row,) = [row for row in measured_once(name) if row.claim.startswith(start)]
    assert row.predicted == pytest.approx(FIGURES[name, start], rel=0.025)


@pytest.mark.parametrize(("layer", "q"), [(5, 0.127), (20, 0.027), (100, 0.005)])
def test_tanh_with_xavier_decays_towards_zero(layer, q):
    level = 1.0
    for _ in range(layer - 1):
        level = theory.variance_map("tanh", level, 1.0)
    activation = theory.variance_map("tanh", level, 1.0)
    assert min(abs(level / q - 1), abs(activation / q - 1)) < 0.12  # of networks with W = 512


@pytest.mark.parametrize(
    ("gain", "low", "high", "applies"), [(1.5335, 2.2, 4.3, True), (math.sqrt(2), -12, -8.8, False)]
)
def test_no_gain_keeps_gelu(gain, low, high, applies):
    """log₁₀q at layer 50 (W=256) lies far from 0 in every network.

    Just above the level that repels, theory follows the drift; below it networks scatter too far
    for a curve, and theory says so.
    """
    for seed in range(5):
        source = torch.Generator().manual_seed(seed)
        a = torch.randn(32, 256, generator=source)
        for _ in range(50):
            z = a @ (torch.randn(256, 256, generator=source) * gain / 16)
            a = nn.functional.gelu(z)
        assert low < math.log10(z.square().mean().item()) < high
    law = lambda fan_in, fan_out: gain**2 / fan_in  # noqa: E731
    curve = theory.predict(50, law, "gelu", width=256, n_in=256)
    assert curve.applies == applies
    if applies:
        level = curve.activation[curve.names.index("linear50")]
        assert 2.7 < 2 * math.log10(level) < 4.0


def test_loss_at_the_start():
    x, y = il.data.digits()
    losses, rms = [], []
    for seed in range(5):
        model = il.models.mlp(3, 128, seed=seed)
        with torch.no_grad():
            losses.append(nn.functional.cross_entropy(model(x), y).item())
        rms.append(theory.predict(model, x=x).activation[-1])
    expected = theory.initial_loss(10, sum(rms) / len(rms))
    assert expected == pytest.approx(math.log(10), abs=0.01)
    assert sum(losses) / len(losses) == pytest.approx(expected, abs=0.02)


def test_standard_normal_weights_start_at_hundreds():
    x, y = il.data.digits()
    losses = []
    for seed in range(5):
        model = il.models.mlp(2, 100, "tanh", seed=seed)
        il.initialize(model, "normal", generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            losses.append(nn.functional.cross_entropy(model(x), y).item())
    logits = theory.predict(model, "normal", x=x).activation[-1]
    assert logits == pytest.approx(10, rel=0.1)  # √100 units of nearly ±1
    measured = sum(losses) / len(losses)
    assert theory.initial_loss(10, logits) == pytest.approx(measured, rel=0.15)


def test_batchnorm_is_blind_to_the_weights_std():
    """f(aW) = f(W), gradient × 1/a, gradient ⟂ W; exact as eps → 0, broken by eps at 0.01·W."""
    source = torch.Generator().manual_seed(0)
    x = torch.randn(64, 20, generator=source, dtype=torch.float64)
    weight = torch.randn(30, 20, generator=source, dtype=torch.float64)
    pull = torch.randn(64, 30, generator=source, dtype=torch.float64)

    def run(factor, eps):
        w = (factor * weight).requires_grad_()
        out = nn.functional.batch_norm(x @ w.T, None, None, training=True, eps=eps).relu()
        (out * pull).sum().backward()
        return out.detach(), w.grad, w.detach()

    (one, gradient, w), (other, smaller, _) = run(1.0, 1e-14), run(10.0, 1e-14)
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(gradient, 10 * smaller)
    assert (gradient * w).sum(dim=1).abs().max() < 1e-10 * gradient.norm() * w.norm()
    blunted = run(1e-3, 1e-5)[0]
    assert (one - blunted).abs().max() > 0.1
