"""Notebook 14: name the illnesses of the clinic, and choose a learning rate by what it moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from initlab.diagnosis import ILLNESSES
from initlab.exercises.answers import NotAttempted, Rejected, as_number
from initlab.exercises.exercise import Exercise, Mistake
from initlab.exercises.values import Values, gives, gives_instead, values_of
from initlab.lessons.clinic import ILLNESS_OF

# --- name_the_illness ---

_NAMES = (*(name for name in ILLNESSES if name in ILLNESS_OF.values()), "healthy")
"""Those that the notebook explains; `il.diagnose` knows some more."""


def _read_names(answer: Any) -> dict[str, str]:
    if not isinstance(answer, Mapping):
        raise Rejected(
            "not a dict",
            f"The check wants a dict: patient → name. It got a {type(answer).__name__}.",
        )
    unnamed = [patient for patient in ILLNESS_OF if answer.get(patient) in (None, ..., "")]
    if unnamed:
        raise NotAttempted(f"Still to be named: {', '.join(unnamed)}.")
    names = {patient: str(answer[patient]).strip().lower() for patient in ILLNESS_OF}
    for patient, name in names.items():
        if name not in _NAMES:
            raise Rejected(
                "unknown name",
                f"{patient}: {answer[patient]!r} is none of the names "
                f"{', '.join(map(repr, _NAMES))}.",
            )
    return names


def _confused(truth: str, *given: str) -> Callable[[dict[str, str]], bool]:
    """Did somebody who has `truth` get one of the names `given`?"""
    return lambda names: any(
        ILLNESS_OF[patient] == truth and name in given for patient, name in names.items()
    )


def _wrong_ones(names: dict[str, str]) -> str:
    wrong = [patient for patient, name in names.items() if name != ILLNESS_OF[patient]]
    return (
        f"Look again at {wrong[0]}"
        + (f" ({len(wrong)} names do not fit yet)" if len(wrong) > 1 else "")
        + ". Which number of its row is far from what a healthy network has?"
    )


_NAME_THE_ILLNESS = Exercise(
    name="name_the_illness",
    notebook="14",
    task="Eleven patients: ten have one illness each, one only looks ill. Read the chart and name "
    f"what each has: {', '.join(map(repr, _NAMES))}. Name the cause, not what follows from it. A "
    "name may fit twice. Replace each `...`.",
    stub="name_the_illness = {\n"
    + "".join(f'    "{patient}": ...,\n' for patient in ILLNESS_OF)
    + "}\n",
    hints=(
        "Begin with the easy ones: a loss that is nan, a share of dead units near 1, more than "
        "half of the values at the ends of a function, units that are all equal, parameters that "
        "get no gradient.",
        "For the rest, compare three columns: the signal, the gradient, and how different two "
        "inputs still are at the end. Two inputs can become alike while the signal keeps a size.",
        "A layer of zeros at the end says nothing at first, and lets no gradient through at the "
        "first step. At which step does it begin to let it through?",
    ),
    solution="name_the_illness = {\n"
    + "".join(f'    "{patient}": "{illness}",\n' for patient, illness in ILLNESS_OF.items())
    + "}\n",
    measure=_read_names,
    right=lambda names: names == ILLNESS_OF,
    mistakes=(
        Mistake(
            name="zero head called ill",
            seen=lambda names: any(
                names[p] != "healthy" for p, illness in ILLNESS_OF.items() if illness == "healthy"
            ),
            says="One patient only looks ill, and you gave it an illness. In which network is it "
            "only the *last* layer that holds zeros, and what does its gradient do to that layer?",
        ),
        Mistake(
            name="ill one called healthy",
            seen=lambda names: list(names.values()).count("healthy") > 1,
            says="You call more than one patient healthy. Which of them has a number that no "
            "healthy network has?",
        ),
        Mistake(
            name="vanishing for collapsed",
            seen=_confused("collapsed", "vanishing"),
            says="One of those that you call vanishing has a signal that keeps its size. How "
            "different are two of its inputs at the last layer?",
        ),
        Mistake(
            name="collapsed for vanishing",
            seen=_confused("vanishing", "collapsed"),
            says="One of those that you call collapsed keeps its inputs apart: see the column of "
            "the cosine. What happens to the size of its signal?",
        ),
        Mistake(
            name="exploding for saturated",
            seen=_confused("saturated", "exploding"),
            says="One of those that you call exploding has a signal that cannot grow above 1. "
            "Where do its values stand, and what is the slope there?",
        ),
        Mistake(
            name="wrong loss for exploding",
            seen=_confused("exploding", "wrong loss"),
            says="Three patients have a loss far above that of a guess. In one of them only the "
            "last layer is at fault. In which does the signal grow, layer by layer?",
        ),
        Mistake(
            name="exploding for wrong loss",
            seen=_confused("wrong loss", "exploding"),
            says="One of those that you call exploding has a signal that stays level up to the "
            "last hidden layer. Where does its large loss come from?",
        ),
        Mistake(
            name="symptom of dead units",
            seen=_confused("dead", "vanishing", "collapsed", "no gradient", "symmetric"),
            says="One patient has units that are 0 for *every* input. You named what follows from "
            "it. What is the cause?",
        ),
        Mistake(
            name="vanishing for symmetric",
            seen=_confused("symmetric", "vanishing", "dead", "collapsed", "no gradient"),
            says="In one patient all units of a layer are the same. You named what follows from "
            "it. Which column shows it?",
        ),
        Mistake(
            name="vanishing for no gradient",
            seen=_confused("no gradient", "vanishing", "dead"),
            says="A gradient that is small and a gradient that does not exist are two things. "
            "Which patient has parameters to which *none* comes back?",
        ),
        Mistake(
            name="exploding for non-finite",
            seen=_confused("non-finite", "exploding", "wrong loss"),
            says="One patient has a loss that is no number before its first step. Did its signal "
            "grow, or was a number broken from the start?",
        ),
        Mistake(
            name="wrong loss for collapsed",
            seen=lambda names: names["patient 11"] in ("wrong loss", "exploding"),
            says="One patient has a large loss because something else is wrong before it. How "
            "different are two of its inputs, already in the first layer?",
        ),
    ),
    otherwise=_wrong_ones,
    praise="all eleven are named.",
)

# --- rate_for_ratio ---


class _Layer(NamedTuple):
    weight: Tensor
    gradient: Tensor
    ratio: float
    momentum: float

    @property
    def sizes(self) -> tuple[float, float]:
        return float(self.weight.double().norm()), float(self.gradient.double().norm())

    @property
    def plain(self) -> float:
        """The learning rate without momentum."""
        weight, gradient = self.sizes
        return self.ratio * weight / gradient


def _layer(seed: int, shape: tuple[int, ...], std: float, ratio: float, momentum: float) -> _Layer:
    generator = torch.Generator().manual_seed(seed)
    weight = std * torch.randn(shape, generator=generator)
    return _Layer(weight, torch.randn(shape, generator=generator) / 7, ratio, momentum)


_LAYERS = [
    _layer(0, (5, 12), 0.3, 1e-3, 0.9),
    _layer(1, (30, 8), 2.0, 1e-2, 0.0),
    _layer(2, (4, 3, 3, 3), 0.05, 2e-3, 0.5),
]


def _rate(layer: _Layer) -> float:
    return layer.plain * (1 - layer.momentum)


def _told(values: Values) -> str:
    layer = values.cases[0]
    weight, gradient = layer.sizes
    return (
        f"For a weight of norm {weight:.3g}, a gradient of norm {gradient:.3g}, a ratio of "
        f"{layer.ratio:g} and momentum {layer.momentum:g} you give {float(values.given[0]):.3g}. "
        "How far does SGD move this weight with your rate, at its first step and much later?"
    )


_RATE_FOR_RATIO = Exercise(
    name="rate_for_ratio",
    notebook="14",
    task="SGD trains a layer. Which learning rate moves its weight by `ratio` of its size in each "
    "step, once the momentum has built up? Take the gradient to be the same at every step. "
    "`weight` and `gradient` are tensors of one shape, `momentum` is that of `torch.optim.SGD`.",
    stub="def rate_for_ratio(weight, gradient, ratio, momentum): ...\n",
    hints=(
        "Without momentum a step is lr · gradient. How long is it, and how long is the weight?",
        "With momentum m, SGD steps by lr · v, where v becomes m · v + gradient at each step. With "
        "a gradient that stays the same, at which v does it come to rest?",
        "v = m · v + g gives v = g / (1 - m): each step is 1 / (1 - m) times as long as without "
        "momentum. So the learning rate must be that much smaller.",
    ),
    solution="""
