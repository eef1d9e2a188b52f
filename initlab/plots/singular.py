"""How evenly does a matrix stretch? Its singular values, largest first."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from initlab.format import number
from initlab.plots import headlines, records
from initlab.plots.arrays import array
from initlab.plots.axes import Name, at_edge, axes, log_axis, name_lines
from initlab.plots.figure import tell
from initlab.plots.style import Look, looks, themed


@themed()
def spectrum(singular_values: Any, *, headline: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw singular values from the largest to the smallest on a log axis.

    A flat line stretches every direction alike (an isometry); a steep one keeps a few directions
    and forgets the others.

    Args:
        singular_values: The values of one matrix in any order, or name → values.
        headline: What is to be seen; None computes it, "" writes none.
        ax: Axes to draw on; None makes a figure.

    Returns:
        The axes that were drawn on.

    Raises:
        TypeError: There is something else than numbers.
        ValueError: A value is negative, or there is none.

    >>> from initlab.plots import alt_text
    >>> alt_text(spectrum({"orthogonal": [1.0, 1.0], "normal": [1.5, 0.02]})).split(". ", 1)[1]
    'Singular values, largest first, log axis. orthogonal: 1 to 1. normal: 1.5 to 0.02.'
    """
    named = records.named(singular_values if _is_named(singular_values) else {"": singular_values})
    curves = {name: _sorted(values, name) for name, values in named.items()}
    ax = axes(ax)
    log_axis(ax, [float(value) for values in curves.values() for value in values if value > 0])
    ax.set(xlabel="place of the singular value (1 = largest)", ylabel="singular value")
    ax.set_xticks(records.ticks(range(1, max(map(len, curves.values())) + 1)))
    style = looks(curves)
    for name, values in curves.items():
        _curve(ax, values, style[name], name)
    if "" not in curves:
        name_lines(ax, [_name(name, values, style[name]) for name, values in curves.items()])
    words = [(f"{name}: " if name else "") + _words(values) for name, values in curves.items()]
    said = headlines.directions({name: values.tolist() for name, values in curves.items()})
    tell(ax, said, " ".join(["Singular values, largest first, log axis.", *words]), headline)
    return ax


def _is_named(values: Any) -> bool:
    return hasattr(values, "keys")


def _sorted(values: Any, name: str) -> NDArray[np.float64]:
    label = f"singular_values[{name!r}]" if name else "singular_values"
    found = array(values, label).ravel()
    if not (found >= 0).all():
        raise ValueError(
            f"{label} must be at least 0, got {number(found[~(found >= 0)][0])}: "
            "pass torch.linalg.svdvals(matrix), not the matrix or its eigenvalues."
        )
    return np.sort(found)[::-1]


def _curve(ax: Axes, values: NDArray[np.float64], look: Look, name: str) -> None:
    places = np.arange(1, len(values) + 1)
    shown, zero = values > 0, values == 0
    every = max(1, len(values) // 25)
    ax.plot(places[shown], values[shown], linewidth=1.5, label=name, markevery=every, **look.dot)
    at_edge(ax, list(places[zero]), top=False, markevery=every, **look.dot)


def _name(name: str, values: NDArray[np.float64], look: Look) -> Name:
    zeros = int((values == 0).sum())
    text = "\n".join([name, *([f"{zeros} are 0"] if zeros else [])])
    return Name(text, float(values[-1]), {"linestyle": "-", "linewidth": 1.5, **look.dot})


def _words(values: NDArray[np.float64]) -> str:
    above = values[values > 0]
    said = f"{number(above[0])} to {number(above[-1])}" if len(above) else ""
    zeros = len(values) - len(above)
    return "; ".join(filter(None, [said, f"{zeros} of {len(values)} are 0" if zeros else ""])) + "."
