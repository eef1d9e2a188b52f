"""How fast does a picture follow the hand? Run on an idle machine with Chromium:

    python tests/benchmarks/explorer_speed.py                # ours beside interact and matplotlib
    python tests/benchmarks/explorer_speed.py race symmetry  # every slider of these explorers

In a real JupyterLab. Without names: the signal explorer beside two notebooks that show the same (20
layers, width 128, 128 digits, activations and gradients) with `interact` and matplotlib, one as
most people write it, one as an expert does. Goals: a median of at most 60 ms from key to pixels, at
least 40 times shorter than the grid's and 5 times shorter than the expert's. With an arrow key held
on any slider: at least 15 pictures a second, and the last one, which is that of the last position,
within 150 ms of release.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from lab import EXPLORER, Reader, lab
from playwright.sync_api import ElementHandle

HERE = Path(__file__).parent
RIVALS = {"grid": "interact_grid.py", "expert": "interact_expert.py"}
PRESSES, PRESSES_OF_GRID = 9, 4  # the grid takes seconds for each
TOO_SLOW_MS = 1000  # to be worth holding a key
HOLD_SECONDS, KEYS_PER_SECOND = 2.5, 30.0
LONGEST_MS = 15_000
AT_AN_END = "e => [e.min, e.max].includes(e.value)"
GOAL_MS, GOAL_PICTURES, GOAL_SETTLED_MS = 60, 15, 150
GOAL_SHORTER = {"grid": 40, "expert": 5}


class Followed(NamedTuple):
    """How the picture followed one slider."""

    latency_ms: float  # median, from a key to the frame that shows new pixels
    pictures: float = 0.0  # a second, while an arrow key is held
    settled_ms: float = math.inf  # from the last key to the last change

    def __str__(self) -> str:
        told = f"{self.latency_ms:6.0f} ms from key to pixels"
        if math.isinf(self.settled_ms):
            return f"{told}: too slow to hold a key"
        return (
            f"{told}, {self.pictures:5.1f} pictures/s held, "
            f"settled {self.settled_ms:4.0f} ms after release"
        )

    def is_good(self) -> bool:
        """Tell whether a held key gives enough pictures, and rest comes soon enough."""
        return self.pictures >= GOAL_PICTURES and self.settled_ms <= GOAL_SETTLED_MS


def follow(reader: Reader, slider: ElementHandle, presses: int = PRESSES) -> Followed:
    """Press keys one by one, then hold one."""
    page = reader.page
    page.add_script_tag(path=HERE / "pixels.js")
    slider.scroll_into_view_if_needed()
    slider.focus()
    page.keyboard.press("Home")
    _rest(reader)
    latencies = []
    for press in range(presses):
        slider.evaluate("e => pixels.start(e)")
        page.wait_for_timeout(50)
        page.keyboard.press("ArrowRight" if press % 3 < 2 else "ArrowLeft")
        page.wait_for_function("pixels.seen() > 0", timeout=LONGEST_MS, polling=50)
        seen = page.evaluate("pixels.stop()")
        latencies.append(seen["changes"][0] - seen["first"])
        _rest(reader)
    if median(latencies) > TOO_SLOW_MS:
        return Followed(median(latencies))
    slider.evaluate("e => pixels.start(e)")
    begun, pressed = time.perf_counter(), 0
    key = "ArrowRight"
    while time.perf_counter() - begun < HOLD_SECONDS:
        page.keyboard.down(key)
        pressed += 1
        if slider.evaluate(AT_AN_END):  # the other way, or nothing would change any more
            page.keyboard.up(key)
            key = "ArrowLeft" if key == "ArrowRight" else "ArrowRight"
        time.sleep(max(0.0, begun + pressed / KEYS_PER_SECOND - time.perf_counter()))
    page.keyboard.up(key)
    _rest(reader)
    seen = page.evaluate("pixels.stop()")
    during = [at for at in seen["changes"] if at <= seen["last"]]
    return Followed(
        latency_ms=median(latencies),
        pictures=1000 * len(during) / (seen["last"] - seen["first"]),
        settled_ms=max(0.0, seen["changes"][-1] - seen["last"]),
    )


def _rest(reader: Reader) -> None:
    reader.page.evaluate("ms => reader.settled(300, ms)", LONGEST_MS)


def trait_of(reader: Reader, slider: ElementHandle) -> str:
    """Tell which trait of the explorer a slider sets."""
    label = slider.evaluate("e => e.labels[0].textContent")
    names = "[n for n, c in explorer.controls().items() if c.label == " + repr(label) + "]"
    return reader.ask(f"{names}[0]").strip("'")


def is_at_last(reader: Reader, slider: ElementHandle) -> bool:
    """Tell whether browser and kernel agree on the slider's position and on what is shown."""
    shown = slider.evaluate(
        "e => e.closest('section').querySelector('.initlab-headline').innerText"
    )
    position = slider.evaluate("e => e.ariaValueText.split(' ')[0]")
    value = float(reader.ask(f"float(explorer.{trait_of(reader, slider)})"))
    is_same = reader.ask(f"explorer.headline == {shown!r}") == "True"
    return is_same and f"{value:.3g}" == f"{float(position):.3g}"


