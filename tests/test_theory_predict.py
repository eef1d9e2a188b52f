"""Predicted curves, laid over real forward and backward passes."""

from __future__ import annotations

import math
import re

import pytest
import torch
from torch import nn

import initlab as il
from initlab import theory

WIDTH = 256


def measure(model, x):
    """rms of each leaf's output, and of the gradient there; an oracle in plain torch."""
    outputs, handles = {}, []
    for name, module in model.named_modules():
        if not list(module.children()):

            def keep(module, inputs, output, name=name):
                output.retain_grad()
                outputs[name] = output

            handles.append(module.register_forward_hook(keep))
    loss = nn.functional.cross_entropy(model(x), torch.arange(len(x)) % 10)
    loss.backward()
    for handle in handles:
        handle.remove()
    rms = {name: out.detach().square().mean().sqrt().item() for name, out in outputs.items()}
    return rms, {name: out.grad.square().mean().sqrt().item() for name, out in outputs.items()}


def own_class():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.ModuleList(nn.Linear(64 if i == 0 else 200, 200) for i in range(4))
            self.head = nn.Linear(200, 10)

        def forward(self, x):
            for layer in self.inner:
                x = torch.tanh(layer(x))
            return self.head(x)

    torch.manual_seed(0)
    return Net()


MODELS = {
    "relu": lambda: il.models.mlp(10, WIDTH),
    "tanh": lambda: il.models.mlp(10, WIDTH, "tanh", bias=False),
    "sigmoid": lambda: il.models.mlp(5, WIDTH, "sigmoid"),
    "gelu": lambda: il.models.mlp(6, WIDTH, "gelu"),
    "linear": lambda: il.models.mlp(6, WIDTH, "linear"),
    "own function": lambda: il.models.mlp(6, WIDTH, torch.sin),
    "batch norm": lambda: il.models.mlp(8, WIDTH, norm="batch"),
    "batch norm, tanh": lambda: il.models.mlp(8, WIDTH, "tanh", norm="batch"),
    "batch norm, eval": lambda: il.models.mlp(5, WIDTH, norm="batch").eval(),
    "layer norm": lambda: il.models.mlp(8, WIDTH, "tanh", norm="layer"),
    "dropout in eval mode": lambda: il.models.mlp(4, WIDTH, dropout=0.5).eval(),
    "residual": lambda: il.models.residual(8, WIDTH, branch_scale=8**-0.5),
    "residual, linear": lambda: il.models.residual(8, WIDTH, "linear", branch_scale=8**-0.5),
    "residual, batch norm": lambda: il.models.residual(8, WIDTH, norm="batch"),
    "widths that change": lambda: nn.Sequential(
        nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 400),
        nn.LeakyReLU(0.3), nn.Linear(400, 10),
    ),
    "own class with functions": own_class,
}  # fmt: skip


@pytest.mark.parametrize("which", MODELS)
def test_curves_lie_over_the_measured_ones(which):
    torch.manual_seed(0)
    model = MODELS[which]()
    x = torch.randn(256, 64)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    curve = theory.predict(model, x=x, batch_size=256)
    assert curve.applies, curve.reason
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    rms, gradients = measure(model, x)
    assert sorted(curve.names) == sorted(rms)
    ahead = [name for name in curve.names if name != "head"][-1]
    unit = gradients[ahead] / curve.gradient[curve.names.index(ahead)]
    for name, row in zip(curve.names, curve.rows(), strict=True):
        room = 3 * row["spread"] + 0.03
        assert abs(math.log(rms[name] / row["activation"])) < room, name
        room = 3 * row["gradient_spread"] + 0.1  # ten classes only: the unit is noisy too
        assert abs(math.log(gradients[name] / unit / row["gradient"])) < room, name


def test_names_and_order_are_those_of_a_trace():
    for model in (il.models.mlp(3, 16, norm="layer"), il.models.residual(2, 16)):
        x = torch.randn(8, 64)
        curve = theory.predict(model, x=x)
        assert curve.names == [layer.name for layer in il.trace(model, x).layers]


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_a_depth_gives_the_same_as_the_network_it_means(norm):
    model = il.models.mlp(4, 300, "tanh", n_in=50, n_out=7, norm=norm)
    by_depth = theory.predict(
        4, "xavier_normal", "tanh", width=300, n_in=50, n_out=7, norm=norm, bias_var="torch_default"
    )
    of_model = theory.predict(model, "xavier_normal", bias_var="torch_default")
    assert by_depth == of_model
    assert by_depth.names[-1] == "head"


def test_a_scheme_predicts_what_initialize_will_do():
    model = il.models.mlp(8, 400)
    curve = theory.predict(model, "kaiming_normal")
    il.initialize(model, "kaiming_normal", generator=torch.Generator().manual_seed(0))
    actual = theory.predict(model)
    assert curve.activation == pytest.approx(actual.activation, rel=0.02)
    assert curve.activation[1] == pytest.approx(1.0, rel=1e-9)


def test_gradient_is_1_at_the_last_hidden_output_and_spread_grows_with_depth():
    curve = theory.predict(20, "kaiming_normal", "relu", width=200)
    assert curve.gradient[curve.names.index("act20")] == pytest.approx(1)
    assert curve.spread[curve.names.index("act20")] == pytest.approx(
        math.sqrt(5 * 20 / 200) / 2, rel=1e-6
    )
    assert curve.gradient_spread[0] > curve.gradient_spread[-2]


