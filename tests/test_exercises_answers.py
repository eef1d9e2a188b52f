"""Is what is right accepted, and what is wrong named? Two tables, and one test for each.

Answers to an exercise stand here, or in `answers/nXX.py`, by notebook: `RIGHT` and `WRONG`.
"""

from __future__ import annotations

import importlib
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import gammaln
from scipy.stats import binom, t
from torch import nn

import initlab as il
from initlab.exercises import drawn, statistics
from initlab.exercises.entries import n00_start, n04_sparse
from initlab.exercises.entries.n00_start import CASES

# Each answer of the tables is judged so often, with fresh numbers. The delicate ones, 300 times.
REPETITIONS = int(os.environ.get("INITLAB_REPETITIONS", "1"))

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _no_file(monkeypatch):
    monkeypatch.setenv("INITLAB_PROGRESS", "off")


# --- random matrices: (fan_in, fan_out) -> (fan_out, fan_in) ---


def normal(std):
    return lambda i, o: torch.randn(o, i) * std(i, o)


def uniform(bound):
    return lambda i, o: rng.uniform(-bound(i, o), bound(i, o), size=(o, i))


def truncated(std):
    """Normal numbers cut at 2 of their standard deviations."""

    def draw(i, o):
        s = std(i, o)
        return nn.init.trunc_normal_(torch.empty(o, i), 0, s, -2 * s, 2 * s)

    return draw


def like(shape, std):
    return normal(std) if shape == "normal" else uniform(lambda i, o: math.sqrt(3) * std(i, o))


def heavy_tailed(std):
    """Student's t law with 8 degrees of freedom, scaled to that standard deviation."""
    return lambda i, o: std(i, o) * rng.standard_t(8, size=(o, i)) * (6 / 8) ** 0.5


def uneven(draw, axis):
    """The spread runs from 15 % below to 15 % above, along the rows or the columns."""

    def answer(i, o):
        numbers = np.asarray(draw(i, o))
        factors = np.linspace(0.85, 1.15, numbers.shape[axis])
        return numbers * np.expand_dims(factors / np.sqrt(np.mean(factors**2)), 1 - axis)

    return answer


def one_seed(shape, std):
    def draw(i, o):
        seeded = np.random.default_rng(0)
        return std(i, o) * (
            seeded.normal(size=(o, i))
            if shape == "normal"
            else seeded.uniform(-(3**0.5), 3**0.5, size=(o, i))
        )

    return draw


def two_bands(i, o):
    """Numbers near −1 and near 1, all different, of std 1."""
    return rng.choice([-1, 1], size=(o, i)) * rng.uniform(0.95, 1.05, size=(o, i))


def low_rank(std, rank=40):
    """Nearly normal entries of the right variance, in a matrix of rank 40."""
    return lambda i, o: (
        std(i, o) * rng.normal(size=(o, rank)) @ rng.normal(size=(rank, i)) / rank**0.5
    )


def uniform_of_low_rank(std):
    """The same, turned into uniform numbers by the normal distribution function."""

    def draw(i, o):
        share = torch.special.ndtr(torch.from_numpy(low_rank(lambda i, o: 1.0)(i, o))).numpy()
        return math.sqrt(3) * std(i, o) * (2 * share - 1)

    return draw


def shifted(draw):
    """Each row is the one above, shifted by one place."""

    def toeplitz(i, o):
        numbers = np.asarray(draw(i, o)).reshape(-1)
        return np.stack([numbers[start : start + i] for start in range(o)])

    return toeplitz


def in_place(fill):
    def answer(weight):
        fill(weight)

    return answer


def right_draws(shape, std, init):
    """One law in torch, numpy, lists and 16 bits, with a gradient, from PyTorch, and in place."""
    draw = like(shape, std)
    return [
        draw,
        lambda i, o: np.asarray(draw(i, o), dtype=np.float32),
        lambda i, o: np.asarray(draw(i, o), dtype=np.float16),
        lambda i, o: torch.as_tensor(draw(i, o)).bfloat16(),
        lambda i, o: np.asarray(draw(i, o)).tolist(),
        lambda i, o: list(torch.as_tensor(draw(i, o))),
        lambda i, o: nn.Parameter(torch.as_tensor(draw(i, o)).double()),
        lambda i, o: init(torch.empty(o, i)),
        in_place(init),
        init,
        lambda *fans: draw(*fans),
        lambda fan_in, fan_out, gain=1.0: gain * draw(fan_in, fan_out),
    ]


def rows_return(shape, std):
    """The same rows at each call, in another order."""
    fixed = {}

    def answer(i, o):
        rows = fixed.setdefault((i, o), like(shape, std)(i, o))
        return rng.permutation(rows)

    return answer


