"""Notebook 05: right and wrong answers."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from initlab.lessons.answers.matrices import answers, normal, rng, uniform


def variance(i, o):
    return 2 / (i + o)


RIGHT = {
    "xavier_factors": [
        lambda i, o: (math.sqrt(i * variance(i, o)), math.sqrt(o * variance(i, o))),
        lambda i, o: np.sqrt(np.array([i, o]) / np.mean([i, o])),
        lambda i, o: torch.tensor([i, o], dtype=torch.float64).mul(variance(i, o)).sqrt(),
        lambda i, o: [
            torch.tensor(i * variance(i, o)).sqrt(),
            np.float32(o * variance(i, o)) ** 0.5,
        ],
    ],
}

WRONG = {
    "xavier_factors": [
        ("mean square for rms", lambda i, o: (i * variance(i, o), o * variance(i, o))),
        (
            "forwards and backwards swapped",
            lambda i, o: (math.sqrt(o * variance(i, o)), math.sqrt(i * variance(i, o))),
        ),
        ("fan_in only", lambda i, o: (1.0, math.sqrt(o / i))),
        ("fan_out only", lambda i, o: (math.sqrt(i / o), 1.0)),
        ("both level", lambda i, o: np.ones(2)),
        ("1 for 2", lambda i, o: (math.sqrt(i / (i + o)), math.sqrt(o / (i + o)))),
        ("std for variance", lambda i, o: np.sqrt(np.array([i, o]) * math.sqrt(variance(i, o)))),
        ("std of the weights only", lambda i, o: np.sqrt([variance(i, o)] * 2)),
        ("inverse", lambda i, o: (np.array([i, o]) * variance(i, o)) ** -0.5),
        ("shape", lambda i, o: math.sqrt(i * variance(i, o))),
        (None, lambda i, o: (0.5, 0.5)),
    ],
}


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


RIGHT["xavier_uniform"], WRONG["xavier_uniform"] = answers(
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
)

RIGHT["xavier_normal"], WRONG["xavier_normal"] = answers(
    "normal",
    lambda i, o: (2 / (i + o)) ** 0.5,
    nn.init.xavier_normal_,
    XAVIER,
    [
        ("1 for 2", normal(lambda i, o: (1 / (i + o)) ** 0.5)),
        ("variance for std", normal(lambda i, o: 2 / (i + o))),
        ("bound for std", normal(lambda i, o: (6 / (i + o)) ** 0.5)),
    ],
)
