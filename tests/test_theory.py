"""Gains, maps, fixed points and closed forms, against formulas and quadrature from outside."""

from __future__ import annotations

import math
import re
from functools import partial

import numpy as np
import pytest
import torch
from scipy import integrate, special
from torch import nn
from torch.nn import functional as F

import initlab as il
from initlab import theory
from initlab.theory.quadrature import Moments


def by_scipy(function, q, power=2):
    """E[φ(√q ζ)^power], the slow way."""

    def integrand(z):
        value = function(torch.tensor(math.sqrt(q) * z, dtype=torch.float64)).item()
        return value**power * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    kinks = [
        k / math.sqrt(q) for k in (-3, -1, -0.5, 0, 0.5, 0.7, 1, 3, 6) if abs(k) < 12 * math.sqrt(q)
    ]
    return integrate.quad(integrand, -12, 12, points=kinks, limit=200, epsabs=1e-13)[0]


def relu_pair(c, q):
    """Cho & Saul's arc-cosine kernel of order 1."""
    angle = np.arccos(c)
    return q * (np.sin(angle) + (np.pi - angle) * c) / (2 * np.pi)


def erf_pair(c, q):
    """Williams' kernel of the error function."""
    return 2 / np.pi * np.arcsin(2 * q * c / (1 + 2 * q))


def steep(x):
    """Infinite slope at 0."""
    return x.sign() * x.abs().sqrt()


def step(x):
    return torch.where(x > 0.3, 1.0, -0.5).to(x)


CALLABLES = [
    *il.activations.names(),
    nn.LeakyReLU(0.2),
    partial(F.leaky_relu, negative_slope=-0.5),
    nn.Hardtanh(-1.0, 0.7),
    nn.PReLU(),
    nn.ReLU(inplace=True),
    lambda x: x**3 - x,
    lambda x: torch.exp(0.5 * x),
    steep,
    step,
]


def label(which):
    """Without an address in memory: each test worker must find the same names."""
    return which if isinstance(which, str) else getattr(which, "__name__", type(which).__name__)


@pytest.mark.parametrize("which", CALLABLES, ids=label)
@pytest.mark.parametrize("q", [0.01, 1.0, 30.0])
def test_variance_map_equals_scipy(which, q):
    function = il.activations.activation(which).function
    function = function.double() if isinstance(function, nn.Module) else function
    expected = 1.7 * by_scipy(function, q) + 0.1
    assert theory.variance_map(which, q, 1.7, 0.1) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("which", "value", "tolerance"),
    [
        ("tanh", 1.5925, 1e-4),
        ("relu", math.sqrt(2), 1e-12),
        ("selu", 1.0, 1e-7),
        ("elu", 1.2452, 1e-4),
        ("gelu", 1.5335, 1e-4),
        ("sigmoid", 1.846, 1e-3),
        ("linear", 1.0, 1e-12),
        (nn.LeakyReLU(0.2), nn.init.calculate_gain("leaky_relu", 0.2), 1e-12),
        (torch.sign, 1.0, 1e-8),
        (np.tanh, 1.5925, 1e-4),
        (lambda x: np.maximum(np.asarray(x), 0), math.sqrt(2), 1e-9),
        (lambda x: torch.tanh(x.float()), 1.5925, 1e-4),
        (lambda x: x > 0, math.sqrt(2), 1e-9),
        (lambda x: torch.tanh(x.bfloat16()), 1.5925, 1e-3),
    ],
)
def test_gain_keeps_the_second_moment(which, value, tolerance):
    assert theory.gain(which) == pytest.approx(value, abs=tolerance)


@pytest.mark.parametrize(
    ("which", "kind"),
    [("relu", "neutral"), ("linear", "neutral"), ("tanh", "stable"), ("selu", "stable"),
     ("gelu", "repelling"), ("silu", "repelling"), ("mish", "repelling")],
)  # fmt: skip
def test_slope_tells_stable_from_repelling(which, kind):
    level = theory.gain(which)
    low, high = theory.variance_map(which, np.array([0.999, 1.001]), level**2)
    assert theory.gain_slope(which) == pytest.approx((high - low) / 0.002, rel=1e-5)
    report = theory.gain_report(which)
    assert (report.kind, report.gain, report.slope) == (kind, level, theory.gain_slope(which))
    no_gain = "no gain keeps a deep plain network level (with zero biases). Put BatchNorm"
    assert (no_gain in theory.advice(which)) == (kind == "repelling")


