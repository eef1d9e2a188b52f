"""Notebook 08: BatchNorm for images, a folded layer, the length of weights that nobody sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from initlab.exercises.answers import Array
from initlab.exercises.exercise import Exercise
from initlab.exercises.values import Values, farthest, gives, gives_instead, values_of

_EPS = 1e-5
_RNG = np.random.default_rng(8)
_IMAGES: list[Array] = [
    _RNG.normal(2.0, 3.0, size=(6, 4, 3, 5)),
    _RNG.normal(-1.0, 0.01, size=(5, 3, 2, 2)),  # so small that eps counts
    _RNG.normal(0.5, 1.0, size=(1, 7, 4, 3)),  # one image is enough
]


def _normalised(z: Array, axes: Sequence[int] = (0, 2, 3), ddof: int = 0) -> Array:
    over = tuple(axes)
    mean, var = z.mean(over, keepdims=True), z.var(over, ddof=ddof, keepdims=True)
    return np.asarray((z - mean) / np.sqrt(var + _EPS))


def _by_channel(z: Array) -> tuple[Array, Array]:
    """Mean and variance of each channel, in the shape in which they meet the images."""
    return z.mean((0, 2, 3), keepdims=True), z.var((0, 2, 3), keepdims=True)


def _told(values: Values) -> str:
    k = farthest(values, _normalised)
    z, given = values.cases[k], values.given[k]
    return (
        f"Channel 0 of a batch of shape {z.shape} has mean {z[:, 0].mean():.3g} and variance "
        f"{z[:, 0].var():.3g}. After your function: {given[:, 0].mean():.3g} and "
        f"{given[:, 0].var():.3g}. Which values share one mean and one variance?"
    )


_BATCHNORM_IMAGES = Exercise(
    name="batchnorm_images",
    notebook="08",
    task="Write what `BatchNorm2d` computes in training, before `weight` and `bias`. `z` is a "
    "numpy array of images (examples × channels × height × width). A channel is treated as a unit "
    "was: one mean and one variance for all its values in the batch. The variance divides by "
    "their number. Add `eps` to it, as PyTorch does; eps is 1e-5.",
    stub="def batchnorm_images(z): ...\n",
    hints=(
        "How many means are there: one for each example, for each channel, or for each pixel?",
        "One for each channel: take the mean over the three other axes.",
        "`z.mean((0, 2, 3), keepdims=True)` has a shape that can be subtracted from z; "
        "`z.var` takes the same arguments.",
    ),
    solution="""
def batchnorm_images(z):
    mean = z.mean((0, 2, 3), keepdims=True)
    variance = z.var((0, 2, 3), keepdims=True)
    return (z - mean) / (variance + 1e-5) ** 0.5
