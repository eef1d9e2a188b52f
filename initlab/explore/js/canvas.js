// What all painters share: letters, colours, marks, and the frame of a plot.

import { scale } from "./numbers.js";

const FAMILY = 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif';

/** Letters as large as the page's: `theme.letter` CSS pixels. */
export const font = (theme, weight = "normal") => `${weight} ${theme.letter}px ${FAMILY}`;

/** A colour by its role or by a scheme's name; the table is Python's. */
export function colourOf(theme, role) {
  const colour = theme.colours[role];
  if (!colour) throw new Error(`no colour for "${role}"`);
  return colour;
}

const rgb = (colour) => [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));
const between = (from, to, share) => from.map((part, k) => Math.round(part + (to[k] - part) * share));

/** A colour on its way to the page's: share 0 is the page, 1 the colour. */
export const pale = (theme, role, share) => between(rgb(theme.colours.paper), rgb(colourOf(theme, role)), share);

/** 64 colours from low to high: paper to one colour, or one colour over paper to another. */
export function ramp(palette, theme) {
  const roles = palette === "diverging" ? ["negative", "paper", "positive"] : ["paper", palette];
  const stops = roles.map((role) => rgb(colourOf(theme, role)));
  return Array.from({ length: 64 }, (_, k) => {
    const at = (k / 63) * (stops.length - 1);
    const from = Math.min(Math.floor(at), stops.length - 2);
    return between(stops[from], stops[from + 1], at - from);
  });
}

export function shade(value, low, high, colours) {
  const share = high > low ? (value - low) / (high - low) : 0.5;
  return colours[Math.max(0, Math.min(63, Math.round(share * 63)))];
}

/** A picture of one pixel for each cell; a cell without a colour is muted. */
export function cellsOf(rows, columns, theme, colourAt) {
  const canvas = new OffscreenCanvas(columns, rows);
  const ctx = canvas.getContext("2d");
  const pixels = ctx.createImageData(columns, rows);
  const missing = rgb(theme.colours.muted);
  for (let k = 0; k < rows * columns; k++) {
    pixels.data.set(colourAt(Math.floor(k / columns), k % columns) ?? missing, 4 * k);
    pixels.data[4 * k + 3] = 255;
  }
  ctx.putImageData(pixels, 0, 0);
  return canvas;
}

export function stroke(ctx, points) {
  ctx.beginPath();
  ctx.moveTo(points[0], points[1]);
  for (let k = 2; k < points.length; k += 2) ctx.lineTo(points[k], points[k + 1]);
  ctx.stroke();
}

/** A symbol, filled with its colour; a hollow one shows what lies behind it. */
export function mark(ctx, symbol, x, y, { r = 4, hollow = false } = {}) {
  ctx.beginPath();
  outline(ctx, symbol, x, y, r);
  if (!hollow) return ctx.fill();
  ctx.lineWidth = 1.75;
  ctx.stroke();
}

