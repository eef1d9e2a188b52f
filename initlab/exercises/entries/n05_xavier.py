"""Notebook 05: one number between what the forward and the backward pass ask for."""

from __future__ import annotations

from initlab.exercises.drawn import drawn, wrong_std

_BOTH = (  # what goes wrong in the uniform and in the normal form alike
    wrong_std(
        "fan_in only",
        lambda i, o: (1 / i) ** 0.5,
        "Your variance is 1/fan_in: that keeps the forward pass level. What does the backward "
        "pass ask for?",
    ),
    wrong_std(
        "fan_out only",
        lambda i, o: (1 / o) ** 0.5,
        "Your variance is 1/fan_out: that keeps the backward pass level. What does the forward "
        "pass ask for?",
    ),
    wrong_std(
        "Kaiming",
        lambda i, o: (2 / i) ** 0.5,
        "Your variance is 2/fan_in. That is another scheme, made for ReLU. Where is fan_out?",
    ),
    wrong_std(
        "sum of the roots",
        lambda i, o: 2**0.5 / (i**0.5 + o**0.5),
        "You added the roots of the two fans. Is √a + √b the root of a + b?",
    ),
    wrong_std(
        "product of the fans",
        lambda i, o: (2 / (i * o)) ** 0.5,
        "Your variance has the product of the two fans under it. How does one take a mean of two "
        "numbers?",
    ),
    wrong_std(
        "gain of ReLU",
        lambda i, o: 2 / (i + o) ** 0.5,
        "Your variance is twice too large. Is there a gain in it, and does this task ask for one?",
    ),
    wrong_std(
        "gain of tanh",
        lambda i, o: 5 / 3 * (2 / (i + o)) ** 0.5,
        "Your standard deviation is 5/3 times too large. Is there a gain in it, and does this "
        "task ask for one?",
    ),
    wrong_std(
        "PyTorch's default",
        lambda i, o: (1 / (3 * i)) ** 0.5,
        "Your variance is 1/(3·fan_in): so has `nn.Linear` before you touch it. What did you "
        "change?",
    ),
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
            "A uniform law on [−a, a] has the variance a²/3. Which `a` gives the variance that you "
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
                "uniform law on [−a, a]?",
            ),
            wrong_std(
                "variance for std",
                lambda i, o: 6 / (i + o) / 3**0.5,
                "Your numbers are far too small, and they shrink too fast with the fans. Is there "
                "a root missing over the whole fraction?",
            ),
            *_BOTH,
        ),
    ),
    drawn(
        name="xavier_normal",
        notebook="05",
        task="Write Xavier's normal initialisation (gain 1): normal numbers, mean 0, shape "
        "`(fan_out, fan_in)`, whose variance is the compromise between the forward and the "
        "backward pass.",
        hints=(
            "The forward pass asks for Var(w) = 1/fan_in, the backward pass for 1/fan_out. Xavier "
            "takes 1 over the mean of the two fans.",
            "Does your call take a variance or a standard deviation?",
            "The variance is 2 over the sum of the two fans.",
        ),
        solution="""
import torch

def xavier_normal(fan_in, fan_out):
    std = (2 / (fan_in + fan_out)) ** 0.5
    return torch.randn(fan_out, fan_in) * std
""",
        std=lambda i, o: (2 / (i + o)) ** 0.5,
        shape="normal",
        mistakes=(
            wrong_std(
                "1 for 2",
                lambda i, o: (1 / (i + o)) ** 0.5,
                "Your variance is 1/(fan_in + fan_out). What should it be when both fans are n, "
                "and what is yours then?",
            ),
            wrong_std(
                "variance for std",
                lambda i, o: 2 / (i + o),
                "Your standard deviation is what the variance should be. Which of the two does "
                "your call take?",
            ),
            wrong_std(
                "bound for std",
                lambda i, o: (6 / (i + o)) ** 0.5,
                "You gave the normal law the bound of the uniform one. What is the standard "
                "deviation of a uniform law with that bound?",
            ),
            *_BOTH,
        ),
    ),
]
