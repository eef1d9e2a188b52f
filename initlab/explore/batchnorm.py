"""How much bad initialisation does BatchNorm forgive, and what does it not mend?

`batchnorm_records` measures and trains, `batchnorm_scene` turns the numbers into a sentence and
panels, and `BatchNorm` puts controls around both.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from initlab.explore.batchnorm_records import (
    STEPS,
    BatchnormRecords,
    BatchnormSettings,
    Floats,
    Levels,
    Scaled,
    batchnorm_records,
)
from initlab.explore.controls import Choice, Slider
from initlab.explore.explorer import Explorer
from initlab.explore.panels import Axis, Lines, Rule, Scene, Series
from initlab.explore.signal import decades, number, percent

SLICE = 0.03  # seconds of computing between two looks at the controls
RECENT = 20  # batches over which an accuracy is averaged
NORMED, PLAIN = "with BatchNorm", "without"
LOOKS: dict[str, dict[str, Any]] = {
    NORMED: {"colour": 2, "symbol": "circle"},
    PLAIN: {"colour": 1, "symbol": "square"},
}
CURVES = ("relu", "leaky_relu", "tanh", "sigmoid", "linear")


def batchnorm_scene(records: BatchnormRecords) -> Scene:
    """Show signals, gradients and training with and without BatchNorm, and say what they show.

    Args:
        records: What `batchnorm_records` gives.

    Returns:
        A sentence and five panels.
    """
    return Scene(
        sentence=say(records),
        panels=[
            _profile(records, "activation", "Activations"),
            _profile(records, "gradient", "Gradients"),
            _factors(records),
            _invariance(records),
            _accuracy(records),
        ],
        finished=records.finished,
    )


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
    return Lines(
        title=f"{title}: rms by layer",
        x=Axis(label="layer", low=0.5, high=depth + 0.5, whole=True),
        y=Axis(label="rms (log axis)", low=low, high=high, log=True),
        series=series, span=6, height=320,
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
        y=Axis(label="layer l over layer l + 1", low=0, high=4),
        series=series, note=_theory(records), span=4, height=330,
    )  # fmt: skip


def _theory(records: BatchnormRecords) -> str:
    expected = _expected(records)
    if math.isnan(expected):
        return ""
    size = f"batch of {records.batch_size}" if math.isfinite(records.factor) else "large batch"
    return f"theory, {size}: {_factor(expected)}"


def _expected(records: BatchnormRecords) -> float:
    """Give the geometric mean of the dashed line, which knows BatchNorm's eps."""
    known = records.normed.predicted_factors
    return float(np.exp(np.log(known).mean())) if known.size and (known > 0).all() else math.nan


def _invariance(records: BatchnormRecords) -> Lines:
    """Show where the network with BatchNorm stops being blind to the size of its weights."""
    scales = np.array([one.factor for one in records.scaled])
    change = np.array([one.change for one in records.scaled])
    gradient = np.array([one.gradient * one.factor for one in records.scaled])
    moved = scales != 1.0  # from itself a network does not differ
    return Lines(
        title="BatchNorm, hidden weights × a",
        x=Axis(label="a", low=1e-4, high=10, log=True),
        y=Axis(label="ratio (log axis)", low=1e-6, high=100, log=True),
        series=[
            _series("change of the output", 0, "diamond", scales[moved], _edged(change[moved])),
            _series("gradient × a", 3, "square", scales, _edged(gradient)),
        ],
        cursor=records.scale, span=4, height=330,
    )  # fmt: skip


def _edged(ratios: Floats) -> Floats:
    """Turn what lies below the axis into 0, which is shown at its edge."""
    return np.where(ratios < 1e-6, 0.0, ratios)


