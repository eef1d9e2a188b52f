"""How large is something in each layer, and is that what theory, a scheme or health expects?"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from statistics import geometric_mean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from initlab.format import number, times
from initlab.plots import headlines, records
from initlab.plots.axes import Name, at_edge, axes, hidden, log_axis, name_lines
from initlab.plots.figure import tell
from initlab.plots.records import QUANTITIES, Row
from initlab.plots.style import DASHES, FONT, Look, look_of, looks, themed

BAND = "#DDEBDD"  # what is healthy
LETTERS = 28  # of the names of layers: more do not fit under half of a figure
AGREES = 1.25  # a factor: theory and measurement are this close in every layer


@themed()
def depth_profile(
    trace: Any,
    *,
    quantity: str = "activation",
    predicted: Any = None,
    layers: Sequence[str] | str | None = None,
    headline: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the rms of `quantity` against depth: dots are measured, the dashed line is theory.

    The rms axis is logarithmic, so a signal that changes by the same factor in each layer lies on
    a straight line, and the slope is that factor. What a log axis cannot show (0, nan, infinity)
    stands at its lower or upper edge and is said in words. Several traces of one kind (seeds)
    become one row of dots, their medians, on a band from the lowest to the highest. Kinds that lie
    on each other stand a little apart.

    Args:
        trace: What `il.trace` returns; or a dict (name → trace) or a list of them. In a dict, a
            list of traces under one name is several seeds of one kind.
        quantity: "activation", "gradient", "weight" or "weight_gradient".
        predicted: What `il.theory.predict` returns, or a dict of it with the traces' names. A
            gradient's curve is relative: it is scaled to meet the last drawn layer.
        layers: Name globs such as "linear*"; None draws the nonlinearities, if there are any.
        headline: What is to be seen; None computes it, "" writes none.
        ax: Axes to draw on; None makes a figure.

    Raises:
        TypeError: `trace` is no trace.
        ValueError: `quantity` is unknown, `layers` fits nothing, there is nothing to draw, or the
            traces of one kind differ in their layers.
    """
    traces = records.seeds(trace)
    rows = {
        name: records.seed_band([records.picked(one, quantity, layers) for one in runs])
        for name, runs in traces.items()
    }
    expected = records.predictions(predicted, list(traces))
    curves = {
        name: records.theory_curve(one, rows[name], quantity) for name, one in expected.items()
    }
    curves = {name: curve for name, curve in curves.items() if any(map(math.isfinite, curve))}
    silent = {name: one.reason for name, one in expected.items() if not one.applies}
    ax = axes(ax)
    every = [row for one in rows.values() for row in one]
    sizes = [size for row in every for size in (row.rms, row.low, row.high)]
    sizes += [size for curve in curves.values() for size in curve]
    log_axis(ax, [size for size in sizes if 0 < size < math.inf])
    ax.set(xlabel="layer", ylabel=f"rms of {QUANTITIES[quantity]}")
    ax.set_xticks(records.ticks([row.position for row in every]))
    style = looks(traces) | ({"": look_of(quantity)} if "" in traces else {})
    names = []
    words = [f"Size of {quantity.replace('_', ' ')} against depth, log axis."]
    for (name, one), shift in zip(rows.items(), _shifts(ax, rows), strict=True):
        names.append(_draw(ax, one, style[name], name or "measured", shift))
        if name in curves:
            places = [row.position for row in one]
            known = [value if 0 < value < math.inf else math.nan for value in curves[name]]
            colour = {"color": style[name].colour} if name else {}
            ax.plot(places, known, label="_theory" if name else "theory", **DASHES | colour)
        sentence = _sentence(one, len(traces[name]), curves.get(name), silent.get(name))
        words.append(headlines.about(name, sentence))
    names += [Name("theory", None, DASHES)] * bool(curves)
    names += [Name(reason, None, {}) for reason in sorted(set(silent.values()))]
    if len(names) > 1 or "\n" in names[0].text or "" not in rows:
        name_lines(ax, names)
    said = headlines.across_depth(rows, quantity) + _agreement(rows, curves)
    tell(ax, said, " ".join(words), headline)
    return ax


