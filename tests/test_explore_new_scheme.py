"""A scheme that somebody adds works in every explorer, plot and report, without another line."""

from __future__ import annotations

import pytest
import torch

import initlab as il
from guide import blocks
from initlab.schemes import SCHEMES, base


@pytest.fixture
def kumar():
    """The guide's example."""
    exec(blocks("Add a scheme")[0], {**vars(base), "__name__": "guide"})
    yield "kumar"
    del SCHEMES["kumar"]


SMALL = {"depth": 3, "width": 32}


def test_every_explorer_shows_it(kumar):
    explorers = [
        il.explore.signal(scheme=kumar, activation="sigmoid", **SMALL),
        il.explore.weight(scheme=kumar),
        il.explore.spectrum(scheme=kumar, other="xavier_normal", **SMALL),
        il.explore.race(kumar, "kaiming_normal", data="moons", step=5, **SMALL),
    ]
    for explorer in explorers:
        assert explorer.error == ""
        explorer.seed = 1
        assert explorer.error == ""
        assert explorer.figure().alt == explorer.sentence
    explorer = il.explore.signal(**SMALL)
    explorer.scheme = kumar
    offered = [control["options"] for control in explorer._setup["controls"][:1]]
    assert ["kumar", "kumar"] in offered[0]
    entries = il.explore.weight(scheme=kumar).scene.panels[1]
    assert [series.style for series in entries.series] == ["dots", "dashes"]


def test_every_report_and_plot_shows_it(kumar):
    model = il.models.mlp(3, 32, "sigmoid")
    report = il.initialize(model, kumar, generator=torch.Generator().manual_seed(0))
    assert "kumar" in str(report)
    trace = il.trace(model, *il.data.digits(64))
    theory = il.theory.predict(3, kumar, "sigmoid", width=32)
    assert theory.applies
    both = {kumar: trace, "kaiming_normal": trace}
    assert "kumar" in il.plots.histograms(both).alt
    il.plots.depth_profile(both, predicted={kumar: theory})
    runs = il.compare(
        [kumar, "kaiming_normal"], il.models.mlp(2, 16), il.data.digits(128),
        seeds=2, steps=2, lr=0.1, progress=False,
    )  # fmt: skip
    assert {row["scheme"] for row in runs.rows()} == {kumar, "kaiming_normal"}
    runs.plot()


def test_a_scheme_that_is_not_registered_is_not_offered():
    with pytest.raises(ValueError, match="scheme='kumar' is unknown"):
        il.explore.signal(scheme="kumar")
