"""The explorer of order and chaos: beside autograd on plain layers, and beside `il.theory`."""

from __future__ import annotations

import math
import re
import sys

import numpy as np
import pytest
import torch
from torch import nn

import initlab as il
from initlab import theory
from initlab.explore import Phase, phase
from initlab.explore.phase_records import phase_records
from test_explore import Browser, Patient

MODULE = sys.modules["initlab.explore.phase_records"]
SMALL = {"depth": 6, "width": 100}


def records(**values):
    return phase_records(**{**Phase.defaults(), **SMALL, **values})


def network(weight_var, bias_var, activation, similarity, depth, width, seed):
    """The explorer's network from PyTorch's layers, its inputs, and the sum on top."""
    generator = torch.Generator().manual_seed(seed)
    first, other = torch.linalg.qr(torch.randn(width, 2, generator=generator)).Q.T * width**0.5
    x = torch.stack([first, similarity * first + (1 - similarity**2) ** 0.5 * other])
    above = torch.randn(width, generator=generator)
    layers = []
    for _ in range(depth - 1):
        linear = nn.Linear(width, width)
        with torch.no_grad():
            linear.weight.normal_(0, (weight_var / width) ** 0.5, generator=generator)
            linear.bias.normal_(0, bias_var**0.5 or 1, generator=generator)
            linear.bias *= bias_var > 0
        layers += [il.activations.ACTIVATIONS[activation].module(), linear]
    return nn.Sequential(*layers), x, above / above.square().mean().sqrt()


def dots(panel):
    (series,) = (one for one in panel["series"] if one["style"] == "dots")
    return series["y"]


def dashes(panel):
    (series,) = (one for one in panel["series"] if one["style"] == "dashes")
    return series["y"]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"weight_var": 4.0, "similarity": 0.99, "seed": 3},
        {"activation": "relu", "weight_var": 2.0, "bias_var": 0.0},
        {"activation": "gelu", "bias_var": 0.3, "depth": 9},
        {"activation": "sigmoid", "width": 200},
    ],
    ids=str,
)
def test_what_the_browser_gets_is_what_autograd_gives(changed):
    explorer = phase(**SMALL)
    sent = Patient(explorer).ask(set=changed)
    assert sent["error"] == ""
    model, x, above = network(**explorer.values)
    pre = [x.requires_grad_()]
    for bend, linear in zip(model[::2], model[1::2], strict=True):
        pre.append(linear(bend(pre[-1])))
    gradients = torch.autograd.grad((pre[-1] * above).sum(), pre)
    q = [z.square().mean().item() for z in pre]
    cosines = [torch.cosine_similarity(z[0], z[1], dim=0).item() for z in pre]
    assert len(pre) == explorer.depth
    _, correlation, size, gradient, distance = sent["panels"]
    assert dots(size) == pytest.approx(q, rel=1e-4)
    assert dots(correlation) == pytest.approx(cosines, abs=1e-4)
    rms = [one.square().mean().sqrt().item() for one in gradients]
    assert dots(gradient) == pytest.approx(rms, rel=1e-4)
    values = explorer.values
    fixed = theory.fixed_point(values["activation"], values["weight_var"], values["bias_var"])
    assert dots(distance) == pytest.approx(np.abs(np.array(cosines) - fixed.c_star), abs=3e-4)


@pytest.mark.parametrize(
    ("activation", "weight_var", "bias_var"),
    [("tanh", 3.3, 0.2), ("tanh", 0.7, 0.0), ("relu", 1.5, 0.1), ("gelu", 4.0, 0.1), ("erf", 2, 0)],
)
def test_the_dashes_are_the_maps_of_theory(activation, weight_var, bias_var):
    explorer = phase(
        activation=activation, weight_var=weight_var, bias_var=bias_var, **SMALL
    )  # fmt: skip
    sent = Browser(explorer).ask(hello=True)
    q, c, factors = [1.0], [0.6], []
    found = theory.quadrature.moments(activation)
    for _ in range(5):
        factors.append(weight_var * found.averages(q[-1]).slope_square)
        c.append(theory.correlation_map(activation, c[-1], q[-1], weight_var, bias_var))
        q.append(theory.variance_map(activation, q[-1], weight_var, bias_var))
    _, correlation, size, gradient, _ = sent["panels"]
    assert dashes(correlation) == pytest.approx(c, abs=1e-3)
    assert dashes(size) == pytest.approx(q, rel=1e-4)
    expected = [math.prod(factors[layer:]) ** 0.5 for layer in range(6)]
    assert dashes(gradient) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("activation", ["tanh", "erf", "relu", "selu", "sigmoid"])
