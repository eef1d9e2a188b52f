"""How do the weights of a network whose units start equal change in training?

Every weight matrix of every step is kept. The training can be left and taken up again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from initlab.apply import initialize
from initlab.data import Batch, digits
from initlab.experiments.loop import Loop
from initlab.experiments.recipe import Recipe
from initlab.explore import usual
from initlab.explore.controls import choice, slider
from initlab.explore.networks import generator, linear_layers
from initlab.explore.panels import Numbers
from initlab.explore.slices import in_time
from initlab.models import mlp
from initlab.probe import distinct_rows, rank
from initlab.schemes import Scheme, scheme
from initlab.schemes.custom import drawing_from

STEPS = 200
CLASSES = 10
LEARNING_RATE, MOMENTUM = 0.1, 0.9
SAME = 1e-5  # of the largest weight: rounding alone stays below it
PERTURBED = (0, 28)  # unit and pixel; the pixel is one in the middle, which most digits use


@dataclass(frozen=True, kw_only=True)
class SymmetrySettings:
    """What decides a training run, and the step that is looked at."""

    step: int = usual.step(100, STEPS)
    start: str = choice(
        "constant", label="start",
        options={"zeros": "all 0", "constant": "all one value", "normal": "random, normal"},
        hint="How the weights start", main=True,
    )  # fmt: skip
    perturb: float = slider(
        0.0, label="change one weight by", low=0.0, high=1.0, main=True,
        hint="Added to one weight of layer 1",
    )  # fmt: skip
    value: float = slider(0.1, label="value", low=0.0, high=1.0, hint="The one value, or the std")
    activation: str = usual.activation("tanh", ("relu", "tanh", "sigmoid"))
    width: int = usual.width(16, 8, 16, 32)
    dropout: float = slider(
        0.0, label="dropout", low=0.0, high=0.5, hint="Share of units switched off in each step"
    )
    seed: int = usual.seed(hint="Other batches and random numbers")

    @property
    def scheme(self) -> Scheme:
        """How the weights start."""
        values = {"zeros": {}, "constant": {"val": self.value}, "normal": {"std": self.value}}
        return scheme(self.start, **values[self.start])


@dataclass(frozen=True, kw_only=True)
class SymmetryRecords:
    """A training run, as far as it has come, and the step that is looked at.

    Args:
        step: The step that is looked at: at most the wanted one.
        weights: The weight matrix of each layer at this step, units × inputs.
        losses: Cross-entropy before each step, on that step's batch.
        ranks: Rank of each layer's weights, steps × layers.
        distinct: How many rows of each layer's weights differ, steps × layers.
        finished: Whether the run has come to its end.
    """

    step: int
    weights: list[Numbers]
    losses: Numbers
    ranks: Numbers
    distinct: Numbers
    finished: bool


def symmetry_records(settings: SymmetrySettings, seconds: float = math.inf) -> SymmetryRecords:
    """Train a network with three hidden layers for 200 steps, and look at one of them.

    As `il.train` does: SGD with learning rate 0.1 and momentum 0.9, on batches of 128 of the 1,500
    training digits.

    It trains for `seconds`; the next call goes on from there. The same settings give the same
    records, once the run has finished.
    """
    run = _run(replace(settings, step=0))
    run.go_on(seconds)
    return run.look(settings.step)


class _Run:
    """One training run, with the weights of all its steps."""

    def __init__(self, settings: SymmetrySettings) -> None:
        model = mlp(3, settings.width, settings.activation, dropout=settings.dropout)
        initialize(model, settings.scheme, generator=generator(settings.seed))
        recipe = Recipe(steps=STEPS + 1, lr=LEARNING_RATE, momentum=MOMENTUM, seed=settings.seed)
        self.loop, self.masks = Loop(model, recipe), generator(settings.seed)
        self.batches = recipe.batches(digits(split="train"))
        self.weights = [layer.weight.detach() for layer in linear_layers(model)]
        self.weights[0][PERTURBED] += settings.perturb
        self.history = [torch.zeros(STEPS + 1, *weight.shape) for weight in self.weights]
        self.losses: list[float] = []  # one for each step whose weights are known
        self.ranks = np.zeros((STEPS + 1, len(self.weights)), np.int64)
        self.distinct = self.ranks.copy()

    def go_on(self, seconds: float) -> None:
        """Train until the end or for this long, and judge the new weights."""
        before = len(self.losses)
        for batch in in_time(self.batches, seconds):
            self._step(batch)
        new = slice(before, len(self.losses))
        for layer, history in enumerate(self.history):
            weights = torch.nan_to_num(history[new])
            self.ranks[new, layer] = rank(weights)
            self.distinct[new, layer] = distinct_rows(weights, tolerance=SAME)

    def _step(self, batch: Batch) -> None:
        """Note the weights and the loss, and take a step."""
        for kept, weight in zip(self.history, self.weights, strict=True):
            kept[len(self.losses)] = weight
        with drawing_from(self.masks):
            self.losses += self.loop.gradients(batch).losses
        if not self.loop.lost:
            self.loop.update()

    def look(self, step: int) -> SymmetryRecords:
        """Return what is known by now."""
        done = len(self.losses)
        step = min(step, done - 1)
        return SymmetryRecords(
            step=step,
            weights=[history[step].numpy().copy() for history in self.history],
            losses=np.array(self.losses),
            ranks=self.ranks[:done].copy(),
            distinct=self.distinct[:done].copy(),
            finished=done > STEPS,
        )


_run = lru_cache(maxsize=3)(_Run)  # a run of width 32 takes 3.6 MB