def _shifts(ax: Axes, rows: Mapping[str, Sequence[Row]]) -> list[float]:
    """Return how far each kind stands beside its layer: 0 unless kinds hide each other."""
    curves = [[(row.position, row.rms) for row in one] for one in rows.values()]
    if not any(hidden(ax, curves)):
        return [0.0] * len(rows)
    reach = min(0.12 * (len(rows) - 1), 0.3)
    return [float(shift) for shift in np.linspace(-reach, reach, len(rows))]


def _draw(ax: Axes, rows: Sequence[Row], look: Look, label: str, shift: float) -> Name:
    """Draw what was measured, and name it at its last layer with what the axis cannot show."""
    small = 1 if len(rows) <= 20 else 0.7 if len(rows) <= 40 else 0.45
    dot = look.dot | {"markersize": small * look.dot["markersize"]}
    inside = [row for row in rows if row.fits_log()]
    places = np.array([row.position for row in inside])
    middle = [row.rms for row in inside]
    low = [row.low or row.rms for row in inside]
    high = [row.rms if row.high == math.inf else row.high for row in inside]
    ax.fill_between(places, low, high, color=look.colour, alpha=0.2, linewidth=0)
    ax.plot(places + shift, middle, linestyle="", label=label, zorder=3, **dot)
    words = [label]
    if zero := [row.position for row in rows if row.is_zero()]:
        at_edge(ax, zero, top=False, **dot)
        words.append(f"0 at {records.span(zero)}")
    if broken := [row.position for row in rows if row.is_broken()]:
        at_edge(ax, broken, top=True, **dot)
        words.append(f"nan or inf at {records.span(broken)}")
    y = math.inf if rows[-1].is_broken() else rows[-1].rms
    return Name("\n".join(words), y, look.dot | {"linestyle": ""})


def _agreement(rows: Mapping[str, Sequence[Row]], curves: Mapping[str, list[float]]) -> str:
    """Say that theory agrees, if it does in all layers that both know."""
    ratios = [
        max(row.rms / value, value / row.rms)
        for name, curve in curves.items()
        for row, value in zip(rows[name], curve, strict=True)
        if row.fits_log() and 0 < value < math.inf
    ]
    return ", as theory says" if ratios and max(ratios) < AGREES else ""


def _sentence(rows: Sequence[Row], seeds: int, curve: list[float] | None, why: str | None) -> str:
    words = records.account(rows)
    if seeds > 1:
        last = rows[-1]
        reach = f"; {number(last.low)} to {number(last.high)} at layer {last.position}"
        words += f" (median of {seeds}{reach * (last.low < last.high)})"
    if curve:
        words += f"; theory {number(curve[0])} to {number(curve[-1])}"
    elif why:
        words += f". {why.removesuffix('.')}"
    return words + "."


@themed()
def std_by_depth(
    stds: Sequence[float], expected: Mapping[str, Sequence[float]], *, ax: Axes | None = None
) -> Axes:
    """Draw the std of each weight against depth: dots are measured, dashes are named schemes.

    A std of 0 cannot stand on a logarithmic axis and is said in words; one must be above 0.
    """
    drawn = [(place, std) for place, std in enumerate(stds, start=1) if std > 0]
    if not drawn:
        raise ValueError("weights must hold at least one std above 0, got none.")
    ax = axes(ax)
    sizes = [*stds, *(std for given in expected.values() for std in given)]
    log_axis(ax, [std for std in sizes if 0 < std < math.inf])
    ax.set(xlabel="weight, in the order of the model", ylabel="standard deviation of its entries")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    own = look_of("weight").dot | {"linestyle": ""}
    names = [Name("this model", drawn[-1][1], own)]
    for name, look in looks(expected).items():
        dashes = DASHES | {"color": look.colour}
        ax.plot(range(1, len(stds) + 1), expected[name], label=name, **dashes)
        names.append(Name(name, expected[name][-1], dashes))
    ax.plot(*zip(*drawn, strict=True), label="this model", **own)
    name_lines(ax, names)
    tell(ax, *_std_words(stds, expected), None)
    return ax


