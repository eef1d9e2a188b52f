// One front end for every explorer: it builds the controls that Python declares, keeps one or two
// requests in flight, and paints the panels that come back. A new explorer needs nothing here
// unless it needs a new kind of panel: add one function to PAINTERS.
//
// Plain ES module: no build, no dependency, nothing is fetched.

/* ---------------------------------------------------------------- numbers, ticks, positions */

const SUPERSCRIPTS = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

export const powerOfTen = (exponent) => "10" + String(exponent).replace(/[-\d]/g, (c) => SUPERSCRIPTS[c]);

/** Three digits at most: 0.98, 1230, 3e-12. */
export function format(value) {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e5) return String(Number(value.toPrecision(3)));
  return value.toExponential(1).replace("e+", "e").replace(".0e", "e");
}

/** Round numbers (1, 2, 5 times a power of ten) inside [low, high]; integers where `whole`. */
export function linearTicks(low, high, wanted = 5, whole = false) {
  if (!(high > low)) return [low];
  const rough = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].find((m) => m * power >= rough * 0.999) * power;
  if (whole) step = Math.max(1, Math.round(step));
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) {
    ticks.push(Number((k * step).toPrecision(12)));
  }
  return ticks;
}

/** Whole powers of ten inside [low, high], every decade or every n-th. */
export function logTicks(low, high, wanted = 6) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const stride = Math.max(1, Math.ceil((last - first) / Math.max(1, wanted)));
  const ticks = [];
  for (let e = Math.ceil(first / stride) * stride; e <= last; e += stride) ticks.push(10 ** e);
  return ticks;
}

/** Row 1 and round numbers after it. */
export function rowTicks(rows, wanted) {
  const ticks = linearTicks(0, rows, wanted, true).slice(1);
  return ticks[0] > 1 ? [1, ...ticks] : ticks;
}

/** An axis as a function from values to pixels, with as many ticks as have room. */
export function scale(axis, from, to, roomOf) {
  const warp = axis.log ? Math.log10 : (v) => v;
  const low = warp(axis.low);
  const span = warp(axis.high) - low || 1;
  const map = (value) => from + ((warp(value) - low) / span) * (to - from);
  const text = axis.log ? (t) => powerOfTen(Math.round(Math.log10(t))) : axis.powers ? powerOfTen : format;
  const length = Math.abs(to - from);
  let ticks = axis.ticks;
  for (let wanted = Math.ceil(length / 30); !ticks; wanted--) {
    const some = axis.log ? logTicks(axis.low, axis.high, wanted) : linearTicks(axis.low, axis.high, wanted, axis.whole || axis.powers);
    const need = Math.max(0, ...some.map((tick) => roomOf(text(tick))));
    if (wanted <= 1 || some.length < 2 || need <= Math.abs(map(some[1]) - map(some[0]))) ticks = some;
  }
  return { map, ticks, text };
}

/** How many positions a slider has: one for each integer, else 200. */
export const positions = (slider) => (slider.whole ? slider.high - slider.low : 200);

/** The value at a slider's position, as it is shown and as Python gets it. */
export function valueAt(slider, position) {
  const share = position / positions(slider);
  if (slider.whole) return slider.low + position;
  const value = slider.log
    ? slider.low * (slider.high / slider.low) ** share
    : slider.low + (slider.high - slider.low) * share;
  return Number(value.toPrecision(3));
}

export function positionOf(slider, value) {
  const share = slider.log
    ? Math.log(value / slider.low) / Math.log(slider.high / slider.low)
    : (value - slider.low) / (slider.high - slider.low);
  return Math.round(share * positions(slider));
}

/** Put the arrays of a message back where Python cut them out: {"$": [start, length]}. */
export function unpack(node, floats) {
  if (Array.isArray(node)) return node.map((child) => unpack(child, floats));
  if (node === null || typeof node !== "object") return node;
  if (node.$) return floats.subarray(node.$[0], node.$[0] + node.$[1]);
  return Object.fromEntries(Object.entries(node).map(([key, child]) => [key, unpack(child, floats)]));
}

export function floatsOf(buffer) {
  if (!buffer) return new Float32Array(0);
  if (buffer.byteOffset % 4 === 0) return new Float32Array(buffer.buffer, buffer.byteOffset, buffer.byteLength / 4);
  return new Float32Array(buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength));
}

/* ---------------------------------------------------------------- few requests in flight */

const QUICK = 20; // ms of computing

/**
 * Sends wishes to the kernel, and waits for its answers. While it waits only the newest value of
 * each control is kept, so a held slider never builds a queue. A kernel that computes quickly finds
 * one wish waiting when it is done: what it would spend waiting for the wire is worth a picture.
 */
export class Link {
  constructor(send, name = Math.random().toString(36).slice(2, 8)) {
    this.send = send;
    this.name = name;
    this.count = 0;
    this.most = 1; // in flight
    this.flying = [];
    this.wish = null;
  }

