"""Which variance keeps a signal level from layer to layer? A constant over the fans."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Generator, Tensor, nn

from initlab import activations
from initlab.arguments import choice, number
from initlab.schemes.base import (
    DrawnByTorch,
    Reference,
    Scheme,
    register,
    torch_docs,
)


@register
@dataclass(frozen=True, kw_only=True)
class TorchDefault(Scheme):
    """Do what `nn.Linear` and the convolutions do when nobody asks: U(±1/√fan_in).

    Its variance is a third of LeCun's. PyTorch writes it as `kaiming_uniform_(a=√5)`, but the
    √5 is a leftover that reproduces an older rule; no rectifier has that leak. On a whole
    model, `il.initialize` gives each layer type what its own `reset_parameters` gives.

    Reference:
        torch.nn.Linear

    >>> TorchDefault().variance(fan_in=25, fan_out=30)  # LeCun's 1 / 25 is 0.04
    0.013333333333333334
    """

    name = "torch_default"
    formula = r"w \sim \mathcal{U}\left(\pm\frac{1}{\sqrt{n_{in}}}\right)"
    distribution = "uniform"
    summary = "What PyTorch's layers do by themselves: variance 1/3 over fan-in."
    reference = torch_docs("generated/torch.nn.Linear.html", "torch.nn.Linear")

    def draw_(self, tensor: Tensor, generator: Generator | None) -> None:
        """Draw as `nn.Linear.reset_parameters` does."""
        nn.init.kaiming_uniform_(tensor, a=math.sqrt(5), generator=generator)

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Tell 1 / (3 fan_in)."""
        return 1 / (3 * fan_in)


@dataclass(frozen=True, kw_only=True)
class LeCun(Scheme):
    """Keep the variance of a signal constant through linear layers.

    A unit sums fan_in products, so the variance of each must be 1 / fan_in of what is wanted.
    For self-normalising networks (SELU) this is the scheme to use.

    >>> LeCun().variance(fan_in=100, fan_out=30)
    0.01
    """

    name = "lecun"
    summary = "Variance 1 over fan-in: linear layers keep the variance of the signal."
    reference = Reference(
        "LeCun et al.", 1998, "Efficient BackProp", "https://doi.org/10.1007/3-540-49430-8_2"
    )

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Tell 1 / fan_in."""
        return 1 / fan_in


@register
@dataclass(frozen=True, kw_only=True)
class LeCunUniform(LeCun):
    """LeCun's variance, drawn evenly: U(±√(3 / fan_in))."""

    name = "lecun_uniform"
    formula = r"w \sim \mathcal{U}\left(\pm\sqrt{\frac{3}{n_{in}}}\right)"
    distribution = "uniform"

    def draw_(self, tensor: Tensor, generator: Generator | None) -> None:
        """Draw as `kaiming_uniform_` does with a gain of 1."""
        nn.init.kaiming_uniform_(tensor, nonlinearity="linear", generator=generator)


@register
@dataclass(frozen=True, kw_only=True)
class LeCunNormal(LeCun):
    """LeCun's variance, drawn from a normal distribution that is not truncated."""

    name = "lecun_normal"
    formula = r"w \sim \mathcal{N}\left(0, \frac{1}{n_{in}}\right)"


@dataclass(frozen=True, kw_only=True)
class Xavier(Scheme):
    """Compromise between a level forward pass and a level backward pass.

    Forward asks for a variance of 1 / fan_in, backward for 1 / fan_out; the mean of the two fans
    is the compromise. It was derived for tanh near 0, where the slope is 1. In a ReLU network
    each layer halves the second moment, so pass `gain=2**0.5` there, or use Kaiming.

    Args:
        gain: Factor on the standard deviation, at least 0.

    >>> Xavier().variance(fan_in=100, fan_out=60)
    0.0125
    """

    name = "xavier"
    summary = "Variance 2 over fan-in plus fan-out: between a level forward and backward pass."
    reference = Reference(
        "Glorot & Bengio",
        2010,
        "Understanding the difficulty of training deep feedforward neural networks",
        "https://proceedings.mlr.press/v9/glorot10a.html",
    )

    gain: float = 1.0

    def __post_init__(self) -> None:
        number("gain", self.gain, low=0)

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Tell 2 gain² / (fan_in + fan_out)."""
        return 2 * self.gain**2 / (fan_in + fan_out)


@register
@dataclass(frozen=True, kw_only=True)
class XavierUniform(DrawnByTorch, Xavier):
    """Xavier's variance, drawn evenly: U(±gain·√(6 / (fan_in + fan_out)))."""

    name = "xavier_uniform"
    formula = r"w \sim \mathcal{U}\left(\pm g\,\sqrt{\frac{6}{n_{in} + n_{out}}}\right)"
    distribution = "uniform"