def rate_for_ratio(weight, gradient, ratio, momentum):
    return ratio * (1 - momentum) * weight.norm() / gradient.norm()
""",
    measure=values_of(_LAYERS, _rate, number_from=as_number, unpack=True),
    right=gives(_rate),
    mistakes=(
        gives_instead(
            "momentum forgotten",
            lambda layer: layer.plain,
            "Your rate is right for the very first step. How long is a step when the momentum has "
            "built up?",
        ),
        gives_instead(
            "momentum the other way",
            lambda layer: layer.plain / (1 - layer.momentum),
            "Your rate grows with the momentum. Does momentum make the steps longer or shorter?",
        ),
        gives_instead(
            "momentum for what is left",
            lambda layer: layer.plain * layer.momentum,
            "Without momentum your rate is 0. What is added to `momentum * v` at each step?",
        ),
        gives_instead(
            "upside down",
            lambda layer: _rate(layer) * (layer.sizes[1] / layer.sizes[0]) ** 2,
            "Your rate grows with the gradient. Must a layer with a larger gradient have a larger "
            "rate, to move by the same share?",
        ),
        gives_instead(
            "product for ratio",
            lambda layer: _rate(layer) * layer.sizes[1] ** 2,
            "You multiplied the two norms: that is the leverage. How long is a step of SGD?",
        ),
        gives_instead(
            "size of the weight ignored",
            lambda layer: _rate(layer) / layer.sizes[0],
            "Your rate makes the step `ratio` long. It is to be `ratio` times as long as what?",
        ),
        gives_instead(
            "squared norms",
            lambda layer: _rate(layer) * layer.sizes[0] / layer.sizes[1],
            "Your norms are squared. Is the length of a vector the sum of its squares?",
        ),
    ),
    otherwise=_told,
    praise="it holds for 3 layers, with and without momentum.",
)

EXERCISES = [_NAME_THE_ILLNESS, _RATE_FOR_RATIO]