  ask(wish) {
    const earlier = wish.preset ? {} : this.wish; // a preset overrules what was moved before it
    this.wish = { ...earlier, ...wish };
    if (wish.set) this.wish.set = { ...earlier?.set, ...wish.set };
    this.#pump();
  }

  /** True where the message answers this view's own request. */
  answered(message) {
    const place = this.flying.findIndex(({ request }) => request === message.answer);
    if (place < 0) return false;
    this.flying.splice(0, place + 1);
    this.most = message.took < QUICK ? 2 : 1;
    this.#pump();
    if (message.unfinished && !this.isWaiting) this.ask({ go_on: true });
    return true;
  }

  /** Controls whose newer position is still on its way must not jump back. */
  pending(name) {
    return [...this.flying, this.wish].some((wish) => wish?.set && name in wish.set);
  }

  get isWaiting() {
    return this.flying.length > 0;
  }

  /** Whether an answer is due to what a hand has changed, not just more of the same. */
  get owes() {
    return this.flying.some(({ go_on, set }) => !go_on || set);
  }

  /** Whether a wish would be sent at once. */
  get isFree() {
    return this.wish === null && this.flying.length < this.most;
  }

  #pump() {
    if (this.flying.length >= this.most || this.wish === null) return;
    this.flying.push({ ...this.wish, request: `${this.name}:${++this.count}` });
    this.wish = null;
    this.send(this.flying.at(-1));
  }
}

/* ---------------------------------------------------------------- painting */

const FONT = 14; // CSS pixels; nothing on a canvas is smaller
const FAMILY = 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif';
const font = (size = FONT, weight = "normal") => `${weight} ${size}px ${FAMILY}`;

/** Axes, grid, title and labels; returns the plot's rectangle and its two scales. */
function frame(ctx, panel, size, theme, { right = 16, above = 0, grid = true } = {}) {
  ctx.font = font();
  const top = 30 + above;
  const bottom = size.height - (panel.x.label ? 46 : 26);
  const y = scale(panel.y, panel.flip ? top : bottom, panel.flip ? bottom : top, () => 38);
  const labels = y.ticks.map(y.text);
  const left = (panel.y.label ? 30 : 10) + Math.max(12, ...labels.map((l) => ctx.measureText(l).width));
  const x = scale(panel.x, left, size.width - right, (text) => ctx.measureText(text).width + 22);

  ctx.fillStyle = theme.ink;
  ctx.textBaseline = "alphabetic";
  ctx.textAlign = "left";
  ctx.font = font(16, "600");
  ctx.fillText(panel.title ?? "", 8, 18, size.width - 12);
  ctx.font = font();
  ctx.strokeStyle = theme.grid;
  ctx.lineWidth = 1;
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  y.ticks.forEach((tick, k) => {
    const at = Math.round(y.map(tick)) + 0.5;
    if (grid) stroke(ctx, [left, at, size.width - right, at]);
    ctx.fillText(labels[k], left - 7, at);
  });
  ctx.textBaseline = "top";
  ctx.textAlign = "center";
  x.ticks.forEach((tick) => {
    const at = Math.round(x.map(tick)) + 0.5;
    if (grid) stroke(ctx, [at, top, at, bottom]);
    const half = ctx.measureText(x.text(tick)).width / 2; // the last label stays inside
    ctx.fillText(x.text(tick), Math.min(at, size.width - half - 1), bottom + 6);
  });
  if (panel.x.label) ctx.fillText(panel.x.label, (left + size.width - right) / 2, bottom + 26);
  if (panel.y.label) {
    ctx.save();
    ctx.translate(4, (top + bottom) / 2);
    ctx.rotate(-Math.PI / 2);
    ctx.fillText(panel.y.label, 0, 0);
    ctx.restore();
  }
  return { left, right: size.width - right, top, bottom, x, y };
}

/** A colour by its index, or a scheme's own colour, which a dark page needs paler. */
export function colourOf(theme, which) {
  if (typeof which !== "string") return theme.colours[which ?? 0];
  const isDark = hex(theme.paper).every((part) => part < 128);
  return isDark ? mixed(which, "#ffffff", 0.45) : which;
}

const hex = (colour) => [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));
const mixed = (from, to, share) => {
  const parts = hex(from).map((part, k) => Math.round(part + (hex(to)[k] - part) * share));
  return "#" + parts.map((part) => part.toString(16).padStart(2, "0")).join("");
};

function stroke(ctx, points) {
  ctx.beginPath();
  ctx.moveTo(points[0], points[1]);
  for (let k = 2; k < points.length; k += 2) ctx.lineTo(points[k], points[k + 1]);
  ctx.stroke();
}

function mark(ctx, symbol, x, y, r = 4) {
  ctx.beginPath();
  outline(ctx, symbol, x, y, r);
  ctx.fill();
}

