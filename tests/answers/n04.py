"""Notebook 04: right and wrong answers. Those of `sparse_incoming` stand in the big table."""

import math

import numpy as np
import torch


def kept(fan_in, sparsity):
    return fan_in * (1 - sparsity)


RIGHT = {
    "sparse_std": [
        lambda i, o, s: 1 / math.sqrt(kept(i, s)),
        lambda i, o, s: np.sqrt(1 / (i - s * i)),
        lambda i, o, s: torch.tensor(kept(i, s)).rsqrt(),
    ],
    "cut_off_share": [
        lambda i, o, s: s**i,
        lambda i, o, s: np.prod(np.full(i, s)),
        lambda i, o, s: torch.full((i,), s, dtype=torch.float64).prod(),
        lambda i, o, s: math.exp(i * math.log(s)),
    ],
}

WRONG = {
    "sparse_std": [
        ("variance for std", lambda i, o, s: 1 / kept(i, s)),
        ("share of zeros", lambda i, o, s: 1 / math.sqrt(i * s)),
        ("sparsity ignored", lambda i, o, s: 1 / math.sqrt(i)),
        ("fan_out for fan_in", lambda i, o, s: 1 / math.sqrt(kept(o, s))),
        ("zeros make it smaller", lambda i, o, s: math.sqrt((1 - s) / i)),
        ("gain of ReLU", lambda i, o, s: math.sqrt(2 / kept(i, s))),
        ("inverse", lambda i, o, s: math.sqrt(kept(i, s))),
        ("not a number", lambda i, o, s: np.ones(3)),
        (None, lambda i, o, s: 0.01),
    ],
    "cut_off_share": [
        ("fan_out for fan_in", lambda i, o, s: s**o),
        ("share that is left", lambda i, o, s: (1 - s) ** i),
        ("the other units", lambda i, o, s: 1 - s**i),
        ("at least one zero", lambda i, o, s: 1 - (1 - s) ** i),
        ("times for power", lambda i, o, s: i * s),
        ("one weight only", lambda i, o, s: s),
        ("count for share", lambda i, o, s: o * s**i),
        (None, lambda i, o, s: 0.0),
    ],
}
