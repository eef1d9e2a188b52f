"""Notebook 01: what many layers make of a factor, and the loss of an untrained network."""

from __future__ import annotations

import math
from typing import NamedTuple

from initlab.exercises.answers import as_number
from initlab.exercises.exercise import Exercise
from initlab.exercises.values import gives, gives_instead, values_of

# --- rms_after_layers ---


class _Layers(NamedTuple):
    widths: list[int]
    std: float

    @property
    def fan_ins(self) -> list[int]:
        return self.widths[:-1]


_NETWORKS = [
    _Layers([64, 200, 10], 0.1),
    _Layers([100, 25, 25, 400], 0.15),
    _Layers([30, 90, 30, 90, 40], 0.2),
    _Layers([784, 50, 100], 0.05),
]


def _product(fan_ins: list[int], std: float) -> float:
    return math.prod(math.sqrt(fan_in) * std for fan_in in fan_ins)


def _after(net: _Layers) -> float:
    return _product(net.fan_ins, net.std)


_RMS_AFTER_LAYERS = Exercise(
    name="rms_after_layers",
    notebook="01",
    task="A signal of rms 1 passes linear layers of different widths. `widths` is the list of the "
    "widths, from the input to the output: [64, 200, 10] means two layers, from 64 numbers to 200, "
    "and from 200 to 10. There are no biases and no activation functions; all weights have mean 0 "
    "and standard deviation `std`. Which rms do you predict at the output?",
    stub="def rms_after_layers(widths, std):\n    ...\n",
    hints=(
        "One layer: how many products does one of its outputs sum up?",
        "A layer from n numbers to m numbers has the factor √n · std. Which entries of the list "
        "are such an n?",
        "The factors of the layers multiply. [64, 200, 10] has two layers, so there are two "
        "factors.",
    ),
    solution="""
def rms_after_layers(widths, std):
    rms = 1.0
    for fan_in in widths[:-1]:
        rms = rms * fan_in**0.5 * std
    return rms
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
            "fan-out for fan-in",
            lambda net: _product(net.widths[1:], net.std),
            "You took the number of outputs of each layer. Over how many numbers does one output "
            "sum: over the inputs, or over the outputs of its layer?",
        ),
        gives_instead(
            "one layer too many",
            lambda net: _product(net.widths, net.std),
            "You gave every entry of the list a layer. How many layers lie between three widths?",
        ),
        gives_instead(
            "first width everywhere",
            lambda net: _product([net.widths[0]] * len(net.fan_ins), net.std),
            "You took the width of the input for all layers. How many inputs has the second layer?",
        ),
        gives_instead(
            "no root of the width",
            lambda net: math.prod(n * net.std for n in net.fan_ins),
            "In your formula a sum of n random terms is n times as large as one of them. Do terms "
            "with random signs add up like that?",
        ),
        gives_instead(
            "mean square for rms",
            lambda net: _after(net) ** 2,
            "Your number is the mean *square* after the layers. How does one get the rms from it?",
        ),
        gives_instead(
            "std for variance",
            lambda net: math.prod(math.sqrt(n * net.std) for n in net.fan_ins),
            "You put the standard deviation where the variance belongs. How do the two belong "
            "together?",
        ),
        gives_instead(
            "first layer only",
            lambda net: _product(net.widths[:1], net.std),
            "Your number is right after the first layer. What does the second layer receive?",
        ),
        gives_instead(
            "last layer only",
            lambda net: _product(net.fan_ins[-1:], net.std),
            "Your number is the factor of the last layer. What does this layer receive?",
        ),
        gives_instead(
            "sum for product",
            lambda net: sum(math.sqrt(n) * net.std for n in net.fan_ins),
            "You added the factors of the layers. What does the second layer multiply: the input "
            "of the network, or the output of the first layer?",
        ),
        gives_instead(
            "std once",
            lambda net: _product(net.fan_ins, 1.0) * net.std,
            "The standard deviation comes once in your formula. How many layers have such weights?",
        ),
        gives_instead(
            "width ignored",
            lambda net: net.std ** len(net.fan_ins),
            "Your number does not depend on the widths. How many products does one output sum up?",
        ),
        gives_instead(
            "std ignored",
            lambda net: _product(net.fan_ins, 1.0),
            "Your number does not depend on the size of the weights. What happens to the sum if "
            "all weights are half as large?",
        ),
        gives_instead(
            "inverse",
            lambda net: 1 / _after(net),
            "Your number grows where the signal shrinks. Which way round is the factor?",
        ),
        gives_instead(
            "half lost in each layer",
            lambda net: _after(net) / math.sqrt(2) ** len(net.fan_ins),
            "You let each layer lose half of the mean square. Which activation function does that, "
            "and is it in this network?",
        ),
    ),
    otherwise=lambda values: (
        f"For the widths {values.cases[0].widths} and std {values.cases[0].std} you give "
        f"{float(values.given[0]):.3g}. Write down the factor of each layer first: which number "
        "of inputs belongs to which layer?"
    ),
    praise="it holds for 4 networks whose widths grow and shrink.",
)

# --- start_loss ---


class _Preference(NamedTuple):
    classes: int
    lead: float


_PREFERENCES = [
    _Preference(10, 0.0),
    _Preference(2, 1.0),
    _Preference(10, 3.0),
    _Preference(1000, 8.0),
    _Preference(5, 40.0),
]


def _loss(net: _Preference) -> float:
    return math.log(net.classes - 1 + math.exp(net.lead)) - net.lead / net.classes


_START_LOSS = Exercise(
    name="start_loss",
    notebook="01",
    task="A network prefers one class, always the same: its output for this class is `lead`, and "
    "its outputs for the other classes are 0, whatever the input is. There are `classes` classes, "
    "and they are equally frequent. Which mean cross-entropy loss has this network, in PyTorch's "
    "units?",
    stub="def start_loss(classes, lead):\n    ...\n",
    hints=(
        "There are two kinds of examples: those of the preferred class, and all others. Which "
        "share of the examples is of each kind?",
        "Which probability does the softmax give the preferred class, and which one each of the "
        "others? Both have the same sum below the line.",
        "Write s for that sum, (classes - 1) + exp(lead). The loss is ln s - lead for the one "
        "kind of examples, and ln s for the other. Take the mean, with the shares of the kinds.",
    ),
    solution="""
import math

def start_loss(classes, lead):
    log_sum = math.log(classes - 1 + math.exp(lead))
    return log_sum - lead / classes
""",
    measure=values_of(_PREFERENCES, _loss, number_from=as_number, unpack=True),
    right=gives(_loss),
    mistakes=(
        gives_instead(
            "lead ignored",
            lambda net: math.log(net.classes),
            "Your number does not depend on `lead`. It is right where all outputs are equal. What "
            "does the softmax make of one larger output?",
        ),
        gives_instead(
            "always right",
            lambda net: _loss(net) - net.lead * (1 - 1 / net.classes),
            "Your loss is that of the examples of the preferred class. How often does an example "
            "of another class come?",
        ),
        gives_instead(
            "always wrong",
            lambda net: _loss(net) + net.lead / net.classes,
            "Your loss is that of the examples of the *other* classes. How often is the preferred "
            "class the right one?",
        ),
        gives_instead(
            "half right",
            lambda net: _loss(net) + net.lead / net.classes - net.lead / 2,
            "You gave both kinds of examples the same share. How frequent is the preferred class "
            "among `classes` equally frequent ones?",
        ),
        gives_instead(
            "shares exchanged",
            lambda net: _loss(net) + net.lead * (2 / net.classes - 1),
            "You exchanged the shares of the two kinds of examples. How frequent is the preferred "
            "class?",
        ),
        gives_instead(
            "one class too many",
            lambda net: math.log(net.classes + math.exp(net.lead)) - net.lead / net.classes,
            "The sum below the line of the softmax has one term too many. How many classes are "
            "*not* preferred?",
        ),
        gives_instead(
            "log10",
            lambda net: _loss(net) / math.log(10),
            "You took the logarithm to base 10. Which one does PyTorch's cross-entropy take?",
        ),
        gives_instead(
            "log2",
            lambda net: _loss(net) / math.log(2),
            "You took the logarithm to base 2: that counts bits. Which one does PyTorch's "
            "cross-entropy take?",
        ),
        gives_instead(
            "sign",
            lambda net: -_loss(net),
            "Your loss is negative. What is the sign of the logarithm of a number below 1, and "
            "what stands before it in the loss?",
        ),
        gives_instead(
            "summed over the classes",
            lambda net: net.classes * _loss(net),
            "You added up the losses of one example of each class. How does the mean follow from "
            "that?",
        ),
    ),
    otherwise=lambda values: (
        f"For {values.cases[2].classes} classes and a lead of {values.cases[2].lead:g} your loss "
        f"is {float(values.given[2]):.4g}. Which loss has an example of the preferred class, and "
        "which one an example of another class?"
    ),
    praise="the loss is right for five networks, from no preference at all to a very strong one.",
)

EXERCISES = [_RMS_AFTER_LAYERS, _START_LOSS]
