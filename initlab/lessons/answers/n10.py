"""Notebook 10: right and wrong answers."""

from __future__ import annotations

import numpy as np
import torch

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


def factors(a=torch.randn, b=torch.randn, c=torch.randn):
    """Three factors, each made by a function of its shape."""
    return lambda i, o, r: (a(r, i), b(r, r), c(o, r))


def normal(*shape):
    return rng.normal(size=shape)


def two_equal(*shape):
    weight = torch.randn(*shape)
    weight[1] = weight[0]
    return weight


zeros, ones = torch.zeros, torch.ones

RIGHT["three_factors"] = [
    factors(c=zeros),
    factors(b=zeros),
    factors(a=zeros),
    factors(a=normal, b=np.eye, c=lambda *shape: np.zeros(shape)),
    factors(a=torch.eye, b=torch.eye, c=zeros),
    lambda i, o, r: [m.half() for m in factors(b=zeros)(i, o, r)],
]
WRONG["three_factors"] = [
    ("function changed", factors()),
    ("small, not zero", lambda *sizes: [0.01 * m for m in factors()(*sizes)]),
    ("small, not zero", factors(c=lambda *shape: 1e-4 * torch.randn(shape))),
    ("no gradient", factors(zeros, zeros, zeros)),
    ("no gradient", factors(b=zeros, c=zeros)),
    ("no gradient", factors(a=zeros, c=zeros)),
    ("twins", factors(a=ones, c=zeros)),
    ("twins", factors(b=ones, c=zeros)),
    ("twins", factors(a=ones, b=zeros)),
    ("not three factors", lambda i, o, r: (torch.randn(r, i), zeros(o, r))),
    ("transposed", lambda i, o, r: (torch.randn(i, r), torch.randn(r, r), zeros(r, o))),
    (None, factors(a=two_equal, c=zeros)),
]
