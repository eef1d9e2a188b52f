"""Which colour does each meaning have on a light and on a dark page?

Schemes, meanings ("activation", "with", "negative") and classes are those of all figures
(`initlab.plots.style`); only what a page needs besides them stands here. Panels name a colour, and
JavaScript is handed the table.
"""

from __future__ import annotations

from initlab.plots.style import INK, PAPER, colour_of, on_dark, palette
from initlab.schemes import SCHEMES

_LIGHT = {
    "ink": INK,
    "paper": PAPER,
    "grid": "#d9d9d9",
    "muted": "#767676",
    "accent": colour_of("activation"),
    "warning": colour_of("ill"),
    "size": colour_of("weight"),
    "extra": colour_of("last"),
    "layer 1": colour_of("activation"),
    "layer 2": colour_of("gradient"),
    "layer 3": colour_of("weight"),
    "head": colour_of("last"),
}
_DARK = {name: on_dark(colour) for name, colour in _LIGHT.items()} | {
    "ink": "#eeeeee",
    "paper": "#111111",  # as JupyterLab's
    "grid": "#4a4a4a",
}


def colour(name: str) -> str:
    """Give a colour on a light page; a scheme that is in no table has one too."""
    return (palette()["light"] | _LIGHT).get(name) or colour_of(name)


def themes() -> dict[str, dict[str, str]]:
    """Give page ("light", "dark") → name → "#rrggbb", with all schemes registered by now."""
    own = {name: colour_of(name) for name in SCHEMES}
    known = palette()
    return {
        "light": {**own, **known["light"], **_LIGHT},
        "dark": {
            **{name: on_dark(colour) for name, colour in own.items()},
            **known["dark"],
            **_DARK,
        },
    }
