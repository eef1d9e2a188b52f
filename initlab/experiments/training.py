"""What does training make of one network?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor, nn

from initlab.arguments import whole
from initlab.data import Batch
from initlab.experiments.bars import bar
from initlab.experiments.history import History
from initlab.experiments.observe import Observer, update_ratios
from initlab.experiments.recipe import Recipe, checked_data, checked_model
from initlab.experiments.scores import Loss, evaluate, hits, mode
from initlab.experiments.threads import one_thread

SMALL = 500_000  # parameters; below it more threads save no time, and cost much on a busy machine


def train(
    model: nn.Module,
    data: tuple[Tensor, Tensor],
    *,
    steps: int,
    lr: float | Callable[[int], float],
    optimizer: str = "sgd",
    momentum: float = 0.0,
    batch_size: int = 128,
    loss: Loss | None = None,
    record_every: int | None = None,
    trace_batch: int = 128,
    seed: int = 0,
    progress: bool = True,
) -> History:
    """Train a network in place, and keep what happened.

    A run that diverges is a result: it stops, and the history says at which step and why. An
    interrupt (Ctrl-C, or the stop button) keeps what was recorded. Recording changes no bit of
    the run, and the caller's random state stays as it was. A network of less than half a million
    parameters trains in one thread, so that its numbers do not depend on how many cores there are.

    Args:
        model: Any network; it is put into training mode for the time of the run.
        data: Inputs and targets, such as `il.data.digits()`; each step takes a batch of them.
        steps: Number of updates, at least 1.
        lr: Learning rate: a number of at least 0, or a function of the step that gives one.
        optimizer: "sgd" or "adam".
        momentum: Share of the last update that SGD keeps, in [0, 1).
        batch_size: Examples in each step; a size above the data's means all of them. Examples
            that do not fill a batch wait for the next epoch's shuffle.
        loss: (output, target) → scalar. None means cross-entropy for whole-number targets and
            mean squared error for floating-point ones.
        record_every: Keep a `Record` every so many steps, at step 0 and at the end; None: none.
        trace_batch: How many examples, the first of the data, each record's trace runs on.
        seed: Decides the order of the examples and dropout's masks.
        progress: Whether a run of more than a second shows a bar, where somebody is looking.

    Returns:
        Loss, accuracy and learning rate of each step, the records, and the loss and accuracy on
        all of the data at the end.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range, or a name is unknown.

    >>> import initlab as il
    >>> net = il.models.mlp(depth=2, width=32)
    >>> history = train(net, il.data.digits(256), steps=60, lr=0.1, momentum=0.9)
    >>> len(history.loss), history.stopped, history.final_accuracy > 0.9
    (60, None, True)
    """
    recipe = Recipe(
        steps=steps,
        lr=lr,
        optimizer=optimizer,
        momentum=momentum,
        batch_size=batch_size,
        loss=loss,
        seed=seed,
    )
    if record_every is not None:
        whole("record_every", record_every, least=1)
    traced = whole("trace_batch", trace_batch, least=1)
    batch = checked_data(data, checked_model(model))
    history = History()
    with (
        one_thread(_is_small(model)),
        _own_randomness(model, seed),
        torch.enable_grad(),
        mode(model, training=True),
    ):
        first = Batch(*(part[:traced] for part in batch))
        run = _Run(model, recipe, history, record_every, first)
        with bar(steps, show=progress, unit="step") as shown:
            try:
                for step_batch in recipe.batches(batch):
                    if not run.step(step_batch):
                        break
                    shown.update()
            except KeyboardInterrupt:
                history.stopped = f"interrupted at step {run.done}"
        run.finish()
        history.close(*evaluate(model, batch, recipe.loss_of))
    return history


class _Run:
    """One network on its way: what a step does, and what is noted before and after it."""

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        history: History,
        record_every: int | None,
        traced: Batch,
    ) -> None:
        self.model, self.recipe, self.history = model, recipe, history
        self.record_every, self.traced = record_every, traced
        self.optimizer = recipe.optimizer_for([p for p in model.parameters() if p.requires_grad])
        self.ratios: dict[int, dict[str, float]] = {}  # by the step whose record has them
        self.done = 0
        self.looked: int | None = None  # the last step that the observer has seen

    @cached_property
    def observer(self) -> Observer:
        """Who looks at the network."""
        return Observer(self.model, self.traced, self.recipe.loss)

    def step(self, batch: Batch) -> bool:
        """Take one step; False means that the loss is no number any more."""
        due = self.record_every is not None and self.done % self.record_every == 0
        if due:
            self._look()
        loss = self._forward(batch)
        if not math.isfinite(loss):
            self.history.stopped = f"diverged at step {self.done}: the loss is {loss}"
            return False
        last = self.record_every is not None and self.done == self.recipe.steps - 1
        before = self._weights() if due or last else None
        self.optimizer.step()
        if before is not None:
            self.ratios[self.done] = update_ratios(before, self.observer.weights)
        self.done += 1
        return True

    def _forward(self, batch: Batch) -> float:
        """Run one batch forwards and backwards; note its loss, accuracy and learning rate."""
        lr = self.recipe.lr_at(self.done)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad()
        output = self.model(batch.x)
        loss = self.recipe.loss_of(output, batch.y)
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            share = hits(output, batch.y)
        self.history.note(loss.item(), None if share is None else share.item(), lr)
        return self.history.loss[-1]

    def _weights(self) -> dict[str, Tensor]:
        """Copy the weights."""
        return {name: weight.detach().clone() for name, weight in self.observer.weights.items()}

    def finish(self) -> None:
        """Take the last record, unless this very step has one, and leave no gradient behind."""
        self.optimizer.zero_grad()
        if self.record_every is None:
            return
        if self.looked != self.done:
            self._look()
            self.ratios[self.done] = next(reversed(self.ratios.values()), {})
        self.history.records = [
            replace(record, update_ratio=self.ratios.get(record.step, {}))
            for record in self.observer.finish()
        ]

    def _look(self) -> None:
        self.optimizer.zero_grad()  # so that a trace has no gradient to put back
        self.observer.look(self.done)
        self.looked = self.done


def _is_small(model: nn.Module) -> bool:
    return sum(parameter.numel() for parameter in model.parameters()) < SMALL


@contextmanager
def _own_randomness(model: nn.Module, seed: int) -> Iterator[None]:
    """Draw dropout's masks from `seed`, and put the caller's random state back."""
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