def wrong_draws(shape, std):
    """What goes wrong with any random matrix."""
    draw = like(shape, std)
    other = {"normal": "uniform", "uniform": "normal"}[shape]
    return [
        ("transposed", lambda i, o: draw(o, i)),
        ("shape", lambda i, o: draw(i, o).reshape(-1)),
        ("not finite", lambda i, o: np.full((o, i), np.nan)),
        ("not finite", in_place(lambda weight: weight[0].normal_())),
        ("integers", lambda i, o: np.ones((o, i), dtype=int)),
        ("integers", lambda i, o: [[0] * i] * o),
        ("integers", lambda i, o: torch.zeros(o, i, dtype=torch.long)),
        ("complex", lambda i, o: np.ones((o, i)) * 1j),
        ("not an array", lambda i, o: "weights"),
        ("ragged", lambda i, o: [[0.1] * (i - row % 2) for row in range(o)]),
        ("raised", lambda i, o: 1 / 0),
        ("signature", lambda: torch.zeros(1)),
        ("not a function", torch.zeros(200, 100)),
        ("constant", lambda i, o: torch.full((o, i), std(i, o))),
        ("same numbers at each call", one_seed(shape, std)),
        ("mean for std", lambda i, o: torch.empty(o, i).normal_(std(i, o))),
        ("positive only", lambda i, o: abs(draw(i, o))),
        ("repeated rows", lambda i, o: np.resize(draw(i, 10), (o, i))),
        ("repeated columns", lambda i, o: np.resize(draw(o, 10), (i, o)).T),
        ("mean not 0", lambda i, o: draw(i, o) + std(i, o)),
        ("same std for every fan", like(shape, lambda i, o: 0.02)),
        ("same std for every fan", like(shape, lambda i, o: 1.0)),
        (f"{other} for {shape}", like(other, std)),
        ("truncated", truncated(lambda i, o: std(i, o) / 0.8796)),
        ("truncated", truncated(lambda i, o: 1.04 * std(i, o))),
        ("values return", shifted(draw)),
        ("not independent", low_rank(std) if shape == "normal" else uniform_of_low_rank(std)),
        (None, lambda i, o: 0.9 * draw(i, o)),
        (None, lambda i, o: 1.1 * draw(i, o)),
        ("heavy tails", heavy_tailed(std)),
        ("uneven rows", uneven(draw, 0)),
        ("uneven rows", uneven(draw, 1)),
        ("values return", lambda i, o: std(i, o) * rng.choice([-1, 1], size=(o, i))),
        (None, lambda i, o: std(i, o) * two_bands(i, o)),
        ("uneven rows", lambda i, o: np.asarray(draw(i, o)) * (np.arange(o) > 0)[:, None]),
        ("uneven rows", lambda i, o: np.asarray(draw(i, o)) * (np.arange(i) > 0)),
        ("not independent", rows_return(shape, std)),
        ("not an array", lambda i, o: np.asarray(draw(i, o)).astype(str)),
    ]


XAVIER = [
    ("fan_in only", lambda i, o: (1 / i) ** 0.5),
    ("fan_out only", lambda i, o: (1 / o) ** 0.5),
    ("Kaiming", lambda i, o: (2 / i) ** 0.5),
    ("sum of the roots", lambda i, o: 2**0.5 / (i**0.5 + o**0.5)),
    ("product of the fans", lambda i, o: (2 / (i * o)) ** 0.5),
    ("gain of ReLU", lambda i, o: 2 / (i + o) ** 0.5),
    ("gain of tanh", lambda i, o: 5 / 3 * (2 / (i + o)) ** 0.5),
    ("PyTorch's default", lambda i, o: (1 / (3 * i)) ** 0.5),
]
KAIMING = [
    ("gain missing", lambda i, o: (1 / i) ** 0.5),
    ("fan_out for fan_in", lambda i, o: (2 / o) ** 0.5),
    ("Xavier", lambda i, o: (2 / (i + o)) ** 0.5),
    ("gain squared", lambda i, o: 2 / i**0.5),
    ("no root of the fan", lambda i, o: 2**0.5 / i),
    ("gain of tanh", lambda i, o: 5 / 3 / i**0.5),
    ("PyTorch's default", lambda i, o: (1 / (3 * i)) ** 0.5),
]

