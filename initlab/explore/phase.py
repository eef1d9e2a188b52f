"""Where in the plane of weight and bias variance does a deep network keep its inputs apart?"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from initlab.explore.explorer import Explorer
from initlab.explore.panels import (
    Axis,
    Lines,
    Numbers,
    Plane,
    Rule,
    Series,
    counted,
    dashes,
    decades,
    dots,
)
from initlab.explore.phase_records import (
    BIAS_VARS,
    WEIGHT_VARS,
    Path,
    PhaseRecords,
    PhaseSettings,
    phase_records,
)
from initlab.explore.scene import Column, Network, Row, Scene, Table, sizes
from initlab.explore.words import factor
from initlab.format import number

AT_EDGE = 0.02  # how far χ₁ may be from 1
ONE_POINT = 0.999  # a correlation from which on two inputs count as one


def _plane(records: PhaseRecords) -> Plane:
    settings = records.settings
    weight_var, bias_var = records.edge
    name = "edge of chaos, χ₁ = 1"
    edge = Series(name=name, x=weight_var, y=bias_var, style="dashes", colour="ink", thick=3.0)
    return Plane(
        title="Where gradients vanish or explode",
        x=Axis(label="σ_w² (weights)", low=WEIGHT_VARS[0], high=WEIGHT_VARS[1]),
        y=Axis(label="σ_b² (biases)", low=BIAS_VARS[0], high=BIAS_VARS[1]),
        values=records.plane, low=-0.5, high=0.5, quantity="χ₁",
        series=[edge] if weight_var.size else [],
        point=[settings.weight_var, settings.bias_var], picks=["weight_var", "bias_var"],
        span=6, height=260,
    )  # fmt: skip


def _curves(records: PhaseRecords) -> list[Lines]:
    """Lay correlation, size and gradient of one network over what theory says."""
    fixed, measured, predicted = records.fixed, records.measured, records.predicted
    q_axis, is_led = decades("q", measured.q), _is_led(records)
    c_rule = Rule(y=fixed.c_star, label=f"c* = {fixed.c_star:.2f}")
    q_rule = Rule(y=fixed.q_star, label=f"q* = {number(fixed.q_star)}")
    low = -0.4 if (measured.c < 0).any() else 0.0
    return [
        _lines(
            "Correlation of two inputs", Axis(label="correlation c", low=low, high=1.08),
            measured.c, predicted.c, "activation",
            rules=[c_rule] if is_led else [], span=6, height=260,
        ),
        _lines(
            "Size: mean of z²", q_axis, measured.q, predicted.q, "size",
            rules=[q_rule] if q_axis.low < fixed.q_star < q_axis.high else [],
        ),
        _lines(
            "Gradient", decades("rms (log axis)", measured.gradient),
            measured.gradient, predicted.gradient, "gradient",
        ),
        _lines(  # on a log axis the depth scale is a slope
            "Distance to c*", Axis(label="|c - c*|", low=1e-4, high=2.0, log=True),
            np.abs(measured.c - fixed.c_star), np.abs(predicted.c - fixed.c_star), "activation",
            note=f"ξ_c = {_layers(fixed.xi_c)} layers" if is_led else "no c*: shown to 1",
        ),
    ]  # fmt: skip


def _lines(
    title: str, axis: Axis, measured: Numbers, predicted: Numbers, colour: str, **more: Any
) -> Lines:
    there = np.flatnonzero(~np.isnan(measured))
    series = [
        dots("measured", measured[there], x=there + 1, colour=colour, listed=False),
        *dashes(predicted, colour),
    ]
    look = {"span": 4, "height": 210, **more}
    return Lines(title=title, x=counted("layer", len(measured)), y=axis, series=series, **look)


def _phase(records: PhaseRecords) -> str:
    fixed = records.fixed
    if fixed.chi_1 > 1.001 and math.isinf(fixed.q_star):  # inputs become more alike: no chaos
        return "The signal grows without end"
    if abs(fixed.chi_1 - 1) <= AT_EDGE:
        return "At the edge of chaos"
    if not fixed.q_star:  # what it is led to; χ₁ on the way there may be above 1
        return "Signal lost in the end"
    return "Ordered" if fixed.chi_1 < 1 else "Chaotic"


def _fate(records: PhaseRecords) -> str:
    c, depth = records.measured.c, len(records.measured.c)
    if np.isnan(c[-1]):
        return "no correlation is left in the last layer"
    layers = f"{depth} layer{'s' * (depth > 1)}"
    alike = c >= ONE_POINT
    if alike.all():
        return "two equal inputs stay equal"
    similarity = records.settings.similarity
    if similarity < ONE_POINT and alike[-1]:
        return f"two inputs become one at layer {int(alike.argmax()) + 1}"
    if max(c[-1], records.fixed.c_star) < similarity - 0.1:
        return f"two inputs are torn apart over {layers}"
    return f"two inputs stay apart over {layers}"


def _is_led(records: PhaseRecords) -> bool:
    """Tell whether correlations have an end.

    A linear map keeps them, and so does an activation without a kink whose signal dies out.
    """
    settings, fixed = records.settings, records.fixed
    if not math.isfinite(fixed.c_star):
        return False
    if settings.activation == "linear":
        return fixed.chi_1 <= 1 and settings.bias_var > 0
    return fixed.q_star > 0 or settings.activation in ("relu", "leaky_relu", "selu")


def _table(records: PhaseRecords) -> Table:
    """Give what one network does beside what theory says, where the way ends."""
    depth, fixed = len(records.measured.q), records.fixed
    chi_1 = f"{fixed.chi_1:.3f}" if 0.9 < fixed.chi_1 < 1.1 else number(fixed.chi_1)
    return Table(
        columns=[
            Column(label="c, alike", hint=f"Correlation of the two inputs in layer {depth}"),
            Column(label="q, size", hint=f"Mean of z² in layer {depth}"),
            Column(label="gradient", hint="Layer 1's gradient over that of the last layer"),
            Column(label="χ₁, growth", hint="Factor on a squared gradient per layer, in the end"),
            Column(
                label="ξ, layers", hint="Layers after which the distance to c* is e times smaller"
            ),
        ],
        rows=[
            Row(name="measured", cells=[*_ends(records.measured), "", ""]),
            Row(name="theory", cells=[*_ends(records.predicted), chi_1, _layers(fixed.xi_c)]),
        ],
    )


def _ends(path: Path) -> list[str]:
    """Tell where a way ends; nothing where numbers are lost."""
    if not np.isfinite([path.q[-1], path.c[-1]]).all():
        return ["", "", ""]
    return [_c(path.c[-1]), number(path.q[-1]), factor(path.gradient[0], path.gradient[-1])]


def _c(value: float) -> str:
    return f"{value:.3f}" if value > 0.99 else f"{round(value, 2) + 0.0:.2f}"


def _layers(count: float) -> str:
    return "∞" if math.isinf(count) else number(count)


class Phase(Explorer):
    """Explore order and chaos: what becomes of two inputs at each point of (σ_w², σ_b²).

    Press or drag on the plane, or move the two sliders.

    >>> Phase(weight_var=1.0, depth=20, width=100).headline
    'Ordered: two inputs stay apart over 20 layers.'
    """

    Settings = PhaseSettings
    title = "Order, chaos and the edge between them"
    presets: ClassVar = {
        "At the edge?": {"weight_var": 1.76},
        "Ordered?": {"weight_var": 1.0},
        "Chaotic?": {"weight_var": 4.0, "similarity": 0.99},
        "Gain 5/3?": {"weight_var": 2.78, "bias_var": 0.0, "similarity": 0.99},
        "ReLU?": {"activation": "relu", "weight_var": 2.0, "bias_var": 0.0},
        "ReLU, larger?": {"activation": "relu", "weight_var": 3.0, "bias_var": 0.0},
        "GELU?": {"activation": "gelu", "weight_var": 2.35, "bias_var": 0.0},
        "Sigmoid?": {"activation": "sigmoid", "weight_var": 4.0},
    }

    def compute(self, settings: PhaseSettings, seconds: float) -> Scene:
        """Show the plane, and correlation, size and gradient of one network, theory behind."""
        records = phase_records(settings)
        q, gradient = records.measured.q, records.measured.gradient
        notes = [f"Layer {k}, mean of z²: q = {number(v)}." for k, v in enumerate(q, 1)]
        others = [f"Layer {k}, gradient: rms = {number(v)}." for k, v in enumerate(gradient, 1)]
        strips = [sizes(q, q[0], notes), sizes(gradient, gradient[-1], others)]
        return Scene(
            headline=f"{_phase(records)}: {_fate(records)}.",
            table=_table(records),
            network=Network(strips=strips),
            panels=[_plane(records), *_curves(records)],
        )


phase = Phase
