"""Networks with one known illness each, and healthy ones: what `il.diagnose` is measured on.

The rule that says who is sick knows nothing of the detector: a network is *sick* if it does not
train where the same network, cured, does. "Trains" means that after `STEPS` updates of a fixed
recipe the loss on all of the data is at most half of what a constant guess gets, at one of the
learning rates of the recipe. `python tests/benchmarks/diagnosis.py` trains them all and checks
every label; `--store` writes what it measured to `sick_networks.json`, which the quick tests read.

Each case is built in three variants, which differ in seed, width and depth. The detector's
thresholds were looked at on variant A only; B and C are held out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import initlab as il

STORED = Path(__file__).with_suffix(".json")  # what each, and its cured twin, came to
STEPS = 80
SGD = tuple({"lr": lr, "momentum": 0.9} for lr in (0.02, 0.1))
ADAM = tuple({"lr": lr, "optimizer": "adam"} for lr in (0.003,))


@dataclass(frozen=True)
class Variant:
    """How a case is drawn: its seed, the width of its layers, and a factor on its depth."""

    seed: int
    width: int
    deeper: float

    def depth(self, usual: int) -> int:
        return max(2, round(usual * self.deeper))

    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


VARIANTS = {"A": Variant(0, 64, 1.0), "B": Variant(7, 96, 1.2), "C": Variant(21, 48, 0.9)}


@dataclass(frozen=True)
class Case:
    """A network, the illness that it was built to have, and the cure that makes it train.

    Args:
        name: What it is, in a few words.
        family: mlp, conv, residual, recurrent or transformer.
        illness: The name that a diagnosis should give first; "healthy" where there is none.
        severity: "mild" or "severe"; empty for a healthy one.
        build: Makes the network of a variant.
        cure: Mends it in place (a healthy one has none).
        data: Makes the batch that it is trained on and diagnosed with.
        cured_data: The batch after the cure, where the illness is in the data.
    """

    name: str
    family: str
    illness: str
    severity: str
    build: Callable[[Variant], nn.Module]
    cure: Callable[[nn.Module], Any] | None = None
    data: Callable[[], Any] = lambda: il.data.digits(512)
    cured_data: Callable[[], Any] | None = None

    @property
    def recipes(self) -> tuple[dict[str, Any], ...]:
        return ADAM if self.family in ("recurrent", "transformer") else SGD


CASES: list[Case] = []


def key(case: Case, letter: str) -> str:
    """Name a case in one of its variants."""
    return f"{letter} | {case.family} | {case.illness} | {case.name}"


def images() -> Any:
    return il.data.digits(512, as_images=True)


def rows() -> Any:
    """Digits as sequences of eight rows."""
    x, y = il.data.digits(512)
    return x.view(-1, 8, 8), y


# The networks that il.models has not.


class Recurrent(nn.Module):
    """Reads an image row by row, and classifies by its last state."""

    def __init__(self, kind: type[nn.RNNBase], width: int, layers: int = 1) -> None:
        super().__init__()
        self.rnn = kind(8, width, layers, batch_first=True)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.rnn(x)[0][:, -1])
        return out


class Transformer(nn.Module):
    """Eight rows are eight tokens; PyTorch's own encoder, and a head on their mean."""

    def __init__(
        self, width: int, layers: int, *, norm_first: bool = True, activation: str = "relu"
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(8, width)
        self.position = nn.Parameter(0.02 * torch.randn(8, width))
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=norm_first,
            activation=activation,
        )  # fmt: skip
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        for one in self.encoder.layers:  # PyTorch's encoder starts as copies of one layer
            for part in one.modules():
                if isinstance(part, nn.Linear):
                    part.reset_parameters()
                elif isinstance(part, nn.MultiheadAttention):
                    part._reset_parameters()
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.encoder(self.embed(x) + self.position)
        out: Tensor = self.head(self.norm(x).mean(1))
        return out


