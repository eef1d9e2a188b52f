"""Which values will each parameter get? Drawn beside the model, which stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Generator, Tensor, nn

from initlab.apply.layers import Bias, Weight
from initlab.apply.planning import Job
from initlab.apply.slots import Change, Slot, own_values
from initlab.schemes import Scheme, TorchDefault
from initlab.schemes.custom import drawing_from


def draft(model: nn.Module, jobs: Sequence[Job], generator: Generator | None) -> dict[int, Change]:
    """Draw all new values, and change nothing; a failure puts the random state back.

    Returns:
        The change for each job that has one, by its place in `jobs`.
    """
    drafts = {}
    own: dict[int, dict[str, Tensor] | None] = {}
    with random_state_kept_on_failure(model, generator):
        for number, job in enumerate(jobs):
            if job.filler is None:
                continue
            try:
                change = _store(job, _value(job, generator, own))
            except Exception as error:
                error.add_note(f"While drawing {job.name} ({type(job.module).__name__}).")
                raise
            if change is not None:
                drafts[number] = change
    return drafts


def _value(
    job: Job, generator: Generator | None, own: dict[int, dict[str, Tensor] | None]
) -> Tensor:
    """Draw the new value of one parameter."""
    filler, value = job.filler, job.now.clone()
    if isinstance(filler, Tensor):
        return value.copy_(filler)
    if isinstance(filler, TorchDefault):
        if id(job.module) not in own:
            with drawing_from(generator):
                own[id(job.module)] = own_values(job.module)
        values = own[id(job.module)]
        if values is not None:
            value.copy_(values[job.slot.name])
        elif isinstance(job.kind, Weight) or value.dim() > 1:
            _fill(job, filler, value, generator)
        if isinstance(job.kind, Bias) and (values is None or job.kind.own is not None):
            value.fill_(job.kind.own or 0.0)
    elif filler is not None:
        _fill(job, filler, value, generator)
    if job.forget is not None and isinstance(job.kind, Bias) and job.kind.forget:
        job.kind.forget(value, job.forget)
    return value


def _fill(job: Job, scheme: Scheme, value: Tensor, generator: Generator | None) -> None:
    """Fill the matrices of one parameter, each by itself."""
    for piece in job.pieces(value):
        whole = piece.contiguous()
        scheme.fill_(whole, generator)
        if whole is not piece:
            piece.copy_(whole)
    if isinstance(job.kind, Weight) and job.kind.zero_row is not None:
        value[job.kind.zero_row] = 0


def _store(job: Job, value: Tensor) -> Change | None:
    """Prepare the change, or note why a parametrization cannot take the value."""
    if type(job.slot) is Slot:
        return job.slot.put(value)
    try:
        change = job.slot.put(value)
        reason = "" if change.effective.isfinite().all() else "it would not be finite"
    except (RuntimeError, ValueError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
    if reason:
        job.filler, job.note = None, f"{job.slot.note}, which cannot take this value: {reason}"
        return None
    job.note = "; ".join(part for part in (job.note, job.slot.note) if part)
    return change


@contextmanager
def random_state_kept_on_failure(model: nn.Module, generator: Generator | None) -> Iterator[None]:
    """Put the random state of every device that the model uses back if the block raises."""
    devices = {p.device for p in model.parameters() if p.device.type in ("cuda", "xpu")}
    undo: list[Callable[[], object]] = []
    cpu = torch.get_rng_state()
    undo.append(lambda: torch.set_rng_state(cpu))
    for device in devices:
        library = torch.get_device_module(device)
        state = library.get_rng_state(device)
        undo.append(lambda lib=library, s=state, d=device: lib.set_rng_state(s, d))  # type: ignore[misc]
    if generator is not None:
        own = generator.get_state()
        undo.append(lambda: generator.set_state(own))
    try:
        yield
    except BaseException:
        for step in undo:
            step()
        raise
