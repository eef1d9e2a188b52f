"""Notebook 00: right and wrong answers."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from initlab.lessons.answers.matrices import rng
from initlab.lessons.n00_start import CASES

RIGHT, WRONG = {}, {}


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
