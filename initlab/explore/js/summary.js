// The headline, the table of numbers, and the network beside it, whose layers tell where their size comes from.

import { node } from "./controls.js";
import { paintNetwork } from "./network.js";

export class Summary {
  constructor() {
    this.chosen = null; // a layer
    this.network = null;
    this.headline = node("p", { class: "initlab-headline" });
    this.table = node("table", {});
    this.canvas = node("canvas", { class: "initlab-network", role: "slider", tabindex: "0", "aria-label": "layer" });
    this.story = node("div", { class: "initlab-story", "aria-live": "polite" });
    this.element = node("div", { class: "initlab-summary" }, this.table, this.canvas, this.story);
    this.canvas.addEventListener("click", (event) => this.choose(this.painted?.layerAt(event.offsetX), { isToggle: true }));
    this.canvas.addEventListener("keydown", (event) => this.steer(event));
    this.story.hidden = true;
    this.repaint = () => {};
  }

  show({ headline, table, network }) {
    this.headline.textContent = headline;
    this.fill(table);
    this.network = network && { ...network, room: table.room };
    this.canvas.hidden = !network;
    if (network) this.tell();
  }

  /** The table is built once for its columns and rows; afterwards only its texts change. */
  fill(table) {
    this.element.style.setProperty("--initlab-rows", table.room + 1);
    this.element.style.setProperty("--initlab-column", `${Math.min(21, 73 / table.columns.length)}%`); // Firefox ignores a calculated one
    const shape = JSON.stringify([table.columns, table.rows.map(({ name, colour, mark }) => [name, colour, mark])]);
    if (shape !== this.shape) {
      this.shape = shape;
      this.cells = table.rows.map((row) => row.cells.map((text) => node("td", {}, text)));
      const heads = table.columns.map(({ label, hint }) => node("th", { scope: "col", title: hint }, label));
      const rows = table.rows.map(({ name, colour, mark }, k) => {
        const head = node("th", { scope: "row", ...(mark && { "data-mark": mark }) }, name);
        head.style.setProperty("--initlab-swatch", `var(--initlab-${colour.replaceAll(" ", "-")})`);
        return node("tr", {}, head, ...this.cells[k]);
      });
      this.table.replaceChildren(node("thead", {}, node("tr", {}, node("td"), ...heads)), node("tbody", {}, ...rows));
    }
    table.rows.forEach((row, r) => row.cells.forEach((text, c) => (this.cells[r][c].textContent = text)));
  }

  get count() {
    return this.network?.strips[0].values.length ?? 0;
  }

  choose(layer, { isToggle = false } = {}) {
    this.chosen = isToggle && layer === this.chosen ? null : layer;
    this.tell();
    this.repaint();
  }

  steer(event) {
    const at = this.chosen ?? -1;
    const to = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: this.count - 1 }[event.key];
    if (event.key === "Escape") this.choose(null);
    if (to === undefined) return;
    event.preventDefault();
    this.choose(Math.max(0, Math.min(this.count - 1, to)));
  }

  /** What is known of the chosen layer, beside the pictures, over which it lies until it is closed. */
  tell() {
    const layer = this.chosen !== null && this.chosen < this.count ? this.chosen : null;
    this.story.hidden = layer === null;
    const texts = layer === null ? [] : this.network.strips.map((strip) => strip.notes[layer]);
    this.story.replaceChildren(...texts.map((text) => node("p", {}, text)));
    const value = layer === null ? "press the arrow keys to choose a layer" : texts.join(" ");
    for (const [name, of] of Object.entries({ valuemin: 1, valuemax: this.count, valuenow: (layer ?? 0) + 1, valuetext: value })) this.canvas.setAttribute(`aria-${name}`, of);
    this.canvas.setAttribute("title", "Click on a layer to see where its size comes from");
  }

  paint(context, size, theme) {
    this.painted = paintNetwork(context, this.network, size, theme, this.chosen);
  }
}
