"""What does each scheme put into a weight? The matrix, its entries, and how it stretches."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from initlab.explore.explorer import Explorer
from initlab.explore.panels import Axis, HeatMap, Lines, counted, dashes, dots
from initlab.explore.scene import Column, Row, Scene, Table
from initlab.explore.weight_records import WeightRecords, WeightSettings, weight_records
from initlab.format import number, percent


def _matrix(records: WeightRecords) -> HeatMap:
    units, inputs = records.values.shape
    limit = float(records.edges[-1])
    return HeatMap(
        title=f"{repr(records.scheme).split('(')[0]}: a row is a unit",
        x=counted("input", inputs), y=counted("unit", units),
        values=records.values, low=-limit, high=limit, span=4, height=460,
    )  # fmt: skip


def _entries(records: WeightRecords) -> Lines:
    edges, measured = records.edges, 100 * records.shares
    middles = (edges[:-1] + edges[1:]) / 2
    series = [dots("measured", measured, x=middles, colour="activation")]
    if records.expected is not None:
        series += dashes(100 * records.expected, "ink", x=middles, name="its distribution")
    return Lines(
        title="Its entries",
        x=Axis(label="weight", low=float(edges[0]), high=float(edges[-1])),
        y=Axis(label="share of entries (%)", low=0, high=1.15 * float(measured.max())),
        series=series, span=4, height=460,
    )  # fmt: skip


def _stretch(records: WeightRecords) -> Lines:
    values = records.singular_values
    return Lines(
        title="Stretch by direction",
        x=counted("place", len(values)),
        y=Axis(label="singular value", low=0, high=1.1 * float(values.max()) or 1.0),
        series=[dots("measured", values, colour="gradient")], span=4, height=460,
    )  # fmt: skip


def _headline(records: WeightRecords) -> str:
    """Conclude what the matrix does to its input."""
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
    cells = [
        "about 0" if is_chance else number(values.mean()),
        number(_std(records)),
        "none" if records.std_given is None else number(records.std_given),
        percent((values == 0).mean()),
        number(records.singular_values[0]),
    ]
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

    def compute(self, settings: WeightSettings, seconds: float) -> Scene:
        """Show the matrix, its entries over their distribution, and its singular values."""
        records = weight_records(settings)
        return Scene(
            headline=_headline(records),
            table=_table(records),
            panels=[_matrix(records), _entries(records), _stretch(records)],
        )


weight = Weight
