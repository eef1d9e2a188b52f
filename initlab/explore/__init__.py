"""What happens while I move this slider?

Each explorer is a pure function of its settings to a scene: a headline, a table and panels of
numbers (`scene`, `panels`). The settings are one record, `…Settings` in `…_records`, where all is
measured; each field is a control. One small front end, `js/`, shows them all; `Explorer` is where
to start reading.
"""

from __future__ import annotations

from initlab.explore.batchnorm import BatchNorm, batchnorm
from initlab.explore.explorer import Explorer
from initlab.explore.phase import Phase, phase
from initlab.explore.race import Race, race
from initlab.explore.signal import Signal, signal
from initlab.explore.spectrum import Spectrum, spectrum
from initlab.explore.symmetry import Symmetry, symmetry
from initlab.explore.weight import Weight, weight

__all__ = [
    "BatchNorm",
    "Explorer",
    "Phase",
    "Race",
    "Signal",
    "Spectrum",
    "Symmetry",
    "Weight",
    "batchnorm",
    "phase",
    "race",
    "signal",
    "spectrum",
    "symmetry",
    "weight",
]
