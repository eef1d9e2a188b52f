"""What fills each parameter? Decided, and checked, before anything changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize

from initlab.apply.layers import Bias, Fixed, Kind, Own, Weight, kinds_of
from initlab.apply.rules import Fit, Rule, numbers
from initlab.apply.slots import Slot, slots
from initlab.arguments import number
from initlab.schemes import Constant, Scheme, TorchDefault
from initlab.schemes.base import check_generator

Filler = Scheme | Tensor | None
"""What fills a parameter: a scheme, the values themselves, or None: it is left as it is."""


@dataclass
class Settings:
    """What the caller asked for, resolved."""

    weight: Scheme
    bias: Scheme | Tensor
    rules: Sequence[Rule] = ()
    output: tuple[str, Tensor] | None = None
    forget: float | None = None


@dataclass
class Job:
    """What is to be done with one parameter."""

    layer: str
    module: nn.Module
    slot: Slot
    kind: Kind | None
    filler: Filler
    note: str = ""
    forget: float | None = None
    now: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.now = self.slot.value()

    @property
    def name(self) -> str:
        """The parameter's name in the model."""
        return f"{self.layer}.{self.slot.name}" if self.layer else self.slot.name

    def pieces(self, tensor: Tensor) -> list[Tensor]:
        """Cut the parameter's tensor into the matrices that are filled one by one."""
        return self.kind.cut(tensor) if isinstance(self.kind, Weight) else [tensor]


def plan(
    model: nn.Module,
    settings: Settings,
    generator: Generator | None,
    loaded: Mapping[str, str] | None = None,
) -> list[Job]:
    """Decide what fills each parameter, and raise what can be foreseen.

    Args:
        model: The model; it is only read.
        settings: What the caller asked for.
        generator: Source of the random numbers.
        loaded: Full names of parameters that are taken care of, each with a note.
    """
    if settings.forget is not None:
        number("forget_bias", settings.forget)
    used: set[int] = set()
    filled: dict[int, str] = {}
    jobs = []
    for layer, module in walk(model):
        kinds = kinds_of(module)
        for slot in slots(module).values():
            kind = (kinds or {}).get(slot.name)
            rule, fit = _first_fit(settings.rules, used, layer, module, slot)
            reason = _why_left(layer, slot, filled, loaded or {})
            job = Job(layer, module, slot, kind, None, reason)
            if not reason:
                job.filler, job.note = _decide(settings, job, rule, fit)
                if isinstance(kind, Bias) and kind.forget and isinstance(job.filler, Scheme):
                    job.forget = settings.forget
                _check(job, generator)
            for parameter in slot.parameters().values():
                filled.setdefault(id(parameter), job.name)
            jobs.append(job)
    _check_used(model, settings, used, jobs)
    return jobs


