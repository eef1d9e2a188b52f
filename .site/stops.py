"""Which settings of an explorer are recorded, so that it moves on a page without a kernel?

A plan names stops for some controls. Around the values with which an explorer starts, every
combination of `main` is recorded; around those of each of its chips, every combination of `chip`.
All other controls stay as they are there. Where a lesson asks its readers to move an explorer,
`LESSONS` has its own stops in place of `main`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from initlab.explore import Explorer

Values = dict[str, Any]
Stops = dict[str, list[Any]]

FACTORS = [0.1, 0.18, 0.32, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.41, 1.7, 2.0, 3.0, 5.0, 10.0]
SCALES = [1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0]
WEIGHT_VARS = [0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.76, 2.0, 2.35, 2.78, 3.0, 3.5, 4.0, 4.5, 5.0]
BIAS_VARS = [0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5]
FILM = [*range(0, 20, 2), *range(20, 60, 5), *range(60, 201, 10)]  # steps of a training run


@dataclass(frozen=True)
class Plan:
    """Stops of the controls; those named last change fastest, so a film comes step by step."""

    main: Stops
    chip: Stops


PLANS = {
    "Signal": Plan(
        main={
            "scheme": ["xavier_normal", "kaiming_normal", "orthogonal", "torch_default", "normal"],
            "depth": [5, 10, 20, 30],
            "gain": FACTORS,
        },
        chip={"gain": [0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.41, 1.73, 2.0, 5.0]},
    ),
    "Symmetry": Plan(
        main={"start": ["zeros", "constant", "normal"], "perturb": [0.0, 0.5],
              "activation": ["tanh", "relu", "sigmoid"], "step": FILM},
        chip={"step": FILM},
    ),
    "Weight": Plan(
        main={
            "scheme": ["zeros", "constant", "eye", "normal", "sparse", "xavier_normal",
                       "xavier_uniform", "kaiming_normal", "orthogonal", "torch_default"],
            "fan_in": [16, 32, 64, 96, 128],
            "fan_out": [16, 32, 64, 96],
        },
        chip={"gain": FACTORS},
    ),
    "Spectrum": Plan(
        main={
            "scheme": ["xavier_normal", "xavier_uniform", "orthogonal", "torch_default", "sparse"],
            "depth": [1, 2, 3, 5, 7, 10, 14, 20, 30, 50, 100],
            "gain": FACTORS,
        },
        chip={"gain": FACTORS},
    ),
    "BatchNorm": Plan(
        main={"depth": [5, 10, 20], "batch_size": [8, 128], "scale": SCALES},
        chip={"scale": [0.01, 0.1, 1.0]},
    ),
    "Phase": Plan(
        main={
            "activation": ["tanh", "relu", "gelu", "sigmoid", "linear"],
            "bias_var": BIAS_VARS,
            "weight_var": WEIGHT_VARS,
        },
        chip={"bias_var": BIAS_VARS, "weight_var": WEIGHT_VARS},
    ),
    "Race": Plan(
        main={"data": ["spirals", "moons", "digits"], "depth": [2, 5, 10, 20], "step": FILM},
        chip={"step": FILM},
    ),
}  # fmt: skip


# What a lesson asks its readers to move, by the call that shows the explorer.
LESSONS: dict[str, list[Stops]] = {
    "signal(scheme='xavier_normal', activation='tanh', depth=20, width=64)": [
        {
            "scheme": ["xavier_normal", "torch_default", "kaiming_normal"],
            "activation": ["tanh", "relu"],
            "depth": [5, 10, 20, 30],
            "gain": [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.55, 1.75, 1.9, 2.1, 2.5, 3.0],
        }
    ],
    "signal(scheme='kaiming_normal', activation='relu', depth=30, gain=0.8)": [
        {
            "scheme": ["kaiming_normal", "torch_default"],
            "bias": ["zeros", "torch_default"],
            "depth": [2, 5, 10, 20, 30, 50],
            "gain": [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 10.0],
        }
    ],
    "signal(scheme='normal', activation='tanh', depth=20, width=32, gain=0.18)": [
        {
            "scheme": ["normal", "uniform"],
            "width": [32, 128],
            "depth": [5, 10, 20, 30],
            "gain": [0.1, 0.11, 0.14, 0.16, 0.18, 0.21, 0.25, 0.3, 0.35, 0.5, 1.0, 2.0, 5.0],
        }
    ],
    "signal(scheme='xavier_normal', activation='tanh', depth=20)": [
        {
            "scheme": ["xavier_normal", "torch_default", "kaiming_normal"],
            "activation": ["tanh", "relu", "sigmoid"],
            "depth": [10, 20],
            "gain": [0.5, 0.7, 0.9, 1.0, 1.1, 1.2, 1.35, 1.41, 1.67, 1.73, 2.0, 3.0, 4.0, 10.0],
        }
    ],
    "signal(scheme='kaiming_normal', activation='relu', depth=30)": [
        {
            "activation": ["relu", "linear"],
            "width": [32, 128, 256],
            "depth": [5, 10, 30],
            "gain": [0.5, 0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25, 1.5, 2.0],
        },
        {"width": [32, 128, 256], "depth": [100], "gain": [0.9, 1.0, 1.1]},
        {"depth": [100], "width": [32, 256], "seed": [*range(8)]},
    ],
    "signal(scheme='kaiming_normal', residual='plain', depth=20)": [
        {
            "residual": ["none", "plain", "scaled"],
            "batchnorm": [False, True],
            "depth": [5, 10, 20, 30, 50, 100],
            "gain": [0.5, 1.0, 2.0],
        }
    ],
    "race(data='digits', step=60)": [
        {"depth": [2, 3, 5, 10, 20], "step": FILM},
        {"optimizer": ["momentum", "adam"], "lr": [0.005, 0.02], "depth": [3, 10], "step": FILM},
        {"data": ["spirals", "moons", "digits"], "step": FILM},
    ],
    "symmetry(start='constant', activation='tanh', value=0.1, step=60)": [
        PLANS["Symmetry"].main,
        {"value": [0.01, 0.05, 0.1, 0.2, 0.5, 1.0], "step": FILM},
        {"perturb": [0.0, 0.5], "dropout": [0.0, 0.2], "step": FILM},
    ],
    "weight(scheme='sparse', fan_in=60, fan_out=40)": [
        {
            "scheme": ["sparse", "normal", "xavier_normal"],
            "fan_in": [8, 16, 30, 60, 96],
            "fan_out": [4, 6, 8, 9, 10, 11, 12, 16, 24, 40, 64],
        }
    ],
    "weight(scheme='xavier_normal', fan_in=64, fan_out=48)": [
        {
            "scheme": [*PLANS["Weight"].main["scheme"], "uniform", "ones"],
            "fan_in": [16, 32, 64, 96],
            "fan_out": [8, 16, 32, 48, 64, 96],
        },
        {"scheme": ["orthogonal"], "fan_in": [16, 32, 64, 96], "gain": FACTORS},
    ],
    "spectrum(depth=20)": [
        PLANS["Spectrum"].main,
        {"activation": ["linear", "tanh", "relu"], "depth": [5, 10, 20], "gain": FACTORS},
    ],
    "batchnorm()": [
        {"depth": [5, 10, 20, 30], "scale": SCALES},
        {"depth": [10, 30], "batch_size": [4, 8, 128, 512], "scale": [0.01, 0.1, 1.0]},
        {"depth": [10, 30], "activation": ["relu", "linear"], "batch_size": [128, 512],
         "scale": [0.1, 1.0]},
    ],
}  # fmt: skip


def states(kind: type[Explorer], start: Values, call: str = "") -> list[Values]:
    """List the settings to record, each once, the start first.

    Args:
        kind: Of which explorer.
        start: Where its controls stand at first.
        call: How a lesson makes it, as in `LESSONS`.
    """
    plan = PLANS[kind.__name__]
    chips = [{**kind.defaults(), **values} for values in kind.presets.values()]
    found = [start]
    for stops in LESSONS.get(call, [plan.main]):
        found += _around(start, stops)
    for chip in chips:
        found += [chip, *_around(chip, plan.chip)]
    return [*{tuple(values.values()): values for values in found}.values()]


def _around(centre: Values, stops: Stops) -> Iterator[Values]:
    """Combine the stops, the centre's own among them; what they do not name stays."""
    lists = [_with(centre[name], some) for name, some in stops.items()]
    for combined in product(*lists):
        yield {**centre, **dict(zip(stops, combined, strict=True))}


def _with(value: Any, stops: list[Any]) -> list[Any]:
    if value in stops:
        return stops
    return [*stops, value] if isinstance(value, str) else sorted([*stops, value])
