"""Has this been trained before? Finished work is kept in a folder, and found again by its key."""

from __future__ import annotations

import functools
import hashlib
import inspect
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class Store:
    """Results in a folder, by key.

    Each is written as soon as it is there, to a file of its own that appears as a whole, so that
    a crash loses only what was not finished.

    Args:
        folder: Where; made if it does not exist.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        from joblib import Memory

        self._kept = Memory(Path(folder), verbose=0).cache(_same, ignore=["result"])

    def find(self, key: str | None) -> Any:
        """Return the result; None if there is none, or if its file is damaged."""
        return self._kept(key, None) if self._kept.check_call_in_cache(key, None) else None

    def keep(self, key: str | None, result: Any) -> None:
        """Write a result, also in place of a damaged one."""
        if self._kept(key, result) is None:
            self._kept.call(key, result)


def _same(key: str, result: Any) -> Any:
    """Return what joblib is to keep."""
    return result


def key_of(*parts: Any) -> str:
    """Return a text that is the same for the same work, also after a restart."""
    digest = hashlib.sha256()
    for part in parts:
        _add(digest, part)
    return digest.hexdigest()


def _add(digest: Any, part: Any) -> None:
    """Add values, not addresses: the bytes of tensors, and the source of functions."""
    if isinstance(part, Tensor):
        array = part.detach().cpu().contiguous()
        digest.update(f"{array.dtype}{tuple(array.shape)}".encode())
        digest.update(array.view(torch.uint8).numpy().tobytes() if array.dim() else array.numpy())
    elif isinstance(part, nn.Module):
        digest.update(f"{type(part).__qualname__} {part!r}".encode())
        _add(digest, dict(part.state_dict()))
    elif isinstance(part, dict):
        _add(digest, list(part.items()))
    elif isinstance(part, (tuple, list)):
        digest.update(f"{len(part)} of".encode())
        for one in part:
            _add(digest, one)
    elif isinstance(part, functools.partial):
        _add(digest, (part.func, part.args, part.keywords))
    elif inspect.isroutine(part):
        digest.update(_source(part).encode())
    elif hasattr(part, "__dict__") and not isinstance(part, type):
        _add(digest, (type(part).__qualname__, vars(part)))
    else:
        digest.update(repr(part).encode())


def _source(function: Any) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return f"{function.__module__}.{function.__qualname__}"
