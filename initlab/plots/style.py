"""Which colour means what, in figures and explorers? One table, and one theme.

Colours are given as they stand on a white page, at least 3 : 1 against it; `on_dark` says how a
dark page shows them. Those that share a figure differ for colour-blind readers and in grey, and
colour is never the only carrier: each name has a marker too. Dots (and solid lines over time) are
measured, dashes are theory.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from matplotlib import rcParams
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb

INK = "#222222"
PAPER = "#FFFFFF"
FONT = 12.0  # points; at 100 pixels to an inch 16.7 pixels, as large as the text around a figure


class Look(NamedTuple):
    """How one name is drawn."""

    colour: str  # hexadecimal, as on a white page
    marker: str  # matplotlib's letter for the shape of a dot
    filled: bool = True

    @property
    def dot(self) -> dict[str, Any]:
        """Keyword arguments of `plot` for measured values."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "markerfacecolor": self.colour if self.filled else PAPER,
            "markeredgecolor": self.colour,
            "markeredgewidth": 1.4,
            "markersize": 11 if self.marker == "*" else 7,
        }


SCHEMES: dict[str, Look] = {
    "zeros": Look("#000000", "X"),
    "ones": Look("#3A3A3A", "s", filled=False),
    "constant": Look("#686868", "s"),
    "uniform": Look("#C8432F", "o", filled=False),
    "normal": Look("#991000", "o"),
    "trunc_normal": Look("#6B1D2A", "h"),
    "sparse": Look("#379DDA", "*"),
    "xavier_uniform": Look("#5F3200", "^", filled=False),
    "xavier_normal": Look("#C96E0E", "^"),
    "kaiming_uniform": Look("#6A5FEA", "D", filled=False),
    "kaiming_normal": Look("#1208A9", "D"),
    "orthogonal": Look("#10883F", "P"),
    "eye": Look("#066068", "p"),
    "dirac": Look("#259BAA", "p", filled=False),
    "torch_default": Look("#A21985", "v"),
    "lecun_uniform": Look("#9C83BD", "<", filled=False),
    "lecun_normal": Look("#7A5C99", "<"),
    "delta_orthogonal": Look("#0B5A2A", "P", filled=False),
}
MEANINGS: dict[str, Look] = {
    "activation": Look("#0B5CA8", "o"),
    "gradient": Look("#D9730D", "s"),
    "weight": Look("#2B7A4B", "D"),
    "weight_gradient": Look("#6E1423", "^"),
    "with": Look("#0B5563", "o"),
    "without": Look("#D0600A", "s"),
    "positive": Look("#D6402B", "P"),
    "negative": Look("#123E8A", "_"),
    "first": Look("#C08400", "o"),  # of layers, widths, depths: the smaller, the paler
    "last": Look("#3B0F70", "o"),
    "healthy": Look("#1D6FA5", "o"),
    "ill": Look("#A3180F", "X"),
    "theory": Look(INK, ""),
    "measured": Look("#0B5CA8", "o"),
}
CLASSES: tuple[Look, ...] = (
    Look("#1E57CF", "o"),
    Look("#4FA392", "s"),
    Look("#881A3B", "D"),
    Look("#8A7A12", "P"),
)
OTHERS: tuple[Look, ...] = (  # for every name that stands in no table
    Look("#4256DE", "d"),
    Look("#9C3109", "X"),
    Look("#1D8376", ">"),
    Look("#3D1433", "o"),
    Look("#19A1C6", "v"),
    Look("#831569", "H"),
    Look("#94844C", "s"),
    Look("#013B16", "^"),
)
MIDDLE = "#B5305F"  # between first and last

NAMED = SCHEMES | MEANINGS
COLOURS: dict[str, str] = {name: look.colour for name, look in SCHEMES.items()}
"""Scheme → colour, the same in every notebook and explorer."""
THEORY = MEANINGS["theory"].colour
DASHES: dict[str, Any] = {"color": THEORY, "linestyle": "--", "linewidth": 1.8, "zorder": 2.5}


def look_of(name: str) -> Look:
    """Return how a scheme, a meaning ("with", "gradient") or any other name is drawn.

    A name that is in no table has a look too, found from its letters: always the same.

    >>> look_of("orthogonal").colour, look_of("my_own") == look_of("my_own")
    ('#10883F', True)
    """
    return NAMED.get(name) or OTHERS[crc32(name.encode()) % len(OTHERS)]


def colour_of(name: str) -> str:
    """Return the colour of a scheme, a meaning or any other name, as on a white page.

    >>> colour_of("kaiming_normal"), colour_of("positive")
    ('#1208A9', '#D6402B')
    """
    return look_of(name).colour


def on_dark(colour: str) -> str:
    """Return a colour as a dark page shows it: lightness turned round, the hue kept.

    The same as the CSS filter `invert(1) hue-rotate(180deg)`, by which figures follow the page.

    >>> on_dark("#000000"), on_dark("#1208A9")
    ('#ffffff', '#e6dcff')
    """
    turned = [[-0.574, 1.430, 0.144], [0.426, 0.430, 0.144], [0.426, 1.430, -0.856]]
    return to_hex(tuple(np.clip(1 - np.array(turned) @ to_rgb(colour), 0, 1)))


