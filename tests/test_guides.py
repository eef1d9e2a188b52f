"""Do the guides lead to the end, and are the pages about the house true?"""

from __future__ import annotations

import importlib
import re
import sys
import types
from itertools import pairwise
from pathlib import Path

import joblib
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.mathtext import MathTextParser
from torch import nn

import initlab as il
from guide import PAGES, blocks, changed
from initlab.lessons import EXERCISES
from initlab.schemes import base
from test_floors import FLOORS, imports

PACKAGE = Path(il.__file__).parent
BATCH = il.data.digits(64)
HOUSE = (PAGES / "ARCHITECTURE.md").read_text(encoding="utf-8")
STEP = r"^\d+\. `(\S+)` `(\S+)`"


def run(code, **names):
    names = {"__name__": "guide", **names}
    exec(code, names)
    return names


# --------------------------------------------------------------------------- the five changes


def test_a_scheme(monkeypatch):
    monkeypatch.setattr(base, "SCHEMES", dict(il.SCHEMES))
    run(blocks("Add a scheme")[0], **vars(base))
    scheme = base.SCHEMES["kumar"]
    weight = scheme.fill_(torch.empty(300, 128), torch.Generator().manual_seed(0))
    assert float(weight.var()) == pytest.approx(0.1, rel=0.04)
    MathTextParser("agg").parse(f"${scheme.formula}$")