def _accuracy(records: BatchnormRecords) -> Lines:
    pairs = [(NORMED, records.accuracies), (PLAIN, records.plain_accuracies)]
    return Lines(
        title=f"Accuracy, mean of {RECENT} batches",
        x=Axis(label="training step", low=0, high=STEPS, whole=True),
        y=Axis(label="share that is right", low=0, high=1.02),
        series=[
            Series(name=name, x=_layers(recent(shares)).astype(np.float32),
                   y=recent(shares).astype(np.float32), every=20, **LOOKS[name])
            for name, shares in pairs
        ],
        rules=[Rule(y=0.1, label="guessing")],
        span=4, height=330,
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


def _series(name: str, colour: int, symbol: str, x: Floats, y: Floats) -> Series:
    return Series(name=name, x=x.astype(np.float32), y=y.astype(np.float32), style="dots",
                  colour=colour, symbol=symbol)  # fmt: skip


def _layers(values: Floats) -> Floats:
    """Number from 1: layers, or steps."""
    return np.arange(1.0, len(values) + 1)


def say(records: BatchnormRecords) -> str:
    """Say what BatchNorm does to signals, gradients and training, with the numbers.

    Args:
        records: What `batchnorm_records` gives.

    Returns:
        A few short sentences.
    """
    parts = [
        f"Hidden weights {number(records.scale)} × Kaiming's, batches of {records.batch_size}.",
        _say_forwards(records),
        _say_backwards(records),
        _say_scale(records.here),
        _say_training(records),
    ]
    return " ".join(filter(None, parts))


def _say_forwards(records: BatchnormRecords) -> str:
    depth = len(records.normed.activation)
    tops = [levels.activation[-1] for _, levels in _both(records)]
    ends = [number(top) if math.isfinite(top) else "inf or nan" for top in tops]
    return f"Layer {depth} emits rms {ends[0]} with BatchNorm, {ends[1]} without."


def _say_backwards(records: BatchnormRecords) -> str:
    factor = records.normed.factor
    if math.isnan(factor):
        return ""
    which = "theory" if math.isfinite(records.factor) else "theory for large batches"
    expected = _expected(records)
    beside = "" if math.isnan(expected) else f" ({which} {_factor(expected)})"
    plain = records.plain.factor
    other = f", without it by {_factor(plain)}" if plain > 0 else ""
    return (
        f"Backwards each layer multiplies the squared gradient by {_factor(factor)} with BatchNorm"
        f"{beside}{other}."
    )


def _factor(value: float) -> str:
    return f"{value:.2f}" if 0.1 < value < 10 else number(value)


def _say_scale(here: Scaled | None) -> str:
    if here is None or here.factor == 1:
        return ""
    # rounding alone differs from machine to machine, so it is not told
    change = f"{number(100 * here.change)} %" if here.change > 1e-4 else "less than 0.01 %"
    return (
        f"Against a = 1 the output with BatchNorm changes by {change}, the gradient by a factor "
        f"{number(here.gradient)} (1/a = {number(1 / here.factor)}); the cosine of gradient and "
        f"weights is at most {number(max(here.cosine, 1e-6))}."
    )


def _say_training(records: BatchnormRecords) -> str:
    done = len(records.accuracies)
    if not done:
        return "(computing)"
    shares = [_right(one) for one in (records.accuracies, records.plain_accuracies)]
    steps = "one step" if done == 1 else f"{done} steps"
    told = f"Digits right after {steps}: {shares[0]} with BatchNorm, {shares[1]} without."
    return told if records.finished else f"{told} (computing: step {done})"


def _right(shares: Floats) -> str:
    last = recent(shares)
    if len(last) < len(shares):
        return f"none (diverged at step {len(last) + 1})"
    return percent(last[-1])


class BatchNorm(Explorer):
    """A network with and without BatchNorm: signals, gradients and a short training.

    Args:
        **values: A value for each control that is not to start at its default.

    >>> explorer = BatchNorm(depth=3, width=32)
    >>> explorer.scale = 0.01
    >>> explorer.sentence.split(",")[0]
    "Hidden weights 0.01 × Kaiming's"
    """

    title = "BatchNorm: what it forgives and what it does not mend"
    _seen: dict[str, Any] = {}  # noqa: RUF012 (replaced, never changed): values of the last picture

    scale = Slider(0.1, label="weights", low=1e-4, high=10, log=True, unit="× Kaiming")
    batch_size = Choice(128, label="batch size", options={n: str(n) for n in (4, 8, 32, 128, 512)})
    depth = Slider(10, label="depth", low=1, high=50, whole=True)
    width = Choice(64, label="width", options={n: str(n) for n in (32, 64, 128, 256)})
    activation = Choice("relu", label="activation", options={name: name for name in CURVES})
    seed = Slider(0, label="seed", low=0, high=99, whole=True)

    presets: ClassVar = {
        "weights far too small": {"scale": 0.01},
        "weights far too large": {"scale": 10.0},
        "so small that eps counts": {"scale": 1e-4},
        "right weights, 30 layers": {"scale": 1.0, "depth": 30, "width": 128},
        "batches of 8, 30 layers": {"scale": 1.0, "depth": 30, "width": 128, "batch_size": 8},
        "no nonlinearity": {"scale": 1.0, "activation": "linear"},
        "tanh": {"activation": "tanh"},
    }

    def compute(self, *, patient: bool, **values: Any) -> Scene:
        """Measure and show; theory, the test of scale-invariance and training follow in slices."""
        at_first = not patient and values != self._seen
        self._seen = values
        seconds = math.inf if patient else 0.0 if at_first else SLICE
        return batchnorm_scene(batchnorm_records(BatchnormSettings(**values), seconds=seconds))


def batchnorm(**values: Any) -> BatchNorm:
    """Explore what BatchNorm forgives, and what it does not mend.

    A network beside its twin without BatchNorm, with the same weights.

    Args:
        **values: Where the controls start: `scale` (factor on the std of the hidden weights,
            1e-4 to 10), `batch_size` (4, 8, 32, 128 or 512), `depth` (1 to 50), `width` (32, 64,
            128 or 256), `activation` ("relu", "leaky_relu", "tanh", "sigmoid" or "linear"),
            `seed`.

    Returns:
        The explorer: show it at the end of a cell, or set its traits and read its `.sentence`.

    Raises:
        ValueError: No control has this name, or it does not allow this value.
        TypeError: A value has the wrong type.
    """
    return BatchNorm(**values)
