"""How large do the weights of each layer start, and what would named schemes give there?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from initlab.format import number
from initlab.plots.axes import Name, axes, log_axis, name_lines
from initlab.plots.figure import tell
from initlab.plots.style import INK, looks, themed


@themed()
def std_by_depth(
    weights: Sequence[tuple[str, float]],
    expected: Mapping[str, Sequence[float]],
    *,
    headline: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the std of each weight against depth: dots are measured, dashes are named schemes.

    Args:
        weights: Name and standard deviation of each weight, in the order of the model. A std of 0
            cannot stand on a logarithmic axis and is said in words.
        expected: Name of a scheme → the standard deviation that it gives each of the weights.
        headline: What is to be seen; None computes it, "" writes none.
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
    style, named = looks(dict.fromkeys(expected)), list[Name]()
    for name, stds in expected.items():
        look = style[name]
        ax.plot(places, stds, linestyle="--", color=look.colour, label=name, zorder=2)
    ax.plot(*zip(*drawn, strict=True), linestyle="", marker="o", color=INK, label="this model")
    finite = [std for stds in expected.values() for std in stds if std > 0 and math.isfinite(std)]
    log_axis(ax, [*(std for _, std in drawn), *finite])
    ax.set(xlabel="weight, in the order of the model", ylabel="standard deviation of its entries")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    for name, stds in expected.items():
        named.append(Name(name, stds[-1], {"linestyle": "--", "color": style[name].colour}))
    name_lines(ax, named)
    ratios = _ratios(weights, expected)
    tell(ax, _headline(ratios), _sentence(weights, ratios), headline)
    return ax


def _ratios(
    weights: Sequence[tuple[str, float]], expected: Mapping[str, Sequence[float]]
) -> dict[str, float]:
    """Return how many times what each scheme gives the weights are, on (geometric) average."""
    count = sum(std > 0 for _, std in weights)
    return {
        name: math.exp(
            sum(math.log(std / e) for (_, std), e in zip(weights, given, strict=True) if std > 0)
            / count
        )
        for name, given in expected.items()
        if all(math.isfinite(e) and e > 0 for e in given)
    }


def _headline(ratios: Mapping[str, float]) -> str:
    if not ratios:
        return "The std of each weight"
    name, ratio = min(ratios.items(), key=lambda one: abs(math.log(one[1])))
    if abs(math.log(ratio)) < 0.1:
        return f"On average the weights are as wide as {name} makes them"
    return f"On average the weights are {number(ratio)} times as wide as {name} makes them"


def _sentence(weights: Sequence[tuple[str, float]], ratios: Mapping[str, float]) -> str:
    stds = [std for _, std in weights if std > 0]
    text = f"The std of {len(weights)} weights is {number(min(stds))} to {number(max(stds))}"
    zeros = len(weights) - len(stds)
    if zeros:
        text += f", that of {zeros} is 0"
    told = ", ".join(f"{number(ratio)} times that of {name}" for name, ratio in ratios.items())
    return f"{text}; on (geometric) average {told}." if told else f"{text}."
