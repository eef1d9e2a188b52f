import functools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initlab as il
from initlab import probe
from initlab.activations import Elementwise, activation, names

Z = torch.linspace(-4, 4, 101)


@pytest.mark.parametrize("name", names())
def test_function_and_layer_are_the_same_map(name):
    found = activation(name)
    torch.testing.assert_close(found.module()(Z), found.function(Z))


@pytest.mark.parametrize("name", sorted(set(names()) & set(dir(F)) - {"linear", "prelu"}))
def test_names_are_those_of_torch(name):
    torch.testing.assert_close(activation(name).function(Z), getattr(F, name)(Z))


def test_every_elementwise_layer_of_torch_has_a_name():
    """But those that draw at random, need a parameter or mix entries."""
    known = {type(activation(name).module()) for name in names()} | {Elementwise}
    others = {nn.GLU, nn.MultiheadAttention, nn.RReLU, nn.Threshold, *probe.units._MIXING}
    torchs = {getattr(nn, name) for name in nn.modules.activation.__all__}
    assert torchs - others <= known


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (torch.tanh, "tanh"),
        (nn.ELU(alpha=2.0), "elu"),
        (functools.partial(F.leaky_relu, negative_slope=0.2), "partial"),
    ],
)
def test_any_function_or_layer_is_an_activation(given, name):
    found = activation(given)
    assert found.name == name
    torch.testing.assert_close(found.module()(Z), given(Z))


def test_a_function_as_a_layer_shows_its_name():
    assert repr(Elementwise(torch.erf)) == "Elementwise(erf)"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            "tahn",
            ValueError,
            "activation='tahn' is unknown: did you mean 'tanh'? Allowed: linear, sigmoid, tanh, "
            "relu, leaky_relu, elu, selu, gelu, silu, mish, softplus, erf, celu, hardshrink, "
            "hardsigmoid, hardswish, hardtanh, logsigmoid, prelu, relu6, sin, softshrink, "
            "softsign, tanhshrink.",
        ),
        (
            3,
            TypeError,
            "activation must be a name or a function on tensors (a layer is one too), "
            "got 3 of type int.",
        ),
        (
            nn.ReLU,
            TypeError,
            "activation must be a name or a function on tensors (a layer is one too), got "
            "<class 'torch.nn.modules.activation.ReLU'> of type "
            "type: write ReLU() to make a layer.",
        ),
    ],
)
def test_bad_activations_are_named(given, error, message):
    with pytest.raises(error) as caught:
        il.activations.activation(given)
    assert str(caught.value) == message
