"""Schemes that act on a whole model: LSUV, and residual branches."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import initlab as il


def emitted(model, x):
    """The std that each layer emits, measured here."""
    found = {}
    for name, layer in model.named_children():
        x = layer(x)
        found[name] = float(x.detach().std(correction=0))
    return found


def mixed():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.Tanh(),
        nn.BatchNorm2d(8),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(8 * 36, 20),
        nn.GELU(),
        nn.Linear(20, 5),
    )


@pytest.mark.parametrize("scheme", ["orthogonal", "uniform", None])
def test_lsuv_makes_every_layer_emit_unit_variance(scheme):
    torch.manual_seed(0)
    model, x = mixed().eval(), 7 + 3 * torch.randn(64, 3, 8, 8)
    report = il.lsuv(model, x, scheme=scheme, tolerance=0.05)
    for name, std in emitted(model, x).items():
        if name in "057":
            assert std**2 == pytest.approx(1, abs=0.051)
    rows = {row.name: row for row in report}
    assert list(rows) == [name for name, _ in model.named_parameters()]
    assert rows["0.weight"].note.startswith("emits std ")
    assert rows["0.weight"].scheme == ("lsuv" if scheme is None else f"{scheme}, lsuv")


def test_lsuv_leaves_buffers_mode_hooks_and_random_state():
    model, x = mixed(), torch.randn(16, 3, 8, 8)
    buffers = [b.clone() for b in model.buffers()]
    random = torch.get_rng_state()
    il.lsuv(model, x, scheme=None)
    assert model.training
    assert all(torch.equal(a, b) for a, b in zip(buffers, model.buffers(), strict=True))
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(m._forward_hooks for m in model.modules())


class Branching(nn.Module):
    """Uses keyword inputs, one layer never, one twice, and one that is frozen."""

    def __init__(self):
        super().__init__()
        self.never, self.twice, self.dead = (nn.Linear(6, 6) for _ in range(3))
        self.frozen = nn.Linear(6, 6).requires_grad_(False)
        self.normed = parametrizations.spectral_norm(nn.Linear(6, 6))

    def forward(self, x, scale):
        x = self.frozen(self.normed(self.twice(self.twice(x)) * scale))
        return x + self.dead(x * 0)


def test_lsuv_tells_where_it_did_not_converge():
    model = Branching()
    report = il.lsuv(model, {"x": torch.randn(32, 6), "scale": 0.1}, passes=3)
    notes = {row.layer: row.note for row in report if "weight" in row.parameter}
    schemes = {row.layer: row.scheme for row in report if "weight" in row.parameter}
    assert schemes == {
        "never": "orthogonal",
        "twice": "orthogonal, lsuv",
        "dead": "orthogonal",
        "frozen": "",
        "normed": "orthogonal",
    }
    assert notes["never"] == "not called by the forward pass: not scaled"
    assert "emits std 1 after 2 passes" in notes["twice"]
    assert notes["dead"] == "emits std 0: not scaled further"
    assert notes["frozen"].endswith("frozen (requires_grad=False): not scaled")
    assert notes["normed"].endswith("whatever the size of its weight: not scaled")


def behind(first, last):
    return nn.Sequential(first, nn.ReLU(), last)


def with_bias(layer, value):
    nn.init.constant_(layer.bias, value) if isinstance(value, float) else layer.bias.data.copy_(
        value
    )
    return layer


NO_USE = {  # scaling the last weight changes nothing, or hardly anything, of what it emits
    "behind a dead layer": lambda: behind(with_bias(nn.Linear(6, 6), -100.0), nn.Linear(6, 5)),
    "behind zeros": lambda: behind(nn.Conv1d(6, 6, 1).requires_grad_(False), nn.Conv1d(6, 4, 1)),
    "under a large bias": lambda: behind(
        nn.Linear(6, 6), with_bias(nn.Linear(6, 4), torch.tensor([-9.0, 9.0, -9.0, 9.0]))
    ),
    "spectral norm": lambda: behind(
        nn.Linear(6, 6), parametrizations.spectral_norm(nn.Linear(6, 2))
    ),
}


@pytest.mark.parametrize("make", NO_USE.values(), ids=NO_USE)
def test_lsuv_puts_back_what_scaling_cannot_change(make):
    model = make()
    if isinstance(model[0], nn.Conv1d):
        for parameter in model[0].parameters():
            parameter.data.zero_()
    before = {name: p.detach().clone() for name, p in model[2].named_parameters()}
    x = torch.randn(64, 6, 1) if isinstance(model[0], nn.Conv1d) else torch.randn(64, 6)
    report = il.lsuv(model, x, scheme=None)
    assert all(torch.equal(before[name], p) for name, p in model[2].named_parameters())
    (row,) = (row for row in report if row.layer == "2" and "weight" in row.parameter)
    assert row.note.endswith("whatever the size of its weight: not scaled")
    assert row.scheme == ""


class Tied(nn.Module):
    """Two layers of one weight; of three, the order of the calls is not that of the names."""

    def __init__(self, make, other, swapped=False):
        super().__init__()
        self.one, self.other = make(), other()
        self.one.weight = self.other.weight
        self.layers = [self.other, self.one] if swapped else [self.one, self.other]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


@pytest.mark.parametrize(
    ("model", "x", "scheme"),
    [
        (
            Tied(lambda: nn.Embedding(50, 16), lambda: nn.Linear(16, 50)),
            torch.arange(50),
            "orthogonal",
        ),
        (Tied(lambda: nn.Linear(8, 8), lambda: nn.Linear(8, 8)), 5 * torch.randn(64, 8), None),
        (
            Tied(lambda: nn.Linear(8, 8), lambda: nn.Linear(8, 8), True),
            torch.randn(64, 8),
            "normal",
        ),
    ],
)
def test_lsuv_tells_one_std_for_one_weight(model, x, scheme):
    report = il.lsuv(model, x, scheme=scheme)
    rows = [report["one.weight"], report["other.weight"]]
    std = float(model.one.weight.detach().std(correction=0))
    assert [row.std_got for row in rows] == pytest.approx([std] * 2, rel=1e-5)
    assert [row.std_given for row in rows] == [None] * 2
    assert all(row.scheme.endswith("lsuv") for row in rows)
    assert sum("emits std" in row.note for row in rows) == 1
    assert not any("did not converge" in row.note for row in rows)


def test_lsuv_failing_forward_leaves_the_model():
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(9, 2))
    before, random = [p.clone() for p in model.parameters()], torch.get_rng_state()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        il.lsuv(model, torch.randn(5, 4))
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    torch.set_rng_state(random)


def test_lsuv_measures_the_tensor_in_a_tuple_and_leaves_the_batch():
    class Pair(nn.Linear):
        def forward(self, x):
            return super().forward(x), None

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.start, self.pair = nn.ReLU(inplace=True), Pair(6, 4)

        def forward(self, x):
            return self.pair(self.start(x))[0]

    x = torch.randn(50, 6)
    before, model = x.clone(), Model()
    il.lsuv(model, x)
    assert torch.equal(x, before)
    assert float(model(x).detach().std(correction=0)) == pytest.approx(1, abs=0.05)


def test_lsuv_takes_no_array():
    with pytest.raises(TypeError, match=r"^x must be a tensor, got a numpy array: pass torch"):
        il.lsuv(nn.Linear(6, 4), np.ones((3, 6)))


def test_lsuv_wrong_arguments():
    for arguments, message in [
        ({"tolerance": 0}, "tolerance must be a finite number above 0, got 0."),
        ({"passes": 0}, "passes must be a whole number of at least 1, got 0."),
    ]:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            il.lsuv(nn.Linear(2, 2), torch.zeros(1, 2), **arguments)


# ------------------------------------------------------------------ residual branches


class Block(nn.Module):
    def __init__(self, norm):
        super().__init__()
        last = [nn.LayerNorm(64)] if norm else []
        layers = [nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), *last]
        self.branch = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.branch(x)


def residual(blocks=8, norm=False):
    model = nn.Sequential(
        nn.Linear(64, 64), *(Block(norm) for _ in range(blocks)), nn.Linear(64, 9)
    )
    il.initialize(model, "kaiming_normal", generator=torch.Generator().manual_seed(0))
    return model


X = torch.randn(256, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("norm", [True, False])
def test_zero_last_makes_each_block_the_identity(norm):
    model = residual(norm=norm)
    report = il.scale_residual(model, "zero_last")
    stem = model[0](X)
    assert torch.equal(model[1:-1](stem), stem)
    changed = [row.name for row in report if row.scheme]
    last = 3 if norm else 2
    assert changed == [f"{i}.branch.{last}.{p}" for i in range(1, 9) for p in ("weight", "bias")]
    assert {row.note for row in report.left} == {"not part of it"}


def test_zero_last_is_zero_whatever_was_there():
    model = nn.ModuleDict({"branch": nn.Linear(3, 3)})
    nn.init.constant_(model["branch"].weight, torch.nan)
    report = il.scale_residual(model, "zero_last")
    assert not model["branch"].weight.any()
    assert report[0].std_got == 0


def test_depth_keeps_the_growth_below_e():
    model = residual(blocks=16)
    before = model[1].branch[2].weight.detach().clone()
    report = il.scale_residual(model, "depth")
    assert torch.equal(model[1].branch[2].weight, before / 4)
    assert {row.scheme for row in report} == {"", "× 0.25"}
    with torch.no_grad():
        stem = model[0](X)
        growth = float(model[1:-1](stem).var() / stem.var())
    # Two Kaiming layers without a last nonlinearity double the variance: (1 + 2/16)^16.
    assert growth == pytest.approx((1 + 2 / 16) ** 16, rel=0.35)


def test_fixup():
    model = residual(blocks=9)
    before = model[1].branch[0].weight.detach().clone()
    il.scale_residual(model, "fixup")
    assert torch.allclose(model[1].branch[0].weight, before / 3)  # 9^(-1/2), for m = 2
    assert not model[1].branch[2].weight.any()
    assert not model(X).any()
    assert model[0].weight.any()


def test_branches_by_type_by_several_globs_and_as_the_layer_itself():
    for branches in (nn.Sequential, ["1.*", "2.branch"], "*.branch.2"):
        model = nn.ModuleDict({str(i): Block(norm=False) for i in (1, 2)})
        report = il.scale_residual(model, "zero_last", branches=branches)
        assert {row.layer for row in report if row.scheme} == {"1.branch.2", "2.branch.2"}


WRONG = [
    (
        {"how": "zero"},
        "how='zero' is unknown: did you mean 'zero_last'? Allowed: zero_last, depth, fixup.",
    ),
    (
        {"how": "depth", "branches": "*.skip"},
        "branches='*.skip' fits no module. Some of the model's modules: 0, 1, 1.branch, "
        "1.branch.0, 1.branch.1, 1.branch.2, 1.branch.3, 2.",
    ),
    (
        {"how": "depth", "branches": "1.branch.1"},
        "branch '1.branch.1' has no linear, convolution or normalisation layer with a weight.",
    ),
    (
        {"how": "fixup"},
        "how='fixup' replaces normalisation, but branch '1.branch' has '1.branch.3': "
        "use 'zero_last'.",
    ),
    (
        {"how": "depth", "output": "2"},
        "output is for how='fixup' only, got how='depth' and output='2'.",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_arguments_change_nothing(arguments, message):
    model = residual(blocks=1, norm=True)
    before = [p.clone() for p in model.parameters()]
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        il.scale_residual(model, **arguments)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("branches", [3, [3]])
def test_branches_of_a_wrong_type(branches):
    message = (
        "branches must be a glob over module names, a module type, or several of them, "
        "got 3 of type int."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        il.scale_residual(residual(blocks=1), "depth", branches=branches)


def test_frozen_branch_is_an_error():
    model = residual(blocks=2).requires_grad_(False)
    message = (
        "1.branch.2.weight is frozen (requires_grad=False) and cannot be scaled: unfreeze it first."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        il.scale_residual(model, "depth")
