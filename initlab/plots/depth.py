"""How large is the signal at each depth, and is that what theory expects?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from initlab.plots import records
from initlab.plots.axes import at_edge, axes, legend, log_axis
from initlab.plots.figure import say
from initlab.plots.records import QUANTITIES, Middle, Row, number
from initlab.plots.style import INK, THEORY, Look, looks, themed


@themed()
def depth_profile(
    trace: Any,
    *,
    quantity: str = "activation",
    predicted: Any = None,
    layers: Sequence[str] | str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the rms of `quantity` against depth: dots are measured, the dashed line is theory.

    The rms axis is logarithmic, so a signal that changes by the same factor in each layer lies on
    a straight line, and the slope is that factor. What a log axis cannot show (0, nan, infinity)
    stands at its lower or upper edge and is said in words. Several traces of one kind (seeds)
    become one row of dots, their medians, on a band from the lowest to the highest.

    Args:
        trace: What `il.trace` returns; or a dict (name → trace) or a list of them. In a dict, a
            list of traces under one name is several seeds of one kind.
        quantity: "activation", "gradient", "weight" or "weight_gradient".
        predicted: What `il.theory.predict` returns, or a dict of it with the traces' names. A
            gradient's curve is relative: it is scaled to meet the last drawn layer.
        layers: Name globs such as "linear*"; None draws the nonlinearities, if there are any.
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
        name: records.middle([records.picked(one, quantity, layers) for one in runs])
        for name, runs in traces.items()
    }
    expected = records.predictions(predicted, list(traces))
    curves = {
        name: records.theory_curve(one, rows[name], quantity) for name, one in expected.items()
    }
    ax = axes(ax)
    style = looks(traces)
    for name in sorted(rows, key=lambda name: _last(rows[name]), reverse=True):
        _band(ax, rows[name], style[name])
        _dots(ax, rows[name], style[name], name or "measured")
        if any(map(math.isfinite, curves.get(name, []))):
            _dashes(ax, rows[name], curves[name], style[name] if name else None)
    _finish(ax, rows, curves, expected)
    ax.set(xlabel="layer", ylabel=f"rms of {QUANTITIES[quantity]}")
    ax.set_xticks(records.ticks([row.position for one in rows.values() for row in one]))
    say(ax, _sentence(quantity, rows, curves, expected, {n: len(r) for n, r in traces.items()}))
    return ax


def _last(rows: Sequence[Row]) -> float:
    """Order of the legend: who ends highest comes first; zero comes last."""
    rms = rows[-1].summary.rms
    return math.inf if rows[-1].summary.nonfinite > 0 or math.isnan(rms) else float(rms)


def _shown(row: Row) -> bool:
    return 0 < float(row.summary.rms) < math.inf


def _band(ax: Axes, rows: Sequence[Row], look: Look) -> None:
    """Shade from the lowest to the highest seed, as far as a log axis can show it."""
    seen = [row for row in rows if isinstance(row.summary, Middle) and _shown(row)]
    places = [row.position for row in seen]
    low = [row.summary.low or row.summary.rms for row in seen]
    high = [row.summary.high if row.summary.high < math.inf else row.summary.rms for row in seen]
    ax.fill_between(places, low, high, color=look.colour, alpha=0.2, linewidth=0)


def _dots(ax: Axes, rows: Sequence[Row], look: Look, label: str) -> None:
    dot = look.dot if len(rows) <= 30 else look.dot | {"markersize": 5}
    inside = [row for row in rows if _shown(row)]
    broken = [row.position for row in rows if row.summary.nonfinite > 0 or not row.summary.rms >= 0]
    zero = [row.position for row in rows if row.summary.rms == 0 and row.position not in broken]
    words = [f"0 at {records.span(zero)}"] if zero else []
    words += [f"nan or inf at {records.span(broken)}"] if broken else []
    text = "\n".join([label, *(f"  {word}" for word in words)])
    ax.plot([row.position for row in inside], [row.summary.rms for row in inside],
            linestyle="", label=text, zorder=3, **dot)  # fmt: skip
    at_edge(ax, zero, top=False, **dot)
    at_edge(ax, broken, top=True, **dot)


def _dashes(ax: Axes, rows: Sequence[Row], curve: list[float], look: Look | None) -> None:
    drawable = [value if 0 < value < math.inf else math.nan for value in curve]
    colour, label = (look.colour, "_theory") if look else (THEORY, "theory")
    ax.plot([row.position for row in rows], drawable, linestyle="--", linewidth=2, color=colour,
            label=label, zorder=2.5)  # fmt: skip


def _finish(
    ax: Axes, rows: dict[str, list[Row]], curves: dict[str, list[float]], expected: dict[str, Any]
) -> None:
    values = [size for one in rows.values() for row in one for size in _sizes(row.summary)]
    values += [value for curve in curves.values() for value in curve if 0 < value < math.inf]
    log_axis(ax, values)
    if "" not in rows and any(any(map(math.isfinite, curve)) for curve in curves.values()):
        ax.plot([], [], linestyle="--", linewidth=2, color=INK, label="theory")
    for reason in sorted({one.reason for one in expected.values() if not one.applies}):
        ax.plot([], [], linestyle="", label=reason)
    if len(ax.get_legend_handles_labels()[1]) > 1 or "\n" in ax.get_legend_handles_labels()[1][0]:
        legend(ax)


def _sizes(summary: Any) -> list[float]:
    """Return what the axis must reach."""
    sizes = list(summary) if isinstance(summary, Middle) else [float(summary.rms)]
    return [size for size in sizes if 0 < size < math.inf]


def _sentence(
    quantity: str,
    rows: dict[str, list[Row]],
    curves: dict[str, list[float]],
    expected: dict[str, Any],
    seeds: dict[str, int],
) -> str:
    said = [f"Size of {quantity.replace('_', ' ')} against depth, log axis."]
    for name, one in rows.items():
        words = (f"{name}: " if name else "") + records.account(one)
        if seeds[name] > 1:
            low, high, place = one[-1].summary.low, one[-1].summary.high, one[-1].position
            reach = f"; {number(low)} to {number(high)} at layer {place}" * (low < high)
            words += f" (median of {seeds[name]}{reach})"
        curve = curves.get(name, [])
        if any(map(math.isfinite, curve)):
            words += f"; theory {number(curve[0])} to {number(curve[-1])}"
        elif name in expected:
            words += f". {expected[name].reason.removesuffix('.')}"
        said.append(words + ".")
    return " ".join(said)