/** Add a symbol to the path. */
function outline(ctx, symbol, x, y, r) {
  if (symbol === "square") ctx.rect(x - r, y - r, 2 * r, 2 * r);
  else if (symbol === "diamond") polygon(ctx, [x, y - r * 1.35, x + r * 1.35, y, x, y + r * 1.35, x - r * 1.35, y]);
  else if (symbol === "up") polygon(ctx, [x - r * 1.2, y + r, x + r * 1.2, y + r, x, y - r * 1.2]);
  else if (symbol === "down") polygon(ctx, [x - r * 1.2, y - r, x + r * 1.2, y - r, x, y + r * 1.2]);
  else if (symbol === "plus") {
    const [a, b] = [r * 1.4, r * 0.5];
    polygon(ctx, [[-a, -b], [-b, -b], [-b, -a], [b, -a], [b, -b], [a, -b], [a, b], [b, b], [b, a], [-b, a], [-b, b], [-a, b]].flatMap(([dx, dy]) => [x + dx, y + dy]));
  } else {
    ctx.moveTo(x + r, y);
    ctx.arc(x, y, r, 0, 2 * Math.PI);
  }
}

function polygon(ctx, points) {
  ctx.moveTo(points[0], points[1]);
  for (let k = 2; k < points.length; k += 2) ctx.lineTo(points[k], points[k + 1]);
  ctx.closePath();
}

/** One smoothed histogram for each row, row 1 on top; what is exactly at a row hides what is behind. */
function paintRidgeline(ctx, panel, size, theme) {
  const rows = panel.rows;
  const y = { ...panel.y, low: -0.45, high: rows + 0.15, ticks: rowTicks(rows, (size.height - 80) / 24) };
  const plot = frame(ctx, { ...panel, y, flip: true }, size, theme, { right: panel.notes ? 66 : 16, grid: false });
  const bins = panel.heights.length / rows;
  const baseline = (row) => plot.y.map(row + 1);
  const pitch = baseline(1) - baseline(0);
  const lift = pitch * 1.4;
  const colour = colourOf(theme, panel.colour);
  ctx.strokeStyle = theme.grid;
  const zero = Math.round(plot.x.map(0)) + 0.5;
  if (panel.x.low < 0 && panel.x.high > 0) stroke(ctx, [zero, plot.top, zero, plot.bottom]);
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.left, plot.top - 6, plot.right - plot.left, plot.bottom - plot.top + 7);
  ctx.clip();
  ctx.lineWidth = 1.25;
  ctx.strokeStyle = colour;
  for (let row = 0; row < rows; row++) {
    const base = baseline(row);
    const line = [];
    for (let bin = 0; bin < bins; bin++) {
      const at = plot.left + ((bin + 0.5) / bins) * (plot.right - plot.left);
      line.push(at, base - panel.heights[row * bins + bin] * lift);
    }
    ctx.beginPath();
    polygon(ctx, [plot.left, base, ...line, plot.right, base]);
    ctx.fillStyle = theme.paper;
    ctx.fill();
    ctx.fillStyle = colour + "66";
    ctx.fill();
    stroke(ctx, line);
  }
  ctx.restore();
  if (panel.notes) paintNotes(ctx, panel, plot, theme, baseline);
  return {
    pick: (px, py) => {
      const row = Math.round((py - baseline(0)) / pitch + 0.3);
      return row >= 0 && row < rows && px >= plot.left ? panel.hovers?.[row] : null;
    },
  };
}

/** A short text at the right end of some rows, such as the rms; as many as fit. */
function paintNotes(ctx, panel, plot, theme, baseline) {
  ctx.fillStyle = theme.ink;
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  ctx.fillText(panel.notes_label, plot.right + 6, 18, 60);
  let last = 18;
  panel.notes.forEach((note, row) => {
    const at = baseline(row);
    if (at - last < FONT + 2) return;
    ctx.fillText(note, plot.right + 6, at, 60);
    last = at;
  });
}

/** Lines, dashes and dots; on a log axis 0 is a ▼ on the floor, and what is above any axis a ▲. */
function paintLines(ctx, panel, size, theme) {
  const rowsOfLegend = legendRows(ctx, panel.series, size.width - 20);
  const above = 22 * (rowsOfLegend.length + (panel.note ? 1 : 0)) + 6;
  const plot = frame(ctx, panel, size, theme, { above });
  paintLegend(ctx, rowsOfLegend, theme, 38);
  if (panel.note) ctx.fillText(panel.note, 8, 10 + above, size.width - 16);
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.left - 6, plot.top - 6, plot.right - plot.left + 12, plot.bottom - plot.top + 12);
  ctx.clip();
  if (panel.cursor != null) {
    ctx.strokeStyle = theme.ink;
    ctx.lineWidth = 1;
    stroke(ctx, [plot.x.map(panel.cursor), plot.top, plot.x.map(panel.cursor), plot.bottom]);
  }
  (panel.rules ?? []).forEach((rule) => paintRule(ctx, rule, plot, theme));
  const points = [];
  panel.series.forEach((series) => paintSeries(ctx, series, panel, plot, theme, points));
  ctx.restore();
  return { pick: (px, py) => nearest(points, px, py) };
}

