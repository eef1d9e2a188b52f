"""What stands in a weight matrix? Each entry as a colour, and all of them as a histogram."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from initlab.plots import records
from initlab.plots.arrays import matrix
from initlab.plots.axes import dress, few_ticks
from initlab.plots.figure import WIDTH, picture, say
from initlab.plots.records import number
from initlab.plots.style import themed

COLOUR_MAP = "RdBu_r"  # red above 0, white 0, blue below: safe for colour-blind readers
COLUMNS = 4

Matrix = NDArray[np.float64]


@themed()
def weights(weight: Any, *, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw weight matrices as pictures: a row is a unit, white is 0, all on one colour range.

    Units that compute the same thing are equal rows, so they show as vertical stripes; the title
    counts the distinct rows and gives the rank.

    Args:
        weight: A tensor or array (units, inputs, ...), or a dict (name → one) or list of them.
        figure: Figure or subfigure to draw on; None makes one.

    Returns:
        The figure that was drawn on.

    Raises:
        TypeError: There is something else than numbers.
        ValueError: A weight has less than 2 dimensions, or there is none.

    >>> weights({"linear1": [[1.0, 2.0], [1.0, 2.0]]}).alt
    'Weights as colours. linear1: 2 units × 2 inputs, 1 distinct row, rank 1, from 1.0 to 2.0.'
    """
    matrices = _matrices(weight)
    columns = min(COLUMNS, len(matrices))
    lines = -(-len(matrices) // columns)
    figure = figure or picture(WIDTH, 0.8 + 3.8 * lines)
    grid = figure.subplots(lines, columns, squeeze=False)
    limit = _limit(matrices.values())
    for place, (name, values) in enumerate(matrices.items()):
        ax = grid.flat[place]
        image = _heat(ax, values, limit)
        ax.set_title("\n".join(filter(None, [name, *_counts(values)])), fontsize=14)
        ax.set_ylabel("unit" if place % columns == 0 else "")
        opening = "Weights as colours. " if place == 0 else ""
        say(ax, opening + (f"{name}: " if name else "") + _sentence(values))
    for ax in grid.flat[len(matrices) :]:
        ax.set_axis_off()
    bar = figure.colorbar(image, ax=grid, shrink=0.8)
    bar.set_label("weight (no unit)", fontsize=14)
    return figure


@themed()
def scheme_picture(
    weight: Any, *, limit: float | None = None, figure: Figure | SubFigure | None = None
) -> Figure | SubFigure:
    """Draw what a scheme fills: the matrix as a picture, and below it the histogram of its entries.

    The histogram's bars have the colours of the picture, so it is the picture's legend too.

    Args:
        weight: A tensor or array (units, inputs, ...), or a dict (scheme name → one) of at most 4
            that shall be compared.
        limit: Colours and histograms reach from −limit to limit; None fits each matrix by itself.
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
    if limit is not None and not 0 < limit < np.inf:
        raise ValueError(f"limit must be a finite number above 0, got {limit!r}.")
    figure = figure or picture(WIDTH, 5.6)
    grid = figure.subplots(2, len(matrices), squeeze=False, height_ratios=[3, 2])
    for place, (name, values) in enumerate(matrices.items()):
        top, bottom = grid[:, place]
        reach = limit or _limit([values])
        _heat(top, values, reach)
        title = [name, f"std {number(values.std())}"]
        top.set_title("\n".join(filter(None, title)), fontsize=14)
        _histogram(bottom, values, reach)
        opening = "Weights as colours and as histograms. " if place == 0 else ""
        say(top, opening + (f"{name}: " if name else "") + _moments(values))
    grid[0, 0].set_ylabel("unit")
    grid[1, 0].set_ylabel("share of\nentries (%)")
    return figure


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
    image = ax.imshow(values, cmap=COLOUR_MAP, vmin=-limit, vmax=limit, extent=edges,
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
    colours = colormaps[COLOUR_MAP](0.5 + middle / (2 * limit))
    ax.bar(middle, 100 * counts / values.size, width, color=colours, edgecolor="#777777",
           linewidth=0.6)  # fmt: skip
    ax.set(xlabel="weight (no unit)", xlim=(edges[0], edges[-1]))
    few_ticks(ax)


def _counts(values: Matrix) -> tuple[str, str]:
    distinct = len(np.unique(values, axis=0))
    rank = np.linalg.matrix_rank(values) if np.isfinite(values).all() else "unknown"
    return f"{distinct} distinct {_plural('row', distinct)}", f"rank {rank}"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else word + "s"


def _size(values: Matrix) -> str:
    units, inputs = values.shape
    return f"{units} {_plural('unit', units)} × {inputs} {_plural('input', inputs)}"


def _sentence(values: Matrix) -> str:
    return f"{_size(values)}, {', '.join(_counts(values))}, {_reach(values)}."


def _reach(values: Matrix) -> str:
    low, high = number(np.min(values)), number(np.max(values))
    return f"all {low}" if low == high else f"from {low} to {high}"


def _moments(values: Matrix) -> str:
    zeros = float((values == 0).mean())
    said = f"{_size(values)}, mean {_mean(values)}, std {number(values.std())}, {_reach(values)}"
    return said + (f", {records.percent(zeros)} zeros." if zeros else ".")


def _mean(values: Matrix) -> str:
    """Say a mean that is only chance as "about 0": its digits would mean nothing."""
    chance = 4 * values.std() / np.sqrt(values.size)
    return "about 0" if 0 < abs(values.mean()) < chance else number(values.mean())
