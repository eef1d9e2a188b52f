"""Who learns first, when several schemes train the same network on the same batches?

All networks train at once, as an ensemble, each with the numbers that `il.train` would give it
alone, to rounding. The run can be left, taken up again, and wound back: some steps are kept, and
the steps after them are trained again, to the same weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, nn

from initlab.apply.filling import fill
from initlab.data import Batch, digits, moons, spirals
from initlab.experiments.ensemble import Ensemble
from initlab.experiments.loop import Loop, Saved
from initlab.experiments.recipe import Recipe, class_count
from initlab.experiments.scores import losses_of
from initlab.explore.signal_records import BOUNDS, Collector, Signals
from initlab.models import mlp

STEPS = 200
BATCH = 128
TRACED = 128  # examples behind the histograms
GRID = 40  # points along each side of the plane
ROOM = 0.1  # of the data's range, on each side of it
SLICE = 0.02  # seconds of training between two looks at the controls
KEEP_EVERY = 10  # steps ...
KEPT = 12e6  # ... or fewer of them, where they would take more bytes than this
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd"},
    "momentum": {"optimizer": "sgd", "momentum": 0.9},
    "adam": {"optimizer": "adam"},
}
STATES = {"sgd": 1, "momentum": 2, "adam": 3}  # numbers that a step needs of each weight


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One network at the step that is looked at.

    Args:
        scheme: How it started.
        losses: Cross-entropy of the batches of all steps before this one, before their updates.
        accuracies: Accuracy on those batches.
        loss: Cross-entropy on all of the data, now.
        accuracy: Accuracy on all of the data, now.
        activation: What each hidden layer emits for the first 128 examples.
        gradient: The gradient of their loss at that output.
        classes: Class of each point of a plane, from its lower left corner, 40 × 40; None where
            inputs are no points.
        stopped: The step at which the loss was no number any more, or None.
    """

    scheme: str
    losses: NDArray[np.float64]
    accuracies: NDArray[np.float64]
    loss: float
    accuracy: float
    activation: Signals
    gradient: Signals
    classes: NDArray[np.int64] | None
    stopped: int | None


@dataclass(frozen=True, kw_only=True)
class RaceRecords:
    """Several networks at the step that is looked at.

    Args:
        step: How many updates each network has had: at most the wanted number.
        wanted: The step that was asked for.
        lanes: The networks.
        data: Inputs and targets that they learn.
        plane: Low and high end of the plane's two axes; None where inputs are no points.
    """

    step: int
    wanted: int
    lanes: list[Lane]
    data: Batch
    plane: NDArray[np.float64] | None

    @property
    def finished(self) -> bool:
        """Whether the networks have come to the wanted step."""
        return self.step == self.wanted

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return class_count(self.data.y)


def race_records(
    *,
    schemes: tuple[str, ...],
    data: str,
    depth: int,
    width: int,
    activation: str,
    optimizer: str,
    lr: float,
    seed: int,
    step: int,
    patient: bool = True,
) -> RaceRecords:
    """Train one network for each scheme on the same batches, and look at all of them.

    Each is `il.models.mlp(depth, width, activation)`, initialised by `il.initialize` with a
    generator of this seed, and trained as `il.train(..., batch_size=128, seed=seed)` does.

    Args:
        schemes: Names in `il.SCHEMES` that can fill a matrix. Biases start at 0, but those of
            "torch_default" as PyTorch draws them.
        data: A name in `DATA`: "spirals", "moons" or "digits".
        depth: Hidden layers.
        width: Units of each hidden layer.
        activation: A name in `il.activations.ACTIVATIONS`.
        optimizer: "sgd", "momentum" (SGD with momentum 0.9) or "adam".
        lr: Learning rate.
        seed: Decides the weights and the order of the examples.
        step: Which step to look at, 0 (the start) to 200.
        patient: False trains for some 20 ms only; the next call goes on from there.

    Returns:
        The networks at this step. The same arguments give the same records, once they are
        finished, whichever steps were looked at before.
    """
    run = _run(schemes, data, depth, width, activation, optimizer, lr, seed)
    run.go_to(step, math.inf if patient else SLICE)
    return run.look(step)


@lru_cache(maxsize=1)
def _run(*arguments: Any) -> _Run:
    return _Run(*arguments)


@lru_cache(maxsize=1)
def _data() -> dict[str, Batch]:
    """Make all of it at the start: a first look at scikit-learn's data takes a second."""
    return {name: make() for name, make in DATA.items()}


DATA: dict[str, Callable[[], Batch]] = {
    "spirals": spirals,
    "moons": moons,
    "digits": lambda: digits(split="train"),
}


@lru_cache(maxsize=1)  # a new learning rate starts from the same weights
def _models(
    schemes: tuple[str, ...], data: str, depth: int, width: int, activation: str, seed: int
) -> Sequence[nn.Module]:
    """Build one network for each scheme, and initialise it."""
    n_in, n_out = _data()[data].x.shape[1], class_count(_data()[data].y)
    models = [mlp(depth, width, activation, n_in=n_in, n_out=n_out) for _ in schemes]
    for model, scheme in zip(models, schemes, strict=True):
        bias = "torch_default" if scheme == "torch_default" else "zeros"
        fill(model, scheme, bias=bias, generator=Generator().manual_seed(seed))
    return models