function paintRule(ctx, rule, plot, theme) {
  const at = plot.y.map(rule.y);
  ctx.strokeStyle = ctx.fillStyle = theme.ink;
  ctx.lineWidth = 1.25;
  ctx.setLineDash([2, 3]);
  stroke(ctx, [plot.left, at, plot.right, at]);
  ctx.setLineDash([]);
  ctx.textAlign = "right";
  ctx.textBaseline = "bottom";
  ctx.fillText(rule.label, plot.right - 4, at - 2);
}

function paintSeries(ctx, series, panel, plot, theme, points) {
  ctx.lineJoin = "round";
  ctx.strokeStyle = ctx.fillStyle = colourOf(theme, series.colour);
  const onLog = panel.y.log;
  const run = [];
  const flush = () => {
    if (run.length > 2 && series.style !== "dots") stroke(ctx, run);
    run.length = 0;
  };
  ctx.lineWidth = series.thick ?? 2.2;
  ctx.setLineDash(series.style === "dashes" ? [7, 5] : []);
  const edges = [];
  for (let k = 0; k < series.x.length; k++) {
    const [vx, vy] = [series.x[k], series.y[k]];
    const at = plot.x.map(vx);
    const below = onLog ? vy <= 0 : vy === -Infinity;
    const above = (!Number.isFinite(vy) && !below) || (vy > panel.y.high && series.style !== "dashes");
    if (above || below) {
      flush();
      if (series.style !== "dashes") edges.push([below ? "down" : "up", at, below ? plot.bottom - 5 : plot.top + 6]);
    } else run.push(at, plot.y.map(vy));
    const shown = panel.y.powers ? 10 ** vy : vy;
    points.push({ x: at, y: above ? plot.top : below ? plot.bottom : plot.y.map(vy), series, vx, vy: shown });
    const marked = series.style === "dots" || (series.every && k % series.every === 0);
    if (marked && !above && !below) mark(ctx, series.symbol, at, plot.y.map(vy));
  }
  flush();
  ctx.setLineDash([]);
  edges.forEach(([symbol, x, y]) => mark(ctx, symbol, x, y, 5));
}

function nearest(points, px, py) {
  let best = null;
  let least = 30 ** 2;
  for (const p of points) {
    const d = (p.x - px) ** 2 + (p.y - py) ** 2;
    if (d < least) [best, least] = [p, d];
  }
  return best && `${best.series.name}: ${format(best.vy)} at ${format(best.vx)}`;
}

function legendRows(ctx, series, width) {
  ctx.font = font();
  const rows = [[]];
  let x = 8;
  for (const s of series) {
    const need = 34 + ctx.measureText(s.name).width + 16;
    if (x + need > width && rows.at(-1).length) {
      rows.push([]);
      x = 8;
    }
    rows.at(-1).push({ series: s, x });
    x += need;
  }
  return series.length ? rows : [];
}

function paintLegend(ctx, rows, theme, y) {
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  rows.flat().forEach((entry) => {
    const at = y + 22 * rows.findIndex((row) => row.includes(entry));
    ctx.strokeStyle = ctx.fillStyle = colourOf(theme, entry.series.colour);
    ctx.lineWidth = 3;
    if (entry.series.style === "dots" || entry.series.every) mark(ctx, entry.series.symbol, entry.x + 14, at);
    if (entry.series.style !== "dots") {
      ctx.setLineDash(entry.series.style === "dashes" ? [7, 5] : []);
      stroke(ctx, [entry.x, at, entry.x + 28, at]);
      ctx.setLineDash([]);
    }
    ctx.fillStyle = theme.ink;
    ctx.fillText(entry.series.name, entry.x + 34, at);
  });
}

/** A matrix as coloured cells, row 1 on top, with a colour bar. */
function paintHeatmap(ctx, panel, size, theme) {
  const colours = ramp(panel.palette, theme);
  const bar = panel.bar ? 30 + Math.max(...[panel.high, panel.low].map((v) => ctx.measureText(format(v)).width)) : 16;
  const plot = frame(ctx, { ...panel, flip: true }, size, theme, { right: bar, grid: false });
  const cells = image(panel.values, panel.rows, panel.columns, panel.low, panel.high, colours);
  ctx.imageSmoothingEnabled = false;
  const [width, height] = [plot.right - plot.left, plot.bottom - plot.top];
  ctx.drawImage(cells, plot.left, plot.top, width, height);
  ctx.strokeStyle = theme.grid;
  ctx.strokeRect(plot.left, plot.top, width, height);
  if (panel.bar) paintBar(ctx, panel, plot, colours, theme);
  return {
    pick: (px, py) => {
      const row = Math.floor(((py - plot.top) / height) * panel.rows);
      const column = Math.floor(((px - plot.left) / width) * panel.columns);
      if (row < 0 || column < 0 || row >= panel.rows || column >= panel.columns) return null;
      if (panel.hovers) return panel.hovers[row];
      const value = panel.values[row * panel.columns + column];
      return `${panel.y.label} ${row + 1}, ${panel.x.label} ${column + 1}: ${format(value)}`;
    },
  };
}

