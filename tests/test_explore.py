"""Explorers without a browser: records, sentences, and what is sent to the front end."""

from __future__ import annotations

import base64
import json
import math
import re
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy import stats
from threadpoolctl import threadpool_info
from torch import nn

import initlab as il
from front_end import Browser
from initlab.explore import Signal, Symmetry, Weight, signal, symmetry, weight
from initlab.explore.signal_records import signal_records
from initlab.explore.symmetry_records import symmetry_records
from initlab.explore.weight_records import weight_records

SMALL = {"depth": 4, "width": 32}


def records(**values):
    return signal_records(**{**Signal.defaults(), **SMALL, **values})


def run(**values):
    return symmetry_records(**{**Symmetry.defaults(), "width": 8, **values})


def network(values):
    """The same network as the explorer's, built by the package's front door."""
    norm = "batch" if values["batchnorm"] else None
    depth, width, activation = values["depth"], values["width"], values["activation"]
    if values["residual"] == "none":
        model = il.models.mlp(depth, width, activation, norm=norm)
    else:
        share = depth**-0.5 if values["residual"] == "scaled" else 1.0
        model = il.models.residual(
            depth, width, activation, norm=norm, branch_scale=share, layers_per_branch=1
        )
    generator = torch.Generator().manual_seed(values["seed"])
    il.initialize(model, values["scheme"], bias=values["bias"], generator=generator)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.Linear):
                layer.weight *= values["gain"]
    return model


class Patient(Browser):
    """Waits for the last slice of a computation."""

    def ask(self, **wish):
        sent = super().ask(**wish)
        while sent["unfinished"]:
            sent = super().ask(go_on=True)
        return sent


# ------------------------------------------------------------------------------- signal


SAME_NETWORKS = [
    {},
    {"scheme": "xavier_uniform", "gain": 0.3, "seed": 3},
    {"scheme": "torch_default", "bias": "torch_default", "activation": "gelu"},
    {"scheme": "torch_default", "activation": "selu"},
    {"scheme": "orthogonal", "bias": "torch_default", "activation": "tanh", "gain": 2.0},
    {"scheme": "sparse", "batchnorm": True},
    {"scheme": "zeros"},
    {"scheme": "constant", "activation": "sigmoid"},
    {"residual": "plain", "gain": 1.5},
    {"residual": "scaled", "batchnorm": True, "bias": "torch_default"},
]


@pytest.mark.parametrize("changed", SAME_NETWORKS, ids=str)
def test_what_the_browser_gets_is_what_a_trace_of_the_same_network_gives(changed):
    explorer = Signal(**SMALL)
    sent = Browser(explorer).ask(set=changed)
    assert sent["error"] == ""
    trace = il.trace(network(explorer.values), *il.data.digits(128))
    name = "act{}" if explorer.residual == "none" else "block{}.stream"
    layers = [trace[name.format(k)] for k in range(1, 5)]
    dots = [series for series in sent["panels"][2]["series"] if series["style"] == "dots"]
    for quantity, shown in zip(("activation", "gradient"), dots, strict=True):
        expected = [getattr(layer, quantity).rms for layer in layers]
        assert shown["name"] == f"{quantity}s"
        assert shown["y"] == pytest.approx(expected, rel=1e-5)
    for hover, layer in zip(sent["panels"][0]["hovers"], layers, strict=True):
        assert ("exactly 0" in hover) == (layer.activation.zeros > 0)


@pytest.mark.parametrize(("panel", "quantity"), [(0, "activation"), (1, "gradient")])
def test_the_histograms_in_the_browser_are_those_of_a_trace(panel, quantity):
    explorer = Signal(**SMALL, activation="tanh")
    ridges = Browser(explorer).ask(hello=True)["panels"][panel]
    trace = il.trace(network(explorer.values), *il.data.digits(128))
    heights = np.reshape(ridges["heights"], (4, -1))
    ends = np.linspace(ridges["x"]["low"], ridges["x"]["high"], heights.shape[1] + 1)[1:]
    for layer, row in enumerate(heights, start=1):
        counts, edges = getattr(trace[f"act{layer}"], quantity).histogram
        expected = np.interp(ends, edges[1:], np.cumsum(counts) / counts.sum())
        assert (
            np.abs(np.cumsum(row) / row.sum() - expected).max() < 0.05
        )  # the trace has bins of its own


