"""Which directions of the input does a deep network keep, and which does it lose?

`spectrum_records` computes the singular values of the Jacobian, `spectrum_scene` turns them into a
sentence and panels, and `Spectrum` puts controls around both.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from initlab.activations import ACTIVATIONS
from initlab.explore.controls import Choice, Slider
from initlab.explore.explorer import Explorer
from initlab.explore.panels import Axis, Lines, Scene, Series
from initlab.explore.scheme_options import SchemeOptions, fills_a_random_matrix
from initlab.explore.signal import number
from initlab.explore.signal_records import round_up
from initlab.explore.spectrum_records import (
    Floats,
    SchemeSpectrum,
    SpectrumRecords,
    SpectrumSettings,
    Values,
    spectrum_records,
)
from initlab.plots.style import colour_of

COMPARED = SchemeOptions(fits=fills_a_random_matrix)
SYMBOLS = ("circle", "square")  # of the scheme, and of the one beside it
ALIKE = 0.005  # in log₁₀, about one percent


def spectrum_scene(records: SpectrumRecords) -> Scene:
    """Show the singular values, how they came about layer by layer, and their spread.

    Args:
        records: What `spectrum_records` computed.

    Returns:
        A sentence and three panels.
    """
    return Scene(
        sentence=say(records),
        panels=[_sorted(records), _by_depth(records), _spread(records)],
        finished=records.finished,
    )


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
        title=f"Singular values of {_what(records)}",
        x=Axis(label="place (1 = largest)", low=0, high=records.width + 1, whole=True),
        y=_powers([line.y for line in series if line.style == "dots"]),
        series=series,
        span=6,
        height=400,
    )


def _padded(values: Values) -> Floats:
    """Add the zeros; behind values that are not resolved they would have no place."""
    zeros = 0 if values.unresolved else values.zeros
    return np.append(values.logs, np.full(zeros, -math.inf))


def _by_depth(records: SpectrumRecords) -> Lines:
    """Follow the largest and the smallest singular value up through the layers."""
    series = []
    for one, symbol in zip(records.spectra, SYMBOLS, strict=False):
        marks = np.array([*one.values, *one.values], dtype=float)
        ends = [_end(values, place) for place in (0, -1) for values in one.values.values()]
        series.append(_dots(one, symbol, marks, np.array(ends)))
        if one.predicted_largest.size:
            series.append(_dashes(one, "largest, theory", _layers(one), one.predicted_largest))
    return Lines(
        title="Largest and smallest, layer by layer",
        x=Axis(label="layers", low=0, high=records.depth + 1, whole=True),
        y=_powers([line.y for line in series]),
        series=series,
        span=6,
        height=400,
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
            name = f"{one.scheme}, theory"
            series.append(_dashes(one, name, _layers(one), one.predicted_spread))
    most = max(float(line.y[np.isfinite(line.y)].max(initial=2.0)) for line in series)
    return Lines(
        title="Spread: 1 where all directions are stretched alike",
        x=Axis(label="layers", low=0, high=records.depth + 1, whole=True),
        y=Axis(label="m₄ / m₂²", low=0, high=round_up(1.05 * most)),
        series=series,
        height=300,
    )


def _dots(one: SchemeSpectrum, symbol: str, x: Floats, y: Floats) -> Series:
    """Show what was measured, where there is something."""
    known, colour = ~np.isnan(y), colour_of(one.scheme)
    x, y = x[known], y[known]
    return Series(
        name=one.scheme, x=x.astype(np.float32), y=y.astype(np.float32), style="dots",
        symbol=symbol, colour=colour,
    )  # fmt: skip


def _dashes(one: SchemeSpectrum, name: str, x: Floats, y: Floats) -> Series:
    """Show what theory says, in the colour of its scheme."""
    return Series(
        name=name, x=x.astype(np.float32), y=y.astype(np.float32), style="dashes",
        colour=colour_of(one.scheme),
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
        return "one matrix" if count == 1 else f"the product of {count} matrices"
    return f"the Jacobian of {'one layer' if count == 1 else f'{count} layers'}"


def say(records: SpectrumRecords) -> str:
    """Say between which ends the singular values lie, and how far they spread.

    Args:
        records: What `spectrum_records` computed.

    Returns:
        A few short sentences with the numbers.
    """
    reached = len(records.spectra[0].spread)
    what = f"{reached} {'layer' if reached == 1 else 'layers'} of {records.width} units"
    told = " ".join([f"{what}.", *(_say_one(one) for one in records.spectra)])
    return told if records.finished else f"{told} (computing: layer {reached})"


def _say_one(one: SchemeSpectrum) -> str:
    values = one.last
    if not values.logs.size:
        return f"{one.scheme}: every singular value is 0."
    largest, smallest = values.logs[0], values.logs[-1]
    if largest - smallest < ALIKE:
        ends = f"every singular value is {_power(largest)}"
    else:
        ends = f"singular values from {_power(largest)} down to {_power(smallest)}"
    if values.zeros:
        ends += f", and {values.zeros} of 0"
    if values.unresolved:
        ends += f", and {values.unresolved} below 1e-260 of the largest, not shown"
    if not values.zeros + values.unresolved and largest - smallest >= ALIKE:
        ends += f" (condition number {_power(largest - smallest)})"
    theory = one.predicted_spread[-1]
    units = values.logs.size + values.zeros + values.unresolved
    bound = f"; {units} units allow {units} at most" if theory > units / 2 else ""
    beside = f" (theory for wide layers {number(theory)}{bound})" if math.isfinite(theory) else ""
    return f"{one.scheme}: {ends}; spread m₄/m₂² {number(one.spread[-1])}{beside}."


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
    """The singular values of two deep networks that differ in their scheme, while a control moves.

    Args:
        **values: A value for each control that is not to start at its default.

    >>> explorer = Spectrum(width=32)
    >>> explorer.depth = 2
    >>> explorer.sentence.split(". ")[-1]
    'orthogonal: every singular value is 1; spread m₄/m₂² 1 (theory for wide layers 1).'
    """

    title = "Singular values of a deep network"

    scheme = Choice("xavier_normal", label="scheme", options=COMPARED)
    other = Choice("orthogonal", label="beside", options=COMPARED)
    gain = Slider(1.0, label="gain", low=0.1, high=10, log=True, unit="× std")
    depth = Slider(20, label="depth", low=1, high=100, whole=True)
    width = Choice(64, label="width", options={n: str(n) for n in (32, 64, 128)})
    activation = Choice("linear", label="activation", options={name: name for name in ACTIVATIONS})
    seed = Slider(0, label="seed", low=0, high=99, whole=True)

    presets: ClassVar = {
        "Gaussian and orthogonal": {},
        "100 layers": {"depth": 100},
        "one matrix": {"depth": 1, "width": 128},
        "normal and uniform, one variance": {"other": "xavier_uniform"},
        "PyTorch's default": {"scheme": "torch_default"},
        "tanh, gain 1": {"activation": "tanh"},
        "tanh, gain 3": {"activation": "tanh", "gain": 3.0},
        "ReLU: no scheme mends it": {"activation": "relu", "gain": 1.41},
    }

    def compute(self, *, patient: bool, **values: Any) -> Scene:
        """Multiply, in slices unless `patient`, and show."""
        return spectrum_scene(spectrum_records(SpectrumSettings(**values), patient=patient))


def spectrum(**values: Any) -> Spectrum:
    """Explore which directions a deep network keeps: the singular values of its Jacobian.

    Two networks of square layers without biases, at one standard normal input, that differ in
    their scheme only.

    Args:
        **values: Where the controls start: `scheme` and `other` (the one beside it; each fills a
            matrix with random numbers of mean 0), `gain` (factor on every weight's std, 0.1 to
            10), `depth` (1 to 100), `width` (32, 64 or 128), `activation`, `seed`.

    Returns:
        The explorer: show it at the end of a cell, or set its traits and read its `.sentence`.

    Raises:
        ValueError: No control has this name, or it does not allow this value.
        TypeError: A value has the wrong type.
    """
    return Spectrum(**values)
