"""Which curve should a trace of this network show?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from initlab import models, schemes
from initlab.activations import ActivationLike
from initlab.arguments import number, whole
from initlab.format import number as write
from initlab.theory.layers import NoTheory, Signal, add_noise
from initlab.theory.network import Reader, Step, leaf_names
from initlab.theory.quadrature import moments

_MOST_NOISE = 4.0
"""Largest Var ln‖·‖²: two networks in three are within a factor e of the predicted rms."""


@dataclass(frozen=True)
class Prediction:
    """What a trace of a wide network should show, layer by layer.

    The lists run in parallel, one entry for each layer of a trace.

    Args:
        names: Layer names, as a trace has them.
        activation: rms of what the layer emits; None where theory is silent.
        gradient: rms of the loss's gradient at the layer's output, relative to the last hidden
            layer's output, which has 1; None where theory is silent or no gradient flows.
        spread: std of ln(rms) of the activation among networks drawn anew.
        gradient_spread: The same for the gradient, relative to the last hidden layer.
        applies: Whether theory speaks about this network; if not, all entries are None.
        reason: Why it does not, in a sentence; empty where it does.
    """

    names: list[str]
    activation: list[float | None]
    gradient: list[float | None]
    spread: list[float | None]
    gradient_spread: list[float | None]
    applies: bool = True
    reason: str = ""

    def rows(self) -> list[dict[str, Any]]:
        """Give one plain dict for each layer, for a table."""
        columns = ("activation", "gradient", "spread", "gradient_spread")
        return [
            {"name": name, **{column: getattr(self, column)[i] for column in columns}}
            for i, name in enumerate(self.names)
        ]


def predict(
    model_or_depth: nn.Module | int,
    scheme: str | schemes.Scheme | Callable[..., Any] | None = None,
    activation: ActivationLike | None = None,
    *,
    width: int = 128,
    n_in: int = 64,
    n_out: int = 10,
    norm: str | None = None,
    bias_var: float | str | None = None,
    input_rms: float = 1.0,
    x: Tensor | None = None,
    batch_size: int | None = None,
) -> Prediction:
    """Predict the curves of a trace, forwards and backwards, to lay over what was measured.

    Forwards each linear layer multiplies the second moment by fan_in·Var(w) and adds Var(b), and
    each activation averages φ² over a Gaussian. Backwards a squared gradient is multiplied by
    fan_out·Var(w) and by E[φ′²]. Both are exact for infinite width; `spread` says how far
    networks of this width scatter.

    Args:
        model_or_depth: A model of linear layers, activations, BatchNorm, LayerNorm and sums of
            branches; or the number of hidden layers of `il.models.mlp`.
        scheme: Distribution of the weights (as `il.scheme` takes it); None takes the model's own.
        activation: A name, function or layer. For a depth None means "relu"; for a model None
            means its own, anything else replaces it.
        width: Units in each hidden layer, for a depth only.
        n_in: Features of the input, for a depth only.
        n_out: Units of the head, for a depth only.
        norm: None, "batch" or "layer", for a depth only.
        bias_var: Var(b), at least 0, or "torch_default" for 1 / (3·fan_in). None means 0 with a
            scheme (as `il.initialize` leaves it), else the model's own biases.
        input_rms: rms of the input's entries; different inputs are taken as uncorrelated.
        x: A batch to take both from instead, of shape (B, ...).
        batch_size: Inputs in a batch, at least 4; only networks with BatchNorm ask. None is the
            limit of a large one. It counts for activations with φ(kx) = kφ(x), such as ReLU.

    Returns:
        The curves. Where theory is silent (an unknown layer, weights that are not random with
        mean 0, dropout in train mode, a network too deep for its width) `applies` is False and
        `reason` says why.

    Raises:
        TypeError: `model_or_depth`, `scheme` or `activation` is of another type.
        ValueError: A number is out of range, a name is unknown, or a depth comes without scheme.

    Reference:
        Poole et al. (2016), arXiv:1606.05340; Schoenholz et al. (2017), Deep Information
        Propagation. arXiv:1611.01232

    >>> curve = predict(30, "xavier_normal", "relu", width=512)
    >>> curve.names[:2], curve.names[-1]
    (['linear1', 'act1'], 'head')
    >>> round(curve.activation[-2] / curve.activation[1] * 2**14.5, 6)
    1.0
    """
    given = 0.0 if bias_var is None or bias_var == "torch_default" else bias_var
    if isinstance(given, str) or not 0 <= given < math.inf:
        raise ValueError(
            'bias_var must be None, "torch_default" or a finite variance of at least 0, '
            f"got {bias_var!r}."
        )
    reader = Reader(
        None if scheme is None else schemes.scheme(scheme),
        bias_var,
        math.inf if batch_size is None else whole("batch_size", batch_size, least=4),
        None if activation is None else moments(activation),
    )
    start = _input(x, input_rms)
    model = model_or_depth
    if not isinstance(model, nn.Module):
        model = _mlp(model, width=width, n_in=n_in, n_out=n_out, norm=norm)
        if scheme is None:
            raise ValueError(
                "scheme is missing: a depth has no weights of its own. Give a scheme such as "
                "'kaiming_normal', or pass a model."
            )
    try:
        return _propagate(reader.steps(model, start))
    except NoTheory as silence:
        names = leaf_names(model)
        nothing: list[float | None] = [None] * len(names)
        reason = f"Theory does not apply: {silence}"
        return Prediction(names, nothing, nothing, nothing, nothing, applies=False, reason=reason)


@lru_cache(maxsize=4, typed=True)  # a slider asks again and again for the same one
def _mlp(depth: object, **about: Any) -> nn.Module:
    """Build the network that a depth means, without memory for its weights."""
    if isinstance(depth, bool) or not isinstance(depth, int):
        raise TypeError(
            "model_or_depth must be a torch.nn.Module or a whole number of hidden layers, "
            f"got {depth!r} of type {type(depth).__name__}."
        )
    with torch.device("meta"):
        return models.mlp(whole("model_or_depth", depth), **about)


def _input(x: Tensor | None, input_rms: float) -> Signal:
    if x is None:
        square = number("input_rms", input_rms, low=0) ** 2
        return Signal(square, contrast=square, width=1)
    if not isinstance(x, Tensor) or x.dim() < 2 or len(x) < 2:
        raise ValueError("x must be a batch of at least two inputs, of shape (B, ...).")
    batch = x.detach().double().flatten(1)
    square, contrast = batch.square().mean().item(), batch.var(dim=0).mean().item()
    return Signal(square, contrast, width=1)


def _propagate(steps: list[Step]) -> Prediction:
    gradients, noises = _backward(steps)
    linear = [step for step in steps if step.is_linear]
    if not linear:
        raise NoTheory("the model has no linear layer.")
    hidden = linear[-1].inputs[0]  # the step before the head
    signals = [step.passed.signal for step in steps]
    for noise in (max(signal.noise for signal in signals), max(noises) - noises[hidden]):
        if not noise <= _MOST_NOISE:
            factor = write(math.exp(math.sqrt(noise) / 2))
            raise NoTheory(
                f"{len(linear)} linear layers are too many for their width: networks drawn anew "
                f"differ by a factor of {factor} in rms, so no one curve fits."
            )
    places = _named_places(steps)
    unit = gradients[hidden]
    return Prediction(
        names=list(places),
        activation=[math.sqrt(signals[i].square) for i in places.values()],
        gradient=[math.sqrt(gradients[i] / unit) if unit else None for i in places.values()],
        spread=[math.sqrt(max(signals[i].noise, 0.0)) / 2 for i in places.values()],
        gradient_spread=[math.sqrt(abs(noises[i] - noises[hidden])) / 2 for i in places.values()],
    )


def _named_places(steps: list[Step]) -> dict[str, int]:
    """Say at which step each layer's signal is found; a second call is named as a trace does."""
    places: dict[str, int] = {}
    calls = Counter[str]()
    for place, step in enumerate(steps):
        if step.name:
            calls[step.name] += 1
            again = f":{calls[step.name]}" if calls[step.name] > 1 else ""
            # What passes everything on emits the very tensor that it gets, with its gradient.
            is_same = step.passed.signal is steps[step.inputs[0]].passed.signal
            places[step.name + again] = step.inputs[0] if is_same else place
    return places


def _backward(steps: list[Step]) -> tuple[list[float], list[float]]:
    """Mean squared gradients at each signal (1 at the output), and Var ln of them."""
    gradients, noises = [0.0] * len(steps), [0.0] * len(steps)
    gradients[-1] = 1.0
    for place, (name, inputs, (_, factor, noise), _) in reversed([*enumerate(steps)]):
        if not gradients[place]:
            continue
        if not math.isfinite(factor):
            raise NoTheory(f"{name} jumps, or is so steep that its squared slope has no mean.")
        arriving = gradients[place] * factor
        for i in inputs:
            total = gradients[i] + arriving
            share = arriving / total if 0 < total < math.inf else 1.0
            if arriving:
                noises[i] = add_noise(share, noises[place] + noise, noises[i])
            gradients[i] = total
    if not math.isfinite(max(gradients)):
        raise NoTheory("gradients leave the range of float64.")
    return gradients, noises
