"""Notebook 07: right and wrong answers. Those of `orthogonal` stand in the big table."""

import numpy as np
import torch


def moment(values, power):
    return sum(float(value) ** power for value in values) / len(values)


RIGHT = {
    "singular_spread": [
        lambda s: (s**4).mean() / (s**2).mean() ** 2,
        lambda s: moment(s, 4) / moment(s, 2) ** 2,
        lambda s: torch.as_tensor(s).pow(4).mean() / torch.as_tensor(s).square().mean().square(),
    ],
}

WRONG = {
    "singular_spread": [
        ("not squared", lambda s: moment(s, 4) / moment(s, 2)),
        ("squares for fourth powers", lambda s: moment(s, 2) / moment(s, 1) ** 2),
        ("sums for means", lambda s: np.sum(s**4) / np.sum(s**2) ** 2),
        ("condition number", lambda s: max(s) / min(s)),
        ("upside down", lambda s: moment(s, 2) ** 2 / moment(s, 4)),
        ("minus one", lambda s: moment(s, 4) / moment(s, 2) ** 2 - 1),
        ("square of the mean", lambda s: np.mean(s**4) / np.mean(s) ** 4),
        ("not a number", lambda s: s**4),
        (None, lambda s: np.std(s)),
    ],
}
