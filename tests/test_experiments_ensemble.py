"""An ensemble gives each network what `il.train` gives it alone, to rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initlab as il
from initlab.experiments import History
from initlab.experiments.ensemble import Ensemble, can_stack
from initlab.experiments.loop import Loop
from initlab.experiments.recipe import Recipe
from initlab.experiments.training import run

DIGITS = il.data.digits(300)


def alone(models: list[nn.Module], data: Any, **options: Any) -> list[History]:
    return [il.train(model, data, progress=False, **options) for model in models]


def assert_alike(ours: list[History], theirs: list[History]) -> None:
    """Rounding differs: sums over a batch have another order. A few steps do not amplify it."""
    for one, other in zip(ours, theirs, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=2e-4, abs=1e-6, nan_ok=True)
        assert one.final_loss == pytest.approx(other.final_loss, rel=2e-4, abs=1e-6, nan_ok=True)
        assert one.final_accuracy == pytest.approx(other.final_accuracy, abs=0.011)
        assert (one.stopped is None) == (other.stopped is None)
        assert one.lr == other.lr


@pytest.mark.parametrize(
    ("build", "options"),
    [
        (partial(il.models.mlp, 5, 32), {"momentum": 0.9, "lr": 0.1}),
        (partial(il.models.mlp, 3, 37, "gelu"), {"optimizer": "adam", "lr": 0.01}),
        (partial(il.models.mlp, 2, 32, "tanh", norm="batch"), {"lr": 0.1}),
        (partial(il.models.mlp, 2, 32, norm="layer"), {"lr": 0.1, "batch_size": 37}),
        (partial(il.models.mlp, 2, 16, torch.sin, bias=False), {"lr": lambda k: 0.1 / (1 + k)}),
        (partial(il.models.residual, 2, 32, norm="batch"), {"momentum": 0.9, "lr": 0.05}),
        (lambda seed: nn.Linear(64, 10), {"lr": 0.1}),
    ],
    ids=["momentum", "gelu", "batchnorm", "layernorm", "own function", "residual", "own model"],
)  # fmt: skip
def test_seeds_together_are_seeds_alone(
    build: Callable[..., nn.Module], options: dict[str, Any]
) -> None:
    models = [build(seed=seed) for seed in range(3)]
    assert can_stack(models[0], DIGITS.x)
    ensemble = Ensemble(models)
    together = run(ensemble, DIGITS, Recipe(steps=6, **options))
    assert_alike(together, alone(models, DIGITS, steps=6, **options))
    for place, model in enumerate(models):
        held = (model.named_parameters(), model.named_buffers())
        for name, theirs in (pair for pairs in held for pair in pairs):
            if not name.endswith("num_batches_tracked"):
                ours = dict(ensemble.network.state_dict())[name][place]
                torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize(
    ("data", "sizes", "loss"),
    [
        (il.data.regression(64, 4, n_out=2), {"n_in": 4, "n_out": 2}, None),
        (il.data.regression(64, 4, n_out=2), {"n_in": 4, "n_out": 2}, F.l1_loss),
        (il.data.spirals(64), {"n_in": 2, "n_out": 3}, None),
        (il.data.Batch(DIGITS.x, DIGITS.y.masked_fill(DIGITS.y == 3, -100)), {}, None),
    ],
    ids=["values", "own loss", "points", "a class left out"],
)
def test_losses_of_several_kinds(data: il.data.Batch, sizes: Any, loss: Any) -> None:
    models = [il.models.mlp(2, 16, seed=seed, **sizes) for seed in range(2)]
    together = run(Ensemble(models), data, Recipe(steps=5, lr=0.1, loss=loss))
    assert_alike(together, alone(models, data, steps=5, lr=0.1, loss=loss))


def test_one_that_diverges_leaves_the_others_alone() -> None:
    models = [il.models.mlp(2, 16, norm="batch", seed=seed) for seed in range(3)]
    with torch.no_grad():
        models[1].head.weight.fill_(1e38)
    ensemble = Ensemble(models)
    found = run(ensemble, DIGITS, Recipe(steps=6, lr=0.1, momentum=0.9))
    theirs = alone(models, DIGITS, steps=6, lr=0.1, momentum=0.9)
    assert [history.stopped for history in found] == [history.stopped for history in theirs]
    assert found[1].stopped is not None
    assert found[1].stopped.startswith("diverged at step 0: the loss is")
    assert len(found[1].loss) == 1
    assert_alike(found, theirs)
    for name in ("linear1.weight", "norm1.running_mean"):
        ours, theirs = (net.state_dict()[name] for net in (ensemble.network, models[1]))
        torch.testing.assert_close(ours[1], theirs)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_going_back_gives_the_same_steps_again(optimizer: str) -> None:
    models = [il.models.mlp(2, 16, norm="batch", seed=seed) for seed in range(2)]
    recipe = Recipe(steps=9, lr=0.01, optimizer=optimizer, batch_size=100)
    loop, batches = Loop(Ensemble(models), recipe), list(recipe.batches(DIGITS))

    def go(steps: range) -> Iterator[float]:
        for step in steps:
            assert loop.done == step
            yield from loop.gradients(batches[step]).losses
            loop.update()

    list(go(range(3)))
    saved, first = loop.save(), list(go(range(3, 9)))
    loop.restore(saved)
    assert list(go(range(3, 9))) == pytest.approx(first, rel=1e-5)


class Own(nn.Linear):
    """Somebody's layer."""


