"""How much bad initialisation does BatchNorm forgive, and what does it not fix?

`batchnorm_records` measures and trains, `batchnorm_scene` turns the numbers into words and
panels, and `BatchNorm` puts controls around both.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from initlab.explore.batchnorm_records import (
    LEARNING_RATE,
    STEPS,
    BatchnormRecords,
    BatchnormSettings,
    Floats,
    Levels,
    batchnorm_records,
)
from initlab.explore.explorer import Explorer
from initlab.explore.panels import (
    Axis,
    Column,
    Lines,
    Network,
    Row,
    Rule,
    Scene,
    Series,
    Strip,
    Table,
)
from initlab.explore.signal import decades
from initlab.explore.signal_words import first, trend
from initlab.format import number, percent

SLICE = 0.03  # seconds of computing between two looks at the controls
LEARNT = 0.25  # share of digits right, from which on a network counts as one that learns
RECENT = 20  # batches over which an accuracy is averaged
NORMED, PLAIN = "with BatchNorm", "without"
LOOKS: dict[str, dict[str, Any]] = {
    NORMED: {"colour": "with", "symbol": "circle", "listed": False},
    PLAIN: {"colour": "without", "symbol": "square", "hollow": True, "listed": False},
}
MARKS = {NORMED: "●", PLAIN: "□"}


def batchnorm_scene(records: BatchnormRecords) -> Scene:
    """Show signals, gradients and training with and without BatchNorm, and say what they show.

    Args:
        records: What `batchnorm_records` gives.

    Returns:
        Headline, table, network and five panels.
    """
    return Scene(
        headline=headline(records),
        table=_table(records),
        network=Network(
            strips=[_strip(name, levels) for name, levels in _both(records)],
            low="smaller",
            high="larger",
        ),
        panels=[
            _profile(records, "activation", "Activations"),
            _profile(records, "gradient", "Gradients"),
            _factors(records),
            _invariance(records),
            _accuracy(records),
        ],
        finished=records.finished,
    )


def _strip(name: str, levels: Levels) -> Strip:
    """Colour each layer by what it emits: 1 is what Kaiming's std keeps."""
    rms = levels.activation
    with np.errstate(all="ignore"):
        colours = np.where(rms == 0, -np.inf, np.clip(np.log10(rms) / 2, -1, 1))
    notes = [
        f"Layer {layer} {name}: rms {number(emitted)}, gradient {number(received)}."
        for layer, (emitted, received) in enumerate(zip(rms, levels.gradient, strict=True), start=1)
    ]
    return Strip(values=np.where(np.isfinite(rms), colours, np.nan).astype(np.float32), notes=notes)


def _both(records: BatchnormRecords) -> list[tuple[str, Levels]]:
    return [(NORMED, records.normed), (PLAIN, records.plain)]


def _profile(records: BatchnormRecords, quantity: str, title: str) -> Lines:
    """Lay the measured rms of both networks over what theory predicts."""
    series = []
    for name, levels in _both(records):
        measured = getattr(levels, quantity)
        series.append(_dots(name, _layers(measured), measured))
        series += _dashes(name, _layers(measured), getattr(levels, f"predicted_{quantity}"))
    low, high = decades(np.concatenate([getattr(levels, quantity) for _, levels in _both(records)]))
    depth = len(records.normed.activation)
    broken = first(~np.isfinite(getattr(records.plain, quantity)))
    remark = "" if not broken else f"without: inf or nan from layer {broken}"
    return Lines(
        title=f"{title}: rms by layer",
        x=Axis(label="layer", low=0.5, high=depth + 0.5, whole=True),
        y=Axis(label="rms (log axis)", low=low, high=high, log=True),
        series=series, remark=remark, span=6,
    )  # fmt: skip


