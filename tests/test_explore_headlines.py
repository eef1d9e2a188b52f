"""What explorers say: a true conclusion, numbers that hold on any processor, hints."""

from __future__ import annotations

import re

import numpy as np
import pytest

import initlab as il
from initlab.explore import batchnorm, phase, race, signal, spectrum, symmetry, weight
from initlab.explore.colours import themes
from initlab.explore.explorer import front_end
from initlab.explore.signal_records import SignalSettings
from initlab.explore.words import trend
from test_explore_random import KINDS
from test_explore_records import signal_network

HEADLINES = [
    (signal, {"gain": 10.0, "depth": 60}, "Activations overflow: inf or nan from layer 38 on."),
    (signal, {"scheme": "zeros"}, "Activations are exactly 0 from layer 1 on: nothing arrives."),
    (signal, {"depth": 1, "width": 32}, r"One layer: activations of rms [\d.]+\."),
    (
        signal,
        {"activation": "tanh", "gain": 8.0, "depth": 4, "width": 32},
        r"Layer \d saturates; gradients grow [\d.]+ times over 4 layers\.",
    ),
    (
        signal,
        {"scheme": "torch_default", "bias": "torch_default"},
        r"All inputs look alike in the last layer; gradients shrink [\d.e]+ times\.",
    ),
    (
        signal,
        {"gain": 0.1, "depth": 40, "width": 32},
        r"Activations shrink [\d.e]+ times, gradients shrink [\d.e]+ times over 40 layers\.",
    ),
    (
        batchnorm,
        {"scale": 0.1},
        r"At learning rate 0\.05 BatchNorm's network learns; the plain one hardly does\.",
    ),
    (phase, {"weight_var": 1.0}, r"Ordered: two inputs become one at layer \d+\."),
    (
        phase,
        {"weight_var": 4.0, "similarity": 0.99},
        "Chaotic: two inputs are torn apart over 30 layers.",
    ),
    (phase, {"weight_var": 1.76}, "At the edge of chaos: two inputs stay apart over 30 layers."),
    (
        phase,
        {"activation": "relu", "weight_var": 5.0, "bias_var": 0.1},
        "The signal grows without end: two inputs (become one|stay apart).*",
    ),
    (
        phase,
        {"weight_var": 0.05, "bias_var": 0.0, "depth": 60, "activation": "linear"},
        "Signal lost in the end: two inputs stay apart over 60 layers.",
    ),
    (phase, {"similarity": 1.0}, "At the edge of chaos: two equal inputs stay equal."),
    (
        spectrum,
        {"width": 32},
        r"xavier_normal spreads directions [\d.]+e\d+ times; "
        r"orthogonal stretches all directions alike\.",
    ),
    (
        spectrum,
        {"width": 32, "activation": "relu", "depth": 5, "other": "xavier_normal"},
        r"xavier_normal loses \d+ of 32 directions\.",
    ),
    (race, {}, "At the start no network has learnt anything. Press play."),
    (
        race,
        {"step": 100},
        "After 100 steps (kaiming_normal and xavier_normal learn; the others do not|"
        r"(kaiming|xavier)_normal leads; 2 of 4 networks learn)\.",
    ),
    (race, {"step": 60, "data": "digits"}, "After 60 steps kaiming_normal (leads|learns); .*"),
    (
        symmetry,
        {"start": "zeros", "activation": "relu", "step": 0},
        "At the start every hidden weight is 0: no unit differs.",
    ),
    (symmetry, {"step": 7, "width": 8}, "After 7 steps all 8 units of a layer are identical."),
    (
        symmetry,
        {"step": 7, "perturb": 0.5},
        "After 7 steps, of 16 units 2, 1 and 1 are distinct.",
    ),
    (
        symmetry,
        {"start": "normal", "step": 0, "width": 8},
        "At the start all 8 units of a layer differ.",
    ),
    (weight, {"scheme": "eye", "fan_out": 96}, "Every direction is stretched alike: 1 times."),
    (weight, {"scheme": "eye"}, "32 of 96 directions lost; the others stretched 1 times."),
    (weight, {"scheme": "zeros"}, "Every weight is 0: nothing passes."),
    (
        weight,
        {"scheme": "ones"},
        "All weights are equal: one direction passes, all others are lost.",
    ),
    (weight, {}, r"32 of 96 directions lost; the others stretched [\d.]+ to [\d.]+ times\."),
    (weight, {"fan_in": 9}, r"Directions are stretched between [\d.]+ and [\d.]+ times\."),
]


IDS = [f"{explore.__name__}-{place}" for place, (explore, *_) in enumerate(HEADLINES)]


