"""Which networks can I practise on? Ten with one illness each, and one that only looks ill."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from initlab.apply import initialize
from initlab.data import Batch, digits
from initlab.models import cnn, mlp, residual

RECIPE = {"steps": 80, "lr": 0.02, "momentum": 0.9}
"""How `il.train` tells who is ill: after it, a healthy network is far below the loss of a guess."""

ILLNESS_OF = {
    "patient 1": "dead",
    "patient 2": "exploding",
    "patient 3": "healthy",
    "patient 4": "saturated",
    "patient 5": "no gradient",
    "patient 6": "collapsed",
    "patient 7": "wrong loss",
    "patient 8": "symmetric",
    "patient 9": "vanishing",
    "patient 10": "non-finite",
    "patient 11": "collapsed",
}
"""Patient → the illness that it was built to have: the key to the exercise of notebook 14."""


class Patient(NamedTuple):
    """A network and what it is to learn: `model, (x, y) = il.diagnosis.clinic()["patient 1"]`.

    Args:
        model: A small network in training mode.
        data: Its 512 digits: x (512, 64) and y (512,).
    """

    model: nn.Module
    data: Batch


class CutOff(nn.Module):
    """A body of three outputs and a head on top, for 64 inputs and 10 classes.

    Its forward pass cuts the graph between the two, as happens where somebody detaches the
    features once for a picture and forgets it there.

    Args:
        width: Units of each hidden layer of the body.
        seed: Decides the weights; the global random state is left alone.

    Shape:
        (B, 64) → (B, 10)
    """

    def __init__(self, width: int, *, seed: int = 0) -> None:
        super().__init__()
        self.body = mlp(3, width, n_out=3, seed=seed)
        self.head = mlp(1, width, n_in=3, seed=seed)
        _kaiming(self, seed)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of the ten classes."""
        features = self.body(x).detach()
        scores: Tensor = self.head(features)
        return scores


class RowTransformer(nn.Module):
    """Read a picture of 8×8 pixels as eight tokens, one for each row.

    PyTorch's own encoder (norm first, no dropout) with a linear layer in front, and a head on the
    mean of the tokens.

    Args:
        width: Size of a token; a multiple of 4, the number of heads.
        layers: Encoder layers.
        seed: Decides the weights; the global random state is left alone.

    Shape:
        (B, 64) → (B, 10)
    """

    def __init__(self, width: int, layers: int, *, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embed = nn.Linear(8, width)
            self.position = nn.Parameter(0.02 * torch.randn(8, width))
            self.layers = nn.Sequential(
                *(
                    nn.TransformerEncoderLayer(
                        width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True
                    )
                    for _ in range(layers)
                )
            )
            self.norm = nn.LayerNorm(width)
            self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of the ten classes."""
        tokens = self.embed(x.view(-1, 8, 8)) + self.position
        scores: Tensor = self.head(self.norm(self.layers(tokens)).mean(1))
        return scores


def clinic(*, seed: int = 0) -> dict[str, Patient]:
    """Build the patients of notebook 14, in the order of their numbers.

    Ten have one illness each, one only looks ill. An ill one does not train by `RECIPE`: its loss
    stays above half that of a guess. The same network does train once it is fixed. Each call
    builds them afresh, so that nothing that was done to a patient stays.

    Args:
        seed: Decides all weights; the global random state is left alone.

    Returns:
        "patient 1" to "patient 11" → model and data. What they have is in `ILLNESS_OF`.

    >>> import initlab as il
    >>> model, (x, y) = il.diagnosis.clinic()["patient 1"]
    >>> tuple(model(x).shape)
    (512, 10)
    """
    batch = digits(512)
    shifted = Batch(batch.x + 300, batch.y)
    rooms = [
        (_dead(seed), batch),
        (_loud_stream(seed), batch),
        (_quiet_head(seed), batch),
        (_at_the_ends(seed), batch),
        (CutOff(64, seed=seed), batch),
        (mlp(14, 64, seed=seed), batch),  # PyTorch's default start
        (_sure(seed), batch),
        (_equal_units(seed), batch),
        (_faint_images(seed), batch),
        (_one_nan(seed), batch),
        (_kaiming(mlp(3, 64), seed), shifted),
    ]
    names = [f"patient {number}" for number in range(1, len(rooms) + 1)]
    return {name: Patient(*room) for name, room in zip(names, rooms, strict=True)}


def _kaiming(model: nn.Module, seed: int) -> nn.Module:
    generator = Generator().manual_seed(seed)
    initialize(model, "kaiming_normal", nonlinearity="relu", generator=generator)
    return model


def _dead(seed: int) -> nn.Module:
    model = _kaiming(mlp(3, 64), seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias") and not name.startswith("head"):
                parameter.fill_(-3.0)
    return model


def _loud_stream(seed: int) -> nn.Module:
    return _kaiming(residual(24, 64), seed)


def _quiet_head(seed: int) -> nn.Module:
    model = _kaiming(mlp(3, 64), seed)
    initialize(model.get_submodule("head"), "zeros")
    return model


def _at_the_ends(seed: int) -> nn.Module:
    model = mlp(12, 64, "tanh")
    initialize(model, "normal", std=0.5, generator=Generator().manual_seed(seed))
    return model


def _sure(seed: int) -> nn.Module:
    model = _kaiming(mlp(3, 64), seed)
    with torch.no_grad():
        model.get_parameter("head.weight").mul_(300)
    return model


def _equal_units(seed: int) -> nn.Module:
    model = mlp(3, 64, "tanh", seed=seed)
    initialize(model, "constant", val=0.02)
    return model


def _faint_images(seed: int) -> nn.Module:
    model = nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *cnn(4, 8))
    _kaiming(model, seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.25)
    return model


def _one_nan(seed: int) -> nn.Module:
    model = RowTransformer(32, 2, seed=seed)
    with torch.no_grad():
        model.get_parameter("layers.0.linear1.weight")[5, 7] = math.nan
    return model
