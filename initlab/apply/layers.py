"""Which matrices does each type of layer hold? One table, from layer type to parameters.

A layer type that is missing here is added by one line:

    LAYERS[MyLinear] = linear
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from initlab.schemes import SCHEMES, Constant, Scheme, TorchDefault, Xavier


@dataclass(frozen=True, kw_only=True)
class Weight:
    """A parameter that a scheme fills.

    Args:
        cut: Gives views of it as matrices or kernels (out, in, *kernel); each is filled alone.
        note: What the pieces are, for the report.
        zero_row: Row that stays 0 (the padding of an embedding).
        own_std: Standard deviation that PyTorch's own start gives the tensor as it is stored.
    """

    cut: Callable[[Tensor], list[Tensor]] = lambda tensor: [tensor]
    note: str = ""
    zero_row: int | None = None
    own_std: Callable[[Tensor], float | None] = lambda tensor: TorchDefault().expected_std(
        tensor.shape
    )


@dataclass(frozen=True, kw_only=True)
class Bias:
    """A parameter that `bias=` fills.

    Args:
        own: Value that PyTorch's own start ends with, where `reset_parameters` does not say it.
        forget: Share of the forget gate's value that it holds, for an LSTM.
    """

    own: float | None = None
    forget: float | None = None


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """A parameter that starts as the same number everywhere, as in a normalisation layer."""

    scheme: Scheme


Kind = Weight | Bias | Fixed
Kinds = dict[str, Kind]


def linear(layer: nn.Module, bias: Bias = Bias()) -> Kinds:
    """One matrix (out, in)."""
    return {"weight": Weight(), "bias": bias}


def transposed_linear(layer: nn.Module) -> Kinds:
    """One matrix, stored as (in, out)."""
    weight = Weight(
        cut=lambda tensor: [tensor.t()],
        own_std=lambda tensor: TorchDefault().expected_std(tensor.t().shape),
    )
    return {"weight": weight, "bias": Bias(own=0.0)}


def bilinear(layer: nn.Bilinear) -> Kinds:
    """One matrix for each output, (out, in1, in2): a unit sums in1·in2 products."""
    own = partial(_uniform_std, layer.in1_features)
    return {"weight": Weight(own_std=own), "bias": Bias()}


def convolution(layer: _ConvNd) -> Kinds:
    """One kernel (out, in, *kernel) for each group."""
    return {"weight": _stacked(layer.groups, "groups"), "bias": Bias()}


def transposed_convolution(layer: _ConvTransposeNd) -> Kinds:
    """One kernel for each group, stored as (in, out, *kernel): the fans change places.

    As in PyTorch's other fans, the stride is not counted.
    """

    def cut(tensor: Tensor) -> list[Tensor]:
        return [group.transpose(0, 1) for group in tensor.chunk(layer.groups)]

    return {"weight": replace(_stacked(layer.groups, "groups"), cut=cut), "bias": Bias()}


def embedding(layer: nn.Embedding | nn.EmbeddingBag) -> Kinds:
    """One matrix (words, features), with the fans that PyTorch reads from that shape."""
    return {"weight": Weight(zero_row=layer.padding_idx, own_std=lambda tensor: 1.0)}


def recurrent(layer: nn.RNNBase | nn.RNNCellBase, gates: int) -> Kinds:
    """One matrix for each gate, stacked; an LSTM's projection is a matrix by itself."""
    own = partial(_uniform_std, layer.hidden_size)
    cell = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    kinds: Kinds = {}
    for name in getattr(layer, "_flat_weights_names", cell):
        if name.startswith("weight"):
            matrices = 1 if name.startswith("weight_hr") else gates
            kinds[name] = replace(_stacked(matrices, "gates"), own_std=own)
        else:  # the two biases of an LSTM add up: the forget gate's is wholly in the first
            kinds[name] = Bias(forget=float("ih" in name) if gates == 4 else None)
    return kinds


def attention(layer: nn.MultiheadAttention) -> Kinds:
    """Query, key and value: three matrices, packed into one parameter or not."""
    kinds: Kinds = dict.fromkeys(["in_proj_bias", "bias_k", "bias_v"], Bias())
    for name, matrices in (("in", 3), ("q", 1), ("k", 1), ("v", 1)):
        weight = _stacked(matrices, "matrices")
        kinds[f"{name}_proj_weight"] = replace(
            weight, own_std=lambda tensor: Xavier().expected_std(tensor.shape)
        )
    return kinds


def normalisation(layer: nn.Module) -> Kinds:
    """Weight 1 and bias 0: the layer only normalises."""
    return {"weight": Fixed(scheme=SCHEMES["ones"]), "bias": Fixed(scheme=SCHEMES["zeros"])}


def _stacked(number: int, what: str) -> Weight:
    """So many matrices or kernels, one after the other."""
    note = f"{number} {what}" if number > 1 else ""
    return Weight(cut=lambda tensor: list(tensor.chunk(number)), note=note)


def _uniform_std(n: int, tensor: Tensor) -> float:
    return float((3 * n) ** -0.5)


LAYERS: dict[type | str, Callable[[Any], Kinds]] = {
    nn.Linear: linear,
    NonDynamicallyQuantizableLinear: partial(linear, bias=Bias(own=0.0)),  # of attention
    nn.Bilinear: bilinear,
    _ConvNd: convolution,
    _ConvTransposeNd: transposed_convolution,
    nn.Embedding: embedding,
    nn.EmbeddingBag: embedding,
    nn.RNN: partial(recurrent, gates=1),
    nn.GRU: partial(recurrent, gates=3),
    nn.LSTM: partial(recurrent, gates=4),
    nn.RNNCell: partial(recurrent, gates=1),
    nn.GRUCell: partial(recurrent, gates=3),
    nn.LSTMCell: partial(recurrent, gates=4),
    nn.MultiheadAttention: attention,
    _NormBase: normalisation,  # BatchNorm, SyncBatchNorm, InstanceNorm
    nn.LayerNorm: normalisation,
    nn.GroupNorm: normalisation,
    nn.RMSNorm: normalisation,
    nn.PReLU: lambda layer: {"weight": Fixed(scheme=Constant(val=layer.init))},  # its slope
    "transformers.pytorch_utils.Conv1D": transposed_linear,
}
"""Layer type, or its dotted name (nothing is imported for it) → what its parameters are.

Subclasses count as the nearest type that is in the table."""


def kinds_of(module: nn.Module) -> Kinds:
    """Look a module up in `LAYERS`; nothing where neither its type nor a base is in it."""
    for cls in type(module).__mro__:
        entry = LAYERS.get(cls) or LAYERS.get(f"{cls.__module__}.{cls.__qualname__}")
        if entry is not None:
            return entry(module)
    return {}


def pieces(kind: Kind | None, value: Tensor) -> list[Tensor]:
    """Cut a parameter into the matrices that are filled one by one."""
    return kind.cut(value) if isinstance(kind, Weight) else [value]


def without_padding(kind: Kind | None, value: Tensor) -> Tensor:
    """Leave out the row that stays 0, if there is one."""
    row = kind.zero_row if isinstance(kind, Weight) else None
    return value if row is None else torch.cat([value[:row], value[row + 1 :]])


def emits_sums(module: nn.Module) -> bool:
    """Whether a layer emits weighted sums of its input: linear, bilinear or a convolution."""
    kinds = kinds_of(module)
    return isinstance(kinds.get("weight"), Weight) and "bias" in kinds


def normalises(module: nn.Module) -> bool:
    """Whether a layer is a normalisation with a weight or a bias."""
    return isinstance(kinds_of(module).get("bias"), Fixed)
