"""Which initialisation learns first?

`race_records` trains, `race_scene` turns one step of it into a sentence and panels, and `Race` puts
controls around both.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from initlab.activations import ACTIVATIONS
from initlab.explore.controls import Choice, Slider
from initlab.explore.explorer import Explorer
from initlab.explore.panels import Axis, Lines, Panel, Regions, Rule, Scene, Series
from initlab.explore.race_records import (
    DATA,
    STEPS,
    Lane,
    RaceRecords,
    RaceSettings,
    race_records,
)
from initlab.explore.scheme_options import SchemeOptions
from initlab.explore.signal import histograms, number, percent, when
from initlab.plots.style import colour_of

SYMBOLS = ["circle", "square", "diamond", "plus"]  # of lanes 1 to 4
EVERY = 25  # steps from one symbol on a curve to the next
SHOWN = 200  # points that are drawn on a plane
NOBODY = "none"


def race_scene(records: RaceRecords, *, quantity: str) -> Scene:
    """Show what each network has learnt, how its loss fell, and the signals inside it.

    Args:
        records: What `race_records` gives.
        quantity: Which histograms to show, "activation" or "gradient".

    Returns:
        A sentence, a plane for each network where inputs are points, two panels of curves, and
        a panel of histograms for each network.
    """
    return Scene(
        sentence=say(records),
        panels=[
            *_planes(records),
            _losses(records),
            _accuracies(records),
            *(_ridges(lane, quantity, 12 // len(records.lanes)) for lane in records.lanes),
        ],
        finished=records.finished,
    )


def _planes(records: RaceRecords) -> list[Panel]:
    if records.plane is None:
        return []
    ends = [(float(low), float(high)) for low, high in records.plane]
    points = np.asarray(records.data.x[:SHOWN].numpy(), dtype=np.float32)
    labels = np.asarray(records.data.y[:SHOWN].numpy(), dtype=np.float32)
    x, y = np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])
    return [
        Regions(
            title=f"{lane.scheme}: {percent(lane.accuracy)}",
            x=Axis(label="input 1", low=ends[0][0], high=ends[0][1]),
            y=Axis(label="input 2", low=ends[1][0], high=ends[1][1]),
            values=np.asarray(lane.classes, dtype=np.float32),
            points_x=x, points_y=y, labels=labels,
            span=12 // len(records.lanes), height=290,
        )
        for lane in records.lanes
    ]  # fmt: skip


def _losses(records: RaceRecords) -> Lines:
    guess = math.log(records.classes)
    finite = [lane.losses[np.isfinite(lane.losses)] for lane in records.lanes]
    is_high = max(losses.max(initial=0) for losses in finite) > 1.6 * guess
    return Lines(
        title="Loss of each step's batch",
        x=Axis(label="training step", low=0, high=STEPS, whole=True),
        y=Axis(label="cross-entropy (nats)", low=0, high=guess * (3 if is_high else 1.6)),
        series=[_curve(lane, place, lane.losses) for place, lane in enumerate(records.lanes)],
        rules=[Rule(y=guess, label=f"ln {records.classes}: pure guessing")],
        cursor=records.step, span=6, height=310,
    )  # fmt: skip


def _accuracies(records: RaceRecords) -> Lines:
    return Lines(
        title="Accuracy on each step's batch",
        x=Axis(label="training step", low=0, high=STEPS, whole=True),
        y=Axis(label="share that is right", low=0, high=1.02),
        series=[_curve(lane, place, lane.accuracies) for place, lane in enumerate(records.lanes)],
        cursor=records.step, span=6, height=310,
    )  # fmt: skip


def _curve(lane: Lane, place: int, values: Any) -> Series:
    """Draw one network's curve in its scheme's colour, with its lane's symbol now and then."""
    return Series(
        name=lane.scheme,
        x=np.arange(len(values), dtype=np.float32),
        y=values.astype(np.float32),
        symbol=SYMBOLS[place],
        every=EVERY,
        colour=colour_of(lane.scheme),
    )


def _ridges(lane: Lane, quantity: str, span: int) -> Panel:
    signals = lane.activation if quantity == "activation" else lane.gradient
    label = "activation" if quantity == "activation" else "gradient of the loss"
    return histograms(signals, lane.scheme, label, colour_of(lane.scheme), span=span, height=330)


def say(records: RaceRecords) -> str:
    """Say how much of the data each network gets right, and where no gradient arrives.

    Args:
        records: What `race_records` gives.

    Returns:
        A few short sentences about the step that is looked at.
    """
    shares = ", ".join(_say_lane(lane) for lane in records.lanes)
    guess = f"(guessing: {1 / records.classes:.2f})"
    accuracy = f"accuracy on all {len(records.data.x):,} examples: {shares} {guess}"
    parts = [
        f"{when(records.step)}, {accuracy}.",
        _say_gradients(records.lanes),
        "" if records.finished else f"(computing: on the way to step {records.wanted})",
    ]
    return " ".join(filter(None, parts))


def _say_lane(lane: Lane) -> str:
    lost = "" if lane.stopped is None else f" (diverged at step {lane.stopped})"
    return f"{lane.scheme} {lane.accuracy:.2f}{lost}"


