"""Where in the plane of weight and bias variance does a deep network keep its inputs apart?

`phase_records` measures one network and asks theory, `phase_scene` turns the numbers into words
and panels, and `Phase` puts controls around both.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from initlab.explore.explorer import Explorer
from initlab.explore.panels import (
    Axis,
    Column,
    Lines,
    Network,
    Plane,
    Row,
    Rule,
    Scene,
    Series,
    Strip,
    Table,
)
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
from initlab.explore.signal import decades, float32
from initlab.format import number

AT_EDGE = 0.02  # how far χ₁ may be from 1
ONE_POINT = 0.999  # a correlation from which on two inputs count as one


def phase_scene(records: PhaseRecords) -> Scene:
    """Show the plane, and correlation, size and gradient of one network, with theory behind.

    Args:
        records: What `phase_records` gives.

    Returns:
        Headline, table, network and five panels.
    """
    return Scene(
        headline=headline(records),
        table=_table(records),
        network=Network(strips=_strips(records), low="smaller", high="larger"),
        panels=[
            _plane(records),
            _correlation(records),
            _size(records),
            _gradient(records),
            _distance(records),
        ],
        finished=records.predicted is not None,
    )


def _strips(records: PhaseRecords) -> list[Strip]:
    """Colour each layer by how much the signal has grown, and the gradient on its way back."""
    path = records.measured
    rows = [
        ("mean of z²", path.q, path.q[0], "q"),
        ("gradient", path.gradient, path.gradient[-1], "rms"),
    ]
    strips = []
    for name, values, start, symbol in rows:
        with np.errstate(all="ignore"):
            colours = np.clip(np.log10(values / start) / 2, -1, 1)
        colours = np.where(values == 0, -np.inf, colours)
        notes = [f"Layer {k}, {name}: {symbol} = {number(v)}." for k, v in enumerate(values, 1)]
        strips.append(Strip(values=colours.astype(np.float32), notes=notes))
    return strips


def _plane(records: PhaseRecords) -> Plane:
    weight_var, bias_var = records.edge.astype(np.float32)
    edge = Series(
        name="edge of chaos, χ₁ = 1",
        x=weight_var,
        y=bias_var,
        style="dashes",
        colour="ink",
        thick=3.0,
    )
    return Plane(
        title="Where gradients vanish or explode",
        x=Axis(label="σ_w² (weights)", low=WEIGHT_VARS[0], high=WEIGHT_VARS[1]),
        y=Axis(label="σ_b² (biases)", low=BIAS_VARS[0], high=BIAS_VARS[1]),
        values=records.plane, low=-0.5, high=0.5, quantity="χ₁",
        series=[edge] if weight_var.size else [],
        point=[records.weight_var, records.bias_var], picks=["weight_var", "bias_var"],
        span=6, height=260,
    )  # fmt: skip


def _correlation(records: PhaseRecords) -> Lines:
    fixed = records.fixed.c_star
    low = -0.4 if (records.measured.c < 0).any() else 0.0
    return _lines(
        records,
        "Correlation of two inputs",
        Axis(label="correlation c", low=low, high=1.08),
        "c",
        colour="activation",
        rules=[Rule(y=fixed, label=f"c* = {fixed:.2f}")] if _is_led(records) else [],
        span=6,
        height=260,
    )


def _size(records: PhaseRecords) -> Lines:
    fixed = records.fixed.q_star
    low, high = decades(records.measured.q)
    known = math.isfinite(fixed) and low < fixed < high
    return _lines(
        records,
        "Size: mean of z²",
        Axis(label="q", low=low, high=high, log=True),
        "q",
        colour="size",
        rules=[Rule(y=fixed, label=f"q* = {number(fixed)}")] if known else [],
    )


def _gradient(records: PhaseRecords) -> Lines:
    low, high = decades(records.measured.gradient)
    axis = Axis(label="rms (log axis)", low=low, high=high, log=True)
    return _lines(records, "Gradient", axis, "gradient", colour="gradient")


def _distance(records: PhaseRecords) -> Lines:
    """Show the correlation's way to c* on a log axis, where its depth scale is a slope."""
    axis = Axis(label="|c - c*|", low=1e-4, high=2.0, log=True)
    note = (
        f"ξ_c = {_layers(records.fixed.xi_c)} layers" if _is_led(records) else "no c*: shown to 1"
    )
    return _lines(records, "Distance to c*", axis, "distance", colour="activation", note=note)


