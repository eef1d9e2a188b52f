"""Which loss should a classifier start with?"""

from __future__ import annotations

import numpy as np
import torch

from initlab.arguments import number, whole
from initlab.theory.functions import Array

_EULER = 0.5772156649015329


def initial_loss(classes: int, logit_rms: float = 0.0) -> float:
    """Give the cross-entropy that untrained logits of this size have on any labels.

    Without preference the loss is ln C. Logits that are random numbers of rms s prefer a wrong
    class as often as not: for small s they add about s²/2 · (1 - 1/C), for large s the loss is
    the largest of C random numbers.

    The mean of ln Σ exp(z_i) is found exactly: it is the mean of the largest z_i + G_i, with G_i
    of Gumbel's distribution, less Euler's constant.

    Args:
        classes: C, at least 2.
        logit_rms: s, rms of the logits, taken as independent Gaussian numbers with mean 0; at
            least 0. `predict` gives it for the head.

    Returns:
        The expected loss in nats, at least ln C.

    Raises:
        ValueError: `classes` is below 2, or `logit_rms` is negative or not finite.

    >>> round(initial_loss(10), 4), round(initial_loss(10, logit_rms=1.0), 2)
    (2.3026, 2.73)
    """
    whole("classes", classes, least=2)
    number("logit_rms", logit_rms, low=0)
    x = np.linspace(-9 * logit_rms - 10, 9 * logit_rms + 50, 2001)
    largest_is_below = _sum_is_below(x, logit_rms) ** classes
    return float(x[0] + np.trapezoid(1 - largest_is_below, x) - _EULER)


def _sum_is_below(x: Array, rms: float) -> Array:
    """P(z + G ≤ x): averaged over the narrower of the two, so that few nodes do."""
    if rms < 1:
        nodes, weights = np.polynomial.hermite_e.hermegauss(40)
        below = np.exp(-np.exp(rms * nodes - x[:, None]))
        return np.asarray(below @ weights / np.sqrt(2 * np.pi))
    gumbel = np.linspace(-4, 40, 441)
    density = np.exp(-gumbel - np.exp(-gumbel))
    below = torch.special.ndtr(torch.from_numpy((x[:, None] - gumbel) / rms)).numpy()
    return np.asarray(below @ density * (gumbel[1] - gumbel[0]))
