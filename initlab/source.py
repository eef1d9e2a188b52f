"""How is this written? Nothing that a notebook calls is magic: `show` opens it."""

from __future__ import annotations

import inspect
from typing import Any


def show(thing: Any) -> None:
    """Print the source of a scheme, a class or a function, with a link to its paper.

    Args:
        thing: A scheme (such as `il.SCHEMES["kaiming_normal"]`), or any class, function, method
            or module written in Python.

    Raises:
        TypeError: Python has no source for it (a number, a tensor, something written in C).

    >>> from initlab import SCHEMES
    >>> show(SCHEMES["ones"])  # doctest: +ELLIPSIS
    # initlab/schemes/constant.py, line ...
    """
    written = thing
    if not (inspect.isclass(thing) or inspect.isroutine(thing) or inspect.ismodule(thing)):
        written = type(thing)
    written = inspect.unwrap(written) if callable(written) else written
    try:
        lines, start = inspect.getsourcelines(written)
        module = inspect.getmodule(written)
    except (OSError, TypeError):
        module = None
    if module is None:
        raise TypeError(
            "thing must be a scheme, class, function or module that is written in Python, "
            f"got {thing!r} of type {type(thing).__name__}, whose source cannot be read."
        )
    top, *inner = module.__name__.split(".")
    is_folder = hasattr(module, "__path__")
    path = "/".join([top, *inner]) + ("/__init__.py" if is_folder else ".py")
    print(f"# {path}, line {max(start, 1)}")
    reference = getattr(thing, "reference", None)
    if reference is not None:
        print(f"# {reference}")
    print("".join(lines).rstrip())
