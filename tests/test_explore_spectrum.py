"""The explorer of singular values: beside plain torch, and beside arithmetic with many digits."""

from __future__ import annotations

import math
import re
import sys

import mpmath
import numpy as np
import pytest
import torch
from torch import nn

import initlab as il
from initlab.explore import Spectrum, spectrum
from initlab.explore.spectrum_records import SpectrumSettings, spectrum_records
from test_explore import Browser, Patient

MODULE = sys.modules["initlab.explore.spectrum_records"]


def records(**values):
    return spectrum_records(SpectrumSettings(**{"width": 32, **values}))


def network(scheme, gain, depth, width, activation, seed):
    """The explorer's network and its input, built from PyTorch's layers."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(width, generator=generator)
    layers = []
    for _ in range(depth):
        linear = nn.Linear(width, width, bias=False)
        il.scheme(scheme).fill_(linear.weight, generator)
        layers += [linear, il.activations.ACTIVATIONS[activation].module()]
    model = nn.Sequential(*layers).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= gain
    return model, x.double()


def singular_values(scheme, **values):
    model, x = network(scheme, **values)
    return torch.linalg.svdvals(torch.autograd.functional.jacobian(model, x)).numpy()


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"scheme": "xavier_uniform", "gain": 0.3, "seed": 3},
        {"scheme": "torch_default", "other": "kaiming_normal", "activation": "gelu"},
        {"activation": "tanh", "gain": 2.0},
        {"activation": "relu", "gain": 1.4},
        {"activation": "sigmoid", "gain": 4.0, "depth": 2},
    ],
    ids=str,
)
def test_what_the_browser_gets_is_what_autograd_gives(changed):
    explorer = Spectrum(width=32, depth=5)
    sent = Patient(explorer).ask(set=changed)
    assert sent["error"] == ""
    values = {name: value for name, value in explorer.values.items() if "er" not in name[-2:]}
    scheme = values.pop("scheme")
    dots = [
        [series for series in panel["series"] if series["style"] == "dots"]
        for panel in sent["panels"]
    ]
    for place, name in enumerate((scheme, explorer.other)):
        expected = singular_values(name, **values)
        shown, spread = dots[0][place], dots[2][place]
        largest, smallest = dots[1][2 + 2 * place : 4 + 2 * place]  # behind the two of the legend
        assert shown["name"] == spread["name"] == name
        assert smallest["name"] == f"{name}, smallest"
        seen = 10 ** np.array(shown["y"], dtype=float)
        kept = expected > 1e-8 * expected[0]  # what plain float64 resolves
        assert seen[kept] == pytest.approx(expected[kept], rel=1e-4)
        assert (seen[~kept] < 1e-7 * expected[0]).all()
        assert largest["y"][-1] == shown["y"][0]
        assert smallest["y"][-1] == shown["y"][-1]
        ratio = (expected**4).mean() / (expected**2).mean() ** 2
        assert spread["y"][-1] == pytest.approx(ratio, rel=1e-5)


@pytest.mark.parametrize(
    ("activation", "gain", "depth"), [("linear", 1.0, 40), ("tanh", 3.0, 12), ("relu", 1.0, 12)]
)
def test_every_digit_is_there_where_float64_has_none(activation, gain, depth):
    width = 8
    model, x = network("xavier_normal", gain, depth, width, activation, seed=1)
    with mpmath.workdps(300):
        product = mpmath.eye(width)
        for linear, bend in zip(model[::2], model[1::2], strict=True):
            z = linear(x).detach().requires_grad_()
            x = bend(z)
            slope = torch.autograd.grad(x.sum(), z)[0].numpy()
            product = (
                mpmath.matrix((slope[:, None] * linear.weight.detach().numpy()).tolist()) * product
            )
        exact = sorted(mpmath.svd_r(product, compute_uv=False), reverse=True)
        logs = [float(mpmath.log10(value)) for value in exact if value > mpmath.mpf(10) ** -250]
    got = records(
        activation=activation, gain=gain, depth=depth, width=width, seed=1
    )[0].last  # fmt: skip
    assert logs[0] - logs[-1] > 16 or len(logs) < width
    assert got.logs == pytest.approx(logs, abs=1e-8)
    assert got.zeros == width - len(logs)
    assert got.unresolved == 0


def test_the_product_of_all_is_the_product_of_the_determinants():
    generator = torch.Generator().manual_seed(4)
    torch.randn(32, generator=generator)
    expected = 0.0
    for _ in range(100):
        weight = il.scheme("xavier_normal").fill_(torch.empty(32, 32), generator)
        expected += np.linalg.slogdet(weight.double().numpy())[1] / math.log(10)
    got = records(depth=100, seed=4)[0].last.logs
    assert got.sum() == pytest.approx(expected, rel=1e-9)
    assert got[-1] < -50


def test_orthogonal_stays_an_isometry_and_gaussian_follows_its_law():
    normal, orthogonal = records(depth=100, width=128)
    assert np.abs(orthogonal.last.logs).max() < 1e-5
    assert orthogonal.spread == pytest.approx(1, abs=1e-9)
    assert orthogonal.predicted_spread == pytest.approx(np.ones(100))
    assert normal.predicted_spread == pytest.approx(np.arange(2, 102))
    assert normal.spread[:5] == pytest.approx(np.arange(2, 7), rel=0.15)
    five = records(depth=5, width=128)[0]
    assert np.abs(five.last.logs - five.predicted)[:110].max() < 0.25
    assert five.last.logs[0] == pytest.approx(five.predicted_largest[-1], abs=0.05)


def test_the_spread_of_a_bent_network_is_that_of_many_wide_ones():
    spreads = [
        records(activation="tanh", gain=1.5, depth=5, width=128, seed=seed) for seed in range(4)
    ]
    for place in (0, 1):
        measured = np.mean([one[place].spread for one in spreads], axis=0)
        assert measured == pytest.approx(spreads[0][place].predicted_spread, rel=0.15)


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_a_gain_that_only_scales_does_what_a_new_pass_would(activation, monkeypatch):
    quick = records(activation=activation, gain=3.0, depth=7)
    monkeypatch.setattr(MODULE, "SCALE_FREE", ())
    slow = records(activation=activation, gain=3.0, depth=7)
    for one, other in zip(quick, slow, strict=True):
        assert one.last.logs == pytest.approx(other.last.logs, abs=1e-9)
        assert one.predicted == pytest.approx(other.predicted, abs=1e-9)
        assert one.predicted_largest == pytest.approx(other.predicted_largest, abs=1e-9)
        assert one.spread == pytest.approx(other.spread, rel=1e-9)
        assert one.predicted_spread == pytest.approx(other.predicted_spread, rel=1e-9)


def test_each_control_moves_something():
    browser = Patient(spectrum(width=32, depth=6, activation="tanh"))
    seen = [browser.ask(ready=True)["panels"]]
    for name, value in {
        "scheme": "torch_default", "other": "xavier_uniform", "gain": 2.0, "depth": 7, "width": 64,
        "activation": "erf", "seed": 1,
    }.items():  # fmt: skip
        sent = browser.ask(set={name: value})
        assert sent["error"] == ""
        assert sent["panels"] not in seen
        seen.append(sent["panels"])
    assert set(browser.explorer.values) == set(Spectrum.defaults())


def test_one_scheme_beside_itself_is_shown_once():
    explorer = spectrum(width=32, other="xavier_normal")
    assert [series.name for series in explorer.scene.panels[0].series] == [
        "xavier_normal",
        "theory",
    ]


def test_a_network_that_passes_nothing_on_is_shown_as_zeros(monkeypatch):
    dead = il.activations.Activation("relu", lambda x: 0 * x, nn.ReLU)
    monkeypatch.setitem(il.activations.ACTIVATIONS, "relu", dead)
    explorer = spectrum(width=32, depth=3, activation="relu", seed=77)
    assert explorer.error == ""
    assert explorer.headline.endswith("orthogonal passes nothing on.")
    assert set(explorer.scene.panels[0].series[0].y) == {-math.inf}
    assert explorer.figure().axes[0].lines[1].get_marker() == "v"
    MODULE._product.cache_clear()


def test_where_theory_does_not_know_the_entries_no_line_is_drawn():
    explorer = spectrum(scheme="sparse", width=32, depth=3)
    assert explorer.error == ""
    names = [[series.name for series in panel.series] for panel in explorer.scene.panels]
    assert names[0] == ["sparse", "orthogonal", "theory"]
    assert names[2] == ["sparse", "orthogonal", "theory"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gain": 20}, "gain must be a finite number from 0.1 to 10, got 20."),
        ({"depth": 101}, "depth must be at most 100, got 101."),
        ({"width": 100}, "width=100 is unknown. Allowed: 32, 64, 128."),
        (
            {"other": "orthogonl"},
            "other='orthogonl' is unknown: did you mean 'orthogonal'? Allowed: normal, "
            "trunc_normal, sparse, torch_default, lecun_uniform, ",
        ),
    ],
    ids=str,
)
def test_a_wrong_value_is_named_and_changes_nothing(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        spectrum(**values)
    explorer = spectrum(width=32)
    before, seen = explorer.values, explorer.sentence
    sent = Browser(explorer).ask(set=values)
    assert message in sent["error"]
    assert (sent["values"], sent["sentence"]) == (before, seen)


def test_each_preset_is_reached_from_anywhere():
    browser = Patient(spectrum(seed=5))
    for name, values in Spectrum.presets.items():
        sent = browser.ask(preset=name)
        assert sent["error"] == ""
        assert sent["values"] == {**Spectrum.defaults(), **values}


def test_the_still_picture_shows_the_same_numbers():
    explorer = spectrum(width=32)
    figure = explorer.figure()
    assert figure.alt == explorer.sentence
    whole, ends, spread = figure.axes
    assert whole.get_title(loc="left") == "All of 20 matrices multiplied"
    shown = {line.get_label(): line.get_ydata() for line in whole.lines}
    normal, orthogonal = records()
    assert shown["xavier_normal"] == pytest.approx(normal.last.logs, abs=1e-5)
    assert shown["orthogonal"] == pytest.approx(orthogonal.last.logs, abs=1e-5)
    assert [axes.get_xlabel() for axes in (ends, spread)] == ["layers", "layers"]
    figure.draw_without_rendering()
    ticks = [label.get_text() for label in whole.get_yticklabels()]
    assert "$10^{-10}$" in ticks


def test_the_cache_is_bounded():
    for seed in range(4):
        records(seed=seed, depth=2)
    assert MODULE._product.cache_info().currsize <= 2
