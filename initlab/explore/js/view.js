// One view of an explorer: controls, summary and panels, and what passes between them and the kernel.

import { buildChips, buildControl, keepFromShortcuts, node } from "./controls.js";
import { Link } from "./link.js";
import { floatsOf, positionOf, unpack, valueAt } from "./numbers.js";
import { hold, paint } from "./paint.js";
import { Summary } from "./summary.js";

const PAUSE = 400; // ms without a movement, after which axes fit again

class View {
  constructor(model, el) {
    this.model = model;
    this.forget();
    this.controls = new Map();
    this.panels = [];
    this.rows = [];
    this.moving = false; // a hand or a film
    this.setup = model.get("_setup");
    this.build(el);
    this.receive = (content, buffers) => this.guard(() => this.show(content, buffers));
    this.lost = () => {
      this.forget();
      this.settle();
      this.fail("The kernel has gone. Run this cell again to bring the controls back to life.");
    };
    model.on("msg:custom", this.receive);
    model.on("comm_live_update", this.lost);
    this.sizes = new ResizeObserver(() => this.guard(() => this.restyle()));
    for (const element of [this.picture, this.summary.headline]) this.sizes.observe(element);
    this.themes = new MutationObserver(() => this.guard(() => this.restyle()));
    this.themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light", "class"] });
    const first = model.get("_first"); // a kernel that runs all cells has no time for a greeting
    if (first?.content) this.receive(first.content, [first.floats]);
    this.ask({ ready: true });
  }

  build(el) {
    const { title, controls, presets, buttons } = this.setup;
    this.summary = new Summary();
    this.summary.repaint = () => this.guard(() => this.paintNetwork());
    this.error = node("p", { class: "initlab-error", role: "alert" });
    this.picture = node("div", { class: "initlab-picture", role: "img" });
    this.spoken = node("p", { class: "initlab-spoken", "aria-live": "polite" });
    const side = node("div", { class: "initlab-side", role: "group", "aria-label": "Controls" });
    if (presets.length) {
      this.chips = buildChips(presets, (preset) => this.jump({ preset }));
      side.append(this.chips.element);
    }
    const more = node("div", { class: "initlab-folded" });
    for (const control of controls) {
      const hand = {
        change: (value) => this.change({ [control.name]: value }),
        begin: (how) => this.begin(how),
        rest: () => this.rest(),
        isFree: () => this.link.isFree,
      };
      const made = buildControl(control, hand);
      this.controls.set(control.name, made);
      (control.main ? side : more).append(made.element);
    }
    const row = node("div", { class: "initlab-buttons" }, this.button("reset", { reset: true }), ...buttons.map((press) => this.button(press, { press })));
    if (more.children.length) side.append(node("details", { class: "initlab-more" }, node("summary", {}, "more"), more));
    side.append(row);
    const stage = node("div", { class: "initlab-stage" }, this.summary.headline, this.error, this.summary.element, this.picture);
    this.root = node("section", { class: "initlab-explorer", "aria-label": title }, node("div", { class: "initlab-body" }, side, stage), this.spoken);
    this.giveKeysBack = keepFromShortcuts(this.root);
    el.append(this.root);
  }

  button(text, request) {
    const button = node("button", { type: "button" }, text);
    button.addEventListener("click", () => {
      this.chips?.clear();
      this.jump(request);
    });
    return button;
  }

  /* ------------------------------------------------------------ the hand */

  /** A movement begins: from now on the axes stay, and what is seen now stays as a ghost. */
  begin({ isFilm = false } = {}) {
    clearTimeout(this.resting);
    if (this.moving) return;
    this.moving = true;
    this.remember(!isFilm);
    this.panels.forEach((view) => (view.held = view.panel));
  }

