"""Does it train better? A few steps of a copy, at sensible rates.

The loss is counted in losses of a guess, so that a sum over the batch, a weight or a smoothing
changes nothing. Nothing here touches the model that was given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from initlab.diagnosis.facts import copied, value_of
from initlab.probe.preserving import keep_random_states
from initlab.probe.run import Loss, call_model, outputs_of, own_loss
from initlab.probe.tensors import first_tensor, map_tensors

ROWS = 128  # of the batch, taken from all over it
STEPS = 10
LARGE = 3_000_000  # parameters; with more, each trial takes fewer rows and one draw
LEARNT = 0.5  # of a guess: below it a network trains, whatever else is seen
CLEAR = 0.03  # of a guess: by less than that one trial is no better than another


@dataclass(frozen=True)
class Recipe:
    """One way to take steps, for a loss whose guess is 1."""

    name: str
    lr: float
    adam: bool = False


RECIPES = (
    Recipe("SGD with momentum 0.9 and lr 0.1", 0.1),
    Recipe("SGD with momentum 0.9 and lr 0.01", 0.01),
    Recipe("Adam with lr 0.003", 0.003, adam=True),
    Recipe("Adam with lr 0.0003", 0.0003, adam=True),
)


@dataclass(frozen=True)
class Outcome:
    """What a few steps came to, in losses of a guess.

    Args:
        first: The loss before them.
        final: Name of a recipe → the loss after them; infinite if it diverged.
        steps: How many.
    """

    first: float
    final: dict[str, float]
    steps: int = STEPS

    @property
    def best(self) -> float:
        """The loss after the best recipe, or before it if no recipe lowers it."""
        return min(self.final.values(), default=math.inf)

    @property
    def recipe(self) -> str:
        """The best recipe."""
        return min(self.final, key=lambda name: self.final[name])

    @property
    def trains(self) -> bool:
        """Whether the best recipe brings the loss well below that of a guess."""
        return self.best < LEARNT


@dataclass(frozen=True)
class Trial:
    """A batch, a loss and the steps that are tried.

    Args:
        x: The batch.
        target: The target.
        loss: The caller's loss, or None.
        unit: The loss of a guess.
    """

    x: Any
    target: Any
    loss: Loss | None
    unit: float

    @cached_property
    def batch(self) -> tuple[Any, Any]:
        """Some rows of the batch, evenly spread over it."""
        return some_rows(self.x, self.target, ROWS)

    def run(self, model: nn.Module, only: str = "", steps: int = STEPS) -> Outcome:
        """Train copies of a model, by every recipe or by one."""
        large = is_large(model)
        x, target = some_rows(self.x, self.target, 16) if large else self.batch
        first, final = math.nan, {}
        for recipe in RECIPES:
            if only in ("", recipe.name) and not (large and recipe in RECIPES[::3]):
                losses = self._steps(copied(model), x, target, recipe, steps)
                first = losses[0]
                final[recipe.name] = losses[-1] if all(map(math.isfinite, losses)) else math.inf
        return Outcome(first, final, steps)

    def _steps(
        self, model: nn.Module, x: Any, target: Any, recipe: Recipe, steps: int
    ) -> list[float]:
        """Take the steps; return the loss before each and after the last."""
        weights = [p for p in model.parameters() if p.requires_grad]
        slow = [torch.zeros_like(p) for p in weights]
        fast = [torch.zeros_like(p) for p in weights]
        losses = []
        with kept_random_state(seed=2), torch.enable_grad():
            for step in range(steps + 1):
                value = self._loss(model, x, target)
                losses.append(value.item())
                if (
                    step == steps
                    or not math.isfinite(losses[-1])
                    or not (weights and value.requires_grad)
                ):
                    break
                gradients = torch.autograd.grad(value, weights, allow_unused=True)
                with torch.no_grad():
                    for p, m, v, g in zip(weights, slow, fast, gradients, strict=True):
                        if g is not None:
                            _step(recipe, step, p, m, v, g.to_dense() if g.is_sparse else g)
        return losses

    def _loss(self, model: nn.Module, x: Any, target: Any) -> Tensor:
        output = call_model(model, x)
        if self.loss is None and target is None and own_loss(output) is None:
            return _random_targets(output)
        return value_of(output, target, self.loss).reshape(()) / self.unit


def _step(recipe: Recipe, step: int, p: Tensor, m: Tensor, v: Tensor, g: Tensor) -> None:
    if recipe.adam:
        m.lerp_(g, 0.1)
        v.mul_(0.999).addcmul_(g, g.conj(), value=0.001)
        scale = (v / (1 - 0.999 ** (step + 1))).sqrt_().add_(1e-8)
        p.addcdiv_(m, scale, value=-recipe.lr / (1 - 0.9 ** (step + 1)))
    else:
        m.mul_(0.9).add_(g)
        p.sub_(m, alpha=recipe.lr)


def _random_targets(output: Any) -> Tensor:
    """Without a target, ask for random values: what trains can come nearer to them."""
    generator = torch.Generator().manual_seed(0)
    total: Any = 0
    for tensor in outputs_of(output):
        real = torch.view_as_real(tensor) if tensor.is_complex() else tensor
        wanted = torch.randn(real.shape, generator=generator).to(real)
        total = total + (real - wanted).float().square().mean()
    return total  # type: ignore[no-any-return]


def some_rows(x: Any, target: Any, most: int) -> tuple[Any, Any]:
    """Take some samples from all over a batch, or the whole if it cannot be cut."""
    given = first_tensor(x)
    if given is None:
        given = next((t for t in _tensors(x) if t.dim()), None)
    if given is None or not given.dim():
        return x, target
    n = len(target) if isinstance(target, Tensor) and target.dim() else len(given)
    step = -(-n // most)
    cuttable = [t for t in (*_tensors(x), *_tensors(target)) if t.dim()]
    if step < 2 or not all(len(t) == n for t in cuttable):
        return x, target

    def cut(t: Tensor) -> Tensor:
        return t[::step] if t.dim() else t

    return map_tensors(cut, x), map_tensors(cut, target)


def _tensors(thing: Any) -> list[Tensor]:
    found: list[Tensor] = []

    def note(t: Tensor) -> Tensor:
        found.append(t)
        return t

    map_tensors(note, thing)
    return found


@contextmanager
def kept_random_state(seed: int) -> Iterator[None]:
    """Draw from a seed inside, and leave the global random states as they were."""
    put_back = keep_random_states()
    try:
        torch.manual_seed(seed)
        yield
    finally:
        put_back()


def is_large(model: nn.Module) -> bool:
    """Say whether each trial of a network takes so long that fewer must do."""
    return sum(p.numel() for p in model.parameters()) > LARGE
