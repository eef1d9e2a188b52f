"""How do I start from weights that someone trained, and see what did not fit?"""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from initlab.apply.initialize import fill_in, report
from initlab.apply.parametrized import restored_on_failure
from initlab.apply.plan import Settings, plan
from initlab.apply.report import Report, Row, joined
from initlab.apply.rules import AnyBias, AnyScheme, Rule, check_rules, resolve_bias
from initlab.arguments import network
from initlab.schemes import TorchDefault
from initlab.schemes import scheme as find_scheme

Weights = Mapping[str, Tensor]
_WRAPPERS = r"\b(module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
"""What DataParallel, torch.compile, FSDP and checkpointing put into the names of what they wrap."""
_NOTES = {
    "loaded": "loaded",
    "missing": "missing in the weights",
    "unexpected": "unexpected: the model has no such tensor",
}
_TRIED = 32  # a prefix is on all names, so a few of them give every candidate


def initialize_from(
    model: nn.Module,
    state_dict_or_path: Weights | str | os.PathLike[str],
    *,
    strict: bool = True,
    scheme: AnyScheme | None = None,
    bias: AnyBias = "zeros",
    rules: Sequence[Rule] | None = None,
    generator: Generator | None = None,
    **params: Any,
) -> Report:
    """Start a model from pretrained weights, and tell what was loaded and what was not.

    A file is read with `weights_only`, so it cannot run code. With `strict=False`, what fits is
    loaded, and the rest of the model is filled with `scheme` or left as it is. Where names differ
    by a prefix (`module.`, `_orig_mod.`), or the tensors lie deeper in a checkpoint, the error says
    what to pass instead.

    If anything fails, the model and the random state are as they were.

    Args:
        model: Any module; it is changed in place.
        state_dict_or_path: Tensors by name, or a file that `torch.save(model.state_dict())` wrote.
        strict: Whether every tensor of the model must be there, in its shape, and none besides.
        scheme: What fills the parameters that were not loaded, as in `il.initialize`; None
            leaves them as they are.
        bias: What fills biases that were not loaded, where `scheme` is given.
        rules: Exceptions for parameters that were not loaded, where `scheme` is given.
        generator: Source of the random numbers; None is PyTorch's global one.
        **params: Parameters of the scheme.

    Returns:
        A row for each tensor of the model and for each one that the weights have besides.
        `scheme` is "pretrained" where it was loaded.

    Raises:
        ValueError: The file cannot be read safely, the weights do not fit and `strict` is True,
            nothing fits, or `scheme`, `bias` or `rules` are wrong as in `il.initialize`.
        TypeError: The weights are neither tensors by name nor a path.

    >>> old, new = nn.Linear(3, 2), nn.Linear(3, 2)
    >>> initialize_from(new, old.state_dict()).summary
    '2 parameters: 2 set.'
    >>> torch.equal(new.weight, old.weight)
    True
    """
    network(model)
    if scheme is None and (params or rules):
        raise ValueError("scheme must be given with rules or with parameters, got none.")
    weights, called = _read(model, state_dict_or_path)
    fit = _Fit(_tensors(model.state_dict()), weights, called)
    if strict and set(fit.how.values()) != {"loaded"}:
        raise ValueError(fit.complaint())
    loaded = fit.names("loaded")
    if not loaded:
        raise ValueError(f"state_dict_or_path has nothing that the model can use. {fit.advice()}")
    settings = Settings(
        weight=TorchDefault() if scheme is None else find_scheme(scheme, **params),
        bias=resolve_bias(bias),
        rules=check_rules(rules),
    )
    kept = [] if scheme is not None else [name for name, _ in model.named_parameters()]
    steps = plan(model, settings, generator, {n: fit.note(n) for n in [*kept, *loaded]})
    with restored_on_failure(model, generator):
        steps = fill_in(steps, generator)
        given = {name: weights[name] for name in loaded if name in weights}
        model.load_state_dict(given, strict=False)
    return Report([*(_told(row, fit) for row in report(model, steps)), *_other_rows(model, fit)])


