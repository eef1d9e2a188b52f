"""Which directions of the input does a deep network keep, and which does it lose?

`spectrum_records` computes the singular values of the Jacobian, `spectrum_scene` turns them into
words and panels, and `Spectrum` puts controls around both.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from initlab.explore.explorer import Explorer
from initlab.explore.panels import (
    Axis,
    Column,
    Lines,
    Network,
    Row,
    Scene,
    Series,
    Strip,
    Table,
)
from initlab.explore.signal_records import round_up
from initlab.explore.spectrum_records import (
    Floats,
    SchemeSpectrum,
    SpectrumRecords,
    SpectrumSettings,
    Values,
    spectrum_records,
)
from initlab.format import number

SYMBOLS = ("circle", "square")  # of the scheme, and of the one beside it
MARKS = "●□"  # the same in the table
ALIKE = 0.005  # in log₁₀, about one percent


def spectrum_scene(records: SpectrumRecords) -> Scene:
    """Show the singular values, how they came about layer by layer, and their spread.

    Args:
        records: What `spectrum_records` computed.

    Returns:
        Headline, table, network and three panels.
    """
    return Scene(
        headline=headline(records),
        table=_table(records),
        network=Network(
            strips=[_strip(one, records.width) for one in records.spectra],
            low="alike",
            high="unlike",
        ),
        panels=[_sorted(records), _by_depth(records), _spread(records)],
        finished=records.finished,
    )


def _strip(one: SchemeSpectrum, width: int) -> Strip:
    """Colour each layer by the spread: from 1, all alike, to as many as there are units."""
    with np.errstate(all="ignore"):
        colours = 2 * np.log(one.spread) / math.log(width) - 1
    colours = np.where(np.isnan(colours), -np.inf, np.clip(colours, -1, 1))
    notes = [
        f"{one.scheme}, {k} layers: spread m₄/m₂² {number(spread)}."
        for k, spread in enumerate(one.spread, start=1)
    ]
    return Strip(values=colours.astype(np.float32), notes=notes)


def _sorted(records: SpectrumRecords) -> Lines:
    """Draw every singular value of the whole, theory behind."""
    places = np.arange(1.0, records.width + 1)
    series = []
    for one, symbol in zip(records.spectra, SYMBOLS, strict=False):
        found = _padded(one.last)
        series.append(_dots(one, symbol, places[: len(found)], found))
        if one.predicted.size:
            series.append(_dashes(one, "theory", places, one.predicted))
    return Lines(
        title=f"All of {_what(records)}",
        x=Axis(label="place (1 = largest)", low=0.5, high=records.width + 0.5, whole=True),
        y=_powers([line.y for line in series if line.style == "dots"]),
        series=series,
        span=4,
        height=460,
    )


def _padded(values: Values) -> Floats:
    """Add the zeros; behind values that are not resolved they would have no place."""
    zeros = 0 if values.unresolved else values.zeros
    return np.append(values.logs, np.full(zeros, -math.inf))


def _by_depth(records: SpectrumRecords) -> Lines:
    """Follow the largest and the smallest singular value up through the layers."""
    nowhere = np.empty(0, np.float32)
    look: dict[str, Any] = {"x": nowhere, "y": nowhere, "style": "dots"}
    series = [Series(name="largest", **look), Series(name="smallest", hollow=True, **look)]
    for one, symbol in zip(records.spectra, SYMBOLS, strict=False):
        marks = np.array([*one.values], dtype=float)
        for name, place in (("largest", 0), ("smallest", -1)):
            ends = np.array([_end(values, place) for values in one.values.values()])
            dots = _dots(one, symbol, marks, ends)
            series.append(replace(dots, name=f"{one.scheme}, {name}", hollow=place == -1))
        if one.predicted_largest.size:
            series.append(_dashes(one, "theory", _layers(one), one.predicted_largest))
    return Lines(
        title="Largest and smallest",
        x=Axis(label="layers", low=0.5, high=records.depth + 0.5, whole=True),
        y=_powers([line.y for line in series]),
        series=series,
        span=4,
        height=460,
    )


def _end(values: Values, place: int) -> float:
    """The largest (place 0) or smallest (-1); nan where float64 does not resolve it."""
    if place and (values.unresolved or values.zeros):
        return math.nan if values.unresolved else -math.inf
    return float(values.logs[place]) if values.logs.size else -math.inf


def _spread(records: SpectrumRecords) -> Lines:
    """Lay the measured spread over what theory predicts for wide layers."""
    series = []
    for one, symbol in zip(records.spectra, SYMBOLS, strict=False):
        series.append(_dots(one, symbol, _layers(one), one.spread))
        if np.isfinite(one.predicted_spread).any():
            series.append(_dashes(one, "theory", _layers(one), one.predicted_spread))
    most = max(float(line.y[np.isfinite(line.y)].max(initial=2.0)) for line in series)
    return Lines(
        title="Spread (1: all alike)",
        x=Axis(label="layers", low=0.5, high=records.depth + 0.5, whole=True),
        y=Axis(label="m₄ / m₂²", low=0, high=round_up(1.05 * most)),
        series=series,
        span=4,
        height=460,
    )


def _dots(one: SchemeSpectrum, symbol: str, x: Floats, y: Floats) -> Series:
    """Show what was measured, where there is something."""
    known = ~np.isnan(y)
    x, y = x[known], y[known]
    return Series(
        name=one.scheme, x=x.astype(np.float32), y=y.astype(np.float32), style="dots",
        symbol=symbol, colour=one.scheme, hollow=symbol == SYMBOLS[1], listed=False,
    )  # fmt: skip


def _dashes(one: SchemeSpectrum, name: str, x: Floats, y: Floats) -> Series:
    """Show what theory says, in the colour of its scheme."""
    return Series(
        name=name, x=x.astype(np.float32), y=y.astype(np.float32), style="dashes",
        colour=one.scheme,
    )  # fmt: skip


def _layers(one: SchemeSpectrum) -> Floats:
    return np.arange(1.0, len(one.spread) + 1)


def _powers(curves: list[NDArray[np.float32]]) -> Axis:
    """Make an axis for singular values between powers of ten."""
    seen = np.concatenate(curves)
    known = seen[np.isfinite(seen)]
    ends = (known.min(), known.max()) if known.size else (0.0, 0.0)
    low, high = math.floor(ends[0] - 0.1), math.ceil(ends[1] + 0.1)
    return Axis(label="singular value (log axis)", low=low, high=high, powers=True)


def _what(records: SpectrumRecords) -> str:
    count = len(records.spectra[0].spread)
    if records.activation == "linear":
        return "one matrix" if count == 1 else f"{count} matrices multiplied"
    return f"the Jacobian, {'one layer' if count == 1 else f'{count} layers'}"


def headline(records: SpectrumRecords) -> str:
    """Conclude how unlike each network stretches the directions of its input.

    Args:
        records: What `spectrum_records` computed.

    Returns:
        At most twelve words.
    """
    return f"{'; '.join(_say_one(one) for one in records.spectra)}."


def _say_one(one: SchemeSpectrum) -> str:
    values = one.last
    lost = values.zeros + values.unresolved
    if not values.logs.size:
        return f"{one.scheme} passes nothing on"
    if lost:
        return f"{one.scheme} loses {lost} of {lost + values.logs.size} directions"
    ratio = values.logs[0] - values.logs[-1]
    if ratio < ALIKE:
        return f"{one.scheme} stretches all directions alike"
    return f"{one.scheme} spreads directions {_power(ratio)} times"


def _table(records: SpectrumRecords) -> Table:
    return Table(
        columns=[
            Column(label="largest", hint="Largest singular value: most stretched direction"),
            Column(label="smallest", hint="Smallest singular value that is not 0"),
            Column(label="ratio", hint="Condition number: largest over smallest"),
            Column(label="spread", hint="m₄/m₂², 1 if all directions are stretched alike"),
            Column(label="theory", hint="The spread of wide layers; n units allow n at most"),
        ],
        rows=[
            Row(name=one.scheme, cells=_cells(one), colour=one.scheme, mark=mark)
            for one, mark in zip(records.spectra, MARKS, strict=False)
        ],
        most=2,
    )


def _cells(one: SchemeSpectrum) -> list[str]:
    values, theory = one.last, one.predicted_spread[-1]
    beside = number(theory) if math.isfinite(theory) else ""
    if not values.logs.size:
        return ["0", "0", "", "", beside]
    largest, smallest = values.logs[0], values.logs[-1]
    is_whole = not (values.zeros or values.unresolved)
    ratio = _power(largest - smallest) if is_whole else "∞"
    return [_power(largest), _power(smallest), ratio, number(one.spread[-1]), beside]


def _power(log: float) -> str:
    """Write 10^log with two digits, also where it leaves the range of floats.

    >>> _power(0.0), _power(-24.82), _power(-400.5)
    ('1', '1.5e-25', '3.2e-401')
    """
    if abs(log) < 300:
        return number(10.0**log)
    whole = math.floor(log)
    return f"{10 ** (log - whole):.1f}e{whole}"


class Spectrum(Explorer):
    """Explore which directions a deep network keeps: the singular values of its Jacobian.

    Two networks of square layers without biases, at one standard normal input, that differ in
    their scheme only.

    Args:
        **values: Where the controls start.

    >>> explorer = Spectrum(width=32)
    >>> explorer.depth = 2
    >>> explorer.headline.split("; ")[-1]
    'orthogonal stretches all directions alike.'
    """

    Settings = SpectrumSettings
    title = "Singular values of a deep network"
    presets: ClassVar = {
        "Gaussian or orthogonal?": {},
        "100 layers?": {"depth": 100},
        "One matrix?": {"depth": 1, "width": 128},
        "Normal or uniform?": {"other": "xavier_uniform"},
        "PyTorch's default?": {"scheme": "torch_default"},
        "Tanh, gain 1?": {"activation": "tanh"},
        "Tanh, gain 3?": {"activation": "tanh", "gain": 3.0},
        "Does any fix ReLU?": {"activation": "relu", "gain": 1.41},
    }

    def compute(self, settings: SpectrumSettings, *, patient: bool) -> Scene:
        """Multiply, in slices unless `patient`, and show."""
        return spectrum_scene(spectrum_records(settings, patient=patient))


spectrum = Spectrum
