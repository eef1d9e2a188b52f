"""What does BatchNorm do to the signals, the gradients and the training of one network?

A network and its twin without BatchNorm, with the same weights. The signals are measured at once;
theory, the test of scale-invariance and the training follow, piece by piece, and can be left and
taken up again.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from initlab.apply import initialize
from initlab.data import Batch, digits
from initlab.experiments.loop import Loop
from initlab.experiments.recipe import Recipe
from initlab.explore import usual
from initlab.explore.controls import choice, slider
from initlab.explore.networks import KeptNetwork, Times, generator, linear_layers
from initlab.explore.signal_records import curves, rms_of
from initlab.explore.slices import Work
from initlab.models import mlp
from initlab.probe import trace
from initlab.schemes import scheme
from initlab.theory import batchnorm_factor, predict

STEPS = 100
LEARNING_RATE = 0.05
SCALES = 10.0 ** np.arange(-4, 1.5, 0.5)  # factors at which scale-invariance is tested
HOMOGENEOUS = ("relu", "leaky_relu", "linear")  # φ(kx) = kφ(x): theory knows small batches
CURVES = ("relu", "leaky_relu", "tanh", "sigmoid", "linear")
NORMS = ("batch", None)  # of the network, and of its twin

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class BatchnormSettings:
    """What decides a network and its twin.

    Each field is a control, whose hint says what it means.
    """

    scale: float = slider(
        0.1, label="weights", low=1e-4, high=10, log=True, unit="× Kaiming", main=True,
        hint="Factor on the std of the hidden weights",
    )  # fmt: skip
    depth: int = slider(
        10, label="depth", low=1, high=50, whole=True, main=True, hint="Hidden layers"
    )
    batch_size: int = choice(
        128, label="batch size", options={n: str(n) for n in (4, 8, 32, 128, 512)},
        hint="Inputs over which BatchNorm averages", main=True,
    )  # fmt: skip
    activation: str = usual.activation("relu", CURVES)
    width: int = usual.width(64, 32, 64, 128, 256)
    seed: int = usual.seed()

    @property
    def layers(self) -> list[str]:
        """The layers that are shown, as `il.trace` names them."""
        return [f"act{layer}" for layer in range(1, self.depth + 1)]


@dataclass(frozen=True, kw_only=True)
class Levels:
    """The signals of one network, layer by layer.

    Args:
        activation: rms of what each hidden layer emits.
        gradient: rms of the loss's gradient there.
        predicted_activation: The rms that theory predicts; nan where it is silent.
        predicted_gradient: The same for the gradient, level with the measured one at the end.
    """

    activation: Floats
    gradient: Floats
    predicted_activation: Floats
    predicted_gradient: Floats

    @property
    def factors(self) -> Floats:
        """Squared gradient of each layer over that of the next one."""
        return _factors(self.gradient)

    @property
    def predicted_factors(self) -> Floats:
        """The same as theory predicts it."""
        return _factors(self.predicted_gradient)

    @property
    def factor(self) -> float:
        """Geometric mean of the factors."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.exp(np.log(self.factors).mean())) if self.factors.size else math.nan


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """What happens if all hidden weights of the network with BatchNorm are multiplied.

    Args:
        factor: a, by which they are multiplied, from Kaiming's std.
        change: ‖f(aW) - f(W)‖ / ‖f(W)‖ of the logits.
        gradient: Norm of the gradient at the hidden weights, over that at a = 1.
        cosine: Largest |cosine| of a layer's weights and their gradient.
    """

    factor: float
    change: float
    gradient: float
    cosine: float


@dataclass(frozen=True, kw_only=True)
class BatchnormRecords:
    """The network with and without BatchNorm, as far as it has been computed.

    Args:
        scale: Factor on the std of the hidden weights.
        batch_size: Inputs in a batch.
        normed: Signals with BatchNorm.
        plain: Signals without.
        factor: What theory says of the squared gradient per layer at this batch size; nan where
            it is silent.
        factor_large: The same for a large batch.
        here: Scale-invariance at this scale, once it has been tested.
        scaled: The same at other scales, in their order.
        accuracies: Share of each step's batch that is right, with BatchNorm.
        plain_accuracies: The same without; nan once the run has diverged.
        finished: Whether all has been computed.
    """

    scale: float
    batch_size: int
    normed: Levels
    plain: Levels
    factor: float
    factor_large: float
    here: Scaled | None
    scaled: list[Scaled]
    accuracies: Floats
    plain_accuracies: Floats
    finished: bool


