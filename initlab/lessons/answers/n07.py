"""Notebook 07: right and wrong answers."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from initlab.lessons.answers.matrices import in_place, rng

RIGHT = {
    "orthogonal_gain": [
        lambda i, o: max(1, o / i) ** 0.5,
        lambda i, o: (max(i, o) / i) ** 0.5,
        lambda i, o: torch.tensor(o / i).clamp(min=1).sqrt(),
        lambda i, o: np.sqrt(o / i) if o > i else 1,
    ],
}

WRONG = {
    "orthogonal_gain": [
        ("always 1", lambda i, o: 1),
        ("no root", lambda i, o: max(1, o / i)),
        ("both cases alike", lambda i, o: (o / i) ** 0.5),
        ("fans swapped", lambda i, o: max(1, i / o) ** 0.5),
        ("upside down", lambda i, o: min(1, i / o) ** 0.5),
        ("not a number", lambda i, o: [o, i]),
        (None, lambda i, o: 2**0.5),
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
