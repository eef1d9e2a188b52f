"""Networks as engineers write them, each of which was once judged wrongly."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initlab as il

DIGITS = il.data.digits(256)


class UnusedLayer(nn.Module):
    """An expert without tokens, a shortcut that is never taken."""

    def __init__(self):
        super().__init__()
        self.first, self.unused, self.head = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.first(x).relu())


class WeightsInAList(nn.Module):
    def __init__(self, scale=1.0):
        super().__init__()
        shapes = [(64, 64, (2 / 64) ** 0.5), (64, 10, 0.1)]
        self.w = nn.ParameterList(nn.Parameter(scale * s * torch.randn(a, b)) for a, b, s in shapes)

    def forward(self, x):
        return (x @ self.w[0]).relu() @ self.w[1]


class ReZero(nn.Module):
    """Every branch has a factor that starts at 0 (Bachlechner et al. 2020)."""

    def __init__(self):
        super().__init__()
        self.into, self.out = nn.Linear(64, 64), nn.Linear(64, 10)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64)) for _ in range(10)
        )
        self.factors = nn.ParameterList(nn.Parameter(torch.zeros(1)) for _ in range(10))

    def forward(self, x):
        x = self.into(x)
        for branch, factor in zip(self.branches, self.factors, strict=True):
            x = x + factor * branch(x)
        return self.out(x)


class Pooled(nn.Module):
    """The softmax of the attention is called last before the head, and is nearly level."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(8, 32, batch_first=True)
        self.score, self.soft, self.head = nn.Linear(32, 1), nn.Softmax(1), nn.Linear(32, 10)

    def forward(self, x):
        h, _ = self.rnn(x.view(len(x), 8, 8))
        return self.head((self.soft(self.score(h)) * h).sum(1))


class TwoAnswers(nn.Module):
    def __init__(self):
        super().__init__()
        self.policy, self.value = nn.Linear(64, 10), nn.Linear(64, 1)

    def forward(self, x):
        return self.policy(x), self.value(x)


class Autocast(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.GRU(8, 32, batch_first=True), nn.Linear(32, 10)

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return self.head(self.rnn(x.view(len(x), 8, 8))[0][:, -1]).float()


def layer_norm_of_pictures():
    net = nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 16, 3), nn.LayerNorm([16, 6, 6]), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10),
    )  # fmt: skip
    il.initialize(net, "kaiming_normal")
    return net


@pytest.mark.parametrize(
    "build",
    [UnusedLayer, WeightsInAList, ReZero, Pooled, Autocast, layer_norm_of_pictures],
    ids=lambda build: build.__name__,
)
def test_a_healthy_network_is_called_healthy(build):
    torch.manual_seed(0)
    assert il.diagnose(build(), *DIGITS).illness == "healthy"


def test_weights_in_a_list_can_be_ill():
    assert il.diagnose(WeightsInAList(scale=0.0), *DIGITS).illness == "symmetric"


@pytest.mark.parametrize("patient", ["patient 2", "patient 7"])
def test_the_usual_loss_may_be_given_by_hand(patient):
    net, (x, y) = il.diagnosis.clinic()[patient]
    expected = il.diagnose(net, x, y).illness
    assert expected != "healthy"
    assert il.diagnose(net, x, y, loss=nn.CrossEntropyLoss()).illness == expected


def test_the_first_layers_are_those_that_run_first():
    """A head that is defined before the layers is not the first of them."""

    def sick(names):
        torch.manual_seed(0)
        sizes = {f"layer{k}": (64, 64) for k in range(8)} | {"head": (64, 10)}
        net = nn.ModuleDict({name: nn.Linear(*sizes[name]) for name in names})
        for name in names[:-1] if names[-1] == "head" else names[1:]:
            nn.init.normal_(net[name].weight, std=0.02)
        net.forward = lambda x: _run(net, x)
        return net

    def _run(net, x):
        for k in range(8):
            x = net[f"layer{k}"](x).tanh()
        return net["head"](x)

    layers = [f"layer{k}" for k in range(8)]
    found = [il.diagnose(sick(names), *DIGITS) for names in ([*layers, "head"], ["head", *layers])]
    assert found[0].illness == found[1].illness != "healthy"


