"""Notebook 03: normal numbers whose sum has the size of one of its terms."""

from __future__ import annotations

from initlab.exercises.drawn import drawn, wrong_std

EXERCISES = [
    drawn(
        name="lecun_normal",
        notebook="03",
        task="Write a function that draws the weights of a linear layer so that its output has the "
        "same variance as its input: normal numbers, mean 0, shape `(fan_out, fan_in)`. No "
        "nonlinearity follows.",
        hints=(
            "Each output is a sum of fan_in products w·x. What is the variance of a sum of "
            "independent terms?",
            "The output's variance is fan_in · Var(w) · Var(x). Which Var(w) makes it Var(x)?",
            "`rng.normal(0, std, size)` wants a standard deviation, and you have a variance.",
        ),
        solution="""
import numpy as np

def lecun_normal(fan_in, fan_out):
    std = np.sqrt(1 / fan_in)
    return np.random.default_rng().normal(0, std, size=(fan_out, fan_in))
""",
        std=lambda i, o: (1 / i) ** 0.5,
        shape="normal",
        mistakes=(
            wrong_std(
                "variance for std",
                lambda i, o: 1 / i,
                "Your standard deviation is 1/fan_in. Is it the variance or the standard "
                "deviation that should be that, and which of the two does your call take?",
            ),
            wrong_std(
                "fan_out for fan_in",
                lambda i, o: (1 / o) ** 0.5,
                "Your variance is 1/fan_out. How many terms does the sum in one output have?",
            ),
            wrong_std(
                "Xavier",
                lambda i, o: (2 / (i + o)) ** 0.5,
                "Your variance is 2/(fan_in + fan_out), a compromise between the forward and the "
                "backward pass. Which of the two does this task ask for?",
            ),
            wrong_std(
                "gain for ReLU",
                lambda i, o: (2 / i) ** 0.5,
                "Your variance is 2/fan_in: that makes up for a ReLU. Which nonlinearity follows "
                "here?",
            ),
            wrong_std(
                "PyTorch's default",
                lambda i, o: (1 / (3 * i)) ** 0.5,
                "Your variance is 1/(3·fan_in), a third of what is asked for: so has "
                "`nn.Linear` before you touch it. Where does the 3 come from?",
            ),
            wrong_std(
                "bound for std",
                lambda i, o: (3 / i) ** 0.5,
                "Your variance is three times too large. Is √(3/fan_in) a standard deviation, or "
                "the bound of a uniform law?",
            ),
        ),
    )
]
