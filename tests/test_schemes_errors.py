"""Wrong input to schemes: each message by its literal text."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import initlab as il

NAMES = ", ".join(il.SCHEMES)
WRONG_PARAMETERS = [
    ("normal", {"std": -1}, "std must be a finite number of at least 0, got -1."),
    ("normal", {"std": float("nan")}, "std must be a finite number of at least 0, got nan."),
    ("normal", {"mean": float("inf")}, "mean must be a finite number, got inf."),
    ("constant", {"val": float("-inf")}, "val must be a finite number, got -inf."),
    ("uniform", {"a": 2, "b": 1}, "a must not be above b, got a=2 and b=1: swap them."),
    ("uniform", {"b": float("nan")}, "b must be a finite number, got nan."),
    ("trunc_normal", {"std": 0}, "std must be a finite number above 0, got 0."),
    ("trunc_normal", {"a": 3}, "a must not be above b, got a=3 and b=2.0: swap them."),
    (
        "trunc_normal",
        {"mean": -100, "std": 0.01},
        "[a, b] must hold enough of N(mean, std²) to draw from, got [-2.0, 2.0] with mean=-100 "
        "and std=0.01: move mean into [a, b] or raise std.",
    ),
    ("sparse", {"sparsity": 1.5}, "sparsity must be a finite number from 0 to 1, got 1.5."),
    ("sparse", {"sparsity": -0.1}, "sparsity must be a finite number from 0 to 1, got -0.1."),
    ("sparse", {"std": -1.0}, "std must be a finite number of at least 0, got -1.0."),
    ("xavier_normal", {"gain": -1}, "gain must be a finite number of at least 0, got -1."),
    ("orthogonal", {"gain": np.nan}, "gain must be a finite number of at least 0, got nan."),
    ("delta_orthogonal", {"gain": -2}, "gain must be a finite number of at least 0, got -2."),
    ("kaiming_normal", {"a": float("nan")}, "a must be a finite number, got nan."),
    (
        "kaiming_uniform",
        {"mode": "fan_inn"},
        "mode='fan_inn' is unknown: did you mean 'fan_in'? Allowed: fan_in, fan_out.",
    ),
    (
        "kaiming_normal",
        {"nonlinearity": "leakyrelu"},
        "nonlinearity='leakyrelu' is unknown: did you mean 'leaky_relu' or 'relu'? Allowed: relu, "
        "leaky_relu, tanh, sigmoid, selu, linear, conv1d, conv2d, conv3d, conv_transpose1d, "
        "conv_transpose2d, conv_transpose3d.",
    ),
    (
        "kaiming_normal",
        {"nonlinearity": "gelu"},
        "nonlinearity='gelu' has no gain in PyTorch. il.theory.gain('gelu') knows one: give "
        "il.scheme a variance, lambda fan_in, fan_out: il.theory.gain('gelu') ** 2 / fan_in, or a "
        "scheme that takes gain=, such as il.scheme('xavier_normal', gain=...).",
    ),
    ("dirac", {"groups": 0}, "groups must be a whole number of at least 1, got 0."),
    ("dirac", {"groups": 1.5}, "groups must be a whole number of at least 1, got 1.5."),
    (
        "kaiming_normal",
        {"nonlinearty": "relu"},
        "parameter of kaiming_normal='nonlinearty' is unknown: did you mean 'nonlinearity'? "
        "Allowed: a, mode, nonlinearity.",
    ),
    ("zeros", {"val": 1}, "parameter of zeros='val' is unknown. Allowed: none."),
]


@pytest.mark.parametrize("name", il.SCHEMES)
def test_a_layer_without_inputs_or_outputs_has_no_variance(name):
    for which, fans in (("fan_in", (0, 3)), ("fan_out", (3, 0))):
        with pytest.raises(
            ValueError, match=f"^{which} must be a whole number of at least 1, got 0"
        ):
            il.SCHEMES[name].variance(*fans)


@pytest.mark.parametrize(("name", "params", "message"), WRONG_PARAMETERS)
def test_wrong_parameters(name, params, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        il.scheme(name, **params)


WRONG_TENSORS = [
    (
        "normal",
        np.zeros((2, 2)),
        TypeError,
        "tensor must be a torch.Tensor, got numpy.ndarray: convert it with torch.as_tensor.",
    ),
    (
        "normal",
        [1.0],
        TypeError,
        "tensor must be a torch.Tensor, got list: convert it with torch.as_tensor.",
    ),
    (
        "normal",
        nn.Linear(2, 2),
        TypeError,
        "tensor must be a torch.Tensor, got torch.nn.modules.linear.Linear: for a whole model "
        "call il.initialize(model, scheme).",
    ),
    (
        "kaiming_normal",
        torch.zeros(2, 2, dtype=torch.int64),
        TypeError,
        "tensor must have a floating-point dtype, got torch.int64: convert it with tensor.float().",
    ),
    (
        "kaiming_normal",
        torch.zeros(3),
        ValueError,
        "kaiming_normal needs a tensor with at least 2 dimensions, got 1 (shape (3,)).",
    ),
    (
        "eye",
        torch.zeros(2, 2, 2),
        ValueError,
        "eye needs a tensor with 2 dimensions, got 3 (shape (2, 2, 2)).",
    ),
    (
        "dirac",
        torch.zeros(2, 2),
        ValueError,
        "dirac needs a tensor with 3 to 5 dimensions, got 2 (shape (2, 2)).",
    ),
    (
        "delta_orthogonal",
        torch.zeros(2, 3, 3),
        ValueError,
        "delta_orthogonal needs at least as many output as input channels, got shape (2, 3, 3) "
        "(out, in, ...): use orthogonal or kaiming_normal here.",
    ),
    (
        "zeros",
        torch.empty(2, 2, device="meta"),
        ValueError,
        "tensor must hold numbers, got one on the meta device: give the model memory first with "
        "model.to_empty(device=...). After that, tied weights are "
        "tied no longer and buffers hold garbage: tie them again, and fill the buffers.",
    ),
    (
        "zeros",
        nn.UninitializedParameter(),
        ValueError,
        "tensor must have a shape, got a lazy parameter: run one batch through the model first.",
    ),
]


@pytest.mark.parametrize(("name", "tensor", "error", "message"), WRONG_TENSORS)
def test_wrong_tensors(name, tensor, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        il.scheme(name).fill_(tensor)


def test_groups_must_divide():
    message = "groups must divide the number of output channels, got groups=4 and shape (6, 4, 3)."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        il.scheme("dirac", groups=4).fill_(torch.zeros(6, 4, 3))


def test_wrong_generator_draws_nothing():
    weight, before = torch.zeros(2, 2), torch.get_rng_state()
    message = (
        "generator must be a torch.Generator or None, got 0 of type int: "
        "try torch.Generator().manual_seed(0)."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        il.scheme("normal").fill_(weight, 0)
    assert not weight.any()
    assert torch.equal(torch.get_rng_state(), before)


WRONG_SCHEMES = [
    (
        "kaiming_norml",
        ValueError,
        "scheme='kaiming_norml' is unknown: did you mean 'kaiming_normal' or 'kaiming_uniform'? "
        f"Allowed: {NAMES}.",
    ),
    ("qqq", ValueError, f"scheme='qqq' is unknown. Allowed: {NAMES}."),
    (
        "pretrained",
        ValueError,
        "scheme='pretrained' needs the weights: call il.initialize_from(model, "
        "state_dict_or_path) instead.",
    ),
    (
        3,
        TypeError,
        "scheme must be a name, a scheme, a function on a tensor or a variance (fan_in, fan_out) "
        "-> variance, got 3 of type int.",
    ),
    (
        lambda: 0,
        TypeError,
        "scheme must be a function with one required argument (the tensor) or two (fan_in, "
        "fan_out), got <lambda>().",
    ),
    (
        lambda fan_in, fan_out: -1.0,
        ValueError,
        "scheme=custom takes two arguments, so it is read as (fan_in, fan_out) -> variance, "
        "but for fan_in=100, fan_out=50 it gave: custom must give a finite variance of at least "
        "0, got -1.0 for fan_in=100, fan_out=50. A function on a tensor takes one; give the "
        "others by name, as in il.scheme(custom, name=value).",
    ),
]


@pytest.mark.parametrize(("which", "error", "message"), WRONG_SCHEMES)
def test_wrong_schemes(which, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        il.scheme(which)


def test_wrong_types_of_parameters():
    for value, shown in [("1", "'1' of type str"), (True, "True of type bool")]:
        message = f"std must be a finite number of at least 0, got {shown}."
        with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
            il.scheme("normal", std=value)


def test_function_with_the_wrong_shape_or_parameter():
    message = (
        "wide must return values of the tensor's shape (2, 3), or fill it in place, got shape (3,)."
    )

    def wide(tensor, gain=1.0):
        return torch.zeros(3)

    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        il.scheme(wide).fill_(torch.zeros(2, 3))
    message = "parameter of wide='gian' is unknown: did you mean 'gain'? Allowed: tensor, gain."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        il.scheme(wide, gian=2)
