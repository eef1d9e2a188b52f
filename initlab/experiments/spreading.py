"""How does the work of a sweep spread over cores or machines, with the same numbers everywhere?

A task is one point (a network with a scheme) with some seeds; a store keeps it as a whole. Tasks of
one architecture are trained in one go, where that leaves no core idle and changes no bit. Each
network draws from its own seed, and each worker uses one thread.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from os import PathLike
from typing import Any

import torch
from torch import nn

from initlab.apply.initialize import fill
from initlab.data import Batch
from initlab.experiments.bars import bar
from initlab.experiments.history import History
from initlab.experiments.recipe import Recipe, checked_model
from initlab.experiments.runs import Run, Runs
from initlab.experiments.stack import can_stack, same_in_larger_stack
from initlab.experiments.store import Store, key_of
from initlab.experiments.threads import Crew, go_on, one_thread
from initlab.experiments.together import train_together
from initlab.experiments.training import train
from initlab.schemes import Scheme

TASK = 8  # seeds in a task at most
STACK = 16  # networks that are trained in one go at most
LARGE = 1_000_000  # parameters of a stack; above it nothing is gained, and memory is lost
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
    build: partial[nn.Module]
    bias: Any
    gain: float = 1.0

    def built(self, seed: int) -> nn.Module:
        """Make the network, before the scheme fills it; the caller's random state stays."""
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            torch.manual_seed(seed)  # for what no scheme fills
            return checked_model(self.build())

    def network(self, seed: int) -> nn.Module:
        """Make the network that this seed starts from."""
        model = self.built(seed)
        generator = torch.Generator(next(model.parameters()).device).manual_seed(seed)
        fill(model, self.scheme, bias=self.bias, generator=generator)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() >= 2 and parameter.requires_grad:
                    parameter.mul_(self.gain)
        return model


@dataclass(frozen=True, kw_only=True)
class Task:
    """Some seeds of one point.

    Args:
        point: The network with its scheme.
        seeds: At most `TASK`.
        data: What it is trained on.
        recipe: How it is trained.
        key: What a store knows it by.
    """

    point: Point
    seeds: Sequence[int]
    data: Batch
    recipe: Recipe
    key: str | None = None

    def networks(self) -> list[nn.Module]:
        """Make the network of each seed."""
        return [self.point.network(seed).to(self.data.x.device) for seed in self.seeds]


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
    groups = [seeds[start : start + TASK] for start in range(0, len(seeds), TASK)]
    tasks = [
        Task(point=point, seeds=group, data=data, recipe=recipe)
        for point in points
        for group in groups
    ]
    if store is not None:
        tasks = [replace(task, key=key_of(task, TASK)) for task in tasks]
    found: dict[int, list[History]] = {}
    interrupted = False
    with bar(len(points) * len(seeds), show=progress, unit="run") as shown:
        try:
            for places, results in _results(tasks, store):
                found.update(zip(places, results, strict=True))
                shown.update(sum(map(len, results)))
        except KeyboardInterrupt:
            interrupted = True
    runs = [
        Run(settings=task.point.settings, seed=seed, history=history)
        for place, task in enumerate(tasks)
        if place in found
        for seed, history in zip(task.seeds, found[place], strict=True)
    ]
    said = f"interrupted: {len(runs)} of {len(points) * len(seeds)} runs are kept"
    return Runs(runs=runs, stopped=said if interrupted else None)


def _results(
    tasks: Sequence[Task], store: str | PathLike[str] | None
) -> Iterator[tuple[list[int], list[list[History]]]]:
    """Yield the places of tasks that were done in one go, and the result of each."""
    from joblib import Parallel, delayed, effective_n_jobs
    from joblib.parallel import get_active_backend

    backend, _ = get_active_backend(prefer="threads")  # it says 1 job also where nobody chose that
    _, jobs = get_active_backend()
    # Unless the caller has told joblib: all cores.
    jobs = jobs or -1
    places = _in_one_go(tasks, effective_n_jobs(jobs))
    work = [[tasks[place] for place in some] for some in places]
    parallel = Parallel(
        # PyTorch lets go of Python's lock while it computes, so threads do, and they start at once.
        n_jobs=jobs,
        prefer="threads",
        return_as="generator" if backend.supports_return_generator else "list",
    )
    shares = getattr(backend, "supports_sharedmem", False)
    crew = Crew() if shares else None
    with one_thread():
        try:
            if len(work) == 1 and shares:  # a thread would only have to be awaited
                results = (_done(one, store) for one in work)
            else:
                results = parallel(delayed(_done)(one, store, crew) for one in work)
            yield from zip(places, results, strict=True)
        finally:
            if crew is not None:
                crew.dismiss()


def _in_one_go(tasks: Sequence[Task], workers: int) -> list[list[int]]:
    """Divide tasks, by their places, among stacks that are as large as may be.

    A large stack spends less time between operations, where threads wait for Python's lock. But
    each worker gets as many tasks as the others.
    """
    groups: list[tuple[Any, list[int]]] = []  # what tasks have in common, and their places
    for place, task in enumerate(tasks):
        build = task.point.build
        common = build.func, build.args, build.keywords, len(task.seeds)
        same = [places for one, places in groups if one == common]
        if same:
            same[0].append(place)
        else:
            groups.append((common, [place]))
    parted = []
    for _, places in groups:
        n = len(places)
        most = _most_in_a_stack(tasks[places[0]]) if n > workers else 1
        shares = min(n, workers * math.ceil(n / (workers * most)))
        parted += [places[n * i // shares : n * (i + 1) // shares] for i in range(shares)]
    return sorted(parted)


def _most_in_a_stack(task: Task) -> int:
    """Return how many such tasks may share a stack: one, if that could change a bit."""
    model, x, count = task.point.built(task.seeds[0]), task.data.x, len(task.seeds)
    if not (x.is_cpu and can_stack(model, x) and same_in_larger_stack(model, count)):
        return 1
    size = sum(parameter.numel() for parameter in model.parameters())
    return max(1, min(STACK, LARGE // size) // count)


def _done(
    tasks: Sequence[Task], store: str | PathLike[str] | None, crew: Crew | None = None
) -> list[list[History]]:
    """Return the results of tasks of one architecture: train what is not kept."""
    if crew is not None:
        with crew.at_work():
            go_on()
            return _done(tasks, store)
    if store is None:
        return _train(tasks)
    kept = Store(store)
    results = [kept.find(task.key) for task in tasks]
    missing = [place for place, result in enumerate(results) if result is None]
    if missing:
        trained = _train([tasks[place] for place in missing])
        for place, result in zip(missing, trained, strict=True):
            kept.keep(tasks[place].key, result)
            results[place] = result
    return results


def _train(tasks: Sequence[Task]) -> list[list[History]]:
    """Train a network for each task and seed: together if they can be stacked, else one by one."""
    data, recipe = tasks[0].data, tasks[0].recipe
    with one_thread(), torch.enable_grad():
        with _RANDOM:
            models = [model for task in tasks for model in task.networks()]
        if can_stack(models[0], data.x):
            histories = train_together(models, data, recipe, task=len(tasks[0].seeds))
        else:
            with _RANDOM:
                options = {name: getattr(recipe, name) for name in Recipe.names()}
                histories = [train(model, data, progress=False, **options) for model in models]
    found = iter(histories)
    return [list(islice(found, len(task.seeds))) for task in tasks]
