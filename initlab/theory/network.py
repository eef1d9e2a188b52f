"""Which layers does a signal pass in this network, and in which order?"""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab import activations, schemes
from initlab.format import number
from initlab.theory import layers
from initlab.theory.functions import ActivationLike
from initlab.theory.layers import NoTheory, Rule
from initlab.theory.quadrature import Moments, moments

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_SYMMETRIC = {operator.add, operator.iadd, operator.mul, torch.add, torch.mul}
_SAME_FUNCTIONS = {torch.flatten, "view", "reshape", "flatten", "contiguous", "clone"}
_NAME_OF = {repr(activations.activation(name).module()): name for name in activations.names()}


@dataclass(frozen=True)
class Step:
    """One rule, where its inputs come from (0 is the network's input), and whose it is."""

    name: str | None
    inputs: tuple[int, ...]
    rule: Rule


@dataclass(frozen=True)
class Reading:
    """How to read layers: which weights they are to have, and on which batch.

    Args:
        scheme: Distribution of the weights; None takes the ones that are there.
        bias_var: Var(b), or "torch_default"; None takes 0 with a scheme, else those there.
        batch_size: For BatchNorm; `inf` for a large one.
        activation: In place of the network's own.
    """

    scheme: schemes.Scheme | None
    bias_var: float | str | None
    batch_size: float
    activation: ActivationLike | None = None

    def affine(self, name: str, fan_in: int, fan_out: int, layer: nn.Linear | None) -> Rule:
        """Read a linear layer; without `layer` it has a bias and no weights of its own."""
        has_bias = layer is None or layer.bias is not None
        return layers.Affine(
            fan_in,
            fan_out,
            self._weight_square(name, fan_in, fan_out, layer),
            self._bias_square(fan_in, layer) if has_bias else 0.0,
        )

    def norm(self, over_batch: bool, layer: nn.Module | None) -> Rule:
        """Read a normalisation layer in train mode; without `layer` a fresh one."""
        weight_square, bias_square = _affine_squares(layer)
        eps = 1e-5 if layer is None else float(layer.eps)  # type: ignore[arg-type]
        return layers.Norm(over_batch, weight_square, bias_square, eps, self.batch_size)

    def _weight_square(
        self, name: str, fan_in: int, fan_out: int, layer: nn.Linear | None
    ) -> float:
        if self.scheme is None:
            return _weight_square_of(name, layer)
        variance = self.scheme.variance(fan_in, fan_out)
        if variance is None or not self.scheme.centred:
            raise NoTheory(
                f"{self.scheme!r} does not draw independent weights with mean 0 and one variance."
            )
        return variance

    def _bias_square(self, fan_in: int, layer: nn.Linear | None) -> float:
        if self.bias_var == "torch_default":
            return 1 / (3 * fan_in)
        if self.bias_var is not None:
            return float(self.bias_var)
        if self.scheme is not None or layer is None:
            return 0.0
        return _mean_square(layer.bias)


def mlp_steps(
    depth: int, widths: tuple[int, int, int], norm: str | None, which: Moments, reading: Reading
) -> list[Step]:
    """List the steps of the network that `il.models.mlp` builds."""
    n_in, width, n_out = widths
    rules: list[tuple[str, Rule]] = []
    for i in range(1, depth + 1):
        fan_in = n_in if i == 1 else width
        rules.append((f"linear{i}", reading.affine(f"linear{i}", fan_in, width, None)))
        if norm:
            rules.append((f"norm{i}", reading.norm(norm == "batch", None)))
        rules.append((f"act{i}", layers.Elementwise(f"act{i}", which)))
    rules.append(("head", reading.affine("head", width, n_out, None)))
    return [Step(name, (i,), rule) for i, (name, rule) in enumerate(rules)]


def model_steps(model: nn.Module, reading: Reading) -> list[Step]:
    """List the steps of a model, as its own `forward` takes them.

    Raises:
        NoTheory: A step is not one that theory knows.
    """
    if _is_leaf(model):
        model = nn.Sequential(OrderedDict({type(model).__name__: model}))
    reader = _Reader(model, reading)
    for node in _graph(model).nodes:
        reader.read(node)
    return reader.steps


