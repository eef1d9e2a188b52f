"""Which layers does a signal pass in this network, and in which order?"""

from __future__ import annotations

import operator
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, Node
from torch.nn import functional as F

from initlab import activations, schemes
from initlab.format import number
from initlab.theory import layers
from initlab.theory.functions import ActivationLike
from initlab.theory.layers import NoTheory, Rule
from initlab.theory.quadrature import Moments, moments

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_SUMS = {operator.add, operator.iadd, torch.add, "add"}
_PRODUCTS = {operator.mul, torch.mul, "mul"}
_QUOTIENTS = {operator.truediv, torch.div, "div"}
_SAME = {torch.flatten, "view", "reshape", "flatten", "contiguous", "clone"}
_NAME_OF = {repr(activations.activation(name).module()): name for name in activations.names()}


@dataclass(frozen=True)
class Step:
    """One rule, where its inputs come from (0 is the network's input), and whose it is."""

    name: str | None
    inputs: tuple[int, ...]
    rule: Rule


def leaf_names(model: nn.Module) -> list[str]:
    """Name the layers that a trace of the model has, in the order of their definition."""
    if _is_leaf(model):
        return [type(model).__name__]
    return [
        name
        for name, module in model.named_modules()
        if name and (_is_leaf(module) or any(True for _ in module.parameters(recurse=False)))
    ]


class Reader:
    """Turns a model into steps, as its own `forward` takes them.

    Args:
        scheme: Distribution of the weights; None takes the ones that are there.
        bias_var: Var(b), or "torch_default"; None takes 0 with a scheme, else those there.
        batch_size: For BatchNorm; `inf` for a large one.
        activation: In place of the network's own.
    """

    def __init__(
        self,
        scheme: schemes.Scheme | None,
        bias_var: float | str | None,
        batch_size: float,
        activation: Moments | None,
    ) -> None:
        self.scheme = scheme
        self.bias_var = bias_var
        self.batch_size = batch_size
        self.activation = activation
        self._moments: dict[object, Moments] = {}

    def steps(self, model: nn.Module) -> list[Step]:
        """List the steps of a model, or raise NoTheory at one that theory does not know."""
        if _is_leaf(model):
            model = nn.Sequential(OrderedDict({type(model).__name__: model}))
        steps: list[Step] = []
        places: dict[Node, int] = {}
        for node in _graph(model).nodes:
            if node.op == "placeholder":
                if places:
                    raise NoTheory("the model takes more than one input.")
                places[node] = 0
            elif node.op == "output":
                if not isinstance(node.args[0], Node):
                    raise NoTheory("the model gives more than one output.")
            else:
                name = str(node.target) if node.op == "call_module" else None
                rule = self._layer(name, model.get_submodule(name)) if name else self._call(node)
                steps.append(Step(name, tuple(places[one] for one in _signals(node)), rule))
                places[node] = len(steps)
        return steps

    def _layer(self, name: str, layer: nn.Module) -> Rule:
        if isinstance(layer, nn.Linear):
            weight_square = self._weight_square(name, layer)
            fan_in, fan_out = layer.in_features, layer.out_features
            return layers.Affine(fan_in, fan_out, weight_square, self._bias_square(layer))
        if isinstance(layer, _BATCH_NORMS):
            return self._batch_norm(name, layer)
        if isinstance(layer, nn.LayerNorm) and len(layer.normalized_shape) == 1:
            return self._norm(layer, over_batch=False)
        if isinstance(layer, _DROPOUTS) and layer.training and layer.p > 0:
            raise NoTheory(f"{name} drops units at random in train mode: call model.eval().")
        if isinstance(layer, (nn.Identity, nn.Flatten, *_DROPOUTS)):
            return layers.Same()
        silence = f"{name} ({type(layer).__name__}) is not a layer that theory knows."
        if not _is_leaf(layer):
            raise NoTheory(silence)
        if type(layer).__module__.startswith("torch.nn") and not [*layer.parameters()]:
            written = repr(layer)  # says all about it
            return self._activation(name, written, _NAME_OF.get(written, layer), silence)
        return self._activation(name, id(getattr(layer, "function", layer)), layer, silence)

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

    def _batch_norm(self, name: str, layer: Any) -> Rule:
        mean, variance = layer.running_mean, layer.running_var
        if layer.training or not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
            return self._norm(layer, over_batch=True)
        if mean.any() or (variance != 1).any():
            raise NoTheory(f"{name} is in eval mode with statistics of earlier batches.")
        return layers.Scale(_mean_square(layer.weight, 1.0), _mean_square(layer.bias, 0.0))

    def _norm(self, layer: Any, *, over_batch: bool) -> Rule:
        weight_square, bias_square = _mean_square(layer.weight, 1.0), _mean_square(layer.bias, 0.0)
        return layers.Norm(over_batch, weight_square, bias_square, layer.eps, self.batch_size)

    def _call(self, node: Node) -> Rule:
        """Read a function or a method that `forward` calls."""
        target: Any = node.target
        name = target if isinstance(target, str) else getattr(target, "__name__", repr(target))
        signals = _signals(node)
        if len(set(signals)) < len(signals):
            raise NoTheory(f"{name} takes one signal twice.")
        swapped = signals and node.args and node.args[0] is not signals[0]  # as in 1 / x
        if swapped and target not in _SUMS | _PRODUCTS:
            raise NoTheory(f"{name} with a number first is no step of theory.")
        if len(signals) == 2 and target in _SUMS and not node.kwargs:
            return layers.Add()
        silence = f"{name} is not a step that theory knows."
        if len(signals) != 1:
            raise NoTheory(silence)
        if target in _SAME:
            return layers.Same()
        others = [value for value in node.args if not isinstance(value, Node)]
        if len(others) == 1 and isinstance(others[0], (int, float)):
            if target in _PRODUCTS:
                return layers.Scale(others[0] ** 2)
            if target in _QUOTIENTS and others[0]:
                return layers.Scale(1 / others[0] ** 2)
        function = getattr(torch, target, None) if isinstance(target, str) else target
        if function is None or function is F.dropout:
            raise NoTheory(silence)

        def apply(x: Tensor) -> Tensor:
            out: Tensor = function(x, *others, **node.kwargs)
            return out

        return self._activation(name, (name, str(others), str(node.kwargs)), apply, silence)

    def _activation(self, name: str, key: object, which: ActivationLike, silence: str) -> Rule:
        """Read an activation, whose averages are prepared once for all layers of this key."""
        if self.activation is not None:
            return layers.Elementwise(name, self.activation)
        if key not in self._moments:
            try:
                self._moments[key] = moments(which)
            except (TypeError, ValueError) as error:
                raise NoTheory(silence) from error
        return layers.Elementwise(name, self._moments[key])


class _Tracer(torch.fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return _is_leaf(m) or isinstance(m, (nn.Linear, nn.MultiheadAttention))


def _is_leaf(module: nn.Module) -> bool:
    return not any(True for _ in module.children())


def _graph(model: nn.Module) -> Graph:
    try:
        return _Tracer().trace(model)
    except Exception as error:
        raise NoTheory(
            f"the order of layers in {type(model).__name__}.forward cannot be read ({error})."
        ) from error


def _signals(node: Node) -> list[Node]:
    return [value for value in [*node.args, *node.kwargs.values()] if isinstance(value, Node)]


def _mean_square(values: Tensor | None, fresh: float) -> float:
    """Give E[·²] of a weight or a bias; where it holds no numbers, what a fresh one would have."""
    if values is None or values.is_meta or not values.numel():
        return fresh
    return values.detach().double().square().mean().item()