DRAWN = {  # name → shape, std, PyTorch's own, (mistake, std), (mistake, answer)
    "lecun_normal": (
        "normal",
        lambda i, o: (1 / i) ** 0.5,
        lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear"),
        [
            ("variance for std", lambda i, o: 1 / i),
            ("fan_out for fan_in", lambda i, o: (1 / o) ** 0.5),
            ("Xavier", lambda i, o: (2 / (i + o)) ** 0.5),
            ("gain for ReLU", lambda i, o: (2 / i) ** 0.5),
            ("PyTorch's default", lambda i, o: (1 / (3 * i)) ** 0.5),
            ("bound for std", lambda i, o: (3 / i) ** 0.5),
        ],
        [],
    ),
    "xavier_uniform": (
        "uniform",
        lambda i, o: (2 / (i + o)) ** 0.5,
        nn.init.xavier_uniform_,
        XAVIER,
        [
            ("√3 for √6", uniform(lambda i, o: (3 / (i + o)) ** 0.5)),
            ("std for bound", uniform(lambda i, o: (2 / (i + o)) ** 0.5)),
            ("variance for std", uniform(lambda i, o: 6 / (i + o))),
            ("sum of the roots", uniform(lambda i, o: 6**0.5 / (i**0.5 + o**0.5))),
            ("positive only", lambda i, o: rng.uniform(0, (6 / (i + o)) ** 0.5, size=(o, i))),
        ],
    ),
    "xavier_normal": (
        "normal",
        lambda i, o: (2 / (i + o)) ** 0.5,
        nn.init.xavier_normal_,
        XAVIER,
        [
            ("1 for 2", normal(lambda i, o: (1 / (i + o)) ** 0.5)),
            ("variance for std", normal(lambda i, o: 2 / (i + o))),
            ("bound for std", normal(lambda i, o: (6 / (i + o)) ** 0.5)),
        ],
    ),
    "kaiming_normal": (
        "normal",
        lambda i, o: (2 / i) ** 0.5,
        nn.init.kaiming_normal_,
        KAIMING,
        [
            ("variance for std", normal(lambda i, o: 2 / i)),
            ("bound for std", normal(lambda i, o: (6 / i) ** 0.5)),
        ],
    ),
    "kaiming_uniform": (
        "uniform",
        lambda i, o: (2 / i) ** 0.5,
        nn.init.kaiming_uniform_,
        KAIMING,
        [
            ("std for bound", uniform(lambda i, o: (2 / i) ** 0.5)),
            ("variance for std", uniform(lambda i, o: 6 / i)),
            ("gain missing", uniform(lambda i, o: (3 / i) ** 0.5)),
            ("PyTorch's default", lambda i, o: nn.Linear(i, o).weight),
        ],
    ),
}

RIGHT = {name: right_draws(shape, std, init) for name, (shape, std, init, *_) in DRAWN.items()}
WRONG = {
    name: [
        *wrong_draws(shape, std),
        *[(mistake, like(shape, wrong)) for mistake, wrong in wrong_stds],
        *answers,
    ]
    for name, (shape, std, _, wrong_stds, answers) in DRAWN.items()
}

# --- orthogonal ---


def qr(i, o, generator=rng):
    q, _ = np.linalg.qr(generator.normal(size=(max(i, o), min(i, o))))
    return q if o >= i else q.T


def unit(matrix, axis):
    return matrix / np.linalg.norm(matrix, axis=axis, keepdims=True)


def triangular(i, o):
    _, r = np.linalg.qr(rng.normal(size=(o, i)), mode="complete")
    return r


def two_blocks(i, o):
    half = min(i, o) // 2
    weight = np.zeros((o, i))
    weight[:half, :half] = qr(half, half)
    weight[half:, half:] = qr(i - half, o - half)
    return weight


RIGHT["orthogonal"] = [
    qr,
    lambda i, o: torch.tensor(qr(i, o)).float(),
    lambda i, o: torch.tensor(qr(i, o)).half(),
    lambda i, o: torch.tensor(qr(i, o)).bfloat16(),
    lambda i, o: qr(i, o).tolist(),
    lambda i, o: nn.init.orthogonal_(torch.empty(o, i)),
    in_place(nn.init.orthogonal_),
    nn.init.orthogonal_,
]
WRONG["orthogonal"] = [
    ("transposed", lambda i, o: qr(o, i)),
    ("identity", lambda i, o: torch.eye(o, i)),
    ("identity", lambda i, o: np.eye(o, i)[rng.permutation(o)]),
    ("same numbers at each call", lambda i, o: qr(i, o, np.random.default_rng(0))),
    ("wrong length", lambda i, o: 2**0.5 * qr(i, o)),
    ("wrong length", lambda i, o: qr(i, o) / 2),
    ("normalised only", lambda i, o: unit(rng.normal(size=(o, i)), 1)),
    ("normalised only", lambda i, o: unit(rng.normal(size=(o, i)), 0)),
    ("wrong factor of the decomposition", triangular),
    ("not decomposed", lambda i, o: rng.normal(size=(o, i)) / i**0.5),
    ("blocks", two_blocks),
    (None, lambda i, o: qr(i, o) + 0.01),
]  # fmt: skip

# --- sparse_incoming ---


def sparse(i, o, k, places=None, values=None):
    weight = np.zeros((o, i))
    fixed = rng.permutation(i)[:k]
    for row in weight:
        at = fixed if places == "same" else rng.choice(i, size=k, replace=places == "twice")
        row[at] = rng.normal(size=k) if values is None else values(k)
    return weight


def bernoulli(i, o, k):
    return rng.normal(size=(o, i)) * (rng.uniform(size=(o, i)) < k / i)


def vectorised(i, o, k):
    order = torch.rand(o, i).argsort(dim=1)
    return torch.randn(o, i) * (order < k)


def band(i, o, k):
    """Places that run along a diagonal, with fresh weights."""
    weight = np.zeros((o, i))
    for number, row in enumerate(weight):
        row[(number + np.arange(k)) % i] = rng.normal(size=k)
    return weight


