"""Does `il.diagnose` name the illness, prove it, mend it, and leave no mark?

The labels come from `python tests/benchmarks/diagnosis.py --store`, which trains every network and
its cured twin; here a few are trained again, and all are diagnosed.
"""

from __future__ import annotations

import copy
import json
import math
import subprocess
import sys

import pytest
import torch
from torch import nn

import initlab as il
from probe_models import FACTORIES, case
from sick_networks import CASES, STEPS, STORED, VARIANTS, key
from test_apply_networks import NETWORKS

LABELS = json.loads(STORED.read_text())
HALF_OF_A_GUESS = math.log(10) / 2
X, Y = il.data.digits(256)


def trains(loss):
    return loss is not None and loss <= HALF_OF_A_GUESS  # None: it diverged


def labelled(letter):
    """The cases whose label training confirmed."""
    for one in CASES:
        label = LABELS[key(one, letter)]
        sick = one.illness != "healthy"
        if trains(label["loss"]) != sick and (not sick or trains(label["cured"])):
            yield one


def diagnosed(one, letter):
    x, y = one.data()
    return il.diagnose(one.build(VARIANTS[letter]), x[:256], y[:256])


def wrongly_named(letter, cases):
    found = {key(one, letter): (one.illness, diagnosed(one, letter).illness) for one in cases}
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}


@pytest.mark.parametrize("letter", VARIANTS)
def test_the_right_illness_is_named_first(letter):
    """A ninth of each variant."""
    cases = [*labelled(letter)][sum(map(ord, letter)) % 9 :: 9]
    assert len(cases) >= 10
    assert len(wrongly_named(letter, cases)) == 0


@pytest.mark.thorough
def test_the_right_illness_is_named_first_in_all_of_a_variant():
    """Of all variants: `tests/benchmarks/diagnosis.py`."""
    letter = "B"
    cases = list(labelled(letter))
    assert len(cases) >= 90
    wrong = wrongly_named(letter, cases)
    assert len(wrong) <= 0.03 * len(cases), wrong
    assert not [pair for pair in wrong.values() if pair[0] == "healthy"], wrong


def test_the_set_holds_each_illness_mild_and_severe_and_each_family_healthy():
    families = {"mlp", "conv", "residual", "recurrent", "transformer"}
    kinds = {(one.illness, one.severity) for one in CASES if one.illness != "healthy"}
    names = set(il.diagnosis.ILLNESS_OF.values()) - {"healthy"}
    assert kinds == {(illness, s) for illness in names for s in ("mild", "severe")}
    assert {one.family for one in CASES if one.illness == "healthy"} == families
    assert len({key(one, "A") for one in CASES}) == len(CASES) >= 40


TRAINED = [
    "std 0.01, ReLU, 10 layers",
    "std 1, ReLU, 8 layers",
    "biases -3, ReLU, 3 layers",
    "zeros, ReLU, 3 layers",
    "head times 300",
    "default, ReLU, 3 layers",
]


@pytest.mark.parametrize("name", TRAINED)
def test_a_stored_label_is_what_training_gives(name):
    one = next(c for c in CASES if c.name == name)
    losses = []
    for change in (None, one.cure):
        model = one.build(VARIANTS["A"])
        if change:
            change(model)
        runs = [
            il.train(copy.deepcopy(model), one.data(), steps=STEPS, progress=False, **recipe)
            for recipe in one.recipes
        ]
        losses.append(min(run.final_loss for run in runs if math.isfinite(run.final_loss) or 1))
    sick = one.illness != "healthy"
    assert trains(losses[0]) != sick
    assert trains(losses[1])


MENDED = [  # the first finding's call, and that it makes the network healthy
    ("mlp", "vanishing", 'il.initialize(model, "kaiming_normal", nonlinearity="relu")'),
    ("residual", "exploding", 'il.initialize(model, "kaiming_normal", nonlinearity="relu")\n'
     'il.scale_residual(model, "depth")'),
    ("mlp", "dead", 'il.initialize(model, "kaiming_normal", nonlinearity="relu")'),
    ("mlp", "saturated", 'il.initialize(model, "xavier_normal")'),
    ("recurrent", "saturated", 'il.initialize(model, "orthogonal", forget_bias=1.0)'),
    ("transformer", "symmetric", 'il.initialize(model, "xavier_uniform")'),
    ("transformer", "collapsed", "torch.nn.init.normal_(model.position, std=0.02)"),
    ("mlp", "no gradient", "model.requires_grad_(True)"),
    ("mlp", "wrong loss", 'il.initialize(model.head, "zeros")'),
    ("transformer", "non-finite", 'il.initialize(model.embed, "xavier_uniform")'),
]  # fmt: skip


