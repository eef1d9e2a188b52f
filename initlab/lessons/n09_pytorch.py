"""Notebook 09: a scheme on a whole model, numbers from numpy, and weights that partly fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from initlab.exercises import statistics
from initlab.exercises.answers import Array, NothingDone, Rejected, call
from initlab.exercises.exercise import Exercise, Mistake

# --- initialize_weights ---

_SPOILED = 0.37


def _network() -> nn.Sequential:
    """An outer and an inner block, with and without biases; 20,000 weights or more in each."""
    inner = nn.Sequential(nn.Conv2d(140, 16, 3), nn.BatchNorm2d(16), nn.ReLU())
    return nn.Sequential(
        nn.Conv2d(16, 140, 3, bias=False), nn.BatchNorm2d(140), nn.ReLU(),
        inner,
        nn.Flatten(), nn.Linear(150, 200), nn.ReLU(), nn.Linear(200, 101),
    )  # fmt: skip


@dataclass(frozen=True)
class _Layer:
    name: str
    module: nn.Module
    weight: Array
    bias: Array | None

    @property
    def is_norm(self) -> bool:
        return isinstance(self.module, nn.BatchNorm2d)

    @property
    def is_inner(self) -> bool:
        return "." in self.name

    @property
    def touched(self) -> bool:
        return bool((self.weight != np.float32(_SPOILED)).any())

    @property
    def fan_in(self) -> int:
        return int(np.prod(self.weight.shape[1:]))

    @property
    def fan_out(self) -> int:
        return int(self.weight.shape[0] * np.prod(self.weight.shape[2:]))

    def has_variance(self, variance: Callable[[int, int], float]) -> bool:
        return statistics.std_is(self.weight, variance(self.fan_in, self.fan_out) ** 0.5)

    @property
    def is_right(self) -> bool:
        return self.bias_is_zero and (self.norm_is_right if self.is_norm else self.kaiming)

    @property
    def bias_is_zero(self) -> bool:
        return self.bias is None or not self.bias.any()

    @property
    def norm_is_right(self) -> bool:
        return bool((self.weight == 1).all())

    @property
    def kaiming(self) -> bool:
        std = (2 / self.fan_in) ** 0.5
        rows = self.weight.reshape(len(self.weight), -1)
        return (
            statistics.mean_is(rows, 0, std)
            and statistics.std_is(rows, std)
            and statistics.shape_is(rows, "normal", std)
            and not statistics.has_copies(rows)
        )


@dataclass(frozen=True)
class _Model:
    layers: list[_Layer]
    learns: bool
    one_dtype: bool

    @property
    def weighted(self) -> list[_Layer]:
        """The convolutions and linear layers."""
        return [layer for layer in self.layers if not layer.is_norm]

    @property
    def norms(self) -> list[_Layer]:
        return [layer for layer in self.layers if layer.is_norm]


def _measure_model(function: Callable[..., Any]) -> _Model:
    model = _network()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(_SPOILED)
    shapes = {name: p.shape for name, p in model.named_parameters()}
    call(function, model)
    for name, parameter in model.named_parameters():
        if parameter.shape != shapes.get(name, parameter.shape):
            raise Rejected(
                "shape",
                f"`{name}` had the shape {tuple(shapes[name])}, and now it has "
                f"{tuple(parameter.shape)}. What does the next forward pass say?",
            )
    layers = [
        _Layer(name, module, _numbers(module.weight), _numbers(module.bias))
        for name, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.BatchNorm2d, nn.Linear)) and module.weight is not None
    ]
    if not any(layer.touched or _changed(layer.bias) for layer in layers):
        raise NothingDone("The model is as it was before.")
    learns = len(list(model.parameters())) == 11 and all(
        p.requires_grad for p in model.parameters()
    )
    one_dtype = len({p.dtype for p in model.parameters()}) == 1
    return _Model(layers, learns, one_dtype)


def _numbers(tensor: Any) -> Any:
    return tensor.detach().double().numpy() if isinstance(tensor, Tensor) else None


def _changed(bias: Array | None) -> bool:
    return bias is not None and bool((bias != np.float32(_SPOILED)).any())


def _weights_have(variance: Callable[[int, int], float]) -> Callable[[_Model], bool]:
    return lambda model: all(layer.has_variance(variance) for layer in model.weighted)


def _otherwise_model(model: _Model) -> str:
    wrong = [layer for layer in model.layers if not layer.is_right]
    if not wrong:
        return "The numbers are right, but some parameters are gone. Did you replace one?"
    kind = type(wrong[0].module).__name__
    return (
        f"Not yet as the task asks: layer `{wrong[0].name}`, a {kind}. Its weights have mean "
        f"{wrong[0].weight.mean():.2g} and standard deviation {wrong[0].weight.std():.2g}."
    )


_INITIALIZE_WEIGHTS = Exercise(
    name="initialize_weights",
    notebook="09",
    task="Write a function that initialises a whole model in place. `Conv2d` and `Linear`: weights "
    "by Kaiming's normal scheme for ReLU (fan_in), biases 0. `BatchNorm2d`: weight 1, bias 0. It "
    "must also find layers inside inner blocks, and layers without a bias.",
    stub="def initialize_weights(model):\n    ...\n",
    hints=(
        "Go through all layers of the model, and ask each for its type with `isinstance`.",
        "`model.children()` stops at the first level. Which method also gives the layers inside "
        "a block?",
        "`nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')`; `layer.bias` may be `None`.",
    ),
    solution="""
