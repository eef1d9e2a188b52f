"""Notebook 03: right and wrong answers."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from initlab.lessons.answers.matrices import answers

RIGHT = {
    "uniform_bound": [
        lambda std: math.sqrt(3) * std,
        lambda std: np.sqrt(3 * std**2),
        lambda std: torch.tensor(3.0).sqrt() * std,
        lambda std: np.sqrt(12) * std / 2,
    ],
}

WRONG = {
    "uniform_bound": [
        ("std for bound", lambda std: std),
        ("√6 for √3", lambda std: math.sqrt(6) * std),
        ("width for bound", lambda std: math.sqrt(12) * std),
        ("no root", lambda std: 3 * std),
        ("std for variance", lambda std: math.sqrt(3 * std)),
        ("divided", lambda std: std / math.sqrt(3)),
        ("variance for bound", lambda std: 3 * std**2),
        ("not a number", lambda std: (-std, std)),
        (None, lambda std: 2 * std),
    ],
}


RIGHT["lecun_normal"], WRONG["lecun_normal"] = answers(
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
)
