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
        lambda i, o, s: 1 / math.sqrt(kept(i, s)),
        lambda i, o, s: np.sqrt(1 / (i - s * i)),
        lambda i, o, s: torch.tensor(kept(i, s)).rsqrt(),
    ],
    "cut_off_share": [
        lambda i, o, s: s**i,
        lambda i, o, s: np.prod(np.full(i, s)),
        lambda i, o, s: torch.full((i,), s, dtype=torch.float64).prod(),
        lambda i, o, s: math.exp(i * math.log(s)),
    ],
}

WRONG = {
    "sparse_std": [
        ("variance for std", lambda i, o, s: 1 / kept(i, s)),
        ("share of zeros", lambda i, o, s: 1 / math.sqrt(i * s)),
        ("sparsity ignored", lambda i, o, s: 1 / math.sqrt(i)),
        ("fan_out for fan_in", lambda i, o, s: 1 / math.sqrt(kept(o, s))),
        ("zeros make it smaller", lambda i, o, s: math.sqrt((1 - s) / i)),
        ("gain of ReLU", lambda i, o, s: math.sqrt(2 / kept(i, s))),
        ("inverse", lambda i, o, s: math.sqrt(kept(i, s))),
        ("not a number", lambda i, o, s: np.ones(3)),
        (None, lambda i, o, s: 0.01),
    ],
    "cut_off_share": [
        ("fan_out for fan_in", lambda i, o, s: s**o),
        ("share that is left", lambda i, o, s: (1 - s) ** i),
        ("the other units", lambda i, o, s: 1 - s**i),
        ("at least one zero", lambda i, o, s: 1 - (1 - s) ** i),
        ("times for power", lambda i, o, s: i * s),
        ("one weight only", lambda i, o, s: s),
        ("count for share", lambda i, o, s: o * s**i),
        (None, lambda i, o, s: 0.0),
    ],
}


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
