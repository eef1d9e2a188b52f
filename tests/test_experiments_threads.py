"""Small networks keep to one core."""

from __future__ import annotations

from collections.abc import Iterator

import joblib
import pytest
import scipy.linalg  # noqa: F401 (so that its library is loaded before it is limited)
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from torch import Tensor
from torch.nn import functional as F

import initlab as il
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