def batchnorm_records(
    settings: BatchnormSettings, *, seconds: float = math.inf
) -> BatchnormRecords:
    """Measure signals, test scale-invariance and train, with and without BatchNorm.

    The network is `il.models.mlp(depth, width, activation, norm="batch")`, initialised by
    `il.initialize(model, "kaiming_normal", nonlinearity=activation)` with a generator of this
    seed; then the weights of all hidden layers are multiplied by `scale`, not those of the head.
    Its twin has the same weights and no BatchNorm. Signals are measured in train mode, on
    `il.data.digits(batch_size)`. Training is `il.train`: 100 steps of SGD with learning rate 0.05,
    on batches of this size of the 1,500 training digits.

    Args:
        settings: What decides both networks.
        seconds: How long to go on with what follows the signals; the next call takes it up.

    Returns:
        The records. The same arguments give the same ones, once they are finished.
    """
    study = _study(settings)
    if seconds:
        study.work.go_on(seconds)
    return study.look()


@lru_cache(maxsize=2)  # 26 MB each at the most, while they train
def _study(settings: BatchnormSettings) -> _Study:
    return _Study(settings)


@lru_cache(maxsize=1)
def _training_digits() -> Batch:
    return digits(split="train")


@lru_cache(maxsize=4)
def _batch(size: int) -> Batch:
    return digits(size)


@lru_cache(maxsize=2)  # 26 MB each at the most: width 256 and 50 layers
def _network(depth: int, width: int, activation: str, seed: int, norm: str | None) -> KeptNetwork:
    model = mlp(depth, width, activation, norm=norm)
    initialize(model, "kaiming_normal", nonlinearity=activation, generator=generator(seed))
    return KeptNetwork(model, linear_layers(model)[:-1])


def _kept(settings: BatchnormSettings, norm: str | None) -> KeptNetwork:
    return _network(settings.depth, settings.width, settings.activation, settings.seed, norm)


@dataclass
class _Found:
    """What is known of one network and its twin by now."""

    predicted: list[Floats] = field(default_factory=list)
    here: Scaled | None = None
    accuracies: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))


class _Study:
    """All that is done with one network and its twin."""

    def __init__(self, settings: BatchnormSettings) -> None:
        self.settings, self.found = settings, _Found()
        self.measured = [_measure(settings, norm) for norm in NORMS]
        self.invariance = _invariance(replace(settings, scale=1.0))
        self.work = Work(_pieces(settings, self.invariance, self.found))

    def look(self) -> BatchnormRecords:
        """Give what is known by now."""
        settings, found = self.settings, self.found
        unknown = [np.full((2, settings.depth), math.nan)] * 2
        predicted = [*found.predicted, *unknown][:2]
        normed, plain = map(_levels, self.measured, predicted)
        return BatchnormRecords(
            scale=settings.scale,
            batch_size=settings.batch_size,
            normed=normed,
            plain=plain,
            factor=_batch_factor(settings.activation, settings.batch_size),
            factor_large=batchnorm_factor(settings.activation),
            here=found.here,
            scaled=[self.invariance[scale] for scale in SCALES if scale in self.invariance],
            accuracies=np.array(found.accuracies[0]),
            plain_accuracies=np.array(found.accuracies[1]),
            finished=self.work.finished,
        )


def _pieces(
    settings: BatchnormSettings, invariance: dict[float, Scaled], found: _Found
) -> Iterator[None]:
    """Ask theory, then test scale-invariance, then train, and note what comes out."""
    for norm in NORMS:
        found.predicted.append(_predict(settings, norm))
        yield
    for factor in (settings.scale, *SCALES):
        if factor not in invariance:
            invariance[factor] = _scaled(settings, factor)
        found.here = found.here or invariance[factor]
        yield
    recipe = Recipe(
        steps=STEPS, lr=LEARNING_RATE, batch_size=settings.batch_size, seed=settings.seed
    )
    networks = [copy.deepcopy(_kept(settings, norm).times(settings.scale)) for norm in NORMS]
    loops = [Loop(network.requires_grad_(), recipe) for network in networks]
    for batch in recipe.batches(_training_digits()):
        for loop, accuracies in zip(loops, found.accuracies, strict=True):
            accuracies.append(_step(loop, batch))
        yield