def _say_gradients(lanes: list[Lane]) -> str:
    """Name the networks whose first layer hardly learns."""
    depth = len(lanes[0].gradient.rms)
    told = []
    for lane in lanes:
        first, last = lane.gradient.rms[0], lane.gradient.rms[-1]
        if not first:
            told.append(f"{lane.scheme} 0")
        elif depth > 1 and not 0.01 <= first / last <= 100 and np.isfinite(first):
            told.append(f"{lane.scheme} {number(first / last)}")
    if not told:
        return ""
    beside = f" as a multiple of layer {depth}'s" if depth > 1 else ""
    return f"Layer 1's gradient{beside}: {', '.join(told)}."


_SCHEMES = SchemeOptions()
_SCHEMES_OR_NONE = SchemeOptions(NOBODY)


class Race(Explorer):
    """Up to four schemes that train the same network on the same batches, step by step.

    Args:
        **values: A value for each control that is not to start at its default.

    >>> Race(data="moons", width=16, depth=2, step=60, fourth="none").sentence.split(":")[0]
    'After 60 steps, accuracy on all 400 examples'
    """

    title = "A race of initialisations"

    step = Slider(0, label="training step", low=0, high=STEPS, whole=True, play=True)
    data = Choice("spirals", label="data", options={name: name for name in DATA})
    first = Choice("kaiming_normal", label="scheme 1", options=_SCHEMES)
    second = Choice("xavier_normal", label="scheme 2", options=_SCHEMES_OR_NONE)
    third = Choice("torch_default", label="scheme 3", options=_SCHEMES_OR_NONE)
    fourth = Choice("zeros", label="scheme 4", options=_SCHEMES_OR_NONE)
    depth = Slider(10, label="depth", low=1, high=20, whole=True)
    width = Choice(32, label="width", options={n: str(n) for n in (16, 32, 64)})
    activation = Choice("relu", label="activation", options={name: name for name in ACTIVATIONS})
    optimizer = Choice(
        "momentum",
        label="optimizer",
        options={"sgd": "SGD", "momentum": "SGD, momentum 0.9", "adam": "Adam"},
    )
    lr = Slider(0.02, label="learning rate", low=0.0005, high=0.5, log=True)
    quantity = Choice(
        "gradient",
        label="histograms",
        options={"activation": "activations", "gradient": "gradients"},
    )
    seed = Slider(0, label="seed", low=0, high=99, whole=True)

    buttons: ClassVar = {"new seed": "new_seed"}
    presets: ClassVar = {
        "spirals, 10 layers": {},
        "digits, 10 layers": {"data": "digits"},
        "digits, 10 layers, Adam": {"data": "digits", "optimizer": "adam", "lr": 0.005},
        "shallow: all learn but zeros": {"depth": 2, "lr": 0.1},
        "tanh": {
            "activation": "tanh", "second": "orthogonal", "first": "xavier_normal",
        },
        "too large": {"first": "normal", "data": "digits", "lr": 0.01},
    }  # fmt: skip

    def compute(self, *, patient: bool, **values: Any) -> Scene:
        """Train up to the step, in slices unless `patient`, and show."""
        names = [values.pop(lane) for lane in ("first", "second", "third", "fourth")]
        schemes = tuple(name for name in names if name != NOBODY)
        quantity = values.pop("quantity")
        records = race_records(RaceSettings(schemes=schemes, **values), patient=patient)
        return race_scene(records, quantity=quantity)

    def new_seed(self) -> None:
        """Take the next seed: other weights, and another order of the examples."""
        self.seed = (self.seed + 1) % 100


def race(*schemes: str, **values: Any) -> Race:
    """Explore which initialisation learns first.

    The same network, once for each scheme, trains for 200 steps on the same batches. Play, pause,
    step, or drag the slider back: each step shows the same weights again, bit for bit.

    Args:
        *schemes: One to four names that start the lanes; none for the default line-up.
        **values: Where the controls start: `step` (0 to 200), `data` ("spirals", "moons" or
            "digits"), `first` to `fourth` (a scheme; all but the first may be "none"), `depth` (1
            to 20), `width` (16, 32 or 64), `activation`, `optimizer` ("sgd", "momentum" or
            "adam"), `lr` (0.0005 to 0.5), `quantity` of the histograms ("activation" or
            "gradient"), `seed`.

    Returns:
        The explorer: show it at the end of a cell, or set its traits and read its `.sentence`.

    Raises:
        ValueError: No control has this name, it does not allow this value, or there are more than
            four schemes.
        TypeError: A value has the wrong type.

    >>> race("zeros", step=100).sentence.split(".")[0]
    'After 100 steps, accuracy on all 600 examples: zeros 0'
    """
    lanes = ["first", "second", "third", "fourth"]
    if len(schemes) > len(lanes):
        raise ValueError(f"schemes must be at most 4 names, got {len(schemes)}: leave some out.")
    if schemes:
        line_up = [*schemes, *[NOBODY] * (len(lanes) - len(schemes))]
        values = {**dict(zip(lanes, line_up, strict=True)), **values}
    return Race(**values)