def test_a_law_of_fans_is_a_scheme():
    by_law = theory.predict(5, lambda fan_in, fan_out: 2 / fan_in, "relu")
    assert by_law == theory.predict(5, "kaiming_normal", "relu")


def test_an_activation_given_with_a_model_replaces_its_own():
    relu, tanh = il.models.mlp(4, 100), il.models.mlp(4, 100, "tanh")
    assert theory.predict(relu, activation="tanh") == theory.predict(tanh)


def test_a_layer_that_is_used_twice_has_an_entry_for_each_call():
    act = nn.Tanh()
    model = nn.Sequential(nn.Linear(64, 100), act, nn.Linear(100, 100), act, nn.Linear(100, 10))
    curve = theory.predict(model)
    assert curve.names == [layer.name for layer in il.trace(model, torch.randn(8, 64)).layers]
    assert curve.activation[3] < curve.activation[1]


def test_all_zero_weights_emit_nothing():
    curve = theory.predict(3, "zeros", "tanh")
    assert curve.activation == [0.0] * 7
    assert theory.predict(3, "zeros", "sigmoid").activation[1] == pytest.approx(0.5)


def test_zero_head_leaves_no_gradient():
    model = il.models.mlp(3, 64)
    nn.init.zeros_(model.head.weight)
    curve = theory.predict(model)
    assert curve.applies
    assert curve.gradient == [None] * 7


def constant(model):
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.1)
    return model


def seen_a_batch(model):
    model(torch.randn(16, 64))
    return model.eval()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: il.models.cnn(2, 4), "conv1 (Conv2d) is not a layer that theory knows."),
        (
            lambda: nn.Sequential(nn.Linear(4, 4), nn.Softmax(dim=1), nn.Linear(4, 2)),
            "1 (Softmax) is not a layer that theory knows.",
        ),
        (
            lambda: il.models.mlp(2, 64, dropout=0.5),
            "drop1 drops units at random in train mode: call model.eval().",
        ),
        (
            lambda: il.models.mlp(60, 8),
            "61 linear layers are too many for their width: networks drawn anew differ by a "
            "factor of 21 in rms, so no one curve fits.",
        ),
        (
            lambda: constant(il.models.mlp(2, 64)),
            "the weights of linear1 have mean 0.1; theory needs mean 0.",
        ),
        (
            lambda: seen_a_batch(il.models.mlp(2, 64, norm="batch")),
            "norm1 is in eval mode with statistics of earlier batches.",
        ),
        (
            lambda: nn.Sequential(nn.ReLU(), nn.Linear(4, 2)),
            "0 does not follow a linear layer, so its input is not Gaussian.",
        ),
        (
            lambda: il.models.mlp(2, 64, torch.sign),
            "act2 jumps, or is so steep that its squared slope has no mean.",
        ),
        (lambda: nn.Identity(), "the model has no linear layer."),
        (
            lambda: il.models.mlp(300, 100, "gelu", bias=False),
            "the second moment after linear140 leaves the range of float64.",
        ),
    ],
)  # fmt: skip
def test_silence_where_theory_does_not_apply(make, reason):
    curve = theory.predict(make())
    assert curve.reason == f"Theory does not apply: {reason}"
    assert not curve.applies
    assert curve.activation == curve.gradient == curve.spread == [None] * len(curve.names)


def test_silence_about_control_flow_and_schemes_without_a_law():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x):
            return self.act(x) if x.sum() > 0 else -x

    curve = theory.predict(nn.Sequential(nn.Linear(4, 4), nn.Sequential(Branches())))
    assert curve.reason.startswith(
        "Theory does not apply: the order of layers in Sequential.forward cannot be read ("
    )
    assert curve.names == ["0", "1.0.act"]
    curve = theory.predict(4, "eye")
    assert curve.reason == (
        "Theory does not apply: eye does not draw independent weights with mean 0 and one variance."
    )
    assert (len(curve.names), curve.names[-1]) == (9, "head")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: theory.predict("mlp", "kaiming_normal"),
            TypeError,
            "model_or_depth must be a torch.nn.Module or a whole number of hidden layers, got "
            "'mlp' of type str.",
        ),
        (
            lambda: theory.predict(0, "kaiming_normal"),
            ValueError,
            "model_or_depth must be a whole number of at least 1, got 0.",
        ),
        (
            lambda: theory.predict(3),
            ValueError,
            "scheme is missing: a depth has no weights of its own. Give a scheme such as "
            "'kaiming_normal', or pass a model.",
        ),
        (
            lambda: theory.predict(3, "kaiming_normal", norm="group"),
            ValueError,
            'norm must be None, "batch" or "layer", got \'group\'.',
        ),
        (
            lambda: theory.predict(3, "kaiming_normal", bias_var=-1.0),
            ValueError,
            'bias_var must be None, "torch_default" or a finite variance of at least 0, got -1.0.',
        ),
        (
            lambda: theory.predict(3, "kaiming_normal", x=torch.zeros(4)),
            ValueError,
            "x must be a batch of at least two inputs, of shape (B, ...).",
        ),
        (
            lambda: theory.predict(3, "kaiming_normal", input_rms=math.nan),
            ValueError,
            "input_rms must be a finite number of at least 0, got nan.",
        ),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()
