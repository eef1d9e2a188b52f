"""Notebook 08: right and wrong answers."""

from __future__ import annotations

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


def norm_values(weight=1.0, bias=0.0, mean=0.0, var=1.0):
    def answer(layer):
        nn.init.constant_(layer.weight, weight)
        nn.init.constant_(layer.bias, bias)
        layer.running_mean.fill_(mean)
        layer.running_var.fill_(var)

    return answer


def parameters_only(layer):
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)


def without_gradient(layer):
    layer.reset_parameters()
    layer.weight.requires_grad_(False)


def too_few(layer):
    layer.reset_parameters()
    layer.running_var = torch.ones(1)


RIGHT["batchnorm_initial_values"] = [
    norm_values(),
    lambda layer: layer.reset_parameters(),
    lambda layer: layer.load_state_dict(type(layer)(layer.num_features).double().state_dict()),
]
WRONG["batchnorm_initial_values"] = [
    ("swapped", norm_values(weight=0, bias=1)),
    ("weight zero", norm_values(weight=0)),
    ("bias one", norm_values(bias=1)),
    ("variance zero", norm_values(var=0)),
    ("running mean one", norm_values(mean=1)),
    ("running statistics forgotten", parameters_only),
    ("gradient lost", without_gradient),
    (None, lambda layer: nn.init.normal_(layer.weight)),
    (None, too_few),
    ("raised", lambda layer: layer.gamma.fill_(1)),
]