@pytest.mark.parametrize(("explore", "values", "headline"), HEADLINES, ids=IDS)
def test_a_headline_concludes_in_twelve_words(explore, values, headline):
    explorer = explore(**values)
    assert explorer.error == ""
    assert re.fullmatch(headline, explorer.headline), explorer.headline
    assert len(explorer.headline.split()) <= 12
    assert explorer.sentence.startswith(explorer.headline)


@pytest.mark.parametrize(("gain", "depth"), [(0.3, 12), (0.9, 12), (1.0, 2), (1.2, 8), (3.0, 6)])
def test_the_factors_in_words_are_those_of_a_trace(gain, depth):
    explorer = signal(gain=gain, depth=depth, width=32)
    trace = il.trace(signal_network(SignalSettings(**explorer.values)), *il.data.digits(128))
    first, last = trace["act1"], trace[f"act{depth}"]
    up = trend(last.activation.rms / first.activation.rms)
    down = trend(first.gradient.rms / last.gradient.rms)
    both = f"and gradients {up}" if up == down else f"{up}, gradients {down}"
    assert explorer.headline == f"Activations {both} over {depth} layers."


def test_what_is_about_as_large_keeps_its_size():
    assert [trend(ratio) for ratio in (0.1, 0.79, 0.81, 1.24, 1.26, 2e9)] == [
        "shrink 10 times", "shrink 1.3 times", "keep their size", "keep their size",
        "grow 1.3 times", "grow 2e9 times",
    ]  # fmt: skip


def test_a_click_on_a_layer_shows_where_its_size_comes_from():
    """The formula is theory's, but it starts from what the layer before was measured to emit."""
    explorer = signal(depth=4, width=256, activation="tanh", gain=1.5, bias="torch_default")
    notes = explorer.scene.network.strips[0].notes
    rms = np.concatenate([[np.nan], explorer.scene.panels[2].series[0].y])
    for layer in (2, 4):
        before, sigma_w, sigma_b, q, emitted, measured = map(
            float,
            re.fullmatch(
                rf"Layer {layer}: mean square of layer {layer - 1} ([\d.]+) × σ_w² ([\d.]+) \+ "
                r"σ_b² ([\d.e-]+) = q ([\d.]+)\. tanh of z ~ N\(0, q\): rms √E\[φ\(z\)²\] = "
                r"([\d.]+); measured ([\d.]+)\.",
                notes[layer - 1],
            ).groups(),
        )
        assert before == pytest.approx(rms[layer - 1] ** 2, rel=0.06)  # two digits
        assert sigma_w == pytest.approx(2 * 1.5**2, rel=0.06)  # kaiming_normal's n·Var(w) is 2
        assert sigma_b == pytest.approx(1 / (3 * 256), rel=0.06)
        assert q == pytest.approx(before * sigma_w + sigma_b, rel=0.15)
        assert emitted**2 == pytest.approx(il.theory.variance_map("tanh", q, 1.0, 0.0), rel=0.15)
        assert measured == pytest.approx(rms[layer], rel=0.06)


def test_what_training_decides_is_in_the_table_and_not_in_the_sentence():
    """Notebooks are compared by sentences, and another processor trains to other digits."""
    for explorer in (race(step=40, data="moons", depth=2), symmetry(step=40), batchnorm(depth=2)):
        columns = explorer.scene.table.columns
        secret = [column.label for column in columns if not column.told]
        assert secret
        assert not any(f"{label} = " in explorer.sentence for label in secret)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_controls_have_an_order_of_rank_and_a_meaning(kind):
    controls = kind.controls().values()
    assert 1 <= sum(control.main for control in controls) <= 3
    assert all(control.hint for control in controls)
    assert 5 <= len(kind.presets) <= 9
    assert all(name.endswith("?") for name in kind.presets)
    explorer = kind()
    assert all(column.hint for column in explorer.scene.table.columns if column.label)


def test_colours_are_named_for_both_pages_and_javascript_has_none():
    light, dark = themes()["light"], themes()["dark"]
    assert light.keys() == dark.keys()
    assert all(re.fullmatch("#[0-9a-fA-F]{6}", one) for one in [*light.values(), *dark.values()])
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b", front_end())
    assert "import " not in front_end()


def test_a_reset_goes_back_to_where_the_cell_started():
    explorer = signal(gain=0.6, depth=3, width=32)
    explorer.gain = 2.0
    explorer._handle({"set": {"depth": 5}})
    explorer._handle({"reset": True})
    assert explorer.values == {**type(explorer).defaults(), "gain": 0.6, "depth": 3, "width": 32}


def test_a_spread_that_rounds_to_less_than_zero_is_zero():
    explorer = il.explore.signal(scheme="zeros", activation="softplus", depth=50, residual="scaled")
    assert explorer.error == ""
