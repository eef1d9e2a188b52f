"""Does a notebook work for the reader who opens it in a browser?

A real JupyterLab on loopback, a real Chromium, and what a reader does: open, run all cells, move
the sliders. Nothing is written into the notebook, and no other host is reached.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

import nbformat
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    ElementHandle,
    Page,
    Route,
    TimeoutError,
    WebSocket,
    sync_playwright,
)

from run_notebooks import NOTEBOOK_METADATA, NOTEBOOKS, peak_memory_mb

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # containers give it too little memory
]
LAB_SETTINGS = {
    "docmanager-extension/plugin": {"autosave": False},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
OURS = [".jp-OutputArea-output", ".jp-RenderedMarkdown"]  # the rest of the page is JupyterLab's
# How a link in a text looks, and the box around a wide formula, are JupyterLab's.
THEIRS = ["link-in-text-block", "scrollable-region-focusable"]
OFF = {"enabled": False}
SLIDERS = ".jp-OutputArea input[type=range], .jp-OutputArea .noUi-handle"
KERNEL_STATUS = "__import__('pathlib').Path('/proc/self/status').read_text()"
START_MS, RUN_MS, MOVE_MS = 60_000, 120_000, 8_000


def find_chromium() -> str | None:
    """The system's Chromium or Chrome, or None."""
    names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
    return next(filter(None, map(shutil.which, names)), None)


@contextmanager
def jupyterlab(root: Path, scratch: Path) -> Iterator[str]:
    """Serve the notebooks under `root`; settings and logs go to `scratch`. Gives the address."""
    for name, value in LAB_SETTINGS.items():
        file = scratch / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value))
    port = _free_port()
    log = scratch / "jupyterlab.log"
    with (
        log.open("w") as stream,
        subprocess.Popen(
            _lab_command(root, port), env=_lab_environment(scratch), stdout=stream, stderr=stream
        ) as server,
    ):
        try:
            _wait_for_start(server, url := f"http://127.0.0.1:{port}", log)
            yield url
        finally:
            server.terminate()  # it ends its kernels, then itself


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _lab_command(root: Path, port: int) -> list[str]:
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": root,
        "IdentityProvider.token": "",
        "LabApp.expose_app_in_browser": True,
        "LabApp.extension_manager": "readonly",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", *flags]


def _lab_environment(scratch: Path) -> dict[str, str]:
    """The reader's own settings, kernels and history stay out of it."""
    folders = {
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
    }
    return os.environ | {name: str(scratch / folder) for name, folder in folders.items()}


