"""Notebook 11: right and wrong answers."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from initlab.lessons.answers.matrices import rng

Z = rng.normal(size=400_000)


def moment(function, std, power=2):
    return float(np.mean(np.asarray(function(std * Z)) ** power))


def torch_gain(activation, q):
    return (q / activation(q**0.5 * torch.randn(100_000)).square().mean()).sqrt()


def half_gain(activation, q):
    z = (q**0.5 * torch.randn(100_000)).half()
    return (q / activation(z).float().square().mean()).sqrt().item()


def linear(z):
    return np.mean(np.abs(z) < 1)


RIGHT = {
    "gain_at_level": [
        lambda activation, q: (q / moment(activation, q**0.5)) ** 0.5,
        torch_gain,
        lambda activation, q: np.sqrt(
            q / np.mean(activation(rng.normal(0, q**0.5, size=100_000)) ** 2)
        ),
        half_gain,
    ],
    "hardtanh_chi_1": [
        lambda z, v: v * linear(z),
        lambda z, v: v * sum(abs(value) < 1 for value in z) / len(z),
        lambda z, v: v * (F.hardtanh(torch.as_tensor(z)) == torch.as_tensor(z)).float().mean(),
    ],
}

WRONG = {
    "gain_at_level": [
        ("level ignored", lambda activation, q: 1 / moment(activation, 1) ** 0.5),
        ("back to 1", lambda activation, q: 1 / moment(activation, q**0.5) ** 0.5),
        ("from level 1", lambda activation, q: (q / moment(activation, 1)) ** 0.5),
        ("q for its root", lambda activation, q: (q / moment(activation, q)) ** 0.5),
        ("std for rms", lambda activation, q: q**0.5 / np.std(activation(q**0.5 * Z))),
        ("no root", lambda activation, q: q / moment(activation, q**0.5)),
        ("inverse", lambda activation, q: (moment(activation, q**0.5) / q) ** 0.5),
        ("too few numbers", lambda activation, q: 1.1 * (q / moment(activation, q**0.5)) ** 0.5),
        ("activation ignored", lambda activation, q: 2**0.5),
        ("not a number", lambda activation, q: activation(torch.randn(10))),
        (None, lambda activation, q: (q / moment(activation, 2 * q**0.5)) ** 0.5),
    ],
    "hardtanh_chi_1": [
        ("one side only", lambda z, v: v * np.mean(z < 1)),
        ("saturated units", lambda z, v: v * np.mean(np.abs(z) >= 1)),
        ("tanh", lambda z, v: v * np.mean((1 - np.tanh(z) ** 2) ** 2)),
        ("activations for slopes", lambda z, v: v * np.mean(np.clip(z, -1, 1) ** 2)),
        ("square of the mean", lambda z, v: v * linear(z) ** 2),
        ("root", lambda z, v: np.sqrt(v * linear(z))),
        ("weights ignored", lambda z, v: linear(z)),
        ("sum for mean", lambda z, v: v * np.sum(np.abs(z) < 1)),
        ("variance for std", lambda z, v: v**2 * linear(z)),
        ("not a number", lambda z, v: v * (np.abs(z) < 1)),
        (None, lambda z, v: 1.0),
    ],
}
