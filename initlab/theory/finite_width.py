"""What does a finite width change, which theory for wide networks leaves out?"""

from __future__ import annotations

import math

from initlab.arguments import number, whole
from initlab.theory.functions import ActivationLike
from initlab.theory.layers import kurtosis
from initlab.theory.maps import gain
from initlab.theory.quadrature import moments


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
