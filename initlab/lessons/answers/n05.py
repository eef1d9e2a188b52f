"""Notebook 05: right and wrong answers."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from initlab.lessons.answers.matrices import answers, rng, uniform


def std(fans):
    return math.sqrt(2 / fans)


def kernel_fans(i, o, k):
    return nn.init._calculate_fan_in_and_fan_out(torch.empty(o, i, k, k))


RIGHT = {
    "xavier_conv": [
        lambda i, o, k: std((i + o) * k * k),
        lambda i, o, k: np.sqrt(2 / np.sum(kernel_fans(i, o, k))),
        lambda i, o, k: torch.tensor(2.0).div((i + o) * k**2).sqrt(),
    ],
    "xavier_slope": [
        lambda i, o, s: std(i + o) / s,
        lambda i, o, s: np.sqrt(1 / (np.mean([i, o]) * s**2)),
        lambda i, o, s: torch.tensor(2 / (i + o), dtype=torch.float64).sqrt() / s,
    ],
}

WRONG = {
    "xavier_conv": [
        ("channels only", lambda i, o, k: std(i + o)),
        ("size for its square", lambda i, o, k: std((i + o) * k)),
        ("window on one side only", lambda i, o, k: std(i * k**2 + o)),
        ("variance for std", lambda i, o, k: 2 / ((i + o) * k**2)),
        ("bound for std", lambda i, o, k: math.sqrt(6 / ((i + o) * k**2))),
        ("1 for 2", lambda i, o, k: ((i + o) * k**2) ** -0.5),
        ("fan_in only", lambda i, o, k: (i * k**2) ** -0.5),
        ("fan_out only", lambda i, o, k: (o * k**2) ** -0.5),
        ("shape", lambda i, o, k: kernel_fans(i, o, k)),
        (None, lambda i, o, k: 0.1),
    ],
    "xavier_slope": [
        ("slope forgotten", lambda i, o, s: std(i + o)),
        ("times the slope", lambda i, o, s: std(i + o) * s),
        ("slope squared", lambda i, o, s: std(i + o) / s**2),
        ("root of the slope", lambda i, o, s: std((i + o) * s)),
        ("variance for std", lambda i, o, s: 2 / (i + o) / s**2),
        ("fan_in only", lambda i, o, s: i**-0.5 / s),
        ("1 for 2", lambda i, o, s: (i + o) ** -0.5 / s),
        (None, lambda i, o, s: (2 / o) ** 0.5 / s),
    ],
}


RIGHT["xavier_uniform"], WRONG["xavier_uniform"] = answers(
    "uniform",
    lambda i, o: (2 / (i + o)) ** 0.5,
    nn.init.xavier_uniform_,
    [
        ("fan_in only", lambda i, o: (1 / i) ** 0.5),
        ("fan_out only", lambda i, o: (1 / o) ** 0.5),
        ("Kaiming", lambda i, o: (2 / i) ** 0.5),
        ("sum of the roots", lambda i, o: 2**0.5 / (i**0.5 + o**0.5)),
        ("product of the fans", lambda i, o: (2 / (i * o)) ** 0.5),
        ("gain of ReLU", lambda i, o: 2 / (i + o) ** 0.5),
        ("gain of tanh", lambda i, o: 5 / 3 * (2 / (i + o)) ** 0.5),
        ("PyTorch's default", lambda i, o: (1 / (3 * i)) ** 0.5),
    ],
    [
        ("√3 for √6", uniform(lambda i, o: (3 / (i + o)) ** 0.5)),
        ("std for bound", uniform(lambda i, o: (2 / (i + o)) ** 0.5)),
        ("variance for std", uniform(lambda i, o: 6 / (i + o))),
        ("sum of the roots", uniform(lambda i, o: 6**0.5 / (i**0.5 + o**0.5))),
        ("positive only", lambda i, o: rng.uniform(0, (6 / (i + o)) ** 0.5, size=(o, i))),
    ],
)
