"""Notebook 14: name the illnesses of the clinic, compute a leverage, and treat a network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from initlab import data
from initlab.apply import initialize
from initlab.diagnosis import ILLNESSES, diagnose
from initlab.exercises.answers import (
    NotAttempted,
    Rejected,
    as_number,
    call,
    returned,
)
from initlab.exercises.exercise import Exercise, Mistake
from initlab.exercises.values import Values, gives, gives_instead, values_of
from initlab.lessons.clinic import ILLNESS_OF, clinic
from initlab.models import mlp

# --- name_the_illness ---

_NAMES = (*ILLNESSES, "healthy")


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
    notebook="12",
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
            says="Two patients have a loss far above that of a guess. In one of them only the last "
            "layer is at fault. What does the signal do in the other, layer by layer?",
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
            seen=_confused("collapsed", "wrong loss", "exploding"),
            says="One patient has a large loss because something else is wrong before it. How "
            "different are two of its inputs, already in the first layer?",
        ),
    ),
    otherwise=_wrong_ones,
    praise="all eleven are named.",
)

# --- leverage ---


def _case(seed: int, rows: int, columns: int, scale: float, guess: float) -> Any:
    generator = torch.Generator().manual_seed(seed)
    weight = scale * torch.randn(rows, columns, generator=generator)
    gradient = torch.randn(rows, columns, generator=generator) / 7
    return weight, gradient, guess


_LAYERS = [_case(0, 5, 12, 0.3, 2.3026), _case(1, 30, 8, 2.0, 0.7), _case(2, 4, 4, 0.05, 1.4)]


def _norm(tensor: Tensor) -> float:
    return float(tensor.double().norm())


def _share(
    count: Callable[[Tensor, Tensor], float], guesses: Callable[[float], float] = lambda g: 1 / g
) -> Callable[[Any], float]:
    return lambda case: count(case[0], case[1]) * guesses(case[2])


_leverage = _share(lambda w, g: _norm(w) * _norm(g))


def _told(values: Values) -> str:
    weight, gradient, guess = values.cases[0]
    return (
        f"For a weight of norm {_norm(weight):.3g}, a gradient of norm {_norm(gradient):.3g} and a "
        f"guess of {guess:.3g} you give {float(values.given[0]):.3g}. Which three numbers does the "
        "task name?"
    )


_LEVERAGE = Exercise(
    name="leverage",
    notebook="12",
    task="Write the measure that `il.diagnose` rests on: by how much could the loss change, to "
    "first order, if a weight changes by its own size? It is the norm of the weight times the norm "
    "of its gradient, counted in losses of a guess.",
    stub="def leverage(weight, gradient, guess): ...\n",
    hints=(
        "To first order, a step d changes the loss by the sum of gradient · d. In which direction "
        "must a step of a given length go, so that this is largest?",
        "The largest change is the length of the step times the length of the gradient "
        "(Cauchy-Schwarz). The step is as long as the weight.",
        "`weight.norm()` is the root of the sum of the squares of all entries. Divide by `guess`.",
    ),
    solution="""
def leverage(weight, gradient, guess):
    return weight.norm() * gradient.norm() / guess
