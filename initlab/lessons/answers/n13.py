"""Notebook 13: right and wrong answers."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

RIGHT = {
    "decoder_std": [
        lambda std, encoder_blocks, decoder_blocks: std / (3 * decoder_blocks) ** 0.5,
        lambda std, e, d: std * np.sqrt(1 / (3 * d)),
        lambda std, e, d: torch.tensor(std) / math.sqrt(3 * d),
        lambda std, e, d: np.array([std / (3 * d) ** 0.5], dtype=np.float16),
    ],
}

WRONG = {
    "decoder_std": [
        ("two branches a block", lambda std, e, d: std / (2 * d) ** 0.5),
        ("both streams", lambda std, e, d: std / math.sqrt(2 * e + 3 * d)),
        ("the encoder's stream", lambda std, e, d: std / (2 * e) ** 0.5),
        ("blocks for branches", lambda std, e, d: std / d**0.5),
        ("variance for std", lambda std, e, d: std / (3 * d)),
        ("variance returned", lambda std, e, d: std**2 / (3 * d)),
        ("std ignored", lambda std, e, d: (3 * d) ** -0.5),
        ("no scaling", lambda std, e, d: std),
        ("not a number", lambda std, e, d: "std/√(3L)"),
        (None, lambda std, e, d: std / math.log(3 * d)),
    ],
}


def by_module(narrow, wide, lr):
    rates = {name: lr for name, _ in wide.named_parameters()}
    for name, layer in wide.named_modules():
        if isinstance(layer, nn.Linear):
            before = narrow.get_submodule(name)
            rates[f"{name}.weight"] = lr * before.in_features / layer.in_features
    return rates


def by_parameter(narrow, wide, lr):
    old, rates = dict(narrow.named_parameters()), {}
    for name, p in wide.named_parameters():
        layer = wide.get_submodule(name.rpartition(".")[0])
        matrix = isinstance(layer, nn.Linear) and p.dim() == 2
        rates[name] = torch.tensor(lr * old[name].shape[1] / p.shape[1] if matrix else lr)
    return rates


def rule(rate):
    """Rates from a function of a parameter's old shape, its new shape and its layer."""

    def answer(narrow, wide, lr):
        old = dict(narrow.named_parameters())
        layers = {name: wide.get_submodule(name.rpartition(".")[0]) for name in old}
        return {
            name: rate(lr, old[name].shape, p.shape, layers[name])
            for name, p in wide.named_parameters()
        }

    return answer


def linear(layer, shape):
    return isinstance(layer, nn.Linear) and len(shape) == 2


def all_divided(narrow, wide, lr):
    grown = max(
        q.shape[0] / p.shape[0]
        for p, q in zip(narrow.parameters(), wide.parameters(), strict=True)
        if p.dim() == 1
    )
    return {name: lr / grown for name, _ in wide.named_parameters()}


def every_linear_by_width(narrow, wide, lr):
    divided = all_divided(narrow, wide, lr)
    return {
        name: divided[name] if linear(wide.get_submodule(name.rpartition(".")[0]), p.shape) else lr
        for name, p in wide.named_parameters()
    }


RIGHT["mup_rates"] = [by_module, by_parameter]
WRONG["mup_rates"] = [
    ("one rate for all", rule(lambda lr, a, b, layer: lr)),
    ("all divided", all_divided),
    ("embedding divided", rule(lambda lr, a, b, layer: lr * a[1] / b[1] if len(b) == 2 else lr)),
    (
        "vectors divided",
        rule(lambda lr, a, b, layer: lr if isinstance(layer, nn.Embedding) else lr * a[-1] / b[-1]),
    ),
    ("last side of every shape", rule(lambda lr, a, b, layer: lr * a[-1] / b[-1])),
    ("first layer divided", every_linear_by_width),
    (
        "outputs for inputs",
        rule(lambda lr, a, b, layer: lr * a[0] / b[0] if linear(layer, b) else lr),
    ),
    (
        "root",
        rule(lambda lr, a, b, layer: lr * (a[1] / b[1]) ** 0.5 if linear(layer, b) else lr),
    ),
    (
        "multiplied",
        rule(lambda lr, a, b, layer: lr * b[1] / a[1] if linear(layer, b) else lr),
    ),
    (
        "inputs, not their growth",
        rule(lambda lr, a, b, layer: lr / b[1] if linear(layer, b) else lr),
    ),
    ("not a dict", lambda narrow, wide, lr: [lr for _ in wide.parameters()]),
    ("other names", lambda narrow, wide, lr: {"0.weight": lr}),
    ("not a number", lambda narrow, wide, lr: {n: "lr" for n, _ in wide.named_parameters()}),
    (None, lambda narrow, wide, lr: {n: lr / 7 for n, _ in wide.named_parameters()}),
]
