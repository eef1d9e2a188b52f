// Matrices: a heat map, the regions of a plane, and a plane on which a point is dragged.

import { cellsOf, colourOf, frame, outline, paintBar, paintTitle, pale, patch, ramp, roomForBar, shade } from "./canvas.js";
import { legendRows, paintLegend, paintSeries } from "./lines.js";
import { format, scale } from "./numbers.js";

const OF_CLASSES = ["circle", "square", "diamond", "plus"];
const at = (axis, share) => axis.low + share * (axis.high - axis.low);

/** A matrix as coloured cells, row 1 on top, with a colour bar. */
export function paintHeatmap(ctx, panel, size, theme) {
  const colours = ramp(panel.palette, theme);
  const labels = panel.bar_labels ?? [panel.low, panel.high].map(format);
  const right = panel.bar ? roomForBar(ctx, labels, theme) : undefined;
  const plot = frame(ctx, { ...panel, flip: true }, size, theme, { right, grid: false });
  const { rows, columns, values } = panel;
  const cells = cellsOf(rows, columns, theme, (row, column) => shade(values[row * columns + column], panel.low, panel.high, colours));
  const cell = drawCells(ctx, cells, plot, theme, false);
  if (panel.bar) paintBar(ctx, labels, plot, colours, theme);
  if (panel.remark) patch(ctx, panel.remark, (plot.left + plot.right) / 2, plot.bottom - 1.5 * theme.letter, size, theme);
  return {
    pick: (px, py) => {
      const place = cell(px, py);
      if (!place) return null;
      const [row, column] = place;
      if (panel.hovers) return panel.hovers[row];
      return `${panel.y.label} ${row + 1}, ${panel.x.label} ${column + 1}: ${format(values[row * columns + column])}`;
    },
  };
}

/** Stretch the cells over the plot; returns which of them is at a place, counted from the top. */
function drawCells(ctx, cells, plot, theme, isSmooth) {
  const [width, height] = [plot.right - plot.left, plot.bottom - plot.top];
  ctx.imageSmoothingEnabled = isSmooth;
  ctx.drawImage(cells, plot.left, plot.top, width, height);
  ctx.strokeStyle = theme.colours.grid;
  ctx.lineWidth = 1;
  ctx.strokeRect(plot.left, plot.top, width, height);
  return (px, py) => {
    const row = Math.floor(((py - plot.top) / height) * cells.height);
    const column = Math.floor(((px - plot.left) / width) * cells.width);
    return row < 0 || column < 0 || row >= cells.height || column >= cells.width ? null : [row, column];
  };
}

/** One unit is as long across as upwards; two inputs need no ticks, and the points get the room. */
function square(panel, size, theme) {
  const top = 1.6 * theme.letter;
  const [across, upwards] = [panel.x, panel.y].map((axis) => axis.high - axis.low);
  const unit = Math.min((size.width - 4) / across, (size.height - top - 4) / upwards);
  const [left, right, bottom] = [1, 1 + unit * across, top + unit * upwards];
  return { left, right, top, bottom, x: scale(panel.x, left, right, () => 0), y: scale(panel.y, bottom, top, () => 0) };
}

/** The class of each point of a plane in pale colours, and examples on it with a symbol for each class. */
export function paintRegions(ctx, panel, size, theme) {
  paintTitle(ctx, panel.title, size, theme);
  const plot = square(panel, size, theme);
  const { rows, columns, values } = panel;
  const ground = OF_CLASSES.map((_, label) => pale(theme, `class ${label}`, 0.4));
  const classAt = (row, column) => values[(rows - 1 - row) * columns + column];
  const cells = cellsOf(rows, columns, theme, (row, column) => ground[classAt(row, column)]);
  const cell = drawCells(ctx, cells, plot, theme, false);
  OF_CLASSES.forEach((symbol, label) => {
    ctx.beginPath();
    panel.labels.forEach((of, k) => of === label && outline(ctx, symbol, plot.x.map(panel.points_x[k]), plot.y.map(panel.points_y[k]), 2.5));
    ctx.fillStyle = colourOf(theme, `class ${label}`);
    ctx.fill();
  });
  return {
    pick: (px, py) => {
      const place = cell(px, py);
      if (!place) return null;
      const [row, column] = place;
      const [x, y] = [at(panel.x, (column + 0.5) / columns), at(panel.y, (rows - row - 0.5) / rows)];
      return `(${format(x)}, ${format(y)}): class ${classAt(row, column)}`;
    },
  };
}

/** A quantity over the plane of two controls, curves on it, and the point at which they stand. */
export function paintPlane(ctx, panel, size, theme, { ghost, invites } = {}) {
  const em = theme.letter;
  const entries = legendRows(ctx, panel.series, size.width, theme);
  const labels = [panel.low, panel.high].map((end) => format(10 ** end));
  const plot = frame(ctx, panel, size, theme, { right: roomForBar(ctx, labels, theme), above: 1.35 * em * entries.length, grid: false });
  paintLegend(ctx, entries, theme, 2.1 * em);
  const { rows, columns, values } = panel;
  const colours = ramp("diverging", theme);
  const valueAt = (row, column) => values[(rows - 1 - row) * columns + column];
  const cells = cellsOf(rows, columns, theme, (row, column) => shade(valueAt(row, column), panel.low, panel.high, colours));
  const cell = drawCells(ctx, cells, plot, theme, true);
  paintBar(ctx, labels, plot, colours, theme);
  ctx.fillText(panel.quantity, plot.right + 1.5 * em, (plot.top + plot.bottom) / 2);
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.left, plot.top, plot.right - plot.left, plot.bottom - plot.top);
  ctx.clip();
  panel.series.forEach((series) => paintSeries(ctx, series, panel, plot, theme, []));
  ctx.restore();
  const [x, y] = [plot.x.map(panel.point[0]), plot.y.map(panel.point[1])];
  if (ghost) paintRing(ctx, plot.x.map(ghost.point[0]), plot.y.map(ghost.point[1]), theme, 0.4);
  if (invites) invite(ctx, x, y, plot, size, theme);
  paintRing(ctx, x, y, theme);
  const share = (px, py) => [(px - plot.left) / (plot.right - plot.left), (plot.bottom - py) / (plot.bottom - plot.top)];
  return {
    pick: (px, py) => {
      const place = cell(px, py);
      if (!place) return null;
      const [across, up] = share(px, py);
      const value = format(10 ** valueAt(...place));
      return `${panel.quantity} ${value} at ${panel.x.label} ${format(at(panel.x, across))}, ${panel.y.label} ${format(at(panel.y, up))}`;
    },
    at: (px, py) => {
      const [across, up] = share(px, py).map((part) => Math.max(0, Math.min(1, part)));
      return [at(panel.x, across), at(panel.y, up)];
    },
  };
}

/** A ring that is seen on any colour. */
function paintRing(ctx, x, y, theme, alpha = 1) {
  ctx.globalAlpha = alpha;
  ctx.beginPath();
  ctx.arc(x, y, 8, 0, 2 * Math.PI);
  ctx.fillStyle = theme.colours.paper;
  ctx.fill();
  ctx.strokeStyle = theme.colours.ink;
  ctx.lineWidth = 3;
  ctx.stroke();
  ctx.globalAlpha = 1;
}

/** Until it has been used, nobody knows that the ring can be moved. */
function invite(ctx, x, y, plot, size, theme) {
  const gap = 4.5 * theme.letter;
  if (x + 1.8 * gap < plot.right) patch(ctx, "← drag me", x + gap, y, size, theme);
  else patch(ctx, "drag me →", x - gap, y, size, theme);
}
