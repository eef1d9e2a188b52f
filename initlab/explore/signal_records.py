"""What does one forward and backward pass do, layer by layer, as fast as a slider moves?

The pass is real. It is fast because the weights are drawn once for each scheme and seed (depth
adds layers, gain is a factor), no weight gets a gradient, and no activation is copied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from initlab.activations import ACTIVATIONS
from initlab.data import Batch, digits
from initlab.models import residual as residual_network
from initlab.schemes import SCHEMES, Scheme
from initlab.theory import Prediction, predict

BATCH = 128
CLASSES = 10
SAMPLE = 8192  # values of each layer that are histogrammed; moments are over all of them ...
SAMPLES = 200_000  # ... and fewer where there are many layers, so that all have no more than this
KEPT = 2_000_000  # weights between two pictures, 8 MB; what is beyond is drawn again
BINS = 61  # odd, so that 0 has a bin of its own
NO_THEORY = Prediction([], [], [], [], [], applies=False)
BOUNDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "erf": (-1.0, 1.0)}
SATURATED = 0.02  # of the way from one bound to the other, at either end


@dataclass(frozen=True, kw_only=True)
class Signals:
    """One quantity at every layer.

    Args:
        rms: Root mean square of each layer, over all elements.
        zeros: Share of exact zeros of each layer, over all elements.
        counts: Histogram of each layer, layers × bins, of those of its first values (of whole
            inputs; 8,192 up to 24 layers) that are not 0 and lie within the edges.
        edges: Ends of the bins, the same for all layers.
        saturated: Share of those values that is next to a bound of the activation.
        cosine: Mean cosine between what the last layer holds for two different inputs.
    """

    rms: NDArray[np.float64]
    zeros: NDArray[np.float64]
    counts: NDArray[np.int64]
    edges: NDArray[np.float64]
    saturated: NDArray[np.float64]
    cosine: float


@dataclass(frozen=True, kw_only=True)
class SignalRecords:
    """What one forward and backward pass did.

    Args:
        names: The layers, as `il.trace` names them in a network of `il.models`.
        activation: What each layer emits.
        gradient: The loss's gradient at that output.
        loss: Cross-entropy of the batch.
        predicted_activation: The rms that theory predicts, nan where it is silent.
        predicted_gradient: The same for the gradient, level with the measured one at the top.
        silence: Why theory does not apply, "" where it does.
    """

    names: list[str]
    activation: Signals
    gradient: Signals
    loss: float
    predicted_activation: NDArray[np.float64]
    predicted_gradient: NDArray[np.float64]
    silence: str


def signal_records(
    *,
    scheme: str,
    gain: float,
    depth: int,
    width: int,
    activation: str,
    bias: str,
    batchnorm: bool,
    residual: str,
    seed: int,
    with_theory: bool = True,
) -> SignalRecords:
    """Send 128 digits forward through a fresh network, and the loss's gradient back.

    The network is `il.models.mlp(depth, width, activation)`, or with residual branches
    `il.models.residual(depth, width, activation, layers_per_branch=1)`, initialised by
    `il.initialize` with a generator of this seed; then all its weights are multiplied by `gain`.

    Args:
        scheme: A name in `il.SCHEMES` that can fill a matrix.
        gain: Factor on the std of every weight.
        depth: Hidden layers or residual blocks, at least 1.
        width: Units of each hidden layer.
        activation: A name in `il.activations.ACTIVATIONS`.
        bias: "zeros", or "torch_default" for PyTorch's U(±1/√fan_in).
        batchnorm: Whether a batch normalisation stands before each nonlinearity.
        residual: "none", "plain" for x + f(x), or "scaled" for x + f(x)/√depth.
        seed: Decides the weights.
        with_theory: Whether to predict too; for residual networks that takes longer than the pass.

    Returns:
        What each layer emits and receives. The same arguments give the same records.
    """
    net = _Network(
        _weights(scheme, width, bias, seed), gain, depth, activation, batchnorm, residual
    )
    emitted, received = Collector(depth, width), Collector(depth, width)
    first, outputs, logits = net.forward(_batch().x)
    for layer, output in enumerate(outputs):
        emitted.put(layer, output)
        output.register_hook(partial(received.put, layer))  # type: ignore[no-untyped-call]
    loss = F.cross_entropy(logits, _batch().y)
    torch.autograd.grad(loss, first)
    theory = NO_THEORY
    if with_theory:
        theory = _predict(scheme, gain, depth, width, activation, bias, batchnorm, residual)
    forwards, backwards = _at(theory, net.names)
    return SignalRecords(
        names=net.names,
        activation=emitted.signals(BOUNDS.get(activation) if residual == "none" else None),
        gradient=received.signals(None),
        loss=loss.item(),
        predicted_activation=forwards,
        predicted_gradient=backwards * (received.rms[-1] / backwards[-1]),
        silence=theory.reason,
    )


def _predict(
    scheme: str,
    gain: float,
    depth: int,
    width: int,
    activation: str,
    bias: str,
    batchnorm: bool,
    residual: str,
) -> Prediction:
    """Ask theory about a network like this one."""
    law = Times(of=SCHEMES[scheme], gain=gain)
    about: dict[str, Any] = {"x": _batch().x, "bias_var": bias if bias == "torch_default" else 0.0}
    norm = "batch" if batchnorm else None
    if residual == "none":
        return predict(depth, law, activation, width=width, norm=norm, **about)
    share = 1 / math.sqrt(depth) if residual == "scaled" else 1.0
    return predict(_hollow(depth, width, activation, norm, share), law, **about)


@dataclass(frozen=True, kw_only=True, repr=False)
class Times(Scheme):
    """A scheme whose numbers are multiplied by a gain, as far as theory asks.

    Args:
        of: The scheme.
        gain: The factor.
    """

    name = "scaled"
    of: Scheme
    gain: float

    def variance(self, fan_in: int, fan_out: int) -> float | None:
        """Tell the scheme's variance, times the squared gain."""
        variance = self.of.variance(fan_in, fan_out)
        return None if variance is None else self.gain**2 * variance

    @property
    def centred(self) -> bool:
        """Whether the scheme's mean is 0."""
        return self.of.centred

    def __repr__(self) -> str:
        return self.of.name


