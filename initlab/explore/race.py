"""Which initialisation learns first?"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from initlab.explore.explorer import Explorer
from initlab.explore.panels import (
    Axis,
    Lines,
    Panel,
    Regions,
    Rule,
    Series,
    counted,
    decades,
)
from initlab.explore.race_records import (
    LANES,
    NOBODY,
    STEPS,
    Lane,
    RaceRecords,
    RaceSettings,
    race_records,
)
from initlab.explore.scene import Column, Network, Row, Scene, Strip, Table, sizes
from initlab.explore.signal import histograms
from initlab.explore.words import factor, when
from initlab.format import number, percent

SYMBOLS = ["circle", "square", "diamond", "plus"]  # of lanes 1 to 4
MARKS = "●■◆✚"  # the same in the table
THICK = [4.8, 3.6, 2.5, 1.5]  # their curves: those underneath are seen where all are equal
EVERY = 25  # steps from one symbol on a curve to the next
SHOWN = 200  # points that are drawn on a plane
LEARNT = 0.1  # by how much more than guessing is right where a network counts as one that learns


def _strip(lane: Lane, quantity: str) -> Strip:
    rms = lane.signals[quantity].rms
    notes = [f"{lane.scheme}, layer {k}: rms {number(one)}." for k, one in enumerate(rms, start=1)]
    return sizes(rms, rms[0 if quantity == "activation" else -1], notes)


def _lane(records: RaceRecords, lane: Lane, quantity: str) -> Panel:
    """Show what a network does to a plane; or, where inputs are no points, to its signals."""
    look: dict[str, Any] = {"span": 12 // len(records.lanes), "height": 200, "small": True}
    title = f"{lane.scheme}: {percent(lane.accuracy)}"
    if records.plane is None:
        return histograms(lane.signals[quantity], title, quantity, lane.scheme, **look)
    (left, right), (low, high) = records.plane.tolist()
    x, y = (part[:SHOWN].numpy() for part in records.data)
    return Regions(
        title=title,
        x=Axis(label="input 1", low=left, high=right),
        y=Axis(label="input 2", low=low, high=high),
        values=np.asarray(lane.classes), points_x=x[:, 0], points_y=x[:, 1], labels=y, **look,
    )  # fmt: skip


def _profile(records: RaceRecords, quantity: str) -> Lines:
    """Follow the signals through the layers, all networks on one axis."""
    curves = [lane.signals[quantity].rms for lane in records.lanes]
    return Lines(
        title=f"{quantity.capitalize()}s: rms by layer",
        x=counted("layer", len(curves[0])),
        y=decades("rms (log axis)", *curves),
        series=_curves(records, curves, start=1, every=1), span=4,
    )  # fmt: skip


def _losses(records: RaceRecords) -> Lines:
    guess = math.log(records.classes)
    finite = [lane.losses[np.isfinite(lane.losses)] for lane in records.lanes]
    is_high = max(losses.max(initial=0) for losses in finite) > 1.6 * guess
    return Lines(
        title="Loss, batch by batch",
        x=Axis(label="training step", low=0, high=STEPS, whole=True),
        y=Axis(label="nats", low=0, high=guess * (3 if is_high else 1.6)),
        series=_curves(records, [lane.losses for lane in records.lanes]),
        rules=[Rule(y=guess, label=f"ln {records.classes}: guessing")],
        cursor=records.step, span=4,
    )  # fmt: skip


def _accuracies(records: RaceRecords) -> Lines:
    return Lines(
        title="Accuracy, batch by batch",
        x=Axis(label="training step", low=0, high=STEPS, whole=True),
        y=Axis(label="share right", low=0, high=1.02),
        series=_curves(records, [lane.accuracies for lane in records.lanes]),
        cursor=records.step, span=4,
    )  # fmt: skip


def _curves(
    records: RaceRecords, curves: list[Any], *, start: int = 0, every: int = EVERY
) -> list[Series]:
    """Draw each network's curve in its scheme's colour, with its lane's symbol now and then."""
    return [
        Series(
            name=lane.scheme, x=np.arange(len(y)) + start, y=y, symbol=SYMBOLS[place],
            every=every, colour=lane.scheme, thick=THICK[place], listed=False,
        )
        for place, (lane, y) in enumerate(zip(records.lanes, curves, strict=True))
    ]  # fmt: skip