""",
    measure=values_of(_IMAGES, _normalised),
    right=gives(_normalised),
    mistakes=(
        gives_instead(
            "each pixel alone",
            lambda z: _normalised(z, axes=[0]),
            "You took a mean for each pixel, over the examples. The kernel of a convolution is the "
            "same at every pixel: which values does one channel share?",
        ),
        gives_instead(
            "each image alone",
            lambda z: _normalised(z, axes=[2, 3]),
            "You took a mean for each channel of each image: that is InstanceNorm. What does the "
            "first letter of BatchNorm's name stand for?",
        ),
        gives_instead(
            "LayerNorm",
            lambda z: _normalised(z, axes=[1, 2, 3]),
            "You normalised each image over its channels and pixels: that is LayerNorm. Over which "
            "axes does BatchNorm go?",
        ),
        gives_instead(
            "one mean for all channels",
            lambda z: _normalised(z, axes=[0, 1, 2, 3]),
            "You took one mean and one variance of the whole batch. How many has BatchNorm?",
        ),
        gives_instead(
            "unbiased variance",
            lambda z: _normalised(z, ddof=1),
            "Your variance is divided by one less than the number of values. Which of the two "
            "does the task ask for? (`torch.var` and `numpy.var` differ in this.)",
        ),
        gives_instead(
            "no root",
            lambda z: (z - _by_channel(z)[0]) / (_by_channel(z)[1] + _EPS),
            "You divided by the variance. What is the variance of the result then?",
        ),
        gives_instead(
            "mean kept",
            lambda z: z / np.sqrt(_by_channel(z)[1] + _EPS),
            "Your channels have variance 1, but not mean 0. Which step is missing?",
        ),
        gives_instead(
            "eps forgotten",
            lambda z: (z - _by_channel(z)[0]) / np.sqrt(_by_channel(z)[1]),
            "It is right for large numbers, and off for small ones. What is added to the variance?",
        ),
        gives_instead(
            "eps outside the root",
            lambda z: (z - _by_channel(z)[0]) / (np.sqrt(_by_channel(z)[1]) + _EPS),
            "You added eps to the standard deviation. To which number does the task add it?",
        ),
    ),
    otherwise=_told,
    praise="it holds for 3 batches, one of a single image and one so small that eps counts.",
)

_LAYERS: list[tuple[Array, ...]] = [
    (*_RNG.normal(size=(4, units)), _RNG.uniform(0.1, 4.0, size=units)) for units in (1, 3, 6)
]
_LAYERS.append((*_RNG.normal(size=(4, 5)), np.full(5, 1e-5)))  # here eps counts


def _folded(case: tuple[Array, ...], eps: float = _EPS) -> Array:
    bias, gamma, beta, mean, var = case
    return np.asarray(beta + gamma * (bias - mean) / np.sqrt(var + eps))


def _folded_told(values: Values) -> str:
    k = farthest(values, _folded)
    bias, gamma, beta, mean, var = (round(float(part[0]), 3) for part in values.cases[k])
    return (
        f"For a unit with bias {bias}, gamma {gamma}, beta {beta}, mean {mean} and var {var} you "
        f"return {values.given[k][0]:.3g}. An input of 0 gives z = bias: what do the two layers "
        "make of it, one after the other?"
    )


def _folded_instead(name: str, wrong: Any, says: str) -> Any:
    return gives_instead(name, lambda case: wrong(*case), says)


_FOLDED_BIAS = Exercise(
    name="folded_bias",
    notebook="08",
    task="After training, a linear layer and the BatchNorm behind it (in `eval()` mode) can be "
    "replaced by one linear layer. Its weights are W · gamma / √(var + eps), row by row. Write its "
    "bias. `bias` is that of the old linear layer; `gamma`, `beta`, `mean` and `var` (the running "
    "ones) are BatchNorm's; all are arrays with a value for each unit; eps is 1e-5.",
    stub="def folded_bias(bias, gamma, beta, mean, var): ...\n",
    hints=(
        "Write down what BatchNorm makes of z = Wx + bias in `eval()` mode.",
        "Sort the terms: those that hold x belong to the new weight. Which are left?",
        "What is left is what the two layers give for x = 0.",
    ),
    solution="""
def folded_bias(bias, gamma, beta, mean, var):
    return gamma * (bias - mean) / (var + 1e-5) ** 0.5 + beta
