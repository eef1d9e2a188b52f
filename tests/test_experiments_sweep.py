"""`il.compare` and `il.sweep`: many runs at once, with the numbers of each alone."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initlab as il
from initlab.experiments import History, Run, Runs, compare, spreading, sweep
from initlab.experiments.recipe import Recipe
from initlab.experiments.stack import can_stack
from initlab.experiments.store import key_of
from initlab.experiments.together import train_together

DIGITS = il.data.digits(300)
X = DIGITS.x
SHORT: dict[str, Any] = {"steps": 12, "lr": 0.1, "progress": False}


def same(one: Runs, other: Runs) -> bool:
    """Compare as text, where nan equals nan."""
    return repr(one.runs) == repr(other.runs)


@pytest.mark.parametrize(
    "build",
    [
        partial(il.models.mlp, 5, 32),
        partial(il.models.mlp, 3, 37),
        partial(il.models.mlp, 2, 32, "tanh", norm="batch"),
        partial(il.models.mlp, 2, 16, torch.sin, bias=False),
        partial(il.models.residual, 2, 32, norm="batch"),
        lambda seed: nn.Linear(64, 10),
    ],
)
@pytest.mark.parametrize(
    "options", [{"momentum": 0.9, "lr": 0.1}, {"optimizer": "adam", "lr": 0.01}, {"lr": 1e9}]
)
def test_seeds_together_are_seeds_alone(build: Any, options: dict[str, Any]) -> None:
    models = [build(seed=seed) for seed in range(3)]
    assert can_stack(models[0], X)
    together = train_together(models, DIGITS, Recipe(steps=10, **options))
    alone = [il.train(model, DIGITS, steps=10, progress=False, **options) for model in models]
    assert repr(together) == repr(alone)


def test_one_that_diverges_leaves_the_others_alone() -> None:
    models = [il.models.mlp(2, 16, seed=seed) for seed in range(3)]
    with torch.no_grad():
        models[1].head.weight.mul_(1e20)
    found = train_together(models, DIGITS, Recipe(steps=10, lr=0.1))
    alone = [il.train(model, DIGITS, steps=10, lr=0.1) for model in models]
    assert found[1].stopped == alone[1].stopped == "diverged at step 1: the loss is nan"
    assert repr(found) == repr(alone)
    assert found[0].stopped is found[2].stopped is None


class Own(nn.Linear):
    """Somebody's layer."""


def _tied() -> nn.Module:
    layer = nn.Linear(64, 64)
    return nn.Sequential(layer, nn.ReLU(), layer)


def _frozen() -> nn.Module:
    model = il.models.mlp(1, 8)
    model.linear1.weight.requires_grad_(False)
    return model


@pytest.mark.parametrize(
    "build",
    [
        partial(il.models.mlp, 1, 8, norm="layer"),
        partial(il.models.mlp, 1, 8, dropout=0.1),
        partial(nn.Sequential, Own(64, 10)),
        partial(nn.Sequential, nn.Linear(64, 10), nn.Softmax(1)),
        _tied,
        _frozen,
    ],
)
def test_networks_that_train_one_by_one(build: Callable[[], nn.Module]) -> None:
    assert not can_stack(build(), X)


def test_a_run_is_a_training_run() -> None:
    """The seed draws the weights; bias, gain and data order are as asked."""
    runs = sweep(
        "xavier_normal", DIGITS, depths=3, widths=16, gains=0.5, seeds=[4, 9], bias=0.1, seed=7,
        momentum=0.5, **SHORT,
    )  # fmt: skip
    for run in runs:
        model = il.models.mlp(3, 16)
        generator = torch.Generator().manual_seed(run.seed)
        il.initialize(model, "xavier_normal", bias=0.1, generator=generator)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(0.5 if parameter.dim() > 1 else 1)
        history = il.train(model, DIGITS, steps=12, lr=0.1, momentum=0.5, seed=7)
        assert history == run.history
    settings = {"scheme": "xavier_normal", "depth": 3, "width": 16, "activation": "relu"}
    assert runs.rows()[1] == settings | {
        "gain": 0.5, "norm": None, "seed": 9, "loss": history.final_loss,
        "accuracy": history.final_accuracy, "stopped": None,
    }  # fmt: skip


def test_every_point_once_in_order() -> None:
    runs = sweep(
        {"mine": lambda fan_in, fan_out: 1 / fan_in, "theirs": "torch_default"}, DIGITS,
        depths=[1, 2], widths=[8], activations=["tanh", torch.sin], norms=[None, "batch"],
        seeds=5, **SHORT,
    )  # fmt: skip
    assert len(runs) == 2 * 2 * 2 * 2 * 5
    bands = runs.bands()
    assert [band["activation"] for band in bands[:4]] == ["tanh", "tanh", "sin", "sin"]
    assert [band["norm"] for band in bands[:2]] == [None, "batch"]
    assert {band["seeds"] for band in bands} == {5}
    assert list(runs.by("depth", "norm"))[:2] == ["depth 1, norm None", "depth 1, norm batch"]
    assert len(runs.by("scheme")["mine"]) == 40
    assert repr(runs).splitlines()[1].startswith("  mine, depth 1, activation tanh, norm None: acc")


