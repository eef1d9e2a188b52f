"""Notebook 12: right and wrong answers."""

from __future__ import annotations

import math

import numpy as np
import torch


def block_by_block(blocks, drop):
    square = 1.0
    for _ in range(blocks):
        with_branch, without = square + square / (1 - drop) ** 2, square
        square = (1 - drop) * with_branch + drop * without
    return square


RIGHT = {
    "stream_growth": [
        lambda blocks, drop: (1 + 1 / (1 - drop)) ** blocks,
        lambda blocks, drop: ((2 - drop) / (1 - drop)) ** blocks,
        block_by_block,
        lambda blocks, drop: np.exp(blocks * np.log1p(1 / (1 - drop))),
        lambda blocks, drop: torch.tensor(1 + 1 / (1 - drop)) ** blocks,
    ],
    "residual_scaling": [
        lambda blocks: (2 ** (1 / (2 * blocks)) - 1) ** 0.5,
        lambda blocks: np.sqrt(np.expm1(np.log(2) / (2 * blocks))),
        lambda blocks: torch.tensor(2 ** (0.5 / blocks) - 1).sqrt(),
        lambda blocks: np.array([(2 ** (0.5 / blocks) - 1) ** 0.5], dtype=np.float16),
        lambda blocks: torch.tensor((2 ** (0.5 / blocks) - 1) ** 0.5, dtype=torch.bfloat16),
    ],
}

WRONG = {
    "stream_growth": [
        ("as if nothing were left out", lambda blocks, drop: 2**blocks),
        ("division forgotten", lambda blocks, drop: (1 + (1 - drop)) ** blocks),
        ("probability forgotten", lambda blocks, drop: (1 + 1 / (1 - drop) ** 2) ** blocks),
        ("probabilities swapped", lambda blocks, drop: (1 + 1 / drop) ** blocks),
        ("rms for mean square", lambda blocks, drop: (1 + 1 / (1 - drop)) ** (blocks / 2)),
        ("sum for product", lambda blocks, drop: 1 + blocks / (1 - drop)),
        ("skip forgotten", lambda blocks, drop: (1 / (1 - drop)) ** blocks),
        ("not a number", lambda blocks, drop: [1 + 1 / (1 - drop)] * blocks),
        (None, lambda blocks, drop: 1.0),
    ],
    "residual_scaling": [
        ("one branch a block", lambda blocks: (2 ** (1 / blocks) - 1) ** 0.5),
        ("sum for product", lambda blocks: 1 / (2 * blocks) ** 0.5),
        ("no root", lambda blocks: 2 ** (1 / (2 * blocks)) - 1),
        ("one branch a block", lambda blocks: (4 ** (1 / (2 * blocks)) - 1) ** 0.5),
        ("skip forgotten", lambda blocks: 2 ** (1 / (4 * blocks))),
        ("inverse", lambda blocks: (2 * blocks) ** 0.5),
        ("depth ignored", lambda blocks: 0.1),
        ("not a number", lambda blocks: "1/√(2 · blocks)"),
        (None, lambda blocks: 1 / math.log(blocks)),
    ],
}