def _step(loop: Loop, batch: Batch) -> float:
    """Take a step, and give the share of its batch that was right; nan once a run has diverged."""
    if not loop.lost:
        (share,) = loop.gradients(batch).accuracies
        if not loop.lost and share is not None:
            loop.update()
            return share
    return math.nan


def _measure(settings: BatchnormSettings, norm: str | None) -> Floats:
    """Trace one pass: rms of every hidden layer's output and of the loss's gradient there."""
    network = _kept(settings, norm).times(settings.scale)
    batch = _batch(settings.batch_size)
    seen = trace(network, *batch, layers=settings.layers, histogram_sample=1, bins=1)
    layers = [seen[name] for name in settings.layers]
    return np.array([[rms_of(layer.activation), rms_of(layer.gradient)] for layer in layers]).T


def _predict(settings: BatchnormSettings, norm: str | None) -> Floats:
    """Ask theory for the rms of activations and gradients at each layer's output."""
    knows_batches = norm and settings.activation in HOMOGENEOUS
    kaiming = scheme("kaiming_normal", nonlinearity=settings.activation)
    theory = predict(
        settings.depth,
        Times(of=kaiming, gain=settings.scale),
        settings.activation,
        width=settings.width,
        norm=norm,
        x=_batch(settings.batch_size).x,
        batch_size=settings.batch_size if knows_batches else None,
    )
    return curves(theory, settings.layers)


@lru_cache(maxsize=1)
def _invariance(settings: BatchnormSettings) -> dict[float, Scaled]:
    """Keep what was tested, factor by factor: it does not depend on the scale of the settings."""
    return {}


def _scaled(settings: BatchnormSettings, factor: float) -> Scaled:
    """Test what a factor on all hidden weights of the network with BatchNorm changes."""
    logits, gradients, weights = _gradients(settings, factor)
    before, gradients_before, _ = _gradients(settings, 1.0)
    pairs = zip(gradients, weights, strict=True)
    cosines = [F.cosine_similarity(g.flatten(), w.flatten(), dim=0, eps=0) for g, w in pairs]
    return Scaled(
        factor=factor,
        change=((logits - before).norm() / before.norm()).item(),
        gradient=_size(gradients) / _size(gradients_before),
        cosine=torch.stack(cosines).abs().max().item(),
    )


def _gradients(
    settings: BatchnormSettings, factor: float
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Give the logits, the gradients at the hidden weights, and these weights."""
    model, batch = _kept(settings, "batch").times(factor), _batch(settings.batch_size)
    weights = [layer.weight.requires_grad_() for layer in linear_layers(model)[:-1]]
    logits = model(batch.x)
    gradients = torch.autograd.grad(F.cross_entropy(logits, batch.y), weights)
    held = [weight.requires_grad_(False).double() for weight in weights]
    return logits.detach(), [gradient.double() for gradient in gradients], held


def _size(tensors: list[Tensor]) -> float:
    return float(torch.stack([tensor.norm() for tensor in tensors]).norm())


@lru_cache(maxsize=32)
def _batch_factor(activation: str, batch_size: int) -> float:
    if activation not in HOMOGENEOUS:
        return math.nan
    return batchnorm_factor(activation, batch_size)


def _levels(measured: Floats, predicted: Floats) -> Levels:
    with np.errstate(divide="ignore", invalid="ignore"):
        top = measured[1, -1] / predicted[1, -1]
    return Levels(
        activation=measured[0],
        gradient=measured[1],
        predicted_activation=predicted[0],
        predicted_gradient=predicted[1] * top,
    )


def _factors(gradient: Floats) -> Floats:
    """Squared gradient of each layer over that of the next; nan for 0 / 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((gradient[:-1] / gradient[1:]) ** 2)
