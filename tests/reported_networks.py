"""Networks as they are reported in forums and issues: one function each, with the right verdict.

Each kind of report (A to L) has its own letter, as in the list that the tests name; the first of a
kind is the reported case, the others are of the same kind in another network and loss.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

import initlab as il
from probe_models import Forward

DIGITS = il.data.digits(256)


@dataclass(frozen=True)
class Report:
    """What is reported, and what should be said to it.

    Args:
        build: Makes model, x, target and loss.
        illness: The name of the first finding.
        says: What the first finding's text must hold.
        mendable: Whether a call on the model fixes it.
    """

    build: Callable[[], tuple[nn.Module, Any, Any, Any]]
    illness: str
    says: tuple[str, ...]
    mendable: bool


REPORTS: dict[str, Report] = {}


def report(illness: str, *says: str, mendable: bool = False) -> Callable[[Any], Any]:
    def register(build: Any) -> Any:
        def seeded() -> Any:
            torch.manual_seed(0)
            return build()

        REPORTS[build.__name__] = Report(seeded, illness, says, mendable)
        return build

    return register


def mlp(*sizes: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), activation()]
    return nn.Sequential(*layers[:-1])


def kaiming(model: nn.Module) -> nn.Module:
    il.initialize(model, "kaiming_normal", nonlinearity="relu")
    return model


def numbers(n: int = 8) -> Tensor:
    return torch.randn(256, n)


def one_hot_bce(output: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(output, F.one_hot(target, 10).float())


# A. What the finding names must be what the cure touches.


def with_parameter(value: Tensor, combine: Callable[[Tensor, Tensor], Tensor]) -> nn.Module:
    model = Forward(
        lambda m, x: m.b(m.act(combine(m.a(x), m.t))),
        a=nn.Linear(64, 32),
        act=nn.ReLU(),
        b=nn.Linear(32, 10),
    )
    model.t = nn.Parameter(value)
    return model


@report("non-finite", "where t", "torch.nn.init.normal_(net.t, std=0.02)", mendable=True)
def a_a_token_that_nobody_filled():
    return with_parameter(torch.full((1, 32), torch.nan), torch.add), *DIGITS, None


@report("wrong loss", "torch.nn.init.ones_(net.t)", mendable=True)
def a_a_gate_of_1e30():
    def gated(m, x):
        h = m.act(m.a(x))
        return m.b(h + m.t * m.c(h))

    model = Forward(
        gated, a=nn.Linear(64, 32), act=nn.ReLU(), b=nn.Linear(32, 10), c=nn.Linear(32, 32)
    )
    model.t = nn.Parameter(torch.tensor(1e30))
    return model, *DIGITS, None


class LoRA(nn.Module):
    def __init__(self, base, rank=4):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.A = nn.Parameter(torch.zeros(rank, base.in_features))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, h):
        return self.base(h) + h @ self.A.T @ self.B.T


@report("symmetric", ".A, a=5**0.5)", mendable=True)
def a_lora_of_zeros_on_a_trained_base():
    net = kaiming(il.models.mlp(2, 32))
    il.train(net, DIGITS, steps=40, lr=0.02, momentum=0.9, progress=False)
    for name in ("linear1", "linear2", "head"):
        setattr(net, name, LoRA(net.get_submodule(name)))
    return net, DIGITS.x, (DIGITS.y + 3) % 10, None


@report("non-finite", "where 0.parametrizations.weight.original0", mendable=True)
def a_a_length_of_weight_norm_is_nan():
    net = nn.Sequential(parametrizations.weight_norm(nn.Linear(8, 32)), nn.Tanh(), nn.Linear(32, 1))
    with torch.no_grad():
        net[0].parametrizations.weight.original0.fill_(torch.nan)
    x = numbers()
    return net, x, x[:, :1].sin(), nn.L1Loss()


@report("non-finite", "where w", "(net.w", mendable=True)
def a_a_functional_weight_of_nothing():
    model = Forward(lambda m, x: m.head(F.linear(x, m.w).tanh()), head=nn.Linear(32, 1))
    model.w = nn.Parameter(torch.full((32, 8), torch.inf))
    x = numbers()
    return model, x, x[:, :1] * x[:, 1:2], nn.HuberLoss()


# B. No initialisation helps.


@report("collapsed", "no initialisation", "Tanh", "normalisation layer")
def b_eight_sigmoids():
    return mlp(*[64] * 9, 10, activation=nn.Sigmoid), *DIGITS, None


@report("collapsed", "no initialisation")
def b_functional_hardsigmoids():
    def forward(m, x):
        for layer in m.children():
            x = F.hardsigmoid(layer(x)) if layer.out_features > 1 else layer(x)
        return x

    layers = {f"l{k}": nn.Linear(32, 32) for k in range(12)}
    model = Forward(forward, **layers, out=nn.Linear(32, 1))
    x = numbers(32)
    return model, x, x[:, :1] * x[:, 1:2], nn.L1Loss()


@report("collapsed", "no initialisation", "Softplus")
def b_deep_softplus():
    return (
        mlp(*[64] * 13, 10, activation=nn.Softplus),
        *DIGITS,
        nn.CrossEntropyLoss(label_smoothing=0.1),
    )


# C. The data come before the network.


@report("data", "where pixels", "pixels = (pixels - pixels.mean()) / pixels.std()")
def c_pixels_up_to_255():
    x = DIGITS.x
    return kaiming(mlp(64, 64, 64, 10)), (x - x.min()) / (x.max() - x.min()) * 255, DIGITS.y, None


@report("data", "where price", "price = (price - price.mean()) / price.std()")
def c_prices_as_targets():
    x = numbers()
    return mlp(8, 64, 64, 1), x, 2e5 + 5e4 * x[:, :1], None


@report("data", 'where pixels["income"]', '/ pixels["income"].std()')
def c_an_income_in_a_dict():
    model = Forward(
        lambda m, income, age: m.body(torch.cat([income, age], 1)), body=kaiming(mlp(2, 64, 64, 1))
    )
    income, age = 4e4 + 1e4 * numbers(1), numbers(1)
    return model, {"income": income, "age": age}, (income / 1e4 + age).sin(), nn.HuberLoss()


@report("data", "where price", "price.std()")
def c_targets_in_thousandths():
    x = numbers()
    return kaiming(mlp(8, 64, 64, 1)), x, 1e-3 * x[:, :1], nn.L1Loss()


@report("data", "il.initialize(net[4]", "or: price", mendable=True)
def c_temperatures_in_kelvin():
    x = numbers()
    return mlp(8, 64, 64, 1), x, 290 + 2 * x[:, :1], nn.MSELoss(reduction="sum")


# D. One column, and the order of rows.


@report("healthy")
def d_a_sorted_column():
    u = torch.linspace(-2, 2, 1024)[:, None]
    return kaiming(mlp(1, 64, 64, 1)), u, torch.sin(3 * u), None


@report("healthy")
def d_a_sorted_positive_column_and_sorted_classes():
    u = torch.linspace(0, 2, 512)[:, None]
    return (
        mlp(1, 64, 64, 4),
        u,
        (2 * u[:, 0]).long().clamp(max=3),
        nn.CrossEntropyLoss(label_smoothing=0.1),
    )


@report("healthy")
def d_digits_sorted_by_class():
    order = DIGITS.y.argsort()
    return kaiming(mlp(64, 64, 10)), DIGITS.x[order], DIGITS.y[order], one_hot_bce


@report("collapsed", "where pixels", "pixels = (pixels - ")
def d_a_column_of_years():
    year = torch.linspace(1990, 2020, 512)[:, None]
    return kaiming(mlp(1, 64, 64, 1)), year, torch.sin(year / 5), None


# E. Modes, and outputs that hide the loss.


def normed() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(64, 64),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


@report("mode", "BatchNorm", "net.train()", mendable=True)
def e_batchnorm_in_eval_with_other_statistics():
    return normed().eval(), 500 + 300 * DIGITS.x, DIGITS.y, None


@report("mode", "BatchNorm", "net.train()", mendable=True)
def e_a_convolutional_one_with_statistics_of_other_data():
    net = nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(288, 10),
    )
    net[2].running_mean.fill_(40.0)
    return net.eval(), *DIGITS, nn.CrossEntropyLoss(reduction="sum")


@report("output function", "Softmax", "net[3] = torch.nn.Identity()", mendable=True)
def e_a_softmax_in_front_of_cross_entropy():
    return nn.Sequential(*mlp(64, 64, 10), nn.Softmax(1)), *DIGITS, None


@report("output function", "Sigmoid", "return the scores, without the sigmoid")
def e_a_sigmoid_in_front_of_bce_with_logits():
    model = Forward(lambda m, x: torch.sigmoid(m.body(x)), body=mlp(64, 64, 10))
    return model, *DIGITS, one_hot_bce_of_classes()


def one_hot_bce_of_classes() -> Any:
    return one_hot_bce


@report("output function", "Tanh", "net[3] = torch.nn.Identity()", mendable=True)
def e_a_tanh_in_front_of_weighted_cross_entropy():
    return (
        nn.Sequential(*mlp(64, 64, 10), nn.Tanh()),
        *DIGITS,
        nn.CrossEntropyLoss(weight=torch.rand(10) + 0.5),
    )


@report("output function", "ReLU", "torch.nn.init.constant_(net[2].bias", mendable=True)
def e_a_relu_at_the_end_that_emits_zeros():
    net = nn.Sequential(*mlp(8, 64, 1), nn.ReLU())
    with torch.no_grad():
        net[2].bias.fill_(-3.0)
    x = numbers()
    return net, x, 1 + x[:, :1].abs(), None


@report("output function", "ReLU", "net[3] = torch.nn.Identity()", mendable=True)
def e_a_relu_at_the_end_and_targets_below_zero():
    x = numbers()
    return nn.Sequential(*mlp(8, 64, 1), nn.ReLU()), x, x[:, :1], nn.HuberLoss()


# F. Weights that are used as numbers.


@report("wrong loss", "where fc.weight", "after fc.weight")
def f_a_cosine_head_with_a_scale():
    def forward(m, x):
        h = m.last(m.norm(m.first(x)).relu())
        return 3000 * F.linear(F.normalize(h), F.normalize(m.fc.weight))

    model = Forward(
        forward,
        first=nn.Linear(64, 32),
        norm=nn.BatchNorm1d(32),
        last=nn.Linear(32, 32),
        fc=nn.Linear(32, 10),
    )
    return model, *DIGITS, None


@report("wrong loss", "where w", "net.w", mendable=True)
def f_a_head_of_a_raw_matrix():
    model = Forward(lambda m, x: m.body(x).relu() @ m.w, body=kaiming(mlp(64, 64, 32)))
    model.w = nn.Parameter(100 * torch.randn(32, 10))
    return model, *DIGITS, nn.CrossEntropyLoss(label_smoothing=0.1)


@report("healthy")
def f_a_number_for_each_head():
    def forward(m, x):
        q = m.q(x).view(-1, 8, 4, 1)
        return m.head((q * m.scale + m.shift).flatten(1).relu())

    model = Forward(forward, q=nn.Linear(64, 32), head=nn.Linear(32, 10))
    model.scale = nn.Parameter(torch.ones(8, 1, 1))
    model.shift = nn.Parameter(torch.zeros(8, 1, 1))
    return model, *DIGITS, None


@report("wrong loss", "where head", "il.initialize(net.head,", mendable=True)
def f_a_side_branch_that_runs_last():
    def forward(m, x):
        h = m.body(x).relu()
        out = m.head(h)
        return out + 0 * m.side(h).mean()

    model = Forward(
        forward, body=kaiming(mlp(64, 64, 32)), head=nn.Linear(32, 10), side=nn.Linear(32, 3)
    )
    with torch.no_grad():
        model.head.weight.mul_(500)
    return model, *DIGITS, None


# J. What is true, and must be said.


@report("copies", "issue 72253", "enc.layers")
def j_an_encoder_of_copies():
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, dropout=0.0)
    enc = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    model = Forward(
        lambda m, x: m.head(m.enc(m.into(x.view(-1, 8, 8))).mean(1)),
        into=nn.Linear(8, 16),
        enc=enc,
        head=nn.Linear(16, 10),
    )
    return model, *DIGITS, None


@report("copies", "conv")
def j_copied_convolutions():
    conv = nn.Conv2d(8, 8, 3, padding=1)
    net = nn.Sequential(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3), nn.ReLU())
    net.add_module("conv1", conv)
    net.add_module("act", nn.ReLU())
    net.add_module("conv2", copy.deepcopy(conv))
    net.add_module("flat", nn.Flatten())
    net.add_module("head", nn.Linear(288, 10))
    return net, *DIGITS, one_hot_bce


def branch(gate: Callable[[Tensor], Tensor], value: float = 0.0) -> nn.Module:
    def forward(m, x):
        h = m.a(x).relu()
        return m.b(h + gate(m.gate) * m.f(h))

    model = Forward(forward, a=nn.Linear(64, 32), f=nn.Linear(32, 32), b=nn.Linear(32, 10))
    model.gate = nn.Parameter(torch.full((1,), value))
    return model


@report("asleep", "gate", "torch.nn.init.ones_(net.gate)", mendable=True)
def j_a_gate_behind_a_relu():
    return branch(torch.relu), *DIGITS, None


@report("asleep", "remove .detach() or .data from gate")
def j_a_gate_that_is_detached():
    return branch(torch.detach), *DIGITS, nn.CrossEntropyLoss(reduction="sum")


@report("asleep", "gate", mendable=True)
def j_a_gate_of_zero_on_a_branch_of_zeros():
    model = branch(lambda gate: gate)
    il.initialize(model.f, "zeros")
    return model, *DIGITS, one_hot_bce


@report("healthy")
def j_a_gate_of_zero_that_wakes():
    return branch(lambda gate: gate), *DIGITS, None


class Fused(nn.Module):
    """In eval() the first two layers are one, which was made from older weights."""

    def __init__(self, factor=1000.0):
        super().__init__()
        self.a, self.norm, self.b = nn.Linear(64, 64), nn.BatchNorm1d(64), nn.Linear(64, 10)
        self.fused = nn.Linear(64, 64).requires_grad_(False)
        self.fused.weight.data.copy_(factor * self.a.weight)
        self.norm.num_batches_tracked += 100

    def forward(self, x):
        return self.b((self.norm(self.a(x)) if self.training else self.fused(x)).relu())


@report("mode", "in eval()", "fuse its layers again")
def j_a_fused_network():
    return Fused(), *DIGITS, None


@report("mode", "in eval()")
def j_statistics_of_other_data():
    net = normed()
    for norm in (net[1], net[4]):
        norm.num_batches_tracked += 100
        norm.running_var.fill_(1e-8)
    return net, *DIGITS, nn.CrossEntropyLoss(label_smoothing=0.1)


@report("healthy")
def j_log_softmax_in_front_of_cross_entropy():
    return nn.Sequential(*mlp(64, 64, 10), nn.LogSoftmax(1)), *DIGITS, nn.CrossEntropyLoss()


# L. Networks that everybody uses.


@report("healthy")
def l_a_deep_normed_network():
    net = nn.Sequential(nn.Unflatten(1, (1, 8, 8)))
    for k in range(8):
        net.append(nn.Conv2d(1 if k == 0 else 8, 8, 3, padding=1, bias=False)).append(
            nn.BatchNorm2d(8)
        ).append(nn.ReLU())
    net.append(nn.AdaptiveAvgPool2d(1)).append(nn.Flatten()).append(nn.Linear(8, 10))
    return net, *DIGITS, None
