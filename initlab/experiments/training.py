"""What does training make of a network, or of an ensemble?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from initlab.arguments import whole
from initlab.data import Batch
from initlab.experiments.history import History, Recorder
from initlab.experiments.loop import Loop, mode
from initlab.experiments.progress import bar
from initlab.experiments.recipe import Loss, Recipe, checked_data, checked_model
from initlab.experiments.threads import one_thread

TRACED = 128  # examples, the first of the data, on which each record looks
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
    seed: int = 0,
    progress: bool = True,
) -> History:
    """Train a network in place, and keep what happened.

    A run that diverges is a result: it stops, and the history says at which step and why. An
    interrupt (Ctrl-C, or the stop button) keeps what was recorded. Recording does not change the
    run, and the caller's random state stays as it was. A network of less than half a million
    parameters trains in one thread, so that its numbers do not depend on how many cores there are.

    Args:
        model: Any network; it is put into training mode for the time of the run.
        data: Inputs and targets, such as `il.data.digits()`; each step takes a batch of them.
        steps: Number of updates, at least 1.
        lr: Learning rate: a number of at least 0, or a function of the step that gives one.
        optimizer: "sgd", "adam", or "mup_adam": Adam with a rate of lr · 64 / fan_in for each
            matrix (so that in wide networks the moves of a unit's weights do not add up to more),
            and lr for biases, gains and embeddings (Yang et al. 2022).
        momentum: Share of the last update that SGD keeps, in [0, 1).
        batch_size: Examples in each step; a size above the data's means all of them. Examples
            that do not fill a batch wait for the next epoch's shuffle.
        loss: (output, target) → scalar. None means cross-entropy for whole-number targets and
            mean squared error for floating-point ones.
        record_every: Keep a `Record` every so many steps, at step 0 and at the end; None: none.
        seed: Decides the order of the examples and dropout's masks.
        progress: Whether a run of more than a second shows a bar, where somebody is looking.

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
        steps=steps, lr=lr, optimizer=optimizer, momentum=momentum, batch_size=batch_size,
        loss=loss, seed=seed,
    )  # fmt: skip
    if record_every is not None:
        whole("record_every", record_every, least=1)
    batch = checked_data(data, checked_model(model))
    is_small = sum(parameter.numel() for parameter in model.parameters()) < SMALL
    with (
        one_thread(is_small),
        own_randomness(seed),
        torch.enable_grad(),
        mode(model, training=True),
        bar(steps, show=progress, unit="step") as shown,
    ):
        recorder = None
        if record_every is not None:
            first = Batch(*(part[:TRACED] for part in batch))
            recorder = Recorder(model, first, loss, record_every)
        (history,) = run(model, batch, recipe, shown.update, recorder, keep_interrupted=True)
        model.zero_grad()
    return history


def run(
    network: nn.Module,
    data: Batch,
    recipe: Recipe,
    after_step: Callable[[], object] = lambda: None,
    recorder: Recorder | None = None,
    *,
    keep_interrupted: bool = False,
) -> list[History]:
    """Train one network, or an ensemble, in place; return the history of each network.

    What `after_step` raises ends the run, and so does an interrupt: it is raised, too, unless what
    there is is to be kept. A recorder looks at one network, not at an ensemble.
    """
    loop = Loop(network, recipe)
    histories = [History() for _ in range(loop.count)]
    try:
        for batch in recipe.batches(data):
            going_on, (losses, accuracies) = loop.going_on, loop.gradients(batch)
            for place in going_on:
                histories[place].note(losses[place], accuracies[place], loop.lr)
                if place in loop.lost:
                    why = f"diverged at step {loop.done}: the loss is {losses[place]}"
                    histories[place].stopped = why
            if not loop.going_on:
                break
            is_last = loop.done == recipe.steps - 1
            with recorder.around_update(loop.done, is_last) if recorder else nullcontext():
                loop.update()
            after_step()
    except KeyboardInterrupt:
        if not keep_interrupted:
            raise
        for history in histories:
            history.stopped = f"interrupted at step {loop.done}"
    if recorder:
        histories[0].records = recorder.finish(loop.done)
    for history, loss, share in zip(histories, *loop.scores(data), strict=True):
        history.final_loss, history.final_accuracy = loss, share
        if share is None:
            history.accuracy = None
    return histories


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Draw PyTorch's global random numbers from `seed`, and put the caller's state back."""
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
