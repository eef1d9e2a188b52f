"""How large do the weights of each layer start, and what would named schemes give there?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import geometric_mean

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from initlab.format import number, times
from initlab.plots.axes import Name, axes, log_axis, name_lines
from initlab.plots.figure import tell
from initlab.plots.style import DASHES, look_of, looks, themed


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
    finite = [std for stds in expected.values() for std in stds if std > 0 and math.isfinite(std)]
    log_axis(ax, [*(std for _, std in drawn), *finite])
    ax.set(xlabel="weight, in the order of the model", ylabel="standard deviation of its entries")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    own = look_of("weight").dot | {"linestyle": ""}
    names = [Name("this model", drawn[-1][1], own)]
    for name, look in looks(expected).items():
        dashes = DASHES | {"color": look.colour}
        ax.plot(places, expected[name], label=name, **dashes)
        names.append(Name(name, expected[name][-1], dashes))
    ax.plot(*zip(*drawn, strict=True), label="this model", **own)
    name_lines(ax, names)
    tell(ax, *_words([std for _, std in weights], expected), headline)
    return ax


def _words(stds: Sequence[float], expected: Mapping[str, Sequence[float]]) -> tuple[str, str]:
    """Return the headline, which scheme comes closest, and the sentence with the numbers."""
    above = [std for std in stds if std > 0]
    ratios = {
        name: [std / one for std, one in zip(stds, given, strict=True) if std > 0]
        for name, given in expected.items()
        if all(one > 0 and math.isfinite(one) for one in given)
    }
    ends = f"{number(min(above))} to {number(max(above))}"
    text = f"The std of {len(stds)} weights is {ends}"
    if zeros := len(stds) - len(above):
        text += f", that of {zeros} is 0"
    if not ratios:
        return f"{len(above)} weights, std {ends}", f"{text}."
    off = {name: max(*one, 1 / min(one)) for name, one in ratios.items()}
    name = min(off, key=lambda name: off[name])
    said = f"No drawn scheme fits every weight: {name} is off by up to {times(off[name])}"
    if off[name] < 1.2:
        said = f"{name} fits every weight"
    told = [f"{times(geometric_mean(one))} that of {name}" for name, one in ratios.items()]
    return said, f"{text}; on (geometric) average {', '.join(told)}."
