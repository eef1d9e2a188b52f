"""Notebook 06: a ReLU throws half of the second moment away, and the weights make up for it."""

from __future__ import annotations

from initlab.exercises.drawn import drawn, wrong_std

_BOTH = (  # what goes wrong in the uniform and in the normal form alike
    wrong_std(
        "gain missing",
        lambda i, o: (1 / i) ** 0.5,
        "Your variance is 1/n: that keeps a linear layer level. What does ReLU do to half of the "
        "signal?",
    ),
    wrong_std(
        "fan_out for fan_in",
        lambda i, o: (2 / o) ** 0.5,
        "Your variance is 2/fan_out: that keeps the backward pass level. How many terms does the "
        "sum in one output have?",
    ),
    wrong_std(
        "Xavier",
        lambda i, o: (2 / (i + o)) ** 0.5,
        "Your variance is 2/(fan_in + fan_out): that is Xavier's. Which pass does this task want "
        "to keep level, and through which nonlinearity?",
    ),
    wrong_std(
        "gain squared",
        lambda i, o: 2 / i**0.5,
        "Your variance is 4/fan_in: twice too much. Is the 2 a factor of the variance or of the "
        "standard deviation?",
    ),
    wrong_std(
        "no root of the fan",
        lambda i, o: 2**0.5 / i,
        "Your standard deviation falls with fan_in itself. Which root of fan_in belongs there, and "
        "why?",
    ),
    wrong_std(
        "gain of tanh",
        lambda i, o: 5 / 3 / i**0.5,
        "Your gain is 5/3, the one that PyTorch lists for tanh. Which nonlinearity follows here?",
    ),
    wrong_std(
        "PyTorch's default",
        lambda i, o: (1 / (3 * i)) ** 0.5,
        "Your variance is 1/(3·fan_in): so has `nn.Linear` before you touch it. PyTorch calls "
        "`kaiming_uniform_` with a = √5: which slope has a plain ReLU on the left?",
    ),
)

EXERCISES = [
    drawn(
        name="kaiming_normal",
        notebook="06",
        task="Write Kaiming's normal initialisation for ReLU, which keeps the forward pass level: "
        "normal numbers, mean 0, shape `(fan_out, fan_in)`.",
        hints=(
            "Let z be symmetric around 0. Which share of E[z²] does ReLU let through?",
            "A linear layer stays level with Var(w) = 1/fan_in. By which factor must the variance "
            "grow, if half of the second moment is lost?",
            "Take the root of that variance, if your call wants a standard deviation.",
        ),
        solution="""
import torch

def kaiming_normal(fan_in, fan_out):
    std = (2 / fan_in) ** 0.5
    return torch.randn(fan_out, fan_in) * std
""",
        std=lambda i, o: (2 / i) ** 0.5,
        shape="normal",
        mistakes=(
            wrong_std(
                "variance for std",
                lambda i, o: 2 / i,
                "Your standard deviation is what the variance should be. Which of the two does "
                "your call take?",
            ),
            wrong_std(
                "bound for std",
                lambda i, o: (6 / i) ** 0.5,
                "You gave the normal law the bound of the uniform one. What is the standard "
                "deviation of a uniform law with that bound?",
            ),
            *_BOTH,
        ),
    ),
    drawn(
        name="kaiming_uniform",
        notebook="06",
        task="Write Kaiming's uniform initialisation for ReLU, which keeps the forward pass level: "
        "uniform numbers around 0, shape `(fan_out, fan_in)`.",
        hints=(
            "First find the variance: it is the same as for the normal form.",
            "A uniform law on [−a, a] has the variance a²/3.",
            "Solve a²/3 = Var(w) for `a`, with twice the variance of a linear layer.",
        ),
        solution="""
import numpy as np

def kaiming_uniform(fan_in, fan_out):
    bound = np.sqrt(6 / fan_in)
    return np.random.default_rng().uniform(-bound, bound, size=(fan_out, fan_in))
""",
        std=lambda i, o: (2 / i) ** 0.5,
        shape="uniform",
        mistakes=(
            wrong_std(
                "std for bound",
                lambda i, o: (2 / i) ** 0.5 / 3**0.5,
                "You took the standard deviation as the bound. Which standard deviation has a "
                "uniform law on [−a, a]?",
            ),
            wrong_std(
                "variance for std",
                lambda i, o: 6 / i / 3**0.5,
                "Your numbers are far too small, and they shrink too fast with fan_in. Is there a "
                "root missing over the whole fraction?",
            ),
            *_BOTH,
        ),
    ),
]
