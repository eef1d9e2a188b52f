"""What does somebody's own initialisation write, whatever the values? It runs on a copy.

Every operation that writes into memory passes the dispatcher of PyTorch, also one that sets what
was there before. A write that replaces all entries (a draw, a fill, a copy) sets a tensor; one that
changes them (a factor) does not. What `torch.nn.init` does in one call counts once.
"""

from __future__ import annotations

import difflib
import inspect
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from initlab.probe.preserving import copied, keep_random_states

Run = Callable[[nn.Module], Any]

_REPLACES = {
    *("normal_", "uniform_", "fill_", "zero_", "copy_", "random_", "bernoulli_", "exponential_"),
    *("cauchy_", "geometric_", "log_normal_", "_foreach_copy_", "_foreach_zero_"),
}
_MOVES = {"_to_copy", "clone"}  # the same values in other memory
_BLANK = ("empty", "new_empty")  # memory that nobody has written to


class Watched(NamedTuple):
    """A copy of a model after an initialisation, and what that did to each tensor."""

    model: nn.Module
    done: dict[str, str]  # name of a parameter or buffer → "set", "left", "set twice", ...
    blank: set[str]  # names of those that were left in memory that nobody has written to
    wrote: bool  # whether anything was written, be it into memory that is not the model's

    @property
    def reached(self) -> set[str]:
        """The names of those that were not left."""
        return {name for name, done in self.done.items() if done != "left"}


def watch(model: nn.Module, init: Run | str) -> Watched:
    """Run an initialisation, as `audit` takes it, on a copy of a model.

    Whether a function is of the model or of a module is found out: one that reaches more when it
    is applied to each module is of a module.
    """
    put_back = keep_random_states()
    try:
        run, *another = _runs(model, init)
        found = _watched(model, run)
        if not another or any("." in name for name in found.reached):
            return found
        put_back()
        try:
            each = _watched(model, *another)
        except Exception:
            if not found.wrote:
                raise
            return found  # a function of the model, which a part of it is not
        return each if each.reached > found.reached else found
    finally:
        put_back()


def _runs(model: nn.Module, init: Any) -> list[Run]:
    """Give the ways to run it on a copy: as of the model and as of a module, if both can be."""
    names = {module: name for name, module in model.named_modules()}
    owner = getattr(init, "__self__", None)
    if isinstance(init, str):
        method = init
        paths = [name for module, name in names.items() if callable(getattr(module, init, None))]
        if not paths:
            methods = {n for part in names for n in dir(part) if "init" in n or "reset" in n}
            near = difflib.get_close_matches(init, methods, n=2)
            hint = f": did you mean {' or '.join(map(repr, near))}?" if near else "."
            raise ValueError(
                f"init={init!r} is the name of no method of the model or of a part of it{hint}"
            )
        paths = paths[:1] if paths[0] == "" else paths
    elif not callable(init):
        raise TypeError(
            "init must be a function of a model or of a module, or the name of a method, "
            f"got {init!r} of type {type(init).__name__}."
        )
    elif isinstance(owner, nn.Module) and owner in names:
        method, paths = init.__name__, [names[owner]]
    else:
        return [init, lambda twin: twin.apply(init)]

    def bound(twin: nn.Module) -> list[Callable[..., Any]]:
        return [getattr(twin.get_submodule(path), method) for path in paths]

    first, *others = bound(model)
    needs_a_part = any(
        parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        for parameter in inspect.signature(first).parameters.values()
    )
    if needs_a_part and not others:
        return [lambda twin: twin.apply(bound(twin)[0])]
    return [lambda twin: [call() for call in bound(twin)]]


def _watched(model: nn.Module, run: Run) -> Watched:
    twin = _copied(model)
    before = {name: _place(tensor) for name, tensor in _tensors(twin)}
    with _Writes() as writes:
        made = run(twin)
    if isinstance(made, nn.Module) and made not in set(twin.modules()):
        twin = made  # the function has built another model
    old = dict(_tensors(model))
    now = dict(_tensors(twin))
    done = {name: writes.outcome(now[name], before.get(name), old.get(name)) for name in now}
    blank = {name for name in now if done[name] == "left" and writes.of(now[name]).blank}
    wrote = any(memory.regions or memory.changed for memory in writes.memory.values())
    return Watched(twin, done, blank, wrote)


