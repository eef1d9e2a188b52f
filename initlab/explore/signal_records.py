"""What does one forward and backward pass do, layer by layer, while a slider moves?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from torch import nn

from initlab.apply import initialize
from initlab.data import digits
from initlab.explore import usual
from initlab.explore.controls import choice, switch
from initlab.explore.networks import KeptNetwork, Times, generator, linear_layers
from initlab.explore.panels import Numbers, round_up
from initlab.models import mlp, residual
from initlab.plots.ridgeline import density
from initlab.probe import Summary, Trace, input_correlation, trace
from initlab.schemes import SCHEMES
from initlab.theory import Prediction, predict

BATCH = 128


@dataclass(frozen=True, kw_only=True)
class SignalSettings:
    """What decides the network, and the pass through it."""

    scheme: str = usual.scheme("kaiming_normal", main=True, hint="How each weight matrix is drawn")
    gain: float = usual.gain()
    depth: int = usual.depth(20, 100, play=True)
    activation: str = usual.activation("relu", hint="The nonlinearity φ of each layer")
    width: int = usual.width(128, 32, 64, 128, 256)
    bias: str = choice(
        "zeros", label="bias", options={"zeros": "0", "torch_default": "PyTorch's"},
        hint="What each bias starts at; PyTorch draws it from ±1/√(fan-in)",
    )  # fmt: skip
    residual: str = choice(
        "none", label="residual",
        options={"none": "none", "plain": "x + f(x)", "scaled": "x + f(x)/√depth"},
        hint="Whether each layer is added to what comes in",
    )  # fmt: skip
    batchnorm: bool = switch(False, label="BatchNorm", hint="Normalise before each nonlinearity")
    seed: int = usual.seed()

    @property
    def layers(self) -> list[str]:
        """The layers that are shown, as `il.trace` names them."""
        name = "act{}" if self.residual == "none" else "block{}.stream"
        return [name.format(layer) for layer in range(1, self.depth + 1)]

    def build(self) -> nn.Module:
        """Build the network, with PyTorch's own weights."""
        norm = "batch" if self.batchnorm else None
        if self.residual == "none":
            return mlp(self.depth, self.width, self.activation, norm=norm)
        share = 1 / math.sqrt(self.depth) if self.residual == "scaled" else 1.0
        return residual(
            self.depth, self.width, self.activation,
            norm=norm, branch_scale=share, layers_per_branch=1,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Signals:
    """One quantity at every layer.

    Args:
        rms: Root mean square of each layer; nan where it holds inf or nan.
        zeros: Share of exact zeros of each layer.
        heights: Histogram of each layer without its exact zeros, layers × bins, as
            `il.plots.histograms` draws it: the highest bin is the share of values that lies
            within the edges.
        edges: Ends of the bins, the same for all layers.
        saturated: Share of what each layer emits that is next to a bound of the activation.
    """

    rms: Numbers
    zeros: Numbers
    heights: Numbers
    edges: Numbers
    saturated: Numbers


@dataclass(frozen=True, kw_only=True)
class SignalRecords:
    """What one forward and backward pass did.

    Args:
        names: The layers, as `il.trace` names them in a network of `il.models`.
        activation: What each layer emits.
        gradient: The loss's gradient at that output.
        cosine: Mean cosine between what the last layer holds for two different inputs.
        predicted_activation: The rms that theory predicts, nan where it is silent.
        predicted_gradient: The same for the gradient, level with the measured one at the end.
        silence: Why theory does not apply, "" where it does.
    """

    names: list[str]
    activation: Signals
    gradient: Signals
    cosine: float
    predicted_activation: Numbers
    predicted_gradient: Numbers
    silence: str


def signal_records(settings: SignalSettings) -> SignalRecords:
    """Send 128 digits forward through a fresh network, and the loss's gradient back.

    The network is `il.models.mlp(depth, width, activation)`, or with residual branches
    `il.models.residual(depth, width, activation, layers_per_branch=1)`, initialised by
    `il.initialize` with a generator of this seed; then all its weights are multiplied by `gain`.

    The same arguments give the same records.
    """
    network = _network(replace(settings, gain=1.0)).times(settings.gain)
    batch, names = digits(BATCH), settings.layers
    seen = trace(network, *batch, layers=names, histogram_sample=None, bins=100)
    bias_var = "torch_default" if settings.bias == "torch_default" else 0.0
    scheme = Times(of=SCHEMES[settings.scheme], gain=settings.gain)
    theory = predict(network, scheme, x=batch.x, bias_var=bias_var)
    emitted, received = (signals(seen, names, which) for which in ("activation", "gradient"))
    forwards, backwards = curves(theory, names, last=received.rms[-1])
    return SignalRecords(
        names=names,
        activation=emitted,
        gradient=received,
        cosine=input_correlation(network, batch.x, layers=names[-1:])[names[-1]],
        predicted_activation=forwards,
        predicted_gradient=backwards,
        silence=theory.reason,
    )


@lru_cache(maxsize=1)
def _network(settings: SignalSettings) -> KeptNetwork:
    model = settings.build()
    initialize(model, settings.scheme, bias=settings.bias, generator=generator(settings.seed))
    return KeptNetwork(model, linear_layers(model))


def curves(theory: Prediction, names: Sequence[str], *, last: float) -> Numbers:
    """Pick theory's rms of activations and gradients at these layers; nan where it is silent.

    The predicted gradient is level with the measured one, `last`, at the last of them.

    Shape:
        (2, layers)
    """
    if not theory.applies:
        return np.full((2, len(names)), math.nan)
    places = [theory.names.index(name) for name in names]
    rows = [[curve[place] for place in places] for curve in (theory.activation, theory.gradient)]
    forwards, backwards = np.array(rows, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([forwards, backwards * (last / backwards[-1])])


def signals(seen: Trace, names: Sequence[str], quantity: str) -> Signals:
    """Collect one quantity of a trace, "activation" or "gradient", at these layers."""
    layers = [seen[name] for name in names]
    summaries: list[Summary] = [getattr(layer, quantity) for layer in layers]
    ends = _ends(summaries)
    heights = np.stack([density(one, ends) for one in summaries])
    return Signals(
        rms=np.array([rms_of(one) for one in summaries]),
        zeros=np.array([one.zeros for one in summaries]),
        heights=np.nan_to_num(heights),  # nothing where all is inf or nan
        edges=np.linspace(*ends, heights.shape[1] + 1),
        saturated=np.array([layer.saturated or 0.0 for layer in layers]),
    )


def rms_of(summary: Summary | None) -> float:
    """Return the root mean square of all elements: nan where some are inf or nan."""
    if summary is None:
        return 0.0
    return math.nan if summary.nonfinite else summary.rms


def _ends(summaries: Sequence[Summary]) -> tuple[float, float]:
    """Find round ends that hold nearly all values of the layer with the largest ones."""
    known = [one for one in summaries if one.nonfinite < 1]
    level = max((one.rms for one in known), default=0.0)
    most = max((max(abs(one.min), abs(one.max)) for one in known), default=0.0)
    end = round_up(min(most, 3.5 * level))
    return (-end if min((one.min for one in known), default=0.0) < 0 else 0.0), end
