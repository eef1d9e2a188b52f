"""How do activations and gradients travel through a network that has just been initialised?

`signal_records` measures, `signal_scene` turns the numbers into words and panels, and `Signal`
puts controls around both.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from initlab.explore.explorer import Explorer
from initlab.explore.panels import (
    Axis,
    HeatMap,
    Lines,
    Network,
    Panel,
    Ridgeline,
    Scene,
    Series,
    Strip,
)
from initlab.explore.signal_records import (
    SignalRecords,
    Signals,
    SignalSettings,
    signal_records,
)
from initlab.explore.signal_words import first, gradient_notes, headline, last, origins, table
from initlab.format import number, percent

MOST_RIDGES = 30  # deeper networks are shown as a heat map
Curve = NDArray[np.float64]


def signal_scene(records: SignalRecords, settings: SignalSettings) -> Scene:
    """Show histograms and rms of activations and gradients across depth, and say what they show.

    Args:
        records: What `signal_records` measured.
        settings: The values of the controls with which it did.

    Returns:
        Headline, table, network and three panels.
    """
    return Scene(
        headline=headline(records),
        table=table(records),
        network=Network(
            strips=[
                Strip(values=colours_of(records.activation.rms), notes=origins(records, settings)),
                Strip(
                    values=colours_of(records.gradient.rms[::-1])[::-1],
                    notes=gradient_notes(records),
                ),
            ],
            low="smaller",
            high="larger",
        ),
        panels=[
            histograms(records.activation, "Activations", "activation", "activation"),
            histograms(records.gradient, "Gradients", "gradient of the loss", "gradient"),
            _profile(records),
        ],
    )


def histograms(signals: Signals, title: str, label: str, colour: str, **more: Any) -> Panel:
    """Make a ridge for each layer, or a heat map where there are too many layers.

    Args:
        signals: What was measured.
        title: What it is.
        label: The name of the quantity.
        colour: A role or a scheme.
        **more: Other fields of a panel.
    """
    depth = len(signals.rms)
    common: dict[str, Any] = {
        "title": title,
        "x": Axis(label=label, low=float(signals.edges[0]), high=float(signals.edges[-1])),
        "y": Axis(label="layer", low=0.5, high=depth + 0.5, whole=True),
        "hovers": [_hover(signals, layer) for layer in range(depth)],
        "span": 4,
        "height": 460,
        "remark": _remark(signals),
        **more,
    }
    heights = signals.heights.astype(np.float32)
    zeros = signals.zeros.astype(np.float32)
    if depth <= MOST_RIDGES:
        return Ridgeline(heights=heights, colour=colour, zeros=zeros, **common)
    middle = int(np.searchsorted(signals.edges, 0.0, side="right")) - 1  # the bin of 0
    heights[:, middle] = np.maximum(heights[:, middle], zeros)
    return HeatMap(
        values=heights, low=0, high=1, palette=colour, bar_labels=["none", "peak"], **common
    )


def _hover(signals: Signals, layer: int) -> str:
    zeros = f", {percent(signals.zeros[layer])} exactly 0" if signals.zeros[layer] else ""
    return f"layer {layer + 1}: rms {number(signals.rms[layer])}{zeros}"


def _remark(signals: Signals) -> str:
    """Name what leaves a panel empty."""
    if broken := first(~np.isfinite(signals.rms)):
        return "all inf or nan" if broken == 1 else f"inf or nan from layer {broken}"
    if not signals.rms.any():
        return "all exactly 0"
    if (dead := first(signals.rms == 0)) > 1:
        return f"exactly 0 from layer {dead}"
    return f"exactly 0 up to layer {last(signals.rms == 0)}" if dead else ""


def colours_of(rms: Curve) -> NDArray[np.float32]:
    """Compare each layer with the first one, for a `Strip`: ±1 at a factor of 100."""
    with np.errstate(all="ignore"):
        colours = np.clip(np.log10(rms / rms[0]) / 2, -1, 1)
    colours = np.where(rms == 0, -np.inf, colours)
    return np.where(np.isfinite(rms), colours, np.nan).astype(np.float32)


def _profile(records: SignalRecords) -> Lines:
    """Lay the measured rms of both quantities over what theory predicts."""
    depth = len(records.names)
    layers = np.arange(1, depth + 1, dtype=np.float32)
    measured = [records.activation.rms, records.gradient.rms]
    predicted = [records.predicted_activation, records.predicted_gradient]
    looks = [("activations", "activation", "circle"), ("gradients", "gradient", "square")]
    series = []
    for (name, colour, symbol), dots, dashes in zip(looks, measured, predicted, strict=True):
        look: dict[str, Any] = {"x": layers, "colour": colour}
        series.append(Series(name=name, y=float32(dots), style="dots", symbol=symbol,
                             hollow=name == "gradients", listed=False, **look))  # fmt: skip
        if np.isfinite(dashes).any():
            series.append(Series(name="theory", y=float32(dashes), style="dashes", **look))
    low, high = decades(np.concatenate(measured))
    return Lines(
        title="Root mean square (rms)",
        x=Axis(label="layer", low=0.5, high=depth + 0.5, whole=True),
        y=Axis(label="rms (log axis)", low=low, high=high, log=True),
        series=series,
        note=records.silence,
        remark=_remark(records.activation),
        span=4,
        height=460,
    )


def float32(values: Curve) -> NDArray[np.float32]:
    """Turn what leaves the range of float32 into infinities: theory knows no largest number."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def decades(values: Curve) -> tuple[float, float]:
    """Find the powers of ten around all finite positive values, at least four decades.

    >>> decades(np.array([0.02, 3.0, 0.0, np.inf]))
    (0.01, 100.0)
    """
    seen = values[np.isfinite(values) & (values > 0)]
    if not seen.size:
        return 1e-3, 10.0
    low = max(-44, math.floor(math.log10(seen.min())))
    high = min(38, math.ceil(math.log10(seen.max())))
    while high - low < 4:
        low, high = (low - 1, high) if (high - low) % 2 == 0 else (low, high + 1)
    return 10.0**low, 10.0**high


