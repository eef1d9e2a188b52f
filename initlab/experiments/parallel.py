"""How does the work of a sweep spread over cores or machines, with the same numbers everywhere?

A task is one point (a network with a scheme) with some seeds. joblib spreads the tasks, and keeps
their results in the folder of a store; the seeds of a task train as an ensemble where they can.
Each network draws from its own seed, and each worker uses one thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
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
from initlab.schemes import Scheme, TorchDefault

SEEDS = 8  # seeds in a task at most
RANDOM = threading.Lock()  # PyTorch has one global random state for all threads
GoOn = Callable[[], None]  # to be called now and then: raises when nobody waits any more
_ended: set[str] = set()  # calls that nobody waits for any more


@dataclass(frozen=True)
class Point:
    """One network with one scheme and one recipe, whatever the seed."""

    settings: dict[str, Any]  # what a row says about it
    scheme: Scheme
    build: partial[nn.Module]
    bias: Any  # as for `compare`
    recipe: Recipe

    def network(self, seed: int) -> nn.Module:
        """Make the network that this seed starts from; the caller's random state stays."""
        with own_randomness(seed):  # for what no scheme fills
            model = checked_model(self.build())
        generator = torch.Generator(next(model.parameters()).device).manual_seed(seed)
        usual = "torch_default" if isinstance(self.scheme, TorchDefault) else "zeros"
        bias = usual if self.bias is None else self.bias
        initialize(model, self.scheme, bias=bias, generator=generator)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() >= 2 and parameter.requires_grad:
                    parameter.mul_(self.settings.get("gain", 1.0))
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
    from joblib import Memory

    points[0].network(seeds[0])  # what is wrong with the arguments is told here, not by a worker
    parts = [seeds[start : start + SEEDS] for start in range(0, len(seeds), SEEDS)]
    tasks = [(point, part) for point in points for part in parts]
    kept = Memory(store, verbose=0).cache(_train, ignore=["point", "seeds", "data", "go_on"])
    keys = ["" if store is None else key_of(*task, data) for task in tasks]
    work = [partial(kept, key, *task, data) for key, task in zip(keys, tasks, strict=True)]
    sizes = [len(part) for _, part in tasks]
    found, stopped = spread(work, sizes=sizes, unit="run", progress=progress)
    runs = [
        Run(settings=tasks[place][0].settings, seed=seed, history=history)
        for place, histories in sorted(found.items())
        for seed, history in zip(tasks[place][1], histories, strict=True)
    ]
    return Runs(runs=runs, stopped=stopped)


def spread(
    work: Sequence[Callable[[GoOn], Any]], *, sizes: Sequence[int], unit: str, progress: bool
) -> tuple[dict[int, Any], str | None]:
    """Do pieces of work, each of a size in units, where joblib is told to.

    Returns:
        Place → result of each that is done, and what an interrupt has left, in words.
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
    call, found = uuid4().hex, {}
    with one_thread(), bar(sum(sizes), show=progress, unit=unit) as shown:
        try:
            for place, result in parallel(
                delayed(_done)(*piece, call) for piece in enumerate(work)
            ):
                found[place] = result
                shown.update(sizes[place])
        except KeyboardInterrupt:
            kept = sum(sizes[place] for place in found)
            return found, f"interrupted: {kept} of {sum(sizes)} {unit}s are kept"
        finally:
            _ended.add(call)  # a thread cannot be ended from outside: it asks
    return found, None


def _done(place: int, piece: Callable[[GoOn], Any], call: str) -> tuple[int, Any]:
    def go_on() -> None:
        if call in _ended:
            raise CancelledError

    go_on()
    with one_thread(), torch.enable_grad():
        return place, piece(go_on)


def _train(key: str, point: Point, seeds: Sequence[int], data: Batch, go_on: GoOn) -> list[History]:
    """Train a network for each seed, as an ensemble or one by one; a store knows it by `key`."""
    with RANDOM:
        models = [point.network(seed).to(data.x.device).train() for seed in seeds]
    if can_stack(models[0], data.x):
        return run(Ensemble(models), data, point.recipe, go_on)
    histories = []
    for model in models:
        with RANDOM, own_randomness(point.recipe.seed):
            histories += run(model, data, point.recipe, go_on)
    return histories