def test_counts_are_numpys_histogram_without_zeros():
    got = records(depth=2).activation
    outputs = []
    model = network({**Signal.defaults(), **SMALL, "depth": 2})
    for name in ("act1", "act2"):
        model.get_submodule(name).register_forward_hook(lambda *seen: outputs.append(seen[2]))
    model(il.data.digits(128).x)
    for layer, output in enumerate(outputs):
        values = output.detach().double().numpy()
        expected, _ = np.histogram(values[values != 0], got.edges)
        assert np.abs(got.counts[layer] - expected).sum() <= 4  # a value on an edge may round


def test_theory_is_laid_over_the_measurement():
    got = records(depth=5, width=256)
    assert got.silence == ""
    assert got.predicted_activation == pytest.approx(got.activation.rms, rel=0.15)
    assert got.predicted_gradient == pytest.approx(got.gradient.rms, rel=0.15)
    assert got.predicted_gradient[-1] == got.gradient.rms[-1]


def test_where_theory_is_silent_no_line_is_drawn_and_the_reason_is_told():
    sent = Browser(Signal(**SMALL)).ask(set={"scheme": "ones"})["panels"][2]
    assert [series["style"] for series in sent["series"]] == ["dots", "dots"]
    assert sent["note"].startswith("Theory does not apply: ")


def test_the_mean_cosine_is_numpys():
    tops = []
    model = network({**Signal.defaults(), **SMALL})
    model.act4.register_forward_hook(lambda *seen: tops.append(seen[2]))
    model(il.data.digits(128).x)
    rows = tops[0].detach().double().numpy()
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = (unit @ unit.T)[np.triu_indices(128, k=1)]
    assert records().activation.cosine == pytest.approx(pairs.mean(), abs=1e-9)


def test_deep_networks_are_shown_as_a_heat_map():
    kinds = {
        depth: type(Signal(depth=depth, width=32).scene.panels[0]).__name__ for depth in (30, 31)
    }
    assert kinds == {30: "Ridgeline", 31: "HeatMap"}


def test_records_depend_on_their_arguments_only(monkeypatch):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    first = records(depth=6)
    records(depth=9, seed=5)
    again = records(depth=6)
    assert np.array_equal(first.gradient.rms, again.gradient.rms)
    monkeypatch.setattr(sys.modules["initlab.explore.signal_records"], "KEPT", 3 * 32**2)
    for _ in range(2):
        fewer_kept = records(depth=6, seed=1)
    monkeypatch.undo()
    records(depth=9, seed=2)
    assert np.array_equal(records(depth=6, seed=1).gradient.rms, fewer_kept.gradient.rms)
    signal(**SMALL)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


# ----------------------------------------------------------------------------- symmetry


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_the_run_is_what_torch_optim_does(activation):
    got = run(start="normal", value=0.3, activation=activation, step=5)
    generator = torch.Generator().manual_seed(0)
    model = il.models.mlp(3, 8, activation)
    layers = [layer for layer in model if isinstance(layer, nn.Linear)]
    for layer in layers:
        nn.init.normal_(layer.weight, std=0.3, generator=generator)
        nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, y = il.data.digits(split="train")
    losses = []
    for _ in range(5):
        rows = torch.randint(len(x), (128,), generator=generator)
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert got.losses[:5] == pytest.approx(losses, rel=1e-5)
    for weights, layer in zip(got.weights, layers, strict=True):
        assert weights == pytest.approx(layer.weight.detach().numpy(), abs=1e-5)


@pytest.mark.parametrize(
    ("values", "ranks", "distinct"),
    [
        ({"start": "zeros", "activation": "relu"}, [0, 0, 0], [1, 1, 1]),
        ({"start": "zeros", "activation": "tanh"}, [0, 0, 0], [1, 1, 1]),
        ({"start": "zeros", "activation": "sigmoid"}, [1, 1, 1], [1, 1, 1]),
        ({"start": "constant"}, [1, 1, 1], [1, 1, 1]),
        ({"start": "constant", "perturb": 0.5}, [2, 1, 1], [2, 1, 1]),
        ({"start": "constant", "dropout": 0.2, "step": 200}, None, [8, 8, 8]),
        ({"start": "normal"}, [8, 8, 8], [8, 8, 8]),
    ],
    ids=str,
)
def test_symmetry_is_kept_or_broken(values, ranks, distinct):
    got = run(**{"step": 20, **values})
    assert got.distinct[got.step, :3].tolist() == distinct
    assert ranks is None or got.ranks[got.step, :3].tolist() == ranks
    assert got.finished


