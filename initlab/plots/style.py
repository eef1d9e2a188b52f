"""What do figures look like? One theme, and one colour and marker for each scheme, everywhere.

Colour is never the only carrier: each scheme has its own marker too. Line styles say something
else: dots (and solid lines over time) are measured, dashes are theory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from matplotlib import rcParams

INK = "#222222"
THEORY = "#222222"

THEME: dict[Any, Any] = {  # `rcParams` while drawing; white also where the page is dark
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": "#555555",
    "axes.labelcolor": INK,
    "axes.labelsize": 15,
    "axes.titlesize": 15,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 1.0,
    "axes.grid": False,
    "axes.axisbelow": True,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 14,
    "text.color": INK,
    "text.usetex": False,
    "mathtext.fontset": "dejavusans",
    "legend.frameon": False,
    "legend.fontsize": 14,
    "legend.labelcolor": INK,
    "lines.linewidth": 2.5,
    "lines.markersize": 8,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 14,
    "ytick.labelsize": 14,
    "hatch.color": "#555555",
    "hatch.linewidth": 0.8,
}
GRID: dict[str, Any] = {"color": "#DDDDDD", "linewidth": 0.8, "linestyle": "-"}
TICKS: dict[str, Any] = {"labelsize": 14, "color": "#555555", "labelcolor": INK, "length": 4}


@contextmanager
def themed() -> Iterator[None]:
    """Draw in the house style, and leave the caller's settings as they were.

    Only the theme's own settings are put back: matplotlib's `rc_context` would also undo that the
    first figure of a notebook makes pyplot interactive, and later figures would not show.
    """
    before = {key: rcParams[key] for key in THEME}
    rcParams.update(THEME)
    try:
        yield
    finally:
        rcParams.update(before)


class Look(NamedTuple):
    """How one scheme is drawn.

    Args:
        colour: Hexadecimal, at least 2.8 : 1 against white.
        marker: Matplotlib's letter for the shape of a dot.
        filled: Whether the dot is filled; its white-faced sister is the scheme's variant.
    """

    colour: str
    marker: str
    filled: bool = True

    @property
    def dot(self) -> dict[str, Any]:
        """Keyword arguments of `plot` for measured values."""
        face = self.colour if self.filled else "white"
        return {
            "color": self.colour,
            "marker": self.marker,
            "markerfacecolor": face,
            "markeredgecolor": self.colour,
            "markeredgewidth": 1.6,
            "markersize": 12 if self.marker == "*" else 8,
        }


LOOKS: dict[str, Look] = {  # the colours of the main eight stay apart under all colour blindness
    "zeros": Look("#000000", "X"),
    "ones": Look("#5A5A5A", "s", filled=False),
    "constant": Look("#8F8F8F", "s"),
    "uniform": Look("#7D1416", "o", filled=False),
    "normal": Look("#BF0206", "o"),
    "trunc_normal": Look("#D9662B", "h"),
    "sparse": Look("#A359A5", "*"),
    "xavier_uniform": Look("#8F5E00", "^", filled=False),
    "xavier_normal": Look("#D48B00", "^"),
    "kaiming_uniform": Look("#5470CC", "D", filled=False),
    "kaiming_normal": Look("#1F3FAB", "D"),
    "orthogonal": Look("#00954B", "P"),
    "eye": Look("#007070", "p"),
    "dirac": Look("#2C9C9C", "p", filled=False),
    "torch_default": Look("#3E9BFF", "v"),
    "lecun_uniform": Look("#8C3A66", "<", filled=False),
    "lecun_normal": Look("#C75B93", "<"),
    "delta_orthogonal": Look("#4C8F2F", "P", filled=False),
}
COLOURS: dict[str, str] = {name: look.colour for name, look in LOOKS.items()}
"""Scheme → colour, the same in every notebook."""

SPARE = [LOOKS[name] for name in ("kaiming_normal", "xavier_normal", "orthogonal", "sparse",
                                  "torch_default", "normal", "constant", "zeros")]  # fmt: skip


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Give each name its look: a scheme its own, any other name the next that is free.

    "torch_default, bias 0" and "kaiming_normal(a=0.2)" look like their scheme; a second one of the
    same scheme is its sister, with white dots where the first has filled ones, or the reverse.

    >>> [look.filled for look in looks(["torch_default", "torch_default, bias 0"]).values()]
    [True, False]
    """
    names = list(names)
    given = {name: LOOKS[name] for name in names if name in LOOKS}
    for name in names:
        free = [look for look in _of_its_scheme(name) if look not in given.values()]
        if name not in given and free:
            given[name] = free[0]
    sisters = [look._replace(filled=not look.filled) for look in SPARE]
    every = [*SPARE, *sisters, *LOOKS.values()]
    spare = [look for look in dict.fromkeys(every) if look not in given.values()] or SPARE
    others = [name for name in names if name not in given]
    given |= {name: spare[place % len(spare)] for place, name in enumerate(others)}
    return {name: given[name] for name in names}


def _of_its_scheme(name: str) -> list[Look]:
    """Return the look of the scheme that a name starts with, and its sister; else nothing."""
    scheme = re.match(r"(\w+)(?=[,(]|$)", name)
    if scheme is None or scheme[1] not in LOOKS:
        return []
    own = LOOKS[scheme[1]]
    return [own, own._replace(filled=not own.filled)]
