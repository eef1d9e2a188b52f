"""What is wrong with *my* network, and which line fixes it?

The folder is called `diagnosis`, so that `il.diagnose` is always the function, whatever is imported
in which order. Reading order:

    diagnose     the function: asks for every illness, tries every cure
    illnesses    one class for each: limit, why, test, cures
    case         who is examined, and how the caller calls them
    facts        what can be measured in one real pass? Facts, without a judgement
    watch        what does a trace not keep?
    graph        what is each parameter used for, and what makes the output?
    guess        what is a loss compared with?
    cures        which lines could fix it? Candidates, each run on a copy
    trial        does it train better? A few steps of a copy
    findings     what is shown, in text and in HTML
    chart        which numbers tell illnesses apart? For readers who judge alone

The networks to practise on are content, and stand in `initlab.lessons.clinic`; their names are
handed on from here, and loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from initlab.diagnosis.chart import chart
from initlab.diagnosis.diagnose import diagnose
from initlab.diagnosis.findings import Finding, Findings
from initlab.diagnosis.illnesses import ALL

if TYPE_CHECKING:
    from initlab.lessons.clinic import ILLNESS_OF, RECIPE, Patient, clinic

ILLNESSES = tuple(illness.name for illness in ALL)
"""The names of the illnesses, in the order in which they are asked for: causes first."""

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


def __getattr__(name: str) -> Any:
    if name in {"ILLNESS_OF", "RECIPE", "Patient", "clinic"}:
        return getattr(import_module("initlab.lessons.clinic"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
