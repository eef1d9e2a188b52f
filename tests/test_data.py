"""The batches have the statistics that their docstrings state."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import initlab as il

MAKERS = {
    "digits": il.data.digits,
    "spirals": il.data.spirals,
    "moons": il.data.moons,
    "gaussian": il.data.gaussian,
    "regression": il.data.regression,
}
every_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def numpy_state():
    return np.random.get_state()[1].tolist()  # noqa: NPY002 (the global state, which nobody may use)


@every_maker
def test_seed_decides_the_batch_and_nothing_else_is_touched(make):
    before = torch.get_rng_state(), numpy_state()
    (x, y), again, other = make(seed=1), make(seed=1), make(seed=2)
    assert torch.equal(x, again.x)
    assert torch.equal(y, again.y)
    assert not torch.equal(x, other.x)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert numpy_state() == before[1]


@every_maker
def test_types_fit_a_network(make):
    x, y = make()
    assert x.dtype == torch.float32
    assert y.dtype == (torch.float32 if make is il.data.regression else torch.int64)
    assert len(x) == len(y)


@every_maker
def test_n_is_the_number_of_rows(make):
    assert len(make(50).x) == 50


@every_maker
def test_a_batch_is_fresh_each_time(make):
    make().x.zero_()
    assert make().x.abs().max() > 0


@pytest.mark.parametrize(("split", "size"), [("all", 1797), ("train", 1500), ("test", 297)])
def test_digits_have_the_size_of_their_split(split, size):
    x, y = il.data.digits(split=split)
    assert x.shape == (size, 64)
    assert (torch.bincount(y) / size - 0.1).abs().max() < 0.005  # each digit in its share


@pytest.mark.parametrize("split", ["all", "train"])
def test_digits_are_standardised_as_a_whole(split):
    x = il.data.digits(split=split).x.double()
    assert x.mean().item() == pytest.approx(0, abs=1e-6)
    assert x.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    assert (x.std(dim=0) == 0).any()  # not pixel by pixel: dead corners stay dead


def test_digits_are_those_of_scikit_learn():
    pixels, labels = load_digits(return_X_y=True)
    x, y = il.data.digits()
    back = (x * pixels.std() + pixels.mean()).round()
    expected = sorted(np.column_stack([pixels, labels]).tolist())
    assert sorted(np.column_stack([back.numpy(), y.numpy()]).tolist()) == expected


def test_test_digits_are_seen_through_the_eyes_of_the_training_set():
    """Same picture, same numbers: the test split takes the mean and std of the training split."""
    train, test = il.data.digits(split="train").x, il.data.digits(split="test").x
    assert test.min() == train.min()  # an empty pixel
    assert test.max() == train.max()  # a full one
    assert test.mean().abs() > 1e-4


def test_train_and_test_never_overlap_whatever_the_seed():
    def rows(split, seed):
        return {tuple(row) for row in il.data.digits(split=split, seed=seed).x.tolist()}

    assert rows("train", 0) == rows("train", 5)
    assert not rows("train", 1) & rows("test", 2)


def test_digits_as_images_are_the_same_numbers():
    flat, images = il.data.digits(7), il.data.digits(7, as_images=True)
    assert images.x.shape == (7, 1, 8, 8)
    assert torch.equal(images.x.flatten(1), flat.x)


@pytest.mark.parametrize("make", [il.data.spirals, il.data.moons])
def test_points_in_the_plane_are_standardised_by_column(make):
    x = make(500).x.double()
    assert x.mean(dim=0).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert x.std(dim=0, correction=0).tolist() == pytest.approx([1, 1], abs=1e-6)


def test_spirals_have_equal_arms_that_noise_blurs():
    assert torch.bincount(il.data.spirals(600, classes=4).y).tolist() == [150] * 4
    clean = il.data.spirals(600, noise=0).x
    assert 0.02 < (il.data.spirals(600, noise=0.1).x - clean).abs().mean() < 0.2


def test_gaussian_has_no_structure():
    x, y = il.data.gaussian(4000, 50, classes=4)
    assert x.mean().item() == pytest.approx(0, abs=4 / (4000 * 50) ** 0.5)
    assert x.std().item() == pytest.approx(1, abs=4 / (2 * 4000 * 50) ** 0.5)
    means = torch.stack([x[y == label].mean(dim=0) for label in range(4)])
    assert means.abs().max() < 5 / 1000**0.5  # classes do not show in x


def test_regression_is_a_linear_map_and_noise():
    x, y = il.data.regression(5000, 20, n_out=3, noise=0.5)
    found = torch.linalg.lstsq(x, y).solution
    assert (y - x @ found).std().item() == pytest.approx(0.5, rel=0.05)
    assert il.data.regression(100, 20, n_out=3).y.shape == (100, 3)


def test_white_inputs_are_uncorrelated_and_their_map_is_found_exactly():
    x, y = (part.double() for part in il.data.regression(60, 40, n_out=10, noise=0, white=True))
    torch.testing.assert_close(x.T @ x / 60, torch.eye(40).double(), atol=1e-6, rtol=0)
    weights = x.T @ y / 60
    torch.testing.assert_close(x @ weights, y, atol=1e-5, rtol=0)
    assert weights.std().item() == pytest.approx(40**-0.5, rel=0.15)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda d: d.digits(split="valid"),
            ValueError,
            'split must be "all", "train" or "test", got \'valid\'.',
        ),
        (
            lambda d: d.regression(39, 40, white=True),
            ValueError,
            "n must be at least n_in=40 with white=True, got 39: fewer examples cannot have "
            "features without correlation.",
        ),
        (lambda d: d.digits(0), ValueError, "n must be a whole number of at least 1, got 0."),
        (
            lambda d: d.digits(300, split="test"),
            ValueError,
            'n must be at most 297 with split="test", got 300.',
        ),
        (
            lambda d: d.digits(3.0),
            TypeError,
            "n must be a whole number of at least 1, got 3.0 of type float.",
        ),
        (
            lambda d: d.digits(seed=None),
            TypeError,
            "seed must be a whole number of at least 0, got None of type NoneType.",
        ),
        (
            lambda d: d.spirals(classes=1),
            ValueError,
            "classes must be a whole number of at least 2, got 1.",
        ),
        (
            lambda d: d.spirals(2),
            ValueError,
            "n must be a whole number of at least 3, got 2.",
        ),
        (
            lambda d: d.moons(noise=-1),
            ValueError,
            "noise must be a finite number of at least 0, got -1.",
        ),
        (
            lambda d: d.moons(noise="a"),
            TypeError,
            "noise must be a finite number of at least 0, got 'a' of type str.",
        ),
        (
            lambda d: d.gaussian(8, 0),
            ValueError,
            "n_in must be a whole number of at least 1, got 0.",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error) as caught:
        call(il.data)
    assert str(caught.value) == message