@pytest.mark.parametrize(("family", "illness", "call"), MENDED)
def test_mending_does_what_it_says_and_makes_healthy(family, illness, call):
    one = next(c for c in CASES if (c.family, c.illness) == (family, illness))
    model, (x, y) = one.build(VARIANTS["A"]), one.data()
    found = il.diagnose(model, x, y)
    assert (found.illness, found[0].call, found[0].mendable) == (illness, call, True)
    twin = copy.deepcopy(model)
    torch.manual_seed(1)
    found[0].mend(model)
    assert il.diagnose(model, x, y).illnesses == ["healthy"]
    torch.manual_seed(1)
    exec(call, {"il": il, "torch": torch, "model": twin})
    states = zip(model.state_dict().values(), twin.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in states)


def test_other_activations_are_measured():
    net = il.models.mlp(12, 64, "gelu")
    il.initialize(net, "normal", std=0.01)
    found = il.diagnose(net, X, Y)
    assert found.illness == "vanishing"
    found[0].mend(net)
    assert il.diagnose(net, X, Y).healthy


def test_what_no_call_can_mend_says_so():
    cut = next(c for c in CASES if c.name == "detached before the head").build(VARIANTS["A"])
    finding = il.diagnose(cut, X, Y)[0]
    assert not finding.mendable
    with pytest.raises(ValueError, match=r"^no call on the model fixes this \(no gradient\): let "):
        finding.mend(cut)
    x = X + 300
    finding = il.diagnose(il.models.mlp(3, 32), x, Y)[0]
    assert finding.illness == "collapsed"
    assert finding.call == "x = (x - x.mean()) / x.std()  # the same numbers for every batch"
    healthy = il.diagnose(il.models.mlp(3, 32), X, Y)[0]
    with pytest.raises(ValueError, match=r"^this network is healthy: there is nothing to fix\.$"):
        healthy.mend(il.models.mlp(3, 32))
    with pytest.raises(TypeError, match=r"^model must be a torch\.nn\.Module, got int\.$"):
        healthy.mend(3)


def test_regression_starts_at_the_mean_of_its_targets():
    torch.manual_seed(0)
    net = il.models.mlp(2, 32, n_out=1)
    target = 50 + X[:, 20:21]
    found = il.diagnose(net, X, target)
    assert (found.illness, found[0].layers) == ("data", ("target",))
    assert found[0].call.startswith('il.initialize(net.head, "zeros", bias=[50.')
    found[0].mend(net)
    assert net(X).mean().item() == pytest.approx(target.mean().item(), rel=1e-3)
    assert il.diagnose(net, X, target).healthy


def test_a_nan_in_the_batch_is_the_datas_fault():
    x = X.clone()
    x[3, 5] = math.nan
    finding = il.diagnose(il.models.mlp(2, 32), x, Y)[0]
    assert (finding.illness, finding.layers, finding.mendable) == ("non-finite", ("x",), False)
    assert finding.call == "x = torch.nan_to_num(x)  # or leave those samples out"


def snapshot(model):
    tensors = {k: v.clone() for k, v in model.state_dict().items()}
    gradients = {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()}
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    return tensors, gradients, [m.training for m in model.modules()], hooks, torch.get_rng_state()


def same(before, after):
    for a, b in zip(before[:2], after[:2], strict=True):
        assert a.keys() == b.keys()
        for name in a:
            if a[name] is None or b[name] is None:
                assert a[name] is b[name], name
            else:
                assert torch.equal(a[name].nan_to_num(7.0), b[name].nan_to_num(7.0)), name
    assert before[2:4] == after[2:4]
    assert torch.equal(before[4], after[4])


@pytest.mark.parametrize("name", FACTORIES)
def test_any_module_is_diagnosed_and_left_bit_for_bit(name):
    model, x, y = case(name)
    before = snapshot(model)
    found = il.diagnose(model, x, y)
    same(before, snapshot(model))
    frozen = name in ("frozen", "frozen_but_input", "encoder_fast_path")
    special = {"reused": "output function", "encoder": "copies"}  # a tanh at the end; copied layers
    assert found.illness == special.get(name, "no gradient" if frozen else "healthy")
    assert all(finding.summary and finding.why for finding in found)