def ramp(count: int) -> list[str]:
    """Return colours for what has an order (layers, widths): from "first" to "last", ever darker.

    >>> ramp(2)
    ['#c08400', '#3b0f70']
    """
    stops = [MEANINGS["first"].colour, MIDDLE, MEANINGS["last"].colour]
    colours = LinearSegmentedColormap.from_list("ramp", stops)
    return [to_hex(colours(share)) for share in np.linspace(0, 1, max(2, count))][:count]


def diverging() -> LinearSegmentedColormap:
    """Return the colour map of numbers with a sign: blue below 0, white at 0, red above."""
    stops = [MEANINGS["negative"].colour, PAPER, MEANINGS["positive"].colour]
    return LinearSegmentedColormap.from_list("initlab", stops)


def palette() -> dict[str, dict[str, str]]:
    """Return the table for a page: "light" and "dark" → name → colour; classes: "class 0"."""
    named = {name: look.colour for name, look in NAMED.items()}
    named |= {f"class {place}": look.colour for place, look in enumerate(CLASSES)}
    return {"light": named, "dark": {name: on_dark(colour) for name, colour in named.items()}}


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Give each name of a figure its look, no two alike as long as there are looks.

    A scheme and a meaning have their own. "torch_default, bias 0" and "kaiming_normal(a=0.2)" look
    like their scheme; a second one of the same scheme is its sister, with white dots where the
    first has filled ones, or the reverse. "with BatchNorm", "without" and "no norm" are known too.
    Names that differ by a number only (widths, gains) become darker as it grows.

    >>> [look.filled for look in looks(["torch_default", "torch_default, bias 0"]).values()]
    [True, False]
    >>> [look.colour for look in looks(["width 100", "width 20"]).values()]
    ['#3b0f70', '#c08400']
    """
    names = list(names)
    given: dict[str, Look] = {}
    if numbers := _numbers(names):
        order = sorted(names, key=numbers.__getitem__)
        for name, colour, other in zip(order, ramp(len(names)), itertools.cycle(OTHERS)):
            given[name] = Look(colour, other.marker)
        return {name: given[name] for name in names}
    for name in sorted(names, key=lambda name: (name not in SCHEMES, _root(name) is None)):
        root = _root(name)
        own = look_of(root or name)
        start = OTHERS.index(own) if own in OTHERS else 0
        rest = [*OTHERS[start:], *OTHERS[:start]]
        every = [own, own._replace(filled=not own.filled)] if root else []
        every += [*rest, *(look._replace(filled=False) for look in rest), *SCHEMES.values()]
        free = [look for look in every if look not in given.values()] or [own]
        far = [look for look in free if all(_apart(look, other) for other in given.values())]
        given[name] = free[0] if root else [*far, *free][0]
    return {name: given[name] for name in names}


def _apart(look: Look, other: Look) -> bool:
    """Tell whether two colours are far enough from each other for one figure."""
    return math.dist(to_rgb(look.colour), to_rgb(other.colour)) > 0.31


def _numbers(names: Sequence[str]) -> dict[str, float]:
    """Return the number by which each name differs; nothing where they differ otherwise."""
    number = r"\d+(?:\.\d+)?(?:e-?\d+)?"
    found = {name: re.findall(number, name) for name in names}
    roots = {re.sub(number, "#", name) for name in names}
    if len(names) < 2 or len(roots) > 1 or any(len(one) != 1 for one in found.values()):
        return {}
    return {name: float(one) for name, (one,) in found.items()}


def _root(name: str) -> str | None:
    """Return the scheme or meaning that a name stands for; None for any other name."""
    if name == "":
        return "measured"
    if re.match(r"(without|no)\b", name):
        return "without"
    if re.match(r"with\b", name):
        return "with"
    first = re.split("[,(]", name)[0]
    return first if first in NAMED else None


THEME: dict[Any, Any] = {  # `rcParams` while drawing
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": "#666666",
    "axes.labelcolor": INK,
    "axes.labelsize": FONT,
    "axes.titlesize": FONT,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 1.0,
    "axes.grid": False,
    "axes.axisbelow": True,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": FONT,
    "text.color": INK,
    "text.usetex": False,
    "mathtext.fontset": "dejavusans",
    "legend.frameon": False,
    "legend.fontsize": FONT,
    "legend.labelcolor": INK,
    "lines.linewidth": 2.2,
    "lines.markersize": 7,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": FONT,
    "ytick.labelsize": FONT,
    "hatch.color": "#666666",
    "hatch.linewidth": 0.8,
}
GRID: dict[str, Any] = {"color": "#DDDDDD", "linewidth": 0.8, "linestyle": "-"}
TICKS: dict[str, Any] = {"labelsize": FONT, "color": "#666666", "labelcolor": INK, "length": 4}


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
