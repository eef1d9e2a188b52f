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

_NODES = np.polynomial.legendre.leggauss(16)[0]
_COEFFICIENTS = np.linalg.inv(np.polynomial.legendre.legvander(_NODES, 15))
_QUARTERS = 4.0 ** np.arange(-3, 5)
_START = np.concatenate([-_QUARTERS[::-1], [0.0], _QUARTERS])  # where averages have panels anyway
_MOST_PANELS = 1024


def evaluator(found: activations.Activation) -> Function:
    """Wrap φ so that it takes and gives float64 tensors, whatever it is made of."""
    function: Callable[..., object] = found.function
    if isinstance(function, nn.Module):
        with torch.inference_mode(False):  # what is copied in it could not be differentiated
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


def shape(function: Function) -> tuple[Array, Array, Array]:
    """Find where averages need panels of their own, where the function bends, and where it jumps.

    A function that is smooth but at 0, at the scale of 1, needs none: panels halve towards 0.
    """
    with torch.no_grad():
        _, rough = _refine(function, _START, 1e-10)
        points = np.union1d(_START, rough)
        edges, _ = _refine(function, points, 1e-6)
        kinks, jumps = _corners(function, points)
    own = np.setdiff1d(edges, _START)
    return np.union1d(own, kinks[kinks != 0]), kinks, jumps


def _refine(function: Function, edges: Array, tolerance: float) -> tuple[Array, Array]:
    """Halve each panel on which 16 Legendre polynomials do not reproduce the function.

    The tolerance is a share of the function's range near 0 (or on the panel, where it is larger).
    Also gives the points where halving did not help: there the function has a corner.
    """
    left, right = edges[:-1], edges[1:]
    keep, rough = [edges], [np.empty(0)]
    near = function(torch.from_numpy(np.linspace(-4, 4, 33)))
    tolerance = max(tolerance, 0.0 if near.dtype == torch.float64 else 1e-4)
    least = np.ptp(to_array(near))
    for _ in range(48):
        middle, half = (left + right) / 2, (right - left) / 2
        values = function(torch.from_numpy(middle[:, None] + half[:, None] * _NODES))
        array = to_array(values)
        array = np.where(np.isfinite(array).all(axis=1, keepdims=True), array, 0.0)
        last = np.abs(array @ _COEFFICIENTS.T)[:, -4:].max(axis=1)
        flagged = last > tolerance * np.maximum(np.ptp(array, axis=1), least)
        left, right, middle = left[flagged], right[flagged], middle[flagged]
        if not len(middle) or sum(map(len, keep)) > _MOST_PANELS:
            break
        keep.append(middle)
        rough = [*rough, middle[right - left < 1e-6]]
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
    # Of points that close in on a few places, keep the latest (the best) for each place.
    latest_first = np.concatenate(rough)[::-1]
    _, chosen = np.unique(np.round(latest_first, 5), return_index=True)
    return np.unique(np.concatenate(keep)), latest_first[chosen]


def _corners(function: Function, points: Array) -> tuple[Array, Array]:
    """Tell at which of these points the function bends, and where it jumps.

    As a jump counts what is so steep that the square of its slope has no mean: the function
    changes over 1e-9 by more than 3 % of its change over 1e-6 (√|x| does by 3.2 %).
    """
    steps = np.array([-2e-6, -1e-6, -1e-9, 1e-9, 1e-6, 2e-6])
    values = to_array(function(torch.from_numpy(points[:, None] + steps))).T
    is_finite = np.isfinite(values).all(axis=0)
    points, values = points[is_finite], values[:, is_finite]
    slopes = np.abs([values[1] - values[0], values[5] - values[4]])
    bend = np.abs((values[5] - values[4]) - (values[1] - values[0]))
    wide, narrow = np.abs(values[4] - values[1]), np.abs(values[3] - values[2])
    is_jump = (narrow > 0.03 * wide) & (narrow > 1e-6 * np.abs(values).max(axis=0))
    is_kink = is_jump | (bend > 0.01 * slopes.max(axis=0) + 1e-12)
    return points[is_kink], points[is_jump]
