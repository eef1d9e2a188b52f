"""What does each parameter of a model hold? A row for each."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils import parametrize

from initlab.apply.distributions import Distribution, uniform
from initlab.apply.layers import Bias, Kind, Weight, kinds_of, padding_row, pieces, without_row
from initlab.apply.parametrized import Held, held
from initlab.apply.plan import join, walk
from initlab.apply.recognise import Match, recognise
from initlab.apply.report import joined
from initlab.schemes import fans

_META = "on the meta device: holds no numbers"
_MANY = 1000  # entries tell most schemes apart
_LONG = 64  # entries of a bias rule out other distributions
_OTHERS = 5  # that a note lists


@dataclass(frozen=True, kw_only=True)
class AuditRow:
    """What one parameter (or, after an initialisation, one buffer) holds.

    Args:
        name: Its name in the model.
        type: Class of the module that owns it.
        shape: Its shape.
        fan_in: Inputs that a unit sums, for each matrix that it holds; None for a vector.
        fan_out: Units that an input reaches, likewise.
        mean: Mean of its entries; of a parametrised weight as the layer uses it.
        std: Standard deviation of its entries.
        fan_in_variance: fan_in · std², which schemes for level signals make 1 or 2.
        distribution: What the entries follow ("normal", "uniform", "constant", ...), if that can
            be told.
        scheme: The scheme that this looks like: a name of `il.SCHEMES` with its arguments, one for
            each gate where they differ; empty where none fits, as for trained weights.
        others: Schemes that fit as well.
        done: What the initialisation did: "set", "left", "set in part", "set twice", ...; empty if
            none was given.
        note: Ties, copies, other schemes that fit as well, ...
    """

    name: str
    type: str
    shape: tuple[int, ...]
    fan_in: int | None = None
    fan_out: int | None = None
    mean: float | None = None
    std: float | None = None
    fan_in_variance: float | None = None
    distribution: str = ""
    scheme: str = ""
    others: tuple[str, ...] = ()
    done: str = ""
    note: str = ""


def rows_of(model: nn.Module) -> list[AuditRow]:
    """Describe every parameter, in the order of `model.named_parameters()`."""
    rows: dict[str, AuditRow] = {}
    values: dict[str, Tensor] = {}
    for layer, module in walk(model):
        kinds, beside = kinds_of(module), _Beside()
        weights = held(module).values()
        for weight in sorted(weights, key=lambda one: isinstance(kinds.get(one.name), Bias)):
            kind, value = kinds.get(weight.name), weight.value()
            first, *others = _describe(layer, weight, kind, beside)
            rows |= {row.name: row for row in [first, *others]}
            values[first.name] = value
            if isinstance(kind, Weight) and value.numel():
                names = (first.scheme, *first.others)
                gates = max(beside.gates, len(kind.cut(value)))
                beside = _Beside(kind.own_std(value), "torch_default" in names, gates)
    _as_larger_ones(rows)
    first_of: dict[int, AuditRow] = {}
    found = []
    for name, parameter in model.named_parameters(remove_duplicate=False):
        known = first_of.get(id(parameter))
        if known is None:
            row = first_of[id(parameter)] = _with_others(rows[name])
        else:
            note = joined(f"tied to {known.name}", known.note)
            row = replace(rows.get(name, known), name=name, scheme=known.scheme, note=note)
        found.append(row)
    return _with_copies(found, values)


def _as_larger_ones(rows: dict[str, AuditRow]) -> None:
    """Name small tensors as larger ones of the same type of layer, where that fits them, too."""
    usual: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows.values():
        if row.scheme and math.prod(row.shape) >= _MANY:
            usual[row.type][row.scheme] += 1
    for name, row in rows.items():
        for scheme, _ in usual[row.type].most_common():
            if math.prod(row.shape) < _MANY and scheme in row.others:
                others = [row.scheme, *(one for one in row.others if one != scheme)]
                rows[name] = replace(row, scheme=scheme, others=tuple(others))
                break


def _with_others(row: AuditRow) -> AuditRow:
    """Add to the note which schemes fit as well."""
    shown, more = ", ".join(row.others[:_OTHERS]), len(row.others) - _OTHERS
    shown += f" and {more} more" if more > 0 else ""
    return replace(row, note=joined(row.note, f"or {shown}" if shown else ""))


class _Beside(NamedTuple):
    """What the weight beside a bias tells."""

    std: float | None = None  # that PyTorch's own start gives it; a bias gets the same bounds
    own: bool = False  # whether it looks like that start
    gates: int = 1


def _describe(layer: str, weight: Held, kind: Kind | None, beside: _Beside) -> list[AuditRow]:
    """Describe the parameters that hold one weight, and name its scheme in the first row."""
    value, parameters = weight.value(), weight.parameters()
    frozen = not all(parameter.requires_grad for parameter in parameters.values())
    notes = [weight.note, "frozen" if frozen else ""]
    match, parts = Match(), []
    if value.is_meta or not value.is_floating_point():
        notes.append(_META if value.is_meta else f"dtype {value.dtype}")
    else:
        row = padding_row(kind)
        if row is not None and not value[row].any():
            notes.append(f"row {row} is 0 (padding)")
            value = without_row(row, value)
        parts = pieces(kind, value)
        match = _match(parts, value, kind, _own(weight, kind, value, beside), beside)
    first, *others = [
        AuditRow(
            name=join(layer, name),
            type=parametrize.type_before_parametrizations(weight.module).__name__,
            shape=tuple(parameter.shape),
            note=joined(*notes),
        )
        for name, parameter in parameters.items()
    ]
    first = _matched(first, match)
    if match.std is not None and parts[0].dim() > 1:
        fan_in, fan_out = fans(parts[0])
        variance = fan_in * match.std**2
        first = replace(first, fan_in=fan_in, fan_out=fan_out, fan_in_variance=variance)
    return [first, *others]


def _matched(row: AuditRow, match: Match) -> AuditRow:
    """Add what the values look like."""
    return replace(row, **match._asdict() | {"note": joined(row.note, match.note)})


def _match(
    parts: Sequence[Tensor],
    value: Tensor,
    kind: Kind | None,
    own: Distribution | None,
    beside: _Beside,
) -> Match:
    """Name the scheme of a weight, gate by gate if the gates differ."""
    match = recognise(parts, value, own)
    if match.scheme or "nan" in match.note:
        return match
    if isinstance(kind, Bias):
        parts = value.chunk(beside.gates)
    if 1 < len(parts) <= 4:
        each = [recognise([part], part, own) for part in parts]
        if all(one.scheme for one in each):
            scheme = ", ".join(one.scheme for one in each)
            return match._replace(scheme=scheme, distribution="", note="gate by gate")
    return match


def _own(weight: Held, kind: Kind | None, value: Tensor, beside: _Beside) -> Distribution | None:
    """Tell what PyTorch's own start of the layer gives this weight.

    So few numbers as a bias has follow many distributions: a short one counts only beside a weight
    that looks like PyTorch's own, too.
    """
    std = None
    if isinstance(kind, Weight) and value.numel():
        std = kind.own_std(value)
        if isinstance(weight.module, nn.Embedding | nn.EmbeddingBag):
            return Distribution(0.0, std or 1.0)
    elif isinstance(kind, Bias) and kind.own is None and (value.numel() >= _LONG or beside.own):
        std = beside.std
    return uniform(std) if std else None


def _with_copies(rows: list[AuditRow], values: dict[str, Tensor]) -> list[AuditRow]:
    """Say which weights are copies of another one: equal values that nobody ties."""
    seen: dict[tuple[Any, ...], list[str]] = {}
    found = []
    for row in rows:
        value = values.get(row.name)
        if value is not None and row.std and math.isfinite(row.std) and "tied to" not in row.note:
            same = seen.setdefault((row.shape, value.dtype, row.mean, row.std), [])
            original = next((n for n in same if torch.equal(values[n], value)), "")
            if original:
                row = replace(row, note=joined(f"a copy of {original}: equal values", row.note))
            else:
                same.append(row.name)
        found.append(row)
    return found


def buffer_rows(model: nn.Module) -> list[AuditRow]:
    """Describe every buffer."""
    rows = []
    for name, buffer in model.named_buffers(remove_duplicate=False):
        module = model.get_submodule(name.rpartition(".")[0])
        note = "running statistics" if isinstance(module, _NormBase) else "buffer"
        match = Match()
        if buffer.is_meta:
            note = joined(note, _META)
        elif buffer.is_floating_point():
            match = recognise([buffer], buffer)
            if match.distribution != "constant":
                match = match._replace(scheme="", others=())
        row = AuditRow(name=name, type=type(module).__name__, shape=tuple(buffer.shape), note=note)
        rows.append(_matched(row, match))
    return rows
