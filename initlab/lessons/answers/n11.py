"""Notebook 11: right and wrong answers."""

from __future__ import annotations

import numpy as np
import torch

from initlab.lessons.answers.matrices import rng

RIGHT = {
    "chi_1": [
        lambda slopes, v: v * (slopes**2).mean(),
        lambda slopes, v: v * sum(s * s for s in slopes) / len(slopes),
        lambda slopes, v: torch.as_tensor(slopes).square().mean() * v,
    ],
}

WRONG = {
    "chi_1": [
        ("slopes not squared", lambda slopes, v: v * np.mean(slopes)),
        ("square of the mean", lambda slopes, v: v * np.mean(slopes) ** 2),
        ("root", lambda slopes, v: np.sqrt(v * np.mean(slopes**2))),
        ("weights ignored", lambda slopes, v: np.mean(slopes**2)),
        ("sum for mean", lambda slopes, v: v * np.sum(slopes**2)),
        ("variance for std", lambda slopes, v: v**2 * np.mean(slopes**2)),
        ("variance of the slopes", lambda slopes, v: v * np.var(slopes)),
        ("not a number", lambda slopes, v: v * slopes**2),
        (None, lambda slopes, v: 1.0),
    ],
}


Z = rng.normal(size=400_000)


def moment(function, power=2, z=None):
    return float(np.mean(np.asarray(function(Z if z is None else z)) ** power))


RIGHT["gain_by_sampling"] = [
    lambda activation: 1 / moment(activation) ** 0.5,
    lambda activation: activation(torch.randn(100_000)).square().mean().rsqrt(),
    lambda activation: 1 / np.sqrt(np.mean(activation(rng.normal(size=100_000)) ** 2)),
    lambda activation: activation(torch.randn(100_000).half()).float().pow(2).mean().rsqrt().item(),
]
WRONG["gain_by_sampling"] = [
    ("std for rms", lambda activation: 1 / np.std(activation(Z))),
    ("no root", lambda activation: 1 / moment(activation)),
    ("inverse", lambda activation: moment(activation) ** 0.5),
    ("inverse, no root", moment),
    ("variance for mean square", lambda activation: 1 / np.var(activation(Z))),
    ("mean size", lambda activation: 1 / np.mean(np.abs(activation(Z)))),
    ("mean", lambda activation: 1 / moment(activation, 1)),
    ("too few numbers", lambda activation: 1.1 / moment(activation) ** 0.5),
    ("activation ignored", lambda activation: 2**0.5),
    ("not a number", lambda activation: activation(torch.randn(10))),
    (None, lambda activation: 1 / moment(activation, z=2 * Z) ** 0.5),
]
