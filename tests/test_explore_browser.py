"""Explorers as a reader sees them: nothing jumps, all fits on a laptop, letters follow the page."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

from browser import chromium, find_chromium, jupyterlab, opened
from run_notebooks import NOTEBOOK_METADATA

pytestmark = pytest.mark.thorough

NAMES = ["signal", "batchnorm", "phase", "spectrum", "race", "symmetry", "weight"]
EXPLORER = "import initlab as il\nexplorer = il.explore.{}()\nexplorer"
MOST_HEIGHT = 600  # CSS pixels, where the controls stand beside the pictures
WIDE, NARROW, PHONE = 1000, 700, 390  # of the container, in CSS pixels

MOVES = Path(__file__).with_name("explorers.js")


@pytest.fixture(scope="module")
def open_explorer(tmp_path_factory):
    """Opens a notebook that shows one explorer."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium or Chrome on this machine: install one to test the explorers")
    root = tmp_path_factory.mktemp("lab")
    for name in NAMES:
        made = nbformat.v4.new_notebook(metadata=NOTEBOOK_METADATA)
        made.cells = [nbformat.v4.new_code_cell(EXPLORER.format(name))]
        nbformat.write(made, root / f"{name}.ipynb")
    with (
        jupyterlab(root, tmp_path_factory.mktemp("scratch")) as url,
        chromium(executable) as browser,
    ):

        @contextmanager
        def open_one(name):
            with opened(browser, url, f"{name}.ipynb") as reader:
                reader.page.set_viewport_size({"width": 1366, "height": 768})
                reader.page.add_script_tag(path=MOVES)
                reader.run_all()
                yield reader

        yield open_one


def look(reader, width):
    """Give the container this width; tell what came of it."""
    return reader.page.evaluate("width => explorers.width(width)", width)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_jumps_and_all_fits(open_explorer, name):
    with open_explorer(name) as reader:
        reader.sliders()  # unfolds what is folded away
        for width, moves in ((WIDE, 60), (NARROW, 0), (PHONE, 5)):
            found = look(reader, width)
            assert (found["width"], found["overflow"]) == (width, 0)
            assert width < WIDE or found["height"] <= MOST_HEIGHT
            if not moves:  # stacked as on a phone, but wider
                continue
            seen = reader.page.evaluate("moves => explorers.move(moves)", moves)
            assert seen["error"] == ""
            assert len(seen["layouts"]) == 1, seen["layouts"]
        assert reader.barriers() == []
        assert reader.problems() == []


def test_letters_follow_the_page_and_so_do_heights(open_explorer):
    with open_explorer("signal") as reader:
        assert reader.page.evaluate("explorers.letters()") >= 14
        before = look(reader, NARROW)["height"]
        reader.page.evaluate("jupyterapp.commands.execute('application:toggle-presentation-mode')")
        reader.page.wait_for_timeout(500)
        assert reader.page.evaluate("explorers.letters()") >= 17
        assert look(reader, NARROW)["height"] > 1.1 * before
        assert look(reader, WIDE)["height"] <= MOST_HEIGHT


def test_axes_stay_while_the_hand_holds_a_slider_and_fit_when_it_lets_go(open_explorer):
    with open_explorer("signal") as reader:
        box = reader.page.locator(".initlab-explorer input").first.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        reader.page.mouse.move(x, y)
        reader.page.mouse.down()
        reader.page.mouse.move(x - 40, y, steps=8)
        reader.page.wait_for_timeout(900)
        picture = reader.page.locator(".initlab-row canvas").first
        held = picture.evaluate("e => e.toDataURL()")
        reader.page.mouse.up()
        reader.page.wait_for_timeout(900)
        assert picture.evaluate("e => e.toDataURL()") != held
        assert reader.problems() == []
