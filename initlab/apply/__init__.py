"""How do I put a scheme on a whole model, layer type by layer type, and what was done?

Read in this order:

    initialize     a plan, then the values, then the report
    plan           what fills each weight, decided and checked
    layers         the table: which matrices each type of layer holds
    rules          exceptions by type and by name; what a bias may be
    parametrized   how a weight is held: plain, or computed from other parameters; and put back
    report         a row for each parameter, as text, HTML and dicts
    checkpoint     weights from a file as initialisation
    lsuv           weights whose layers emit unit variance on a real batch
    residual       weights for networks with skip connections
    audit          what a model holds, and what an initialisation does to it
    recognise      which scheme numbers look like
    distributions  which distribution numbers follow
    watch          what an initialisation writes, whatever the values
    grouping       which rows of a long table can share a line
"""

from __future__ import annotations

from initlab.apply.audit import Audit, AuditRow, audit
from initlab.apply.checkpoint import initialize_from
from initlab.apply.initialize import initialize
from initlab.apply.layers import LAYERS
from initlab.apply.lsuv import lsuv
from initlab.apply.report import Report, Row
from initlab.apply.residual import scale_residual
from initlab.apply.rules import Rule

__all__ = [
    "LAYERS",
    "Audit",
    "AuditRow",
    "Report",
    "Row",
    "Rule",
    "audit",
    "initialize",
    "initialize_from",
    "lsuv",
    "scale_residual",
]
