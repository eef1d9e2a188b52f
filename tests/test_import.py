"""Does `import initlab` stay cheap, and does it lead to every public name?"""

from __future__ import annotations

import subprocess
import sys

import pytest

import initlab as il

HEAVY = {
    "matplotlib", "ipywidgets", "anywidget", "sklearn", "scipy", "IPython", "joblib", "tqdm",
}  # fmt: skip
LIGHT_NAMES = ["initialize", "trace", "SCHEMES", "models", "data", "theory", "activations"]


def modules_after(*lines):
    """The modules that a fresh interpreter has loaded after these lines."""
    script = "\n".join([*lines, "import sys; print(*sys.modules)"])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    loaded = modules_after("import initlab")
    assert "initlab" in loaded
    assert loaded & HEAVY == set()


def test_what_measures_a_model_loads_nothing_heavy_that_torch_does_not():
    loaded = modules_after("import initlab as il", *(f"il.{name}" for name in LIGHT_NAMES))
    assert loaded & HEAVY <= modules_after("import torch")


def test_every_public_name_leads_somewhere():
    assert all(getattr(il, name) is not None for name in il.__all__)
    assert set(il.__all__) <= set(dir(il))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'initlab' has no attribute 'trase'"):
        il.trase  # noqa: B018