from torch import nn

def initialize_weights(model):
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)
""",
    measure=_measure_model,
    right=lambda model: (
        model.learns and model.one_dtype and all(layer.is_right for layer in model.layers)
    ),
    mistakes=(
        Mistake(
            name="gradient lost",
            seen=lambda model: not model.learns,
            says="Some parameters no longer get a gradient, or are no parameters any more. How can "
            "one fill a parameter without replacing it?",
        ),
        Mistake(
            name="several dtypes",
            seen=lambda model: not model.one_dtype,
            says="Some parameters have another dtype now than the rest. What does the next forward "
            "pass say, when the input is float32 and a weight float64?",
        ),
        Mistake(
            name="inner block forgotten",
            seen=lambda model: all(
                layer.touched != layer.is_inner for layer in model.layers if not layer.is_norm
            ),
            says="Layers inside an inner block are as they were before. Does `children()` look "
            "inside a block, and what does?",
        ),
        Mistake(
            name="Linear forgotten",
            seen=lambda model: all(
                layer.touched != isinstance(layer.module, nn.Linear) for layer in model.weighted
            ),
            says="The `Linear` layers are as they were before. Which types do you ask for?",
        ),
        Mistake(
            name="Conv2d forgotten",
            seen=lambda model: all(
                layer.touched != isinstance(layer.module, nn.Conv2d) for layer in model.weighted
            ),
            says="The convolutions are as they were before. Which types do you ask for?",
        ),
        Mistake(
            name="BatchNorm forgotten",
            seen=lambda model: not any(layer.touched for layer in model.norms),
            says="The BatchNorm layers are as they were before. What do they start from?",
        ),
        Mistake(
            name="BatchNorm weight zero",
            seen=lambda model: not any(layer.weight.any() for layer in model.norms),
            says="The weights of BatchNorm are 0. What does such a layer emit?",
        ),
        Mistake(
            name="BatchNorm random",
            seen=lambda model: any(np.ptp(layer.weight) > 0 for layer in model.norms),
            says="The weights of BatchNorm are random. What does it need to leave a normalised "
            "signal as it is?",
        ),
        Mistake(
            name="constant",
            seen=lambda model: any(np.ptp(layer.weight) == 0 for layer in model.weighted),
            says="A layer's weights are all equal. What do two of its units compute?",
        ),
        Mistake(
            name="gain missing",
            seen=_weights_have(lambda i, o: 1 / i),
            says="Your variance is 1/fan_in. What does ReLU do to half of the signal? In "
            "PyTorch: which `nonlinearity` do you name?",
        ),
        Mistake(
            name="fan_out for fan_in",
            seen=_weights_have(lambda i, o: 2 / o),
            says="Your variance is 2/fan_out. Which `mode` keeps the forward pass level?",
        ),
        Mistake(
            name="Xavier",
            seen=_weights_have(lambda i, o: 2 / (i + o)),
            says="Your variance is 2/(fan_in + fan_out). Whose scheme is that, and whose does the "
            "task ask for?",
        ),
        Mistake(
            name="PyTorch's default",
            seen=_weights_have(lambda i, o: 1 / (3 * i)),
            says="Your variance is 1/(3·fan_in): `reset_parameters` gives that. Whose scheme does "
            "the task ask for?",
        ),
        Mistake(
            name="fan without the kernel",
            seen=lambda model: all(
                statistics.std_is(layer.weight, (2 / layer.weight.shape[1]) ** 0.5)
                for layer in model.weighted
            ),
            says="Your convolutions count channels only. How many numbers does one output of a "
            "3 × 3 kernel sum?",
        ),
        Mistake(
            name="same std for every layer",
            seen=lambda model: bool(
                np.ptp([np.log(layer.weight.std()) for layer in model.weighted]) < 0.1
            ),
            says="All layers have the same standard deviation, whatever their fan-in. What does "
            "Kaiming's scheme divide by?",
        ),
        Mistake(
            name="uniform for normal",
            seen=lambda model: all(statistics.looks_uniform(x.weight) for x in model.weighted),
            says="Your weights are uniform. Which of the two Kaiming schemes does the task "
            "ask for?",
        ),
        Mistake(
            name="bias forgotten",
            seen=lambda model: any(not layer.bias_is_zero for layer in model.layers),
            says="Some biases are not 0. Which layers have a bias, and did you set each?",
        ),
    ),
    otherwise=_otherwise_model,
    praise="every layer starts as asked, also in the inner block, and all parameters still learn.",
)

# --- numpy_to_parameter ---


@dataclass(frozen=True)
class _Filled:
    layer: nn.Linear
    dtype: torch.dtype
    wanted: Tensor

    @property
    def weight(self) -> Any:
        return getattr(self.layer, "weight", None)

    @property
    def is_parameter(self) -> bool:
        return isinstance(self.weight, nn.Parameter)

    @property
    def keeps_dtype(self) -> bool:
        return bool(self.weight.dtype == self.dtype)

    @property
    def learns(self) -> bool:
        return self.is_parameter and bool(self.weight.requires_grad and self.weight.is_leaf)

    def holds(self, wanted: Tensor) -> bool:
        return self.weight.shape == wanted.shape and torch.allclose(
            self.weight.detach().double(), wanted.double(), rtol=0, atol=1e-6
        )


def _measure_filled(function: Callable[..., Any]) -> list[_Filled]:
    """A float64 array into a float32 layer, a float32 array into a float64 one, and into a half."""
    cases = [
        (torch.float32, np.float64),
        (torch.float64, np.float32),
        (torch.float16, np.float64),
    ]
    filled, returned = [], []
    for number, (dtype, array_dtype) in enumerate(cases):
        layer = nn.Linear(3, 5, dtype=dtype)
        array = np.arange(15, dtype=array_dtype).reshape(5, 3) / 8 - number
        before = layer.weight.detach().clone()
        returned.append((call(function, layer, array), before))
        filled.append(_Filled(layer, dtype, torch.from_numpy(array)))
    if all(
        value is None
        and f.is_parameter
        and f.keeps_dtype
        and torch.equal(f.weight.detach(), before)
        for (value, before), f in zip(returned, filled, strict=True)
    ):
        raise NothingDone("The layer is as it was before.")
    return filled


def _all(test: Callable[[_Filled], bool]) -> Callable[[Sequence[_Filled]], bool]:
    return lambda filled: all(test(f) for f in filled)


def _is_filled(f: _Filled) -> bool:
    return f.holds(f.wanted)


_NUMPY_TO_PARAMETER = Exercise(
    name="numpy_to_parameter",
    notebook="09",
    task="Put a numpy array into `layer.weight`. The array has the right shape and any float "
    "dtype. The weight must stay a parameter, keep the dtype that it has, and still get a "
    "gradient.",
    stub="def numpy_to_parameter(layer, array):\n    ...\n",
    hints=(
        "numpy's numbers are float64, a layer's usually float32. What would the next forward pass "
        "say?",
        "`parameter.copy_(tensor)` converts the dtype while it copies.",
        "Copying into a parameter must not be recorded: `with torch.no_grad():`.",
    ),
    solution="""