def in_pairs(i, o, k):
    weight = sparse(i, o, k)
    weight[1::2] = np.where(weight[::2] != 0, rng.normal(size=weight[::2].shape), 0)
    return weight


def fixed_places(i, o, k):
    generator, weight = np.random.default_rng(0), np.zeros((o, i))
    for row in weight:
        row[generator.choice(i, size=k, replace=False)] = rng.normal(size=k)
    return weight


RIGHT["sparse_incoming"] = [
    sparse,
    vectorised,
    lambda i, o, k: vectorised(i, o, k).half(),
    lambda i, o, k: sparse(i, o, k).tolist(),
]
WRONG["sparse_incoming"] = [
    ("transposed", lambda i, o, k: sparse(o, i, k)),
    ("all zero", lambda i, o, k: torch.zeros(o, i)),
    ("same numbers at each call", lambda i, o, k: np.eye(o, i)),
    ("k zeros", lambda i, o, k: sparse(i, o, i - k)),
    ("k outgoing", lambda i, o, k: sparse(o, i, k).T),
    ("even columns", lambda i, o, k: nn.init.sparse_(torch.empty(o, i), 1 - k / i, std=1)),
    ("k on average", bernoulli),
    ("places drawn twice", lambda i, o, k: sparse(i, o, k, places="twice")),
    ("places drawn twice", lambda i, o, k: sparse(i, o, k - 1)),
    ("same places", lambda i, o, k: sparse(i, o, k, places="same")),
    ("places return", band),
    ("places return", in_pairs),
    ("places return", fixed_places),
    ("constant", lambda i, o, k: sparse(i, o, k, values=np.ones)),
    ("uniform for normal", lambda i, o, k: sparse(i, o, k, values=lambda k: rng.uniform(-1, 1, k))),
    (None, lambda i, o, k: 0.9 * sparse(i, o, k)),
    (None, lambda i, o, k: sparse(i, o, k, values=lambda k: rng.choice([-1, 1], k))),
]

# --- normal_std: (weight, std) ---


def normal_in_place(weight, std):
    weight.normal_(0, std)


def shuffled_at_each_call(weight, std):
    rows = np.random.default_rng(0).normal(0, std, weight.shape)
    return rng.permutation(rows)


RIGHT["normal_std"] = [
    lambda weight, std: weight.normal_(0, std),
    lambda weight, std: nn.init.normal_(weight, std=std),
    lambda weight, std: rng.normal(0, std, size=weight.shape),
    lambda weight, std: (torch.randn_like(weight) * std).half(),
    lambda weight, std: (torch.randn(weight.shape) * std).tolist(),
    normal_in_place,
]
WRONG["normal_std"] = [
    ("mean not 0", lambda weight, std: weight.normal_(std, std)),
    ("partly filled", lambda weight, std: (weight[0].normal_(0, std), weight)[1]),
    ("mean for std", lambda weight, std: weight.normal_(std)),
    ("mean for std", lambda weight, std: nn.init.normal_(weight, std)),
    ("variance for std", lambda weight, std: weight.normal_(0, std**0.5)),
    ("std squared", lambda weight, std: weight.normal_(0, std**2)),
    ("std ignored", lambda weight, std: weight.normal_()),
    ("uniform for normal", lambda weight, std: weight.uniform_(-std, std)),
    ("uniform for normal", lambda weight, std: weight.uniform_(0, std)),
    ("added to what was there", lambda weight, std: weight + std * torch.randn_like(weight)),
    ("truncated", lambda weight, std: nn.init.trunc_normal_(weight, 0, std, -2 * std, 2 * std)),
    ("constant", lambda weight, std: weight.fill_(std)),
    (
        "repeated rows",
        lambda weight, std: (std * torch.randn(weight.shape[1])).expand(weight.shape),
    ),
    (
        "same numbers at each call",
        lambda weight, std: np.random.default_rng(0).normal(0, std, weight.shape),
    ),
    ("not independent", shuffled_at_each_call),
    (None, lambda weight, std: weight.normal_(0, 1.1 * std)),
    (None, lambda weight, std: weight.normal_(0, 0.9 * std)),
    ("shape", lambda weight, std: torch.randn(weight.numel()) * std),
]

# --- read_trace ---

NAMES = {case: record.illness for case, record in CASES.items()}

RIGHT["read_trace"] = [NAMES, {case: f" {name.title()} " for case, name in NAMES.items()}]
WRONG["read_trace"] = [
    ("direction", NAMES | {"A": "exploding", "D": "vanishing"}),
    ("A", NAMES | {"A": "healthy"}),
    ("saturated is not healthy", NAMES | {"C": "healthy"}),
    ("C", NAMES | {"C": "exploding"}),
    ("B", NAMES | {"B": "vanishing"}),
    ("D", NAMES | {"D": "saturated"}),
    ("unknown name", NAMES | {"B": "fine"}),
    ("not a dict", "vanishing"),
]

# --- distinct_units ---