class _Run:
    """The networks on their way, and the way back to any earlier step."""

    def __init__(
        self,
        schemes: tuple[str, ...],
        data: str,
        depth: int,
        width: int,
        activation: str,
        optimizer: str,
        lr: float,
        seed: int,
    ) -> None:
        self.schemes, self.depth, self.width, self.activation = schemes, depth, width, activation
        self.data = _data()[data]
        recipe = Recipe(steps=STEPS, lr=lr, batch_size=BATCH, seed=seed, **OPTIMIZERS[optimizer])
        self.batches = list(recipe.batches(self.data))
        models = _models(schemes, data, depth, width, activation, seed)
        self.networks = Ensemble(models)
        self.loop = Loop(self.networks, recipe)
        size = 4 * STATES[optimizer] * sum(p.numel() for p in self.networks.parameters())
        self.keep_every = max(KEEP_EVERY, math.ceil(STEPS * size / KEPT))
        self.kept: dict[int, Saved] = {}
        self.losses = np.zeros((len(schemes), STEPS))
        self.accuracies = np.zeros((len(schemes), STEPS))
        self.stopped: dict[int, int] = {}  # lane → step at which its loss was lost

    @property
    def at(self) -> int:
        """How many updates the networks have had."""
        return self.loop.done

    def go_to(self, step: int, seconds: float) -> None:
        """Train up to this step or for this long, from the nearest step that is known."""
        known = max((kept for kept in self.kept if kept <= step), default=0)
        if step < self.at or known > self.at:
            self.loop.restore(self.kept[known])
        end = time.perf_counter() + seconds
        while self.at < step:
            self._step()
            if time.perf_counter() >= end:
                break

    def _step(self) -> None:
        if self.at % self.keep_every == 0 and self.at not in self.kept:
            self.kept[self.at] = self.loop.save()
        scores = self.loop.gradients(self.batches[self.at])
        self.losses[:, self.at], self.accuracies[:, self.at] = scores
        self.stopped |= self.loop.lost
        self.loop.update()

    def look(self, wanted: int) -> RaceRecords:
        losses, shares = self.loop.scores(self.data)
        plane = _plane(self.data)
        classes = [None] * len(self.schemes) if plane is None else self._classes(plane)
        signals = self._signals()
        lanes = []
        for lane, scheme in enumerate(self.schemes):
            stopped = self.stopped.get(lane)
            seen = slice(self.at if stopped is None else min(self.at, stopped + 1))
            lanes.append(
                Lane(
                    scheme=scheme,
                    losses=self.losses[lane, seen].copy(),
                    accuracies=self.accuracies[lane, seen].copy(),
                    loss=losses[lane],
                    accuracy=float(shares[lane] or 0),
                    activation=signals[lane][0],
                    gradient=signals[lane][1],
                    classes=classes[lane],
                    stopped=stopped if stopped is not None and stopped < self.at else None,
                )
            )
        return RaceRecords(step=self.at, wanted=wanted, lanes=lanes, data=self.data, plane=plane)

    def _classes(self, plane: NDArray[np.float64]) -> NDArray[np.int64]:
        """Ask each network for the class of every point of the plane, (lanes, rows, columns)."""
        axes = [torch.linspace(low, high, GRID) for low, high in plane]
        points = torch.cartesian_prod(axes[1], axes[0]).flip(1)  # row by row, from below
        with torch.no_grad():
            scores = self.networks(points)
        return np.asarray(scores.argmax(-1).view(-1, GRID, GRID).numpy())

    def _signals(self) -> list[tuple[Signals, Signals]]:
        """Measure what each hidden layer of each network emits and receives."""
        lanes, (x, y) = len(self.schemes), (part[:TRACED] for part in self.data)
        signal, outputs = x.expand(lanes, *x.shape), []
        for name, part in self.networks.network.named_children():
            signal = part(signal)
            if name.startswith("act"):
                outputs.append(signal)
        losses = losses_of(signal, y, None, stacked=True)
        gradients = torch.autograd.grad(losses.sum(), outputs)
        bounds = BOUNDS.get(self.activation)
        return [
            (self._collected(outputs, lane, bounds), self._collected(gradients, lane, None))
            for lane in range(lanes)
        ]

    def _collected(self, tensors: Any, lane: int, bounds: tuple[float, float] | None) -> Signals:
        collector = Collector(self.depth, self.width)
        for layer, tensor in enumerate(tensors):
            collector.put(layer, tensor[lane].detach())
        return collector.signals(bounds)


def _plane(data: Batch) -> NDArray[np.float64] | None:
    """Find the ends of the two axes, with some room around the data."""
    if data.x.shape[1] != 2:
        return None
    low, high = data.x.amin(0).numpy(), data.x.amax(0).numpy()
    room = ROOM * (high - low)
    return np.asarray(np.stack([low - room, high + room], axis=1), dtype=np.float64)
