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
from initlab.plots.records import QUANTITIES, Row
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
    sizes = [size for row in every for size in (row.rms, *row.reach)]
    sizes += [size for curve in curves.values() for size in curve]
    log_axis(ax, [size for size in sizes if 0 < size < math.inf])
    ax.set(xlabel="layer", ylabel=f"rms of {QUANTITIES[quantity]}")
    ax.set_xticks(records.ticks([row.position for row in every]))
    style = looks(traces) | ({"": look_of(quantity)} if "" in traces else {})
    names = []
    for (name, one), shift in zip(rows.items(), _shifts(ax, rows), strict=True):
        if len(traces[name]) > 1:
            _band(ax, one, style[name])
        names.append(_dots(ax, one, style[name], name or "measured", shift))
        if name in curves:
            places = [row.position for row in one]
            known = [value if 0 < value < math.inf else math.nan for value in curves[name]]
            colour = {"color": style[name].colour} if name else {}
            ax.plot(places, known, label="_theory" if name else "theory", **DASHES | colour)
    names += [Name("theory", None, DASHES)] * bool(curves)
    names += [Name(reason, None, {}) for reason in sorted(set(silent.values()))]
    if len(names) > 1 or "\n" in names[0].text or "" not in rows:
        name_lines(ax, names)
    said = headlines.across_depth(rows, quantity) + _agreement(rows, curves)
    words = [f"Size of {quantity.replace('_', ' ')} against depth, log axis."]
    words += [
        headlines.about(name, _sentence(one, len(traces[name]), curves.get(name), silent.get(name)))
        for name, one in rows.items()
    ]
    tell(ax, said, " ".join(words), headline)
    return ax


def _shifts(ax: Axes, rows: Mapping[str, Sequence[Row]]) -> Sequence[float]:
    """Return how far each kind stands beside its layer: 0 unless kinds hide each other."""
    curves = [[(row.position, row.rms) for row in one] for one in rows.values()]
    if not any(hidden(ax, curves)):
        return [0.0] * len(rows)
    reach = min(0.12 * (len(rows) - 1), 0.3)
    return np.linspace(-reach, reach, len(rows)).tolist()


def _band(ax: Axes, rows: Sequence[Row], look: Look) -> None:
    """Shade from the lowest to the highest seed, as far as a log axis can show it."""
    seen = [row for row in rows if row.fits_log()]
    low = [row.reach[0] or row.rms for row in seen]
    high = [row.reach[1] if row.reach[1] < math.inf else row.rms for row in seen]
    ax.fill_between(
        [row.position for row in seen], low, high, color=look.colour, alpha=0.2, linewidth=0
    )


def _dots(ax: Axes, rows: Sequence[Row], look: Look, label: str, shift: float) -> Name:
    """Draw what was measured, and name it at its last layer with what the axis cannot show."""
    small = 1 if len(rows) <= 20 else 0.7 if len(rows) <= 40 else 0.45
    dot = look.dot | {"markersize": small * look.dot["markersize"]}
    inside = [row for row in rows if row.fits_log()]
    ax.plot([row.position + shift for row in inside], [row.rms for row in inside],
            linestyle="", label=label, zorder=3, **dot)  # fmt: skip
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
        low, high = rows[-1].reach
        reach = f"; {number(low)} to {number(high)} at layer {rows[-1].position}" * (low < high)
        words += f" (median of {seeds}{reach})"
    if curve:
        words += f"; theory {number(curve[0])} to {number(curve[-1])}"
    elif why:
        words += f". {why.removesuffix('.')}"
    return words + "."
