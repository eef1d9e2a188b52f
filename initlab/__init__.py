"""initlab: see, predict and check how neural networks are initialised.

    import initlab as il

Reading map (which module answers which question, and the notebook that introduces it):

    schemes      how is one tensor filled, and with which variance?          02 to 07
    data         a batch to try it on                                        00
    activations  which nonlinearity does this name mean?                     01
    arguments    is this argument what it may be?
    format       how is a number written?
    plots        what does that look like?                                   00
    source       how is this written? (`il.show`)                            00
    models       a network to try it on                                      00
    theory       what should happen?                                         01, 11
    apply        put a scheme on a whole model; what does a model hold?      00, 09
    probe        what does each layer emit, and what gradient comes back?    00
    experiments  what does training make of it?                              02
    diagnosis    what is wrong with my network, and what fixes it?           14
    exercises    is what I wrote right, and if not, what did I mix up?       00
    lessons      what do the notebooks set and ask?                          00
    explore      what happens while I move this slider?                      00

Legend of symbols, in code and notebooks alike:

    n   fan-in: how many inputs a unit sums      W   width of a hidden layer
    L   depth: number of hidden layers           B   batch size
    C   number of classes                        z   pre-activation, a = φ(z) activation
    q   E[z²]                                    c   correlation of two inputs
    g   gain, with Var(w) = g² / n               σ_w² = n·Var(w), σ_b² = Var(b)
    χ₁  σ_w² E[φ′(√q ζ)²], ζ standard normal: the factor per layer of a squared gradient
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from initlab import (
        activations,
        apply,
        arguments,
        data,
        diagnosis,
        exercises,
        experiments,
        explore,
        lessons,
        models,
        plots,
        probe,
        schemes,
        theory,
    )
    from initlab.apply import Report, Rule, initialize_from, scale_residual
    from initlab.apply.audit import audit
    from initlab.apply.initialize import initialize
    from initlab.apply.lsuv import lsuv
    from initlab.diagnosis import Finding, Findings
    from initlab.diagnosis.diagnose import diagnose
    from initlab.exercises import ask
    from initlab.experiments import History, Runs, compare, coordinate_check, sweep, train
    from initlab.lessons import check, hint, progress, quiz, solution
    from initlab.probe import LayerTrace, Probe, Summary, Trace, trace
    from initlab.schemes import SCHEMES, Scheme, scheme
    from initlab.source import show

__version__ = "0.1.0"

_NAMES = {  # module → its names that are public here; loaded when they are first used
    "schemes": ["SCHEMES", "Scheme", "scheme"],
    "apply": [
        "Report", "Rule", "audit", "initialize", "initialize_from", "lsuv", "scale_residual",
    ],
    "probe": ["LayerTrace", "Probe", "Summary", "Trace", "trace"],
    "diagnosis": ["Finding", "Findings", "diagnose"],
    "experiments": ["History", "Runs", "compare", "coordinate_check", "sweep", "train"],
    "exercises": ["ask"],
    "lessons": ["check", "hint", "progress", "quiz", "solution"],
    "source": ["show"],
}  # fmt: skip
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [  # noqa: RUF022 (the order of the reading map)
    "SCHEMES", "Scheme", "scheme",
    "Report", "Rule", "audit", "initialize", "initialize_from", "lsuv", "scale_residual",
    "LayerTrace", "Probe", "Summary", "Trace", "trace",
    "History", "Runs", "compare", "coordinate_check", "sweep", "train",
    "Finding", "Findings", "diagnose",
    "ask", "check", "hint", "progress", "quiz", "solution",
    "show",
    "activations", "apply", "arguments", "data", "diagnosis", "exercises", "experiments",
    "explore", "lessons", "models", "plots", "probe", "schemes", "theory",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"initlab.{_HOME[name]}"), name)
    elif name in __all__:
        value = import_module(f"initlab.{name}")
    else:
        raise AttributeError(f"module 'initlab' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
