"""What does BatchNorm do to the signals, the gradients and the training of one network?

A network and its twin without BatchNorm, with the same weights. The signals are measured at once;
theory, the test of scale-invariance and the training follow, piece by piece, and can be left and
taken up again.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.apply import initialize
from initlab.data import digits
from initlab.experiments.loop import Loop
from initlab.experiments.recipe import Recipe
from initlab.explore import usual
from initlab.explore.controls import choice, slider
from initlab.explore.networks import KeptNetwork, Times, generator, linear_layers
from initlab.explore.panels import Numbers
from initlab.explore.signal_records import curves, rms_of
from initlab.explore.slices import in_time
from initlab.models import mlp
from initlab.probe import trace
from initlab.schemes import scheme
from initlab.theory import predict

STEPS = 100
LEARNING_RATE = 0.05
SCALES = 10.0 ** np.arange(-4, 1.5, 0.5)  # factors at which scale-invariance is tested
HOMOGENEOUS = ("relu", "leaky_relu", "linear")  # φ(kx) = kφ(x): theory knows small batches
CURVES = ("relu", "leaky_relu", "tanh", "sigmoid", "linear")
NORMS = ("batch", None)  # of the network, and of its twin


@dataclass(frozen=True, kw_only=True)
class BatchnormSettings:
    """What decides a network and its twin."""

    scale: float = slider(
        0.1, label="weights", low=1e-4, high=10, log=True, unit="× Kaiming", main=True,
        hint="Factor on the std of the hidden weights",
    )  # fmt: skip
    depth: int = usual.depth(10, 50)
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


@dataclass(frozen=True)
class Levels:
    """The signals of one network, layer by layer, and how it learns.

    Args:
        activation: rms of what each hidden layer emits.
        gradient: rms of the loss's gradient there.
        predicted_activation: The rms that theory predicts; nan where it is silent.
        predicted_gradient: The same for the gradient, level with the measured one at the end.
        accuracies: Share of each step's batch that is right; nan once the run has diverged.
    """

    activation: Numbers
    gradient: Numbers
    predicted_activation: Numbers
    predicted_gradient: Numbers
    accuracies: Numbers

    @property
    def factors(self) -> Numbers:
        """Squared gradient of each layer over that of the next one; nan for 0 / 0."""
        return _factors(self.gradient)

    @property
    def predicted_factors(self) -> Numbers:
        """The same as theory predicts it."""
        return _factors(self.predicted_gradient)


def _factors(gradient: Numbers) -> Numbers:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((gradient[:-1] / gradient[1:]) ** 2)


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """What happens if all hidden weights of the network with BatchNorm are multiplied.

    Args:
        factor: a, by which they are multiplied, from Kaiming's std.
        change: ‖f(aW) - f(W)‖ / ‖f(W)‖ of the logits.
        gradient: Norm of the gradient at the hidden weights, over that at a = 1.
    """

    factor: float
    change: float
    gradient: float


@dataclass(frozen=True, kw_only=True)
class BatchnormRecords:
    """The network with and without BatchNorm, as far as it has been computed.

    Args:
        scale: Factor on the std of the hidden weights.
        normed: With BatchNorm.
        plain: Without.
        scaled: Scale-invariance at several scales, in their order.
        finished: Whether all has been computed.
    """

    scale: float
    normed: Levels
    plain: Levels
    scaled: list[Scaled]
    finished: bool


def batchnorm_records(settings: BatchnormSettings, seconds: float = math.inf) -> BatchnormRecords:
    """Measure signals, test scale-invariance and train, with and without BatchNorm.

    The network is `il.models.mlp(depth, width, activation, norm="batch")`, initialised by
    `il.initialize(model, "kaiming_normal", nonlinearity=activation)` with a generator of this
    seed; then the weights of all hidden layers are multiplied by `scale`, not those of the head.
    Its twin has the same weights and no BatchNorm. Signals are measured in train mode, on
    `il.data.digits(batch_size)`. Training is `il.train`: 100 steps of SGD with learning rate 0.05,
    on batches of this size of the 1,500 training digits.

    What follows the signals goes on for `seconds`; the next call takes it up. The same settings
    give the same records, once they are finished.
    """
    study = _study(settings)
    for _ in in_time(study.pieces, seconds) if seconds else []:
        pass
    return study.look()


class _Study:
    """All that is done with one network and its twin."""

    def __init__(self, settings: BatchnormSettings) -> None:
        self.settings = settings
        self.measured = [_measure(settings, norm) for norm in NORMS]
        self.predicted: list[Numbers] = []
        self.scaled = _invariance(replace(settings, scale=1.0))
        self.accuracies: list[list[float]] = [[], []]
        self.pieces = chain(
            _theory(settings, self.measured, self.predicted),
            _scaling(settings, self.scaled),
            _training(settings, self.accuracies),
        )

    def look(self) -> BatchnormRecords:
        """Give what is known by now."""
        unknown = [np.full((2, self.settings.depth), math.nan)] * 2
        parts = zip(self.measured, [*self.predicted, *unknown], self.accuracies, strict=False)
        normed, plain = (
            Levels(rms[0], rms[1], theory[0], theory[1], np.array(shares))
            for rms, theory, shares in parts
        )
        return BatchnormRecords(
            scale=self.settings.scale,
            normed=normed,
            plain=plain,
            scaled=[self.scaled[scale] for scale in SCALES if scale in self.scaled],
            finished=len(self.accuracies[1]) == STEPS,
        )


_study = lru_cache(maxsize=2)(_Study)  # 26 MB each at the most, while they train


@lru_cache(maxsize=2)  # 26 MB each at the most: width 256 and 50 layers
def _network(settings: BatchnormSettings, norm: str | None) -> KeptNetwork:
    model = mlp(settings.depth, settings.width, settings.activation, norm=norm)
    draw = generator(settings.seed)
    initialize(model, "kaiming_normal", nonlinearity=settings.activation, generator=draw)
    return KeptNetwork(model, linear_layers(model)[:-1])


def _at(settings: BatchnormSettings, norm: str | None, scale: float) -> nn.Module:
    """Return the network with or without BatchNorm, its hidden weights at this scale."""
    return _network(replace(settings, scale=1.0, batch_size=128), norm).times(scale)


def _measure(settings: BatchnormSettings, norm: str | None) -> Numbers:
    """Trace one pass: rms of every hidden layer's output and of the loss's gradient there."""
    network, batch = _at(settings, norm, settings.scale), digits(settings.batch_size)
    seen = trace(network, *batch, layers=settings.layers, histogram_sample=1, bins=1)
    layers = [seen[name] for name in settings.layers]
    return np.array([[rms_of(layer.activation), rms_of(layer.gradient)] for layer in layers]).T


def _theory(
    settings: BatchnormSettings, measured: list[Numbers], found: list[Numbers]
) -> Iterator[None]:
    """Ask theory for the rms of activations and gradients at each layer's output."""
    kaiming = scheme("kaiming_normal", nonlinearity=settings.activation)
    for norm, (_, rms) in zip(NORMS, measured, strict=True):
        knows_batches = norm and settings.activation in HOMOGENEOUS
        theory = predict(
            settings.depth,
            Times(of=kaiming, gain=settings.scale),
            settings.activation,
            width=settings.width,
            norm=norm,
            x=digits(settings.batch_size).x,
            batch_size=settings.batch_size if knows_batches else None,
        )
        found.append(curves(theory, settings.layers, last=rms[-1]))
        yield


