"""Schemes against torch.nn.init bit for bit, against their own variance, and against scipy."""

import dataclasses
import functools
import inspect
import math

import numpy as np
import pytest
import torch
from matplotlib.mathtext import MathTextParser
from scipy import stats
from torch import nn

import initlab as il
from initlab.schemes import Kaiming, fans

SHAPES = [(6, 4), (4, 6), (6, 4, 3), (6, 4, 3, 2), (6, 4, 3, 2, 3), (20, 30), (32, 16, 3, 3)]
VECTOR = (40,)
PARAMETERS = {  # beside the defaults
    "constant": [{"val": -0.3}],
    "uniform": [{"a": -2.0, "b": 0.5}, {"a": 1, "b": 1}],
    "normal": [{"mean": 1.0, "std": 0.1}, {"std": 0}],
    "trunc_normal": [{"std": 0.5, "a": -1, "b": 1}, {"mean": 1.5, "a": 1.0, "b": 1.2}],
    "sparse": [{"sparsity": 0.0}, {"sparsity": 0.55, "std": 2.0}, {"sparsity": 1}],
    "xavier_uniform": [{"gain": 2**0.5}],
    "xavier_normal": [{"gain": 5 / 3}],
    "orthogonal": [{"gain": 2**0.5}],
    "dirac": [{"groups": 2}],
} | {
    name: [
        {"mode": "fan_out", "nonlinearity": "relu"},
        {"a": math.sqrt(5)},
        *({"nonlinearity": n} for n in ("tanh", "selu", "sigmoid", "linear", "conv_transpose2d")),
    ]
    for name in ("kaiming_uniform", "kaiming_normal")
}
CASES = [
    (il.scheme(name, **params)) for name in il.SCHEMES for params in [{}, *PARAMETERS.get(name, [])]
]


def fits(scheme, shape):
    low, high = scheme.dims
    narrows = scheme.name == "delta_orthogonal" and shape[0] < shape[1]
    return low <= len(shape) <= (high or len(shape)) and not narrows


def from_torch(scheme):
    """What fills a tensor in PyTorch, with the scheme's parameters; None where nothing does."""
    beside = {
        "torch_default": (nn.init.kaiming_uniform_, {"a": math.sqrt(5)}),
        "lecun_uniform": (nn.init.kaiming_uniform_, {"nonlinearity": "linear"}),
        "lecun_normal": (normal_by_fan_in_, {}),
    }
    own = (getattr(nn.init, f"{scheme.name}_", None), dataclasses.asdict(scheme))
    function, params = beside.get(scheme.name, own)
    return function and functools.partial(function, **params)


def normal_by_fan_in_(tensor, generator=None):
    fan_in, _ = nn.init._calculate_fan_in_and_fan_out(tensor)
    return nn.init.normal_(tensor, 0.0, math.sqrt(1 / fan_in), generator)


