"""Notebook 13: branches of an encoder and a decoder, and the rates of a network made wider."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from initlab.exercises.answers import Rejected, as_number, call, returned
from initlab.exercises.exercise import Exercise, Mistake
from initlab.exercises.values import Values, farthest, gives, gives_instead, values_of
from initlab.models import mlp

# --- decoder_std ---


class _Sizes(NamedTuple):
    std: float
    encoder_blocks: int
    decoder_blocks: int


_SIZES = [_Sizes(0.02, 6, 6), _Sizes(0.02, 12, 3), _Sizes(0.05, 2, 24)]


def _right(sizes: _Sizes) -> float:
    return sizes.std / math.sqrt(3 * sizes.decoder_blocks)


def _told(values: Values) -> str:
    place = farthest(values, _right)
    std, encoder, decoder = values.cases[place]
    return (
        f"For std={std}, {encoder} blocks in the encoder and {decoder} in the decoder you give "
        f"{float(values.given[place]):.3g}. How many branches are added to the decoder's stream?"
    )


_DECODER_STD = Exercise(
    name="decoder_std",
    notebook="13",
    task="A translator has an encoder and a decoder, each with a stream of its own. A block of the "
    "encoder has two branches: attention and MLP. A block of the decoder has three: attention, "
    "attention to the encoder's output, and MLP. Give the std for the last layer of each branch of "
    "the *decoder*, by the rule of GPT-2; `std` is that of the other weights.",
    stub="def decoder_std(std, encoder_blocks, decoder_blocks): ...\n",
    hints=(
        "GPT-2 counts what is added to one stream. What is added to the decoder's stream?",
        "The encoder's output enters the decoder through a branch. Do the encoder's branches "
        "themselves add to the decoder's stream?",
        "The decoder's stream gets 3 branches in each of its blocks. Their variances shall add up "
        "to the same for every number of blocks.",
    ),
    solution="""
def decoder_std(std, encoder_blocks, decoder_blocks):
    return std / (3 * decoder_blocks) ** 0.5