@lru_cache(maxsize=1)
def _hollow(depth: int, width: int, activation: str, norm: str | None, share: float) -> nn.Module:
    """Build the residual network with weights that take no memory: theory wants their shape."""
    model = residual_network(
        depth, width, activation, norm=norm, branch_scale=share, layers_per_branch=1
    )
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            shape = layer.weight.shape
            layer.weight = nn.Parameter(torch.zeros(1, 1).expand(shape), requires_grad=False)
    return model


def _at(theory: Prediction, names: list[str]) -> NDArray[np.float64]:
    """Pick the two curves at these layers; nan where theory is silent."""
    if not theory.applies:
        return np.full((2, len(names)), np.nan)
    curves = zip(theory.activation, theory.gradient, strict=True)
    known = dict(zip(theory.names, curves, strict=True))
    return np.array([known[name] for name in names], dtype=float).T


@lru_cache(maxsize=1)
def _batch() -> Batch:
    return digits(BATCH)


class _Weights:
    """The layers of one scheme, width and seed; a deeper network only adds to them.

    Hidden layer k is the same at any depth, since one generator draws layer after layer, and the
    head last. The first layers are kept, and the generator's state after each.
    """

    def __init__(self, scheme: str, width: int, bias: str, seed: int) -> None:
        self.scheme, self.width, self.bias = SCHEMES[scheme], width, bias
        self.kept: list[tuple[Tensor, Tensor]] = []
        self.states = [Generator().manual_seed(seed).get_state()]

    def take(self, count: int) -> list[tuple[Tensor, Tensor]]:
        """Give the first `count` hidden layers, and the head that goes with them."""
        layers = self.kept[:count]
        generator = Generator()
        generator.set_state(self.states[len(layers)])
        while len(layers) < count:
            n_in = self.width if layers else _batch().x.shape[1]
            layers.append(self._layer(self.width, n_in, generator))
            if len(layers) * self.width**2 <= KEPT:
                self.kept.append(layers[-1])
                self.states.append(generator.get_state())
        return [*layers, self._layer(CLASSES, self.width, generator)]

    def _layer(self, n_out: int, n_in: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draw in the order of `il.initialize`, which lets PyTorch draw weight and bias as one."""
        weight = self.scheme.fill_(torch.empty(n_out, n_in), generator)
        bias = torch.zeros(n_out)
        if "torch_default" in (self.scheme.name, self.bias):
            if self.scheme.name != "torch_default":
                torch.empty(n_out, n_in).uniform_(generator=generator)  # a weight nobody wants
            end = 1 / math.sqrt(n_in)
            drawn = torch.empty(n_out).uniform_(-end, end, generator=generator)
            bias = drawn if self.bias == "torch_default" else bias
        return weight, bias


@lru_cache(maxsize=1)
def _weights(scheme: str, width: int, bias: str, seed: int) -> _Weights:
    return _Weights(scheme, width, bias, seed)


class _Network:
    """The forward pass of `il.models.mlp` or `il.models.residual` on tensors that exist."""

    def __init__(
        self,
        weights: _Weights,
        gain: float,
        depth: int,
        activation: str,
        batchnorm: bool,
        residual: str,
    ) -> None:
        self.gain = gain
        self.batchnorm = batchnorm
        self.nonlinearity = ACTIVATIONS[activation].function
        self.is_residual = residual != "none"
        self.share = 1 / math.sqrt(depth) if residual == "scaled" else 1.0
        self.layers = weights.take(depth + 1 if self.is_residual else depth)
        name = "block{}.stream" if self.is_residual else "act{}"
        self.names = [name.format(layer) for layer in range(1, depth + 1)]

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        """Give the tensor at which the gradient ends, what each layer emits, and the logits."""
        first, *hidden, head = self.layers
        start = z = self.linear(x, first).requires_grad_()
        if self.is_residual:
            stream = [start]
            for layer in hidden:
                stream.append(
                    stream[-1] + self.share * self.linear(self.activate(stream[-1]), layer)
                )
            return start, stream[1:], self.linear(self.activate(stream[-1]), head)
        outputs = [self.activate(z)]
        for layer in hidden:
            outputs.append(self.activate(self.linear(outputs[-1], layer)))
        return start, outputs, self.linear(outputs[-1], head)

    def linear(self, x: Tensor, layer: tuple[Tensor, Tensor]) -> Tensor:
        """Multiply by gain · weight, and add the bias."""
        weight, bias = layer
        return torch.addmm(bias, x, weight.T, alpha=self.gain)

    def activate(self, z: Tensor) -> Tensor:
        """Normalise where asked for, then bend."""
        if self.batchnorm:
            z = F.batch_norm(z, None, None, training=True)
        return self.nonlinearity(z)


class Collector:
    """Numbers of each layer's tensor, taken while it passes by, so that hardly any is kept."""

    def __init__(self, depth: int, width: int) -> None:
        self.rms = np.zeros(depth)
        self.zeros = np.zeros(depth)
        self.rows = min(BATCH, SAMPLE // width, SAMPLES // (depth * width))
        self.sample = torch.empty(depth, self.rows, width)
        self.top = torch.empty(0)

    def put(self, layer: int, tensor: Tensor) -> None:
        """Measure one layer's tensor, and keep some of its rows for the histogram."""
        tensor = tensor.detach()
        norm = torch.linalg.vector_norm(tensor, dtype=torch.float64).item()
        self.rms[layer] = norm / math.sqrt(tensor.numel())
        self.zeros[layer] = np.count_nonzero(tensor.numpy() == 0) / tensor.numel()
        self.sample[layer] = tensor[: self.rows]
        if layer == len(self.rms) - 1:
            self.top = tensor

    def signals(self, bounds: tuple[float, float] | None) -> Signals:
        """Give what was collected; `bounds` are the ends of the activation's range."""
        edges = np.linspace(*_range(self.sample, self.rms), BINS + 1)
        return Signals(
            rms=self.rms,
            zeros=self.zeros,
            counts=_counts(self.sample.flatten(1), edges[0], edges[-1]),
            edges=edges,
            saturated=_saturated(self.sample, bounds),
            cosine=_cosine(self.top),
        )


def _range(sample: Tensor, rms: NDArray[np.float64]) -> tuple[float, float]:
    """Find round ends that hold nearly all values of the layer with the largest ones."""
    low, high = (end.item() for end in torch.aminmax(sample))
    most = max(abs(low), abs(high))
    level = rms.max()
    if not math.isfinite(most) or not math.isfinite(level):
        finite = rms[np.isfinite(rms)]
        most = level = finite.max() if finite.size else 1.0
    end = round_up(min(most, 3.5 * level))
    return (0.0 if low >= 0 else -end), end


def round_up(value: float) -> float:
    """Find the next 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten; 1 for 0.

    >>> round_up(0.032), round_up(1.0)
    (0.04, 1.0)
    """
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
    return float(f"{next(step for step in steps if step * power >= value * 0.9999) * power:.2g}")


def _counts(rows: Tensor, low: float, high: float) -> NDArray[np.int64]:
    """Histogram each row without its exact zeros; what is outside the ends is not counted.

    One `bincount` over all rows takes a third of the time of a `histc` for each.
    """
    cells = BINS + 2  # what is below the ends, and above them or nan, has a cell of its own
    share = low / high
    per_bin = BINS * (1 - 2e-7) / (1 - share)  # the upper end itself belongs to the last bin
    places = (rows / high).sub_(share).mul_(per_bin).add_(1).nan_to_num_(nan=cells)
    index = places.clamp_(0, cells - 1).long().add_(cells * torch.arange(len(rows))[:, None])
    counts = np.bincount(index.numpy().ravel(), minlength=cells * len(rows))
    counts = counts.reshape(-1, cells)[:, 1:-1]
    counts[:, BINS // 2 if low < 0 else 0] -= [np.count_nonzero(row) for row in rows.numpy() == 0]
    return np.asarray(counts)


def _saturated(sample: Tensor, bounds: tuple[float, float] | None) -> NDArray[np.float64]:
    if bounds is None:
        return np.zeros(len(sample))
    margin = SATURATED * (bounds[1] - bounds[0])
    at_end = (sample < bounds[0] + margin) | (sample > bounds[1] - margin)
    return np.asarray(at_end.sum((1, 2)).numpy() / sample[0].numel())


def _cosine(rows: Tensor) -> float:
    """Mean over all pairs of different rows; nan where a row is 0 or not finite."""
    unit = F.normalize(rows.double(), dim=1, eps=0.0)
    total = unit.sum(0).square().sum().item()
    return (total - len(rows)) / (len(rows) * (len(rows) - 1))
