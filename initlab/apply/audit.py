"""What does a model hold as it stands, and what does an initialisation do to it?"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils import parametrize

from initlab.apply.distributions import Distribution, uniform
from initlab.apply.grouping import grouped
from initlab.apply.layers import Bias, Kind, Weight, kinds_of, pieces, without_padding
from initlab.apply.parametrized import Held, held
from initlab.apply.plan import join, walk
from initlab.apply.recognise import Match, recognise
from initlab.apply.report import Report, count, joined
from initlab.apply.watch import watch
from initlab.arguments import choice, network
from initlab.schemes import SCHEMES, fans

_SHOWN = ("torch_default", "xavier_normal", "kaiming_normal")
_META = "on the meta device: holds no numbers"
_MANY = 1000  # entries tell most schemes apart
_LONG = 64  # entries of a bias rule out other distributions
_OTHERS = 5  # that a note lists


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

    >>> import torch
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
        return Audit(_rows_of(model))
    seen = watch(model, init)
    # A small bias is known by the weight beside it: one that was left, by what that was before.
    before = {} if on_meta else {row.name: row.scheme for row in _rows_of(model)}
    rows = []
    for row in [*_rows_of(seen.model), *_buffer_rows(seen.model)]:
        done = seen.done[row.name]
        scheme = row.scheme or (before.get(row.name, "") if done == "left" else "")
        blank = "memory that nobody wrote to" if row.name in seen.blank else ""
        rows.append(replace(row, done=done, scheme=scheme, note=joined(row.note, blank)))
    return Audit(rows)


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
        scheme: The scheme that this looks like, with its arguments, one for each gate where they
            differ; empty where none fits, as for trained weights.
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


class Audit(Report):
    """A row for each parameter, with what it holds.

    It prints as a table, in text and as HTML, in which blocks that repeat share their lines;
    `rows()` gives a plain dict for every parameter, `audit["fc1.weight"]` one row.
    """

    columns: ClassVar[tuple[str, ...]] = (
        *("name", "type", "shape", "done", "scheme", "mean", "std"),
        *("fan_in", "fan_out", "fan_in_variance", "note"),
    )
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

    def _lines(self) -> list[AuditRow]:
        return [
            replace(group.row, name=group.name, scheme=group.row.scheme or "none")
            for group in grouped(self._rows)
        ]

    def plot(self, *, schemes: Sequence[str] = _SHOWN, ax: Any = None) -> Any:
        """Draw the std of each weight against depth, with what named schemes would give there.

        Args:
            schemes: Names of `il.SCHEMES` with a variance that fans tell.
            ax: Matplotlib axes to draw on; None makes a figure.

        Raises:
            ValueError: A name is unknown, or there is no weight to draw.
        """
        from initlab.plots.audit import std_by_depth

        for name in schemes:
            choice("schemes", name, SCHEMES)
        weights = [row for row in self._rows if row.fan_in and row.std is not None]
        expected = {}
        for name in schemes:
            stds = [SCHEMES[name].expected_std((row.fan_out, row.fan_in)) for row in weights]
            expected[name] = [math.nan if std is None else std for std in stds]
        return std_by_depth([(row.name, row.std) for row in weights], expected, ax=ax)


def _is_buffer(row: AuditRow) -> bool:
    return row.note.startswith(("buffer", "running statistics"))


def _counted(rows: Sequence[AuditRow]) -> str:
    """Count what was done: "10 set, 1 left"."""
    return ", ".join(f"{n} {done}" for done, n in Counter(row.done for row in rows).most_common())


# ------------------------------------------------------------------ a row for each tensor


def _rows_of(model: nn.Module) -> list[AuditRow]:
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
        row = kind.zero_row if isinstance(kind, Weight) else None
        if row is not None and not value[row].any():
            notes.append(f"row {row} is 0 (padding)")
            value = without_padding(kind, value)
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
    first_of: dict[tuple[Any, ...], str] = {}
    found = []
    for row in rows:
        value = values.get(row.name)
        if value is not None and row.std and math.isfinite(row.std) and "tied to" not in row.note:
            first = first_of.setdefault((row.shape, value.dtype, row.mean, row.std), row.name)
            if first != row.name and torch.equal(values[first], value):
                row = replace(row, note=joined(f"a copy of {first}: equal values", row.note))
        found.append(row)
    return found


def _buffer_rows(model: nn.Module) -> list[AuditRow]:
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
