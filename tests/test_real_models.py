"""Is what the record says of published transformers what `transformers` makes today?"""

import sys

import pytest
import torch

from initlab.lessons import real_models as module


def test_the_record_is_what_the_models_hold():
    state = torch.get_rng_state()
    (live, _), (kept, _) = module.real_models(live=True), module.real_models()
    assert torch.equal(torch.get_rng_state(), state)
    assert list(live) == list(kept)
    for name, audit in live.items():
        assert [row.name for row in audit] == [row.name for row in kept[name]]
        for now, then in zip(audit, kept[name], strict=True):
            assert (now.scheme, now.shape, now.fan_in) == (then.scheme, then.shape, then.fan_in)
            assert now.std == pytest.approx(then.std, rel=1e-3)
        assert repr(audit).splitlines()[0] == repr(kept[name]).splitlines()[0]


def test_the_record_needs_no_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)  # importing it raises
    audits, source = module.real_models()
    assert source.startswith("a record of models that transformers ")
    assert audits["T5"]["shared.weight"].scheme == "normal(std=1)"
