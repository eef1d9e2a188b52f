"""What stands in a weight matrix? Each entry as a colour, and all of them as a histogram."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from initlab.format import number, percent
from initlab.plots import headlines, records
from initlab.plots.arrays import matrix
from initlab.plots.axes import dress, few_ticks
from initlab.plots.figure import WIDTH, picture, tell
from initlab.plots.ridgeline import ridgeline
from initlab.plots.style import FONT, diverging, look_of, themed

COLUMNS = 4
TOLERANCE = 1e-4  # of the largest entry, or singular value: smaller differences count as rounding

Matrix = NDArray[np.float64]


@themed()
def weights(
    weight: Any, *, headline: str | None = None, figure: Figure | SubFigure | None = None
) -> Figure | SubFigure:
    """Draw weight matrices as pictures: a row is a unit, white is 0, all on one colour range.

    Units that compute the same thing are equal rows, so they show as vertical stripes; the title
    counts the distinct rows and gives the rank. Rows count as equal where they differ by less than
    1e-4 of the largest weight, and singular values below 1e-4 of the largest as 0: rounding, which
    is another on another processor, makes no new unit.

    Args:
        weight: A tensor or array (units, inputs, ...), or a dict (name → one) or list of them.
        headline: What is to be seen; None computes it, "" writes none.
        figure: Figure or subfigure to draw on; None makes one.

    Returns:
        The figure that was drawn on.

    Raises:
        TypeError: There is something else than numbers.
        ValueError: A weight has less than 2 dimensions, or there is none.

    >>> weights({"linear1": [[1.0, 2.0], [1.0, 2.0]]}).alt.split(". ", 1)[1]
    'Weights as colours. linear1: 2 units × 2 inputs, 1 distinct row, rank 1, from 1 to 2.'
    """
    matrices = _matrices(weight)
    columns = min(COLUMNS, len(matrices))
    lines = -(-len(matrices) // columns)
    figure = figure or picture(WIDTH, 1.2 + 3.1 * lines)
    grid = figure.subplots(lines, columns, squeeze=False)
    limit = _limit(matrices.values())
    counts = {name: _counts(values) for name, values in matrices.items()}
    said = headlines.equal_rows(
        {name: (distinct, len(matrices[name])) for name, (distinct, _) in counts.items()}
    )
    words = ["Weights as colours."]
    for place, (name, values) in enumerate(matrices.items()):
        ax = grid.flat[place]
        image = _heat(ax, values, limit)
        told = _told(*counts[name])
        ax.set_title(
            "\n".join(filter(None, [name, ", ".join(told)])), loc="left", fontsize=FONT - 1
        )
        ax.set_ylabel("unit" if place % columns == 0 else "")
        about = f"{_size(values)}, {', '.join(told)}, {_reach(values)}."
        words.append(_named(name, about))
    for ax in grid.flat[len(matrices) :]:
        ax.set_axis_off()
    bar = figure.colorbar(image, ax=grid, shrink=0.8)
    bar.set_label("weight", fontsize=FONT)
    tell(figure, said, " ".join(words), headline)
    return figure


@themed()
def scheme_picture(
    weight: Any,
    *,
    limit: float | None = None,
    headline: str | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Draw what a scheme fills: the matrix as a picture, and below it the histogram of its entries.

    The histogram's bars have the colours of the picture, so it is the picture's legend too.

    Args:
        weight: A tensor or array (units, inputs, ...), or a dict (scheme name → one) of at most 4
            that shall be compared.
        limit: Colours and histograms reach from −limit to limit; None fits each matrix by itself.
        headline: What is to be seen; None computes it, "" writes none.
        figure: Figure or subfigure to draw on; None makes one.

    Returns:
        The figure that was drawn on.

    Raises:
        TypeError: There is something else than numbers.
        ValueError: A weight has less than 2 dimensions, `limit` is not positive, or there are more
            than 4 matrices.
    """
    matrices = _matrices(weight)
    if len(matrices) > COLUMNS:
        raise ValueError(f"weight must hold at most {COLUMNS} matrices, got {len(matrices)}.")
    if limit is not None:
        _check_limit(limit)
    figure = figure or picture(WIDTH, 5.0)
    grid = figure.subplots(2, len(matrices), squeeze=False, height_ratios=[3, 2])
    words = ["Weights as colours and as histograms."]
    said = headlines.spreads({name: float(values.std()) for name, values in matrices.items()})
    for place, (name, values) in enumerate(matrices.items()):
        top, bottom = grid[:, place]
        reach = limit or _limit([values])
        _heat(top, values, reach)
        title = [name, f"std {number(values.std())}"]
        top.set_title("\n".join(filter(None, title)), loc="left", fontsize=FONT)
        _histogram(bottom, values, reach)
        words.append(_named(name, _moments(values)))
    grid[0, 0].set_ylabel("unit")
    grid[1, 0].set_ylabel("% of entries")
    tell(figure, said, " ".join(words), headline)
    return figure


