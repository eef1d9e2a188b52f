"""Recorded explorers as a reader meets them: in a page from disk, by mouse, touch and keyboard."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import record
from axe_playwright_python.sync_playwright import Axe
from stops import PLANS, Plan

from browser import chromium, find_chromium
from initlab import explore

pytestmark = pytest.mark.thorough

NAMES = ["signal", "batchnorm", "phase", "spectrum", "race", "symmetry", "weight"]
MOVE_S = 1.5
FIRST_PICTURE_MS = 5000  # on a machine with other work; alone it is a tenth of it
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Recorded</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{}</style></head>
<body data-theme="auto"><main><article><h1>Recorded</h1><div style="height: 3000px"></div>{}
</article></main></body></html>"""
SITE = Path(record.__file__).with_name("site.css").read_text(encoding="utf-8")
SEEN = """() => [...document.querySelectorAll(".initlab-row canvas, .initlab-headline")]
  .map((e) => e.toDataURL?.() ?? e.textContent).join()"""
MAIN = ".initlab-side > .initlab-control :is(input, select)"
WIDTHS = "() => [document.documentElement.scrollWidth, window.innerWidth]"


@pytest.fixture(scope="module")
def browser():
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium or Chrome on this machine: install one to test the records")
    with chromium(executable) as browser:
        yield browser


class Reader:
    """Reads one page, and notes all that goes wrong in it."""

    def __init__(self, page, file):
        self.page, self.problems = page, []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: self.problems.append(message.text))
        page.on("request", lambda asked: asked.url == file.as_uri() or self.note(asked.url))
        page.goto(file.as_uri())

    def note(self, url):
        if not url.startswith("data:"):  # the still picture
            self.problems.append(f"request: {url[:100]}")

    def scroll(self):
        assert self.page.locator(".initlab-row").count() == 0  # not before it is seen
        self.page.locator(".initlab-recorded").scroll_into_view_if_needed()
        self.page.locator(".initlab-row canvas").first.wait_for(timeout=FIRST_PICTURE_MS)
        self.page.wait_for_timeout(300)

    def seen(self):
        return self.page.evaluate(SEEN)

    def changes(self, act):
        """Whether picture or headline are others after a move, without an error."""
        before = self.seen()
        act()
        end = time.monotonic() + MOVE_S
        while (seen := self.seen()) == before and time.monotonic() < end:
            self.page.wait_for_timeout(50)
        assert self.page.locator(".initlab-error").inner_text() == ""
        return seen != before


@contextmanager
def reading(browser, file, **how):
    with browser.new_context(**how) as context:
        reader = Reader(context.new_page(), file)
        reader.scroll()
        yield reader
        assert reader.problems == []


def thinned(plan):
    """The same plan with fewer stops: what moves is the same, and is recorded sooner."""
    main = {name: [stops[0], *stops[1::4]] for name, stops in plan.main.items()}
    return Plan(main, {name: stops[:1] for name, stops in plan.chip.items()})


def move_by_keyboard(reader, control):
    """Press an arrow, the other one where the control is at its end."""
    control.focus()
    keys = ["ArrowRight", "ArrowLeft", "ArrowLeft"]
    return any(reader.changes(lambda key=key: reader.page.keyboard.press(key)) for key in keys)


def drag(page, box, start, end):
    x, y = box["x"], box["y"] + box["height"] / 2
    page.mouse.move(x + start * box["width"], y)
    page.mouse.down()
    page.mouse.move(x + end * box["width"], y, steps=5)
    page.mouse.up()


@pytest.mark.parametrize("name", NAMES)
def test_a_record_moves_by_mouse_keyboard_and_touch(browser, tmp_path, monkeypatch, name):
    explorer = getattr(explore, name)()
    told = explorer.headline, explorer.sentence
    kind = type(explorer).__name__
    monkeypatch.setitem(PLANS, kind, thinned(PLANS[kind]))
    file = tmp_path / f"{name}.html"
    file.write_text(PAGE.format(SITE, record.recorded(explorer)["text/html"]), encoding="utf-8")

    with reading(browser, file, viewport={"width": 1366, "height": 768}) as reader:
        page = reader.page
        label = page.locator(".initlab-picture").get_attribute("aria-label")
        assert (page.locator(".initlab-headline").inner_text(), label) == told
        chips = page.locator(".initlab-chip").all()
        assert len([chip for chip in chips if reader.changes(chip.click)]) >= len(chips) - 1
        assert reader.changes(page.get_by_role("button", name="reset").click)
        controls = page.locator(MAIN).all()
        assert all(move_by_keyboard(reader, control) for control in controls)
        slider = page.locator(f"{MAIN}[type=range]").first
        assert reader.changes(lambda: drag(page, slider.bounding_box(), 0.3, 0.6))
        for play in page.locator(".initlab-side > .initlab-control .initlab-play").all():
            assert reader.changes(play.click)
        if name == "phase":
            plane = page.locator(".initlab-row canvas").first
            assert reader.changes(lambda: drag(page, plane.bounding_box(), 0.3, 0.6))
        page.locator(".initlab-more summary").click()
        for control in page.locator(".initlab-folded .initlab-control").all():
            is_dead = control.locator("input, select").is_disabled()
            assert is_dead == (control.get_by_text("in the notebook", exact=True).count() == 1)
        barriers = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [barrier["id"] for barrier in barriers] == []

    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with reading(browser, file, color_scheme="dark", **phone) as reader:
        page = reader.page
        paper = "e => getComputedStyle(e).getPropertyValue('--initlab-paper')"
        assert page.locator(".initlab-explorer").evaluate(paper) == "#111111"
        fills = "e => e.rows[0].offsetWidth === e.parentElement.clientWidth"
        assert page.locator(".initlab-summary table").evaluate(fills)
        slider = page.locator(f"{MAIN}[type=range]").first
        box = slider.bounding_box()
        middle = box["y"] + box["height"] / 2
        taps = [box["x"] + share * box["width"] for share in (0.2, 0.8)]
        assert all(reader.changes(lambda x=x: page.touchscreen.tap(x, middle)) for x in taps)
        for chip in page.locator(".initlab-chip").all():
            chip.tap()
            page.wait_for_timeout(100)
            scroll_width, width = page.evaluate(WIDTHS)
            assert scroll_width <= width == 390
