"""Which numbers need the tensors themselves? Singular values, ranks, units and inputs alike.

A trace keeps numbers only, so these functions take the model, and leave it as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd
from torch.nn.utils import parametrize

from initlab.probe.layers import Filter, choose_layers, weights_of
from initlab.probe.matrices import distinct_rows, rank, singular_values
from initlab.probe.preserving import preserving
from initlab.probe.run import call_model, logits_of, own_copy
from initlab.probe.tensors import first_tensor, map_tensors

Matrices = dict[str, Tensor]


def weight_singular_values(model: nn.Module, *, layers: Filter | None = None) -> Matrices:
    """Return the singular values of each layer's weight, largest first.

    They say by how much the layer stretches the directions of its input: all equal for an
    orthogonal weight, spread from near 0 to 2 / √3 for PyTorch's default square one.

    Args:
        model: Any module.
        layers: Which layers, as for `trace`, with the same errors; `None` takes every one with a
            matrix.

    Returns:
        Layer name → singular values in float64 on the CPU, NaN where the weight is not finite. A
        kernel of more than two dimensions counts as a matrix with a row for each output channel. A
        layer with several matrices (a recurrent one) has an entry for each, `layer.parameter`.

    >>> weight_singular_values(nn.Sequential(nn.Linear(3, 2)))["0"].shape
    torch.Size([2])
    """
    return {name: singular_values(w) for name, w in _matrices(model, layers).items()}


def weight_rank(
    model: nn.Module, *, layers: Filter | None = None, tolerance: float | None = None
) -> dict[str, int]:
    """Return the numerical rank of each layer's weight.

    A weight that is constant, or whose rows are all equal, has rank 1: the layer computes one
    feature, however wide it is.

    Args:
        model: Any module.
        layers: As for `weight_singular_values`.
        tolerance: Singular values up to this share of the largest one count as zero, 0 to 1.
            `None` is what rounding can make of zero, as in `torch.linalg.matrix_rank`.

    Returns:
        Layer name → rank, with names as in `weight_singular_values`; 0 where the weight is not
        finite.

    >>> layer = nn.Linear(8, 4)
    >>> _ = nn.init.ones_(layer.weight)
    >>> weight_rank(nn.Sequential(layer))
    {'0': 1}
    """
    matrices = _matrices(model, layers)
    ranks = {name: rank(w, tolerance=tolerance) for name, w in matrices.items()}
    return {name: int(found.nan_to_num()) for name, found in ranks.items()}


def distinct_units(model: nn.Module, *, layers: Filter | None = None) -> dict[str, int]:
    """Count the units of each layer that differ from each other.

    Two units with the same incoming weights and the same bias compute the same number for every
    input, and the same gradient makes them the same for ever (rounding aside).

    Args:
        model: Any module.
        layers: As for `weight_singular_values`.

    Returns:
        Layer name → number of different rows of its weight (with the bias, if it has one),
        compared bit for bit.

    >>> layer = nn.Linear(8, 4, bias=False)
    >>> _ = nn.init.ones_(layer.weight)
    >>> distinct_units(nn.Sequential(layer))
    {'0': 1}
    """
    rows = _matrices(model, layers, with_bias=True)
    return {name: int(distinct_rows(w)) for name, w in rows.items()}


def _matrices(model: nn.Module, layers: Filter | None, with_bias: bool = False) -> Matrices:
    """Return the weights of two and more dimensions as matrices, a row for each unit."""
    found = {}
    for module, name in choose_layers(model, layers).items():
        weights = [w for w in _present_weights(module) if w.dim() > 1 and w.numel()]
        names = {id(p): key for key, p in module._parameters.items()}
        for weight in weights:
            stored_in_out = isinstance(module, _ConvTransposeNd)
            rows = (weight.transpose(0, 1) if stored_in_out else weight).detach().flatten(1)
            bias = getattr(module, "bias", None)
            if with_bias and isinstance(bias, Tensor) and bias.shape == rows.shape[:1]:
                rows = torch.cat([rows, bias.detach()[:, None].to(rows)], dim=1)
            found[name if len(weights) == 1 else f"{name}.{names[id(weight)]}"] = rows
    return found


def _present_weights(module: nn.Module) -> Sequence[Tensor]:
    """Return the module's weights as its forward pass would use them."""
    if parametrize.is_parametrized(module, "weight"):
        with torch.no_grad(), preserving(module):
            weight: Any = module.weight
            return [weight.detach()]
    return weights_of(module)