def _factors(records: BatchnormRecords) -> Lines:
    """Show by how much a squared gradient grows from one layer to the one below."""
    series = []
    for name, levels in _both(records):
        layers = _layers(levels.factors)
        known = ~np.isnan(levels.factors)
        series.append(_dots(name, layers[known], levels.factors[known]))
        if name == NORMED:
            series += _dashes(name, layers, levels.predicted_factors)
    depth = len(records.normed.activation)
    return Lines(
        title="Squared gradient per layer",
        x=Axis(label="layer", low=0.5, high=depth + 0.5, whole=True),
        y=Axis(label="factor per layer", low=0, high=4),
        series=series, span=4,
    )  # fmt: skip


def _expected(levels: Levels) -> float:
    """Give the geometric mean of the dashed line, which knows BatchNorm's eps."""
    known = levels.predicted_factors
    return float(np.exp(np.log(known).mean())) if known.size and (known > 0).all() else math.nan


def _invariance(records: BatchnormRecords) -> Lines:
    """Show where the network with BatchNorm stops being blind to the size of its weights."""
    scales = np.array([one.factor for one in records.scaled])
    change = np.array([one.change for one in records.scaled])
    gradient = np.array([one.gradient * one.factor for one in records.scaled])
    moved = scales != 1.0  # from itself a network does not differ
    return Lines(
        title="Hidden weights times a",
        x=Axis(label="a", low=1e-4, high=10, log=True),
        y=Axis(label="ratio (log axis)", low=1e-6, high=100, log=True),
        series=[
            _series("output change", "activation", "diamond", scales[moved], _edged(change[moved])),
            _series("gradient × a", "gradient", "square", scales, _edged(gradient)),
        ],
        cursor=records.scale, span=4,
    )  # fmt: skip


def _edged(ratios: Floats) -> Floats:
    """Turn what lies below the axis into 0, which is shown at its edge."""
    return np.where(ratios < 1e-6, 0.0, ratios)


def _accuracy(records: BatchnormRecords) -> Lines:
    pairs = [(NORMED, records.accuracies), (PLAIN, records.plain_accuracies)]
    return Lines(
        title="Accuracy while training",
        x=Axis(label="training step", low=0, high=STEPS, whole=True),
        y=Axis(label="share that is right", low=0, high=1.02),
        series=[
            Series(name=name, x=_layers(recent(shares)).astype(np.float32),
                   y=recent(shares).astype(np.float32), every=20, **LOOKS[name])
            for name, shares in pairs
        ],
        rules=[Rule(y=0.1, label="guessing")],
        span=4,
    )  # fmt: skip


def recent(shares: Floats) -> Floats:
    """Average each share with up to 19 before it; a run that has diverged has no more.

    >>> recent(np.array([0.0, 1.0, 0.5]))
    array([0. , 0.5, 0.5])
    """
    alive = shares[~np.isnan(shares)]
    sums = np.cumsum(np.append(0.0, alive))
    first = np.maximum(np.arange(len(alive)) + 1 - RECENT, 0)
    counts = np.arange(1, len(alive) + 1) - first
    return np.asarray((sums[1:] - sums[first]) / counts)


def _dots(name: str, x: Floats, y: Floats) -> Series:
    return Series(name=name, x=x.astype(np.float32), y=y.astype(np.float32), style="dots",
                  **LOOKS[name])  # fmt: skip


def _dashes(name: str, x: Floats, y: Floats) -> list[Series]:
    if not np.isfinite(y).any():
        return []
    with np.errstate(over="ignore"):  # theory knows no largest number, float32 does
        curve = y.astype(np.float32)
    colour = LOOKS[name]["colour"]
    return [Series(name="theory", x=x.astype(np.float32), y=curve, style="dashes", colour=colour)]


def _series(name: str, colour: str, symbol: str, x: Floats, y: Floats) -> Series:
    return Series(name=name, x=x.astype(np.float32), y=y.astype(np.float32), style="dots",
                  colour=colour, symbol=symbol)  # fmt: skip


def _layers(values: Floats) -> Floats:
    """Number from 1: layers, or steps."""
    return np.arange(1.0, len(values) + 1)