def _headline(records: RaceRecords) -> str:
    """Conclude who learns, without digits of training: other processors have others."""
    if not records.step:
        return "At the start no network has learnt anything. Press play."
    guess = 1 / records.classes
    learners = [lane for lane in records.lanes if lane.accuracy > guess + LEARNT]
    others = [lane.scheme for lane in records.lanes if lane.accuracy <= guess + LEARNT]
    ranked = sorted((lane.accuracy for lane in learners), reverse=True)
    told = when(records.step)
    if not learners:
        return f"{told} no network learns."
    if len(learners) > 1 and ranked[0] > ranked[1] + LEARNT:
        best = max(learners, key=lambda lane: lane.accuracy).scheme
        return f"{told} {best} leads; {len(learners)} of {len(records.lanes)} networks learn."
    if not others:
        return f"{told} all networks learn." if len(learners) > 1 else f"{told} the network learns."
    rest = f"{others[0]} does not" if len(others) == 1 else "the others do not"
    names = [lane.scheme for lane in learners]
    return f"{told} {_list(names)} learn{'s' * (len(names) == 1)}; {rest}."


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _table(records: RaceRecords) -> Table:
    return Table(
        columns=[
            Column(label="right", hint="Share of all examples that is right", told=False),
            Column(label="loss", hint="Cross-entropy on all examples, in nats", told=False),
            Column(label="gradient", told=False,
                   hint="Gradient in layer 1 over that in the last layer (rms)"),
        ],
        rows=[Row(name=lane.scheme, cells=_cells(lane), colour=lane.scheme, mark=mark)
              for lane, mark in zip(records.lanes, MARKS, strict=False)],
        most=4,
    )  # fmt: skip


def _cells(lane: Lane) -> list[str]:
    rms = lane.signals["gradient"].rms
    right = percent(lane.accuracy) if lane.stopped is None else "diverged"
    return [right, number(lane.loss), factor(rms[0], rms[-1]) or number(rms[0])]


class Race(Explorer):
    """Explore which initialisation learns first.

    The same network, once for each scheme, trains for 200 steps on the same batches. Play, pause,
    step, or drag the slider back: each step shows the same weights again, bit for bit.

    Args:
        *schemes: One to four names that start the lanes; none for the default line-up.
        **values: A value for each control that is not to start at its default.

    >>> Race(data="moons", width=16, depth=2, step=60, fourth="none").headline
    'After 60 steps all networks learn.'
    >>> race("zeros", step=100).headline
    'After 100 steps no network learns.'
    """

    Settings = RaceSettings
    seed: int
    title = "A race of initialisations"

    buttons: ClassVar = {"new seed": "new_seed"}
    presets: ClassVar = {
        "Who learns spirals?": {"step": 60},
        "And digits?": {"data": "digits", "step": 60},
        "Does Adam fix it?": {"data": "digits", "optimizer": "adam", "lr": 0.005, "step": 60},
        "Shallow: all but zeros?": {"depth": 2, "lr": 0.1, "step": 60},
        "Tanh?": {
            "activation": "tanh", "second": "orthogonal", "first": "xavier_normal", "step": 60,
        },
        "Too large?": {"first": "normal", "data": "digits", "lr": 0.01, "step": 20},
    }  # fmt: skip

    def __init__(self, *schemes: str, **values: Any) -> None:
        if len(schemes) > len(LANES):
            raise ValueError(
                f"schemes must be at most 4 names, got {len(schemes)}: leave some out."
            )
        nobody = [NOBODY] * (len(LANES) - len(schemes))
        line_up = dict(zip(LANES, [*schemes, *nobody], strict=True)) if schemes else {}
        super().__init__(**{**line_up, **values})

    def compute(self, settings: RaceSettings, seconds: float) -> Scene:
        """Show what each network has learnt, how its loss fell, and the signals inside it."""
        records, quantity = race_records(settings, seconds), settings.quantity
        return Scene(
            headline=_headline(records),
            table=_table(records),
            network=Network(strips=[_strip(lane, quantity) for lane in records.lanes]),
            panels=[
                *(_lane(records, lane, quantity) for lane in records.lanes),
                _losses(records),
                _accuracies(records),
                _profile(records, quantity),
            ],
            finished=records.finished,
        )

    def new_seed(self) -> None:
        """Take the next seed: other weights, and another order of the examples."""
        self.seed = (self.seed + 1) % 100


race = Race
