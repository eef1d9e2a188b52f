"""Is what the lessons say true on other processors? Runs tests with other kinds of arithmetic.

    python tests/other_processors.py                             # every lesson, every kind
    python tests/other_processors.py --kind oldest notebooks/06* # one lesson, one kind
    python tests/other_processors.py tests initlab               # unit tests and doctests

A processor of another model, or another number of threads, adds up in another order: the last bits
of a float32 differ, and after some steps of training its first digits. Here the libraries are told
to use the instructions of other processors, and pytest does the rest: a cell that raises, a stored
text that differs or a failing test is named, and the exit status is that of failed tests. Two kinds
are played: `oldest`, and `threads` (AVX2 and two threads), which CI plays where it fills the
solutions in; plain `pytest` is a third, with all that this processor has and one thread. What is
given beside `--kind` goes to pytest.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
ALL_KINDS = {
    "OMP_NUM_THREADS": "1",  # two workers share the cores
    "OMP_WAIT_POLICY": "PASSIVE",  # with more threads, one that waits must not hold a core
    "INITLAB_PROGRESS": "off",
}


def kinds() -> dict[str, dict[str, str]]:
    """The kinds of arithmetic that this machine can play: name → environment."""
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    newer = simd.get("found", [])  # what NumPy would choose from on this processor
    newest = [name for name in newer if "512" in name or name == "X86_V4"]
    found = {
        "oldest": {"ATEN_CPU_CAPABILITY": "default", "NPY_DISABLE_CPU_FEATURES": " ".join(newer)},
        "threads": {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    }
    if platform.machine().lower() in ("x86_64", "amd64"):
        found["oldest"] |= {
            "MKL_CBWR": "COMPATIBLE",
            "ONEDNN_MAX_CPU_ISA": "SSE41",
            "OPENBLAS_CORETYPE": "Prescott",
        }
        found["threads"] |= {  # with the instructions that most laptops have
            "ATEN_CPU_CAPABILITY": "avx2",
            "MKL_ENABLE_INSTRUCTIONS": "AVX2",
            "MKL_CBWR": "AVX2",
            "ONEDNN_MAX_CPU_ISA": "AVX2",
            "OPENBLAS_CORETYPE": "Haswell",
            "NPY_DISABLE_CPU_FEATURES": " ".join(newest),
        }
    return found


def main(arguments: list[str]) -> int:
    """Run pytest once for each kind; 1 if any run failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kind", action="append", choices=sorted(kinds()), help="default: all")
    chosen, given = parser.parse_known_args(arguments)
    failed = []
    for kind in chosen.kind or kinds():
        print(f"-- {kind}", flush=True)
        start = time.perf_counter()
        command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-q"]
        environment = os.environ | ALL_KINDS | kinds()[kind]
        done = subprocess.run([*command, *(given or ["notebooks"])], cwd=ROOT, env=environment)
        print(f"-- {kind}: {time.perf_counter() - start:.0f} s", flush=True)
        if done.returncode:
            failed.append(kind)
    print(f"other processors: {', '.join(failed) or 'none'} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
