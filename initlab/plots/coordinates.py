"""Does each layer keep its size as the network gets wider? A panel for each step of training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FixedLocator, NullLocator

from initlab.format import number, times
from initlab.plots.axes import dress, log_axis
from initlab.plots.figure import WIDTH, add_alt, picture, put_headline
from initlab.plots.style import looks, themed

PANELS = 5
LINES = 8
LEVEL = 1.5  # a factor from the narrowest to the widest network that is hardly seen
LABELS = {"rms": "rms of what a layer emits", "change": "rms of the change since the start"}


@themed()
def coordinates(
    sizes: Sequence[Mapping[str, Any]],
    quantity: str = "rms",
    *,
    layers: Sequence[str] | None = None,
    steps: Sequence[int] | None = None,
    headline: str | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Draw how large each layer's output is against the width, log-log, a panel for each step.

    Lines are medians over seeds. Level lines are what one wants: a line that rises with the width
    means that a wider network needs a smaller learning rate.

    Args:
        sizes: The rows of what `il.coordinate_check` returns.
        quantity: "rms", or "change" for the change since the start (which has no panel there).
        layers: Names of the layers to draw; None draws up to eight, spread over the network.
        steps: Which steps; None draws up to five, spread from the first to the last.
        headline: What is to be seen; None computes it, "" writes none.
        figure: Figure or subfigure to draw on; None makes one.

    Raises:
        ValueError: A name or a step is unknown, or there is nothing to draw.
    """
    if quantity not in LABELS:
        raise ValueError(f"quantity must be one of {', '.join(LABELS)}, got {quantity!r}.")
    rows = [row for row in sizes if quantity == "rms" or row["step"] > 0]
    if not rows:
        raise ValueError("sizes must hold at least one row, got none.")
    names = _picked("layers", layers, list(dict.fromkeys(row["layer"] for row in rows)), LINES)
    shown = _picked("steps", steps, sorted({row["step"] for row in rows}), PANELS)
    widths = sorted({row["width"] for row in rows})
    figure = figure or picture(WIDTH, 4.6)
    panels = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
    drawn: list[float] = []
    for ax, step in zip(panels, shown, strict=True):
        when = "the start" if step == 0 else f"step {step}"
        words = [f"{LABELS[quantity]} at {when}, width {widths[0]} to {widths[-1]}."]
        lines = {name: _line(rows, name, step, quantity) for name in names}
        for name, look in looks(names).items():
            fine = {width: size for width, size in lines[name].items() if 0 < size < math.inf}
            size = [*fine.values()]
            ax.plot([*fine], size, label=name, **look.dot)
            drawn += size
            ends = f"{number(size[0])} to {number(size[-1])}" if fine else "0 or not finite"
            words.append(f"{name}: {ends}.")
        ax.set_title(when)
        add_alt(ax, " ".join(words))
    for ax in panels:
        dress(ax)
        log_axis(ax, drawn)
        ax.set(xscale="log", xlabel="width")
        ax.xaxis.set_major_locator(FixedLocator(_few(widths, 3)))
        ax.xaxis.set_major_formatter("{x:.0f}")
        ax.xaxis.set_minor_locator(NullLocator())
    panels[0].set_ylabel(LABELS[quantity])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    said = _headline(lines, shown[-1], widths) if headline is None else headline
    if said:
        put_headline(figure, said)
    return figure


def _line(
    rows: Sequence[Mapping[str, Any]], name: str, step: int, quantity: str
) -> dict[int, float]:
    """Width → the median over the seeds, of one layer at one step."""
    seen: dict[int, list[float]] = {}
    for row in rows:
        if (row["layer"], row["step"]) == (name, step):
            seen.setdefault(row["width"], []).append(row[quantity])
    return {width: median(sizes) for width, sizes in sorted(seen.items())}


def _headline(lines: Mapping[str, Mapping[int, float]], step: int, widths: Sequence[int]) -> str:
    """Name the layer that changes most from the narrowest to the widest network."""
    when = f"after {step} step{'s' * (step > 1)}" if step else "at the start"
    low, high = widths[0], widths[-1]
    factors = {
        name: line[high] / line[low]
        for name, line in lines.items()
        if line.get(low, 0) > 0 and line.get(high, 0) > 0
    }
    if not factors:
        return f"No layer has a size {when}"
    name, factor = max(factors.items(), key=lambda pair: abs(math.log(pair[1])))
    if 1 / LEVEL < factor < LEVEL:
        return f"Every layer is about as large at width {high} as at {low}, {when}"
    return f"{name} is {times(factor)} as large at width {high} as at {low}, {when}"


def _picked(what: str, wanted: Sequence[Any] | None, known: Sequence[Any], most: int) -> list[Any]:
    """Return what was asked for, or up to so many that are spread over all."""
    if wanted is None:
        return _few(known, most)
    for one in wanted:
        if one not in known:
            raise ValueError(f"{what}={one!r} is unknown: there are {', '.join(map(str, known))}.")
    return list(wanted)


def _few(values: Sequence[Any], most: int) -> list[Any]:
    places = np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int)
    return [values[place] for place in places]
