"""What does a trace not keep? How alike different inputs are, and what lies inside a layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from initlab.apply.layers import Weight, kinds_of
from initlab.probe.tensors import first_tensor

FLAT = 0.97  # of the way to the end of the range, as in a trace


def is_norm(module: nn.Module) -> bool:
    """Whether a module keeps running statistics."""
    return isinstance(module, _NormBase) and module.running_mean is not None


class Watch:
    """Hooks that look at every layer during one pass.

    Args:
        model: The network.
        rows: How many samples are compared with each other; they are taken from the whole batch,
            so that its order does not matter.
    """

    def __init__(self, model: nn.Module, rows: int) -> None:
        self.model, self.rows = model, rows
        self.spread: dict[str, float] = {}
        self.variation: dict[str, float] = {}
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
        handles = []
        for name, module in self.model.named_modules():
            if "parametrizations" not in name.split("."):
                handles.append(module.register_forward_hook(partial(self._called, name)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def owner(self, parameters: tuple[str, ...]) -> str:
        """Return the record of the module that makes the output by a function of its parameters."""
        for name in parameters:
            owner = name.rpartition(".")[0] or type(self.model).__name__
            if owner in self.spread:
                return owner
        return "" if parameters else self.last

    def last_of(self, name: str) -> str:
        """Return the latest record of a layer: `name`, or `name:2` if it was called twice."""
        key, times = name, 1
        while f"{name}:{times + 1}" in self.spread:
            times += 1
            key = f"{name}:{times}"
        return key

    def apart(self, x: Tensor) -> tuple[float, float]:
        """Return 1 - mean cosine over pairs of rows, and ‖h - h̄‖² / ‖h‖².

        Both are exact where they are tiny. The cosine leaves the rows' lengths out, which are all
        that tells inputs of one column apart.

        Shape:
            x (batch, ...).
        """
        x = (torch.view_as_real(x) if x.is_complex() else x).detach()
        if not x.dim():
            return math.nan, math.nan
        step = max(1, len(x) // self.rows)
        rows = x[::step][: self.rows].flatten(1).double()
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

    def _called(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        if self.closed:
            return  # a checkpoint runs its layers once more on the way back
        self.called.add(module)
        tensor = emitted = first_tensor(output)
        if tensor is None or emitted is None:
            return
        if isinstance(module, _NormBase) and is_norm(module):
            self._compare_statistics(name, module, inputs)
        if module._modules and not any(p is not None for p in module._parameters.values()):
            return
        name = name or type(module).__name__
        if isinstance(module, nn.RNNBase):
            tensor = self._recurrent(name, module, inputs, tensor)
        if tensor.dim() < 2:
            return
        key, times = name, 1
        while key in self.spread:
            times += 1
            key = f"{name}:{times}"
        self.spread[key], self.variation[key] = self.apart(tensor)
        if any(isinstance(kind, Weight) for kind in kinds_of(module).values()):
            self.last = key
            entering = first_tensor(inputs)
            self.entered[key] = math.nan if entering is None else max(self.apart(entering))
            if emitted.grad_fn is not None:
                self.nodes[emitted.grad_fn] = name

    def _compare_statistics(self, name: str, norm: _NormBase, inputs: Any) -> None:
        x = first_tensor(inputs)
        if x is None or x.dim() < 2:
            return
        others = [d for d in range(x.dim()) if d != 1]
        values = x.detach().double()
        mean, var = values.mean(others), values.var(others, correction=0)
        held, wide = norm.running_mean, norm.running_var
        assert held is not None
        assert wide is not None
        shift = (mean - held).abs() / (wide + norm.eps).sqrt()
        ratio = (var + norm.eps) / (wide + norm.eps)
        self.statistics[name] = float(shift.square().mean().sqrt()), float(ratio.median())

    def _recurrent(self, name: str, layer: nn.RNNBase, inputs: Any, states: Tensor) -> Tensor:
        """Look inside a recurrent layer, and return its states as (batch, time, units)."""
        if states.dim() == 3 and not layer.batch_first:
            states = states.transpose(0, 1)
        if states.dim() == 3:
            steps = states.detach().double().square().mean((0, 2)).sqrt()
            self.through_time[name] = (steps.max() / steps[0]).item()
            x = first_tensor(inputs)
            if x is not None and layer.mode != "RNN_RELU" and not layer.proj_size:
                self.gates[name] = _saturated(
                    layer, x.detach(), float(steps.square().mean().sqrt())
                )
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
        bias = (
            sum((getattr(layer, f"bias_{k}_l{level}") for k in ("ih", "hh")), 0.0)
            if layer.bias
            else 0
        )
        variance = size**2 * w_in.square().sum(1) + state**2 * w_state.square().sum(1)
        entering = (variance + torch.as_tensor(bias).double() ** 2).sqrt()
        for kind, std in zip(kinds, entering.chunk(len(kinds)), strict=True):
            if kind != ".":  # a sigmoid reaches its ends at twice tanh's arguments
                end = math.atanh(FLAT) * (1 if kind in "gn" else 2)
                shares.append(float(torch.erfc(end / std / math.sqrt(2)).mean()))
        size = state
    return max(shares)
