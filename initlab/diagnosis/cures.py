"""Which lines could fix it? Candidates only: each is tried on a copy before it is offered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from initlab.apply import Rule, initialize, lsuv, scale_residual
from initlab.apply.layers import Bias, Weight, emits_sums, kinds_of
from initlab.diagnosis.case import Case
from initlab.diagnosis.facts import Parameter
from initlab.diagnosis.findings import Cure

LARGE = 1.0  # rms of a parameter of the model's own, such as positions; usual starts are far below
SMALL = 1e-3  # rms of a factor of the model's own
SHOWN = 4  # lines of one kind; more are written as a loop


def restarts(case: Case, named: Iterable[str] = ()) -> Iterator[Cure]:
    """Fill weights afresh: first what is out of range by itself, then the whole network.

    Weights that look trained, frozen ones and zeros that are there on purpose stay.

    Args:
        case: The network.
        named: Parameters that the finding names: they are no zeros on purpose.
    """
    yield from out_of_range(case)
    weights = [p for p in case.facts.parameters if p.matrix and p.trainable and p.known]
    trained = [p for p in weights if p.name in case.trained]
    own = [p for p in case.raw() if p.matrix]
    if weights and trained:
        fresh = {p.layer for p in weights if p.name not in case.trained}
        if 0 < len(fresh) <= SHOWN:
            yield layers(case, sorted(fresh))
    elif weights:
        starts = list(schemes(case))
        usual = [whole(case, scheme, options, named) for scheme, options in starts]
        guessed = starts[0] == _GUESS and not _activations(case)
        yield from [_lsuv(case), *usual] if guessed else [*usual, _lsuv(case)]
        if own:
            yield together(usual[0], raw_lines(case, own))
        yield whole(case, "torch_default", {"bias": "torch_default"}, named)
    if own:
        yield raw_lines(case, own)


def out_of_range(case: Case) -> Iterator[Cure]:
    """Fill parameters of the model's own that are far too large, or factors far too small."""
    sizes = {p: p.size / max(1.0, _elements(case, p) ** 0.5) for p in case.raw()}
    large = [p for p, size in sizes.items() if size > LARGE]
    small = [p for p, size in sizes.items() if 0 < size < SMALL and "factor" in p.uses]
    for out in (large, small):
        if out:
            yield raw_lines(case, out)


def _elements(case: Case, p: Parameter) -> int:
    return case.model.get_parameter(p.name).numel()


_RELU: dict[str, Any] = {"nonlinearity": "relu"}
_STARTS: dict[str, tuple[str, dict[str, Any]]] = {  # class of the nonlinearity → its start
    "ReLU": ("kaiming_normal", _RELU),
    "ReLU6": ("kaiming_normal", _RELU),
    "LeakyReLU": ("kaiming_normal", {"nonlinearity": "leaky_relu", "a": 0.01}),
    "Tanh": ("xavier_normal", {}),
    "Softsign": ("xavier_normal", {}),
    "Hardtanh": ("xavier_normal", {}),
    "Sigmoid": ("xavier_normal", {"gain": 4.0}),  # the slope of a sigmoid is 1/4
    "SELU": ("lecun_normal", {}),
}
_GUESS = ("kaiming_normal", _RELU)


def schemes(case: Case) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name the start that this network's layers need."""
    modules = list(case.model.modules())
    names = {type(m).__name__ for m in modules}
    if any(isinstance(m, (nn.RNNBase, nn.RNNCellBase)) for m in modules):
        forgets = any(isinstance(m, (nn.LSTM, nn.LSTMCell)) for m in modules)
        yield "orthogonal", {"forget_bias": 1.0} if forgets else {}
        return
    normed = _has(names, "LayerNorm", "RMSNorm", "MultiheadAttention")
    if _has(names, "Attention") and normed:
        yield "xavier_uniform", {}
        return
    seen = _activations(case)
    if len(seen) == 1 and seen <= set(_STARTS):
        yield _STARTS[seen.pop()]
    else:
        yield _GUESS
        if "Tanh" in seen:
            yield "xavier_normal", {}


