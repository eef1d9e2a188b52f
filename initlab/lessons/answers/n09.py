"""Notebook 09: right and wrong answers."""

from __future__ import annotations

import torch
from torch import nn

from initlab.lessons.answers.matrices import rng


def fitting(model, weights):
    own = model.state_dict()
    return {n: t for n, t in weights.items() if n in own and t.shape == own[n].shape}


def load(names):
    """Load what fits, and return what `names(result, model, weights, fits)` gives."""

    def answer(model, weights):
        fits = fitting(model, weights)
        return names(model.load_state_dict(fits, strict=False), model, weights, fits)

    return answer


def by_hand(model, weights):
    fits = fitting(model, weights)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name in fits:
                tensor.copy_(fits[name])
    return {name for name in model.state_dict() if name not in fits}


def merged(model, weights):
    own = model.state_dict()
    fits = fitting(model, weights)
    model.load_state_dict({**own, **fits})
    return tuple(name for name in own if name not in fits)


def no_strict(model, weights):
    return model.load_state_dict(weights, strict=False).missing_keys


def parameters_only(model, weights):
    left = set(model.state_dict())
    for name, parameter in model.named_parameters():
        if name in weights and weights[name].shape == parameter.shape:
            parameter.data.copy_(weights[name])
            left.remove(name)
    return left


def only_the_body(model, weights):
    fits = {n: t for n, t in weights.items() if n.startswith("body")}
    return model.load_state_dict(fits, strict=False).missing_keys


def names_only(model, weights):
    """Cut each tensor until it fits: what nobody should do."""
    own = model.state_dict()
    fits = {n: t[: len(own[n])] if t.dim() else t for n, t in weights.items() if n in own}
    return model.load_state_dict(fits, strict=False).missing_keys


def pop(model, weights):
    own = model.state_dict()
    for name in list(weights):
        if name not in own or weights[name].shape != own[name].shape:
            weights.pop(name)
    return model.load_state_dict(weights, strict=False).missing_keys


def set_plain(model, weights):
    for name in ["weight", "bias"]:
        delattr(model.body, name)
        setattr(model.body, name, weights[f"body.{name}"])
    return []


def chosen_but_not_loaded(model, weights):
    fits = fitting(model, weights)
    return [name for name in model.state_dict() if name not in fits]


RIGHT = {
    "load_matching": [
        load(lambda result, *_: result.missing_keys),
        by_hand,
        merged,
    ]
}
WRONG = {
    "load_matching": [
        ("raised", no_strict),
        ("parameters replaced", set_plain),
        ("weights changed", pop),
        ("nothing loaded", chosen_but_not_loaded),
        ("shape ignored", names_only),
        ("buffers forgotten", parameters_only),
        ("nothing returned", load(lambda *_: None)),
        ("nothing returned", load(lambda result, *_: result)),
        ("names of what was loaded", load(lambda result, model, weights, fits: list(fits))),
        ("names of what was loaded", load(lambda result, model, *_: list(model.state_dict()))),
        (
            "names of the weights",
            load(lambda result, model, weights, fits: [n for n in weights if n not in fits]),
        ),
        (
            "another shape not reported",
            load(lambda r, model, weights, f: [n for n in model.state_dict() if n not in weights]),
        ),
        (
            "missing not reported",
            load(
                lambda r, m, weights, fits: [
                    n for n in m.state_dict() if n in set(weights) - set(fits)
                ]
            ),
        ),
        (None, only_the_body),
        (None, load(lambda *_: [])),
    ]
}


def weights(fill, types=(nn.Conv2d, nn.Linear), norm=1.0, bias=0.0, layers=nn.Module.modules):
    def answer(model):
        for layer in layers(model):
            if isinstance(layer, types):
                fill(layer.weight)
            elif isinstance(layer, nn.BatchNorm2d) and norm is not None:
                nn.init.constant_(layer.weight, norm)
            if bias is not None and getattr(layer, "bias", None) is not None:
                nn.init.constant_(layer.bias, bias)

    return answer


def number_by_number(model):
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            n = parameter[0].numel()
            parameter.data = torch.tensor(rng.normal(0, (2 / n) ** 0.5, parameter.shape)).float()
        else:
            parameter.data.fill_(float(name.endswith("weight")))


