"""Notebook 09: numbers from another library into a layer, and a scheme on a whole model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from initlab.exercises import statistics
from initlab.exercises.answers import Array, NothingDone, Rejected, call
from initlab.exercises.exercise import Exercise, Mistake

# --- keras_to_linear ---


@dataclass(frozen=True)
class _Filled:
    layer: nn.Linear
    dtype: torch.dtype
    kernel: Tensor  # inputs × units, as Keras keeps it
    bias: Tensor

    @property
    def parameters(self) -> list[Any]:
        return [getattr(self.layer, name, None) for name in ("weight", "bias")]

    @property
    def are_parameters(self) -> bool:
        return all(isinstance(p, nn.Parameter) for p in self.parameters)

    @property
    def dtypes(self) -> set[torch.dtype]:
        return {p.dtype for p in self.parameters}

    @property
    def keeps_dtype(self) -> bool:
        return self.dtypes == {self.dtype}

    @property
    def learns(self) -> bool:
        return self.are_parameters and all(p.requires_grad and p.is_leaf for p in self.parameters)

    @property
    def bias_is_right(self) -> bool:
        return _equal(self.parameters[1], self.bias)

    def holds(self, wanted: Tensor) -> bool:
        return _equal(self.parameters[0], wanted)

    @property
    def weight_is_right(self) -> bool:
        return self.holds(self.kernel.T)


def _equal(values: Any, wanted: Tensor) -> bool:
    return values.shape == wanted.shape and torch.allclose(
        values.detach().double(), wanted.double(), rtol=0, atol=1e-6
    )


def _measure_filled(function: Callable[..., Any]) -> list[_Filled]:
    """Float64 arrays into a float32 layer, float32 ones into a float64 layer, and into a half."""
    cases = [
        (torch.float32, np.float64, 4, 4),
        (torch.float64, np.float32, 3, 5),
        (torch.float16, np.float64, 6, 2),
    ]
    filled, idle = [], []
    for number, (dtype, array_dtype, inputs, units) in enumerate(cases):
        layer = nn.Linear(inputs, units, dtype=dtype)
        kernel = np.arange(inputs * units, dtype=array_dtype).reshape(inputs, units) / 8 - number
        bias = np.arange(units, dtype=array_dtype) / 4 + 2
        before = [p.detach().clone() for p in layer.parameters()]
        value = call(function, layer, kernel.copy(), bias.copy())
        filled.append(_Filled(layer, dtype, torch.from_numpy(kernel), torch.from_numpy(bias)))
        now = list(layer.parameters())
        same = len(now) == 2 and all(map(torch.equal, now, before))
        idle.append(value is None and same and {p.dtype for p in now} == {dtype})
    if all(idle):
        raise NothingDone("The layer is as it was before.")
    return filled


def _all(test: Callable[[_Filled], bool]) -> Callable[[Sequence[_Filled]], bool]:
    return lambda filled: all(test(f) for f in filled)


def _some(test: Callable[[_Filled], bool]) -> Callable[[Sequence[_Filled]], bool]:
    return lambda filled: any(test(f) for f in filled)


_KERAS_TO_LINEAR = Exercise(
    name="keras_to_linear",
    notebook="09",
    task="Keras keeps the weights of a dense layer as a numpy array `kernel` of shape (inputs, "
    "units), and a `bias` of shape (units,). Put both into an `nn.Linear`. Its weight and bias "
    "must stay parameters, keep the dtype that they have, and still get a gradient.",
    stub="def keras_to_linear(layer, kernel, bias):\n    ...\n",
    hints=(
        "Row i of `layer.weight` holds the weights of unit i. Where do they stand in `kernel`?",
        "`parameter.copy_(tensor)` converts the dtype while it copies.",
        "Copying into a parameter must not be recorded: `with torch.no_grad():`.",
    ),
    solution="""
import torch

def keras_to_linear(layer, kernel, bias):
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(kernel).T)
        layer.bias.copy_(torch.from_numpy(bias))