def leaf_names(model: nn.Module) -> list[str]:
    """Name the layers that a trace of the model has, in the order of their definition."""
    if _is_leaf(model):
        return [type(model).__name__]
    return [
        name
        for name, module in model.named_modules()
        if name and (_is_leaf(module) or any(True for _ in module.parameters(recurse=False)))
    ]


class _Tracer(torch.fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return _is_leaf(m) or isinstance(m, (nn.Linear, nn.MultiheadAttention))


def _is_leaf(module: nn.Module) -> bool:
    return not any(True for _ in module.children())


def _graph(model: nn.Module) -> torch.fx.Graph:
    try:
        return _Tracer().trace(model)
    except Exception as error:
        raise NoTheory(
            f"the order of layers in {type(model).__name__}.forward cannot be read ({error})."
        ) from error


class _Reader:
    """Turns a graph of calls into steps, node by node."""

    def __init__(self, model: nn.Module, reading: Reading) -> None:
        self.model = model
        self.reading = reading
        self.steps: list[Step] = []
        self._place: dict[torch.fx.Node, int] = {}
        self._moments: dict[object, Moments] = {}

    def read(self, node: torch.fx.Node) -> None:
        """Add what this node does to the steps."""
        if node.op == "placeholder":
            if self._place:
                raise NoTheory("the model takes more than one input.")
            self._place[node] = 0
        elif node.op == "output":
            self._check_output(node)
        else:
            inputs, name, rule = self._understand(node)
            self.steps.append(Step(name, inputs, rule))
            self._place[node] = len(self.steps)

    def _understand(self, node: torch.fx.Node) -> tuple[tuple[int, ...], str | None, Rule]:
        arguments = [*node.args, *node.kwargs.values()]
        sources = [value for value in arguments if isinstance(value, torch.fx.Node)]
        numbers = [value for value in node.args if not isinstance(value, torch.fx.Node)]
        inputs = tuple(self._place[source] for source in sources)
        if node.op == "call_module":
            name = str(node.target)
            return inputs, name, self._layer(name, self.model.get_submodule(name))
        if len(set(inputs)) < len(inputs):
            raise NoTheory(f"{_spoken(node.target)} takes one signal twice.")
        swapped = sources and node.args and node.args[0] is not sources[0]  # as in 1 / x
        if swapped and node.target not in _SYMMETRIC:
            raise NoTheory(f"{_spoken(node.target)} with a number first is no step of theory.")
        if node.op in ("call_function", "call_method") and len(inputs) in (1, 2):
            rule = self._function(node.target, len(inputs), numbers, dict(node.kwargs))
            if rule is not None:
                return inputs, None, rule
        raise NoTheory(f"{_spoken(node.target)} is not a step that theory knows.")

    def _layer(self, name: str, layer: nn.Module) -> Rule:
        if isinstance(layer, nn.Linear):
            return self.reading.affine(name, layer.in_features, layer.out_features, layer)
        if isinstance(layer, _BATCH_NORMS):
            return self._batch_norm(name, layer)
        if isinstance(layer, nn.LayerNorm) and len(layer.normalized_shape) == 1:
            return self.reading.norm(False, layer)
        if isinstance(layer, _DROPOUTS):
            if layer.training and layer.p > 0:
                raise NoTheory(f"{name} drops units at random in train mode: call model.eval().")
            return layers.Same()
        if isinstance(layer, (nn.Identity, nn.Flatten)):
            return layers.Same()
        if any(True for _ in layer.children()):
            raise NoTheory(f"{name} ({type(layer).__name__}) is not a layer that theory knows.")
        return self._activation(name, layer, self.reading.activation or layer)

    def _batch_norm(self, name: str, layer: nn.Module) -> Rule:
        mean, variance = layer.running_mean, layer.running_var
        if layer.training or not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
            return self.reading.norm(True, layer)
        if mean.any() or (variance != 1).any():
            raise NoTheory(f"{name} is in eval mode with statistics of earlier batches.")
        return layers.FrozenNorm(*_affine_squares(layer))

    def _activation(self, name: str, layer: nn.Module, which: ActivationLike) -> Rule:
        key: object = which if isinstance(which, str) else id(getattr(which, "function", which))
        is_plain = type(layer).__module__.startswith("torch.nn") and not [*layer.parameters()]
        if is_plain and which is layer:  # then its repr says all about it
            key, which = repr(layer), _NAME_OF.get(repr(layer), layer)
        if key not in self._moments:
            try:
                self._moments[key] = moments(which)
            except (TypeError, ValueError) as error:
                kind = type(layer).__name__
                raise NoTheory(f"{name} ({kind}) is not a layer that theory knows.") from error
        return layers.Elementwise(name, self._moments[key])

    def _function(
        self, target: Any, inputs: int, numbers: list[Any], options: dict[str, Any]
    ) -> Rule | None:
        if target in (operator.add, operator.iadd, torch.add, "add") and inputs == 2:
            return None if options else layers.Add()
        if inputs != 1:
            return None
        if target in _SAME_FUNCTIONS:
            return layers.Same()
        if len(numbers) == 1 and isinstance(numbers[0], (int, float)):
            if target in (operator.mul, torch.mul, "mul"):
                return layers.Times(float(numbers[0]))
            if target in (operator.truediv, torch.div, "div") and numbers[0]:
                return layers.Times(1 / float(numbers[0]))
        return self._plain_function(target, numbers, options)

    def _plain_function(self, target: Any, numbers: list[Any], options: dict[str, Any]) -> Rule:
        name = _spoken(target)
        function = getattr(torch, target, None) if isinstance(target, str) else target
        if function is None or function is F.dropout:
            raise NoTheory(f"{name} is not a step that theory knows.")
        key = (name, str(numbers), str(options))
        if key not in self._moments:

            def apply(x: Tensor) -> Tensor:
                out: Tensor = function(x, *numbers, **options)
                return out

            try:
                self._moments[key] = Moments(self.reading.activation or apply)
            except (TypeError, ValueError) as error:
                raise NoTheory(f"{name} is not a step that theory knows.") from error
        return layers.Elementwise(name, self._moments[key])

    def _check_output(self, node: torch.fx.Node) -> None:
        if not isinstance(node.args[0], torch.fx.Node):
            raise NoTheory("the model gives more than one output.")


def _spoken(target: Callable[..., Any] | str) -> str:
    return target if isinstance(target, str) else getattr(target, "__name__", repr(target))


def _mean_square(values: Any) -> float:
    if isinstance(values, Tensor) and values.numel():
        return float(values.detach().double().square().mean())
    return 1.0


def _affine_squares(layer: nn.Module | None) -> tuple[float, float]:
    weight, bias = getattr(layer, "weight", None), getattr(layer, "bias", None)
    return (
        _mean_square(weight) if weight is not None else 1.0,
        _mean_square(bias) if bias is not None else 0.0,
    )


def _weight_square_of(name: str, layer: nn.Linear | None) -> float:
    """Take E[w²] from a layer, if its weights look drawn with mean 0."""
    if layer is None:
        raise ValueError(
            "scheme is missing: a depth has no weights of its own. Give a scheme such as "
            "'kaiming_normal', or pass a model."
        )
    if layer.weight.is_meta or isinstance(layer.weight, nn.UninitializedParameter):
        raise NoTheory(f"{name} has no weights yet.")
    weight = layer.weight.detach().double()
    square, mean = weight.square().mean().item(), weight.mean().item()
    if mean**2 * weight.numel() > 36 * square and mean**2 * layer.in_features > 0.05 * square:
        raise NoTheory(f"the weights of {name} have mean {number(mean, 3)}; theory needs mean 0.")
    return square
