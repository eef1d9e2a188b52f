"""What every test starts from: no window, fixed random state, no figure left over.

The environment reaches the kernels, too, that notebooks run in.
"""

import os
import sys
from collections.abc import Callable, Generator, Iterator
from typing import Any

import matplotlib
import pytest
import torch

matplotlib.use("Agg")
# Two test workers share two cores, each with a kernel: one thread for each keeps them apart.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))  # torch has read it already
# What a learner has done already must not change what a notebook shows.
os.environ["INITLAB_PROGRESS"] = "off"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """On a user's machine something may be missing; in CI a skipped test is a failure."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
    return report


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    torch.manual_seed(0)
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="module")
def open_notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Opens a notebook of a copy of `notebooks/` in a browser; a test may add its own."""
    from browser import find_chromium, library  # needs packages that few tests need

    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium or Chrome on this machine: install one to test the notebooks")
    with library(tmp_path_factory.mktemp("lab"), executable) as open_one:
        yield open_one
