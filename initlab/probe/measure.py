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


def summarize(tensor: Tensor, bins: int, sample: int | None) -> Summary:
    """Measure every element of a tensor.

    The variance is the mean of squared deviations, in float64, so that nothing cancels.

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
    mean, std = low, 0.0
    if low < high:  # of a constant, rounding would make something
        wide = x.to(torch.float64, copy=True)
        mean = wide.mean().item()
        std = math.sqrt(wide.sub_(mean).square_().mean().item())
    zeros = (count - int(x.count_nonzero())) / count
    if sample is not None and count > sample:
        x = x[torch.from_numpy(sample_places(count, sample)).to(x.device)]
    counts = _histogram(x.cpu().numpy(), low, high, bins)
    return Summary(count, mean, std, low, high, zeros, 0.0, counts)


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


def _histogram(values: NDArray[Any], low: float, high: float, bins: int) -> NDArray[np.int64]:
    """Count values in equal bins from `low` to `high`."""
    low, high = bin_range(low, high)
    places = ((values.astype(np.float64) - low) * (bins / (high - low))).astype(np.int64)
    counts = np.bincount(places, minlength=bins + 1)
    counts[bins - 1] += counts[bins]  # the largest value belongs to the last bin
    return counts[:bins]


@lru_cache(maxsize=64)
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