def _activations(case: Case) -> set[str]:
    """Name the kinds of activations; of those that are called as functions, some are known."""
    seen = {layer.kind for layer in case.facts.trace.layers if layer.nonlinearity}
    operations = case.facts.graph.operations
    return seen or {k for k in ("ReLU", "Tanh", "Sigmoid") if k.capitalize() in operations}


def _has(names: Iterable[str], *parts: str) -> bool:
    return any(part in name for name in names for part in parts)


def whole(case: Case, scheme: str, options: Mapping[str, Any], named: Iterable[str]) -> Cure:
    """Put a scheme on the whole network, and scale branches if it calls them so."""
    kept = [name for name in sorted(case.zeros - set(named)) if _fillable(case.model, name)]
    branches = any(name.split(".")[-1] == "branch" for name, _ in case.model.named_modules())
    rules = ", ".join(f'il.Rule("{name}", "zeros")' for name in kept)
    call = f'il.initialize({case.names.model}, "{scheme}"{_written(options)}'
    call += f", rules=[{rules}])" if rules else ")"
    if branches:
        call += f'\nil.scale_residual({case.names.model}, "depth")'

    def apply(model: nn.Module) -> Any:
        report = initialize(
            model, scheme, rules=[Rule(name, "zeros") for name in kept] or None, **options
        )
        return scale_residual(model, "depth") if branches else report

    return Cure(call=call, apply=apply)


def _lsuv(case: Case) -> Cure:
    call = f"il.lsuv({case.names.model}, {case.names.x})"
    return Cure(call=call, apply=lambda model: lsuv(model, case.x))


def layers(case: Case, names: Sequence[str]) -> Cure:
    """Put the network's scheme on some layers only."""
    scheme, options = next(schemes(case))
    options = {k: v for k, v in options.items() if k != "forget_bias"}
    calls = [f'il.initialize({case.names.path(n)}, "{scheme}"{_written(options)})' for n in names]

    def apply(model: nn.Module) -> Any:
        return [initialize(_module(model, n), scheme, **options) for n in names][-1]

    return Cure(call="\n".join(calls), apply=apply, local=True)


def together(*cures: Cure) -> Cure:
    """Do several things, one after the other."""

    def apply(model: nn.Module) -> Any:
        return [cure.apply(model) for cure in cures if cure.apply is not None]

    return Cure(
        call="\n".join(cure.call for cure in cures),
        apply=apply,
        local=all(cure.local for cure in cures),
    )


Fill = tuple[str, Callable[[Tensor], Any]]
_FILLS: dict[str, Fill] = {
    "product": ("xavier_normal_({})", nn.init.xavier_normal_),
    "kaiming": ("kaiming_uniform_({}, a=5**0.5)", lambda t: nn.init.kaiming_uniform_(t, a=5**0.5)),
    "relu": ("xavier_normal_({}, gain=2**0.5)", lambda t: nn.init.xavier_normal_(t, gain=2**0.5)),
    "added": ("normal_({}, std=0.02)", lambda t: nn.init.normal_(t, std=0.02)),
    "one": ("ones_({})", nn.init.ones_),
    "zero": ("zeros_({})", nn.init.zeros_),
}


def fill_of(p: Parameter, case: Case) -> str:
    """Say how a parameter of the model's own may start."""
    held = case.model.get_parameter(p.name)
    if p.matrix and "product" in p.uses and held.dim() > 1:
        rectified = "Relu" in case.facts.graph.operations
        return "relu" if rectified and "Tanh" not in case.facts.graph.operations else "product"
    return "one" if "factor" in p.uses and "added" not in p.uses else "added"


def raw_lines(case: Case, parameters: Sequence[Parameter], fill: str | None = None) -> Cure:
    """Fill parameters by a line of `torch.nn.init` each, or by a loop if there are many."""
    how = {p.name: fill or fill_of(p, case) for p in parameters}
    endings = {name.rpartition(".")[2] for name in how}
    if len(how) > SHOWN and len(endings) == 1 and len(set(how.values())) == 1:
        (ending,), text = endings, _FILLS[next(iter(how.values()))][0].format("p")
        call = (
            f"for name, p in {case.names.model}.named_parameters():\n"
            f'    if name.endswith("{ending}"): torch.nn.init.{text}'
        )
    else:
        lines = (_FILLS[kind][0].format(case.names.path(name)) for name, kind in how.items())
        call = "\n".join(f"torch.nn.init.{line}" for line in lines)

    def apply(model: nn.Module) -> Any:
        held = dict(model.named_parameters())
        for name, kind in how.items():
            _FILLS[kind][1](held[name])

    return Cure(call=call, apply=apply, local=True)


