"""How are the numbers taken while a pass runs? Hooks on modules, and on the tensors they emit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn

from initlab.arguments import network, number, whole
from initlab.probe import units
from initlab.probe.layers import Filter, choose_layers, kind_of, made_weight, weights_of
from initlab.probe.measure import Meter
from initlab.probe.records import LayerTrace, Summary, Trace
from initlab.probe.tensors import first_tensor

Numbers = Mapping[Tensor, tuple[Tensor, Tensor | None]]
"""Parameter → its value and its gradient."""


@dataclass(slots=True, eq=False)
class _Layer:
    """A module to record, and what its hooks need to know of it."""

    module: nn.Module
    name: str
    kind: str
    nonlinearity: bool
    steep: tuple[float, float] | None  # where it is not saturated, if it is bounded
    channels_first: bool | None  # whether it puts units in dimension 1; None keeps what was
    times: int = 0  # how often this pass has called it
    made_weight: Call | None = None  # what its parametrisation emitted in this pass

    @classmethod
    def of(cls, module: nn.Module, name: str, saturation: float) -> _Layer:
        nonlinearity = units.is_nonlinearity(module)
        ends = units.ends_of(module) if nonlinearity else None
        steep = None if ends is None else units.saturation_starts(ends, saturation)
        first = units.channels_first(module)
        return cls(module, name, kind_of(module), nonlinearity, steep, first)


@dataclass(slots=True, eq=False)
class Call:
    """One call of one layer in a pass."""

    layer: _Layer
    time: int = 1  # the layer's first call in this pass, its second, ...
    activation: Summary | None = None
    gradient: Summary | None = None
    dead: Tensor | float | None = None
    saturated: Tensor | float | None = None
    awaits: tuple[float, ...] | None = None  # what a checkpoint is to emit once more, in short

    def record(self, weight: Summary | None, weight_gradient: Summary | None) -> LayerTrace:
        """Return what a trace holds of it."""
        return LayerTrace(
            name=self.layer.name if self.time == 1 else f"{self.layer.name}:{self.time}",
            kind=self.layer.kind,
            weight=weight,
            activation=self.activation,
            gradient=self.gradient,
            weight_gradient=weight_gradient,
            nonlinearity=self.layer.nonlinearity,
            dead=None if self.dead is None else float(self.dead),
            saturated=None if self.saturated is None else float(self.saturated),
        )


class Probe:
    """Records the latest forward and backward pass of a model in somebody's own loop.

    A hook on a module sees what it emits, and a hook on that tensor sees the gradient: a backward
    hook on the module would fail where the next layer is an in-place ReLU. Everything is reduced to
    numbers at once, so that no tensor lives longer than it would have.

    Each call of `model` starts a new record. Weight gradients are those that the parameters hold
    when `trace` is called, so call it before `optimizer.zero_grad()`.

    Args:
        model: Any module.
        layers: Which layers to record: names, name globs such as `"block*.act"`, module types.
            `None` records every module without children, and every module that owns parameters.
        histogram_sample: How many elements of a tensor its histogram counts, 1 or more: one at
            random from each of as many equal stretches. `None` counts all.
        bins: Number of histogram bins, 1 or more.
        saturation: How far from the middle of its range towards the end an element of a bounded
            nonlinearity counts as saturated, between 0 and 1.

    Raises:
        TypeError: `model` is no module or holds TorchScript ones, an entry of `layers` is neither
            a string nor a type, or a number is none.
        ValueError: An entry of `layers` fits nothing, a number is out of its range, or the model
            has lazy or meta parameters.

    >>> model = nn.Sequential(nn.Linear(4, 8), nn.Tanh())
    >>> with Probe(model) as probe:
    ...     model(torch.ones(2, 4)).sum().backward()
    >>> [layer.name for layer in probe.trace()]
    ['0', '1']
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        layers: Filter | None = None,
        histogram_sample: int | None = 1024,
        bins: int = 50,
        saturation: float = 0.97,
    ) -> None:
        network(model, hooked=True)
        if histogram_sample is not None:
            histogram_sample = whole("histogram_sample", histogram_sample)
        bins = whole("bins", bins)
        saturation = number("saturation", saturation, low=0, high=1, open_=True)
        self._model: nn.Module = model
        chosen = choose_layers(model, layers)
        self._layers = [_Layer.of(module, name, saturation) for module, name in chosen.items()]
        self._meter_options = (bins, histogram_sample)
        self._module_handles: list[Any] = []
        self._tensor_handles: list[Any] = []
        self._forget()

    def __enter__(self) -> Self:
        keep = self._module_handles.append
        keep(self._model.register_forward_pre_hook(self._begin, prepend=True))
        for layer in self._layers:
            hooks: Any = layer.module._forward_hooks  # to register there takes ten times as long
            hooks[self] = partial(self._emitted, layer)
            made = made_weight(layer.module)
            if made is not None:
                keep(made.register_forward_hook(partial(self._made_weight, layer)))
        keep(self._model.register_forward_hook(self._end, always_call=True))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        for handle in (*self._module_handles, *self._tensor_handles):
            handle.remove()
        for layer in self._layers:
            hooks: Any = layer.module._forward_hooks
            hooks.pop(self, None)
        self._module_handles, self._tensor_handles, self._running = [], [], False

    def trace(self) -> Trace:
        """Return the record of the latest pass, with gradients if it had a backward pass."""
        return self._trace(loss=None)

    def _trace(self, loss: float | None, numbers: Numbers | None = None) -> Trace:
        weights = self._weights(numbers)
        self._meter.finish()
        uncalled = [Call(layer) for layer in self._layers if not layer.times]
        return Trace(
            layers=tuple(call.record(*weights[call.layer]) for call in self._calls),
            uncalled=tuple(call.record(*weights[call.layer]) for call in uncalled),
            loss=loss,
        )

    def _weights(
        self, numbers: Numbers | None
    ) -> dict[_Layer, tuple[Summary | None, Summary | None]]:
        """Measure the weights and the gradients that they hold, each tensor once.

        Args:
            numbers: Value and gradient of each parameter; `None`: what the model holds now.
        """
        shared: dict[tuple[int, ...], Summary | None] = {(): None}

        def summary(tensors: Sequence[Tensor]) -> Summary | None:
            key = tuple(map(id, tensors))
            if key not in shared:
                shared[key] = self._meter.measure_all(tensors)
            return shared[key]

        found: dict[_Layer, tuple[Summary | None, Summary | None]] = {}
        for layer in self._layers:
            if layer.made_weight is not None:
                found[layer] = layer.made_weight.activation, layer.made_weight.gradient
            elif layer.module._parameters:
                weights = weights_of(layer.module)
                held = [numbers[w] if numbers else (w, w.grad) for w in weights]
                gradients = [gradient for _, gradient in held if gradient is not None]
                found[layer] = summary([value for value, _ in held]), summary(gradients)
            else:
                found[layer] = None, None
        return found

    def _forget(self) -> None:
        self._meter = Meter(*self._meter_options)
        self._calls: list[Call] = []
        self._channels_first = False
        self._running = False
        for layer in self._layers:
            layer.times, layer.made_weight = 0, None
        for handle in self._tensor_handles:
            handle.remove()
        self._tensor_handles = []

    # Hooks, in the order in which a pass meets them.

    def _begin(self, model: nn.Module, args: Any) -> None:
        self._forget()
        self._running = True

    def _emitted(self, layer: _Layer, module: nn.Module, args: Any, output: Any) -> None:
        tensor = output if type(output) is Tensor else first_tensor(output)
        if not self._running:
            self._repeated(layer, tensor)
            return
        call = self._note(layer, tensor)
        if tensor is not None:
            self._await(call, tensor)

    def _made_weight(self, layer: _Layer, made: nn.Module, args: Any, weight: Any) -> None:
        if self._running and isinstance(weight, Tensor):
            layer.made_weight = Call(layer)
            layer.made_weight.activation = self._meter.measure(weight)
            self._await(layer.made_weight, weight)

    def _note(self, layer: _Layer, tensor: Tensor | None) -> Call:
        """Note what a layer emits."""
        layer.times += 1
        call = Call(layer, layer.times)
        self._calls.append(call)
        if layer.channels_first is not None:
            self._channels_first = layer.channels_first
        if tensor is not None:
            call.activation = summary = self._meter.measure(tensor)
            if layer.nonlinearity:
                self._measure_units(call, summary, tensor)
        return call

    def _measure_units(self, call: Call, summary: Summary, tensor: Tensor) -> None:
        """Count dead and saturated units, unless the summary says that there are none."""
        unknown = summary.count < tensor.numel()  # it is filled in later
        call.dead = 0.0
        if unknown or summary.zeros:
            call.dead = units.dead_share(tensor, self._channels_first)
        if call.layer.steep is not None:
            low, high = call.layer.steep
            call.saturated = 0.0
            if unknown or summary.min < low or summary.max > high:
                call.saturated = units.share_outside(tensor, low, high)

    def _await(self, call: Call, tensor: Tensor) -> None:
        """See to it that the gradient is noted as well, now or when a checkpoint repeats this."""
        if tensor.requires_grad:
            self._await_gradient(call, tensor)
        elif not torch.is_grad_enabled():
            call.awaits = _first_elements(tensor)

    def _await_gradient(self, call: Call, tensor: Tensor) -> None:
        node = tensor.grad_fn
        if node is None:
            handle = tensor.register_hook(partial(self._returned, call, None))  # type: ignore[no-untyped-call]
        else:  # at half the cost
            handle = node.register_prehook(partial(self._returned, call, tensor.output_nr))
        self._tensor_handles.append(handle)

    def _end(self, model: nn.Module, args: Any, output: Any) -> None:
        self._running = False

    def _returned(self, call: Call, output: int | None, gradients: Any) -> None:
        gradient = gradients if output is None else gradients[output]
        if gradient is not None:
            call.gradient = self._meter.measure(gradient)

    def _repeated(self, layer: _Layer, tensor: Tensor | None) -> None:
        """Meet a layer again in the backward pass: a reentrant checkpoint runs it once more.

        The first time it ran without a graph, so that its gradient can be awaited only now. A
        layer that was called several times is matched by what it emitted.
        """
        if tensor is None or not tensor.requires_grad:
            return
        for call in self._calls:
            if call.layer is layer and call.awaits == _first_elements(tensor):
                call.awaits = None
                self._await_gradient(call, tensor)
                return


def _first_elements(tensor: Tensor) -> tuple[float, ...]:
    return tuple(tensor.detach().flatten()[:8].tolist())
