"""Small networks keep to one core, and numpy's products are torch's."""

from __future__ import annotations

from collections.abc import Iterator

import joblib
import numpy as np
import pytest
import scipy.linalg  # noqa: F401 (so that its library is loaded before it is limited)
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from torch import Tensor
from torch.nn import functional as F

import initlab as il
from initlab.experiments.stack import _multiply
from initlab.experiments.threads import one_thread


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_inside_everything_has_one_thread_and_afterwards_what_it_had() -> None:
    with threadpool_limits(2, user_api="blas"):
        with one_thread():
            assert (torch.get_num_threads(), blas_threads()) == (1, {1})
            with one_thread():
                assert blas_threads() == {1}
            assert (torch.get_num_threads(), blas_threads()) == (1, {1})
        assert (torch.get_num_threads(), blas_threads()) == (2, {2})
        with one_thread(when=False):
            assert (torch.get_num_threads(), blas_threads()) == (2, {2})


def test_an_error_inside_leaves_no_limit() -> None:
    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(ZeroDivisionError), one_thread():
            raise ZeroDivisionError
        assert blas_threads() == {2}


def test_tasks_side_by_side_have_one_thread_each() -> None:
    seen: set[tuple[int, frozenset[int]]] = set()

    def loss(output: Tensor, target: Tensor) -> Tensor:
        seen.add((torch.get_num_threads(), frozenset(blas_threads())))
        return F.cross_entropy(output, target)

    with threadpool_limits(2, user_api="blas"), joblib.parallel_config(n_jobs=2):
        options = {"seeds": 2, "widths": 16, "steps": 3, "lr": 0.1, "loss": loss}
        il.sweep(["zeros", "ones", "xavier_normal"], il.data.digits(256), **options)
        assert (torch.get_num_threads(), blas_threads()) == (2, {2})
    assert seen == {(1, frozenset({1}))}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    ("k", "m", "n"),
    [(128, 64, 64), (64, 128, 16), (48, 16, 112), (128, 144, 64), (100, 64, 64), (7, 10, 3)],
)
def test_a_product_is_torch_s_bit_for_bit(k: int, m: int, n: int, dtype: torch.dtype) -> None:
    rng = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng).to(dtype)

    with one_thread():
        a, b, transposed = drawn(4, k, m), drawn(4, m, n), drawn(4, m, k).mT
        for left in (a, transposed):
            found = _multiply(left, b, torch.empty(4, k, n, dtype=dtype))
            assert torch.equal(found, torch.bmm(left, b))


def test_a_product_of_lost_numbers_is_silent() -> None:
    a = torch.full((2, 16, 16), torch.inf)
    found = _multiply(a, -a + a, torch.empty_like(a))
    assert np.isnan(found.numpy()).all()
