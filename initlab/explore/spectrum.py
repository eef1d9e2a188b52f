"""Which directions of the input does a deep network keep, and which does it lose?"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from initlab.explore.explorer import Explorer
from initlab.explore.panels import Axis, Lines, Numbers, Series, counted, dashes, dots, round_up
from initlab.explore.scene import Column, Network, Row, Scene, Strip, Table
from initlab.explore.spectrum_records import (
    SchemeSpectrum,
    SpectrumSettings,
    Values,
    spectrum_records,
)
from initlab.explore.words import known
from initlab.format import number

SYMBOLS = ("circle", "square")  # of the scheme, and of the one beside it
MARKS = "●□"  # the same in the table
ALIKE = 0.005  # in log₁₀, about one percent


def _strip(one: SchemeSpectrum, width: int) -> Strip:
    """Colour each layer by the spread: from 1, all alike, to as many as there are units."""
    with np.errstate(all="ignore"):
        colours = 2 * np.log(one.spread) / math.log(width) - 1
    colours = np.where(np.isnan(colours), -np.inf, np.clip(colours, -1, 1))
    notes = [
        f"{one.scheme}, {k} layers: spread m₄/m₂² {number(spread)}."
        for k, spread in enumerate(one.spread, start=1)
    ]
    return Strip(values=colours, notes=notes)


def _sorted(spectra: list[SchemeSpectrum], settings: SpectrumSettings) -> Lines:
    """Draw every singular value of the whole, theory behind."""
    found = [_padded(one.last) for one in spectra]
    series = []
    for place, one in enumerate(spectra):
        series += [_dots(one, place, found[place]), *dashes(one.predicted, one.scheme)]
    return Lines(
        title=f"All of {_what(settings)}", x=counted("place (1 = largest)", settings.width),
        y=_powers(found), series=series, span=4, height=460,
    )  # fmt: skip


def _padded(values: Values) -> Numbers:
    """Add the zeros; behind values that are not resolved they would have no place."""
    zeros = 0 if values.unresolved else values.zeros
    return np.append(values.logs, np.full(zeros, -math.inf))


def _by_depth(spectra: list[SchemeSpectrum], settings: SpectrumSettings) -> Lines:
    """Follow the largest and the smallest singular value up through the layers."""
    nothing = np.empty(0)  # for the legend
    series = [dots("largest", nothing), dots("smallest", nothing, hollow=True)]
    for place, one in enumerate(spectra):
        marks = np.array([*one.values])
        for name, end in (("largest", 0), ("smallest", -1)):
            ends = np.array([_end(values, end) for values in one.values.values()])
            look: dict[str, Any] = {"name": f"{one.scheme}, {name}", "hollow": end == -1}
            series.append(_dots(one, place, ends, x=marks, **look))
        series += dashes(one.predicted_largest, one.scheme)
    return Lines(
        title="Largest and smallest", x=counted("layers", settings.depth),
        y=_powers([line.y for line in series]), series=series, span=4, height=460,
    )  # fmt: skip


def _end(values: Values, place: int) -> float:
    """The largest (place 0) or smallest (-1); nan where float64 does not resolve it."""
    if place and (values.unresolved or values.zeros):
        return math.nan if values.unresolved else -math.inf
    return float(values.logs[place]) if values.logs.size else -math.inf


def _spread(spectra: list[SchemeSpectrum], settings: SpectrumSettings) -> Lines:
    """Lay the measured spread over what theory predicts for wide layers."""
    series = []
    for place, one in enumerate(spectra):
        series += [_dots(one, place, one.spread), *dashes(one.predicted_spread, one.scheme)]
    most = max(float(line.y[np.isfinite(line.y)].max(initial=2.0)) for line in series)
    return Lines(
        title="Spread (1: all alike)", x=counted("layers", settings.depth),
        y=Axis(label="m₄ / m₂²", low=0, high=round_up(1.05 * most)),
        series=series, span=4, height=460,
    )  # fmt: skip


def _dots(
    one: SchemeSpectrum, place: int, y: Numbers, *, x: Numbers | None = None, **more: Any
) -> Series:
    """Show what was measured of the first or second scheme, where there is something."""
    there = ~np.isnan(y)
    x = np.arange(1, len(y) + 1) if x is None else x
    look = {"name": one.scheme, "colour": one.scheme, "hollow": place == 1, **more}
    return dots(y=y[there], x=x[there], symbol=SYMBOLS[place], listed=False, **look)


def _powers(curves: list[Numbers]) -> Axis:
    """Make an axis for singular values between powers of ten."""
    seen = np.concatenate(curves)
    finite = seen[np.isfinite(seen)]
    ends = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    low, high = math.floor(ends[0] - 0.1), math.ceil(ends[1] + 0.1)
    return Axis(label="singular value (log axis)", low=low, high=high, powers=True)


def _what(settings: SpectrumSettings) -> str:
    count = settings.depth
    if settings.activation == "linear":
        return "one matrix" if count == 1 else f"{count} matrices multiplied"
    return f"the Jacobian, {'one layer' if count == 1 else f'{count} layers'}"


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


def _table(spectra: list[SchemeSpectrum]) -> Table:
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
            for one, mark in zip(spectra, MARKS, strict=False)
        ],
        most=2,
    )


def _cells(one: SchemeSpectrum) -> list[str]:
    values, beside = one.last, known(one.predicted_spread[-1])
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

    def compute(self, settings: SpectrumSettings, seconds: float) -> Scene:
        """Show the singular values, how they came about layer by layer, and their spread."""
        spectra = spectrum_records(settings)
        strips = [_strip(one, settings.width) for one in spectra]
        return Scene(
            headline=f"{'; '.join(_say_one(one) for one in spectra)}.",
            table=_table(spectra),
            network=Network(strips=strips, low="alike", high="unlike"),
            panels=[show(spectra, settings) for show in (_sorted, _by_depth, _spread)],
        )


spectrum = Spectrum