import torch

def numpy_to_parameter(layer, array):
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(array))
""",
    measure=_measure_filled,
    right=_all(lambda f: f.learns and f.keeps_dtype and _is_filled(f)),
    mistakes=(
        Mistake(
            name="no parameter",
            seen=lambda filled: any(not f.is_parameter for f in filled),
            says="`layer.weight` is no `nn.Parameter` any more, so no optimizer finds it. How can "
            "one fill a parameter without replacing it?",
        ),
        Mistake(
            name="not filled",
            seen=lambda filled: (
                not any(_is_filled(f) for f in filled)
                and all(f.keeps_dtype for f in filled)
                and not any(f.holds(f.wanted.T) for f in filled)
            ),
            says="`layer.weight` does not hold the numbers of the array. Did you fill the "
            "parameter, or another tensor, such as a copy of it?",
        ),
        Mistake(
            name="transposed",
            seen=_all(lambda f: f.holds(f.wanted.T)),
            says="`layer.weight` now holds the array transposed. Which shape had it before?",
        ),
        Mistake(
            name="gradient lost",
            seen=lambda filled: any(not f.learns for f in filled),
            says="`layer.weight` gets no gradient any more. Which attribute of a tensor says that "
            "it does?",
        ),
        Mistake(
            name="fixed dtype",
            seen=lambda filled: len({f.weight.dtype for f in filled}) == 1,
            says="Your weights always have the same dtype, whatever the layer had. Where can you "
            "read the dtype that the layer has?",
        ),
        Mistake(
            name="dtype of the array",
            seen=lambda filled: any(not f.keeps_dtype for f in filled),
            says="`layer.weight` now has the dtype of the array. What does the next forward pass "
            "say, when the input is float32 and the weight float64?",
        ),
    ),
    otherwise=lambda filled: "`layer.weight` does not hold the numbers of the array.",
    praise="the numbers are in, and dtype, parameter and gradient are kept for 3 pairs of dtypes.",
)

# --- load_matching ---

_NOT_LOADED = {"extra.weight", "extra.bias", "head.weight", "head.bias"}
_LOADED = {
    "body.weight", "body.bias",
    "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
}  # fmt: skip


def _named_layers(**layers: nn.Module) -> nn.Sequential:
    network = nn.Sequential()
    for name, layer in layers.items():
        network.add_module(name, layer)
    return network


def _new_network() -> nn.Sequential:
    """Two layers that fit the weights, one that they do not have, and a head of another size."""
    return _named_layers(
        body=nn.Linear(6, 5), norm=nn.BatchNorm1d(5), extra=nn.Linear(5, 5), head=nn.Linear(5, 3)
    )


def _pretrained() -> dict[str, Tensor]:
    """Weights with a head of their own size, and a layer that the new network does not have."""
    old = _named_layers(
        body=nn.Linear(6, 5), norm=nn.BatchNorm1d(5), old=nn.Linear(5, 5), head=nn.Linear(5, 7)
    )
    numbers = {name: torch.rand_like(tensor, dtype=torch.float32) + 1
               for name, tensor in old.state_dict().items()}  # fmt: skip
    return {**numbers, "norm.num_batches_tracked": torch.tensor(17)}


@dataclass(frozen=True)
class _Matched:
    model: nn.Sequential
    before: dict[str, Tensor]
    weights: dict[str, Tensor]
    given: dict[str, Tensor]
    names: set[str] | None

    @property
    def loaded(self) -> set[str]:
        """Names of what stands in the model as it stands in the weights."""
        now = self.model.state_dict()
        return {name for name in _LOADED if torch.equal(now[name], self.weights[name])}

    @property
    def kept(self) -> bool:
        """Whether what should not be loaded is as it was."""
        now = self.model.state_dict()
        return all(torch.equal(now[name], self.before[name]) for name in _NOT_LOADED)

    @property
    def is_whole(self) -> bool:
        return set(self.model.state_dict()) == set(self.before) and all(
            p.requires_grad and p.is_leaf for p in self.model.parameters()
        )

    @property
    def weights_kept(self) -> bool:
        return set(self.given) == set(self.weights) and all(
            torch.equal(self.given[name], self.weights[name]) for name in self.weights
        )

    @property
    def is_right(self) -> bool:
        return (
            self.is_whole
            and self.weights_kept
            and self.kept
            and self.loaded == _LOADED
            and self.names == _NOT_LOADED
        )


def _measure_matched(function: Callable[..., Any]) -> _Matched:
    model, weights = _new_network(), _pretrained()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    given = dict(weights)
    value = call(function, model, given)
    unchanged = all(torch.equal(t, before[n]) for n, t in model.state_dict().items() if n in before)
    if value is None and unchanged:
        raise NothingDone("The model is as it was before, and nothing was returned.")
    return _Matched(model, before, weights, given, _names(value))


def _names(value: Any) -> set[str] | None:
    """Read names from any collection of them; None where it is something else."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        return None
    names = list(value)
    return set(names) if all(isinstance(name, str) for name in names) else None


