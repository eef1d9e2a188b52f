"""What do all schemes share? Checking the tensor, drawing, and telling what they are."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn.parameter import is_lazy

from initlab.arguments import number, whole


class Reference(NamedTuple):
    """Where a scheme comes from: a paper, or a page of documentation."""

    authors: str  # family names, as a text cites them
    year: int  # of the first version
    title: str
    link: str  # to an abstract page, a DOI or a page of documentation

    def __str__(self) -> str:
        return f"{self.authors} ({self.year}), {self.title}. {self.link}"


def torch_docs(page: str, title: str) -> Reference:
    """Cite PyTorch's documentation, for a scheme that no paper introduced."""
    link = f"https://docs.pytorch.org/docs/stable/{page}"
    return Reference("PyTorch contributors", 2017, title, link)


def fans(tensor: Tensor | Sequence[int]) -> tuple[int, int]:
    """Count the inputs that a unit sums, and the units that an input reaches.

    A weight is stored as `(out, in, *kernel)`. Every position of the kernel is one more
    summand, so it multiplies both fans.

    Args:
        tensor: The weight, or its shape.

    Returns:
        `(fan_in, fan_out)`, the numbers that `torch.nn.init` uses.

    Raises:
        ValueError: There are fewer than two dimensions, so there is no in and out.

    >>> fans(torch.empty(16, 3, 5, 5))
    (75, 400)
    """
    shape = tuple(tensor.shape) if isinstance(tensor, Tensor) else tuple(tensor)
    if len(shape) < 2:
        raise ValueError(
            f"tensor must have at least 2 dimensions (out, in, ...), got shape {shape}."
        )
    positions = math.prod(shape[2:])
    return shape[1] * positions, shape[0] * positions


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """One way to fill a weight: its fields are its parameters.

    A subclass says what it is (`name`, `formula`, `summary`, `reference`) and gives `variance`.
    That is enough: numbers are then drawn from a normal distribution with that variance.
    `draw_` is there for schemes that fill in another way.

    Raises:
        TypeError, ValueError: A parameter is not what its class states.
    """

    name: ClassVar[str]  # the key in `SCHEMES`
    formula: ClassVar[str]  # LaTeX, without dollar signs
    summary: ClassVar[str]  # one sentence
    reference: ClassVar[Reference]
    dims: ClassVar[tuple[int, int | None]] = (2, None)  # fewest and most of a tensor that it fills
    always_shown: ClassVar[tuple[str, ...]] = ()  # parameters, though they have their default
    distribution: ClassVar[str] = "normal"
    """How the entries are distributed: "normal", "uniform", "truncated normal", or, where
    entries have no density of their own, "constant", "sparse", "orthogonal" or "identity". A class
    that defines `draw_` and does not say is "unknown"."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "variance" in cls.__dict__:
            setattr(cls, "variance", _with_checked_fans(cls.variance))  # noqa: B010 (mypy)
        cls.__repr__ = cls.__repr__  # type: ignore[method-assign] # else `dataclass` writes one
        if cls.__doc__ and "Reference:" not in cls.__doc__ and hasattr(cls, "reference"):
            cls.__doc__ = f"{cls.__doc__.rstrip()}\n\n    Reference:\n        {cls.reference}\n"
        if "draw_" in cls.__dict__ and "distribution" not in cls.__dict__:
            cls.distribution = "unknown"

    def fill_(self, tensor: Tensor, generator: Generator | None = None) -> Tensor:
        """Fill a tensor in place, and return it.

        Args:
            tensor: Weight to fill; a parameter keeps its `requires_grad`, and nothing is recorded.
            generator: Source of the random numbers; None is PyTorch's global one.

        Shape:
            tensor: `(out, in, *kernel)`; a few schemes also fill a vector.

        Raises:
            TypeError: It is not a tensor, or not one of floating-point numbers.
            ValueError: It has too few or too many dimensions, no values yet (lazy or meta), or
                `generator` lives on another device.
        """
        self.check(tensor, generator)
        if tensor.numel():
            with torch.no_grad():
                self.draw_(tensor.detach(), generator)
        return tensor

    def variance(self, fan_in: int, fan_out: int) -> float | None:
        """Tell Var(w) of one entry, or None where no single number is true.

        Args:
            fan_in: Inputs that a unit sums, at least 1.
            fan_out: Units that an input reaches, at least 1.

        Raises:
            TypeError: A fan is not a whole number.
            ValueError: A fan is below 1.
        """
        raise NotImplementedError

    def draw_(self, tensor: Tensor, generator: Generator | None) -> None:
        """Draw N(0, Var(w)) into a tensor that was checked; gradients are off."""
        std = self.expected_std(tensor.shape)
        if std is None:
            raise NotImplementedError(f"{self.name} has no variance, so it must define draw_.")
        tensor.normal_(0.0, std, generator=generator)

    def expected_std(self, shape: Sequence[int]) -> float | None:
        """Tell the standard deviation of an entry in this shape, or None where there is no one."""
        # Schemes that fill vectors have a variance that no fan changes.
        variance = self.variance(*(fans(shape) if len(shape) > 1 else (1, 1)))
        return None if variance is None else math.sqrt(variance)

    def cumulative(
        self, values: NDArray[np.float64], fan_in: int, fan_out: int
    ) -> NDArray[np.float64] | None:
        """Tell which share of the entries lies below each of these values.

        Returns:
            Shares from 0 to 1, in the shape of `values`; or None where entries have no density.

        >>> from initlab.schemes import XavierUniform
        >>> XavierUniform().cumulative(np.array([-1.0, 0.0, 1.0]), 3, 3)
        array([0. , 0.5, 1. ])
        """
        std = math.sqrt(self.variance(fan_in, fan_out) or 0.0)
        if not std:
            return None
        if self.distribution == "uniform":
            return np.clip(0.5 + values / (math.sqrt(12) * std), 0.0, 1.0)
        return normal_below(values / std) if self.distribution == "normal" else None

    @property
    def centred(self) -> bool:
        """Whether an entry has mean 0, as the theory of signals in wide networks assumes."""
        return True

    def parameters(self) -> dict[str, Any]:
        """Give the parameters by name, as `torch.nn.init` takes them."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def __repr__(self) -> str:
        shown = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in self.always_shown or value != field.default:
                text = f"{value:.4g}" if isinstance(value, float) else repr(value)
                shown.append(f"{field.name}={text}")
        return f"{self.name}({', '.join(shown)})" if shown else self.name

    def check(self, tensor: Any, generator: Any = None) -> None:
        """Raise what `fill_` would raise for this tensor and generator, and change nothing."""
        check_tensor(tensor)
        low, high = self.dims
        if not low <= tensor.dim() <= (high or tensor.dim()):
            wanted = f"at least {low}" if high is None else f"{low}"
            wanted += f" to {high}" if high not in (None, low) else ""
            raise ValueError(
                f"{self.name} needs a tensor with {wanted} dimensions, "
                f"got {tensor.dim()} (shape {tuple(tensor.shape)})."
            )
        check_generator(generator, tensor.device)


