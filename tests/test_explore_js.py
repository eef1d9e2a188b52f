"""Runs the front end's own tests (`tests/js`) with Node's test runner."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = sorted((Path(__file__).parent / "js").glob("*.test.mjs"))


def test_the_front_end():
    node = shutil.which("node")
    if node is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("no Node.js on this machine: install it (version 20 or newer) to test explorer.js")
    done = subprocess.run(
        [node, "--test", "--test-reporter=tap", *map(str, TESTS)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout
