"""Is this function fit for theory, and where does it bend or jump?"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from initlab import activations

Array = NDArray[np.float64]
Function = Callable[[Tensor], Tensor]
ActivationLike = str | Callable[[Tensor], Tensor]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
"""Where to look within a panel from -1 to 1, and with which weight."""
COEFFICIENTS = np.linalg.inv(np.polynomial.legendre.legvander(NODES, 15))
"""From values at the nodes to coefficients of Legendre polynomials."""

_START = np.array([-256.0, -64, -16, -4, -1, 0, 1, 4, 16, 64, 256])
_MOST_PANELS = 1024


def evaluator(found: activations.Activation) -> Function:
    """Wrap φ so that it takes and gives float64 tensors, whatever it is made of."""
    function: Callable[..., object] = found.function
    if isinstance(function, nn.Module):
        function = copy.deepcopy(function).to("cpu", torch.float64)

    def evaluate(x: Tensor) -> Tensor:
        with warnings.catch_warnings():  # numpy's functions take tensors, but complain
            warnings.filterwarnings("ignore", "__array_wrap__", DeprecationWarning)
            try:
                out = function(x.clone())  # it may work in place
            except Exception as error:
                try:
                    out = function(x.detach().clone().numpy())
                except Exception:
                    raise error from None
        return _as_tensor(out)

    return evaluate


def _as_tensor(out: object) -> Tensor:
    array = out if isinstance(out, Tensor) else np.asarray(out)
    if isinstance(array, np.ndarray) and array.dtype.kind not in "fiubc":
        raise TypeError(f"it returned {out!r}, not numbers")
    values = torch.as_tensor(array)
    if values.is_complex():
        raise TypeError("it returned complex numbers")
    return values


def to_array(values: Tensor) -> Array:
    """Take a tensor out of torch."""
    return values.detach().double().numpy()


def check(name: str, function: Function) -> None:
    """Refuse what no theory of elementwise functions can speak about."""
    x = torch.from_numpy(np.linspace(-12, 12, 97))
    hint = "Give a function that maps each entry of a tensor to one number."
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            values, again = function(x), function(x)
            some = x[20::3].flip(0)  # fewer, in another order, with another mean
            part = function(some)
        except Exception as error:
            raise ValueError(
                f"activation={name} failed on a float64 tensor of 97 entries: {error}. {hint}"
            ) from error
    if values.shape != x.shape:
        raise ValueError(
            f"activation={name} must keep the shape: (97,) went in, "
            f"{tuple(values.shape)} came out. {hint}"
        )
    numbers = to_array(values)
    strange = np.flatnonzero(~np.isfinite(numbers))
    if len(strange):
        raise ValueError(
            f"activation={name} returned {numbers[strange[0]]} at x = {x[strange[0]]:g}: it must "
            "be finite for every real number. Clamp its input, or give a function that is defined "
            "everywhere."
        )
    if not np.array_equal(numbers, to_array(again)):
        raise ValueError(
            f"activation={name} is random: two calls differ. Put a layer in eval mode with .eval()."
        )
    if part.shape != some.shape or not np.allclose(to_array(part), numbers[20::3][::-1], atol=1e-6):
        raise ValueError(f"activation={name} mixes the entries of its input. {hint}")
    if np.ptp(numbers) == 0:
        raise ValueError(
            f"activation={name} is constant: it returns {numbers[0] + 0:g} wherever it was asked, "
            "from -12 to 12, so no signal passes and no gain is defined."
        )


def mesh(function: Function) -> tuple[Array, Array]:
    """Find the points between which the function is smooth, and those where it is not."""
    with torch.no_grad():
        _, rough = _refine(function, _START)
        edges, _ = _refine(function, np.union1d(_START, rough))
    return edges, rough


def _refine(function: Function, edges: Array) -> tuple[Array, Array]:
    """Halve each panel on which 16 Legendre polynomials do not reproduce the function.

    Also gives the points where halving did not help: there the function has a corner.
    """
    left, right = edges[:-1], edges[1:]
    keep, rough = [edges], [np.empty(0)]
    typical = np.abs(to_array(function(torch.from_numpy(np.linspace(-1, 1, 9))))).max()
    for _ in range(48):
        middle, half = (left + right) / 2, (right - left) / 2
        values = function(torch.from_numpy(middle[:, None] + half[:, None] * NODES))
        exact = values.dtype == torch.float64
        array = to_array(values)
        array = np.where(np.isfinite(array).all(axis=1, keepdims=True), array, 0.0)
        last = np.abs(array @ COEFFICIENTS.T)[:, -4:].max(axis=1)
        noise = (1e-13 if exact else 1e-5) * (np.abs(array).max(axis=1) + typical)
        flagged = last > (1e-8 if exact else 1e-4) * np.ptp(array, axis=1) + noise
        left, right, middle = left[flagged], right[flagged], middle[flagged]
        if not len(middle) or sum(map(len, keep)) > _MOST_PANELS:
            break
        keep.append(middle)
        rough = [*rough, middle[right - left < 1e-6]]
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
    return np.unique(np.concatenate(keep)), _last_of_each(np.concatenate(rough))


def _last_of_each(points: Array) -> Array:
    """Of points that close in on a few places, keep the latest (the best) for each place."""
    _, latest = np.unique(np.round(points[::-1], 5), return_index=True)
    return points[::-1][latest]


def corners(function: Function, edges: Array, rough: Array) -> tuple[Array, Array]:
    """Tell at which of the panels' ends the function bends (at most six), and where it jumps."""
    points = np.unique(np.concatenate([_START, rough, apart(edges)]))
    points = points[np.diff(points, prepend=-np.inf) > 1e-6]
    steps = np.array([-2e-6, -1e-6, -1e-9, 1e-9, 1e-6, 2e-6])
    with torch.no_grad():
        values = to_array(function(torch.from_numpy(points[:, None] + steps))).T
    is_finite = np.isfinite(values).all(axis=0)
    points, values = points[is_finite], values[:, is_finite]
    slopes = np.abs([values[1] - values[0], values[5] - values[4]])
    bend = np.abs((values[5] - values[4]) - (values[1] - values[0]))
    wide, narrow = np.abs(values[4] - values[1]), np.abs(values[3] - values[2])
    is_jump = (narrow > 0.5 * wide) & (narrow > 1e-6 * np.abs(values).max(axis=0))
    is_kink = is_jump | (bend > 0.01 * slopes.max(axis=0) + 1e-12)
    return points[is_kink][:6], points[is_jump]


def steep(edges: Array, kinks: Array) -> Array:
    """Find the middle of each place where panels crowd although the function does not bend."""
    ends = np.flatnonzero(np.diff(np.diff(edges) < 0.2, prepend=False, append=False))
    left, right = edges[ends[::2]], edges[ends[1::2]]
    bends = ((left <= kinks[:, None]) & (kinks[:, None] <= right)).any(axis=0)
    return ((left + right) / 2)[~bends]


def apart(edges: Array) -> Array:
    """Keep the panel ends that lie at least 1e-3 from the next."""
    return edges[np.diff(edges, prepend=-np.inf) > 1e-3]