def test_the_plane_and_the_fixed_points_are_those_of_theory(activation):
    got = MODULE._theory(activation)
    got.prepare(math.inf)
    source = np.random.default_rng(0)
    wide, high = np.linspace(0.05, 5.05, 121)[1::2], np.linspace(0, 0.5, 81)[1::2]
    for _ in range(6):
        row, column = source.integers(40), source.integers(60)
        expected = theory.fixed_point(activation, wide[column], high[row])
        assert got.plane[row, column] == pytest.approx(math.log10(expected.chi_1), abs=3e-3)
        found = got.fixed_point(wide[column], high[row])
        assert found.chi_1 == pytest.approx(expected.chi_1, rel=1e-5)
        assert (found.q_star, found.xi_q, found.xi_c) == pytest.approx(
            (expected.q_star, expected.xi_q, expected.xi_c), rel=3e-3
        )
        assert found.c_star == pytest.approx(expected.c_star, abs=1e-3)


@pytest.mark.parametrize("activation", ["tanh", "erf", "relu", "elu", "linear", "softplus"])
def test_the_curve_is_the_edge_of_chaos(activation):
    weight_var, bias_var = MODULE._theory(activation).edge
    assert bias_var[-1] == pytest.approx(0.5, rel=0.1)
    for place in np.linspace(0, len(bias_var) - 1, 4).astype(int):
        found = theory.fixed_point(activation, weight_var[place], bias_var[place])
        assert found.chi_1 == pytest.approx(1, abs=1e-5)
        expected = theory.edge_of_chaos(activation, bias_var[place])
        assert weight_var[place] == pytest.approx(expected, abs=1e-3)


def test_where_there_is_no_edge_in_the_plane_none_is_drawn():
    for activation in ("sigmoid", "silu"):
        explorer = phase(activation=activation, **SMALL)
        assert explorer.error == ""
        assert explorer.scene.panels[0].series == []
        assert explorer.figure().axes[0].get_legend() is None


def test_theory_is_laid_over_the_measurement():
    for values in ({"weight_var": 1.0}, {"weight_var": 3.0}):
        seeds = [records(width=300, depth=10, seed=seed, **values) for seed in range(5)]
        for quantity in ("q", "c", "gradient"):
            measured = np.mean([getattr(one.measured, quantity) for one in seeds], axis=0)
            assert measured == pytest.approx(getattr(seeds[0].predicted, quantity), rel=0.2)


def test_the_plane_is_computed_once_for_each_activation(monkeypatch):
    explorer = phase(**SMALL)
    browser = Browser(explorer)
    before = explorer.scene.panels[0].values
    monkeypatch.setattr(MODULE._Theory, "_plane", lambda self: pytest.fail("computed again"))
    for values in ({"weight_var": 3.0}, {"bias_var": 0.1}, {"seed": 4}, {"depth": 7}):
        sent = browser.ask(set=values)
        assert (sent["error"], sent["unfinished"]) == ("", False)
        assert explorer.scene.panels[0].values is before
    assert sent["panels"][0]["point"] == [3.0, 0.1]


def test_the_point_is_that_of_two_sliders():
    explorer = phase(**SMALL)
    plane = Browser(explorer).ask(set={"weight_var": 2.5, "bias_var": 0.2})["panels"][0]
    assert plane["kind"] == "plane"
    assert [explorer.values[name] for name in plane["picks"]] == plane["point"] == [2.5, 0.2]
    sliders = [Phase.controls()[name] for name in plane["picks"]]
    assert [(one.low, one.high) for one in sliders] == [
        (plane[axis]["low"], plane[axis]["high"]) for axis in "xy"
    ]


def test_the_measurement_comes_first_and_theory_follows():
    MODULE._theory.cache_clear()
    browser = Browser(phase(**SMALL))
    sent = browser.ask(set={"activation": "erf"})
    assert sent["unfinished"]
    assert sent["sentence"].endswith("(computing)")
    assert [len(panel["series"]) for panel in sent["panels"]] == [1, 1, 1, 1, 1]
    last = sent
    while last["unfinished"]:
        last = browser.ask(go_on=True)
    assert [len(panel["series"]) for panel in last["panels"]] == [1, 2, 2, 2, 2]
    assert dots(last["panels"][1]) == dots(sent["panels"][1])