class Signal(Explorer):
    """Explore how a signal travels through a fresh network, forwards and backwards.

    Each change of a control makes one real forward and backward pass of 128 digits.

    Args:
        **values: Where the controls start.

    >>> explorer = Signal(depth=5, width=32)
    >>> explorer.gain = 0.1
    >>> explorer.headline
    'Activations shrink 22000 times, gradients shrink 12000 times over 5 layers.'
    >>> signal(scheme="zeros").headline
    'Activations are exactly 0 from layer 1 on: nothing arrives.'
    """

    Settings = SignalSettings
    title = "Signals through a network at initialisation"
    _seen: SignalSettings | None = None  # of the last picture
    presets: ClassVar = {
        "PyTorch's default?": {"scheme": "torch_default", "depth": 30, "bias": "torch_default"},
        "Xavier under ReLU?": {"scheme": "xavier_normal", "depth": 30},
        "Kaiming under ReLU?": {"scheme": "kaiming_normal", "depth": 30},
        "Half the gain?": {"gain": 0.5},
        "Tanh, gain 5?": {"scheme": "xavier_normal", "gain": 5.0, "activation": "tanh"},
        "All zeros?": {"scheme": "zeros"},
        "BatchNorm?": {"depth": 30, "batchnorm": True},
        "Residual?": {"depth": 50, "residual": "plain"},
        "Scaled residual?": {"depth": 50, "residual": "scaled"},
    }

    def compute(self, settings: SignalSettings, *, patient: bool) -> Scene:
        """Measure and show; where theory is slow, the measurement is shown first."""
        is_slow = settings.residual != "none" or settings.batchnorm
        at_first = is_slow and not patient and settings != self._seen
        self._seen = settings
        records = signal_records(settings, with_theory=not at_first)
        scene = signal_scene(records, settings)
        return replace(scene, finished=not at_first)


signal = Signal
