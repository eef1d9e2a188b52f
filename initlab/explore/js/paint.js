// Which painter paints which kind of panel. A new kind is one function here.

import { patch } from "./canvas.js";
import { paintHeatmap, paintPlane, paintRegions } from "./grids.js";
import { paintLines } from "./lines.js";
import { holdAxis } from "./numbers.js";
import { paintRidgeline } from "./ridges.js";

const PAINTERS = { ridgeline: paintRidgeline, lines: paintLines, heatmap: paintHeatmap, regions: paintRegions, plane: paintPlane };

/**
 * Paint one panel into a context of the given CSS size; returns how to read off a value.
 * Extras: `pointer` (where it is), `ghost` (the panel before the last move), `invites` (nobody has
 * dragged yet).
 */
export function paint(ctx, panel, size, theme, { pointer, ghost, invites } = {}) {
  const painter = PAINTERS[panel.kind];
  if (!painter) throw new Error(`no painter for a panel of kind "${panel.kind}"`);
  ctx.clearRect(0, 0, size.width, size.height);
  const painted = painter(ctx, panel, size, theme, { ghost: isLike(ghost, panel) ? ghost : null, invites });
  const text = pointer && painted.pick(pointer.x, pointer.y);
  if (text) {
    const y = pointer.y > 3 * theme.letter ? pointer.y - 1.6 * theme.letter : pointer.y + 2 * theme.letter;
    patch(ctx, text, pointer.x, y, size, theme);
  }
  return painted;
}

/** Whether two panels can be laid over each other. */
function isLike(one, other) {
  const axes = (panel) => JSON.stringify(["x", "y"].map((axis) => [panel[axis].label, panel[axis].log, panel[axis].powers]));
  return one && one.kind === other.kind && axes(one) === axes(other);
}

/** A panel on the axes, and with the ends of the colours, that it had when the hand took hold. */
export function hold(panel, old) {
  if (!old || old.kind !== panel.kind || panel.kind === "regions" || panel.kind === "plane") return panel;
  if (panel.kind === "heatmap") {
    return panel.palette === old.palette ? { ...panel, low: Math.min(old.low, panel.low), high: Math.max(old.high, panel.high) } : panel;
  }
  return { ...panel, x: holdAxis(old.x, panel.x), y: holdAxis(old.y, panel.y), edges: panel.edges ?? panel.x };
}
