"""What does each scheme put into a weight? The matrix, its entries, and how it stretches."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from initlab.explore.explorer import Explorer
from initlab.explore.panels import (
    Axis,
    Column,
    HeatMap,
    Lines,
    Row,
    Scene,
    Series,
    Table,
)
from initlab.explore.weight_records import WeightRecords, WeightSettings, weight_records
from initlab.format import number, percent


def weight_scene(records: WeightRecords) -> Scene:
    """Show the matrix, its entries over their distribution, and its singular values.

    Args:
        records: What `weight_records` measured.

    Returns:
        Headline, table and three panels.
    """
    return Scene(
        headline=headline(records),
        table=_table(records),
        panels=[_matrix(records), _entries(records), _svd(records)],
    )


def _matrix(records: WeightRecords) -> HeatMap:
    units, inputs = records.values.shape
    limit = float(records.edges[-1])
    return HeatMap(
        title=f"{repr(records.scheme).split('(')[0]}: a row is a unit",
        x=Axis(label="input", low=0.5, high=inputs + 0.5, whole=True),
        y=Axis(label="unit", low=0.5, high=units + 0.5, whole=True),
        values=records.values.astype(np.float32),
        low=-limit,
        high=limit,
        span=4,
        height=460,
    )


def _entries(records: WeightRecords) -> Lines:
    middles = np.asarray((records.edges[:-1] + records.edges[1:]) / 2, np.float32)
    measured = np.asarray(100 * records.shares, np.float32)
    series = [Series(name="measured", x=middles, y=measured, style="dots", colour="activation")]
    if records.expected is not None:
        theory = np.asarray(100 * records.expected, np.float32)
        series.append(
            Series(name="its distribution", x=middles, y=theory, style="dashes", colour="ink")
        )
    return Lines(
        title="Its entries",
        x=Axis(label="weight", low=float(records.edges[0]), high=float(records.edges[-1])),
        y=Axis(label="share of entries (%)", low=0, high=1.15 * float(measured.max())),
        series=series,
        span=4,
        height=460,
    )


def _svd(records: WeightRecords) -> Lines:
    values = np.asarray(records.singular_values, np.float32)
    places = np.arange(1, len(values) + 1, dtype=np.float32)
    return Lines(
        title="Stretch by direction",
        x=Axis(label="place", low=0.5, high=len(values) + 0.5, whole=True),
        y=Axis(label="singular value", low=0, high=1.1 * float(values.max()) or 1.0),
        series=[Series(name="measured", x=places, y=values, style="dots", colour="gradient")],
        span=4,
        height=460,
    )


def headline(records: WeightRecords) -> str:
    """Conclude what the matrix does to its input.

    Args:
        records: What `weight_records` measured.

    Returns:
        At most twelve words.
    """
    values, singular = records.values, records.singular_values
    if not values.any():
        return "Every weight is 0: nothing passes."
    if not _std(records):
        return "All weights are equal: one direction passes, all others are lost."
    passing = singular[singular > 0]
    low, high = float(passing[-1]), float(passing[0])
    is_alike = high < 1.01 * low
    lost = values.shape[1] - len(passing)
    if lost:
        factors = number(high) if is_alike else f"{number(low)} to {number(high)}"
        return f"{lost} of {values.shape[1]} directions lost; the others stretched {factors} times."
    if is_alike:
        return f"Every direction is stretched alike: {number(high)} times."
    return f"Directions are stretched between {number(low)} and {number(high)} times."


def _std(records: WeightRecords) -> float:
    std = float(records.values.std())
    most = float(np.abs(records.values).max())
    return std if std > 1e-12 * most else 0.0  # rounding of equal entries


def _table(records: WeightRecords) -> Table:
    values = records.values
    is_chance = records.scheme.centred and bool(values.any())
    given = "none" if records.std_given is None else number(records.std_given)
    high = float(records.singular_values[0])
    cells = [
        "about 0" if is_chance else number(float(values.mean())),
        number(_std(records)), given, percent(float((values == 0).mean())),
        number(high),
    ]  # fmt: skip
    return Table(
        columns=[
            Column(label="mean", hint="Mean of the entries"),
            Column(label="std", hint="Standard deviation of the entries"),
            Column(label="formula", hint="The std that the scheme's formula gives, if it is one"),
            Column(label="zeros", hint="Share of entries that are exactly 0"),
            Column(label="most σ", hint="Largest singular value"),
        ],
        rows=[Row(name=f"{values.shape[0]} × {values.shape[1]}", cells=cells)],
    )


class Weight(Explorer):
    """Explore what each scheme that fills a matrix puts into it.

    Args:
        **values: Where the controls start.

    >>> explorer = Weight(fan_in=200, fan_out=50)
    >>> explorer.scheme = "eye"
    >>> explorer.headline
    '150 of 200 directions lost; the others stretched 1 times.'
    >>> weight(scheme="constant").headline
    'All weights are equal: one direction passes, all others are lost.'
    """

    Settings = WeightSettings
    title = "What a scheme puts into a weight"
    presets: ClassVar = {
        "Xavier, square?": {"fan_in": 128, "fan_out": 128},
        "Kaiming, wide?": {"scheme": "kaiming_normal", "fan_in": 256, "fan_out": 32},
        "Orthogonal?": {"scheme": "orthogonal"},
        "Sparse?": {"scheme": "sparse"},
        "All ones?": {"scheme": "ones"},
        "PyTorch's default?": {"scheme": "torch_default"},
    }

    def compute(self, settings: WeightSettings, *, patient: bool) -> Scene:
        """Fill and show."""
        return weight_scene(weight_records(settings))


weight = Weight