RIGHT["distinct_units"] = [
    lambda weight: len(weight.unique(dim=0)),
    lambda weight: len(np.unique(weight.numpy(), axis=0)),
    lambda weight: len({tuple(row) for row in weight.tolist()}),
    lambda weight: torch.tensor([len(weight.unique(dim=0))]),
]
WRONG["distinct_units"] = [
    ("columns for rows", lambda weight: len(weight.unique(dim=1).T)),
    ("entries for rows", lambda weight: len(weight.unique())),
    ("rank", torch.linalg.matrix_rank),
    ("all rows", len),
    ("copies for units", lambda weight: len(weight) - len(weight.unique(dim=0))),
    (
        "units that have no copy",
        lambda weight: int((weight.unique(dim=0, return_counts=True)[1] == 1).sum()),
    ),
    ("sum of the row for the row", lambda weight: len(weight.sum(1).unique())),
    ("not a number", lambda weight: weight.unique(dim=0)),
    (None, lambda weight: 3),
]

# --- break_symmetry ---


def one_entry(weight):
    weight[0, 0] += 0.001
    return weight


def two_halves(weight):
    weight[::3] *= 1.01
    weight[::2] += 0.001
    return weight


RIGHT["break_symmetry"] = [
    lambda weight: weight * (1 + 0.1 * torch.randn_like(weight)),
    lambda weight: weight.numpy() + 0.001 * rng.normal(size=weight.shape),
    lambda weight: weight + 1e-3 * torch.linspace(-1, 1, len(weight))[:, None],
    in_place(lambda weight: weight.mul_(1 + 0.1 * torch.randn_like(weight))),
    lambda weight: (weight * torch.empty_like(weight).uniform_(0.8, 1.2)).tolist(),
]
WRONG["break_symmetry"] = [
    ("unchanged", lambda weight: weight + 1),
    ("unchanged", lambda weight: weight),
    ("same noise for each unit", lambda weight: weight + 0.001 * torch.randn(weight.shape[1])),
    ("one unit only", one_entry),
    ("some units still equal", two_halves),
    ("mean not kept", lambda weight: torch.randn_like(weight)),
    ("mean not kept", lambda weight: weight * (1 + torch.rand_like(weight))),
    ("too far", lambda weight: weight * (1 + torch.randn_like(weight))),
    ("transposed", lambda weight: weight.T.clone()),
]

# --- output_bias ---


def shares(counts):
    return np.array(counts) / sum(counts)


RIGHT["output_bias"] = [
    lambda counts: np.log(shares(counts)),
    lambda counts: torch.tensor(counts).log(),
    lambda counts: [math.log(count) + 3 for count in counts],
    lambda counts: torch.tensor(shares(counts)).log().half(),
    lambda counts: torch.tensor(counts).log().bfloat16(),
]
WRONG["output_bias"] = [
    ("zeros", lambda counts: np.zeros(len(counts))),
    ("share for log share", shares),
    ("logit of a sigmoid", lambda counts: np.log(shares(counts) / (1 - shares(counts)))),
    ("sign", lambda counts: -np.log(shares(counts))),
    ("base of the logarithm", lambda counts: np.log10(shares(counts))),
    ("base of the logarithm", lambda counts: np.log2(shares(counts))),
    ("counts for log counts", lambda counts: np.array(counts, dtype=float)),
    ("weights of a loss", lambda counts: 1 / shares(counts)),
    ("counts for log counts", lambda counts: counts),
    ("shape", lambda counts: np.log(shares(counts))[:1]),
    (None, lambda counts: np.sqrt(shares(counts))),
    (None, lambda counts: 0.95 * np.log(shares(counts))),
]

# --- batchnorm_initial_values ---


def norm_values(weight=1.0, bias=0.0, mean=0.0, var=1.0):
    def answer(layer):
        nn.init.constant_(layer.weight, weight)
        nn.init.constant_(layer.bias, bias)
        layer.running_mean.fill_(mean)
        layer.running_var.fill_(var)

    return answer


def parameters_only(layer):
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)


def without_gradient(layer):
    layer.reset_parameters()
    layer.weight.requires_grad_(False)


def too_few(layer):
    layer.reset_parameters()
    layer.running_var = torch.ones(1)


RIGHT["batchnorm_initial_values"] = [
    norm_values(),
    lambda layer: layer.reset_parameters(),
    lambda layer: layer.load_state_dict(type(layer)(layer.num_features).double().state_dict()),
]
WRONG["batchnorm_initial_values"] = [
    ("swapped", norm_values(weight=0, bias=1)),
    ("weight zero", norm_values(weight=0)),
    ("bias one", norm_values(bias=1)),
    ("variance zero", norm_values(var=0)),
    ("running mean one", norm_values(mean=1)),
    ("running statistics forgotten", parameters_only),
    ("gradient lost", without_gradient),
    (None, lambda layer: nn.init.normal_(layer.weight)),
    (None, too_few),
    ("raised", lambda layer: layer.gamma.fill_(1)),
]

# --- initialize_weights ---


