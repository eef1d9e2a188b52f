"""What does BatchNorm do to the signals, the gradients and the training of one network?

A network and its twin without BatchNorm, with the same weights. The signals are measured at once;
theory, the test of scale-invariance and the training follow, piece by piece, and can be left and
taken up again.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional as F

from initlab.activations import ACTIVATIONS
from initlab.data import Batch, digits
from initlab.explore.networks import Times
from initlab.schemes import Scheme
from initlab.schemes import scheme as find_scheme
from initlab.theory import Prediction, batchnorm_factor, predict

CLASSES = 10
STEPS = 100
LEARNING_RATE = 0.05
SCALES = 10.0 ** np.arange(-4, 1.5, 0.5)  # factors at which scale-invariance is tested
HOMOGENEOUS = ("relu", "leaky_relu", "linear")  # φ(kx) = kφ(x): theory knows small batches

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Levels:
    """The signals of one network, layer by layer.

    Args:
        activation: rms of what each hidden layer emits.
        gradient: rms of the loss's gradient there.
        predicted_activation: The rms that theory predicts; nan where it is silent.
        predicted_gradient: The same for the gradient, level with the measured one at the top.
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
    *,
    scale: float,
    batch_size: int,
    depth: int,
    width: int,
    activation: str,
    seed: int,
    seconds: float = math.inf,
) -> BatchnormRecords:
    """Measure signals, test scale-invariance and train, with and without BatchNorm.

    The network is `il.models.mlp(depth, width, activation, norm="batch")`, initialised by
    `il.initialize(model, "kaiming_normal", nonlinearity=activation)` with a generator of this
    seed; then the weights of all hidden layers are multiplied by `scale`, not those of the head.
    Its twin has the same weights and no BatchNorm. Signals are measured in train mode, on
    `il.data.digits(batch_size)`. Training is 100 steps of SGD with learning rate 0.05, on batches
    of this size of the 1,500 training digits.

    Args:
        scale: Factor on the std of the hidden weights.
        batch_size: Inputs in a batch, at least 4.
        depth: Hidden layers, at least 1.
        width: Units of each.
        activation: A name in `il.activations.ACTIVATIONS` for which PyTorch has a gain.
        seed: Decides the weights, and then the batches.
        seconds: How long to go on with what follows the signals; the next call takes it up.

    Returns:
        The records. The same arguments give the same ones, once they are finished.
    """
    study = _study(scale, batch_size, depth, width, activation, seed)
    study.advance(seconds)
    return study.look()


@lru_cache(maxsize=2)  # 26 MB each at the most, while they train
def _study(*arguments: float | str) -> _Study:
    return _Study(*arguments)  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def _training_digits() -> Batch:
    return digits(split="train")


@lru_cache(maxsize=4)
def _batch(size: int) -> Batch:
    return digits(size)


@lru_cache(maxsize=1)  # 13 MB at the most: width 256 and 50 layers
def _weights(depth: int, width: int, activation: str, seed: int) -> tuple[list[Tensor], Tensor]:
    """Draw all layers in the order of `il.initialize`; also give the generator's state then."""
    generator = Generator().manual_seed(seed)
    sizes = [_batch(128).x.shape[1], *[width] * depth, CLASSES]
    law = _law(activation)
    weights = [law.fill_(torch.empty(n_out, n_in), generator) for n_in, n_out in pairwise(sizes)]
    return weights, generator.get_state()


def _law(activation: str) -> Scheme:
    return find_scheme("kaiming_normal", nonlinearity=activation)


