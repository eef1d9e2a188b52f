"""Who learns first, when several schemes train the same network on the same batches?

All networks train at once, as one ensemble, each with the numbers that `il.train` would give it
alone. The run can be left, taken up again, and wound back: some steps are kept, and the steps after
them are trained again, to the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from initlab.apply import initialize
from initlab.data import Batch, digits, moons, spirals
from initlab.experiments.ensemble import Ensemble
from initlab.experiments.loop import Loop, Saved, mode
from initlab.experiments.recipe import Recipe, class_count
from initlab.explore import usual
from initlab.explore.controls import choice, slider
from initlab.explore.networks import for_tracing, generator
from initlab.explore.panels import Numbers
from initlab.explore.signal_records import Signals, signals
from initlab.explore.slices import in_time
from initlab.models import mlp
from initlab.probe import trace

STEPS = 200
BATCH = 128
TRACED = 128  # examples behind the histograms
GRID = 40  # points along each side of the plane
ROOM = 0.1  # of the data's range, on each side of it
KEEP_EVERY = 10  # steps ...
KEPT = 12e6  # ... or fewer of them, where they would take more bytes than this
DATA: dict[str, Callable[[], Batch]] = {
    "spirals": spirals,
    "moons": moons,
    "digits": lambda: digits(split="train"),
}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd"},
    "momentum": {"optimizer": "sgd", "momentum": 0.9},
    "adam": {"optimizer": "adam"},
}
LANES = ("first", "second", "third", "fourth")
NOBODY = "none"
QUANTITIES = {"activation": "activations", "gradient": "gradients"}


@dataclass(frozen=True, kw_only=True)
class RaceSettings:
    """What decides the networks, their training, and the step that is looked at."""

    step: int = usual.step(0, STEPS)
    data: str = choice("spirals", label="data", options=[*DATA], main=True, hint="What is learnt")
    depth: int = usual.depth(10, 20)
    first: str = usual.scheme("kaiming_normal", label="scheme 1", hint="Of network 1")
    second: str = usual.scheme("xavier_normal", NOBODY, label="scheme 2", hint="Of network 2")
    third: str = usual.scheme("torch_default", NOBODY, label="scheme 3", hint="Of network 3")
    fourth: str = usual.scheme("zeros", NOBODY, label="scheme 4", hint="Of network 4")
    lr: float = slider(
        0.02, label="learning rate", low=0.0005, high=0.5, log=True,
        hint="Factor on the gradient in each step",
    )  # fmt: skip
    optimizer: str = choice(
        "momentum", label="optimizer",
        options={"sgd": "SGD", "momentum": "SGD, momentum 0.9", "adam": "Adam"},
        hint="How a gradient becomes a step",
    )  # fmt: skip
    activation: str = usual.activation("relu")
    width: int = usual.width(32, 16, 32, 64)
    quantity: str = choice(
        "gradient", label="signals", options=QUANTITIES,
        hint="Which signals the layers and the last panel show",
    )  # fmt: skip
    seed: int = usual.seed()

    @property
    def schemes(self) -> list[str]:
        """Who takes part. Biases start at 0, but those of "torch_default" as PyTorch draws them."""
        return [name for lane in LANES if (name := getattr(self, lane)) != NOBODY]


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One network at the step that is looked at.

    Args:
        losses: Cross-entropy of the batches of all steps before this one, before their updates.
        accuracies: Accuracy on those batches.
        loss: Cross-entropy on all of the data, now.
        accuracy: Accuracy on all of the data, now.
        signals: "activation", what each hidden layer emits for the first 128 examples; and
            "gradient", that of their loss at this output.
        classes: Class of each point of a plane, from its lower left corner, 40 × 40; None where
            inputs are no points.
        stopped: The step at which the loss was no number any more, or None.
    """

    scheme: str
    losses: Numbers
    accuracies: Numbers
    loss: float
    accuracy: float
    signals: dict[str, Signals]
    classes: Numbers | None
    stopped: int | None


@dataclass(frozen=True, kw_only=True)
class RaceRecords:
    """Several networks at the step that is looked at.

    Args:
        step: How many updates each network has had.
        data: Inputs and targets that they learn.
        plane: Low and high end of the plane's two axes; None where inputs are no points.
        finished: Whether that is the step that was asked for.
    """

    step: int
    finished: bool
    lanes: list[Lane]
    data: Batch
    plane: Numbers | None

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return class_count(self.data.y)


def race_records(settings: RaceSettings, seconds: float = math.inf) -> RaceRecords:
    """Train one network for each scheme on the same batches, and look at all of them.

    Each is `il.models.mlp(depth, width, activation)`, initialised by `il.initialize` with a
    generator of this seed, and trained as `il.train(..., batch_size=128, seed=seed)` does.

    It trains for `seconds`; the next call goes on from there. The same settings give the same
    records, once they are finished, whichever steps were looked at before.
    """
    run = _run(replace(settings, step=0, quantity="gradient"))  # of all steps and views
    run.go_to(settings.step, seconds)
    return run.look(settings.step)