function paintBar(ctx, panel, plot, colours, theme) {
  const steps = colours.length;
  const height = (plot.bottom - plot.top) / steps;
  for (let k = 0; k < steps; k++) {
    ctx.fillStyle = `rgb(${colours[k].join()})`;
    ctx.fillRect(plot.right + 8, plot.bottom - (k + 1) * height, 10, height + 0.5);
  }
  ctx.fillStyle = theme.ink;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ctx.fillText(format(panel.high), plot.right + 22, plot.top + 7);
  ctx.fillText(format(panel.low), plot.right + 22, plot.bottom - 7);
}

/** 64 colours from low to high: paper to one colour, or one colour over paper to another. */
export function ramp(palette, theme) {
  const stops = palette === "diverging" ? [theme.colours[0], theme.paper, theme.colours[1]] : [theme.paper, theme.colours[palette ?? 0]];
  const rgb = stops.map(hex);
  return Array.from({ length: 64 }, (_, k) => {
    const at = (k / 63) * (rgb.length - 1);
    const from = Math.min(Math.floor(at), rgb.length - 2);
    return rgb[from].map((c, i) => Math.round(c + (rgb[from + 1][i] - c) * (at - from)));
  });
}

function image(values, rows, columns, low, high, colours) {
  return cellsOf(rows, columns, (row, column) => shade(values[row * columns + column], low, high, colours));
}

function shade(value, low, high, colours) {
  const share = high > low ? (value - low) / (high - low) : 0.5;
  return colours[Math.max(0, Math.min(63, Math.round(share * 63)))];
}

/** A picture of one pixel for each cell; a cell without a colour is grey. */
function cellsOf(rows, columns, colourAt) {
  const canvas = new OffscreenCanvas(columns, rows);
  const ctx = canvas.getContext("2d");
  const pixels = ctx.createImageData(columns, rows);
  for (let k = 0; k < rows * columns; k++) {
    pixels.data.set(colourAt(Math.floor(k / columns), k % columns) ?? [128, 128, 128], 4 * k);
    pixels.data[4 * k + 3] = 255;
  }
  ctx.putImageData(pixels, 0, 0);
  return canvas;
}

const OF_CLASSES = ["circle", "square", "diamond", "plus"];

/** The class of each point of a plane in pale colours, and examples on it with a symbol for each class. */
function paintRegions(ctx, panel, size, theme) {
  const plot = frame(ctx, panel, size, theme, { grid: false });
  const pale = theme.colours.map((colour) => hex(mixed(theme.paper, colour, 0.4)));
  const cells = cellsOf(panel.rows, panel.columns, (row, column) => pale[panel.values[(panel.rows - 1 - row) * panel.columns + column]]);
  ctx.imageSmoothingEnabled = false;
  const [width, height] = [plot.right - plot.left, plot.bottom - plot.top];
  ctx.drawImage(cells, plot.left, plot.top, width, height);
  ctx.strokeStyle = theme.grid;
  ctx.strokeRect(plot.left, plot.top, width, height);
  OF_CLASSES.forEach((symbol, label) => {
    ctx.beginPath();
    panel.labels.forEach((of, k) => of === label && outline(ctx, symbol, plot.x.map(panel.points_x[k]), plot.y.map(panel.points_y[k]), 2.5));
    ctx.fillStyle = theme.colours[label];
    ctx.fill();
  });
  return {
    pick: (px, py) => {
      const row = Math.floor(((plot.bottom - py) / height) * panel.rows);
      const column = Math.floor(((px - plot.left) / width) * panel.columns);
      if (row < 0 || column < 0 || row >= panel.rows || column >= panel.columns) return null;
      const [x, y] = [at(panel.x, (column + 0.5) / panel.columns), at(panel.y, (row + 0.5) / panel.rows)];
      return `(${format(x)}, ${format(y)}): class ${panel.values[row * panel.columns + column]}`;
    },
  };
}