def test_a_network_of_zeros_guesses():
    assert run(start="zeros", activation="relu", step=0).losses[0] == pytest.approx(math.log(10))


def test_a_run_in_slices_ends_like_a_run_in_one_go(monkeypatch):
    monkeypatch.setattr(sys.modules["initlab.explore.symmetry_records"], "SLICE", 0.0)
    browser = Browser(symmetry(width=8))
    sent = browser.ask(set={"seed": 7, "step": 150})
    assert sent["unfinished"]
    assert sent["sentence"].endswith("(computing)")
    for _ in range(200):
        sent = browser.ask(go_on=True)
    assert not sent["unfinished"]
    fresh = symmetry_records(**browser.explorer.values)
    sys.modules["initlab.explore.symmetry_records"]._run.cache_clear()
    again = symmetry_records(**browser.explorer.values)
    assert np.array_equal(fresh.losses, again.losses)
    assert sent["panels"][6]["series"][0]["y"] == pytest.approx(again.losses.tolist())


def test_setting_a_trait_in_python_waits_for_the_end_of_the_run(monkeypatch):
    monkeypatch.setattr(sys.modules["initlab.explore.symmetry_records"], "SLICE", 0.0)
    explorer = symmetry(width=8)
    explorer.seed = 8
    assert explorer.scene.finished


# ------------------------------------------------------------------------------- weight

FILL_A_MATRIX = list(Weight.controls()["scheme"].options)


@pytest.mark.parametrize("scheme", FILL_A_MATRIX)
def test_the_browser_gets_the_matrix_that_the_scheme_fills(scheme):
    values = {"scheme": scheme, "fan_in": 30, "fan_out": 20, "gain": 2.0, "seed": 3}
    sent = Browser(weight()).ask(set=values)
    assert sent["error"] == ""
    generator = torch.Generator().manual_seed(3)
    expected = 2 * il.SCHEMES[scheme].fill_(torch.empty(20, 30), generator)
    matrix, entries, singular = sent["panels"]
    assert np.reshape(matrix["values"], (20, 30)) == pytest.approx(expected.numpy(), rel=1e-6)
    assert matrix["high"] >= expected.abs().max()
    assert sum(entries["series"][0]["y"]) == pytest.approx(100, rel=1e-5)
    found = np.linalg.svd(expected.double().numpy(), compute_uv=False)
    assert singular["series"][0]["y"] == pytest.approx(found, rel=1e-5, abs=1e-5)
    assert json.dumps(sent["panels"], allow_nan=False)


def cdf(scheme, std):
    """The textbook's laws, from scipy."""
    if scheme == "uniform":
        return stats.uniform(0, 1).cdf
    if scheme == "trunc_normal":
        return stats.truncnorm(-2, 2).cdf
    if "uniform" in scheme or scheme == "torch_default":
        return stats.uniform(-math.sqrt(3) * std, 2 * math.sqrt(3) * std).cdf
    return stats.norm(0, std).cdf


@pytest.mark.parametrize("scheme", FILL_A_MATRIX)
def test_the_law_beside_a_histogram_is_the_scheme_s(scheme):
    got = weight_records(scheme=scheme, fan_in=200, fan_out=100, gain=0.5, seed=0)
    if scheme in {"zeros", "ones", "constant", "sparse", "orthogonal", "eye"}:
        assert got.law is None
        return
    below = cdf(scheme, got.std_given / 0.5)(got.edges / 0.5)
    assert got.law == pytest.approx(np.diff(below), abs=1e-9)
    assert np.abs(np.cumsum(got.shares) - np.cumsum(got.law)).max() < 0.02


# ----------------------------------------------------------- state, messages and errors


def test_a_trait_is_plain_and_redraws():
    explorer = signal(**SMALL)
    browser = Browser(explorer)
    explorer.gain = np.float32(2.0)
    assert explorer.gain == 2.0
    assert [sent["values"]["gain"] for sent in browser.heard] == [2.0]
    assert browser.heard[0]["answer"] is None
    explorer.set(gain=1, depth=np.int64(6))
    assert len(browser.heard) == 2
    assert len(browser.heard[1]["panels"][2]["series"][0]["y"]) == 6


def test_computing_keeps_to_one_core(monkeypatch):
    seen = []

    def count(self, *, patient, **values):
        seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        seen.append(torch.get_num_threads())
        return self.scene

    explorer = signal(**SMALL)
    monkeypatch.setattr(Signal, "compute", count)
    before = threadpool_info()
    explorer.depth = 5
    assert len(seen) > 1
    assert set(seen) == {1}
    assert threadpool_info() == before


