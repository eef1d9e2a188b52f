// What a hand does to an explorer, and what the eye measures. `test_explore_browser.py` puts this into the page.
window.explorers = (() => {
  const root = () => document.querySelector(".initlab-explorer");
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));

  async function width(pixels) {
    Object.assign(root().parentElement.style, { width: `${pixels}px`, flex: "none" });
    await pause(200);
    const { offsetWidth, offsetHeight, scrollWidth, clientWidth } = root();
    return { width: offsetWidth, height: offsetHeight, overflow: scrollWidth - clientWidth };
  }

  // Where each part begins and how high it is.
  function layout() {
    const top = root().getBoundingClientRect().top;
    const parts = [root(), ...root().querySelectorAll(".initlab-summary, .initlab-side, .initlab-picture")];
    return parts.map((e) => [e.getBoundingClientRect().top - top, e.offsetHeight].map(Math.round).join("+")).join(" ");
  }

  function* positions(control, moves) {
    const isRange = control.type === "range";
    const key = { range: "value", checkbox: "checked" }[control.type] ?? "selectedIndex";
    const before = control[key];
    const count = isRange ? moves : control.type === "checkbox" ? 2 : control.options.length;
    for (let k = 0; k < count; k++) yield [key, isRange ? Math.round((k / (count - 1)) * control.max) : Number(k)];
    yield [key, before];
  }

  // Move every control through its range, press every chip: each layout that is seen, and who showed it first.
  async function move(moves) {
    const seen = {};
    const note = (name) => (seen[layout()] ??= name);
    note("start");
    for (const control of root().querySelectorAll("input, select")) {
      for (const [key, value] of positions(control, moves)) {
        control[key] = key === "checked" ? Boolean(value) : value;
        control.dispatchEvent(new Event(control.type === "range" ? "input" : "change"));
        await pause(25);
        note(`${control.labels[0].firstChild.textContent} at ${value}`);
      }
      control.dispatchEvent(new Event("change"));
      await pause(300);
      note(`${control.labels[0].firstChild.textContent} at rest`);
    }
    for (const chip of root().querySelectorAll(".initlab-chip")) {
      chip.click();
      await pause(400);
      note(chip.textContent);
    }
    const shown = root().querySelector(".initlab-error").textContent;
    return { layouts: Object.entries(seen).map((pair) => pair.join(": ")), error: shown };
  }

  // The smallest letters, in the page and on the canvases.
  function letters() {
    const texts = [...root().querySelectorAll("*")].filter((e) => e.checkVisibility() && e.textContent.trim());
    const canvases = [...root().querySelectorAll("canvas")].filter((e) => e.offsetWidth);
    const fonts = [...texts.map((e) => getComputedStyle(e).fontSize), ...canvases.map((e) => e.getContext("2d").font)];
    return Math.min(...fonts.map((font) => Number(/([\d.]+)px/.exec(font)[1])));
  }

  return { width, move, letters };
})();
