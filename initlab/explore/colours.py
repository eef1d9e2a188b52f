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
_DARK = {"ink": "#eeeeee", "paper": "#111111", "grid": "#4a4a4a"}  # paper as JupyterLab's


def colour(name: str) -> str:
    """Give a colour on a light page; a scheme that is in no table has one too."""
    return _LIGHT.get(name) or palette()["light"].get(name) or colour_of(name)


def themes() -> dict[str, dict[str, str]]:
    """Give page ("light", "dark") → name → "#rrggbb", with all schemes registered by now."""
    light = {name: colour_of(name) for name in SCHEMES} | palette()["light"] | _LIGHT
    return {"light": light, "dark": {name: on_dark(one) for name, one in light.items()} | _DARK}
