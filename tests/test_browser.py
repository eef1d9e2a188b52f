"""Does the reader in the browser see what is wrong with a notebook, and nothing that is not?"""

from __future__ import annotations

import pytest

from browser import read
from run_notebooks import MOST_MEMORY_MB

pytestmark = pytest.mark.thorough

WORKS = """
import ipywidgets as w, matplotlib.figure as mf, io
def draw(n):
    mf.Figure(figsize=(1, 1)).savefig(file := io.BytesIO(), facecolor=(n / 9, 0, 0))
    return file.getvalue()
slider, image = w.IntSlider(max=9, value=9), w.Image(value=draw(0))
slider.observe(lambda change: setattr(image, "value", draw(change.new)), "value")
w.VBox([slider, image])
"""
PLAIN_SLIDER = """
import anywidget
class Plain(anywidget.AnyWidget):
    _esm = '''export default { render({ el }) {
        el.innerHTML = "<label>gain <input type=range></label> <canvas></canvas>";
        const [input, canvas] = [el.querySelector("input"), el.querySelector("canvas")];
        input.onkeydown = (event) => event.stopPropagation();
        input.oninput = () => canvas.getContext("2d").fillRect(0, 0, +input.value, 9); } }'''
Plain()
"""
TWO_EXPLORERS = """
import initlab as il
from IPython.display import display
display(il.explore.signal(depth=3), il.explore.race("zeros", "kaiming_normal", depth=2))
"""
DEAD_SLIDER = """
import ipywidgets as w
dead = w.FloatSlider(description="dead")
dead
"""
CALLBACK_ERROR = """
def callback(change):
    import sys
    print("callback speaks", file=sys.stderr)
    raise ValueError("callback fails")
dead.observe(callback, "value")
"""
BROKEN_WIDGET = """
class Broken(anywidget.AnyWidget):
    _esm = "export default { render() { throw new Error('render fails') } }"
Broken()
"""
OUTPUT_WIDGET = """
out = w.Output()
with out:
    1 / 0
out
"""
PAGE = """
from IPython.display import HTML
HTML('''<img src="https://example.org/picture.png" alt="">
    <script>console.error("page fails")</script>''')
"""
BAD_CELLS = [
    DEAD_SLIDER,
    CALLBACK_ERROR,
    "import anywidget" + BROKEN_WIDGET,
    OUTPUT_WIDGET,
    PAGE,
    "import sys; print('cell speaks', file=sys.stderr)",
    "HTML('<p role=alert>explorer fails</p>')",
]
BAD_SEEN = [
    "slider 'dead0.00': no picture changed",
    "callback stderr: callback speaks",
    "callback error: ValueError: callback fails",
    "Error: render fails",
    "code cell 4: in a widget: ----",
    "request to another host: https://example.org/picture.png",
    "console error: page fails",
    "code cell 6: stderr: cell speaks",
    "code cell 7: widget error: explorer fails",
]


def test_a_barrier_is_seen(open_notebook):
    bad = '<button></button><p style="color: #bbb; background: #fff">pale</p><input>'
    with open_notebook(
        "barriers.ipynb", f"from IPython.display import HTML; HTML({bad!r})"
    ) as reader:
        reader.run_all()
        found = [barrier.partition(":")[0] for barrier in reader.barriers()]
        assert found == [
            "critical barrier, button-name",
            "serious barrier, color-contrast",
            "critical barrier, label",
        ]


def test_a_notebook_that_works_has_no_problem(open_notebook):
    with open_notebook("works.ipynb", WORKS, PLAIN_SLIDER) as reader:
        assert read(reader) == (2, [])
        assert 50 < (reader.peak_memory() or 100) < MOST_MEMORY_MB


def test_two_explorers_stand_a_second_run_and_a_restart(open_notebook):
    with open_notebook("two.ipynb", TWO_EXPLORERS) as reader:

        def unmoved():
            first, *_, last = reader.sliders()
            return [found for found in (reader.move(first), reader.move(last)) if found]

        reader.run_all()
        reader.run_all()
        assert unmoved() + reader.problems() == []
        errors = reader.page.locator(".initlab-error:visible")
        play = reader.page.get_by_role("button", name="play training step")
        play.click()
        assert play.count() == 0  # it says "pause" now
        reader.restart_kernel()
        lost = "The kernel has gone. Run this cell again to bring the controls back to life."
        assert errors.all_inner_texts() == [lost, lost]
        assert play.count() == 1
        reader.run_all()
        assert unmoved() + errors.all_inner_texts() + reader.noted == []


def test_explorers_that_come_below_the_screen_wait_until_they_are_seen(open_notebook):
    """JupyterLab lays out what is far from the screen only when somebody scrolls to it."""
    screens = "from IPython.display import HTML\nHTML('<div style=\"height: 4000px\"></div>')"
    with open_notebook("below.ipynb", screens, TWO_EXPLORERS, screens) as reader:
        assert read(reader)[1] == []


def test_keys_belong_to_what_has_the_focus(open_notebook):
    """JupyterLab looks for shortcuts when a key comes back from there, Notebook 7 on its way."""
    asks = 'import initlab as il\nil.ask("Up?", ["up", "down"])'
    moves = "import initlab as il\nil.explore.signal()"
    with open_notebook("keys.ipynb", asks, moves) as reader:
        reader.run_all()
        page = reader.page
        page.evaluate(
            """() => document.addEventListener("keydown", ({ target }) =>
                 (window.isKept = target.hasAttribute("data-lm-suppress-shortcuts")), true)"""
        )
        for inside in (".initlab-choices input", ".initlab-explorer select"):
            page.locator(inside).first.focus()
            for keys, is_kept in (
                ("d", True),
                ("d", True),
                ("ArrowDown", True),
                ("Control+s", False),
            ):
                page.keyboard.press(keys)
                assert page.evaluate("isKept") == is_kept, keys
        assert page.locator(".jp-CodeCell").count() == 2
        assert page.locator(".initlab-choices :checked").count() == 1
        assert reader.problems() == []


def test_each_kind_of_problem_is_seen(open_notebook):
    with open_notebook("bad.ipynb", *BAD_CELLS) as reader:
        sliders, problems = read(reader)
    assert sliders == 1
    assert [seen for seen in BAD_SEEN if not any(seen in found for found in problems)] == []


def test_a_cell_that_raises_is_seen_and_so_are_the_cells_after_it(open_notebook):
    late = "import time\ntime.sleep(1)\n1 / 0"  # cell 2 is asked for before: the kernel drops it
    with open_notebook("raises.ipynb", late, "2") as reader:
        reader.run_all()
        assert reader.problems() == [
            "code cell 1: error: ZeroDivisionError: division by zero",
            "code cell 2: was not run",
        ]