@lru_cache(maxsize=1)
def _invariance(settings: BatchnormSettings) -> dict[float, Scaled]:
    """Keep what was tested, factor by factor: it does not depend on the scale of the settings."""
    return {}


def _scaling(settings: BatchnormSettings, found: dict[float, Scaled]) -> Iterator[None]:
    """Test what a factor on all hidden weights of the network with BatchNorm changes."""
    for factor in [factor for factor in SCALES if factor not in found]:
        logits, size = _gradients(settings, factor)
        before, size_before = _gradients(settings, 1.0)
        change = ((logits - before).norm() / before.norm()).item()
        found[factor] = Scaled(factor=factor, change=change, gradient=size / size_before)
        yield


def _gradients(settings: BatchnormSettings, factor: float) -> tuple[Tensor, float]:
    """Give the logits, and the norm of the gradient at the hidden weights."""
    model, batch = _at(settings, "batch", factor), digits(settings.batch_size)
    weights = [layer.weight.requires_grad_() for layer in linear_layers(model)[:-1]]
    logits = model(batch.x)
    gradients = torch.autograd.grad(F.cross_entropy(logits, batch.y), weights)
    for weight in weights:
        weight.requires_grad_(False)
    return logits.detach(), math.hypot(*(one.double().norm().item() for one in gradients))


def _training(settings: BatchnormSettings, found: list[list[float]]) -> Iterator[None]:
    """Train both networks; note the share of each batch that is right, nan once one diverged."""
    recipe = Recipe(
        steps=STEPS, lr=LEARNING_RATE, batch_size=settings.batch_size, seed=settings.seed
    )
    networks = [copy.deepcopy(_at(settings, norm, settings.scale)) for norm in NORMS]
    loops = [Loop(network.requires_grad_(), recipe) for network in networks]
    for batch in recipe.batches(digits(split="train")):
        for loop, accuracies in zip(loops, found, strict=True):
            share = math.nan if loop.lost else loop.gradients(batch).accuracies[0]
            accuracies.append(math.nan if loop.lost or share is None else share)
            if not loop.lost:
                loop.update()
        yield