""",
    measure=values_of(
        _LAYERS,
        _leverage,
        number_from=as_number,
        unpack=True,
    ),
    right=gives(_leverage),
    mistakes=(
        gives_instead(
            "not in guesses",
            _share(lambda w, g: _norm(w) * _norm(g), lambda guess: 1.0),
            "Your number has the unit of the loss. A loss of 2 is much for one task and little for "
            "another: what is it to be counted in?",
        ),
        gives_instead(
            "times the guess",
            _share(lambda w, g: _norm(w) * _norm(g), lambda guess: guess),
            "Your number grows with the loss of a guess. How many guesses fit into a change of the "
            "loss?",
        ),
        gives_instead(
            "gradient only",
            _share(lambda w, g: _norm(g)),
            "You measured the gradient alone. What does it become when all weights of a layer are "
            "ten times as large, and the next layer takes the factor back?",
        ),
        gives_instead(
            "ratio for product",
            _share(lambda w, g: _norm(g) / _norm(w)),
            "You divided by the size of the weight: that is how fast it moves *relative to "
            "itself*. How much does the loss change if it moves by its own size?",
        ),
        gives_instead(
            "along the weight",
            _share(lambda w, g: float((w * g).double().sum())),
            "You took the change along the weight itself, as if it were only scaled. Which "
            "direction changes the loss most?",
        ),
        gives_instead(
            "absolute products",
            _share(lambda w, g: float((w * g).double().abs().sum())),
            "You summed the products entry by entry, with signs removed. Which two lengths are "
            "asked for?",
        ),
        gives_instead(
            "rms for norm",
            _share(lambda w, g: _norm(w) * _norm(g) / w.numel()),
            "You took means over the entries, so that a large layer counts as much as a small one. "
            "Do the contributions of its weights add up, or is their mean taken?",
        ),
        gives_instead(
            "squared norms",
            _share(lambda w, g: (_norm(w) * _norm(g)) ** 2),
            "Your norms are squared. What unit has your number?",
        ),
    ),
    otherwise=_told,
    praise="it holds for 3 layers of different shapes and scales.",
)


# --- treat ---

_ROUNDS = 3


def _frozen_zeros() -> nn.Module:
    """Two illnesses, of which the second can be seen only when the first is mended."""
    model = mlp(3, 32)
    initialize(model, "zeros")
    return model.requires_grad_(False)


def _fine() -> nn.Module:
    model = mlp(3, 32)
    initialize(
        model, "kaiming_normal", nonlinearity="relu", generator=torch.Generator().manual_seed(0)
    )
    return model


def _patient(illness: str) -> nn.Module:
    name = next(name for name, known in ILLNESS_OF.items() if known == illness)
    return clinic()[name].model


@dataclass(frozen=True)
class _Case:
    """Who is treated.

    Args:
        build: Makes the network.
        treated: The illnesses that a right treatment mends, in order.
        after: What it has afterwards.
    """

    build: Callable[[], nn.Module]
    treated: tuple[str, ...]
    after: str


_CASES = {
    "dead units": _Case(lambda: _patient("dead"), ("dead",), "healthy"),
    "a healthy network": _Case(_fine, (), "healthy"),
    "a detached graph": _Case(lambda: _patient("no gradient"), (), "no gradient"),
    "frozen zeros": _Case(_frozen_zeros, ("no gradient", "symmetric"), "healthy"),
}


@dataclass(frozen=True)
class _Treated:
    given: dict[str, list[str]]
    after: dict[str, str]
    changed: dict[str, bool]

    @property
    def right(self) -> bool:
        return self.all_named and not self.unhealed and not self.meddled

    @property
    def all_named(self) -> bool:
        return all(self.given[name] == list(case.treated) for name, case in _CASES.items())

    @property
    def unhealed(self) -> list[str]:
        return [name for name, case in _CASES.items() if self.after[name] != case.after]

    @property
    def meddled(self) -> list[str]:
        """Those that were not to be treated, and changed."""
        return [name for name, case in _CASES.items() if not case.treated and self.changed[name]]


@cache
def _batch() -> data.Batch:
    return data.digits(256)


def _measure_treatment(function: Callable[..., Any]) -> _Treated:
    x, y = _batch()
    given: dict[str, list[str]] = {}
    after: dict[str, str] = {}
    changed: dict[str, bool] = {}
    for name, case in _CASES.items():
        model = case.build()
        before = copy.deepcopy(model.state_dict())
        value = returned(call(function, model, x, y))
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise Rejected(
                "not a list",
                f"The check wants the list of the illnesses that were treated. It got a "
                f"{type(value).__name__}.",
            )
        given[name] = [str(illness) for illness in value]
        try:
            after[name] = diagnose(model, x, y).illness
        except Exception as error:
            raise Rejected(
                "broken",
                "After your treatment a network cannot be run any more: "
                f"{type(error).__name__}: {error}. What did you change beside what `mend` changes?",
            ) from None
        now = model.state_dict()
        changed[name] = set(now) != set(before) or not all(
            torch.equal(now[key], before[key]) for key in before
        )
    return _Treated(given, after, changed)


_TREAT = Exercise(
    name="treat",
    notebook="12",
    task="Write a function that treats a network in place: diagnose it, mend the first finding if "
    f"that can be mended, and diagnose again, at most {_ROUNDS} times. Return the list of the "
    "illnesses that were treated, in order. A network that is healthy, or whose first finding no "
    "call can mend, is left as it is.",
    stub="def treat(model, x, y): ...\n",
    hints=(
        "`found = il.diagnose(model, x, y)`: its first finding is `found[0]`. What do `.illness`, "
        "`.mendable` and `.mend(model)` do?",
        "After `mend` the network is another one. Which line must run again?",
        f"A loop `for _ in range({_ROUNDS})`: diagnose; `break` if `found[0].mendable` is false; "
        "mend; append the name.",
    ),
    solution="""
import initlab as il

def treat(model, x, y):
    treated = []
    for _ in range(3):
        found = il.diagnose(model, x, y)
        if not found[0].mendable:
            break
        found[0].mend(model)
        treated.append(found.illness)
    return treated
""",
    measure=_measure_treatment,
    right=lambda t: t.right,
    mistakes=(
        Mistake(
            name="not in place",
            seen=lambda t: any(t.given.values()) and not any(t.changed.values()),
            says="Your list names illnesses, but the networks are as ill as before. Which model "
            "did you mend: the one that was handed over?",
        ),
        Mistake(
            name="healthy one treated",
            seen=lambda t: bool(t.meddled),
            says="A network that was healthy, or that no call can mend, has other weights now. "
            "What must you ask before you change anything?",
        ),
        Mistake(
            name="healthy counted",
            seen=lambda t: any("healthy" in names for names in t.given.values()),
            says="Your list says that health was treated. When is there nothing to mend?",
        ),
        Mistake(
            name="all findings mended",
            seen=lambda t: len(t.given["dead units"]) > 1,
            says="One network had a single cause, and you treated more than one illness. The later "
            "findings follow from the first: are they still there when that is mended?",
        ),
        Mistake(
            name="unmendable counted",
            seen=lambda t: bool(t.given["a detached graph"]),
            says="Your list names an illness that no call can mend. Was it treated?",
        ),
        Mistake(
            name="one round",
            seen=lambda t: t.unhealed == ["frozen zeros"],
            says="One network had a second illness that could be seen only when the first was "
            "mended. What must happen after `mend`?",
        ),
        Mistake(
            name="names missing",
            seen=lambda t: not t.unhealed and not t.all_named,
            says="All networks are healed, but your list is not what was done, in the order in "
            "which it was done. Where do you append a name?",
        ),
    ),
    otherwise=lambda t: (
        f"After your treatment, these are not as they could be: {', '.join(t.unhealed)}. What does "
        "`il.diagnose` say about them?"
    ),
    praise="the ill are healed, also the one with two illnesses, and the others are untouched.",
)

EXERCISES = [_LEVERAGE, _NAME_THE_ILLNESS, _TREAT]