def _wait_for_start(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + START_MS / 1000
    while time.monotonic() < end and server.poll() is None:
        try:
            with urlopen(f"{url}/api/status", timeout=2):
                return
        except (URLError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


@contextmanager
def chromium(executable: str) -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, url: str, notebook: str) -> Iterator[Reader]:
    """Open a notebook in a fresh page with a fresh kernel; both end with the block."""
    with browser.new_context(viewport={"width": 1280, "height": 1000}) as context:
        page = context.new_page()
        reader = Reader(page)
        page.goto(f"{url}/lab/tree/{quote(notebook)}?reset")
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.content?.model")
        page.add_script_tag(path=Path(__file__).with_suffix(".js"))
        page.evaluate("ms => reader.kernelReady(ms)", START_MS)
        yield reader
        page.evaluate("reader.close()")


@contextmanager
def library(folder: Path, executable: str) -> Iterator[Callable[..., Any]]:
    """Serve a copy of all notebooks; gives a function that opens one: as it is, changed or made."""
    root, scratch = folder / "notebooks", folder / "scratch"
    shutil.copytree(NOTEBOOKS, root, ignore=shutil.ignore_patterns(".*"))
    with jupyterlab(root, scratch) as url, chromium(executable) as browser:

        def open_one(
            name: str, *cells: str, notebook: nbformat.NotebookNode | None = None
        ) -> AbstractContextManager[Reader]:
            if cells:
                notebook = nbformat.v4.new_notebook(metadata=NOTEBOOK_METADATA)
                notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
            if notebook:
                nbformat.write(notebook, root / name)
            return opened(browser, url, name)

        yield open_one


def read(reader: Reader) -> tuple[int, list[str]]:
    """Run all cells, then `move_all`."""
    reader.run_all()
    return move_all(reader)


def move_all(reader: Reader) -> tuple[int, list[str]]:
    """Move every slider; give their number and all problems so far."""
    sliders = reader.sliders()
    unmoved = [reader.move(slider) for slider in sliders]
    return len(sliders), [*filter(None, unmoved), *reader.problems()]


class Reader:
    """Reads one open notebook, and notes all that goes wrong in the page."""

    def __init__(self, page: Page) -> None:
        page.set_default_timeout(START_MS)
        self.page = page
        self.noted: list[str] = []
        page.on("pageerror", lambda error: self.noted.append(f"console error: {error}"))
        page.on("console", self._hear)
        page.on("websocket", self._watch)
        page.route(re.compile("^https?:"), self._gate)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.noted.append(f"console error: {message.text}")

    def _watch(self, socket: WebSocket) -> None:
        if not _is_ours(socket.url):
            self.noted.append(f"request to another host: {socket.url}")

    def _gate(self, route: Route) -> None:
        if _is_ours(route.request.url):
            route.continue_()
        else:
            self.noted.append(f"request to another host: {route.request.url}")
            route.abort()

    def run_all(self) -> None:
        """Run all cells, and wait until the page is still."""
        self.page.evaluate("ms => reader.runAll(ms)", RUN_MS)

    def restart_kernel(self) -> None:
        """Lose all that the kernel knows, and wait until the page is still."""
        self.page.evaluate("ms => reader.restart(ms)", START_MS)

    def outputs(self) -> list[list[dict[str, Any]]]:
        """What each code cell shows, as a notebook would store it."""
        return list(self.page.evaluate("reader.outputs()"))

    def problems(self) -> list[str]:
        """All that has gone wrong so far."""
        return [*self.page.evaluate("reader.problems()"), *dict.fromkeys(self.noted)]

    def sliders(self) -> list[ElementHandle]:
        """Every slider in an output, in page order: plain ones and those of ipywidgets."""
        self.page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
        return self.page.query_selector_all(SLIDERS)

    def move(self, slider: ElementHandle) -> str | None:
        """Move a slider by one step with the keyboard; say what is wrong if no picture changes."""
        slider.scroll_into_view_if_needed()
        name, is_at_top, before = slider.evaluate("e => reader.state(e)")
        slider.focus()
        self.page.keyboard.press("ArrowLeft" if is_at_top else "ArrowRight")
        try:
            self.page.wait_for_function(
                "([e, before]) => reader.picture(e) !== before",
                arg=[slider, before],
                timeout=MOVE_MS,
            )
        except TimeoutError:
            return f"slider {name!r}: no picture changed"
        self.page.evaluate("ms => reader.settled(200, ms)", MOVE_MS)
        return None

    def barriers(self) -> list[str]:
        """What would keep a reader with a screen reader or a keyboard out, by axe-core's rules."""
        seen = self.page.evaluate("() => document.querySelectorAll('.jp-OutputArea-output').length")
        assert seen, "nothing to check: run the notebook first"
        # JupyterLab's body has no height of its own, and axe takes all that it holds for hidden.
        self.page.evaluate("document.body.style.height = '100vh'")
        found = Axe().run(
            self.page,
            context={"include": [[area] for area in OURS]},
            options={"resultTypes": ["violations"], "rules": dict.fromkeys(THEIRS, OFF)},
        )
        return [
            f"{rule['impact']} barrier, {rule['id']}: {node['html']}"
            for rule in found.response["violations"]
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]

    def ask(self, expression: str) -> str:
        """The `repr` of an expression in the kernel; "" where it raises."""
        answer = self.page.evaluate("([what, ms]) => reader.ask(what, ms)", [expression, MOVE_MS])
        return str(answer)

    def peak_memory(self) -> float | None:
        """The most memory that the kernel has held, in MB; None where the system does not say."""
        return peak_memory_mb(self.ask(KERNEL_STATUS))


def _is_ours(url: str) -> bool:
    return urlsplit(url).hostname == "127.0.0.1"
