"""What should happen? Predictions for wide networks, to lay over what a trace measures.

Each file answers one question; all of them rest on averages over a Gaussian (`quadrature`):

    maps          what does one layer do to size and angle of a signal?
    advice        is there a gain that keeps this activation level?
    fixed_points  where do signals settle, how fast, and where is the edge of chaos?
    prediction    which curve should a trace of this network show?
    network       which layers does a signal pass, and in which order?
    layers        what does a layer do to a signal, and to a gradient?
    batchnorm     by how much does BatchNorm make gradients grow?
    isometry      how far do singular values spread?
    closed_forms  residual streams, finite widths, the loss that a classifier starts with

Legend of symbols (those of the papers):

    n     fan-in of a layer                     L     depth: number of layers
    W     width of a hidden layer               B     batch size
    φ     activation, φ′ its slope              z     pre-activation, a = φ(z)
    ζ     a standard Gaussian number            g     gain, with Var(w) = g² / n
    σ_w²  n·Var(w), `weight_var`                σ_b²  Var(b), `bias_var`
    q     E[z²], the second moment              c     correlation of two inputs, E[z₁z₂] / q
    V(q)  the variance map, σ_w² E[φ(√q ζ)²] + σ_b²
    q*    its fixed point, `q_star`             c*    that of the correlation map, `c_star`
    χ₁    σ_w² E[φ′(√q* ζ)²], `chi_1`: factor of a squared gradient in each layer
    ξ_q   layers until |q - q*| falls by e      ξ_c   layers until |c - c*| falls by e
    m_k   mean of the k-th powers of the singular values

Accuracy of the named activations, checked against closed forms and scipy: 1e-7 for averages over
one number, 1e-6 of E[φ²] over a pair, and up to 2e-3 over a pair that is nearly alike where φ is
steep (variances above 30). Kinks and jumps of a function of your own are found, some hundreds at
the most.
"""

from __future__ import annotations

from initlab.theory.advice import GainReport, advice, gain_report
from initlab.theory.batchnorm import batchnorm_factor
from initlab.theory.closed_forms import (
    born_dead,
    initial_loss,
    log_norm_variance,
    residual_growth,
)
from initlab.theory.fixed_points import FixedPoint, edge_of_chaos, fixed_point
from initlab.theory.isometry import (
    largest_singular_value,
    mean_singular_value,
    singular_value_spread,
    singular_values,
)
from initlab.theory.maps import correlation_map, gain, gain_slope, variance_map
from initlab.theory.prediction import Prediction, predict

__all__ = [
    "FixedPoint",
    "GainReport",
    "Prediction",
    "advice",
    "batchnorm_factor",
    "born_dead",
    "correlation_map",
    "edge_of_chaos",
    "fixed_point",
    "gain",
    "gain_report",
    "gain_slope",
    "initial_loss",
    "largest_singular_value",
    "log_norm_variance",
    "mean_singular_value",
    "predict",
    "residual_growth",
    "singular_value_spread",
    "singular_values",
    "variance_map",
]