def learnt_factor() -> nn.Module:
    block = il.models.ResidualBlock(nn.Sequential(nn.Linear(64, 64)))
    block.branch_scale = nn.Parameter(torch.zeros(1))
    return nn.Sequential(block, nn.Linear(64, 10))


def tied() -> nn.Module:
    layer = nn.Linear(64, 64)
    return nn.Sequential(layer, nn.ReLU(), layer)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (partial(il.models.mlp, 1, 8, norm="layer"), True),
        (partial(nn.Sequential, nn.Linear(64, 8), nn.BatchNorm1d(8, affine=False)), True),
        (partial(il.models.mlp, 1, 8, dropout=0.1), False),
        (partial(nn.Sequential, nn.Linear(64, 8), nn.BatchNorm1d(8, momentum=None)), False),
        (partial(nn.Sequential, Own(64, 10)), False),
        (partial(nn.Sequential, nn.Linear(64, 10), nn.Softmax(1)), False),
        (partial(nn.Sequential, nn.Linear(64, 10), nn.ReLU(inplace=True)), False),
        (partial(il.models.mlp, 1, 8, "prelu"), False),
        (learnt_factor, False),
        (tied, False),
    ],
)
def test_which_networks_can_be_stacked(build: Callable[[], nn.Module], expected: bool) -> None:
    assert can_stack(build(), DIGITS.x) is expected
    assert not can_stack(build(), DIGITS.x[:, None])


def test_frozen_weights_stay() -> None:
    models = [il.models.mlp(1, 8, seed=seed) for seed in range(2)]
    for model in models:
        model.linear1.weight.requires_grad_(False)
    ensemble = Ensemble(models)
    run(ensemble, DIGITS, Recipe(steps=3, lr=0.1))
    assert torch.equal(ensemble.network.linear1.weight[1], models[1].linear1.weight)
    assert not torch.equal(ensemble.network.linear1.bias[1], models[1].linear1.bias)


@pytest.mark.parametrize(
    "register",
    [
        lambda model, hook: model.linear2.register_forward_pre_hook(hook),
        lambda model, hook: model.linear2.register_forward_hook(hook),
        lambda model, hook: model.linear2.register_full_backward_hook(hook),
        lambda model, hook: model.linear2.register_full_backward_pre_hook(hook),
        lambda model, hook: Tensor.register_hook(model.linear2.weight, hook),
        lambda model, hook: model.linear2.weight.register_post_accumulate_grad_hook(hook),
    ],
)
def test_hooks_of_others_run(register: Callable[..., Any]) -> None:
    model, called = il.models.mlp(2, 8), []
    register(model, lambda *_: called.append(1))
    assert not can_stack(model, DIGITS.x)
    il.train(model, DIGITS, steps=2, lr=0.1)
    assert len(called) >= 2