def test_advice_speaks_about_the_way_back():
    assert theory.advice("sigmoid").endswith(
        "Backwards χ₁ = 0.153: gradients vanish, times 0.391 in each layer."
    )
    assert "χ₁ is infinite" in theory.advice(torch.sign)
    held = theory.advice(lambda x: torch.tanh(x**3))  # repels at 1, and is held further up
    assert "is multiplied by" in held


@pytest.mark.parametrize("q", [0.01, 1.0, 100.0])
@pytest.mark.parametrize(("which", "kernel"), [("relu", relu_pair), ("erf", erf_pair)])
@pytest.mark.parametrize("count", [7, 101])  # one by one, and as an interpolated curve
def test_correlation_map_equals_closed_form(which, kernel, q, count):
    c = np.linspace(-1, 1, count)
    expected = (1.3 * kernel(c, q) + 0.2) / (1.3 * kernel(1.0, q) + 0.2)
    np.testing.assert_allclose(theory.correlation_map(which, c, q, 1.3, 0.2), expected, atol=3e-5)


def test_correlation_map_equals_scipy_for_tanh():
    c, q = 0.6, 2.0

    def integrand(x, y):
        u = c * x + math.sqrt(1 - c * c) * y
        density = math.exp(-(x * x + y * y) / 2) / (2 * math.pi)
        return math.tanh(math.sqrt(q) * x) * math.tanh(math.sqrt(q) * u) * density

    shared = integrate.dblquad(integrand, -8, 8, -8, 8, epsabs=1e-9)[0]
    level = by_scipy(torch.tanh, q)
    assert theory.correlation_map("tanh", c, q, 1.0) == pytest.approx(shared / level, rel=1e-6)


@pytest.mark.parametrize(
    ("which", "kernel"),
    [
        (torch.sign, lambda c: 2 / np.pi * np.arcsin(c)),
        (lambda x: (x > 0).double(), lambda c: (np.pi - np.arccos(c)) / (2 * np.pi)),
        (torch.sin, lambda c: np.exp(-1.0) * np.sinh(c)),
        (lambda x: x**2, lambda c: 1 + 2 * c**2),
    ],
)
def test_correlation_map_of_jumps_and_powers(which, kernel):
    c = np.array([-0.9, -0.2, 0.0, 0.5, 0.99])
    result = theory.correlation_map(which, c, 1.0, 2.0)
    np.testing.assert_allclose(result, kernel(c) / kernel(1.0), atol=1e-6)


def test_kinks_are_found_where_they_are():
    np.testing.assert_allclose(Moments(nn.Hardtanh(-1.1, 0.77)).kinks, [-1.1, 0.77], atol=1e-6)
    assert Moments(step).jumps == pytest.approx([0.3], abs=1e-9)
    assert not len(Moments("tanh").kinks)


@pytest.mark.parametrize("which", [torch.sign, step, steep, lambda x: torch.relu(x).sqrt()])
def test_a_jump_or_a_steep_slope_has_infinite_chi_1(which):
    assert theory.fixed_point(which, 1.0).chi_1 == math.inf


@pytest.mark.parametrize(
    ("which", "weight_var", "bias_var", "q_star", "c_star", "chi_1"),
    [
        ("tanh", (5 / 3) ** 2, 0.0, 1.1785, 0.0, 1.2098),
        ("tanh", 1.0, 0.0, 0.0, 1.0, 1.0),
        ("sigmoid", 1.84623**2, 0.0, 1.0, 1.0, 0.1528),
        ("selu", 1.0, 0.0, 1.0, 0.0, 1.0716),
        ("selu", 0.75**2, 0.0, 0.0230, 0.9920, 1.0037),
        ("relu", 2.0, 0.0, 1.0, 1.0, 1.0),
        ("relu", 1.0, 0.1, 0.2, 1.0, 0.5),
        ("relu", 2.5, 0.1, math.inf, 1.0, 1.25),
        ("gelu", 2.0, 0.0, 0.0, 1.0, 0.5),
    ],
)
def test_fixed_points(which, weight_var, bias_var, q_star, c_star, chi_1):
    point = theory.fixed_point(which, weight_var, bias_var)
    found = (point.q_star, point.c_star, point.chi_1)
    assert found == pytest.approx((q_star, c_star, chi_1), abs=6e-5)


