"""What if a layer starts by passing its input on unchanged?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from initlab.schemes.base import DrawnByTorch, Reference, register


class Identity(DrawnByTorch):
    """A scheme that copies: 1 from an input to the unit of the same number, 0 elsewhere."""

    distribution = "identity"
    random = False
    centred = False

    def variance(self, fan_in: int, fan_out: int) -> None:
        """Give None: nothing is random, and two kinds of entry differ."""
        return None


@register
@dataclass(frozen=True, kw_only=True)
class Eye(Identity):
    """Start a matrix as the identity.

    Units differ though nothing is random, so the layer can learn. It is used for the weights
    that a recurrent ReLU layer applies to its own state.
    """

    name = "eye"
    formula = r"W = I"
    summary = "The identity matrix: each input goes on to the unit of the same number."
    reference = Reference(
        "Le et al.",
        2015,
        "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units",
        "https://arxiv.org/abs/1504.00941",
    )
    dims = (2, 2)


@register
@dataclass(frozen=True, kw_only=True)
class Dirac(Identity):
    """Start a convolution as the identity on its channels.

    Args:
        groups: Number of groups of channels, each with its own identity; at least 1, and a
            divisor of the number of output channels. `il.initialize` cuts a grouped layer
            into its groups by itself.
    """

    name = "dirac"
    formula = r"W_{centre} = I, \ \mathrm{0\ elsewhere}"
    summary = "The identity for convolutions: each channel goes on unchanged."
    reference = Reference(
        "Zagoruyko & Komodakis",
        2017,
        "DiracNets: Training Very Deep Neural Networks Without Skip-Connections",
        "https://arxiv.org/abs/1706.00388",
    )
    dims = (3, 5)

    groups: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.groups, int) or isinstance(self.groups, bool) or self.groups < 1:
            raise ValueError(f"groups must be a whole number of at least 1, got {self.groups!r}.")

    def check(self, tensor: Tensor, generator: Any = None) -> None:
        """Refuse also a number of output channels that the groups do not divide."""
        super().check(tensor, generator)
        if tensor.shape[0] % self.groups:
            raise ValueError(
                "groups must divide the number of output channels, "
                f"got groups={self.groups} and shape {tuple(tensor.shape)}."
            )