class _Network:
    """The forward pass of `il.models.mlp`, with or without BatchNorm, on tensors that exist."""

    def __init__(self, weights: list[Tensor], scale: float, activation: str, norm: bool) -> None:
        *hidden, head = weights
        self.weights = [*(scale * weight for weight in hidden), head.clone()]
        self.biases = [torch.zeros(len(weight)) for weight in weights]
        self.gammas = [torch.ones(len(weight)) for weight in hidden] if norm else []
        self.betas = [torch.zeros(len(weight)) for weight in hidden] if norm else []
        self.nonlinearity = ACTIVATIONS[activation].function

    @property
    def parameters(self) -> list[Tensor]:
        """All that is trained."""
        return [*self.weights, *self.biases, *self.gammas, *self.betas]

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Give what each hidden layer emits, and the logits."""
        outputs = []
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = F.linear(x, weight, bias)
            if layer == len(self.weights) - 1:
                break
            if self.gammas:
                x = F.batch_norm(
                    x, None, None, self.gammas[layer], self.betas[layer], training=True
                )
            x = self.nonlinearity(x)
            outputs.append(x)
        return outputs, x

    def signals(self, batch: Batch) -> tuple[Floats, Floats]:
        """Give the rms of every hidden layer's output and of the loss's gradient there."""
        self.biases[0].requires_grad_()  # all above depends on it, and no weight needs a gradient
        outputs, logits = self.forward(batch.x)
        gradients = torch.autograd.grad(F.cross_entropy(logits, batch.y), outputs)
        self.biases[0].requires_grad_(False)
        return _rms(outputs), _rms(gradients)

    def at_weights(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """Give the logits, and the gradient at the hidden weights."""
        hidden = [weight.requires_grad_() for weight in self.weights[:-1]]
        _, logits = self.forward(batch.x)
        gradients = torch.autograd.grad(F.cross_entropy(logits, batch.y), hidden)
        return logits.detach(), list(gradients)


class _Run:
    """One training run, a step at a time."""

    def __init__(self, network: _Network, batch_size: int, state: Tensor) -> None:
        self.network, self.batch_size = network, batch_size
        self.generator = Generator()
        self.generator.set_state(state)
        for parameter in network.parameters:
            parameter.requires_grad_()
        self.is_alive = True

    def step(self) -> float:
        """Take one step, and give the share of its batch that was right.

        A run that has left the range of float32 takes none, and gives nan.
        """
        if not self.is_alive:
            return math.nan
        known = _training_digits()
        rows = torch.randint(len(known.x), (self.batch_size,), generator=self.generator)
        x, y = known.x[rows], known.y[rows]
        _, logits = self.network.forward(x)
        loss = F.cross_entropy(logits, y)
        if not torch.isfinite(loss):
            self.is_alive = False
            return math.nan
        gradients = torch.autograd.grad(loss, self.network.parameters)
        with torch.no_grad():
            torch._foreach_add_(self.network.parameters, gradients, alpha=-LEARNING_RATE)
        return (logits.argmax(1) == y).float().mean().item()


class _Study:
    """All that is known of one network and its twin."""

    def __init__(
        self, scale: float, batch_size: int, depth: int, width: int, activation: str, seed: int
    ) -> None:
        self.scale, self.batch_size, self.depth, self.width = scale, batch_size, depth, width
        self.activation, self.batch = activation, _batch(batch_size)
        self.weights, state = _weights(depth, width, activation, seed)
        self.invariance = _invariance(batch_size, depth, width, activation, seed)
        self.measured = [self._network(norm).signals(self.batch) for norm in (True, False)]
        self.predicted = [np.full((2, depth), math.nan) for _ in range(2)]
        self.here: Scaled | None = None
        self.state = state
        self.runs: list[_Run] = []
        self.accuracies: list[list[float]] = [[], []]
        self.done = 0  # pieces of work

    def _network(self, norm: bool) -> _Network:
        return _Network(self.weights, self.scale, self.activation, norm)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.done == 3 + len(SCALES) + STEPS

    def advance(self, seconds: float) -> None:
        """Go on for this long, a piece at least; not at all for 0."""
        end = time.perf_counter() + seconds
        while seconds and not self.finished:
            self._piece(self.done)
            self.done += 1
            if time.perf_counter() >= end:
                break

    def _piece(self, place: int) -> None:
        """Do one piece of the work: theory, then scale-invariance, then a step of training."""
        scales = [self.scale, *SCALES]
        if place < 2:
            self.predicted[place] = self._predict(("batch", None)[place])
        elif place < 2 + len(scales):
            found = self.invariance.at(scales[place - 2])
            self.here = self.here or found
        else:
            self._train()

    def _train(self) -> None:
        """Take a step of both runs; what trains exists only from the first step to the last."""
        if not self.accuracies[0]:
            self.runs = [_Run(self._network(norm), self.batch_size, self.state)
                         for norm in (True, False)]  # fmt: skip
        for run, accuracies in zip(self.runs, self.accuracies, strict=True):
            accuracies.append(run.step())
        if len(self.accuracies[0]) == STEPS:
            self.runs = []

    def _predict(self, norm: str | None) -> Floats:
        """Ask theory for the rms of activations and gradients at each layer's output."""
        knows_batches = norm and self.activation in HOMOGENEOUS
        theory: Prediction = predict(
            self.depth,
            Times(of=_law(self.activation), gain=self.scale),
            self.activation,
            width=self.width,
            norm=norm,
            x=self.batch.x,
            batch_size=self.batch_size if knows_batches else None,
        )
        places = [theory.names.index(f"act{layer}") for layer in range(1, self.depth + 1)]
        curves = [
            [curve[place] for place in places] for curve in (theory.activation, theory.gradient)
        ]
        return np.array(curves, dtype=float)

    def look(self) -> BatchnormRecords:
        """Give what is known by now."""
        normed, plain = (
            _levels(*measured, *predicted)
            for measured, predicted in zip(self.measured, self.predicted, strict=True)
        )
        factor_large = batchnorm_factor(self.activation)
        return BatchnormRecords(
            scale=self.scale,
            batch_size=self.batch_size,
            normed=normed,
            plain=plain,
            factor=_batch_factor(self.activation, self.batch_size),
            factor_large=factor_large,
            here=self.here,
            scaled=self.invariance.known,
            accuracies=np.array(self.accuracies[0]),
            plain_accuracies=np.array(self.accuracies[1]),
            finished=self.finished,
        )