class _Fit:
    """How tensors by name and a model's fit: "loaded", "missing", "unexpected" or "shape"."""

    def __init__(self, wanted: Weights, weights: Weights, called: str) -> None:
        self.wanted, self.weights, self.called = wanted, weights, called
        self.how = dict.fromkeys([*wanted, *weights], "shape")
        self.how |= {name: "missing" for name in wanted if name not in weights}
        self.how |= {name: "unexpected" for name in weights if name not in wanted}
        for name in self.names("shape"):
            if weights[name].shape == wanted[name].shape:
                self.how[name] = "loaded"
        given = {wanted[name].data_ptr() for name in self.names("loaded") if wanted[name].numel()}
        for name in self.names("missing"):
            if wanted[name].data_ptr() in given:  # a tied weight needs to come under one name only
                self.how[name] = "loaded"

    def names(self, how: str) -> list[str]:
        return [name for name, its in self.how.items() if its == how]

    def note(self, name: str) -> str:
        if self.how[name] == "shape":
            return f"shape {tuple(self.weights[name].shape)} in the weights does not fit"
        return _NOTES[self.how[name]]

    def complaint(self) -> str:
        lines = ["state_dict_or_path does not fit the model:"]
        lines += [f"  {how}: {n}" for how in ("missing", "unexpected") for n in self.names(how)]
        for name in self.names("shape"):
            wanted, came = tuple(self.wanted[name].shape), tuple(self.weights[name].shape)
            lines.append(f"  shape: {name} is {wanted} in the model, {came} in the weights")
        return "\n".join([*lines, self.advice()])

    def advice(self) -> str:
        """Say what to do: rename, load a part, or look."""
        fitting, code = _best_names(self.wanted, self.weights, self.called)
        if code != self.called:
            whole = fitting == len(self.wanted) == len(self.weights)
            rest = "" if whole else ", with strict=False for the rest"
            return (
                f"Under other names, {fitting} of its {len(self.weights)} tensors fit: "
                f"pass {code}{rest}."
            )
        if self.names("loaded"):
            return "Pass strict=False to load what fits, with a scheme for the rest."
        return "Compare its names and shapes with model.state_dict()."


def _told(row: Row, fit: _Fit) -> Row:
    """Say of a row whether it was loaded, and of a filled one why."""
    if row.note == "loaded":
        return replace(row, scheme="pretrained")
    return replace(row, note=joined(fit.note(row.name), row.note)) if row.scheme else row


def _other_rows(model: nn.Module, fit: _Fit) -> list[Row]:
    """Describe the buffers, and the tensors that the model does not have."""
    buffers = dict(model.named_buffers())
    rows = []
    for name in [*(name for name in fit.wanted if name in buffers), *fit.names("unexpected")]:
        layer, _, parameter = name.rpartition(".")
        known = name in buffers
        rows.append(
            Row(
                layer=layer,
                type=type(model.get_submodule(layer)).__name__ if known else "",
                parameter=parameter,
                shape=tuple((buffers if known else fit.weights)[name].shape),
                scheme="pretrained" if fit.how[name] == "loaded" else "",
                note=("buffer, " if known else "") + fit.note(name),
            )
        )
    return rows


# ------------------------------------------------------------------ what came


def _read(model: nn.Module, source: Any) -> tuple[Weights, str]:
    """Get tensors by name, from a file if need be, and how a caller would write them."""
    called, inner_called = "weights", "checkpoint"
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if not path.is_file():
            raise ValueError(f"state_dict_or_path must be a file that exists, got {str(path)!r}.")
        try:
            source = torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
            raise ValueError(
                f"{str(path)!r} could not be read safely as tensors: save it with "
                "torch.save(model.state_dict(), path)."
            ) from error
        called = inner_called = f"torch.load({str(path)!r}, map_location='cpu')"
    if not isinstance(source, Mapping):
        raise TypeError(
            "state_dict_or_path must be tensors by name (model.state_dict()) or a path, "
            f"got {type(source).__name__}."
        )
    wrong = [key for key, value in source.items() if not isinstance(value, Tensor)]
    if any(isinstance(source[key], (Mapping, nn.Module)) and source[key] for key in wrong):
        raise ValueError(
            "state_dict_or_path must hold tensors by name, got a checkpoint with "
            f"{', '.join(map(repr, source))}: {_which(model, source, inner_called)}."
        )
    if wrong:
        raise TypeError(
            f"state_dict_or_path must hold tensors by name, got "
            f"{type(source[wrong[0]]).__name__} under {wrong[0]!r}."
        )
    return source, called


