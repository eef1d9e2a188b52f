"""Which scheme trains, at which depth, over which seeds? Training runs, comparisons, sweeps.

Reading order: `recipe` (how one step is taken), `training` (one network), `history` and `observe`
(what is kept of it), `stack` and `together` (several seeds at once), `sweeping` (many points),
`runs` (what comes of them), `spreading` (cores and clusters), `threads` (one for each task),
`store` (what survives a crash), `bars` (progress).
"""

from initlab.experiments.history import History, Record
from initlab.experiments.runs import Run, Runs
from initlab.experiments.sweeping import compare, sweep
from initlab.experiments.training import train

__all__ = ["History", "Record", "Run", "Runs", "compare", "sweep", "train"]
