"""Which scheme trains, at which depth, over which seeds? Training runs, comparisons, sweeps.

Reading order: `recipe` (what decides a run), `loop` (how one step is taken), `training` (one
network), `history` (what is kept of it), `ensemble` (several seeds at once), `comparing` (many
points), `coordinates` (many widths), `runs` (what comes of them), `parallel` (cores and clusters),
`store` (what survives a crash), `progress` (the bar), `threads` (how many).
"""

from initlab.experiments.comparing import compare, sweep
from initlab.experiments.coordinates import Coordinates, coordinate_check
from initlab.experiments.history import History, Record
from initlab.experiments.runs import Run, Runs
from initlab.experiments.training import train

__all__ = [
    "Coordinates",
    "History",
    "Record",
    "Run",
    "Runs",
    "compare",
    "coordinate_check",
    "sweep",
    "train",
]
