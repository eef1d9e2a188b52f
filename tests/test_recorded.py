"""Is what a page without a kernel shows what the kernel would have shown?"""

from __future__ import annotations

import ast
import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import nbformat
import numpy as np
import pytest
import record
from stops import LESSONS, PLANS, Plan, states

from front_end import Browser
from initlab import explore
from initlab.explore import signal, weight
from run_notebooks import NOTEBOOKS

SITE = Path(__file__).parents[1] / ".site"

CALLS = {
    record.call_in(cell.source)
    for notebook in NOTEBOOKS.glob("*.ipynb")
    for cell in nbformat.read(notebook, as_version=4).cells
    if cell.cell_type == "code" and "il.explore" in cell.source
}
ASK = """
import { readFileSync } from "node:fs";
const { record, requests } = JSON.parse(readFileSync(0));
const model = await readRecord(record);
const answers = [];
model.on("msg:custom", (content, [numbers]) => {
  answers.push([content, Array.from(new Float32Array(numbers.buffer), String)]);
});
requests.forEach((request) => model.send(request));
await new Promise((done) => setTimeout(done));
console.log(JSON.stringify(answers));
"""


@pytest.fixture
def ask(tmp_path):
    """Asks a record as the front end does; gives the answers, with their arrays in place."""
    if (node := shutil.which("node")) is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Node.js on this machine")
    script = tmp_path / "ask.mjs"
    script.write_text((SITE / "recorded.js").read_text("utf-8") + ASK, encoding="utf-8")

    def ask(packed, *requests):
        told = json.dumps({"record": base64.b64encode(packed).decode(), "requests": requests})
        done = subprocess.run(
            [node, script], input=told, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return [restored(content, floats) for content, floats in json.loads(done.stdout)]

    return ask


def restored(content, floats):
    numbers = [float(one.replace("Infinity", "inf")) for one in floats]

    def restore(node):
        if list(node) == ["$"]:
            start, length = node["$"]
            return numbers[start : start + length]
        return node

    return json.loads(json.dumps(content), object_hook=restore)


def around(explorer, name, stops):
    start = explorer.values
    return [start, *({**start, name: stop} for stop in stops if stop != start[name])]


def compare(found, expected, path=""):
    """Descriptions are equal; arrays are so to one part in 127 of the largest."""
    if isinstance(expected, dict):
        assert found.keys() >= expected.keys(), path
        for name in expected:
            compare(found[name], expected[name], f"{path}.{name}")
    elif isinstance(expected, list) and expected and isinstance(expected[0], float):
        finite = [abs(one) for one in expected if np.isfinite(one)]
        is_rough = path.endswith((".heights", "panels[].values"))
        near = {"abs": max(finite, default=0) / 250} if is_rough else {"rel": 1 / 250, "abs": 0}
        assert found == pytest.approx(expected, nan_ok=True, **near), path
    elif isinstance(expected, list):
        assert len(found) == len(expected), path
        for one, other in zip(found, expected, strict=True):
            compare(one, other, f"{path}[]")
    else:
        assert found == expected, path


@pytest.mark.parametrize(
    ("make", "name", "stops"),
    [
        (lambda: signal(depth=4, width=32), "gain", [0.1, 5.0]),
        (lambda: signal(depth=60, width=32, gain=10.0), "batchnorm", [True]),  # inf and nan; a map
        (lambda: weight(fan_in=12, fan_out=8), "scheme", ["sparse", "zeros"]),
    ],
)
def test_a_record_says_what_the_kernel_says(ask, make, name, stops):
    settings = around(make(), name, stops)
    packed = record.pack(made := make(), record.messages(made, settings))
    answers = ask(packed, *({"id": str(k), "set": values} for k, values in enumerate(settings)))
    kernel = Browser(explorer := make())
    for k, (values, answer) in enumerate(zip(settings, answers, strict=True)):
        explorer.set(**values)
        compare(answer, kernel.heard[-1] | {"answer": str(k), "took": 0})


def test_controls_offer_what_is_recorded_with_all_others_as_they_are(ask):
    explorer = signal(depth=4, width=32)
    settings = [*around(explorer, "gain", [2.0, 0.5]), {**explorer.values, "depth": 6}]
    packed = record.pack(explorer, record.messages(explorer, settings))
    start, larger, nowhere, deeper, reset = ask(
        packed,
        {"ready": True},
        {"set": {"gain": 2.0}},
        {"set": {"depth": 6}},  # not recorded with this gain
        {"set": {"gain": 1.0, "depth": 6}},
        {"reset": True},
    )
    assert start["stops"]["gain"] == [0.5, 1.0, 2.0]
    assert (start["stops"]["depth"], start["stops"]["seed"]) == ([4, 6], [0])
    assert (larger["values"]["gain"], larger["stops"]["depth"]) == (2.0, [4])
    assert nowhere["values"] == larger["values"]
    assert (deeper["values"]["depth"], deeper["stops"]["gain"]) == (6, [1.0])
    assert reset["values"] == start["values"]


def test_what_repeats_costs_little():
    explorer = signal(depth=8, width=32)
    settings = around(explorer, "gain", np.geomspace(0.2, 5, 12).round(2).tolist())
    said = [*record.messages(explorer, settings)]
    alone = sum(len(record.pack(explorer, [one])) for one in said)
    assert len(record.pack(explorer, said)) < 0.5 * alone
    assert len(record.pack(explorer, said * 2)) < 1.1 * len(record.pack(explorer, said))


def test_an_array_that_begins_another_lies_in_it():
    arrays = record.Arrays()
    losses = np.linspace(3, 1, 200, dtype=np.float32)
    numbers = [arrays.add(losses[:length], rough=False) for length in (10, 200, 50, 10)]
    index, whole, halves = arrays.packed()
    assert numbers == [0, 1, 2, 0]
    assert index == [[0.0, 10, 0], [0.0, 200, 0], [0.0, 50, 0]]
    assert (len(whole), len(halves)) == (0, 400)


@pytest.mark.parametrize("kind", PLANS)
def test_every_plan_holds_its_start_its_chips_and_only_what_controls_allow(kind):
    kind = getattr(explore, kind)
    start = kind.defaults()
    found = states(kind, start)
    assert found[0] == start
    assert all({**start, **chip} in found for chip in kind.presets.values())
    assert len({json.dumps(values) for values in found}) == len(found)
    for name, control in kind.controls().items():
        for value in {values[name] for values in found}:
            assert control.validate(None, value) == value


def test_every_explorer_has_a_plan():
    kinds = {name for name in explore.__all__ if name[0].isupper()}
    assert PLANS.keys() == kinds - {"Explorer"}


@pytest.mark.parametrize("call", LESSONS)
def test_every_lesson_with_stops_of_its_own_is_there_and_they_are_allowed(call):
    kind = getattr(explore, call.split("(")[0])
    assert call in CALLS, f"no lesson shows {call}: mend LESSONS in .site/stops.py"
    values = {k.arg: ast.literal_eval(k.value) for k in ast.parse(call).body[0].value.keywords}
    found = states(kind, {**kind.defaults(), **values}, call)
    for name, control in kind.controls().items():
        for value in {values[name] for values in found}:
            assert control.validate(None, value) == value


def cell(source):
    made = nbformat.v4.new_code_cell(source)
    made.outputs = [nbformat.v4.new_output("stream", text="as it was")]
    return made


def test_a_notebook_gets_records_where_it_shows_explorers(tmp_path, monkeypatch):
    monkeypatch.setitem(PLANS, "Weight", Plan(main={"gain": [1.0, 2.0]}, chip={}))
    shows = "explorer = 1\nil.explore.weight(fan_in=8, fan_out=6)"
    others = ["import initlab as il", "x = il.explore.weight()", "il.explore.weight().sentence"]
    made = nbformat.v4.new_notebook(cells=[cell(source) for source in [shows, *others]])
    nbformat.write(made, tmp_path / "made.ipynb")
    (to := tmp_path / "to").mkdir()
    assert record.record(tmp_path / "made.ipynb", to).startswith("made.ipynb: Weight 0.")
    first, *rest = nbformat.read(to / "made.ipynb", as_version=4).cells
    page = first.outputs[0].data["text/html"]
    assert f' alt="{weight(fan_in=8, fan_out=6).headline}' in page
    assert page.count('<script type="text/plain">') == 1
    assert {one.outputs[0].text for one in rest} == {"as it was"}


def test_a_record_that_is_too_large_says_where_to_take_stops_from(monkeypatch):
    monkeypatch.setitem(PLANS, "Weight", Plan(main={"gain": [1.0, 2.0]}, chip={}))
    monkeypatch.setattr(record, "MOST", 1000)
    with pytest.raises(RuntimeError, match=r"more than 1000: take stops from its plan in stops.py"):
        record.recorded(weight(fan_in=8, fan_out=6))
