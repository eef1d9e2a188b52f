"""Notebook 02: what gets a gradient, which units can part, and what the last biases start at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from initlab.exercises.answers import Array, Rejected, as_entries, call, returned
from initlab.exercises.exercise import Exercise, Mistake
from initlab.exercises.values import Values, farthest, gives, gives_instead, values_of

# --- widen ---

_TWINS = 1e-6  # rows, or columns, are equal if they differ by less than this share of the largest
_LAYERS = [(5, 3, 4), (3, 6, 2)]
"""(units, inputs, outputs) of the layers to widen."""


@dataclass(frozen=True)
class _Widened:
    """What became of one layer; `before` and `after` are outputs for the same inputs."""

    before: Array
    after: Array
    units: int
    twins: int

    @property
    def is_same(self) -> bool:
        return _close(self.after, self.before)


def _close(values: Array, others: Array) -> bool:
    return bool(np.abs(values - others).max() < 1e-3 * np.abs(others).max())


def _equal_rows(matrix: Array) -> NDArray[np.bool_]:
    """Return for each pair of rows whether they are equal."""
    gaps = np.abs(matrix[:, None] - matrix[None]).max(-1)
    return np.asarray(gaps <= _TWINS * np.abs(matrix).max())


def _measure_widened(function: Callable[..., Any]) -> list[_Widened]:
    return [_widened(function, *sizes) for sizes in _LAYERS]


def _widened(function: Callable[..., Any], units: int, inputs: int, outputs: int) -> _Widened:
    generator = torch.Generator().manual_seed(units)
    incoming, outgoing, x = (
        torch.randn(*shape, generator=generator)
        for shape in [(units, inputs), (outputs, units), (inputs, 50)]
    )
    value = returned(call(function, incoming.clone(), outgoing.clone()))
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise Rejected(
            "one matrix",
            "The task asks for two matrices: the new incoming and the new outgoing weights. What "
            f"does a {type(value).__name__} leave out?",
        )
    rows = as_entries(value[0], (2 * units, inputs)).values
    columns = as_entries(value[1], (outputs, 2 * units)).values
    before = outgoing.double() @ (incoming.double() @ x.double()).tanh()
    twins = _equal_rows(rows) & _equal_rows(columns.T)
    return _Widened(
        before=before.numpy(),
        after=columns @ np.tanh(rows @ x.double().numpy()),
        units=2 * units,
        twins=int((twins.sum(1) > 1).sum()),
    )


def _every(test: Callable[[_Widened], bool]) -> Callable[[Sequence[_Widened]], bool]:
    return lambda layers: all(test(layer) for layer in layers)


_WIDEN = Exercise(
    name="widen",
    notebook="02",
    task="A trained hidden layer is too narrow. `incoming`, of shape `(n, inputs)`, holds the "
    "weights of its n units, `outgoing`, of shape `(outputs, n)`, those of the next layer; there "
    "are no biases. Return both matrices for a layer of 2n units, as a tuple. The outputs must be "
    "the same as before for every input, and no two units may be twins.",
    stub="def widen(incoming, outgoing):\n    ...\n",
    hints=(
        "Let each unit be there twice. What does the next layer then get from each pair?",
        "The two outgoing weights of a pair must add up to the old one. Must they be halves?",
        "`torch.cat([incoming, incoming])` doubles the units. Give one copy 0.3 of the outgoing "
        "weights, and the other copy the rest.",
    ),
    solution="""
import torch

def widen(incoming, outgoing):
    copies = torch.cat([incoming, incoming])
    return copies, torch.cat([0.3 * outgoing, 0.7 * outgoing], dim=1)
