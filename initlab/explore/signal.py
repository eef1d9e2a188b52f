"""How do activations and gradients travel through a network that has just been initialised?

`signal_records` measures, `signal_scene` turns the numbers into a sentence and panels, and `Signal`
puts controls around both.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from initlab.activations import ACTIVATIONS
from initlab.explore.controls import Choice, Slider, Switch
from initlab.explore.explorer import Explorer
from initlab.explore.panels import Axis, HeatMap, Lines, Panel, Ridgeline, Scene, Series
from initlab.explore.scheme_options import SchemeOptions
from initlab.explore.signal_records import (
    SignalRecords,
    Signals,
    SignalSettings,
    signal_records,
)

MOST_RIDGES = 30  # deeper networks are shown as a heat map
ACTIVATION, GRADIENT = 0, 1  # indices of their colours


def signal_scene(records: SignalRecords) -> Scene:
    """Show histograms and rms of activations and gradients across depth, and say what they show.

    Args:
        records: What `signal_records` measured.

    Returns:
        A sentence and three panels.
    """
    return Scene(
        sentence=say(records),
        panels=[
            histograms(
                records.activation, "Activations: one histogram per layer", "activation", ACTIVATION
            ),
            histograms(
                records.gradient,
                "Gradients: one histogram per layer",
                "gradient of the loss",
                GRADIENT,
            ),
            _profile(records),
        ],
    )


def histograms(
    signals: Signals, title: str, label: str, colour: int | str, *, span: int = 6, height: int = 430
) -> Panel:
    """Make a ridge for each layer, or a heat map where there are too many layers.

    Args:
        signals: What was measured.
        title: What it is.
        label: The name of the quantity.
        colour: Index of the colour, or "#rrggbb".
        span: Width of the panel in twelfths of the whole.
        height: Its height in CSS pixels.
    """
    depth = len(signals.rms)
    common: dict[str, Any] = {
        "title": title,
        "x": Axis(label=label, low=float(signals.edges[0]), high=float(signals.edges[-1])),
        "y": Axis(label="layer", low=0.5, high=depth + 0.5, whole=True),
        "hovers": [_hover(signals, layer) for layer in range(depth)],
        "span": span,
        "height": height,
    }
    heights = signals.heights.astype(np.float32)
    if depth > MOST_RIDGES:
        return HeatMap(values=heights, low=0, high=1, palette=colour, bar=False, **common)
    notes = [number(rms) for rms in signals.rms]
    return Ridgeline(heights=heights, colour=colour, notes=notes, notes_label="rms", **common)


def _hover(signals: Signals, layer: int) -> str:
    zeros = f", {percent(signals.zeros[layer])} exactly 0" if signals.zeros[layer] else ""
    return f"layer {layer + 1}: rms {number(signals.rms[layer])}{zeros}"


def _profile(records: SignalRecords) -> Lines:
    """Lay the measured rms of both quantities over what theory predicts."""
    depth = len(records.names)
    layers = np.arange(1, depth + 1, dtype=np.float32)
    measured = [records.activation.rms, records.gradient.rms]
    predicted = [records.predicted_activation, records.predicted_gradient]
    looks = [("activations", ACTIVATION, "circle"), ("gradients", GRADIENT, "square")]
    series = []
    for (name, colour, symbol), dots, dashes in zip(looks, measured, predicted, strict=True):
        look: dict[str, Any] = {"x": layers, "colour": colour}
        series.append(Series(name=name, y=_float32(dots), style="dots", symbol=symbol, **look))
        if np.isfinite(dashes).any():
            theory = Series(name=f"{name}, theory", y=_float32(dashes), style="dashes", **look)
            series.append(theory)
    low, high = decades(np.concatenate(measured))
    return Lines(
        title="Root mean square by layer",
        x=Axis(label="layer", low=0.5, high=depth + 0.5, whole=True),
        y=Axis(label="rms (log axis)", low=low, high=high, log=True),
        series=series,
        note=records.silence,
        height=330,
    )


def _float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # theory knows no largest number, float32 does
        return values.astype(np.float32)


def decades(values: NDArray[np.float64]) -> tuple[float, float]:
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


def say(records: SignalRecords) -> str:
    """Say what happens to the signal on its way up, and to the gradient on its way down.

    Args:
        records: What `signal_records` measured.

    Returns:
        A few short sentences with the numbers that they rest on.
    """
    parts = [
        _say_activations(records.activation),
        _say_illness(records),
        _say_gradients(records.gradient),
    ]
    return " ".join(filter(None, parts))


def _say_activations(signals: Signals) -> str:
    first, last, depth = signals.rms[0], signals.rms[-1], len(signals.rms)
    if broken := _first(~np.isfinite(signals.rms)):
        return f"Activations leave the range of float32 at layer {broken}: inf or nan from there."
    if dead := _first(signals.zeros == 1):
        return f"Activations are exactly 0 from layer {dead} on."
    numbers = f"rms {number(first)} at layer 1, {number(last)} at layer {depth}."
    if depth == 1:
        return f"Activations: rms {number(first)}."
    return (
        f"Activations {_trend(last / first, 'shrink', 'grow', 'stay of similar size')}: {numbers}"
    )


def _say_illness(records: SignalRecords) -> str:
    """Name what an rms alone would hide."""
    told = []
    worst = int(records.activation.saturated.argmax())
    if records.activation.saturated[worst] > 0.25:
        share = percent(records.activation.saturated[worst])
        told.append(f"Layer {worst + 1} is saturated: {share} of it lies at the ends.")
    if records.activation.cosine > 0.99:
        cosine = min(records.activation.cosine, 0.99999)
        told.append(f"All inputs look alike at the top: mean cosine {cosine:.5f}.")
    return " ".join(told)


def _say_gradients(signals: Signals) -> str:
    depth = len(signals.rms)
    if not np.isfinite(signals.rms).all():
        return "Gradients are inf or nan."
    if not signals.rms.any():
        return "No hidden layer receives a gradient."
    if dead := _last(signals.rms == 0):
        return f"Gradients are exactly 0 in layer {dead} and below."
    if depth == 1:
        return f"Gradients: rms {number(signals.rms[0])}."
    ratio = signals.rms[0] / signals.rms[-1]
    trend = _trend(ratio, "vanish", "explode", "stay of similar size")
    share = f"layer 1 receives {number(ratio)} times what layer {depth} receives."
    return f"Gradients {trend}: {share}"


def _trend(ratio: float, down: str, up: str, level: str) -> str:
    return down if ratio < 0.1 else up if ratio > 10 else level


def _first(flags: NDArray[np.bool_]) -> int:
    """Number (from 1) of the first layer that is flagged, 0 where none is."""
    return int(flags.argmax()) + 1 if flags.any() else 0


def _last(flags: NDArray[np.bool_]) -> int:
    return len(flags) - int(flags[::-1].argmax()) if flags.any() else 0


def number(value: float) -> str:
    """Write two digits: 0.98, 12, 3e-12, as the front end does.

    >>> number(0.98), number(123.4), number(3.04e-12), number(0)
    ('0.98', '120', '3e-12', '0')
    """
    rounded = float(f"{value:.1e}")
    if 1e-3 <= abs(rounded) < 1e5 or not rounded or not math.isfinite(rounded):
        return f"{rounded:g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def when(step: int) -> str:
    """Write when a training step is.

    >>> when(0), when(1), when(60)
    ('At the start', 'After 1 step', 'After 60 steps')
    """
    return f"After {step} step{'s' * (step > 1)}" if step else "At the start"


def percent(share: float) -> str:
    """Write a share in whole percent, 0 and 100 only where it is."""
    if 0 < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{share:.0%}".replace("%", " %")


class Signal(Explorer):
    """Activations and gradients of a fresh network, across depth, while a control moves.

    Args:
        **values: A value for each control that is not to start at its default.

    >>> explorer = Signal(depth=5, width=32)
    >>> explorer.gain = 0.1
    >>> explorer.sentence.split(":")[0]
    'Activations shrink'
    """

    title = "Signals through a network at initialisation"
    _seen: dict[str, Any] = {}  # noqa: RUF012 (replaced, never changed): values of the last picture

    scheme = Choice("kaiming_normal", label="scheme", options=SchemeOptions())
    gain = Slider(1.0, label="gain", low=0.1, high=10, log=True, unit="× std")
    depth = Slider(20, label="depth", low=1, high=100, whole=True)
    width = Choice(128, label="width", options={n: str(n) for n in (32, 64, 128, 256)})
    activation = Choice("relu", label="activation", options={name: name for name in ACTIVATIONS})
    bias = Choice("zeros", label="bias", options={"zeros": "0", "torch_default": "PyTorch's"})
    residual = Choice(
        "none",
        label="residual",
        options={"none": "none", "plain": "x + f(x)", "scaled": "x + f(x)/√depth"},
    )
    batchnorm = Switch(False, label="BatchNorm")
    seed = Slider(0, label="seed", low=0, high=99, whole=True)

    presets: ClassVar = {
        "PyTorch default, 30 layers": {
            "scheme": "torch_default", "depth": 30, "bias": "torch_default",
        },
        "Xavier with ReLU, 30 layers": {"scheme": "xavier_normal", "depth": 30},
        "Kaiming with ReLU, 30 layers": {"scheme": "kaiming_normal", "depth": 30},
        "Xavier with tanh, 30 layers": {
            "scheme": "xavier_normal", "depth": 30, "activation": "tanh",
        },
        "too small": {"gain": 0.5},
        "too large: tanh saturates": {
            "scheme": "xavier_normal", "gain": 5.0, "activation": "tanh",
        },
        "zeros": {"scheme": "zeros"},
        "BatchNorm hides an explosion": {"depth": 30, "batchnorm": True},
        "residual, 50 blocks": {"depth": 50, "residual": "plain"},
        "residual scaled by 1/√depth": {"depth": 50, "residual": "scaled"},
    }  # fmt: skip

    def compute(self, *, patient: bool, **values: Any) -> Scene:
        """Measure and show; where theory is slow, the measurement is shown first."""
        is_slow = values["residual"] != "none" or values["batchnorm"]
        at_first = is_slow and not patient and values != self._seen
        self._seen = values
        scene = signal_scene(signal_records(SignalSettings(**values), with_theory=not at_first))
        return replace(scene, finished=not at_first)


def signal(**values: Any) -> Signal:
    """Explore how a signal travels through a fresh network, forwards and backwards.

    Each change of a control makes one real forward and backward pass of 128 digits.

    Args:
        **values: Where the controls start: `scheme`, `gain` (factor on every weight's std, 0.1 to
            10), `depth` (1 to 100), `width` (32, 64, 128 or 256), `activation`, `bias` ("zeros" or
            "torch_default"), `residual` ("none", "plain" or "scaled"), `batchnorm`, `seed`.

    Returns:
        The explorer: show it at the end of a cell, or set its traits and read its `.sentence`.

    Raises:
        ValueError: No control has this name, or it does not allow this value.
        TypeError: A value has the wrong type.

    >>> signal(scheme="zeros").sentence
    'Activations are exactly 0 from layer 1 on. No hidden layer receives a gradient.'
    """
    return Signal(**values)