def _copied(model: nn.Module) -> nn.Module:
    """Copy a model, and let `init` fill all of the copy."""
    try:
        twin = copied(model)
    except Exception as error:
        raise TypeError(
            "model must be a module that copy.deepcopy can copy, since init runs on a copy, "
            f"got {type(model).__name__}, for which it says: {error}"
        ) from error
    for module in twin.modules():  # transformers does nothing to a module with this mark
        vars(module).pop("_is_hf_initialized", None)
    return twin


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters(remove_duplicate=False)
    yield from model.named_buffers(remove_duplicate=False)


def _place(tensor: Tensor) -> int:
    """Give the address of the memory that a tensor looks at."""
    return int(tensor.untyped_storage()._cdata)


@dataclass
class _Memory:
    """What has happened to one piece of memory."""

    alive: StorageWeakRef  # keeps the address from being given to another piece
    start: int  # where the values came from that it was moved from; its own address otherwise
    blank: bool = False  # whether it was made without values
    regions: tuple[tuple[Any, ...], ...] = ()  # that were replaced: size, stride, offset
    changed: bool = False  # whether an operation changed entries without replacing them
    call: FrameType | None = None  # the call of `torch.nn.init` that replaced the last region


class _Writes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every write into memory."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.memory: dict[int, _Memory] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name, schema = func.overloadpacket.__name__, func._schema
        written = [
            (tensor, name in _REPLACES or argument.is_out)
            for argument, value in zip_longest(schema.arguments, args)
            if argument.alias_info is not None and argument.alias_info.is_write
            for tensor in tree_leaves(kwargs.get(argument.name, value))
            if isinstance(tensor, Tensor)
        ]
        for tensor, replaces in written:
            self._write(tensor, replaces)
        if not written and isinstance(result, Tensor):
            if name.startswith(_BLANK):
                self.of(result).blank = True
            elif name in _MOVES and isinstance(args[0], Tensor):
                came_from = self.of(args[0])
                self.memory[_place(result)] = replace(came_from, alive=self.of(result).alive)
        return result

    def outcome(self, tensor: Tensor, before: int | None, old: Tensor | None) -> str:
        """Say what was done to a tensor whose values lay at `before`, as in the caller's `old`."""
        memory = self.of(tensor)
        counts = _counts(memory, tensor)
        if memory.start != before and not memory.blank:
            counts = counts + 1  # made with its values, and put into the model
        least, most = (int(counts.min()), int(counts.max())) if counts.numel() else (0, 0)
        if least:
            return {1: "set", 2: "set twice"}.get(least, f"set {least} times")
        if most:
            return "set in part"
        if memory.changed or (old is not None and _differ(tensor, old)):
            return "set"
        return "left"

    def of(self, tensor: Tensor) -> _Memory:
        """Look up the memory of a tensor."""
        place = _place(tensor)
        if place not in self.memory:
            alive = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
            self.memory[place] = _Memory(alive, place)
        return self.memory[place]

    def _write(self, tensor: Tensor, replaces: bool) -> None:
        memory, call = self.of(tensor), _call_of_init()
        if not replaces:
            memory.changed = True
        elif call is None or memory.call is not call:
            region = (tensor.shape, tensor.stride(), tensor.storage_offset())
            memory.regions += (region,)
            memory.call = call


def _counts(memory: _Memory, tensor: Tensor) -> Tensor:
    """Count for each entry of a tensor how often it was replaced."""
    parts = [region for region in memory.regions if region[0].numel() < tensor.numel()]
    whole = len(memory.regions) - len(parts)
    if not parts:
        return torch.tensor([whole])
    entries = tensor.untyped_storage().nbytes() // tensor.element_size()
    counts = torch.full((entries,), whole, dtype=torch.int16)
    for size, stride, offset in parts:
        counts.as_strided(size, stride, offset).add_(1)
    return counts.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())


def _call_of_init() -> FrameType | None:
    """Find the outermost call of `torch.nn.init` that is running."""
    frames = [frame for frame, _ in traceback.walk_stack(None)]
    calls = [frame for frame in frames if frame.f_code.co_filename == nn.init.__file__]
    return calls[-1] if calls else None


def _differ(new: Tensor, old: Tensor) -> bool:
    """Whether values changed behind PyTorch's back, as through numpy."""
    if new.is_meta or old.is_meta or new.shape != old.shape or new.dtype != old.dtype:
        return False
    new, old = new.detach(), old.detach().to(new.device)
    return not bool(((new == old) | ((new != new) & (old != old))).all())