class PlainAttention(nn.Module):
    """Attention without skips and norms: each layer averages over the tokens."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.embed = nn.Linear(8, width)
        self.layers = nn.ModuleList(
            nn.MultiheadAttention(width, 4, batch_first=True) for _ in range(layers)
        )
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for layer in self.layers:
            x = layer(x, x, x, need_weights=False)[0]
        out: Tensor = self.head(x.mean(1))
        return out


class Detached(nn.Module):
    """Cuts the graph: what comes before learns nothing."""

    def __init__(self, below: nn.Module, above: nn.Module) -> None:
        super().__init__()
        self.below, self.above = below, above

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.above(self.below(x).detach())
        return out


def mended_graph(model: nn.Module) -> None:
    """Let gradients through: the module becomes an ordinary stack."""
    model.forward = lambda x: model.above(model.below(x))  # type: ignore[method-assign]


def seeded(make: Callable[[Variant], nn.Module]) -> Callable[[Variant], nn.Module]:
    """Draw what a network draws by itself from the variant's seed."""

    def build(v: Variant) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(v.seed)
            return make(v)

    return build


# What makes a network sick, and what cures it.


def start(scheme: Any, **options: Any) -> Callable[[nn.Module, Variant], None]:
    return lambda model, v: (
        il.initialize(model, scheme, generator=v.generator(), **options) and None
    )


def cure(scheme: Any, **options: Any) -> Callable[[nn.Module], None]:
    def mend(model: nn.Module) -> None:
        il.initialize(model, scheme, generator=torch.Generator().manual_seed(5), **options)

    return mend


KAIMING = cure("kaiming_normal", nonlinearity="relu")
XAVIER = cure("xavier_normal")
DEFAULT = cure("torch_default", bias="torch_default")


def residual_cure(model: nn.Module) -> None:
    KAIMING(model)
    il.scale_residual(model, "depth")


@torch.no_grad()
def multiply(model: nn.Module, factor: float, which: str = "weight") -> None:
    for name, parameter in model.named_parameters():
        if which in name and parameter.dim() > 1:
            parameter.mul_(factor)


@torch.no_grad()
def biases(model: nn.Module, v: Variant, mean: float = 0.0, std: float = 0.0) -> None:
    """Set the biases of all layers but the head."""
    generator = v.generator()
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1 and "bias" in name and "head" not in name and "norm" not in name:
            parameter.copy_(mean + std * torch.randn(parameter.shape, generator=generator))


def add(
    name: str,
    family: str,
    illness: str,
    severity: str,
    make: Callable[[Variant], nn.Module],
    *changes: Callable[[nn.Module, Variant], Any],
    cure: Callable[[nn.Module], Any] | None = None,
    **options: Any,
) -> None:
    def build(v: Variant) -> nn.Module:
        model = seeded(make)(v)
        for change in changes:
            change(model, v)
        return model

    if family == "conv":
        options.setdefault("data", images)
    if family in ("recurrent", "transformer"):
        options.setdefault("data", rows)
    CASES.append(Case(name, family, illness, severity, build, cure, **options))


def mlp(depth: int, activation: str = "relu", **options: Any) -> Callable[[Variant], nn.Module]:
    return lambda v: il.models.mlp(v.depth(depth), v.width, activation, seed=v.seed, **options)


