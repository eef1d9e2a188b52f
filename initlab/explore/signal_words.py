"""What does the explorer of signals say: headline, table, and where a layer's size comes from?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from initlab.data import digits
from initlab.explore.panels import Column, Row, Table
from initlab.explore.signal_records import BATCH, SignalRecords, Signals, SignalSettings
from initlab.format import number, times
from initlab.schemes import SCHEMES
from initlab.theory import variance_map

LARGEST = 1e30  # second moment that theory is asked about
SAME = 1.25  # a factor below which a size counts as kept


def origins(records: SignalRecords, settings: SignalSettings) -> list[str]:
    """Tell for each layer how its rms comes about, beside the measured one.

    Args:
        records: What `signal_records` measured.
        settings: The values of the controls with which it did.
    """
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
        known = np.where(np.isfinite(fed), np.minimum(fed, LARGEST), 0.0)
        emitted = np.sqrt(variance_map(settings.activation, known, 1.0, 0.0))
    return [
        f"Layer {layer}: mean square of {_of(layer)} {number(before[k])} × σ_w² "
        f"{number(weight_vars[k])} + σ_b² {number(bias_vars[k])} = q {number(fed[k])}. "
        f"{settings.activation} of z ~ N(0, q): rms √E[φ(z)²] = {number(emitted[k])}; "
        f"measured {number(rms[k])}."
        for k, layer in enumerate(range(1, depth + 1))
    ]


def _of(layer: int) -> str:
    return f"layer {layer - 1}" if layer > 1 else "the input"


def gradient_notes(records: SignalRecords) -> list[str]:
    """Tell each layer's gradient, beside theory's."""
    pairs = zip(records.gradient.rms, records.predicted_gradient, strict=True)
    return [
        f"Its gradient: rms {number(rms)} measured"
        + (f", {number(theory)} in theory." if np.isfinite(theory) else ".")
        for rms, theory in pairs
    ]


def table(records: SignalRecords) -> Table:
    """Give the two ends of both quantities, on the way that each takes."""
    depth = len(records.names)
    forwards, backwards = records.activation.rms, records.gradient.rms
    ends = [
        ("activations", "activation", forwards, (0, -1), records.predicted_activation[-1]),
        ("gradients", "gradient", backwards, (-1, 0), records.predicted_gradient[0]),
    ]
    rows = []
    for name, colour, rms, (start, end), theory in ends:
        with np.errstate(all="ignore"):
            factor = rms[end] / rms[start]
        cells = [number(rms[0]), number(rms[-1]) if depth > 1 else "",
                 f"× {number(factor)}" if np.isfinite(factor) else "",
                 number(theory) if np.isfinite(theory) else ""]  # fmt: skip
        mark = "●" if name == "activations" else "□"
        rows.append(Row(name=name, cells=cells, colour=colour, mark=mark))
    return Table(
        columns=[
            Column(label="layer 1", hint="Root mean square (rms) in layer 1"),
            Column(label=f"layer {depth}" if depth > 1 else "", hint="rms in the last layer"),
            Column(label="change", hint="Factor on the way: activations go up, gradients down"),
            Column(label="theory", hint="rms that theory predicts where the way ends"),
        ],
        rows=rows,
    )


def headline(records: SignalRecords) -> str:
    """Conclude what happens to the signal on its way up, and to the gradient on its way down.

    Args:
        records: What `signal_records` measured.

    Returns:
        At most twelve words.
    """
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
    if forwards.cosine > 0.99:
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


def trend(ratio: float, level: str = "keep their size") -> str:
    """Say in words what a factor does to a size.

    >>> trend(0.25), trend(8.04), trend(0.9)
    ('shrink 4 times', 'grow 8 times', 'keep their size')
    """
    if 1 / SAME < ratio < SAME:
        return level
    return f"grow {times(ratio)}" if ratio > 1 else f"shrink {times(1 / ratio)}"


def first(flags: NDArray[np.bool_]) -> int:
    """Number (from 1) of the first layer that is flagged, 0 where none is."""
    return int(flags.argmax()) + 1 if flags.any() else 0


def last(flags: NDArray[np.bool_]) -> int:
    """Number (from 1) of the last layer that is flagged, 0 where none is."""
    return len(flags) - int(flags[::-1].argmax()) if flags.any() else 0


def when(step: int) -> str:
    """Write when a training step is.

    >>> when(0), when(1), when(60)
    ('At the start', 'After 1 step', 'After 60 steps')
    """
    return f"After {step} step{'s' * (step > 1)}" if step else "At the start"
