"""The networks have the layers, shapes and weights that their names promise."""

from itertools import pairwise

import pytest
import torch
from torch import nn

import initlab as il
from initlab.models import ResidualBlock

X = torch.linspace(-1, 1, 5 * 64).reshape(5, 64)
BUILDERS = {
    "mlp": (lambda **k: il.models.mlp(3, 16, **k), X),
    "cnn": (lambda **k: il.models.cnn(3, 4, **k), X.reshape(5, 1, 8, 8)),
    "residual": (lambda **k: il.models.residual(3, 16, **k), X),
}
every_builder = pytest.mark.parametrize(("build", "x"), BUILDERS.values(), ids=BUILDERS)


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (il.models.mlp(1, 4), "linear1 act1 head"),
        (
            il.models.mlp(2, 4, norm="batch", dropout=0.1),
            "linear1 norm1 act1 drop1 linear2 norm2 act2 drop2 head",
        ),
        (il.models.cnn(2, 4), "conv1 act1 conv2 act2 pool flatten head"),
        (il.models.cnn(1, 4, norm="layer"), "conv1 norm1 act1 pool flatten head"),
        (il.models.residual(2, 4), "stem block1 block2 act head"),
        (il.models.residual(1, 4, norm="layer"), "stem block1 norm act head"),
        (
            il.models.residual(1, 4, norm="batch", layers_per_branch=2).block1.branch,
            "norm1 act1 linear1 norm2 act2 linear2",
        ),
    ],
)
def test_names_tell_the_order_of_the_layers(model, names):
    assert [name for name, _ in model.named_children()] == names.split()


@every_builder
@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_each_maps_a_batch_to_ten_logits(build, x, norm):
    assert build(norm=norm)(x).shape == (5, 10)


def test_sizes_reach_the_layers():
    model = il.models.mlp(2, 7, n_in=3, n_out=2, bias=False)
    assert [tuple(p.shape) for p in model.parameters()] == [(7, 3), (7, 7), (2, 7)]
    cnn = il.models.cnn(2, 6, in_channels=3, image_size=5, n_out=2, bias=False)
    assert [tuple(p.shape) for p in cnn.parameters()] == [(6, 3, 3, 3), (6, 6, 3, 3), (2, 24)]
    assert cnn(torch.zeros(1, 3, 5, 5)).shape == (1, 2)


@pytest.mark.parametrize(
    ("model", "norm"),
    [
        (il.models.mlp(1, 4, norm="batch"), nn.BatchNorm1d),
        (il.models.mlp(1, 4, norm="layer"), nn.LayerNorm),
        (il.models.cnn(1, 4, norm="batch"), nn.BatchNorm2d),
        (il.models.cnn(1, 4, norm="layer"), nn.GroupNorm),
    ],
)
def test_norm_is_the_kind_that_was_asked_for(model, norm):
    assert type(model.norm1) is norm


def test_weights_are_the_defaults_of_torch_in_the_order_of_the_layers():
    torch.manual_seed(7)
    expected = [nn.Linear(64, 8), nn.Linear(8, 8), nn.Linear(8, 10)]
    model = il.models.mlp(2, 8, seed=7)
    for ours, theirs in zip([model.linear1, model.linear2, model.head], expected, strict=True):
        assert torch.equal(ours.weight, theirs.weight)
        assert torch.equal(ours.bias, theirs.bias)


@every_builder
def test_seed_decides_the_weights_and_nothing_else_is_touched(build, x):
    before = torch.get_rng_state()
    first, again, other = (build(seed=seed)(x) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


@every_builder
def test_bad_arguments_leave_the_random_state_alone(build, x):
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match="norm must be"):
        build(norm="instance")
    assert torch.equal(torch.get_rng_state(), before)


@every_builder
def test_a_layer_as_activation_is_copied_for_each_place(build, x):
    mine = nn.PReLU()
    model = build(activation=mine)
    copies = [layer for layer in model.modules() if isinstance(layer, nn.PReLU)]
    assert len(copies) >= 3
    assert all(a is not b for a, b in pairwise([mine, *copies]))


def test_any_function_is_an_activation():
    model = il.models.mlp(1, 4, torch.sin)
    assert torch.equal(model.act1(X), torch.sin(X))


def test_models_stand_on_the_default_device():
    with torch.device("meta"):
        model = il.models.mlp(1, 4)
    assert {p.device.type for p in model.parameters()} == {"meta"}


def test_residual_block_adds_its_scaled_branch():
    block = ResidualBlock(nn.Sequential(nn.Linear(4, 4), nn.Tanh()), branch_scale=0.5)
    x = torch.randn(3, 4)
    assert torch.equal(block(x), x + 0.5 * block.branch(x))
    assert "branch_scale=0.5" in repr(block)


@pytest.mark.parametrize(("branch_scale", "growth"), [(1.0, 2.0**8), (8**-0.5, (1 + 1 / 8) ** 8)])
@pytest.mark.parametrize("layers_per_branch", [1, 2])
def test_stream_grows_as_theory_says(branch_scale, growth, layers_per_branch):
    """A branch that keeps the second moment doubles it; 1/√L keeps the product below e."""
    model = il.models.residual(
        8, 512, n_in=512, branch_scale=branch_scale, layers_per_branch=layers_per_branch
    )
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    stream = model[1:9](torch.randn(64, 512))
    assert stream.square().mean().item() == pytest.approx(growth, rel=0.35)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda m: m.mlp(0, 8),
            ValueError,
            "depth must be a whole number of at least 1, got 0.",
        ),
        (
            lambda m: m.mlp(2.5, 8),
            TypeError,
            "depth must be a whole number of at least 1, got 2.5 of type float.",
        ),
        (
            lambda m: m.mlp(2, "8"),
            TypeError,
            "width must be a whole number of at least 1, got '8' of type str.",
        ),
        (
            lambda m: m.mlp(True, 8),
            TypeError,
            "depth must be a whole number of at least 1, got True of type bool.",
        ),
        (
            lambda m: m.mlp(2, 8, dropout=1),
            ValueError,
            "dropout must be at least 0 and below 1, got 1.0.",
        ),
        (
            lambda m: m.mlp(2, 8, dropout="much"),
            TypeError,
            "dropout must be a finite number, got 'much' of type str.",
        ),
        (
            lambda m: m.mlp(2, 8, seed=-1),
            ValueError,
            "seed must be a whole number of at least 0, got -1.",
        ),
        (
            lambda m: m.mlp(2, 8, norm="bacth"),
            ValueError,
            'norm must be None, "batch" or "layer", got \'bacth\'.',
        ),
        (
            lambda m: m.cnn(1, 4, image_size=1),
            ValueError,
            "image_size must be a whole number of at least 2, got 1.",
        ),
        (
            lambda m: m.residual(1, 4, branch_scale=float("nan")),
            ValueError,
            "branch_scale must be a finite number, got nan.",
        ),
        (
            lambda m: m.residual(0, 4),
            ValueError,
            "blocks must be a whole number of at least 1, got 0.",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error) as caught:
        call(il.models)
    assert str(caught.value) == message


def test_unknown_activation_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'tanh'"):
        il.models.mlp(2, 8, "tahn")
