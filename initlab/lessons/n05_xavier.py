"""Notebook 05: one number between what the forward and the backward pass ask for."""

from __future__ import annotations

import math
from typing import NamedTuple

from initlab.exercises.exercise import Exercise
from initlab.exercises.random_matrices import drawn, wrong_std
from initlab.exercises.values import gives, gives_instead, values_of


class _Kernel(NamedTuple):
    channels_in: int
    channels_out: int
    size: int


class _Layer(NamedTuple):
    fan_in: int
    fan_out: int
    slope: float


_KERNELS = [_Kernel(16, 48, 3), _Kernel(64, 20, 5), _Kernel(3, 12, 7)]
_LAYERS = [_Layer(100, 300, 0.5), _Layer(512, 128, 3.0), _Layer(60, 90, 0.2)]


def _conv_std(kernel: _Kernel) -> float:
    return math.sqrt(2 / ((kernel.channels_in + kernel.channels_out) * kernel.size**2))


def _slope_std(layer: _Layer) -> float:
    return math.sqrt(2 / (layer.fan_in + layer.fan_out)) / layer.slope


_XAVIER_CONV = Exercise(
    name="xavier_conv",
    notebook="05",
    task="A convolution with stride 1 has `channels_in` input channels, `channels_out` output "
    "channels, and kernels of `size` times `size`. Return the standard deviation that "
    "Xavier's rule gives its weights (gain 1).",
    stub="def xavier_conv(channels_in, channels_out, size):\n    ...\n",
    hints=(
        "Xavier needs two numbers: how many products are in a sum on the way forwards, and how "
        "many on the way back?",
        "One output pixel of one channel sees a window of every input channel. How many numbers "
        "are that? And how many outputs does one input pixel reach?",
        "Forwards `channels_in * size**2` products, backwards `channels_out * size**2`. The "
        "standard deviation is the root of the variance.",
    ),
    solution="""
def xavier_conv(channels_in, channels_out, size):
    fan_in, fan_out = channels_in * size**2, channels_out * size**2
    return (2 / (fan_in + fan_out)) ** 0.5
""",
    measure=values_of(_KERNELS, _conv_std, unpack=True),
    right=gives(_conv_std),
    mistakes=(
        gives_instead(
            "channels only",
            lambda k: math.sqrt(2 / (k.channels_in + k.channels_out)),
            "The size of the kernel has no say in your number. How many products are in one sum?",
        ),
        gives_instead(
            "size for its square",
            lambda k: math.sqrt(2 / ((k.channels_in + k.channels_out) * k.size)),
            "You counted `size` numbers for each channel. The window has two dimensions.",
        ),
        gives_instead(
            "window on one side only",
            lambda k: math.sqrt(2 / (k.channels_in * k.size**2 + k.channels_out)),
            "Your fan-out is the number of channels. How many output pixels does one input pixel "
            "reach in each channel?",
        ),
        gives_instead(
            "variance for std",
            lambda k: _conv_std(k) ** 2,
            "That is the variance. The task asks for the standard deviation.",
        ),
        gives_instead(
            "bound for std",
            lambda k: math.sqrt(3) * _conv_std(k),
            "That is the bound of the uniform form. Which standard deviation has it?",
        ),
        gives_instead(
            "1 for 2",
            lambda k: _conv_std(k) / math.sqrt(2),
            "Your variance is 1/(fan_in + fan_out). What should it be when both fans are n, and "
            "what is yours then?",
        ),
        gives_instead(
            "fan_in only",
            lambda k: 1 / math.sqrt(k.channels_in * k.size**2),
            "Your variance is 1/fan_in. What does the backward pass ask for?",
        ),
        gives_instead(
            "fan_out only",
            lambda k: 1 / math.sqrt(k.channels_out * k.size**2),
            "Your variance is 1/fan_out. What does the forward pass ask for?",
        ),
    ),
    otherwise=lambda values: (
        f"For {values.cases[0].channels_in} channels in, {values.cases[0].channels_out} out and "
        f"size {values.cases[0].size} you give {values.given[0]:.3g}. How many products are in "
        "one sum, forwards and backwards?"
    ),
    praise="PyTorch counts in the same way when it reads the fans from the shape of a kernel.",
)

