"""Is the machine small on which the solved notebooks are run, as a visitor of Binder has it?"""

from __future__ import annotations

import sys

import nbformat
import numpy as np
import pytest

from run_notebooks import SMALL_MACHINE, SMALL_MEMORY, run

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(sys.platform != "linux", reason="limits a process as Linux does"),
]

WHAT_IT_HAS = """
import os, resource
print(len(os.sched_getaffinity(0)), resource.getrlimit(resource.RLIMIT_DATA)[0] // 1024**2)
"""
TOO_MUCH = "big = bytearray(3 * 1024**3)"


def small(*cells):
    """A notebook that starts as the solved lessons do."""
    cells = [SMALL_MACHINE, *cells]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def test_it_is_small(tmp_path):
    notebook = small(WHAT_IT_HAS)
    run(notebook, tmp_path)
    assert notebook.cells[1].outputs[0].text == "1 2048\n"


def test_a_large_process_can_start_a_small_kernel(tmp_path):
    # A limit on this process would stop it here: it holds more than the kernel may have.
    held = np.zeros(SMALL_MEMORY, dtype=np.int8)  # taken, never touched
    notebook = small("1")
    run(notebook, tmp_path)
    assert notebook.cells[1].outputs[0].data["text/plain"] == "1"
    assert held.nbytes == SMALL_MEMORY


def test_more_memory_than_that_is_not_to_be_had(tmp_path):
    with pytest.raises(Exception, match="MemoryError"):
        run(small(TOO_MUCH), tmp_path)
