"""Where in the plane of weight and bias variance does a deep network keep its inputs apart?

`phase_records` measures one network and asks theory, `phase_scene` turns the numbers into a
sentence and panels, and `Phase` puts controls around both.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from initlab.activations import ACTIVATIONS
from initlab.explore.controls import Choice, Slider
from initlab.explore.explorer import Explorer
from initlab.explore.panels import Axis, Lines, Plane, Rule, Scene, Series
from initlab.explore.phase_records import (
    BIAS_VARS,
    SLICE,
    WEIGHT_VARS,
    Floats,
    Path,
    PhaseRecords,
    PhaseSettings,
    phase_records,
)
from initlab.explore.signal import decades, number
from initlab.theory import FixedPoint

AT_EDGE = 0.02  # how far χ₁ may be from 1
ONE_POINT = 0.999  # a correlation from which on two inputs count as one


def phase_scene(records: PhaseRecords) -> Scene:
    """Show the plane, and correlation, size and gradient of one network, with theory behind.

    Args:
        records: What `phase_records` gives.

    Returns:
        A sentence and five panels.
    """
    return Scene(
        sentence=say(records),
        panels=[
            _plane(records),
            _correlation(records),
            _size(records),
            _gradient(records),
            _distance(records),
        ],
        finished=records.predicted is not None,
    )


def _plane(records: PhaseRecords) -> Plane:
    weight_var, bias_var = records.edge.astype(np.float32)
    edge = Series(
        name="edge of chaos, χ₁ = 1",
        x=weight_var,
        y=bias_var,
        style="dashes",
        colour=2,
        thick=3.0,
    )
    return Plane(
        title="Gradients vanish (blue) or explode (orange)",
        x=Axis(label="σ_w²", low=WEIGHT_VARS[0], high=WEIGHT_VARS[1]),
        y=Axis(label="σ_b²", low=BIAS_VARS[0], high=BIAS_VARS[1]),
        values=records.plane, low=-0.5, high=0.5, quantity="χ₁",
        series=[edge] if weight_var.size else [],
        point=[records.weight_var, records.bias_var], picks=["weight_var", "bias_var"],
        span=6, height=400,
    )  # fmt: skip


def _correlation(records: PhaseRecords) -> Lines:
    fixed = records.fixed.c_star
    low = -0.4 if (records.measured.c < 0).any() else 0.0
    return _lines(
        records,
        "Correlation of two inputs",
        Axis(label="correlation c", low=low, high=1.08),
        "c",
        colour=0,
        rules=[Rule(y=fixed, label=f"c* = {fixed:.2f}")] if _is_led(records) else [],
        span=6,
        height=400,
    )


def _size(records: PhaseRecords) -> Lines:
    fixed = records.fixed.q_star
    low, high = decades(records.measured.q)
    known = math.isfinite(fixed) and low < fixed < high
    return _lines(
        records,
        "Mean of z²",
        Axis(label="q (log axis)", low=low, high=high, log=True),
        "q",
        colour=2,
        rules=[Rule(y=fixed, label=f"q* = {number(fixed)}")] if known else [],
    )


def _gradient(records: PhaseRecords) -> Lines:
    low, high = decades(records.measured.gradient)
    axis = Axis(label="rms (log axis)", low=low, high=high, log=True)
    return _lines(records, "Gradient", axis, "gradient", colour=1)


def _distance(records: PhaseRecords) -> Lines:
    """Show the correlation's way to c* on a log axis, where its depth scale is a slope."""
    axis = Axis(label="|c - c*| (log axis)", low=1e-4, high=2.0, log=True)
    note = f"ξ_c = {_layers(records.fixed.xi_c)}" if _is_led(records) else "no c*: shown to 1"
    return _lines(records, "Distance to c*", axis, "distance", colour=0, note=note)