""",
    measure=values_of(_SIZES, _right, number_from=as_number, unpack=True),
    right=gives(_right, rtol=1e-2),  # 16 bits will do
    mistakes=(
        gives_instead(
            "two branches a block",
            lambda s: s.std / (2 * s.decoder_blocks) ** 0.5,
            "You counted two branches in each block, as GPT-2 has. How many has a block of this "
            "decoder?",
        ),
        gives_instead(
            "both streams",
            lambda s: s.std / (2 * s.encoder_blocks + 3 * s.decoder_blocks) ** 0.5,
            "You counted all branches of the model. Are those of the encoder added to the stream "
            "of the decoder?",
        ),
        gives_instead(
            "the encoder's stream",
            lambda s: s.std / (2 * s.encoder_blocks) ** 0.5,
            "Your number is right for the branches of the encoder. Which part is asked for?",
        ),
        gives_instead(
            "blocks for branches",
            lambda s: s.std / s.decoder_blocks**0.5,
            "You counted blocks. What is it that is added to the stream, and how many of them does "
            "a block have?",
        ),
        gives_instead(
            "variance for std",
            lambda s: s.std / (3 * s.decoder_blocks),
            "The count of branches is right. Is it the std or the variance that adds up, and which "
            "of the two do you return?",
        ),
        gives_instead(
            "variance returned",
            lambda s: s.std**2 / (3 * s.decoder_blocks),
            "That is the variance of these weights. Which number does `normal_(std=...)` take?",
        ),
        gives_instead(
            "std ignored",
            lambda s: (3 * s.decoder_blocks) ** -0.5,
            "That is the factor. What is multiplied by it?",
        ),
        gives_instead(
            "no scaling",
            lambda s: s.std,
            "Your number does not depend on the blocks. What do more branches add up to?",
        ),
    ),
    otherwise=_told,
    praise="the branches add up alike in 3 models, whatever the encoder has.",
)

# --- mup_rates ---

_LR = 0.004


def _reader(width: int) -> nn.Sequential:
    """Tokens, a norm, and hidden layers that grow by different factors."""
    return nn.Sequential(
        nn.Embedding(11, width), nn.LayerNorm(width),
        nn.Linear(width, width**2 // 8), nn.GELU(),
        nn.Linear(width**2 // 8, width, bias=False), nn.Linear(width, 11),
    )  # fmt: skip


def _pairs() -> list[tuple[nn.Module, nn.Module]]:
    """A network and the same one made wider, twice; on the meta device, as only shapes matter."""
    with torch.device("meta"):
        return [(mlp(3, 16), mlp(3, 64)), (_reader(8), _reader(24))]


class _Weight(NamedTuple):
    """A parameter of the wide network, and by what the sides of its matrix have grown."""

    name: str
    kind: str  # "linear", "first", "embedding" or "vector"
    fan_in: int
    grown_in: float
    grown_out: float
    width: float  # growth of the network


def _weights(narrow: nn.Module, wide: nn.Module) -> list[_Weight]:
    found = []
    before = dict(narrow.named_parameters())
    width = max(
        wide.get_parameter(name).shape[0] / p.shape[0] for name, p in before.items() if p.dim() == 1
    )
    for name, after in wide.named_parameters():
        layer = wide.get_submodule(name.rpartition(".")[0])
        ratio = [new / old for new, old in zip(after.shape, before[name].shape, strict=True)]
        kind = "embedding" if isinstance(layer, nn.Embedding) else "linear"
        kind = "vector" if after.dim() == 1 else "first" if ratio[-1] == 1 else kind
        found.append(_Weight(name, kind, after.shape[-1], ratio[-1], ratio[0], width))
    return found


@cache
def _cases() -> list[list[_Weight]]:
    return [_weights(*pair) for pair in _pairs()]


def _every() -> list[_Weight]:
    return [weight for case in _cases() for weight in case]


def _instead(rate: Callable[[_Weight], float]) -> Callable[[list[float]], bool]:
    """Are these the rates that this rule gives for each parameter?"""
    return lambda given: np.allclose(given, [rate(weight) for weight in _every()], rtol=1e-3)


def _rate(weight: _Weight) -> float:
    return _LR / weight.grown_in if weight.kind == "linear" else _LR


def _measure(function: Callable[..., Any]) -> list[float]:
    given = []
    for (narrow, wide), weights in zip(_pairs(), _cases(), strict=True):
        rates = returned(call(function, narrow, wide, _LR))
        if not isinstance(rates, Mapping):
            raise Rejected(
                "not a dict",
                "The task asks for a dict, name → rate, yours is of type "
                f"{type(rates).__name__}. `wide.named_parameters()` gives the names.",
            )
        names = {weight.name for weight in weights}
        if set(rates) != names:
            strange = sorted(map(str, set(rates) ^ names))
            raise Rejected(
                "other names",
                "The names must be those of `wide.named_parameters()`. These are missing or too "
                f"many: {', '.join(strange[:4])}. Which parameters does your loop reach?",
            )
        given += [as_number(rates[weight.name]) for weight in weights]
    return given


def _mistake(name: str, rate: Callable[[_Weight], float], says: str) -> Mistake:
    return Mistake(name=name, seen=_instead(rate), says=says)


def _which(given: list[float]) -> str:
    ratios = [rate / _rate(weight) for weight, rate in zip(_every(), given, strict=True)]
    place = int(np.argmax([abs(np.log(abs(ratio) + 1e-9)) for ratio in ratios]))
    weight = _every()[place]
    asked = "does the number of inputs that a unit sums grow there"
    if weight.kind == "linear":
        asked = "how many times as many inputs does a unit sum there"
    if weight.kind == "vector":  # the unit may well sum more: its bias does not
        asked = "has one number of it more inputs than before"
    return (
        f"You give {given[place]:.3g} to `{weight.name}`, for a rate of {_LR} in the narrow "
        f"network: {asked}?"
    )


_MUP_RATES = Exercise(
    name="mup_rates",
    notebook="13",
    task="A rate `lr` of Adam was found for the network `narrow`. `wide` is the same network with "
    "more units. Write the function that gives the rates of µP for `wide`, as a dict: name of the "
    "parameter (as in `wide.named_parameters()`) → its rate. The networks hold Linear, LayerNorm "
    "and Embedding layers.",
    stub="def mup_rates(narrow, wide, lr):\n    ...\n",
    hints=(
        "By what is a rate divided: the width, or the factor by which something has grown? For "
        "which parameters does it grow?",
        "A unit of a Linear layer sums over `in_features`. An embedding sums nothing: it looks up "
        "a row. A bias has one input.",
        "Start with `lr` for every name. Then go through `wide.named_modules()`, and for each "
        "Linear compare its `in_features` with those of `narrow.get_submodule(name)`.",
    ),
    solution="""