def _std_words(stds: Sequence[float], expected: Mapping[str, Sequence[float]]) -> tuple[str, str]:
    """Return the headline, which scheme comes closest, and the sentence with the numbers."""
    above = [std for std in stds if std > 0]
    ratios = {
        name: [std / one for std, one in zip(stds, given, strict=True) if std > 0]
        for name, given in expected.items()
        if all(one > 0 and math.isfinite(one) for one in given)
    }
    ends = f"{number(min(above))} to {number(max(above))}"
    text = f"The std of {len(stds)} weights is {ends}"
    if zeros := len(stds) - len(above):
        text += f", that of {zeros} is 0"
    if not ratios:
        return f"{len(above)} weights, std {ends}", f"{text}."
    off = {name: max(*one, 1 / min(one)) for name, one in ratios.items()}
    name = min(off, key=lambda name: off[name])
    said = f"No drawn scheme fits every weight: {name} is off by up to {times(off[name])}"
    if off[name] < 1.2:
        said = f"{name} fits every weight"
    told = [f"{times(geometric_mean(one))} that of {name}" for name, one in ratios.items()]
    return said, f"{text}; on (geometric) average {', '.join(told)}."


@themed()
def limits(
    values: Mapping[str, float],
    *,
    low: float | None = None,
    high: float | None = None,
    log: bool = True,
    quantity: str = "value",
    marked: Collection[str] = (),
    headline: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one number for each layer, and the band in which it is healthy.

    A dot inside of the band is blue, a cross outside is red. What a log axis cannot show (0, nan,
    infinity) stands at its lower or upper edge.

    Args:
        values: Name of a layer or weight → number, in the order of the network.
        low: Lower end of the band; None: there is none.
        high: Upper end of the band; None: there is none.
        log: Whether the axis is logarithmic; else it reaches from 0 to 1, for shares.
        quantity: The label of the axis, with its unit.
        marked: Names that get a cross though the band does not say so.
        headline: What is to be seen; None computes it, "" writes none.
        ax: Axes to draw on; None makes a figure.

    Raises:
        ValueError: There is nothing to draw.
    """
    if not values:
        raise ValueError("values holds nothing to draw: got an empty dict.")
    ax = axes(ax)
    floor = -math.inf if low is None else low
    ceiling = math.inf if high is None else high
    outside = [n for n, value in values.items() if n in marked or not floor <= value <= ceiling]
    if log:
        log_axis(ax, [n for n in (*values.values(), floor, ceiling) if 0 < n < math.inf])
    else:
        ax.set_ylim(-0.03, 1.03)
    for place, (name, value) in enumerate(values.items(), start=1):
        dot = look_of("healthy").dot
        if name in outside:
            dot = look_of("ill").dot | {"markersize": 10}
        if math.isfinite(value) and (value > 0 or not log):
            ax.plot(place, value, linestyle="", clip_on=False, zorder=3, **dot)
        else:
            at_edge(ax, [place], top=not value <= 0, **dot)
    limited = low is not None or high is not None
    if limited:
        bottom, top = np.clip((floor, ceiling), *ax.get_ylim())
        ax.axhspan(bottom, top, color=BAND, zorder=0, label="_healthy")
        middle = math.sqrt(bottom * top) if log else (bottom + top) / 2
        ax.text(1.01, middle, "healthy", rotation=90, va="center", fontsize=FONT - 1,
                transform=ax.get_yaxis_transform())  # fmt: skip
    ax.set(ylabel=quantity, xlim=(0.5, len(values) + 0.5))
    names = [*values]
    _name_places(ax, names)
    ends = ", ".join(f"{number(values[n])} at {n}" for n in dict.fromkeys([names[0], names[-1]]))
    words = f"{quantity}: {ends}.".replace("\n", " ")
    some = ", ".join(outside[:6]) + (", ..." if len(outside) > 6 else "")
    if limited:
        healthy = [f"at least {number(low)}"] if low is not None else []
        healthy += [f"at most {number(high)}"] if high is not None else []
        words += f" Healthy: {' and '.join(healthy)}; outside: {some or 'none'}."
    elif outside:
        words += f" Marked: {some}."
    tell(ax, headlines.outside(outside, [*values.values()], limited=limited), words, headline)
    return ax


def _name_places(ax: Axes, names: list[str]) -> None:
    """Write few short names under the axis; else numbers, and which names the ends have."""
    places = range(1, len(names) + 1)
    if sum(map(len, names)) <= LETTERS:
        ax.set_xticks([*places], names)
        return
    ax.set_xticks(records.ticks(places))
    ends = {1: names[0], len(names): names[-1]}
    short = {k: name if len(name) <= 34 else f"…{name[-33:]}" for k, name in ends.items()}
    ax.set_xlabel(",\n".join(f"{place} = {name}" for place, name in short.items()))