def headline(records: BatchnormRecords) -> str:
    """Conclude what BatchNorm does to training, or, until it is over, to the signal.

    Args:
        records: What `batchnorm_records` gives.

    Returns:
        At most twelve words.
    """
    if not records.finished:
        return f"At {number(records.scale)} × Kaiming's weights: {_say_signals(records)}."
    with_norm, without = (_learns(one) for one in (records.accuracies, records.plain_accuracies))
    if with_norm and without:
        return f"Both networks learn within {STEPS} steps, with BatchNorm and without."
    if with_norm:
        fate = "diverges" if np.isnan(records.plain_accuracies).any() else "hardly does"
        return f"At learning rate {LEARNING_RATE} BatchNorm's network learns; the plain one {fate}."
    if without:
        return "Here BatchNorm does harm: only the plain network learns."
    return f"Neither network learns within {STEPS} steps, with BatchNorm or without."


def _learns(shares: Floats) -> bool:
    """Whether a quarter of the digits is right in the end; by chance it would be a tenth."""
    means = recent(shares)
    return len(means) == len(shares) and bool(means[-1] > LEARNT)


def _say_signals(records: BatchnormRecords) -> str:
    rms = records.plain.activation
    if not np.isfinite(rms).all():
        return "without BatchNorm the signal overflows"
    if not rms[-1]:
        return "without BatchNorm the signal is 0"
    return f"without BatchNorm, signals {trend(rms[-1] / rms[0])}"


def _table(records: BatchnormRecords) -> Table:
    runs = (records.accuracies, records.plain_accuracies)
    rows = []
    for (name, levels), shares in zip(_both(records), runs, strict=True):
        expected = _expected(levels)
        cells = [
            number(levels.activation[-1]),
            f"× {_factor(levels.factor)}" if math.isfinite(levels.factor) else "",
            f"× {_factor(expected)}" if math.isfinite(expected) else "",
            _right(shares),
        ]
        rows.append(Row(name=name, cells=cells, colour=LOOKS[name]["colour"], mark=MARKS[name]))
    depth = len(records.normed.activation)
    return Table(
        columns=[
            Column(label="rms, top", hint=f"Root mean square of what layer {depth} emits"),
            Column(label="gradient", hint="Factor on the squared gradient per layer, going back"),
            Column(label="theory", hint="The same factor in theory"),
            Column(label="right", told=False,
                   hint=f"Digits right after {STEPS} steps: mean of {RECENT} batches"),
        ],
        rows=rows,
    )  # fmt: skip


def _factor(value: float) -> str:
    return f"{value:.2f}" if 0.1 < value < 10 else number(value)


def _right(shares: Floats) -> str:
    means = recent(shares)
    if len(means) < len(shares):
        return "diverged"
    return percent(means[-1]) if len(means) else ""


class BatchNorm(Explorer):
    """Explore what BatchNorm forgives, and what it does not fix.

    A network beside its twin without BatchNorm, with the same weights.

    Args:
        **values: Where the controls start.

    >>> explorer = BatchNorm(depth=3, width=32)
    >>> explorer.scale = 0.01
    >>> explorer.headline
    "At learning rate 0.05 BatchNorm's network learns; the plain one hardly does."
    """

    Settings = BatchnormSettings
    title = "BatchNorm: what it forgives and what it does not fix"
    _seen: BatchnormSettings | None = None  # of the last picture
    presets: ClassVar = {
        "Far too small?": {"scale": 0.01},
        "Far too large?": {"scale": 10.0},
        "So small that eps counts?": {"scale": 1e-4},
        "Right weights, 30 layers?": {"scale": 1.0, "depth": 30, "width": 128},
        "Batches of 8?": {"scale": 1.0, "depth": 30, "width": 128, "batch_size": 8},
        "No nonlinearity?": {"scale": 1.0, "activation": "linear"},
        "Tanh?": {"activation": "tanh"},
    }

    def compute(self, settings: BatchnormSettings, *, patient: bool) -> Scene:
        """Measure and show; theory, the test of scale-invariance and training follow in slices."""
        at_first = not patient and settings != self._seen
        self._seen = settings
        seconds = math.inf if patient else 0.0 if at_first else SLICE
        return batchnorm_scene(batchnorm_records(settings, seconds=seconds))


batchnorm = BatchNorm
