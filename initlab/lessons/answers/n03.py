"""Notebook 03: right and wrong answers."""

from __future__ import annotations

import math

import numpy as np
import torch

RIGHT = {
    "gap_bound": [
        lambda std: math.sqrt(12 / 7) * std,
        lambda std: np.sqrt(12 * std**2 / 7),
        lambda std: torch.tensor(12 / 7).sqrt() * std,
        lambda std: np.sqrt(12 / 7, dtype=np.float32) * std,
    ],
    "mixed_inputs_std": [
        lambda n, m, r: 1 / math.sqrt(n + m * r**2),
        lambda n, m, r: np.sqrt(1 / (n * 1**2 + m * r**2)),
        lambda n, m, r: torch.tensor(float(n + m * r**2)).rsqrt(),
        lambda n, m, r: 1 / np.linalg.norm([1.0] * n + [r] * m),
    ],
}

WRONG = {
    "gap_bound": [
        ("gap ignored", lambda std: math.sqrt(3) * std),
        ("mean size for std", lambda std: std / 0.75),
        ("length of the interval", lambda std: math.sqrt(24 / 7) * std),
        ("no root", lambda std: 12 / 7 * std),
        ("std for variance", lambda std: math.sqrt(12 / 7 * std)),
        ("variance for bound", lambda std: 12 / 7 * std**2),
        ("divided", lambda std: math.sqrt(7 / 12) * std),
        ("std for bound", lambda std: std),
        ("not a number", lambda std: (-std, std)),
        (None, lambda std: 2 * std),
    ],
    "mixed_inputs_std": [
        ("sizes ignored", lambda n, m, r: 1 / math.sqrt(n + m)),
        ("rms for mean square", lambda n, m, r: 1 / math.sqrt(n + m * r)),
        ("variance for std", lambda n, m, r: 1 / (n + m * r**2)),
        ("one kind only", lambda n, m, r: 1 / math.sqrt(n)),
        ("one kind only", lambda n, m, r: 1 / math.sqrt(m * r**2)),
        ("mean rms", lambda n, m, r: 1 / (math.sqrt(n + m) * (n + m * r) / (n + m))),
        ("bound for std", lambda n, m, r: math.sqrt(3 / (n + m * r**2))),
        ("upside down", lambda n, m, r: math.sqrt(n + m * r**2)),
        ("raised", lambda n, m, r: n[0]),
        (None, lambda n, m, r: 1 / math.sqrt(n + m * r**3)),
    ],
}
