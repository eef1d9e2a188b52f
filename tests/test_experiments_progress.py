"""A progress bar where somebody is looking, and no trace of it in a stored notebook."""

from __future__ import annotations

import io
import sys
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

from initlab.experiments import progress

CODE = """
from initlab.experiments import progress
progress.DELAY = 0
with progress.bar(3, show=True, unit="step") as shown:
    shown.update(3)
print("done")
"""


def test_a_stored_notebook_holds_no_bar() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE)])
    NotebookClient(notebook, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    assert (output.name, output.text) == ("stdout", "done\n")


def test_a_live_notebook_shows_a_bar_and_empties_it() -> None:
    manager, client = start_new_kernel(kernel_name="python3")
    said: list[dict[str, Any]] = []
    try:
        client.allow_stdin = True
        client.execute_interactive(CODE, timeout=60, output_hook=said.append, allow_stdin=True)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    kinds = [message["msg_type"] for message in said]
    assert kinds[:3] == ["status", "execute_input", "display_data"]
    texts = [m["content"]["data"]["text/plain"] for m in said if "display" in m["msg_type"]]
    assert "0/3" in texts[0]
    assert texts[-1] == ""
    streams = [m["content"]["name"] for m in said if m["msg_type"] == "stream"]
    assert streams == ["stdout"]


@pytest.mark.parametrize("looking", [True, False])
def test_a_terminal(looking: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: looking)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "DELAY", 0)
    for show in (True, False):
        with progress.bar(3, show=show, unit="step") as shown:
            shown.update(3)
        if not show:
            assert stream.getvalue() == ""
        if looking and show:
            assert "0/3" in stream.getvalue()
            assert stream.getvalue().rsplit("\r", 2)[1].strip() == ""  # wiped
        stream.truncate(0)
        stream.seek(0)


def test_a_short_run_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.bar(3, show=True, unit="step") as shown:
        shown.update(3)
    assert stream.getvalue() == ""
