"""Notebook 08: right and wrong answers."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

EPS = 1e-5
CHANNEL = (0, 2, 3)


def by_hand(z, axes=CHANNEL, ddof=0):
    mean, var = z.mean(axes, keepdims=True), z.var(axes, ddof=ddof, keepdims=True)
    return (z - mean) / np.sqrt(var + EPS)


def by_torch(z):
    return nn.BatchNorm2d(z.shape[1], dtype=torch.float64)(torch.tensor(z))


def as_units(z):
    """Lay every value of a channel into one column: then it is BatchNorm1d."""
    columns = z.transpose(0, 2, 3, 1)
    rows = columns.reshape(-1, z.shape[1])
    rows = (rows - rows.mean(0)) / np.sqrt(rows.var(0) + EPS)
    return rows.reshape(columns.shape).transpose(0, 3, 1, 2)


def parts(z):
    return z - z.mean(CHANNEL, keepdims=True), z.var(CHANNEL, keepdims=True)


def folded_by_torch(bias, gamma, beta, mean, var):
    layer = nn.BatchNorm1d(len(bias), dtype=torch.float64).eval()
    state = {"weight": gamma, "bias": beta, "running_mean": mean, "running_var": var}
    layer.load_state_dict({name: torch.tensor(v) for name, v in state.items()}, strict=False)
    return layer(torch.tensor(bias)[None])[0]


def step_by_step(start, steps):
    for step in steps:
        start = math.hypot(start, step)
    return start


RIGHT = {
    "batchnorm_images": [by_hand, by_torch, as_units],
    "folded_bias": [
        lambda bias, gamma, beta, mean, var: beta + gamma * (bias - mean) / (var + EPS) ** 0.5,
        folded_by_torch,
    ],
    "length_after": [
        step_by_step,
        lambda start, steps: np.linalg.norm([start, *steps]),
        lambda start, steps: torch.tensor(start**2 + (steps**2).sum()).sqrt(),
    ],
}

WRONG = {
    "batchnorm_images": [
        ("each pixel alone", lambda z: by_hand(z, 0)),
        ("each image alone", lambda z: nn.functional.instance_norm(torch.tensor(z))),
        ("LayerNorm", lambda z: nn.functional.layer_norm(torch.tensor(z), z.shape[1:])),
        ("one mean for all channels", lambda z: by_hand(z, None)),
        ("unbiased variance", lambda z: by_hand(z, ddof=1)),
        ("no root", lambda z: parts(z)[0] / (parts(z)[1] + EPS)),
        ("mean kept", lambda z: z / np.sqrt(parts(z)[1] + EPS)),
        ("eps forgotten", lambda z: parts(z)[0] / np.sqrt(parts(z)[1])),
        ("eps outside the root", lambda z: parts(z)[0] / (np.sqrt(parts(z)[1]) + EPS)),
        (None, lambda z: z),
        ("raised", lambda z: z - z.mean((0, 2, 3, 4))),
    ],
    "folded_bias": [
        ("old bias forgotten", lambda b, g, beta, m, v: beta - g * m / np.sqrt(v + EPS)),
        ("old bias added", lambda b, g, beta, m, v: b + beta - g * m / np.sqrt(v + EPS)),
        ("mean forgotten", lambda b, g, beta, m, v: beta + g * b / np.sqrt(v + EPS)),
        ("mean added", lambda b, g, beta, m, v: beta + g * (b + m) / np.sqrt(v + EPS)),
        ("beta forgotten", lambda b, g, beta, m, v: g * (b - m) / np.sqrt(v + EPS)),
        ("gamma forgotten", lambda b, g, beta, m, v: beta + (b - m) / np.sqrt(v + EPS)),
        ("beta scaled", lambda b, g, beta, m, v: g * (b - m + beta) / np.sqrt(v + EPS)),
        ("no root", lambda b, g, beta, m, v: beta + g * (b - m) / (v + EPS)),
        ("eps forgotten", lambda b, g, beta, m, v: beta + g * (b - m) / np.sqrt(v)),
        (None, lambda b, g, beta, m, v: beta),
    ],
    "length_after": [
        ("lengths added", lambda start, steps: start + steps.sum()),
        ("lengths subtracted", lambda start, steps: start - steps.sum()),
        ("steps in one line", lambda start, steps: math.hypot(start, steps.sum())),
        ("squares subtracted", lambda start, steps: abs(start**2 - (steps**2).sum()) ** 0.5),
        ("no root", lambda start, steps: start**2 + (steps**2).sum()),
        ("it stays", lambda start, steps: start),
        (None, lambda start, steps: steps.sum()),
    ],
}