@pytest.mark.parametrize("activation", list(il.activations.ACTIVATIONS))
def test_every_corner_of_the_plane_is_drawn(activation):
    explorer = phase(activation=activation, **SMALL)
    for corner in ((0.05, 0.0), (0.05, 0.5), (5.05, 0.0), (5.05, 0.5)):
        explorer.set(weight_var=corner[0], bias_var=corner[1], depth=60)
        assert explorer.error == ""
        assert explorer.scene.finished


def test_each_control_moves_something():
    browser = Patient(phase(**SMALL))
    seen = [browser.ask(hello=True)["panels"]]
    for name, value in {
        "weight_var": 3.0, "bias_var": 0.2, "activation": "relu", "similarity": 0.9, "depth": 7,
        "width": 200, "seed": 1,
    }.items():  # fmt: skip
        sent = browser.ask(set={name: value})
        assert sent["error"] == ""
        assert sent["panels"] not in seen
        seen.append(sent["panels"])
    assert set(browser.explorer.values) == set(Phase.defaults())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weight_var": 0.0}, "weight_var must be a finite number from 0.05 to 5.05, got 0.0."),
        ({"bias_var": -0.1}, "bias_var must be a finite number from 0.0 to 0.5, got -0.1."),
        ({"similarity": 1.5}, "similarity must be a finite number from 0.0 to 1.0, got 1.5."),
        ({"depth": 61}, "depth must be at most 60, got 61."),
        ({"width": 64}, "width=64 is unknown. Allowed: 100, 200, 300."),
    ],
    ids=str,
)
def test_a_wrong_value_is_named_and_changes_nothing(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        phase(**values)
    explorer = phase(**SMALL)
    before, seen = explorer.values, explorer.sentence
    sent = Browser(explorer).ask(set=values)
    assert message in sent["error"]
    assert (sent["values"], sent["sentence"]) == (before, seen)


def test_each_preset_is_reached_from_anywhere():
    browser = Patient(phase(**SMALL))
    for name, values in Phase.presets.items():
        sent = browser.ask(preset=name)
        assert sent["error"] == ""
        assert sent["values"] == {**Phase.defaults(), **values}


def test_the_still_picture_shows_the_same_numbers():
    explorer = phase(**SMALL)
    figure = explorer.figure()
    assert figure.alt == explorer.sentence
    plane, correlation, size, gradient, _ = (
        axes for axes in figure.axes if axes.get_label() != "<colorbar>"
    )
    (image,) = plane.images
    assert np.array_equal(image.get_array(), explorer.scene.panels[0].values)
    assert (image.origin, image.get_extent()) == ("lower", [0.05, 5.05, 0.0, 0.5])
    assert (plane.get_xlabel(), plane.get_ylabel()) == ("σ_w² (weights)", "σ_b² (biases)")
    edge, point = plane.lines
    assert edge.get_label() == "edge of chaos, χ₁ = 1"
    assert [point.get_xdata()[0], point.get_ydata()[0]] == [1.75, 0.05]
    got = records()
    for axes, quantity in ((correlation, "c"), (size, "q"), (gradient, "gradient")):
        shown = {line.get_label(): line.get_ydata() for line in axes.lines}
        assert shown["measured"] == pytest.approx(getattr(got.measured, quantity), rel=1e-6)
        assert shown["theory"] == pytest.approx(getattr(got.predicted, quantity), rel=1e-6)


def test_caches_are_bounded():
    for seed in range(4):
        records(seed=seed)
    assert MODULE._draws.cache_info().currsize == 1
    assert MODULE._theory.cache_info().currsize <= 16


def test_no_end_is_drawn_where_nothing_leads_to_it():
    """A linear network without biases keeps every correlation, whatever c* says."""
    for values, led in [
        ({"activation": "linear", "weight_var": 1.0, "bias_var": 0.0}, False),
        ({"activation": "gelu", "weight_var": 2.0, "bias_var": 0.0}, False),
        ({"activation": "tanh", "weight_var": 1.0}, True),
        ({"activation": "relu", "weight_var": 1.5, "bias_var": 0.0}, True),
    ]:
        panel = phase(**{**SMALL, **values}).scene.panels[1]
        assert bool(panel.rules) == led


def test_theory_keeps_equal_inputs_equal():
    settings = {"activation": "erf", "weight_var": 5.05, "bias_var": 0.0, "similarity": 1.0}
    found = records(**settings, depth=60)
    assert found.predicted is not None
    assert set(found.predicted.c) == {1.0}
