"""Notebook 09: right and wrong answers."""

from __future__ import annotations

import torch
from torch import nn

# --- keras_to_linear ---


def keras(change=lambda kernel: kernel.T, bias=True):
    """Copy what `change` makes of the kernel into the weight."""

    def answer(layer, kernel, b):
        with torch.no_grad():
            layer.weight.copy_(change(torch.from_numpy(kernel)))
            if bias:
                layer.bias.copy_(torch.from_numpy(b))

    return answer


def set_data(convert):
    def answer(layer, kernel, bias):
        dtype = layer.weight.dtype
        layer.weight.data = convert(torch.from_numpy(kernel.T), dtype)
        layer.bias.data = convert(torch.from_numpy(bias), dtype)

    return answer


def set_parameter(**how):
    def answer(layer, kernel, bias):
        dtype = layer.weight.dtype
        layer.weight = nn.Parameter(torch.tensor(kernel.T, dtype=dtype), **how)
        layer.bias = nn.Parameter(torch.tensor(bias, dtype=dtype), **how)

    return answer


def plain_tensor(layer, kernel, bias):
    new = torch.from_numpy(kernel.T).to(layer.weight.dtype)
    del layer.weight
    layer.weight = new


def into_a_copy(layer, kernel, bias):
    layer.weight.detach().clone().copy_(torch.tensor(kernel.T))
    layer.bias.data.copy_(torch.tensor(bias))


RIGHT = {
    "keras_to_linear": [
        keras(),
        set_data(lambda new, dtype: new.to(dtype)),
        set_parameter(),
        lambda layer, kernel, bias: layer.load_state_dict(
            {"weight": torch.tensor(kernel.T), "bias": torch.tensor(bias)}
        ),
    ]
}
WRONG = {
    "keras_to_linear": [
        ("no parameter", plain_tensor),
        ("not transposed", set_data(lambda new, dtype: new.T.to(dtype) if new.dim() > 1 else new)),
        ("raised", keras(change=lambda kernel: kernel)),
        ("reshaped", keras(change=lambda kernel: kernel.reshape(kernel.T.shape))),
        ("not filled", into_a_copy),
        ("not filled", set_data(lambda new, dtype: (new + 0.005).to(dtype))),
        ("gradient lost", set_parameter(requires_grad=False)),
        ("fixed dtype", set_data(lambda new, dtype: new.float())),
        ("dtype of the array", set_data(lambda new, dtype: new)),
        ("bias not filled", keras(bias=False)),
        ("raised", lambda layer, kernel, bias: layer.weight.copy_(torch.from_numpy(kernel.T))),
        ("raised", lambda layer, kernel, bias: setattr(layer, "weight", kernel.T)),
    ]
}

# --- initialize_reader ---

BY_TYPE = (nn.Linear, nn.Embedding, nn.LayerNorm, nn.MultiheadAttention)


def reader(fill=lambda weight: nn.init.normal_(weight, std=0.02), types=BY_TYPE, norm=1.0,
           bias=0.0, padding=True, is_one=isinstance):  # fmt: skip
    """Initialise by type, with one thing wrong."""

    def answer(model):
        for layer in model.modules():
            if not is_one(layer, types):
                continue
            if isinstance(layer, nn.LayerNorm):
                nn.init.constant_(layer.weight, norm)
            elif isinstance(layer, nn.MultiheadAttention):
                fill(layer.in_proj_weight)
                nn.init.zeros_(layer.in_proj_bias)
            else:
                fill(layer.weight)
            if getattr(layer, "bias", None) is not None:
                nn.init.constant_(layer.bias, bias)
            if padding and isinstance(layer, nn.Embedding):
                layer.weight.data[layer.padding_idx] = 0

    return answer


def without(*types):
    return reader(types=tuple(kind for kind in BY_TYPE if kind not in types))


def by_name(model):
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(0, 0.02)
        else:
            parameter.data.fill_(float(name.endswith("weight")))
    model[0]._fill_padding_idx_with_zero()


def through_apply(model):
    def one(layer):
        reader(is_one=lambda other, types: other is layer and isinstance(layer, types))(layer)

    model.apply(one)


def same_seed(weight):
    nn.init.normal_(weight, std=0.02, generator=torch.Generator().manual_seed(0))


def frozen(model):
    reader()(model)
    model.requires_grad_(False)


def norm_random(model):
    reader()(model)
    nn.init.normal_(model[1].layers[0].norm1.weight)


def attention_bias(model):
    reader()(model)
    nn.init.ones_(model[1].layers[1].self_attn.in_proj_bias)


RIGHT["initialize_reader"] = [
    reader(),
    by_name,
    through_apply,
    lambda model: (reader()(model), model)[1],
]
WRONG["initialize_reader"] = [
    ("gradient lost", frozen),
    (
        "blocks forgotten",
        lambda model: [reader()(layer) for layer in model if layer is not model[1]],
    ),
    ("attention forgotten", without(nn.MultiheadAttention)),
    ("out_proj forgotten", reader(is_one=lambda layer, types: type(layer) in types)),
    ("embedding forgotten", without(nn.Embedding)),
    ("LayerNorm forgotten", without(nn.LayerNorm)),
    ("LayerNorm wrong", reader(norm=0.0)),
    ("LayerNorm wrong", norm_random),
    ("bias forgotten", reader(bias=0.1)),
    ("bias forgotten", attention_bias),
    ("padding filled", reader(padding=False)),
    ("mean for std", reader(fill=lambda weight: nn.init.normal_(weight, 0.02))),
    ("variance for std", reader(fill=lambda weight: nn.init.normal_(weight, std=0.02**0.5))),
    ("copies", reader(fill=same_seed)),
    ("raised", lambda model: [nn.init.zeros_(layer.bias) for layer in model.modules()]),
    (None, reader(fill=nn.init.xavier_normal_)),
    (None, reader(fill=lambda weight: nn.init.uniform_(weight, -0.02 * 3**0.5, 0.02 * 3**0.5))),
]
