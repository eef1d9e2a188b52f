"""Which numbers describe this tensor? Exact moments over all elements, and a histogram.

Speed comes from three habits. On the CPU, numpy reduces a tensor's own memory with fewer fixed
costs than torch does. Histograms count a small sample, many tensors in one go. And on an
accelerator the results stay there until the end, so that nothing waits for each number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from initlab.probe.records import Summary, bin_range

Floats = NDArray[Any]
Sums = tuple[float, float, int, float, float]  # smallest, largest, number of zeros, Σx, Σx²

_PIECE = 16_384  # elements that float32 adds up; the sums of pieces are added in float64
_PIECE_ON_DEVICE = 1 << 22  # an accelerator wants larger ones
_GROUP = 8  # samples that are binned together
_SAFE = {"f": (1e-15, 1e15), "d": (1e-140, 1e140)}  # magnitudes whose squares can be added up


class Meter:
    """Measures tensors one by one and keeps numbers only.

    Args:
        bins: Number of histogram bins, 1 or more.
        sample: Number of elements that a histogram counts; `None` counts all.
    """

    def __init__(self, bins: int, sample: int | None) -> None:
        self.bins = bins
        self.sample = sample
        self._summaries: list[Summary | Tensor] = []  # a tensor: still on its device
        self._group = _Group(bins, sample or 0)

    def measure(self, tensor: Tensor) -> int:
        """Measure every element of `tensor`; the answer is its place in `summaries()`."""
        summary: Summary | Tensor | None = None
        if not tensor.numel():
            nan, none = math.nan, np.zeros(self.bins, np.int64)
            summary = Summary(0, nan, nan, nan, nan, 0.0, 0.0, none)
        elif tensor.is_cpu:
            summary = self._on_host(_array(tensor))
        if summary is None:
            summary = _careful(_flat(tensor), self.bins, self.sample)
        self._summaries.append(summary)
        return len(self._summaries) - 1

    def measure_all(self, tensors: Sequence[Tensor]) -> int:
        """Measure several tensors as one."""
        return self.measure(
            tensors[0] if len(tensors) == 1 else torch.cat([_flat(tensor) for tensor in tensors])
        )

    def latest(self) -> Summary | None:
        """Return the summary of the tensor measured last, if it is at hand and all finite."""
        summary = self._summaries[-1]
        return None if isinstance(summary, Tensor) or summary.nonfinite else summary

    def summaries(self) -> list[Summary]:
        """Return the summaries of everything measured so far."""
        self._group.count()
        self._summaries = [_from_device(s) if isinstance(s, Tensor) else s for s in self._summaries]
        return self._summaries  # type: ignore[return-value]

    def _on_host(self, a: Floats) -> Summary | None:
        """Measure an array; `None` where non-finite elements take more care."""
        count = a.size
        sums = _sums(a, a.dtype)
        if sums is None:
            sums = _sums(a, np.dtype(np.float64))
        if sums is None:
            return None
        low, high, zeros, total, squares = sums
        mean = total / count
        variance = squares / count - mean * mean
        if variance < mean * mean:  # the difference would lose digits
            mean, variance = _deviations(a, mean)
        elif mean * mean < 1e-6 * variance:  # float32 would keep too few digits of it
            mean = float(np.add.reduce(a, dtype=np.float64)) / count
        counts = self._histogram(a, low, high)
        return Summary(count, mean, math.sqrt(variance), low, high, zeros / count, 0.0, counts)

    def _histogram(self, a: Floats, low: float, high: float) -> NDArray[np.int64]:
        """Promise the counts: samples wait until there are enough to bin in one go."""
        low, high = bin_range(low, high)
        if self.sample is None or a.size <= self.sample:
            counts = np.zeros(self.bins, np.int64)
            for piece in _pieces(a):
                counts += _bin(piece, low, high, self.bins)
            return counts
        where = sample_places(a.size, self.sample)
        if a.dtype != np.float32 or not self.bins / 1e30 < high - low < 1e30:  # float64 is safe
            return _bin(a[where], low, high, self.bins)
        return self._group.add(a, where, low, high)


def _array(tensor: Tensor) -> Floats:
    """Return all elements in one dimension, in the order in which they lie in memory."""
    if tensor.layout is not torch.strided or tensor.is_complex():
        tensor = _flat(tensor)
    if tensor.dtype not in (torch.float32, torch.float64):
        half = tensor.dtype in (torch.float16, torch.bfloat16)
        tensor = tensor.float() if half else tensor.double()
    return tensor.numpy(force=True).ravel(order="K")


def _flat(tensor: Tensor) -> Tensor:
    """Return all elements in one dimension."""
    tensor = tensor.detach()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    if tensor.device.type == "mps":
        tensor = tensor.cpu()  # no float64 there
    return tensor.reshape(-1)


def _pieces(a: Floats) -> Sequence[Floats]:
    return [a[i : i + _PIECE] for i in range(0, a.size, _PIECE)] if a.size > _PIECE else (a,)


@lru_cache(maxsize=2)
def _ones(dtype: np.dtype[Any]) -> Floats:
    """Return ones to add up a piece with: numpy's product is faster than its sum."""
    ones = np.ones(_PIECE, dtype)
    ones.flags.writeable = False
    return ones


