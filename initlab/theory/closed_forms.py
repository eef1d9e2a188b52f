"""What takes only one formula: residual streams, finite widths, the first loss."""

from __future__ import annotations

import math

import numpy as np
import torch

from initlab.arguments import choice, number, whole
from initlab.theory.functions import ActivationLike, Array
from initlab.theory.layers import kurtosis
from initlab.theory.maps import gain
from initlab.theory.quadrature import moments


def residual_growth(blocks: int, kind: str = "plain", branch_factor: float = 1.0) -> float:
    """Give the factor by which E[x²] grows from the first residual block to the last.

    Branch and stream are uncorrelated at the start, so their second moments add up:

    - plain, x + f(x): (1 + b)^L, which is 2^L for a branch that keeps the second moment;
    - scaled, x + f(x)/√L: (1 + b/L)^L, which stays below e^b;
    - normalised, x + f(norm(x)): 1 + bL, for a stream that starts at 1.

    Args:
        blocks: L, at least 1.
        kind: "plain", "scaled" or "normalised".
        branch_factor: b, by which the branch alone multiplies the second moment; at least 0.
            0 is a branch whose last layer or norm is zero.

    Returns:
        The factor of the second moment; its root is the factor of the rms.

    Raises:
        ValueError: `blocks` is below 1, `kind` is unknown, or `branch_factor` is negative or not
            finite.

    Reference:
        Zhang et al. (2019), Fixup Initialization: Residual Learning Without Normalization.
        arXiv:1901.09321; De & Smith (2020), Batch Normalization Biases Residual Blocks Towards the
        Identity Function in Deep Networks. arXiv:2002.10444.

    >>> residual_growth(16), round(residual_growth(16, "scaled"), 2)
    (65536.0, 2.64)
    """
    whole("blocks", blocks)
    number("branch_factor", branch_factor, low=0)
    choice("kind", kind, ["plain", "scaled", "normalised"])
    if kind == "normalised":
        return 1 + branch_factor * blocks
    per_block = branch_factor / blocks if kind == "scaled" else branch_factor
    return float((1 + per_block) ** blocks)


def born_dead(depth: int, width: int) -> float:
    """Give the probability that a given input finds a narrow ReLU network dead at the start.

    With symmetric weights and zero biases each unit is 0 with probability 1/2, whatever the layer
    below emits, so a whole layer is with probability 2^(-W). Once a layer is silent, all above
    are.

    Args:
        depth: L, the number of hidden layers, at least 1.
        width: W, the units in each, at least 1.

    Returns:
        1 - (1 - 2^(-W))^L, exact for one input; an upper bound for "dead for every input".

    Raises:
        ValueError: A number is below 1.

    Reference:
        Lu et al. (2019), Dying ReLU and Initialization: Theory and Numerical Examples.
        arXiv:1903.06733.

    >>> round(born_dead(depth=10, width=3), 4)
    0.7369
    """
    whole("depth", depth)
    whole("width", width)
    return -math.expm1(depth * math.log1p(-(2.0**-width)))


def log_norm_variance(
    activation: ActivationLike, depth: int, width: int, weight_var: float | None = None
) -> float:
    """Give Var ln‖a‖² over networks drawn anew, after L layers of W units.

    Each layer adds (E[φ⁴] / E[φ²]² - 1) / W, which is 5/W for ReLU and 2/W without nonlinearity.
    What came before is multiplied by the squared slope of ln V against ln q. A neutral activation
    like ReLU gathers it (5 L/W), a stable one forgets it. The formula is the leading order in 1/W.

    Args:
        activation: A name, or any elementwise function or layer.
        depth: L, at least 1.
        width: W of every hidden layer, at least 1.
        weight_var: σ_w²; None means the square of `gain(activation)`. Biases are 0, the
            first q is 1.

    Returns:
        The variance, dimensionless. Typical networks lie below the mean: by exp(-variance / 2)
        in ‖a‖² where it is normal.

    Raises:
        TypeError: `activation` is neither a name nor a function.
        ValueError: A number is out of range, or `activation` is not fit for theory.

    Reference:
        Hanin & Nica (2019), Products of many large random matrices and gradients in deep neural
        networks. arXiv:1812.05994, for ReLU. For other activations derived here and measured.

    >>> round(log_norm_variance("relu", depth=30, width=100), 3)
    1.5
    """
    whole("depth", depth)
    whole("width", width)
    found = moments(activation)
    variance = gain(activation) ** 2 if weight_var is None else weight_var
    number("weight_var", variance, low=0, open_=True)
    q, noise = 1.0, 0.0
    for _ in range(depth):
        here = found.averages(q)
        carried = here.elasticity**2 * noise if q else 0.0  # what died does not differ
        noise = carried + (kurtosis(here.fourth, here.square) - 1) / width
        q = variance * here.square
    return noise


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
    return float(x[0] + np.trapezoid(1 - largest_is_below, x) - np.euler_gamma)


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