def test_depth_scales_are_the_rates_of_the_maps():
    point = theory.fixed_point("tanh", 4.0, 0.05)
    q = point.q_star * np.array([0.999, 1.001])
    slope = np.diff(theory.variance_map("tanh", q, 4.0, 0.05)) / np.diff(q)
    assert point.xi_q == pytest.approx(-1 / np.log(slope.item()), rel=1e-4)
    c = point.c_star + np.array([-1e-3, 1e-3])
    moved = theory.correlation_map("tanh", c, point.q_star, 4.0, 0.05)
    assert moved.mean() == pytest.approx(point.c_star, abs=1e-6)
    assert point.xi_c == pytest.approx(-1 / np.log(np.diff(moved).item() / 2e-3), rel=1e-3)
    assert theory.fixed_point("relu", 2.0).xi_c == math.inf
    ordered = theory.fixed_point("tanh", 0.8, 0.05)
    assert ordered.xi_c == pytest.approx(-1 / math.log(ordered.chi_1))


@pytest.mark.parametrize(
    ("which", "bias_var", "weight_var"),
    [("tanh", 0.0, 1.0), ("tanh", 0.05, 1.76), ("relu", 0.0, 2.0), ("relu", 0.1, 2.0),
     ("erf", 0.0, math.pi / 4), ("linear", 0.0, 1.0), ("sigmoid", 0.0, 103.0)],
)  # fmt: skip
def test_edge_of_chaos(which, bias_var, weight_var):
    found = theory.edge_of_chaos(which, bias_var)
    assert found == pytest.approx(weight_var, rel=1e-3)
    assert theory.fixed_point(which, found, bias_var).chi_1 == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("which", "bias_var"), [("elu", 0.05), ("selu", 0.3), ("gelu", 0.3)])
def test_of_several_edges_of_chaos_the_lowest_is_given(which, bias_var):
    found = theory.edge_of_chaos(which, bias_var)
    here = theory.fixed_point(which, found, bias_var)
    assert here.chi_1 == pytest.approx(1)
    assert math.isfinite(here.q_star)  # where signals grow without bound there is another one
    below = [theory.fixed_point(which, found * (1 - k / 50), bias_var).chi_1 for k in range(1, 25)]
    assert max(below) < 1