@register
@dataclass(frozen=True, kw_only=True)
class XavierNormal(DrawnByTorch, Xavier):
    """Xavier's variance, drawn from a normal distribution."""

    name = "xavier_normal"
    formula = r"w \sim \mathcal{N}\left(0, \frac{2\,g^2}{n_{in} + n_{out}}\right)"
    distribution = "normal"


@dataclass(frozen=True, kw_only=True)
class Kaiming(Scheme):
    """Keep E[z²] constant through a (leaky) ReLU network.

    A ReLU throws away half of the second moment, so the variance is twice LeCun's 1 / fan_in; a
    leak `a` gives a² / 2 of it back.

    Args:
        a: Negative slope of the leaky ReLU, dimensionless; 0 is ReLU. Used only with
            `nonlinearity="leaky_relu"`.
        mode: "fan_in" keeps the forward pass level, "fan_out" the backward pass.
        nonlinearity: What follows the layer, by PyTorch's names. The default is PyTorch's,
            and with `a=0` it is ReLU.

    >>> Kaiming(nonlinearity="relu").variance(fan_in=100, fan_out=30)
    0.02
    """

    name = "kaiming"
    summary = "Variance 2 over fan-in: makes up for the half that a ReLU throws away."
    reference = Reference(
        "He et al.",
        2015,
        "Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet "
        "Classification",
        "https://arxiv.org/abs/1502.01852",
    )

    a: float = 0.0
    mode: str = "fan_in"
    nonlinearity: str = "leaky_relu"

    def __post_init__(self) -> None:
        number("a", self.a)
        choice("mode", self.mode, ["fan_in", "fan_out"])
        if self.nonlinearity not in _SQUARED_GAIN and self.nonlinearity in activations.names():
            raise ValueError(
                f"nonlinearity={self.nonlinearity!r} has no gain in PyTorch. il.theory.gain("
                f"{self.nonlinearity!r}) knows one: give il.scheme a variance, lambda fan_in, "
                f"fan_out: il.theory.gain({self.nonlinearity!r}) ** 2 / fan_in, or a scheme that "
                f"takes gain=, such as il.scheme('xavier_normal', gain=...)."
            )
        choice("nonlinearity", self.nonlinearity, list(_SQUARED_GAIN))

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Tell gain² / fan."""
        fan = fan_in if self.mode == "fan_in" else fan_out
        leak = self.a if self.nonlinearity == "leaky_relu" else 0.0
        return _SQUARED_GAIN[self.nonlinearity] / (1 + leak**2) / fan


_SQUARED_GAIN = {  # of PyTorch, free of rounding by √
    "relu": 2.0,
    "leaky_relu": 2.0,  # for a = 0
    "tanh": 25 / 9,
    "sigmoid": 1.0,
    "selu": 9 / 16,
    "linear": 1.0,
    **{f"conv{kind}{n}d": 1.0 for kind in ("", "_transpose") for n in (1, 2, 3)},
}


@register
@dataclass(frozen=True, kw_only=True)
class KaimingUniform(DrawnByTorch, Kaiming):
    """Kaiming's variance, drawn evenly: U(±gain·√(3 / fan))."""

    name = "kaiming_uniform"
    formula = r"w \sim \mathcal{U}\left(\pm g\,\sqrt{\frac{3}{n}}\right)"
    distribution = "uniform"


@register
@dataclass(frozen=True, kw_only=True)
class KaimingNormal(DrawnByTorch, Kaiming):
    """Kaiming's variance, drawn from a normal distribution."""

    name = "kaiming_normal"
    formula = r"w \sim \mathcal{N}\left(0, \frac{g^2}{n}\right)"
    distribution = "normal"
