"""The coordinate check, and sweeps over learning rates: what is known of wide networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import joblib
import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

import initlab as il
from initlab.experiments import Coordinates, History, Run, Runs
from initlab.experiments.coordinates import Size
from initlab.experiments.ensemble import Ensemble
from initlab.experiments.recipe import Recipe
from initlab.plots import explain

DIGITS = il.data.digits(512)
LAYERS = ["linear1", "act1", "linear2", "act2", "linear3", "act3", "head"]


def network(width: int, scheme: Any = "kaiming_normal") -> nn.Sequential:
    """Weights of a scheme, and outputs that start at 0, as µP wants them."""
    net = il.models.mlp(3, width)
    il.initialize(net, scheme)
    il.initialize(net.head, "zeros")
    return net


def mup(width: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """The rates of µP, written out."""
    net = network(width)
    first, *wide = [layer.weight for layer in net if isinstance(layer, nn.Linear)]
    rest = [first, *(layer.bias for layer in net if isinstance(layer, nn.Linear))]
    groups = [{"params": rest}, {"params": wide, "lr": 1e-3 * 64 / width}]
    return net, torch.optim.Adam(groups, lr=1e-3)


@cache
def checked(optimizer: str | None) -> Coordinates:
    build: Callable[[int], Any] = mup if optimizer is None else network
    return il.coordinate_check(build, [128, 512], DIGITS, optimizer=optimizer, steps=2, seeds=4)


def test_a_fan_in_scheme_is_level_at_the_start_and_a_fixed_std_is_not() -> None:
    """Each layer but the first has a fan-in that grows, and passes on what came before."""
    level = checked("adam")
    assert level.layers == LAYERS
    for layer in LAYERS[:-1]:  # a few percent of noise, over a factor of 4 in width
        assert level.slope(layer) == pytest.approx(0, abs=0.15)
    assert math.isnan(level.slope("head"))  # it is 0
    fixed = il.coordinate_check(
        lambda width: network(width, il.scheme("normal", std=0.05)), [128, 512], DIGITS,
        steps=1, seeds=4, layers=["linear*", "act*"],
    )  # fmt: skip
    expected = {"linear1": 0, "linear2": 0.5, "linear3": 1, "act1": 0, "act2": 0.5, "act3": 1}
    for layer, slope in expected.items():
        assert fixed.slope(layer) == pytest.approx(slope, abs=0.15)


def test_adam_moves_wide_networks_more_and_mup_does_not() -> None:
    one_rate, per_layer, written_out = (checked(name) for name in ("adam", "mup_adam", None))
    for step in (1, 2):
        assert one_rate.slope("head", step) > 0.5
        assert abs(per_layer.slope("head", step)) < 0.25
        assert one_rate.slope("head", step) == one_rate.slope("head", step, change=True)
    for layer in ("linear2", "act3"):
        assert one_rate.slope(layer, 2, change=True) > 0.4
        assert abs(per_layer.slope(layer, 2, change=True)) < 0.2
    for ours, theirs in zip(per_layer.sizes, written_out.sizes, strict=True):
        assert ours.rms == pytest.approx(theirs.rms, rel=1e-4, abs=1e-7)
    assert "head: growing (slope 0." in one_rate.sentence
    assert per_layer.sentence.endswith("Changes since the start: all layers are level.")


def test_sizes_are_those_of_a_trace() -> None:
    data = il.data.digits(64, as_images=True)
    found = il.coordinate_check(
        lambda width: il.models.cnn(1, width, norm="batch"), [4, 8], data,
        seeds=[5], steps=1, optimizer="sgd", lr=0.1,
    )  # fmt: skip
    model = il.models.cnn(1, 4, norm="batch")
    for step in (0, 1):
        trace = il.trace(model, *data)
        rms = {row["layer"]: row["rms"] for row in found.rows()
               if (row["width"], row["step"]) == (4, step)}  # fmt: skip
        assert rms == pytest.approx({layer.name: layer.activation.rms for layer in trace}, rel=1e-5)
        il.train(model, data, steps=1, lr=0.1)


def test_seeds_differ_and_the_caller_s_random_state_stays() -> None:
    state = torch.get_rng_state()
    found = il.coordinate_check(network, [8, 16], DIGITS, seeds=2, steps=1)
    assert torch.equal(torch.get_rng_state(), state)
    one, other = ([s.rms for s in found.sizes if s.seed == seed] for seed in (0, 1))
    assert one[0] != other[0]
    again = il.coordinate_check(network, [8, 16], DIGITS, seeds=2, steps=1)
    assert [s.rms for s in again.sizes] == pytest.approx([s.rms for s in found.sizes], rel=1e-6)


def powers(**slopes: float) -> Coordinates:
    """Sizes that are powers of the width, and a seed that is an outlier."""
    return Coordinates(sizes=[
        Size(layer, width, seed, step, step + factor * width**slope, step * width)
        for layer, slope in slopes.items() for width in (10, 20, 40)
        for seed, factor in enumerate((2, 2, 1e9)) for step in (0, 1)
    ])  # fmt: skip


def test_slopes_and_words() -> None:
    found = powers(a=0.5, b=0.0, c=-1.0)
    assert [found.slope(layer) for layer in "abc"] == pytest.approx([0.5, 0, -1])
    assert found.slope("b", 1, change=True) == pytest.approx(1)
    assert math.isnan(found.slope("b", 0, change=True))
    assert found.sentence == (
        "From width 10 to 40, at the start: a: growing (slope 0.50); c: shrinking (slope -1.00); "
        "1 of 3 layers are level. After 1 step: a: growing (slope 0.45); 2 of 3 layers are level. "
        "Changes since the start: a, b, c: growing (slope 1.00)."
    )
    assert repr(found).splitlines()[1:3] == [
        "slope   start  step 1  change", "a       +0.50   +0.45   +1.00",
    ]  # fmt: skip
    assert found._repr_html_().count("<tr>") == 4
    assert Coordinates(stopped="interrupted: 0 of 2 networks are kept").sentence == (
        "Fewer than two widths were measured. interrupted: 0 of 2 networks are kept."
    )
    with pytest.raises(ValueError, match=r"^layer='d' is unknown"):
        found.slope("d")
    with pytest.raises(ValueError, match=r"^step must be one of \[0, 1\], got 2\.$"):
        found.slope("a", 2)


def test_the_picture_has_a_panel_for_each_step() -> None:
    figure = powers(a=0.5, b=0.0).plot()
    assert [ax.get_title() for ax in figure.axes] == ["the start", "step 1"]
    assert (
        {ax.get_xscale() for ax in figure.axes}
        == {ax.get_yscale() for ax in figure.axes}
        == {"log"}
    )
    (line, _) = figure.axes[0].lines
    assert line.get_xdata().tolist() == [10, 20, 40]
    assert line.get_ydata() == pytest.approx([2 * width**0.5 for width in (10, 20, 40)])
    assert explain(figure).startswith(
        "rms of what a layer emits at the start, width 10 to 40. a: 6.3 to 13. b: 2 to 2."
    )
    change = powers(a=0.5).plot(quantity="change", figure=plt.figure())
    assert [ax.get_title() for ax in change.axes] == ["step 1"]
    with pytest.raises(ValueError, match=r"^steps=7 is unknown: there are 0, 1\.$"):
        powers(a=0.5).plot(steps=[7])
    with pytest.raises(ValueError, match=r"^quantity must be one of rms, change, got 'std'\.$"):
        powers(a=0.5).plot(quantity="std")
    with pytest.raises(ValueError, match=r"^sizes must hold at least one row, got none\.$"):
        il.plots.coordinates([])


def test_an_interrupt_keeps_what_is_done() -> None:
    def build(width: int) -> nn.Module:
        built.append(width)
        if len(built) == 4:
            raise KeyboardInterrupt
        return network(width)

    built: list[int] = []
    with joblib.parallel_config(n_jobs=1):
        found = il.coordinate_check(build, [4, 8, 16], DIGITS, seeds=1, steps=1)
    assert found.widths == [4, 8]
    assert found.sentence.endswith("interrupted: 2 of 3 networks are kept.")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"build": network(4)}, TypeError, "build must be a function of a width that returns "
         "a network (or a network and its optimizer), got Sequential("),
        ({"build": 3}, TypeError, "build must be a function of a width that returns a network (or "
         "a network and its optimizer), got 3 of type int."),
        ({"build": lambda width: width}, TypeError, "build must return a torch.nn.Module, or a "
         "pair of it and its optimizer, got 4 of type int."),
        ({"build": lambda width: (network(width), 0.1)}, TypeError,
         "build must return a torch.optim.Optimizer beside the network, got 0.1 of type float."),
        ({"build": mup, "lr": 0.1}, ValueError,
         "build gives an optimizer with its rates: leave out optimizer and lr."),
        ({"widths": [64]}, ValueError, "widths must be two or more that differ, got [64]."),
        ({"widths": [64, 64]}, ValueError, "widths must be two or more that differ, got [64, 64]."),
        ({"widths": [64, 0.5]}, TypeError,
         "widths must be a whole number of at least 1, got 0.5 of type float."),
        ({"widths": 64}, TypeError,
         "widths must be a list of whole numbers, such as [64, 128, 256], got 64 of type int."),
        ({"steps": 0}, ValueError, "steps must be a whole number of at least 1, got 0."),
        ({"optimizer": "adm"}, ValueError,
         "optimizer='adm' is unknown: did you mean 'adam'? Allowed: sgd, adam, mup_adam."),
        ({"data": DIGITS.x}, TypeError, "data must be a pair of tensors (x, y)"),
        ({"layers": "conv"}, ValueError, "layers='conv' fits no module of the model"),
    ],
)  # fmt: skip
def test_bad_arguments(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments: dict[str, Any] = {"build": network, "widths": [4, 8], "data": DIGITS} | change
    with pytest.raises(error) as caught:
        il.coordinate_check(**arguments)
    assert str(caught.value).startswith(message)


# Sweeps over learning rates and optimizers.


def test_rates_and_optimizers_are_axes_of_a_sweep() -> None:
    runs = il.sweep(
        "kaiming_normal", DIGITS, depths=1, widths=8, seeds=2, steps=3,
        lr=[0.01, 0.1], optimizer=["sgd", "adam"], progress=False,
    )  # fmt: skip
    settings = [(row["optimizer"], row["lr"], row["seed"]) for row in runs.rows()]
    assert settings == [
        (name, lr, seed) for name in ("sgd", "adam") for lr in (0.01, 0.1) for seed in (0, 1)
    ]
    for run in runs:
        model = il.models.mlp(1, 8)
        il.initialize(model, "kaiming_normal", generator=torch.Generator().manual_seed(run.seed))
        options = {name: run.settings[name] for name in ("lr", "optimizer")}
        theirs = il.train(model, DIGITS, steps=3, **options)
        assert run.history.loss == pytest.approx(theirs.loss, rel=1e-4)
    pair = il.compare("eye", il.models.mlp(1, 8), DIGITS, seeds=1, steps=1, lr=[0.1, falling])
    assert [row["lr"] for row in pair.rows()] == [0.1, "falling"]
    with pytest.raises(ValueError, match=r"^lr must hold at least one value, got \[\]\.$"):
        il.compare("eye", il.models.mlp(1, 8), DIGITS, steps=1, lr=[])


def falling(step: int) -> float:
    return 0.1 / (1 + step)


def test_rates_of_mup_are_those_of_the_networks_in_an_ensemble() -> None:
    recipe = Recipe(steps=1, lr=0.5, optimizer="mup_adam")
    net = nn.Sequential(nn.Embedding(7, 32), nn.Linear(32, 128), nn.Linear(128, 10))
    images = nn.Sequential(nn.Conv2d(8, 3, 2), nn.ConvTranspose2d(16, 2, 2, groups=2, bias=False))
    of_images = [group["lr"] for group in recipe.optimizer_for(images).param_groups]
    assert of_images == [1.0, 0.5]  # fan-in 8·4 and (16 / 2)·4; and the bias
    groups = recipe.optimizer_for(net).param_groups
    rates = {tuple(p.shape): group["lr"] for group in groups for p in group["params"]}
    assert rates == {(7, 32): 0.5, (128, 32): 1.0, (128,): 0.5, (10, 128): 0.25, (10,): 0.5}
    stack = Ensemble([nn.Sequential(nn.Linear(32, 128)) for _ in range(3)])
    groups = recipe.optimizer_for(stack).param_groups
    assert {group["lr"] for group in groups for p in group["params"] if p.dim() == 3} == {1.0}


def test_best_rates_move_with_the_width_but_not_under_mup() -> None:
    """The head starts with a variance of order 1/width²."""
    runs = il.sweep(
        {"spectral": lambda fan_in, fan_out: 2 / fan_in * min(1, fan_out / fan_in)}, DIGITS,
        depths=2, widths=[32, 512], seeds=2, steps=12, batch_size=64,
        lr=[1e-3, 3e-3, 1e-2, 3e-2, 1e-1], optimizer=["adam", "mup_adam"],
    )  # fmt: skip
    best: dict[tuple[str, int], set[float]] = {}
    for row in runs.best_rates():
        best.setdefault((row["optimizer"], row["width"]), set()).add(row["lr"])
    assert max(best["adam", 512]) < min(best["adam", 32])
    assert best["mup_adam", 512] & best["mup_adam", 32]
    ax = runs.plot_best_rate()
    assert ax.get_yscale() == ax.get_xscale() == "log"
    assert ax.get_ylabel() == "best learning rate"
    assert sum(line.get_xdata().tolist() == [32, 512] for line in ax.lines) >= 2
    assert "mup_adam: " in explain(ax)


def test_best_rates_are_those_of_the_lowest_loss() -> None:
    def run(lr: float, loss: float, seed: int = 0, depth: int = 1) -> Run:
        settings = {"scheme": "eye", "depth": depth, "lr": lr}
        return Run(settings=settings, seed=seed, history=History(final_loss=loss))

    runs = Runs(runs=[
        run(0.1, 2.0), run(0.2, 1.0), run(0.4, math.nan), run(0.1, 1.0, seed=1),
        run(0.2, 3.0, seed=1), run(0.1, math.nan, depth=2), run(0.2, math.inf, depth=2),
    ])  # fmt: skip
    assert [(row["seed"], row["lr"]) for row in runs.best_rates()] == [(0, 0.2), (1, 0.1)]
