"""What can be measured of a network in one real pass? Facts, without a judgement."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from initlab.apply.layers import Bias, Fixed, Own, Weight, kinds_of
from initlab.diagnosis.gates import saturated_share
from initlab.probe.layers import choose_layers
from initlab.probe.recorder import Probe
from initlab.probe.records import Trace
from initlab.probe.run import Loss, logits_of, one_pass, outputs_of, own_loss, usual_loss
from initlab.probe.tensors import first_tensor

TRIAL_STEPS = 3  # a zero head, a zero branch and what lies inside it wake up one after another
TRIAL_RATE = 1e-3  # Adam's own
SAME = 1e-9  # of their mean square: targets that vary less are one number
SAMPLES = 256  # that are compared with each other


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """What one parameter is, and what came back to it.

    Args:
        name: Its name in the model.
        layer: Name of its module.
        called: Whether the forward pass called that module, or a gradient came back to it.
        trainable: Whether it requires a gradient.
        matrix: Whether it is a weight: two or more dimensions, and no norm's.
        embedding: Whether its rows are looked up, not multiplied.
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
    called: bool
    trainable: bool
    matrix: bool
    embedding: bool
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
        trace: The pass, layer by layer.
        parameters: One record for each parameter, in the model's order.
        spread: Layer name → 1 - mean cosine between what it emits for different inputs.
        input_spread: The same of the batch itself; NaN where it holds no floats.
        input_rms: Its rms.
        input_finite: Whether all of it is finite.
        gates: Recurrent layer → share of its gates that is saturated.
        through_time: Recurrent layer → largest rms of its output over the steps, over that of the
            first step.
        loss: The loss.
        guess: The loss of the best constant guess; None where that is not known.
        unit: What leverages are counted in: the loss of a guess; where that is not known, the loss
            itself, and 1 where there is none.
        stands_in: Whether nobody gave a loss, so that a random mixture of the outputs stood in.
        last: Name of the layer that makes the output.
        entered: The spread of what enters it.
        woken: Parameters that are all 0 at the start, so that trial steps were taken.
    """

    trace: Trace
    parameters: tuple[Parameter, ...]
    spread: dict[str, float]
    input_spread: float
    input_rms: float
    input_finite: bool
    gates: dict[str, float]
    through_time: dict[str, float]
    loss: float
    guess: float | None
    unit: float
    stands_in: bool
    last: str
    entered: float
    woken: tuple[str, ...]


def examine(
    model: nn.Module, x: Any, target: Any, loss: Loss | None, *, wake: bool = True
) -> Facts:
    """Take all measurements; the model comes back bit for bit.

    With `wake`, a network with a weight that is all 0 takes a few trial steps first.
    """
    if target is None and loss is None:
        loss = _own_or_stand_in
    watch = _Watch(model)
    probe = Probe(model)
    with ExitStack() as stack:
        woken = _zeros(model) if wake else ()
        if woken:
            stack.enter_context(_trial_steps(model, x, target, loss))
        stack.enter_context(watch.hooks())
        output, value = stack.enter_context(one_pass(model, x, target, loss=loss, probe=probe))
        parameters = tuple(_parameters(model, watch))
        trace = probe.trace(loss=value.item())
        given = first_tensor(x)
        guess = _guess(output, x, target, loss, value)
        stands_in = loss is _own_or_stand_in and own_loss(output) is None
        return Facts(
            trace=trace,
            parameters=parameters,
            spread=watch.spread,
            input_spread=math.nan if given is None else spread(given, SAMPLES),
            input_rms=math.nan
            if given is None
            else _real(given.detach()).double().square().mean().sqrt().item(),
            input_finite=given is None or bool(given.isfinite().all()),
            gates={name: share for name, share in watch.gate_shares() if share is not None},
            through_time=watch.through_time,
            loss=value.item(),
            guess=guess,
            unit=_unit(guess, value.item(), stands_in),
            stands_in=stands_in,
            last=watch.last,
            entered=watch.entered,
            woken=woken,
        )


class _Watch:
    """Sees what a trace does not keep: how alike different inputs are, and gates."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.names = choose_layers(model)
        self.recurrent: list[tuple[str, nn.RNNBase, Any]] = []
        self.spread: dict[str, float] = {}
        self.through_time: dict[str, float] = {}
        self.called: set[nn.Module] = set()
        self.last = ""
        self.entered = math.nan

    @contextmanager
    def hooks(self) -> Iterator[None]:
        handles = []
        for name, module in self.model.named_modules():
            handles.append(module.register_forward_hook(partial(self._called, name)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _called(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        self.called.add(module)
        if module not in self.names:
            return
        name = self.names[module]
        if isinstance(module, nn.RNNBase):
            self.recurrent.append(
                (name, module, tuple(i.detach() if torch.is_tensor(i) else i for i in inputs))
            )
        tensor = first_tensor(output)
        if tensor is None or tensor.dim() < 2:
            return
        if isinstance(module, nn.RNNBase) and not module.batch_first and tensor.dim() == 3:
            tensor = tensor.transpose(0, 1)  # (B, T, n), as the rest
        if isinstance(module, nn.RNNBase) and tensor.dim() == 3:
            steps = tensor.detach().double().square().mean((0, 2)).sqrt()
            self.through_time[name] = (steps.max() / steps[0]).item()
        key, times = name, 1
        while key in self.spread:
            times += 1
            key = f"{name}:{times}"
        self.spread[key] = spread(tensor, SAMPLES)
        if any(isinstance(kind, Weight) for kind in (kinds_of(module) or {}).values()):
            self.last = key
            entering = first_tensor(inputs)
            self.entered = math.nan if entering is None else spread(entering, SAMPLES)

    def gate_shares(self) -> Iterator[tuple[str, float | None]]:
        for name, layer, inputs in self.recurrent:
            yield name, saturated_share(layer, inputs)


def spread(x: Tensor, samples: int) -> float:
    """Return 1 - mean cosine over pairs of different rows, exact also where it is tiny.

    Shape:
        x (batch, ...).
    """
    rows = _real(x).detach()[:samples].flatten(1).double()
    rows = rows / rows.norm(dim=1, keepdim=True)  # NaN for a row of zeros
    rows = rows[rows.isfinite().all(1)]
    n = len(rows)
    if n < 2:
        return math.nan
    return float((rows - rows.mean(0)).square().sum().item() / (n - 1))


def _zeros(model: nn.Module) -> tuple[str, ...]:
    """Name the trainable weights that are all 0."""
    return tuple(
        name
        for name, p in model.named_parameters()
        if p.requires_grad and p.numel() and "bias" not in name.rpartition(".")[2] and not p.any()
    )


@contextmanager
def _trial_steps(model: nn.Module, x: Any, target: Any, loss: Loss | None) -> Iterator[None]:
    """Take a few of Adam's first steps, and undo them at the end.

    A layer that starts at 0 hides the gradient from those before it, for one step.
    """
    before = [(p, p.detach().clone()) for p in model.parameters()]
    try:
        for _ in range(TRIAL_STEPS):
            with one_pass(model, x, target, loss=loss, probe=Probe(model, layers=type(model))):
                steps = [(p, torch.sgn(p.grad.to_dense())) for p, _ in before if p.grad is not None]
            with torch.no_grad():
                for p, step in steps:
                    p.sub_(TRIAL_RATE * step)
        yield
    finally:
        for p, value in before:
            p.data.copy_(value)


def _parameters(model: nn.Module, watch: _Watch) -> Iterator[Parameter]:
    """Describe each parameter once, with the gradient that it holds now."""
    seen: set[nn.Parameter] = set()
    for prefix, module in model.named_modules():
        for key, p in module._parameters.items():
            if p is None or p in seen:
                continue
            seen.add(p)
            kind = (kinds_of(module) or {}).get(key)
            cut = kind.cut if isinstance(kind, Weight) else lambda tensor: [tensor]
            w = p.detach()
            g = None if p.grad is None else p.grad.detach().to_dense()
            used = module in watch.called or g is not None  # a ParameterList is never called
            differ = pull = None
            matrix = p.dim() > 1 and not isinstance(kind, (Fixed, Own, Bias))
            if matrix and p.is_floating_point():
                pieces = [piece.flatten(1).double() for piece in cut(w)]
                if all(len(piece) > 1 for piece in pieces):
                    differ = max(_apart(piece) / (piece.norm().item() or 1.0) for piece in pieces)
                    if g is not None:
                        pull = max(
                            _apart(piece.flatten(1).double()) * math.sqrt(len(piece))
                            for piece in cut(g)
                        )
            yield Parameter(
                name=f"{prefix}.{key}".lstrip("."),
                layer=prefix,
                called=used,
                trainable=p.requires_grad,
                matrix=matrix,
                embedding=isinstance(module, (nn.Embedding, nn.EmbeddingBag)),
                size=w.double().norm().item()
                if not w.is_complex()
                else w.abs().double().norm().item(),
                gradient=None if g is None else g.abs().double().norm().item(),
                nonfinite=(~w.isfinite()).double().mean().item() if w.numel() else 0.0,
                rows_differ=differ,
                pull_apart=pull,
                units=len(p) if p.dim() else 1,
            )


def _apart(rows: Tensor) -> float:
    return float((rows - rows.mean(0)).norm())


def _own_or_stand_in(output: Any, target: Any) -> Any:
    """Return the model's own loss; without one, a sum of the outputs with random signs.

    Its gradient has length 1 for each sample, about that of a cross-entropy at the start.

    The mean square of the output would not do: behind a LayerNorm it is the same whatever the
    weights are, so that no gradient would come back.
    """
    own = own_loss(output)
    if own is not None:
        return own
    generator = torch.Generator().manual_seed(0)
    total: Any = 0
    for tensor in outputs_of(output):
        rows = _real(tensor).flatten(1) if tensor.dim() else tensor[None]
        signs = (torch.rand(rows.shape, generator=generator) < 0.5).to(rows) * 2 - 1
        total = total + (rows * signs).float().sum() / max(len(rows), 1) / math.sqrt(
            rows[0].numel()
        )
    return total


def _real(x: Tensor) -> Tensor:
    return torch.view_as_real(x) if x.is_complex() else x


def _guess(output: Any, x: Any, target: Any, loss: Loss | None, value: Tensor) -> float | None:
    """Return the loss of the best constant guess: ln C, or the variance of the targets."""
    if loss not in (None, _own_or_stand_in) and not _is_usual(output, target, value):
        return None
    if target is None and isinstance(x, Mapping) and own_loss(output) is not None:
        target = x.get("labels")
    if not isinstance(target, Tensor) or not target.numel():
        return None
    if target.is_floating_point():
        values = target.double()
        variance = (values - values.mean(0)).square().mean().item()
        return variance if variance > SAME * values.square().mean().item() else None
    logits = logits_of(output)
    return math.log(logits.shape[-1] if logits.shape[:-1] == target.shape else logits.shape[1])


def _is_usual(output: Any, target: Any, value: Tensor) -> bool:
    """Say whether a loss that was given is cross-entropy or mean squared error all the same."""
    if target is None:
        return False
    try:
        usual = usual_loss(logits_of(output), target)
    except (TypeError, ValueError, RuntimeError):  # the target is made for another loss
        return False
    return math.isclose(usual.item(), value.item(), rel_tol=1e-5)


def _unit(guess: float | None, value: float, stands_in: bool) -> float:
    known = abs(value) if guess is None and not stands_in else guess
    return known if known is not None and 0 < known < math.inf else 1.0
