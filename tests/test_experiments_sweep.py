"""`il.compare` and `il.sweep`: many runs at once, with the numbers of each alone."""

from __future__ import annotations

import math
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initlab as il
from initlab.experiments import History, Run, Runs, compare, parallel, sweep
from initlab.experiments.recipe import Recipe
from initlab.experiments.store import key_of

DIGITS = il.data.digits(300)
X = DIGITS.x
SHORT: dict[str, Any] = {"steps": 12, "lr": 0.1, "progress": False}


def same(one: Runs, other: Runs) -> bool:
    """Compare all but what rounding may change."""
    if [(run.settings, run.seed) for run in one] != [(run.settings, run.seed) for run in other]:
        return False
    return all(alike(a.history, b.history) for a, b in zip(one, other, strict=True))


def alike(one: History, other: History) -> bool:
    """Compare two runs of few steps, to rounding: sums have another order in an ensemble."""
    close = partial(pytest.approx, rel=1e-3, abs=1e-6, nan_ok=True)
    return (
        one.loss == close(other.loss)
        and one.final_loss == close(other.final_loss)
        and one.lr == other.lr
        and one.stopped == other.stopped
        and (one.accuracy is None) == (other.accuracy is None)
    )


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
        assert alike(history, run.history)
    settings = {"scheme": "xavier_normal", "depth": 3, "width": 16, "activation": "relu"}
    assert runs.rows()[1] == settings | {
        "gain": 0.5, "norm": None, "seed": 9, "loss": pytest.approx(history.final_loss, rel=1e-3),
        "accuracy": pytest.approx(history.final_accuracy, abs=0.01), "stopped": None,
        "optimizer": "sgd", "lr": 0.1,
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
    assert alike(default.runs[0].history, il.train(reset, DIGITS, steps=12, lr=0.1))
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


def test_targets_of_several_labels_have_no_accuracy() -> None:
    data = il.data.Batch(X, F.one_hot(DIGITS.y))

    def loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.binary_cross_entropy_with_logits(output, y.float())

    model = il.models.mlp(1, 16)
    runs = compare("xavier_normal", model, data, seeds=2, loss=loss, **SHORT)
    il.initialize(model, "xavier_normal", bias="zeros", generator=torch.Generator().manual_seed(1))
    assert alike(runs.runs[1].history, il.train(model, data, loss=loss, **SHORT))
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


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All that is trained, not found in a store; a fourth entry is a power cut."""
    found: list[str] = []
    run = parallel.run

    def spy(network: nn.Module, *arguments: Any, **options: Any) -> Any:
        found.append(type(network).__name__)
        if found[3:] == ["Ensemble"]:
            raise MemoryError("power cut")
        return run(network, *arguments, **options)

    monkeypatch.setattr(parallel, "run", spy)
    return found


def test_a_rerun_goes_on_after_a_crash(tmp_path: Path, trained: list[str]) -> None:
    call = partial(
        sweep, "xavier_normal", DIGITS, depths=[1, 2, 3], widths=8, seeds=10, store=tmp_path,
        **SHORT,
    )  # fmt: skip
    with joblib.parallel_config(n_jobs=1):
        with pytest.raises(MemoryError, match="power cut"):
            call()
        assert len(trained) == 4
        again = call()
        assert len(trained) == 4 + 3  # three of six were kept
        assert same(again, call())
        assert len(trained) == 4 + 3
    assert same(again, call(store=None))


def test_a_store_knows_what_is_the_same(tmp_path: Path, trained: list[str]) -> None:
    trained += ["no", "power", "cut", "here"]
    call = partial(
        compare, schemes="eye", model=il.models.mlp(1, 8), data=DIGITS, seeds=2, store=tmp_path,
        **SHORT,
    )  # fmt: skip
    assert same(call(), call())
    assert len(trained) == 5
    changes: list[dict[str, Any]] = [
        {"lr": 0.2}, {"data": il.data.digits(299)}, {"schemes": "normal"}, {"bias": 0.1},
        {"model": il.models.mlp(1, 8, seed=1)}, {"seeds": [1, 2]}, {"loss": F.cross_entropy},
    ]  # fmt: skip
    for change in changes:
        before = len(trained)
        call(**change)
        assert len(trained) == before + 1, change


def test_a_damaged_file_is_trained_again(tmp_path: Path, trained: list[str]) -> None:
    call = partial(compare, "eye", il.models.mlp(1, 8), DIGITS, seeds=2, store=tmp_path, **SHORT)
    first = call()
    (file,) = tmp_path.rglob("output.pkl")
    file.write_bytes(file.read_bytes()[:40])
    assert same(call(), first)
    assert same(call(), first)
    assert len(trained) == 2


def test_a_key_knows_values_not_addresses() -> None:
    def build(bias: float) -> Any:
        return lambda: bias

    parts: list[Any] = [
        DIGITS, il.scheme("normal", std=0.1), Recipe(steps=3, lr=0.1), nn.Linear(2, 2), build(1.0),
        {"a": (1, None)}, partial(il.models.mlp, 2), torch.tensor(3.0), torch.sin,
    ]  # fmt: skip
    others: list[Any] = [
        il.data.digits(299), il.scheme("normal", std=0.2), Recipe(steps=3, lr=0.2),
        nn.Linear(2, 2), build(2.0), {"a": (1, 2)}, partial(il.models.mlp, 3), torch.tensor(4.0),
        torch.cos,
    ]  # fmt: skip
    keys = [key_of(part) for part in (*parts, *others)]
    assert len(set(keys)) == len(keys)
    assert keys[: len(parts)] == [key_of(part) for part in parts]
    assert key_of(il.data.digits(300), build(1.0)) == key_of(DIGITS, build(1.0))


def test_interrupt_keeps_what_is_done(trained: list[str]) -> None:
    def interrupts(step: int) -> float:
        if len(trained) == 3 and step == 5:
            raise KeyboardInterrupt
        return 0.1

    with joblib.parallel_config(n_jobs=1):
        runs = sweep(
            "normal", DIGITS, depths=[1, 2, 3], widths=8, seeds=2, **SHORT | {"lr": interrupts}
        )
    assert runs.stopped == "interrupted: 4 of 6 runs are kept"
    assert repr(runs).startswith("4 runs; interrupted: 4 of 6 runs are kept\n")


def test_no_thread_goes_on_after_an_error() -> None:
    """A million steps would take minutes."""
    both, begun, steps = threading.Barrier(2, timeout=60), [], []

    def lr(step: int) -> float:
        me = threading.get_ident()
        if step == 1 and me not in begun:
            begun.append(me)
            both.wait()
        if step == 3 and me == begun[0]:
            raise MemoryError
        steps.append(step)
        return 0.1

    with joblib.parallel_config(n_jobs=2), pytest.raises(MemoryError):
        sweep(
            "normal", DIGITS, depths=1, widths=[8, 16], seeds=2, steps=10**6, lr=lr, progress=False
        )
    time.sleep(0.2)  # what it takes to notice
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
