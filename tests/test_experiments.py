"""`il.train`: the plain loop's numbers, and a record that leaves no mark."""

from __future__ import annotations

import math
from typing import Any

import joblib
import pytest
import scipy.linalg  # noqa: F401 (so that its library is loaded before it is limited)
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from torch import Tensor, nn
from torch.nn import functional as F

import initlab as il
from initlab.experiments.threads import one_thread

DIGITS = il.data.digits(300)
POINTS = il.data.spirals(120)


def net(**options: Any) -> nn.Sequential:
    return il.models.mlp(2, 16, **options)


def plain_loop(model: nn.Module, make: Any, steps: int, batch: int, seed: int) -> list[float]:
    """What everybody writes, with one thread."""
    torch.set_num_threads(1)
    optimizer, losses = make(model.parameters()), []
    order = torch.Generator().manual_seed(seed)
    while len(losses) < steps:
        for rows in torch.randperm(300, generator=order).split(batch):
            if len(rows) == batch and len(losses) < steps:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(DIGITS.x[rows]), DIGITS.y[rows])
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    ("options", "make"),
    [
        ({"lr": 0.1}, lambda p: torch.optim.SGD(p, lr=0.1)),
        ({"lr": 0.1, "momentum": 0.9}, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
        ({"lr": 0.01, "optimizer": "adam"}, lambda p: torch.optim.Adam(p, lr=0.01)),
    ],
)
def test_train_is_the_plain_loop(options: dict[str, Any], make: Any) -> None:
    ours, theirs = net(), net()
    threads = torch.get_num_threads()
    history = il.train(ours, DIGITS, steps=7, batch_size=90, seed=3, **options)
    assert torch.get_num_threads() == threads
    losses = plain_loop(theirs, make, steps=7, batch=90, seed=3)
    torch.set_num_threads(threads)
    assert history.loss == pytest.approx(losses, rel=1e-6)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_numbers_at_the_end_are_over_all_data_in_evaluation_mode() -> None:
    model = net(norm="batch", dropout=0.3)
    model[1].eval()
    history = il.train(model, DIGITS, steps=20, lr=0.1)
    assert model.training
    assert not model[1].training
    model.eval()
    output = model(DIGITS.x)
    assert history.final_loss == pytest.approx(F.cross_entropy(output, DIGITS.y).item())
    right = (output.argmax(1) == DIGITS.y).float().mean().item()
    assert history.final_accuracy == pytest.approx(right)
    assert 0.3 < history.final_accuracy < 1
    assert history.rows()[19] == {
        "step": 19, "loss": history.loss[19], "accuracy": history.accuracy[19], "lr": 0.1,
    }  # fmt: skip


def test_recording_changes_no_bit_and_the_random_state_stays() -> None:
    ends = []
    for record_every in (None, 3):
        torch.manual_seed(5)
        model = net(norm="batch", dropout=0.5)
        history = il.train(model, DIGITS, steps=10, lr=0.1, record_every=record_every)
        ends.append((history.loss, list(model.state_dict().values()), torch.rand(3)))
    (bare, bare_state, bare_draw), (seen, seen_state, seen_draw) = ends
    assert bare == seen
    assert all(map(torch.equal, bare_state, seen_state))
    torch.manual_seed(5)
    assert torch.equal(bare_draw, seen_draw)
    assert torch.equal(bare_draw, torch.rand(3))


def test_records() -> None:
    model = net(activation="tanh")
    first = [parameter.detach().clone() for parameter in model.parameters()]
    history = il.train(model, DIGITS, steps=8, lr=0.5, record_every=3, batch_size=300)
    assert [record.step for record in history.records] == [0, 3, 6, 8]
    start, end = history.records[0], history.records[-1]
    output = model.eval()(DIGITS.x[:128])
    assert end.trace.loss == pytest.approx(F.cross_entropy(output, DIGITS.y[:128]).item())
    assert end.trace["act1"].activation.count == 128 * 16
    assert list(start.update_ratio) == list(start.rank) == ["linear1", "linear2", "head"]
    assert list(start.dead) == list(start.saturated) == ["act1", "act2"]
    fresh = net(activation="tanh")
    with torch.no_grad():
        for new, old in zip(fresh.parameters(), first, strict=True):
            new.copy_(old)
    F.cross_entropy(fresh(DIGITS.x), DIGITS.y).backward()
    weight = fresh.linear1.weight
    ratio = (0.5 * weight.grad.norm() / weight.norm()).item()
    assert start.update_ratio["linear1"] == pytest.approx(ratio, rel=1e-4)
    assert 0 < end.update_ratio["linear1"] < 1


