"""Which numbers of a record are drawn, and how are they said?

Records are duck-typed. A trace has `.layers`; each layer has `.name`, `.nonlinearity` and for each
quantity a summary (or None) with `.mean .std .rms .min .max .zeros .nonfinite .histogram`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from statistics import median
from typing import Any, NamedTuple

from initlab.format import number, percent

QUANTITIES = {  # quantity → the x or y label, with its unit
    "activation": "activation",
    "gradient": "gradient (loss per activation)",
    "weight": "weight",
    "weight_gradient": "weight gradient (loss per weight)",
}


class SeedBand(NamedTuple):
    """One layer of several traces (seeds), in the place of its summary; inf is no number."""

    rms: float  # the median
    low: float
    high: float
    zeros: bool  # whether the median layer is all 0
    nonfinite: bool  # whether it holds nan or inf
    min: float = math.nan  # nothing is known of single elements
    max: float = math.nan


class Row(NamedTuple):
    """One layer as it is drawn."""

    position: int  # on the layer axis
    name: str
    summary: Any
    saturated: float = 0.0  # share of the activations

    @property
    def rms(self) -> float:
        """The measured size; nan where nothing is finite."""
        return float(self.summary.rms)

    @property
    def reach(self) -> tuple[float, float]:
        """The lowest and the highest rms over the seeds."""
        seeds = self.summary if isinstance(self.summary, SeedBand) else None
        return (seeds.low, seeds.high) if seeds else (self.rms, self.rms)

    def is_broken(self) -> bool:
        """Tell whether some of the layer is nan or inf."""
        return self.summary.nonfinite > 0 or not math.isfinite(self.rms)

    def is_zero(self) -> bool:
        """Tell whether all of the layer is exactly 0."""
        return self.rms == 0 and not self.is_broken()

    def fits_log(self) -> bool:
        """Tell whether a log axis can show the rms."""
        return 0 < self.rms < math.inf


def named(records: Any, what: str = "trace") -> dict[str, Any]:
    """Turn one record, a list or a dict of them into name → record; one alone has no name."""
    if isinstance(records, Mapping):
        several = {str(name): record for name, record in records.items()}
    elif isinstance(records, Sequence) and not isinstance(records, str):
        several = {f"{what} {place}": record for place, record in enumerate(records, start=1)}
    else:
        several = {"": records}
    if not several:
        raise ValueError(f"{what} holds nothing to draw: got {records!r}.")
    return several


def seeds(trace: Any) -> dict[str, list[Any]]:
    """Name → its traces, checked: one, or a list of several that differ by their seed."""
    several = {
        name: list(one) if isinstance(one, list | tuple) else [one]
        for name, one in named(trace).items()
    }
    for name, runs in several.items():
        if not runs:
            raise ValueError(f"trace holds an empty list for {name!r}: it needs a trace or more.")
        for one in runs:
            if not hasattr(one, "layers"):
                raise TypeError(
                    "trace must be what il.trace(model, x) returns, or a dict or list of such, "
                    f"got {one!r} of type {type(one).__name__}."
                )
    return several


def seed_band(runs: Sequence[Sequence[Row]]) -> list[Row]:
    """Put the layers of several traces together: median, lowest and highest of each."""
    if len(runs) == 1:
        return list(runs[0])
    if len({tuple(row.name for row in rows) for rows in runs}) > 1:
        raise ValueError(
            "trace has a list of traces whose layers differ: only networks of one kind make a band."
        )
    band = []
    for layer in zip(*runs, strict=True):
        sizes = [math.inf if row.is_broken() else row.rms for row in layer]
        rms = median(sizes)
        seen = SeedBand(rms, min(sizes), max(sizes), zeros=rms == 0, nonfinite=rms == math.inf)
        saturated = median(row.saturated for row in layer)
        band.append(layer[0]._replace(summary=seen, saturated=saturated))
    return band


def picked(trace: Any, quantity: str, layers: Sequence[str] | str | None) -> list[Row]:
    """Choose the layers to draw: by name glob, else the nonlinearities if there are any."""
    if quantity not in QUANTITIES:
        allowed = ", ".join(map(repr, QUANTITIES))
        hint = did_you_mean(quantity, QUANTITIES)
        raise ValueError(f"quantity must be one of {allowed}, got {quantity!r}.{hint}")
    known = [layer for layer in trace.layers if getattr(layer, quantity) is not None]
    if not known:
        need = " Give il.trace a loss that reaches them." if "gradient" in quantity else ""
        raise ValueError(f"the trace holds no {quantity} of any layer.{need}")
    if layers is not None:
        chosen = _matching(known, [layers] if isinstance(layers, str) else layers)
    else:
        chosen = [layer for layer in known if layer.nonlinearity] or known
    rows = []
    for place, layer in zip(positions([layer.name for layer in chosen]), chosen, strict=True):
        saturated = layer.saturated if quantity == "activation" else None
        rows.append(Row(place, layer.name, getattr(layer, quantity), saturated or 0.0))
    return rows


def _matching(known: list[Any], patterns: Sequence[str]) -> list[Any]:
    names = [layer.name for layer in known]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            near = difflib.get_close_matches(pattern, names, n=3, cutoff=0.3) or names[:5]
            raise ValueError(
                f"layers={pattern!r} fits no layer of the trace: "
                f"did you mean {' or '.join(map(repr, near))}?"
            )
    return [layer for layer in known if any(fnmatchcase(layer.name, one) for one in patterns)]


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """Ask for the nearest name; empty if none is near."""
    near = difflib.get_close_matches(str(name), [*known], n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def positions(names: Sequence[str]) -> list[int]:
    """Number the layers: by the numbers in their names where these rise, else 1, 2, 3, ..."""
    found = [re.fullmatch(r"\D+(\d+)", name) for name in names]
    numbers = [int(match[1]) for match in found if match]
    if len(numbers) == len(names) and numbers == sorted(set(numbers)):
        return numbers
    return list(range(1, len(names) + 1))


def ticks(places: Sequence[int], most: int = 9) -> list[int]:
    """Choose at most about `most` whole layer numbers: both ends, and round ones between them.

    >>> ticks(range(1, 11)), ticks(range(1, 21))
    ([1, 4, 6, 8, 10], [1, 5, 10, 15, 20])
    """
    first, last = min(places), max(places)
    steps = (base * unit for base in (1, 10, 100, 1000, 10_000) for unit in (1, 2, 5))
    step = next(step for step in steps if last - first < most * step)
    room = math.ceil(0.75 * step)
    inside = range(first + room, last - room + 1)
    return sorted({first, *(place for place in inside if place % step == 0), last})


def span(places: Sequence[int]) -> str:
    """Say which layers: "layer 3", "layers 3 to 20", "layers 3, 7"."""
    places = sorted(set(places))
    if len(places) == 1:
        return f"layer {places[0]}"
    if places == list(range(places[0], places[-1] + 1)):
        return f"layers {places[0]} to {places[-1]}"
    return "layers " + ", ".join(map(str, places[:6])) + (", ..." if len(places) > 6 else "")


def state(summary: Any) -> str:
    """Say in a word what an rms alone would hide; empty for an ordinary layer."""
    if summary.nonfinite == 1:
        return "nan or inf"
    if summary.nonfinite > 0:
        return f"{percent(summary.nonfinite)} nan or inf"
    if summary.zeros == 1:
        return "all 0"
    if summary.min == summary.max:
        return f"all {number(summary.min)}"
    return ""


def account(rows: Sequence[Row]) -> str:
    """Say the rms of the first and the last ordinary layer, and what is wrong with the others."""
    states: dict[str, list[Row]] = {}
    for row in rows:
        states.setdefault(state(row.summary), []).append(row)
    ordinary = states.pop("", [])
    ends = ordinary if len(ordinary) < 2 else [ordinary[0], ordinary[-1]]
    said = [f"{number(row.rms)} at layer {row.position}" for row in ends]
    parts = ["rms " + ", ".join(said)] if said else []
    parts += [f"{word} at {span([row.position for row in some])}" for word, some in states.items()]
    return "; ".join(parts)


def predictions(predicted: Any, names: Sequence[str], what: str = "trace") -> dict[str, Any]:
    """Name of the trace → prediction that belongs to it; one alone belongs to every trace."""
    if predicted is None:
        return {}
    if not isinstance(predicted, Mapping):
        return dict.fromkeys(names, predicted)
    for name in predicted:
        if name not in names:
            raise ValueError(
                f"predicted has {name!r}, which is no {what}: "
                f"the {what}s are {', '.join(map(repr, names))}."
            )
    return dict(predicted)


def theory_curve(prediction: Any, rows: Sequence[Row], quantity: str) -> list[float]:
    """Return what theory expects at each row, nan where it is silent.

    A predicted gradient is relative, so it is scaled to what was measured at the last drawn layer.
    """
    if quantity not in ("activation", "gradient"):
        raise ValueError(
            f"predicted speaks about 'activation' and 'gradient' only, got quantity={quantity!r}."
        )
    if not prediction.applies:
        return [math.nan] * len(rows)
    known = dict(zip(prediction.names, getattr(prediction, quantity), strict=True))
    curve = [math.nan if known.get(row.name) is None else float(known[row.name]) for row in rows]
    if quantity == "activation":
        return curve
    for expected, row in zip(reversed(curve), reversed(rows), strict=True):
        if 0 < expected < math.inf and row.fits_log():
            return [value * row.rms / expected for value in curve]
    return [math.nan] * len(curve)
