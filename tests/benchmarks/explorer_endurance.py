"""Does an explorer stand a thousand random changes in a row? Needs Chromium; any machine will do:

    python tests/benchmarks/explorer_endurance.py               # every explorer
    python tests/benchmarks/explorer_endurance.py race signal   # these

In a real JupyterLab, its controls (sliders, lists, switches, presets and buttons) are set at
random, 1,000 times; each change waits for the answer to the last one, but for no more than 150 ms.
Goals: no error in explorer, console or kernel, and less than 50 MB more memory in the kernel.
Afterwards the explorer still shows what a new one shows for the position where it stopped.
"""

from __future__ import annotations

import re
import sys
import time

from lab import EXPLORER, Reader, lab

import initlab as il
from browser import KERNEL_STATUS

CHANGES, SEED = 1000, 1
GOAL_MB = 50
SLICE = 50  # changes between two looks at the page

CHANGE = """
async ([count, seed]) => {
  const root = document.querySelector(".initlab-explorer");
  const picture = root.querySelector(".initlab-picture");
  let state = seed; // a small generator of its own, so that a run can be repeated
  const random = (n) => {
    state = (16807 * state) % 2147483647;
    return Math.floor((state / 2147483647) * n);
  };
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const change = (e) => {
    if (e.tagName === "BUTTON") return e.click();
    if (e.type === "checkbox") return e.click();
    if (e.type === "range") e.value = random(Number(e.max) + 1);
    else e.selectedIndex = random(e.options.length);
    e.dispatchEvent(new Event(e.type === "range" ? "input" : "change"));
  };
  for (let k = 0; k < count; k++) {
    const controls = [...root.querySelectorAll("input, select, button")];
    change(controls[random(controls.length)]);
    for (let waited = 0; waited < 150 && picture.ariaBusy === "true"; waited += 5) await pause(5);
  }
  return state;
}
"""


def endure(reader: Reader) -> tuple[float, int, list[str]]:
    """Change controls at random; return MB of growth, computations of the kernel, and problems."""
    before, computed = _memory_mb(reader), int(reader.ask("explorer._count"))
    state, seen = SEED, []
    for _ in range(CHANGES // SLICE):
        state = reader.page.evaluate(CHANGE, [SLICE, state])
        shown = reader.page.inner_text(".initlab-error")
        seen += [f"shown: {shown}"] if shown else []
    for button in reader.page.query_selector_all(".initlab-play"):
        if button.get_attribute("aria-label").startswith("pause"):
            button.click()
    reader.page.evaluate("reader.settled(500, 60000)")
    grown = _memory_mb(reader) - before
    headline = reader.page.inner_text(".initlab-headline")
    if (
        reader.ask(
            f"explorer.headline == type(explorer)(**explorer.values).headline == {headline!r}"
        )
        != "True"
    ):
        seen.append(f"not what a new explorer shows: {headline}")
    count = int(reader.ask("explorer._count")) - computed
    return grown, count, [*seen, *reader.problems()]


def _memory_mb(reader: Reader) -> float:
    """Give what the kernel holds now; Linux tells."""
    now = re.search(r"VmRSS:\D*(\d+) kB", reader.ask(KERNEL_STATUS))
    return int(now[1]) / 1024 if now else float("nan")


def main() -> None:
    """Print a line for each explorer; the exit status says whether every goal is met."""
    names = sys.argv[1:] or [name for name in il.explore.__all__ if name.islower()]
    good = True
    with lab({name: EXPLORER.format(name) for name in names}) as open_one:
        for name in names:
            with open_one(name) as reader:
                began = time.perf_counter()
                grown, count, problems = endure(reader)
            good &= not problems and grown < GOAL_MB
            print(
                f"{name:10}{CHANGES} changes in {time.perf_counter() - began:.0f} s, {count} "
                f"computations: the kernel has {grown:+.0f} MB, {len(problems)} problems",
                *dict.fromkeys(problems), sep="\n  ", flush=True,
            )  # fmt: skip
    print(f"goals: less than {GOAL_MB} MB, no problem:", "all met" if good else "NOT all met")
    sys.exit(not good)


if __name__ == "__main__":
    main()
