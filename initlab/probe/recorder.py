"""How are the numbers taken while a pass runs? Hooks on modules, and on the tensors they emit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from initlab.arguments import network, whole
from initlab.probe import units
from initlab.probe.layers import Filter, choose_layers, kind_of, weights_of
from initlab.probe.measure import summarize
from initlab.probe.records import LayerTrace, Summary, Trace
from initlab.probe.tensors import first_tensor


class Probe:
    """Records the latest forward and backward pass of a model in a training loop of your own.

    A hook on a module sees what it emits, and a hook on that tensor sees the gradient: a backward
    hook on the module would fail where the next layer is an in-place ReLU. Everything is reduced to
    numbers at once, so that no tensor lives longer than it would have.

    Each call of `model` starts a new record. Weight gradients are those that the parameters hold
    when `trace` is called, so call it before `optimizer.zero_grad()`.

    Args:
        model: Any module.
        layers: Which layers to record, as for `il.trace`.
        histogram_sample: How many elements of a tensor its histogram counts, 1 or more; `None`
            counts all.
        bins: Number of histogram bins, 1 or more.

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
    ) -> None:
        network(model, hooked=True)
        if histogram_sample is not None:
            histogram_sample = whole("histogram_sample", histogram_sample)
        self._summarize = partial(summarize, bins=whole("bins", bins), sample=histogram_sample)
        self._model = model
        self._names = choose_layers(model, layers)
        self._makers = {  # what computes a parametrised weight → the layer that it is for
            module.get_submodule("parametrizations.weight"): module
            for module in self._names
            if parametrize.is_parametrized(module, "weight")
        }
        self._module_hooks: list[Any] = []
        self._tensor_hooks: list[Any] = []
        self._begin()
        self._running = False

    def __enter__(self) -> Self:
        self._module_hooks = [
            self._model.register_forward_pre_hook(self._begin, prepend=True),
            *(m.register_forward_hook(self._emitted) for m in (*self._names, *self._makers)),
            self._model.register_forward_hook(self._end, always_call=True),
        ]
        return self

    def __exit__(self, *error: object) -> None:
        for hook in (*self._module_hooks, *self._tensor_hooks):
            hook.remove()
        self._module_hooks, self._tensor_hooks, self._running = [], [], False

    def trace(self, *, loss: float | None = None) -> Trace:
        """Return the record of the latest pass, with gradients if it had a backward pass.

        Args:
            loss: The loss of that pass, if the trace is to know it.
        """
        weights = {module: self._weight(module) for module in self._names}

        def complete(records: list[tuple[nn.Module, LayerTrace]]) -> tuple[LayerTrace, ...]:
            return tuple(
                replace(record, weight=weights[module][0], weight_gradient=weights[module][1])
                for module, record in records
            )

        uncalled = [(m, self._record(m)) for m in self._names if m not in self._times]
        return Trace(layers=complete(self._calls), uncalled=complete(uncalled), loss=loss)

    def _weight(self, module: nn.Module) -> tuple[Summary | None, Summary | None]:
        """Measure a layer's weight and the gradient that it holds."""
        if module in self._made:
            return self._made[module].activation, self._made[module].gradient
        weights = weights_of(module)
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        return self._measure(weights), self._measure(gradients)

    def _measure(self, tensors: Sequence[Tensor]) -> Summary | None:
        """Measure several tensors as one."""
        if len(tensors) < 2:
            return self._summarize(tensors[0]) if tensors else None
        return self._summarize(torch.cat([tensor.detach().flatten() for tensor in tensors]))

    def _record(self, module: nn.Module) -> LayerTrace:
        """Return a record without numbers, for the layer's present call in this pass."""
        time = self._times[module]
        name = self._names[module] if time < 2 else f"{self._names[module]}:{time}"
        nonlinearity = units.is_nonlinearity(module)
        return LayerTrace(name=name, kind=kind_of(module), nonlinearity=nonlinearity)

    # Hooks, in the order in which a pass meets them.

    def _begin(self, *_: Any) -> None:
        """Forget the pass before."""
        for hook in self._tensor_hooks:
            hook.remove()
        self._tensor_hooks = []
        self._running = True
        self._times: Counter[nn.Module] = Counter()  # how often this pass has called a layer
        self._calls: list[tuple[nn.Module, LayerTrace]] = []
        self._made: dict[nn.Module, LayerTrace] = {}  # layer → the weight that was made for it
        self._unheard: list[tuple[nn.Module, LayerTrace, list[float]]] = []  # see `_awaiting`
        self._channels_first = False

    def _emitted(self, module: nn.Module, args: Any, output: Any) -> None:
        tensor = first_tensor(output)
        if not self._running:
            record = self._awaiting(module, tensor)
        elif module in self._makers:
            layer = self._makers[module]
            record = self._made[layer] = self._record(layer)
        else:
            self._times[module] += 1
            record = self._record(module)
            self._calls.append((module, record))
        if tensor is None or record is None:
            return
        if self._running:
            record.activation = self._summarize(tensor)
            if module not in self._makers:
                self._count_units(module, record, tensor)
        if tensor.requires_grad:
            self._tensor_hooks.append(tensor.register_hook(partial(self._returned, record)))  # type: ignore[no-untyped-call]
        elif not torch.is_grad_enabled():
            self._unheard.append((module, record, _first_elements(tensor)))

    def _awaiting(self, module: nn.Module, tensor: Tensor | None) -> LayerTrace | None:
        """Find the record of a layer that runs again in the backward pass: a reentrant checkpoint.

        The first time it ran without a graph, so that its gradient can be awaited only now. A
        layer that was called several times is matched by what it emitted.
        """
        if tensor is not None and tensor.requires_grad:
            for place, (layer, record, emitted) in enumerate(self._unheard):
                if layer is module and emitted == _first_elements(tensor):
                    del self._unheard[place]
                    return record
        return None

    def _count_units(self, module: nn.Module, record: LayerTrace, tensor: Tensor) -> None:
        """Note dead and saturated units of a nonlinearity."""
        first = units.puts_units_first(module)
        self._channels_first = self._channels_first if first is None else first
        if record.nonlinearity:
            record.dead = units.dead_share(tensor, channels_first=self._channels_first)
            ends = units.ends_of(module)
            if ends is not None:
                record.saturated = units.saturated_share(tensor, ends)

    def _end(self, *_: Any) -> None:
        self._running = False

    def _returned(self, record: LayerTrace, gradient: Tensor) -> None:
        record.gradient = self._summarize(gradient)


def _first_elements(tensor: Tensor) -> list[float]:
    found: list[float] = tensor.detach().flatten()[:8].tolist()
    return found