def test_no_edge_of_chaos_is_an_error():
    message = (
        "activation=gelu has no edge of chaos at bias_var=0: no fixed point that attracts signals "
        "has χ₁ = 1. Normalisation layers or residual branches keep such a network trainable."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        theory.edge_of_chaos("gelu")


def test_closed_forms():
    assert theory.batchnorm_factor("relu") == pytest.approx(math.pi / (math.pi - 1))
    assert theory.batchnorm_factor("linear") == pytest.approx(1)
    for batch in (4, 8, 100):
        factor = theory.batchnorm_factor("linear", batch)
        assert factor == pytest.approx((batch - 2) / (batch - 3), rel=1e-6)
    assert theory.batchnorm_factor("relu", 10**6) == pytest.approx(1.46694, rel=1e-4)
    assert theory.singular_value_spread(7, "orthogonal", "relu") == pytest.approx(8)
    assert theory.singular_value_spread(7, "gaussian", "relu") == pytest.approx(15)
    assert theory.mean_singular_value(2.0) == pytest.approx(1.2004, abs=1e-4)
    growth = [theory.residual_growth(16, kind) for kind in ("plain", "scaled", "normalised")]
    assert growth == pytest.approx([65536, 2.6379, 17], rel=1e-4)
    assert theory.residual_growth(100, branch_factor=0) == 1
    assert theory.born_dead(1, 1) == pytest.approx(0.5)
    assert theory.born_dead(10, 60) == pytest.approx(10 * 2.0**-60)
    assert theory.log_norm_variance("linear", 10, 100) == pytest.approx(0.2)
    assert theory.initial_loss(10) == pytest.approx(math.log(10), abs=1e-9)
    assert theory.initial_loss(10, 1000.0) == pytest.approx(1538.75, rel=1e-4)  # E max of ten


def test_singular_values_of_one_matrix_follow_the_quarter_circle():
    found = 10 ** theory.singular_values(1, 50)
    above = [integrate.quad(lambda x: math.sqrt(4 - x * x) / math.pi, low, 2)[0] for low in found]
    assert above == pytest.approx((np.arange(50) + 0.5) / 50, abs=1e-6)


@pytest.mark.parametrize("depth", [1, 2, 5, 30, 100])
def test_singular_values_of_a_product_have_fuss_and_catalans_moments(depth):
    squares = 100 ** theory.singular_values(depth, 200_000)
    for k in (1, 2):  # the k-th moment of the squares is a Fuss-Catalan number
        number = math.comb((depth + 1) * k, k) / (depth * k + 1)
        assert (squares**k).mean() == pytest.approx(number, rel=1e-3)
    assert squares[0] ** 0.5 == pytest.approx(theory.largest_singular_value(depth), rel=0.01)


def test_singular_values_are_those_of_a_product_of_wide_matrices():
    source = np.random.default_rng(0)
    product = np.eye(400)
    for _ in range(3):
        product = source.normal(size=(400, 400)) / 20 @ product
    measured = np.log10(np.linalg.svd(product, compute_uv=False))
    assert np.abs(measured - theory.singular_values(3, 400))[:350].max() < 0.04


def test_largest_singular_value_is_that_of_a_product():
    source = torch.Generator().manual_seed(0)
    product = torch.eye(400, dtype=torch.float64)
    for _ in range(3):
        product = product @ torch.randn(400, 400, generator=source, dtype=torch.float64) / 20
    largest = torch.linalg.svdvals(product)[0].item()
    assert theory.largest_singular_value(3) == pytest.approx(largest, rel=0.06)  # W^(-2/3)


def random_function(x):
    return torch.relu(x) * torch.rand_like(x)


@pytest.mark.parametrize(
    ("which", "message"),
    [
        (
            lambda x: torch.full_like(x, 3.0),
            "activation=<lambda> is constant: it returns 3 wherever it was asked, from -12 to 12, "
            "so no signal passes and no gain is defined.",
        ),
        (
            nn.GLU(dim=0),
            "activation=glu failed on a float64 tensor of 97 entries: Halving dimension must be "
            "even, but dimension 0 is size 97. Give a function that maps each entry of a tensor "
            "to one number.",
        ),
        (
            lambda x: x.sum(),
            "activation=<lambda> must keep the shape: (97,) went in, () came out. Give a function "
            "that maps each entry of a tensor to one number.",
        ),
        (
            torch.log,
            "activation=log returned nan at x = -12: it must be finite for every real number. "
            "Clamp its input, or give a function that is defined everywhere.",
        ),
        (
            random_function,
            "activation=random_function is random: two calls differ. Put a layer in eval mode "
            "with .eval().",
        ),
        (
            nn.Softmax(dim=0),
            "activation=softmax mixes the entries of its input. Give a function that maps each "
            "entry of a tensor to one number.",
        ),
        *[
            (
                function,
                "activation=<lambda> mixes the entries of its input. Give a function that maps "
                "each entry of a tensor to one number.",
            )
            for function in (
                lambda x: x.flip(0),
                lambda x: x - x.mean(),
                lambda x: x.sort().values,
            )
        ],
        *[
            (
                function,
                f"activation=<lambda> failed on a float64 tensor of 97 entries: it returned {what}."
                " Give a function that maps each entry of a tensor to one number.",
            )
            for function, what in (
                (lambda x: None, "None, not numbers"),
                (lambda x: torch.exp(1j * x), "complex numbers"),
            )
        ],
    ],
)
@pytest.mark.parametrize(
    "call", [theory.gain, theory.edge_of_chaos, partial(theory.predict, 3, "kaiming_normal")]
)
def test_unfit_activations(which, message, call):
    state = torch.random.get_rng_state()
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call(which)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: theory.gain(3),
            TypeError,
            "activation must be a name or a function on tensors (a layer is one too), got 3 of "
            "type int.",
        ),
        (
            lambda: theory.gain(lambda x: torch.exp(x * x)),
            ValueError,
            "activation=<lambda> grows so fast that E[φ(z)²] is infinite, so no gain is defined. "
            "Bound its input or its output.",
        ),
        (
            lambda: theory.gain(nn.Threshold(10.0, 0.0)),
            ValueError,
            "activation=threshold emits next to nothing where z has variance 1, so no gain is "
            "defined. Shift it, or use it where signals are larger.",
        ),
        (
            lambda: theory.variance_map("relu", -1.0, 2.0),
            ValueError,
            "q must be a finite variance of at least 0 (and up to 1e150), got -1.0.",
        ),
        (
            lambda: theory.correlation_map("tanh", 0.5, np.array([1.0, 0.0]), 2.0),
            ValueError,
            "q must be above 0 (without signals there is no correlation), got [1. 0.].",
        ),
        (
            lambda: theory.fixed_point("relu", -1.4),
            ValueError,
            "weight_var must be a finite number from 1e-20 to 1e+20, got -1.4.",
        ),
        (
            lambda: theory.fixed_point("relu", 0.0),
            ValueError,
            "weight_var must be a finite number from 1e-20 to 1e+20, got 0.0.",
        ),
        (
            lambda: theory.correlation_map("relu", 1.2, 1.0, 2.0),
            ValueError,
            "c must lie from -1 to 1 (it is a correlation), got 1.2.",
        ),
        (
            lambda: theory.correlation_map("relu", 0.5, 1.0, 0.0),
            ValueError,
            "weight_var and bias_var are both 0: the next layer emits only zeros.",
        ),
        (
            lambda: theory.correlation_map(lambda x: torch.sin(60 * x), 0.5, 1.0, 1.0),
            ValueError,
            "activation=<lambda> varies too fast for a correlation map at variance 1: its error "
            "would exceed 1e-4. Use a smaller variance, or a slower function with larger weights.",
        ),
        (
            lambda: theory.batchnorm_factor("relu", 3),
            ValueError,
            "batch_size must be a whole number of at least 4, got 3.",
        ),
        (
            lambda: theory.residual_growth(3, "zero"),
            ValueError,
            "kind='zero' is unknown. Allowed: plain, scaled, normalised.",
        ),
        (
            lambda: theory.born_dead(0, 3),
            ValueError,
            "depth must be a whole number of at least 1, got 0.",
        ),
        (
            lambda: theory.singular_value_spread(2, "uniform"),
            ValueError,
            "weights='uniform' is unknown. Allowed: gaussian, orthogonal.",
        ),
        (
            lambda: theory.initial_loss(1),
            ValueError,
            "classes must be a whole number of at least 2, got 1.",
        ),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()


