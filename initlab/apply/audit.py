"""What does a model hold as it stands, and what does an initialisation do to it?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils import parametrize

from initlab.apply.grouping import grouped
from initlab.apply.laws import Distribution
from initlab.apply.layers import Bias, Kind, Kinds, Weight, kinds_of
from initlab.apply.parametrized import Held, held
from initlab.apply.plan import join, walk
from initlab.apply.recognise import Match, recognise
from initlab.apply.report import Report, count, number, size
from initlab.apply.watch import watch
from initlab.arguments import choice, network
from initlab.schemes import SCHEMES, fans

_META = "on the meta device: holds no numbers"
_MANY = 1000  # entries tell most schemes apart
_OTHERS = 5  # that a note lists
_SHOWN = ("torch_default", "xavier_normal", "kaiming_normal")


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
    done: str = ""
    note: str = ""


def audit(model: nn.Module, init: Callable[[Any], Any] | str | None = None) -> Audit:
    """Tell what a model holds, or what an initialisation does to it, parameter by parameter.

    Each row names the scheme that the values look like, as far as so many entries can tell: among
    schemes that fit alike, those with usual arguments come before plain numbers and the others
    stand in the note. Tied weights, layers that are copies of each other, frozen and parametrised
    weights and values that are not finite are told, too.

    The model and the random state stay as they are.

    Args:
        model: Any module. With `init`, its parameters may be on the meta device.
        init: An initialisation to run on a copy: a function of the model, or of a module as
            `model.apply` takes it; a method of the model (`model.init_weights`) or the name of a
            method ("reset_parameters"). The rows then tell what is there afterwards, and `done`
            what was written, whatever the values; buffers get rows of their own.

    Returns:
        A report with a row for each parameter.

    Raises:
        TypeError: `model` is no module, or `init` is neither callable nor a name.
        ValueError: The model has lazy parameters, or ones on the meta device and no `init`; or no
            module has a method of the name `init`. What `init` raises passes through.

    >>> _ = torch.manual_seed(0)
    >>> network = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    >>> [row.scheme for row in audit(network)]
    ['torch_default', 'torch_default', 'torch_default', 'torch_default']
    >>> def init(module):
    ...     if isinstance(module, nn.Linear):
    ...         nn.init.normal_(module.weight, std=0.02)
    >>> [(row.name, row.done) for row in audit(network, init)][:2]
    [('0.weight', 'set'), ('0.bias', 'left')]
    """
    on_meta = isinstance(model, nn.Module) and any(p.is_meta for p in model.parameters())
    if init is None or not on_meta:
        network(model)
    if init is None:
        return Audit(_rows(model))
    seen = watch(model, init)
    rows = []
    for row in [*_rows(seen.model), *_buffers(seen.model)]:
        done = seen.done[row.name]
        note = _note(row.note, "memory that nobody wrote to" if row.name in seen.blank else "")
        rows.append(replace(row, done=done, note=note))
    return Audit(rows)


class Audit(Report):
    """A row for each parameter, with what it holds.

    It prints as a table, in text and as HTML, in which blocks that repeat share their lines;
    `rows()` gives a plain dict for every parameter, `audit["fc1.weight"]` one row.
    """

    columns: ClassVar[dict[str, str]] = {
        "parameter": "left",
        "type": "left",
        "shape": "right",
        "done": "left",
        "scheme": "left",
        "mean": "right",
        "std": "right",
        "fan_in": "right",
        "fan_out": "right",
        "fan_in·var": "right",
        "note": "left",
    }
    always: ClassVar[int] = 3

    @property
    def left(self) -> list[AuditRow]:
        """The rows that the initialisation left as they were, or that look like no scheme."""
        if any(row.done for row in self._rows):
            return [row for row in self._rows if row.done == "left"]
        return [row for row in self._rows if not row.scheme]

    @property
    def summary(self) -> str:
        """One or two sentences: how many were set, how many look like a scheme, what repeats."""
        buffers = [row for row in self._rows if _is_buffer(row)]
        parameters = [row for row in self._rows if not _is_buffer(row)]
        text = f"{count(len(parameters), 'parameter')}: "
        if any(row.done for row in self._rows):
            text += _counted(parameters)
            if buffers:
                text += f". {count(len(buffers), 'buffer')}: {_counted(buffers)}"
        else:
            named = sum(bool(row.scheme) for row in parameters)
            text += f"{named} look like a scheme, {len(parameters) - named} like none"
        repeats = dict.fromkeys(group.block for group in grouped(self._rows) if group.block)
        return f"{text}." + "".join(f" {block}: the same." for block in repeats)

    def _cells(self) -> list[list[str]]:
        return [
            [
                group.name,
                group.row.type,
                size(group.row.shape),
                group.row.done,
                group.row.scheme or "none",
                number(group.row.mean),
                number(group.row.std),
                number(group.row.fan_in),
                number(group.row.fan_out),
                number(group.row.fan_in_variance),
                group.row.note,
            ]
            for group in grouped(self._rows)
        ]

    def plot(self, *, schemes: Sequence[str] = _SHOWN, ax: Any = None) -> Any:
        """Draw the std of each weight against depth, with what named schemes would give there.

        Args:
            schemes: Names of `il.SCHEMES` with a variance that fans tell.
            ax: Matplotlib axes to draw on; None makes a figure.

        Returns:
            The axes that were drawn on.

        Raises:
            ValueError: A name is unknown, or there is no weight to draw.
        """
        from initlab.plots.audit import std_by_depth

        for name in schemes:
            choice("schemes", name, SCHEMES)
        weights = [row for row in self._rows if row.fan_in and row.std is not None]
        expected = {
            name: [_std(name, row.fan_in, row.fan_out) for row in weights] for name in schemes
        }
        return std_by_depth([(row.name, row.std) for row in weights], expected, ax=ax)


def _std(name: str, fan_in: int, fan_out: int) -> float:
    variance = SCHEMES[name].variance(fan_in, fan_out)
    return math.nan if variance is None else math.sqrt(variance)


def _is_buffer(row: AuditRow) -> bool:
    return row.note.startswith(("buffer", "running statistics"))


def _counted(rows: Sequence[AuditRow]) -> str:
    """Count what was done: "10 set, 1 left"."""
    return ", ".join(f"{n} {done}" for done, n in Counter(row.done for row in rows).most_common())


# ------------------------------------------------------------------ the rows


def _rows(model: nn.Module) -> list[AuditRow]:
    """Describe every parameter, in the order of `model.named_parameters()`."""
    by_name: dict[str, AuditRow] = {}
    values: dict[str, Tensor] = {}
    matches: dict[str, Match] = {}
    for layer, module in walk(model):
        kinds, matched = kinds_of(module) or {}, dict[str, Match]()
        weights = held(module).values()
        for weight in sorted(weights, key=lambda one: isinstance(kinds.get(one.name), Bias)):
            rows, match = _describe(layer, weight, kinds, matched)
            by_name |= {row.name: row for row in rows}
            matched[weight.name] = matches[rows[0].name] = match
            values[rows[0].name] = weight.value()
    _as_larger_ones(by_name, matches)
    first: dict[int, AuditRow] = {}
    found = []
    for name, parameter in model.named_parameters(remove_duplicate=False):
        row = by_name.get(name)
        if row is not None and name in matches:
            row = _named(row, matches[name])
        if id(parameter) in first:
            same = first[id(parameter)]
            note = _note(f"tied to {same.name}", same.note)
            row = replace(row or same, name=name, scheme=same.scheme, note=note)
        else:
            row = row or _inside_a_parametrization(name, parameter)
            first[id(parameter)] = row
        found.append(row)
    return _with_copies(found, values)


def _named(row: AuditRow, match: Match) -> AuditRow:
    """Add the scheme, and the others that fit as well."""
    shown = ", ".join(match.others[:_OTHERS])
    if len(match.others) > _OTHERS:
        shown += f" and {len(match.others) - _OTHERS} more"
    note = _note(row.note, match.note, f"or {shown}" if shown else "")
    return replace(row, scheme=match.scheme, distribution=match.distribution, note=note)


def _as_larger_ones(rows: dict[str, AuditRow], matches: dict[str, Match]) -> None:
    """Name small tensors as larger ones of the same type of layer, where that fits them, too."""

    def entries(name: str) -> int:
        return math.prod(rows[name].shape)

    usual: dict[str, Counter[str]] = {}
    for name, match in matches.items():
        if match.scheme and entries(name) >= _MANY:
            usual.setdefault(rows[name].type, Counter())[match.scheme] += 1
    for name, match in matches.items():
        for scheme, _ in usual.get(rows[name].type, Counter()).most_common():
            if entries(name) < _MANY and scheme in match.others:
                others = [match.scheme, *(one for one in match.others if one != scheme)]
                matches[name] = match._replace(scheme=scheme, others=tuple(others))
                break


def _describe(
    layer: str, weight: Held, kinds: Kinds, matched: dict[str, Match]
) -> tuple[list[AuditRow], Match]:
    """Describe the parameters that hold one weight, and name its scheme."""
    kind, value = kinds.get(weight.name), weight.value()
    names = {join(layer, name): p for name, p in weight.parameters().items()}
    state = [weight.note, "" if all(p.requires_grad for p in names.values()) else "frozen"]
    why = ""
    if value.is_meta or not value.is_floating_point():
        why = _META if value.is_meta else f"dtype {value.dtype}"
    rows = [
        AuditRow(
            name=name,
            type=parametrize.type_before_parametrizations(weight.module).__name__,
            shape=tuple(parameter.shape),
            note=_note(*state, why),
        )
        for name, parameter in names.items()
    ]
    if why:
        return rows, Match()
    if isinstance(kind, Weight) and kind.zero_row is not None and not value[kind.zero_row].any():
        rows[0] = replace(rows[0], note=_note(*state, f"row {kind.zero_row} is 0 (padding)"))
        value = torch.cat([value[: kind.zero_row], value[kind.zero_row + 1 :]])
    pieces = kind.cut(value) if isinstance(kind, Weight) else [value]
    match = _match(weight, kind, kinds, pieces, value, matched)
    return [_measured(rows[0], match, pieces[0]), *rows[1:]], match


def _measured(row: AuditRow, match: Match, piece: Tensor) -> AuditRow:
    """Add fans, mean and standard deviation."""
    if math.isnan(match.std) and not match.note:
        return row
    row = replace(row, mean=match.mean, std=match.std)
    if piece.dim() < 2:
        return row
    fan_in, fan_out = fans(piece)
    return replace(row, fan_in=fan_in, fan_out=fan_out, fan_in_variance=fan_in * match.std**2)


def _match(
    weight: Held,
    kind: Kind | None,
    kinds: Kinds,
    pieces: Sequence[Tensor],
    value: Tensor,
    matched: dict[str, Match],
) -> Match:
    """Name the scheme of a weight, gate by gate if the gates differ."""
    own = _own(weight, kind, kinds, value, matched)
    match = recognise(pieces, value, own)
    if match.scheme or "nan" in match.note:
        return match
    if isinstance(kind, Bias):  # it has as many gates as the weights beside it
        cuts = [one.cut(value) for one in kinds.values() if isinstance(one, Weight)]
        pieces = max(cuts, key=len, default=pieces)
    if 1 < len(pieces) <= 4:
        each = [recognise([piece], piece, own) for piece in pieces]
        if all(one.scheme for one in each):
            scheme = ", ".join(one.scheme for one in each)
            return match._replace(scheme=scheme, distribution="", note="gate by gate")
    return match


def _own(
    weight: Held, kind: Kind | None, kinds: Kinds, value: Tensor, matched: dict[str, Match]
) -> Distribution | None:
    """Tell what PyTorch's own start of the layer gives this weight.

    So few numbers as a bias has follow many distributions: it counts only beside a weight that
    looks like PyTorch's own, too.
    """
    std: float | None = None
    if isinstance(kind, Weight) and value.numel():
        std = kind.own_std(value)
        if isinstance(weight.module, nn.Embedding | nn.EmbeddingBag) and std is not None:
            return Distribution(0.0, std)
    elif isinstance(kind, Bias) and kind.own is None:
        for name, match in matched.items():
            one = kinds.get(name)
            if isinstance(one, Weight) and "torch_default" in (match.scheme, *match.others):
                std = one.own_std(held(weight.module)[name].value())
    if not std:
        return None
    return Distribution(0.0, math.inf, -math.sqrt(3) * std, math.sqrt(3) * std)


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
                row = replace(row, note=_note(f"a copy of {original}: equal values", row.note))
            else:
                same.append(row.name)
        found.append(row)
    return found


def _inside_a_parametrization(name: str, parameter: Tensor) -> AuditRow:
    return AuditRow(
        name=name, type="", shape=tuple(parameter.shape), note="belongs to a parametrization"
    )


def _buffers(model: nn.Module) -> list[AuditRow]:
    """Describe every buffer."""
    rows = []
    for name, buffer in model.named_buffers(remove_duplicate=False):
        module = model.get_submodule(name.rpartition(".")[0])
        row = AuditRow(
            name=name,
            type=type(module).__name__,
            shape=tuple(buffer.shape),
            note="running statistics" if isinstance(module, _NormBase) else "buffer",
        )
        if buffer.is_meta:
            row = replace(row, note=_note(row.note, _META))
        elif buffer.is_floating_point():
            match = recognise([buffer], buffer)
            constant = match.scheme if match.distribution == "constant" else ""
            row = replace(row, scheme=constant, note=_note(row.note, match.note))
            row = _measured(row, match, buffer.flatten())
        rows.append(row)
    return rows


def _note(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
