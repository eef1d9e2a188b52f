"""How do activations and gradients travel through a network that has just been initialised?"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from initlab.data import digits
from initlab.explore.explorer import Explorer
from initlab.explore.panels import (
    Axis,
    HeatMap,
    Lines,
    Numbers,
    Panel,
    Ridgeline,
    counted,
    dashes,
    decades,
    dots,
)
from initlab.explore.scene import Column, Network, Row, Scene, Table, sizes
from initlab.explore.signal_records import (
    BATCH,
    SignalRecords,
    Signals,
    SignalSettings,
    signal_records,
)
from initlab.explore.words import factor, first, known, last, trend
from initlab.format import number, percent
from initlab.schemes import SCHEMES
from initlab.theory import variance_map

MOST_RIDGES = 30  # deeper networks are shown as a heat map
LARGEST = 1e30  # second moment that theory is asked about


def histograms(signals: Signals, title: str, label: str, colour: str, **more: Any) -> Panel:
    """Make a ridge for each layer, or a heat map where there are too many layers."""
    depth = len(signals.rms)
    common: dict[str, Any] = {
        "title": title,
        "x": Axis(label=label, low=float(signals.edges[0]), high=float(signals.edges[-1])),
        "y": counted("layer", depth),
        "hovers": [_hover(signals, layer) for layer in range(depth)],
        "span": 4,
        "height": 460,
        "remark": _remark(signals),
        **more,
    }
    if depth <= MOST_RIDGES:
        return Ridgeline(heights=signals.heights, colour=colour, zeros=signals.zeros, **common)
    heights = signals.heights.copy()
    middle = int(np.searchsorted(signals.edges, 0.0, side="right")) - 1  # the bin of 0
    heights[:, middle] = np.maximum(heights[:, middle], signals.zeros)
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


def _profile(records: SignalRecords) -> Lines:
    """Lay the measured rms of both quantities over what theory predicts."""
    up, down = records.activation.rms, records.gradient.rms
    return Lines(
        title="Root mean square (rms)",
        x=counted("layer", len(up)),
        y=decades("rms (log axis)", up, down),
        series=[
            dots("activations", up, colour="activation", listed=False),
            *dashes(records.predicted_activation, "activation"),
            dots("gradients", down, colour="gradient", symbol="square", hollow=True, listed=False),
            *dashes(records.predicted_gradient, "gradient"),
        ],
        note=records.silence, remark=_remark(records.activation), span=4, height=460,
    )  # fmt: skip


def _origins(records: SignalRecords, settings: SignalSettings) -> list[str]:
    """Tell for each layer how its rms comes about, beside the measured one."""
    rms, depth = records.activation.rms, len(records.names)
    told = [f"Layer {k}: rms {number(one)} measured" for k, one in enumerate(rms, start=1)]
    if not np.isfinite(records.predicted_activation).any():
        return [f"{one}. {records.silence}".strip() for one in told]
    if settings.residual != "none" or settings.batchnorm:
        pairs = zip(told, records.predicted_activation, strict=True)
        return [f"{one}, {number(theory)} in theory." for one, theory in pairs]
    x, _ = digits(BATCH)
    width, gain, scheme = settings.width, settings.gain, SCHEMES[settings.scheme]
    fans = np.array([x.shape[1], *[width] * (depth - 1)])
    weight_vars = [gain**2 * fan * (scheme.variance(fan, width) or 0.0) for fan in fans.tolist()]
    bias_vars = 1 / (3 * fans) if settings.bias == "torch_default" else np.zeros(depth)
    before = np.array([x.double().square().mean().item(), *rms[:-1] ** 2])
    fed = weight_vars * before + bias_vars
    with np.errstate(all="ignore"):
        finite = np.where(np.isfinite(fed), np.minimum(fed, LARGEST), 0.0)
        emitted = np.sqrt(variance_map(settings.activation, finite, 1.0, 0.0))
    return [
        f"Layer {layer}: mean square of {_of(layer)} {number(before[k])} × σ_w² "
        f"{number(weight_vars[k])} + σ_b² {number(bias_vars[k])} = q {number(fed[k])}. "
        f"{settings.activation} of z ~ N(0, q): rms √E[φ(z)²] = {number(emitted[k])}; "
        f"measured {number(rms[k])}."
        for k, layer in enumerate(range(1, depth + 1))
    ]


def _of(layer: int) -> str:
    return f"layer {layer - 1}" if layer > 1 else "the input"


def _gradient_notes(records: SignalRecords) -> list[str]:
    """Tell each layer's gradient, beside theory's."""
    pairs = zip(records.gradient.rms, records.predicted_gradient, strict=True)
    return [
        f"Its gradient: rms {number(rms)} measured"
        + (f", {number(theory)} in theory." if np.isfinite(theory) else ".")
        for rms, theory in pairs
    ]


def _table(records: SignalRecords) -> Table:
    """Give the two ends of both quantities, on the way that each takes."""
    depth = len(records.names)
    up, down = records.activation.rms, records.gradient.rms
    grown = [factor(up[-1], up[0]), known(records.predicted_activation[-1])]
    shrunk = [factor(down[0], down[-1]), known(records.predicted_gradient[0])]
    return Table(
        columns=[
            Column(label="layer 1", hint="Root mean square (rms) in layer 1"),
            Column(label=f"layer {depth}" if depth > 1 else "", hint="rms in the last layer"),
            Column(label="change", hint="Factor on the way: activations go up, gradients down"),
            Column(label="theory", hint="rms that theory predicts where the way ends"),
        ],
        rows=[
            Row(name="activations", cells=[*_ends(up), *grown], colour="activation", mark="●"),
            Row(name="gradients", cells=[*_ends(down), *shrunk], colour="gradient", mark="□"),
        ],
    )


def _ends(rms: Numbers) -> list[str]:
    return [number(rms[0]), number(rms[-1]) if len(rms) > 1 else ""]


def _headline(records: SignalRecords) -> str:
    """Conclude what happens to the signal on its way up, and to the gradient on its way down."""
    forwards, depth = records.activation, len(records.names)
    if broken := first(~np.isfinite(forwards.rms)):
        return f"Activations overflow: inf or nan from layer {broken} on."
    if dead := first(forwards.zeros == 1):
        return f"Activations are exactly 0 from layer {dead} on: nothing arrives."
    if depth == 1:
        return f"One layer: activations of rms {number(forwards.rms[0])}."
    back = _say_gradients(records.gradient)
    worst = int(forwards.saturated.argmax())
    if forwards.saturated[worst] > 0.25:
        return f"Layer {worst + 1} saturates; {back} over {depth} layers."
    if records.cosine > 0.99:
        return f"All inputs look alike in the last layer; {back}."
    up = trend(forwards.rms[-1] / forwards.rms[0])
    if back == f"gradients {up}":
        return f"Activations and gradients {up} over {depth} layers."
    return f"Activations {up}, {back} over {depth} layers."


def _say_gradients(signals: Signals) -> str:
    if not np.isfinite(signals.rms).all():
        return "gradients are inf or nan"
    if not signals.rms.any():
        return "gradients are 0"
    if dead := last(signals.rms == 0):
        return f"gradients die at layer {dead}"
    return f"gradients {trend(signals.rms[0] / signals.rms[-1])}"


class Signal(Explorer):
    """Explore how a signal travels through a fresh network, forwards and backwards.

    Each change of a control makes one real forward and backward pass of 128 digits.

    >>> explorer = Signal(depth=5, width=32)
    >>> explorer.gain = 0.1
    >>> explorer.headline
    'Activations shrink 22000 times, gradients shrink 12000 times over 5 layers.'
    >>> signal(scheme="zeros").headline
    'Activations are exactly 0 from layer 1 on: nothing arrives.'
    """

    Settings = SignalSettings
    title = "Signals through a network at initialisation"
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

    def compute(self, settings: SignalSettings, seconds: float) -> Scene:
        """Show histograms and rms of activations and gradients across depth."""
        records = signal_records(settings)
        up, down = records.activation, records.gradient
        strips = [
            sizes(up.rms, up.rms[0], _origins(records, settings)),
            sizes(down.rms, down.rms[-1], _gradient_notes(records)),
        ]
        return Scene(
            headline=_headline(records),
            table=_table(records),
            network=Network(strips=strips),
            panels=[
                histograms(up, "Activations", "activation", "activation"),
                histograms(down, "Gradients", "gradient of the loss", "gradient"),
                _profile(records),
            ],
        )


signal = Signal