def _sums(a: Floats, dtype: np.dtype[Any]) -> Sums | None:
    """Return `Sums`; `None` if squares would not fit in `dtype`.

    Each piece is added up in `dtype`.
    """
    smallest, largest = _SAFE[dtype.char]
    ones = _ones(dtype)
    low, high, zeros, total, squares = math.inf, -math.inf, 0, 0.0, 0.0
    for piece in _pieces(a):
        x = piece if piece.dtype == dtype else piece.astype(dtype)
        least, most = float(np.minimum.reduce(x)), float(np.maximum.reduce(x))
        if not -largest < least <= most < largest:  # NaN fails too
            return None
        if least <= 0 <= most:
            zeros += int(np.count_nonzero(x == 0))
        low, high = min(low, least), max(high, most)
        total += float(x.dot(ones[: x.size]))
        squares += float(x.dot(x))
    peak = max(-low, high)
    return (low, high, zeros, total, squares) if peak == 0 or peak > smallest else None


def _deviations(a: Floats, mean: float) -> tuple[float, float]:
    """Return mean and variance from the deviations of a rough mean: nothing cancels."""
    rough = a.dtype.type(mean)
    total = squares = 0.0
    for piece in _pieces(a):
        deviation = piece - rough
        total += float(deviation.sum(dtype=np.float64))
        squares += float(np.square(deviation, dtype=np.float64).sum())
    offset = total / a.size
    return float(rough) + offset, max(squares / a.size - offset * offset, 0.0)


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


@lru_cache(maxsize=64)
def _places_on(count: int, size: int, device: torch.device) -> Tensor:
    return torch.from_numpy(sample_places(count, size)).to(device)


def _bin(values: Floats, low: float, high: float, bins: int) -> NDArray[np.int64]:
    """Count values from `low` to `high` in `bins` equal bins."""
    place = (values.astype(np.float64) - low) * (bins / (high - low))
    index = np.minimum(place.astype(np.int64), bins - 1)  # the largest belongs to the last bin
    return np.bincount(index, minlength=bins)


