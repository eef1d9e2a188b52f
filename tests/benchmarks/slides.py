"""Can the slides be read in a room? Measures what `.site/slides` has made, in Chromium.

    .site/slides && python tests/benchmarks/slides.py                # a line for each lesson
    .site/slides && python tests/benchmarks/slides.py --sheet FOLDER # ... and a contact sheet

Prints for each lesson its slides, and what is wrong with one: higher than 720 pixels, wider than
1280, without a headline, with an `assert`, letters below 14 points, an error, a request to another
host. The exit status is 1 if anything is wrong.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from browser import CHROMIUM_FLAGS, find_chromium
from run_notebooks import NOTEBOOKS

SLIDES = NOTEBOOKS.parent / "build" / "slides"
WIDTH, HEIGHT = 1280, 720
LETTERS = 14 * 96 / 72  # CSS pixels
READY = """() => new Promise((done) => {
  const look = () => (Reveal.isReady() ? done() : setTimeout(look, 50));
  const keep = (reveal) => { window.Reveal = reveal; look(); };
  require(["node_modules/reveal.js/dist/reveal.js"], keep);
})"""
FAULTS = """([place, width, height, letters]) => {
  const slide = Reveal.getSlides()[place];
  const { h, v } = Reveal.getIndices(slide);
  Reveal.slide(h, v || 0, 99);
  const isText = (e) => e.checkVisibility() && !e.closest("aside, .MathJax, svg, sup, sub")
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  const texts = [...slide.querySelectorAll("*")].filter(isText);
  const size = (e) => parseFloat(getComputedStyle(e).fontSize);
  const small = texts.find((e) => size(e) < letters);
  return [
    slide.scrollHeight > height && `${slide.scrollHeight} pixels high`,
    slide.scrollWidth > width && `${slide.scrollWidth} pixels wide`,
    !slide.querySelector("h1, h2, h3")?.checkVisibility() && "no headline",
    texts.some((e) => /\\bassert\\b/.test(e.textContent)) && "an assert",
    small && `letters of ${size(small)} pixels: ${small.textContent.trim().slice(0, 30)}`,
  ].filter(Boolean).map((fault) => `${place + 1}: ${fault}`);
}"""


def measured(page: Page, path: Path, sheet: Path | None) -> tuple[int, list[str]]:
    """The number of slides, and all that is wrong with them."""
    noted: list[str] = []
    page.on("request", lambda r: noted.append(r.url) if r.url.startswith("http") else None)
    page.on("pageerror", lambda error: noted.append(str(error)))
    page.goto(path.as_uri())
    page.evaluate(READY)
    page.wait_for_timeout(2000)  # formulas are set after the page is there
    count = page.evaluate("Reveal.getTotalSlides()")
    pictures = []
    for place in range(count):
        noted += page.evaluate(FAULTS, [place, WIDTH, HEIGHT, LETTERS])
        if sheet:
            page.wait_for_timeout(150)
            pictures.append(Image.open(io.BytesIO(page.screenshot())))
    if sheet:
        contact_sheet(pictures).save(sheet / f"{path.stem}.png")
    return count, noted


def contact_sheet(pictures: list[Any], columns: int = 4) -> Image.Image:
    """All slides of a lesson on one page, a third as wide."""
    width, height = WIDTH // 3, HEIGHT // 3
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * (width + 4), rows * (height + 4)), "grey")
    for place, picture in enumerate(pictures):
        at = (place % columns) * (width + 4), (place // columns) * (height + 4)
        page.paste(picture.resize((width, height)), at)
    return page


def main(arguments: list[str]) -> int:
    """Measure all slides; the exit status says whether anything is wrong."""
    sheet = Path(arguments[1]) if arguments[:1] == ["--sheet"] else None
    fine = True
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(),
            args=[*CHROMIUM_FLAGS, "--allow-file-access-from-files"],
        )
        for path in sorted(SLIDES.glob("*.slides.html")):
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            count, noted = measured(page, path, sheet)
            print(f"{path.stem:40} {count:3} slides", *noted, sep="\n     ", flush=True)
            fine &= not noted
            page.close()
        browser.close()
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
