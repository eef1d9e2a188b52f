"""Notebook 04: right and wrong answers."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from initlab.lessons.answers.matrices import rng


def kept(fan_in, sparsity):
    return fan_in * (1 - sparsity)


RIGHT = {
    "sparse_std": [
        lambda i, s, p: math.sqrt((1 - p) / kept(i, s)),
        lambda i, s, p: np.sqrt((1 - p) / (i - s * i)),
        lambda i, s, p: torch.tensor(kept(i, s) / (1 - p)).rsqrt(),
    ],
    "unread_share": [
        lambda i, o, k: (1 - k / i) ** o,
        lambda i, o, k: np.prod(np.full(o, (i - k) / i)),
        lambda i, o, k: torch.full((o,), 1 - k / i, dtype=torch.float64).prod(),
        lambda i, o, k: math.exp(o * math.log1p(-k / i)),
    ],
}

WRONG = {
    "sparse_std": [
        ("variance for std", lambda i, s, p: (1 - p) / kept(i, s)),
        ("share of zeros", lambda i, s, p: math.sqrt((1 - p) / (i * s))),
        ("sparsity ignored", lambda i, s, p: math.sqrt((1 - p) / i)),
        ("dropout ignored", lambda i, s, p: 1 / math.sqrt(kept(i, s))),
        ("dropout without its factor", lambda i, s, p: 1 / math.sqrt(kept(i, s) * (1 - p))),
        ("factor of dropout alone", lambda i, s, p: (1 - p) / math.sqrt(kept(i, s))),
        ("zeros make it smaller", lambda i, s, p: math.sqrt((1 - p) * (1 - s) / i)),
        ("not a number", lambda i, s, p: np.ones(3)),
        (None, lambda i, s, p: 0.01),
    ],
    "unread_share": [
        ("fan_in for fan_out", lambda i, o, k: (1 - k / i) ** i),
        ("units for inputs", lambda i, o, k: (1 - k / o) ** i),
        ("the other inputs", lambda i, o, k: 1 - (1 - k / i) ** o),
        ("count for share", lambda i, o, k: i * (1 - k / i) ** o),
        (None, lambda i, o, k: math.exp(-o * k / i)),
        (None, lambda i, o, k: 0.0),
    ],
}


def kernel(rows):
    """Turn a rule for matrices (fan_in, fan_out, k) into one for kernels."""

    def fill(channels_in, channels_out, size, k):
        weight = rows(channels_in * size * size, channels_out, k)
        return weight.reshape(channels_out, channels_in, size, size)

    return fill


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


def through_sparse_(i, o, k):
    """Let `sparse_` do it on the transposed view; half a weight saves it from rounding up."""
    weight = torch.empty(o, i)
    nn.init.sparse_(weight.T, 1 - (k + 0.5) / i, std=1.0)
    return weight


def from_each_channel(channels_in, channels_out, size, k):
    weight = rng.normal(size=(channels_out, channels_in, size * size))
    weight[..., k:] = 0
    return rng.permuted(weight, axis=2).reshape(channels_out, channels_in, size, size)


RIGHT["sparse_kernel"] = [
    kernel(sparse),
    kernel(vectorised),
    kernel(through_sparse_),
    kernel(lambda i, o, k: vectorised(i, o, k).half()),
    lambda *sizes: kernel(sparse)(*sizes).tolist(),
]
WRONG["sparse_kernel"] = [
    (mistake, kernel(rows))
    for mistake, rows in [
        ("all zero", lambda i, o, k: torch.zeros(o, i)),
        ("same numbers at each call", lambda i, o, k: np.eye(o, i)),
        ("k zeros", lambda i, o, k: sparse(i, o, i - k)),
        ("even columns", lambda i, o, k: nn.init.sparse_(torch.empty(o, i), 1 - k / i, std=1)),
        ("k on average", bernoulli),
        ("places drawn twice", lambda i, o, k: sparse(i, o, k, places="twice")),
        ("places drawn twice", lambda i, o, k: sparse(i, o, k - 1)),
        ("same places", lambda i, o, k: sparse(i, o, k, places="same")),
        ("places return", band),
        ("places return", in_pairs),
        ("places return", fixed_places),
        ("constant", lambda i, o, k: sparse(i, o, k, values=np.ones)),
        (
            "uniform for normal",
            lambda i, o, k: sparse(i, o, k, values=lambda k: rng.uniform(-1, 1, k)),
        ),
        (None, lambda i, o, k: 0.9 * sparse(i, o, k)),
        (None, lambda i, o, k: sparse(i, o, k, values=lambda k: rng.choice([-1, 1], k))),
    ]
]
WRONG["sparse_kernel"] += [
    ("shape", lambda c, o, size, k: kernel(sparse)(o, c, size, min(k, o))),
    ("k from each input channel", from_each_channel),
]
