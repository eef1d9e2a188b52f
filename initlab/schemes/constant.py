"""What if every weight is the same? Zeros, ones and any other constant."""

from __future__ import annotations

from dataclasses import dataclass

from initlab.arguments import number
from initlab.schemes.base import DrawnByTorch, register, torch_docs


@dataclass(frozen=True, kw_only=True)
class SameEverywhere(DrawnByTorch):
    """A scheme that draws nothing: an entry has variance 0, but its square need not be 0."""

    dims = (0, None)
    distribution = "constant"
    random = False

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Tell that entries do not differ."""
        return 0.0


@register
@dataclass(frozen=True, kw_only=True)
class Zeros(SameEverywhere):
    """Make a layer emit only its bias.

    With zeros in every layer, a ReLU or tanh network passes no gradient to any weight. In the
    last layer alone, or in the last layer of each residual branch, zeros are a good start.

    >>> import torch
    >>> Zeros().fill_(torch.empty(2))
    tensor([0., 0.])
    """

    name = "zeros"
    formula = r"w = 0"
    summary = "Every weight is 0, so the layer emits its bias and units stay equal."
    reference = torch_docs("nn.init.html#torch.nn.init.zeros_", "torch.nn.init.zeros_")


@register
@dataclass(frozen=True, kw_only=True)
class Ones(SameEverywhere):
    """Make every unit the sum of its inputs.

    All units of a layer are then equal and get equal gradients. It is the right start for the
    weight of a normalisation layer.
    """

    name = "ones"
    formula = r"w = 1"
    summary = "Every weight is 1, so all units of a layer are equal."
    reference = torch_docs("nn.init.html#torch.nn.init.ones_", "torch.nn.init.ones_")
    centred = False


@register
@dataclass(frozen=True, kw_only=True)
class Constant(SameEverywhere):
    """Make all units of a layer equal, at a value of your choice.

    Equal units get equal gradients: a layer of width W computes what one unit computes, until
    something (dropout, rounding) tells its units apart.

    Args:
        val: The value of every entry, any finite number. PyTorch has no default; ours is the
            small weight that the lessons use.
    """

    name = "constant"
    formula = r"w = \mathrm{val}"
    summary = "Every weight is the same number, so all units of a layer are equal."
    reference = torch_docs("nn.init.html#torch.nn.init.constant_", "torch.nn.init.constant_")
    always_shown = ("val",)

    val: float = 0.02

    def __post_init__(self) -> None:
        number("val", self.val)

    @property
    def centred(self) -> bool:
        """Whether the mean is 0."""
        return self.val == 0