from torch import nn

def mup_rates(narrow, wide, lr):
    rates = {name: lr for name, _ in wide.named_parameters()}
    for name, layer in wide.named_modules():
        if isinstance(layer, nn.Linear):
            grown = layer.in_features / narrow.get_submodule(name).in_features
            rates[f"{name}.weight"] = lr / grown
    return rates
""",
    measure=_measure,
    right=_instead(_rate),
    mistakes=(
        _mistake(
            "one rate for all",
            lambda w: _LR,
            "All your rates are the one of the narrow network. Which parameters move the outputs "
            "of a wide network more?",
        ),
        _mistake(
            "all divided",
            lambda w: _LR / w.width,
            "You divide every rate. Does the number of inputs grow for a bias, a norm, the first "
            "layer?",
        ),
        _mistake(
            "embedding divided",
            lambda w: _LR / w.grown_in if w.kind in {"linear", "embedding"} else _LR,
            "Right but for the embedding: the second size of its weight is what it *emits*. Over "
            "how many rows does it sum?",
        ),
        _mistake(
            "vectors divided",
            lambda w: _LR / w.grown_in if w.kind in {"linear", "vector"} else _LR,
            "Right but for the vectors. How many inputs does a bias or the weight of a norm have?",
        ),
        _mistake(
            "last side of every shape",
            lambda w: _LR / w.grown_in,
            "You compare the last side of every shape. For which layers is that the number of "
            "inputs that a unit sums?",
        ),
        _mistake(
            "first layer divided",
            lambda w: _LR / w.width if w.kind in {"linear", "first"} else _LR,
            "You divide by the growth of the width in every Linear layer. Do the inputs of the "
            "first layer grow, and do all others grow by the same factor?",
        ),
        _mistake(
            "outputs for inputs",
            lambda w: _LR / w.grown_out if w.kind in {"linear", "first"} else _LR,
            "You compare the numbers of outputs. Over what does a unit sum?",
        ),
        _mistake(
            "root",
            lambda w: _LR / w.grown_in**0.5 if w.kind == "linear" else _LR,
            "You divide by the root. Changes of n weights that push in one direction: do they add "
            "up like √n, or like n?",
        ),
        _mistake(
            "multiplied",
            lambda w: _LR * w.grown_in if w.kind == "linear" else _LR,
            "Your rates grow with the width. Must wide layers take larger or smaller steps?",
        ),
        _mistake(
            "inputs, not their growth",
            lambda w: _LR / w.fan_in if w.kind in {"linear", "first"} else _LR,
            "You divide by the number of inputs. Which rate would `narrow` itself get from your "
            "function, and which one must it keep?",
        ),
    ),
    otherwise=_which,
    praise="the rates of 2 networks are right, with layers that grow by different factors.",
)

EXERCISES = [_DECODER_STD, _MUP_RATES]