""",
    measure=_measure_widened,
    right=_every(lambda layer: layer.is_same and not layer.twins),
    mistakes=(
        Mistake(
            name="twins",
            seen=_every(lambda layer: layer.is_same and layer.twins == layer.units),
            says="The outputs are the same, but each unit has a twin: can training ever tell the "
            "two apart? Which of the three things could differ in a pair?",
        ),
        Mistake(
            name="some twins",
            seen=_every(lambda layer: layer.is_same),
            says="The outputs are the same, but some units are twins. Look at the new ones: in "
            "what do they differ from each other?",
        ),
        Mistake(
            name="sent twice",
            seen=_every(lambda layer: _close(layer.after, 2 * layer.before)),
            says="All outputs are twice as large as before. What does the next layer get from the "
            "two copies of a unit?",
        ),
        Mistake(
            name="averaged twice",
            seen=_every(lambda layer: _close(layer.after, layer.before / 2)),
            says="All outputs are half as large as before. To what do the outgoing weights of a "
            "pair add up?",
        ),
        Mistake(
            name="wrong partner",
            seen=_every(lambda layer: not layer.twins and layer.after.std() > 0),
            says="There are no twins, but the outputs have changed. Does each new unit compute "
            "what an old one did, and do the outgoing weights of its copies add up to the old one?",
        ),
    ),
    otherwise=lambda layers: (
        "The outputs are not the same as before. What does the next layer "
        "get from each pair of units?"
    ),
    praise="the outputs are as before, and no two units are twins, for 2 layers.",
)

# --- moves ---

_ZEROED = [
    [False, False, False, True],
    [False, True, False],
    [True, False, False, False],
    [False, True, False, True, False],
    [False, False],
    [True, True],
]


def _moves(zero: Sequence[bool]) -> list[bool]:
    return [not any(zero[:k]) and not any(zero[k + 1 :]) for k in range(len(zero))]


def _layers_named(values: Values) -> str:
    k = farthest(values, _moves)
    return (
        f"For {values.cases[k]} your answer is {[bool(v) for v in values.given[k]]}. Take one "
        "layer: what comes into it, and what comes back to it?"
    )


_MOVES = Exercise(
    name="moves",
    notebook="02",
    task="A tanh network; all biases are 0. `zero` is a list with a truth value for each layer, "
    "from the input to the head: do all weights of this layer start at 0? (The others are random.) "
    "Return a list of truth values: which layers' *weights* get a gradient that is not 0 in the "
    "first step?",
    stub="def moves(zero):\n    ...\n",
    hints=(
        "By formula (1), a weight needs two things that are not 0. Which?",
        "What comes into layer k passes the layers before it; what comes back passes those after.",
        "Is a layer's own weight in the formula of its gradient? With Python's slices, the layers "
        "before and after k are `zero[:k]` and `zero[k + 1:]`.",
    ),
    solution="""
def moves(zero):
    return [not any(zero[:k]) and not any(zero[k + 1 :]) for k in range(len(zero))]