def test_records_of_equal_units() -> None:
    model = net(activation="relu")
    il.initialize(model, il.scheme("constant", val=0.02))
    record = il.train(model, DIGITS, steps=1, lr=0.1, record_every=1).records[0]
    assert record.rank == {"linear1": 1, "linear2": 1, "head": 1}
    assert record.distinct == {"linear1": 1, "linear2": 1, "head": 1}
    il.initialize(model, "zeros")
    record = il.train(model, DIGITS, steps=1, lr=0.1, record_every=1).records[0]
    assert set(record.rank.values()) == {0}
    assert record.dead == {"act1": 1, "act2": 1}
    assert record.saturated == {}
    assert record.update_ratio == {"linear1": 0, "linear2": 0, "head": 0}


def test_divergence_is_a_result() -> None:
    model = net()
    history = il.train(model, DIGITS, steps=50, lr=1e6, record_every=10)
    assert history.stopped == f"diverged at step {len(history.loss) - 1}: the loss is nan"
    assert len(history.loss) < 10
    assert math.isnan(history.loss[-1])
    assert history.records[-1].step == len(history.loss) - 1
    assert history.stopped in repr(history)


def test_interrupt_keeps_what_was_recorded() -> None:
    class Impatient(nn.Linear):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            Impatient.calls += self.training
            if self.training and Impatient.calls == 5:
                raise KeyboardInterrupt
            return super().forward(x)

    model = Impatient(64, 10)
    history = il.train(model, DIGITS, steps=50, lr=0.1)
    assert history.stopped == "interrupted at step 4"
    assert len(history.loss) == 4
    assert history.final_loss < history.loss[0]
    Impatient.calls = -3  # the records' own passes count too
    history = il.train(model, DIGITS, steps=50, lr=0.1, record_every=2)
    assert history.stopped == "interrupted at step 4"
    assert [record.step for record in history.records] == [0, 2, 4]
    assert model.weight.grad is None


def test_a_record_is_a_trace_of_its_step() -> None:
    model = net(activation="tanh", norm="batch")
    before = il.trace(model, DIGITS.x[:128], DIGITS.y[:128])
    history = il.train(model, DIGITS, steps=3, lr=0.1, record_every=2)
    after = il.trace(model, DIGITS.x[:128], DIGITS.y[:128])
    for record, trace in ((history.records[0], before), (history.records[-1], after)):
        assert record.trace.loss == pytest.approx(trace.loss, rel=1e-5)
        assert record.saturated == {x.name: x.saturated for x in trace if x.saturated is not None}
        for ours, theirs in zip(record.trace, trace, strict=True):
            assert ours.activation.rms == pytest.approx(theirs.activation.rms, rel=1e-5)
            assert ours.gradient.rms == pytest.approx(theirs.gradient.rms, rel=1e-4)


