"""Which call mends it? The start that fits a network's layers, or the one layer at fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from initlab.apply import initialize, lsuv, scale_residual
from initlab.apply.layers import Weight, kinds_of
from initlab.diagnosis.examining import Facts
from initlab.diagnosis.findings import Cure

LARGE = 1.0  # rms of a parameter of the model's own, such as positions; usual starts are far below

STANDARDISE = "standardise the data: x = (x - x.mean()) / x.std()"


def restart(model: nn.Module, x: Any, facts: Facts) -> Cure:
    """Fill all weights with the start that this network's layers need, and biases with 0."""
    modules = list(model.modules())
    if any(isinstance(m, (nn.RNNBase, nn.RNNCellBase)) for m in modules):
        return _recurrent(modules)
    names = {type(m).__name__ for m in modules}
    if _has(names, "Attention") and _has(names, "LayerNorm", "RMSNorm", "MultiheadAttention"):
        return _attention(model)  # and no block of a convolutional network
    seen = {layer.kind for layer in facts.trace.layers if layer.nonlinearity}
    if any(name.split(".")[-1] == "branch" for name, _ in model.named_modules()):
        return _branches(seen)
    known = seen & set(_STARTS)
    if len(seen) == 1 and known:
        scheme, options = _STARTS[seen.pop()]
        return Cure(call=_call(scheme, options), apply=_filling(scheme, options))
    if not any(_known(model, name) for name, p in model.named_parameters() if p.requires_grad):
        return advise(
            "il.initialize leaves parameters of your own layers alone: name them in a rule, as "
            'in il.initialize(model, "xavier_uniform", rules=[il.Rule("NAME", "xavier_uniform")])'
        )
    return Cure(call="il.lsuv(model, x)", apply=lambda model: lsuv(model, x))


def _has(names: Iterable[str], *parts: str) -> bool:
    return any(part in name for name in names for part in parts)


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


def _call(scheme: str, options: Mapping[str, Any]) -> str:
    given = "".join(f", {name}={_quoted(value)}" for name, value in options.items())
    return f'il.initialize(model, "{scheme}"{given})'


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _filling(scheme: str, options: Mapping[str, Any]) -> Any:
    return lambda model: initialize(model, scheme, **options)


def _recurrent(modules: list[nn.Module]) -> Cure:
    forgets = any(isinstance(m, (nn.LSTM, nn.LSTMCell)) for m in modules)
    options = {"forget_bias": 1.0} if forgets else {}
    return Cure(call=_call("orthogonal", options), apply=_filling("orthogonal", options))


def _attention(model: nn.Module) -> Cure:
    """Xavier for the projections; parameters that `il.initialize` does not know, if too large."""
    large = [
        name
        for name, p in model.named_parameters()
        if not _known(model, name) and p.dim() > 1 and not _rms(p) <= LARGE
    ]
    lines = [_call("xavier_uniform", {})]
    lines += [f"torch.nn.init.normal_({path(name)}, std=0.02)" for name in large]

    def apply(model: nn.Module) -> Any:
        report = initialize(model, "xavier_uniform")
        parameters = dict(model.named_parameters())
        for name in large:
            nn.init.normal_(parameters[name], std=0.02)
        return report

    return Cure(call="\n".join(lines), apply=apply)


def _known(model: nn.Module, parameter: str) -> bool:
    module, _, key = parameter.rpartition(".")
    return key in (kinds_of(model.get_submodule(module)) or {})


def _rms(p: Tensor) -> float:
    return float(p.detach().double().square().mean().sqrt())


def _branches(seen: set[str]) -> Cure:
    kind = next(iter(seen)) if len(seen) == 1 else "ReLU"
    scheme, options = _STARTS.get(kind, ("kaiming_normal", _RELU))

    def apply(model: nn.Module) -> Any:
        initialize(model, scheme, **options)
        return scale_residual(model, "depth")

    return Cure(call=f'{_call(scheme, options)}\nil.scale_residual(model, "depth")', apply=apply)


def quiet_output(model: nn.Module, x: Any, target: Any, facts: Facts) -> Cure:
    """Let the last layer say what a guess says: weights 0, biases the frequencies or the mean."""
    name = facts.last.split(":")[0]
    layer = model.get_submodule(name) if name else model
    kinds = kinds_of(layer) or {}
    own = {id(p) for p in layer.parameters()}
    others = [p for n, m in model.named_modules() if m is not layer for p in m._parameters.values()]
    is_head = isinstance(kinds.get("weight"), Weight) and "bias" in kinds
    if not is_head or any(id(p) in own for p in others if p is not None):
        return restart(model, x, facts)
    bias = layer.bias
    options: dict[str, Any] = {}
    if isinstance(target, Tensor) and target.is_floating_point() and isinstance(bias, Tensor):
        values = target.detach().double()
        if isinstance(layer, _ConvNd) and values.dim() > 2:
            values = values.movedim(1, -1)
        fits = values.shape[-1:] == bias.shape
        mean = values.reshape(-1, len(bias)).mean(0) if fits else values.mean().expand(len(bias))
        options["bias"] = [float(f"{value:.4g}") for value in mean.tolist()]
    given = f", bias={options['bias']}" if options else ""
    return Cure(
        call=f'il.initialize({path(name)}, "zeros"{given})',
        apply=lambda model: initialize(model.get_submodule(name), "zeros", **options),
    )


def path(name: str) -> str:
    """Write a module's or parameter's name as Python: `model.layers[3].weight`."""
    parts = [f"[{part}]" if part.isdigit() else f".{part}" for part in name.split(".") if part]
    return "model" + "".join(parts)


def unfreeze() -> Cure:
    """Let every parameter learn."""
    return Cure(call="model.requires_grad_(True)", apply=lambda model: model.requires_grad_(True))


def advise(sentence: str) -> Cure:
    """Say what only the author can do."""
    return Cure(call=sentence)