def jacobian_singular_values(model: nn.Module, x: Any) -> Tensor:
    """Return the singular values of the network's Jacobian ∂output / ∂input, for each sample.

    They say by how much the whole network stretches a small change of its input. All near 1
    is dynamical isometry; a wide spread means that most directions are lost or blown up.
    One backward pass for each output, so it is for small networks.

    Args:
        model: A network whose first argument is a tensor of floats, and that treats the samples
            of a batch one by one (BatchNorm in training mode does not).
        x: The batch: a tensor, or a tuple of arguments with the tensor first.

    Returns:
        Singular values in float64 on the CPU, largest first; NaN where they are not finite.

    Shape:
        x (batch, ...); answer (batch, min(inputs, outputs)).

    Raises:
        TypeError: The first argument is no tensor of floats.

    >>> jacobian_singular_values(nn.Sequential(nn.Flatten(), nn.Identity()), torch.ones(2, 3))
    tensor([[1., 1., 1.],
            [1., 1., 1.]], dtype=torch.float64)
    """
    inputs = x if isinstance(x, tuple) else (x,)
    if not (inputs and isinstance(inputs[0], Tensor) and inputs[0].is_floating_point()):
        got = type(inputs[0]).__name__ if inputs else "an empty tuple"
        got += f" of {inputs[0].dtype}" if got == "Tensor" else ""
        raise TypeError(
            "x must be a tensor of floats (or a tuple that starts with one), which can be "
            f"differentiated, got {got}."
        )
    with torch.inference_mode(False), torch.enable_grad(), preserving(model):
        first, *rest = map_tensors(own_copy, inputs)
        first.requires_grad_()
        output: Tensor = logits_of(model(first, *rest)).flatten(1)
        rows = [
            torch.autograd.grad(column.sum(), first, retain_graph=True)[0].flatten(1)
            for column in output.unbind(1)
        ]
    return singular_values(torch.stack(rows, dim=1))  # (batch, outputs, inputs)


def input_correlation(
    model: nn.Module, x: Any, *, layers: Filter | None = None, samples: int | None = 256
) -> dict[str, float]:
    """Return how alike different inputs look after each layer: their mean cosine.

    1 means that the layer maps every input to one direction, so that nothing that follows can
    tell them apart; a ReLU network with PyTorch's default comes near it after ten layers.

    Args:
        model: Any module.
        x: The batch, as for `trace`; its first dimension counts the samples, 2 or more of them.
        layers: Which layers, as for `trace`.
        samples: How many samples to compare, the first ones; `None` compares all.

    Returns:
        Layer name (`name:2` for a second call) → mean cosine over all pairs of different samples,
        -1 to 1, of what the layer emits. A sample whose output is all zero points nowhere: its
        pairs are left out (NaN if none is left).

    Raises:
        ValueError: The batch has a single sample, or an entry of `layers` fits nothing.

    >>> x = torch.eye(4)
    >>> input_correlation(nn.Sequential(nn.Identity()), x)
    {'0': 0.0}
    """
    outputs = layer_outputs(model, x, layers=layers)
    return {name: _mean_cosine(one[:samples]) for name, one in outputs.items() if one.dim() > 1}


def layer_outputs(model: nn.Module, x: Any, *, layers: Filter | None = None) -> dict[str, Tensor]:
    """Return what each layer emits, in the order of the forward pass.

    All of it is kept at once, so this is for small batches. The arguments are those of `trace`, and
    the model comes back as it was.

    Returns:
        Layer name (`name:2` for a second call) → the tensor, detached. Layers that emit no tensor
        of floats are left out.

    >>> layer_outputs(nn.Sequential(nn.ReLU()), torch.tensor([-1.0, 2.0]))
    {'0': tensor([0., 2.])}
    """
    found: dict[str, Tensor] = {}
    names = choose_layers(model, layers)

    def emitted(module: nn.Module, _: Any, output: Any) -> None:
        tensor = first_tensor(output)
        if tensor is not None:
            times = 1 + sum(key.split(":")[0] == names[module] for key in found)
            key = names[module] if times == 1 else f"{names[module]}:{times}"
            found[key] = tensor.detach().clone()  # the next layer may work in place

    with torch.no_grad(), preserving(model), ExitStack() as hooks:
        for module in names:
            hooks.callback(module.register_forward_hook(emitted).remove)
        call_model(model, x)
    return found


def _mean_cosine(x: Tensor) -> float:
    """Return the mean cosine over pairs of different rows of x (batch, ...)."""
    if len(x) < 2:
        raise ValueError(f"x must hold two samples or more to compare, got {len(x)}.")
    rows = x.flatten(1).double()
    length = rows.norm(dim=1)
    rows = rows[length > 0] / length[length > 0, None]
    n = len(rows)
    together = rows.sum(0).square().sum() - n  # Σ over i ≠ j of cos(i, j)
    return float(together / (n * (n - 1))) if n > 1 else float("nan")
