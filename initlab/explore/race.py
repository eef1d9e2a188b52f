"""Which initialisation learns first?

`race_records` trains, `race_scene` turns one step of it into words and panels, and `Race` puts
controls around both.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from initlab.explore.explorer import Explorer
from initlab.explore.panels import (
    Axis,
    Column,
    Lines,
    Network,
    Panel,
    Regions,
    Row,
    Rule,
    Scene,
    Series,
    Strip,
    Table,
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
from initlab.explore.signal import colours_of, decades, float32, histograms
from initlab.explore.signal_records import Signals
from initlab.explore.signal_words import when
from initlab.format import number, percent

SYMBOLS = ["circle", "square", "diamond", "plus"]  # of lanes 1 to 4
MARKS = "●■◆✚"  # the same in the table
THICK = [4.8, 3.6, 2.5, 1.5]  # their curves: those underneath are seen where all are equal
EVERY = 25  # steps from one symbol on a curve to the next
SHOWN = 200  # points that are drawn on a plane
LEARNT = 0.1  # by how much more than guessing is right where a network counts as one that learns


def race_scene(records: RaceRecords, *, quantity: str) -> Scene:
    """Show what each network has learnt, how its loss fell, and the signals inside it.

    Args:
        records: What `race_records` gives.
        quantity: Which signals to show, "activation" or "gradient".

    Returns:
        Headline, table and network; a panel for each network, which is a plane where inputs are
        points and else its histograms; and three panels of curves.
    """
    return Scene(
        headline=headline(records),
        table=_table(records),
        network=Network(
            strips=[_strip(lane, quantity) for lane in records.lanes],
            low="smaller",
            high="larger",
        ),
        panels=[
            *(_plane(records, lane) or _ridges(records, lane, quantity) for lane in records.lanes),
            _losses(records),
            _accuracies(records),
            _profile(records, quantity),
        ],
        finished=records.finished,
    )


def _strip(lane: Lane, quantity: str) -> Strip:
    way = slice(None) if quantity == "activation" else slice(None, None, -1)
    rms = _signals(lane, quantity).rms
    notes = [f"{lane.scheme}, layer {k}: rms {number(one)}." for k, one in enumerate(rms, start=1)]
    return Strip(values=colours_of(rms[way])[way], notes=notes)


def _signals(lane: Lane, quantity: str) -> Signals:
    return lane.activation if quantity == "activation" else lane.gradient


def _plane(records: RaceRecords, lane: Lane) -> Panel | None:
    if records.plane is None:
        return None
    ends = [(float(low), float(high)) for low, high in records.plane]
    points = np.asarray(records.data.x[:SHOWN].numpy(), dtype=np.float32)
    return Regions(
        title=_title(lane),
        x=Axis(label="input 1", low=ends[0][0], high=ends[0][1]),
        y=Axis(label="input 2", low=ends[1][0], high=ends[1][1]),
        values=np.asarray(lane.classes, dtype=np.float32),
        points_x=np.ascontiguousarray(points[:, 0]), points_y=np.ascontiguousarray(points[:, 1]),
        labels=np.asarray(records.data.y[:SHOWN].numpy(), dtype=np.float32),
        span=12 // len(records.lanes), height=200, small=True,
    )  # fmt: skip


def _ridges(records: RaceRecords, lane: Lane, quantity: str) -> Panel:
    label = "activation" if quantity == "activation" else "gradient"
    span = 12 // len(records.lanes)
    look: dict[str, Any] = {"span": span, "height": 200, "small": True}
    return histograms(_signals(lane, quantity), _title(lane), label, lane.scheme, **look)


def _title(lane: Lane) -> str:
    return f"{lane.scheme}: {percent(lane.accuracy)}"


def _profile(records: RaceRecords, quantity: str) -> Lines:
    """Follow the signals through the layers, all networks on one axis."""
    curves = [_signals(lane, quantity).rms for lane in records.lanes]
    low, high = decades(np.concatenate(curves))
    depth = len(curves[0])
    layers = np.arange(1, depth + 1, dtype=np.float32)
    pairs = zip(records.lanes, curves, strict=True)
    return Lines(
        title=f"{quantity.capitalize()}s: rms by layer",
        x=Axis(label="layer", low=0.5, high=depth + 0.5, whole=True),
        y=Axis(label="rms (log axis)", low=low, high=high, log=True),
        series=[
            _curve(lane, place, layers, rms, every=1) for place, (lane, rms) in enumerate(pairs)
        ],
        span=4,
    )  # fmt: skip


def _losses(records: RaceRecords) -> Lines:
    guess = math.log(records.classes)
    finite = [lane.losses[np.isfinite(lane.losses)] for lane in records.lanes]
    is_high = max(losses.max(initial=0) for losses in finite) > 1.6 * guess
    return Lines(
        title="Loss, batch by batch",
        x=Axis(label="training step", low=0, high=STEPS, whole=True),
        y=Axis(label="nats", low=0, high=guess * (3 if is_high else 1.6)),
        series=_over_steps(records, "losses"),
        rules=[Rule(y=guess, label=f"ln {records.classes}: guessing")],
        cursor=records.step, span=4,
    )  # fmt: skip


def _accuracies(records: RaceRecords) -> Lines:
    return Lines(
        title="Accuracy, batch by batch",
        x=Axis(label="training step", low=0, high=STEPS, whole=True),
        y=Axis(label="share right", low=0, high=1.02),
        series=_over_steps(records, "accuracies"),
        cursor=records.step, span=4,
    )  # fmt: skip


def _over_steps(records: RaceRecords, quantity: str) -> list[Series]:
    series = []
    for place, lane in enumerate(records.lanes):
        values = getattr(lane, quantity)
        steps = np.arange(len(values), dtype=np.float32)
        series.append(_curve(lane, place, steps, values, every=EVERY))
    return series


def _curve(lane: Lane, place: int, x: Any, y: Any, *, every: int) -> Series:
    """Draw one network's curve in its scheme's colour, with its lane's symbol now and then."""
    return Series(
        name=lane.scheme, x=x, y=float32(y), symbol=SYMBOLS[place], every=every,
        colour=lane.scheme, thick=THICK[place], listed=False,
    )  # fmt: skip


def headline(records: RaceRecords) -> str:
    """Conclude who learns, without digits of training: other processors have others.

    Args:
        records: What `race_records` gives.

    Returns:
        At most twelve words about the step that is looked at.
    """
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
    first, last = lane.gradient.rms[0], lane.gradient.rms[-1]
    share = f"× {number(first / last)}" if last and np.isfinite([first, last]).all() else ""
    right = percent(lane.accuracy) if lane.stopped is None else "diverged"
    return [right, number(lane.loss), share or number(first)]


class Race(Explorer):
    """Explore which initialisation learns first.

    The same network, once for each scheme, trains for 200 steps on the same batches. Play, pause,
    step, or drag the slider back: each step shows the same weights again, bit for bit.

    Args:
        *schemes: One to four names that start the lanes; none for the default line-up.
        **values: Where the controls start.

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

    def compute(self, settings: RaceSettings, *, patient: bool) -> Scene:
        """Train up to the step, in slices unless `patient`, and show."""
        return race_scene(race_records(settings, patient=patient), quantity=settings.quantity)

    def new_seed(self) -> None:
        """Take the next seed: other weights, and another order of the examples."""
        self.seed = (self.seed + 1) % 100


race = Race
