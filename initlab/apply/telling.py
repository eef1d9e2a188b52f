"""What was done to each parameter? From jobs and drafts to a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from initlab.apply.layers import Bias, Fixed, Weight
from initlab.apply.planning import Job, Settings, plan
from initlab.apply.report import Report, Row
from initlab.apply.slots import Change
from initlab.schemes import Constant, Scheme, TorchDefault, fans


def tell(model: nn.Module, jobs: Sequence[Job], drafts: Mapping[int, Change]) -> Report:
    """Tell what was done, in the order of `model.named_parameters()`."""
    rows = [row for number, job in enumerate(jobs) for row in _rows(job, drafts.get(number))]
    rows += _inside_parametrizations(model, {row.name for row in rows})
    order = {n: i for i, (n, _) in enumerate(model.named_parameters(remove_duplicate=False))}
    return Report(sorted(rows, key=lambda row: order[row.name]))


def untouched(model: nn.Module, note: str) -> Report:
    """Describe every parameter as it is, with a note."""
    settings = Settings(TorchDefault(), Constant(val=0.0))
    left = dict.fromkeys((name for name, _ in model.named_parameters(remove_duplicate=False)), note)
    return tell(model, plan(model, settings, None, left), {})


def _rows(job: Job, change: Change | None) -> list[Row]:
    """Describe the parameters that hold one weight: one, or more behind a parametrization."""
    (name, first), *others = job.slot.parameters().items()
    row = Row(
        layer=job.layer,
        type=parametrize.type_before_parametrizations(job.module).__name__,
        parameter=name,
        shape=tuple(first.shape),
        note=job.note,
    )
    if change is not None and job.filler is not None:
        row = replace(row, scheme=_scheme_name(job))
    rest = [
        replace(row, parameter=name, shape=tuple(parameter.shape)) for name, parameter in others
    ]
    return [row if change is None else _measured(row, job, change), *rest]


def _measured(row: Row, job: Job, change: Change) -> Row:
    """Add the fans and the standard deviations of the weight that the layer uses."""
    piece = job.pieces(job.now)[0]
    matrix = piece.dim() > 1 and not isinstance(job.kind, Bias)
    fan_in, fan_out = fans(piece) if matrix else (None, None)
    return replace(
        row,
        fan_in=fan_in,
        fan_out=fan_out,
        std_given=_std_given(job, piece),
        std_got=spread(_without_zero_row(job, change.effective)),
    )


def _scheme_name(job: Job) -> str:
    if isinstance(job.filler, Tensor):
        return "values"
    if isinstance(job.kind, Fixed) and job.filler == Constant(val=job.kind.value):
        return "ones" if job.kind.value else "zeros"
    name = repr(job.filler)
    return name if job.forget is None else f"{name}, forget gate {job.forget:g}"


def _std_given(job: Job, piece: Tensor) -> float | None:
    if not isinstance(job.filler, Scheme) or job.forget is not None or not piece.numel():
        return None
    if isinstance(job.filler, TorchDefault):
        return job.kind.own_std(job.now) if isinstance(job.kind, Weight) else None
    return job.filler.expected_std(piece.shape)


def _without_zero_row(job: Job, value: Tensor) -> Tensor:
    if isinstance(job.kind, Weight) and job.kind.zero_row is not None:
        row = job.kind.zero_row
        value = torch.cat([value[:row], value[row + 1 :]])
    return value


def spread(value: Tensor) -> float | None:
    """Tell the standard deviation over all entries; None where there are none."""
    if not value.numel():
        return None
    wide = value.to(torch.promote_types(value.dtype, torch.float32))
    return float((wide - wide.flatten()[0]).std(correction=0))  # exactly 0 for a constant


def _inside_parametrizations(model: nn.Module, known: set[str]) -> list[Row]:
    """Describe parameters that a parametrization has besides those that hold the weight."""
    left = []
    for name, parameter in model.named_parameters():
        if name not in known and "parametrizations." in name:
            layer = name.split("parametrizations.")[0].rstrip(".")
            left.append(
                Row(
                    layer=layer,
                    type=parametrize.type_before_parametrizations(
                        model.get_submodule(layer)
                    ).__name__,
                    parameter=name.removeprefix(f"{layer}."),
                    shape=tuple(parameter.shape),
                    note="belongs to a parametrization",
                )
            )
    return left