def _networks(settings: RaceSettings, x: Tensor, y: Tensor) -> list[nn.Sequential]:
    """Build one network for each scheme, and initialise it."""
    models = []
    for scheme in settings.schemes:
        model = mlp(
            settings.depth, settings.width, settings.activation,
            n_in=x.shape[1], n_out=class_count(y),
        )  # fmt: skip
        bias = "torch_default" if scheme == "torch_default" else "zeros"
        initialize(model, scheme, bias=bias, generator=generator(settings.seed))
        models.append(model)
    return models


class _Run:
    """The ensemble, and the way back to any earlier step."""

    def __init__(self, settings: RaceSettings) -> None:
        self.settings, self.data = settings, DATA[settings.data]()
        recipe = Recipe(
            steps=STEPS, lr=settings.lr, batch_size=BATCH, seed=settings.seed,
            **OPTIMIZERS[settings.optimizer],
        )  # fmt: skip
        self.batches = list(recipe.batches(self.data))
        networks = _networks(settings, *self.data)
        self.ensemble, self.traced = Ensemble(networks), for_tracing(networks[0])
        self.loop = Loop(self.ensemble, recipe)
        numbers = 3 * sum(weight.numel() for weight in self.ensemble.parameters())  # Adam's
        self.keep_every = max(KEEP_EVERY, math.ceil(STEPS * 4 * numbers / KEPT))
        self.kept: dict[int, Saved] = {}
        self.losses = np.zeros((len(networks), STEPS))
        self.accuracies = np.zeros((len(networks), STEPS))

    def go_to(self, step: int, seconds: float) -> None:
        """Train up to this step or for this long, from the nearest step that is known."""
        known = max((kept for kept in self.kept if kept <= step), default=0)
        if step < self.loop.done or known > self.loop.done:
            self.loop.restore(self.kept[known])
        for at in in_time(range(self.loop.done, step), seconds):
            self._step(at)

    def _step(self, at: int) -> None:
        if at % self.keep_every == 0 and at not in self.kept:
            self.kept[at] = self.loop.save()
        self.losses[:, at], self.accuracies[:, at] = self.loop.gradients(self.batches[at])
        self.loop.update()

    def look(self, wanted: int) -> RaceRecords:
        """Return what the networks do at the step that was reached."""
        scores, plane = self.loop.scores(self.data), _plane(self.data)
        classes = [None] * len(scores.losses) if plane is None else self._classes(plane)
        lanes = []
        for place, scheme in enumerate(self.settings.schemes):
            stopped = self.loop.lost.get(place)
            seen = slice(self.loop.done if stopped is None else stopped + 1)
            lane = Lane(
                scheme=scheme,
                losses=self.losses[place, seen].copy(),
                accuracies=self.accuracies[place, seen].copy(),
                loss=scores.losses[place],
                accuracy=scores.accuracies[place] or 0.0,
                signals=self._signals(place),
                classes=classes[place],
                stopped=stopped,
            )
            lanes.append(lane)
        done = self.loop.done
        return RaceRecords(
            step=done, finished=done == wanted, lanes=lanes, data=self.data, plane=plane
        )

    def _classes(self, plane: Numbers) -> list[Any]:
        """Ask each network for the class of every point of the plane, rows × columns."""
        axes = [torch.linspace(low, high, GRID) for low, high in plane]
        points = torch.cartesian_prod(axes[1], axes[0]).flip(1)  # row by row, from below
        with mode(self.ensemble, training=False), torch.no_grad():
            scores = self.ensemble(points)
        return [*scores.argmax(-1).view(-1, GRID, GRID).numpy()]

    def _signals(self, place: int) -> dict[str, Signals]:
        """Trace one network: what each hidden layer emits and receives."""
        numbers = self.ensemble.numbers(place)
        with torch.no_grad():
            for parameter, now in zip(self.traced.parameters(), numbers, strict=True):
                parameter.copy_(now)
        names = [f"act{layer}" for layer in range(1, self.settings.depth + 1)]
        x, y = (part[:TRACED] for part in self.data)
        seen = trace(self.traced, x, y, layers=names, histogram_sample=None, bins=100)
        return {quantity: signals(seen, names, quantity) for quantity in QUANTITIES}


_run = lru_cache(maxsize=1)(_Run)


def _plane(data: Batch) -> Numbers | None:
    """Find the ends of the two axes, with some room around the data."""
    if data.x.shape[1] != 2:
        return None
    low, high = data.x.amin(0).numpy(), data.x.amax(0).numpy()
    room = ROOM * (high - low)
    return np.asarray(np.stack([low - room, high + room], axis=1), dtype=np.float64)
