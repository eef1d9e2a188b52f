"""What does each layer emit, and what gradient comes back to it?

Reading order: `records` (what a trace holds), `run` (one forward and backward pass), `recorder`
(the hooks), `measure` (numbers from a tensor, exact and
cheap), `untouched` (how the model comes back as it was), `views` (numbers that need the tensors
themselves: singular values, correlations), `matrices` (rank and different rows, one notion for
all).
"""

from initlab.probe.matrices import distinct_rows, rank
from initlab.probe.recorder import Probe
from initlab.probe.records import LayerTrace, Summary, Trace
from initlab.probe.run import trace
from initlab.probe.views import (
    distinct_units,
    input_correlation,
    jacobian_singular_values,
    weight_rank,
    weight_singular_values,
)

__all__ = [
    "LayerTrace",
    "Probe",
    "Summary",
    "Trace",
    "distinct_rows",
    "distinct_units",
    "input_correlation",
    "jacobian_singular_values",
    "rank",
    "trace",
    "weight_rank",
    "weight_singular_values",
]
