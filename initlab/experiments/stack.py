"""How do several networks of one architecture run at once, at little more than the price of one?

A small network spends most of its time between operations, not in them. Networks that differ in
their numbers only are therefore stacked: a weight of shape (out, in) becomes (S, out, in), a signal
(B, n) becomes (S, B, n), and one batched matrix product serves all S. All parameters lie in one
row of numbers, so that one update serves them all, and each part knows its own backward pass:
recording the pass anew at every step, as autograd does, took a third of the time. Each network
gets the numbers that it would get alone with one thread: the sums keep their order, so that they
differ by rounding at most, and not at all in most networks.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from initlab.activations import ACTIVATIONS, Elementwise
from initlab.models import ResidualBlock

Array = NDArray[np.float32]


class Stacked(NamedTuple):
    """One parameter of all S networks, and its gradient: views into the row of all numbers.

    Shape:
        (S, ...)
    """

    value: Tensor
    gradient: Tensor


class Watch(NamedTuple):
    """Who looks on while signals pass.

    Args:
        emitted: Is called with a layer's name and what it emits, (S, B, n), in their order.
        returned: The same with the gradient there, from the last layer to the first.
    """

    emitted: Callable[[str, Tensor], None]
    returned: Callable[[str, Tensor], None]


class Stack:
    """S networks of one architecture, run as one.

    `row` holds all their parameters, and its `grad` the gradients; `parameters` are views into
    both, one (S, ...) for each parameter, and `values` those into `row`. `network` is what they
    are made of.

    Args:
        models: Networks for which `can_stack` holds; they are left as they are.
        watch: Sees what each layer emits in training, and what comes back to it.
    """

    def __init__(self, models: Sequence[nn.Module], watch: Watch | None = None) -> None:
        named = [dict(model.named_parameters()) for model in models]
        stacks = [torch.stack([one[name].detach() for one in named]) for name in named[0]]
        self._shapes = [stack.shape for stack in stacks]
        self.row = nn.Parameter(_row(stacks))
        self.row.grad = torch.zeros_like(self.row)
        views = self._views(self.row.detach()), self._views(self.row.grad)
        parameters = [Stacked(*pair) for pair in zip(*views, strict=True)]
        self.parameters = parameters
        self.values = [parameter.value for parameter in parameters]
        whole = _part(models, dict(zip(named[0], parameters, strict=True)), "", watch)
        self.network = whole if isinstance(whole, Row) else Row({"": whole})
        self._count = len(models)

    @torch.no_grad()
    def forward(self, x: Tensor, *, training: bool) -> Tensor:
        """Run a batch through all networks.

        Shape:
            (B, n) → (S, B, n_out)
        """
        return self.network.forward(x.expand(self._count, *x.shape), training)

    @torch.no_grad()
    def backward(self, gradient: Tensor) -> None:
        """Fill `row.grad` from the gradient at the output of the latest training pass."""
        self.network.backward(gradient, True)

    def numbers_of(self, place: int) -> list[Tensor]:
        """Return parameters and running statistics of one network, as views."""
        return [tensor[place] for tensor in (*self.values, *self.network.statistics())]

    @torch.no_grad()
    def put(self, place: int, numbers: Sequence[Tensor]) -> None:
        """Write parameters and running statistics of one network, as `numbers_of` gives them."""
        for now, then in zip(self.numbers_of(place), numbers, strict=True):
            now.copy_(then)

    def only(self, places: Sequence[int], row: Tensor) -> Tensor:
        """Return a row such as `row` for some of the networks alone."""
        return _row([view[list(places)] for view in self._views(row)])

    def _views(self, row: Tensor) -> list[Tensor]:
        """Return the part of a row that belongs to each parameter, (S, ...)."""
        sizes = [shape.numel() for shape in self._shapes]
        parts = torch.split(row, [*sizes, len(row) - sum(sizes)])
        return [part.view(shape) for part, shape in zip(parts, self._shapes, strict=False)]


def _row(stacks: Sequence[Tensor]) -> Tensor:
    """Put all numbers into a row.

    A kernel has one way for whole vectors and one for the rest: here there is no rest.
    """
    numbers = torch.cat([stack.flatten() for stack in stacks])
    return nn.functional.pad(numbers, (0, -len(numbers) % 64))


class Part:
    """One layer of all networks: a signal (S, B, n) passes, and its gradient comes back."""

    def forward(self, x: Tensor, training: bool) -> Tensor:
        """Return what the layer emits; in training keep what `backward` needs."""
        raise NotImplementedError

    def backward(self, gradient: Tensor, last: bool) -> Tensor:
        """Turn the gradient at the output into that at the input, and fill those of parameters.

        The last part that is asked is the one that the data enters: its answer is not used.
        """
        raise NotImplementedError

    def statistics(self) -> list[Tensor]:
        """Return running statistics, (S, n) each."""
        return []


class Linear(Part):
    """S linear layers, with sums in the order in which `nn.Linear` adds up."""

    def __init__(self, weight: Stacked, bias: Stacked | None) -> None:
        self.weight, self.weight_gradient = weight  # (S, out, in)
        self.transposed = self.weight.mT
        self.bias = self.bias_gradient = None
        if bias is not None:
            self.bias, self.bias_gradient = (tensor[:, None] for tensor in bias)  # (S, 1, out)
        usual = self.weight.is_cpu and self.weight.dtype is torch.float32
        self.arrays = (self.weight.numpy(), self.weight_gradient.numpy()) if usual else None

    def forward(self, x: Tensor, training: bool) -> Tensor:
        """Return x·Wᵀ + b."""
        if training:
            self.x = x
        if self.bias is None:
            return torch.bmm(x, self.transposed)
        return torch.baddbmm(self.bias, x, self.transposed)

    def backward(self, gradient: Tensor, last: bool) -> Tensor:
        """Return g·W; the gradients of W and b are gᵀ·x and the sum of g."""
        if self.bias_gradient is not None:
            torch.sum(gradient, 1, keepdim=True, out=self.bias_gradient)
        if self.arrays is None or not _numpy_adds_as_torch(gradient.shape, self.x.shape):
            torch.bmm(gradient.mT, self.x, out=self.weight_gradient)
            return gradient if last else torch.bmm(gradient, self.weight)
        # Up to a fifth faster: numpy's library is better at small matrices.
        (weight, weight_gradient), g = self.arrays, gradient.numpy()
        with np.errstate(all="ignore"):  # a network that diverges is a result
            np.matmul(g.swapaxes(1, 2), self.x.numpy(), out=weight_gradient)
            if last:
                return gradient
            found = torch.empty_like(self.x)
            np.matmul(g, weight, out=found.numpy())
            return found


@lru_cache
def _numpy_adds_as_torch(gradient: torch.Size, x: torch.Size) -> bool:
    """Try out whether both give the same bits here: their libraries may differ in their order."""
    rng = torch.Generator().manual_seed(0)

    def drawn(rows: int, columns: int) -> Tensor:
        return torch.randn(2, rows, columns, generator=rng)

    (_, examples, n_out), n_in = gradient, x[-1]
    back, weight, signal = drawn(examples, n_out), drawn(n_out, n_in), drawn(examples, n_in)
    pairs = (back, weight), (back.mT, signal)
    return all(np.array_equal(a.numpy() @ b.numpy(), torch.bmm(a, b).numpy()) for a, b in pairs)


class Activation(Part):
    """A nonlinearity, which treats (S, B, n) as it treats (B, n)."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def forward(self, x: Tensor, training: bool) -> Tensor:
        """Apply it, recorded by autograd."""
        if not training:
            out: Tensor = self.module(x)
            return out
        with torch.enable_grad():
            self.x = x.detach().requires_grad_()
            self.out = self.module(self.x)
        detached: Tensor = self.out.detach()
        return detached

    def backward(self, gradient: Tensor, last: bool) -> Tensor:
        """Ask autograd."""
        return torch.autograd.grad(self.out, self.x, gradient)[0]


