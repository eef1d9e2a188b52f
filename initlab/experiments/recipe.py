"""What decides a run but the network and the data? Steps, batches, loss and optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

from initlab.arguments import choice, loss_function, number, unknown, whole
from initlab.data import Batch
from initlab.experiments.ensemble import Stacked
from initlab.schemes import fans

Loss = Callable[[Any, Tensor], Tensor]  # (output, target) → scalar
OPTIMIZERS = ("sgd", "adam", "mup_adam")
BASE_FAN_IN = 64  # inputs of a layer for which "mup_adam" has the rate of "adam"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a run but the network and the data; the fields as in `il.train`."""

    steps: int
    lr: float | Callable[[int], float]
    optimizer: str = "sgd"
    momentum: float = 0.0
    batch_size: int = 128
    loss: Loss | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        whole("steps", self.steps, least=1)
        whole("batch_size", self.batch_size, least=1)
        whole("seed", self.seed, least=0)
        choice("optimizer", self.optimizer, OPTIMIZERS)
        if not callable(self.lr):
            number("lr", self.lr, low=0)
        if number("momentum", self.momentum, low=0) >= 1:
            raise ValueError(f"momentum must be at least 0 and below 1, got {self.momentum}.")
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(
                f'momentum belongs to optimizer="sgd", got momentum={self.momentum} with '
                f"optimizer={self.optimizer!r}: leave it out."
            )
        loss_function(self.loss)

    @classmethod
    def of(cls, training: dict[str, Any]) -> Recipe:
        """Make a recipe from keyword arguments, or say which of them is wrong."""
        known = [field.name for field in fields(cls)]
        for name in training:
            if name not in known:
                raise TypeError(unknown("argument", name, known))
        for name in ("steps", "lr"):
            if name not in training:
                raise TypeError(f"{name} must be given, as for il.train: {name}=...")
        return cls(**training)

    @property
    def settings(self) -> dict[str, Any]:
        """What a row says about it."""
        lr = getattr(self.lr, "__name__", repr(self.lr)) if callable(self.lr) else self.lr
        return {"optimizer": self.optimizer, "lr": lr}

    def batches(self, data: Batch) -> Iterator[Batch]:
        """Yield the batch of each step: the same for every network that sees the same data."""
        return islice(self._epochs(data), self.steps)

    def _epochs(self, data: Batch) -> Iterator[Batch]:
        generator, n = torch.Generator().manual_seed(self.seed), len(data.x)
        while self.batch_size >= n:
            yield data
        while True:
            order = torch.randperm(n, generator=generator).to(data.x.device)
            # What does not fill a batch is left out: BatchNorm cannot take a batch of one.
            full = n - n % self.batch_size
            for rows in order[:full].view(-1, self.batch_size):
                yield Batch(data.x.index_select(0, rows), data.y.index_select(0, rows))

    def optimizer_for(self, network: nn.Module) -> torch.optim.Optimizer:
        """Make the optimiser that updates a network; each group has the factor of its rate."""
        factors = _rate_factors(network)
        groups: dict[float, dict[str, Any]] = {}
        for parameter, factor in factors.items():
            factor = factor if self.optimizer == "mup_adam" else 1.0
            group = groups.setdefault(factor, {"params": [], "factor": factor})
            group["params"].append(parameter)
        # One kernel for a whole step; on a CPU the usual way takes several for each parameter.
        fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in factors)
        made: torch.optim.Optimizer
        if self.optimizer == "sgd":
            made = torch.optim.SGD(groups.values(), momentum=self.momentum, fused=fused)
        else:
            made = torch.optim.Adam(groups.values(), fused=fused)
        self.set_rates(made, step=0)
        return made

    def set_rates(self, optimizer: torch.optim.Optimizer, step: int) -> float:
        """Set the rates of a step in an optimiser that was made here; return the rate."""
        lr = number("lr", self.lr(step), low=0) if callable(self.lr) else float(self.lr)
        for group in optimizer.param_groups:
            if "factor" in group:
                group["lr"] = lr * group["factor"]
        return lr


def _rate_factors(network: nn.Module) -> dict[Tensor, float]:
    """Return each parameter to train with the factor of its rate under "mup_adam".

    Adam moves each weight by about its rate, and the moves of a unit's weights add up.
    """
    factors: dict[Tensor, float] = {}
    for module in network.modules():
        for parameter in module.parameters(recurse=False):
            one = parameter[0] if isinstance(module, Stacked) else parameter
            factor = 1.0
            if isinstance(module, _ConvTransposeNd) and one.dim() > 1:  # (in, out, *kernel)
                factor = BASE_FAN_IN * module.groups / fans(one)[1]
            elif one.dim() > 1 and not isinstance(module, nn.Embedding):
                factor = BASE_FAN_IN / fans(one)[0]
            if parameter.requires_grad:
                factors.setdefault(parameter, factor)
    return factors


def class_count(target: Tensor) -> int:
    """Return how many outputs a network for these targets needs."""
    if target.is_floating_point():
        return target.shape[1] if target.dim() > 1 else 1
    return int(target.max()) + 1


def checked_data(data: Any, model: nn.Module | None = None) -> Batch:
    """Return the data as a batch; for a model, where it is and in its precision."""
    if not (isinstance(data, tuple) and len(data) == 2 and all(map(torch.is_tensor, data))):
        raise TypeError(
            "data must be a pair of tensors (x, y), as il.data.digits() gives it, "
            f"got {type(data).__name__}."
        )
    x, y = data
    if not len(x) or len(x) != len(y):
        raise ValueError(
            f"data must have one target for each example, got {len(x)} examples "
            f"and {len(y)} targets."
        )
    parameters = model.parameters() if model else ()
    like = next((p for p in parameters if p.is_floating_point()), x)
    return Batch(*(t.to(like) if t.is_floating_point() else t.to(like.device) for t in (x, y)))


def checked_model(model: object) -> nn.Module:
    """Return the model, if it is one that can be trained."""
    if not isinstance(model, nn.Module):
        raise TypeError(
            "model must be a torch.nn.Module, such as il.models.mlp(10, 64), "
            f"got {model!r} of type {type(model).__name__}."
        )
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError("model must have a parameter to train, got none with requires_grad=True.")
    return model
