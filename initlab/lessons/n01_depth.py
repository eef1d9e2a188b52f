"""Notebook 01: what many layers make of a factor, and the loss of a network that knows nothing."""

from __future__ import annotations

import math
from typing import NamedTuple

from initlab.exercises.answers import as_number
from initlab.exercises.exercise import Exercise
from initlab.exercises.values import gives, gives_instead, values_of

# --- rms_after_layers ---


class _Layers(NamedTuple):
    width: int
    std: float
    depth: int

    @property
    def factor(self) -> float:
        """What one layer does to the rms."""
        return math.sqrt(self.width) * self.std


_NETWORKS = [
    _Layers(100, 0.05, 6),
    _Layers(64, 0.25, 5),
    _Layers(400, 0.06, 4),
    _Layers(25, 0.3, 3),
]


def _after(net: _Layers) -> float:
    return net.factor**net.depth


_RMS_AFTER_LAYERS = Exercise(
    name="rms_after_layers",
    notebook="01",
    task="A signal of rms 1 passes `depth` linear layers. Each layer has `width` inputs and "
    "`width` outputs, no bias, no activation function, and weights with mean 0 and standard "
    "deviation `std`. Which rms do you predict after the last layer?",
    stub="def rms_after_layers(width, std, depth):\n    ...\n",
    hints=(
        "One output is a sum of `width` products. What is the mean square of such a sum?",
        "One layer multiplies the mean square by width · std². What does it do to the rms, its "
        "root?",
        "The same factor comes once for each layer. Which operation is that?",
    ),
    solution="""
def rms_after_layers(width, std, depth):
    factor = width**0.5 * std
    return factor**depth
""",
    measure=values_of(
        _NETWORKS,
        _after,
        number_from=as_number,
        unpack=True,
    ),
    right=gives(_after),
    mistakes=(
        gives_instead(
            "no root of the width",
            lambda net: (net.width * net.std) ** net.depth,
            "In your formula a sum of n random terms is n times as large as one of them. Do terms "
            "with random signs add up like that?",
        ),
        gives_instead(
            "mean square for rms",
            lambda net: net.factor ** (2 * net.depth),
            "Your number is the mean *square* after the layers. How does one get the rms from it?",
        ),
        gives_instead(
            "std for variance",
            lambda net: (net.width * net.std) ** (net.depth / 2),
            "You put the standard deviation where the variance belongs. How do the two belong "
            "together?",
        ),
        gives_instead(
            "one layer only",
            lambda net: net.factor,
            "Your number is right for one layer. What does the second layer receive?",
        ),
        gives_instead(
            "times for power",
            lambda net: net.factor * net.depth,
            "You multiplied the factor by the number of layers. What does the second layer "
            "multiply: the first input, or the output of the first layer?",
        ),
        gives_instead(
            "width ignored",
            lambda net: net.std**net.depth,
            "Your number does not depend on the width. How many products does one output sum up?",
        ),
        gives_instead(
            "std ignored",
            lambda net: net.width ** (net.depth / 2),
            "Your number does not depend on the size of the weights. What happens to the sum if "
            "all weights are half as large?",
        ),
        gives_instead(
            "one layer too few",
            lambda net: net.factor ** (net.depth - 1),
            "One layer is missing. After layer 1, how often has the factor come?",
        ),
        gives_instead(
            "inverse",
            lambda net: net.factor**-net.depth,
            "Your number grows where the signal shrinks. Which way round is the factor?",
        ),
        gives_instead(
            "half lost in each layer",
            lambda net: (net.factor**2 / 2) ** (net.depth / 2),
            "You let each layer lose half of the mean square. Which activation function does that, "
            "and is it in this network?",
        ),
    ),
    otherwise=lambda values: (
        f"With width {values.cases[0].width} and std {values.cases[0].std} one layer has the "
        f"factor {values.cases[0].factor:g}. For {values.cases[0].depth} such layers you give "
        f"{float(values.given[0]):.3g}. What do the factors of the layers do to each other?"
    ),
    praise="it holds for 4 networks, with factors below and above 1.",
)

# --- layers_until_overflow ---


class _Growth(NamedTuple):
    factor: float
    largest: float

    @property
    def layers(self) -> float:
        """After how many layers, also broken ones, the limit is reached."""
        return math.log(self.largest) / math.log(self.factor)


_GROWTHS = [_Growth(10.0, 3.4e38), _Growth(3.0, 65504.0), _Growth(1.25, 3.4e38),
            _Growth(22.6, 3.4e38)]  # fmt: skip
"""The broken numbers of layers are 38.5, 10.1, 397.6 and 28.4: away from whole numbers, and of
both sides of a half."""


def _first_above(growth: _Growth) -> int:
    return math.floor(growth.layers) + 1


