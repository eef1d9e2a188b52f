"""Do the notebooks compute as the processor would that is named, and is a difference a failure?"""

from __future__ import annotations

import platform

import nbformat
import pytest

from other_processors import kinds, main
from run_notebooks import NOTEBOOK_METADATA

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="plays x86 only"),
]
ARITHMETIC = """
import numpy, torch
print(torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())
print(len(numpy.show_config(mode="dicts")["SIMD Extensions"].get("found", [])))
"""


@pytest.mark.parametrize(
    ("kind", "stored", "status"),
    [
        ("oldest", "DEFAULT 1\n0\n", 0),
        ("oldest", "DEFAULT 2\n0\n", 1),
        ("threads", "AVX2 2\n1\n", 0),
    ],
)
def test_a_notebook_computes_as_that_kind_and_a_difference_fails(tmp_path, kind, stored, status):
    notebook = nbformat.v4.new_notebook(metadata=NOTEBOOK_METADATA)
    output = nbformat.v4.new_output("stream", name="stdout", text=stored)
    notebook.cells = [nbformat.v4.new_code_cell(ARITHMETIC, outputs=[output], execution_count=1)]
    nbformat.write(notebook, tmp_path / "made.ipynb")
    assert main(["--kind", kind, "-n0", str(tmp_path / "made.ipynb")]) == status


def test_there_are_two_kinds_beside_our_own():
    assert list(kinds()) == ["oldest", "threads"]
