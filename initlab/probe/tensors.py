"""Which tensors are in there? Modules take and emit tuples, dicts and objects of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor


def first_tensor(output: Any) -> Tensor | None:
    """Find the first floating-point or complex tensor in what a module emits.

    A recurrent layer emits (output, state), a transformer an object: the first one is the signal.
    """
    return next(all_tensors(output), None)


def all_tensors(output: Any) -> Iterator[Tensor]:
    """Find every floating-point or complex tensor in what a module emits."""
    if isinstance(output, Tensor):
        if output.is_floating_point() or output.is_complex():
            yield output
    else:
        for member in _members(output):
            yield from all_tensors(member)


def _members(thing: Any) -> Iterator[Any]:
    if isinstance(thing, Mapping):
        return iter(thing.values())
    if isinstance(thing, (tuple, list)):
        return iter(thing)
    if hasattr(thing, "__dict__") and not callable(thing):
        return iter(vars(thing).values())
    return iter(())


def map_tensors(change: Callable[[Tensor], Tensor], thing: Any) -> Any:
    """Apply `change` to every tensor in nested tuples, lists and dicts; the rest stays."""
    if isinstance(thing, Tensor):
        return change(thing)
    if isinstance(thing, tuple) and hasattr(thing, "_fields"):
        return type(thing)(*(map_tensors(change, item) for item in thing))
    if type(thing) in (tuple, list):
        return type(thing)(map_tensors(change, item) for item in thing)
    if isinstance(thing, Mapping):
        return {key: map_tensors(change, item) for key, item in thing.items()}
    return thing
