"""What does a weight matrix hold? Its entries as colours and histograms, its singular values."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from initlab.format import number, percent
from initlab.plots import headlines, records
from initlab.plots.axes import Name, at_edge, axes, dress, few_ticks, log_axis, name_lines
from initlab.plots.figure import WIDTH, picture, tell
from initlab.plots.ridgeline import ridgeline
from initlab.plots.style import FONT, diverging, look_of, looks, themed

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
    counts = {}
    words = ["Weights as colours."]
    for place, (ax, (name, values)) in enumerate(zip(grid.flat, matrices.items(), strict=False)):
        image = _heat(ax, values, limit)
        distinct = _distinct_rows(values)
        counts[name] = distinct, len(values)
        told = f"{_many(distinct, 'distinct row')}, rank {_rank(values)}"
        ax.set_title(f"{name}\n{told}".lstrip(), loc="left", fontsize=FONT - 1)
        ax.set_ylabel("unit" if place % columns == 0 else "")
        words.append(headlines.about(name, f"{_size(values)}, {told}, {_reach(values)}."))
    for ax in grid.flat[len(matrices) :]:
        ax.set_axis_off()
    bar = figure.colorbar(image, ax=grid, shrink=0.8)
    bar.set_label("weight", fontsize=FONT)
    tell(figure, headlines.equal_rows(counts), " ".join(words), headline)
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
        title = f"{name}\nstd {number(values.std())}".lstrip()
        top.set_title(title, loc="left", fontsize=FONT)
        _histogram(bottom, values, reach)
        words.append(headlines.about(name, _moments(values)))
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
    words = [f"Entries of {len(matrices)} weights, one below the other."]
    words += [headlines.about(name, _moments(values)) for name, values in matrices.items()]
    said = f"Rms from {number(min(rms.values()))} to {number(max(rms.values()))}"
    tell(ax, said, " ".join(words), headline)
    return ax


@themed()
def spectrum(singular_values: Any, *, headline: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw singular values from the largest to the smallest on a log axis.

    A flat line stretches every direction alike (an isometry); a steep one keeps a few directions
    and forgets the others.

    Args:
        singular_values: The values of one matrix in any order, or name → values.
        headline: What is to be seen; None computes it, "" writes none.
        ax: Axes to draw on; None makes a figure.

    Raises:
        TypeError: There is something else than numbers.
        ValueError: A value is negative, or there is none.

    >>> from initlab.plots import alt_text
    >>> alt_text(spectrum({"orthogonal": [1.0, 1.0], "normal": [1.5, 0.02]})).split(". ", 1)[1]
    'Singular values, largest first, log axis. orthogonal: 1 to 1. normal: 1.5 to 0.02.'
    """
    named = records.named(
        singular_values if hasattr(singular_values, "keys") else {"": singular_values},
        what="singular_values",
    )
    curves = {name: _descending(values, name) for name, values in named.items()}
    ax = axes(ax)
    log_axis(ax, [value for values in curves.values() for value in values if value > 0])
    ax.set(xlabel="place of the singular value (1 = largest)", ylabel="singular value")
    ax.set_xticks(records.ticks(range(1, max(map(len, curves.values())) + 1)))
    names = []
    words = ["Singular values, largest first, log axis."]
    for name, look in looks(curves).items():
        values = curves[name]
        above = [value for value in values if value > 0]
        zeros = len(values) - len(above)
        dot = look.dot | {"markevery": max(1, len(values) // 25)}
        ax.plot(range(1, len(above) + 1), above, linewidth=1.5, label=name, **dot)
        at_edge(ax, range(len(above) + 1, len(values) + 1), top=False, **dot)
        sample = {"linestyle": "-", "linewidth": 1.5, **look.dot}
        names.append(Name(name + f"\n{zeros} are 0" * bool(zeros), values[-1], sample))
        said = [f"{number(above[0])} to {number(above[-1])}"] if above else []
        said += [f"{zeros} of {len(values)} are 0"] if zeros else []
        words.append(headlines.about(name, "; ".join(said) + "."))
    if "" not in curves:
        name_lines(ax, names)
    tell(ax, headlines.directions(curves), " ".join(words), headline)
    return ax


def _check_limit(limit: float) -> None:
    if not 0 < limit < np.inf:
        raise ValueError(f"limit must be a finite number above 0, got {limit!r}.")


def _matrices(weight: Any) -> dict[str, Matrix]:
    if isinstance(weight, (list, tuple)) and not hasattr(weight[0] if weight else 0, "ndim"):
        weight = {"": weight}  # nested lists of numbers are one matrix
    return {
        name: _matrix(values, f"weight[{name!r}]" if name else "weight")
        for name, values in records.named(weight, what="weight").items()
    }


def _matrix(values: Any, name: str) -> Matrix:
    """Turn a weight into a matrix with one row for each unit: a kernel is laid out flat."""
    found = _array(values, name)
    if found.ndim < 2:
        raise ValueError(
            f"{name} must have at least 2 dimensions, (units, inputs, ...), "
            f"got shape {found.shape}."
        )
    return found.reshape(len(found), -1)


def _array(values: Any, name: str) -> NDArray[np.float64]:
    """Turn a tensor (of any library that detaches), an array or a list into float64."""
    detached = values.detach().cpu().double() if hasattr(values, "detach") else values
    try:
        found = np.asarray(detached, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(
            f"{name} must be a tensor, an array or a list of numbers, "
            f"got {values!r} of type {type(values).__name__}."
        ) from None
    if found.size == 0:
        raise ValueError(f"{name} holds no numbers: its shape is {found.shape}.")
    return found


def _descending(values: Any, name: str) -> list[float]:
    label = f"singular_values[{name!r}]" if name else "singular_values"
    found = _array(values, label).ravel()
    if not (found >= 0).all():
        raise ValueError(
            f"{label} must be at least 0, got {number(found[~(found >= 0)][0])}: "
            "pass torch.linalg.svdvals(matrix), not the matrix or its eigenvalues."
        )
    return sorted(found.tolist(), reverse=True)


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


def _distinct_rows(values: Matrix) -> int:
    """Count the rows that differ by more than `TOLERANCE` of the largest entry."""
    if not np.isfinite(values).all():
        return len(np.unique(values, axis=0))
    near = TOLERANCE * _limit([values])
    count = 0
    while len(values):
        values = values[abs(values - values[0]).max(axis=1) > near]
        count += 1
    return count


def _rank(values: Matrix) -> int | str:
    if not np.isfinite(values).all():
        return "unknown"
    sizes = np.linalg.svd(values, compute_uv=False)
    return int((sizes > TOLERANCE * sizes.max()).sum())


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def _size(values: Matrix) -> str:
    return f"{_many(values.shape[0], 'unit')} × {_many(values.shape[1], 'input')}"


def _reach(values: Matrix) -> str:
    low, high = number(np.min(values)), number(np.max(values))
    return f"all {low}" if low == high else f"from {low} to {high}"


def _moments(values: Matrix) -> str:
    zeros = float((values == 0).mean())
    chance = 4 * values.std() / np.sqrt(values.size)  # a mean below is as good as 0
    mean = "about 0" if 0 < abs(values.mean()) < chance else number(values.mean())
    said = f"{_size(values)}, mean {mean}, std {number(values.std())}, {_reach(values)}"
    return said + (f", {percent(zeros)} zeros." if zeros else ".")
