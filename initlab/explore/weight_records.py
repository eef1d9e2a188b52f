"""What does a scheme put into one weight matrix?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from initlab.explore.signal_records import round_up
from initlab.schemes import SCHEMES, Scheme, TruncNormal, Uniform

BINS = 41  # odd, so that 0 has a bin of its own
FLAT = ("uniform", "torch_default")  # how the names of schemes with a flat law end
NO_LAW = ("zeros", "ones", "constant", "sparse", "orthogonal", "eye")


@dataclass(frozen=True, kw_only=True)
class WeightRecords:
    """One weight matrix, as a scheme filled it.

    Args:
        scheme: What filled it.
        values: The entries, units × inputs.
        gain: Factor that they were multiplied by.
        std_given: Standard deviation that the scheme stands for, times the gain; None if none is.
        edges: Ends of the bins of a histogram around 0 that holds every entry.
        shares: Share of the entries in each bin.
        law: The share that the scheme's law gives each bin; None where it has no density.
        singular_values: Of the matrix, largest first.
    """

    scheme: Scheme
    values: NDArray[np.float64]
    gain: float
    std_given: float | None
    edges: NDArray[np.float64]
    shares: NDArray[np.float64]
    law: NDArray[np.float64] | None
    singular_values: NDArray[np.float64]


def weight_records(
    *, scheme: str, fan_in: int, fan_out: int, gain: float, seed: int
) -> WeightRecords:
    """Fill one matrix, and measure it.

    Args:
        scheme: A name in `SCHEMES` that fills a matrix, with its default parameters.
        fan_in: Inputs, at least 1: the columns.
        fan_out: Units, at least 1: the rows.
        gain: Factor on every entry, above 0.
        seed: Decides the random numbers.

    Returns:
        The matrix and what was measured.
    """
    filler = SCHEMES[scheme]
    drawn = filler.fill_(torch.empty(fan_out, fan_in), Generator().manual_seed(seed))
    values = gain * drawn.double().numpy()
    given = filler.expected_std(drawn.shape)
    reach = round_up(float(np.abs(values).max()))
    edges = np.linspace(-reach, reach, BINS + 1)
    return WeightRecords(
        scheme=filler,
        values=values,
        gain=gain,
        std_given=None if given is None else gain * given,
        edges=edges,
        shares=np.histogram(values, edges)[0] / values.size,
        law=_law(filler, edges / gain, given),
        singular_values=_singular_values(values),
    )


def _singular_values(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give them largest first, and 0 where only rounding is left."""
    found = np.linalg.svd(values, compute_uv=False)
    return np.where(found < 1e-10 * found[0], 0.0, found)


def _law(
    scheme: Scheme, edges: NDArray[np.float64], std: float | None
) -> NDArray[np.float64] | None:
    """Give each bin its share under the scheme's law: flat, normal, or normal without tails."""
    if scheme.name in NO_LAW or not std:
        return None
    if scheme.name.endswith(FLAT):
        bound = math.sqrt(3) * std
        low, high = (scheme.a, scheme.b) if isinstance(scheme, Uniform) else (-bound, bound)
        return np.diff(np.clip((edges - low) / (high - low), 0, 1))
    if isinstance(scheme, TruncNormal):
        std, edges = scheme.std, np.clip(edges, scheme.a, scheme.b)
    below = np.array([math.erf(edge / (math.sqrt(2) * std)) for edge in edges])
    return np.diff(below) / (below[-1] - below[0] if isinstance(scheme, TruncNormal) else 2)