def _lines(
    records: PhaseRecords, title: str, axis: Axis, quantity: str, *, colour: int, **more: Any
) -> Lines:
    """Lay what was measured over what theory says."""
    layers = np.arange(1, len(records.measured.q) + 1, dtype=np.float32)
    y = _values(records, records.measured, quantity)
    known = ~np.isnan(y)
    series = [
        Series(name="measured", x=layers[known], y=_float32(y[known]), style="dots", colour=colour)
    ]
    if records.predicted is not None:
        y = _values(records, records.predicted, quantity)
        series.append(Series(name="theory", x=layers, y=_float32(y), style="dashes", colour=colour))
    x = Axis(label="layer", low=0.5, high=len(layers) + 0.5, whole=True)
    return Lines(title=title, x=x, y=axis, series=series, **{"span": 4, "height": 320, **more})


def _values(records: PhaseRecords, path: Path, quantity: str) -> Floats:
    if quantity == "distance":
        return np.abs(path.c - records.fixed.c_star)
    found: Floats = getattr(path, quantity)
    return found


def _float32(values: Floats) -> Any:
    with np.errstate(over="ignore"):  # theory knows no largest number, float32 does
        return values.astype(np.float32)


def say(records: PhaseRecords) -> str:
    """Say in which phase the network is, what becomes of two inputs, and of gradients.

    Args:
        records: What `phase_records` gives.

    Returns:
        A few short sentences with the numbers.
    """
    where = f"{records.activation}, σ_w² = {records.weight_var:.3g}, σ_b² = {records.bias_var:.3g}"
    parts = [
        f"{where}: {_phase(records.fixed)}.",
        _say_correlation(records),
        _say_size(records),
        _say_gradient(records),
        f"Depth scales: ξ_q {_layers(records.fixed.xi_q)}, ξ_c {_layers(records.fixed.xi_c)}.",
    ]
    told = " ".join(filter(None, parts))
    return told if records.predicted is not None else f"{told} (computing theory)"


def _phase(fixed: FixedPoint) -> str:
    chi_1 = fixed.chi_1
    told = f"χ₁ = {chi_1:.3f}" if 0.9 < chi_1 < 1.1 else f"χ₁ = {number(chi_1)}"
    if chi_1 > 1.001 and math.isinf(fixed.q_star):  # two inputs become more alike: no chaos
        return f"the signal grows without end ({told})"
    if abs(chi_1 - 1) <= AT_EDGE:
        return f"at the edge of chaos ({told})"
    if not fixed.q_star:  # what it is led to; χ₁ on the way there may be above 1
        return f"ordered, a wide network's signal dies out in the end ({told} there)"
    return f"{'ordered' if chi_1 < 1 else 'chaotic'} ({told})"


def _is_led(records: PhaseRecords) -> bool:
    """Tell whether correlations have an end.

    A linear map keeps them, and so does an activation without a kink whose signal dies out.
    """
    if not math.isfinite(records.fixed.c_star):
        return False
    if records.activation == "linear":
        return records.fixed.chi_1 <= 1 and records.bias_var > 0
    return records.fixed.q_star > 0 or records.activation in ("relu", "leaky_relu", "selu")


def _say_correlation(records: PhaseRecords) -> str:
    c, depth = records.measured.c, len(records.measured.c)
    start = f"Two inputs of correlation {number(records.similarity)}"
    if np.isnan(c[-1]):
        return f"{start} have none at layer {depth}: the signal is 0 or beyond float32."
    alike = c >= ONE_POINT
    if records.similarity < ONE_POINT and alike[-1]:
        first = int(alike.argmax())
        return f"{start} become one, c = {c[first]:.3f} at layer {first + 1}."
    theory = f" (theory {_c(records.predicted.c[-1])})" if records.predicted is not None else ""
    torn = max(c[-1], records.fixed.c_star) < records.similarity - 0.1
    fate = " are torn apart:" if torn else " have"
    return f"{start}{fate} c = {_c(c[-1])} at layer {depth}{theory}."


def _c(value: float) -> str:
    return f"{value:.3f}" if value > 0.99 else f"{round(value, 2) + 0.0:.2f}"


