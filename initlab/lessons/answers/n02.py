"""Notebook 02: right and wrong answers."""

from __future__ import annotations

import math

import numpy as np
import torch

from initlab.lessons.answers.matrices import in_place, rng

RIGHT, WRONG = {}, {}


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
