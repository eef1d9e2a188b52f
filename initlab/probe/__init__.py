"""What does each layer emit, and what gradient comes back to it?

Reading order: `records` (what a trace holds), `run` (one forward and backward pass), `recorder`
(the hooks), `measure` (numbers from a tensor), `units` (what dead and saturated mean), `preserving`
(how the model comes back as it was), `views` (numbers that need the tensors themselves: singular
values, correlations), `matrices` (rank and different rows, one notion for all).
"""

from initlab.probe.matrices import distinct_rows, rank
from initlab.probe.recorder import Probe
from initlab.probe.records import LayerTrace, Summary, Trace
from initlab.probe.run import trace
from initlab.probe.units import SATURATION, dead_share, saturated_share
from initlab.probe.views import (
    distinct_units,
    input_correlation,
    jacobian_singular_values,
    weight_rank,
    weight_singular_values,
)

__all__ = [
    "SATURATION",
    "LayerTrace",
    "Probe",
    "Summary",
    "Trace",
    "dead_share",
    "distinct_rows",
    "distinct_units",
    "input_correlation",
    "jacobian_singular_values",
    "rank",
    "saturated_share",
    "trace",
    "weight_rank",
    "weight_singular_values",
]
