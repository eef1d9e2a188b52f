"""How large do the weights of each layer start, and what would named schemes give there?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from initlab.plots.axes import axes, legend, log_axis
from initlab.plots.figure import say
from initlab.plots.style import INK, looks, themed


@themed()
def std_by_depth(
    weights: Sequence[tuple[str, float]],
    expected: Mapping[str, Sequence[float]],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the std of each weight against depth: dots are measured, dashes are named schemes.

    Args:
        weights: Name and standard deviation of each weight, in the order of the model. A std of 0
            cannot stand on a logarithmic axis and is said in words.
        expected: Name of a scheme → the standard deviation that it gives each of the weights.
        ax: Axes to draw on; None makes a figure.

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: There is no weight with a std above 0, or a scheme has another number of them.
    """
    places = range(1, len(weights) + 1)
    drawn = [(place, std) for place, (_, std) in zip(places, weights, strict=True) if std > 0]
    if not drawn:
        raise ValueError("weights must hold at least one std above 0, got none.")
    for name, stds in expected.items():
        if len(stds) != len(weights):
            raise ValueError(
                f"expected[{name!r}] must give a std for each of the {len(weights)} weights, "
                f"got {len(stds)}."
            )
    ax = axes(ax)
    style = looks(dict.fromkeys(expected))
    for name, stds in expected.items():
        look = style[name]
        ax.plot(places, stds, linestyle="--", color=look.colour, label=name, zorder=2)
    ax.plot(*zip(*drawn, strict=True), linestyle="", marker="o", color=INK, label="this model")
    finite = [std for stds in expected.values() for std in stds if std > 0 and math.isfinite(std)]
    log_axis(ax, [*(std for _, std in drawn), *finite])
    ax.set(xlabel="weight, in the order of the model", ylabel="standard deviation of its entries")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(ax)
    say(ax, _sentence(weights, expected))
    return ax


def _sentence(weights: Sequence[tuple[str, float]], expected: Mapping[str, Sequence[float]]) -> str:
    stds = [std for _, std in weights if std > 0]
    text = f"The std of {len(weights)} weights is {min(stds):.2g} to {max(stds):.2g}"
    zeros = len(weights) - len(stds)
    if zeros:
        text += f", that of {zeros} is 0"
    ratios = {
        name: math.exp(
            sum(math.log(std / e) for (_, std), e in zip(weights, given, strict=True) if std > 0)
            / len(stds)
        )
        for name, given in expected.items()
        if all(math.isfinite(e) and e > 0 for e in given)
    }
    told = ", ".join(f"{ratio:.2g} times that of {name}" for name, ratio in ratios.items())
    return f"{text}; on (geometric) average {told}." if told else f"{text}."
