"""Models of every kind that a trace meets, each with a batch: name → (model, x, target)."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

Case = tuple[nn.Module, Any, Any]
FACTORIES: dict[str, Callable[[], Case]] = {}


def kind(factory: Callable[[], Case]) -> Callable[[], Case]:
    FACTORIES[factory.__name__] = factory
    return factory


def case(name: str) -> Case:
    torch.manual_seed(0)
    return FACTORIES[name]()


def batch(*shape: int) -> Tensor:
    return torch.randn(*shape)


def classes(n: int = 6) -> Tensor:
    return torch.arange(n) % 3


class Forward(nn.Module):
    """A module whose forward pass is a function of its children and the inputs."""

    def __init__(self, forward: Callable[..., Any], **children: nn.Module) -> None:
        super().__init__()
        self.pass_ = forward
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.pass_(self, *args, **kwargs)


@kind
def writes_to_itself() -> Case:
    def forward(model: nn.Module, x: Tensor) -> Tensor:
        model.norm.eval()
        with torch.no_grad():
            model.factor.clamp_(-0.1, 0.1)
        if not hasattr(model, "late"):
            model.late = nn.Linear(4, 3)
            model.register_buffer("mask", torch.ones(3))
        return model.late(model.norm(x) * model.factor) * model.mask

    model = Forward(forward, norm=nn.BatchNorm1d(4))
    model.factor = nn.Parameter(torch.randn(4))
    return model, batch(6, 4), classes()


@kind
def embedding_with_max_norm() -> Case:
    return nn.Sequential(nn.Embedding(6, 4, max_norm=0.1), nn.Linear(4, 3)), classes(), classes()


@kind
def tanh() -> Case:
    model = nn.Sequential(
        nn.Linear(4, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 3)
    )
    return model, batch(64, 4), classes(64)


@kind
def relu_in_place() -> Case:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 3))
    return model, batch(6, 4), classes()


@kind
def in_place_on_the_input() -> Case:
    return nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3)), batch(6, 4), classes()


@kind
def functional() -> Case:
    model = Forward(lambda m, x: m.b(F.relu(m.a(x))), a=nn.Linear(4, 8), b=nn.Linear(8, 3))
    return model, batch(6, 4), classes()


@kind
def reused() -> Case:
    act = nn.Tanh()
    return nn.Sequential(nn.Linear(4, 8), act, nn.Linear(8, 3), act), batch(6, 4), batch(6, 3)


@kind
def called_twice_or_never() -> Case:
    layers = {"a": nn.Linear(4, 4), "never": nn.Linear(4, 4)}
    return Forward(lambda m, x: m.a(m.a(x).relu()), **layers), batch(6, 4), None


@kind
def emits_tuple() -> Case:
    pair = Forward(lambda m, x: (m.a(x), x.argmax(1)), a=nn.Linear(4, 3))
    return Forward(lambda m, x: m.pair(x)[::-1], pair=pair), batch(6, 4), classes()


@kind
def emits_dict() -> Case:
    model = Forward(lambda m, x: {"hidden": x, "logits": m.a(x)}, a=nn.Linear(4, 3))
    return model, batch(6, 4), classes()


@kind
def emits_own_loss() -> Case:
    def forward(m: Any, x: Tensor, labels: Tensor) -> SimpleNamespace:
        logits = m.a(x)
        return SimpleNamespace(loss=F.cross_entropy(logits, labels), logits=logits)

    model = Forward(forward, a=nn.Linear(4, 3))
    return model, {"x": batch(6, 4), "labels": classes()}, None


@kind
def several_arguments() -> Case:
    return nn.Bilinear(4, 5, 3), (batch(6, 4), batch(6, 5)), classes()


@kind
def partly_frozen() -> Case:
    model, x, y = tanh()
    model[0].requires_grad_(False)
    return model, x, y


@kind
def frozen() -> Case:
    model, x, y = tanh()
    return model.requires_grad_(False), x, y


@kind
def frozen_but_input() -> Case:
    model, x, y = tanh()
    return model.requires_grad_(False), x.requires_grad_(), y


@kind
def conv_norm_dropout_train() -> Case:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5),
        nn.Flatten(), nn.Linear(8 * 6 * 6, 3),
    )  # fmt: skip
    return model, batch(6, 3, 8, 8), classes()


@kind
def conv_norm_dropout_eval() -> Case:
    model, x, y = conv_norm_dropout_train()
    return model.eval(), x, y


@kind
def channels_last() -> Case:
    model, x, y = conv_norm_dropout_train()
    return model.to(memory_format=torch.channels_last), x, y


@kind
def mixed_modes() -> Case:
    model, x, y = conv_norm_dropout_train()
    model[3].eval()
    return model, x, y


@kind
def bfloat16() -> Case:
    model, x, y = tanh()
    return model.bfloat16(), x.bfloat16(), y


@kind
def float64() -> Case:
    model, x, y = tanh()
    return model.double(), x.double(), y


@kind
def complex64() -> Case:
    model = nn.Sequential(nn.Linear(4, 3, dtype=torch.complex64))
    return model, batch(6, 4).to(torch.complex64), None


@kind
def autocast() -> Case:
    def forward(m: Any, x: Tensor) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return m.net(x)

    model, x, y = tanh()
    return Forward(forward, net=model), x, y


@kind
def recurrent() -> Case:
    model = Forward(lambda m, x: m.head(m.lstm(x)[0]), lstm=nn.LSTM(4, 8, 2), head=nn.Linear(8, 3))
    return model, batch(5, 6, 4), classes(30).view(5, 6)


@kind
def recurrent_cell() -> Case:
    def forward(m: Any, x: Tensor) -> Tensor:
        state = x.new_zeros(x.shape[1], 8)
        for step in x:
            state = m.cell(step, state)
        return state

    return Forward(forward, cell=nn.GRUCell(4, 8)), batch(5, 6, 4), batch(6, 8)


@kind
def token_ids() -> Case:
    model = nn.Sequential(nn.Embedding(11, 4), nn.Flatten(), nn.Linear(20, 3))
    return model, torch.arange(30).view(6, 5) % 11, classes()


@kind
def sparse_embedding() -> Case:
    model = nn.Sequential(nn.Embedding(11, 4, sparse=True), nn.Flatten(), nn.Linear(20, 3))
    return model, torch.arange(30).view(6, 5) % 11, classes()


@kind
def tied() -> Case:
    embed, head = nn.Embedding(11, 4), nn.Linear(4, 11, bias=False)
    head.weight = embed.weight
    return nn.Sequential(embed, head), torch.arange(30).view(6, 5) % 11, torch.ones(6, 5).long()


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 3 * x**2 * gradient


@kind
def own_autograd_function() -> Case:
    cube = Forward(lambda m, x: Cube.apply(x))
    return nn.Sequential(nn.Linear(4, 8), cube, nn.Linear(8, 3)), batch(6, 4), classes()


@kind
def own_parameter() -> Case:
    class Shift(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 3)
            self.shift = nn.Parameter(torch.zeros(3))

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x) + self.shift

    return Shift(), batch(6, 4), classes()


@kind
def encoder_fast_path() -> Case:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    return model.requires_grad_(False), batch(6, 5, 8), None


@kind
def encoder() -> Case:
    model, x, y = encoder_fast_path()
    return model.train().requires_grad_(), x, y


@kind
def parametrised() -> Case:
    return nn.Sequential(
        parametrizations.weight_norm(nn.Linear(4, 8)),
        parametrizations.spectral_norm(nn.Linear(8, 8)),
        parametrizations.orthogonal(nn.Linear(8, 3, bias=False)),
    ), batch(6, 4), classes()  # fmt: skip


@kind
def keeps_things() -> Case:
    """It stores its output, replaces a buffer, counts its calls and draws from every generator."""

    def forward(m: Any, x: Tensor) -> Tensor:
        m.calls += 1
        m.last = m.a(x)
        m.running = m.running * 0.9 + m.last.detach().mean(0)
        noise = random.random() + np.random.rand() + torch.rand(())  # noqa: NPY002
        return m.last * (1 + noise) + m.outside

    model = Forward(forward, a=nn.Linear(4, 3))
    model.register_buffer("running", torch.zeros(3))
    model.calls, model.outside = 0, torch.ones(3, requires_grad=True)
    model.outside.grad = torch.ones(3)
    return model, batch(6, 4), classes()


@kind
def optimizer_in_the_backward_pass() -> Case:
    model, x, y = tanh()
    for parameter in model.parameters():
        step = torch.optim.SGD([parameter], lr=1.0)
        parameter.register_post_accumulate_grad_hook(lambda _, step=step: step.step())
    return model, x, y


@kind
def no_float_in_sight() -> Case:
    return Forward(lambda m, x: m.a(x.argmax(1)), a=nn.Embedding(4, 3)), batch(6, 4), classes()


def checkpointed(reentrant: bool) -> Case:
    act = nn.Tanh()
    blocks = [nn.Sequential(nn.Linear(4, 4), act, nn.Dropout(0.5)) for _ in range(3)]

    def forward(m: Any, x: Tensor) -> Tensor:
        for block in (m.one, m.two):
            x = checkpoint(block, x, use_reentrant=reentrant)
        return m.three(x)

    model = Forward(forward, **dict(zip(("one", "two", "three"), blocks, strict=True)))
    return model, batch(6, 4).requires_grad_(), batch(6, 4)


@kind
def checkpoint_reentrant() -> Case:
    return checkpointed(True)


@kind
def checkpoint_not_reentrant() -> Case:
    return checkpointed(False)


@kind
def gpt2() -> Case:
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        n_layer=2, n_head=2, n_embd=8, vocab_size=11, n_positions=5, bos_token_id=0, eos_token_id=0
    )
    ids = torch.arange(30).view(6, 5) % 11
    return transformers.GPT2LMHeadModel(config), {"input_ids": ids}, ids


@kind
def bert() -> Case:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        vocab_size=11, max_position_embeddings=5, num_labels=3,
    )  # fmt: skip
    x = {"input_ids": torch.arange(30).view(6, 5) % 11, "labels": classes()}
    return transformers.BertForSequenceClassification(config), x, None
