"""Which batch can I try it on?

Every function returns `Batch(x, y)`: seeded, on the default device, generated or shipped with
scikit-learn. Nothing is downloaded.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from initlab.arguments import number, whole

__all__ = ["Batch", "digits", "gaussian", "moons", "regression", "spirals"]


class Batch(NamedTuple):
    """Inputs and what belongs to them: `x, y = il.data.digits()`.

    Args:
        x: Inputs, float32, one row for each example.
        y: Targets: int64 class numbers, or float32 values for regression.
    """

    x: Tensor
    y: Tensor


def digits(
    n: int | None = None, *, split: str = "all", as_images: bool = False, seed: int = 0
) -> Batch:
    """Load handwritten digits, 8×8 pixels, standardised as a whole.

    One mean and one std over all pixels: the picture stays a picture (dead corners stay equal),
    and E[x²] over the set is 1, which is what theory assumes of an input.

    Args:
        n: How many, at most the size of the split; None means all of them.
        split: "all" (1,797), "train" (1,500) or "test" (297, each digit in its share). Which
            picture is in which split does not depend on `seed`, so the two never overlap.
        as_images: Whether x has shape (n, 1, 8, 8), as `il.models.cnn` takes it.
        seed: Decides the order, and so which come first; whole number, at least 0.

    Shape:
        x (n, 64) or (n, 1, 8, 8), y (n,)

    Returns:
        x with mean 0 and std 1 over all pixels of the split ("test" is standardised with the
        mean and std of "train"), and the digit, 0 to 9.

    Raises:
        TypeError: `n` or `seed` is not a whole number.
        ValueError: `split` is unknown, or `n` is below 1 or above the split's size.

    >>> x, y = digits()
    >>> x.shape, round(x.mean().item(), 3), round(x.std().item(), 3)
    (torch.Size([1797, 64]), 0.0, 1.0)
    """
    pixels, labels, rows = _load_digits()
    if split not in rows:
        raise ValueError(f'split must be "all", "train" or "test", got {split!r}.')
    available = len(rows[split])
    n = whole("n", available if n is None else n)
    if n > available:
        raise ValueError(f'n must be at most {available} with split="{split}", got {n}.')
    chosen = _rng(seed).permutation(rows[split])[:n]
    known = pixels[rows["train" if split == "test" else split]]
    x = (pixels[chosen] - known.mean()) / known.std()
    return _batch(x.reshape(n, 1, 8, 8) if as_images else x, labels[chosen])


def spirals(n: int = 600, *, classes: int = 3, noise: float = 0.1, seed: int = 0) -> Batch:
    """Draw points on spiral arms, one arm for each class.

    No straight line separates them: a network must bend its input many times.

    Args:
        n: Number of points, at least `classes`.
        classes: Number of arms, at least 2.
        noise: Std of the angle around the arm, in radians, at least 0.
        seed: Decides the points; whole number, at least 0.

    Shape:
        x (n, 2), y (n,)

    Returns:
        x with mean 0 and std 1 in each column, and the arm, 0 to classes − 1, in equal shares.

    Raises:
        TypeError, ValueError: An argument is not what it may be.

    >>> spirals(6).y
    tensor([0, 1, 2, 0, 1, 2])
    """
    classes = whole("classes", classes, least=2)
    n, noise, rng = whole("n", n, least=classes), number("noise", noise, low=0), _rng(seed)
    arm = np.arange(n) % classes
    radius = rng.uniform(0.05, 1, n)
    angle = 2 * np.pi * (arm / classes + 0.75 * radius) + noise * rng.standard_normal(n)
    x = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _batch(_standardised(x), arm)


def moons(n: int = 400, *, noise: float = 0.1, seed: int = 0) -> Batch:
    """Draw two half circles that reach into each other, from scikit-learn's `make_moons`.

    Args:
        n: Number of points, at least 2.
        noise: Std of what is added to each coordinate, in radii, at least 0.
        seed: Decides the points; whole number, at least 0.

    Shape:
        x (n, 2), y (n,)

    Returns:
        x with mean 0 and std 1 in each column, and the moon, 0 or 1.

    Raises:
        TypeError, ValueError: An argument is not what it may be.

    >>> moons(100).x.shape
    torch.Size([100, 2])
    """
    from sklearn.datasets import make_moons

    n, noise = whole("n", n, least=2), number("noise", noise, low=0)
    x, y = make_moons(n, noise=noise, random_state=whole("seed", seed, least=0))
    return _batch(_standardised(x), y)


def gaussian(n: int = 256, n_in: int = 64, *, classes: int = 10, seed: int = 0) -> Batch:
    """Draw inputs without any structure: the batch that theory speaks about.

    Args:
        n: Number of examples, at least 1.
        n_in: Features of each, at least 1.
        classes: Number of classes, at least 1.
        seed: Decides all numbers; whole number, at least 0.

    Shape:
        x (n, n_in), y (n,)

    Returns:
        x with independent entries from N(0, 1), and classes drawn evenly, without regard to x.

    Raises:
        TypeError, ValueError: An argument is not what it may be.

    >>> gaussian(8, 3).x.shape
    torch.Size([8, 3])
    """
    n, n_in = whole("n", n), whole("n_in", n_in)
    classes, rng = whole("classes", classes), _rng(seed)
    return _batch(rng.standard_normal((n, n_in)), rng.integers(classes, size=n))


def regression(
    n: int = 256,
    n_in: int = 64,
    *,
    n_out: int = 1,
    noise: float = 0.1,
    white: bool = False,
    seed: int = 0,
) -> Batch:
    """Draw a linear map to be found: y = x·W + noise.

    Args:
        n: Number of examples, at least 1.
        n_in: Features of each, at least 1.
        n_out: Targets of each, at least 1.
        noise: Std of what is added to each target, at least 0.
        white: Whether the inputs are white: in these n examples, and not only on average, every
            feature has mean square 1 and no two are correlated. Takes n of at least `n_in`.
        seed: Decides the map, the inputs and the noise; whole number, at least 0.

    Shape:
        x (n, n_in), y (n, n_out), float32

    Returns:
        x with independent entries from N(0, 1), made white if so wanted; y with expected variance
        1 + noise², since the map's entries have variance 1/n_in.

    Raises:
        TypeError, ValueError: An argument is not what it may be.

    >>> regression(8, 3, n_out=2).y.shape
    torch.Size([8, 2])
    """
    n, n_in, n_out = whole("n", n), whole("n_in", n_in), whole("n_out", n_out)
    noise, rng = number("noise", noise, low=0), _rng(seed)
    if white and n < n_in:
        raise ValueError(
            f"n must be at least n_in={n_in} with white=True, got {n}: fewer examples cannot have "
            "features without correlation."
        )
    x, weights = rng.standard_normal((n, n_in)), rng.standard_normal((n_in, n_out))
    if white:
        x = np.linalg.qr(x)[0] * np.sqrt(n)
    y = x @ weights / np.sqrt(n_in) + noise * rng.standard_normal((n, n_out))
    return Batch(_float32(x), _float32(y))


@cache
def _load_digits() -> tuple[NDArray[np.float64], NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """Return pixels, labels, and which rows are in which split: fixed, the same for every seed."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    every = np.arange(len(labels))
    train, test = train_test_split(every, test_size=297, stratify=labels, random_state=0)
    return pixels, labels, {"all": every, "train": train, "test": test}


def _batch(x: NDArray[np.float64], y: NDArray[Any]) -> Batch:
    return Batch(_float32(x), torch.tensor(y, dtype=torch.int64))


def _float32(values: NDArray[np.float64]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def _standardised(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((x - x.mean(axis=0)) / x.std(axis=0))


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(whole("seed", seed, least=0))