def compare() -> bool:
    """Measure the gain slider of the signal explorer and of the two rivals."""
    cells = {name: (HERE / file).read_text() for name, file in RIVALS.items()}
    found = {}
    with lab({"ours": EXPLORER.format("signal"), **cells}) as open_one:
        for name in ("ours", *RIVALS):
            with open_one(name) as reader:
                presses = PRESSES_OF_GRID if name == "grid" else PRESSES
                found[name] = follow(reader, reader.sliders()[0], presses)
                problems = reader.problems()
            print(f"{name:8}{found[name]}", *problems, sep="\n  PROBLEM ", flush=True)
    good = found["ours"].latency_ms <= GOAL_MS and found["ours"].is_good()
    for name, goal in GOAL_SHORTER.items():
        ratio = found[name].latency_ms / found["ours"].latency_ms
        print(f"ours is {ratio:.1f} times shorter than the {name}'s (goal: at least {goal})")
        good &= ratio >= goal
    return good


def every_slider(names: list[str]) -> bool:
    """Measure each slider of some explorers."""
    good = True
    with lab({name: EXPLORER.format(name) for name in names}) as open_one:
        for name in names:
            with open_one(name) as reader:
                if reader.ask("hasattr(explorer, 'step')") == "True":
                    reader.ask(
                        "explorer.set_trait('step', 60)"
                    )  # at 0 no slider would change anything
                for slider in reader.sliders():
                    trait = trait_of(reader, slider)
                    before = reader.ask(f"explorer.{trait}")
                    followed = follow(reader, slider)
                    label = slider.evaluate("e => e.labels[0].textContent")
                    is_last = is_at_last(reader, slider)
                    is_fine = followed.is_good() and is_last
                    good &= is_fine
                    end = (
                        "" if is_fine else "  <- misses a goal" if is_last else "  <- NOT THE LAST"
                    )
                    print(f"{name:10}{label:22}{followed}{end}", flush=True)
                    reader.ask(f"explorer.set_trait({trait!r}, {before})")
                for problem in reader.problems():
                    print(f"  PROBLEM {problem}")
                    good = False
    return good


def main() -> None:
    """Print what was measured; the exit status says whether every goal is met."""
    names = sys.argv[1:]
    goals = (f"goals: {GOAL_MS} ms, {GOAL_PICTURES} pictures/s held, settled within "
             f"{GOAL_SETTLED_MS} ms")  # fmt: skip
    good = every_slider(names) if names else compare()
    print(goals, "all met" if good else "NOT all met", sep=": ")
    sys.exit(not good)


if __name__ == "__main__":
    main()
