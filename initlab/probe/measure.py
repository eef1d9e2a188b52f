"""Which numbers describe this tensor? Exact moments over all elements, and a histogram."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from initlab.probe.records import Summary, bin_range


@np.errstate(invalid="ignore", over="ignore")  # nan and inf are counted, not warned of
def summarize(tensor: Tensor, bins: int, sample: int | None) -> Summary:
    """Measure every element of a tensor, of any shape, layout, device and dtype.

    The parts of complex elements count alone. The variance is the mean of squared deviations, in
    float64, so that nothing cancels. The histogram counts a sample of so many; `None` counts all.
    """
    values = _flat(tensor)
    count = len(values)
    if not count:
        nan = math.nan
        return Summary(0, nan, nan, nan, nan, 0.0, 0.0, np.zeros(bins, np.int64))
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        rest = summarize(torch.from_numpy(values[np.isfinite(values)]), bins, sample)
        share = rest.count / count
        return replace(rest, count=count, zeros=rest.zeros * share, nonfinite=1 - share)
    mean, std = low, 0.0
    if low < high:  # of a constant, rounding would make something
        wide = values.astype(np.float64)
        mean = float(wide.mean())
        wide -= mean
        std = math.sqrt(np.square(wide, out=wide).mean())  # BLAS would wake threads of its own
    zeros = int(np.count_nonzero(values == 0)) / count
    if sample is not None and count > sample:
        values = values[sample_places(count, sample)]
    start, end = bin_range(low, high)
    places = ((values.astype(np.float64) - start) * (bins / (end - start))).astype(np.int64)
    counts = np.bincount(places, minlength=bins + 1)
    counts[bins - 1] += counts[bins]  # the largest value belongs to the last bin
    return Summary(count, mean, std, low, high, zeros, 0.0, counts[:bins])


def _flat(tensor: Tensor) -> NDArray[Any]:
    """Return all elements in one dimension, in float32 or float64."""
    x = tensor.detach()
    if x.layout is not torch.strided:
        x = x.to_dense()
    if x.is_complex():
        x = torch.view_as_real(x.resolve_conj())
    x = x.cpu()
    if x.dtype is not torch.float32 and x.dtype is not torch.float64:
        x = x.float() if x.is_floating_point() else x.double()
    return x.reshape(-1).numpy()


@lru_cache(maxsize=64)
def sample_places(count: int, size: int) -> NDArray[np.int64]:
    """Choose `size` of `count` places: one at random in each of `size` equal stretches.

    Every place is equally likely, so that the sample is unbiased, and the stretches spread it
    over the whole batch. The choice is the same at every call, in increasing order.
    """
    jitter = np.random.default_rng(0).random(size)
    places = ((np.arange(size) + jitter) * (count / size)).astype(np.int64)
    return np.minimum(places, count - 1)  # in case rounding went up to the end
