"""What does a trace hold? Numbers only, so that it outlives the tensors it was taken from."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from initlab.format import number

QUANTITIES = ("weight", "activation", "gradient", "weight_gradient")
"""What a `LayerTrace` has a `Summary` of, in the order of its rows."""

_STATISTICS = ("count", "mean", "std", "rms", "min", "max", "zeros", "nonfinite")


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """The distribution of one tensor's elements, in a few numbers.

    NaN and infinite elements are counted in `nonfinite` and left out of everything else; if
    nothing is left, `mean`, `std`, `min` and `max` are NaN.

    Args:
        count: Number of elements, the non-finite ones too.
        mean: Mean over every finite element.
        std: Population standard deviation (divided by the count) over every finite element.
        min: Smallest finite element.
        max: Largest finite element.
        zeros: Share of all elements that are exactly zero, 0 to 1.
        nonfinite: Share of all elements that are NaN or infinite, 0 to 1.
        counts: Elements in each bin, of equal width from `min` to `max`. They are the elements of
            a sample where the trace was taken with one (`counts.sum()` is its size).
    """

    count: int
    mean: float
    std: float
    min: float
    max: float
    zeros: float
    nonfinite: float
    counts: NDArray[np.int64] = field(repr=False)

    @property
    def rms(self) -> float:
        """Root of the mean square, √(mean² + std²)."""
        return math.hypot(self.mean, self.std)

    @property
    def histogram(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """`(counts, edges)` as `numpy.histogram` gives them: one edge more than counts."""
        low, high = bin_range(self.min, self.max)
        return self.counts, np.linspace(low, high, len(self.counts) + 1)


def bin_range(low: float, high: float) -> tuple[float, float]:
    """Return the range that the bins divide; a single value gets some room on both sides."""
    if low < high:
        return low, high
    if math.isnan(low):
        return 0.0, 1.0
    room = max(0.5, abs(low) / 2)
    return low - room, high + room


@dataclass(slots=True, kw_only=True, eq=False)
class LayerTrace:
    """What one call of one layer emitted, and what came back to it.

    Args:
        name: The module's name in the model; the second call of the same module is `name:2`.
        kind: The module's class, such as `"Linear"`.
        weight: The layer's weight: its parameter `weight`, or all its matrices together.
        activation: What the module emits (the first tensor of it, if it emits several).
        gradient: The loss's gradient at that output; `None` if no gradient reached it.
        weight_gradient: The loss's gradient at `weight`; `None` where it is frozen or unused.
        nonlinearity: Whether the layer is an activation function.
        dead: For a nonlinearity, the share of its units that are zero for every sample of the
            batch, 0 to 1. A unit is a channel of a convolution, else an entry of the last
            dimension.
        saturated: For a bounded nonlinearity (tanh, sigmoid, ...), the share of elements in the
            flat part (`il.probe.SATURATION` says where it begins); `None` for unbounded ones.
    """

    name: str
    kind: str
    weight: Summary | None = None
    activation: Summary | None = None
    gradient: Summary | None = None
    weight_gradient: Summary | None = None
    nonlinearity: bool = False
    dead: float | None = None
    saturated: float | None = None

    def row(self) -> dict[str, Any]:
        """Return all numbers in one flat dict, `activation_std` and so on."""
        row: dict[str, Any] = {"name": self.name, "kind": self.kind}
        for quantity in QUANTITIES:
            summary = getattr(self, quantity)
            for statistic in _STATISTICS:
                value = None if summary is None else getattr(summary, statistic)
                row[f"{quantity}_{statistic}"] = value
        return row | {"dead": self.dead, "saturated": self.saturated}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Trace:
    """One forward and backward pass through a model, layer by layer.

    Args:
        layers: One record for each call of a layer, in the order in which they emit.
        uncalled: Layers that the pass did not call as modules; they still have their weights
            (the output projection of `MultiheadAttention` is used without being called).
        loss: The loss of this pass; `None` if the probe did not see it.
    """

    layers: tuple[LayerTrace, ...]
    uncalled: tuple[LayerTrace, ...] = ()
    loss: float | None = None

    def __getitem__(self, name: str) -> LayerTrace:
        known = {layer.name: layer for layer in (*self.uncalled, *self.layers)}
        if name in known:
            return known[name]
        near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "see trace.layers."
        raise KeyError(f"no layer is called {name!r}: {hint}")

    def __iter__(self) -> Iterator[LayerTrace]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        loss = "" if self.loss is None else f", loss {number(self.loss, digits=4)}"
        return f"Trace({len(self.layers)} layers{loss})"

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat dict for each layer: `pandas.DataFrame(trace.rows())`."""
        return [layer.row() for layer in self.layers]

    def plot(self, **options: Any) -> Any:
        """Draw the histograms of all layers; the options are those of `il.plots.histograms`."""
        from initlab import plots

        return plots.histograms(self, **options)