def test_a_request_is_answered_with_its_name_and_a_greeting_computes_nothing(monkeypatch):
    explorer = signal(**SMALL)
    browser = Browser(explorer)
    assert browser.ask(set={"depth": 3})["answer"] == "v:1"
    monkeypatch.setattr(Signal, "compute", lambda *_, **__: pytest.fail("computed"))
    assert browser.ask(hello=True)["values"]["depth"] == 3


@pytest.mark.parametrize("kind", [Signal, Symmetry])
def test_each_preset_is_reached_from_anywhere(kind):
    browser = Browser(kind())
    for name, values in kind.presets.items():
        sent = browser.ask(preset=name)
        assert sent["error"] == ""
        assert sent["values"] == {**kind.defaults(), **values}


WRONG = [
    (Signal, {"gain": 20}, "gain must be a finite number from 0.1 to 10, got 20."),
    (Signal, {"gain": math.nan}, "gain must be a finite number from 0.1 to 10, got nan."),
    (Signal, {"gain": "1"}, "gain must be a finite number from 0.1 to 10, got '1' of type str."),
    (Signal, {"depth": 0}, "depth must be a whole number of at least 1, got 0."),
    (Signal, {"depth": 101}, "depth must be at most 100, got 101."),
    (Signal, {"depth": 2.5}, "depth must be a whole number of at least 1, got 2.5 of type float."),
    (Signal, {"batchnorm": 1}, "batchnorm must be True or False, got 1 of type int."),
    (Signal, {"width": 100}, "width=100 is unknown. Allowed: 32, 64, 128, 256."),
    (
        Signal,
        {"residual": "plane"},
        "residual='plane' is unknown: did you mean 'plain'? Allowed: none, plain, scaled.",
    ),
    (
        Symmetry,
        {"dropuot": 0.1},
        "control of Symmetry='dropuot' is unknown: did you mean 'dropout'? "
        "Allowed: step, start, perturb, value, activation, width, dropout, seed.",
    ),
]


