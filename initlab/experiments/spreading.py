"""How does the work of a sweep spread over cores or machines, with the same numbers everywhere?

A task is one point (a network with a scheme) with up to `STACK` seeds. How the seeds are grouped
does not depend on who does the work, each task uses one thread, and each draws from its own seeds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import torch
from torch import nn

from initlab.apply.filling import fill
from initlab.data import Batch
from initlab.experiments.bars import bar
from initlab.experiments.history import History
from initlab.experiments.recipe import Recipe, checked_model
from initlab.experiments.runs import Run, Runs
from initlab.experiments.stack import can_stack
from initlab.experiments.store import keeper, key_of
from initlab.experiments.threads import one_thread
from initlab.experiments.together import train_together
from initlab.experiments.training import train
from initlab.schemes import Scheme

STACK = 8  # seeds in a task: threads wait for Python's lock between operations, so few and large
_RANDOM = threading.Lock()  # PyTorch has one global random state for all threads


@dataclass(frozen=True, kw_only=True)
class Point:
    """One network with one scheme, whatever the seed.

    Args:
        settings: What a row says about it.
        scheme: Fills the weights.
        build: Makes the network.
        bias: What biases start as.
        gain: Factor on every weight.
    """

    settings: dict[str, Any]
    scheme: Scheme
    build: Callable[[], nn.Module]
    bias: Any
    gain: float = 1.0

    def network(self, seed: int) -> nn.Module:
        """Make the network that this seed starts from."""
        model = checked_model(self.build())
        generator = torch.Generator(next(model.parameters()).device).manual_seed(seed)
        fill(model, self.scheme, bias=self.bias, generator=generator)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() >= 2 and parameter.requires_grad:
                    parameter.mul_(self.gain)
        return model


@dataclass(frozen=True, kw_only=True)
class Task:
    """Some seeds of one point, trained in one go."""

    point: Point
    seeds: Sequence[int]
    data: Batch
    recipe: Recipe

    def train(self) -> list[History]:
        """Train a network for each seed: together if they can be stacked, else one by one."""
        with one_thread(), torch.enable_grad():
            with _RANDOM:
                models = [self.point.network(seed).to(self.data.x.device) for seed in self.seeds]
            if can_stack(models[0], self.data.x):
                return train_together(models, self.data, self.recipe)
            with _RANDOM:
                options = {name: getattr(self.recipe, name) for name in Recipe.names()}
                return [train(m, self.data, progress=False, **options) for m in models]


def run_all(
    points: Sequence[Point],
    seeds: Sequence[int],
    data: Batch,
    recipe: Recipe,
    *,
    store: str | PathLike[str] | None,
    progress: bool,
) -> Runs:
    """Train every point with every seed, wherever joblib is told to."""
    points[0].network(seeds[0])  # what is wrong with the arguments is told here, not by a worker
    groups = [seeds[start : start + STACK] for start in range(0, len(seeds), STACK)]
    tasks = [
        Task(point=point, seeds=group, data=data, recipe=recipe)
        for point in points
        for group in groups
    ]
    runs: list[Run] = []
    stopped = None
    with bar(len(points) * len(seeds), show=progress, unit="run") as shown:
        try:
            for task, histories in zip(tasks, _histories(tasks, store), strict=True):
                runs += [
                    Run(settings=task.point.settings, seed=seed, history=history)
                    for seed, history in zip(task.seeds, histories, strict=True)
                ]
                shown.update(len(histories))
        except KeyboardInterrupt:
            stopped = f"interrupted: {len(runs)} of {len(points) * len(seeds)} runs are kept"
    return Runs(runs=runs, stopped=stopped)


def _histories(tasks: Sequence[Task], store: str | PathLike[str] | None) -> Iterator[list[History]]:
    """Yield the result of each task, in their order, as soon as it and those before are there."""
    from joblib import Parallel, delayed
    from joblib.parallel import get_active_backend

    backend, _ = get_active_backend(prefer="threads")  # it says 1 job also where nobody chose that
    _, jobs = get_active_backend()
    work = keeper(store, _train)
    keys = [store and key_of(task, STACK) for task in tasks]
    parallel = Parallel(
        # Unless the caller has told joblib: all cores. PyTorch lets go of Python's lock while it
        # computes, so threads do, and they start at once.
        n_jobs=jobs or -1,
        prefer="threads",
        return_as="generator" if backend.supports_return_generator else "list",
    )
    with one_thread():
        shares = getattr(backend, "supports_sharedmem", False)
        if len(tasks) == 1 and shares:  # a thread would only have to be awaited
            yield work(keys[0], tasks[0])
        else:
            calls = (delayed(work)(key, task) for key, task in zip(keys, tasks, strict=True))
            yield from parallel(calls)


def _train(key: str | None, task: Task) -> list[History]:
    """Train; `key` is what a store knows the task by."""
    return task.train()
