"""Which numbers describe this tensor? Exact moments over all elements, and a histogram.

One way serves every device: numpy's arrays and torch's tensors are asked the same questions, and
numpy answers those about small tensors on the CPU in half of the time.
"""

from __future__ import annotations

import math
import operator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from initlab.probe.records import Summary, bin_range

_PIECE = 1 << 13  # elements that are held in float64 at a time: for more, BLAS wakes its threads
_PIECE_ON_DEVICE = 1 << 22


def summarize(tensor: Tensor, bins: int, sample: int | None) -> Summary:
    """Measure every element of a tensor.

    Args:
        tensor: Of any shape, layout, device and dtype; the parts of complex elements count alone.
        bins: Number of histogram bins, 1 or more.
        sample: Number of elements that the histogram counts; `None` counts all.
    """
    x = _flat(tensor)
    count = x.numel()
    if not count:
        nan = math.nan
        return Summary(0, nan, nan, nan, nan, 0.0, 0.0, np.zeros(bins, np.int64))
    low, high = (end.item() for end in torch.aminmax(x))
    if not (math.isfinite(low) and math.isfinite(high)):
        rest = summarize(x[x.isfinite()], bins, sample)
        share = rest.count / count
        return replace(rest, count=count, zeros=rest.zeros * share, nonfinite=1 - share)
    mean, variance, zeros = _moments(x)
    if low == high:  # rounding would make something of it
        mean, variance = low, 0.0
    if sample is not None and count > sample:
        x = x.index_select(0, _places_on(count, sample, x.device))
    counts = _histogram(x.cpu().numpy(), low, high, bins)
    return Summary(count, mean, math.sqrt(variance), low, high, zeros, 0.0, counts)


def _flat(tensor: Tensor) -> Tensor:
    """Return all elements in one dimension, in float32 or float64."""
    x = tensor.detach()
    if x.layout is not torch.strided:
        x = x.to_dense()
    if x.is_complex():
        x = torch.view_as_real(x.resolve_conj())
    if x.device.type == "mps":
        x = x.cpu()  # there is no float64 there
    if x.dtype is not torch.float32 and x.dtype is not torch.float64:
        x = x.float() if x.is_floating_point() else x.double()
    return x.reshape(-1)


def _moments(x: Tensor) -> tuple[float, float, float]:
    """Return mean, variance, and the share of elements that are 0; all must be finite.

    The variance is the mean of squared deviations, in float64, so that nothing cancels.
    """
    count = x.numel()
    library: Any
    values: Any
    library, values, piece = (np, x.numpy(), _PIECE) if x.is_cpu else (torch, x, _PIECE_ON_DEVICE)
    sizes, means, squares = [], [], 0.0
    for start in range(0, count, piece):
        wide = library.asarray(values[start : start + piece], dtype=library.float64)
        sizes.append(len(wide))
        with np.errstate(invalid="ignore", over="ignore"):  # inf - inf: measured again without
            means.append(float(wide.sum()) / len(wide))
            deviations = wide - means[-1]
            squares += float(deviations.dot(deviations))
    mean = sum(map(operator.mul, sizes, means)) / count
    if len(sizes) > 1:
        squares += sum(n * (one - mean) ** 2 for n, one in zip(sizes, means, strict=True))
    zeros = int(library.count_nonzero(values == 0)) / count
    return mean, squares / count, zeros


def _histogram(values: NDArray[Any], low: float, high: float, bins: int) -> NDArray[np.int64]:
    """Count values in equal bins from `low` to `high`."""
    low, high = bin_range(low, high)
    places = ((values.astype(np.float64) - low) * (bins / (high - low))).astype(np.int64)
    counts = np.bincount(places, minlength=bins + 1)
    counts[bins - 1] += counts[bins]  # the largest value belongs to the last bin
    return counts[:bins]


@lru_cache(maxsize=64)
def _places_on(count: int, size: int, device: torch.device) -> Tensor:
    return torch.from_numpy(sample_places(count, size)).to(device)


def sample_places(count: int, size: int) -> NDArray[np.int64]:
    """Choose `size` of `count` places: one at random in each of `size` equal stretches.

    Every place is equally likely, so that the sample is unbiased, and the stretches spread it
    over the whole batch. The choice is the same at every call.

    Shape:
        (size,), in increasing order.
    """
    jitter = np.random.default_rng(0).random(size)
    places = ((np.arange(size) + jitter) * (count / size)).astype(np.int64)
    return np.minimum(places, count - 1)  # in case rounding went up to the end
