"""Which questions end which notebook? A plain table, with feedback for each option."""

from __future__ import annotations

from typing import NamedTuple


class Question(NamedTuple):
    """A question with one right option.

    Args:
        question: One or two sentences.
        options: (option, why it is right or not), in the order in which they are shown.
        right: Index of the right one.
    """

    question: str
    options: tuple[tuple[str, str], ...]
    right: int


QUIZZES: dict[str, tuple[Question, ...]] = {
    "00": (
        Question(
            "The histograms of the activations get narrower from layer to layer, and at layer 20 "
            "nearly all is at 0. What is this called?",
            (
                (
                    "The signal explodes.",
                    "Then the histograms would get wider. Narrower means that each layer "
                    "multiplies the size of the signal by less than 1.",
                ),
                (
                    "The signal vanishes.",
                    "Each layer multiplies the size of the signal by less than 1, and twenty such "
                    "factors leave next to nothing.",
                ),
                (
                    "The units are saturated.",
                    "Saturated units sit at the ends of their nonlinearity, such as −1 and 1 for "
                    "tanh. Here the histogram shrinks around 0.",
                ),
            ),
            right=1,
        ),
        Question(
            "In another network the activations keep their standard deviation through all 20 "
            "layers. What do you know about its gradients?",
            (
                (
                    "They keep their size, too.",
                    "In some networks they do, but nothing forces them to. With tanh and large "
                    "weights the activations stay level while the gradients explode.",
                ),
                (
                    "They vanish.",
                    "They may vanish, stay or explode: the activations alone do not tell.",
                ),
                (
                    "Nothing yet: one must look at them as well.",
                    "Forward and backward pass are two different products. That is why each "
                    "figure of a trace can show either.",
                ),
            ),
            right=2,
        ),
        Question(
            "You build 20 layers of `nn.Linear` and ReLU, set all biases to 0, and leave PyTorch's "
            "default weights. What do the activations do from layer to layer?",
            (
                (
                    "They shrink.",
                    "The default weights have a variance of 1/(3·fan_in), and ReLU takes half of "
                    "the second moment: each layer multiplies the rms by about 0.41.",
                ),
                (
                    "They stay level: the default is made for this.",
                    "The default is an older rule. It would need six times the variance to stay "
                    "level here.",
                ),
                (
                    "They grow.",
                    "For that the variance of the weights would have to be above 2/fan_in. The "
                    "default is 1/(3·fan_in).",
                ),
            ),
            right=0,
        ),
    ),
    "02": (
        Question(
            "All weights and biases of a ReLU network with three hidden layers are 0. Which "
            "parameters get a gradient that is not 0 in the first step?",
            (
                (
                    "All of them, and the same one.",
                    "A gradient goes backwards through the weights, and these are 0: nothing gets "
                    "past the last layer.",
                ),
                (
                    "Only the biases of the last layer.",
                    "The last weights see an input of 0, so they get none, and behind them every "
                    "gradient is multiplied by weights that are 0.",
                ),
                (
                    "None at all.",
                    "Nearly. The last biases are added after all weights, so the loss does depend "
                    "on them.",
                ),
            ),
            right=1,
        ),
        Question(
            "Each weight matrix of a network without dropout is filled with one constant, 0.02. "
            "Biases are 0. What do the units of one hidden layer learn in a few steps?",
            (
                (
                    "The same: they stay copies of one unit.",
                    "They compute the same number and get the same gradient. Only something that "
                    "differs between them, such as rounding or dropout, can part them.",
                ),
                (
                    "Different things: 0.02 is not 0.",
                    "The value of the constant does not matter. Two units with equal weights, in "
                    "and out, get equal gradients.",
                ),
                (
                    "Nothing: they get no gradient.",
                    "They do get one, since the weights are not 0. It is the same for all units of "
                    "the layer.",
                ),
            ),
            right=0,
        ),
        Question(
            "Why may the biases of the hidden layers start at 0?",
            (
                (
                    "Because biases are not trained.",
                    "They are trained like weights.",
                ),
                (
                    "Because zeros are right for all parameters of a hidden layer.",
                    "Not for the weights: if all of them are 0, the gradient stops there.",
                ),
                (
                    "Because random weights already make the units different.",
                    "One difference between units is enough. The output bias is another matter: "
                    "where classes are unbalanced, the log of their shares is a better start.",
                ),
            ),
            right=2,
        ),
    ),
}
"""Two digits of the notebook → its questions."""