""",
    measure=values_of(_ZEROED, _moves, prepare=list),
    right=gives(_moves),
    mistakes=(
        gives_instead(
            "forwards only",
            lambda zero: [not any(zero[:k]) for k in range(len(zero))],
            "You looked at what comes into a layer. Which other factor has the gradient of a "
            "weight, and through which layers does it come?",
        ),
        gives_instead(
            "backwards only",
            lambda zero: [not any(zero[k + 1 :]) for k in range(len(zero))],
            "You looked at what comes back to a layer. Which other factor has the gradient of a "
            "weight?",
        ),
        gives_instead(
            "own weights too",
            lambda zero: [not any(zero)] * len(zero),
            "For you one layer of zeros stops all. Is a layer's own weight in formula (1)?",
        ),
        gives_instead(
            "own weights only",
            lambda zero: [not z for z in zero],
            "You took the layers that are not 0. Is a layer's own weight in formula (1), or are "
            "those of other layers?",
        ),
        gives_instead(
            "neighbours only",
            lambda zero: [
                not any(zero[max(k - 1, 0) : k]) and not any(zero[k + 1 : k + 2])
                for k in range(len(zero))
            ],
            "You looked at the two neighbours of a layer. What does a layer of zeros further away "
            "do to what reaches this one?",
        ),
        gives_instead(
            "which stay",
            lambda zero: [not moving for moving in _moves(zero)],
            "You marked the layers that stay where they are. Which ones does the task ask for?",
        ),
        gives_instead(
            "all",
            lambda zero: [True] * len(zero),
            "For you every layer gets a gradient. What comes out of a layer of zeros?",
        ),
    ),
    otherwise=_layers_named,
    praise="the layers that get a gradient are right for 6 networks of 2 to 5 layers.",
)

# --- output_bias ---

_COUNTS = [(900, 100), (10, 30, 60), (5, 1, 80, 14)]


def _shares(counts: Sequence[int]) -> Array:
    return np.array(counts) / sum(counts)


def _softmax(bias: Array) -> Array:
    """What the network predicts from its biases alone; a constant in all of them drops out."""
    powers = np.exp(bias - bias.max())
    return np.asarray(powers / powers.sum())


def _right_bias(counts: Sequence[int]) -> Array:
    return np.log(_shares(counts))


def _predicted(values: Values) -> str:
    return (
        f"For the counts {list(values.cases[0])} your biases make the softmax predict "
        f"{', '.join(f'{p:.3g}' for p in values.given[0])}. What should it predict before it has "
        "seen an input?"
    )


def _bias_instead(name: str, reference: Callable[[Any], Any], says: str) -> Mistake:
    return gives_instead(name, reference, says, compare_as=_softmax)


_OUTPUT_BIAS = Exercise(
    name="output_bias",
    notebook="02",
    task="`counts` says how many examples each class has. All weights of the last layer are small, "
    "so at the start the softmax sees little but the biases. Write a function that gives the "
    "biases for which it predicts each class with the share that the class has.",
    stub="def output_bias(counts):\n    ...\n",
    hints=(
        "softmax(b) = exp(b) / sum of exp(b). It should be p, the shares of the classes.",
        "Which function undoes exp?",
        "With b = log p, the sum of exp(b) is 1.",
    ),
    solution="""
import numpy as np

def output_bias(counts):
    share = np.array(counts) / np.sum(counts)
    return np.log(share)
""",
    measure=values_of(_COUNTS, _right_bias, prepare=list, compare_as=_softmax),
    right=gives(_right_bias, compare_as=_softmax, rtol=0.04),  # 16 bits will do
    mistakes=(
        _bias_instead(
            "zeros",
            lambda counts: np.zeros(len(counts)),
            "Your biases are all equal, so the softmax predicts each class equally often. Does the "
            "data have them equally often?",
        ),
        _bias_instead(
            "share for log share",
            _shares,
            "Your biases are the shares themselves. What does the softmax do to a bias before it "
            "divides?",
        ),
        _bias_instead(
            "logit of a sigmoid",
            lambda counts: np.log(_shares(counts) / (1 - _shares(counts))),
            "Your biases are log(p/(1 − p)): right for a sigmoid. How does a softmax turn biases "
            "into probabilities?",
        ),
        _bias_instead(
            "sign",
            lambda counts: -np.log(_shares(counts)),
            "Your network predicts the rarest class most often. Is there a sign too much?",
        ),
        _bias_instead(
            "base of the logarithm",
            lambda counts: np.log10(_shares(counts)),
            "Your logarithm has the base 10. Which base does the softmax use?",
        ),
        _bias_instead(
            "base of the logarithm",
            lambda counts: np.log2(_shares(counts)),
            "Your logarithm has the base 2. Which base does the softmax use?",
        ),
        _bias_instead(
            "counts for log counts",
            np.asarray,
            "Your biases are the counts. What is the softmax of two numbers that differ by "
            "hundreds?",
        ),
        _bias_instead(
            "weights of a loss",
            lambda counts: 1 / _shares(counts),
            "Your biases are 1 over the shares: so one weighs classes in a loss. What should the "
            "softmax of the biases be?",
        ),
    ),
    otherwise=_predicted,
    praise="the softmax of your biases gives the shares of the classes, for 3 sets of counts.",
)

EXERCISES = [_WIDEN, _MOVES, _OUTPUT_BIAS]
