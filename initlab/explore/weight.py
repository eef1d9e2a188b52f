"""What does each scheme put into a weight? The matrix, its entries, and how it stretches."""

from __future__ import annotations

from typing import Any

import numpy as np

from initlab.explore.controls import Choice, Slider
from initlab.explore.explorer import Explorer
from initlab.explore.panels import Axis, HeatMap, Lines, Scene, Series
from initlab.explore.scheme_options import SchemeOptions
from initlab.explore.signal import number, percent
from initlab.explore.weight_records import WeightRecords, WeightSettings, weight_records


def weight_scene(records: WeightRecords) -> Scene:
    """Show the matrix, its entries over their distribution, and its singular values.

    Args:
        records: What `weight_records` measured.

    Returns:
        A sentence and three panels.
    """
    return Scene(sentence=say(records), panels=[_matrix(records), _entries(records), _svd(records)])


def _matrix(records: WeightRecords) -> HeatMap:
    units, inputs = records.values.shape
    limit = float(records.edges[-1])
    return HeatMap(
        title="The matrix: a row is a unit",
        x=Axis(label="input", low=0.5, high=inputs + 0.5, whole=True),
        y=Axis(label="unit", low=0.5, high=units + 0.5, whole=True),
        values=records.values.astype(np.float32),
        low=-limit,
        high=limit,
        span=6,
        height=300,
    )


def _entries(records: WeightRecords) -> Lines:
    middles = np.asarray((records.edges[:-1] + records.edges[1:]) / 2, np.float32)
    measured = np.asarray(100 * records.shares, np.float32)
    series = [Series(name="measured", x=middles, y=measured, style="dots")]
    if records.expected is not None:
        theory = np.asarray(100 * records.expected, np.float32)
        series.append(Series(name="its distribution", x=middles, y=theory, style="dashes"))
    return Lines(
        title="Its entries",
        x=Axis(label="weight", low=float(records.edges[0]), high=float(records.edges[-1])),
        y=Axis(label="share of entries (%)", low=0, high=1.15 * float(measured.max())),
        series=series,
        span=6,
        height=300,
    )


def _svd(records: WeightRecords) -> Lines:
    values = np.asarray(records.singular_values, np.float32)
    places = np.arange(1, len(values) + 1, dtype=np.float32)
    return Lines(
        title="Its singular values, largest first: how far it stretches each direction",
        x=Axis(label="place", low=0.5, high=len(values) + 0.5, whole=True),
        y=Axis(label="singular value", low=0, high=1.1 * float(values.max()) or 1.0),
        series=[Series(name="measured", x=places, y=values, style="dots", colour=1)],
        height=210,
    )


def say(records: WeightRecords) -> str:
    """Say what stands in the matrix, with the numbers that the panels show.

    Args:
        records: What `weight_records` measured.
    """
    values = records.values
    units, inputs = values.shape
    is_chance = records.scheme.centred and bool(values.any())
    mean = "about 0" if is_chance else number(float(values.mean()))
    zeros = float((values == 0).mean())
    given = "no single number" if records.std_given is None else number(records.std_given)
    times = "" if records.gain == 1 else f"{number(records.gain)} × "
    std = float(values.std())
    std = std if std > 1e-12 * float(np.abs(values).max()) else 0.0  # rounding of equal entries
    low, high = float(records.singular_values[-1]), float(records.singular_values[0])
    return (
        f"{times}{records.scheme!r}, {units} units × {inputs} inputs: mean {mean}, "
        f"std {number(std)} (its formula gives {given})"
        + (f", {percent(zeros)} zeros" if zeros else "")
        + f". Singular values from {number(low)} to {number(high)}."
    )


class Weight(Explorer):
    """One weight matrix, while scheme, fans, gain or seed change.

    Args:
        **values: A value for each control that is not to start at its default.

    >>> explorer = Weight(fan_in=200, fan_out=50)
    >>> explorer.scheme = "eye"
    >>> explorer.sentence.split(". ")[1]
    'Singular values from 1 to 1.'
    """

    title = "What a scheme puts into a weight"

    scheme = Choice("xavier_normal", label="scheme", options=SchemeOptions())
    fan_in = Slider(96, label="fan-in", low=4, high=256, whole=True)
    fan_out = Slider(64, label="fan-out", low=4, high=256, whole=True)
    gain = Slider(1.0, label="gain", low=0.1, high=10, log=True, unit="× std")
    seed = Slider(0, label="seed", low=0, high=99, whole=True)

    def compute(self, *, patient: bool, **values: Any) -> Scene:
        """Fill and show."""
        return weight_scene(weight_records(WeightSettings(**values)))


def weight(**values: Any) -> Weight:
    """Explore what each scheme that fills a matrix puts into it.

    Args:
        **values: Where the controls start: `scheme`, `fan_in` and `fan_out` (4 to 256), `gain`
            (factor on every entry, 0.1 to 10), `seed`.

    Returns:
        The explorer: show it at the end of a cell, or set its traits and read its `.sentence`.

    Raises:
        ValueError: No control has this name, or it does not allow this value.
        TypeError: A value has the wrong type.

    >>> weight(scheme="constant").sentence.split(". ")[0]
    'constant(val=0.02), 64 units × 96 inputs: mean 0.02, std 0 (its formula gives 0)'
    """
    return Weight(**values)
