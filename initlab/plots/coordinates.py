"""Does each layer keep its size as the network gets wider? A panel for each step of training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from initlab.plots.axes import dress, log_axis
from initlab.plots.figure import WIDTH, add_alt, picture
from initlab.plots.style import looks, themed

PANELS = 5
LINES = 8
LABELS = {"rms": "rms of what a layer emits", "change": "rms of the change since the start"}


@themed()
def coordinates(
    sizes: Sequence[Mapping[str, Any]],
    quantity: str = "rms",
    *,
    layers: Sequence[str] | None = None,
    steps: Sequence[int] | None = None,
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
        figure: Figure or subfigure to draw on; None makes one.

    Returns:
        The figure that was drawn on.

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
        words = []
        for name, look in looks(names).items():
            line = [_median(rows, name, step, width, quantity) for width in widths]
            fine = [(w, size) for w, size in zip(widths, line, strict=True) if 0 < size < math.inf]
            ax.plot(*np.array(fine, dtype=float).reshape(-1, 2).T, label=name, **look.dot)
            drawn += [size for _, size in fine]
            ends = f"{fine[0][1]:.2g} to {fine[-1][1]:.2g}" if fine else "0 or not finite"
            words.append(f"{name}: {ends}.")
        when = "the start" if step == 0 else f"step {step}"
        ax.set_title(when)
        add_alt(ax, f"{LABELS[quantity]} at {when}, width {widths[0]} to {widths[-1]}. "
            + " ".join(words))  # fmt: skip
    for ax in panels:
        dress(ax)
        log_axis(ax, drawn)
        ax.set_xscale("log")
        ax.set_xlabel("width")
        ax.xaxis.set_major_locator(FixedLocator(_few(widths, 3)))
        ax.xaxis.set_major_formatter("{x:.0f}")
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_minor_formatter(NullFormatter())
    panels[0].set_ylabel(LABELS[quantity])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    return figure


def _median(
    rows: Sequence[Mapping[str, Any]], name: str, step: int, width: int, quantity: str
) -> float:
    found = [
        row[quantity]
        for row in rows
        if (row["layer"], row["step"], row["width"]) == (name, step, width)
    ]
    return median(found) if found else math.nan


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
