"""Explorers without a browser: records, sentences, and what is sent to the front end."""

from __future__ import annotations

import base64
import json
import math
import re
import sys
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.text import Text
from threadpoolctl import threadpool_info

import initlab as il
from front_end import Browser
from initlab.explore import Signal, Symmetry, Weight, signal, symmetry, weight
from initlab.explore.signal_records import SignalSettings, signal_records
from initlab.explore.symmetry_records import SymmetrySettings, symmetry_records

SMALL = {"depth": 4, "width": 32}


def records(**values):
    return signal_records(SignalSettings(**{**SMALL, **values}))


class Patient(Browser):
    """Waits for the last slice of a computation."""

    def ask(self, **request):
        sent = super().ask(**request)
        while sent["unfinished"]:
            sent = super().ask(go_on=True)
        return sent


# ------------------------------------------------------------------------------- signal


def test_where_theory_is_silent_no_line_is_drawn_and_the_reason_is_told():
    sent = Browser(Signal(**SMALL)).ask(set={"scheme": "ones"})["panels"][2]
    assert [series["style"] for series in sent["series"]] == ["dots", "dots"]
    assert sent["note"].startswith("Theory does not apply: ")


def test_deep_networks_are_shown_as_a_heat_map():
    kinds = {
        depth: type(Signal(depth=depth, width=32).scene.panels[0]).__name__ for depth in (30, 31)
    }
    assert kinds == {30: "Ridgeline", 31: "HeatMap"}


# ----------------------------------------------------------------------------- symmetry


def test_a_run_in_slices_ends_like_a_run_in_one_go(monkeypatch):
    monkeypatch.setattr(sys.modules["initlab.explore.explorer"], "SLICE", 0.0)
    browser = Browser(symmetry(width=8))
    sent = browser.ask(set={"seed": 7, "step": 150})
    assert sent["unfinished"]
    assert sent["sentence"].endswith("(computing)")
    while sent["unfinished"]:
        sent = browser.ask(go_on=True)
    fresh = symmetry_records(SymmetrySettings(**browser.explorer.values))
    sys.modules["initlab.explore.symmetry_records"]._run.cache_clear()
    again = symmetry_records(SymmetrySettings(**browser.explorer.values))
    assert np.array_equal(fresh.losses, again.losses)
    assert sent["panels"][6]["series"][0]["y"] == pytest.approx(again.losses.tolist())


def test_setting_a_trait_in_python_waits_for_the_end_of_the_run(monkeypatch):
    monkeypatch.setattr(sys.modules["initlab.explore.explorer"], "SLICE", 0.0)
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

    def count(self, settings, seconds):
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
    assert browser.ask(ready=True)["values"]["depth"] == 3


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

    def fail(self, settings, seconds):
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


def test_memory_is_handed_back_when_much_of_it_lies_about(monkeypatch):
    module = sys.modules["initlab.explore.memory"]
    held, trimmed = iter([200, 210, 220, 190, 130, 100, 190, 131, 120]), []
    monkeypatch.setattr(module, "resident", lambda: next(held) * 2**20)
    monkeypatch.setattr(module, "_least", math.inf)
    library = SimpleNamespace(malloc_trim=trimmed.append)
    monkeypatch.setattr(module.ctypes, "CDLL", lambda _: library)
    monkeypatch.setattr(module.sys, "platform", "linux")
    calls = []
    for _ in range(7):  # 200; 210; 220 → 190; 130; 100; 190 → 131; 120
        module.release_memory()
        calls.append(len(trimmed))
    assert calls == [0, 0, 1, 1, 1, 2, 2]


# --------------------------------------------------------------------- without a kernel


def test_a_page_without_a_kernel_gets_sentence_and_picture():
    explorer = signal(**SMALL)
    bundle, _ = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == explorer.sentence == repr(explorer)
    assert f' alt="{explorer.sentence}"' in bundle["text/html"]
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert plt.get_fignums() == []


def test_a_new_view_gets_the_picture_along_with_itself():
    explorer = signal(**SMALL)
    browser = Browser(explorer)
    explorer.depth = 3
    explorer._repr_mimebundle_()
    assert browser.unpacked(explorer._first["content"], [explorer._first["floats"]]) == (
        browser.ask(ready=True) | {"answer": None}
    )


def test_the_still_picture_shows_the_same_numbers():
    explorer = signal(**SMALL)
    figure = explorer.figure()
    assert figure.alt == explorer.sentence
    ridges, _, profile = figure.axes
    ridge_labels = [line.get_label() for line in ridges.lines]
    assert sum(label.startswith("ridge") for label in ridge_labels) == 4
    assert ridges.get_title(loc="left") == "Activations"
    activations, _, _, theory = (line.get_ydata() for line in profile.lines)
    got = records()
    assert activations == pytest.approx(got.activation.rms, rel=1e-6)
    assert theory == pytest.approx(got.predicted_gradient, rel=1e-6)
    assert (profile.get_yscale(), profile.get_xlabel(), profile.get_ylabel()) == (
        "log", "layer", "rms (log axis)",
    )  # fmt: skip


def test_the_still_of_an_unrun_notebook_shows_controls_and_how_to_move_them():
    explorer = signal(**SMALL, gain=0.5)
    words = [text.get_text() for text in explorer.still().findobj(Text)]
    shown = ["scheme", "gain", "0.5 × std", "depth", explorer.headline, "Run this cell to move it"]
    assert [word for word in shown if word not in words] == []
    assert "Run this cell to move it" not in [
        text.get_text() for text in explorer.figure().findobj(Text)
    ]


def test_a_slider_in_a_still_stands_where_it_stands_in_the_browser():
    controls = signal.controls()
    assert [controls["gain"].share(value) for value in (0.1, 1.0, 10.0)] == pytest.approx(
        [0, 0.5, 1]
    )
    assert controls["depth"].share(1) == 0


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