@themed()
def distributions(
    weight: Any, *, limit: float, headline: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how the entries of several weights are spread: a ridge for each, on one x axis.

    A ridge is as high as its own peak, a bar at 0 gives the share of exact zeros, and the rms of
    the entries stands beside it.

    Args:
        weight: A tensor or array (units, inputs, ...), or a dict (name → one) or list of them.
        limit: The x axis reaches from −limit to limit; entries beyond it are not drawn.
        headline: What is to be seen; None computes it, "" writes none.
        ax: Axes to draw on; None makes a figure.

    Returns:
        The axes that were drawn on.

    Raises:
        TypeError: There is something else than numbers.
        ValueError: A weight has less than 2 dimensions, there is none, or `limit` is not positive.
    """
    matrices = _matrices(weight)
    _check_limit(limit)
    ax = ax or picture(WIDTH, 1.2 + 0.36 * len(matrices)).subplots()
    bins = [
        np.histogram(values[values != 0], 71, (-limit, limit))[0] for values in matrices.values()
    ]
    rms = {name: float(np.sqrt((values**2).mean())) for name, values in matrices.items()}
    places = range(1, len(matrices) + 1)
    ridgeline(
        ax, [counts / max(counts.max(), 1) for counts in bins], (-limit, limit),
        colour=look_of("weight").colour, ticks=places, notes=[number(one) for one in rms.values()],
        zeros=[float((values == 0).mean()) for values in matrices.values()],
    )  # fmt: skip
    ax.set_yticks(places, list(matrices))
    ax.set_xlabel("weight;  ▮ share of exact zeros")
    told = [_named(name, _moments(values)).rstrip(".") for name, values in matrices.items()]
    words = f"Entries of {len(matrices)} weights, one below the other. {'. '.join(told)}."
    said = f"Rms from {number(min(rms.values()))} to {number(max(rms.values()))}"
    tell(ax, said, words, headline)
    return ax


def _check_limit(limit: float) -> None:
    if not 0 < limit < np.inf:
        raise ValueError(f"limit must be a finite number above 0, got {limit!r}.")


def _matrices(weight: Any) -> dict[str, Matrix]:
    if isinstance(weight, (list, tuple)) and not hasattr(weight[0] if weight else 0, "ndim"):
        weight = {"": weight}  # nested lists of numbers are one matrix
    several = records.named(weight, what="weight")
    return {
        name: matrix(values, f"weight[{name!r}]" if name else "weight")
        for name, values in several.items()
    }


def _limit(matrices: Any) -> float:
    """Return the largest finite magnitude of all matrices; 1 where all is 0."""
    finite = [abs(values[np.isfinite(values)]).max(initial=0.0) for values in matrices]
    return float(max(finite)) or 1.0


def _heat(ax: Axes, values: Matrix, limit: float) -> AxesImage:
    dress(ax)
    ax.grid(False)
    units, inputs = values.shape
    edges = (0.5, inputs + 0.5, units + 0.5, 0.5)  # count from 1
    image = ax.imshow(values, cmap=diverging(), vmin=-limit, vmax=limit, extent=edges,
                      aspect="auto", interpolation="nearest")  # fmt: skip
    ax.set(xlabel="input")
    ax.set_xticks(records.ticks(range(1, inputs + 1), most=4))
    ax.set_yticks(records.ticks(range(1, units + 1), most=6))
    return image


def _histogram(ax: Axes, values: Matrix, limit: float) -> None:
    dress(ax)
    counts, edges = np.histogram(
        values[np.isfinite(values)], bins=31, range=(-1.05 * limit, 1.05 * limit)
    )
    middle, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    colours = diverging()(0.5 + middle / (2 * limit))
    ax.bar(middle, 100 * counts / values.size, width, color=colours, edgecolor="#777777",
           linewidth=0.6)  # fmt: skip
    ax.set(xlabel="weight", xlim=(edges[0], edges[-1]))
    few_ticks(ax)


def _counts(values: Matrix) -> tuple[int, int | None]:
    """Count the distinct rows and the rank, both up to `TOLERANCE`; no rank with nan or inf."""
    if not np.isfinite(values).all():
        return len(np.unique(values, axis=0)), None
    near = TOLERANCE * _limit([values])
    ordered = values[np.argsort(values.sum(axis=1), kind="stable")]
    kept: list[Matrix] = []
    for row in ordered:  # equal rows have equal sums: only such are compared
        window = near * len(row)
        close = (one for one in kept[::-1] if row.sum() - one.sum() <= window)
        if not any(abs(row - one).max() <= near for one in close):
            kept.append(row)
    sizes = np.linalg.svd(values, compute_uv=False)
    return len(kept), int((sizes > TOLERANCE * sizes.max()).sum())


def _told(distinct: int, rank: int | None) -> tuple[str, str]:
    known = "unknown" if rank is None else rank
    return f"{distinct} distinct {_plural('row', distinct)}", f"rank {known}"


def _named(name: str, words: str) -> str:
    return f"{name}: {words}" if name else words


def _plural(word: str, count: int) -> str:
    return word if count == 1 else word + "s"


def _size(values: Matrix) -> str:
    units, inputs = values.shape
    return f"{units} {_plural('unit', units)} × {inputs} {_plural('input', inputs)}"


def _reach(values: Matrix) -> str:
    low, high = number(np.min(values)), number(np.max(values))
    return f"all {low}" if low == high else f"from {low} to {high}"


def _moments(values: Matrix) -> str:
    zeros = float((values == 0).mean())
    said = f"{_size(values)}, mean {_mean(values)}, std {number(values.std())}, {_reach(values)}"
    return said + (f", {percent(zeros)} zeros." if zeros else ".")


def _mean(values: Matrix) -> str:
    """Say a mean that is only chance as "about 0": its digits would mean nothing."""
    chance = 4 * values.std() / np.sqrt(values.size)
    return "about 0" if 0 < abs(values.mean()) < chance else number(values.mean())