def test_an_answer_of_several_tensors_is_judged_as_a_whole():
    torch.manual_seed(0)
    assert il.diagnose(TwoAnswers(), DIGITS.x).illness == "healthy"
    one_unused = il.diagnose(TwoAnswers(), *DIGITS)
    assert one_unused.illness == "no gradient"
    assert "loss= that uses every output" in one_unused[0].call


def test_an_answer_of_one_number_for_each_sample_needs_no_target():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))
    assert il.diagnose(net, DIGITS.x).illness == "healthy"


def test_a_part_whose_key_is_no_identifier_is_fixed_by_a_line_that_runs():
    class Parts(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleDict({"layer-1": nn.Linear(64, 64), "head": nn.Linear(64, 10)})

        def forward(self, x):
            return self.parts["head"](self.parts["layer-1"](x).relu())

    torch.manual_seed(0)
    net = Parts()
    nn.init.constant_(net.parts["layer-1"].weight, float("nan"))
    finding = il.diagnose(net, *DIGITS)[0]
    assert (finding.illness, finding.mendable) == ("non-finite", True)
    assert finding.call.startswith("il.initialize(net.parts['layer-1'], ")
    exec(finding.call, {"il": il, "net": net})
    assert il.diagnose(net, *DIGITS).healthy


def test_a_line_for_many_weights_leaves_the_others_alone():
    """Factors of low rank beside frozen weights, whose names end as theirs do."""

    class Adapted(nn.Module):
        def __init__(self):
            super().__init__()
            self.base = nn.Linear(64, 64).requires_grad_(False)
            self.down, self.up = nn.Linear(64, 4, bias=False), nn.Linear(4, 64, bias=False)
            il.initialize(self.down, "zeros")
            il.initialize(self.up, "zeros")

        def forward(self, x):
            return (self.base(x) + self.up(self.down(x))).relu()

    torch.manual_seed(0)
    net = nn.Sequential(*(Adapted() for _ in range(6)), nn.Linear(64, 10))
    pasted = copy.deepcopy(net)
    finding = il.diagnose(net, *DIGITS)[0]
    assert (finding.illness, finding.mendable) == ("symmetric", True)
    exec(finding.call, {"il": il, "torch": torch, "net": pasted})
    changed = {
        name for name, p in net.named_parameters() if not p.equal(pasted.get_parameter(name))
    }
    assert changed == {f"{block}.down.weight" for block in range(6)}


def test_a_target_of_pictures_is_met_channel_by_channel():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 3, 1))
    il.initialize(net, "kaiming_normal")
    x = torch.randn(64, 1, 8, 8)
    y = torch.randn(64, 3, 8, 8) + torch.tensor([0.0, 10.0, 20.0])[:, None, None]
    found = il.diagnose(net, x, y)
    assert (found.illness, found[0].layers) == ("data", ("y",))
    found[0].mend(net)
    assert net[2].bias.tolist() == pytest.approx(y.mean((0, 2, 3)).tolist(), abs=0.01)
    assert il.diagnose(net, x, y).illness == "healthy"


