"""What can be measured of a network in one real pass? Facts, without a judgement."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from initlab.apply.layers import Bias, Fixed, Kind, kinds_of, pieces
from initlab.diagnosis.graph import Graph, read
from initlab.diagnosis.guess import Guess, guess
from initlab.diagnosis.watch import ROWS, Watch, spread_of
from initlab.probe import LayerTrace, Trace, trace
from initlab.probe.preserving import copied
from initlab.probe.run import Loss, logits_of, outputs_of, own_loss, usual_loss
from initlab.probe.tensors import first_tensor

TRIAL_STEPS = 3  # a zero head, a zero branch and what lies inside it wake up one after another
TRIAL_RATE = 1e-3  # Adam's own


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """What one parameter is, and what came back to it.

    Args:
        known: Whether `il.initialize` knows what it is.
        called: Whether the forward pass called that module, or a gradient came back to it.
        matrix: Whether its rows are units: a weight that a product takes, and no norm's.
        embedding: Whether its rows are looked up, not multiplied.
        uses: What the pass uses it for, as in `Graph.uses`.
        size: Its Euclidean norm.
        gradient: The norm of its gradient; None if none came back.
        nonfinite: Share of its elements that are NaN or infinite.
        rows_differ: ‖W - W̄‖ / ‖W‖, where each row of W̄ is the mean row (0: all units are equal);
            None where there are no two rows.
        pull_apart: ‖G - Ḡ‖·√rows: how hard the gradient pulls the rows apart, in units of loss
            for a change of the size of a usual weight.
        units: How many rows it has.
    """

    name: str
    layer: str
    known: bool
    called: bool
    trainable: bool
    matrix: bool
    embedding: bool
    uses: frozenset[str]
    size: float
    gradient: float | None
    nonfinite: float
    rows_differ: float | None
    pull_apart: float | None
    units: int

    @property
    def leverage(self) -> float | None:
        """‖w‖·‖∂L/∂w‖: the change of the loss, to first order, if the weights change by 100 %.

        It has the unit of the loss, whatever the scale of the weights. A weight of 0 counts with
        the size that keeps a signal level, √rows.
        """
        if self.gradient is None:
            return None
        return (self.size or math.sqrt(self.units)) * self.gradient


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that one examination saw.

    Args:
        graph: What the pass computed, operation by operation.
        spread: Layer name → 1 - mean cosine between what it emits for different inputs.
        apart: Layer name → the larger of `spread` and ‖h - h̄‖² / ‖h‖² over the inputs, which,
            unlike the cosine, tells apart inputs of one column.
        input_spread: The larger of the two for the batch itself; NaN where it holds no floats.
        gates: Recurrent layer → share of its gates that is saturated, as estimated.
        through_time: Recurrent layer → largest rms of its output over the steps, over that of the
            first step.
        statistics: BatchNorm layer → how far its running statistics are from the batch's: the
            shift of the mean in standard deviations, and the ratio of the variances.
        stands_in: Whether nobody gave a loss, so that a random mixture of the outputs stood in.
        last: The record of `trace` that is the output layer; empty where a function makes it.
        entered: The larger of the two spreads of what enters it.
        output: What the model emitted, detached: the tensor that the loss is about.
        woken: Whether parameters are all 0 at the start, so that trial steps were taken.
        asleep: Parameters whose gradient is exactly 0 before and after such steps.
    """

    trace: Trace
    parameters: tuple[Parameter, ...]
    graph: Graph
    spread: dict[str, float]
    apart: dict[str, float]
    input_spread: float
    gates: dict[str, float]
    through_time: dict[str, float]
    statistics: dict[str, tuple[float, float]]
    loss: float
    guess: Guess
    stands_in: bool
    last: str
    entered: float
    output: Tensor = field(repr=False)
    woken: bool = False
    asleep: tuple[str, ...] = ()

    @property
    def unit(self) -> float:
        """What losses are counted in; 1 where no guess is known."""
        return self.guess.unit or 1.0

    def named(self, names: Collection[str]) -> list[Parameter]:
        """Look parameters up."""
        return [p for p in self.parameters if p.name in names]

    @property
    def weights(self) -> list[Parameter]:
        """The trainable weights that the pass used."""
        return [p for p in self.parameters if p.matrix and p.trainable and p.called]

    @property
    def leverage(self) -> dict[str, float]:
        """Weight → its leverage, in guesses, in the model's order."""
        return {p.name: p.leverage / self.unit for p in self.weights if p.leverage is not None}

    def each(self, number: Callable[[LayerTrace], float | None]) -> dict[str, float]:
        """Give a number of each layer that has it."""
        found = {layer.name: number(layer) for layer in self.trace.layers}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def signal(self) -> dict[str, float]:
        """Layer → rms of what it emits."""
        return self.each(lambda layer: layer.activation.rms if layer.activation else None)

    @property
    def gradient(self) -> dict[str, float]:
        """Layer → rms of the gradient at what it emits."""
        return self.each(lambda layer: layer.gradient.rms if layer.gradient else None)

    def hidden(self, values: dict[str, float]) -> dict[str, float]:
        """Keep the layers that emit before the output layer does."""
        names = list(values)
        end = names.index(self.last) if self.last in names else None
        return {name: values[name] for name in names[:end]}


