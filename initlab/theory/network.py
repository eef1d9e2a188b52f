"""Which layers does a signal pass in this network, and in which order?"""

from __future__ import annotations

import math
import operator
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.fx import Graph, Node
from torch.nn import functional as F

from initlab import activations, schemes
from initlab.activations import ActivationLike
from initlab.format import number
from initlab.theory import layers
from initlab.theory.layers import NoTheory, Passed, Signal
from initlab.theory.quadrature import LARGEST, SMALLEST, Moments, moments

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_SUMS = {operator.add, operator.iadd, torch.add, "add"}
_PRODUCTS = {operator.mul, torch.mul, "mul"}
_QUOTIENTS = {operator.truediv, torch.div, "div"}
_SAME = {torch.flatten, "view", "reshape", "flatten", "contiguous", "clone"}
_NAME_OF = {repr(activations.activation(name).module()): name for name in activations.names()}


class Step(NamedTuple):
    """One step of a network; the first one gives the network's input."""

    name: str | None  # of the layer
    inputs: tuple[int, ...]  # the steps whose signals it takes
    passed: Passed
    is_linear: bool = False


def leaf_names(model: nn.Module) -> list[str]:
    """Name the layers that a trace of the model has, in the order of their definition."""
    if _is_leaf(model):
        return [type(model).__name__]
    return [
        name
        for name, module in model.named_modules()
        if name and (_is_leaf(module) or any(True for _ in module.parameters(recurse=False)))
    ]