def test_torch_default_has_its_own_biases_unless_told() -> None:
    model = il.models.mlp(1, 8)
    default, told = (
        compare("torch_default", model, DIGITS, seeds=1, bias=bias, **SHORT)
        for bias in (None, "zeros")
    )
    reset = il.models.mlp(1, 8)
    il.initialize(
        reset, "torch_default", bias="torch_default", generator=torch.Generator().manual_seed(0)
    )
    assert default.runs[0].history == il.train(reset, DIGITS, steps=12, lr=0.1)
    assert not same(default, told)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.3}, {"norm": "layer"}])
def test_the_caller_s_model_and_random_state_stay(options: dict[str, Any]) -> None:
    model = il.models.mlp(2, 16, **options)
    before = [parameter.clone() for parameter in model.parameters()]
    torch.manual_seed(3)
    with torch.no_grad():
        one, other = (compare(["normal", "eye"], model, DIGITS, seeds=3, **SHORT) for _ in "ab")
    assert same(one, other)
    assert all(map(torch.equal, before, model.parameters()))
    drawn = torch.rand(3)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(3))


def test_the_same_numbers_whoever_does_the_work() -> None:
    distributed = pytest.importorskip("distributed")
    call = partial(
        sweep, ["lecun_normal", lambda fan_in, fan_out: 2 / fan_in], DIGITS, depths=[2, 4],
        widths=16, seeds=9, model=partial(il.models.mlp, dropout=0.1), **SHORT,
    )  # fmt: skip
    threads = call()
    with joblib.parallel_config(n_jobs=1):
        assert same(call(), threads)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as two,
        distributed.Client(two),
        joblib.parallel_config(backend="dask"),
    ):
        assert same(call(), threads)


def test_all_cores_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    def spy(**options: Any) -> joblib.Parallel:
        told.append(options["n_jobs"])
        return joblib.parallel.Parallel(**options)

    monkeypatch.setattr(joblib, "Parallel", spy)
    call = partial(compare, ["eye", "zeros"], il.models.mlp(1, 8), DIGITS, seeds=1, **SHORT)
    call()
    with joblib.parallel_config(n_jobs=1):
        call()
    with joblib.parallel_config(backend="threading", n_jobs=2):
        call()
    assert told == [-1, 1, 2]


def test_a_single_task_needs_no_threads_but_goes_where_it_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[int] = []
    train = spreading._train

    def spy(key: str | None, task: spreading.Task) -> list[History]:
        threads.append(threading.get_ident())
        return train(key, task)

    monkeypatch.setattr(spreading, "_train", spy)
    call = partial(compare, "eye", il.models.mlp(1, 8), DIGITS, seeds=3, **SHORT)
    here = call()
    assert threads == [threading.get_ident()]
    with joblib.parallel_config(backend="loky", n_jobs=2):
        assert same(call(), here)
    assert len(threads) == 1


@pytest.mark.parametrize("options", [{"loss": F.mse_loss}, {"loss": None}])
def test_other_losses_together(options: dict[str, Any]) -> None:
    """A loss of one's own, targets that are numbers, and a class that cross-entropy leaves out."""
    numbers = il.data.regression(64, 4, n_out=2)
    left_out = il.data.Batch(X, DIGITS.y.masked_fill(DIGITS.y == 3, -100))
    for data, size in [(numbers, (4, 2)), (left_out, (64, 10))]:
        if options["loss"] and data is left_out:
            continue
        models = [il.models.mlp(2, 16, n_in=size[0], n_out=size[1], seed=s) for s in range(2)]
        found = train_together(models, data, Recipe(steps=5, lr=0.1, **options))
        alone = [il.train(model, data, steps=5, lr=0.1, **options) for model in models]
        assert repr(found) == repr(alone)


def test_a_rerun_goes_on_after_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    train = spreading.Task.train

    def breaks(task: spreading.Task) -> list[History]:
        if len(done) == 3:
            raise MemoryError("power cut")
        done.append(task.seeds[0])
        return train(task)

    call = partial(
        sweep, "xavier_normal", DIGITS, depths=[1, 2, 3], widths=8, seeds=10, store=tmp_path,
        **SHORT,
    )  # fmt: skip
    monkeypatch.setattr(spreading.Task, "train", breaks)
    with joblib.parallel_config(n_jobs=1):
        with pytest.raises(MemoryError, match="power cut"):
            call()
        done[:] = [-1]
        monkeypatch.setattr(
            spreading.Task, "train", lambda task: done.append(task.seeds[0]) or train(task)
        )
        again = call()
        assert done == [-1, 8, 0, 8]  # of six, three were kept
        assert same(call(), again)
        assert len(done) == 4
        other = SHORT | {"lr": 0.2}
        sweep("xavier_normal", DIGITS, depths=1, widths=8, seeds=1, store=tmp_path, **other)
    assert len(done) == 5