class _Group:
    """Samples that wait until there are enough of them to count in one go.

    Its arrays are allocated once: fresh memory would cost more than the counting.
    """

    def __init__(self, bins: int, sample: int) -> None:
        self._bins, self._rows = bins, 0
        self._samples = np.empty((_GROUP, sample), np.float32)
        self._index = np.empty((_GROUP, sample), np.int64)
        self._low, self._per_bin = np.empty((2, _GROUP, 1), np.float32)
        self._counts = np.empty((_GROUP, bins), np.int64)
        self._first = np.arange(0, _GROUP * bins, bins)[:, None]  # each row's first bin

    def add(
        self, a: Floats, where: NDArray[np.int64], low: float, high: float
    ) -> NDArray[np.int64]:
        """Take a sample and promise its counts."""
        row = self._rows
        if row == 0:
            self._counts = np.empty_like(self._counts)  # the old ones belong to their summaries
        a.take(where, out=self._samples[row], mode="clip")
        self._low[row], self._per_bin[row] = low, self._bins / (high - low)
        self._rows = row + 1
        counts: NDArray[np.int64] = self._counts[row]
        if self._rows == _GROUP:
            self.count()
        return counts

    def count(self) -> None:
        """Fill the promised counts."""
        rows, self._rows = self._rows, 0
        if rows:
            place, index = self._samples[:rows], self._index[:rows]
            place -= self._low[:rows]
            place *= self._per_bin[:rows]
            np.copyto(index, place, casting="unsafe")
            np.minimum(index, self._bins - 1, out=index)  # the largest belongs to the last bin
            index += self._first[:rows]
            counts = np.bincount(index.ravel(), minlength=rows * self._bins)
            self._counts[:rows] = counts.reshape(rows, -1)


def _careful(flat: Tensor, bins: int, sample: int | None) -> Tensor:
    """Measure on any device, with non-finite elements in it, without waiting for the device.

    Shape:
        flat (n,); answer (7 + bins,): the fields of a `Summary` in their order, in float64.
    """
    pieces = torch.split(flat, _PIECE_ON_DEVICE)
    scans = torch.stack([_scan(piece.double()) for piece in pieces])
    (finite, total, zeros), low, high = scans[:, :3].sum(0), scans[:, 3].amin(), scans[:, 4].amax()
    mean = total / finite
    squares = [_finite(piece.double() - mean, 0.0).square().sum() for piece in pieces]
    std = (torch.stack(squares).sum() / finite).sqrt()
    none = torch.where(finite > 0, 0.0, torch.nan)
    shares = torch.stack([zeros, flat.numel() - finite]) / flat.numel()
    low, high = low + none, high + none
    if sample is not None and flat.numel() > sample:
        pieces = (flat[_places_on(flat.numel(), sample, flat.device)],)
    counts = torch.stack([_bin_on_device(p.double(), low, high, bins) for p in pieces]).sum(0)
    count = low.new_tensor(flat.numel())
    return torch.cat([torch.stack([count, mean, std, low, high]), shares, counts])


def _finite(x: Tensor, instead: float) -> Tensor:
    return torch.where(x.isfinite(), x, instead)


def _scan(x: Tensor) -> Tensor:
    """Return how many elements are finite, their sum, how many are zero, smallest and largest."""
    return torch.stack([
        x.isfinite().sum().double(),
        _finite(x, 0.0).sum(),
        (x == 0).sum().double(),
        _finite(x, math.inf).amin(),
        _finite(x, -math.inf).amax(),
    ])  # fmt: skip


def _bin_on_device(x: Tensor, low: Tensor, high: Tensor, bins: int) -> Tensor:
    """Count finite elements into `bins`, as `bin_range` divides them."""
    room = torch.where(low < high, 0.0, (low.abs() / 2).clamp(min=0.5))
    low, high = low - room, high + room
    place = ((x - low) * (bins / (high - low))).floor().clamp(0, bins - 1)
    index = torch.where(x.isfinite(), place, bins).long()
    counts = torch.zeros(bins + 1, dtype=torch.float64, device=x.device)
    return counts.scatter_add_(0, index, torch.ones_like(x))[:-1]


def _from_device(numbers: Tensor) -> Summary:
    count, mean, std, low, high, zeros, nonfinite, *counts = numbers.tolist()
    histogram = np.array(counts, dtype=np.int64)
    return Summary(int(count), mean, std, low, high, zeros, nonfinite, histogram)
