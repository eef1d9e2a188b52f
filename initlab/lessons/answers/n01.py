"""Notebook 01: right and wrong answers."""

import math

import numpy as np
import torch


def layer_by_layer(widths, std):
    rms = 1.0
    for fan_in in widths[:-1]:
        rms *= math.sqrt(fan_in) * std
    return rms


def powers(fan_ins, std):
    return math.prod(math.sqrt(n) * std for n in fan_ins)


def mean_loss(classes, lead):
    return math.log(classes - 1 + math.exp(lead)) - lead / classes


def by_pytorch(classes, lead):
    outputs = torch.zeros(classes, classes)
    outputs[:, 0] = lead
    return torch.nn.functional.cross_entropy(outputs, torch.arange(classes))


def by_kinds(classes, lead):
    top = math.exp(lead) / (classes - 1 + math.exp(lead))
    other = 1 / (classes - 1 + math.exp(lead))
    return -(math.log(top) + (classes - 1) * math.log(other)) / classes


RIGHT = {
    "rms_after_layers": [
        layer_by_layer,
        lambda widths, std: np.sqrt(np.prod(np.array(widths[:-1]) * std**2)),
        lambda widths, std: (torch.tensor(widths[:-1], dtype=torch.float64) * std**2).prod().sqrt(),
        lambda sizes, s: s ** (len(sizes) - 1) * math.prod(sizes[:-1]) ** 0.5,
    ],
    "start_loss": [
        mean_loss,
        by_pytorch,
        by_kinds,
        lambda c, lead: np.log(c - 1 + np.exp(lead)) - lead / c,
    ],
}

WRONG = {
    "rms_after_layers": [
        ("fan-out for fan-in", lambda widths, std: powers(widths[1:], std)),
        ("one layer too many", powers),
        ("first width everywhere", lambda n, s: (math.sqrt(n[0]) * s) ** (len(n) - 1)),
        ("no root of the width", lambda n, s: math.prod(m * s for m in n[:-1])),
        ("mean square for rms", lambda n, s: math.prod(m * s**2 for m in n[:-1])),
        ("std for variance", lambda n, s: math.sqrt(math.prod(m * s for m in n[:-1]))),
        ("first layer only", lambda n, s: math.sqrt(n[0]) * s),
        ("last layer only", lambda n, s: math.sqrt(n[-2]) * s),
        ("sum for product", lambda n, s: sum(math.sqrt(m) * s for m in n[:-1])),
        ("std once", lambda n, s: math.sqrt(math.prod(n[:-1])) * s),
        ("width ignored", lambda n, s: s ** (len(n) - 1)),
        ("std ignored", lambda n, s: math.sqrt(math.prod(n[:-1]))),
        ("inverse", lambda n, s: 1 / layer_by_layer(n, s)),
        ("half lost in each layer", lambda n, s: powers([m / 2 for m in n[:-1]], s)),
        ("signature", lambda width, std, depth: (math.sqrt(width) * std) ** depth),
        ("not a number", lambda n, s: [math.sqrt(m) * s for m in n[:-1]]),
        (None, lambda n, s: 1.01 * layer_by_layer(n, s)),
    ],
    "start_loss": [
        ("lead ignored", lambda classes, lead: math.log(classes)),
        ("always right", lambda c, lead: -math.log(math.exp(lead) / (c - 1 + math.exp(lead)))),
        ("always wrong", lambda c, lead: math.log(c - 1 + math.exp(lead))),
        ("half right", lambda c, lead: math.log(c - 1 + math.exp(lead)) - lead / 2),
        ("shares exchanged", lambda c, lead: mean_loss(c, lead) + lead * (2 / c - 1)),
        ("one class too many", lambda c, lead: math.log(c + math.exp(lead)) - lead / c),
        ("log10", lambda c, lead: mean_loss(c, lead) / math.log(10)),
        ("log2", lambda c, lead: mean_loss(c, lead) / math.log(2)),
        ("sign", lambda c, lead: -mean_loss(c, lead)),
        ("summed over the classes", lambda c, lead: c * mean_loss(c, lead)),
        (None, lambda c, lead: 1.01 * mean_loss(c, lead)),
    ],
}