@pytest.mark.parametrize(("kind", "values", "message"), WRONG, ids=str)
def test_a_wrong_value_is_named_and_changes_nothing(kind, values, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        kind(**values)
    explorer = kind()
    before, seen = explorer.values, explorer.sentence
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        explorer.set(seed=5, **values)
    assert (explorer.values, explorer.sentence) == (before, seen)
    sent = Browser(explorer).ask(set=values)
    assert message in sent["error"]
    assert sent["values"] == before
    assert sent["answer"] == "v:1"


def test_an_error_is_shown_and_the_last_good_picture_stays(monkeypatch):
    explorer = signal(**SMALL)
    browser = Browser(explorer)
    seen = explorer.sentence

    def fail(self, *, patient, **values):
        raise RuntimeError("out of luck")

    with monkeypatch.context() as broken:
        broken.setattr(Signal, "compute", fail)
        explorer.depth = 5
        sent = browser.ask(set={"seed": 1})
    assert explorer.error == sent["error"] == "RuntimeError: out of luck"
    assert explorer.sentence == sent["sentence"] == seen
    assert len(sent["panels"]) == 3
    explorer.depth = 6
    assert explorer.error == ""


def test_infinities_travel_in_the_buffer_not_in_json():
    sent = Browser(signal(**SMALL)).ask(set={"gain": 10.0, "depth": 60})
    assert sent["error"] == ""
    assert not all(map(math.isfinite, sent["panels"][2]["series"][0]["y"]))


def test_the_front_end_is_told_what_to_build():
    setup = signal(**SMALL)._setup
    assert [control["name"] for control in setup["controls"]] == list(Signal.defaults())
    assert all(control["label"] for control in setup["controls"])
    assert setup["controls"][1] == {
        "kind": "slider", "name": "gain", "label": "gain", "low": 0.1, "high": 10, "log": True,
        "whole": False, "unit": "× std", "play": False, "main": True,
        "hint": "Factor on the std of every weight",
    }  # fmt: skip
    json.dumps(setup)


def test_caches_are_bounded():
    for seed in range(6):
        records(seed=seed)
        run(seed=seed, step=0, patient=False)
    module = sys.modules["initlab.explore.signal_records"]
    assert module._weights.cache_info().currsize == 1
    assert sys.modules["initlab.explore.symmetry_records"]._run.cache_info().currsize <= 3


def test_memory_is_handed_back_when_much_of_it_lies_about(monkeypatch):
    module = sys.modules["initlab.explore.tidy"]
    held, trimmed = iter([200, 110, 120, 190, 130, 100, 190, 131, 120]), []
    monkeypatch.setattr(module, "resident", lambda: next(held) * 2**20)
    tidy = module.Tidy()
    tidy._trim = trimmed.append
    calls = []
    for _ in range(6):  # 200 → 110; 120; 190 → 130; 100; 190 → 131; 120
        tidy.up()
        calls.append(len(trimmed))
    assert calls == [1, 1, 2, 2, 3, 3]


# --------------------------------------------------------------------- without a kernel


def test_a_page_without_a_kernel_gets_sentence_and_picture():
    explorer = signal(**SMALL)
    bundle, _ = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == explorer.sentence == repr(explorer)
    assert f'alt="{explorer.sentence}"' in bundle["text/html"]
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert plt.get_fignums() == []


def test_a_new_view_gets_the_picture_along_with_itself():
    explorer = signal(**SMALL)
    browser = Browser(explorer)
    explorer.depth = 3
    explorer._repr_mimebundle_()
    assert browser.unpacked(explorer._first["content"], [explorer._first["floats"]]) == (
        browser.ask(hello=True) | {"answer": None}
    )


def test_the_still_picture_shows_the_same_numbers():
    explorer = signal(**SMALL)
    figure = explorer.figure()
    assert figure.alt == explorer.sentence
    ridges, _, profile = figure.axes
    curves = [line for line in ridges.lines if line.get_label().startswith("ridge")]
    assert [len(line.get_xdata()) for line in curves] == [61] * 4
    assert ridges.get_title(loc="left") == "Activations"
    activations, _, _, theory = (line.get_ydata() for line in profile.lines)
    got = records()
    assert activations == pytest.approx(got.activation.rms, rel=1e-6)
    assert theory == pytest.approx(got.predicted_gradient, rel=1e-6)
    assert (profile.get_yscale(), profile.get_xlabel(), profile.get_ylabel()) == (
        "log", "layer", "rms (log axis)",
    )  # fmt: skip


def test_the_still_picture_marks_zero_and_infinity_at_the_edges():
    figure = signal(**{**SMALL, "depth": 60}, gain=10.0).figure()
    markers = {line.get_marker() for line in figure.axes[-1].lines}
    assert "^" in markers
    assert "v" in {line.get_marker() for line in signal(scheme="zeros").figure().axes[-1].lines}


def test_the_still_picture_of_the_weights_has_unit_1_on_top():
    explorer = symmetry(width=8, perturb=0.5, step=3)
    axes = explorer.figure().axes[0]
    (image,) = axes.images
    assert np.array_equal(image.get_array(), explorer.scene.panels[0].values)
    assert axes.get_ylim() == (8.5, 0.5)
    assert image.get_extent() == [0.5, 64.5, 8.5, 0.5]


def test_slow_theory_follows_the_measurement():
    browser = Browser(signal(**SMALL))
    first = browser.ask(set={"residual": "plain"})
    then = browser.ask(go_on=True)
    assert (first["unfinished"], then["unfinished"]) == (True, False)
    styles = [[series["style"] for series in sent["panels"][2]["series"]] for sent in (first, then)]
    assert styles == [["dots", "dots"], ["dots", "dashes", "dots", "dashes"]]
    assert first["panels"][2]["series"][0] == then["panels"][2]["series"][0]


@pytest.mark.parametrize("size", [1e-37, 1.0, 3e38])
@pytest.mark.parametrize("low", [0.0, -1.0])
def test_histograms_reach_the_ends_of_float32(size, low):
    values = torch.rand(2, 5000, generator=torch.Generator().manual_seed(0)) * (1 - low) + low
    values = (values * size)[:, torch.arange(5000) % 5 != 0]
    values[:, :100] = 0
    values[0, 100:103] = torch.tensor([math.nan, math.inf, -math.inf])
    module = sys.modules["initlab.explore.signal_records"]
    got = module._counts(values, low * size, size)
    for row, counts in zip(values.double().numpy(), got, strict=True):
        known = row[np.isfinite(row) & (row != 0)]
        expected, _ = np.histogram(known, module.BINS, (low * size, size))
        assert np.abs(counts - expected).sum() <= 4  # a value on an edge may round