def examine(
    model: nn.Module, x: Any, target: Any, loss: Loss | None, *, wake: bool = True
) -> Facts:
    """Take all measurements; the model comes back bit for bit.

    With `wake`, a network with a weight that is all 0 is also looked at after a few trial steps of
    a copy, since such a layer hides the gradient from those before it. The loss is then still
    that of the network as it is.
    """
    first = _pass(model, x, target, loss)
    zeros, still = (zeros_of(model), _asleep(first)) if wake else ([], ())
    if not (zeros or still) or not math.isfinite(first.loss):
        return first
    twin = copied(model)
    _trial_steps(twin, x, target, loss)
    awake = _pass(twin, x, target, loss)
    asleep = tuple(name for name in _asleep(awake) if name in still)
    if not zeros:
        return replace(first, asleep=asleep)
    return replace(awake, loss=first.loss, output=first.output, woken=True, asleep=asleep)


def zeros_of(model: nn.Module) -> list[str]:
    """Name the trainable weights that are all 0."""
    return [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and p.numel() and "bias" not in name.rpartition(".")[2] and not p.any()
    ]


def _asleep(facts: Facts) -> tuple[str, ...]:
    """Name the parameters whose gradient is exactly 0, and unused factors that are 0."""
    return tuple(
        p.name
        for p in facts.parameters
        if p.trainable
        and p.called
        and (p.gradient == 0 or (p.gradient is None and not p.known and not p.size))
    )


def value_of(output: Any, target: Any, loss: Loss | None) -> Tensor:
    """Return the loss: the caller's, the model's own, the usual one, or what stands in."""
    if loss is not None:
        return loss(output, target)
    own: Tensor | None = own_loss(output)
    if own is not None:
        return own
    return _stand_in(output) if target is None else usual_loss(logits_of(output), target)


def _pass(model: nn.Module, x: Any, target: Any, loss: Loss | None) -> Facts:
    names = {id(p): name for name, p in model.named_parameters()}
    watch = Watch(model)
    seen: dict[str, Any] = {}

    def look(output: Any, target: Any) -> Tensor:
        """Compute the loss, and read what only the graph tells."""
        watch.closed = True
        value = value_of(output, target, loss)
        if not isinstance(value, Tensor) or value.numel() != 1:
            return value  # the trace says what is wrong
        logits = outputs_of(output)[0]
        root = logits if value.grad_fn is None else value
        graph = Graph() if logits.grad_fn is None else read(logits, root, watch.nodes, names)
        seen["graph"], seen["output"], seen["loss"] = graph, logits.detach(), value.item()
        seen["guess"] = guess(output, x, target, value.item(), loss, graph.function)
        seen["stands_in"] = loss is None and target is None and own_loss(output) is None
        return value

    with watch.hooks(), _gradients(model) as gradients:
        found = trace(model, x, target, loss=look)
    graph, given = seen["graph"], first_tensor(x)
    last = watch.last_of(graph.head or watch.owner(graph.head_parameters))
    return Facts(
        trace=found,
        parameters=tuple(_parameters(model, watch.called, gradients, graph)),
        spread=watch.spread,
        apart=watch.apart,
        input_spread=math.nan if given is None else max(spread_of(given)),
        gates=watch.gates,
        through_time=watch.through_time,
        statistics=watch.statistics,
        last=last,
        entered=watch.entered.get(last, math.nan) if graph.head else math.nan,
        **seen,
    )