def refill(case: Case, names: Sequence[str], fill: str | None = None) -> Cure:
    """Fill only these parameters: whole layers that `il.initialize` knows, or raw ones."""
    parameters = [p for p in case.facts.parameters if p.name in set(names)]
    known = list(dict.fromkeys(p.layer for p in parameters if p.known))
    raw = [p for p in parameters if not p.known]
    parts = []
    if known and fill is None and all(kinds_of(case.model.get_submodule(n)) for n in known):
        parts.append(layers(case, known))
    elif known:
        raw = parameters
    if raw:
        parts.append(raw_lines(case, raw, fill))
    return together(*parts)


def quiet_output(case: Case) -> Iterator[Cure]:
    """Let the output layer say what a guess says: weights 0, biases the frequencies or the mean."""
    name = case.facts.last.split(":")[0]
    if not case.facts.last:
        return
    layer = _module(case.model, name)
    own = {id(p) for p in layer.parameters()}
    modules = [m for m in case.model.modules() if m is not layer]
    shared = any(id(p) in own for m in modules for p in m._parameters.values() if p is not None)
    if not emits_sums(layer) or shared:
        return
    where = case.names.path("" if layer is case.model else name)
    options: dict[str, Any] = {}
    mean = mean_of_targets(case)
    if mean is not None:
        options["bias"] = mean
    yield Cure(
        call=f'il.initialize({where}, "zeros"{_written(options)})',
        apply=lambda model: initialize(_module(model, name), "zeros", **options),
    )


def output_bias(case: Case) -> Iterator[Cure]:
    """Let the output layer start at the mean of the targets, and keep its weights."""
    name, mean = case.facts.last.split(":")[0], mean_of_targets(case)
    if not case.facts.last or mean is None:
        return
    where = case.names.path(name)

    def apply(model: nn.Module) -> Any:
        with torch.no_grad():
            bias: Any = _module(model, name).bias
            bias.copy_(torch.tensor(mean).to(bias))

    if len(set(mean)) == 1:
        call = f"torch.nn.init.constant_({where}.bias, {mean[0]})"
    else:
        call = f"{where}.bias.data.copy_(torch.tensor({mean}))"
    yield Cure(call=call, apply=apply)


def mean_of_targets(case: Case) -> list[float] | None:
    """Return the mean of the targets for each output, if they are values and there is a bias."""
    name, target = case.facts.last.split(":")[0], case.target
    layer = _module(case.model, name)
    bias = getattr(layer, "bias", None)
    if not (isinstance(target, Tensor) and target.is_floating_point() and isinstance(bias, Tensor)):
        return None
    if not case.facts.guess.values:
        return None
    values = target.detach().double()
    if isinstance(layer, _ConvNd) and values.dim() > 2:
        values = values.movedim(1, -1)
    fits = values.shape[-1:] == bias.shape
    mean = values.reshape(-1, len(bias)).mean(0) if fits else values.mean().expand(len(bias))
    return [float(f"{value:.4g}") for value in mean.tolist()]


def _module(model: nn.Module, name: str) -> nn.Module:
    """Return a layer by its name in a trace, where the model itself has the name of its class."""
    found: nn.Module = dict(model.named_modules()).get(name, model)
    return found


def _fillable(model: nn.Module, parameter: str) -> bool:
    module, _, key = parameter.rpartition(".")
    kind = kinds_of(model.get_submodule(module)).get(key)
    return kind is not None and (isinstance(kind, Weight) or not isinstance(kind, Bias))


def _written(options: Mapping[str, Any]) -> str:
    return "".join(
        f', {name}="{value}"' if isinstance(value, str) else f", {name}={value!r}"
        for name, value in options.items()
    )
