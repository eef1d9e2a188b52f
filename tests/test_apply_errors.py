"""Wrong input to initialize: each message by its literal text, and nothing changed."""

import copy
import re

import pytest
import torch
from torch import nn

import initlab as il

BIASES = "zeros, ones, constant, uniform, normal, trunc_normal, torch_default"


def network():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Conv1d(3, 2, 1))


WRONG = [
    (
        {"scheme": "kaimin_normal"},
        ValueError,
        "scheme='kaimin_normal' is unknown: did you mean 'kaiming_normal' or 'kaiming_uniform'? "
        f"Allowed: {', '.join(il.SCHEMES)}.",
    ),
    (
        {"scheme": "normal", "sdt": 1},
        ValueError,
        "parameter of normal='sdt' is unknown: did you mean 'std'? Allowed: mean, std.",
    ),
    (
        {"scheme": "eye"},
        ValueError,
        "2.weight (Conv1d): eye needs a tensor with 2 dimensions, got 3 (shape (2, 3, 1)). "
        "Give it a scheme of its own with rules=[il.Rule('2', ...)].",
    ),
    (
        {"scheme": "zeros", "bias": "zeroes"},
        ValueError,
        f"bias='zeroes' is unknown: did you mean 'zeros' or 'ones'? Allowed: {BIASES}.",
    ),
    (
        {"scheme": "zeros", "bias": float("nan")},
        ValueError,
        "bias must be a finite number, got nan.",
    ),
    (
        {"scheme": "zeros", "bias": il.SCHEMES["orthogonal"]},
        ValueError,
        f"bias=orthogonal reads fans, and a bias has none. Allowed: {BIASES}, a number, or values.",
    ),
    (
        {"scheme": "zeros", "bias": {}},
        TypeError,
        f"bias must be one of {BIASES}, a number, or values, got {{}} of type dict.",
    ),
    (
        {"scheme": "zeros", "bias": ["a", "b"]},
        TypeError,
        "bias must hold numbers, got ['a', 'b'].",
    ),
    (
        {"scheme": "zeros", "output_bias": "ab"},
        TypeError,
        "output_bias must hold numbers, got 'ab'.",
    ),
    (
        {"scheme": "zeros", "bias": [1.0, 2.0]},
        ValueError,
        "bias must have as many values as 0.bias, which has 3, got 2: give it in a rule for the "
        "layers that it is for.",
    ),
    (
        {"scheme": "zeros", "bias": [[1.0], [float("inf")]]},
        ValueError,
        "bias must be a vector of finite numbers, got shape (2, 1) with [[1.0], [inf]].",
    ),
    (
        {"scheme": "zeros", "rules": [il.Rule("first", "ones")]},
        ValueError,
        "rules[0] Rule('first', ones) fits no parameter that is still free for it: earlier rules "
        "win, and a name must match as a whole ('*' matches anything). "
        "Layers with parameters: '0', '2'.",
    ),
    (
        {"scheme": "zeros", "rules": il.Rule("0", "ones")},
        TypeError,
        "rules must be a list of il.Rule, got one rule: write rules=[Rule('0', ones)].",
    ),
    (
        {"scheme": "zeros", "rules": [("0", "ones")]},
        TypeError,
        "rules must be a list of il.Rule, got ('0', 'ones') of type tuple at place 0.",
    ),
    (
        {"scheme": "zeros", "output_bias": [1, 2, 3, 4]},
        ValueError,
        "output_bias has 4 classes, but no layer has a bias of that many entries. "
        "Sizes of biases: 0.bias 3, 2.bias 2.",
    ),
    (
        {"scheme": "zeros", "output_bias": [1.0, 0.0]},
        ValueError,
        "output_bias must be the frequencies of at least 2 classes, each finite and above 0, "
        "got [1.0, 0.0]: give a class that never came a small count.",
    ),
    (
        {"scheme": "zeros", "forget_bias": 1.0},
        ValueError,
        "forget_bias is for LSTM layers, and the model has none with a bias to set.",
    ),
    (
        {"scheme": "zeros", "forget_bias": float("inf")},
        ValueError,
        "forget_bias must be a finite number, got inf.",
    ),
    (
        {"scheme": "normal", "generator": 3},
        TypeError,
        "generator must be a torch.Generator or None, got 3 of type int: "
        "try torch.Generator().manual_seed(0).",
    ),
]


@pytest.mark.parametrize(("arguments", "error", "message"), WRONG)
def test_wrong_arguments_change_nothing(arguments, error, message):
    model, arguments = network(), dict(arguments)
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        il.initialize(model, arguments.pop("scheme"), **arguments)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


WRONG_MODELS = [
    (
        lambda: nn.Sequential(nn.Linear(2, 2), nn.LazyLinear(3)),
        ValueError,
        "model has lazy parameters that have no shape yet (1.weight, 1.bias): "
        "run one batch through it first.",
    ),
    (
        lambda: nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, device="meta")),
        ValueError,
        "model has parameters on the meta device, which hold no numbers (1.weight, 1.bias): "
        "give them memory first with model.to_empty(device=...). After that, tied weights are "
        "tied no longer and buffers hold garbage: tie them again, and fill the buffers.",
    ),
    (
        lambda: torch.zeros(2, 2),
        TypeError,
        "model must be a torch.nn.Module, got Tensor: "
        "for one tensor call il.scheme(name).fill_(tensor).",
    ),
    (lambda: "model", TypeError, "model must be a torch.nn.Module, got str."),
]


@pytest.mark.parametrize(("make", "error", "message"), WRONG_MODELS)
def test_wrong_models(make, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        il.initialize(make(), "kaiming_normal")


def test_what_is_said_of_to_empty_is_true():
    with torch.device("meta"):
        model = nn.ModuleDict({"words": nn.Embedding(11, 6), "head": nn.Linear(6, 11)})
        model["head"].weight = model["words"].weight
    real = model.to_empty(device="cpu")
    assert real["head"].weight is not real["words"].weight
    assert il.initialize(real, "normal")["head.weight"].scheme == "normal"


WRONG_RULES = [
    (
        lambda: il.Rule(3, "ones"),
        TypeError,
        "which must be a module type, a tuple of them or a glob over names, got 3 of type int.",
    ),
    (
        lambda: il.Rule((nn.Linear, int), "ones"),
        TypeError,
        "which must be a module type, a tuple of them or a glob over names, "
        "got (<class 'torch.nn.modules.linear.Linear'>, <class 'int'>) of type tuple.",
    ),
    (
        lambda: il.Rule("0"),
        ValueError,
        "scheme or bias must be given, got neither: a rule changes something.",
    ),
    (
        lambda: il.Rule("0", gain=2, bias="zeros"),
        ValueError,
        "scheme must be given with its parameters gain.",
    ),
]


@pytest.mark.parametrize(("make", "error", "message"), WRONG_RULES)
def test_wrong_rules(make, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        make()