@pytest.mark.parametrize("one", [c for c in CASES if "Fixup" in c.name or "zero" in c.name],
                         ids=lambda c: c.name)  # fmt: skip
def test_trial_steps_leave_no_mark(one):
    model = one.build(VARIANTS["A"])
    model(X).sum().backward()
    before = snapshot(model)
    il.diagnose(model, X, Y)
    same(before, snapshot(model))


@pytest.mark.parametrize(("make", "batch", "_"), NETWORKS.values(), ids=NETWORKS)
def test_networks_from_a_model_library_are_healthy_and_untouched(make, batch, _):
    model = make()
    labels = torch.tensor([0, 1]) if "pixel_values" in batch else batch["input_ids"]
    before = snapshot(model)
    assert il.diagnose(model, batch).illnesses == ["healthy"]
    assert il.diagnose(model, {**batch, "labels": labels}).illnesses == ["healthy"]
    same(before, snapshot(model))


def test_a_failing_pass_leaves_no_mark():
    model = il.models.mlp(2, 32)
    il.initialize(model.head, "zeros")
    before = snapshot(model)

    def fails(output, target):
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        il.diagnose(model, X, Y, fails)
    same(before, snapshot(model))


@pytest.mark.parametrize(
    ("model", "x", "y", "error", "text"),
    [
        (3, X, Y, TypeError, "model must be a torch.nn.Module, got int."),
        (nn.Linear, X, Y, TypeError, "got the class Linear: make a module of it"),
        (nn.ReLU(), X, Y, ValueError, "model has no parameters: there is nothing that could"),
        (nn.Linear(64, 10), X.numpy(), Y, TypeError, "x must be a tensor, got a numpy array"),
        (nn.Linear(64, 10), X, [1, 2], TypeError, "target must be a tensor of class indices"),
        (nn.Linear(64, 10), X, Y + 5, ValueError, "target must hold class indices from 0 to 9"),
        (nn.LazyLinear(10), X, Y, ValueError, "model has lazy parameters"),
    ],
)
def test_bad_input_is_told(model, x, y, error, text):
    with pytest.raises(error) as caught:
        il.diagnose(model, x, y)
    assert text in str(caught.value)


def test_findings_print_in_text_and_in_html_with_their_picture():
    model = il.models.mlp(12, 64)
    found = il.diagnose(model, X, Y)
    assert found.illnesses == ["collapsed", "vanishing"]
    assert not found.healthy
    text = repr(found)
    assert text.startswith(
        "COLLAPSED (will not train): different inputs look alike: their mean cosine is 1 - "
    )
    for label in (
        "\n  where ",
        "\n  why   ",
        "\n  fix   il.initialize(model, ",
        "\n  tried on a copy",
    ):
        assert label in text
    page = found._repr_html_()
    assert page.count('alt="') == 2
    assert "<strong>COLLAPSED (will not train)</strong>" in page
    assert "Healthy: at least 0.001; outside: " in page


def test_the_picture_shows_the_numbers_and_the_band():
    finding = il.diagnose(il.models.mlp(12, 64), X, Y)[0]
    (ax,) = finding.plot().axes
    (measured,) = finding.measured
    dots = {round(x): y for line in ax.lines for x, y in line.get_xydata()}
    assert list(dict(sorted(dots.items())).values()) == pytest.approx(
        list(measured.values.values())
    )
    crosses = [line for line in ax.lines if line.get_marker() == "X"]
    assert sum(len(line.get_xdata()) for line in crosses) == len(finding.layers)
    assert ax.patches[0].get_y() == pytest.approx(1e-3)


@pytest.mark.parametrize(
    "lines",
    [
        "import initlab.diagnosis; import initlab as il",
        "import initlab as il; import initlab.diagnosis",
        "import initlab as il; il.diagnosis; il.diagnose; import initlab.diagnosis.diagnose",
        "from initlab import diagnose, diagnosis; import initlab as il",
    ],
)
def test_the_name_is_the_function_whatever_is_imported_first(lines):
    script = f"{lines}; assert callable(il.diagnose) and il.diagnosis.diagnose is il.diagnose"
    subprocess.run([sys.executable, "-c", script], check=True)
