"""Notebook 07: right and wrong answers."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from initlab.lessons.answers.matrices import in_place, rng


def moment(values, power):
    return sum(float(value) ** power for value in values) / len(values)


RIGHT = {
    "singular_spread": [
        lambda s: (s**4).mean() / (s**2).mean() ** 2,
        lambda s: moment(s, 4) / moment(s, 2) ** 2,
        lambda s: torch.as_tensor(s).pow(4).mean() / torch.as_tensor(s).square().mean().square(),
    ],
}

WRONG = {
    "singular_spread": [
        ("not squared", lambda s: moment(s, 4) / moment(s, 2)),
        ("squares for fourth powers", lambda s: moment(s, 2) / moment(s, 1) ** 2),
        ("sums for means", lambda s: np.sum(s**4) / np.sum(s**2) ** 2),
        ("condition number", lambda s: max(s) / min(s)),
        ("upside down", lambda s: moment(s, 2) ** 2 / moment(s, 4)),
        ("minus one", lambda s: moment(s, 4) / moment(s, 2) ** 2 - 1),
        ("square of the mean", lambda s: np.mean(s**4) / np.mean(s) ** 4),
        ("not a number", lambda s: s**4),
        (None, lambda s: np.std(s)),
    ],
}


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