class DrawnByTorch(Scheme):
    """A scheme whose numbers come from the `torch.nn.init` function of its name."""

    random: ClassVar[bool] = True

    def draw_(self, tensor: Tensor, generator: Generator | None) -> None:
        """Call that function with the scheme's parameters."""
        function = getattr(nn.init, f"{self.name}_")
        source = {"generator": generator} if self.random else {}
        function(tensor, **self.parameters(), **source)


def _with_checked_fans(variance: Callable[..., Any]) -> Callable[..., Any]:
    """Let the formula that a scheme writes speak about fans that a layer can have only."""

    @functools.wraps(variance)
    def checked(self: Any, fan_in: int, fan_out: int) -> Any:
        return variance(self, whole("fan_in", fan_in), whole("fan_out", fan_out))

    return checked


def normal_below(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the share of a standard normal distribution below each value."""
    return np.array([0.5 * math.erfc(-one / math.sqrt(2)) for one in z.flat]).reshape(z.shape)


SCHEMES: dict[str, Scheme] = {}
"""Name → scheme with its default parameters, in teaching order."""

S = TypeVar("S", bound=Scheme)


def register(cls: type[S]) -> type[S]:
    """Put a scheme into `SCHEMES`, under its name."""
    SCHEMES[cls.name] = cls()
    return cls


def check_tensor(tensor: Any) -> None:
    """Raise unless this is a tensor of floating-point numbers that can be filled."""
    if not isinstance(tensor, Tensor):
        kind = f"{type(tensor).__module__}.{type(tensor).__qualname__}".removeprefix("builtins.")
        fix = "convert it with torch.as_tensor"
        if isinstance(tensor, nn.Module):
            fix = "for a whole model call il.initialize(model, scheme)"
        raise TypeError(f"tensor must be a torch.Tensor, got {kind}: {fix}.")
    if is_lazy(tensor):
        raise ValueError(
            "tensor must have a shape, got a lazy parameter: run one batch through the model first."
        )
    if tensor.is_meta:
        raise ValueError(
            "tensor must hold numbers, got one on the meta device: "
            "give the model memory first with model.to_empty(device=...). After that, tied weights "
            "are tied no longer and buffers hold garbage: tie them again, and fill the buffers."
        )
    if not tensor.is_floating_point():
        raise TypeError(
            f"tensor must have a floating-point dtype, got {tensor.dtype}: "
            "convert it with tensor.float()."
        )


def check_generator(generator: Any, device: torch.device) -> None:
    """Raise unless this generator, or none, can draw on this device."""
    if generator is None:
        return
    if not isinstance(generator, Generator):
        raise TypeError(
            f"generator must be a torch.Generator or None, got {generator!r} of type "
            f"{type(generator).__name__}: try torch.Generator().manual_seed(0)."
        )
    if generator.device.type != device.type:
        raise ValueError(
            f"generator must be on the tensor's device {device.type!r}, got one on "
            f"{generator.device.type!r}: make it with torch.Generator({device.type!r})."
        )


def check_ordered(a: Any, b: Any) -> None:
    """Raise unless a and b are finite numbers with a ≤ b."""
    number("a", a)
    number("b", b)
    if a > b:
        raise ValueError(f"a must not be above b, got a={a!r} and b={b!r}: swap them.")