class KnownActivation(Part):
    """A nonlinearity whose gradient follows from what it emits: autograd's own kernels do it.

    After a linear layer it writes over what that has emitted, and before one over the gradient
    that comes back from there: no other part looks at them.
    """

    def __init__(self, module: nn.Module) -> None:
        self.function, self.function_, self.slope = KNOWN[type(module)]
        self.follows_linear = self.precedes_linear = False

    def forward(self, x: Tensor, training: bool) -> Tensor:
        """Apply it."""
        out = self.function_(x) if self.follows_linear else self.function(x)
        if training:
            self.out = out
        return out

    def backward(self, gradient: Tensor, last: bool) -> Tensor:
        """Multiply by the slope."""
        into = gradient if self.precedes_linear else torch.empty_like(gradient)
        return self.slope(gradient, self.out, into)


class Known(NamedTuple):
    """A nonlinearity, the same in place, and its gradient.

    Args:
        function: Input → output.
        in_place: The same, written over the input.
        slope: (gradient at the output, output, memory for the answer) → gradient at the input.
    """

    function: Callable[[Tensor], Tensor]
    in_place: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor, Tensor, Tensor], Tensor]


def _slope(name: str, *more: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    backward = getattr(torch.ops.aten, name).grad_input
    return lambda gradient, out, into: backward(gradient, out, *more, grad_input=into)


KNOWN: dict[type[nn.Module], Known] = {
    nn.Identity: Known(lambda x: x, lambda x: x, lambda gradient, out, into: gradient),
    nn.ReLU: Known(torch.relu, torch.relu_, _slope("threshold_backward", 0)),
    nn.Tanh: Known(torch.tanh, torch.tanh_, _slope("tanh_backward")),
    nn.Sigmoid: Known(torch.sigmoid, torch.sigmoid_, _slope("sigmoid_backward")),
}


class BatchNorm(Part):
    """S batch normalisations: one over S times as many features."""

    def __init__(self, layers: Sequence[nn.BatchNorm1d], parameters: Sequence[Stacked]) -> None:
        self.norm, self.count = copy.deepcopy(layers[0]), len(layers)
        for name in ("running_mean", "running_var"):
            if getattr(self.norm, name) is not None:
                setattr(self.norm, name, torch.cat([getattr(layer, name) for layer in layers]))
        for (name, _), one in zip(layers[0].named_parameters(), parameters, strict=True):
            setattr(self.norm, name, nn.Parameter(one.value.flatten()))  # the same memory
        self.gradients = [one.gradient for one in parameters]

    def forward(self, x: Tensor, training: bool) -> Tensor:
        """Normalise each feature of each network over the batch, recorded by autograd."""
        self.norm.train(training)
        if not training:
            return self._normalised(x)
        with torch.enable_grad():
            self.x = x.detach().requires_grad_()
            self.out = self._normalised(self.x)
        return self.out.detach()

    def _normalised(self, x: Tensor) -> Tensor:
        flat: Tensor = self.norm(x.transpose(0, 1).flatten(1))  # (B, S·n)
        return flat.view(len(flat), self.count, -1).transpose(0, 1)

    def backward(self, gradient: Tensor, last: bool) -> Tensor:
        """Ask autograd."""
        wanted = (self.x, *self.norm.parameters())
        found = torch.autograd.grad(self.out, wanted, gradient)
        for ours, theirs in zip(self.gradients, found[1:], strict=True):
            ours.copy_(theirs.view_as(ours))
        return found[0]

    def statistics(self) -> list[Tensor]:
        """Return running mean and variance."""
        return [one.view(self.count, -1) for one in self.norm.buffers() if one.dim()]


class Watched(Part):
    """A layer that shows what it emits and receives."""

    def __init__(self, name: str, part: Part, watch: Watch) -> None:
        self.name, self.part, self.watch = name, part, watch

    def forward(self, x: Tensor, training: bool) -> Tensor:
        """Pass it, and show what comes out in training."""
        x = self.part.forward(x, training)
        if training:
            self.watch.emitted(self.name, x)
        return x

    def backward(self, gradient: Tensor, last: bool) -> Tensor:
        """Show what comes back, and pass it on."""
        self.watch.returned(self.name, gradient)
        return self.part.backward(gradient, last)

    def statistics(self) -> list[Tensor]:
        """Return those of the layer."""
        return self.part.statistics()


class Row(Part):
    """Parts one after the other, by name."""

    def __init__(self, parts: dict[str, Part]) -> None:
        self.parts = parts
        self.order = list(parts.values())
        for part, following in pairwise(self.order):
            if isinstance(part, KnownActivation):
                part.precedes_linear = isinstance(following, Linear)
            if isinstance(following, KnownActivation):
                following.follows_linear = isinstance(part, Linear)

    def forward(self, x: Tensor, training: bool) -> Tensor:
        """Pass all of them."""
        for part in self.order:
            x = part.forward(x, training)
        return x

    def backward(self, gradient: Tensor, last: bool) -> Tensor:
        """Pass all of them, from the end to the start."""
        for part in reversed(self.order):
            gradient = part.backward(gradient, last and part is self.order[0])
        return gradient

    def statistics(self) -> list[Tensor]:
        """Return those of all parts."""
        return [one for part in self.order for one in part.statistics()]


class Block(Part):
    """S residual blocks."""

    def __init__(self, branch: Part, branch_scale: float, stream: Part) -> None:
        self.branch, self.branch_scale, self.stream = branch, branch_scale, stream

    def forward(self, x: Tensor, training: bool) -> Tensor:
        """Return x + branch_scale · branch(x)."""
        branch = self.branch_scale * self.branch.forward(x, training)
        return self.stream.forward(x + branch, training)

    def backward(self, gradient: Tensor, last: bool) -> Tensor:
        """Return what comes back through the stream and through the branch."""
        gradient = self.stream.backward(gradient, False)
        return gradient + self.branch.backward(self.branch_scale * gradient, last)

    def statistics(self) -> list[Tensor]:
        """Return those of branch and stream."""
        return [*self.branch.statistics(), *self.stream.statistics()]


ACTIVATION_TYPES = {Elementwise} | {type(one.module()) for one in ACTIVATIONS.values()}
TYPES = {nn.Sequential, ResidualBlock, nn.Linear, nn.BatchNorm1d} | ACTIVATION_TYPES


def can_stack(model: nn.Module, x: Tensor) -> bool:
    """Tell whether a network consists of layers that a stack knows, each in one place."""
    parameters = list(model.parameters())
    state = [*parameters, *model.buffers()]
    return (
        x.dim() == 2
        and all(type(module) in TYPES for module in model.modules())
        and not any(getattr(module, "inplace", False) for module in model.modules())
        and all(parameter.requires_grad for parameter in parameters)
        and len({parameter.dtype for parameter in parameters}) == 1
        and len(state) == len(list(_with_repeats(model)))
        and not any(_has_hooks(part) for part in (*model.modules(), *parameters))
    )


def same_in_larger_stack(model: nn.Module, count: int) -> bool:
    """Tell whether `count` such networks get the same bits in a larger stack on the CPU.

    A kernel takes 32 numbers at a time, and may round what is left over in another way. Layers
    whose widths leave nothing over, times `count`, meet whole groups only. And a single network
    has sums over one feature, or over a norm's, that are a dense row: they have another order.
    """
    layers = [module for module in model.modules() if not list(module.children())]
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm1d)]
    if layers[0] not in linear:
        return False
    if count == 1 and (norms or linear[-1].out_features == 1):
        return False
    if any(norm.momentum is None for norm in norms):  # it counts batches, one count for the stack
        return False
    widths = [layer.out_features for layer in linear[:-1]] + [norm.num_features for norm in norms]
    return all(width * count % 32 == 0 for width in widths)


