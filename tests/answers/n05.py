"""Notebook 05: right and wrong answers. Those that draw a matrix stand in the big table."""

import math

import numpy as np
import torch


def variance(i, o):
    return 2 / (i + o)


RIGHT = {
    "xavier_factors": [
        lambda i, o: (math.sqrt(i * variance(i, o)), math.sqrt(o * variance(i, o))),
        lambda i, o: np.sqrt(np.array([i, o]) / np.mean([i, o])),
        lambda i, o: torch.tensor([i, o], dtype=torch.float64).mul(variance(i, o)).sqrt(),
        lambda i, o: [
            torch.tensor(i * variance(i, o)).sqrt(),
            np.float32(o * variance(i, o)) ** 0.5,
        ],
    ],
}

WRONG = {
    "xavier_factors": [
        ("mean square for rms", lambda i, o: (i * variance(i, o), o * variance(i, o))),
        (
            "forwards and backwards swapped",
            lambda i, o: (math.sqrt(o * variance(i, o)), math.sqrt(i * variance(i, o))),
        ),
        ("fan_in only", lambda i, o: (1.0, math.sqrt(o / i))),
        ("fan_out only", lambda i, o: (math.sqrt(i / o), 1.0)),
        ("both level", lambda i, o: np.ones(2)),
        ("1 for 2", lambda i, o: (math.sqrt(i / (i + o)), math.sqrt(o / (i + o)))),
        ("std for variance", lambda i, o: np.sqrt(np.array([i, o]) * math.sqrt(variance(i, o)))),
        ("std of the weights only", lambda i, o: np.sqrt([variance(i, o)] * 2)),
        ("inverse", lambda i, o: (np.array([i, o]) * variance(i, o)) ** -0.5),
        ("shape", lambda i, o: math.sqrt(i * variance(i, o))),
        (None, lambda i, o: (0.5, 0.5)),
    ],
}