/** Add a symbol to the path. */
export function outline(ctx, symbol, x, y, r) {
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

export function polygon(ctx, points) {
  ctx.moveTo(points[0], points[1]);
  for (let k = 2; k < points.length; k += 2) ctx.lineTo(points[k], points[k + 1]);
  ctx.closePath();
}

/** Words on a patch of paper, so that they are read on any ground; x and y are the patch's middle. */
export function patch(ctx, text, x, y, size, theme) {
  ctx.font = font(theme);
  const width = Math.min(ctx.measureText(text).width + 12, size.width - 2);
  const height = 1.5 * theme.letter;
  const left = Math.max(1, Math.min(x - width / 2, size.width - width - 1));
  const top = Math.max(1, Math.min(y - height / 2, size.height - height - 1));
  ctx.fillStyle = theme.colours.paper;
  ctx.fillRect(left, top, width, height);
  ctx.strokeStyle = theme.colours.ink;
  ctx.lineWidth = 1;
  ctx.strokeRect(left + 0.5, top + 0.5, width - 1, height - 1);
  ctx.fillStyle = theme.colours.ink;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ctx.fillText(text, left + 6, top + height / 2 + 1, width - 12);
}

/** A text in lines that fit into a width; breaks between words. */
export function wrapped(ctx, text, width) {
  const lines = [];
  for (const word of text.split(" ").filter(Boolean)) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && ctx.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** Title, axes, grid and labels; returns the plot's rectangle and its two scales. */
export function frame(ctx, panel, size, theme, { right = 14, above = 0, grid = true } = {}) {
  const em = theme.letter;
  paintTitle(ctx, panel.title, size, theme);
  const plot = { top: 2 * em + above, right: size.width - right, bottom: size.height - (panel.x.label ? 3 : 1.8) * em };
  const [from, to] = panel.flip ? [plot.top, plot.bottom] : [plot.bottom, plot.top];
  plot.y = scale(panel.y, from, to, () => 2.4 * em);
  const labels = plot.y.ticks.map(plot.y.text);
  plot.left = (panel.y.label ? 1.9 : 0.7) * em + Math.max(0.9 * em, ...labels.map((l) => ctx.measureText(l).width));
  plot.x = scale(panel.x, plot.left, plot.right, (text) => ctx.measureText(text).width + em);
  const { left, top, bottom } = plot;
  ctx.strokeStyle = theme.colours.grid;
  ctx.fillStyle = theme.colours.ink;
  ctx.lineWidth = 1;
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  plot.y.ticks.forEach((tick, k) => {
    const at = Math.round(plot.y.map(tick)) + 0.5;
    if (grid) stroke(ctx, [left, at, plot.right, at]);
    ctx.fillText(labels[k], left - 0.4 * em, at);
  });
  ctx.textBaseline = "top";
  ctx.textAlign = "center";
  plot.x.ticks.forEach((tick) => {
    const at = Math.round(plot.x.map(tick)) + 0.5;
    if (grid) stroke(ctx, [at, top, at, bottom]);
    const half = ctx.measureText(plot.x.text(tick)).width / 2; // the last label stays inside
    ctx.fillText(plot.x.text(tick), Math.min(at, size.width - half - 1), bottom + 0.4 * em);
  });
  if (panel.x.label) ctx.fillText(panel.x.label, (left + plot.right) / 2, bottom + 1.7 * em, plot.right);
  if (panel.y.label) {
    ctx.save();
    ctx.translate(2, (top + bottom) / 2);
    ctx.rotate(-Math.PI / 2);
    ctx.fillText(panel.y.label, 0, 0, bottom - top + em);
    ctx.restore();
  }
  return plot;
}

export function paintTitle(ctx, title, size, theme) {
  ctx.fillStyle = theme.colours.ink;
  ctx.textBaseline = "top";
  ctx.textAlign = "left";
  ctx.font = font(theme, "600");
  ctx.fillText(title ?? "", 2, 0.15 * theme.letter, size.width - 4);
  ctx.font = font(theme);
}

/** A colour bar at the right, with what its two ends mean. */
export function paintBar(ctx, labels, plot, colours, theme) {
  const em = theme.letter;
  const height = (plot.bottom - plot.top) / colours.length;
  for (let k = 0; k < colours.length; k++) {
    ctx.fillStyle = `rgb(${colours[k].join()})`;
    ctx.fillRect(plot.right + 0.5 * em, plot.bottom - (k + 1) * height, 0.7 * em, height + 0.5);
  }
  ctx.fillStyle = theme.colours.ink;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ctx.fillText(labels[1], plot.right + 1.5 * em, plot.top + 0.5 * em);
  ctx.fillText(labels[0], plot.right + 1.5 * em, plot.bottom - 0.5 * em);
}

/** How much room a bar and its labels need at the right. */
export const roomForBar = (ctx, labels, theme) => 1.9 * theme.letter + Math.max(...labels.map((text) => ctx.measureText(text).width));
