"""Can units that start equal ever become different?"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from initlab.explore.explorer import Explorer
from initlab.explore.panels import Axis, HeatMap, Lines, Numbers, Rule, Series, counted, round_up
from initlab.explore.scene import Column, Network, Row, Scene, Strip, Table
from initlab.explore.symmetry_records import (
    CLASSES,
    STEPS,
    SymmetryRecords,
    SymmetrySettings,
    symmetry_records,
)
from initlab.explore.words import when
from initlab.plots.headlines import listed

LAYERS = ["layer 1", "layer 2", "layer 3", "head"]


def _strip(records: SymmetryRecords, counts: Numbers) -> Strip:
    """Colour each layer by a count, from 1 to all; 0 is empty."""
    sizes = np.array([len(weights) for weights in records.weights])
    colours = np.where(counts > 0, 2 * (counts - 1) / (sizes - 1) - 1, -np.inf)
    now = records.step
    notes = [
        f"{name.capitalize()}: {records.distinct[now, k]} of {sizes[k]} units distinct, "
        f"rank {records.ranks[now, k]}."
        for k, name in enumerate(LAYERS)
    ]
    return Strip(values=colours, notes=notes)


def _weights(records: SymmetryRecords) -> list[HeatMap]:
    """Draw each matrix; all share the colours, so one key is enough."""
    most = round_up(max(float(np.nan_to_num(np.abs(w)).max()) for w in records.weights))
    return [
        HeatMap(
            title=name.capitalize(),
            x=counted("input", weights.shape[1]), y=counted("unit", weights.shape[0]),
            values=weights, low=-most, high=most, span=3, small=True,
            bar=name == LAYERS[-1],
        )
        for name, weights in zip(LAYERS, records.weights, strict=True)
    ]  # fmt: skip


def _over_steps(title: str, label: str, counts: Numbers, records: SymmetryRecords) -> Lines:
    """Draw a curve for each layer; those underneath are thicker, so that equal ones are seen."""
    units = max(len(weights) for weights in records.weights)
    look = zip(LAYERS, (8.0, 5.5, 3.5, 1.8), counts.T, strict=True)
    x = np.arange(len(counts))
    return Lines(
        title=title,
        x=Axis(label="training step", low=0, high=STEPS, whole=True),
        y=Axis(label=label, low=0, high=units + 0.5, whole=True, ticks=[1, units // 2, units]),
        series=[Series(name=name, x=x, y=y, colour=name, thick=thick) for name, thick, y in look],
        cursor=records.step, span=4,
    )  # fmt: skip


def _loss(records: SymmetryRecords) -> Lines:
    losses = records.losses
    most = round_up(float(losses[np.isfinite(losses)].max(initial=2.5)))
    curve = Series(name="loss", x=np.arange(len(losses)), y=losses, colour="accent")
    return Lines(
        title="Loss",
        x=Axis(label="training step", low=0, high=STEPS, whole=True),
        y=Axis(label="nats", low=0, high=most),
        series=[curve],
        rules=[Rule(y=math.log(CLASSES), label="ln 10: guessing")],
        cursor=records.step, span=4,
    )  # fmt: skip


def _headline(records: SymmetryRecords) -> str:
    """Conclude how many units of a hidden layer differ."""
    told, units = when(records.step), len(records.weights[0])
    hidden = [int(count) for count in records.distinct[records.step, :-1]]
    if not np.isfinite(records.losses[records.step]):
        return f"{told} the loss is not finite: training diverged."
    if not records.ranks[records.step, :-1].any():
        return f"{told} every hidden weight is 0: no unit differs."
    if set(hidden) == {1}:
        return f"{told} all {units} units of a layer are identical."
    if set(hidden) == {units}:
        return f"{told} all {units} units of a layer differ."
    return f"{told}, of {units} units {listed([*map(str, hidden)])} are distinct."


def _table(records: SymmetryRecords) -> Table:
    """Give the counts of each layer; what has been trained long differs between processors."""
    columns = [Column(label=name, hint=f"Weights of {name}") for name in LAYERS[:-1]]
    head = Column(label="head", hint="Weights of the last layer", told=False)
    loss = Column(label="loss", hint="Cross-entropy of the batch; guessing: 2.30", told=False)
    step = records.step
    distinct, ranks = (map(str, counts[step]) for counts in (records.distinct, records.ranks))
    return Table(
        columns=[*columns, head, loss],
        rows=[
            Row(name="distinct units", cells=[*distinct, f"{records.losses[step]:.2f}"]),
            Row(name="rank", cells=[*ranks, ""]),
        ],
    )


class Symmetry(Explorer):
    """Explore whether units that start equal become different in training.

    A network with three hidden layers learns digits for 200 steps; look at any of them.

    >>> Symmetry(start="zeros", activation="tanh", step=0).headline
    'At the start every hidden weight is 0: no unit differs.'
    """

    Settings = SymmetrySettings
    title = "Symmetry: units that start equal"
    presets: ClassVar = {
        "All zeros, ReLU?": {"start": "zeros", "activation": "relu"},
        "All zeros, sigmoid?": {"start": "zeros", "activation": "sigmoid"},
        "All one value?": {},
        "One weight changed?": {"perturb": 0.5},
        "Does dropout help?": {"dropout": 0.2},
        "Random?": {"start": "normal", "value": 0.2},
    }

    def compute(self, settings: SymmetrySettings, seconds: float) -> Scene:
        """Show the weights of one step, and how many units differ, rank and loss over all steps."""
        records = symmetry_records(settings, seconds)
        distinct, ranks = records.distinct, records.ranks
        strips = [_strip(records, counts[records.step]) for counts in (distinct, ranks)]
        return Scene(
            headline=_headline(records),
            table=_table(records),
            network=Network(strips=strips, low="one", high="all units"),
            panels=[
                *_weights(records),
                _over_steps("Distinct units", "distinct rows", distinct, records),
                _over_steps("Rank of the weights", "rank", ranks, records),
                _loss(records),
            ],
            finished=records.finished,
        )


symmetry = Symmetry
