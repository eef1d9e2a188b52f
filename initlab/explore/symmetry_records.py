"""How do the weights of a network whose units start equal change in training?

A small network learns digits, and every weight matrix of every step is kept. The training can be
left and taken up again.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional as F

from initlab.activations import ACTIVATIONS
from initlab.data import Batch, digits
from initlab.probe import distinct_rows, rank

STEPS = 200
BATCH = 128
CLASSES = 10
LEARNING_RATE, MOMENTUM = 0.1, 0.9
SLICE = 0.03  # seconds of training between two looks at the controls
SAME = 1e-5  # of the largest weight: rounding alone stays below it
PERTURBED = (0, 28)  # unit and pixel; the pixel is one in the middle, which most digits use


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
    weights: list[NDArray[np.float32]]
    losses: NDArray[np.float64]
    ranks: NDArray[np.int64]
    distinct: NDArray[np.int64]
    finished: bool


def symmetry_records(
    *,
    start: str,
    value: float,
    activation: str,
    width: int,
    perturb: float,
    dropout: float,
    seed: int,
    step: int,
    patient: bool = True,
) -> SymmetryRecords:
    """Train a network with three hidden layers for 200 steps, and look at one of them.

    SGD with learning rate 0.1 and momentum 0.9, on batches of 128 of the 1,500 training digits.

    Args:
        start: "zeros", "constant" (every weight is `value`) or "normal" (`value` is the std).
            Biases start at 0.
        value: The constant or the std, at least 0.
        activation: A name in `il.activations.ACTIVATIONS`.
        width: Units of each hidden layer.
        perturb: What is added to a single weight of layer 1.
        dropout: Share of units that is dropped after each hidden layer, in [0, 1).
        seed: Decides the batches, the normal weights and which units are dropped.
        step: Which step to look at, 0 (the start) to 200.
        patient: False trains for some 30 ms only; the next call goes on from there.

    Returns:
        The run. The same arguments give the same records, once it has finished.
    """
    run = _run(start, value, activation, width, perturb, dropout, seed)
    run.advance(math.inf if patient else SLICE)
    return run.look(step)


@lru_cache(maxsize=3)  # a run of width 32 takes 3.6 MB
def _run(*arguments: Any) -> _Run:
    return _Run(*arguments)


@lru_cache(maxsize=1)
def _digits() -> Batch:
    return digits(split="train")


class _Run:
    """One training run that can be left and taken up again."""

    def __init__(
        self,
        start: str,
        value: float,
        activation: str,
        width: int,
        perturb: float,
        dropout: float,
        seed: int,
    ) -> None:
        self.nonlinearity = ACTIVATIONS[activation].function
        self.dropout = dropout
        self.generator = Generator().manual_seed(seed)
        sizes = [_digits().x.shape[1], width, width, width, CLASSES]
        shapes = [(n_out, n_in) for n_in, n_out in pairwise(sizes)]
        self.weights = [self._filled(shape, start, value) for shape in shapes]
        self.biases = [torch.zeros(shape[0]) for shape in shapes]
        self.weights[0][PERTURBED] += perturb
        self.parameters = [*self.weights, *self.biases]
        self.velocities = [torch.zeros_like(parameter) for parameter in self.parameters]
        for parameter in self.parameters:
            parameter.requires_grad_()
        self.history = [torch.zeros(STEPS + 1, *shape) for shape in shapes]
        self.losses = np.zeros(STEPS + 1)
        self.ranks = np.zeros((STEPS + 1, len(shapes)), np.int64)
        self.distinct = np.zeros((STEPS + 1, len(shapes)), np.int64)
        self.done = 0  # steps whose records are complete

    def _filled(self, shape: tuple[int, int], start: str, value: float) -> Tensor:
        if start == "normal":
            return torch.empty(shape).normal_(0, value, generator=self.generator)
        return torch.full(shape, 0.0 if start == "zeros" else value)

    def advance(self, seconds: float) -> None:
        """Train until the end or for this long (a step at least), and judge the new weights."""
        before, end = self.done, time.perf_counter() + seconds
        while self.done <= STEPS:
            self._step()
            if time.perf_counter() >= end:
                break
        for layer, history in enumerate(self.history):
            fresh = torch.nan_to_num(history[before : self.done])
            self.ranks[before : self.done, layer] = rank(fresh)
            self.distinct[before : self.done, layer] = distinct_rows(fresh, tolerance=SAME)

    def _step(self) -> None:
        for history, weight in zip(self.history, self.weights, strict=True):
            history[self.done] = weight.detach()
        rows = torch.randint(len(_digits().x), (BATCH,), generator=self.generator)
        loss = F.cross_entropy(self._forward(_digits().x[rows]), _digits().y[rows])
        gradients = torch.autograd.grad(loss, self.parameters)
        self.losses[self.done] = loss.item()
        with torch.no_grad():
            torch._foreach_mul_(self.velocities, MOMENTUM)
            torch._foreach_add_(self.velocities, gradients)
            torch._foreach_add_(self.parameters, self.velocities, alpha=-LEARNING_RATE)
        self.done += 1

    def _forward(self, x: Tensor) -> Tensor:
        *hidden, head = zip(self.weights, self.biases, strict=True)
        for weight, bias in hidden:
            x = self.nonlinearity(F.linear(x, weight, bias))
            if self.dropout:
                kept = torch.rand(x.shape, generator=self.generator) >= self.dropout
                x = x * kept / (1 - self.dropout)
        return F.linear(x, *head)

    def look(self, step: int) -> SymmetryRecords:
        step = min(step, self.done - 1)
        return SymmetryRecords(
            step=step,
            weights=[history[step].numpy().copy() for history in self.history],
            losses=self.losses[: self.done].copy(),
            ranks=self.ranks[: self.done].copy(),
            distinct=self.distinct[: self.done].copy(),
            finished=self.done > STEPS,
        )
