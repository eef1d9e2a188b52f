"""Notebook 03: right and wrong answers. Those of `lecun_normal` stand in the big table."""

import math

import numpy as np
import torch

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