_XAVIER_SLOPE = Exercise(
    name="xavier_slope",
    notebook="05",
    task="An activation function is 0 at 0 and has the slope `slope` there; all pre-activations "
    "are small. Return the standard deviation of the weights that does for it what Xavier's does "
    "for tanh.",
    stub="def xavier_slope(fan_in, fan_out, slope):\n    ...\n",
    hints=(
        "What is φ(z) for a small z? Put it into step 3 of the derivation, forwards and backwards.",
        "The activation multiplies the rms by `slope`, in both directions. What must the weights "
        "do, so that the rms stays level?",
        "The weights make up for the slope: the standard deviation is Xavier's, divided by "
        "`slope`.",
    ),
    solution="""
def xavier_slope(fan_in, fan_out, slope):
    return (2 / (fan_in + fan_out)) ** 0.5 / slope
""",
    measure=values_of(_LAYERS, _slope_std, unpack=True),
    right=gives(_slope_std),
    mistakes=(
        gives_instead(
            "slope forgotten",
            lambda layer: math.sqrt(2 / (layer.fan_in + layer.fan_out)),
            "That is Xavier's standard deviation: the slope has no say in it. What does the "
            "activation do to a small signal?",
        ),
        gives_instead(
            "times the slope",
            lambda layer: math.sqrt(2 / (layer.fan_in + layer.fan_out)) * layer.slope,
            "You multiply by the slope. If the activation halves the signal, should the weights "
            "be smaller or larger?",
        ),
        gives_instead(
            "slope squared",
            lambda layer: math.sqrt(2 / (layer.fan_in + layer.fan_out)) / layer.slope**2,
            "You divide by the square of the slope. That is right for the variance. And for the "
            "standard deviation?",
        ),
        gives_instead(
            "root of the slope",
            lambda layer: math.sqrt(2 / (layer.fan_in + layer.fan_out) / layer.slope),
            "Your variance is divided by the slope. By what does the activation multiply the "
            "mean square?",
        ),
        gives_instead(
            "variance for std",
            lambda layer: _slope_std(layer) ** 2,
            "That is the variance. The task asks for the standard deviation.",
        ),
        gives_instead(
            "fan_in only",
            lambda layer: 1 / math.sqrt(layer.fan_in) / layer.slope,
            "You keep the forward pass level. What does the backward pass ask for?",
        ),
        gives_instead(
            "1 for 2",
            lambda layer: _slope_std(layer) / math.sqrt(2),
            "Your variance has 1/(fan_in + fan_out) in it. What should it be for slope 1 when "
            "both fans are n?",
        ),
    ),
    otherwise=lambda values: (
        f"For {values.cases[0].fan_in} inputs, {values.cases[0].fan_out} outputs and slope "
        f"{values.cases[0].slope} you give {values.given[0]:.3g}. What does the activation do to "
        "the rms of a small signal, and what must the weights do?"
    ),
    praise="1/slope is the gain of the activation function, as long as all pre-activations are "
    "small.",
)

EXERCISES = [
    drawn(
        name="xavier_uniform",
        notebook="05",
        task="Write Xavier's uniform initialisation (gain 1): uniform numbers around 0, shape "
        "`(fan_out, fan_in)`, whose variance is the compromise between the forward and the "
        "backward pass.",
        hints=(
            "The forward pass asks for Var(w) = 1/fan_in, the backward pass for 1/fan_out. Xavier "
            "takes 1 over the mean of the two fans.",
            "A uniform distribution on [−a, a] has the variance a²/3. "
            "Which `a` gives the variance that you "
            "want?",
            "The bound `a` is the root of 6 over the sum of the two fans.",
        ),
        solution="""
import numpy as np

def xavier_uniform(fan_in, fan_out):
    bound = np.sqrt(6) / np.sqrt(fan_in + fan_out)
    return np.random.default_rng().uniform(-bound, bound, size=(fan_out, fan_in))
""",
        std=lambda i, o: (2 / (i + o)) ** 0.5,
        shape="uniform",
        mistakes=(
            wrong_std(
                "√3 for √6",
                lambda i, o: (1 / (i + o)) ** 0.5,
                "Your variance is 1/(fan_in + fan_out). What should it be when both fans are n, "
                "and what is yours then?",
            ),
            wrong_std(
                "std for bound",
                lambda i, o: (2 / (i + o)) ** 0.5 / 3**0.5,
                "You took the standard deviation as the bound. Which standard deviation has a "
                "uniform distribution on [−a, a]?",
            ),
            wrong_std(
                "variance for std",
                lambda i, o: 6 / (i + o) / 3**0.5,
                "Your numbers are far too small, and they shrink too fast with the fans. Is there "
                "a root missing over the whole fraction?",
            ),
            wrong_std(
                "fan_in only",
                lambda i, o: (1 / i) ** 0.5,
                "Your variance is 1/fan_in: that keeps the forward pass level. What does the "
                "backward pass ask for?",
            ),
            wrong_std(
                "fan_out only",
                lambda i, o: (1 / o) ** 0.5,
                "Your variance is 1/fan_out: that keeps the backward pass level. What does the "
                "forward pass ask for?",
            ),
            wrong_std(
                "Kaiming",
                lambda i, o: (2 / i) ** 0.5,
                "Your variance is 2/fan_in. That is another scheme, made for ReLU. Where is "
                "fan_out?",
            ),
            wrong_std(
                "sum of the roots",
                lambda i, o: 2**0.5 / (i**0.5 + o**0.5),
                "You added the roots of the two fans. Is √a + √b the root of a + b?",
            ),
            wrong_std(
                "product of the fans",
                lambda i, o: (2 / (i * o)) ** 0.5,
                "Your variance has the product of the two fans under it. How does one take a mean "
                "of two numbers?",
            ),
            wrong_std(
                "gain of ReLU",
                lambda i, o: 2 / (i + o) ** 0.5,
                "Your variance is twice too large. Is there a gain in it, and does this task ask "
                "for one?",
            ),
            wrong_std(
                "gain of tanh",
                lambda i, o: 5 / 3 * (2 / (i + o)) ** 0.5,
                "Your standard deviation is 5/3 times too large. Is there a gain in it, and does "
                "this task ask for one?",
            ),
            wrong_std(
                "PyTorch's default",
                lambda i, o: (1 / (3 * i)) ** 0.5,
                "Your variance is 1/(3·fan_in): so has `nn.Linear` before you touch it. What did "
                "you change?",
            ),
        ),
    ),
    _XAVIER_CONV,
    _XAVIER_SLOPE,
]
