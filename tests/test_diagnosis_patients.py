"""The clinic: is each patient diagnosed as labelled, ill before the cure, and well after it?"""

from __future__ import annotations

import math

import pytest
import torch

import initlab as il
from initlab.diagnosis import ILLNESS_OF, ILLNESSES, RECIPE, chart, clinic

HALF_OF_A_GUESS = math.log(10) / 2


def cured(name):
    """The patient after its cure: a call on the model, or what its author must do."""
    model, data = clinic()[name]
    finding = il.diagnose(model, *data)[0]
    if finding.mendable:
        torch.manual_seed(0)
        finding.mend(model)
    elif finding.illness == "no gradient":
        model.forward = lambda x: model.head(model.body(x))
    elif finding.illness == "collapsed":
        x = (data.x - data.x.mean()) / data.x.std()
        data = il.data.Batch(x, data.y)
    return model, data


def loss_after(model, data):
    return il.train(model, data, progress=False, **RECIPE).final_loss


@pytest.mark.parametrize("seed", [0, 1])
def test_each_is_diagnosed_as_it_was_built(seed):
    found = {name: il.diagnose(m, *d).illness for name, (m, d) in clinic(seed=seed).items()}
    assert found == ILLNESS_OF


def test_ten_are_ill_and_each_illness_is_there():
    ill = [illness for illness in ILLNESS_OF.values() if illness != "healthy"]
    assert len(ill) == 10
    assert set(ill) <= set(ILLNESSES)
    assert len(set(ill)) == 9


@pytest.mark.parametrize("name", ILLNESS_OF)
def test_who_is_ill_does_not_train_and_who_is_cured_does(name):
    loss = loss_after(*clinic()[name])
    if ILLNESS_OF[name] == "healthy":
        assert loss < HALF_OF_A_GUESS
        return
    assert not loss < HALF_OF_A_GUESS
    model, data = cured(name)
    assert il.diagnose(model, *data).illness == "healthy"
    assert loss_after(model, data) < HALF_OF_A_GUESS


def test_a_clinic_is_the_same_each_time_and_leaves_the_random_state():
    before = torch.get_rng_state()
    first, second = clinic(), clinic()
    assert torch.equal(before, torch.get_rng_state())
    for name in ILLNESS_OF:
        pairs = zip(first[name].model.state_dict().values(),
                    second[name].model.state_dict().values(), strict=True)  # fmt: skip
        assert all(torch.equal(a, b) or a.isnan().any() for a, b in pairs)
        assert first[name].model is not second[name].model


def test_a_chart_shows_what_the_model_is():
    x, y = il.data.digits(256)
    net = il.models.mlp(2, 32)
    il.initialize(net, "kaiming_normal", nonlinearity="relu")
    numbers = chart(net, x, y)
    loss = torch.nn.functional.cross_entropy(net(x), y).item()
    first, last = net.linear1(x), net.act2(net.linear2(net.act1(net.linear1(x))))
    signal = last.square().mean().sqrt() / first.square().mean().sqrt()
    alike = torch.nn.functional.cosine_similarity(last[:, None], last[None], dim=2)
    off = ~torch.eye(len(x), dtype=torch.bool)
    assert numbers["loss"] == pytest.approx(loss / math.log(10))
    assert numbers["signal"] == pytest.approx(signal.item(), rel=1e-5)
    assert numbers["1 - cos"] == pytest.approx(1 - alike[off].mean().item(), rel=1e-4)
    assert math.isnan(numbers["at ends"])
    assert (numbers["cut"], numbers["rows"] > 0.5) == (0, True)


def test_a_chart_of_a_zero_head_takes_no_trial_steps():
    x, y = il.data.digits(128)
    net = il.models.mlp(2, 32)
    il.initialize(net.head, "zeros")
    assert math.isnan(chart(net, x, y)["gradient"])
    assert chart(net, x, y)["rows"] == 0
