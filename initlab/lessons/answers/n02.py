"""Notebook 02: right and wrong answers."""

from __future__ import annotations

import math

import numpy as np
import torch

from initlab.lessons.answers.matrices import rng

RIGHT, WRONG = {}, {}


def split(share):
    """Each unit twice; one copy gets this share of the outgoing weights."""

    def answer(incoming, outgoing):
        outgoing = torch.cat([share * outgoing, (1 - share) * outgoing], dim=1)
        return torch.cat([incoming, incoming]), outgoing

    return answer


def neighbours(incoming, outgoing):
    """The copies stand beside each other."""
    share = torch.tensor([0.25, 0.75]).repeat(outgoing.shape[1])
    return incoming.repeat_interleave(2, 0), outgoing.repeat_interleave(2, 1) * share


def silent(incoming, outgoing):
    """New units that send nothing yet."""
    new = torch.randn_like(incoming)
    return torch.cat([incoming, new]), torch.cat([outgoing, torch.zeros_like(outgoing)], dim=1)


def in_numpy(incoming, outgoing):
    incoming, outgoing = incoming.numpy(), outgoing.numpy()
    noise = 0.2 * rng.normal(size=outgoing.shape)
    return np.vstack([incoming] * 2), np.hstack([outgoing / 2 + noise, outgoing / 2 - noise])


def doubled(incoming, outgoing):
    return torch.cat([incoming] * 2), torch.cat([outgoing] * 2, dim=1)


def quartered(incoming, outgoing):
    return torch.cat([incoming] * 2), torch.cat([0.1 * outgoing, 0.4 * outgoing], dim=1)


def nothing_new(incoming, outgoing):
    """All new units are 0, and so they are twins of each other."""
    rows, columns = torch.zeros_like(incoming), torch.zeros_like(outgoing)
    return torch.cat([incoming, rows]), torch.cat([outgoing, columns], dim=1)


def noisy(incoming, outgoing):
    rows, columns = split(0.5)(incoming, outgoing)
    return rows + 0.1 * torch.randn_like(rows), columns


def mispaired(incoming, outgoing):
    rows, columns = split(0.3)(incoming, outgoing)
    return rows.flip(0), columns


RIGHT["widen"] = [split(0.3), split(-1), split(0), neighbours, silent, in_numpy]
WRONG["widen"] = [
    ("twins", split(0.5)),
    ("some twins", nothing_new),
    ("sent twice", doubled),
    ("averaged twice", quartered),
    ("wrong partner", noisy),
    ("wrong partner", mispaired),
    ("one matrix", lambda incoming, outgoing: torch.cat([incoming, incoming])),
    ("shape", lambda incoming, outgoing: (incoming, outgoing)),
    ("raised", lambda incoming, outgoing: (torch.cat([incoming, outgoing]), outgoing)),
    (
        None,
        lambda incoming, outgoing: (
            doubled(incoming, outgoing)[0],
            0 * doubled(incoming, outgoing)[1],
        ),
    ),
]


def moves(zero):
    return [not any(zero[:k] + zero[k + 1 :]) for k in range(len(zero))]


def neighbours_only(zero):
    padded = [False, *zero, False]
    return [not (padded[k] or padded[k + 2]) for k in range(len(zero))]


RIGHT["moves"] = [
    moves,
    lambda zero: np.array(moves(zero)),
    lambda zero: torch.tensor(moves(zero)),
    lambda zero: [sum(zero) - zero[k] == 0 for k in range(len(zero))],
]
WRONG["moves"] = [
    ("forwards only", lambda zero: [not any(zero[:k]) for k in range(len(zero))]),
    ("backwards only", lambda zero: [not any(zero[k + 1 :]) for k in range(len(zero))]),
    ("own weights too", lambda zero: [not any(zero) for _ in zero]),
    ("own weights only", lambda zero: [not z for z in zero]),
    ("neighbours only", neighbours_only),
    ("which stay", lambda zero: [not moving for moving in moves(zero)]),
    ("all", lambda zero: [True for _ in zero]),
    ("shape", lambda zero: moves(zero)[:1]),
    (None, lambda zero: [False for _ in zero]),
]


def shares(counts):
    return np.array(counts) / sum(counts)


RIGHT["output_bias"] = [
    lambda counts: np.log(shares(counts)),
    lambda counts: torch.tensor(counts).log(),
    lambda counts: [math.log(count) + 3 for count in counts],
    lambda counts: torch.tensor(shares(counts)).log().half(),
    lambda counts: torch.tensor(counts).log().bfloat16(),
]
WRONG["output_bias"] = [
    ("zeros", lambda counts: np.zeros(len(counts))),
    ("share for log share", shares),
    ("logit of a sigmoid", lambda counts: np.log(shares(counts) / (1 - shares(counts)))),
    ("sign", lambda counts: -np.log(shares(counts))),
    ("base of the logarithm", lambda counts: np.log10(shares(counts))),
    ("base of the logarithm", lambda counts: np.log2(shares(counts))),
    ("counts for log counts", lambda counts: np.array(counts, dtype=float)),
    ("weights of a loss", lambda counts: 1 / shares(counts)),
    ("counts for log counts", lambda counts: counts),
    ("shape", lambda counts: np.log(shares(counts))[:1]),
    (None, lambda counts: np.sqrt(shares(counts))),
    (None, lambda counts: 0.95 * np.log(shares(counts))),
]