def test_small_networks_keep_to_one_thread() -> None:
    """And so does everything inside `one_thread`; afterwards there are as many as before."""

    def blas() -> set[int]:
        return {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"}

    seen: set[Any] = set()

    def loss(output: Tensor, target: Tensor) -> Tensor:
        seen.add((torch.get_num_threads(), *blas()))
        return F.cross_entropy(output, target)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threadpool_limits(2, user_api="blas"):
            il.train(net(), DIGITS, steps=1, lr=0.1, loss=loss)
            with joblib.parallel_config(n_jobs=2):
                il.sweep(["eye", "ones"], DIGITS, widths=8, seeds=1, steps=1, lr=0.1, loss=loss)
            with pytest.raises(ZeroDivisionError), one_thread():
                raise ZeroDivisionError
            with one_thread(when=False):
                assert (torch.get_num_threads(), blas()) == (2, {2})
    finally:
        torch.set_num_threads(before)
    assert seen == {(1, 1)}


def test_regression_schedule_and_own_loss() -> None:
    data = il.data.regression(200, 8)
    history = il.train(nn.Linear(8, 1), data, steps=100, lr=lambda step: 0.5 / (1 + step))
    assert history.accuracy is None
    assert history.final_accuracy is None
    assert history.lr[:2] == [0.5, 0.25]
    assert history.rows()[3]["accuracy"] is None
    assert history.final_loss < 0.1
    with torch.no_grad():
        own = il.train(nn.Linear(8, 1), data, steps=20, lr=0.1, loss=F.l1_loss, batch_size=500)
    assert own.loss[-1] < own.loss[0]


def test_steps_to_a_share_of_the_first_loss() -> None:
    data = il.data.regression(64, 4, noise=0.0, white=True)
    layer = nn.Linear(4, 1, bias=False)
    history = il.train(layer, data, steps=40, lr=0.1, batch_size=64)
    # white inputs, one layer: each update multiplies the error by 1 - 2 lr, and the loss by 0.64
    assert history.steps_to(0.02) == math.ceil(math.log(0.02) / math.log(0.64)) == 9
    assert history.steps_to(0.99) == 1
    assert history.steps_to(1e-9) is None
    broken = il.History(loss=[1.0, math.nan, 0.1])
    assert broken.steps_to(0.5) == 2
    assert il.History().steps_to(0.5) is None


@pytest.mark.parametrize("share", [0, 1, 1.5, -0.1])
def test_steps_to_takes_a_real_share(share: float) -> None:
    with pytest.raises(ValueError, match=r"share must be a finite number .*0.*1, got"):
        il.History(loss=[1.0]).steps_to(share)


def test_targets_with_more_dimensions() -> None:
    words = torch.randint(5, (64, 7))
    reader = nn.Sequential(nn.Embedding(5, 8), nn.Linear(8, 5))
    history = il.train(reader, (words, words), steps=60, lr=0.1, optimizer="adam", record_every=60)
    assert history.final_accuracy == 1
    images = il.data.digits(64, as_images=True)
    seen = il.train(il.models.cnn(1, 4), images, steps=5, lr=0.1, record_every=5)
    assert seen.records[-1].rank["conv1"] == 4


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"steps": 0}, ValueError, "steps must be a whole number of at least 1, got 0."),
        ({"lr": -1}, ValueError, "lr must be a finite number of at least 0, got -1."),
        ({"lr": "big"}, TypeError,
         "lr must be a finite number of at least 0, got 'big' of type str."),
        ({"optimizer": "adm"}, ValueError,
         "optimizer='adm' is unknown: did you mean 'adam'? Allowed: sgd, adam, mup_adam."),
        ({"momentum": 1.0}, ValueError, "momentum must be at least 0 and below 1, got 1.0."),
        ({"momentum": 0.9, "optimizer": "adam"}, ValueError,
         "momentum belongs to optimizer=\"sgd\", got momentum=0.9 with optimizer='adam': "
         "leave it out."),
        ({"batch_size": 2.5}, TypeError,
         "batch_size must be a whole number of at least 1, got 2.5 of type float."),
        ({"record_every": 0}, ValueError,
         "record_every must be a whole number of at least 1, got 0."),
        ({"loss": "mse"}, TypeError,
         "loss must be None or a function (output, target) → scalar, got 'mse' of type str."),
        ({"model": "mlp"}, TypeError,
         "model must be a torch.nn.Module, such as il.models.mlp(10, 64), "
         "got 'mlp' of type str."),
        ({"model": nn.ReLU()}, ValueError,
         "model must have a parameter to train, got none with requires_grad=True."),
        ({"data": DIGITS.x}, TypeError,
         "data must be a pair of tensors (x, y), as il.data.digits() gives it, got Tensor."),
        ({"data": (DIGITS.x, DIGITS.y[:9])}, ValueError,
         "data must have one target for each example, got 300 examples and 9 targets."),
        ({"data": (DIGITS.x, DIGITS.x)}, ValueError,
         "target must have the output's shape (128, 10), got (128, 64): reshape it."),
    ],
)  # fmt: skip
def test_bad_arguments(change: dict[str, Any], error: type[Exception], message: str) -> None:
    model = net()
    before = [parameter.clone() for parameter in model.parameters()]
    arguments = {"model": model, "data": DIGITS, "steps": 3, "lr": 0.1} | change
    with pytest.raises(error) as caught:
        il.train(arguments.pop("model"), arguments.pop("data"), **arguments)
    assert str(caught.value) == message
    assert all(map(torch.equal, before, model.parameters()))
    assert model.training
