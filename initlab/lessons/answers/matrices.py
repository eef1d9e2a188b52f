"""What is right and wrong in any random matrix, `(fan_in, fan_out) -> (fan_out, fan_in)`."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(0)


def normal(std):
    return lambda i, o: torch.randn(o, i) * std(i, o)


def uniform(bound):
    return lambda i, o: rng.uniform(-bound(i, o), bound(i, o), size=(o, i))


def truncated(std):
    """Normal numbers cut at 2 of their standard deviations."""

    def draw(i, o):
        s = std(i, o)
        return nn.init.trunc_normal_(torch.empty(o, i), 0, s, -2 * s, 2 * s)

    return draw


def like(shape, std):
    return normal(std) if shape == "normal" else uniform(lambda i, o: math.sqrt(3) * std(i, o))


def heavy_tailed(std):
    """Student's t distribution with 8 degrees of freedom, scaled to that standard deviation."""
    return lambda i, o: std(i, o) * rng.standard_t(8, size=(o, i)) * (6 / 8) ** 0.5


def uneven(draw, axis):
    """The spread runs from 15 % below to 15 % above, along the rows or the columns."""

    def answer(i, o):
        numbers = np.asarray(draw(i, o))
        factors = np.linspace(0.85, 1.15, numbers.shape[axis])
        return numbers * np.expand_dims(factors / np.sqrt(np.mean(factors**2)), 1 - axis)

    return answer


def one_seed(shape, std):
    def draw(i, o):
        seeded = np.random.default_rng(0)
        return std(i, o) * (
            seeded.normal(size=(o, i))
            if shape == "normal"
            else seeded.uniform(-(3**0.5), 3**0.5, size=(o, i))
        )

    return draw


def two_bands(i, o):
    """Numbers near −1 and near 1, all different, of std 1."""
    return rng.choice([-1, 1], size=(o, i)) * rng.uniform(0.95, 1.05, size=(o, i))


def low_rank(std, rank=40):
    """Nearly normal entries of the right variance, in a matrix of rank 40."""
    return lambda i, o: (
        std(i, o) * rng.normal(size=(o, rank)) @ rng.normal(size=(rank, i)) / rank**0.5
    )


def uniform_of_low_rank(std):
    """The same, turned into uniform numbers by the normal distribution function."""

    def draw(i, o):
        share = torch.special.ndtr(torch.from_numpy(low_rank(lambda i, o: 1.0)(i, o))).numpy()
        return math.sqrt(3) * std(i, o) * (2 * share - 1)

    return draw


def shifted(draw):
    """Each row is the one above, shifted by one place."""

    def toeplitz(i, o):
        numbers = np.asarray(draw(i, o)).reshape(-1)
        return np.stack([numbers[start : start + i] for start in range(o)])

    return toeplitz


def in_place(fill):
    def answer(weight):
        fill(weight)

    return answer


def right_draws(shape, std, init):
    """Right in torch, numpy, lists and 16 bits, with a gradient, from PyTorch, and in place."""
    draw = like(shape, std)
    return [
        draw,
        lambda i, o: np.asarray(draw(i, o), dtype=np.float32),
        lambda i, o: np.asarray(draw(i, o), dtype=np.float16),
        lambda i, o: torch.as_tensor(draw(i, o)).bfloat16(),
        lambda i, o: np.asarray(draw(i, o)).tolist(),
        lambda i, o: list(torch.as_tensor(draw(i, o))),
        lambda i, o: nn.Parameter(torch.as_tensor(draw(i, o)).double()),
        lambda i, o: init(torch.empty(o, i)),
        in_place(init),
        init,
        lambda *fans: draw(*fans),
        lambda fan_in, fan_out, gain=1.0: gain * draw(fan_in, fan_out),
    ]


def rows_return(shape, std):
    """The same rows at each call, in another order."""
    fixed = {}

    def answer(i, o):
        rows = fixed.setdefault((i, o), like(shape, std)(i, o))
        return rng.permutation(rows)

    return answer


def wrong_draws(shape, std):
    """What goes wrong with any random matrix."""
    draw = like(shape, std)
    other = {"normal": "uniform", "uniform": "normal"}[shape]
    return [
        ("transposed", lambda i, o: draw(o, i)),
        ("shape", lambda i, o: draw(i, o).reshape(-1)),
        ("not finite", lambda i, o: np.full((o, i), np.nan)),
        ("not finite", in_place(lambda weight: weight[0].normal_())),
        ("integers", lambda i, o: np.ones((o, i), dtype=int)),
        ("integers", lambda i, o: [[0] * i] * o),
        ("integers", lambda i, o: torch.zeros(o, i, dtype=torch.long)),
        ("complex", lambda i, o: np.ones((o, i)) * 1j),
        ("not an array", lambda i, o: "weights"),
        ("ragged", lambda i, o: [[0.1] * (i - row % 2) for row in range(o)]),
        ("raised", lambda i, o: 1 / 0),
        ("signature", lambda: torch.zeros(1)),
        ("not a function", torch.zeros(200, 100)),
        ("constant", lambda i, o: torch.full((o, i), std(i, o))),
        ("same numbers at each call", one_seed(shape, std)),
        ("mean for std", lambda i, o: torch.empty(o, i).normal_(std(i, o))),
        ("positive only", lambda i, o: abs(draw(i, o))),
        ("repeated rows", lambda i, o: np.resize(draw(i, 10), (o, i))),
        ("repeated columns", lambda i, o: np.resize(draw(o, 10), (i, o)).T),
        ("mean not 0", lambda i, o: draw(i, o) + std(i, o)),
        ("same std for every fan", like(shape, lambda i, o: 0.02)),
        ("same std for every fan", like(shape, lambda i, o: 1.0)),
        (f"{other} for {shape}", like(other, std)),
        ("truncated", truncated(lambda i, o: std(i, o) / 0.8796)),
        ("truncated", truncated(lambda i, o: 1.04 * std(i, o))),
        ("values return", shifted(draw)),
        ("not independent", low_rank(std) if shape == "normal" else uniform_of_low_rank(std)),
        (None, lambda i, o: 0.9 * draw(i, o)),
        (None, lambda i, o: 1.1 * draw(i, o)),
        ("heavy tails", heavy_tailed(std)),
        ("uneven rows", uneven(draw, 0)),
        ("uneven rows", uneven(draw, 1)),
        ("values return", lambda i, o: std(i, o) * rng.choice([-1, 1], size=(o, i))),
        (None, lambda i, o: std(i, o) * two_bands(i, o)),
        ("uneven rows", lambda i, o: np.asarray(draw(i, o)) * (np.arange(o) > 0)[:, None]),
        ("uneven rows", lambda i, o: np.asarray(draw(i, o)) * (np.arange(i) > 0)),
        ("not independent", rows_return(shape, std)),
        ("not an array", lambda i, o: np.asarray(draw(i, o)).astype(str)),
    ]


def answers(shape, std, init, wrong_stds, more):
    """Right and wrong answers to an exercise that draws a matrix.

    Args:
        shape: "normal" or "uniform".
        std: (fan_in, fan_out) → the right standard deviation.
        init: PyTorch's own function for it.
        wrong_stds: (mistake, standard deviation) of typical mistakes.
        more: (mistake, answer).
    """
    wrong = [(mistake, like(shape, wrong)) for mistake, wrong in wrong_stds]
    return right_draws(shape, std, init), [*wrong_draws(shape, std), *wrong, *more]
