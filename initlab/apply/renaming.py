"""Under which other names would these tensors fit a model? Wrappers put prefixes before names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from torch import Tensor

_WRAPPERS = r"\b(module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
"""What DataParallel, torch.compile, FSDP and checkpointing put into the names of what they wrap."""
_TRIED = 32  # a prefix is on all names, so a few of them give every candidate

Tensors = Mapping[str, Tensor]


class Renaming(NamedTuple):
    """A way to call the tensors of a checkpoint.

    Args:
        fitting: How many of them then have a name and a shape of the model.
        code: The expression that gives them under these names.
    """

    fitting: int
    code: str


def best_renaming(wanted: Tensors, weights: Tensors, called: str) -> Renaming:
    """Find the names under which most tensors fit; their own ones, unless others are better.

    Args:
        wanted: The tensors of the model.
        weights: The tensors that came.
        called: The expression that gives `weights`.
    """
    own = Renaming(_fitting(wanted, weights, str), called)
    others = [
        Renaming(_fitting(wanted, weights, rename), f"{{{key}: v for k, v in {called}.items()}}")
        for rename, key in _candidates(wanted, weights)
    ]
    best = max([own, *others], key=lambda renaming: renaming.fitting)
    # A few tensors fit by chance.
    return best if 2 * best.fitting >= min(len(wanted), len(weights)) else own


def _fitting(wanted: Tensors, weights: Tensors, rename: Callable[[str], str]) -> int:
    named = {rename(name): tensor.shape for name, tensor in weights.items()}
    return sum(name in wanted and wanted[name].shape == shape for name, shape in named.items())


def _candidates(wanted: Tensors, weights: Tensors) -> Iterator[tuple[Callable[[str], str], str]]:
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
    bare = {_bare(name): name for name in wanted}
    yield (
        (lambda k: bare.get(_bare(k), k)),
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


def _bare(name: str) -> str:
    return re.sub(_WRAPPERS, "", name)
