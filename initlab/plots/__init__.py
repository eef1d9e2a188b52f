"""What does that look like?

Functions on records: each draws on axes or a figure that you pass or makes its own, returns what it
drew on, calls no `show` and changes no global setting. Dots are measured, dashes are theory. Each
writes a headline, computed from what it draws, and leaves a text alternative with the numbers:
`figure.alt`, or `alt_text(ax)`. What a colour means stands in `style`.
"""

from initlab.plots.against import against
from initlab.plots.coordinates import coordinates
from initlab.plots.depth import depth_profile
from initlab.plots.figure import Picture, alt_text, picture
from initlab.plots.limits import limits
from initlab.plots.matrices import distributions, scheme_picture, spectrum, weights
from initlab.plots.ridgeline import histograms, ridgeline
from initlab.plots.style import COLOURS, THEME, Look, colour_of, themed
from initlab.plots.training import over_time, ranks, update_ratios

__all__ = [
    "COLOURS",
    "THEME",
    "Look",
    "Picture",
    "against",
    "alt_text",
    "colour_of",
    "coordinates",
    "depth_profile",
    "distributions",
    "histograms",
    "limits",
    "over_time",
    "picture",
    "ranks",
    "ridgeline",
    "scheme_picture",
    "spectrum",
    "themed",
    "update_ratios",
    "weights",
]
