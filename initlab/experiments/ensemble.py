"""How do several networks of one architecture train at once, at little more than the price of one?

A small network spends most of its time between operations, not in them. Networks that differ only
in their numbers are therefore stacked: a weight of shape (out, in) becomes (S, out, in), a signal
(B, n) becomes (S, B, n), and one batched matrix product serves all S. The ensemble is an ordinary
module with ordinary autograd, and gives each network the numbers that it would get alone, to
rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.activations import ACTIVATIONS, Elementwise
from initlab.models import ResidualBlock


class Ensemble(nn.Module):
    """S networks of one architecture, run as one.

    Its parameters and buffers are those of the networks, in their order and with their names, but
    with a first dimension of S: entry s of each belongs to network s. `state_dict` and
    `load_state_dict` keep and put back all of them.

    Args:
        models: Networks of one architecture for which `can_stack` holds. They stay as they are.

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
    """Say whether an ensemble of such networks gives what each of them gives.

    It does for layers that it knows, unless two of them share a tensor, or a hook wants to see
    each network.

    Args:
        model: One of the networks.
        x: A batch; each example must be a row of features.
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
    if isinstance(module, nn.BatchNorm1d):
        usual = module.momentum is not None and module.track_running_stats
        return usual and type(module) is nn.BatchNorm1d
    if isinstance(module, nn.LayerNorm):
        return len(module.normalized_shape) == 1 and type(module) is nn.LayerNorm
    if type(module) is not nn.Linear and next(module.parameters(recurse=False), None) is not None:
        return False  # a parameter of its own, such as a ResidualBlock's learnt factor
    return type(module) in _TYPES and not getattr(module, "inplace", False)


def _has_hooks(part: object) -> bool:
    passes = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
    return any(getattr(part, kind, None) for kind in (*passes, "_post_accumulate_grad_hooks"))


def _stacked(layers: Sequence[nn.Module]) -> nn.Module:
    """Make one module of the modules that stand at the same place of each network."""
    first = layers[0]
    if isinstance(first, nn.Linear):
        return _Linear(layers)
    if isinstance(first, nn.BatchNorm1d):
        return _BatchNorm(layers, first)
    if isinstance(first, nn.LayerNorm):
        return _LayerNorm(layers, first)
    made = copy.copy(first)  # a nonlinearity, or a container whose parts are stacked
    made._modules = {
        name: _stacked([layer.get_submodule(name) for layer in layers]) for name in first._modules
    }
    return made


class Stacked(nn.Module):
    """S layers: each parameter and each buffer has a first dimension of S."""

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        first = layers[0]
        for name in (*first._parameters, *first._buffers):
            several = [getattr(layer, name) for layer in layers]
            stack = None if several[0] is None else torch.stack([one.detach() for one in several])
            if name in first._buffers:
                self.register_buffer(name, stack)
            else:
                made = None if stack is None else nn.Parameter(stack, several[0].requires_grad)
                self.register_parameter(name, made)


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

    def __init__(self, layers: Sequence[nn.Module], first: nn.BatchNorm1d) -> None:
        super().__init__(layers)
        self.momentum, self.eps = first.momentum or 0.0, first.eps

    def forward(self, x: Tensor) -> Tensor:
        out = F.batch_norm(
            x.transpose(0, 1).flatten(1),  # (B, S·n)
            self.running_mean.view(-1),
            self.running_var.view(-1),
            None if self.weight is None else self.weight.view(-1),
            None if self.bias is None else self.bias.view(-1),
            self.training,
            self.momentum,
            self.eps,
        )
        return out.view(len(out), len(x), -1).transpose(0, 1)


class _LayerNorm(Stacked):
    def __init__(self, layers: Sequence[nn.Module], first: nn.LayerNorm) -> None:
        super().__init__(layers)
        self.shape, self.eps = first.normalized_shape, first.eps

    def forward(self, x: Tensor) -> Tensor:
        out = F.layer_norm(x, self.shape, eps=self.eps)
        out = out if self.weight is None else out * self.weight[:, None]
        return out if self.bias is None else out + self.bias[:, None]


_ACTIVATIONS = [one.module() for one in ACTIVATIONS.values()]
_TYPES = {nn.Sequential, ResidualBlock, nn.Linear, Elementwise} | {
    type(one)
    for one in _ACTIVATIONS
    if not list(one.parameters())  # as PReLU has
}