def _which(model: nn.Module, checkpoint: Mapping[Any, Any], called: str) -> str:
    """Say which of the dicts in a checkpoint to pass: the one whose names fit the model."""
    wanted = _tensors(model.state_dict())
    found = [
        _best_names(wanted, tensors, code)
        for code, tensors in _dicts_of_tensors(checkpoint, called)
    ]
    if not found:
        return "there are no tensors by name in it"
    most = max(fitting for fitting, _ in found)
    best, *others = [code for fitting, code in found if fitting == most]
    rest = f" ({', '.join(others)} would fit, too)" if others and most else ""
    return f"pass {best}{rest}"


def _dicts_of_tensors(value: Any, called: str) -> Iterator[tuple[str, Weights]]:
    """Find every dict of tensors in a checkpoint, with the code that gives it."""
    if isinstance(value, nn.Module):
        value, called = value.state_dict(), f"{called}.state_dict()"
    if isinstance(value, Mapping):
        if tensors := _tensors(value):
            yield called, tensors
        for key, inner in value.items():
            yield from _dicts_of_tensors(inner, f"{called}[{key!r}]")


def _tensors(values: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {k: v for k, v in values.items() if isinstance(k, str) and isinstance(v, Tensor)}


# ------------------------------------------------------------------ other names


def _best_names(wanted: Weights, weights: Weights, called: str) -> tuple[int, str]:
    """Count the tensors that fit under the best names, and give the expression for these.

    Their own names are the best unless others are better.
    """
    found = []
    own: tuple[Callable[[str], str], str] = (str, "")
    for rename, key in [own, *_other_names(wanted, weights)]:
        shapes = {rename(name): tensor.shape for name, tensor in weights.items()}
        fitting = sum(n in wanted and wanted[n].shape == shape for n, shape in shapes.items())
        found.append((fitting, f"{{{key}: v for k, v in {called}.items()}}" if key else called))
    best = max(found, key=lambda one: one[0])
    # A few tensors fit by chance.
    return best if 2 * best[0] >= min(len(wanted), len(weights)) else found[0]


def _other_names(wanted: Weights, weights: Weights) -> Iterator[tuple[Callable[[str], str], str]]:
    """Give ways to rename, each with its code for a name `k`."""
    pairs = {
        _prefixes(came, name)
        for came in [name for name in weights if name not in wanted][:_TRIED]
        for name in wanted
        if weights[came].shape == wanted[name].shape
    } - {("", "")}
    for theirs, ours in sorted(pairs, key=lambda pair: (len(pair[0] + pair[1]), pair)):
        cut = f"k.removeprefix({theirs!r})" if theirs else "k"
        key = f"{ours!r} + {cut}" if ours else cut
        yield (lambda k, theirs=theirs, ours=ours: ours + k.removeprefix(theirs)), key  # type: ignore[misc]
    bare = {re.sub(_WRAPPERS, "", name): name for name in wanted}
    yield (
        (lambda k: bare.get(re.sub(_WRAPPERS, "", k), k)),
        (
            f"{{re.sub(r'{_WRAPPERS}', '', n): n for n in model.state_dict()}}"
            f".get(re.sub(r'{_WRAPPERS}', '', k), k)"
        ),
    )


def _prefixes(one: str, other: str) -> tuple[str, str]:
    """Split off what two names have in common at their ends, in whole parts."""
    ones, others = one.split("."), other.split(".")
    while ones and others and ones[-1] == others[-1]:
        ones.pop()
        others.pop()
    return ".".join([*ones, ""]), ".".join([*others, ""])
