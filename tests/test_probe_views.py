"""Numbers that need tensors: against numpy, closed forms and known networks."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from initlab import models
from initlab.probe import (
    distinct_rows,
    distinct_units,
    input_correlation,
    jacobian_singular_values,
    rank,
    weight_rank,
    weight_singular_values,
)
from probe_models import batch, case
from test_probe_state import state


def linear(*widths: int) -> nn.Sequential:
    return nn.Sequential(*(nn.Linear(n, m) for n, m in pairwise(widths)))


def test_weight_singular_values_are_numpys() -> None:
    model = nn.Sequential(
        nn.Linear(7, 5), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.ConvTranspose1d(3, 4, 2)
    )
    found = weight_singular_values(model)
    w = [model[i].weight.detach().double() for i in (0, 2, 3)]
    matrices = {"0": w[0], "2": w[1].reshape(4, 27), "3": w[2].transpose(0, 1).reshape(4, 6)}
    assert found.keys() == matrices.keys()
    for name, matrix in matrices.items():
        np.testing.assert_allclose(found[name], np.linalg.svd(matrix.numpy(), compute_uv=False))


def test_a_weight_that_is_not_finite_has_no_singular_values() -> None:
    model = linear(3, 2, 2)
    nn.init.constant_(model[0].weight, math.inf)
    assert weight_singular_values(model)["0"].isnan().all()
    assert weight_rank(model) == {"0": 0, "1": 2}
    assert jacobian_singular_values(model, batch(2, 3)).isnan().all()


def test_recurrent_and_parametrised_weights_have_names() -> None:
    assert weight_singular_values(nn.LSTM(3, 4)).keys() == {
        "LSTM.weight_ih_l0",
        "LSTM.weight_hh_l0",
    }
    model = case("parametrised")[0].eval()
    before = state(model)
    found = weight_singular_values(model)
    assert state(model) == before
    np.testing.assert_allclose(found["2"], np.ones(3), atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.02])
def test_constant_weights_have_low_rank_and_one_unit(value: float) -> None:
    model = linear(6, 5, 4)
    nn.init.constant_(model[0].weight, value)
    nn.init.zeros_(model[0].bias)
    assert weight_rank(model) == {"0": int(value > 0), "1": 4}
    assert distinct_units(model) == {"0": 1, "1": 4}


def test_the_bias_makes_units_distinct() -> None:
    model = linear(6, 5)
    nn.init.ones_(model[0].weight)
    assert distinct_units(model) == {"0": 5}
    model[0].bias.data[:3] = 0.5
    assert distinct_units(model, layers="0") == {"0": 3}


def test_rank_has_a_tolerance() -> None:
    model = nn.Sequential(nn.Linear(3, 3))
    model[0].weight.data = torch.diag(torch.tensor([1.0, 1e-3, 1e-7]))
    assert weight_rank(model) == {"0": 2}
    assert weight_rank(model, tolerance=0.01) == {"0": 1}


@pytest.mark.parametrize(
    "matrix",
    [
        torch.randn(64, 64),
        torch.randn(10, 64),
        torch.randn(64, 10).double(),
        torch.zeros(4, 7),
        torch.ones(7, 4),
        torch.zeros(0, 4),
        torch.randn(30, 4) @ torch.randn(4, 20),
        torch.diag(torch.tensor([1.0, 1e-3, 1e-6, 1e-9])),
        torch.eye(5) * 1e-20,
        torch.randn(3, 8) * 1e18,
        torch.randn(3, 8).double() * 1e200,
    ],
)
def test_rank_is_torchs(matrix: Tensor) -> None:
    assert rank(matrix) == torch.linalg.matrix_rank(matrix)


def test_ranks_of_many_matrices() -> None:
    rows = torch.randn(4, 6, 8, 5)
    rows[1, :3, :3] = rows[1, :3, :1]
    rows[2] = rows[2].bfloat16().float()
    rows[3, 0], rows[3, 1] = 0, math.nan
    found = rank(rows)
    assert found[:3].equal(torch.linalg.matrix_rank(rows[:3]).double())
    assert rank(rows[2].bfloat16()).equal(found[2])
    assert found[3, 0] == 0
    assert found[3, 1].isnan()


def test_distinct_rows_are_numpys() -> None:
    rows = torch.randn(2, 3, 8, 5)
    for copies, matrix in enumerate(rows.flatten(0, 1), start=1):
        matrix[:copies] = matrix[0]
    expected = [[len(np.unique(matrix, axis=0)) for matrix in each] for each in rows.numpy()]
    assert expected == [[8, 7, 6], [5, 4, 3]]
    assert distinct_rows(rows).tolist() == distinct_rows(rows, tolerance=1e-5).tolist() == expected
    assert distinct_rows(torch.tensor([[0.0, 1.0], [-0.0, 1.0], [0.0, 2.0]])) == 2


def test_a_tolerance_for_rows_forgives_rounding() -> None:
    rows = torch.randn(1, 5).expand(8, 5) + 0.0
    rows[0] = torch.nextafter(rows[0], rows[0] + 1)
    assert distinct_rows(rows) == 2
    assert distinct_rows(rows, tolerance=1e-5) == 1
    assert rank(rows) == 1


def test_jacobian_of_a_linear_network_is_the_product_of_its_weights() -> None:
    model, x = linear(6, 5, 4), batch(3, 6)
    before = state(model, x)
    found = jacobian_singular_values(model, x)
    assert state(model, x) == before
    product = (model[1].weight @ model[0].weight).detach().double()
    expected = np.linalg.svd(product.numpy(), compute_uv=False)
    np.testing.assert_allclose(found, np.tile(expected, (3, 1)), rtol=1e-5)


def test_jacobian_of_a_nonlinearity_is_its_slope() -> None:
    x = torch.tensor([[0.0, 1.0, 2.0]])
    slopes = 1 - np.tanh(x.double().numpy()) ** 2
    np.testing.assert_allclose(jacobian_singular_values(nn.Tanh(), x), slopes, rtol=1e-5)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.ones(2, 3).long(), "Tensor of torch.int64."),
        ({"x": torch.ones(2, 3)}, "dict."),
        ((), "an empty tuple."),
    ],
)
def test_jacobian_needs_floats(x: Any, message: str) -> None:
    with pytest.raises(TypeError) as raised:
        jacobian_singular_values(nn.Tanh(), x)
    assert str(raised.value) == (
        "x must be a tensor of floats (or a tuple that starts with one), which can be "
        f"differentiated, got {message}"
    )


def test_input_correlation_is_the_mean_cosine() -> None:
    model, x = nn.Sequential(nn.Linear(6, 50), nn.ReLU()), batch(20, 6)
    before = state(model, x)
    found = input_correlation(model, x)
    assert state(model, x) == before
    a = model(x).detach().double().numpy()
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    cosines = (a @ a.T)[~np.eye(20, dtype=bool)]
    assert found["1"] == pytest.approx(cosines.mean())
    few = input_correlation(model, x, samples=5, layers="1")
    assert few["1"] == pytest.approx((a[:5] @ a[:5].T)[~np.eye(5, dtype=bool)].mean())


def test_pytorchs_default_makes_all_inputs_one_point() -> None:
    """FACTS: mean cosine .919 at layer 5, .99999 at layer 10."""
    found = input_correlation(models.mlp(10, 512, "relu", n_in=64), batch(64, 64))
    assert found["act5"] == pytest.approx(0.919, abs=0.04)
    assert found["act10"] > 0.9995


def test_input_correlation_of_second_calls_and_silent_samples() -> None:
    model, x, _ = case("reused")
    assert list(input_correlation(model, x)) == ["0", "1", "2", "1:2"]
    x = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    assert input_correlation(nn.Identity(), x) == {"Identity": pytest.approx(math.sqrt(0.5))}
    assert math.isnan(input_correlation(nn.Identity(), torch.zeros(3, 2))["Identity"])
    with pytest.raises(ValueError, match="x must hold two samples or more to compare, got 1"):
        input_correlation(nn.Identity(), torch.ones(1, 2))
