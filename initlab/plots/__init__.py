"""What does that look like?

Functions on records: each draws on axes or a figure that you pass or makes its own, returns what it
drew on, calls no `show` and changes no global setting. Dots are measured, dashes are theory. Each
leaves a sentence with its main numbers: `figure.alt`, or `explain(ax)`.
"""

from initlab.plots.coordinates import coordinates
from initlab.plots.depth import depth_profile
from initlab.plots.figure import Picture, explain, picture
from initlab.plots.limits import limits
from initlab.plots.matrices import scheme_picture, weights
from initlab.plots.ridgeline import histograms, ridges
from initlab.plots.runs import against, boundaries, histograms_over_time, update_ratios
from initlab.plots.singular import spectrum
from initlab.plots.style import COLOURS, LOOKS, THEME, Look, themed
from initlab.plots.training import over_time, ranks

__all__ = [
    "COLOURS",
    "LOOKS",
    "THEME",
    "Look",
    "Picture",
    "against",
    "boundaries",
    "coordinates",
    "depth_profile",
    "explain",
    "histograms",
    "histograms_over_time",
    "limits",
    "over_time",
    "picture",
    "ranks",
    "ridges",
    "scheme_picture",
    "spectrum",
    "themed",
    "update_ratios",
    "weights",
]
