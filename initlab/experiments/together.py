"""How do many seeds of one network train at once? As `training` does it, for a stack of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from initlab.data import Batch
from initlab.experiments.history import History
from initlab.experiments.recipe import Recipe
from initlab.experiments.scores import Loss, each_loss
from initlab.experiments.stack import Stack

UNREAD = 32  # steps whose accuracies are found in one go: threads wait for each other at each call
_LANES = {"AVX2": 8, "AVX512": 16}  # float32 numbers in a vector register


def train_together(
    models: Sequence[nn.Module], data: Batch, recipe: Recipe, *, task: int | None = None
) -> list[History]:
    """Train networks of one architecture at once, each as `il.train` would train it alone.

    Args:
        models: Networks for which `can_stack` holds; they are left as they are.
        data: What each of them sees, in the same order.
        recipe: How they are trained.
        task: How many of them belong together: a task leaves the stack as soon as all of its
            networks have diverged. None means all.

    Returns:
        One history for each network, in their order.
    """
    _keep_freed_memory()
    run = _Together(models, data, recipe, task or len(models))
    for step, batch in enumerate(recipe.batches(data)):
        run.step(step, batch)
        if len(run.frozen) == len(models):
            break
    run.finish()
    return run.histories


class _Step(NamedTuple):
    """What a step leaves behind.

    Args:
        lr: Its learning rate.
        losses: One for each network.
        outputs: (S, B, C).
        y: (B,).
    """

    lr: float
    losses: list[float]
    outputs: Tensor
    y: Tensor


class _Together:
    """S networks on their way; one that diverges is frozen, and the others go on."""

    def __init__(self, models: Sequence[nn.Module], data: Batch, recipe: Recipe, task: int) -> None:
        self.models, self.data, self.recipe, self.task = models, data, recipe, task
        self.histories = [History() for _ in models]
        self.lengths = [recipe.steps] * len(models)  # how many steps each one makes
        self.losses = Losses(recipe.loss, data.y)
        self.unread: list[_Step] = []
        self.frozen: dict[int, list[Tensor]] = {}  # network → its numbers when its loss was lost
        self._stack(range(len(models)))

    def _stack(self, running: Sequence[int]) -> None:
        """Stack these networks."""
        self.running = running
        self.stack = Stack([self.models[network] for network in running])
        self.optimizer = self.recipe.optimizer_for([self.stack.row], fused=self.data.x.is_cpu)

    def step(self, step: int, batch: Batch) -> None:
        lr = self.recipe.lr_at(step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        outputs = self.stack.forward(batch.x, training=True)
        losses, gradient = self.losses.and_gradient(outputs, batch.y)
        self.stack.backward(gradient)
        self.unread.append(_Step(lr, losses.tolist(), outputs, batch.y))
        lost = self._freeze(step)
        if len(self.unread) == UNREAD:
            self._read()
        self.optimizer.step()
        if lost:
            self._leave()

    def finish(self) -> None:
        """Note what each network of the stack can do now."""
        self._read()
        for place, network in enumerate(self.running):
            if network in self.frozen:
                self.stack.put(place, self.frozen[network])
        with torch.no_grad():
            outputs = self.stack.forward(self.data.x, training=False)
            losses, shares = self.losses(outputs, self.data.y), shares_of(outputs, self.data.y)
        for network, loss, share in zip(self.running, losses.tolist(), shares, strict=True):
            self.histories[network].close(loss, share)

    def _freeze(self, step: int) -> bool:
        """Stop the networks whose loss was lost at this step; say whether there are any."""
        before = len(self.frozen)
        for place, (network, loss) in enumerate(
            zip(self.running, self.unread[-1].losses, strict=True)
        ):
            if not math.isfinite(loss) and network not in self.frozen:
                self.histories[network].stopped = f"diverged at step {step}: the loss is {loss}"
                self.frozen[network] = [part.clone() for part in self.stack.numbers_of(place)]
                self.lengths[network] = step + 1
        return len(self.frozen) > before

    def _leave(self) -> None:
        """Go on without the tasks whose networks are all frozen."""
        tasks = [self.running[at : at + self.task] for at in range(0, len(self.running), self.task)]
        staying = [n for task in tasks if not self.frozen.keys() >= {*task} for n in task]
        if not staying or len(staying) == len(self.running):
            return
        self.finish()
        places = [self.running.index(network) for network in staying]
        stack, state = self.stack, self.optimizer.state[self.stack.row]
        self._stack(staying)
        for place, before in enumerate(places):
            self.stack.put(place, stack.numbers_of(before))
        self.optimizer.state[self.stack.row] = {
            name: stack.only(places, value) if torch.is_tensor(value) and value.dim() else value
            for name, value in state.items()
        }

    def _read(self) -> None:
        """Find the accuracies of the latest steps, and note them."""
        if not self.unread:
            return
        outputs = torch.stack([one.outputs for one in self.unread])
        y = torch.stack([one.y for one in self.unread])
        for one, shares in zip(self.unread, shares_of(outputs, y), strict=True):
            for network, loss, share in zip(self.running, one.losses, shares, strict=True):
                history = self.histories[network]
                if len(history.loss) < self.lengths[network]:
                    history.note(loss, share, one.lr)
        self.unread.clear()


class Losses:
    """The loss of each network of a stack.

    Args:
        loss: (output, target) → scalar, or None for the usual one.
        y: All targets.
    """

    def __init__(self, loss: Loss | None, y: Tensor) -> None:
        self.loss = loss
        # One class for each example (−100 would mean none): a loss whose gradient is written out.
        classes = y.dim() == 1 and not y.is_floating_point() and int(y.min()) >= 0
        self.usual = loss is None and classes

    def __call__(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the loss of each network, (S,), from outputs (S, B, C)."""
        if self.loss is not None:
            return torch.stack([self.loss(output, y).reshape(()) for output in outputs.unbind()])
        targets = y.expand(len(outputs), *y.shape).flatten(0, 1)
        return each_loss(outputs.flatten(0, 1), targets).view(len(outputs), -1).mean(1)

    def and_gradient(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the losses, (S,), and the gradient of their sum, (S, B, C)."""
        if self.usual:
            return _cross_entropy(outputs, y)
        outputs = outputs.detach().requires_grad_()
        losses = self(outputs, y)
        return losses.detach(), torch.autograd.grad(losses.sum(), outputs)[0]


@torch.no_grad()
def _cross_entropy(outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return cross-entropy and its gradient, from autograd's own kernels without its recording.

    A row of few classes leaves most of a vector register empty. With the examples side by side
    the kernels need a tenth of the time, and add in the same order where neither needs a rest.
    """
    _, examples, classes = outputs.shape
    lanes = _LANES.get(torch.backends.cpu.get_cpu_capability(), 0) if outputs.is_cpu else 0
    turned = classes < lanes and examples % lanes == 0 and outputs.dtype is torch.float32
    dim = 1 if turned else 2
    log_p = torch.log_softmax(outputs.mT.contiguous() if turned else outputs, dim)
    targets = y.expand(outputs.shape[:2]).unsqueeze(dim)
    losses = -log_p.gather(dim, targets).mean((1, 2))
    chosen = torch.zeros_like(log_p).scatter_(dim, targets, -1 / len(y))
    backward = torch.ops.aten._log_softmax_backward_data.default
    gradient: Tensor = backward(chosen, log_p, dim, log_p.dtype)
    return losses, gradient.mT.contiguous() if turned else gradient


def shares_of(outputs: Tensor, y: Tensor) -> list[Any]:
    """Return the accuracy of each network; where targets are no classes, None.

    Shape:
        (..., S, B, C) and (..., B) → lists of shape (..., S)
    """
    if y.is_floating_point() or y.dim() != outputs.dim() - 2:
        nothing: list[Any] = np.full(outputs.shape[:-2], None).tolist()
        return nothing
    right = outputs.detach().argmax(-1) == y.unsqueeze(-2)
    shares: list[Any] = right.to(outputs.dtype).mean(-1).tolist()
    return shares


def _keep_freed_memory() -> None:
    """Ask the allocator to keep what is freed: signals of S networks are just too large for it.

    glibc hands freed memory back to the system, page by page, until it has once freed a block
    of this size. A quarter of the time of a step went there.
    """
    torch.empty(30 * 2**20, dtype=torch.uint8)