def walk(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Go through the modules in the order of `model.apply`: children first, each once."""
    seen: set[nn.Module] = set()

    def visit(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
        if module in seen:
            return
        seen.add(module)
        for child_name, child in module.named_children():
            if child_name == "parametrizations" and parametrize.is_parametrized(module):
                continue  # `slots` reads those
            yield from visit(f"{name}.{child_name}" if name else child_name, child)
        yield name, module

    return visit("", model)


def _first_fit(
    rules: Sequence[Rule], used: set[int], layer: str, module: nn.Module, slot: Slot
) -> tuple[Rule | None, Fit | None]:
    for index, rule in enumerate(rules):
        names = [slot.name, *slot.parameters()]
        for fit in (rule.fit(layer, module, name) for name in names):
            if fit:
                used.add(index)
                return rule, fit
    return None, None


def _why_left(layer: str, slot: Slot, filled: Mapping[int, str], loaded: Mapping[str, str]) -> str:
    """Say why a parameter must stay as it is; empty where it need not."""
    parameters = slot.parameters()
    full = [f"{layer}.{name}" if layer else name for name in parameters]
    if loaded and all(name in loaded for name in full):
        return loaded[full[0]]
    for parameter in parameters.values():
        if id(parameter) in filled:
            return f"tied to {filled[id(parameter)]}: set there"
        if not parameter.requires_grad:
            return "frozen (requires_grad=False)"
        if not parameter.is_floating_point():
            return f"dtype {parameter.dtype} holds no real numbers"
    return ""


def _decide(settings: Settings, job: Job, rule: Rule | None, fit: Fit | None) -> tuple[Filler, str]:
    """Choose what fills a parameter, and what to note about it."""
    weight = rule.scheme if rule and rule.scheme else settings.weight
    bias = rule.bias if rule and rule.bias is not None else settings.bias
    exactly = rule.scheme if rule and fit == "parameter" else None
    match job.kind:
        case Weight():
            return weight, job.kind.note
        case Bias():
            if settings.output and settings.output[0] == job.name:
                return settings.output[1], "log frequencies of the classes"
            return exactly or bias, ""
        case Fixed():
            by_type = rule.scheme if rule and fit == "type" and job.slot.name == "weight" else None
            if rule and rule.bias is not None and fit == "type" and job.slot.name == "bias":
                return rule.bias, ""
            return exactly or by_type or Constant(val=job.kind.value), ""
        case Own():
            own = rule.scheme if rule and fit in ("type", "parameter") else None
            return (own, "") if own else (TorchDefault(), "the layer's own start")
    if exactly:
        return exactly, ""
    if rule and job.now.dim() > 1:
        return weight, ""
    if rule and job.slot.name.endswith("bias"):
        return bias, ""
    if isinstance(weight, TorchDefault) and hasattr(job.module, "reset_parameters"):
        return weight, ""
    kind = type(job.module).__name__
    if kinds_of(job.module) is None:
        return None, f"{kind} is not a known layer type: give it a rule"
    return None, f"not a parameter that apply.LAYERS knows of {kind}: give it a rule"


def _check(job: Job, generator: Generator | None) -> None:
    """Raise what filling this parameter would raise."""
    check_generator(generator, job.now.device)
    if isinstance(job.filler, Tensor):
        if job.filler.shape != job.now.shape:
            raise ValueError(
                f"bias must have as many values as {job.name}, which has {job.now.numel()}, "
                f"got {job.filler.numel()}: give it in a rule for the layers that it is for."
            )
    elif job.filler is not None and not isinstance(job.filler, TorchDefault):
        for piece in job.pieces(job.now):
            try:
                job.filler.check(piece, generator)
            except ValueError as error:
                raise ValueError(
                    f"{job.name} ({type(job.module).__name__}): {error} "
                    f"Give it a scheme of its own with rules=[il.Rule({job.layer!r}, ...)]."
                ) from None


def _check_used(model: nn.Module, settings: Settings, used: set[int], jobs: Sequence[Job]) -> None:
    for index, rule in enumerate(settings.rules):
        if index not in used:
            names = [name for name, module in model.named_modules() if slots(module)]
            shown = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
            raise ValueError(
                f"rules[{index}] {rule!r} fits no parameter that is still free for it: earlier "
                f"rules win, and a name must match as a whole ('*' matches anything). "
                f"Layers with parameters: {shown}."
            )
    if settings.forget is not None and not any(job.forget is not None for job in jobs):
        raise ValueError(
            "forget_bias is for LSTM layers, and the model has none with a bias to set."
        )


def check_rules(rules: Any) -> list[Rule]:
    """Raise unless these are rules."""
    if isinstance(rules, Rule):
        raise TypeError(f"rules must be a list of il.Rule, got one rule: write rules=[{rules!r}].")
    found = list(rules or [])
    for index, rule in enumerate(found):
        if not isinstance(rule, Rule):
            raise TypeError(
                f"rules must be a list of il.Rule, got {rule!r} of type "
                f"{type(rule).__name__} at place {index}."
            )
    return found


def output_of(model: nn.Module, frequencies: Any) -> tuple[str, Tensor]:
    """Find the bias of the output layer, and its values from class frequencies."""
    counts = numbers("output_bias", frequencies).double()
    if counts.dim() != 1 or len(counts) < 2 or not (counts.isfinite() & (counts > 0)).all():
        raise ValueError(
            "output_bias must be the frequencies of at least 2 classes, each finite and above 0, "
            f"got {counts.tolist()}: give a class that never came a small count."
        )
    logs = (counts / counts.sum()).log()
    found = [
        (f"{name}.bias".lstrip("."), len(slot.value()))
        for name, module in model.named_modules()
        if isinstance((kinds_of(module) or {}).get("bias"), Bias)
        for slot in [slots(module).get("bias")]
        if slot is not None
    ]
    for name, size in reversed(found):
        if size == len(counts):
            return name, logs
        if size == 1 and len(counts) == 2:
            return name, (logs[1] - logs[0]).reshape(1)
    raise ValueError(
        f"output_bias has {len(counts)} classes, but no layer has a bias of that many entries. "
        f"Sizes of biases: {', '.join(f'{name} {size}' for name, size in found) or 'none'}."
    )
