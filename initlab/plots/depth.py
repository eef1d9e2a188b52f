"""How large is the signal at each depth, and is that what theory expects?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from initlab.format import number
from initlab.plots import headlines, records
from initlab.plots.axes import Name, at_edge, axes, hidden, log_axis, name_lines
from initlab.plots.figure import tell
from initlab.plots.records import QUANTITIES, Row, SeedBand
from initlab.plots.style import DASHES, Look, look_of, looks, themed

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

    Returns:
        The axes that were drawn on.

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
    ax = axes(ax)
    log_axis(ax, _values(rows, curves))
    ax.set(xlabel="layer", ylabel=f"rms of {QUANTITIES[quantity]}")
    ax.set_xticks(records.ticks([row.position for one in rows.values() for row in one]))
    style = looks(traces) | ({"": look_of(quantity)} if "" in traces else {})
    names = []
    for (name, one), shift in zip(rows.items(), _shifts(ax, rows), strict=True):
        _band(ax, one, style[name])
        _dots(ax, one, style[name], name or "measured", shift)
        names.append(_name(name, one, style[name]))
        if _is_known(curves.get(name, [])):
            places = [row.position for row in one]
            known = [value if 0 < value < math.inf else math.nan for value in curves[name]]
            colour = {"color": style[name].colour} if name else {}
            ax.plot(places, known, label="_theory" if name else "theory", **DASHES | colour)
    names += [Name("theory", None, DASHES)] * any(map(_is_known, curves.values()))
    names += [Name(reason, None, {}) for reason in sorted(_silence(expected))]
    if len(names) > 1 or "\n" in names[0].text or "" not in rows:
        name_lines(ax, names)
    said = headlines.across_depth(rows, quantity) + _agreement(rows, curves)
    seeds = {name: len(runs) for name, runs in traces.items()}
    tell(ax, said, _sentence(quantity, rows, curves, expected, seeds), headline)
    return ax


def _shown(row: Row) -> bool:
    return 0 < float(row.summary.rms) < math.inf


def _is_known(curve: Sequence[float]) -> bool:
    return any(map(math.isfinite, curve))


def _values(rows: Mapping[str, Sequence[Row]], curves: Mapping[str, list[float]]) -> list[float]:
    """Return what the axis must reach."""
    sizes = [
        size
        for one in rows.values()
        for row in one
        for size in (row.summary[:3] if isinstance(row.summary, SeedBand) else [row.summary.rms])
    ]
    sizes += [size for curve in curves.values() for size in curve]
    return [float(size) for size in sizes if 0 < size < math.inf]


def _shifts(ax: Axes, rows: Mapping[str, Sequence[Row]]) -> list[float]:
    """Return how far each kind stands beside its layer: 0 unless kinds hide each other."""
    curves = [([row.position for row in one], [row.summary.rms for row in one]) for one in
              rows.values()]  # fmt: skip
    if not any(hidden(ax, curves)):
        return [0.0] * len(rows)
    reach = min(0.12 * (len(rows) - 1), 0.3)
    return [float(shift) for shift in np.linspace(-reach, reach, len(rows))]


def _band(ax: Axes, rows: Sequence[Row], look: Look) -> None:
    """Shade from the lowest to the highest seed, as far as a log axis can show it."""
    seen = [row for row in rows if isinstance(row.summary, SeedBand) and _shown(row)]
    places = [row.position for row in seen]
    low = [row.summary.low or row.summary.rms for row in seen]
    high = [row.summary.high if row.summary.high < math.inf else row.summary.rms for row in seen]
    ax.fill_between(places, low, high, color=look.colour, alpha=0.2, linewidth=0)


def _dots(ax: Axes, rows: Sequence[Row], look: Look, label: str, shift: float) -> None:
    small = 1 if len(rows) <= 20 else 0.7 if len(rows) <= 40 else 0.45
    dot = look.dot | {"markersize": small * look.dot["markersize"]}
    inside = [row for row in rows if _shown(row)]
    ax.plot([row.position + shift for row in inside], [row.summary.rms for row in inside],
            linestyle="", label=label, zorder=3, **dot)  # fmt: skip
    at_edge(ax, _zero(rows), top=False, **dot)
    at_edge(ax, _broken(rows), top=True, **dot)


def _broken(rows: Sequence[Row]) -> list[int]:
    return [row.position for row in rows if row.summary.nonfinite > 0 or not row.summary.rms >= 0]


def _zero(rows: Sequence[Row]) -> list[int]:
    return [row.position for row in rows if row.summary.rms == 0 and row.summary.nonfinite == 0]


def _name(name: str, rows: Sequence[Row], look: Look) -> Name:
    """Name a row of dots at its last layer, with what the axis cannot show."""
    words = [f"0 at {records.span(zero)}"] if (zero := _zero(rows)) else []
    words += [f"nan or inf at {records.span(lost)}"] if (lost := _broken(rows)) else []
    last = rows[-1]
    y = math.inf if last.position in lost else float(last.summary.rms)
    return Name("\n".join([name or "measured", *words]), y, look.dot | {"linestyle": ""})


def _silence(expected: Mapping[str, Any]) -> set[str]:
    return {one.reason for one in expected.values() if not one.applies}


def _agreement(rows: Mapping[str, Sequence[Row]], curves: Mapping[str, list[float]]) -> str:
    """Say that theory agrees, if it does in all layers that both know."""
    ratios = [
        max(row.summary.rms / value, value / row.summary.rms)
        for name, curve in curves.items()
        for row, value in zip(rows[name], curve, strict=True)
        if _shown(row) and 0 < value < math.inf
    ]
    return ", as theory says" if ratios and max(ratios) < AGREES else ""


def _sentence(
    quantity: str,
    rows: Mapping[str, Sequence[Row]],
    curves: Mapping[str, list[float]],
    expected: Mapping[str, Any],
    seeds: Mapping[str, int],
) -> str:
    said = [f"Size of {quantity.replace('_', ' ')} against depth, log axis."]
    for name, one in rows.items():
        words = (f"{name}: " if name else "") + records.account(one)
        if seeds[name] > 1:
            low, high, place = one[-1].summary.low, one[-1].summary.high, one[-1].position
            reach = f"; {number(low)} to {number(high)} at layer {place}" * (low < high)
            words += f" (median of {seeds[name]}{reach})"
        if _is_known(curves.get(name, [])):
            words += f"; theory {number(curves[name][0])} to {number(curves[name][-1])}"
        elif name in expected:
            words += f". {expected[name].reason.removesuffix('.')}"
        said.append(words + ".")
    return " ".join(said)
