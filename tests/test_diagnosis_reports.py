"""What people report: the right verdict for each kind, and training is better after each cure."""

from __future__ import annotations

import copy
import math

import pytest
import torch

import initlab as il
from initlab.diagnosis.facts import value_of
from initlab.diagnosis.findings import Cure, Finding, Findings
from reported_networks import REPORTS
from test_diagnosis import same, snapshot

STEPS = 40


def loss_after(model, x, y, loss, lr):
    """Train a copy with Adam, and return its loss."""
    model = copy.deepcopy(model)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=lr)
    for _ in range(STEPS):
        optimizer.zero_grad()
        value = value_of(model(**x) if isinstance(x, dict) else model(x), y, loss)
        value.backward()
        optimizer.step()
    value = value_of(model(**x) if isinstance(x, dict) else model(x), y, loss).item()
    return value if math.isfinite(value) else math.inf


def trains_better(before, after, *batch):
    return any(
        loss_after(after, *batch, lr) < loss_after(before, *batch, lr) for lr in (3e-3, 3e-2)
    )


@pytest.mark.parametrize("name", REPORTS)
def test_the_verdict_is_right_and_its_cure_helps(name):
    report = REPORTS[name]
    net, pixels, price, loss = report.build()
    before = snapshot(net)
    found = il.diagnose(net, pixels, price, loss)
    same(before, snapshot(net))
    text = repr(found[0])
    assert found.illness == report.illness, text
    assert not [part for part in report.says if part not in text], text
    assert found[0].mendable == report.mendable, text
    assert len(text.splitlines()) < 25
    for finding in found:
        if finding.mendable:
            mended, pasted = copy.deepcopy(net), copy.deepcopy(net)
            torch.manual_seed(1)
            finding.mend(mended)
            torch.manual_seed(1)
            exec(
                finding.call,
                {"il": il, "torch": torch, "net": pasted, "pixels": pixels, "price": price},
            )
            pairs = zip(mended.state_dict().values(), pasted.state_dict().values(), strict=True)
            assert all(torch.equal(a, b) for a, b in pairs)
            assert trains_better(net, mended, pixels, price, loss), finding
            again = il.diagnose(mended, pixels, price, loss)
            assert finding.illness not in again.illnesses


def test_a_loss_that_the_first_steps_only_take_back_is_given_more_of_them():
    x, y = il.data.digits(512)
    target = torch.nn.functional.one_hot(y, 10).float()
    torch.manual_seed(0)
    net = il.models.mlp(4, 64)
    il.initialize(net, "kaiming_normal", nonlinearity="relu")
    (found,) = il.diagnose(net, x, target, torch.nn.MSELoss())
    assert (found.illness, found.severity) == ("wrong loss", "trains with care")
    assert "trials of 60 steps" in found.care
    assert loss_after(net, x, target, torch.nn.MSELoss(), 3e-3) < 0.09  # the variance of the target


def test_a_fix_of_two_lines_is_written_in_full_for_each_finding():
    cure = Cure(call="first(net)\nsecond(net)")
    common = {"summary": "s", "evidence": {}, "layers": (), "why": "w", "cure": cure}
    found = Findings([Finding(illness=name, **common) for name in ("exploding", "dead")], None)
    assert repr(found).endswith("\n  fix   as for EXPLODING: first(net)\n        second(net)")
