"""Do these numbers look drawn from that law? Wide limits and large samples, so that luck is out.

Every judgement of random numbers uses N ≥ `ENOUGH` = 20,000 of them, and a matrix has at least 60
rows and 60 columns. With σ the standard deviation that is asked for, one sample of a right answer
fails

    the mean, |mean| < 0.05 σ                         2 exp(−N 0.05² / 2)             P < 3e-11
    the std, |s / σ − 1| < 0.05                       Chernoff on χ²_N, N = 20,000    P < 1e-21
    the distribution, KS distance < 0.03              2 exp(−2 N 0.026²), see below   P < 4e-12
    the tails (the largest lies beyond 3 σ, not 8)    0.9973^N, 1.3e-15 N             P < 1e-10
    each row and column has 0.4 to 1.8 times σ        Chernoff on χ²_60, 2,200 of them P < 1e-9
    no copies, no row or column at |cos| > 0.9        pairs × 0.19^29.5               P < 1e-15
    no pattern, fourth powers < 1.8 × expected        see `has_pattern`               P < 1e-13
    fresh numbers, |correlation of 2 calls| < 0.1     14 standard errors              P < 1e-40

The KS bound is Massart's (1990), exact for every N; 0.004 of the 0.03 is left for the rounding of
16-bit dtypes. A check draws from at most six such samples, so it rejects a right answer with a
probability below 1e-8. A uniform law has lighter tails than the normal one, so every line holds for
it too.

A wrong std of 0.9 σ passes only if s² is 11 % above its own expectation (Chernoff: P < 1e-25), one
of 1.1 σ only if it is 9 % below (P < 1e-17). A uniform law in place of a normal one of the same std
(their distance is 0.057) passes with P < 2 exp(−2 N 0.027²) = 5e-13.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch

from initlab.exercises.answers import Array, Entries

Shape = Literal["normal", "uniform"]

ENOUGH = 20_000
TOLERANCE = 0.05
KS_LIMIT = 0.03
NAMED = 0.025
COPY = 0.9
TAIL, FAR = 3.0, 8.0


def mean_is(values: Array, mean: float, std: float) -> bool:
    """Is the mean within 5 % of a standard deviation of `mean`?"""
    return bool(abs(values.mean() - mean) < TOLERANCE * std)


def std_is(values: Array, std: float, tolerance: float = TOLERANCE) -> bool:
    """Is the standard deviation within 5 % of `std`?

    To give a mistake its name, `NAMED` is narrower: two mistakes may lie 4 % apart.
    """
    return bool(abs(values.std() / std - 1) < tolerance)


def shape_is(values: Array, shape: Shape, std: float) -> bool:
    """Are the values distributed like that, around 0, with that standard deviation?"""
    z = np.sort(values, axis=None) / std
    if _distance(z, _CDF[shape]) >= KS_LIMIT:
        return False
    reach = max(-z[0], z[-1])
    # The edge of a uniform law may be exceeded by the rounding of a 16-bit dtype, not by more.
    return bool(TAIL < reach < FAR if shape == "normal" else reach < np.sqrt(3) * 1.01)


def looks_uniform(values: Array) -> bool:
    """Is this a uniform law around 0, with whatever bound?"""
    return shape_is(values, "uniform", np.abs(values).max() / np.sqrt(3))


def looks_normal(values: Array) -> bool:
    """Is this a normal law around 0, with whatever standard deviation?"""
    return shape_is(values, "normal", values.std())


def looks_truncated(values: Array) -> bool:
    """Is this a normal law around 0 whose tails were cut?"""
    z = np.sort(values, axis=None) / values.std()
    near_normal = _distance(z, _CDF["normal"]) < KS_LIMIT
    return bool(near_normal and max(-z[0], z[-1]) <= TAIL)


def values_return(entries: Entries) -> bool:
    """Do values come back that a fine dtype hardly ever draws twice?"""
    if entries.eps > 1e-5:  # 16 bits: they do, by rounding
        return False
    size = np.sort(np.abs(entries.values), axis=None)
    return bool((np.diff(size) == 0).mean() > 0.1)


def is_even(matrix: Array) -> bool:
    """Has each row and each column about the standard deviation of the whole?"""
    squares = matrix**2 / matrix.var()
    sides = np.sqrt(np.concatenate([squares.mean(axis=0), squares.mean(axis=1)]))
    return bool((sides > 0.4).all() and (sides < 1.8).all())


def has_copies(rows: Array, cosine: float = COPY) -> bool:
    """Is a row a copy of another one, up to sign and length, or nearly?"""
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
    cosines = np.abs(unit @ unit.T)
    np.fill_diagonal(cosines, 0.0)
    return bool(cosines.max() > cosine)


def has_pattern(matrix: Array) -> bool:
    """Are the singular values more spread than those of independent entries?

    The sum of their fourth powers is m·n·(m + n + 1)·σ⁴ for independent normal entries; a matrix
    of low rank, or one whose rows resemble each other, has more. The fourth root of the sum is a
    norm, so it moves by at most the length of a change of the entries, and for normal ones it lies
    t σ above its mean with P < exp(−t² / 2); here t ≥ 8. (The standard error is below 1 %.)
    """
    m, n = matrix.shape
    gram = matrix @ matrix.T
    return bool((gram**2).sum() > 1.8 * m * n * (m + n + 1) * matrix.var() ** 2)


def same_numbers(first: Array, second: Array, correlation: float = 0.1) -> bool:
    """Do two calls give the same numbers, or numbers that are correlated?"""
    if np.array_equal(first, second):
        return True
    spread = first.std() * second.std()
    shared = ((first - first.mean()) * (second - second.mean())).mean()
    return bool(spread > 0 and abs(shared) > correlation * spread)


def _distance(sorted_values: Array, cdf: Callable[[Array], Array]) -> float:
    """Kolmogorov–Smirnov: the largest gap between the sample's distribution and the law's."""
    n = sorted_values.size
    steps = np.arange(n + 1) / n
    law = cdf(sorted_values)
    return float(max((steps[1:] - law).max(), (law - steps[:-1]).max()))


def _normal_cdf(z: Array) -> Array:
    return np.asarray(torch.special.ndtr(torch.from_numpy(z)), dtype=np.float64)


def _uniform_cdf(z: Array) -> Array:
    return np.asarray(np.clip((z / np.sqrt(3) + 1) / 2, 0, 1))


_CDF: dict[str, Callable[[Array], Array]] = {"normal": _normal_cdf, "uniform": _uniform_cdf}
