"""Which layers are outside of the range in which networks train?"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np
from matplotlib.axes import Axes

from initlab.format import number
from initlab.plots import headlines
from initlab.plots.axes import at_edge, axes, log_axis
from initlab.plots.figure import tell
from initlab.plots.records import ticks
from initlab.plots.style import FONT, look_of, themed

BAND = "#DDEBDD"
LETTERS = 28  # more do not fit under half of a figure


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

    >>> from initlab.plots import alt_text
    >>> dead = limits({"act1": 0.1, "act2": 1.0}, high=0.9, log=False, quantity="dead units")
    >>> alt_text(dead).split(". ", 1)[1]
    'dead units: 0.1 at act1, 1 at act2. Healthy: at most 0.9; outside: act2.'
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
    _name_places(ax, [*values])
    said = headlines.outside(outside, [*values.values()], limited=limited)
    tell(ax, said, _sentence(values, low, high, quantity, outside), headline)
    return ax


def _name_places(ax: Axes, names: list[str]) -> None:
    """Write few short names under the axis; else numbers, and which names the ends have."""
    places = range(1, len(names) + 1)
    if sum(map(len, names)) <= LETTERS:
        ax.set_xticks([*places], names)
        return
    ax.set_xticks(ticks(places))
    ends = {1: names[0], len(names): names[-1]}
    short = {k: name if len(name) <= 34 else f"…{name[-33:]}" for k, name in ends.items()}
    ax.set_xlabel(",\n".join(f"{place} = {name}" for place, name in short.items()))


def _sentence(
    values: Mapping[str, float],
    low: float | None,
    high: float | None,
    quantity: str,
    outside: list[str],
) -> str:
    names = [*values]
    ends = ", ".join(f"{number(values[n])} at {n}" for n in dict.fromkeys([names[0], names[-1]]))
    words = f"{quantity}: {ends}.".replace("\n", " ")
    limits = [f"at least {number(low)}"] if low is not None else []
    limits += [f"at most {number(high)}"] if high is not None else []
    some = ", ".join(outside[:6]) + (", ..." if len(outside) > 6 else "")
    if limits:
        words += f" Healthy: {' and '.join(limits)}; outside: {some or 'none'}."
    elif outside:
        words += f" Marked: {some}."
    return words