@pytest.mark.parametrize("scheme", [s for s in CASES if from_torch(s)], ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_torch_bit_for_bit(scheme, dtype):
    shapes = [shape for shape in [VECTOR, *SHAPES] if fits(scheme, shape)]
    for shape in shapes:
        torch.manual_seed(3)
        expected = from_torch(scheme)(torch.empty(shape, dtype=dtype))
        torch.manual_seed(3)
        weight = nn.Parameter(torch.empty(shape, dtype=dtype))
        assert scheme.fill_(weight) is weight
        assert torch.equal(weight, expected)
        assert weight.requires_grad
        assert weight.grad_fn is None
    assert shapes


@pytest.mark.parametrize("scheme", CASES, ids=repr)
def test_generator_controls_everything(scheme):
    for shape in (shape for shape in SHAPES if fits(scheme, shape)):
        before = torch.get_rng_state()
        one, two = (
            scheme.fill_(torch.empty(shape), torch.Generator().manual_seed(5)) for _ in range(2)
        )
        assert torch.equal(one, two)
        assert torch.equal(torch.get_rng_state(), before)
        oracle = from_torch(scheme)
        if oracle and "generator" in inspect.signature(oracle).parameters:
            expected = oracle(torch.empty(shape), generator=torch.Generator().manual_seed(5))
            same = one == expected
            if scheme.name == "sparse":  # PyTorch's places of the zeros ignore the generator
                same |= (one == 0) | (expected == 0)
            assert same.all()


def test_sparse_zeroes_a_fraction_of_each_column():
    weight = il.scheme("sparse").fill_(torch.empty(200, 300), torch.Generator().manual_seed(0))
    nonzero = weight != 0
    assert nonzero.sum(0).tolist() == [20] * 300
    assert nonzero.sum(1).unique().numel() > 5  # rows are not controlled


@pytest.mark.parametrize("scheme", CASES, ids=repr)
@pytest.mark.parametrize("shape", [(200, 300), (96, 64, 3, 3)])
def test_variance_is_what_is_drawn(scheme, shape):
    std = scheme.expected_std(shape)
    if std is None or not fits(scheme, shape):
        return
    weight = scheme.fill_(torch.empty(shape, dtype=torch.float64))
    n, kurtosis = weight.numel(), 3.0 + 30 * (scheme.name == "sparse")
    got, expected = float(weight.var(correction=0)), std**2
    # The variance of n draws spreads by √((kurtosis - 1) / n); five times that is never missed.
    assert got == pytest.approx(expected, rel=5 * math.sqrt((kurtosis - 1) / n), abs=1e-12)
    if scheme.centred:
        assert abs(float(weight.mean())) <= 5 * std / math.sqrt(n) + 1e-12
    if len(shape) == 2:
        assert expected == pytest.approx(scheme.variance(*fans(shape)))


def law_of(scheme, shape):
    """The distribution of an entry by scipy; None where it is not of a plain kind."""
    std = scheme.expected_std(shape)
    if scheme.name == "trunc_normal":
        m, s = scheme.mean, scheme.std
        return stats.truncnorm((scheme.a - m) / s, (scheme.b - m) / s, m, s)
    if scheme.name == "uniform":
        return stats.uniform(scheme.a, scheme.b - scheme.a)
    if scheme.name.endswith("_uniform") or scheme.name == "torch_default":
        return stats.uniform(-std * 3**0.5, 2 * std * 3**0.5)
    if scheme.name.endswith("normal") or scheme.draw_.__func__ is il.Scheme.draw_:
        return stats.norm(getattr(scheme, "mean", 0.0), std)
    return None


DRAWN = [s for s in CASES if s.dims[0] <= 2 and s.expected_std((2, 2)) and law_of(s, (2, 2))]


@pytest.mark.parametrize("scheme", DRAWN, ids=repr)
def test_distribution_by_kolmogorov_smirnov(scheme):
    sample = scheme.fill_(torch.empty(150, 200), torch.Generator().manual_seed(1)).flatten()
    assert stats.kstest(sample.numpy(), law_of(scheme, (150, 200)).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [
        (0, 1, -2, 2),
        (0, 0.02, -2, 2),
        (0, 1, -1e-3, 1e-3),
        (-3, 1, 0, 2),
        (5, 1, 0, 1),
        (1, 9, 0, 3),
    ],
)
def test_trunc_normal_variance_against_scipy(mean, std, a, b):
    scheme = il.scheme("trunc_normal", mean=mean, std=std, a=a, b=b)
    expected = stats.truncnorm((a - mean) / std, (b - mean) / std, mean, std).var()
    assert scheme.variance(1, 1) == pytest.approx(expected, rel=1e-6)


def test_kaiming_gain_is_torchs():
    for name in ("linear", "conv3d", "sigmoid", "tanh", "relu", "selu"):
        variance = il.scheme("kaiming_normal", nonlinearity=name).variance(1, 2)
        assert variance == pytest.approx(nn.init.calculate_gain(name) ** 2)
    leaky = Kaiming(a=0.3, mode="fan_out").variance(1, 2)
    assert leaky == pytest.approx(nn.init.calculate_gain("leaky_relu", 0.3) ** 2 / 2)


@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (8, 4, 3), (8, 4, 3, 2), (8, 4, 3, 3, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_orthogonal_has_one_singular_value(shape, dtype):
    weight = il.scheme("orthogonal", gain=3.0).fill_(torch.empty(shape, dtype=dtype))
    values = torch.linalg.svdvals(weight.flatten(1).double())
    tolerance = 1e-5 if dtype in (torch.float32, torch.float64) else 3e-2
    assert torch.allclose(values, torch.full_like(values, 3.0), rtol=tolerance)


def test_truncation_takes_a_share_of_the_std():
    cut = il.scheme("trunc_normal", std=0.5, a=-1, b=1)
    assert cut.expected_std((1, 1)) / 0.5 == pytest.approx(0.8796, abs=5e-5)
    weight = cut.fill_(torch.empty(600, 500), torch.Generator().manual_seed(0))
    assert float(weight.std()) / 0.5 == pytest.approx(0.8796, abs=5e-3)
    # The default bounds are ±2, not ±2 std, so that a small std is not cut at all.
    free = il.scheme("trunc_normal", std=0.02)
    assert free.expected_std((1, 1)) == pytest.approx(0.02)
    widest = free.fill_(torch.empty(600, 500), torch.Generator().manual_seed(0)).abs().max()
    assert 4 * 0.02 < float(widest) < 6 * 0.02


def singular_values_of_circular_convolution(weight, size):
    """Of the map from image to image: those of the kernel's transform at each frequency."""
    transform = torch.fft.fft2(weight.double(), s=(size, size))
    return torch.linalg.svdvals(transform.permute(2, 3, 0, 1))


def test_an_orthogonal_kernel_is_no_orthogonal_convolution():
    values = {
        name: singular_values_of_circular_convolution(il.scheme(name).fill_(weight, source), 8)
        for name in ("orthogonal", "delta_orthogonal")
        for weight, source in [(torch.empty(16, 16, 3, 3), torch.Generator().manual_seed(0))]
    }
    assert float(values["orthogonal"].min()) < 0.1
    assert float(values["orthogonal"].max()) == pytest.approx(1.95, abs=0.2)
    assert torch.allclose(values["delta_orthogonal"], torch.ones(1).double(), atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_delta_orthogonal_keeps_the_norm_under_circular_padding(n):
    layer = [nn.Conv1d, nn.Conv2d, nn.Conv3d][n - 1](
        3, 5, 3, padding=1, padding_mode="circular", bias=False, dtype=torch.float64
    )
    il.SCHEMES["delta_orthogonal"].fill_(layer.weight)
    x = torch.randn(2, 3, *[6] * n, dtype=torch.float64)
    assert torch.allclose(layer(x).flatten(1).norm(dim=1), x.flatten(1).norm(dim=1))


@pytest.mark.parametrize("name", ["eye", "orthogonal", "dirac", "sparse"])
def test_any_memory_layout(name):
    scheme = il.scheme(name)
    shape = (5, 7) if scheme.dims[1] == 2 else (5, 7, 3)
    plain = scheme.fill_(torch.empty(shape), torch.Generator().manual_seed(0))
    turned = torch.empty(shape).transpose(0, 1).contiguous().transpose(0, 1)
    scheme.fill_(turned, torch.Generator().manual_seed(0))
    assert turned.shape == plain.shape
    assert (turned != 0).sum() == (plain != 0).sum()


@pytest.mark.parametrize("name", il.SCHEMES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(name, dtype):
    scheme = il.SCHEMES[name]
    shape = next(shape for shape in [(20, 30), (30, 20, 3)] if fits(scheme, shape))
    weight = scheme.fill_(torch.full(shape, torch.nan, dtype=dtype))
    assert weight.isfinite().all()
    if scheme.expected_std(shape):
        assert float(weight.std()) == pytest.approx(scheme.expected_std(shape), rel=0.3)


def test_no_elements_is_no_work():
    weight = torch.empty(0, 3)
    for name in ("kaiming_normal", "orthogonal", "xavier_uniform"):
        assert il.scheme(name).fill_(weight) is weight


# ------------------------------------------------------------------ what a scheme tells


@pytest.mark.parametrize("name", il.SCHEMES)
def test_scheme_tells_what_it_is(name):
    scheme = il.SCHEMES[name]
    assert scheme.name == name
    assert scheme.summary.endswith(".")
    assert scheme.reference.link.startswith("https://")
    assert 1980 < scheme.reference.year < 2100
    MathTextParser("agg").parse(f"${scheme.formula}$")
    assert type(scheme).__doc__
    assert il.scheme(name) == scheme
    with pytest.raises(dataclasses.FrozenInstanceError):
        scheme.name = "other"


def test_names_in_teaching_order():
    order = [
        *["zeros", "ones", "constant", "uniform", "normal", "trunc_normal", "sparse"],
        *["torch_default", "lecun_uniform", "lecun_normal", "xavier_uniform", "xavier_normal"],
        *["kaiming_uniform", "kaiming_normal", "orthogonal", "delta_orthogonal", "eye", "dirac"],
    ]
    assert [name for name in il.SCHEMES if name in order] == order


def test_repr_is_a_legend():
    assert repr(il.scheme("kaiming_normal")) == "kaiming_normal"
    assert repr(il.scheme("constant")) == "constant(val=0.02)"
    assert repr(il.scheme("xavier_normal", gain=5 / 3)) == "xavier_normal(gain=1.667)"
    changed = il.scheme(il.scheme("kaiming_normal", a=1), mode="fan_out")
    assert repr(changed) == "kaiming_normal(a=1, mode='fan_out')"


def test_references():
    assert str(il.SCHEMES["xavier_normal"].reference) == (
        "Glorot & Bengio (2010), Understanding the difficulty of training deep feedforward neural "
        "networks. https://proceedings.mlr.press/v9/glorot10a.html"
    )


def test_fans_are_torchs():
    for shape in SHAPES:
        tensor = torch.empty(shape)
        assert fans(tensor) == fans(shape) == nn.init._calculate_fan_in_and_fan_out(tensor)


# ------------------------------------------------------------------ one's own


def halves_(tensor):
    tensor.fill_(0.5)


def returned(tensor, gain=1.0):
    return torch.randn(tensor.shape) * gain


def as_numpy(tensor):
    return np.full(tuple(tensor.shape), 0.25)


def given_(tensor, generator=None):
    return tensor.normal_(generator=generator)


def test_function_in_place_returned_or_numpy():
    assert il.scheme(halves_).fill_(torch.empty(2, 3)).unique().tolist() == [0.5]
    assert il.scheme(as_numpy).fill_(torch.empty(2, 3)).unique().tolist() == [0.25]
    torch.manual_seed(0)
    expected = torch.randn(4, 3) * 2
    torch.manual_seed(0)
    scheme = il.scheme(returned, gain=2)
    assert torch.equal(scheme.fill_(torch.empty(4, 3)), expected)
    assert scheme.variance(3, 4) is None
    assert repr(scheme) == "returned(gain=2)"


@pytest.mark.parametrize("function", [returned, given_, nn.init.kaiming_normal_])
def test_generator_controls_functions_too(function):
    scheme, before = il.scheme(function), torch.get_rng_state()
    generator = torch.Generator().manual_seed(0)
    first, second = (scheme.fill_(torch.empty(4, 6), generator) for _ in range(2))
    again = scheme.fill_(torch.empty(4, 6), torch.Generator().manual_seed(0))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_law():
    scheme = il.scheme(lambda fan_in, fan_out, gain=1.0: gain / fan_in, gain=3)
    assert scheme.variance(300, 1) == 0.01
    assert repr(scheme) == "custom(gain=3)"
    assert scheme.centred
    weight = scheme.fill_(torch.empty(200, 300))
    assert float(weight.std()) == pytest.approx(0.1, rel=0.02)


# --------------------------------------------------------------------------- distributions


def textbook(scheme, fans):
    """The distribution of an entry, from scipy."""
    std = math.sqrt(scheme.variance(*fans) or 0)
    return {
        "normal": stats.norm(getattr(scheme, "mean", 0), std or 1),
        "uniform": stats.uniform(
            getattr(scheme, "a", 0) if scheme.name == "uniform" else -math.sqrt(3) * std,
            math.sqrt(12) * std,
        ),
        "truncated normal": stats.truncnorm(-2, 2),
    }.get(scheme.distribution)


@pytest.mark.parametrize("name", il.SCHEMES)
def test_a_scheme_knows_how_its_entries_are_distributed(name):
    scheme = il.SCHEMES[name]
    places = np.linspace(-2.5, 2.5, 41) * (scheme.variance(200, 100) or 1) ** 0.5
    shares = scheme.cumulative(places, 200, 100)
    expected = textbook(scheme, (200, 100))
    if expected is None:
        assert scheme.distribution in {"constant", "sparse", "orthogonal", "identity"}
        assert shares is None
        return
    assert shares == pytest.approx(expected.cdf(places), abs=1e-9)
    drawn = scheme.fill_(torch.empty(100, 200), torch.Generator().manual_seed(0)).numpy()
    found = [(drawn < place).mean() for place in places]
    assert found == pytest.approx(shares, abs=0.02)  # 20,000 entries: 4 std are 0.014


def test_parameters_move_a_distribution():
    places = np.array([-1.0, 0.5, 2.0])
    for scheme, expected in [
        (il.scheme("normal", mean=0.5, std=2.0), stats.norm(0.5, 2)),
        (il.scheme("uniform", a=-1.0, b=3.0), stats.uniform(-1, 4)),
        (il.scheme("trunc_normal", mean=1.0, a=-0.5, b=4.0), stats.truncnorm(-1.5, 3, loc=1)),
        (il.scheme(lambda fan_in, fan_out: 4.0), stats.norm(0, 2)),
    ]:
        assert scheme.cumulative(places, 10, 10) == pytest.approx(expected.cdf(places), abs=1e-12)


def test_a_rule_of_ones_own_has_an_unknown_distribution():
    scheme = il.scheme(lambda tensor: tensor.fill_(1.0))
    assert scheme.distribution == "unknown"
    assert scheme.cumulative(np.zeros(1), 3, 3) is None