def weights(fill, types=(nn.Conv2d, nn.Linear), norm=1.0, bias=0.0, layers=nn.Module.modules):
    def answer(model):
        for layer in layers(model):
            if isinstance(layer, types):
                fill(layer.weight)
            elif isinstance(layer, nn.BatchNorm2d) and norm is not None:
                nn.init.constant_(layer.weight, norm)
            if bias is not None and getattr(layer, "bias", None) is not None:
                nn.init.constant_(layer.bias, bias)

    return answer


def by_hand(model):
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            n = parameter[0].numel()
            parameter.data = torch.tensor(rng.normal(0, (2 / n) ** 0.5, parameter.shape)).float()
        else:
            parameter.data.fill_(float(name.endswith("weight")))


def in_float64(model):
    weights(KAIMING_)(model)
    model[0].weight.data = model[0].weight.data.double()


def normal_norm(model):
    weights(KAIMING_)(model)
    nn.init.normal_(model[1].weight)


def frozen(model):
    weights(KAIMING_)(model)
    model.requires_grad_(False)


def channels_only(weight):
    nn.init.normal_(weight, std=(2 / weight.shape[1]) ** 0.5)


def kaiming(**how):
    return lambda weight: nn.init.kaiming_normal_(weight, **how)


KAIMING_ = kaiming(nonlinearity="relu")

RIGHT["initialize_weights"] = [
    weights(KAIMING_),
    lambda model: (weights(KAIMING_)(model), model)[1],
    by_hand,
    lambda model: model.apply(lambda layer: weights(KAIMING_, layers=lambda x: [x])(layer)),
    lambda model: model.double() and weights(KAIMING_)(model),
]
WRONG["initialize_weights"] = [
    ("gradient lost", frozen),
    ("several dtypes", in_float64),
    ("inner block forgotten", weights(KAIMING_, layers=nn.Module.children)),
    ("Linear forgotten", weights(KAIMING_, types=nn.Conv2d)),
    ("Conv2d forgotten", weights(KAIMING_, types=nn.Linear)),
    ("BatchNorm forgotten", weights(KAIMING_, norm=None)),
    ("BatchNorm weight zero", weights(KAIMING_, norm=0)),
    ("BatchNorm random", normal_norm),
    ("constant", weights(lambda weight: nn.init.constant_(weight, 0.1))),
    ("gain missing", weights(kaiming(nonlinearity="linear"))),
    ("fan_out for fan_in", weights(kaiming(mode="fan_out"))),
    ("Xavier", weights(nn.init.xavier_normal_)),
    ("PyTorch's default", weights(lambda weight: nn.init.kaiming_uniform_(weight, a=5**0.5))),
    ("fan without the kernel", weights(channels_only)),
    ("same std for every layer", weights(lambda weight: nn.init.normal_(weight, std=0.02))),
    ("uniform for normal", weights(nn.init.kaiming_uniform_)),
    ("bias forgotten", weights(KAIMING_, bias=None)),
    ("raised", lambda model: [layer.bias.data.zero_() for layer in model]),
    (None, weights(lambda weight: nn.init.kaiming_normal_(weight).data.mul_(1.1))),
]

# --- numpy_to_parameter ---


def tensor(layer, array):
    return torch.from_numpy(array).to(layer.weight.dtype)


def copied(layer, array):
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(array))


def set_data(convert):
    def answer(layer, array):
        layer.weight.data = convert(torch.from_numpy(array), layer)

    return answer


def set_parameter(**how):
    def answer(layer, array):
        layer.weight = nn.Parameter(tensor(layer, array), **how)

    return answer


def plain_tensor(layer, array):
    new = tensor(layer, array)
    del layer.weight
    layer.weight = new


def halfway(layer, array):
    layer.weight.data[:1] = 0


RIGHT["numpy_to_parameter"] = [
    copied,
    set_data(lambda new, layer: new.to(layer.weight.dtype)),
    set_parameter(),
    lambda layer, array: layer.weight.data.copy_(torch.tensor(array)),
]
WRONG["numpy_to_parameter"] = [
    ("dtype of the array", set_data(lambda new, layer: new)),
    ("fixed dtype", set_data(lambda new, layer: new.float())),
    ("gradient lost", set_parameter(requires_grad=False)),
    ("no parameter", plain_tensor),
    ("transposed", set_data(lambda new, layer: new.to(layer.weight.dtype).T)),
    ("not filled", halfway),
    ("not filled", lambda layer, array: layer.weight.detach().clone().copy_(torch.tensor(array))),
    ("raised", lambda layer, array: layer.weight.copy_(torch.from_numpy(array))),
    ("raised", lambda layer, array: setattr(layer, "weight", array)),
    ("not filled", set_data(lambda new, layer: (new + 0.005).to(layer.weight.dtype))),
]

# --- gain_by_sampling ---

Z = rng.normal(size=400_000)


def moment(function, power=2, z=None):
    return float(np.mean(np.asarray(function(Z if z is None else z)) ** power))


