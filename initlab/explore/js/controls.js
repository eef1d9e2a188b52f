// The elements that a hand moves, built from what Python declares.

import { Player } from "./link.js";
import { format, positionOf, positions, valueAt } from "./numbers.js";

export const node = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};

/** A button that moves a slider to its end, and stops it on the way. */
function playButton(control, input, go, { isFree, begin, rest }) {
  const button = node("button", { type: "button", class: "initlab-play", "aria-label": `play ${control.label}` }, "▶");
  const tell = (isPlaying) => {
    button.textContent = isPlaying ? "❚❚" : "▶";
    button.setAttribute("aria-label", `${isPlaying ? "pause" : "play"} ${control.label}`);
    if (isPlaying) begin({ isFilm: true });
    else rest();
  };
  const player = new Player(control, { now: () => Number(input.value), move: go, isFree, tell });
  button.addEventListener("click", () => (player.isPlaying ? player.pause() : player.play()));
  return { player, button };
}

const ELSEWHERE = "in the notebook"; // what a page without a kernel cannot show

/**
 * Each kind makes its element, says how to show a value, and calls `hand.change` with a new one;
 * `hand.begin` and `hand.rest` frame a movement. `limit` leaves it the values that there are.
 */
const CONTROLS = {
  slider(control, hand) {
    const input = node("input", { type: "range", min: 0, max: positions(control), step: 1 });
    const shown = node("span", { class: "initlab-value", "aria-hidden": "true" });
    const show = (value) => {
      shown.textContent = format(value) + (control.unit ? ` ${control.unit}` : "");
      input.setAttribute("aria-valuetext", shown.textContent);
    };
    const moved = () => {
      const value = valueAt(control, Number(input.value));
      show(value);
      hand.change(value);
    };
    const set = (value) => {
      input.value = positionOf(control, value);
      show(value);
    };
    const go = (position) => {
      input.value = position;
      moved();
    };
    const { player, button } = control.play ? playButton(control, input, go, hand) : {};
    input.addEventListener("input", () => {
      player?.pause(); // the hand is stronger
      hand.begin();
      moved();
    });
    input.addEventListener("change", () => hand.rest());
    const limit = (stops) => {
      control.stops = stops;
      input.max = positions(control);
      if (button) button.hidden = stops.length < 2;
    };
    return { parts: [node("label", {}, node("span", {}, control.label), input), shown, ...(button ? [button] : [])], input, set, limit, player };
  },
  choice(control, hand) {
    const select = node("select", {}, ...control.options.map(([value, text]) => node("option", { value: String(value) }, text)));
    select.addEventListener("change", () => hand.change(control.options[select.selectedIndex][0]));
    const set = (value) => (select.selectedIndex = control.options.findIndex((option) => option[0] === value));
    const limit = (stops) =>
      control.options.forEach(([value, text], k) => {
        const option = select.children[k];
        option.disabled = !stops.includes(value);
        option.textContent = option.disabled ? `${text} (${ELSEWHERE})` : text;
      });
    return { parts: [node("label", {}, node("span", {}, control.label), select)], input: select, set, limit };
  },
  switch(control, hand) {
    const box = node("input", { type: "checkbox" });
    box.addEventListener("change", () => hand.change(box.checked));
    return { parts: [node("label", {}, node("span", {}, control.label), box)], input: box, set: (value) => (box.checked = value) };
  },
};

/** One control; a main one is large and says what it means, the others say it to who asks. */
export function buildControl(control, hand) {
  const own = { ...control }; // it gets stops
  const made = CONTROLS[own.kind](own, hand);
  const element = node("div", { class: `initlab-control initlab-${own.kind}${own.main ? " initlab-main-control" : ""}` }, ...made.parts);
  const below = node("span", { class: "initlab-hint", "aria-hidden": "true" });
  element.append(below);
  const say = (text) => {
    below.textContent = text;
    below.hidden = !text;
  };
  const hint = own.main ? own.hint : "";
  say(hint);
  if (own.hint) made.input.setAttribute("title", own.hint);
  const limit = (stops) => {
    made.limit?.(stops);
    const isDead = (made.input.disabled = stops.length < 2);
    say(isDead ? ELSEWHERE : hint);
    made.input.setAttribute("title", [own.hint, ...(isDead ? [`(${ELSEWHERE})`] : [])].join(" "));
  };
  return { ...made, element, control: own, limit };
}

/** The presets as questions: a press tries one. */
export function buildChips(names, choose) {
  const chips = names.map((name) => node("button", { type: "button", class: "initlab-chip", "aria-pressed": "false" }, name));
  const press = (chosen) => chips.forEach((chip) => chip.setAttribute("aria-pressed", String(chip === chosen)));
  chips.forEach((chip, k) =>
    chip.addEventListener("click", () => {
      press(chip);
      choose(names[k]);
    }),
  );
  return { element: node("div", { class: "initlab-chips", role: "group", "aria-label": "Try" }, node("span", { "aria-hidden": "true" }, "Try"), ...chips), clear: () => press(null) };
}

/** A key that JupyterLab may have: it leaves what has the focus. */
export const isWayOut = (event) => event.key === "Escape" || event.ctrlKey || event.metaKey || event.altKey || (event.key === "Enter" && event.shiftKey);

/**
 * JupyterLab's shortcuts would take arrows, letters and space. It looks for them once the key has
 * passed `root`, Notebook 7 before: so it must find its mark where the key goes. Returns what ends
 * the watch.
 */
export function keepFromShortcuts(root) {
  const mark = (event) => root.contains(event.target) && event.target.toggleAttribute("data-lm-suppress-shortcuts", !isWayOut(event));
  window.addEventListener("keydown", mark, true);
  root.addEventListener("keydown", (event) => isWayOut(event) || event.stopPropagation());
  return () => window.removeEventListener("keydown", mark, true);
}