""",
    measure=values_of(_LAYERS, _folded, unpack=True),
    right=gives(_folded),
    mistakes=(
        _folded_instead(
            "old bias forgotten",
            lambda bias, gamma, beta, mean, var: beta - gamma * mean / np.sqrt(var + _EPS),
            "The bias of the old linear layer is lost. Where does it enter BatchNorm?",
        ),
        _folded_instead(
            "old bias added",
            lambda bias, gamma, beta, mean, var: bias + beta - gamma * mean / np.sqrt(var + _EPS),
            "You added the old bias as it is. What does BatchNorm do to everything that comes in?",
        ),
        _folded_instead(
            "mean forgotten",
            lambda bias, gamma, beta, mean, var: beta + gamma * bias / np.sqrt(var + _EPS),
            "What does BatchNorm subtract before it divides?",
        ),
        _folded_instead(
            "mean added",
            lambda bias, gamma, beta, mean, var: beta + gamma * (bias + mean) / np.sqrt(var + _EPS),
            "You added the mean. What does BatchNorm do with it?",
        ),
        _folded_instead(
            "beta forgotten",
            lambda bias, gamma, beta, mean, var: gamma * (bias - mean) / np.sqrt(var + _EPS),
            "What does BatchNorm add at the very end?",
        ),
        _folded_instead(
            "gamma forgotten",
            lambda bias, gamma, beta, mean, var: beta + (bias - mean) / np.sqrt(var + _EPS),
            "By what does BatchNorm multiply the normalised value?",
        ),
        _folded_instead(
            "beta scaled",
            lambda bias, gamma, beta, mean, var: gamma * (bias - mean + beta) / np.sqrt(var + _EPS),
            "You scaled beta too. Does BatchNorm add it before or after it multiplies?",
        ),
        _folded_instead(
            "no root",
            lambda bias, gamma, beta, mean, var: beta + gamma * (bias - mean) / (var + _EPS),
            "You divided by the variance. What does BatchNorm divide by?",
        ),
        gives_instead(
            "eps forgotten",
            lambda case: _folded(case, eps=0.0),
            "It is right for large variances, and off for small ones. What is added to them?",
        ),
    ),
    otherwise=_folded_told,
    praise="it holds for layers of 1, 3, 5 and 6 units, one with variances as small as eps.",
)

_PATHS: list[tuple[float, Array]] = [
    (1.0, np.array([])),  # no step
    (3.0, np.array([4.0])),
    (2.0, np.array([1.0, 2.0, 4.0])),
    (0.01, np.array([5.0, 0.3])),
    (10.0, np.full(50, 0.2)),
]


def _length(case: tuple[float, Array]) -> float:
    start, steps = case
    return float(np.sqrt(start**2 + np.sum(steps**2)))


def _length_told(values: Values) -> str:
    k = farthest(values, _length)
    start, steps = values.cases[k]
    shown = np.round(steps[:4], 2).tolist()
    return (
        f"From length {start:g}, {len(steps)} steps of the lengths {shown}"
        f"{' ...' if len(steps) > 4 else ''}: you return {float(values.given[k]):.3g}. Draw the "
        "weights and one step at a right angle to them. How long is the third side?"
    )


_LENGTH_AFTER = Exercise(
    name="length_after",
    notebook="08",
    task="A weight matrix in front of BatchNorm has length ‖W‖ = `start`. Each step of plain "
    "gradient descent moves it at a right angle to where it stands; `steps` is a numpy array of "
    "the lengths of these moves. How long is W at the end?",
    stub="def length_after(start, steps): ...\n",
    hints=(
        "One step first: W, the step, and the new W make a triangle. Which angle has it?",
        "Pythagoras: the square of the new length is the sum of two squares.",
        "The next step is at a right angle to the *new* W, so that its square is added as well.",
    ),
    solution="""
def length_after(start, steps):
    return (start**2 + (steps**2).sum()) ** 0.5
""",
    measure=values_of(_PATHS, _length, unpack=True),
    right=gives(_length),
    mistakes=(
        gives_instead(
            "lengths added",
            lambda case: case[0] + case[1].sum(),
            "You added the lengths. In which direction would a step have to go for that?",
        ),
        gives_instead(
            "lengths subtracted",
            lambda case: case[0] - case[1].sum(),
            "You subtracted the lengths. In which direction would a step have to go for that?",
        ),
        gives_instead(
            "steps in one line",
            lambda case: np.hypot(case[0], case[1].sum()),
            "You went all steps in one line, at a right angle to the *first* W. To which W is the "
            "second step at a right angle?",
        ),
        gives_instead(
            "squares subtracted",
            lambda case: np.sqrt(abs(case[0] ** 2 - np.sum(case[1] ** 2))),
            "You subtracted squares. Which side of the triangle is the longest?",
        ),
        gives_instead(
            "no root",
            lambda case: _length(case) ** 2,
            "That is the square of the length.",
        ),
        gives_instead(
            "it stays",
            lambda case: case[0],
            "You return the length at the start. A step at a right angle keeps the length only if "
            "it follows a circle. Does a step of gradient descent?",
        ),
    ),
    otherwise=_length_told,
    praise="it holds for 5 paths, one of no step at all.",
)

EXERCISES = [_BATCHNORM_IMAGES, _FOLDED_BIAS, _LENGTH_AFTER]
