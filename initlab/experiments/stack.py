"""How do many seeds of one network train at once, at little more than the price of one?

A small network spends most of its time between operations, not in them. Seeds of one architecture
are therefore stacked: a weight of shape (out, in) becomes (S, out, in), a signal (B, n) becomes
(S, B, n), and one batched matrix product serves all S. Each seed gets, bit for bit, the numbers
that it would get alone with one thread.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from initlab.activations import ACTIVATIONS, Elementwise
from initlab.data import Batch
from initlab.experiments.history import History
from initlab.experiments.recipe import Recipe
from initlab.experiments.scores import each_loss
from initlab.models import ResidualBlock


class StackedLinear(nn.Module):
    """S linear layers side by side.

    Shape:
        (S, B, in) → (S, B, out)
    """

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = _stacked([layer.weight for layer in layers])  # (S, out, in)
        self.bias = None
        if layers[0].bias is not None:
            self.bias = _stacked([layer.bias[None] for layer in layers])  # (S, 1, out)

    def forward(self, x: Tensor) -> Tensor:
        """Apply layer s to x[s]."""
        out: Tensor = _Product.apply(x, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return out


class _Product(torch.autograd.Function):
    """x·Wᵀ + b for each seed, with its gradients summed in the order in which `nn.Linear` sums."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        if bias is None:
            return torch.bmm(x, weight.mT)
        return torch.baddbmm(bias, x, weight.mT)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        (gradient,) = gradients
        return (
            torch.bmm(gradient, weight) if ctx.needs_input_grad[0] else None,
            torch.bmm(gradient.mT, x),
            gradient.sum(1, keepdim=True) if ctx.has_bias else None,
        )


