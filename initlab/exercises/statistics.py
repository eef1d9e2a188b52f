"""Do numbers have that distribution? Wide limits and large samples leave nothing to luck.

Every judgement of random numbers uses N ≥ `ENOUGH` = 20,000 of them, and a matrix has at least 60
rows and 60 columns. With σ the standard deviation that is asked for, one sample of a right answer
fails

    the mean, |mean| < 0.05 σ                         2 exp(−N 0.05² / 2)             P < 3e-11
    the std, |s / σ − 1| < 0.05                       Chernoff on χ²_N, N = 20,000    P < 1e-21
    the distribution, KS distance < 0.03              2 exp(−2 N 0.026²), see below   P < 4e-12
    the tails, 0.0027 N × [0.25, 2] beyond 3 σ        binomial, N = 20,000            P < 7e-10
    no normal entry beyond 8 σ                        1.3e-15 N                       P < 1e-10
    rows and columns are even, both tests             see `is_even`                   P < 2e-9
    no copies, no row or column at |cos| > 0.9        pairs × 0.19^29.5               P < 1e-15
    no pattern, fourth powers < 1.8 × expected        see `has_pattern`               P < 1e-13
    fresh numbers, |correlation of 2 calls| < 0.1     14 standard errors              P < 1e-40

The KS bound is Massart's (1990), exact for every N; 0.004 of the 0.03 is left for the rounding of
16-bit dtypes. The binomial one holds with that rounding, too, which moves the 0.0027 by up to 3 %.
A check draws from at most six such samples, so it rejects a right answer with a probability below
2e-8. A uniform distribution has lighter tails than the normal one, and its squares spread less (in
the convex order), so every line holds for it too.

A wrong std of 0.9 σ passes only if s² is 11 % above its own expectation (Chernoff: P < 1e-25), one
of 1.1 σ only if it is 9 % below (P < 1e-17). A uniform distribution in place of a normal one of the
same std (their distance is 0.057) passes with P < 2 exp(−2 N 0.027²) = 5e-13. Student's t
distribution with 8 degrees of freedom, scaled to the std that is asked for, has 0.85 % beyond 3 σ
and passes one sample with P < 2e-7; one with 20 is so near to the normal distribution that samples
of this size often pass.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from initlab.exercises.answers import Array, Entries

Shape = Literal["normal", "uniform"]

ENOUGH = 20_000
TOLERANCE = 0.05
KS_LIMIT = 0.03
NEAR_NORMAL = 0.04  # gives a mistake its name, no more
NAMED = 0.025  # the TOLERANCE that gives a mistake its name: two may lie 4 % apart
COPY = 0.9
TAIL, FAR = 3.0, 8.0
BEYOND_TAIL = 0.0027  # the share of a normal distribution that lies beyond ±TAIL
FEWEST, MOST = 0.25, 2.0  # times that share


def mean_is(values: Array, mean: float, std: float) -> bool:
    """Is the mean within 5 % of a standard deviation of `mean`?"""
    return bool(abs(values.mean() - mean) < TOLERANCE * std)


def std_is(values: Array, std: float, tolerance: float = TOLERANCE) -> bool:
    """Is the standard deviation within 5 % of `std`?"""
    return bool(abs(values.std() / std - 1) < tolerance)


def shape_is(values: Array, shape: Shape, std: float) -> bool:
    """Are the values distributed like that, around 0, with that standard deviation?"""
    z = values.ravel() / std
    if _distance(z, shape) >= KS_LIMIT:
        return False
    reach = np.abs(z).max()
    if shape == "uniform":
        # Its edge may be exceeded by the rounding of a 16-bit dtype, not by more.
        return bool(reach < np.sqrt(3) * 1.01)
    return bool(FEWEST < _tails(z) < MOST and reach < FAR)


def looks_uniform(values: Array) -> bool:
    """Is this a uniform distribution around 0, with whatever bound?"""
    return shape_is(values, "uniform", np.abs(values).max() / np.sqrt(3))


def looks_normal(values: Array) -> bool:
    """Is this a normal distribution around 0, with whatever standard deviation?"""
    return shape_is(values, "normal", values.std())


def looks_truncated(values: Array) -> bool:
    """Is this a normal distribution around 0 whose tails were cut?"""
    z = values.ravel() / values.std()
    return _distance(z, "normal") < KS_LIMIT and _tails(z) <= FEWEST


def looks_heavy_tailed(values: Array) -> bool:
    """Is this near a normal distribution around 0, with too many values far out?"""
    z = values.ravel() / values.std()
    return _distance(z, "normal") < NEAR_NORMAL and _tails(z) >= MOST


def values_return(entries: Entries) -> bool:
    """Do values come back that a fine dtype hardly ever draws twice?"""
    if entries.eps > 1e-5:  # 16 bits: they do, by rounding
        return False
    return np.unique(np.abs(entries.values)).size < 0.9 * entries.values.size


def is_even(matrix: Array) -> bool:
    """Has each row and each column about the standard deviation of the whole?

    Two tests. No row or column is off by itself: each has 0.4 to 1.8 times the whole's (Chernoff
    on χ²_60: P < 1e-9). And they do not vary mildly together: Bartlett's statistic (1937) of m rows
    with n entries each, m n log(arithmetic mean / geometric mean of their mean squares), is about
    χ²_m. The limit m + 2 √(m x) + 2 x with x = 25 is that of Laurent and Massart (2000), which χ²_m
    exceeds with P < exp(−25). For finite n Chernoff's bound is exact: a mean square r is Γ(k) / k
    with k = n / 2, and E exp(s (r − 1 − log r)) = exp(−s) k^k Γ(k − s) / (Γ(k) (k − s)^(k − s)).
    For each shape that a check uses it gives P < 2e-11. So a std that runs evenly from 15 % below
    to 15 % above, row by row, is seen.
    """
    squares = matrix**2 / (matrix**2).mean()
    for lines in (squares, squares.T):
        means = lines.mean(axis=1)
        if not 0.4**2 < means.min() <= means.max() < 1.8**2:
            return False
        bartlett = -lines.shape[1] * np.log(means).sum()
        if not bartlett < even_limit(len(means)):
            return False
    return True


def even_limit(m: int) -> float:
    """The largest value of Bartlett's statistic that m rows of one distribution may have."""
    return float(m + 10 * np.sqrt(m) + 50)


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
    with np.errstate(invalid="ignore"):  # nan where all are equal
        found = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    return bool(abs(found) > correlation)


def _distance(z: Array, shape: Shape) -> float:
    """Kolmogorov–Smirnov: the largest gap between the sample's distribution and one of std 1."""
    from scipy.stats import kstest

    expected = ("norm", ()) if shape == "normal" else ("uniform", (-np.sqrt(3), 2 * np.sqrt(3)))
    return float(kstest(z, *expected, method="asymp").statistic)


def _tails(z: Array) -> float:
    """The share of entries beyond ±3, relative to that of the standard normal distribution."""
    return float((np.abs(z) > TAIL).mean() / BEYOND_TAIL)