  /** It is over once nothing has moved for a while, and the answer to the last move is there. */
  rest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      if (this.link.owes) return this.rest();
      this.release();
      this.guard(() => this.paintAll());
    }, PAUSE);
  }

  release() {
    clearTimeout(this.resting);
    this.moving = false;
    this.panels.forEach((view) => (view.held = null));
  }

  remember(isWanted) {
    this.panels.forEach((view) => (view.ghost = isWanted ? view.panel : null));
  }

  /** What moves step by step has begun before; anything else is a jump, to which axes fit at once. */
  change(values) {
    this.chips?.clear();
    if (!this.moving) this.remember(true);
    this.ask({ set: values });
  }

  jump(request) {
    this.controls.forEach(({ player }) => player?.pause());
    this.release();
    this.remember(true);
    this.ask(request);
  }

  /** Set the two sliders of a plane to where the pointer is; the point follows the hand at once. */
  pick(view, { offsetX, offsetY }) {
    const { picks } = view.panel;
    const point = view.painted.at(offsetX, offsetY).map((wanted, k) => {
      const { control, set } = this.controls.get(picks[k]);
      const value = valueAt(control, positionOf(control, wanted));
      set(value);
      return value;
    });
    this.begin();
    this.hasDragged = true;
    view.panel = { ...view.panel, point };
    this.chips?.clear();
    this.ask({ set: Object.fromEntries(picks.map((name, k) => [name, point[k]])) });
  }

  /* ------------------------------------------------------------ the kernel */

  ask(request) {
    try {
      this.link.ask(request);
    } catch {
      return this.lost();
    }
    this.picture.setAttribute("aria-busy", this.link.isWaiting);
    clearTimeout(this.waiting);
    if (request.ready) return;
    this.waiting = setTimeout(() => this.link.isWaiting && this.root.classList.add("initlab-busy"), 400);
  }

  /** Wait for no answer any more. */
  forget() {
    this.link = new Link((content) => this.model.send(content));
  }

  /** The last answer has come: the picture is true again, also if more of it follows. */
  settle() {
    clearTimeout(this.waiting);
    this.root.classList.remove("initlab-busy");
  }

  show(content, buffers) {
    this.link.answered(content); // first, so that the kernel works on while this is painted
    for (const [name, stops] of Object.entries(content.stops ?? {})) this.controls.get(name).limit(stops);
    for (const [name, value] of Object.entries(content.values ?? {})) {
      if (!this.link.pending(name)) this.controls.get(name)?.set(value);
    }
    if (!this.link.owes) this.settle();
    this.picture.setAttribute("aria-busy", this.link.isWaiting);
    this.fail(content.error ?? "");
    if (!content.panels) return;
    this.say(content.sentence);
    const floats = floatsOf(buffers?.[0]);
    this.summary.show({ ...content, network: unpack(content.network ?? null, floats) });
    this.arrange(unpack(content.panels, floats));
    this.paintAll();
  }

  /** The words change at once for the eye, and once the hand rests for the ear. */
  say(sentence) {
    this.picture.setAttribute("aria-label", sentence);
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => (this.spoken.textContent = sentence), 700);
  }

  fail(message) {
    if (message) this.controls.forEach(({ player }) => player?.pause());
    this.error.textContent = message;
    this.error.hidden = !message;
  }

  guard(action) {
    try {
      action();
    } catch (problem) {
      this.fail(`The picture could not be drawn: ${problem.message ?? problem}`);
    }
  }

  /* ------------------------------------------------------------ the picture */

  /** Panels fill rows of twelve twelfths; a row is as high as its panels, never as high as the data. */
  arrange(panels) {
    const shape = JSON.stringify(panels.map(({ span, height, small }) => [span, height, small]));
    if (shape !== this.shape) {
      this.shape = shape;
      this.layOut(panels);
    }
    panels.forEach((panel, k) => {
      const view = this.panels[k];
      if (view.held) view.held = hold(panel, view.held);
      view.panel = panel;
      Object.assign(view.canvas.style, { cursor: panel.picks ? "crosshair" : "", touchAction: panel.picks ? "none" : "" });
    });
  }

  layOut(panels) {
    const rows = [];
    let room = 0;
    this.panels = panels.map((panel) => {
      if (panel.span > room) {
        const row = node("div", { class: `initlab-row${panel.small ? " initlab-small" : ""}` });
        row.style.setProperty("--initlab-height", panel.height);
        rows.push(row);
        room = 12;
      }
      room -= panel.span;
      const view = this.newCanvas();
      view.canvas.style.setProperty("--initlab-span", panel.span);
      rows.at(-1).append(view.canvas);
      return view;
    });
    rows.forEach((row) => row.style.setProperty("--initlab-count", row.children.length));
    this.picture.replaceChildren(...rows);
  }

  newCanvas() {
    const canvas = node("canvas");
    const view = { canvas, context: canvas.getContext("2d"), pointer: null, ghost: null, held: null };
    canvas.addEventListener("pointermove", (event) => {
      view.pointer = view.isHeld ? null : { x: event.offsetX, y: event.offsetY };
      this.guard(() => {
        if (view.isHeld) this.pick(view, event);
        this.paintOne(view);
      });
    });
    canvas.addEventListener("pointerdown", (event) => {
      if (!view.panel.picks) return;
      view.isHeld = true;
      view.pointer = null;
      canvas.setPointerCapture(event.pointerId);
      this.guard(() => {
        this.pick(view, event);
        this.paintOne(view);
      });
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => {
        if (view.isHeld) this.rest();
        view.isHeld = false;
      });
    }
    canvas.addEventListener("pointerleave", () => {
      view.pointer = null;
      this.guard(() => this.paintOne(view));
    });
    return view;
  }

  /** JupyterLab hides the page for a moment while it changes its theme: paint in the next frame. */
  restyle() {
    this.theme = null;
    this.paintAll();
    requestAnimationFrame(() => this.guard(() => this.paintAll()));
  }

  /** Colours are Python's, for a light and a dark page; letters are as large as the page's. */
  readTheme() {
    const isDark = document.body.getAttribute("data-jp-theme-light") === "false";
    const colours = this.setup.theme[isDark ? "dark" : "light"];
    for (const [role, colour] of Object.entries(colours)) this.root.style.setProperty(`--initlab-${role.replaceAll(" ", "-")}`, colour);
    return { colours, letter: parseFloat(getComputedStyle(this.root).fontSize) };
  }

  paintAll() {
    this.paintNetwork();
    this.panels.forEach((view) => this.paintOne(view));
  }

  paintNetwork() {
    const { canvas, network } = this.summary;
    if (!network) return;
    this.onto(canvas, canvas.getContext("2d"), (context, size) => this.summary.paint(context, size, this.theme));
  }

  paintOne(view) {
    const { canvas, context, panel, pointer, ghost } = view;
    const shown = hold(panel, view.held);
    const extras = { pointer, ghost: ghost === panel ? null : ghost, invites: !this.hasDragged };
    this.onto(canvas, context, (ctx, size) => (view.painted = paint(ctx, shown, size, this.theme, extras)));
  }

  /** Give the canvas as many dots as the screen has, and paint in CSS pixels. */
  onto(canvas, context, action) {
    const size = { width: canvas.clientWidth, height: canvas.clientHeight };
    if (!size.width) return; // hidden: the resize observer paints it when it comes back
    this.theme ??= this.readTheme(); // not before: outside of the page a letter has no size
    const dots = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(size.width * dots), Math.round(size.height * dots)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.setTransform(dots, 0, 0, dots, 0, 0);
    action(context, size);
  }

  dispose() {
    this.giveKeysBack();
    this.model.off("msg:custom", this.receive);
    this.model.off("comm_live_update", this.lost);
    this.sizes.disconnect();
    this.themes.disconnect();
    this.controls.forEach(({ player }) => player?.pause());
    for (const timer of [this.waiting, this.speaking, this.resting]) clearTimeout(timer);
  }
}

export default {
  render({ model, el }) {
    const view = new View(model, el);
    return () => view.dispose();
  },
};
