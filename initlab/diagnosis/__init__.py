"""What is wrong with *my* network, and which line mends it?

The folder is called `diagnosis`, so that `il.diagnose` is always the function, whatever is imported
in which order. Reading order:

    consulting   diagnose: the function
    examining    what can be measured in one real pass? Facts, without a judgement
    gates        how much of a recurrent layer is saturated?
    illnesses    which facts mean illness? The limits, each with where it comes from
    cures        which call mends it?
    findings     what is shown, in text and in HTML
    patients     which networks can I practise on?
"""

from initlab.diagnosis.consulting import diagnose
from initlab.diagnosis.findings import Finding, Findings
from initlab.diagnosis.illnesses import ILLNESSES
from initlab.diagnosis.patients import ILLNESS_OF, RECIPE, Patient, chart, clinic

__all__ = [
    "ILLNESSES",
    "ILLNESS_OF",
    "RECIPE",
    "Finding",
    "Findings",
    "Patient",
    "chart",
    "clinic",
    "diagnose",
]
