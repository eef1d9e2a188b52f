"""Is what the record says of published transformers what `transformers` makes today?"""

import builtins
from importlib import metadata

import pytest
import torch

from initlab.lessons import real_models as module


def test_the_record_is_what_the_models_hold():
    state = torch.get_rng_state()
    live, kept = module.read_off(), module.recorded()
    assert torch.equal(torch.get_rng_state(), state)
    assert list(live) == list(kept)
    for name, audit in live.items():
        assert [row.name for row in audit] == [row.name for row in kept[name]]
        for now, then in zip(audit, kept[name], strict=True):
            assert (now.scheme, now.shape, now.fan_in) == (then.scheme, then.shape, then.fan_in)
            assert now.std == pytest.approx(then.std, rel=1e-3)
        assert repr(audit).splitlines()[0] == repr(kept[name]).splitlines()[0]


def test_without_the_library_the_record_is_read(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    def no_import(name, *arguments, **options):
        assert name != "transformers"
        return real_import(name, *arguments, **options)

    real_import = builtins.__import__
    monkeypatch.setattr(module.metadata, "version", missing)
    monkeypatch.setattr(builtins, "__import__", no_import)
    audits, source = module.real_models()
    assert source.startswith("a record of models of transformers ")
    assert audits["T5"]["shared.weight"].scheme == "normal(std=1)"