_LAYERS_UNTIL_OVERFLOW = Exercise(
    name="layers_until_overflow",
    notebook="01",
    task="A signal starts with rms 1, and each layer multiplies its rms by `factor`, which is "
    "above 1. A number format holds nothing above `largest`. Which is the first layer (1, 2, 3, "
    "...) whose rms is above `largest`?",
    stub="def layers_until_overflow(factor, largest):\n    ...\n",
    hints=(
        "After l layers the rms is factor to the power of l.",
        "A loop can count the layers. Or a logarithm: which power of `factor` is `largest`?",
        "log(largest) / log(factor) is that power. Which whole number comes next?",
    ),
    solution="""
import math

def layers_until_overflow(factor, largest):
    return math.floor(math.log(largest) / math.log(factor)) + 1
""",
    measure=values_of(
        _GROWTHS,
        _first_above,
        number_from=as_number,
        unpack=True,
    ),
    right=gives(_first_above, rtol=1e-6),
    mistakes=(
        gives_instead(
            "last layer that fits",
            lambda growth: math.floor(growth.layers),
            "Your layer is the last whose rms still fits. Which one does the task ask for?",
            rtol=1e-6,
        ),
        gives_instead(
            "no whole number",
            lambda growth: growth.layers,
            "You found the power. Is there a layer with such a number?",
            rtol=1e-6,
        ),
        gives_instead(
            "rounded",
            lambda growth: round(growth.layers),
            "You took the nearest whole number. If the power is 10.1, is the rms of layer 10 above "
            "the limit?",
            rtol=1e-6,
        ),
        gives_instead(
            "one layer too many",
            lambda growth: _first_above(growth) + 1,
            "The layer before yours is above the limit, too. What is the rms after layer 1?",
            rtol=1e-6,
        ),
        gives_instead(
            "factor squared",
            lambda growth: math.floor(growth.layers / 2) + 1,
            "You let each layer multiply twice. Is `factor` that of the rms, or of the mean "
            "square?",
            rtol=1e-6,
        ),
        gives_instead(
            "quotient",
            lambda growth: growth.largest / growth.factor,
            "You divided once. How often must one divide by `factor` to come from `largest` down "
            "to 1?",
            rtol=1e-6,
        ),
        gives_instead(
            "logarithms the wrong way round",
            lambda growth: 1 / growth.layers,
            "Your number is below 1. Which of the two logarithms must be divided by the other?",
            rtol=1e-6,
        ),
        gives_instead(
            "powers of ten",
            lambda growth: math.floor(math.log10(growth.largest)) + 1,
            "Your number does not depend on `factor`. Whose powers does log10 count?",
            rtol=1e-6,
        ),
    ),
    otherwise=lambda values: (
        f"With factor {values.cases[0].factor:g} and the limit {values.cases[0].largest:g} you "
        f"give layer {float(values.given[0]):g}. How large is the rms there, and how large is it "
        "one layer before?"
    ),
    praise="the layer is right for 4 factors and two number formats.",
)

# --- start_loss ---

_CLASSES = [2, 5, 10, 1000]


_START_LOSS = Exercise(
    name="start_loss",
    notebook="01",
    task="A network gives each of the `classes` classes the same probability. Which cross-entropy "
    "loss, in PyTorch's units, has it on every example?",
    stub="def start_loss(classes):\n    ...\n",
    hints=(
        "All probabilities are equal, and they add up to 1. How large is each?",
        "The loss of an example is minus the logarithm of the probability of its right class.",
        "PyTorch's logarithm is the natural one, `math.log`.",
    ),
    solution="""
import math

def start_loss(classes):
    return math.log(classes)
""",
    measure=values_of(_CLASSES, math.log, number_from=as_number),
    right=gives(math.log),
    mistakes=(
        gives_instead(
            "log10",
            math.log10,
            "You took the logarithm to base 10. Which one does PyTorch's cross-entropy take?",
        ),
        gives_instead(
            "log2",
            math.log2,
            "You took the logarithm to base 2: that counts bits. Which one does PyTorch's "
            "cross-entropy take?",
        ),
        gives_instead(
            "sign",
            lambda classes: -math.log(classes),
            "Your loss is negative. What is the sign of the logarithm of a number below 1, and "
            "what stands before it in the loss?",
        ),
        gives_instead(
            "probability for loss",
            lambda classes: 1 / classes,
            "Your number is the probability of the right class. What does the loss make of it?",
        ),
        gives_instead(
            "number of classes",
            float,
            "You gave the number of classes. What does the loss do with the probability 1/C?",
        ),
        gives_instead(
            "wrong class",
            lambda classes: -math.log(1 - 1 / classes),
            "You took the probability of *not* being right. Of which class does the loss take the "
            "logarithm?",
        ),
        gives_instead(
            "summed over the classes",
            lambda classes: classes * math.log(classes),
            "You added up the loss of all classes. How many right classes has one example?",
        ),
        gives_instead(
            "two classes",
            lambda classes: math.log(2),
            "Your loss is that of two classes, for every number of them. Where does your function "
            "use its argument?",
        ),
    ),
    otherwise=lambda values: (
        f"For {values.cases[2]} classes your loss is {float(values.given[2]):.4g}. Which "
        "probability has the right class, and which number does minus its logarithm give?"
    ),
    praise="the loss is right for 2, 5, 10 and 1000 classes.",
)

EXERCISES = [_RMS_AFTER_LAYERS, _LAYERS_UNTIL_OVERFLOW, _START_LOSS]
