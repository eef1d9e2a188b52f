// One smoothed histogram for each layer, and beside it the bar of what is exactly 0.

import { colourOf, frame, patch, polygon, stroke } from "./canvas.js";
import { endTicks } from "./numbers.js";

const LIFT = 1.4; // a peak reaches so far into the row above, in rows
const BAR = 4; // pixels: as wide as the bar of zeros is

/** Row 1 on top; a row hides what is behind it. */
export function paintRidgeline(ctx, panel, size, theme, { ghost } = {}) {
  const em = theme.letter;
  const { rows, zeros } = panel;
  const hasZeros = zeros?.some((share) => share > 0.005);
  const high = rows + 0.15;
  const y = { ...panel.y, low: -0.45, high, ticks: endTicks(1, rows, Math.max(1, (size.height - 6 * em) / (1.7 * em))) };
  const plot = frame(ctx, { ...panel, y, flip: true }, size, theme, { grid: false, above: 1.35 * em });
  paintKey(ctx, hasZeros, ghost, theme);
  const base = (row) => plot.y.map(row + 1);
  const pitch = base(1) - base(0);
  ctx.strokeStyle = theme.colours.grid;
  const zero = Math.round(plot.x.map(0)) + 0.5;
  if (panel.x.low < 0 && panel.x.high > 0) stroke(ctx, [zero, plot.top, zero, plot.bottom]);
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.left - BAR, plot.top - 6, plot.right - plot.left + BAR, plot.bottom - plot.top + 7);
  ctx.clip();
  for (let row = 0; row < rows; row++) {
    paintRow(ctx, panel, row, base(row), pitch, plot, theme);
    if (ghost?.rows === rows) paintBefore(ctx, ghost, row, base(row), pitch, plot, theme);
    if (zeros?.[row] > 0) {
      ctx.fillStyle = theme.colours.ink;
      ctx.fillRect(zero - BAR / 2 - 0.5, base(row) - zeros[row] * pitch * LIFT, BAR, zeros[row] * pitch * LIFT);
    }
  }
  ctx.restore();
  if (panel.remark) patch(ctx, panel.remark, (plot.left + plot.right) / 2, plot.bottom - 1.5 * em, size, theme);
  return {
    pick: (px, py) => {
      const row = Math.round((py - base(0)) / pitch + 0.3);
      return row >= 0 && row < rows && px >= plot.left ? panel.hovers?.[row] : null;
    },
  };
}

function paintRow(ctx, panel, row, base, pitch, plot, theme) {
  const line = outlineOf(panel, row, base, pitch, plot);
  const colour = colourOf(theme, panel.colour);
  ctx.beginPath();
  polygon(ctx, [line[0], base, ...line, line.at(-2), base]);
  ctx.fillStyle = theme.colours.paper;
  ctx.fill();
  ctx.globalAlpha = 0.4;
  ctx.fillStyle = colour;
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.lineWidth = 1.25;
  ctx.strokeStyle = colour;
  stroke(ctx, line);
}

function paintBefore(ctx, ghost, row, base, pitch, plot, theme) {
  ctx.globalAlpha = 0.45;
  ctx.lineWidth = 1;
  ctx.strokeStyle = theme.colours.ink;
  stroke(ctx, outlineOf(ghost, row, base, pitch, plot));
  ctx.globalAlpha = 1;
}

/** A row's histogram, from its own edges onto the axis that is shown. */
function outlineOf(panel, row, base, pitch, plot) {
  const bins = panel.heights.length / panel.rows;
  const { low, high } = panel.edges ?? panel.x;
  const line = [];
  for (let bin = 0; bin < bins; bin++) {
    const at = plot.x.map(low + ((bin + 0.5) / bins) * (high - low));
    line.push(at, base - panel.heights[row * bins + bin] * pitch * LIFT);
  }
  return line;
}

function paintKey(ctx, hasZeros, ghost, theme) {
  const em = theme.letter;
  const y = 2.1 * em;
  let x = 2;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ctx.fillStyle = theme.colours.ink;
  if (hasZeros) {
    ctx.fillRect(x + 2, y - 0.5 * em, BAR, em);
    ctx.fillText("exactly 0", x + 0.8 * em, y);
    x += 1.6 * em + ctx.measureText("exactly 0").width;
  }
  if (!ghost) return;
  ctx.globalAlpha = 0.45;
  ctx.lineWidth = 1;
  ctx.strokeStyle = theme.colours.ink;
  stroke(ctx, [x, y, x + 1.4 * em, y]);
  ctx.globalAlpha = 1;
  ctx.fillText("before", x + 1.7 * em, y);
}
