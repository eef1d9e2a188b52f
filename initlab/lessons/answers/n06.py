"""Notebook 06: right and wrong answers."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from initlab.lessons.answers.matrices import answers, normal

RIGHT, WRONG = {}, {}

# --- two_slopes_std ---

Z = torch.randn(400_000, generator=torch.Generator().manual_seed(0))


def std(fan_in, share):
    return 1 / (fan_in * share) ** 0.5


def share(right, left):
    return (right**2 + left**2) / 2


def emitted(right, left):
    return right * Z.relu() - left * (-Z).relu()


RIGHT["two_slopes_std"] = [
    lambda n, right, left: (2 / (n * (right**2 + left**2))) ** 0.5,
    lambda n, right, left: np.float32(np.sqrt(2 / (right**2 + left**2) / n)),
    lambda n, right, left: torch.tensor(n * share(right, left)).rsqrt().bfloat16(),
    lambda n, right, left: std(n, emitted(right, left).square().mean()),
]
WRONG["two_slopes_std"] = [
    ("variance for std", lambda n, right, left: 1 / (n * share(right, left))),
    ("left ignored", lambda n, right, left: std(n, right**2 / 2)),
    ("slopes ignored", lambda n, right, left: (2 / n) ** 0.5),
    ("slope not squared", lambda n, right, left: std(n, (abs(right) + abs(left)) / 2)),
    ("square of the sum", lambda n, right, left: std(n, (abs(right) + abs(left)) ** 2 / 2)),
    ("halves forgotten", lambda n, right, left: std(n, right**2 + left**2)),
    ("fan_in forgotten", lambda n, right, left: std(1, share(right, left))),
    ("inverse", lambda n, right, left: (share(right, left) / n) ** 0.5),
    ("variance for second moment", lambda n, *slopes: std(n, emitted(*slopes).var())),
    ("not a number", lambda n, right, left: [right, left]),
    ("signature", lambda n: (2 / n) ** 0.5),
    ("raised", lambda n, right, left: (2 / n) ** 0.5 / (right + left)),
    (None, lambda n, right, left: 1.03 * std(n, share(right, left))),
]

# --- born_dead ---

RIGHT["born_dead"] = [
    lambda width, depth: 1 - (1 - 0.5**width) ** depth,
    lambda width, depth: 1 - np.prod(np.full(depth, 1 - 2.0**-width)),
    lambda width, depth: -torch.tensor(depth * math.log1p(-(0.5**width))).expm1(),
    lambda width, depth: sum(2**-width * (1 - 2**-width) ** layer for layer in range(depth)),
]
WRONG["born_dead"] = [
    ("the opposite", lambda width, depth: (1 - 0.5**width) ** depth),
    ("depth ignored", lambda width, depth: 0.5**width),
    ("sum over layers", lambda width, depth: depth * 0.5**width),
    ("every layer", lambda width, depth: 0.5 ** (width * depth)),
    ("one unit will do", lambda width, depth: 1 - 0.5 ** (width * depth)),
    ("width and depth swapped", lambda width, depth: 1 - (1 - 0.5**depth) ** width),
    ("not a number", lambda width, depth: np.ones(3)),
    (None, lambda width, depth: 0.5),
]

# --- kaiming_normal ---

RIGHT["kaiming_normal"], WRONG["kaiming_normal"] = answers(
    "normal",
    lambda i, o: (2 / i) ** 0.5,
    nn.init.kaiming_normal_,
    [
        ("gain missing", lambda i, o: (1 / i) ** 0.5),
        ("fan_out for fan_in", lambda i, o: (2 / o) ** 0.5),
        ("Xavier", lambda i, o: (2 / (i + o)) ** 0.5),
        ("gain squared", lambda i, o: 2 / i**0.5),
        ("no root of the fan", lambda i, o: 2**0.5 / i),
        ("gain of tanh", lambda i, o: 5 / 3 / i**0.5),
        ("PyTorch's default", lambda i, o: (1 / (3 * i)) ** 0.5),
    ],
    [
        ("variance for std", normal(lambda i, o: 2 / i)),
        ("bound for std", normal(lambda i, o: (6 / i) ** 0.5)),
    ],
)
