"""How much bad initialisation does BatchNorm forgive, and what does it not fix?"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from initlab.explore.batchnorm_records import (
    LEARNING_RATE,
    STEPS,
    BatchnormRecords,
    BatchnormSettings,
    Levels,
    batchnorm_records,
)
from initlab.explore.explorer import Explorer
from initlab.explore.panels import (
    Axis,
    Lines,
    Numbers,
    Rule,
    Series,
    counted,
    dashes,
    decades,
    dots,
)
from initlab.explore.scene import Column, Network, Row, Scene, Strip, Table, sizes
from initlab.explore.words import first, trend
from initlab.format import number, percent

LEARNT = 0.25  # share of digits right, from which on a network counts as one that learns
RECENT = 20  # batches over which an accuracy is averaged
NORMED, PLAIN = "with BatchNorm", "without"
LOOKS: dict[str, dict[str, Any]] = {
    NORMED: {"colour": "with", "symbol": "circle", "listed": False},
    PLAIN: {"colour": "without", "symbol": "square", "hollow": True, "listed": False},
}
MARKS = {NORMED: "●", PLAIN: "□"}


def _strip(name: str, levels: Levels) -> Strip:
    """Colour each layer by what it emits: 1 is what Kaiming's std keeps."""
    pairs = zip(levels.activation, levels.gradient, strict=True)
    notes = [
        f"Layer {layer} {name}: rms {number(emitted)}, gradient {number(received)}."
        for layer, (emitted, received) in enumerate(pairs, start=1)
    ]
    return sizes(levels.activation, 1.0, notes)


def _both(records: BatchnormRecords) -> list[tuple[str, Levels]]:
    return [(NORMED, records.normed), (PLAIN, records.plain)]


def _profile(records: BatchnormRecords, quantity: str, title: str) -> Lines:
    """Lay the measured rms of both networks over what theory predicts."""
    series, curves = [], []
    for name, levels in _both(records):
        curves.append(getattr(levels, quantity))
        series.append(dots(name, curves[-1], **LOOKS[name]))
        series += dashes(getattr(levels, f"predicted_{quantity}"), LOOKS[name]["colour"])
    broken = first(~np.isfinite(curves[-1]))
    return Lines(
        title=f"{title}: rms by layer",
        x=counted("layer", len(curves[0])),
        y=decades("rms (log axis)", *curves),
        series=series, span=6,
        remark=f"without: inf or nan from layer {broken}" if broken else "",
    )  # fmt: skip


def _factors(records: BatchnormRecords) -> Lines:
    """Show by how much a squared gradient grows from one layer to the one below."""
    series = []
    for name, levels in _both(records):
        there = np.flatnonzero(~np.isnan(levels.factors))
        series.append(dots(name, levels.factors[there], x=there + 1, **LOOKS[name]))
        if name == NORMED:
            series += dashes(levels.predicted_factors, LOOKS[name]["colour"])
    return Lines(
        title="Squared gradient per layer",
        x=counted("layer", len(records.normed.activation)),
        y=Axis(label="factor per layer", low=0, high=4),
        series=series, span=4,
    )  # fmt: skip


def _invariance(records: BatchnormRecords) -> Lines:
    """Show where the network with BatchNorm stops being blind to the size of its weights."""
    rows = [[one.factor, one.change, one.gradient * one.factor] for one in records.scaled]
    scales, *ratios = np.reshape(rows, (-1, 3)).T
    change, gradient = (np.where(ratio < 1e-6, 0.0, ratio) for ratio in ratios)  # at the edge
    moved = scales != 1.0  # from itself a network does not differ
    look = {"colour": "activation", "symbol": "diamond"}
    return Lines(
        title="Hidden weights times a",
        x=Axis(label="a", low=1e-4, high=10, log=True),
        y=Axis(label="ratio (log axis)", low=1e-6, high=100, log=True),
        series=[
            dots("output change", change[moved], x=scales[moved], **look),
            dots("gradient × a", gradient, x=scales, colour="gradient", symbol="square"),
        ],
        cursor=records.scale, span=4,
    )  # fmt: skip


def _accuracy(records: BatchnormRecords) -> Lines:
    means = {name: recent(levels.accuracies) for name, levels in _both(records)}
    return Lines(
        title="Accuracy while training",
        x=Axis(label="training step", low=0, high=STEPS, whole=True),
        y=Axis(label="share that is right", low=0, high=1.02),
        series=[
            Series(name=name, x=np.arange(1, len(y) + 1), y=y, every=20, **LOOKS[name])
            for name, y in means.items()
        ],
        rules=[Rule(y=0.1, label="guessing")], span=4,
    )  # fmt: skip


def recent(shares: Numbers) -> Numbers:
    """Average each share with up to 19 before it; a run that has diverged has no more.

    >>> recent(np.array([0.0, 1.0, 0.5]))
    array([0. , 0.5, 0.5])
    """
    alive = shares[~np.isnan(shares)]
    sums = np.convolve([*alive, 0.0], np.ones(RECENT))[: len(alive)]
    return np.asarray(sums / np.minimum(np.arange(len(alive)) + 1, RECENT))


def _headline(records: BatchnormRecords) -> str:
    """Conclude what BatchNorm does to training, or, until it is over, to the signal."""
    if not records.finished:
        return f"At {number(records.scale)} × Kaiming's weights: {_say_signals(records)}."
    with_norm, without = (_learns(levels.accuracies) for _, levels in _both(records))
    if with_norm and without:
        return f"Both networks learn within {STEPS} steps, with BatchNorm and without."
    if with_norm:
        fate = "diverges" if np.isnan(records.plain.accuracies).any() else "hardly does"
        return f"At learning rate {LEARNING_RATE} BatchNorm's network learns; the plain one {fate}."
    if without:
        return "Here BatchNorm does harm: only the plain network learns."
    return f"Neither network learns within {STEPS} steps, with BatchNorm or without."


def _learns(shares: Numbers) -> bool:
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
    rows = []
    for name, levels in _both(records):
        cells = [
            number(levels.activation[-1]),
            _growth(levels.gradient),
            _growth(levels.predicted_gradient),
            _right(levels.accuracies),
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


def _growth(gradient: Numbers) -> str:
    """Write the geometric mean of the factors on a squared gradient from layer to layer."""
    layers = len(gradient) - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (gradient[0] / gradient[-1]) ** (2 / layers) if layers else math.nan
    if not math.isfinite(mean):
        return ""
    return f"× {mean:.2f}" if 0.1 < mean < 10 else f"× {number(mean)}"


def _right(shares: Numbers) -> str:
    means = recent(shares)
    if len(means) < len(shares):
        return "diverged"
    return percent(means[-1]) if len(means) else ""


class BatchNorm(Explorer):
    """Explore what BatchNorm forgives, and what it does not fix.

    A network beside its twin without BatchNorm, with the same weights.

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

    def compute(self, settings: BatchnormSettings, seconds: float) -> Scene:
        """Show signals, gradients and training with and without BatchNorm: the signals first."""
        is_first = settings != self._seen and math.isfinite(seconds)
        self._seen = settings
        records = batchnorm_records(settings, 0.0 if is_first else seconds)
        return Scene(
            headline=_headline(records),
            table=_table(records),
            network=Network(strips=[_strip(name, levels) for name, levels in _both(records)]),
            panels=[
                _profile(records, "activation", "Activations"),
                _profile(records, "gradient", "Gradients"),
                _factors(records),
                _invariance(records),
                _accuracy(records),
            ],
            finished=records.finished,
        )


batchnorm = BatchNorm
