"""Is what the README says true, as it stands there?"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CI = (ROOT / ".ci" / "run").read_text()


def blocks(language):
    """The contents of the README's code blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", blocks("python"))
def test_the_python_code_runs(code, capsys):
    exec(code, {})
    plt.close("all")
    assert "4 parameters: 4 set" in capsys.readouterr().out


def test_there_is_python_code_and_it_is_short():
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line]) <= 7


def test_ci_runs_the_test_command_as_it_stands():
    extraction = re.search(r"test_command=\$\((.*)\)", CI)[1]
    done = subprocess.run(extraction, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout in blocks("bash")
    assert 'bash -c "$test_command"' in CI


def test_both_commands_install_the_package_first():
    first, second, _ = blocks("bash")
    install, opens = first.strip().split(" && ")
    assert install == "pip install -r requirements.txt"
    assert opens == "jupyter lab notebooks/00_start_here.ipynb"
    assert second == f"{install} -r tests/requirements.txt && pytest\n"
    assert "-e ." in (ROOT / "requirements.txt").read_text().splitlines()


def test_the_cpu_build_is_that_of_the_pinned_torch():
    *_, cpu = blocks("bash")
    pin = re.search(r"^torch==\S+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)[0]
    index = re.search(r"https\S+", (ROOT / "binder" / "requirements.txt").read_text())[0]
    assert cpu == f"pip install {pin} --index-url {index}\n"


def test_links_lead_to_files():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_notebook_is_in_the_table_once():
    rows = re.findall(r"^\| (\d\d) \| (.*?) \|", README, flags=re.MULTILINE)
    assert [number for number, _ in rows] == [f"{i:02}" for i in range(15)]
    linked = [link for _, title in rows for link in re.findall(r"\((.*\.ipynb)\)", title)]
    assert linked == sorted(f"notebooks/{file.name}" for file in ROOT.glob("notebooks/*.ipynb"))


def test_a_fork_changes_one_line():
    assert README.count("OWNER/REPO") == 1


def test_it_is_short_and_its_pictures_have_text():
    assert len(README.splitlines()) <= 120
    assert all(len(text) > 10 for text in re.findall(r"!\[(.*?)\]", README, flags=re.DOTALL))
