"""What does a scheme put into one weight matrix?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from initlab.explore import usual
from initlab.explore.controls import slider
from initlab.explore.networks import generator
from initlab.explore.panels import Numbers, round_up
from initlab.schemes import SCHEMES, Scheme

BINS = 41  # odd, so that 0 has a bin of its own


@dataclass(frozen=True, kw_only=True)
class WeightSettings:
    """What decides one weight matrix."""

    scheme: str = usual.scheme("xavier_normal", main=True, hint="How the matrix is filled")
    fan_in: int = slider(
        96, label="fan-in", low=4, high=256, whole=True, main=True, hint="Inputs: columns"
    )
    fan_out: int = slider(
        64, label="fan-out", low=4, high=256, whole=True, main=True, hint="Units: rows"
    )
    gain: float = usual.gain(main=False, hint="Factor on every entry")
    seed: int = usual.seed()


@dataclass(frozen=True, kw_only=True)
class WeightRecords:
    """One weight matrix, as a scheme filled it.

    Args:
        scheme: What filled it.
        values: The entries, units × inputs.
        std_given: Standard deviation that the scheme stands for, times the gain; None if none is.
        edges: Ends of the bins of a histogram around 0 that holds every entry.
        shares: Share of the entries in each bin.
        expected: The share that the scheme's distribution gives each bin; None where entries have
            no density.
        singular_values: Of the matrix, largest first.
    """

    scheme: Scheme
    values: Numbers
    std_given: float | None
    edges: Numbers
    shares: Numbers
    expected: Numbers | None
    singular_values: Numbers


def weight_records(settings: WeightSettings) -> WeightRecords:
    """Fill one matrix, and measure it."""
    scheme, gain = SCHEMES[settings.scheme], settings.gain
    fan_in, fan_out = settings.fan_in, settings.fan_out
    drawn = scheme.fill_(torch.empty(fan_out, fan_in), generator(settings.seed))
    values = gain * drawn.double().numpy()
    given = scheme.expected_std(drawn.shape)
    reach = round_up(float(np.abs(values).max()))
    edges = np.linspace(-reach, reach, BINS + 1)
    below = scheme.cumulative(edges / gain, fan_in, fan_out)
    stretch = np.linalg.svd(values, compute_uv=False)
    return WeightRecords(
        scheme=scheme,
        values=values,
        std_given=None if given is None else gain * given,
        edges=edges,
        shares=np.histogram(values, edges)[0] / values.size,
        expected=None if below is None else np.diff(below),
        singular_values=np.where(stretch < 1e-10 * stretch[0], 0.0, stretch),  # rounding is left
    )
