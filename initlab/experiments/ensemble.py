"""How do several networks of one architecture train at once, at little more than the price of one?

A small network spends most of its time between operations, not in them. Networks that differ only
in their numbers are therefore stacked: a weight of shape (out, in) becomes (S, out, in), a signal
(B, n) becomes (S, B, n), and one batched matrix product serves all S. The ensemble is an ordinary
module with ordinary autograd, and gives each network the numbers that it would get alone, to
rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.activations import ACTIVATIONS, Elementwise
from initlab.models import ResidualBlock

_WITHOUT_NUMBERS = {nn.Sequential, ResidualBlock, Elementwise} | {
    type(one.module()) for one in ACTIVATIONS.values()
}


class Ensemble(nn.Module):
    """S networks of one architecture, run as one.

    Its parameters and buffers are those of the networks (for which `can_stack` must hold), in their
    order and with their names, but with a first dimension of S: entry s belongs to network s.

    Shape:
        (B, n) → (S, B, n_out)

    >>> from initlab.models import mlp
    >>> networks = [mlp(depth=2, width=8, seed=seed) for seed in range(3)]
    >>> x = torch.randn(5, 64)
    >>> together = Ensemble(networks)(x)
    >>> together.shape, torch.allclose(together[1], networks[1](x), atol=1e-6)
    (torch.Size([3, 5, 10]), True)
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        self.count = len(models)
        self.network = _stacked(models)
        self.train(models[0].training)

    def forward(self, x: Tensor) -> Tensor:
        """Run one batch through all networks."""
        out: Tensor = self.network(x.expand(self.count, *x.shape))
        return out

    def numbers(self, place: int) -> list[Tensor]:
        """Return parameters and running statistics of one network, as views."""
        return [tensor.detach()[place] for tensor in (*self.parameters(), *self.buffers())]

    @torch.no_grad()
    def put(self, place: int, numbers: Sequence[Tensor]) -> None:
        """Write parameters and running statistics of one network, in the order of `numbers`."""
        for now, then in zip(self.numbers(place), numbers, strict=True):
            now.copy_(then)


def can_stack(model: nn.Module, x: Tensor) -> bool:
    """Say whether an ensemble of such networks gives what each of them gives for a batch.

    It does for rows of features and layers that it knows, unless two of them share a tensor, or a
    hook wants to see each network.
    """
    named = (model.named_parameters, model.named_buffers)
    tensors = [tensor for held in named for _, tensor in held(remove_duplicate=False)]
    return (
        x.dim() == 2
        and all(map(_is_known, model.modules()))
        and len(tensors) == len(set(tensors))
        and not any(_has_hooks(part) for part in (*model.modules(), *model.parameters()))
    )


def _is_known(module: nn.Module) -> bool:
    """Tell whether `_stacked` knows all that a module computes with."""
    if type(module) is nn.BatchNorm1d:
        return module.momentum is not None and module.track_running_stats
    if type(module) is nn.LayerNorm:
        return len(module.normalized_shape) == 1
    if type(module) in _WITHOUT_NUMBERS:  # but for PReLU, or a ResidualBlock that learns a factor
        return not list(module.parameters(recurse=False)) and not getattr(module, "inplace", False)
    return type(module) is nn.Linear


def _has_hooks(part: object) -> bool:
    passes = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
    return any(getattr(part, kind, None) for kind in (*passes, "_post_accumulate_grad_hooks"))


def _stacked(layers: Sequence[nn.Module]) -> nn.Module:
    """Make one module of the modules that stand at the same place of each network."""
    stack = _STACKS.get(type(layers[0]))
    if stack is not None:
        return stack(layers)
    made = copy.copy(layers[0])  # a nonlinearity, or a container whose parts are stacked
    made._modules = {
        name: _stacked([layer.get_submodule(name) for layer in layers]) for name in made._modules
    }
    return made


class Stacked(nn.Module):
    """S layers: each parameter and each buffer has a first dimension of S."""

    weight: Tensor | None
    bias: Tensor | None
    like: Any

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.__dict__["like"] = layers[0]  # has the options; no part of this module
        for name, first in (layers[0]._parameters | layers[0]._buffers).items():
            if first is None:
                self.register_parameter(name, None)
                continue
            stack = torch.stack([getattr(layer, name).detach() for layer in layers])
            if isinstance(first, nn.Parameter):
                self.register_parameter(name, nn.Parameter(stack, first.requires_grad))
            else:
                self.register_buffer(name, stack)


class _Linear(Stacked):
    weight: Tensor

    def forward(self, x: Tensor) -> Tensor:
        if self.bias is None:
            return torch.bmm(x, self.weight.mT)
        return torch.baddbmm(self.bias[:, None], x, self.weight.mT)


class _BatchNorm(Stacked):
    """S batch normalisations are one over S times as many features."""

    running_mean: Tensor
    running_var: Tensor

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = (p if p is None else p.view(-1) for p in (self.weight, self.bias))
        mean, var = self.running_mean.view(-1), self.running_var.view(-1)
        features = x.transpose(0, 1).flatten(1)  # (B, S·n)
        how = self.training, self.like.momentum, self.like.eps
        out = F.batch_norm(features, mean, var, weight, bias, *how)
        return out.view(len(out), len(x), -1).transpose(0, 1)


class _LayerNorm(Stacked):
    def forward(self, x: Tensor) -> Tensor:
        out = F.layer_norm(x, self.like.normalized_shape, eps=self.like.eps)
        out = out if self.weight is None else out * self.weight[:, None]
        return out if self.bias is None else out + self.bias[:, None]


_STACKS: dict[type[nn.Module], Callable[[Any], Stacked]] = {
    nn.Linear: _Linear,
    nn.BatchNorm1d: _BatchNorm,
    nn.LayerNorm: _LayerNorm,
}
