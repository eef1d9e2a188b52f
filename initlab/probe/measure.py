"""Which numbers describe this tensor? Exact moments over all elements, and a histogram.

Written in plain torch, so that one way serves every device.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from initlab.probe.records import Summary, bin_range

_PIECE = 1 << 18  # elements that are held in float64 at a time; a cache of the CPU holds them


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
    low, high, mean, variance, nonzero = _moments(x)
    if not (math.isfinite(low) and math.isfinite(high)):
        rest = summarize(x[x.isfinite()], bins, sample)
        share = rest.count / count
        return replace(rest, count=count, zeros=rest.zeros * share, nonfinite=1 - share)
    if low == high:  # rounding would make something of it
        mean, variance = low, 0.0
    if sample is not None and count > sample:
        x = x[_places_on(count, sample, x.device)]
    counts = _histogram(x, low, high, bins)
    return Summary(count, mean, math.sqrt(variance), low, high, 1 - nonzero / count, 0.0, counts)


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


def _moments(x: Tensor) -> tuple[float, float, float, float, float]:
    """Return smallest and largest element, mean, variance, and the number of those not zero.

    The variance is the mean of squared deviations, in float64, so that nothing cancels.
    """
    low, high = torch.aminmax(x)
    pieces = torch.split(x, _PIECE)
    mean = sum(piece.double().sum().item() for piece in pieces) / len(x)
    deviations = (piece.double() - mean for piece in pieces)
    variance = sum(d.dot(d).item() for d in deviations) / len(x)
    return low.item(), high.item(), mean, variance, torch.count_nonzero(x).item()


def _histogram(x: Tensor, low: float, high: float, bins: int) -> NDArray[np.int64]:
    low, high = bin_range(low, high)
    counts = [torch.histc(piece.double(), bins, low, high) for piece in torch.split(x, _PIECE)]
    total = counts[0] if len(counts) == 1 else torch.stack(counts).sum(0)
    found: NDArray[np.int64] = total.long().cpu().numpy()
    return found


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
