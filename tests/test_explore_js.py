"""Runs the front end's own tests (`tests/js`) with Node's test runner."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from initlab.explore.explorer import front_end

TESTS = sorted((Path(__file__).parent / "js").glob("*.test.mjs"))


def test_the_front_end(tmp_path):
    node = shutil.which("node")
    if node is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing(
            "no Node.js on this machine: install it (version 20 or newer) to test the front end"
        )
    (joined := tmp_path / "front_end.mjs").write_text(front_end(), encoding="utf-8")
    done = subprocess.run(
        [node, "--test", "--test-reporter=tap", *map(str, TESTS)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "FRONT_END": str(joined)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout
