"""Notebook 10: weights that partly fit, and factors that change nothing and yet learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from initlab.exercises.answers import Array, NothingDone, Rejected, as_entries, call, returned
from initlab.exercises.exercise import Exercise, Mistake

# --- load_matching ---

_NOT_LOADED = {"extra.weight", "extra.bias", "head.weight", "head.bias"}
_LOADED = {
    "body.weight", "body.bias",
    "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
}  # fmt: skip


def _named_layers(**layers: nn.Module) -> nn.Sequential:
    network = nn.Sequential()
    for name, layer in layers.items():
        network.add_module(name, layer)
    return network


def _new_network() -> nn.Sequential:
    """Two layers that fit the weights, one that they do not have, and a head of another size."""
    return _named_layers(
        body=nn.Linear(6, 5), norm=nn.BatchNorm1d(5), extra=nn.Linear(5, 5), head=nn.Linear(5, 3)
    )


def _pretrained() -> dict[str, Tensor]:
    """Weights with a head of their own size, and a layer that the new network does not have."""
    old = _named_layers(
        body=nn.Linear(6, 5), norm=nn.BatchNorm1d(5), old=nn.Linear(5, 5), head=nn.Linear(5, 7)
    )
    numbers = {name: torch.rand_like(tensor, dtype=torch.float32) + 1
               for name, tensor in old.state_dict().items()}  # fmt: skip
    return {**numbers, "norm.num_batches_tracked": torch.tensor(17)}


@dataclass(frozen=True)
class _Matched:
    model: nn.Sequential
    before: dict[str, Tensor]
    weights: dict[str, Tensor]
    given: dict[str, Tensor]
    names: set[str] | None

    @property
    def loaded(self) -> set[str]:
        """Names of what stands in the model as it stands in the weights."""
        now = self.model.state_dict()
        return {name for name in _LOADED if torch.equal(now[name], self.weights[name])}

    @property
    def kept(self) -> bool:
        """Whether what should not be loaded is as it was."""
        now = self.model.state_dict()
        return all(torch.equal(now[name], self.before[name]) for name in _NOT_LOADED)

    @property
    def is_whole(self) -> bool:
        return set(self.model.state_dict()) == set(self.before) and all(
            p.requires_grad and p.is_leaf for p in self.model.parameters()
        )

    @property
    def weights_kept(self) -> bool:
        return set(self.given) == set(self.weights) and all(
            torch.equal(self.given[name], self.weights[name]) for name in self.weights
        )

    @property
    def is_right(self) -> bool:
        return (
            self.is_whole
            and self.weights_kept
            and self.kept
            and self.loaded == _LOADED
            and self.names == _NOT_LOADED
        )


def _measure_matched(function: Callable[..., Any]) -> _Matched:
    model, weights = _new_network(), _pretrained()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    given = dict(weights)
    value = call(function, model, given)
    unchanged = all(torch.equal(t, before[n]) for n, t in model.state_dict().items() if n in before)
    if value is None and unchanged:
        raise NothingDone("The model is as it was before, and nothing was returned.")
    return _Matched(model, before, weights, given, _names(value))


def _names(value: Any) -> set[str] | None:
    """Read names from any collection of them; None where it is something else."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        return None
    names = list(value)
    return set(names) if all(isinstance(name, str) for name in names) else None


def _otherwise_matched(m: _Matched) -> str:
    if m.loaded != _LOADED:
        return f"Not loaded, although it fits: {', '.join(sorted(_LOADED - m.loaded))}."
    if m.names is None:
        return "All that fits is loaded. What you return is no collection of names."
    wrong = ", ".join(sorted(m.names ^ _NOT_LOADED))
    return f"All that fits is loaded. In your names, this is missing or too much: {wrong}."


_LOAD_MATCHING = Exercise(
    name="load_matching",
    notebook="10",
    task="`weights` is a state dict: name → tensor. Load into the model each tensor whose name "
    "*and* shape are the model's own, parameters and buffers alike. Leave the rest of the model "
    "as it is. Return the names of the model's tensors that were not loaded.",
    stub="def load_matching(model, weights):\n    ...\n",
    hints=(
        "`model.state_dict()` gives the model's own tensors by name, buffers included.",
        "First make a smaller dict that holds only what fits. Then load that.",
        "`model.load_state_dict(fits, strict=False)` returns a record; one of its two lists is "
        "what the task wants.",
    ),
    solution="""
def load_matching(model, weights):
    own = model.state_dict()
    fits = {
        name: tensor
        for name, tensor in weights.items()
        if name in own and tensor.shape == own[name].shape
    }
    return model.load_state_dict(fits, strict=False).missing_keys
""",
    measure=_measure_matched,
    right=lambda m: m.is_right,
    mistakes=(
        Mistake(
            name="parameters replaced",
            seen=lambda m: not m.is_whole,
            says="Some tensors of the model are gone, or get no gradient any more. Who copies "
            "numbers into a model without replacing its parameters?",
        ),
        Mistake(
            name="weights changed",
            seen=lambda m: not m.weights_kept,
            says="The dict that you were given is not as it was. What will the next model load "
            "from it?",
        ),
        Mistake(
            name="nothing loaded",
            seen=lambda m: not m.loaded,
            says="No tensor of the model holds the pretrained numbers. Did you load the ones that "
            "you chose?",
        ),
        Mistake(
            name="shape ignored",
            seen=lambda m: not m.kept,
            says="Numbers have changed in a layer that the weights do not have, or have in another "
            "size. Which tensors may be loaded?",
        ),
        Mistake(
            name="buffers forgotten",
            seen=lambda m: m.loaded == {n for n in _LOADED if n.endswith(("weight", "bias"))},
            says="All parameters are loaded, but BatchNorm's running mean and variance are not. "
            "Is everything that a model saves a parameter?",
        ),
        Mistake(
            name="nothing returned",
            seen=lambda m: m.loaded == _LOADED and m.names is None,
            says="All that fits is loaded. But you do not return the names. How does the caller "
            "learn what is still at its old start?",
        ),
        Mistake(
            name="names of what was loaded",
            seen=lambda m: m.names is not None and m.names >= _LOADED,
            says="You return what was loaded. Which names does the task ask for?",
        ),
        Mistake(
            name="names of the weights",
            seen=lambda m: m.names is not None and "old.weight" in m.names,
            says="Among your names are some that the *model* does not have. Whose tensors that "
            "were not loaded does the task ask for?",
        ),
        Mistake(
            name="another shape not reported",
            seen=lambda m: m.names == {"extra.weight", "extra.bias"},
            says="You report what the weights do not have. What about the head, whose shape did "
            "not fit?",
        ),
        Mistake(
            name="missing not reported",
            seen=lambda m: m.names == {"head.weight", "head.bias"},
            says="You report what did not fit. What about a layer that the weights do not have?",
        ),
    ),
    otherwise=_otherwise_matched,
    praise="all that fits is loaded, buffers too, and the names of the rest are returned.",
)

# --- three_factors ---

_SIZES = [(12, 9, 3), (8, 20, 4), (30, 10, 5)]  # (fan_in, fan_out, rank)


@dataclass(frozen=True)
class _Factors:
    """What three factors give at the start, for some gradient of the loss with respect to CBA."""

    sizes: tuple[int, int, int]
    a: Array
    b: Array
    c: Array

    @property
    def change(self) -> float:
        """Largest entry of the product, which is what the layer's function changes by."""
        return float(np.abs(self.c @ self.b @ self.a).max())

    @property
    def gradients(self) -> list[Array]:
        """Gradients of a, b and c."""
        fan_in, fan_out, _ = self.sizes
        g = np.random.default_rng(0).normal(size=(fan_out, fan_in))
        a, b, c = self.a, self.b, self.c
        return [(c @ b).T @ g, c.T @ g @ a.T, g @ (b @ a).T]

    @property
    def learns(self) -> bool:
        return any(gradient.any() for gradient in self.gradients)

    @property
    def rank(self) -> int:
        """In how many directions the product changes in the first step."""
        da, db, dc = self.gradients
        parts = [self.c @ self.b @ da, self.c @ db @ self.a, dc @ self.b @ self.a]
        return int(np.linalg.matrix_rank(sum(parts)))

    @property
    def is_right(self) -> bool:
        return self.change == 0 and self.rank == self.sizes[2]


