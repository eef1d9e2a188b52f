"""`il.compare` and `il.sweep`: many runs at once, with the numbers of each alone."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
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
from initlab.experiments.stack import Stack, can_stack, same_in_larger_stack
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


class Scaled(nn.Module):
    """Somebody's network, with a parameter that no scheme fills."""

    def __init__(self, depth: int, width: int, activation: str, **sizes: Any) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(sizes["n_in"], width), nn.Linear(width, sizes["n_out"])
        self.scale = nn.Parameter(torch.randn(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.first(x)) * self.scale)


def test_a_seed_decides_all_of_a_network() -> None:
    call = partial(sweep, ["eye", "normal"], DIGITS, model=Scaled, widths=8, seeds=2, **SHORT)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = call()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert same(call(), first)
    one, other = (call(seeds=[seed]).runs[0].history for seed in (0, 1))
    assert one.loss != other.loss


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


def in_parts(models: list[nn.Module], count: int, data: il.data.Batch, recipe: Recipe) -> str:
    """Train `count` at a time."""
    parts = [models[at : at + count] for at in range(0, len(models), count)]
    return repr([history for part in parts for history in train_together(part, data, recipe)])


@pytest.mark.parametrize("norm", [None, "batch"])
@pytest.mark.parametrize(("count", "width"), [(8, 4), (8, 44), (2, 16), (3, 32), (5, 32), (1, 64)])
@pytest.mark.parametrize("activation", ["relu", "softplus", "mish", "tanh"])
@pytest.mark.parametrize("build", [il.models.mlp, il.models.residual])
def test_a_larger_stack_has_the_same_bits(
    build: Any, activation: str, count: int, width: int, norm: str | None
) -> None:
    """Also for batches that fill no vector, and as many examples at the end."""
    if count == 1:
        norm = None
    largest = 16 - 16 % count
    models = [build(2, width, activation, norm=norm, seed=seed) for seed in range(largest)]
    assert same_in_larger_stack(models[0], count)
    for recipe in [
        Recipe(steps=6, lr=0.1, momentum=0.9, batch_size=37),
        Recipe(steps=6, lr=0.01, optimizer="adam", batch_size=50),
    ]:
        whole = train_together(models, DIGITS, recipe)
        assert repr(whole) == in_parts(models, count, DIGITS, recipe)


