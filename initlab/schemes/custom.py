"""How does my own rule become a scheme? A function on a tensor, or a variance from the fans."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from initlab.arguments import choice
from initlab.schemes.base import Reference, Scheme


@dataclass(frozen=True, kw_only=True)
class Own(Scheme):
    """A scheme that a user wrote; its name is the function's."""

    formula = r"w = f(\mathrm{tensor})"
    summary = "A rule of your own."
    reference = Reference("you", 2017, "your own function", "no link")

    function: Callable[..., Any]

    def __post_init__(self) -> None:
        name = _name(self.function)
        object.__setattr__(self, "name", "custom" if name == "<lambda>" else name)

    def __repr__(self) -> str:
        given = getattr(self.function, "keywords", {})
        shown = ", ".join(f"{key}={value!r}" for key, value in given.items())
        return f"{self.name}({shown})" if shown else self.name


@dataclass(frozen=True, kw_only=True)
class OwnFunction(Own):
    """A function that fills a tensor, in place or by returning the values.

    It takes the tensor and returns None, the tensor, or new values of its shape. It gets
    `generator` if it has a parameter of that name. If it has none, what it draws from PyTorch's
    global generator is taken from the given generator instead.
    """

    dims = (0, None)
    centred = False  # nobody said

    def draw_(self, tensor: Tensor, generator: Generator | None) -> None:
        """Call the function and take over what it returned."""
        if "generator" in _parameters(self.function):
            values = self.function(tensor, generator=generator)
        else:
            with drawing_from(generator):
                values = self.function(tensor)
        if values is None or values is tensor:
            return
        values = torch.as_tensor(values)
        if values.shape != tensor.shape:
            raise ValueError(
                f"{self.name} must return values of the tensor's shape {tuple(tensor.shape)}, "
                f"or fill it in place, got shape {tuple(values.shape)}."
            )
        tensor.copy_(values)

    def variance(self, fan_in: int, fan_out: int) -> None:
        """Give None: nobody said."""
        return None


@dataclass(frozen=True, kw_only=True)
class OwnVariance(Own):
    """A variance as a function (fan_in, fan_out); numbers are drawn from N(0, variance)."""

    formula = r"w \sim \mathcal{N}(0, \mathrm{variance}(n_{in}, n_{out}))"
    summary = "A variance of your own, drawn from a normal distribution."

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            self.variance(100, 50)
        except Exception as error:
            raise ValueError(
                f"scheme={self.name} takes two arguments, so it is read as (fan_in, fan_out) "
                f"-> variance, but for fan_in=100, fan_out=50 it gave: {error} "
                f"A function on a tensor takes one; give the others by name, "
                f"as in il.scheme({self.name}, name=value)."
            ) from error

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Ask the function."""
        variance = float(self.function(fan_in, fan_out))
        if not (math.isfinite(variance) and variance >= 0):
            raise ValueError(
                f"{self.name} must give a finite variance of at least 0, "
                f"got {variance} for fan_in={fan_in}, fan_out={fan_out}."
            )
        return variance


def own_scheme(function: Callable[..., Any], params: dict[str, Any]) -> Own:
    """Turn a callable into a scheme, by the number of arguments that it cannot do without."""
    known = _parameters(function)
    if not any(p.kind is p.VAR_KEYWORD for p in known.values()):
        for key in params:
            choice(f"parameter of {_name(function)}", key, known)
    given = functools.partial(function, **params) if params else function
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    left = [p for name, p in known.items() if name not in params and p.default is p.empty]
    needed = [p.name for p in left if p.kind in positional]
    if len(needed) == 1:
        return OwnFunction(function=given)
    if len(needed) == 2:
        return OwnVariance(function=given)
    raise TypeError(
        "scheme must be a function with one required argument (the tensor) or two (fan_in, "
        f"fan_out), got {_name(function)}({', '.join(needed)})."
    )


@contextmanager
def drawing_from(generator: Generator | None) -> Iterator[None]:
    """Let code that knows only the global generator draw from this one instead.

    The global state is as before afterwards, and the generator has moved on.
    """
    if generator is None:
        yield
        return
    on_cpu = generator.device.type == "cpu"
    library = torch if on_cpu else getattr(torch, generator.device.type)
    where = () if on_cpu else (generator.device,)
    before = library.get_rng_state(*where)
    library.set_rng_state(generator.get_state(), *where)
    try:
        yield
    finally:
        generator.set_state(library.get_rng_state(*where))
        library.set_rng_state(before, *where)


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(function).parameters)
    except (ValueError, TypeError):  # written in C, without a signature
        return {"tensor": inspect.Parameter("tensor", inspect.Parameter.POSITIONAL_ONLY)}


def _name(function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", type(function).__name__)