class StackedBatchNorm(nn.Module):
    """S batch normalisations side by side: one over S times as many features.

    Shape:
        (S, B, n) → (S, B, n)
    """

    def __init__(self, layers: Sequence[nn.BatchNorm1d]) -> None:
        super().__init__()
        self.norm = copy.deepcopy(layers[0])
        for name, _ in layers[0].named_parameters():
            setattr(self.norm, name, _stacked([getattr(m, name) for m in layers], flat=True))
        for name in ("running_mean", "running_var"):
            if getattr(self.norm, name) is not None:
                setattr(self.norm, name, torch.cat([getattr(layer, name) for layer in layers]))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each feature of each seed over the batch."""
        flat = self.norm(x.transpose(0, 1).flatten(1))  # (B, S·n)
        out: Tensor = flat.view(len(flat), len(x), -1).transpose(0, 1)
        return out


TWINS = {nn.Linear: StackedLinear, nn.BatchNorm1d: StackedBatchNorm}
"""Layer with parameters → its stacked twin."""

AS_THEY_ARE = {nn.Sequential, ResidualBlock, Elementwise} | {
    type(activation.module()) for activation in ACTIVATIONS.values()
}
"""Modules that treat (S, B, n) as they treat (B, n)."""


def can_stack(model: nn.Module, x: Tensor) -> bool:
    """Tell whether a network consists of layers that have a stacked twin, or need none."""
    parameters = list(model.parameters())
    return (
        x.dim() == 2
        and all(type(module) in (*TWINS, *AS_THEY_ARE) for module in model.modules())
        and all(parameter.requires_grad for parameter in parameters)
        and len(parameters) == len(list(model.named_parameters(remove_duplicate=False)))
    )


def train_together(models: Sequence[nn.Module], data: Batch, recipe: Recipe) -> list[History]:
    """Train networks of one architecture at once, each as `il.train` would train it alone.

    Args:
        models: Networks for which `can_stack` holds; they are left as they are.
        data: What each of them sees, in the same order.
        recipe: How they are trained.

    Returns:
        One history for each network, in their order.
    """
    _keep_freed_memory()
    run = _Together(stack(models), len(models), data, recipe)
    for step, rows in enumerate(recipe.batches(len(data.x))):
        run.step(step, rows)
        if len(run.frozen) == len(models):
            break
    run.finish()
    return run.histories


class _Together:
    """S networks on their way; one that diverges is frozen, and the others go on."""

    def __init__(self, model: nn.Module, count: int, data: Batch, recipe: Recipe) -> None:
        self.model, self.data, self.recipe = model.train(), data, recipe
        self.histories = [History() for _ in range(count)]
        self.parameters = list(model.parameters())
        self.optimizer = recipe.optimizer_for(self.parameters)
        self.frozen: dict[int, list[Tensor]] = {}  # seed → its weights when its loss was lost

    def step(self, step: int, rows: Tensor | slice) -> None:
        lr = self.recipe.lr_at(step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        losses, shares = self._scores(self.data.x[rows], self.data.y[rows])
        gradients = torch.autograd.grad(losses.sum(), self.parameters)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self._note(step, lr, losses.tolist(), shares)
        self.optimizer.step()

    def finish(self) -> None:
        for seed, weights in self.frozen.items():
            for now, then in zip(self._slices(seed), weights, strict=True):
                now.copy_(then)
        with torch.no_grad():
            self.model.eval()
            losses, shares = self._scores(*self.data)
        for history, loss, share in zip(self.histories, losses.tolist(), shares, strict=True):
            history.close(loss, share)

    def _scores(self, x: Tensor, y: Tensor) -> tuple[Tensor, Sequence[float | None]]:
        """Return loss and accuracy of each network on one batch."""
        count = len(self.histories)
        outputs = self.model(x.expand(count, *x.shape))  # (S, B, C)
        if self.recipe.loss is not None:
            losses = torch.stack([self.recipe.loss(output, y) for output in outputs.unbind()])
        else:
            targets = y.expand(count, *y.shape).flatten(0, 1)
            losses = each_loss(outputs.flatten(0, 1), targets).view(count, -1).mean(1)
        if y.is_floating_point():
            return losses, [None] * count
        right = (outputs.detach().argmax(-1) == y).to(outputs.dtype).mean(-1)
        return losses, right.tolist()

    def _note(
        self, step: int, lr: float, losses: list[float], shares: Sequence[float | None]
    ) -> None:
        for seed, (loss, share) in enumerate(zip(losses, shares, strict=True)):
            if seed in self.frozen:
                continue
            history = self.histories[seed]
            history.note(loss, share, lr)
            if not math.isfinite(loss):
                history.stopped = f"diverged at step {step}: the loss is {loss}"
                self.frozen[seed] = [part.clone() for part in self._slices(seed)]

    def _slices(self, seed: int) -> list[Tensor]:
        """Return what belongs to one network, as views."""
        count = len(self.histories)
        tensors = (t.detach() for t in (*self.model.parameters(), *self.model.buffers()) if t.dim())
        return [t.view(count, -1)[seed] for t in tensors]


def stack(models: Sequence[nn.Module]) -> nn.Module:
    """Copy the first network, with every layer that has parameters replaced by its twin."""
    wrapped = [nn.Sequential(model) for model in models]  # so that a lone layer has a parent
    stacked = copy.deepcopy(wrapped[0])
    for name, module in wrapped[0].named_modules():
        if type(module) in TWINS:
            twin = TWINS[type(module)]([one.get_submodule(name) for one in wrapped])
            parent, _, child = name.rpartition(".")
            setattr(stacked.get_submodule(parent), child, twin)
    return stacked


def _stacked(tensors: Sequence[Tensor], *, flat: bool = False) -> nn.Parameter:
    detached = [tensor.detach() for tensor in tensors]
    return nn.Parameter(torch.cat(detached) if flat else torch.stack(detached))


def _keep_freed_memory() -> None:
    """Ask the allocator to keep what is freed: signals of S networks are just too large for it.

    glibc hands freed memory back to the system, page by page, until it has once freed a block
    of this size. A quarter of the time of a step went there.
    """
    torch.empty(30 * 2**20, dtype=torch.uint8)