/** A quantity over the plane of two controls, curves on it, and the point at which they stand. */
function paintPlane(ctx, panel, size, theme) {
  const entries = legendRows(ctx, panel.series, size.width - 20);
  const ends = { low: 10 ** panel.low, high: 10 ** panel.high };
  const right = 30 + Math.max(...Object.values(ends).map((end) => ctx.measureText(format(end)).width));
  const plot = frame(ctx, panel, size, theme, { right, above: 22 * entries.length + 6, grid: false });
  paintLegend(ctx, entries, theme, 38);
  const { rows, columns, values } = panel;
  const colours = ramp("diverging", theme);
  const cells = cellsOf(rows, columns, (row, column) => shade(values[(rows - 1 - row) * columns + column], panel.low, panel.high, colours));
  const [width, height] = [plot.right - plot.left, plot.bottom - plot.top];
  ctx.imageSmoothingEnabled = true;
  ctx.drawImage(cells, plot.left, plot.top, width, height);
  ctx.strokeStyle = theme.grid;
  ctx.lineWidth = 1;
  ctx.strokeRect(plot.left, plot.top, width, height);
  paintBar(ctx, ends, plot, colours, theme);
  ctx.fillText(panel.quantity, plot.right + 8, plot.top - 10);
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.left, plot.top, width, height);
  ctx.clip();
  panel.series.forEach((series) => paintSeries(ctx, series, panel, plot, theme, []));
  ctx.restore();
  paintRing(ctx, plot.x.map(panel.point[0]), plot.y.map(panel.point[1]), theme);
  const share = (px, py) => [(px - plot.left) / width, (plot.bottom - py) / height];
  return {
    pick: (px, py) => {
      const [x, y] = share(px, py);
      const [row, column] = [Math.floor(y * rows), Math.floor(x * columns)];
      if (row < 0 || column < 0 || row >= rows || column >= columns) return null;
      const value = format(10 ** values[row * columns + column]);
      return `${panel.quantity} ${value} at ${panel.x.label} ${format(at(panel.x, x))}, ${panel.y.label} ${format(at(panel.y, y))}`;
    },
    at: (px, py) => {
      const [x, y] = share(px, py).map((part) => Math.max(0, Math.min(1, part)));
      return [at(panel.x, x), at(panel.y, y)];
    },
  };
}

/** A point that is seen on any colour. */
function paintRing(ctx, x, y, theme) {
  ctx.beginPath();
  ctx.arc(x, y, 8, 0, 2 * Math.PI);
  ctx.fillStyle = theme.paper;
  ctx.fill();
  ctx.strokeStyle = theme.ink;
  ctx.lineWidth = 3;
  ctx.stroke();
}

const at = (axis, share) => axis.low + share * (axis.high - axis.low);

const PAINTERS = { ridgeline: paintRidgeline, lines: paintLines, heatmap: paintHeatmap, regions: paintRegions, plane: paintPlane };

/** Paint one panel into a context of the given CSS size; returns how to read off a value. */
export function paint(ctx, panel, size, theme, pointer = null) {
  const painter = PAINTERS[panel.kind];
  if (!painter) throw new Error(`no painter for a panel of kind "${panel.kind}"`);
  ctx.clearRect(0, 0, size.width, size.height);
  const painted = painter(ctx, panel, size, theme);
  const text = pointer && painted.pick(pointer.x, pointer.y);
  if (text) paintTip(ctx, text, pointer, size, theme);
  return painted;
}

function paintTip(ctx, text, pointer, size, theme) {
  ctx.font = font();
  const width = ctx.measureText(text).width + 16;
  const x = Math.max(2, Math.min(pointer.x + 12, size.width - width - 2));
  const y = pointer.y > 40 ? pointer.y - 36 : pointer.y + 16;
  ctx.fillStyle = theme.paper;
  ctx.strokeStyle = theme.ink;
  ctx.lineWidth = 1;
  ctx.fillRect(x, y, width, 26);
  ctx.strokeRect(x + 0.5, y + 0.5, width - 1, 25);
  ctx.fillStyle = theme.ink;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ctx.fillText(text, x + 8, y + 13);
}

/** Colours come from the style sheet, which knows JupyterLab's light and dark themes. */
function themeOf(element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(`--initlab-${name}`).trim();
  return {
    ink: read("ink"),
    grid: read("grid"),
    paper: read("paper"),
    colours: [0, 1, 2, 3, 4, 5].map((k) => read(`colour-${k}`)),
  };
}

/* ---------------------------------------------------------------- controls */

const node = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};

/**
 * Moves a slider by itself, a position at a time: never while too many answers are awaited, so that
 * a slow kernel slows the film down, and is never flooded. It stops at the end.
 * Who asked the system for less motion gets one picture a second, further apart.
 */
export class Player {
  constructor(control, { now, move, isFree, tell = () => {} }) {
    Object.assign(this, { control, now, move, isFree, tell });
    this.timer = null;
  }

  get isPlaying() {
    return this.timer !== null;
  }

  play() {
    if (this.isPlaying) return;
    const isCalm = window.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
    const [pause, stride] = isCalm ? [1000, 20] : [50, 1];
    if (this.now() >= positions(this.control)) this.move(0);
    const next = () => {
      this.timer = setTimeout(next, pause);
      if (this.isFree()) this.advance(stride);
    };
    this.timer = setTimeout(next, pause);
    this.tell(true);
  }

