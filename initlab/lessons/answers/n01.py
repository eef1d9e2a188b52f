"""Notebook 01: right and wrong answers."""

import math

import numpy as np
import torch


def layer_by_layer(width, std, depth):
    rms = 1.0
    for _ in range(depth):
        rms *= math.sqrt(width) * std
    return rms


def counted(factor, largest):
    layers, rms = 0, 1.0
    while rms <= largest:
        layers, rms = layers + 1, rms * factor
    return layers


def power(factor, largest):
    return math.log(largest, factor)


RIGHT = {
    "rms_after_layers": [
        lambda width, std, depth: (width**0.5 * std) ** depth,
        lambda width, std, depth: np.sqrt((width * std**2) ** depth),
        lambda n, s, layers: torch.tensor(n * s**2, dtype=torch.float64).sqrt() ** layers,
        layer_by_layer,
    ],
    "layers_until_overflow": [
        counted,
        lambda factor, largest: math.ceil(power(factor, largest)),
        lambda factor, largest: np.floor(np.log2(largest) / np.log2(factor)) + 1,
        lambda factor, largest: torch.tensor([counted(factor, largest)]),
    ],
    "start_loss": [
        math.log,
        lambda classes: -np.log(1 / classes),
        lambda classes: torch.nn.functional.cross_entropy(
            torch.zeros(1, classes), torch.zeros(1, dtype=torch.int64)
        ),
        lambda classes: torch.tensor(float(classes)).log(),
    ],
}

WRONG = {
    "rms_after_layers": [
        ("no root of the width", lambda n, s, layers: (n * s) ** layers),
        ("mean square for rms", lambda n, s, layers: (n * s**2) ** layers),
        ("std for variance", lambda n, s, layers: math.sqrt(n * s) ** layers),
        ("one layer only", lambda n, s, layers: math.sqrt(n) * s),
        ("times for power", lambda n, s, layers: layers * math.sqrt(n) * s),
        ("width ignored", lambda n, s, layers: s**layers),
        ("std ignored", lambda n, s, layers: math.sqrt(n) ** layers),
        ("one layer too few", lambda n, s, layers: layer_by_layer(n, s, layers - 1)),
        ("inverse", lambda n, s, layers: 1 / layer_by_layer(n, s, layers)),
        ("half lost in each layer", lambda n, s, layers: math.sqrt(n * s**2 / 2) ** layers),
        ("signature", lambda n, s: math.sqrt(n) * s),
        ("not a number", lambda n, s, layers: [math.sqrt(n) * s] * layers),
        (None, lambda n, s, layers: 1.01 * layer_by_layer(n, s, layers)),
    ],
    "layers_until_overflow": [
        ("last layer that fits", lambda factor, largest: counted(factor, largest) - 1),
        ("no whole number", power),
        ("rounded", lambda factor, largest: round(power(factor, largest))),
        ("one layer too many", lambda factor, largest: counted(factor, largest) + 1),
        ("factor squared", lambda factor, largest: counted(factor**2, largest)),
        ("quotient", lambda factor, largest: largest / factor),
        ("logarithms the wrong way round", lambda factor, largest: math.log(factor, largest)),
        ("powers of ten", lambda factor, largest: math.ceil(math.log10(largest))),
        (None, lambda factor, largest: counted(factor, largest) + 2),
    ],
    "start_loss": [
        ("log10", math.log10),
        ("log2", math.log2),
        ("sign", lambda classes: math.log(1 / classes)),
        ("probability for loss", lambda classes: 1 / classes),
        ("number of classes", lambda classes: classes),
        ("wrong class", lambda classes: -math.log((classes - 1) / classes)),
        ("summed over the classes", lambda classes: -classes * math.log(1 / classes)),
        ("two classes", lambda classes: math.log(2)),
        (None, lambda classes: 1.01 * math.log(classes)),
    ],
}
