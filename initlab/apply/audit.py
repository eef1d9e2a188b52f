"""What does a model hold as it stands, and what does an initialisation do to it?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from torch import nn

from initlab.apply.describe import AuditRow, buffer_rows, rows_of
from initlab.apply.grouping import grouped
from initlab.apply.report import Report, count, joined
from initlab.apply.watch import watch
from initlab.arguments import choice, network
from initlab.schemes import SCHEMES

_SHOWN = ("torch_default", "xavier_normal", "kaiming_normal")


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
        return Audit(rows_of(model))
    seen = watch(model, init)
    # A small bias is known by the weight beside it: one that was left, by what that was before.
    before = {} if on_meta else {row.name: row.scheme for row in rows_of(model)}
    rows = []
    for row in [*rows_of(seen.model), *buffer_rows(seen.model)]:
        done = seen.done[row.name]
        scheme = row.scheme or (before.get(row.name, "") if done == "left" else "")
        blank = "memory that nobody wrote to" if row.name in seen.blank else ""
        rows.append(replace(row, done=done, scheme=scheme, note=joined(row.note, blank)))
    return Audit(rows)


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

        Returns:
            The axes that were drawn on.

        Raises:
            ValueError: A name is unknown, or there is no weight to draw.
        """
        from initlab.plots.depth import std_by_depth

        for name in schemes:
            choice("schemes", name, SCHEMES)
        weights = [row for row in self._rows if row.fan_in and row.std is not None]
        expected = {}
        for name in schemes:
            stds = [SCHEMES[name].expected_std((row.fan_out, row.fan_in)) for row in weights]
            expected[name] = [math.nan if std is None else std for std in stds]
        return std_by_depth([row.std for row in weights], expected, ax=ax)


def _is_buffer(row: AuditRow) -> bool:
    return row.note.startswith(("buffer", "running statistics"))


def _counted(rows: Sequence[AuditRow]) -> str:
    """Count what was done: "10 set, 1 left"."""
    return ", ".join(f"{n} {done}" for done, n in Counter(row.done for row in rows).most_common())
