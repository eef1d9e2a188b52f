"""Does it train better? A few steps of a copy, at sensible rates.

The loss is counted in losses of a guess, so that a sum over the batch, a weight or a smoothing
changes nothing. Nothing here touches the model that was given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from initlab.diagnosis.facts import real_outputs, value_of
from initlab.probe.preserving import copied, keep_random_states
from initlab.probe.run import Loss, call_model, own_loss
from initlab.probe.tensors import map_tensors

ROWS = 128  # of the batch, taken from all over it
STEPS = 10
LARGE = 3_000_000  # parameters; with more, each trial takes fewer rows and one draw
LEARNT = 0.5  # of a guess: below it a network trains, whatever else is seen
CLEAR = 0.03  # of a guess: by less than that one trial is no better than another


def _momentum(lr: float, step: int, p: Tensor, g: Tensor, m: Tensor, v: Tensor) -> None:
    m.mul_(0.9).add_(g)
    p.sub_(m, alpha=lr)


def _adam(lr: float, step: int, p: Tensor, g: Tensor, m: Tensor, v: Tensor) -> None:
    m.lerp_(g, 0.1)
    v.mul_(0.999).addcmul_(g, g.conj(), value=0.001)
    scale = (v / (1 - 0.999 ** (step + 1))).sqrt_().add_(1e-8)
    p.addcdiv_(m, scale, value=-lr / (1 - 0.9 ** (step + 1)))


RECIPES: dict[str, Callable[..., None]] = {  # for a loss whose guess is 1
    "SGD with momentum 0.9 and lr 0.1": partial(_momentum, 0.1),
    "SGD with momentum 0.9 and lr 0.01": partial(_momentum, 0.01),
    "Adam with lr 0.003": partial(_adam, 0.003),  # torch's own takes a second to import
    "Adam with lr 0.0003": partial(_adam, 0.0003),
}


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


def try_steps(
    model: nn.Module, x: Any, target: Any, loss: Loss | None, unit: float, only: str, steps: int
) -> Outcome:
    """Train copies of a model on some rows, by one recipe or, where `only` is empty, by all.

    `unit` is the loss of a guess. A large model takes fewer rows, and the middle two recipes.
    """
    large = is_large(model)
    x, target = some_rows(x, target, 16 if large else ROWS)

    def loss_of(network: nn.Module) -> Tensor:
        output = call_model(network, x)
        if loss is None and target is None and own_loss(output) is None:
            return _random_targets(output)
        return value_of(output, target, loss).reshape(()) / unit

    first, final = math.nan, {}
    for name in [only] if only else [*RECIPES][1:3] if large else RECIPES:
        losses = _losses(copied(model), loss_of, RECIPES[name], steps)
        first = losses[0]
        final[name] = losses[-1] if all(map(math.isfinite, losses)) else math.inf
    return Outcome(first, final, steps)


def _losses(
    model: nn.Module, loss_of: Callable[..., Tensor], update: Callable[..., None], steps: int
) -> list[float]:
    """Take the steps; return the loss before each and after the last."""
    weights = [p for p in model.parameters() if p.requires_grad]
    averages = [(torch.zeros_like(p), torch.zeros_like(p)) for p in weights]
    losses = []
    with kept_random_state(seed=2), torch.enable_grad():
        for step in range(steps + 1):
            value = loss_of(model)
            losses.append(value.item())
            learns = bool(weights) and value.requires_grad and math.isfinite(losses[-1])
            if step == steps or not learns:
                break
            gradients = torch.autograd.grad(value, weights, allow_unused=True)
            with torch.no_grad():
                for p, g, (m, v) in zip(weights, gradients, averages, strict=True):
                    if g is not None:
                        update(step, p, g.to_dense() if g.is_sparse else g, m, v)
    return losses


def _random_targets(output: Any) -> Tensor:
    """Without a target, ask for random values: what trains can come nearer to them."""
    generator, total = torch.Generator().manual_seed(0), torch.zeros(())
    for real in real_outputs(output):
        wanted = torch.randn(real.shape, generator=generator).to(real)
        total = total + (real - wanted).float().square().mean()
    return total


def some_rows(x: Any, target: Any, most: int) -> tuple[Any, Any]:
    """Take some samples from all over a batch, or the whole if it cannot be cut."""
    sizes: set[int] = set()

    def note(t: Tensor) -> Tensor:
        sizes.update(t.shape[:1])
        return t

    map_tensors(note, (x, target))
    step = -(-max(sizes, default=0) // most)
    if step < 2 or len(sizes) > 1:
        return x, target
    return map_tensors(lambda t: t[::step] if t.dim() else t, (x, target))  # type: ignore[no-any-return]


@contextmanager
def kept_random_state(seed: int) -> Iterator[None]:
    """Draw from a seed inside, and leave the global random states as they were."""
    with ExitStack() as undo:
        undo.callback(keep_random_states())
        torch.manual_seed(seed)
        yield


def is_large(model: nn.Module) -> bool:
    """Say whether each trial of a network takes so long that fewer must do."""
    return sum(p.numel() for p in model.parameters()) > LARGE