RIGHT["gain_by_sampling"] = [
    lambda activation: 1 / moment(activation) ** 0.5,
    lambda activation: activation(torch.randn(100_000)).square().mean().rsqrt(),
    lambda activation: 1 / np.sqrt(np.mean(activation(rng.normal(size=100_000)) ** 2)),
    lambda activation: activation(torch.randn(100_000).half()).float().pow(2).mean().rsqrt().item(),
]
WRONG["gain_by_sampling"] = [
    ("std for rms", lambda activation: 1 / np.std(activation(Z))),
    ("no root", lambda activation: 1 / moment(activation)),
    ("inverse", lambda activation: moment(activation) ** 0.5),
    ("inverse, no root", moment),
    ("variance for mean square", lambda activation: 1 / np.var(activation(Z))),
    ("mean size", lambda activation: 1 / np.mean(np.abs(activation(Z)))),
    ("mean", lambda activation: 1 / moment(activation, 1)),
    ("too few numbers", lambda activation: 1.1 / moment(activation) ** 0.5),
    ("activation ignored", lambda activation: 2**0.5),
    ("not a number", lambda activation: activation(torch.randn(10))),
    (None, lambda activation: 1 / moment(activation, z=2 * Z) ** 0.5),
]

# --- residual_scaling ---

RIGHT["residual_scaling"] = [
    lambda depth: depth**-0.5,
    lambda depth: 1 / np.sqrt(depth),
    lambda depth: torch.tensor(depth).rsqrt(),
    lambda depth: np.array([1 / depth**0.5], dtype=np.float16),
    lambda depth: torch.tensor(depth**-0.5, dtype=torch.bfloat16),
]
WRONG["residual_scaling"] = [
    ("variance for std", lambda depth: 1 / depth),
    ("inverse", lambda depth: depth**0.5),
    ("two branches a block", lambda depth: 1 / (2 * depth) ** 0.5),
    ("no scaling", lambda depth: 1),
    ("squared twice", lambda depth: depth**-0.25),
    ("halved at each block", lambda depth: 2 ** (-depth / 2)),
    ("depth ignored", lambda depth: 0.1),
    ("not a number", lambda depth: "1/√depth"),
    (None, lambda depth: 1 / math.log(depth)),
]

# --- the answers of notebooks with a file of their own ---

for path in sorted(Path(__file__).parent.glob("answers/n*.py")):
    of_notebook = importlib.import_module(f"answers.{path.stem}")
    RIGHT.update(of_notebook.RIGHT)
    WRONG.update(of_notebook.WRONG)


# --- the tests ---


def rows(table):
    return [
        pytest.param(name, *(answer if isinstance(answer, tuple) else (answer,)), id=f"{name}-{k}")
        for name, answers in table.items()
        for k, answer in enumerate(answers)
    ]


@pytest.mark.parametrize(("name", "answer"), rows(RIGHT))
def test_a_right_answer_is_correct(name, answer):
    outcomes = [il.check(name, answer) for _ in range(REPETITIONS)]
    assert {(o.status, o.mistake) for o in outcomes} == {("correct", None)}, outcomes


@pytest.mark.parametrize(("name", "mistake", "answer"), rows(WRONG))
def test_a_wrong_answer_is_recognised(name, mistake, answer):
    outcomes = [il.check(name, answer) for _ in range(REPETITIONS)]
    assert {(o.status, o.mistake) for o in outcomes} == {("incorrect", mistake)}, outcomes


def test_each_exercise_has_its_answers_here_and_each_known_mistake_is_made():
    assert set(RIGHT) == set(WRONG) == set(il.exercises.EXERCISES)
    for name, exercise in il.exercises.EXERCISES.items():
        declared = {mistake.name for mistake in exercise.mistakes}
        assert declared - {mistake for mistake, _ in WRONG[name]} == set(), name
        assert len(RIGHT[name]) >= 2
        assert len(WRONG[name]) >= 4


def test_the_samples_are_as_large_as_the_limits_need():
    assert all(i * o >= statistics.ENOUGH and min(i, o) >= 60 and i != o for i, o in drawn.FANS)
    assert all(o * k >= statistics.ENOUGH and i != o for i, o, k in n04_sparse._SIZES)
    assert math.prod(n00_start._SHAPE) >= statistics.ENOUGH


@pytest.mark.parametrize("n", [statistics.ENOUGH, 24_000])
@pytest.mark.parametrize("rounding", [0.97, 1, 1.03])
def test_the_tails_of_a_right_answer_pass(n, rounding):
    share = statistics.BEYOND_TAIL * rounding
    fewest, most = (n * statistics.BEYOND_TAIL * x for x in (statistics.FEWEST, statistics.MOST))
    assert binom.cdf(fewest, n, share) + binom.sf(np.ceil(most) - 1, n, share) < 7e-10
    assert binom.cdf(most, n, 2 * t.sf(3 * (8 / 6) ** 0.5, 8)) < 2e-7


