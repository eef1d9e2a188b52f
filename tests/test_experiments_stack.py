"""What a stack does faster than torch is what torch does, bit for bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from initlab.experiments.stack import Linear, Stacked
from initlab.experiments.threads import one_thread
from initlab.experiments.together import _cross_entropy

RNG = torch.Generator()


def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=RNG.manual_seed(0)).to(dtype)


def linear(n_out: int, n_in: int, dtype: torch.dtype) -> Linear:
    weight = Stacked(drawn(4, n_out, n_in, dtype=dtype), torch.empty(4, n_out, n_in, dtype=dtype))
    bias = Stacked(drawn(4, n_out, dtype=dtype), torch.empty(4, n_out, dtype=dtype))
    return Linear(weight, bias)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    ("batch", "n_out", "n_in"),
    [
        (128, 64, 64), (64, 128, 16), (16, 16, 112), (128, 144, 64), (144, 64, 64),
        (100, 64, 64), (32, 10, 64), (32, 64, 2), (7, 10, 3),
    ],
)  # fmt: skip
def test_a_linear_layer_s_gradients(batch: int, n_out: int, n_in: int, dtype: torch.dtype) -> None:
    x, gradient = drawn(4, batch, n_in, dtype=dtype), drawn(4, batch, n_out, dtype=dtype)
    layer = linear(n_out, n_in, dtype)
    with one_thread():
        layer.forward(x, training=True)
        back = layer.backward(gradient, last=False)
        assert torch.equal(back, torch.bmm(gradient, layer.weight))
        assert torch.equal(layer.weight_gradient, torch.bmm(gradient.mT, x))
        assert layer.bias_gradient is not None
        assert torch.equal(layer.bias_gradient, gradient.sum(1, keepdim=True))
        layer.weight_gradient.zero_()
        assert layer.backward(gradient, last=True) is gradient  # what nobody asks for is not made
        assert torch.equal(layer.weight_gradient, torch.bmm(gradient.mT, x))


def test_the_data_s_side_is_one_batch_for_all() -> None:
    layer, x, gradient = linear(32, 16, torch.float32), drawn(64, 16), drawn(4, 64, 32)
    layer.forward(x.expand(4, 64, 16), training=True)
    layer.backward(gradient, last=True)
    assert torch.equal(layer.weight_gradient, torch.bmm(gradient.mT, x.expand(4, 64, 16)))


def test_lost_numbers_pass_in_silence() -> None:
    layer = linear(16, 16, torch.float32)
    x = torch.full((4, 16, 16), torch.inf)
    layer.forward(x, training=True)
    assert layer.backward(x * 0, last=False).isnan().all()
    assert layer.weight_gradient.isnan().all()


@pytest.mark.parametrize("classes", [2, 3, 7, 8, 10, 15, 16, 40])
@pytest.mark.parametrize("examples", [128, 100, 16, 24, 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cross_entropy(classes: int, examples: int, dtype: torch.dtype) -> None:
    outputs = 3 * drawn(4, examples, classes, dtype=dtype)
    y = torch.randint(classes, (examples,), generator=RNG)
    with one_thread():
        losses, gradient = _cross_entropy(outputs, y)
        assert gradient.is_contiguous()
        for place, output in enumerate(outputs):
            alone = output.clone().requires_grad_()
            loss = F.cross_entropy(alone, y)
            loss.backward()
            assert torch.equal(gradient[place], alone.grad)
            assert losses[place].item() == pytest.approx(loss.item(), rel=1e-6)