  advance(stride = 1) {
    const end = positions(this.control);
    if (this.now() < end) this.move(Math.min(end, this.now() + stride));
    if (this.now() >= end) this.pause();
  }

  pause() {
    if (!this.isPlaying) return;
    clearTimeout(this.timer);
    this.timer = null;
    this.tell(false);
  }
}

/** Buttons that move a slider: play or pause, one position further, back to the start. */
function playButtons(control, input, go, isFree) {
  const make = (text, act) => {
    const button = node("button", { type: "button" }, text);
    button.addEventListener("click", act);
    return button;
  };
  const player = new Player(control, {
    now: () => Number(input.value),
    move: go,
    isFree,
    tell: (isPlaying) => (play.textContent = isPlaying ? "pause" : "play"),
  });
  const still = (act) => () => (player.pause(), act());
  const play = make("play", () => (player.isPlaying ? player.pause() : player.play()));
  const step = make("one step", still(() => player.advance()));
  const back = make("rewind", still(() => go(0)));
  play.setAttribute("class", "initlab-play");
  const element = node("span", { class: "initlab-player", role: "group", "aria-label": `play: ${control.label}` }, play, step, back);
  return { player, element };
}

/** Each kind makes its element, says how to show a value, and calls `change` with a new one. */
const CONTROLS = {
  slider(control, change, isFree) {
    const input = node("input", { type: "range", min: 0, max: positions(control), step: 1 });
    const shown = node("span", { class: "initlab-value", "aria-hidden": "true" });
    const show = (value) => {
      shown.textContent = format(value) + (control.unit ? ` ${control.unit}` : "");
      input.setAttribute("aria-valuetext", shown.textContent);
    };
    const moved = () => {
      const value = valueAt(control, Number(input.value));
      show(value);
      change(value);
    };
    const set = (value) => {
      input.value = positionOf(control, value);
      show(value);
    };
    const element = node("div", { class: "initlab-control" }, node("label", {}, node("span", {}, control.label), input), shown);
    const go = (position) => {
      input.value = position;
      moved();
    };
    const { player, element: buttons } = control.play ? playButtons(control, input, go, isFree) : {};
    if (player) element.append(buttons);
    input.addEventListener("input", () => {
      player?.pause(); // the hand is stronger
      moved();
    });
    return { element, set, player };
  },
  choice(control, change) {
    const select = node("select", {}, ...control.options.map(([value, text]) => node("option", { value: String(value) }, text)));
    select.addEventListener("change", () => change(control.options[select.selectedIndex][0]));
    const set = (value) => (select.selectedIndex = control.options.findIndex((option) => option[0] === value));
    return { element: node("div", { class: "initlab-control" }, node("label", {}, node("span", {}, control.label), select)), set };
  },
  switch(control, change) {
    const box = node("input", { type: "checkbox" });
    box.addEventListener("change", () => change(box.checked));
    return {
      element: node("div", { class: "initlab-control" }, node("label", {}, box, node("span", {}, control.label))),
      set: (value) => (box.checked = value),
    };
  },
};

function presetsControl(names, choose) {
  const select = node("select", {}, node("option", { value: "" }, "choose…"), ...names.map((n) => node("option", { value: n }, n)));
  select.addEventListener("change", () => select.value && choose(select.value));
  const element = node("div", { class: "initlab-control" }, node("label", {}, node("span", {}, "preset"), select));
  return { element, clear: () => (select.value = "") };
}

/** JupyterLab's shortcuts would take arrows, letters and space; leave it only the ways out. */
export function keepFromShortcuts(event) {
  const wayOut = event.key === "Escape" || event.ctrlKey || event.metaKey || event.altKey || (event.key === "Enter" && event.shiftKey);
  if (!wayOut) event.stopPropagation();
}

/* ---------------------------------------------------------------- the view */

class View {
  constructor(model, el) {
    this.model = model;
    this.link = new Link((content) => model.send(content));
    this.controls = new Map();
    this.panels = [];
    this.build(el, model.get("_setup"));
    this.receive = (content, buffers) => this.guard(() => this.show(content, buffers));
    this.lost = () => this.fail("The kernel has gone. Run this cell again to bring the controls back to life.");
    model.on("msg:custom", this.receive);
    model.on("comm_live_update", this.lost);
    this.sizes = new ResizeObserver(() => this.guard(() => this.paintAll()));
    this.sizes.observe(this.picture);
    this.themes = new MutationObserver(() => this.guard(() => this.restyle()));
    this.themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light", "class"] });
    const first = model.get("_first"); // a kernel that runs all cells has no time for a greeting
    if (first?.content) this.receive(first.content, [first.floats]);
    this.ask({ hello: true });
  }

