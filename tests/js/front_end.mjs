// Loads the front end as a browser does, and stands in for the browser: a page, a context, a kernel.
import { readFile } from "node:fs/promises";

const source = await readFile(process.env.FRONT_END); // joined by `initlab.explore.explorer.front_end`
export const frontEnd = await import(`data:text/javascript;base64,${source.toString("base64")}`);

/** A canvas context that notes every call, with letters of 8 pixels. */
export function notebook() {
  const calls = [];
  const state = {};
  const context = new Proxy(state, {
    get: (_, name) => {
      if (name === "calls") return calls;
      if (name === "measureText") return (text) => ({ width: 8 * text.length });
      if (name === "createImageData") return (w, h) => ({ data: new Uint8ClampedArray(4 * w * h) });
      if (name in state) return state[name];
      return (...values) => void calls.push({ name, values, fillStyle: state.fillStyle, strokeStyle: state.strokeStyle, lineWidth: state.lineWidth });
    },
    set: (_, name, value) => ((state[name] = value), true),
  });
  return context;
}

export const texts = (context) => context.calls.filter((c) => c.name === "fillText").map((c) => c.values[0]);
export const called = (context, name) => context.calls.filter((c) => c.name === name);

globalThis.OffscreenCanvas = class {
  constructor(width, height) {
    Object.assign(this, { width, height });
    const context = notebook();
    context.putImageData = (pixels) => (this.pixels = pixels.data);
    this.getContext = () => context;
  }
};

/** Just enough of a page for the explorer's elements. */
class Element {
  constructor(tag) {
    Object.assign(this, { tag, children: [], attributes: {}, listeners: {}, hidden: false });
    this.style = { setProperty: (name, value) => (this.style[name] = value) };
    const names = new Set();
    this.classList = { add: (n) => names.add(n), remove: (n) => names.delete(n), contains: (n) => names.has(n) };
    if (tag === "canvas") this.context = notebook();
  }
  replaceChildren(...children) {
    this.children = [];
    this.append(...children);
  }
  getAttribute(name) {
    return this.attributes[name] ?? null;
  }
  append(...children) {
    for (const child of children) if (child instanceof Element) child.parent = this;
    this.children.push(...children);
  }
  remove() {
    this.parent.children.splice(this.parent.children.indexOf(this), 1);
  }
  setAttribute(name, value) {
    this.attributes[name] = String(value);
    if (name === "value") this.value = String(value);
  }
  addEventListener(name, act) {
    this.listeners[name] = act;
  }
  fire(name, event = {}) {
    this.listeners[name]?.(event);
  }
  setPointerCapture(pointer) {
    this.captured = pointer;
  }
  getContext() {
    return this.context;
  }
  get clientWidth() {
    return 600;
  }
  get clientHeight() {
    return 300;
  }
  get textContent() {
    return this.children.map((c) => c.textContent ?? c).join("");
  }
  set textContent(text) {
    this.children = text ? [text] : [];
  }
  find(test) {
    const found = test(this) ? [this] : [];
    return [...found, ...this.children.flatMap((c) => (c instanceof Element ? c.find(test) : []))];
  }
}

class Observer {
  constructor(act) {
    this.act = act;
  }
  observe(target) {
    target.observer = this;
  }
  disconnect() {}
}

Object.assign(globalThis, {
  document: { createElement: (tag) => new Element(tag), body: new Element("body") },
  requestAnimationFrame: (act) => frames.push(act),
  window: { devicePixelRatio: 2, addEventListener() {}, removeEventListener() {} },
  ResizeObserver: Observer,
  MutationObserver: Observer,
  getComputedStyle: () => ({ fontSize: "14px" }),
});

const COLOURS = { ink: "#000000", grid: "#cccccc", paper: "#ffffff", muted: "#888888", activation: "#ff0000", gradient: "#0000ff", negative: "#ff0000", positive: "#0000ff", "class 0": "#ff0000", "class 1": "#0000ff", "class 2": "#00ff00", "class 3": "#00ffff" };
export const THEMES = { light: COLOURS, dark: { ...COLOURS, paper: "#111111" } };
const frames = [];
/** The browser shows the next frame. */
export const nextFrame = () => frames.splice(0).forEach((act) => act());
/** The page gets another theme. */
export const changeTheme = () => document.body.observer.act();

/** A model as anywidget gives it, whose kernel answers only when told to. */
export function kernel(setup, first = {}) {
  const sent = [];
  const handlers = {};
  const model = {
    get: (name) => ({ _setup: { title: "Title", presets: [], buttons: [], theme: THEMES, ...setup }, _first: first })[name],
    send: (content) => sent.push(content),
    on: (name, act) => (handlers[name] = act),
    off: (name) => delete handlers[name],
  };
  const say = (content, floats) =>
    handlers["msg:custom"](content, floats && [new DataView(Float32Array.from(floats).buffer)]);
  return { model, sent, say, handlers, lose: () => handlers.comm_live_update() };
}

export function shown(setup, first) {
  const far = kernel(setup, first);
  const el = new Element("div");
  const dispose = frontEnd.default.render({ model: far.model, el });
  const find = (tag) => el.find((e) => e.tag === tag);
  const byClass = (name) => el.find((e) => e.attributes.class === name)[0];
  return { ...far, el, find, byClass, dispose };
}
