"""What fills each weight of a model? Decided, and checked, before anything changes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Generator, Tensor, nn

from initlab.apply.layers import Bias, Fixed, Kind, Weight, kinds_of, pieces
from initlab.apply.parametrized import HOOKED, Held, held
from initlab.apply.rules import Fit, Rule
from initlab.schemes import SCHEMES, Scheme, TorchDefault
from initlab.schemes.base import check_generator


@dataclass(frozen=True)
class Settings:
    """What the caller asked for, resolved."""

    weight: Scheme
    bias: Scheme | Tensor
    rules: Sequence[Rule] = ()
    output: tuple[str, Tensor] | None = None
    forget: float | None = None


@dataclass(frozen=True)
class Step:
    """What is done with one weight."""

    layer: str  # name of its module in the model
    weight: Held
    kind: Kind | None  # what the table of layers says of it; None where it says nothing
    filler: Scheme | Tensor | None = None  # None: it stays as it is
    note: str = ""  # why it stays, or how it is cut or held
    forget: float | None = None  # value of an LSTM's forget gate, in its biases

    @property
    def name(self) -> str:
        """The weight's name in the model."""
        return join(self.layer, self.weight.name)


def plan(
    model: nn.Module,
    settings: Settings,
    generator: Generator | None = None,
    kept: Mapping[str, str] | None = None,
) -> list[Step]:
    """Decide what fills each weight, and raise what can be foreseen; nothing changes.

    `kept` has the full names of parameters that stay as they are, each with a note.
    """
    used: set[int] = set()
    seen: dict[int, str] = {}
    steps = []
    for layer, module in walk(model):
        kinds = kinds_of(module)
        for weight in held(module).values():
            step = Step(layer, weight, kinds.get(weight.name))
            rule, fit = _first_fit(settings.rules, used, step)
            reason = _why_kept(step, seen, kept or {})
            step = replace(step, note=reason) if reason else _decide(settings, step, rule, fit)
            _check(step, generator)
            for parameter in weight.parameters().values():
                seen.setdefault(id(parameter), step.name)
            steps.append(step)
    _check_used(model, settings, used, steps)
    return steps


def walk(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """List the modules in the order of `model.apply`: children first, each once."""
    names = {module: name for name, module in model.named_modules()}
    order: dict[nn.Module, None] = {}
    model.apply(order.setdefault)
    return [(names[module], module) for module in order]


def _first_fit(rules: Sequence[Rule], used: set[int], step: Step) -> tuple[Rule | None, Fit | None]:
    for index, rule in enumerate(rules):
        for name in [step.weight.name, *step.weight.parameters()]:
            if fit := rule.fit(step.layer, step.weight.module, name):
                used.add(index)
                return rule, fit
    return None, None


def _why_kept(step: Step, seen: Mapping[int, str], kept: Mapping[str, str]) -> str:
    """Say why a weight must stay as it is; empty where it need not."""
    parameters = step.weight.parameters()
    full = [join(step.layer, name) for name in parameters]
    if kept and all(name in kept for name in full):
        return kept[full[0]]
    for parameter in parameters.values():
        if id(parameter) in seen:
            return f"tied to {seen[id(parameter)]}: set there"
        if not parameter.requires_grad:
            return "frozen (requires_grad=False)"
        if step.weight.note == HOOKED:
            return f"{HOOKED}: remove the hook to set it"
        if not parameter.is_floating_point():
            return f"dtype {parameter.dtype} holds no real numbers"
    return ""


def _decide(settings: Settings, step: Step, rule: Rule | None, fit: Fit | None) -> Step:
    """Choose what fills a weight, and what to note about it."""
    name, module = step.weight.name, step.weight.module
    weight = rule.scheme if rule and rule.scheme else settings.weight
    bias = rule.bias if rule and rule.bias is not None else settings.bias
    exactly = rule.scheme if rule and fit == "parameter" else None
    match step.kind:
        case Weight():
            return replace(step, filler=weight, note=step.kind.note)
        case Bias():
            if settings.output and settings.output[0] == step.name:
                note = "log frequencies of the classes"
                return replace(step, filler=settings.output[1], note=note)
            filler = exactly or bias
            forgets = step.kind.forget is not None and isinstance(filler, Scheme)
            return replace(step, filler=filler, forget=settings.forget if forgets else None)
        case Fixed():
            chosen: Scheme | Tensor | None = exactly
            if rule and fit == "type":
                chosen = rule.scheme if name == "weight" else rule.bias
            return replace(step, filler=step.kind.scheme if chosen is None else chosen)
    if exactly:
        return replace(step, filler=exactly)
    if rule and step.weight.value().dim() > 1:
        return replace(step, filler=weight)
    if rule and _LIKE_A_BIAS.fullmatch(name):
        return replace(step, filler=bias)
    if isinstance(weight, TorchDefault) and hasattr(module, "reset_parameters"):
        return replace(step, filler=weight)
    kind = type(module).__name__
    why = f"not a parameter that apply.LAYERS knows of {kind}"
    if not kinds_of(module):
        why = f"{kind} is not a known layer type"
    return replace(step, note=f"{why}: give it a rule, {_advice(step, settings)}")


_LIKE_A_BIAS = re.compile(r"(.*_)?(bias|b|beta|shift|offset)(_?\d+)?|b_.*|.*bias")


def _advice(step: Step, settings: Settings) -> str:
    """Write the rule that would fill this parameter."""
    usual = settings.weight.name if settings.weight.name in SCHEMES else "normal"
    if step.weight.value().dim() < 2:
        usual = "zeros" if _LIKE_A_BIAS.fullmatch(step.weight.name) else "ones"
    return f"il.Rule({step.name!r}, {usual!r})"


def _check(step: Step, generator: Generator | None) -> None:
    """Raise what filling this weight would raise."""
    now = step.weight.value()
    if step.filler is not None:
        check_generator(generator, now.device)
    if isinstance(step.filler, Tensor):
        if step.filler.shape != now.shape:
            raise ValueError(
                f"bias must have as many values as {step.name}, which has {now.numel()}, "
                f"got {step.filler.numel()}: give it in a rule for the layers that it is for."
            )
    elif step.filler is not None and not isinstance(step.filler, TorchDefault):
        for piece in pieces(step.kind, now):
            try:
                step.filler.check(piece, generator)
            except ValueError as error:
                raise ValueError(
                    f"{step.name} ({type(step.weight.module).__name__}): {error} "
                    f"Give it a scheme of its own with rules=[il.Rule({step.layer!r}, ...)]."
                ) from None


def _check_used(
    model: nn.Module, settings: Settings, used: set[int], steps: Sequence[Step]
) -> None:
    for index, rule in enumerate(settings.rules):
        if index not in used:
            names = [name for name, module in model.named_modules() if held(module)]
            shown = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
            raise ValueError(
                f"rules[{index}] {rule!r} fits no parameter that is still free for it: earlier "
                f"rules win, and a name must match as a whole ('*' matches anything). "
                f"Layers with parameters: {shown}."
            )
    if settings.forget is not None and not any(step.forget is not None for step in steps):
        raise ValueError(
            "forget_bias is for LSTM layers, and the model has none with a bias to set."
        )


def join(layer: str, name: str) -> str:
    """Write the full name of a parameter."""
    return f"{layer}.{name}" if layer else name