  build(el, setup) {
    const controls = node("div", { class: "initlab-controls", role: "group", "aria-label": "Controls" });
    if (setup.presets.length) {
      this.presets = presetsControl(setup.presets, (preset) => this.ask({ preset }));
      controls.append(this.presets.element);
    }
    for (const control of setup.controls) {
      const made = CONTROLS[control.kind](control, (value) => this.change(control.name, value), () => this.link.isFree);
      this.controls.set(control.name, { ...made, control });
      controls.append(made.element);
    }
    for (const press of setup.buttons) {
      const button = node("button", { type: "button" }, press);
      button.addEventListener("click", () => this.ask({ press }));
      controls.append(node("div", { class: "initlab-control" }, button));
    }
    this.sentence = node("p", { class: "initlab-sentence" });
    this.spoken = node("p", { class: "initlab-spoken", "aria-live": "polite" });
    this.error = node("p", { class: "initlab-error", role: "alert" });
    this.picture = node("div", { class: "initlab-picture", role: "img" });
    this.root = node("section", { class: "initlab-explorer", "aria-label": setup.title }, controls, this.error, this.sentence, this.picture, this.spoken);
    this.root.addEventListener("keydown", keepFromShortcuts);
    el.append(this.root);
  }

  change(name, value) {
    this.presets?.clear();
    this.ask({ set: { [name]: value } });
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
    view.panel.point = point;
    this.presets?.clear();
    this.ask({ set: Object.fromEntries(picks.map((name, k) => [name, point[k]])) });
  }

  ask(wish) {
    this.guard(() => this.link.ask(wish));
    this.picture.setAttribute("aria-busy", this.link.isWaiting);
    clearTimeout(this.waiting);
    if (wish.hello) return;
    this.waiting = setTimeout(() => this.link.isWaiting && this.root.classList.add("initlab-busy"), 400);
  }

  /** The last answer has come: the picture is true again, also if more of it follows. */
  rest() {
    clearTimeout(this.waiting);
    this.root.classList.remove("initlab-busy");
  }

  show(content, buffers) {
    this.link.answered(content); // first, so that the kernel works on while this is painted
    for (const [name, value] of Object.entries(content.values ?? {})) {
      if (!this.link.pending(name)) this.controls.get(name)?.set(value);
    }
    if (!this.link.owes) this.rest();
    this.picture.setAttribute("aria-busy", this.link.isWaiting);
    this.fail(content.error ?? "");
    if (!content.panels) return;
    this.say(content.sentence);
    this.arrange(unpack(content.panels, floatsOf(buffers?.[0])));
    this.paintAll();
  }

  /** The words change at once for the eye, and once the hand rests for the ear. */
  say(sentence) {
    this.sentence.textContent = sentence;
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

  arrange(panels) {
    while (this.panels.length > panels.length) this.panels.pop().canvas.remove();
    panels.forEach((panel, k) => {
      this.panels[k] ??= this.newCanvas();
      const view = this.panels[k];
      view.panel = panel;
      view.canvas.style.setProperty("--initlab-span", panel.span ?? 12);
      Object.assign(view.canvas.style, { height: `${panel.height ?? 300}px`, cursor: panel.picks ? "crosshair" : "", touchAction: panel.picks ? "none" : "" });
    });
  }

  newCanvas() {
    const canvas = node("canvas");
    const view = { canvas, context: canvas.getContext("2d"), pointer: null };
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
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (view.isHeld = false));
    canvas.addEventListener("pointerleave", () => {
      view.pointer = null;
      this.guard(() => this.paintOne(view));
    });
    this.picture.append(canvas);
    return view;
  }

  /** JupyterLab hides the page for a moment while it changes its theme: paint in the next frame. */
  restyle() {
    this.theme = null;
    this.paintAll();
    requestAnimationFrame(() => this.guard(() => this.paintAll()));
  }

  paintAll() {
    this.panels.forEach((view) => this.paintOne(view));
  }

  paintOne(view) {
    const { canvas, context, panel, pointer } = view;
    const size = { width: canvas.clientWidth, height: canvas.clientHeight };
    if (!size.width) return; // hidden: the resize observer paints it when it comes back
    this.theme ??= themeOf(this.root);
    const dots = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(size.width * dots), Math.round(size.height * dots)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.setTransform(dots, 0, 0, dots, 0, 0);
    view.painted = paint(context, panel, size, this.theme, pointer);
  }

  dispose() {
    this.model.off("msg:custom", this.receive);
    this.model.off("comm_live_update", this.lost);
    this.sizes.disconnect();
    this.themes.disconnect();
    clearTimeout(this.waiting);
    clearTimeout(this.speaking);
    this.controls.forEach(({ player }) => player?.pause());
  }
}

export default {
  render({ model, el }) {
    const view = new View(model, el);
    return () => view.dispose();
  },
};
