"""Which numbers describe this tensor? Exact moments over all elements, and a histogram.

Speed comes from four habits. A tensor is measured when it is made, as long as the cache holds it.
On the CPU, numpy reduces its memory with fewer fixed costs than torch does. Histograms count a
small sample, for many tensors in one go. And on an accelerator the results stay there until the
end, so that nothing waits for each number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from initlab.probe.records import Summary, bin_range

Floats = NDArray[Any]
Counts = NDArray[np.int64]
Sums = tuple[float, float, int, float, float]  # smallest, largest, number of zeros, Σx, Σx²

_BLOCK = 1 << 13  # elements that are added up in their own precision; blocks are added in float64
_PIECE = 1 << 16  # elements that are reduced in one go: they fit into the cache of a core
_PIECE_ON_DEVICE = 1 << 22  # an accelerator wants larger ones
_WAITING = 1 << 14  # elements of samples that wait
_TOGETHER = 8  # samples that are counted in one go
_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_KINDS: dict[
    int, tuple[float, float, np.dtype[Any], np.dtype[Any]]
] = {  # bytes → between which magnitudes squares can be added up, and integers of that size
    4: (1e-15, 1e15, np.dtype(np.int32), np.dtype(np.uint32)),
    8: (1e-140, 1e140, np.dtype(np.int64), np.dtype(np.uint64)),
}
_ONES: dict[int, Floats] = {4: np.ones(_BLOCK, np.float32), 8: np.ones(_BLOCK)}
_STRIDED, _TORCH_FLOAT = torch.strided, torch.float32  # found faster here
_NANS = (math.nan,) * 4


class Meter:
    """Measures tensors one by one and keeps numbers only.

    Args:
        bins: Number of histogram bins, 1 or more.
        sample: Number of elements that a histogram counts; `None` counts all.
    """

    def __init__(self, bins: int, sample: int | None) -> None:
        self._bins = bins
        self._sample = sample
        self._none = np.zeros(bins, np.int64)  # the counts that a summary starts with
        self._samples = _Samples(bins, sample or 0)
        self._on_device: list[tuple[Summary, Tensor]] = []

    def measure(self, tensor: Tensor) -> Summary:
        """Measure every element; `finish` brings the histogram, and all of it from a device."""
        if tensor.is_cpu:
            array = _array(tensor)
            summary = self._measure(array, array.dtype) or self._measure(array, _FLOAT64)
            if summary is not None:
                return summary
        summary = self._nothing()
        self._on_device.append((summary, _careful(_flat(tensor), self._bins, self._sample)))
        return summary

    def measure_all(self, tensors: Sequence[Tensor]) -> Summary:
        """Measure several tensors as one."""
        return self.measure(
            tensors[0] if len(tensors) == 1 else torch.cat([_flat(tensor) for tensor in tensors])
        )

    def finish(self) -> None:
        """Complete the summaries of everything measured so far."""
        self._samples.count()
        for summary, numbers in self._on_device:
            _fill(summary, numbers)
        self._on_device = []

    def _nothing(self) -> Summary:
        return Summary(0, *_NANS, 0.0, 0.0, self._none)

    def _measure(self, a: Floats, dtype: np.dtype[Any]) -> Summary | None:
        """Measure an array with sums in `dtype`; `None` where squares do not fit in it."""
        size = a.size
        if not size:
            return self._nothing()
        sums = _sums(a, dtype)
        if sums is None:
            return None
        low, high, zeros, total, squares = sums
        mean = total / size
        square = mean * mean
        variance = squares / size - square
        if variance < square:  # the difference would lose digits
            mean, variance = (low, 0.0) if low == high else _deviations(a, dtype, mean)
        elif square * size < 0.01 * variance:  # the sum is so near 0 that it lost digits
            mean = float(np.add.reduce(a, dtype=np.float64)) / size
        summary = Summary(size, mean, math.sqrt(variance), low, high, zeros / size, 0.0, self._none)
        if self._sample is None or size <= self._sample:
            summary.counts = np.zeros(self._bins, np.int64)
            for piece in _pieces(a):
                summary.counts += _bin(
                    piece[None].astype(np.float64), *bin_range(low, high), self._bins
                )[0]
        elif dtype is _FLOAT32:
            self._samples.add(summary, a)
        else:
            sampled = a.take(sample_places(size, self._sample)).astype(dtype)
            summary.counts = _bin(sampled[None], *bin_range(low, high), self._bins)[0]
        return summary


class _Samples:
    """Samples that wait, so that many are counted in one go.

    Args:
        bins: Number of bins of each histogram.
        size: Number of elements of a sample.
    """

    def __init__(self, bins: int, size: int) -> None:
        self._bins, self._size = bins, size
        self._rows = np.empty((max(1, _WAITING // max(size, 1)), size), np.float32)
        self._summaries: list[Summary] = []  # of the rows in use

    def add(self, summary: Summary, a: Floats) -> None:
        """Take a sample, and promise its counts to the summary."""
        row = len(self._summaries)
        a.take(sample_places(a.size, self._size), out=self._rows[row], mode="clip")
        self._summaries.append(summary)
        if row + 1 == len(self._rows):
            self.count()

    def count(self) -> None:
        """Keep the promises."""
        summaries, self._summaries = self._summaries, []
        for start in range(0, len(summaries), _TOGETHER):
            some = summaries[start : start + _TOGETHER]
            ends = np.array([bin_range(s.min, s.max) for s in some], np.float32)
            rows = self._rows[start : start + len(some)]
            counts = _bin(rows, ends[:, :1], ends[:, 1:], self._bins)
            for summary, row in zip(some, counts, strict=True):
                summary.counts = row


def _bin(rows: Floats, low: Any, high: Any, bins: int) -> Counts:
    """Count each row's values in equal bins between two ends.

    Shape:
        rows (tensors, values), `low` and `high` (tensors, 1) or scalars; answer (tensors, bins).
    """
    place = rows - low
    place *= bins / (high - low)
    index = place.astype(np.int32)
    index += np.arange(0, len(rows) * (bins + 1), bins + 1, dtype=np.int32)[:, None]
    counts = np.bincount(index.ravel(), minlength=len(rows) * (bins + 1)).reshape(-1, bins + 1)
    counts[:, -2] += counts[:, -1]  # the largest value belongs to the last bin
    return counts[:, :-1]


def _array(tensor: Tensor) -> Floats:
    """Return all elements in one dimension, in the order in which they lie in memory."""
    if tensor.layout is not _STRIDED or tensor.is_complex():
        tensor = _flat(tensor)
    if tensor.dtype is not _TORCH_FLOAT and tensor.dtype is not torch.float64:
        half = tensor.dtype in (torch.float16, torch.bfloat16)
        tensor = tensor.float() if half else tensor.double()
    return tensor.numpy(force=True).ravel("K")


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


def _pieces(a: Floats) -> Iterator[Floats]:
    return (a[start : start + _PIECE] for start in range(0, a.size, _PIECE))


def _sums(a: Floats, dtype: np.dtype[Any]) -> Sums | None:
    """Return `Sums`, added up in `dtype` within blocks; `None` if squares would not fit in it."""
    if a.size <= _PIECE:
        return _sums_of_piece(a.astype(dtype, copy=False))
    parts = [_sums_of_piece(piece.astype(dtype, copy=False)) for piece in _pieces(a)]
    if None in parts:
        return None
    lows, highs, zeros, totals, squares = zip(*parts, strict=True)
    return min(lows), max(highs), sum(zeros), sum(totals), sum(squares)


def _sums_of_piece(x: Floats) -> Sums | None:
    """Return `Sums` of a piece.

    numpy finds the extremes of integers faster than those of floats, and the bits of a float read
    as an integer have the same order for positive ones, and the opposite one for negative ones. So
    the largest of signed integers is the largest float, and the largest of unsigned ones is the
    smallest float. The smallest ones are, among negative and positive floats, those next to 0:
    they show whether there is a zero at all.
    """
    smallest, largest, signed, unsigned = _KINDS[x.itemsize]
    i, u = x.view(signed), x.view(unsigned)
    top, bottom = x.item(i.argmax()), x.item(u.argmax())
    if not (-largest < top < largest and -largest < bottom < largest):  # as NaN is not
        return None
    ends = top, bottom, x.item(i.argmin()), x.item(u.argmin())
    low, high = min(ends), max(ends)
    if -smallest < low < high < smallest:
        return None
    zeros = int(np.count_nonzero(x == 0)) if 0.0 in ends else 0
    total, squares = _add_up(x)
    return low, high, zeros, total, squares


def _add_up(x: Floats) -> tuple[float, float]:
    """Return the sum, and the sum of squares: numpy's products are faster than its sums.

    They are of one block each: for longer ones numpy's library would wake its other threads.
    """
    ones, size = _ONES[x.itemsize], x.size
    if size <= _BLOCK:
        return float(x.dot(ones[:size])), float(x.dot(x))
    rest = size % _BLOCK
    if rest:
        (total, squares), (more, more_squares) = _add_up(x[:-rest]), _add_up(x[-rest:])
        return total + more, squares + more_squares
    rows = x.reshape(-1, _BLOCK)
    return sum(np.vecdot(rows, ones).tolist()), sum(np.vecdot(rows, rows).tolist())


def _deviations(a: Floats, dtype: np.dtype[Any], mean: float) -> tuple[float, float]:
    """Return mean and variance from the deviations of a rough mean: nothing cancels."""
    rough = dtype.type(mean)
    parts = [_add_up(piece.astype(dtype, copy=False) - rough) for piece in _pieces(a)]
    offset, square = (sum(part) / a.size for part in zip(*parts, strict=True))
    return float(rough) + offset, max(square - offset * offset, 0.0)


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


def _fill(summary: Summary, numbers: Tensor) -> None:
    """Write the numbers that `_careful` gives into a summary."""
    count, *moments, zeros, nonfinite = numbers[:7].tolist()
    summary.count, summary.zeros, summary.nonfinite = int(count), zeros, nonfinite
    summary.mean, summary.std, summary.min, summary.max = moments
    summary.counts = numbers[7:].long().cpu().numpy()
