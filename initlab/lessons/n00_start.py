"""Notebook 00: the first check, and the first diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from initlab.exercises import statistics
from initlab.exercises.answers import (
    NotAttempted,
    Rejected,
    as_entries,
    in_place,
)
from initlab.exercises.exercise import Exercise, Mistake
from initlab.exercises.random_matrices import TwoCalls

_SHAPE = (100, 220)
_BEFORE = 7.0
_STDS = [0.02, 0.5, 3.0]
"""Of both sides of 1, so that a square, a root and the number itself differ."""


@dataclass(frozen=True, kw_only=True)
class _Filled(TwoCalls):
    std: float


def _measure(function: Callable[..., Any]) -> list[_Filled]:
    filled = []
    for std in _STDS:
        first, second = (
            # What was there before (7) must go: a fill that adds to it is seen by its mean.
            as_entries(in_place(function, torch.full(_SHAPE, _BEFORE), std), _SHAPE)
            for _ in range(2)
        )
        filled.append(_Filled(std=std, entries=first, again=second.values))
    return filled


def _every(test: Callable[[_Filled], bool]) -> Callable[[Sequence[_Filled]], bool]:
    return lambda filled: all(test(f) for f in filled)


def _right(f: _Filled) -> bool:
    return (
        statistics.mean_is(f.values, 0, f.std)
        and statistics.std_is(f.values, f.std)
        and statistics.shape_is(f.values, "normal", f.std)
        and f.fresh
        and f.independent
    )


def _otherwise(filled: Sequence[_Filled]) -> str:
    worst = max(filled, key=lambda f: abs(np.log(max(f.values.std(), 1e-30) / f.std)))
    return (
        f"Asked for std={worst.std}, your numbers have mean {worst.values.mean():.2g} and standard "
        f"deviation {worst.values.std():.2g}. Are they normal, around 0, and each drawn for itself?"
    )


_NORMAL_STD = Exercise(
    name="normal_std",
    notebook="00",
    task="Fill the tensor `weight` with normal numbers that have mean 0 and the standard deviation "
    "`std`, in place, or return a new tensor of the same shape.",
    stub="def normal_std(weight, std):\n    ...\n",
    hints=(
        "A tensor has a method `normal_`; the underscore says that it works in place.",
        "`normal_` takes two numbers. Which comes first?",
        "Name what you give: `weight.normal_(mean=..., std=...)`.",
    ),
    solution="""
def normal_std(weight, std):
    return weight.normal_(mean=0.0, std=std)
