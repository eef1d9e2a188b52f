"""Notebook 08: right and wrong answers; of `batchnorm_initial_values` in the big table."""

import numpy as np
import torch
from torch import nn

EPS = 1e-5


def by_torch(z):
    z = torch.as_tensor(z)
    return nn.functional.batch_norm(z, None, None, training=True)


RIGHT = {
    "batchnorm_forward": [
        lambda z: (z - z.mean(0)) / np.sqrt(z.var(0) + EPS),
        by_torch,
        lambda z: nn.BatchNorm1d(z.shape[1], dtype=torch.float64)(torch.tensor(z)),
        lambda z: [list(row) for row in (z - np.mean(z, 0)) / (np.var(z, 0) + EPS) ** 0.5],
    ],
}

WRONG = {
    "batchnorm_forward": [
        ("LayerNorm", lambda z: nn.functional.layer_norm(torch.tensor(z), z.shape[1:])),
        ("unbiased variance", lambda z: (z - z.mean(0)) / np.sqrt(z.var(0, ddof=1) + EPS)),
        ("no root", lambda z: (z - z.mean(0)) / (z.var(0) + EPS)),
        ("mean kept", lambda z: z / np.sqrt(z.var(0) + EPS)),
        ("variance kept", lambda z: z - z.mean(0)),
        ("eps forgotten", lambda z: (z - z.mean(0)) / z.std(0)),
        ("eps outside the root", lambda z: (z - z.mean(0)) / (z.std(0) + EPS)),
        ("one mean for all units", lambda z: (z - z.mean()) / np.sqrt(z.var() + EPS)),
        (None, lambda z: z),
    ],
}
