"""Notebook 10: right and wrong answers. Those of `gain_by_sampling` stand in the big table."""

import numpy as np
import torch

RIGHT = {
    "chi_1": [
        lambda slopes, v: v * (slopes**2).mean(),
        lambda slopes, v: v * sum(s * s for s in slopes) / len(slopes),
        lambda slopes, v: torch.as_tensor(slopes).square().mean() * v,
    ],
}

WRONG = {
    "chi_1": [
        ("slopes not squared", lambda slopes, v: v * np.mean(slopes)),
        ("square of the mean", lambda slopes, v: v * np.mean(slopes) ** 2),
        ("root", lambda slopes, v: np.sqrt(v * np.mean(slopes**2))),
        ("weights ignored", lambda slopes, v: np.mean(slopes**2)),
        ("sum for mean", lambda slopes, v: v * np.sum(slopes**2)),
        ("variance for std", lambda slopes, v: v**2 * np.mean(slopes**2)),
        ("variance of the slopes", lambda slopes, v: v * np.var(slopes)),
        ("not a number", lambda slopes, v: v * slopes**2),
        (None, lambda slopes, v: 1.0),
    ],
}
