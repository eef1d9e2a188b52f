"""Does everything fit on a slide? Measures the slides that `.site/slides` has made, in Chromium.

    .site/slides && python tests/benchmarks/slides.py            # how many, how many too high
    .site/slides && python tests/benchmarks/slides.py --split    # ... and mend the notebooks

Prints for each notebook its slides, those that are higher than 720 pixels, and what the page asked
another host for. `--split` starts a new slide where a cell would not fit, and hides the code of a
cell that is too high with it (tag `hide-input`, in slides only); then make the slides again.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from browser import CHROMIUM_FLAGS, find_chromium
from run_notebooks import NOTEBOOKS

SLIDES = NOTEBOOKS.parent / "build" / "slides"
WIDTH, HEIGHT = 1280, 720
ROOM = 690  # of the height: the rest is the margin below
READY = """() => new Promise((done) => {
  const look = () => (Reveal.isReady() ? done() : setTimeout(look, 50));
  const keep = (reveal) => { window.Reveal = reveal; look(); };
  require(["node_modules/reveal.js/dist/reveal.js"], keep);
})"""
MEASURE = """() => Reveal.getSlides().map((slide) => {
  const { h, v } = Reveal.getIndices(slide);
  Reveal.slide(h, v || 0, 99);
  const height = (e) => e ? e.getBoundingClientRect().height / Reveal.getScale() : 0;
  const cells = [...slide.querySelectorAll('[id^="cell-id="]')].map((cell) => ({
    id: cell.id.slice(8),
    height: height(cell),
    code: height(cell.querySelector(".jp-Cell-inputWrapper")),
  }));
  return { name: `${h}.${v || 0}`, height: slide.scrollHeight, cells };
})"""


def measured(page: Page, path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Each slide with its height and those of its cells, and all that went wrong."""
    noted: list[str] = []
    page.on("request", lambda r: noted.append(r.url) if r.url.startswith("http") else None)
    page.on("pageerror", lambda error: noted.append(str(error)))
    page.goto(path.as_uri())
    page.evaluate(READY)
    page.wait_for_timeout(2000)  # formulas are set after the page is there
    return page.evaluate(MEASURE), noted


def split(path: Path, slides: list[dict[str, Any]]) -> None:
    """Start a new slide where a cell would not fit any more; hide code that leaves no room."""
    notebook = nbformat.read(path, as_version=4)
    sizes = {cell["id"]: cell for slide in slides for cell in slide["cells"]}
    used = 0.0
    for cell in notebook.cells:
        size = sizes.get(cell["id"])
        kind = cell.metadata["slideshow"]["slide_type"]
        if size is None or kind in ("skip", "notes"):
            continue
        height = size["height"]
        is_code = cell.cell_type == "code"
        if is_code and height > ROOM and "hide-input" not in cell.metadata.get("tags", []):
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-input"]
            height -= size["code"]
        if kind in ("slide", "subslide"):
            used = height
        elif used + height > ROOM:
            cell.metadata["slideshow"]["slide_type"] = "subslide"
            used = height
        else:
            used += height
    nbformat.write(notebook, path)


def main(arguments: list[str]) -> int:
    """Measure all slides; the exit status says whether all fit and nothing came from elsewhere."""
    fine = True
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(),
            args=[*CHROMIUM_FLAGS, "--allow-file-access-from-files"],
        )
        for notebook in sorted(NOTEBOOKS.glob("*.ipynb")):
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            slides, noted = measured(page, SLIDES / f"{notebook.stem}.slides.html")
            high = [
                f"{slide['name']} ({slide['height']})"
                for slide in slides
                if slide["height"] > HEIGHT
            ]
            print(f"{notebook.name:36} {len(slides):3} slides, {len(high)} too high", *high, *noted)
            fine &= not (high or noted)
            if "--split" in arguments:
                split(notebook, slides)
            page.close()
        browser.close()
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
