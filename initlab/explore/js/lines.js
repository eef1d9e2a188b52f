// Curves: dots are measured, dashes are theory, the pale line is what was there before the last move.

import { colourOf, font, frame, mark, patch, stroke, wrapped } from "./canvas.js";
import { format } from "./numbers.js";

const DASHES = [7, 5];
const DOTTED = [2, 3];

/** Lines, dashes and dots; on a log axis 0 is a ▼ on the floor, and what is above any axis a ▲. */
export function paintLines(ctx, panel, size, theme, { ghost } = {}) {
  const em = theme.letter;
  const rows = legendRows(ctx, entriesOf(panel, ghost), size.width, theme);
  const notes = wrapped(ctx, panel.note ?? "", size.width - 4);
  const line = 1.35 * em;
  const plot = frame(ctx, panel, size, theme, { above: line * (rows.length + notes.length) });
  paintLegend(ctx, rows, theme, 2.1 * em);
  ctx.textBaseline = "middle";
  notes.forEach((note, k) => ctx.fillText(note, 2, 2.1 * em + line * (rows.length + k)));
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.left - 6, plot.top - 6, plot.right - plot.left + 12, plot.bottom - plot.top + 12);
  ctx.clip();
  if (panel.cursor != null) {
    ctx.strokeStyle = theme.colours.ink;
    ctx.lineWidth = 1;
    stroke(ctx, [plot.x.map(panel.cursor), plot.top, plot.x.map(panel.cursor), plot.bottom]);
  }
  ghost?.series.forEach((series) => paintGhost(ctx, series, panel, plot, theme));
  (panel.rules ?? []).forEach((rule) => paintRule(ctx, plot.y.map(rule.y), plot, theme));
  const points = [];
  panel.series.forEach((series) => paintSeries(ctx, series, panel, plot, theme, points));
  ctx.restore();
  if (panel.remark) patch(ctx, panel.remark, (plot.left + plot.right) / 2, plot.bottom - 1.5 * em, size, theme);
  return { pick: (px, py) => nearest(points, px, py) };
}

function paintRule(ctx, at, plot, theme) {
  ctx.strokeStyle = theme.colours.ink;
  ctx.lineWidth = 1.25;
  ctx.setLineDash(DOTTED);
  stroke(ctx, [plot.left, at, plot.right, at]);
  ctx.setLineDash([]);
}

/** What was measured before the last move, as a pale line without marks. */
function paintGhost(ctx, series, panel, plot, theme) {
  if (series.style === "dashes") return;
  ctx.save();
  ctx.globalAlpha = 0.4;
  ctx.strokeStyle = colourOf(theme, series.colour);
  ctx.lineWidth = 3.5;
  ctx.lineJoin = "round";
  const floor = panel.y.log ? 0 : -Infinity;
  let run = [];
  for (let k = 0; k <= series.x.length; k++) {
    if (k < series.x.length && Number.isFinite(series.y[k]) && series.y[k] > floor) {
      run.push(plot.x.map(series.x[k]), plot.y.map(series.y[k]));
      continue;
    }
    if (run.length > 2) stroke(ctx, run);
    run = [];
  }
  ctx.restore();
}

export function paintSeries(ctx, series, panel, plot, theme, points) {
  ctx.lineJoin = "round";
  ctx.strokeStyle = ctx.fillStyle = colourOf(theme, series.colour);
  const look = { hollow: series.hollow, r: series.hollow ? 3 : 4 };
  const run = [];
  const flush = () => {
    if (run.length > 2 && series.style !== "dots") stroke(ctx, run);
    run.length = 0;
  };
  ctx.lineWidth = series.thick ?? 2.2;
  ctx.setLineDash(series.style === "dashes" ? DASHES : []);
  const marks = [];
  for (let k = 0; k < series.x.length; k++) {
    const [vx, vy] = [series.x[k], series.y[k]];
    const at = plot.x.map(vx);
    const below = panel.y.log ? vy <= 0 : vy === -Infinity;
    const above = (!Number.isFinite(vy) && !below) || (vy > panel.y.high && series.style !== "dashes");
    const level = above ? plot.top : below ? plot.bottom : plot.y.map(vy);
    points.push({ x: at, y: level, series, vx, vy: panel.y.powers ? 10 ** vy : vy });
    if (above || below) {
      flush();
      if (series.style !== "dashes") marks.push([below ? "down" : "up", at, below ? plot.bottom - 5 : plot.top + 6, { r: 5, hollow: series.hollow }]);
      continue;
    }
    run.push(at, level);
    if (series.style === "dots" || (series.every && k % series.every === 0)) marks.push([series.symbol, at, level, look]);
  }
  flush();
  ctx.setLineDash([]);
  marks.forEach(([symbol, x, y, of]) => mark(ctx, symbol, x, y, of));
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

/**
 * What the legend names: curves that the table does not name, all dashes of theory at once, dotted
 * rules (a label on the line would lie on the data), and the ghost.
 */
export function entriesOf(panel, ghost) {
  const isTheory = ({ name, style }) => name === "theory" && style === "dashes";
  const curves = panel.series.filter((series) => series.listed !== false && !isTheory(series));
  const theory = panel.series.some(isTheory) ? [{ name: "theory", style: "dashes" }] : [];
  const rules = (panel.rules ?? []).map((rule) => ({ name: rule.label, style: "rule" }));
  const before = ghost ? [{ name: "before", style: "ghost" }] : [];
  return [...curves, ...theory, ...rules, ...before];
}

export function legendRows(ctx, entries, width, theme) {
  ctx.font = font(theme);
  const em = theme.letter;
  const rows = [[]];
  let x = 2;
  for (const entry of entries) {
    const need = 2.2 * em + ctx.measureText(entry.name).width;
    if (x + need > width && rows.at(-1).length) {
      rows.push([]);
      x = 2;
    }
    rows.at(-1).push({ entry, x });
    x += need + 0.9 * em;
  }
  return entries.length ? rows : [];
}

export function paintLegend(ctx, rows, theme, top) {
  const em = theme.letter;
  const [sample, text] = [1.7 * em, 2.1 * em];
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  rows.flat().forEach(({ entry, x }) => {
    const y = top + 1.35 * em * rows.findIndex((row) => row.some((one) => one.entry === entry));
    const role = entry.colour ?? (entry.style === "ghost" ? "muted" : "ink");
    ctx.strokeStyle = ctx.fillStyle = colourOf(theme, role);
    ctx.lineWidth = entry.style === "rule" ? 1.25 : 3;
    if (entry.style !== "dots") {
      ctx.setLineDash({ dashes: DASHES, rule: DOTTED }[entry.style] ?? []);
      ctx.globalAlpha = entry.style === "ghost" ? 0.4 : 1;
      stroke(ctx, [x, y, x + sample, y]);
      ctx.globalAlpha = 1;
      ctx.setLineDash([]);
    }
    if (entry.style === "dots" || entry.every) mark(ctx, entry.symbol, x + sample / 2, y, { hollow: entry.hollow });
    ctx.fillStyle = theme.colours.ink;
    ctx.fillText(entry.name, x + text, y);
  });
}
