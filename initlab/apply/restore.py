"""How do a model's values, and the states of the random generators, come back?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Generator, nn

from initlab.apply.parametrized import held, state
from initlab.probe.preserving import keep_random_states


@contextmanager
def restored_on_failure(model: nn.Module, generator: Generator | None) -> Iterator[None]:
    """Put parameters, buffers and random states back if the block raises."""
    put_back = keep_values(model), keep_random_states(generator)
    try:
        yield
    except BaseException:
        for step in put_back:
            step()
        raise


def keep_values(model: nn.Module) -> Callable[[], None]:
    """Note all parameters and buffers, and return a function that puts their values back."""
    before = [tensor.detach().clone() for tensor in state(model)]

    def put_back() -> None:
        with torch.no_grad():
            for tensor, values in zip(state(model), before, strict=True):
                tensor.copy_(values)
        for module in model.modules():
            for weight in held(module).values():
                weight.refresh()

    return put_back
