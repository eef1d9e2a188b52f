"""Does Binder's own tool accept `binder/`, and what would it build?"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from run_notebooks import MOST_MEMORY_MB, SMALL_MEMORY

ROOT = Path(__file__).parents[1]
BINDER = ROOT / "binder"
NOT_FOR_A_LEARNER = {"nbval", "pytest", "pytest-xdist"}


def pins(file):
    """Package → exact version, of the lines that pin one."""
    return dict(re.findall(r"^([\w-]+)==(\S+)", file.read_text(), flags=re.MULTILINE))


@pytest.fixture(scope="module")
def dockerfile():
    done = subprocess.run(
        [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.thorough
def test_the_image_has_the_python_that_is_named(dockerfile):
    version = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")
    assert f"Building conda environment for python={version}\n" in dockerfile
    assert f"environment-2epy-2d{version.replace('.', '-2e')}-2dlinux" in dockerfile


@pytest.mark.thorough
def test_torch_is_installed_before_the_sources_are_copied(dockerfile):
    steps = [
        'pip install --no-cache-dir -r "binder/requirements.txt"',
        "COPY --chown=0:0 src/ ${REPO_DIR}/",
        "RUN ./binder/postBuild",
    ]
    places = [dockerfile.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.thorough
def test_debian_packages_are_only_those_of_every_image(dockerfile):
    assert dockerfile.count("apt-get -qq update") == 2


def test_pins_are_the_tested_ones_with_the_cpu_build_of_torch():
    tested = pins(ROOT / "requirements.txt")
    built = pins(BINDER / "requirements.txt")
    learner = {name: pin for name, pin in tested.items() if name not in NOT_FOR_A_LEARNER}
    only_there = {"torch": tested["torch"] + "+cpu", "jupyter-offlinenotebook": "0.3.2"}
    assert built == learner | only_there


def test_requirements_hold_no_line_that_would_install_torch_anew_with_each_commit():
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    assert [
        line for line in lines if re.match(r"-[erc]\b|--(editable|requirement|con)", line)
    ] == []


def test_the_package_itself_is_installed_after_the_sources_are_copied():
    script = BINDER / "postBuild"
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert "pip install --no-cache-dir --no-deps -e ." in lines
    assert os.access(script, os.X_OK)
    assert not (BINDER / "environment.yml").exists()  # it would silence requirements.txt


@pytest.mark.thorough
def test_what_warms_the_image_runs():
    script = (BINDER / "postBuild").read_text()
    (code,) = re.findall(r"<<'PYTHON'\n(.*?)^PYTHON$", script, flags=re.DOTALL | re.MULTILINE)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_values_for_a_hub_give_what_a_notebook_needs():
    (block,) = re.findall(
        r"^```yaml\n(.*?)^```$", (BINDER / "README.md").read_text(), flags=re.DOTALL | re.MULTILINE
    )
    learner = yaml.safe_load(block)["singleuser"]
    assert 1024 * float(learner["memory"]["guarantee"].removesuffix("G")) > MOST_MEMORY_MB
    assert learner["memory"]["limit"] == f"{SMALL_MEMORY // 1024**3}G"
    assert (ROOT / learner["defaultUrl"].removeprefix("/lab/tree/")).exists()
