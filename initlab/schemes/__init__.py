"""How is one tensor filled, and with which variance?

Each scheme is one class, in the file of its idea:

    base        what all share: checks, drawing, fans, references
    constant    zeros, ones, constant
    random      uniform, normal, trunc_normal, sparse
    scaled      torch_default, lecun_*, xavier_*, kaiming_*
    orthogonal  orthogonal, delta_orthogonal
    identity    eye, dirac
    custom      a function of your own
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

# The order of these imports is the teaching order of SCHEMES.
# isort: off
from initlab.arguments import choice
from initlab.schemes.base import SCHEMES, Reference, Scheme, fans, register
from initlab.schemes.constant import Constant, Ones, Zeros
from initlab.schemes.random import Normal, Sparse, TruncNormal, Uniform
from initlab.schemes.scaled import (
    Kaiming,
    KaimingNormal,
    KaimingUniform,
    LeCun,
    LeCunNormal,
    LeCunUniform,
    TorchDefault,
    Xavier,
    XavierNormal,
    XavierUniform,
)
from initlab.schemes.orthogonal import DeltaOrthogonal, Orthogonal
from initlab.schemes.identity import Dirac, Eye
from initlab.schemes.custom import own_scheme

# isort: on

__all__ = [
    "SCHEMES",
    "Constant",
    "DeltaOrthogonal",
    "Dirac",
    "Eye",
    "Kaiming",
    "KaimingNormal",
    "KaimingUniform",
    "LeCun",
    "LeCunNormal",
    "LeCunUniform",
    "Normal",
    "Ones",
    "Orthogonal",
    "Reference",
    "Scheme",
    "Sparse",
    "TorchDefault",
    "TruncNormal",
    "Uniform",
    "Xavier",
    "XavierNormal",
    "XavierUniform",
    "Zeros",
    "fans",
    "register",
    "scheme",
]


def scheme(which: str | Scheme | Callable[..., Any], **params: Any) -> Scheme:
    """Find or make the scheme that is meant.

    Args:
        which: A name in `SCHEMES`; a scheme; a function that fills a tensor; or a variance
            `(fan_in, fan_out) -> variance`.
        **params: Parameters to change, with the names that `torch.nn.init` gives them.

    Returns:
        A scheme with these parameters.

    Raises:
        ValueError: A name, a parameter or its value is not allowed.
        TypeError: `which` is none of the four.

    >>> scheme("kaiming_normal", nonlinearity="relu")
    kaiming_normal(nonlinearity='relu')
    >>> scheme(lambda fan_in, fan_out: 2 / fan_in).variance(100, 30)
    0.02
    """
    if isinstance(which, type) and issubclass(which, Scheme):
        which = which()
    if isinstance(which, str):
        if which == "pretrained":
            raise ValueError(
                "scheme='pretrained' needs the weights: "
                "call il.initialize_from(model, state_dict_or_path) instead."
            )
        choice("scheme", which, SCHEMES)
        which = SCHEMES[which]
    if isinstance(which, Scheme):
        for name in params:
            choice(f"parameter of {which.name}", name, which.parameters())
        return dataclasses.replace(which, **params) if params else which
    if callable(which):
        return own_scheme(which, params)
    raise TypeError(
        "scheme must be a name, a scheme, a function on a tensor or a variance (fan_in, fan_out) "
        f"-> variance, got {which!r} of type {type(which).__name__}."
    )
