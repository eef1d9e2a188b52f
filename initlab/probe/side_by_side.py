"""How are several networks of one architecture recorded that run as one? Without hooks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from initlab.probe.recorder import Call, Numbers, Probe
from initlab.probe.records import Trace


class SideBySide:
    """Records one pass of S networks; whoever runs it says what each layer emits.

    Args:
        model: A network of this architecture.
        most: How many of the S networks can be recorded.
    """

    def __init__(self, model: nn.Module, most: int) -> None:
        self._model = model
        self._all = [Probe(model) for _ in range(most)]
        self._probes = self._all  # those that record this pass
        layers = [{layer.module: layer for layer in probe._layers} for probe in self._all]
        self._layers = {  # name → the layer in each network; a module may have several names
            name: [own[module] for own in layers]
            for name, module in model.named_modules(remove_duplicate=False)
            if module in layers[0]
        }
        self._calls: list[list[Call]] = []  # of each layer so far

    def begin(self, count: int) -> None:
        """Forget the pass before, and record the first `count` networks in the next one."""
        self._calls, self._probes = [], self._all[:count]
        for probe in self._probes:
            probe._begin(self._model, ())

    def emitted(self, name: str, signals: Tensor) -> None:
        """Note what the layer of this name emits in each network.

        Shape:
            signals (S, B, n).
        """
        each = zip(self._probes, self._layers[name], signals.unbind(), strict=False)
        self._calls.append([probe._note(layer, signal) for probe, layer, signal in each])

    def returned(self, name: str, gradients: Tensor) -> None:
        """Note the gradient there: of all layers, from the last to the first.

        Shape:
            gradients (S, B, n).
        """
        calls = self._calls.pop()
        for probe, call, gradient in zip(self._probes, calls, gradients.unbind(), strict=False):
            probe._returned(call, None, gradient)

    def traces(self, losses: Sequence[float], numbers: Sequence[Numbers]) -> list[Trace]:
        """Return the trace of each network that was recorded.

        Args:
            losses: Loss of each.
            numbers: What the parameters of each hold, by the parameters of `model`.
        """
        return [
            probe._trace(loss, held)
            for probe, loss, held in zip(self._probes, losses, numbers, strict=True)
        ]