def test_shapes_follow_the_input():
    assert isinstance(theory.variance_map("tanh", 1.0, 1.0), float)
    assert theory.variance_map("tanh", np.ones((2, 3)), 1.0).shape == (2, 3)
    assert isinstance(theory.correlation_map("tanh", 0.5, 1.0, 1.0), float)
    assert theory.correlation_map("tanh", np.zeros(4), np.ones(4), 1.0).shape == (4,)


def test_zero_and_tiny_variances():
    assert theory.variance_map("sigmoid", 0.0, 4.0, 0.5) == pytest.approx(1.5)
    assert theory.variance_map("tanh", 1e-60, 1.0) == pytest.approx(1e-60, rel=1e-9)
    assert theory.variance_map("relu", 0.0, 2.0) == 0


def test_arrays_of_both_arguments_broadcast():
    c, q = np.array([[0.2], [0.5]]), np.array([1.0, 4.0, 9.0])
    found = theory.correlation_map("tanh", c, q, 1.5, 0.1)
    assert found[1, 2] == pytest.approx(theory.correlation_map("tanh", 0.5, 9.0, 1.5, 0.1))
    assert theory.correlation_map("tanh", 0.5, q, 1.5, 0.1) == pytest.approx(found[1])
    assert theory.correlation_map("tanh", np.zeros((2, 0)), 1.0, 1.0).shape == (2, 0)


def test_a_steep_place_off_the_origin_is_integrated_at_negative_correlations():
    """erf(s(z - h)) is a Gaussian's sign, smeared: its kernel is two normal probabilities."""
    steepness, shift, c = 30.0, 0.5, -0.3
    spread = 1 + 1 / (2 * steepness**2)
    h = -shift / math.sqrt(spread)
    below = float(special.ndtr(h))
    both = (
        below**2
        + integrate.quad(  # Plackett's identity
            lambda r: math.exp(-h * h / (1 + r)) / math.sqrt(1 - r * r) / (2 * math.pi),
            0,
            c / spread,
        )[0]
    )

    def smeared(x):
        return torch.erf(steepness * (x - shift))

    expected = (4 * both - 4 * below + 1) / theory.variance_map(smeared, 1.0, 1.0)
    assert theory.correlation_map(smeared, c, 1.0, 1.0) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("which", [torch.exp, torch.sinh, lambda x: torch.exp(x * x / 8)])
def test_what_grows_too_fast_ends_at_infinity(which):
    point = theory.fixed_point(which, 1.0)
    assert (point.q_star, point.chi_1) == (math.inf, math.inf)
    assert math.isnan(point.c_star)


def test_an_activation_without_small_signals_lets_them_die():
    """relu(x - 1.15) at q = 0.01: all of the mass lies 11.5 standard deviations off, and is 0."""
    shifted = lambda x: torch.relu(x - 1.15)  # noqa: E731
    assert theory.variance_map(shifted, 0.01, 1.0) < 1e-20
    assert theory.fixed_point(shifted, 2.0).q_star == 0
    assert theory.edge_of_chaos(torch.exp) == pytest.approx(math.exp(-2))


def test_inference_mode_and_a_layers_parameters_are_left_alone():
    layer = nn.PReLU(init=0.1)
    with torch.inference_mode():
        assert theory.gain(layer) == pytest.approx(math.sqrt(2 / 1.01))
    assert layer.weight.dtype == torch.float32
    assert layer.weight.grad is None