def _lines(
    records: PhaseRecords, title: str, axis: Axis, quantity: str, *, colour: str, **more: Any
) -> Lines:
    """Lay what was measured over what theory says."""
    layers = np.arange(1, len(records.measured.q) + 1, dtype=np.float32)
    y = _values(records, records.measured, quantity)
    known = ~np.isnan(y)
    series = [
        Series(
            name="measured",
            x=layers[known],
            y=float32(y[known]),
            style="dots",
            colour=colour,
            listed=False,
        )
    ]
    if records.predicted is not None:
        y = _values(records, records.predicted, quantity)
        series.append(Series(name="theory", x=layers, y=float32(y), style="dashes", colour=colour))
    x = Axis(label="layer", low=0.5, high=len(layers) + 0.5, whole=True)
    return Lines(title=title, x=x, y=axis, series=series, **{"span": 4, "height": 210, **more})


def _values(records: PhaseRecords, path: Path, quantity: str) -> Floats:
    if quantity == "distance":
        return np.abs(path.c - records.fixed.c_star)
    found: Floats = getattr(path, quantity)
    return found


def headline(records: PhaseRecords) -> str:
    """Conclude in which phase the network is, and what becomes of two inputs.

    Args:
        records: What `phase_records` gives.

    Returns:
        At most twelve words.
    """
    return f"{_phase(records)}: {_fate(records)}."


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
    if records.similarity < ONE_POINT and alike[-1]:
        return f"two inputs become one at layer {int(alike.argmax()) + 1}"
    if max(c[-1], records.fixed.c_star) < records.similarity - 0.1:
        return f"two inputs are torn apart over {layers}"
    return f"two inputs stay apart over {layers}"


def _is_led(records: PhaseRecords) -> bool:
    """Tell whether correlations have an end.

    A linear map keeps them, and so does an activation without a kink whose signal dies out.
    """
    if not math.isfinite(records.fixed.c_star):
        return False
    if records.activation == "linear":
        return records.fixed.chi_1 <= 1 and records.bias_var > 0
    return records.fixed.q_star > 0 or records.activation in ("relu", "leaky_relu", "selu")


def _table(records: PhaseRecords) -> Table:
    """Give what one network does beside what theory says, where the way ends."""
    depth, fixed = len(records.measured.q), records.fixed
    chi_1 = f"{fixed.chi_1:.3f}" if 0.9 < fixed.chi_1 < 1.1 else number(fixed.chi_1)
    rows = {"measured": _ends(records.measured), "theory": _ends(records.predicted)}
    rows["measured"] += ["", ""]
    rows["theory"] += [chi_1, _layers(fixed.xi_c)]
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
        rows=[Row(name=name, cells=cells) for name, cells in rows.items()],
    )


def _ends(path: Path | None) -> list[str]:
    """Tell where a way ends; nothing where theory has not been asked, or numbers are lost."""
    if path is None or not np.isfinite([path.q[-1], path.c[-1]]).all():
        return ["", "", ""]
    return [_c(path.c[-1]), number(path.q[-1]), _share(path)]


def _share(path: Path) -> str:
    with np.errstate(all="ignore"):
        share = path.gradient[0] / path.gradient[-1]
    return f"× {number(share)}" if np.isfinite(share) else ""


def _c(value: float) -> str:
    return f"{value:.3f}" if value > 0.99 else f"{round(value, 2) + 0.0:.2f}"


def _layers(count: float) -> str:
    return "∞" if math.isinf(count) else number(count)


class Phase(Explorer):
    """Explore order and chaos: what becomes of two inputs at each point of (σ_w², σ_b²).

    Press or drag on the plane, or move the two sliders.

    Args:
        **values: Where the controls start.

    >>> Phase(weight_var=1.0, depth=20, width=100).headline
    'Ordered: two inputs stay apart over 20 layers.'
    """

    Settings = PhaseSettings
    title = "Order, chaos and the edge between them"
    _seen = ""  # activation of the last picture
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

    def compute(self, settings: PhaseSettings, *, patient: bool) -> Scene:
        """Measure and show; theory's maps follow once, in slices, for each new activation."""
        is_new, self._seen = settings.activation != self._seen, settings.activation
        seconds = math.inf if patient else 0.0 if is_new else SLICE
        return phase_scene(phase_records(settings, seconds=seconds))


phase = Phase
