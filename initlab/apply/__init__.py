"""How do I put a scheme on a whole model, layer type by layer type, and what was done?

Read in this order:

    filling        initialize: plan, draft, commit, tell
    planning       what fills each parameter, decided and checked
    drafting       the new values, drawn beside the model
    telling        what was done, from jobs to a report
    layers         the table: which matrices each type of layer holds
    rules          exceptions by type and by name; what a bias may be
    slots          where a weight is kept: plain, or behind a parametrization
    report         a row for each parameter, as text, HTML and dicts
    pretrained     weights from a file as initialisation
    unit_variance  weights whose layers emit unit variance on a real batch (LSUV)
    residual       weights for networks with skip connections
"""

from __future__ import annotations

from initlab.apply.filling import initialize
from initlab.apply.layers import LAYERS
from initlab.apply.pretrained import initialize_from
from initlab.apply.report import Report, Row
from initlab.apply.residual import scale_residual
from initlab.apply.rules import Rule
from initlab.apply.unit_variance import lsuv

__all__ = [
    "LAYERS",
    "Report",
    "Row",
    "Rule",
    "initialize",
    "initialize_from",
    "lsuv",
    "scale_residual",
]
