"""Can units that start equal ever become different?

`symmetry_records` trains, `symmetry_scene` shows one step, `Symmetry` puts controls around both.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from initlab.explore.controls import Choice, Slider
from initlab.explore.explorer import Explorer
from initlab.explore.panels import Axis, HeatMap, Lines, Rule, Scene, Series
from initlab.explore.signal import when
from initlab.explore.signal_records import round_up
from initlab.explore.symmetry_records import (
    CLASSES,
    STEPS,
    SymmetryRecords,
    SymmetrySettings,
    symmetry_records,
)

LAYERS = ["layer 1", "layer 2", "layer 3", "head"]


def symmetry_scene(records: SymmetryRecords) -> Scene:
    """Show the weights of one step, and how many units differ, rank and loss over all steps.

    Args:
        records: What `symmetry_records` gives.

    Returns:
        A sentence and seven panels.
    """
    return Scene(
        sentence=say(records),
        panels=[
            *_weights(records),
            _over_steps(
                "Distinct units", "distinct rows of the weights", records.distinct, records
            ),
            _over_steps("Rank of the weights", "rank", records.ranks, records),
            _loss(records),
        ],
        finished=records.finished,
    )


def _weights(records: SymmetryRecords) -> list[HeatMap]:
    most = round_up(max(float(np.nan_to_num(np.abs(w)).max()) for w in records.weights))
    return [
        HeatMap(
            title=f"Weights of {name}",
            x=Axis(label="input", low=0.5, high=weights.shape[1] + 0.5, whole=True),
            y=Axis(label="unit", low=0.5, high=weights.shape[0] + 0.5, whole=True),
            values=weights, low=-most, high=most, span=3, height=290,
        )
        for name, weights in zip(LAYERS, records.weights, strict=True)
    ]  # fmt: skip


def _over_steps(
    title: str, label: str, counts: NDArray[np.int64], records: SymmetryRecords
) -> Lines:
    """Draw a curve for each layer; those underneath are thicker, so that equal ones are seen."""
    units = max(len(weights) for weights in records.weights)
    x = np.arange(len(counts), dtype=np.float32)
    return Lines(
        title=title,
        x=Axis(label="training step", low=0, high=STEPS, whole=True),
        y=Axis(label=label, low=0, high=units + 0.5, whole=True),
        series=[
            Series(name=name, x=x, y=counts[:, layer].astype(np.float32), colour=layer,
                   thick=(8.0, 5.5, 3.5, 1.8)[layer])
            for layer, name in enumerate(LAYERS)
        ],
        cursor=records.step, span=4, height=330,
    )  # fmt: skip


def _loss(records: SymmetryRecords) -> Lines:
    x = np.arange(len(records.losses), dtype=np.float32)
    finite = records.losses[np.isfinite(records.losses)]
    most = round_up(max(2.5, float(finite.max()) if finite.size else 0.0))
    return Lines(
        title="Loss",
        x=Axis(label="training step", low=0, high=STEPS, whole=True),
        y=Axis(label="cross-entropy (nats)", low=0, high=most),
        series=[Series(name="loss of the batch", x=x, y=records.losses.astype(np.float32))],
        rules=[Rule(y=math.log(CLASSES), label="ln 10: pure guessing")],
        cursor=records.step, span=4, height=330,
    )  # fmt: skip


def say(records: SymmetryRecords) -> str:
    """Say how many units differ, the ranks, and the loss beside ln 10.

    Args:
        records: What `symmetry_records` gives.

    Returns:
        A few short sentences about the step that is looked at.
    """
    hidden = [int(count) for count in records.distinct[records.step, :-1]]
    ranks = [int(count) for count in records.ranks[records.step, :-1]]
    units = _say_units(hidden, ranks, len(records.weights[0]))
    told = f"{when(records.step)}: {units} {_say_loss(records)}"
    return told if records.finished else f"{told} (computing: step {len(records.losses) - 1})"


def _say_units(distinct: list[int], ranks: list[int], units: int) -> str:
    if not any(ranks):
        return "every weight of the hidden layers is 0, so all ranks are 0."
    layers = "in each hidden layer"
    same_rank = f"rank {ranks[0]} {layers}" if len(set(ranks)) == 1 else f"ranks {_list(ranks)}"
    if set(distinct) == {1}:
        return f"all {units} units of a hidden layer are identical, {same_rank}."
    if set(distinct) == {units}:
        return f"all {units} units differ {layers}, {same_rank}."
    return f"of {units} units, {_list(distinct)} are distinct in layers 1, 2 and 3; {same_rank}."


def _list(numbers: list[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _say_loss(records: SymmetryRecords) -> str:
    loss, guess = float(records.losses[records.step]), math.log(CLASSES)
    if not math.isfinite(loss):
        return "The loss is not finite: the run has diverged."
    if f"{loss:.4f}" == f"{guess:.4f}":
        return f"Loss {loss:.4f} = ln 10."
    return f"Loss {loss:.2f} (ln 10 = {guess:.2f} is pure guessing)."


class Symmetry(Explorer):
    """Units that start equal, over 200 training steps, while a control moves.

    Args:
        **values: A value for each control that is not to start at its default.

    >>> Symmetry(start="zeros", activation="tanh", step=0).sentence
    'At the start: every weight of the hidden layers is 0, so all ranks are 0. Loss 2.3026 = ln 10.'
    """

    title = "Symmetry: units that start equal"

    step = Slider(100, label="training step", low=0, high=STEPS, whole=True)
    start = Choice(
        "constant",
        label="initial weights",
        options={"zeros": "all 0", "constant": "all one value", "normal": "normal, std = value"},
    )
    value = Slider(0.1, label="value", low=0.0, high=1.0)
    activation = Choice(
        "tanh", label="activation", options={name: name for name in ("relu", "tanh", "sigmoid")}
    )
    width = Choice(16, label="width", options={n: str(n) for n in (8, 16, 32)})
    perturb = Slider(0.0, label="change one weight by", low=0.0, high=1.0)
    dropout = Slider(0.0, label="dropout", low=0.0, high=0.5)
    seed = Slider(0, label="seed", low=0, high=99, whole=True)

    presets: ClassVar = {
        "all zeros, ReLU": {"start": "zeros", "activation": "relu"},
        "all zeros, sigmoid": {"start": "zeros", "activation": "sigmoid"},
        "one constant": {},
        "one constant, one weight changed": {"perturb": 0.5},
        "one constant, dropout": {"dropout": 0.2},
        "random": {"start": "normal", "value": 0.2},
    }

    def compute(self, *, patient: bool, **values: Any) -> Scene:
        """Train, in slices unless `patient`, and show."""
        return symmetry_scene(symmetry_records(SymmetrySettings(**values), patient=patient))


def symmetry(**values: Any) -> Symmetry:
    """Explore whether units that start equal become different in training.

    A network with three hidden layers learns digits for 200 steps; look at any of them.

    Args:
        **values: Where the controls start: `step` (0 to 200), `start` ("zeros", "constant" or
            "normal"), `value` (the constant or the std, 0 to 1), `activation` ("relu", "tanh" or
            "sigmoid"), `width` (8, 16 or 32), `perturb` (added to one weight, 0 to 1), `dropout`
            (0 to 0.5), `seed`.

    Returns:
        The explorer: show it at the end of a cell, or set its traits and read its `.sentence`.

    Raises:
        ValueError: No control has this name, or it does not allow this value.
        TypeError: A value has the wrong type.
    """
    return Symmetry(**values)
