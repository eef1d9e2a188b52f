"""Which colour does each meaning have? The one table of all explorers, in the browser and still.

Panels name a role ("activation", "with", "class 1") or a scheme ("kaiming_normal"); `THEMES` gives
the colour on a light and on a dark page.
"""

from __future__ import annotations

from initlab.plots import COLOURS as SCHEMES

_ROLES = {  # on white, on black
    "ink": ("#1a1a1a", "#eeeeee"),
    "paper": ("#ffffff", "#111111"),
    "grid": ("#d9d9d9", "#4a4a4a"),
    "muted": ("#767676", "#a0a0a0"),
    "accent": ("#0b6fb8", "#62b5ee"),
    "warning": ("#c8500a", "#f59b4c"),
    "activation": ("#0b6fb8", "#62b5ee"),
    "gradient": ("#c8500a", "#f59b4c"),
    "size": ("#008562", "#3fc79a"),
    "extra": ("#a8487f", "#e394c3"),
    "with": ("#008562", "#3fc79a"),
    "without": ("#a8487f", "#e394c3"),
    "negative": ("#0b6fb8", "#62b5ee"),
    "positive": ("#c8500a", "#f59b4c"),
    "class 0": ("#a8487f", "#e394c3"),
    "class 1": ("#008562", "#3fc79a"),
    "class 2": ("#6b6b6b", "#b0b0b0"),
    "class 3": ("#8a6d00", "#e0c040"),
    "layer 1": ("#0b6fb8", "#62b5ee"),
    "layer 2": ("#c8500a", "#f59b4c"),
    "layer 3": ("#008562", "#3fc79a"),
    "head": ("#a8487f", "#e394c3"),
}


def _paler(colour: str) -> str:
    """Mix a colour with white, for a dark page."""
    parts = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return "#" + "".join(f"{round(part + 0.45 * (255 - part)):02x}" for part in parts)


THEMES: dict[str, dict[str, str]] = {
    "light": SCHEMES | {role: colours[0] for role, colours in _ROLES.items()},
    "dark": {name: _paler(colour) for name, colour in SCHEMES.items()}
    | {role: colours[1] for role, colours in _ROLES.items()},
}
"""Page → role or scheme → "#rrggbb"."""
