"""What does a trace not keep? How alike different inputs are, and what lies inside a layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from initlab.apply.layers import Weight, kinds_of
from initlab.probe import SATURATION
from initlab.probe.tensors import first_tensor

ROWS = 256  # of a batch, and of a weight, that are compared with each other


def is_norm(module: nn.Module) -> bool:
    """Whether a module keeps running statistics."""
    return isinstance(module, _NormBase) and module.running_mean is not None


def spread_of(x: Tensor) -> tuple[float, float]:
    """Return 1 - mean cosine over pairs of rows, and ‖h - h̄‖² / ‖h‖².

    Both are exact where they are tiny. The cosine leaves the rows' lengths out, which are all
    that tells inputs of one column apart. Rows are taken from the whole batch, so that its order
    does not matter.

    Shape:
        x (batch, ...).
    """
    x = (torch.view_as_real(x) if x.is_complex() else x).detach()
    if not x.dim():
        return math.nan, math.nan
    step = max(1, len(x) // ROWS)
    rows = x[::step][:ROWS].flatten(1).double()
    finite = rows[rows.isfinite().all(1)]
    variation = math.nan
    if len(finite) > 1:
        total = finite.square().sum().item()
        variation = float((finite - finite.mean(0)).square().sum()) / total if total else 0.0
    unit = finite / finite.norm(dim=1, keepdim=True)  # NaN for a row of zeros
    unit = unit[unit.isfinite().all(1)]
    if len(unit) < 2:
        return math.nan, variation
    return float((unit - unit.mean(0)).square().sum()) / (len(unit) - 1), variation


class Watch:
    """Hooks that look at every layer during one pass; what they note is told in `Facts`."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.spread: dict[str, float] = {}
        self.apart: dict[str, float] = {}
        self.entered: dict[str, float] = {}
        self.through_time: dict[str, float] = {}
        self.gates: dict[str, float] = {}
        self.statistics: dict[str, tuple[float, float]] = {}
        self.called: set[nn.Module] = set()
        self.nodes: dict[Any, str] = {}
        self.last = ""
        self.closed = False

    @contextmanager
    def hooks(self) -> Iterator[None]:
        """Look at the passes inside."""
        with ExitStack() as stack:
            for name, module in self.model.named_modules():
                if "parametrizations" not in name.split("."):
                    handle = module.register_forward_hook(partial(self._called, name))
                    stack.callback(handle.remove)
            yield

    def owner(self, parameters: tuple[str, ...]) -> str:
        """Return the record of the module that makes the output by a function of its parameters."""
        for name in parameters:
            owner = name.rpartition(".")[0] or type(self.model).__name__
            if owner in self.spread:
                return owner
        return "" if parameters else self.last

    def last_of(self, name: str) -> str:
        """Return the latest record of a layer: `name`, or `name:2` if it was called twice."""
        return [name, *self._records(name)][-1]

    def _records(self, name: str) -> list[str]:
        return [key for key in self.spread if key.split(":")[0] == name]

    def _called(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        if self.closed:
            return  # a checkpoint runs its layers once more on the way back
        self.called.add(module)
        emitted = first_tensor(output)
        if emitted is None:
            return
        entering = first_tensor(inputs)
        if is_norm(module):
            self._compare_statistics(name, module, entering)
        if module._modules and not any(p is not None for p in module._parameters.values()):
            return
        name = name or type(module).__name__
        states = emitted
        if isinstance(module, nn.RNNBase):
            states = self._recurrent(name, module, entering, emitted)
        if states.dim() < 2:
            return
        times = len(self._records(name)) + 1
        key = name if times == 1 else f"{name}:{times}"
        self.spread[key], variation = spread_of(states)
        self.apart[key] = max(self.spread[key], variation)
        if any(isinstance(kind, Weight) for kind in kinds_of(module).values()):
            self.last = key
            self.entered[key] = math.nan if entering is None else max(spread_of(entering))
            if emitted.grad_fn is not None:
                self.nodes[emitted.grad_fn] = name

    def _compare_statistics(self, name: str, norm: Any, x: Tensor | None) -> None:
        if x is None or x.dim() < 2:
            return
        others = [d for d in range(x.dim()) if d != 1]
        values = x.detach().double()
        mean, var = values.mean(others), values.var(others, correction=0)
        held, wide = norm.running_mean, norm.running_var
        shift = (mean - held).abs() / (wide + norm.eps).sqrt()
        ratio = (var + norm.eps) / (wide + norm.eps)
        self.statistics[name] = float(shift.square().mean().sqrt()), float(ratio.median())

    def _recurrent(self, name: str, layer: nn.RNNBase, x: Tensor | None, states: Tensor) -> Tensor:
        """Look inside a recurrent layer, and return its states as (batch, time, units)."""
        if states.dim() != 3:
            return states
        states = states if layer.batch_first else states.transpose(0, 1)
        steps = states.detach().double().square().mean((0, 2)).sqrt()
        self.through_time[name] = (steps.max() / steps[0]).item()
        if x is not None and layer.mode != "RNN_RELU" and not layer.proj_size:
            self.gates[name] = _saturated(layer, x.detach(), float(steps.square().mean().sqrt()))
        return states


@torch.no_grad()
def _saturated(layer: nn.RNNBase, x: Tensor, state: float) -> float:
    """Estimate the share of gate values at the ends of their range, of the worst kind of gate.

    The gates are inside of the layer. What enters them has, to a good approximation, a normal
    distribution, whose size follows from the weights, the rms of the input and that of the state.
    The forget gate of an LSTM and the update gate of a GRU are left out: they may stand at one end
    on purpose, so that the state is kept.
    """
    kinds = {"LSTM": "i.go", "GRU": "r.n", "RNN_TANH": "n"}[layer.mode]
    shares = [0.0]
    size = float(x.double().square().mean().sqrt())
    for level in range(layer.num_layers):
        w_in, w_state = (getattr(layer, f"weight_{k}_l{level}").double() for k in ("ih", "hh"))
        variance = size**2 * w_in.square().sum(1) + state**2 * w_state.square().sum(1)
        if layer.bias:
            bias = getattr(layer, f"bias_ih_l{level}") + getattr(layer, f"bias_hh_l{level}")
            variance += bias.double() ** 2
        for kind, std in zip(kinds, variance.sqrt().chunk(len(kinds)), strict=True):
            if kind != ".":  # a sigmoid reaches its ends at twice tanh's arguments
                end = math.atanh(SATURATION) * (1 if kind in "gn" else 2)
                shares.append(float(torch.erfc(end / std / math.sqrt(2)).mean()))
        size = state
    return max(shares)