def _trial_steps(model: nn.Module, x: Any, target: Any, loss: Loss | None) -> None:
    """Take a few of Adam's first steps."""
    for _ in range(TRIAL_STEPS):
        with _gradients(model) as gradients:
            trace(model, x, target, loss=partial(value_of, loss=loss), layers=type(model))
        with torch.no_grad():
            for p, g in gradients.items():
                p.sub_(TRIAL_RATE * torch.sgn(g))


@contextmanager
def _gradients(model: nn.Module) -> Iterator[dict[Tensor, Tensor]]:
    """Collect what comes back to each parameter during a pass."""
    found: dict[Tensor, Tensor] = {}

    def note(p: Tensor, gradient: Tensor) -> None:
        dense = gradient.detach().to_dense() if gradient.is_sparse else gradient.detach()
        found[p] = found[p] + dense if p in found else dense  # a checkpoint comes twice

    with ExitStack() as undo:
        for p in model.parameters():
            if p.requires_grad:
                undo.callback(p.register_hook(partial(note, p)).remove)  # type: ignore[no-untyped-call]
        yield found


def _parameters(
    model: nn.Module, called: set[nn.Module], gradients: dict[Tensor, Tensor], graph: Graph
) -> Iterator[Parameter]:
    """Describe each parameter once, with the gradient that came back to it."""
    modules = dict(model.named_modules())
    for name, p in model.named_parameters():
        layer, _, key = name.rpartition(".")
        module = modules[layer]
        kind, w, g = kinds_of(module).get(key), p.detach(), gradients.get(p)
        uses = graph.uses.get(name, frozenset())
        embedding = isinstance(module, (nn.Embedding, nn.EmbeddingBag)) or "lookup" in uses
        matrix = w.dim() > 1 and not isinstance(kind, (Fixed, Bias))
        if matrix and kind is None:  # a number per head, channel or token is no unit
            matrix = w.numel() > max(w.shape) and bool(uses & {"product"} or not uses)
        rows = matrix and w.is_floating_point()
        differ, pull = _rows(kind, w, g) if rows else (None, None)
        yield Parameter(
            name=name,
            layer=layer,
            known=kind is not None,
            called=module in called or g is not None,  # a ParameterList is never called
            trainable=p.requires_grad,
            matrix=matrix,
            embedding=embedding,
            uses=uses,
            size=_norm(w),
            gradient=None if g is None else _norm(g),
            nonfinite=(~w.isfinite()).double().mean().item() if w.numel() else 0.0,
            rows_differ=differ,
            pull_apart=pull,
            units=len(p) if p.dim() else 1,
        )


def _rows(kind: Kind | None, w: Tensor, g: Tensor | None) -> tuple[float | None, float | None]:
    """Say how different the units of a weight are, and how different their gradients."""
    parts = [rows[:: max(1, len(rows) // ROWS)] for rows in _flat(kind, w)]
    if any(len(rows) < 2 for rows in parts):
        return None, None
    differ = max(_apart(rows) / (float(rows.norm()) or 1.0) for rows in parts)
    if g is None:
        return differ, None
    return differ, max(_apart(rows) * math.sqrt(len(rows)) for rows in _flat(kind, g))


def _flat(kind: Kind | None, tensor: Tensor) -> list[Tensor]:
    """Cut a weight into its matrices, with a unit in each row."""
    return [piece.flatten(1).double() for piece in pieces(kind, tensor)]


def _apart(rows: Tensor) -> float:
    return float((rows - rows.mean(0)).norm())


def _norm(tensor: Tensor) -> float:
    return float(tensor.abs().double().norm())


def _stand_in(output: Any) -> Tensor:
    """Return a sum of the outputs with random signs.

    Its gradient has length 1 for each sample, about that of a cross-entropy at the start. The mean
    square of the output would not do: behind a LayerNorm it is the same whatever the weights are,
    so that no gradient would come back.
    """
    generator, total = torch.Generator().manual_seed(0), torch.zeros(())
    for real in real_outputs(output):
        rows = real.reshape(len(real) if real.dim() else 1, -1)
        signs = (torch.rand(rows.shape, generator=generator) < 0.5).to(rows) * 2 - 1
        size = max(len(rows), 1) * math.sqrt(rows[0].numel())
        total = total + (rows * signs).float().sum() / size
    return total


def real_outputs(output: Any) -> list[Tensor]:
    """Give all that a model says, complex numbers as pairs."""
    return [torch.view_as_real(t) if t.is_complex() else t for t in outputs_of(output)]