def _say_size(records: PhaseRecords) -> str:
    q, fixed = records.measured.q, records.fixed.q_star
    end = "∞" if math.isinf(fixed) else number(fixed)
    return f"The mean of z² is {number(q[-1])} at layer {len(q)} (q* = {end})."


def _say_gradient(records: PhaseRecords) -> str:
    gradient = records.measured.gradient
    depth = len(gradient)
    if depth == 1 or not (np.isfinite(gradient).all() and gradient[-1]):
        return "" if depth == 1 else "Gradients are inf or nan."
    share = number(gradient[0] / gradient[-1])
    theory = ""
    if records.predicted is not None:
        theory = f" (theory {number(records.predicted.gradient[0])})"
    return f"Layer 1 receives {share} times the gradient of layer {depth}{theory}."


def _layers(count: float) -> str:
    return "∞" if math.isinf(count) else f"{number(count)} layers"


class Phase(Explorer):
    """The plane of weight and bias variance, and a real network at the point that is picked.

    Args:
        **values: A value for each control that is not to start at its default.

    >>> Phase(weight_var=1.0, depth=20, width=100).sentence.split(".0")[0]
    'tanh, σ_w² = 1, σ_b² = 0'
    """

    title = "Order, chaos and the edge between them"
    _seen = ""  # activation of the last picture

    weight_var = Slider(1.75, label="σ_w² = n·Var(w)", low=WEIGHT_VARS[0], high=WEIGHT_VARS[1])
    bias_var = Slider(0.05, label="σ_b² = Var(b)", low=BIAS_VARS[0], high=BIAS_VARS[1])
    activation = Choice("tanh", label="activation", options={name: name for name in ACTIVATIONS})
    similarity = Slider(0.6, label="correlation of the inputs", low=0.0, high=1.0)
    depth = Slider(30, label="depth", low=1, high=60, whole=True)
    width = Choice(200, label="width", options={n: str(n) for n in (100, 200, 300)})
    seed = Slider(0, label="seed", low=0, high=99, whole=True)

    presets: ClassVar = {
        "tanh at the edge": {"weight_var": 1.76},
        "tanh, ordered": {"weight_var": 1.0},
        "tanh, chaotic": {"weight_var": 4.0, "similarity": 0.99},
        "tanh, PyTorch's gain 5/3": {"weight_var": 2.78, "bias_var": 0.0, "similarity": 0.99},
        "tanh, gain 1": {"weight_var": 1.0, "bias_var": 0.0},
        "ReLU, Kaiming": {"activation": "relu", "weight_var": 2.0, "bias_var": 0.0},
        "ReLU, too large": {"activation": "relu", "weight_var": 3.0, "bias_var": 0.0},
        "erf at the edge": {"activation": "erf", "weight_var": 1.38},
        "GELU: no edge without bias": {
            "activation": "gelu", "weight_var": 2.35, "bias_var": 0.0,
        },
        "sigmoid: ordered in all of this plane": {"activation": "sigmoid", "weight_var": 4.0},
    }  # fmt: skip

    def compute(self, *, patient: bool, **values: Any) -> Scene:
        """Measure and show; theory's maps follow once, in slices, for each new activation."""
        is_new, self._seen = values["activation"] != self._seen, values["activation"]
        seconds = math.inf if patient else 0.0 if is_new else SLICE
        return phase_scene(phase_records(PhaseSettings(**values), seconds=seconds))


def phase(**values: Any) -> Phase:
    """Explore order and chaos: what becomes of two inputs at each point of (σ_w², σ_b²).

    Press or drag on the plane, or move the two sliders.

    Args:
        **values: Where the controls start: `weight_var` (σ_w² = n·Var(w), 0.05 to 5.05),
            `bias_var` (σ_b² = Var(b), 0 to 0.5), `activation`, `similarity` (correlation of the two
            inputs, 0 to 1), `depth` (1 to 60), `width` (100, 200 or 300), `seed`.

    Returns:
        The explorer: show it at the end of a cell, or set its traits and read its `.sentence`.

    Raises:
        ValueError: No control has this name, or it does not allow this value.
        TypeError: A value has the wrong type.
    """
    return Phase(**values)
