"""Which lines could fix it? Candidates only: each is run on a copy before it is offered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from initlab.apply.layers import Bias, emits_sums, kinds_of
from initlab.diagnosis.case import Case
from initlab.diagnosis.facts import Parameter
from initlab.diagnosis.findings import Cure

LARGE = 1.0  # rms of a parameter of the model's own, such as positions; usual starts are far below
SMALL = 1e-3  # rms of a factor of the model's own
SHOWN = 4  # lines of one kind; more are written as a loop

Start = tuple[str, str]
"""A scheme, and its other arguments as they are written in a call."""

_KAIMING: Start = "kaiming_normal", ', nonlinearity="relu"'
_FORGET = ", forget_bias=1.0"
_STARTS: dict[str, Start] = {  # class of the nonlinearity → its start
    "ReLU": _KAIMING,
    "ReLU6": _KAIMING,
    "LeakyReLU": ("kaiming_normal", ', nonlinearity="leaky_relu", a=0.01'),
    "Tanh": ("xavier_normal", ""),
    "Softsign": ("xavier_normal", ""),
    "Hardtanh": ("xavier_normal", ""),
    "Sigmoid": ("xavier_normal", ", gain=4.0"),  # the slope of a sigmoid is 1/4
    "SELU": ("lecun_normal", ""),
}
_FILLS = {  # functions of `torch.nn.init` for a parameter of the model's own
    "product": "xavier_normal_({})",
    "kaiming": "kaiming_uniform_({}, a=5**0.5)",
    "relu": "xavier_normal_({}, gain=2**0.5)",
    "added": "normal_({}, std=0.02)",
    "one": "ones_({})",
    "zero": "zeros_({})",
}


def restarts(case: Case, named: Iterable[str] = ()) -> Iterator[Cure]:
    """Fill weights afresh: first what is out of range by itself, then the whole network.

    Weights that look trained, frozen ones and zeros that are there on purpose stay.

    Args:
        case: The network.
        named: Parameters that the finding names: they are no zeros on purpose.
    """
    yield from out_of_range(case)
    weights = [p for p in case.facts.parameters if p.matrix and p.trainable and p.known]
    own = [p for p in case.raw() if p.matrix]
    fresh = {p.layer for p in weights if p.name not in case.trained}
    if any(p.name in case.trained for p in weights):
        if 0 < len(fresh) <= SHOWN:
            yield layers(case, sorted(fresh))
    elif weights:
        usual = [whole(case, start, named) for start in starts(case)]
        lsuv = Cure(call=f"il.lsuv({case.names.model}, {case.names.x})")
        guessed = next(starts(case)) == _KAIMING and not _activations(case)
        yield from [lsuv, *usual] if guessed else [*usual, lsuv]
        if own:
            yield together(usual[0], raw_lines(case, own))
        yield whole(case, ("torch_default", ', bias="torch_default"'), named)
    if own:
        yield raw_lines(case, own)


def out_of_range(case: Case) -> Iterator[Cure]:
    """Fill parameters of the model's own that are far too large, or factors far too small."""
    held = dict(case.model.named_parameters())
    rms = {p: p.size / max(1.0, held[p.name].numel() ** 0.5) for p in case.raw()}
    large = [p for p, size in rms.items() if size > LARGE]
    small = [p for p, size in rms.items() if 0 < size < SMALL and "factor" in p.uses]
    for out in (large, small):
        if out:
            yield raw_lines(case, out)


def starts(case: Case) -> Iterator[Start]:
    """Name the start that this network's layers need."""
    modules = list(case.model.modules())
    names = " ".join(type(m).__name__ for m in modules)
    if any(isinstance(m, (nn.RNNBase, nn.RNNCellBase)) for m in modules):
        forgets = any(isinstance(m, (nn.LSTM, nn.LSTMCell)) for m in modules)
        yield "orthogonal", _FORGET if forgets else ""
        return
    normed = any(part in names for part in ("LayerNorm", "RMSNorm", "MultiheadAttention"))
    if "Attention" in names and normed:
        yield "xavier_uniform", ""
        return
    seen = _activations(case)
    if len(seen) == 1 and seen <= set(_STARTS):
        yield _STARTS[seen.pop()]
    else:
        yield _KAIMING
        if "Tanh" in seen:
            yield _STARTS["Tanh"]


def _activations(case: Case) -> set[str]:
    """Name the kinds of activations; of those that are called as functions, some are known."""
    seen = {layer.kind for layer in case.facts.trace.layers if layer.nonlinearity}
    operations = case.facts.graph.operations
    return seen or {k for k in ("ReLU", "Tanh", "Sigmoid") if k.capitalize() in operations}


