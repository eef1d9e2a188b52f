"""Is what pip installs whole, and is it found, whatever folder the learner is in?

Each environment is new: it sees what the tests need, and no initlab but the one it was given.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[1]
WHERE = "import initlab as il; il.trace; print(il.__file__)"
WHOLE = """
from importlib.metadata import version
import initlab as il
assert il.__version__ == version("initlab")
for widget in (il.explore.signal(depth=2), il.ask("Which?", ["this", "that"], name="which")):
    assert "render" in str(widget._esm) and "{" in str(widget._css)
    assert widget._repr_mimebundle_()
print(il.__file__)
"""


def installed(folder: Path, *what: str) -> Path:
    """Make an environment in `folder` and install into it; gives its Python."""
    venv.create(folder, with_pip=False)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    site = Path(_output(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    (site / "needs.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps"]
    subprocess.run([*pip, "--ignore-installed", *what], check=True, cwd=ROOT)
    return python


def _output(python: Path, code: str, folder: Path | None = None) -> str:
    """What the code prints when it is run in a folder."""
    command = [python, "-c", code]
    done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_clone_in_the_working_folder_does_not_hide_the_editable_install(tmp_path):
    python = installed(tmp_path / "environment", "-e", ".")
    (tmp_path / "parent" / "initlab").mkdir(parents=True)  # found first, but no package
    assert _output(python, WHERE, tmp_path / "parent") == str(ROOT / "initlab" / "__init__.py")


def test_a_wheel_holds_all_that_the_sources_hold(tmp_path):
    python = installed(tmp_path / "environment", ".")
    package = Path(_output(python, WHOLE, tmp_path)).parent
    assert package.is_relative_to(tmp_path)

    def files(folder):
        found = [p.relative_to(folder) for p in folder.rglob("*") if p.is_file()]
        return {p for p in found if p.parent.name != "__pycache__" and not p.name.startswith(".")}

    assert files(package) == files(ROOT / "initlab")