""",
    measure=_measure_filled,
    right=_all(lambda f: f.learns and f.keeps_dtype and f.weight_is_right and f.bias_is_right),
    mistakes=(
        Mistake(
            name="no parameter",
            seen=_some(lambda f: not f.are_parameters),
            says="A weight or a bias is no `nn.Parameter` any more, so no optimizer finds it. How "
            "can one fill a parameter without replacing it?",
        ),
        Mistake(
            name="reshaped",
            seen=_all(lambda f: f.holds(f.kernel.reshape(f.kernel.T.shape))),
            says="You gave the kernel another shape, and its numbers went on in the same order. "
            "Which number belongs to unit 0 and input 1?",
        ),
        Mistake(
            name="not transposed",
            seen=_some(lambda f: f.holds(f.kernel)),
            says="The kernel stands in `layer.weight` as it came. What is a row of the kernel, and "
            "what is a row of `layer.weight`?",
        ),
        Mistake(
            name="not filled",
            seen=lambda filled: (
                all(f.keeps_dtype for f in filled) and not any(f.weight_is_right for f in filled)
            ),
            says="`layer.weight` does not hold the numbers of the kernel. Did you fill the "
            "parameter, or another tensor, such as a copy of it?",
        ),
        Mistake(
            name="gradient lost",
            seen=_some(lambda f: not f.learns),
            says="A parameter gets no gradient any more. Which attribute of a tensor says that "
            "it does?",
        ),
        Mistake(
            name="fixed dtype",
            seen=lambda filled: len(set.union(*(f.dtypes for f in filled))) == 1,
            says="Your weights always have the same dtype, whatever the layer had. Where can you "
            "read the dtype that the layer has?",
        ),
        Mistake(
            name="dtype of the array",
            seen=_some(lambda f: not f.keeps_dtype),
            says="A parameter now has the dtype of its array. What does the next forward pass "
            "say, when the input is float32 and the weight float64?",
        ),
        Mistake(
            name="bias not filled",
            seen=_some(lambda f: not f.bias_is_right),
            says="`layer.bias` does not hold the numbers that came with the kernel. Which "
            "parameters does the layer have?",
        ),
    ),
    otherwise=lambda filled: "`layer.weight` does not hold the numbers of the kernel.",
    praise="the numbers are in, and dtype, parameter and gradient are kept for 3 pairs of dtypes.",
)

# --- initialize_reader ---

_SPOILED = 0.37
_STD = 0.02
_WIDTH, _WORDS = (
    96,
    200,
)  # 9,216 entries or more in each matrix: a std within 8 % is 10 of its errors


def _network() -> nn.Sequential:
    """Words, two blocks of attention, a head without a bias."""
    block = nn.TransformerEncoderLayer(_WIDTH, 4, 160, batch_first=True)
    return nn.Sequential(
        nn.Embedding(_WORDS, _WIDTH, padding_idx=0),
        nn.TransformerEncoder(block, 2, enable_nested_tensor=False),
        nn.Linear(_WIDTH, _WORDS, bias=False),
    )


@dataclass(frozen=True)
class _Reader:
    values: dict[str, Array]  # by the name of the parameter
    padding: Array
    learns: bool

    def named(self, *ends: str) -> list[Array]:
        return [values for name, values in self.values.items() if name.endswith(ends)]

    @property
    def matrices(self) -> list[Array]:
        """All of them, the embedding without the row that stands for padding."""
        return [values for values in self.values.values() if values.ndim > 1]

    @property
    def norms(self) -> list[Array]:
        return self.named("norm1.weight", "norm2.weight")

    @property
    def biases(self) -> list[Array]:
        return self.named("bias")

    @property
    def entries(self) -> Array:
        return np.concatenate([values.ravel() for values in self.matrices])

    @property
    def has_copies(self) -> bool:
        pairs = combinations(self.matrices, 2)
        return any(a.shape == b.shape and statistics.same_numbers(a, b) for a, b in pairs)

    @property
    def is_right(self) -> bool:
        return (
            self.learns
            and not any(bias.any() for bias in self.biases)
            and all((norm == 1).all() for norm in self.norms)
            and not self.padding.any()
            and all(statistics.std_is(values, _STD, 0.08) for values in self.matrices)
            and statistics.mean_is(self.entries, 0, _STD)
            and statistics.shape_is(self.entries, "normal", _STD)
            and not self.has_copies
        )


def _touched(values: Array) -> bool:
    return bool((values != np.float32(_SPOILED)).any())


def _untouched(*ends: str) -> Callable[[_Reader], bool]:
    return lambda reader: not any(map(_touched, reader.named(*ends)))


def _measure_reader(function: Callable[..., Any]) -> _Reader:
    model = _network()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(_SPOILED)
        model.get_parameter("0.weight")[0] = 0
    shapes = {name: p.shape for name, p in model.named_parameters()}
    call(function, model)
    now = dict(model.named_parameters())
    for name, parameter in now.items():
        if parameter.shape != shapes.get(name, parameter.shape):
            raise Rejected(
                "shape",
                f"`{name}` had the shape {tuple(shapes[name])}, and now it has "
                f"{tuple(parameter.shape)}. What does the next forward pass say?",
            )
    values = {name: p.detach().double().numpy() for name, p in now.items()}
    padding = values["0.weight"][0]
    values["0.weight"] = values["0.weight"][1:]
    if not any(map(_touched, values.values())):
        raise NothingDone("The model is as it was before.")
    learns = set(now) == set(shapes) and all(p.requires_grad for p in now.values())
    return _Reader(values, padding, learns)


def _otherwise_reader(reader: _Reader) -> str:
    for name, values in reader.values.items():
        if values.ndim > 1 and not statistics.std_is(values, _STD, 0.08):
            return (
                f"Not yet as the task asks: `{name}` has mean {values.mean():.2g} and standard "
                f"deviation {values.std():.2g}."
            )
    return "The standard deviations are right, the distribution is not. Is it normal around 0?"


_INITIALIZE_READER = Exercise(
    name="initialize_reader",
    notebook="09",
    task="Write a function that initialises a model with words, attention and a head, in place. "
    "All matrices of weights, those of attention and the embedding too: normal, mean 0, standard "
    "deviation 0.02. All biases 0. `LayerNorm`: weight 1. The row of the embedding that stands "
    "for padding (`padding_idx`) must be 0 afterwards. Layers may have no bias.",
    stub="def initialize_reader(model):\n    ...\n",
    hints=(
        "`il.audit(reader, initialize_reader)` tells which parameters your function left.",
        "Attention keeps three matrices in one parameter of its own. `named_parameters()` meets "
        "every parameter, whatever layer holds it, and `parameter.dim()` tells a matrix.",
        "`nn.init.normal_` fills the row for padding like any other. `model.modules()` finds the "
        "embedding, and under `torch.no_grad()` its row may be set to 0 again.",
    ),
    solution="""
import torch
from torch import nn

def initialize_reader(model):
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.02)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.ones_(parameter)
    for layer in model.modules():
        if isinstance(layer, nn.Embedding) and layer.padding_idx is not None:
            with torch.no_grad():
                layer.weight[layer.padding_idx] = 0
""",
    measure=_measure_reader,
    right=lambda reader: reader.is_right,
    mistakes=(
        Mistake(
            name="gradient lost",
            seen=lambda reader: not reader.learns,
            says="Some parameters no longer get a gradient, or are no parameters any more. How can "
            "one fill a parameter without replacing it?",
        ),
        Mistake(
            name="blocks forgotten",
            seen=_untouched("linear1.weight", "linear2.weight"),
            says="The layers inside the blocks are as they were before. Does your loop look inside "
            "a block, and does it know their type?",
        ),
        Mistake(
            name="attention forgotten",
            seen=_untouched("in_proj_weight"),
            says="`in_proj_weight` is as it was before. Which layer holds it, and is that layer "
            "an `nn.Linear`?",
        ),
        Mistake(
            name="out_proj forgotten",
            seen=_untouched("out_proj.weight"),
            says="`out_proj` is as it was before. It is of a class derived from `nn.Linear`: how "
            "do you ask for a type?",
        ),
        Mistake(
            name="embedding forgotten",
            seen=_untouched("0.weight"),
            says="The embedding is as it was before. Which types do you ask for?",
        ),
        Mistake(
            name="LayerNorm forgotten",
            seen=_untouched("norm1.weight", "norm2.weight"),
            says="The weights of LayerNorm are as they were before. (They come to your function as "
            "other numbers than 1.) What should they be?",
        ),
        Mistake(
            name="LayerNorm wrong",
            seen=lambda reader: any((norm != 1).any() for norm in reader.norms),
            says="The weights of LayerNorm are not 1. What must they be to leave a normalised "
            "signal as it is?",
        ),
        Mistake(
            name="bias forgotten",
            seen=lambda reader: any(bias.any() for bias in reader.biases),
            says="Some biases are not 0. Which layers have a bias, and did you set each? "
            "(`in_proj_bias` is one, too.)",
        ),
        Mistake(
            name="padding filled",
            seen=lambda reader: bool(reader.padding.any()),
            says="The row of the embedding that stands for padding is not 0. Looking up words "
            "gives it no gradient, so the loss cannot repair it. Who filled it?",
        ),
        Mistake(
            name="mean for std",
            seen=lambda reader: statistics.std_is(reader.entries, 1.0),
            says="Your standard deviation is 1. Is the first number of `nn.init.normal_` the "
            "mean or the standard deviation?",
        ),
        Mistake(
            name="variance for std",
            seen=lambda reader: statistics.std_is(reader.entries, _STD**0.5),
            says="Your variance is 0.02. Which of the two does the task name?",
        ),
        Mistake(
            name="copies",
            seen=lambda reader: reader.has_copies,
            says="Two matrices hold the same numbers. Where do your random numbers start?",
        ),
    ),
    otherwise=_otherwise_reader,
    praise="every parameter is as asked, attention and padding too, and all still learn.",
)

EXERCISES = [_KERAS_TO_LINEAR, _INITIALIZE_READER]