@pytest.mark.parametrize(("m", "n"), [n00_start._SHAPE, *drawn.FANS])
def test_the_rows_of_a_right_answer_pass(m, n):
    for rows, k in [(m, n / 2), (n, m / 2)]:
        s = np.linspace(0, k, 1000)[1:-1]
        moment = -s + k * np.log(k) - gammaln(k) + gammaln(k - s) - (k - s) * np.log(k - s)
        limit = statistics.even_limit(rows) / (2 * k)
        assert (rows * moment - s * limit).min() < np.log(2e-11)  # Chernoff's bound, for each s


DELICATE = [
    ("kaiming_normal", "correct", like("normal", lambda i, o: (2 / i) ** 0.5)),
    ("kaiming_normal", "incorrect", like("normal", lambda i, o: 0.9 * (2 / i) ** 0.5)),
    ("kaiming_normal", "incorrect", like("normal", lambda i, o: 1.1 * (2 / i) ** 0.5)),
    ("kaiming_normal", "incorrect", heavy_tailed(lambda i, o: (2 / i) ** 0.5)),
    ("kaiming_normal", "incorrect", uneven(like("normal", lambda i, o: (2 / i) ** 0.5), 0)),
    ("xavier_uniform", "correct", like("uniform", lambda i, o: (2 / (i + o)) ** 0.5)),
    ("xavier_uniform", "incorrect", like("uniform", lambda i, o: 1.1 * (2 / (i + o)) ** 0.5)),
    ("orthogonal", "correct", qr),
    ("normal_std", "correct", lambda weight, std: weight.normal_(0, std)),
    ("break_symmetry", "correct", RIGHT["break_symmetry"][0]),
    ("gain_by_sampling", "correct", RIGHT["gain_by_sampling"][1]),
]


@pytest.mark.parametrize(("name", "status", "answer"), DELICATE)
def test_300_repetitions_change_no_verdict(name, status, answer):
    assert {il.check(name, answer).status for _ in range(300)} == {status}


@pytest.mark.parametrize(("name", "case"), CASES.items())
def test_the_traces_to_read_are_what_such_networks_give(name, case):
    activation, gradient = [], []
    phi = getattr(torch, case.nonlinearity)
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        h = torch.randn(256, 256, generator=generator).requires_grad_()
        outputs = []
        for _ in range(20):
            h = phi(h @ torch.randn(256, 256, generator=generator).mul(case.std).T)
            h.retain_grad()
            outputs.append(h)
        (h * torch.randn(h.shape, generator=generator)).sum().backward()
        shown = [outputs[k] for k in (0, 4, 9, 14, 19)]
        activation.append([rms(a) for a in shown])
        gradient.append([rms(a.grad) / rms(outputs[-1].grad) for a in shown])
    median = lambda runs: np.median(runs, axis=0)  # noqa: E731
    assert np.log(median(activation)) == pytest.approx(np.log(case.activation), abs=0.35)
    assert np.log(median(gradient)) == pytest.approx(np.log(case.gradient), abs=0.35)


def rebinds(weight, std):
    weight = std * torch.randn(weight.shape)  # a new tensor, under the old name


def todo(*_):
    raise NotImplementedError("later")


def swaps_shapes(model):
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.weight.data = torch.randn(module.in_features, module.out_features)


FORMS = [
    ("normal_std", "nothing done", rebinds),
    ("stream_growth", "nothing done", lambda blocks, scale: print(end="")),
    ("orthogonal", "nothing done", lambda i, o: print(end="") if i > o else None),
    ("orthogonal", "several values", lambda i, o: torch.linalg.qr(torch.randn(o, i))),
    ("lecun_normal", "raised", lambda i, o: torch.full((o, i), 0).normal_(0, i**-0.5)),
    ("initialize_weights", "shape", swaps_shapes),
    ("xavier_factors", "both level", lambda *fans: (1, 1)),
    ("output_bias", "zeros", lambda counts: [0] * len(counts)),
]


@pytest.mark.parametrize(("name", "mistake", "answer"), FORMS)
def test_a_real_attempt_is_told_what_is_wrong_with_it(name, mistake, answer):
    found = il.check(name, answer)
    assert (found.status, found.mistake) == ("incorrect", mistake), found


@pytest.mark.parametrize("name", ["normal_std", "orthogonal", "stream_growth", "chi_1"])
def test_a_stub_is_no_attempt(name):
    for stub in (lambda *_: ..., lambda *_: None, todo):
        assert il.check(name, stub).status == "not attempted"


def test_a_coarse_dtype_is_forgiven_and_the_same_error_in_a_fine_one_is_not():
    def coarse(slopes, weight_var):
        return torch.tensor(weight_var * np.mean(slopes**2), dtype=torch.bfloat16)

    def fine(slopes, weight_var):
        return 1.003 * weight_var * np.mean(slopes**2)

    assert il.check("chi_1", coarse).status == "correct"
    assert il.check("chi_1", fine).status == "incorrect"


def test_a_sparse_tensor_is_read():
    def answer(fan_in, fan_out, k):
        return torch.as_tensor(RIGHT["sparse_incoming"][0](fan_in, fan_out, k)).to_sparse()

    assert il.check("sparse_incoming", answer).status == "correct"


def rms(values):
    return values.double().square().mean().sqrt().item()