def _measure_factors(function: Callable[..., Any]) -> list[_Factors]:
    return [_factors(function, sizes) for sizes in _SIZES]


def _factors(function: Callable[..., Any], sizes: tuple[int, int, int]) -> _Factors:
    value = returned(call(function, *sizes))
    if not isinstance(value, (tuple, list)) or len(value) != 3:
        raise Rejected(
            "not three factors",
            "The task asks for three matrices, `a, b, c`. What does your function return?",
        )
    fan_in, fan_out, rank = sizes
    shapes = [(rank, fan_in), (rank, rank), (fan_out, rank)]
    pairs = zip(value, shapes, strict=True)
    return _Factors(sizes, *(as_entries(factor, shape).values for factor, shape in pairs))


def _otherwise_factors(found: Sequence[_Factors]) -> str:
    wrong = next(one for one in found if not one.is_right)
    fan_in, fan_out, rank = wrong.sizes
    return (
        f"For fan_in={fan_in}, fan_out={fan_out} and rank={rank}, the first step changes the "
        f"layer in {wrong.rank} directions. How many could it be?"
    )


_THREE_FACTORS = Exercise(
    name="three_factors",
    notebook="10",
    task="A frozen layer W gets an addition of three factors, W + CBA, and all three may learn. "
    "Return `a` of shape `(rank, fan_in)`, `b` of shape `(rank, rank)` and `c` of shape "
    "`(fan_out, rank)`, so that the layer's function does not change at the start, and the first "
    "step of training can change it in `rank` directions.",
    stub="def three_factors(fan_in, fan_out, rank):\n    ...\n",
    hints=(
        "The product must be 0. Which factors can be 0 for that?",
        "The gradient of one factor is a product that holds the two others. When is it not 0?",
        "Exactly one factor is 0. The two others need rows and columns that differ: random "
        "numbers do that.",
    ),
    solution="""
import torch

def three_factors(fan_in, fan_out, rank):
    a = torch.randn(rank, fan_in) / fan_in**0.5
    b = torch.randn(rank, rank) / rank**0.5
    c = torch.zeros(fan_out, rank)
    return a, b, c
""",
    measure=_measure_factors,
    right=lambda found: all(one.is_right for one in found),
    mistakes=(
        Mistake(
            name="small, not zero",
            seen=lambda found: all(0 < one.change < 0.01 for one in found),
            says="The product CBA is small, but not 0: the layer does not compute exactly what "
            "the loaded one does. Could a factor be 0 without stopping all learning?",
        ),
        Mistake(
            name="function changed",
            seen=lambda found: any(one.change for one in found),
            says="The product CBA is not 0, so the layer computes something else than the loaded "
            "one before any training. What must hold for a product to be 0?",
        ),
        Mistake(
            name="no gradient",
            seen=lambda found: not any(one.learns for one in found),
            says="The product is 0, and the gradients of all three factors are 0, too: nothing "
            "will ever learn. Which factors stand in the gradient of `c`?",
        ),
        Mistake(
            name="twins",
            seen=lambda found: all(one.rank == 1 for one in found),
            says="Nothing changes at the start, and there is a gradient. But the first step "
            "changes the layer in one direction only: as if the rank were 1. Do the rows of your "
            "factors differ?",
        ),
    ),
    otherwise=_otherwise_factors,
    praise="for 3 sizes the function is kept, and the first step can use every direction.",
)

EXERCISES = [_LOAD_MATCHING, _THREE_FACTORS]