@pytest.mark.parametrize("norm", [None, "batch"])
@pytest.mark.parametrize(
    "options", [{}, {"momentum": 0.9}, {"optimizer": "adam"}], ids=lambda o: "".join(map(str, o))
)
def test_a_task_that_diverges_leaves_the_stack(
    norm: str | None, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others do not notice, not even one whose neighbours of the same task were lost."""
    sizes: list[int] = []
    forward = Stack.forward

    def spy(stack: Stack, *arguments: Any, **more: Any) -> torch.Tensor:
        sizes.append(stack._count)
        return forward(stack, *arguments, **more)

    models = [il.models.mlp(2, 16, norm=norm, seed=seed) for seed in range(8)]
    with torch.no_grad():
        for lost in (2, 3, 4):
            models[lost].head.weight.mul_(1e20)
            models[lost].head.bias.fill_(math.inf)
    recipe = Recipe(steps=70, lr=0.01, **options)
    monkeypatch.setattr(Stack, "forward", spy)
    whole = train_together(models, DIGITS, recipe, task=2)
    assert sizes == [8, 8, *[6] * 70]  # after the first step the second task is looked at, and left
    assert repr(whole) == in_parts(models, 2, DIGITS, recipe)
    assert [history.stopped is None for history in whole] == [True] * 2 + [False] * 3 + [True] * 3
    assert [len(history.loss) for history in whole[1:4]] == [70, 1, 1]


@pytest.mark.parametrize("count", [2, 8])
@pytest.mark.parametrize("n_out", [1, 2])
def test_targets_of_several_kinds_in_a_larger_stack(count: int, n_out: int) -> None:
    for data, sizes in [
        (il.data.spirals(301), {"n_in": 2, "n_out": 3}),
        (il.data.regression(301, 5, n_out=n_out), {"n_in": 5, "n_out": n_out}),
    ]:
        models = [il.models.mlp(2, 16, "gelu", seed=seed, **sizes) for seed in range(16)]
        recipe = Recipe(steps=6, lr=0.1, batch_size=37)
        assert repr(train_together(models, data, recipe)) == in_parts(models, count, data, recipe)


@pytest.mark.parametrize(
    ("layers", "count", "alike"),
    [
        ([nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3)], 8, True),
        ([nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3)], 2, True),
        ([nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 3)], 3, False),
        ([nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 10), nn.ReLU(), nn.Linear(10, 3)], 8, False),
        ([nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 3), nn.BatchNorm1d(3)], 8, False),
        ([nn.Softplus(), nn.Linear(5, 16)], 8, False),
        ([nn.BatchNorm1d(16)], 8, False),
        ([nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 2)], 1, True),
        ([nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 1)], 1, False),
        ([nn.Linear(5, 32), nn.BatchNorm1d(32), nn.Linear(32, 2)], 1, False),
    ],
)
def test_stacks_whose_bits_may_depend_on_their_size(
    layers: list[nn.Module], count: int, alike: bool
) -> None:
    """Eight times 10 numbers leave 16 over, where 32 are taken at a time."""
    assert same_in_larger_stack(nn.Sequential(*layers), count) is alike


@pytest.mark.parametrize(
    ("points", "seeds", "workers", "expected"),
    [
        (4, 8, 1, [[0, 1], [2, 3]]),
        (4, 8, 2, [[0, 1], [2, 3]]),
        (4, 8, 3, [[0], [1], [2, 3]]),
        (4, 8, 4, [[0], [1], [2], [3]]),
        (1, 8, 8, [[0]]),
        (5, 8, 2, [[0], [1], [2], [3, 4]]),
        (6, 8, 2, [[0], [1, 2], [3], [4, 5]]),
        (4, 3, 2, [[0, 1], [2, 3]]),
        (5, 3, 1, [[0, 1, 2, 3, 4]]),
        (6, 3, 1, [[0, 1, 2], [3, 4, 5]]),
        (5, 1, 2, [[0, 1], [2, 3, 4]]),
        (40, 1, 1, [list(range(13)), list(range(13, 26)), list(range(26, 40))]),
    ],
)
def test_stacks_are_large_and_leave_no_core_idle(
    points: int, seeds: int, workers: int, expected: list[list[int]]
) -> None:
    tasks = _tasks([partial(il.models.mlp, 1, 32)] * points, seeds)
    assert spreading._in_one_go(tasks, workers) == expected


def test_large_networks_share_no_stack() -> None:
    """A stack of 16 has 676,000 parameters at 10×64, and 2.5 million at 10×128."""
    for width, expected in [(64, [[0, 1], [2, 3]]), (128, [[0], [1], [2], [3]])]:
        tasks = _tasks([partial(il.models.mlp, 10, width)] * 4, 8)
        assert spreading._in_one_go(tasks, 1) == expected


def test_only_tasks_of_one_architecture_are_done_in_one_go() -> None:
    narrow, wide = partial(il.models.mlp, 1, 8), partial(il.models.mlp, 1, 16)
    odd, random = partial(il.models.mlp, 1, 7), partial(il.models.mlp, 1, 8, dropout=0.5)
    tasks = _tasks([narrow, wide, odd, random] * 2, 8)
    assert spreading._in_one_go(tasks, 1) == [[0, 4], [1, 5], [2], [3], [6], [7]]
    elsewhere = [replace(task, data=il.data.Batch(X.to("meta"), DIGITS.y)) for task in tasks]
    assert spreading._in_one_go(elsewhere, 1) == [[place] for place in range(8)]
    mixed = [replace(task, seeds=range(4)) for task in tasks[:4]] + tasks[4:]
    assert spreading._in_one_go(mixed, 1) == [[place] for place in range(8)]


def _tasks(builds: list[Any], seeds: int) -> list[spreading.Task]:
    return [
        spreading.Task(
            point=spreading.Point(settings={}, scheme=il.scheme("eye"), build=build, bias="zeros"),
            seeds=range(seeds), data=DIGITS, recipe=Recipe(steps=1, lr=0.1),
        )
        for build in builds
    ]  # fmt: skip


def test_the_same_numbers_however_many_are_done_in_one_go() -> None:
    call = partial(
        sweep, ["normal", "eye", "zeros"], DIGITS, depths=2, widths=[16, 44], norms=[None, "batch"],
        seeds=9, **SHORT,
    )  # fmt: skip
    found = []
    for jobs in (1, 2, 3):
        with joblib.parallel_config(n_jobs=jobs):
            found.append(call())
    assert same(found[0], found[1])
    assert same(found[0], found[2])
    points = [(row["scheme"], row["width"], row["norm"], row["seed"]) for row in found[0].rows()]
    assert points == list(product(["normal", "eye", "zeros"], [16, 44], [None, "batch"], range(9)))


def test_targets_of_several_labels_have_no_accuracy() -> None:
    data = il.data.Batch(X, F.one_hot(DIGITS.y))

    def loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.binary_cross_entropy_with_logits(output, y.float())

    model = il.models.mlp(1, 16)
    runs = compare("xavier_normal", model, data, seeds=2, loss=loss, **SHORT)
    il.initialize(model, "xavier_normal", bias="zeros", generator=torch.Generator().manual_seed(1))
    assert runs.runs[1].history == il.train(model, data, loss=loss, **SHORT)
    assert runs.rows()[0]["accuracy"] is None


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
    done = spreading._done

    def spy(*arguments: Any) -> Any:
        threads.append(threading.get_ident())
        return done(*arguments)

    monkeypatch.setattr(spreading, "_done", spy)
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
    done: list[list[int]] = []
    train, fails = spreading._train, [True]

    def breaks(tasks: Sequence[spreading.Task]) -> Any:
        if len(done) == 3 and fails:
            raise MemoryError("power cut")
        done.append([task.seeds[0] for task in tasks])
        return train(tasks)

    call = partial(
        sweep, "xavier_normal", DIGITS, depths=[1, 2, 3], widths=8, seeds=10, store=tmp_path,
        **SHORT,
    )  # fmt: skip
    monkeypatch.setattr(spreading, "_train", breaks)
    with joblib.parallel_config(n_jobs=1):
        with pytest.raises(MemoryError, match="power cut"):
            call()
        fails.clear()
        again = call()
        assert done == [[0], [8], [0], [8], [0], [8]]  # three each time
        assert same(call(), again)
        assert len(done) == 6
        other = SHORT | {"lr": 0.2}
        sweep("xavier_normal", DIGITS, depths=1, widths=8, seeds=1, store=tmp_path, **other)
    assert len(done) == 7


def test_of_two_tasks_in_one_go_one_can_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    train = spreading._train

    def spy(tasks: Sequence[spreading.Task]) -> Any:
        done.append(len(tasks))
        return train(tasks)

    monkeypatch.setattr(spreading, "_train", spy)
    call = partial(compare, model=il.models.mlp(1, 8), data=DIGITS, seeds=8, **SHORT)
    with joblib.parallel_config(n_jobs=1):
        first = call(["normal", "eye"], store=tmp_path)
        assert same(call(["normal", "eye"], store=tmp_path), first)
        more = call(["zeros", "eye", "sparse", "normal"], store=tmp_path)
        assert done == [2, 1, 1]
        assert same(call(["zeros", "eye", "sparse", "normal"]), more)


def test_a_damaged_file_is_trained_again(tmp_path: Path) -> None:
    call = partial(compare, "eye", il.models.mlp(1, 8), DIGITS, seeds=2, store=tmp_path, **SHORT)
    first = call()
    (file,) = tmp_path.rglob("output.pkl")
    file.write_bytes(file.read_bytes()[:40])
    assert same(call(), first)
    assert same(call(), first)
    assert len(file.read_bytes()) > 40


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
    train = spreading._train

    def stops(tasks: Sequence[spreading.Task]) -> Any:
        if tasks[0].point.settings["depth"] == 3:
            raise KeyboardInterrupt
        return train(tasks)

    monkeypatch.setattr(spreading, "_train", stops)
    with joblib.parallel_config(n_jobs=1):
        runs = sweep("normal", DIGITS, depths=[1, 2, 3], widths=8, seeds=2, **SHORT)
    assert runs.stopped == "interrupted: 4 of 6 runs are kept"
    assert repr(runs).startswith("4 runs; interrupted: 4 of 6 runs are kept\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_no_thread_goes_on_when_one_fails(error: type[BaseException]) -> None:
    """A million steps would take minutes."""
    both, begun, steps = threading.Barrier(2, timeout=60), [], []

    def lr(step: int) -> float:
        me = threading.get_ident()
        if me not in begun:
            begun.append(me)
            both.wait()
        if step == 3 and me == begun[0]:
            raise error
        steps.append(step)
        return 0.1

    call = partial(
        sweep, "normal", DIGITS, depths=1, widths=[8, 16], seeds=2, steps=10**6, lr=lr,
        progress=False,
    )  # fmt: skip
    with joblib.parallel_config(n_jobs=2):
        if error is KeyboardInterrupt:
            assert call().stopped == "interrupted: 0 of 4 runs are kept"
        else:
            with pytest.raises(MemoryError):
                call()
    done = len(steps)
    time.sleep(0.2)
    assert len(steps) == done


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