def in_float64(model):
    weights(KAIMING_)(model)
    model[0].weight.data = model[0].weight.data.double()


def normal_norm(model):
    weights(KAIMING_)(model)
    nn.init.normal_(model[1].weight)


def frozen(model):
    weights(KAIMING_)(model)
    model.requires_grad_(False)


def channels_only(weight):
    nn.init.normal_(weight, std=(2 / weight.shape[1]) ** 0.5)


def kaiming(**how):
    return lambda weight: nn.init.kaiming_normal_(weight, **how)


KAIMING_ = kaiming(nonlinearity="relu")

RIGHT["initialize_weights"] = [
    weights(KAIMING_),
    lambda model: (weights(KAIMING_)(model), model)[1],
    number_by_number,
    lambda model: model.apply(lambda layer: weights(KAIMING_, layers=lambda x: [x])(layer)),
    lambda model: model.double() and weights(KAIMING_)(model),
]
WRONG["initialize_weights"] = [
    ("gradient lost", frozen),
    ("several dtypes", in_float64),
    ("inner block forgotten", weights(KAIMING_, layers=nn.Module.children)),
    ("Linear forgotten", weights(KAIMING_, types=nn.Conv2d)),
    ("Conv2d forgotten", weights(KAIMING_, types=nn.Linear)),
    ("BatchNorm forgotten", weights(KAIMING_, norm=None)),
    ("BatchNorm weight zero", weights(KAIMING_, norm=0)),
    ("BatchNorm random", normal_norm),
    ("constant", weights(lambda weight: nn.init.constant_(weight, 0.1))),
    ("gain missing", weights(kaiming(nonlinearity="linear"))),
    ("fan_out for fan_in", weights(kaiming(mode="fan_out"))),
    ("Xavier", weights(nn.init.xavier_normal_)),
    ("PyTorch's default", weights(lambda weight: nn.init.kaiming_uniform_(weight, a=5**0.5))),
    ("fan without the kernel", weights(channels_only)),
    ("same std for every layer", weights(lambda weight: nn.init.normal_(weight, std=0.02))),
    ("uniform for normal", weights(nn.init.kaiming_uniform_)),
    ("bias forgotten", weights(KAIMING_, bias=None)),
    ("raised", lambda model: [layer.bias.data.zero_() for layer in model]),
    (None, weights(lambda weight: nn.init.kaiming_normal_(weight).data.mul_(1.1))),
]


def tensor(layer, array):
    return torch.from_numpy(array).to(layer.weight.dtype)


def copied(layer, array):
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(array))


def set_data(convert):
    def answer(layer, array):
        layer.weight.data = convert(torch.from_numpy(array), layer)

    return answer


def set_parameter(**how):
    def answer(layer, array):
        layer.weight = nn.Parameter(tensor(layer, array), **how)

    return answer


def plain_tensor(layer, array):
    new = tensor(layer, array)
    del layer.weight
    layer.weight = new


def halfway(layer, array):
    layer.weight.data[:1] = 0


RIGHT["numpy_to_parameter"] = [
    copied,
    set_data(lambda new, layer: new.to(layer.weight.dtype)),
    set_parameter(),
    lambda layer, array: layer.weight.data.copy_(torch.tensor(array)),
]
WRONG["numpy_to_parameter"] = [
    ("dtype of the array", set_data(lambda new, layer: new)),
    ("fixed dtype", set_data(lambda new, layer: new.float())),
    ("gradient lost", set_parameter(requires_grad=False)),
    ("no parameter", plain_tensor),
    ("transposed", set_data(lambda new, layer: new.to(layer.weight.dtype).T)),
    ("not filled", halfway),
    ("not filled", lambda layer, array: layer.weight.detach().clone().copy_(torch.tensor(array))),
    ("raised", lambda layer, array: layer.weight.copy_(torch.from_numpy(array))),
    ("raised", lambda layer, array: setattr(layer, "weight", array)),
    ("not filled", set_data(lambda new, layer: (new + 0.005).to(layer.weight.dtype))),
]