def _otherwise_matched(m: _Matched) -> str:
    if m.loaded != _LOADED:
        return f"Not loaded, although it fits: {', '.join(sorted(_LOADED - m.loaded))}."
    if m.names is None:
        return "All that fits is loaded. What you return is no collection of names."
    wrong = ", ".join(sorted(m.names ^ _NOT_LOADED))
    return f"All that fits is loaded. In your names, this is missing or too much: {wrong}."


_LOAD_MATCHING = Exercise(
    name="load_matching",
    notebook="09",
    task="`weights` is a state dict: name → tensor. Load into the model each tensor whose name "
    "*and* shape are the model's own, parameters and buffers alike. Leave the rest of the model "
    "as it is. Return the names of the model's tensors that were not loaded.",
    stub="def load_matching(model, weights):\n    ...\n",
    hints=(
        "`model.state_dict()` gives the model's own tensors by name, buffers included.",
        "First make a smaller dict that holds only what fits. Then load that.",
        "`model.load_state_dict(fits, strict=False)` returns a record; one of its two lists is "
        "what the task wants.",
    ),
    solution="""
def load_matching(model, weights):
    own = model.state_dict()
    fits = {
        name: tensor
        for name, tensor in weights.items()
        if name in own and tensor.shape == own[name].shape
    }
    return model.load_state_dict(fits, strict=False).missing_keys
""",
    measure=_measure_matched,
    right=lambda m: m.is_right,
    mistakes=(
        Mistake(
            name="parameters replaced",
            seen=lambda m: not m.is_whole,
            says="Some tensors of the model are gone, or get no gradient any more. Who copies "
            "numbers into a model without replacing its parameters?",
        ),
        Mistake(
            name="weights changed",
            seen=lambda m: not m.weights_kept,
            says="The dict that you were given is not as it was. What will the next model load "
            "from it?",
        ),
        Mistake(
            name="nothing loaded",
            seen=lambda m: not m.loaded,
            says="No tensor of the model holds the pretrained numbers. Did you load the ones that "
            "you chose?",
        ),
        Mistake(
            name="shape ignored",
            seen=lambda m: not m.kept,
            says="The head has another size in the weights, and yet its numbers have changed. "
            "Which tensors may be loaded?",
        ),
        Mistake(
            name="buffers forgotten",
            seen=lambda m: m.loaded == {n for n in _LOADED if n.endswith(("weight", "bias"))},
            says="All parameters are loaded, but BatchNorm's running mean and variance are not. "
            "Is everything that a model saves a parameter?",
        ),
        Mistake(
            name="nothing returned",
            seen=lambda m: m.loaded == _LOADED and m.names is None,
            says="All that fits is loaded. But you do not return the names. How does the caller "
            "learn what is still at its old start?",
        ),
        Mistake(
            name="names of what was loaded",
            seen=lambda m: m.names is not None and m.names >= _LOADED,
            says="You return what was loaded. Which names does the task ask for?",
        ),
        Mistake(
            name="names of the weights",
            seen=lambda m: m.names is not None and "old.weight" in m.names,
            says="Among your names are some that the *model* does not have. Whose tensors that "
            "were not loaded does the task ask for?",
        ),
        Mistake(
            name="another shape not reported",
            seen=lambda m: m.names == {"extra.weight", "extra.bias"},
            says="You report what the weights do not have. What about the head, whose shape did "
            "not fit?",
        ),
        Mistake(
            name="missing not reported",
            seen=lambda m: m.names == {"head.weight", "head.bias"},
            says="You report what did not fit. What about a layer that the weights do not have?",
        ),
    ),
    otherwise=_otherwise_matched,
    praise="all that fits is loaded, buffers too, and the names of the rest are returned.",
)

EXERCISES = [_INITIALIZE_WEIGHTS, _NUMPY_TO_PARAMETER, _LOAD_MATCHING]
