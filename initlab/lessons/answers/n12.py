"""Notebook 12: right and wrong answers."""

from __future__ import annotations

import math

import numpy as np
import torch


def block_by_block(blocks, scale):
    square = 1.0
    for _ in range(blocks):
        square += scale**2 * square
    return square


RIGHT = {
    "stream_growth": [
        lambda blocks, scale: (1 + scale**2) ** blocks,
        block_by_block,
        lambda blocks, scale: np.exp(blocks * np.log1p(scale**2)),
        lambda blocks, scale: torch.tensor(1 + scale**2) ** blocks,
    ],
}

WRONG = {
    "stream_growth": [
        ("scale not squared", lambda blocks, scale: (1 + scale) ** blocks),
        ("rms for mean square", lambda blocks, scale: (1 + scale**2) ** (blocks / 2)),
        ("sum for product", lambda blocks, scale: 1 + blocks * scale**2),
        ("skip forgotten", lambda blocks, scale: scale ** (2 * blocks)),
        ("scale ignored", lambda blocks, scale: 2**blocks),
        ("added as numbers", lambda blocks, scale: (1 + scale) ** (2 * blocks)),
        ("not a number", lambda blocks, scale: [1 + scale**2] * blocks),
        (None, lambda blocks, scale: 1.0),
    ],
}


RIGHT["residual_scaling"] = [
    lambda depth: depth**-0.5,
    lambda depth: 1 / np.sqrt(depth),
    lambda depth: torch.tensor(depth).rsqrt(),
    lambda depth: np.array([1 / depth**0.5], dtype=np.float16),
    lambda depth: torch.tensor(depth**-0.5, dtype=torch.bfloat16),
]
WRONG["residual_scaling"] = [
    ("variance for std", lambda depth: 1 / depth),
    ("inverse", lambda depth: depth**0.5),
    ("two branches a block", lambda depth: 1 / (2 * depth) ** 0.5),
    ("no scaling", lambda depth: 1),
    ("squared twice", lambda depth: depth**-0.25),
    ("halved at each block", lambda depth: 2 ** (-depth / 2)),
    ("depth ignored", lambda depth: 0.1),
    ("not a number", lambda depth: "1/√depth"),
    (None, lambda depth: 1 / math.log(depth)),
]
