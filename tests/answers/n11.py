"""Notebook 11: right and wrong answers. Those of `residual_scaling` stand in the big table."""

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
