"""Which network stands behind a slider? One that is kept: only a factor on its weights changes.

The random numbers stay, so that the picture moves smoothly, and a new position costs a
multiplication and an `il.trace`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from initlab.schemes import Scheme


class KeptNetwork:
    """A network as it was initialised, but for a factor on the weights of its `scaled` layers."""

    def __init__(self, model: nn.Module, scaled: Iterable[nn.Linear]) -> None:
        self.model = for_tracing(model)
        self._drawn = [(layer.weight, layer.weight.detach().clone()) for layer in scaled]

    def times(self, factor: float) -> nn.Module:
        """Return the network with its weights times this factor."""
        with torch.no_grad():
            for weight, drawn in self._drawn:
                torch.mul(drawn, factor, out=weight)
        return self.model


def for_tracing(model: nn.Module) -> nn.Module:
    """Spare a network the gradients of its weights: those at its layers need one bias only."""
    model.requires_grad_(False)
    linear_layers(model)[0].bias.requires_grad_()
    return model


def linear_layers(model: nn.Module) -> list[nn.Linear]:
    """Return the linear layers of a network, in their order."""
    return [layer for layer in model.modules() if isinstance(layer, nn.Linear)]


def generator(seed: int) -> torch.Generator:
    """Return a source of random numbers that starts from this seed."""
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True, kw_only=True, repr=False)
class Times(Scheme):
    """The scheme `of` with its numbers times a gain, as far as theory asks."""

    name = "scaled"
    of: Scheme
    gain: float

    def variance(self, fan_in: int, fan_out: int) -> float | None:
        """Tell the scheme's variance, times the squared gain."""
        variance = self.of.variance(fan_in, fan_out)
        return None if variance is None else self.gain**2 * variance

    @property
    def centred(self) -> bool:
        """Whether the scheme's mean is 0."""
        return self.of.centred

    def __repr__(self) -> str:
        return self.of.name