def test_a_layer_type(monkeypatch):
    from initlab.apply.layers import LAYERS

    class MyLinear(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.bias = nn.Parameter(torch.ones(20, 30)), nn.Parameter(torch.ones(20))

    monkeypatch.setitem(LAYERS, MyLinear, None)  # so that it goes again
    run(blocks("Add a layer type")[0], MyLinear=MyLinear)
    report = il.initialize(MyLinear(), "xavier_normal")
    assert [row.scheme for row in report] == ["xavier_normal", "zeros"]
    assert report[0].fan_in == 30


def test_an_exercise(monkeypatch):
    monkeypatch.setenv("INITLAB_PROGRESS", "off")
    entry, answers = blocks("Add an exercise")
    exercise = run(entry)["KUMAR_STD"]
    found = run(answers, np=np, RIGHT={}, WRONG={})
    name = exercise.name
    with monkeypatch.context() as added:
        added.setitem(EXERCISES, name, exercise)
        solution = run(il.solution(name).text)[name]
        assert {il.check(name, one).status for one in [*found["RIGHT"][name], solution]} == {
            "correct"
        }
        wrong = [(mistake, il.check(name, answer)) for mistake, answer in found["WRONG"][name]]
        assert [(o.status, o.mistake) for _, o in wrong] == [("incorrect", m) for m, _ in wrong]
        assert il.check(name, run(exercise.stub)[name]).status == "not attempted"
        assert exercise.hints[0] in il.hint(name).text
    with pytest.raises(ValueError, match="is no exercise"):
        il.check(name, solution)


def test_an_illness(monkeypatch):
    from initlab.diagnosis.illnesses import ALL

    illness = run(blocks("Add an illness")[0])["LoudBias"]()
    monkeypatch.setattr(sys.modules["initlab.diagnosis.diagnose"], "ALL", [illness, *ALL])
    net, (x, y) = il.models.mlp(2, 32), BATCH
    nn.init.constant_(net.linear1.bias, 30.0)
    found = il.diagnose(net, x, y)
    assert (found.illness, found[0].layers) == ("loud bias", ("linear1.bias",))
    assert found[0].call == "torch.nn.init.zeros_(net.linear1.bias)"
    assert found[0].plot().axes[0].get_ylabel() == "rms of a bias"
    found[0].mend(net)
    assert il.diagnose(net, x, y).healthy


def test_a_plot():
    draw = run(blocks("Add a plot")[0])["weight_sizes"]
    trace = il.trace(il.models.mlp(2, 32), *BATCH)
    before = dict(matplotlib.rcParams)
    ax = draw(trace)
    assert dict(matplotlib.rcParams) == before
    sizes = [layer.weight.rms for layer in trace.layers if layer.weight is not None]
    (dots,) = ax.lines
    assert dots.get_ydata().tolist() == sizes
    assert dots.get_color() == il.plots.colour_of("weight")
    assert ax.get_title(loc="left").startswith("Weights have an rms of 0.")
    assert il.plots.alt_text(ax).startswith("Weights have an rms of 0.")
    assert "rms of 3 weights" in ax.figure.alt
    _, own = plt.subplots()
    assert draw(trace, headline="Three", ax=own) is own
    assert own.get_title(loc="left") == "Three"
    plt.close("all")


def test_a_control(monkeypatch):
    """In copies of the two modules, so that the explorer itself stays as it is."""
    as_it_is = il.explore.Weight
    (change,) = blocks("Add a control to an explorer", "diff")
    for name in ("weight_records", "weight"):
        source = (PACKAGE / "explore" / f"{name}.py").read_text(encoding="utf-8")
        module = types.ModuleType(f"initlab.explore.{name}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(changed(source, change) if name == "weight_records" else source, vars(module))
    explorer = module.weight()
    assert "    offset: Added to every entry (-1 to 1)." in module.Weight.__doc__.splitlines()
    assert [*explorer.controls()][-2:] == ["offset", "seed"]
    assert explorer._setup["controls"][-2]["hint"] == "Added to every entry"
    before = explorer.scene.panels[0].values
    explorer.offset = 0.5
    assert explorer.error == ""
    assert explorer.scene.panels[0].values == pytest.approx(before + 0.5, abs=1e-6)
    explorer.offset = 0.0
    with pytest.raises(ValueError, match="offset"):
        explorer.set(offset=2.0)
    assert "offset" not in as_it_is.controls()


# --------------------------------------------------------------------------- the house


def test_the_table_has_every_module_on_its_floor():
    rows = re.findall(r"^\| (\d) \| `(\w+)` \| .* \|(.*)\|$", HOUSE, re.MULTILINE)
    assert {name: int(floor) for floor, name, _ in rows} == FLOORS
    found = {name: set() for name in FLOORS}
    for one in imports(PACKAGE):
        found[one.importer].add(one.imported.split(".")[0])
    usual = {"initlab", "torch", "numpy", *sys.stdlib_module_names}
    told = {name: set(re.findall(r"`(\w+)`", packages)) for _, name, packages in rows}
    assert told == {name: packages - usual for name, packages in found.items()}


def trace_and_plot():
    il.trace(il.models.mlp(2, 8), *BATCH).plot()


def compare():
    with joblib.parallel_config("sequential"):  # all in this thread, where calls are seen
        il.compare(
            ["kaiming_normal", "zeros"], il.models.mlp(2, 8), BATCH,
            seeds=2, steps=2, lr=0.1, progress=False,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("call", "walk"),
    [("il.trace(model, x, y).plot()", trace_and_plot),
     ("il.compare(schemes, model, data)", compare)],
    ids=["trace", "compare"],
)  # fmt: skip
def test_a_walk_is_true_to_the_code(call, walk):
    section = HOUSE.split(f"## `{call}`")[1].split("\n## ")[0]
    steps = re.findall(STEP, section, re.MULTILINE)
    assert 5 <= len(steps) <= 10
    first = {}  # (file, function) → when it was first called

    def note(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(str(PACKAGE)):
            file = Path(frame.f_code.co_filename).relative_to(PACKAGE).as_posix()
            first.setdefault((file, frame.f_code.co_qualname), len(first))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        walk()
    finally:
        sys.setprofile(before)
        plt.close("all")
    assert [step for step in steps if step not in first] == []
    assert all(first[one] < first[then] for one, then in pairwise(steps))


def test_every_file_and_function_that_a_page_names_is_there():
    for page in ("ARCHITECTURE.md", "CONTRIBUTING.md"):
        text = (PAGES / page).read_text(encoding="utf-8")
        for name in re.findall(r"`((?:initlab|tests)/[\w/]+\.\w+)`", text):
            assert "XX" in name or (PACKAGE.parent / name).is_file(), name
    for file, function in re.findall(STEP, HOUSE, re.MULTILINE):
        found = importlib.import_module(f"initlab.{file[:-3].replace('/', '.')}")
        for part in function.split("."):
            found = getattr(found, part)
        assert callable(found)
