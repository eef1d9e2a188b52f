"""How do a model's values, and the states of the random generators, come back?"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Generator, nn

from initlab.apply.parametrized import held


@contextmanager
def restored_on_failure(model: nn.Module, generator: Generator | None) -> Iterator[None]:
    """Put parameters, buffers and random states back if the block raises."""
    put_back = keep_values(model), keep_random_states(model, generator)
    try:
        yield
    except BaseException:
        for step in put_back:
            step()
        raise


def keep_values(model: nn.Module) -> Callable[[], None]:
    """Note all parameters and buffers, and return a function that puts their values back."""
    state = [*model.parameters(), *model.buffers()]
    before = [tensor.detach().clone() for tensor in state]

    def put_back() -> None:
        with torch.no_grad():
            for tensor, values in zip(state, before, strict=True):
                tensor.copy_(values)
        for module in model.modules():
            for weight in held(module).values():
                weight.refresh()

    return put_back


def keep_random_states(model: nn.Module, generator: Generator | None = None) -> Callable[[], None]:
    """Note the states of all random generators that code on this model may draw from.

    Returns:
        A function that puts them back: those of torch on the CPU and on every device of the model,
        of numpy and of Python, and of `generator`.
    """
    undo: list[tuple[Callable[..., object], tuple[object, ...]]] = [
        (torch.set_rng_state, (torch.get_rng_state(),)),
        (np.random.set_state, (np.random.get_state(),)),  # noqa: NPY002 (the caller's)
        (random.setstate, (random.getstate(),)),
    ]
    for device in {p.device for p in model.parameters() if p.device.type in ("cuda", "xpu")}:
        library = torch.get_device_module(device)
        undo.append((library.set_rng_state, (library.get_rng_state(device), device)))
    if generator is not None:
        undo.append((generator.set_state, (generator.get_state(),)))

    def put_back() -> None:
        for step, state in undo:
            step(*state)

    return put_back
