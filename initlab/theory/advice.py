"""Is there a gain that keeps this activation level, and what to do if there is none?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from initlab.format import number
from initlab.theory.functions import ActivationLike
from initlab.theory.maps import gain
from initlab.theory.quadrature import Moments, moments

_NEUTRAL = 1e-3
_LEVELS = 10.0 ** np.arange(-4, 4.25, 0.25)


@dataclass(frozen=True)
class GainReport:
    """What the forward-preserving gain of an activation does in a deep network.

    Args:
        activation: Its name.
        gain: The gain that keeps E[z²] = 1.
        slope: Slope of the variance map there; errors in q are multiplied by it in each layer.
        chi_1: Factor of a squared gradient in each layer, there.
        kind: "stable" (slope below 1), "neutral" (1, within 0.001) or "repelling" (above 1).
        advice: What to do, in words.
    """

    activation: str
    gain: float
    slope: float
    chi_1: float
    kind: str
    advice: str

    def __str__(self) -> str:
        return self.advice


def gain_report(activation: ActivationLike) -> GainReport:
    """Say whether the gain that keeps E[z²] = 1 also holds it there, and what to do if not.

    Args:
        activation: A name, or any elementwise function or layer.

    Returns:
        Gain, slope, χ₁, the kind of fixed point, and advice: one sentence about the way forwards,
        one about the way back.

    Raises:
        TypeError, ValueError: As in `gain`.

    >>> gain_report("gelu").kind
    'repelling'
    >>> print(gain_report("relu"))  # doctest: +NORMALIZE_WHITESPACE
    relu, gain 1.4142: neutral. Each level is kept, so errors only add up with depth: this is as
    good as a plain network gets. Backwards χ₁ = 1: gradients keep their size.
    """
    level, found = gain(activation), moments(activation)
    here = found.averages(1.0)
    slope, chi_1 = here.elasticity, level**2 * here.slope_square
    kind = "stable" if slope < 1 else "repelling"
    if abs(slope - 1) <= _NEUTRAL:
        kind = "neutral"
    text = f"{found.name}, gain {level:.4f}: {kind}. "
    text += f"{_forwards(found, kind, slope)} {_backwards(chi_1)}"
    return GainReport(found.name, level, slope, chi_1, kind, text)


def advice(activation: ActivationLike) -> str:
    """Say in words what the gain of an activation does: `gain_report(activation).advice`.

    >>> "no gain keeps a deep plain network level" in advice("silu")
    True
    """
    return gain_report(activation).advice


def _forwards(found: Moments, kind: str, slope: float) -> str:
    if kind == "stable":
        return f"An error in E[z²] is multiplied by {slope:.2f} in each layer."
    if kind == "neutral":
        return (
            "Each level is kept, so errors only add up with depth: this is as good as a plain "
            "network gets."
        )
    start = f"An error in E[z²] is multiplied by {slope:.3f} in each layer"
    q = min(_LEVELS, key=lambda level: found.averages(level).elasticity)
    if found.averages(q).elasticity < 1 - _NEUTRAL:
        level = math.sqrt(q / found.averages(q).square)
        return f"{start}; a gain of {level:.4f} holds E[z²] = {number(q, 3)} instead."
    return (
        f"{start}, and it repels at every other level too: no gain keeps a deep plain network "
        "level (with zero biases). Put BatchNorm or LayerNorm before the activation, or use "
        "residual branches, or let il.lsuv measure each layer and keep the network shallow."
    )


def _backwards(chi_1: float) -> str:
    if not math.isfinite(chi_1):
        return "χ₁ is infinite: two inputs, however close, are torn apart."
    if abs(chi_1 - 1) <= _NEUTRAL:
        return "Backwards χ₁ = 1: gradients keep their size."
    root = math.sqrt(chi_1)
    fate = "vanish" if chi_1 < 1 else "explode"
    return f"Backwards χ₁ = {chi_1:.3f}: gradients {fate}, times {root:.3f} in each layer."