""",
    measure=_measure,
    right=_every(_right),
    mistakes=(
        Mistake(
            name="partly filled",
            seen=_every(lambda f: 0 < (f.values == _BEFORE).mean() < 1),
            says="Some entries still hold what was there before. Does your function reach every "
            "row, or does it end too early?",
        ),
        Mistake(
            name="constant",
            seen=_every(lambda f: bool(np.ptp(f.values) == 0)),
            says="All your numbers are equal. Which distribution should they be drawn from?",
        ),
        Mistake(
            name="same numbers at each call",
            seen=_every(lambda f: not f.fresh),
            says="Two calls gave the same numbers. Is there a seed inside your function?",
        ),
        Mistake(
            name="mean for std",
            seen=_every(
                lambda f: statistics.mean_is(f.values, f.std, 1) and statistics.std_is(f.values, 1)
            ),
            says="Your numbers have the mean that the standard deviation should have, and a "
            "standard deviation of 1. In `normal_(x)`, which of the two does `x` set?",
        ),
        Mistake(
            name="variance for std",
            seen=_every(lambda f: statistics.std_is(f.values, f.std**0.5)),
            says="Your *variance* is `std`. Is there a root too much?",
        ),
        Mistake(
            name="std squared",
            seen=_every(lambda f: statistics.std_is(f.values, f.std**2)),
            says="Your standard deviation is the square of `std`: that is the variance. Which of "
            "the two does your call take?",
        ),
        Mistake(
            name="std ignored",
            seen=lambda filled: bool(np.ptp([np.log(f.values.std()) for f in filled]) < 0.1),
            says="Your standard deviation is the same for every `std`. Where does your function "
            "use its second argument?",
        ),
        Mistake(
            name="uniform for normal",
            seen=_every(lambda f: statistics.looks_uniform(f.values - f.values.mean())),
            says="Your numbers are uniform: they stop at a bound. What does a histogram of "
            "normal numbers look like at its ends?",
        ),
        Mistake(
            name="added to what was there",
            seen=_every(lambda f: statistics.mean_is(f.values, 7, f.std)),
            says="Your numbers lie around what the tensor held before. Do you add to it, or fill "
            "it?",
        ),
        Mistake(
            name="truncated",
            seen=_every(lambda f: statistics.looks_truncated(f.values)),
            says="The tails of your normal numbers are cut. Does the task ask for that?",
        ),
        Mistake(
            name="repeated rows",
            seen=_every(
                lambda f: statistics.has_copies(f.values) or statistics.has_copies(f.values.T)
            ),
            says="Some rows or columns are copies of each other. How many numbers do you draw?",
        ),
        Mistake(
            name="mean not 0",
            seen=_every(lambda f: not statistics.mean_is(f.values, 0, f.values.std())),
            says="The mean of your numbers is not 0. Which of the numbers in your call sets the "
            "mean?",
        ),
        Mistake(
            name="not independent",
            seen=_every(lambda f: not f.independent),
            says="Your numbers are not independent: rows, columns or calls resemble each other. "
            "Is each entry drawn for itself?",
        ),
    ),
    otherwise=_otherwise,
    praise="mean, standard deviation and distribution hold for 3 values of `std`.",
)


@dataclass(frozen=True)
class Case:
    """A network of 20 layers, as a trace shows it; the tests measure these numbers again.

    Args:
        nonlinearity: Its name in `initlab.activations`.
        std: Standard deviation of its normal weights, 256 × 256; no biases.
        illness: Its name.
        activation: rms of what layers 1, 5, 10, 15 and 20 emit, for inputs of mean 0 and std 1.
        gradient: rms of the gradient there, relative to layer 20.
    """

    nonlinearity: str
    std: float
    illness: str
    activation: tuple[float, ...]
    gradient: tuple[float, ...]


CASES = {
    "A": Case("relu", 0.05, "vanishing",
              activation=(0.57, 0.053, 2.8e-3, 1.5e-4, 8.6e-6),
              gradient=(2e-5, 2e-4, 3.5e-3, 0.061, 1)),
    "B": Case("relu", 0.0884, "healthy",
              activation=(1, 0.91, 0.84, 0.76, 0.76),
              gradient=(0.99, 1, 1, 1, 1)),
    "C": Case("tanh", 1, "saturated",
              activation=(0.97, 0.97, 0.97, 0.97, 0.97),
              gradient=(8e8, 1.1e7, 5.2e4, 220, 1)),
    "D": Case("relu", 0.2, "exploding",
              activation=(2.3, 54, 2900, 1.6e5, 9.4e6),
              gradient=(5.4e6, 2.1e5, 3600, 62, 1)),
}  # fmt: skip
ILLNESSES = sorted({case.illness for case in CASES.values()})


def _read_names(answer: Any) -> dict[str, str]:
    if not isinstance(answer, Mapping):
        raise Rejected(
            "not a dict",
            "The check wants a dict: a name for each of the cases "
            f"{', '.join(CASES)}. It got a {type(answer).__name__}.",
        )
    open_cases = [case for case in CASES if answer.get(case) in (None, ..., "")]
    if open_cases:
        raise NotAttempted(f"Still to be named: {', '.join(open_cases)}.")
    names = {case: str(answer[case]).strip().lower() for case in CASES}
    for case, name in names.items():
        if name not in ILLNESSES:
            raise Rejected(
                "unknown name",
                f"Case {case}: {answer[case]!r} is none of the names "
                f"{', '.join(map(repr, ILLNESSES))}.",
            )
    return names


def _confused(case: str, *names: str) -> Callable[[dict[str, str]], bool]:
    return lambda given: given[case] in names


def _row(numbers: Sequence[float]) -> str:
    return "".join(f"{number:>9.2g}" for number in numbers)


def _table() -> str:
    lines = ["# rms at layer             1        5       10       15       20"]
    for name, case in CASES.items():
        lines += [
            f"# {name} ({case.nonlinearity}) activation {_row(case.activation)}",
            f"#          gradient   {_row(case.gradient)}   (layer 20 = 1)",
        ]
    return "\n".join(lines)


_READ_TRACE = Exercise(
    name="read_trace",
    notebook="00",
    task="Four networks of 20 layers, all fed with inputs of mean 0 and standard deviation 1. Read "
    f"each trace and name the illness: {', '.join(map(repr, ILLNESSES))}. Each name fits once. "
    "Replace each `...` by a name.",
    stub=_table() + '\nread_trace = {"A": ..., "B": ..., "C": ..., "D": ...}\n',
    hints=(
        "Read a row from left to right. Does the number stay, grow or shrink, and by how many "
        "powers of ten?",
        "The gradient comes from the right: layer 20 is where it starts.",
        "The outputs of tanh lie between −1 and 1. Which case is always near the ends?",
    ),
    solution="""
read_trace = {"A": "vanishing", "B": "healthy", "C": "saturated", "D": "exploding"}
""",
    measure=_read_names,
    right=lambda given: given == {name: case.illness for name, case in CASES.items()},
    mistakes=(
        Mistake(
            name="direction",
            seen=lambda given: given["A"] == "exploding" and given["D"] == "vanishing",
            says="A and D are the wrong way round. The signal enters at layer 1: which of the two "
            "has more of it at layer 20?",
        ),
        Mistake(
            name="A",
            seen=lambda given: given["A"] != "vanishing",
            says="Look at A again: by how many powers of ten do its activations change from layer "
            "1 to layer 20, and in which direction?",
        ),
        Mistake(
            name="saturated is not healthy",
            seen=_confused("C", "healthy"),
            says="The activations of C stay level, but at 0.97. What is the slope of tanh there, "
            "and what does its gradient row say?",
        ),
        Mistake(
            name="C",
            seen=lambda given: given["C"] != "saturated",
            says="Look at C again: its activations do not move at all. Where do tanh's outputs "
            "end, and how near are these?",
        ),
        Mistake(
            name="B",
            seen=lambda given: given["B"] != "healthy",
            says="Look at B again: by how much do its two rows change from layer 1 to layer 20?",
        ),
        Mistake(
            name="D",
            seen=lambda given: given["D"] != "exploding",
            says="Look at D again: what do its activations do from layer 1 to layer 20?",
        ),
    ),
    otherwise=lambda given: "Each name fits once. Which case has none of its own?",
    praise="all four are named.",
)

EXERCISES = [_NORMAL_STD, _READ_TRACE]
