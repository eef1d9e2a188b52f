"""How does the work of a sweep spread over cores or machines, with the same numbers everywhere?

A task is one point (a network with a scheme) with some seeds. joblib spreads the tasks, and keeps
their results in the folder of a store; the seeds of a task train as an ensemble where they can.
Each network draws from its own seed, and each worker uses one thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from typing import Any
from uuid import uuid4

import torch
from torch import nn

from initlab.apply import initialize
from initlab.data import Batch
from initlab.experiments.ensemble import Ensemble, can_stack
from initlab.experiments.history import History
from initlab.experiments.progress import bar
from initlab.experiments.recipe import Recipe, checked_model
from initlab.experiments.runs import Run, Runs
from initlab.experiments.store import key_of
from initlab.experiments.threads import one_thread
from initlab.experiments.training import own_randomness, run
from initlab.schemes import Scheme

SEEDS = 8  # seeds in a task at most
RANDOM = threading.Lock()  # PyTorch has one global random state for all threads
_ended: set[str] = set()  # calls that nobody waits for any more


class Ended(Exception):  # noqa: N818  (nothing went wrong)
    """Nobody waits for this work any more."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One network with one scheme and one recipe, whatever the seed.

    Args:
        settings: What a row says about it.
        scheme: Fills the weights.
        build: Makes the network.
        bias: What biases start as.
        recipe: How it is trained.
        gain: Factor on every weight.
    """

    settings: dict[str, Any]
    scheme: Scheme
    build: partial[nn.Module]
    bias: Any
    recipe: Recipe
    gain: float = 1.0

    def network(self, seed: int) -> nn.Module:
        """Make the network that this seed starts from; the caller's random state stays."""
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            torch.manual_seed(seed)  # for what no scheme fills
            model = checked_model(self.build())
        generator = torch.Generator(next(model.parameters()).device).manual_seed(seed)
        initialize(model, self.scheme, bias=self.bias, generator=generator)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() >= 2 and parameter.requires_grad:
                    parameter.mul_(self.gain)
        return model


def run_all(
    points: Sequence[Point],
    seeds: Sequence[int],
    data: Batch,
    *,
    store: str | PathLike[str] | None,
    progress: bool,
) -> Runs:
    """Train every point with every seed, wherever joblib is told to."""
    points[0].network(seeds[0])  # what is wrong with the arguments is told here, not by a worker
    parts = [seeds[start : start + SEEDS] for start in range(0, len(seeds), SEEDS)]
    tasks = [(point, part) for point in points for part in parts]
    work = [partial(_trained, point, part, data, store) for point, part in tasks]
    found: dict[int, list[History]] = {}
    interrupted = False
    with bar(len(points) * len(seeds), show=progress, unit="run") as shown:
        try:
            for place, histories in spread(work):
                found[place] = histories
                shown.update(len(histories))
        except KeyboardInterrupt:
            interrupted = True
    runs = [
        Run(settings=point.settings, seed=seed, history=history)
        for place, (point, part) in enumerate(tasks)
        if place in found
        for seed, history in zip(part, found[place], strict=True)
    ]
    said = f"interrupted: {len(runs)} of {len(points) * len(seeds)} runs are kept"
    return Runs(runs=runs, stopped=said if interrupted else None)


def spread(work: Sequence[partial[Any]]) -> Iterator[tuple[int, Any]]:
    """Do pieces of work where joblib is told to, and yield place and result of each that is done.

    Args:
        work: Is called with one more argument: a function to call now and then, which raises
            `Ended` when nobody waits any more.
    """
    from joblib import Parallel, delayed
    from joblib.parallel import get_active_backend

    backend, _ = get_active_backend(prefer="threads")  # it says 1 job also where nobody chose that
    _, jobs = get_active_backend()
    parallel = Parallel(
        n_jobs=jobs or -1,  # all cores, unless the caller has told joblib
        # PyTorch lets go of Python's lock while it computes, so threads do, and they start at once.
        prefer="threads",
        return_as="generator_unordered" if backend.supports_return_generator else "list",
    )
    call = uuid4().hex
    with one_thread():
        try:
            yield from parallel(delayed(_done)(*piece, call) for piece in enumerate(work))
        finally:
            _ended.add(call)  # a thread cannot be ended from outside: it asks


def _done(place: int, piece: partial[Any], call: str) -> tuple[int, Any]:
    def go_on() -> None:
        if call in _ended:
            raise Ended

    go_on()
    with one_thread(), torch.enable_grad():
        return place, piece(go_on)


def _trained(
    point: Point,
    seeds: Sequence[int],
    data: Batch,
    store: str | PathLike[str] | None,
    go_on: Any,
) -> list[History]:
    """Return the history of each seed: from the store, if it is there."""
    if store is None:
        return _train("", point, seeds, data, go_on)
    from joblib import Memory

    kept = Memory(store, verbose=0).cache(_train, ignore=["point", "seeds", "data", "go_on"])
    found: list[History] = kept(key_of(point, seeds, data), point, seeds, data, go_on)
    return found


def _train(key: str, point: Point, seeds: Sequence[int], data: Batch, go_on: Any) -> list[History]:
    """Train a network for each seed: as an ensemble, or one by one.

    Args:
        key: What the store knows this work by.
        point: The network with its scheme and recipe.
        seeds: A few.
        data: What it is trained on.
        go_on: Raises `Ended` when nobody waits any more.
    """
    with RANDOM:
        models = [point.network(seed).to(data.x.device).train() for seed in seeds]
    if can_stack(models[0], data.x):
        return run(Ensemble(models), data, point.recipe, after_step=go_on)
    histories = []
    for model in models:
        with RANDOM, own_randomness(model, point.recipe.seed):
            histories += run(model, data, point.recipe, after_step=go_on)
    return histories
