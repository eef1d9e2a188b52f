"""Has this been trained before? What a result is known by in a store."""

from __future__ import annotations

import functools
import hashlib
import inspect
from typing import Any

import torch
from torch import Tensor, nn


def key_of(*parts: Any) -> str:
    """Return a text that is the same for the same work, also after a restart.

    It is made of values, not of addresses: the numbers in tensors, and for functions their source
    with the values that they have captured. joblib's own hash knows neither.
    """
    digest = hashlib.sha256()
    _add(digest, parts, ())
    return digest.hexdigest()


def _add(digest: Any, part: Any, inside: tuple[int, ...]) -> None:
    if id(part) in inside:  # a function that knows itself
        return
    inside = (*inside, id(part))
    digest.update(f"<{type(part).__qualname__}>".encode())
    if isinstance(part, Tensor):
        array = part.detach().cpu().contiguous()
        digest.update(f"{array.dtype}{tuple(array.shape)}".encode())
        digest.update(array.reshape(-1).view(torch.uint8).numpy().tobytes())
        return
    if isinstance(part, nn.Module):
        parts: Any = repr(part), dict(part.state_dict())
    elif isinstance(part, dict):
        parts = part.items()
    elif isinstance(part, (tuple, list)):
        parts = part
    elif isinstance(part, functools.partial):
        parts = part.func, part.args, part.keywords
    elif inspect.isfunction(part):
        captured = [cell.cell_contents for cell in part.__closure__ or ()]
        parts = _source(part), part.__defaults__, part.__kwdefaults__, captured
    elif hasattr(part, "__dict__") and not isinstance(part, type) and not inspect.isroutine(part):
        parts = vars(part).items()
    else:
        digest.update(repr(part).encode())
        return
    for one in parts:
        _add(digest, one, inside)
    digest.update(b"</>")


def _source(function: Any) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return f"{function.__module__}.{function.__qualname__}"