def _has_hooks(part: object) -> bool:
    """Say whether somebody else acts when this module runs, or this parameter gets a gradient."""
    passes = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
    return any(getattr(part, kind, None) for kind in (*passes, "_post_accumulate_grad_hooks"))


def _with_repeats(model: nn.Module) -> Iterator[Tensor]:
    for _, parameter in model.named_parameters(remove_duplicate=False):
        yield parameter
    for _, buffer in model.named_buffers(remove_duplicate=False):
        yield buffer


def _part(
    layers: Sequence[nn.Module], parameters: dict[str, Stacked], name: str, watch: Watch | None
) -> Part:
    """Stack the modules of this name; `parameters` are those of the whole network, by name."""
    first, prefix = layers[0], name and f"{name}."

    def child(which: str) -> Part:
        found = [layer.get_submodule(which) for layer in layers]
        return _part(found, parameters, prefix + which, watch)

    if isinstance(first, nn.Sequential):
        return Row({which: child(which) for which in first._modules})
    if isinstance(first, ResidualBlock):
        return Block(child("branch"), first.branch_scale, child("stream"))
    own = {which: parameters[prefix + which] for which, _ in first.named_parameters()}
    part: Part
    if isinstance(first, nn.Linear):
        part = Linear(own["weight"], own.get("bias"))
    elif isinstance(first, nn.BatchNorm1d):
        part = BatchNorm(layers, list(own.values()))  # type: ignore[arg-type]
    elif type(first) in KNOWN:
        part = KnownActivation(first)
    else:
        part = Activation(copy.deepcopy(first))
    return part if watch is None else Watched(name, part, watch)