@dataclass
class Reader:
    """Follows a signal through a model, as its own `forward` takes it."""

    scheme: schemes.Scheme | None  # of the weights; None takes the ones that are there
    bias_var: float | str | None  # None is 0 with a scheme, else that of the biases there
    batch_size: float  # for BatchNorm; `inf` for a large one
    activation: Moments | None  # in place of the network's own
    _moments: dict[object, Moments] = field(default_factory=dict)

    def steps(self, model: nn.Module, start: Signal) -> list[Step]:
        """Follow a signal through a model, or raise NoTheory at what theory does not know."""
        if _is_leaf(model):
            model = nn.Sequential(OrderedDict({type(model).__name__: model}))
        if not any(isinstance(layer, _BATCH_NORMS) for layer in model.modules()):
            start = replace(start, contrast=math.nan)  # a correlation map would take time
        steps: list[Step] = []
        places: dict[Node, int] = {}
        for node in _graph(model).nodes:
            if node.op == "output":
                if not isinstance(node.args[0], Node):
                    raise NoTheory("the model gives more than one output.")
                break
            inputs = tuple(places[one] for one in _signals(node))
            signals = [steps[i].passed.signal for i in inputs]
            if node.op == "placeholder":
                if steps:
                    raise NoTheory("the model takes more than one input.")
                step = Step(None, inputs, Passed(start))
            elif node.op == "call_module":
                name, layer = str(node.target), model.get_submodule(str(node.target))
                passed = self._layer(name, layer, *signals)
                step = Step(name, inputs, passed, isinstance(layer, nn.Linear))
            else:
                step = Step(None, inputs, self._call(node, *signals))
            square = step.passed.signal.square
            if inputs and square and not SMALLEST < square < LARGEST:
                raise NoTheory(f"the second moment after {step.name} leaves the range of float64.")
            places[node] = len(steps)
            steps.append(step)
        return steps

    def _layer(self, name: str, layer: nn.Module, *signals: Signal) -> Passed:
        silence = f"{name} ({type(layer).__name__}) is not a layer that theory knows."
        if len(signals) != 1:
            raise NoTheory(silence)
        (signal,) = signals
        if isinstance(layer, nn.Linear):
            square, bias_square = self._weight_square(name, layer), self._bias_square(layer)
            return layers.affine(signal, layer.in_features, layer.out_features, square, bias_square)
        if isinstance(layer, _BATCH_NORMS):
            return self._batch_norm(name, layer, signal)
        if isinstance(layer, nn.LayerNorm) and len(layer.normalized_shape) == 1:
            return layers.norm(signal, *_squares(layer), layer.eps, batch_size=None)
        if isinstance(layer, _DROPOUTS) and layer.training and layer.p > 0:
            raise NoTheory(f"{name} drops units at random in train mode: call model.eval().")
        if isinstance(layer, (nn.Identity, nn.Flatten, *_DROPOUTS)):
            return Passed(signal)
        if not _is_leaf(layer):
            raise NoTheory(silence)
        key: object = id(getattr(layer, "function", layer))
        which: ActivationLike = layer
        if type(layer).__module__.startswith("torch.nn") and not [*layer.parameters()]:
            key = repr(layer)  # says all about it
            which = _NAME_OF.get(repr(layer), layer)
        return layers.elementwise(signal, name, self._averages(key, which, silence))

    def _weight_square(self, name: str, layer: nn.Linear) -> float:
        """E[w²] of the scheme, or of the layer, if its weights look drawn with mean 0."""
        if self.scheme is not None:
            variance = self.scheme.variance(layer.in_features, layer.out_features)
            if variance is None or not self.scheme.centred:
                raise NoTheory(
                    f"{self.scheme!r} does not draw independent weights with mean 0 and one "
                    "variance."
                )
            return variance
        if layer.weight.is_meta or isinstance(layer.weight, nn.UninitializedParameter):
            raise NoTheory(f"{name} has no weights yet.")
        weight = layer.weight.detach().double()
        square, mean = weight.square().mean().item(), weight.mean().item()
        if mean**2 * weight.numel() > 36 * square and mean**2 * layer.in_features > 0.05 * square:
            raise NoTheory(
                f"the weights of {name} have mean {number(mean, 3)}; theory needs mean 0."
            )
        return square

    def _bias_square(self, layer: Any) -> float:
        if self.bias_var is None:
            return _mean_square(layer.bias, 0.0) if self.scheme is None else 0.0
        if layer.bias is None:
            return 0.0
        if self.bias_var == "torch_default":
            return float(1 / (3 * layer.in_features))
        return float(self.bias_var)

    def _batch_norm(self, name: str, layer: Any, signal: Signal) -> Passed:
        mean, variance = layer.running_mean, layer.running_var
        if layer.training or mean is None or variance is None:
            return layers.norm(signal, *_squares(layer), layer.eps, self.batch_size)
        if mean.any() or (variance != 1).any():
            raise NoTheory(f"{name} is in eval mode with statistics of earlier batches.")
        return layers.scale(signal, *_squares(layer))

    def _call(self, node: Node, *signals: Signal) -> Passed:
        """Read a function or a method that `forward` calls."""
        target: Any = node.target
        name = target if isinstance(target, str) else getattr(target, "__name__", repr(target))
        sources = _signals(node)
        if len(set(sources)) < len(sources):
            raise NoTheory(f"{name} takes one signal twice.")
        swapped = sources and node.args and node.args[0] is not sources[0]  # as in 1 / x
        if swapped and target not in _SUMS | _PRODUCTS:
            raise NoTheory(f"{name} with a number first is no step of theory.")
        if len(signals) == 2 and target in _SUMS and not node.kwargs:
            return layers.add(*signals)
        silence = f"{name} is not a step that theory knows."
        if len(signals) != 1:
            raise NoTheory(silence)
        if target in _SAME:
            return Passed(signals[0])
        others = [value for value in node.args if not isinstance(value, Node)]
        if len(others) == 1 and isinstance(others[0], (int, float)):
            if target in _PRODUCTS:
                return layers.scale(signals[0], others[0] ** 2)
            if target in _QUOTIENTS and others[0]:
                return layers.scale(signals[0], 1 / others[0] ** 2)
        function = getattr(torch, target, None) if isinstance(target, str) else target
        if function is None or function is F.dropout:
            raise NoTheory(silence)

        def apply(x: Tensor) -> Tensor:
            out: Tensor = function(x, *others, **node.kwargs)
            return out

        key = (name, str(others), str(node.kwargs))
        return layers.elementwise(signals[0], name, self._averages(key, apply, silence))

    def _averages(self, key: object, which: ActivationLike, silence: str) -> Moments:
        """Prepare the averages of an activation, once for all layers of this key."""
        if self.activation is not None:
            return self.activation
        if key not in self._moments:
            try:
                self._moments[key] = moments(which)
            except (TypeError, ValueError) as error:
                raise NoTheory(silence) from error
        return self._moments[key]


class _Tracer(torch.fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return _is_leaf(m) or isinstance(m, (nn.Linear, nn.MultiheadAttention))


def _is_leaf(module: nn.Module) -> bool:
    return not any(True for _ in module.children())


def _graph(model: nn.Module) -> Graph:
    if type(model) is nn.Sequential and all(map(_is_leaf, model)) and len({*model}) == len(model):
        graph = Graph()  # what tracing would find, without its milliseconds
        signal = graph.placeholder("input")
        for name in model._modules:
            signal = graph.call_module(name, (signal,))
        graph.output(signal)
        return graph
    try:
        return _Tracer().trace(model)
    except Exception as error:
        raise NoTheory(
            f"the order of layers in {type(model).__name__}.forward cannot be read ({error})."
        ) from error


def _signals(node: Node) -> list[Node]:
    return [value for value in [*node.args, *node.kwargs.values()] if isinstance(value, Node)]


def _squares(layer: Any) -> tuple[float, float]:
    """Give the mean squares of a normalisation layer's γ and β."""
    return _mean_square(layer.weight, 1.0), _mean_square(layer.bias, 0.0)


def _mean_square(values: Tensor | None, fresh: float) -> float:
    """Give E[·²] of a weight or a bias; where it holds no numbers, what a fresh one would have."""
    if values is None or values.is_meta or not values.numel():
        return fresh
    return values.detach().double().square().mean().item()