def cnn(depth: int, activation: str = "relu", **options: Any) -> Callable[[Variant], nn.Module]:
    return lambda v: il.models.cnn(v.depth(depth), v.width // 4, activation, seed=v.seed, **options)


def residual(blocks: int, **options: Any) -> Callable[[Variant], nn.Module]:
    def make(v: Variant) -> nn.Module:
        n = v.depth(blocks)
        scaled = options | (
            {"branch_scale": n**-0.5} if options.get("branch_scale") == "depth" else {}
        )
        return il.models.residual(n, v.width, seed=v.seed, **scaled)

    return make


def recurrent(kind: type[nn.RNNBase], layers: int = 1) -> Callable[[Variant], nn.Module]:
    return lambda v: Recurrent(kind, v.width, layers)


def transformer(layers: int, **options: Any) -> Callable[[Variant], nn.Module]:
    return lambda v: Transformer(v.width // 16 * 16, v.depth(layers), **options)


def times(factor: float, which: str = "weight") -> Callable[[nn.Module, Variant], None]:
    return lambda model, v: multiply(model, factor, which)


def biased(mean: float = 0.0, std: float = 0.0) -> Callable[[nn.Module, Variant], None]:
    return lambda model, v: biases(model, v, mean, std)


kaiming = start("kaiming_normal", nonlinearity="relu")
xavier = start("xavier_normal")
SIGMOID = cure("xavier_normal", gain=4.0)


def constant(val: float, noise: float = 0.0) -> Callable[[nn.Module, Variant], None]:
    """Make all weights equal, but for noise that is a share of their size."""

    def change(model: nn.Module, v: Variant) -> None:
        generator = v.generator()
        il.initialize(model, il.scheme("constant", val=val), bias="zeros")
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    drawn = torch.randn(parameter.shape, generator=generator)
                    parameter.add_(val * noise * drawn)

    return change


def loud_head(factor: float) -> Callable[[nn.Module, Variant], None]:
    return lambda model, v: multiply(model.head, factor)


def quiet_head(model: nn.Module, v: Variant | None = None) -> None:
    il.initialize(model.head, "zeros")


@torch.no_grad()
def sure_of_a_class(model: nn.Module, v: Variant) -> None:
    model.head.bias[3] = 1000.0


@torch.no_grad()
def loud_positions(model: nn.Module, v: Variant) -> None:
    model.position.normal_(std=100.0, generator=v.generator())


@torch.no_grad()
def quiet_positions(model: nn.Module) -> None:
    model.position.normal_(std=0.02, generator=torch.Generator().manual_seed(5))


def frozen(model: nn.Module, v: Variant) -> None:
    model.requires_grad_(False)


def unfrozen(model: nn.Module) -> None:
    model.requires_grad_(True)


def frozen_body(model: nn.Module, v: Variant) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("head"))


def broken(entries: int) -> Callable[[nn.Module, Variant], None]:
    """Put nan into the first weights; 0 means all of them."""

    @torch.no_grad()
    def change(model: nn.Module, v: Variant) -> None:
        weight = next(p for name, p in model.named_parameters() if name.endswith("weight"))
        weight.view(-1)[: entries or None] = math.nan

    return change


def shifted() -> Any:
    x, y = il.data.digits(512)
    return x + 300, y


def averaged(depth: int) -> Callable[[Variant], nn.Module]:
    """A convolutional network whose head sees only the mean of each channel."""

    def make(v: Variant) -> nn.Module:
        layers = dict(il.models.cnn(v.depth(depth), v.width // 3, seed=v.seed).named_children())
        del layers["pool"]
        layers = {k: m for k, m in layers.items() if k not in ("flatten", "head")}
        mean = {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
        model = nn.Sequential()
        for name, module in (layers | mean).items():
            model.add_module(name, module)
        model.add_module("head", nn.Linear(v.width // 3, 10))
        return model

    return make


def rectified(v: Variant) -> nn.Module:
    model = Recurrent(nn.RNN, v.width)
    model.rnn = nn.RNN(8, v.width, 1, nonlinearity="relu", batch_first=True)
    return model


def detached(v: Variant) -> nn.Module:
    """A body of three outputs, cut off from the head: random features are not enough."""
    return Detached(il.models.mlp(3, v.width, n_out=3, seed=v.seed), nn.Linear(3, 10))


def detached_sequence(v: Variant) -> nn.Module:
    body = Recurrent(nn.GRU, v.width)
    body.head = nn.Linear(v.width, 3)
    return Detached(body, nn.Linear(3, 10))


def plain_attention(layers: int) -> Callable[[Variant], nn.Module]:
    return lambda v: PlainAttention(v.width // 16 * 16, v.depth(layers))


def sick(family: str, illness: str, severity: str, name: str, make: Any, *changes: Any,
         by: Callable[[nn.Module], Any], **options: Any) -> None:  # fmt: skip
    add(name, family, illness, severity, make, *changes, cure=by, **options)


def healthy(family: str, name: str, make: Any, *changes: Any, **options: Any) -> None:
    add(name, family, "healthy", "", make, *changes, **options)


# fmt: off
# Vanishing: the signal or the gradient falls by a factor in each layer; inputs stay apart.
sick("mlp", "vanishing", "severe", "std 0.01, ReLU, 10 layers", mlp(10), start("normal", std=0.01), by=KAIMING)
sick("mlp", "vanishing", "severe", "0.4 of Kaiming, ReLU, 11 layers", mlp(11), kaiming, times(0.4), by=KAIMING)
sick("mlp", "vanishing", "mild", "default without bias, ReLU, 12 layers", mlp(12, bias=False), by=KAIMING)
sick("mlp", "vanishing", "mild", "half of Xavier, tanh, 12 layers", mlp(12, "tanh"), xavier, times(0.5), by=XAVIER)
sick("conv", "vanishing", "severe", "std 0.01, ReLU, 6 convolutions", cnn(6), start("normal", std=0.01), by=KAIMING)
sick("conv", "vanishing", "mild", "half of Kaiming, ReLU, 6 convolutions", cnn(6), kaiming, times(0.5), by=KAIMING)
sick("recurrent", "vanishing", "severe", "GRU, std 0.001, 5 layers", recurrent(nn.GRU, 5), start("normal", std=0.001), by=DEFAULT)
sick("recurrent", "vanishing", "mild", "LSTM, std 0.003, 4 layers", recurrent(nn.LSTM, 4), start("normal", std=0.003), by=DEFAULT)
sick("transformer", "vanishing", "severe", "attention without skips, std 0.02, 4 layers", plain_attention(4), start("normal", std=0.02), by=XAVIER)

# Exploding: it grows by a factor in each layer.
sick("mlp", "exploding", "severe", "std 1, ReLU, 8 layers", mlp(8), start("normal", std=1.0), by=KAIMING)
sick("mlp", "exploding", "mild", "twice Kaiming, ReLU, 10 layers", mlp(10), kaiming, times(2.0), by=KAIMING)
sick("mlp", "exploding", "mild", "gain 2.6, tanh, 24 layers (backwards only)", mlp(24, "tanh"), start("lecun_normal"), times(2.6), by=XAVIER)
sick("conv", "exploding", "severe", "std 0.5, ReLU, 6 convolutions", cnn(6), start("normal", std=0.5), by=KAIMING)
sick("conv", "exploding", "mild", "twice Kaiming, ReLU, 7 convolutions", cnn(7), kaiming, times(2.0), by=KAIMING)
sick("residual", "exploding", "severe", "Kaiming, 30 blocks", residual(30), kaiming, by=residual_cure)
sick("residual", "exploding", "mild", "Kaiming, 16 blocks", residual(16), kaiming, by=residual_cure)
sick("recurrent", "exploding", "severe", "RNN with ReLU, std 1", rectified, start("normal", std=1.0), by=DEFAULT)

# Dead: units that are 0 for every input.
sick("mlp", "dead", "severe", "biases -3, ReLU, 3 layers", mlp(3), kaiming, biased(-3.0), by=KAIMING)
sick("mlp", "dead", "mild", "biases -1.2, ReLU, 4 layers", mlp(4), kaiming, biased(-1.2), by=KAIMING)
sick("conv", "dead", "severe", "biases -4, 3 convolutions", cnn(3), kaiming, biased(-4.0), by=KAIMING)
sick("conv", "dead", "mild", "biases -1.5, 4 convolutions", cnn(4), kaiming, biased(-1.5), by=KAIMING)

# Saturated: most values of a bounded function stand at the ends of its range.
sick("mlp", "saturated", "severe", "std 3, tanh, 4 layers", mlp(4, "tanh"), start("normal", std=3.0), by=XAVIER)
sick("mlp", "saturated", "severe", "std 10, sigmoid, 3 layers", mlp(3, "sigmoid"), start("normal", std=10.0), by=SIGMOID)
sick("mlp", "saturated", "mild", "std 0.5, tanh, 12 layers", mlp(12, "tanh"), start("normal", std=0.5), by=XAVIER)
sick("mlp", "saturated", "mild", "biases 3, tanh, 3 layers", mlp(3, "tanh"), xavier, biased(3.0), by=XAVIER)
sick("conv", "saturated", "severe", "std 2, tanh, 5 convolutions", cnn(5, "tanh"), start("normal", std=2.0), by=XAVIER)
sick("recurrent", "saturated", "severe", "LSTM, std 2", recurrent(nn.LSTM), start("normal", std=2.0), by=DEFAULT)
sick("recurrent", "saturated", "severe", "GRU, std 2", recurrent(nn.GRU), start("normal", std=2.0), by=DEFAULT)
sick("recurrent", "saturated", "mild", "RNN, std 1", recurrent(nn.RNN), start("normal", std=1.0), by=DEFAULT)

# Symmetric: units start equal and stay so.
sick("mlp", "symmetric", "severe", "zeros, ReLU, 3 layers", mlp(3), start("zeros"), by=KAIMING)
sick("mlp", "symmetric", "severe", "constant, tanh, 3 layers", mlp(3, "tanh"), constant(0.02), by=XAVIER)
sick("mlp", "symmetric", "mild", "constant but for 1 %, tanh, 3 layers", mlp(3, "tanh"), constant(0.02, 0.01), by=XAVIER)
sick("conv", "symmetric", "severe", "constant, ReLU, 3 convolutions, mean of each channel", averaged(3), constant(0.05), by=KAIMING)
sick("conv", "symmetric", "mild", "constant but for 1 %, ReLU, 3 convolutions, mean of each channel", averaged(3), constant(0.05, 0.01), by=KAIMING)
sick("residual", "symmetric", "severe", "constant, 4 blocks", residual(4), constant(0.02), by=residual_cure)
sick("recurrent", "symmetric", "severe", "LSTM, constant", recurrent(nn.LSTM), constant(0.05), by=DEFAULT)
sick("transformer", "symmetric", "severe", "constant, 2 layers", transformer(2), constant(0.02), by=XAVIER)

# Collapsed: signals have a size, but the same direction for every input.
sick("mlp", "collapsed", "severe", "default, ReLU, 14 layers", mlp(14), by=KAIMING)
sick("mlp", "collapsed", "mild", "default, ReLU, 12 layers", mlp(12), by=KAIMING)
sick("mlp", "collapsed", "severe", "default, tanh, 20 layers", mlp(20, "tanh"), by=XAVIER)
sick("mlp", "collapsed", "mild", "Xavier, sigmoid, 5 layers", mlp(5, "sigmoid"), xavier, by=SIGMOID)
sick("mlp", "collapsed", "severe", "biases of std 30, ReLU, 4 layers", mlp(4), kaiming, biased(0.0, 30.0), by=KAIMING)
sick("mlp", "collapsed", "severe", "inputs shifted by 300", mlp(3), kaiming, data=shifted, cured_data=lambda: il.data.digits(512), by=lambda model: None)
sick("conv", "collapsed", "severe", "default, ReLU, 9 convolutions", cnn(9), by=KAIMING)
sick("transformer", "collapsed", "severe", "positions of std 100", transformer(2), loud_positions, by=quiet_positions)

# No gradient: frozen, or cut off.
sick("mlp", "no gradient", "severe", "all frozen", mlp(3), frozen, by=unfrozen)
sick("mlp", "no gradient", "mild", "detached before the head", detached, by=mended_graph)
sick("recurrent", "no gradient", "mild", "GRU, detached before the head", detached_sequence, by=mended_graph)
sick("transformer", "no gradient", "severe", "all frozen", transformer(2), frozen, by=unfrozen)

# Wrong loss: only the last layer is at fault.
sick("mlp", "wrong loss", "severe", "head times 300", mlp(3), kaiming, loud_head(300.0), by=quiet_head)
sick("mlp", "wrong loss", "mild", "head times 60", mlp(3), kaiming, loud_head(60.0), by=quiet_head)
sick("mlp", "wrong loss", "severe", "sure of one class", mlp(3), kaiming, sure_of_a_class, by=quiet_head)
sick("conv", "wrong loss", "severe", "head times 100", cnn(3), kaiming, loud_head(100.0), by=quiet_head)
sick("residual", "wrong loss", "severe", "head times 300, scaled branches", residual(10, branch_scale="depth"), kaiming, loud_head(300.0), by=quiet_head)
sick("recurrent", "wrong loss", "severe", "GRU, sure of one class", recurrent(nn.GRU), sure_of_a_class, by=quiet_head)
sick("transformer", "wrong loss", "severe", "head times 1000", transformer(2), loud_head(1000.0), by=quiet_head)

# Non-finite.
sick("mlp", "non-finite", "mild", "one nan in a weight", mlp(3), broken(1), by=KAIMING)
sick("conv", "non-finite", "severe", "a weight of nan", cnn(3), broken(0), by=KAIMING)
sick("residual", "non-finite", "severe", "overflow: weights times 1e20", residual(4), times(1e20), by=residual_cure)
sick("transformer", "non-finite", "mild", "one nan in a weight", transformer(2), broken(1), by=DEFAULT)

# Healthy: also PyTorch's defaults, at depths where they train.
healthy("mlp", "default, ReLU, 3 layers", mlp(3))
healthy("mlp", "default, ReLU, 4 layers", mlp(4))
healthy("mlp", "default, tanh, 3 layers", mlp(3, "tanh"))
healthy("mlp", "default, tanh, 6 layers", mlp(6, "tanh"))
healthy("mlp", "default, GELU, 3 layers", mlp(3, "gelu"))
healthy("mlp", "default, SiLU, 2 layers", mlp(2, "silu"))
healthy("mlp", "default, ELU, 3 layers, dropout", mlp(3, "elu", dropout=0.1))
healthy("mlp", "Kaiming, ReLU, 10 layers", mlp(10), kaiming)
healthy("mlp", "Kaiming, ReLU, 14 layers", mlp(14), kaiming)
healthy("mlp", "Xavier, tanh, 20 layers", mlp(20, "tanh"), xavier)
healthy("mlp", "gain 5/3, tanh, 10 layers", mlp(10, "tanh"), start("xavier_normal", gain=5 / 3))
healthy("mlp", "gain 4, sigmoid, 4 layers", mlp(4, "sigmoid"), start("xavier_normal", gain=4.0))
healthy("mlp", "LeCun, SELU, 16 layers", mlp(16, "selu"), start("lecun_normal"))
healthy("mlp", "orthogonal, ReLU, 12 layers", mlp(12), start("orthogonal", gain=2**0.5))
healthy("mlp", "default, BatchNorm, 10 layers", mlp(10, norm="batch"))
healthy("mlp", "std 0.01, BatchNorm, 5 layers", mlp(5, norm="batch"), start("normal", std=0.01))
healthy("mlp", "default, LayerNorm, 10 layers", mlp(10, norm="layer"))
healthy("mlp", "the head is 0", mlp(3), kaiming, quiet_head)
healthy("conv", "default, 2 convolutions", cnn(2))
healthy("conv", "default, 3 convolutions", cnn(3))
healthy("conv", "Kaiming, 5 convolutions", cnn(5), kaiming)
healthy("conv", "default, BatchNorm, 5 convolutions", cnn(5, norm="batch"))
healthy("residual", "default, 8 blocks", residual(8))
healthy("residual", "default, 24 blocks", residual(24))
healthy("residual", "Kaiming, 3 blocks", residual(3), kaiming)
healthy("residual", "Kaiming, 30 blocks, scaled", residual(30, branch_scale="depth"), kaiming)
healthy("residual", "default, LayerNorm, 16 blocks", residual(16, norm="layer"))
healthy("residual", "default, BatchNorm, 16 blocks", residual(16, norm="batch"))
healthy("residual", "zero last layers, 16 blocks", residual(16), kaiming, lambda m, v: il.scale_residual(m, "zero_last"))
healthy("residual", "Fixup, 16 blocks", residual(16), kaiming, lambda m, v: il.scale_residual(m, "fixup"))
healthy("recurrent", "default, LSTM", recurrent(nn.LSTM))
healthy("recurrent", "default, LSTM, 2 layers", recurrent(nn.LSTM, 2))
healthy("recurrent", "LSTM, forget bias 3", recurrent(nn.LSTM), lambda m, v: il.initialize(m, "xavier_normal", forget_bias=3.0, generator=v.generator()))
healthy("recurrent", "default, GRU, 2 layers", recurrent(nn.GRU, 2))
healthy("recurrent", "default, RNN", recurrent(nn.RNN))
healthy("transformer", "default, norm first, 4 layers", transformer(4))
healthy("transformer", "default, norm last, 2 layers", transformer(2, norm_first=False))
healthy("transformer", "std 0.02, GELU, 3 layers", transformer(3, activation="gelu"), start("normal", std=0.02))