@lru_cache(maxsize=1)
def _invariance(batch_size: int, depth: int, width: int, activation: str, seed: int) -> _Invariance:
    return _Invariance(batch_size, depth, width, activation, seed)


class _Invariance:
    """How a network with BatchNorm changes if all hidden weights are multiplied."""

    def __init__(self, batch_size: int, depth: int, width: int, activation: str, seed: int) -> None:
        self.activation, self.batch = activation, _batch(batch_size)
        self.weights, _ = _weights(depth, width, activation, seed)
        self.done: dict[float, Scaled] = {}
        self.origin: tuple[Tensor, float] | None = None  # logits and gradient at a = 1

    @property
    def known(self) -> list[Scaled]:
        """What was tested on the grid, in the order of the scales."""
        return [self.done[scale] for scale in SCALES if scale in self.done]

    def at(self, scale: float) -> Scaled:
        """Test one factor, or recall it."""
        if scale in self.done:
            return self.done[scale]
        logits, size, cosine = self._pass(scale)
        if self.origin is None:
            self.origin = self._pass(1.0)[:2]
        before, size_before = self.origin
        found = Scaled(
            factor=scale,
            change=((logits - before).norm() / before.norm()).item(),
            gradient=size / size_before,
            cosine=cosine,
        )
        if scale in SCALES:
            self.done[scale] = found
        return found

    def _pass(self, scale: float) -> tuple[Tensor, float, float]:
        network = _Network(self.weights, scale, self.activation, norm=True)
        logits, gradients = network.at_weights(self.batch)
        sizes = torch.stack([gradient.double().norm() for gradient in gradients])
        pairs = zip(gradients, network.weights[:-1], strict=True)
        cosines = [
            F.cosine_similarity(g.double().flatten(), w.detach().double().flatten(), dim=0, eps=0)
            for g, w in pairs
        ]
        return logits, sizes.norm().item(), torch.stack(cosines).abs().max().item()


@lru_cache(maxsize=32)
def _batch_factor(activation: str, batch_size: int) -> float:
    if activation not in HOMOGENEOUS:
        return math.nan
    return batchnorm_factor(activation, batch_size)


def _levels(
    activation: Floats, gradient: Floats, predicted: Floats, predicted_gradient: Floats
) -> Levels:
    with np.errstate(divide="ignore", invalid="ignore"):
        top = gradient[-1] / predicted_gradient[-1]
    return Levels(
        activation=activation,
        gradient=gradient,
        predicted_activation=predicted,
        predicted_gradient=predicted_gradient * top,
    )


def _rms(tensors: list[Tensor] | tuple[Tensor, ...]) -> Floats:
    norms = [torch.linalg.vector_norm(tensor.detach(), dtype=torch.float64) for tensor in tensors]
    sizes = [tensor.numel() for tensor in tensors]
    return np.array([norm.item() for norm in norms]) / np.sqrt(sizes)


def _factors(gradient: Floats) -> Floats:
    """Squared gradient of each layer over that of the next; nan for 0 / 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((gradient[:-1] / gradient[1:]) ** 2)
