"""Which scheme trains, at which depth and width, over seeds? Many points, side by side."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from os import PathLike
from typing import Any

from torch import Tensor, nn

from initlab.activations import activation as find_activation
from initlab.arguments import number, whole
from initlab.experiments.parallel import Point, run_all
from initlab.experiments.recipe import Recipe, checked_data, checked_model, class_count
from initlab.experiments.runs import Runs
from initlab.models import mlp
from initlab.schemes import Scheme
from initlab.schemes import scheme as find_scheme

AnyScheme = str | Scheme | Callable[..., Any]
Schemes = AnyScheme | Sequence[AnyScheme] | Mapping[str, AnyScheme]
Networks = list[tuple[dict[str, Any], partial[nn.Module]]]  # settings of a row, and what builds it


def compare(
    schemes: Schemes,
    model: nn.Module,
    data: tuple[Tensor, Tensor],
    *,
    seeds: int | Sequence[int] = 8,
    bias: Any = None,
    store: str | PathLike[str] | None = None,
    progress: bool = True,
    **training: Any,
) -> Runs:
    """Train one network with several schemes, each with several seeds.

    Every run sees the same examples in the same order and the same masks of dropout, and with the
    same seed every scheme starts from the same random numbers, so that what differs is the scheme,
    and a band shows what the drawn weights vary. (A scheme that draws nothing has no band: call
    again with another `seed=`, which decides order and masks.)

    Up to eight seeds of a network of linear layers, nonlinearities and norms train at once; other
    networks train one by one. The work spreads over the cores of this machine, or over what
    `joblib.parallel_config(backend=...)` names. The numbers are always those of `il.train`, to
    rounding.

    Args:
        schemes: Names, schemes, functions or distributions, as `il.initialize` takes them, one or
            several; a dict gives each its label.
        model: The network; it stays as it is, and copies of it are initialised and trained.
        data: Inputs and targets, such as `il.data.digits()`.
        seeds: How many seeds (0, 1, 2, ...), or which.
        bias: What biases start as, as `il.initialize` takes it. None means PyTorch's own for
            "torch_default", and zero for every other scheme.
        store: Folder that keeps what is finished: after a crash or an interrupt the same call
            goes on from there. A function counts as the same as long as its source is, and the
            values that it uses from around it.
        progress: Whether a bar is shown, where somebody is looking.
        **training: As `il.train` takes them: `steps` and `lr`, and optionally `optimizer`,
            `momentum`, `batch_size`, `loss`, and `seed` for the order of the examples and
            dropout's masks. `lr` and `optimizer` may be several.

    Raises:
        TypeError: An argument is of the wrong kind, or unknown.
        ValueError: An argument is out of its range, or a name is unknown.

    >>> import initlab as il
    >>> net, digits = il.models.mlp(depth=10, width=32), il.data.digits(512)
    >>> runs = compare(["xavier_normal", "kaiming_normal"], net, digits, seeds=3, steps=20, lr=0.1)
    >>> [band["scheme"] for band in runs.bands()], len(runs)
    (['xavier_normal', 'kaiming_normal'], 6)
    """
    batch = checked_data(data, checked_model(model))
    networks: Networks = [({}, partial(copy.deepcopy, model))]
    points = _points(schemes, networks, bias, training)
    return run_all(points, checked_seeds(seeds), batch, store=store, progress=progress)


def sweep(
    schemes: Schemes,
    data: tuple[Tensor, Tensor],
    *,
    depths: int | Sequence[int] = 10,
    widths: int | Sequence[int] = 64,
    activations: Any = "relu",
    gains: float | Sequence[float] = 1.0,
    norms: str | Sequence[str | None] | None = None,
    seeds: int | Sequence[int] = 8,
    model: Callable[..., nn.Module] = mlp,
    bias: Any = None,
    store: str | PathLike[str] | None = None,
    progress: bool = True,
    **training: Any,
) -> Runs:
    """Train a network at every point of schemes × depths × widths × activations × gains × norms.

    As `compare`, but with a network built for each point. Optimizers and learning rates are two
    more axes: `il.sweep(..., widths=[64, 256, 1024], lr=[1e-3, 1e-2], optimizer=["adam",
    "mup_adam"]).plot_best_rate()` shows which rate is best at which width.

    Args:
        schemes: As in `compare`.
        data: Inputs (n, n_in) and targets, such as `il.data.digits()`.
        depths: Numbers of hidden layers, one or several, as all that follow.
        widths: Units in each hidden layer.
        activations: Names or functions.
        gains: Factors on every weight that the scheme drew, and so on its std.
        norms: None, "batch" or "layer".
        seeds: As in `compare`.
        model: Builds the network; called as `il.models.mlp(depth, width, activation, n_in=...,
            n_out=..., norm=...)`. `il.models.residual` fits too, with blocks for depth.
        bias: As in `compare`.
        store: As in `compare`.
        progress: As in `compare`.
        **training: As in `compare`.

    Raises:
        TypeError: An argument is of the wrong kind, or unknown.
        ValueError: An argument is out of its range, or a name is unknown.

    >>> import initlab as il
    >>> runs = sweep("lecun_normal", il.data.digits(256), depths=[2, 4], widths=16, seeds=2,
    ...              activations="tanh", steps=20, lr=0.1)
    >>> [(band["depth"], band["seeds"]) for band in runs.bands()]
    [(2, 2), (4, 2)]
    """
    batch = checked_data(data)
    sizes = {"n_in": batch.x.shape[-1], "n_out": class_count(batch.y)}
    axes = product(
        _axis("depths", depths),
        _axis("widths", widths),
        _axis("activations", activations),
        [number("gains", gain, low=0) for gain in _axis("gains", gains)],
        _axis("norms", norms),
    )
    networks: Networks = []
    for depth, width, phi, gain, norm in axes:
        name = find_activation(phi).name
        settings = {"depth": depth, "width": width, "activation": name, "gain": gain, "norm": norm}
        networks.append((settings, partial(model, depth, width, phi, norm=norm, **sizes)))
    points = _points(schemes, networks, bias, training)
    return run_all(points, checked_seeds(seeds), batch, store=store, progress=progress)


def _points(
    schemes: Schemes, networks: Networks, bias: Any, training: dict[str, Any]
) -> list[Point]:
    """Combine schemes, networks, and the optimizers and learning rates to train with."""
    axes = {name: _axis(name, training[name]) for name in ("optimizer", "lr") if name in training}
    recipes = [
        Recipe.of(training | dict(zip(axes, values, strict=True)))
        for values in product(*axes.values())
    ]
    return [
        Point({"scheme": label, **settings, **recipe.settings}, scheme, build, bias, recipe)
        for (label, scheme), (settings, build), recipe in product(
            _labelled(schemes), networks, recipes
        )
    ]


def _labelled(schemes: Schemes) -> list[tuple[str, Scheme]]:
    """Return each scheme with its label."""
    if isinstance(schemes, Mapping):
        pairs = [(str(label), find_scheme(which)) for label, which in schemes.items()]
    else:
        pairs = [(repr(found), found) for found in map(find_scheme, _axis("schemes", schemes))]
    labels = [label for label, _ in pairs]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(
                f"schemes must have different labels, got {label!r} twice: "
                "pass a dict of label → scheme."
            )
    return pairs


def _axis(name: str, values: Any) -> list[Any]:
    """Return the values of one axis; a single one is an axis too."""
    several = isinstance(values, Iterable) and not isinstance(values, (str, nn.Module))
    found = list(values) if several else [values]
    if not found:
        raise ValueError(f"{name} must hold at least one value, got {values!r}.")
    return found


def checked_seeds(seeds: int | Sequence[int]) -> list[int]:
    """Return the seeds that a number, or a list of them, means."""
    if not isinstance(seeds, Iterable):
        return list(range(whole("seeds", seeds, least=1)))
    found = [whole("seeds", seed, least=0) for seed in _axis("seeds", seeds)]
    if len(set(found)) < len(found):
        raise ValueError(f"seeds must differ, got {found}.")
    return found