def whole(case: Case, start: Start, named: Iterable[str]) -> Cure:
    """Put a scheme on the whole network, and scale branches if it calls them so."""
    scheme, options = start
    kept = [name for name in sorted(case.zeros - set(named)) if _fillable(case.model, name)]
    rules = ", ".join(f'il.Rule("{name}", "zeros")' for name in kept)
    call = f'il.initialize({case.names.model}, "{scheme}"{options}'
    call += f", rules=[{rules}])" if rules else ")"
    if any(name.split(".")[-1] == "branch" for name, _ in case.model.named_modules()):
        call += f'\nil.scale_residual({case.names.model}, "depth")'
    return Cure(call=call)


def _fillable(model: nn.Module, parameter: str) -> bool:
    module, _, key = parameter.rpartition(".")
    kind = kinds_of(model.get_submodule(module)).get(key)
    return kind is not None and not isinstance(kind, Bias)


def layers(case: Case, names: Sequence[str]) -> Cure:
    """Put the network's scheme on some layers only."""
    scheme, options = next(starts(case))
    options = options.replace(_FORGET, "")
    lines = [f'il.initialize({case.names.path(name)}, "{scheme}"{options})' for name in names]
    return Cure(call="\n".join(lines), local=True)


def together(*cures: Cure) -> Cure:
    """Do several things, one after the other."""
    return Cure(call="\n".join(c.call for c in cures), local=all(c.local for c in cures))


def raw_lines(case: Case, parameters: Sequence[Parameter], fill: str | None = None) -> Cure:
    """Fill parameters by a line of `torch.nn.init` each, or by a loop if there are many."""
    how = {p.name: _FILLS[fill or _fill_of(p, case)] for p in parameters}
    (ending, *_), (text, *others) = (n.rpartition(".")[2] for n in how), set(how.values())
    ended = {name for name, _ in case.model.named_parameters() if name.endswith(ending)}
    if len(how) > SHOWN and ended == set(how) and not others:
        call = (
            f"for name, p in {case.names.model}.named_parameters():\n"
            f'    if name.endswith("{ending}"): torch.nn.init.{text.format("p")}'
        )
    else:
        lines = (text.format(case.names.path(name)) for name, text in how.items())
        call = "\n".join(f"torch.nn.init.{line}" for line in lines)
    return Cure(call=call, local=True)


def _fill_of(p: Parameter, case: Case) -> str:
    """Say how a parameter of the model's own may start."""
    if p.matrix and "product" in p.uses:
        operations = case.facts.graph.operations
        return "relu" if "Relu" in operations and "Tanh" not in operations else "product"
    return "one" if "factor" in p.uses and "added" not in p.uses else "added"


def refill(case: Case, names: Collection[str], fill: str | None = None) -> Cure:
    """Fill only these parameters: whole layers that `il.initialize` knows, or raw ones."""
    parameters = case.facts.named(names)
    raw = [p for p in parameters if fill or not p.known]
    known = dict.fromkeys(p.layer for p in parameters if p not in raw)
    parts = [layers(case, [*known])] if known else []
    return together(*parts, *([raw_lines(case, raw, fill)] if raw else []))


def quiet_output(case: Case) -> Iterator[Cure]:
    """Let the output layer say what a guess says: weights 0, biases the frequencies or the mean."""
    layer, where = _output_layer(case)
    if layer is None:
        return
    own = {id(p) for p in layer.parameters()}
    others = (p for m in case.model.modules() if m is not layer for p in m._parameters.values())
    if emits_sums(layer) and own.isdisjoint(map(id, others)):
        mean = _mean_of_targets(case, layer)
        bias = "" if mean is None else f", bias={mean}"
        yield Cure(call=f'il.initialize({where}, "zeros"{bias})')


def output_bias(case: Case) -> Iterator[Cure]:
    """Let the output layer start at the mean of the targets, and keep its weights."""
    layer, where = _output_layer(case)
    mean = None if layer is None else _mean_of_targets(case, layer)
    if mean is None:
        return
    if len(set(mean)) == 1:
        yield Cure(call=f"torch.nn.init.constant_({where}.bias, {mean[0]})")
    else:
        yield Cure(call=f"{where}.bias.data.copy_(torch.tensor({mean}))")


def _output_layer(case: Case) -> tuple[nn.Module | None, str]:
    """Return the output layer and how it is written; a trace calls the model by its class."""
    name, modules = case.facts.last.split(":")[0], dict(case.model.named_modules())
    path = name if name in modules else ""
    return (modules[path] if name else None), case.names.path(path)


def _mean_of_targets(case: Case, layer: nn.Module) -> list[float] | None:
    """Return the mean of the targets for each output, if they are values and there is a bias."""
    bias = getattr(layer, "bias", None)
    known = case.facts.guess.values and isinstance(case.target, Tensor)
    if not (known and isinstance(bias, Tensor)):
        return None
    values = case.target.detach().double()
    if isinstance(layer, _ConvNd) and values.dim() > 2:
        values = values.movedim(1, -1)
    fits = values.shape[-1:] == bias.shape
    mean = values.reshape(-1, len(bias)).mean(0) if fits else values.mean().expand(len(bias))
    return [float(f"{value:.4g}") for value in mean.tolist()]