def test_a_key_knows_values_not_addresses() -> None:
    def build(bias: float) -> Any:
        return lambda: bias

    parts: list[Any] = [
        DIGITS, il.scheme("normal", std=0.1), Recipe(steps=3, lr=0.1), nn.Linear(2, 2), build(1.0),
        {"a": (1, None)}, partial(il.models.mlp, 2), torch.tensor(3.0), torch.sin,
    ]  # fmt: skip
    others: list[Any] = [
        il.data.digits(299), il.scheme("normal", std=0.2), Recipe(steps=3, lr=0.2),
        nn.Linear(2, 2), lambda: 3, {"a": (1, 2)}, partial(il.models.mlp, 3), torch.tensor(4.0),
        torch.cos,
    ]  # fmt: skip
    keys = [key_of(part) for part in (*parts, *others)]
    assert len(set(keys)) == len(keys)
    assert keys[: len(parts)] == [key_of(part) for part in parts]
    assert key_of(il.data.digits(300)) == keys[0]


def test_interrupt_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    train = spreading.Task.train

    def stops(task: spreading.Task) -> list[History]:
        if task.point.settings["depth"] == 3:
            raise KeyboardInterrupt
        return train(task)

    monkeypatch.setattr(spreading.Task, "train", stops)
    with joblib.parallel_config(n_jobs=1):
        runs = sweep("normal", DIGITS, depths=[1, 2, 3], widths=8, seeds=2, **SHORT)
    assert runs.stopped == "interrupted: 4 of 6 runs are kept"
    assert repr(runs).startswith("4 runs; interrupted: 4 of 6 runs are kept\n")


def test_bands() -> None:
    ends = [(1.0, 0.5, None), (3.0, 0.1, None), (math.nan, 0.2, "diverged at step 1")]
    runs = [
        Run(
            settings={"scheme": "normal"},
            seed=seed,
            history=History(final_loss=loss, final_accuracy=accuracy, stopped=stopped),
        )
        for seed, (loss, accuracy, stopped) in enumerate(ends)
    ]
    assert Runs(runs=runs).bands() == [
        {
            "scheme": "normal", "seeds": 3, "stopped": 1,
            "loss": 3.0, "loss_low": 1.0, "loss_high": math.inf,
            "accuracy": 0.2, "accuracy_low": 0.1, "accuracy_high": 0.5,
        }
    ]  # fmt: skip
    assert repr(Runs(runs=runs)) == (
        "3 runs\n  normal: accuracy 0.2 (0.1 to 0.5), loss 3 (1 to inf); 1 of 3 stopped early"
    )
    assert len(Runs()) == 0
    with pytest.raises(ValueError, match=r"setting='scheem' is unknown: did you mean 'scheme'\?"):
        Runs(runs=runs).by("scheem")


def test_regression_has_no_accuracy() -> None:
    data = il.data.regression(64, 4, n_out=2)
    runs = sweep(["normal", "eye"], data, depths=1, widths=8, seeds=2, **SHORT)
    assert "accuracy" not in runs.bands()[0]
    assert runs.rows()[0]["accuracy"] is None


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"schemes": "xavier"}, ValueError, "scheme='xavier' is unknown: did you mean"),
        ({"schemes": []}, ValueError, "schemes must hold at least one value, got []."),
        ({"schemes": ["eye", "eye"]}, ValueError,
         "schemes must have different labels, got 'eye' twice: pass a dict of label → scheme."),
        ({"seeds": 0}, ValueError, "seeds must be a whole number of at least 1, got 0."),
        ({"seeds": [1, 1]}, ValueError, "seeds must differ, got [1, 1]."),
        ({"depths": 0}, ValueError, "depth must be a whole number of at least 1, got 0."),
        ({"activations": "rleu"}, ValueError, "activation='rleu' is unknown: did you mean 'relu'?"),
        ({"gains": -1}, ValueError, "gains must be a finite number of at least 0, got -1."),
        ({"norms": "bach"}, ValueError, 'norm must be None, "batch" or "layer", got \'bach\'.'),
        ({"stepss": 3}, TypeError, "argument='stepss' is unknown: did you mean 'steps'?"),
        ({"data": DIGITS.x}, TypeError, "data must be a pair of tensors (x, y)"),
        ({"bias": "kaiming_normal"}, ValueError, "bias='kaiming_normal' is unknown"),
    ],
)  # fmt: skip
def test_bad_arguments(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments: dict[str, Any] = {"schemes": "eye", "data": DIGITS, "widths": 8} | SHORT | change
    with pytest.raises(error) as caught:
        sweep(arguments.pop("schemes"), arguments.pop("data"), **arguments)
    assert str(caught.value).startswith(message)


def test_steps_and_lr_are_needed() -> None:
    with pytest.raises(TypeError, match=r"^lr must be given, as for il.train: lr=\.\.\.$"):
        compare("eye", il.models.mlp(1, 8), DIGITS, steps=3)