def test_a_head_that_is_averaged_afterwards_can_be_mended():
    class Averaged(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(8, 32), nn.Linear(32, 7)

        def forward(self, x):
            return self.last(self.first(x).relu()).mean(1, keepdim=True)

    torch.manual_seed(0)
    net, x, y = Averaged(), torch.randn(64, 8), 5 + 0.1 * torch.randn(64, 1)
    found = il.diagnose(net, x, y)
    assert (found.illness, found[0].layers) == ("data", ("y",))
    found[0].mend(net)
    assert net.last.bias.tolist() == pytest.approx([y.mean().item()] * 7, abs=1e-3)


def test_an_own_layer_gets_lines_with_its_names():
    torch.manual_seed(0)
    net = WeightsInAList(scale=1e-3)
    found = il.diagnose(net, *DIGITS)
    assert found.illness == "vanishing"
    assert "torch.nn.init.xavier_normal_(net.w[0], gain=2**0.5)" in found[0].call
    found[0].mend(net)
    assert il.diagnose(net, *DIGITS).healthy


def test_an_encoder_with_padding_is_seen_without_its_fast_path():
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
            self.words = nn.Embedding(20, 16)
            self.encoder = nn.TransformerEncoder(layer, 2).requires_grad_(False)
            self.head = nn.Linear(16, 3)

        def forward(self, x):
            return self.head(self.encoder(self.words(x), src_key_padding_mask=x == 0).mean(1))

    torch.manual_seed(0)
    net = Encoder().eval()
    x, y = torch.randint(1, 20, (16, 7)), torch.randint(3, (16,))
    x[:, 5:] = 0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="enable_nested_tensor")
        assert il.trace(net, x, y)["encoder.layers.1.linear2"].activation.nonfinite == 0
        assert il.diagnose(net, x, y).illness == "healthy"
        assert set(il.probe.input_correlation(net, x)) >= {"encoder.layers.0.norm1", "head"}
        il.lsuv(net, x)
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("look", [il.trace, il.diagnose])
@pytest.mark.parametrize(
    ("loss", "text"),
    [
        ("mse", "got 'mse' of type str."),
        (
            nn.CrossEntropyLoss,
            "got <class 'torch.nn.modules.loss.CrossEntropyLoss'> of type type: "
            "write CrossEntropyLoss().",
        ),
    ],
)
def test_a_loss_that_is_none_is_told(look, loss, text):
    with pytest.raises(TypeError) as error:
        look(UnusedLayer(), *DIGITS, loss=loss)
    start = "loss must be None or a function (output, target) → scalar, "
    assert str(error.value) == start + text


def test_training_takes_the_outputs_that_a_trace_takes():
    torch.manual_seed(0)
    by_default = il.train(TwoAnswers(), DIGITS, steps=3, lr=0.1)
    assert by_default.loss[-1] < by_default.loss[0]
    assert by_default.final_accuracy > 0.1

    def own(output, target):
        return F.cross_entropy(output[0], target)

    assert len(il.train(TwoAnswers(), DIGITS, steps=2, lr=0.1, loss=own).loss) == 2


@pytest.mark.parametrize("which", ["1.weight", nn.PReLU])
def test_a_rule_reaches_a_slope_that_is_learned(which):
    net = nn.Sequential(nn.Linear(4, 4), nn.PReLU(4))
    il.initialize(net, "zeros", rules=[il.Rule(which, "constant", val=0.1)])
    assert (net[1].weight == 0.1).all()
    il.initialize(net, "zeros")
    assert (net[1].weight == 0.25).all()


@pytest.mark.parametrize(
    "step", [lambda h: 1 / h, lambda h: 2**h, lambda h: 3 - h, lambda h: h + h]
)
def test_theory_does_not_misread_a_step(step):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(64, 64), nn.Linear(64, 10)

        def forward(self, x):
            return self.last(step(self.first(x)))

    found = il.theory.predict(Net(), "lecun_normal")
    assert found.activation == [None, None]


def test_complex_weights_keep_their_imaginary_part():
    layer = nn.Linear(4, 4, bias=False, dtype=torch.complex64)
    expected = torch.linalg.svdvals(layer.weight.detach()).double()
    found = il.probe.weight_singular_values(layer)["Linear"]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert il.probe.weight_rank(layer) == {"Linear": 4}


def test_a_norm_of_pictures_is_counted_by_its_rows():
    assert il.probe.distinct_units(layer_norm_of_pictures())["2"] == 1
