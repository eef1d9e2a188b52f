"""Does each layer keep its size as the network gets wider, at the start and while it trains?"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from initlab.arguments import choice, whole
from initlab.data import Batch
from initlab.experiments.comparing import checked_seeds
from initlab.experiments.loop import Loop
from initlab.experiments.parallel import RANDOM, GoOn, spread
from initlab.experiments.recipe import Loss, Recipe, checked_data, checked_model
from initlab.experiments.training import own_randomness
from initlab.probe.layers import Filter
from initlab.probe.views import layer_outputs

LEVEL = 0.2  # a slope up to this, up or down, counts as level
MEASURED = 128  # examples, the first of the data, on which layers are measured
Build = Callable[[int], Any]


class Size(NamedTuple):
    """How large what a layer emits is, for one network after some steps."""

    layer: str
    width: int
    seed: int
    step: int
    rms: float  # root mean square of all elements
    change: float  # the same of their change since the start


@dataclass(frozen=True, kw_only=True)
class Coordinates:
    """What a coordinate check has measured.

    Args:
        sizes: One for each layer, width, seed and step.
        stopped: Why some are missing ("interrupted: 4 of 9 networks are kept"), or None.
    """

    sizes: list[Size] = field(default_factory=list)
    stopped: str | None = None

    @property
    def layers(self) -> list[str]:
        """Names of the layers, in the order of the forward pass."""
        return list(dict.fromkeys(size.layer for size in self.sizes))

    @property
    def widths(self) -> list[int]:
        """The widths, smallest first."""
        return sorted({size.width for size in self.sizes})

    @property
    def steps(self) -> list[int]:
        """0 for the start, 1 after the first update, ..."""
        return sorted({size.step for size in self.sizes})

    def rows(self) -> list[dict[str, Any]]:
        """Return one plain dict for each layer, width, seed and step, as pandas takes them."""
        return [size._asdict() for size in self.sizes]

    def slope(self, layer: str, step: int = 0, *, change: bool = False) -> float:
        """Return the slope of log rms against log width: 0 is level, 1/2 grows like √width.

        It is that of the straight line through the medians over seeds; nan where fewer than two
        widths have a finite size above 0.

        Args:
            layer: Its name.
            step: 0 for the start, or how many updates the networks have had.
            change: Whether the rms is that of the change since the start.

        Raises:
            ValueError: There is no such layer or step.
        """
        choice("layer", layer, self.layers)
        if step not in self.steps:
            raise ValueError(f"step must be one of {self.steps}, got {step!r}.")
        sizes: dict[int, list[float]] = {}
        for size in self.sizes:
            if (size.layer, size.step) == (layer, step):
                sizes.setdefault(size.width, []).append(size.change if change else size.rms)
        middle = {width: median(found) for width, found in sizes.items()}
        fine = [(width, size) for width, size in middle.items() if 0 < size < math.inf]
        if len(fine) < 2:
            return math.nan
        x, y = np.log(np.array(fine)).T
        return float(np.polyfit(x, y, 1)[0])

    @property
    def sentence(self) -> str:
        """What is level and what grows, in words."""
        end = [f"{self.stopped}."] if self.stopped else []
        if len(self.widths) < 2:
            return " ".join(["Fewer than two widths were measured.", *end])
        last = self.steps[-1]
        said = [f"From width {self.widths[0]} to {self.widths[-1]}, at the start: {self._said(0)}."]
        if last:
            said.append(f"After {last} step{'s' * (last > 1)}: {self._said(last)}.")
            said.append(f"Changes since the start: {self._said(last, change=True)}.")
        return " ".join([*said, *end])

    def _said(self, step: int, *, change: bool = False) -> str:
        slopes = {layer: self.slope(layer, step, change=change) for layer in self.layers}
        notable = {
            "growing": [layer for layer, slope in slopes.items() if slope > LEVEL],
            "shrinking": [layer for layer, slope in slopes.items() if slope < -LEVEL],
            "0 or not finite": [layer for layer, slope in slopes.items() if math.isnan(slope)],
        }
        parts = []
        for verb, names in notable.items():
            if names:
                ends = min(slopes[name] for name in names), max(slopes[name] for name in names)
                low, high = (f"{end:.2f}" for end in ends)
                slope = f" (slope {low})" if low == high else f" (slopes {low} to {high})"
                shown = names if len(names) < 6 else [*names[:4], f"{len(names) - 4} more layers"]
                parts.append(f"{', '.join(shown)}: {verb}{slope if high != 'nan' else ''}")
        level = len(slopes) - sum(map(len, notable.values()))
        if level == len(slopes):
            return "all layers are level"
        parts += [f"{level} of {len(slopes)} layers are level"] if level else []
        return "; ".join(parts)

    def _table(self) -> list[list[str]]:
        """Return the slopes of each layer by step, and of its change at the end, with a head."""
        if len(self.widths) < 2:
            return []
        steps = ["start" if step == 0 else f"step {step}" for step in self.steps]
        rows = [["slope", *steps, "change"]]
        for layer in self.layers:
            slopes = [self.slope(layer, step) for step in self.steps]
            slopes.append(self.slope(layer, self.steps[-1], change=True))
            rows.append([layer, *("–" if math.isnan(one) else f"{one:+.2f}" for one in slopes)])
        return rows

    def __repr__(self) -> str:
        rows = self._table()
        first = max((len(row[0]) for row in rows), default=0)
        lines = [f"{row[0]:<{first}}" + "".join(f"{cell:>8}" for cell in row[1:]) for row in rows]
        return "\n".join([self.sentence, *lines])

    def _repr_html_(self) -> str:
        said = f"<p>{html.escape(self.sentence)}</p>"
        rows = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in self._table()]
        if not rows:
            return said
        head, body = rows[0].replace("td>", "th>"), "".join(f"<tr>{row}</tr>" for row in rows[1:])
        return f"{said}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def plot(self, **options: Any) -> Any:
        """Draw the sizes against the width, a panel for each step, with `il.plots.coordinates`."""
        from initlab import plots

        return plots.coordinates(self.rows(), **options)


def coordinate_check(
    build: Build,
    widths: Sequence[int],
    data: tuple[Tensor, Tensor],
    *,
    optimizer: str | None = None,
    lr: float | Callable[[int], float] | None = None,
    steps: int = 4,
    seeds: int | Sequence[int] = 3,
    batch_size: int = 128,
    loss: Loss | None = None,
    layers: Filter | None = None,
    progress: bool = True,
) -> Coordinates:
    """Measure whether each layer keeps its size as the network gets wider.

    A network is parametrised well if what each of its layers emits, and how far a few steps of
    training change it, does not depend on the width: then a learning rate that was found for a
    narrow network can be used for a wide one. With one rate of Adam for all layers the outputs of
    wide networks change more.

    At the start, a scheme whose variance is 1 / fan_in keeps every layer level (slope 0). With a
    fixed std the first layer is level, since its number of inputs stays, and each layer that
    follows adds 1/2 to the slope. The work spreads over cores or a cluster as in `il.sweep`.

    Args:
        build: Width → the network, or the network and its optimizer (which may have a rate for
            each layer). What it draws from PyTorch's global generator differs from seed to seed.
        widths: Two or more.
        data: Inputs and targets to train on; layers are measured on the first 128 examples.
        optimizer: None means "adam". To be left out, as `lr`, where `build` gives an optimizer.
        lr: Learning rate; None means 0.001.
        steps: Number of updates, at least 1.
        seeds: How many seeds (0, 1, 2, ...), or which.
        batch_size: Examples in each step; `optimizer` and `loss`, too, are as for `il.train`.
        loss: (output, target) → scalar.
        layers: Which layers, as for `il.trace`; None means all.
        progress: Whether a bar is shown, where somebody is looking.

    Raises:
        TypeError: An argument is of the wrong kind, or `build` returns no network.
        ValueError: An argument is out of its range, or the optimizer is given twice.

    Reference:
        Yang et al. (2022), Tensor Programs V: Tuning Large Neural Networks via Zero-Shot
        Hyperparameter Transfer. arXiv:2203.03466. Why sizes must be level: Yang, Simon, Bernstein
        (2023), A Spectral Condition for Feature Learning. arXiv:2310.17813

    >>> import initlab as il
    >>> found = coordinate_check(
    ...     lambda width: il.models.mlp(2, width, seed=width), [32, 64, 128], il.data.digits(256),
    ...     seeds=1, steps=2,
    ... )
    >>> found.layers, len(found.rows()), abs(found.slope("act2")) < 0.2
    (['linear1', 'act1', 'linear2', 'act2', 'head'], 45, True)
    """
    if not callable(build) or isinstance(build, nn.Module):
        raise TypeError(
            "build must be a function of a width that returns a network (or a network and its "
            f"optimizer), got {build!r} of type {type(build).__name__}."
        )
    if not isinstance(widths, Iterable):
        raise TypeError(
            "widths must be a list of whole numbers, such as [64, 128, 256], "
            f"got {widths!r} of type {type(widths).__name__}."
        )
    chosen = [whole("widths", width) for width in widths]
    if len(set(chosen)) < max(2, len(chosen)):
        raise ValueError(f"widths must be two or more that differ, got {widths!r}.")
    recipe = Recipe(
        steps=steps, lr=1e-3 if lr is None else lr, batch_size=batch_size, loss=loss,
        optimizer="adam" if optimizer is None else optimizer,
    )  # fmt: skip
    batch = checked_data(data)
    _, own = _built(build, chosen[0], 0)
    if own and (optimizer is not None or lr is not None):
        raise ValueError("build gives an optimizer with its rates: leave out optimizer and lr.")
    pairs = [(width, seed) for width in chosen for seed in checked_seeds(seeds)]
    work = [partial(_measured, build, *pair, batch, recipe, layers) for pair in pairs]
    found, stopped = spread(work, sizes=[1] * len(work), unit="network", progress=progress)
    every = [size for _, sizes in sorted(found.items()) for size in sizes]
    return Coordinates(sizes=every, stopped=stopped)


def _built(build: Build, width: int, seed: int) -> tuple[nn.Module, torch.optim.Optimizer | None]:
    """Build a network, with its optimizer if there is one; the caller's random state stays."""
    with own_randomness(seed):
        made = build(width)
    model, own = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(model, nn.Module):
        raise TypeError(
            "build must return a torch.nn.Module, or a pair of it and its optimizer, "
            f"got {made!r} of type {type(made).__name__}."
        )
    if own is not None and not isinstance(own, torch.optim.Optimizer):
        raise TypeError(
            "build must return a torch.optim.Optimizer beside the network, "
            f"got {own!r} of type {type(own).__name__}."
        )
    return checked_model(model), own


def _measured(
    build: Build,
    width: int,
    seed: int,
    data: Batch,
    recipe: Recipe,
    layers: Filter | None,
    go_on: GoOn,
) -> list[Size]:
    """Train one network, and measure its layers before and after each step."""
    sizes: list[Size] = []
    start: dict[str, Tensor] = {}
    with RANDOM:
        model, own = _built(build, width, seed)
        batch = checked_data(data, model.train())
        loop, batches = Loop(model, recipe, own), recipe.batches(batch)
        with own_randomness(recipe.seed):
            for step in range(recipe.steps + 1):
                if step:
                    loop.gradients(next(batches))
                    loop.update()
                    go_on()
                now = layer_outputs(model, batch.x[:MEASURED], layers=layers)
                start = start or now
                sizes += [
                    Size(layer, width, seed, step, rms=_rms(out), change=_rms(out - start[layer]))
                    for layer, out in now.items()
                ]
    return sizes


def _rms(tensor: Tensor) -> float:
    return tensor.double().square().mean().sqrt().item()
