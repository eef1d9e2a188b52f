"""Notebook 06: right and wrong answers."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from initlab.lessons.answers.matrices import answers, normal, uniform

RIGHT, WRONG = {}, {}

# --- fan_out_growth ---


def product(widths):
    factor = 1.0
    for n_in, n_out in pairwise(widths[1:]):
        factor *= n_in / n_out
    return factor


def halves(widths):
    return 2.0 ** (len(widths) - 2)


RIGHT["fan_out_growth"] = [
    product,
    lambda widths: widths[1] / widths[-1],
    lambda widths: np.prod([a / b for a, b in pairwise(widths[1:])]),
    lambda widths: torch.tensor([a / b for a, b in pairwise(widths[1:])]).prod(),
    lambda widths: torch.tensor([widths[1] / widths[-1]]).bfloat16(),
]
WRONG["fan_out_growth"] = [
    ("fan_in for fan_out", lambda widths: 1),
    ("inverse", lambda widths: 1 / product(widths)),
    ("input counted", lambda widths: widths[0] / widths[-1]),
    ("rms for second moment", lambda widths: product(widths) ** 0.5),
    ("last layer only", lambda widths: widths[-2] / widths[-1]),
    ("ReLU forgotten", lambda widths: product(widths) * halves(widths)),
    ("half counted twice", lambda widths: product(widths) / halves(widths)),
    (
        "ReLU forgotten, input counted",
        lambda widths: math.prod(2 * a / b for a, b in pairwise(widths)),
    ),
    ("widths ignored", lambda widths: 16),
    ("not a number", lambda widths: [a / b for a, b in pairwise(widths)]),
    ("raised", lambda widths: widths[1] / widths[99]),
    (None, lambda widths: 1.05 * product(widths)),
]

# --- leaky_gain ---

Z = torch.randn(400_000, generator=torch.Generator().manual_seed(0))


def leaky(slope):
    return nn.functional.leaky_relu(Z, slope)


RIGHT["leaky_gain"] = [
    lambda slope: (2 / (1 + slope**2)) ** 0.5,
    lambda slope: nn.init.calculate_gain("leaky_relu", slope),
    lambda slope: np.float32(np.sqrt(2 / (1 + slope * slope))),
    lambda slope: torch.tensor(2 / (1 + slope**2)).sqrt().bfloat16(),
    lambda slope: leaky(slope).square().mean().rsqrt(),
]
WRONG["leaky_gain"] = [
    ("variance for gain", lambda slope: 2 / (1 + slope**2)),
    ("slope not squared", lambda slope: (2 / (1 + slope)) ** 0.5),
    ("square of the sum", lambda slope: 2**0.5 / (1 + slope)),
    ("slope ignored", lambda slope: nn.init.calculate_gain("relu", slope)),
    ("sign", lambda slope: (2 / (1 - slope**2)) ** 0.5),
    ("inverse", lambda slope: ((1 + slope**2) / 2) ** 0.5),
    ("halves forgotten", lambda slope: 1 / (1 + slope**2) ** 0.5),
    ("variance for second moment", lambda slope: 1 / leaky(slope).std()),
    ("not a number", lambda slope: "sqrt(2)"),
    ("signature", lambda: 2**0.5),
    (None, lambda slope: 1.03 * (2 / (1 + slope**2)) ** 0.5),
]


KAIMING = [
    ("gain missing", lambda i, o: (1 / i) ** 0.5),
    ("fan_out for fan_in", lambda i, o: (2 / o) ** 0.5),
    ("Xavier", lambda i, o: (2 / (i + o)) ** 0.5),
    ("gain squared", lambda i, o: 2 / i**0.5),
    ("no root of the fan", lambda i, o: 2**0.5 / i),
    ("gain of tanh", lambda i, o: 5 / 3 / i**0.5),
    ("PyTorch's default", lambda i, o: (1 / (3 * i)) ** 0.5),
]


RIGHT["kaiming_normal"], WRONG["kaiming_normal"] = answers(
    "normal",
    lambda i, o: (2 / i) ** 0.5,
    nn.init.kaiming_normal_,
    KAIMING,
    [
        ("variance for std", normal(lambda i, o: 2 / i)),
        ("bound for std", normal(lambda i, o: (6 / i) ** 0.5)),
    ],
)

RIGHT["kaiming_uniform"], WRONG["kaiming_uniform"] = answers(
    "uniform",
    lambda i, o: (2 / i) ** 0.5,
    nn.init.kaiming_uniform_,
    KAIMING,
    [
        ("std for bound", uniform(lambda i, o: (2 / i) ** 0.5)),
        ("variance for std", uniform(lambda i, o: 6 / i)),
        ("gain missing", uniform(lambda i, o: (3 / i) ** 0.5)),
        ("PyTorch's default", lambda i, o: nn.Linear(i, o).weight),
    ],
)
