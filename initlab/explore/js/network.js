// The network itself, thin, with a cell for each layer, coloured by what happens there.

import { colourOf, font, ramp, shade, stroke } from "./canvas.js";

/**
 * Paint the strips of a network, one for each row of the table beside it; `chosen` is a layer, or
 * null. Returns which layer is at a place.
 */
export function paintNetwork(ctx, network, size, theme, chosen) {
  const em = theme.letter;
  const pitch = size.height / (network.room + 1);
  const colours = ramp("diverging", theme);
  ctx.clearRect(0, 0, size.width, size.height);
  paintNetworkKey(ctx, network, size, theme, colours, pitch / 2);
  const [left, right] = [1.4 * em, size.width - 1.4 * em];
  const count = network.strips[0].values.length;
  const step = (right - left) / count;
  const width = Math.min(2.4 * em, step > 4 ? step - 2 : step);
  const middle = (layer) => left + (layer + 0.5) * step;
  network.strips.forEach((strip, row) => {
    const y = pitch * (row + 1.5);
    ctx.strokeStyle = ctx.fillStyle = theme.colours.muted;
    ctx.lineWidth = 1.5;
    stroke(ctx, [0.5 * em, y, size.width - 0.5 * em, y]);
    for (const x of [0.4 * em, size.width - 0.4 * em]) {
      ctx.beginPath();
      ctx.arc(x, y, 0.25 * em, 0, 2 * Math.PI);
      ctx.fill();
    }
    strip.values.forEach((value, layer) => paintCell(ctx, value, middle(layer) - width / 2, y, width, 0.85 * em, colours, theme));
  });
  if (chosen !== null && chosen < count) {
    ctx.strokeStyle = theme.colours.ink;
    ctx.lineWidth = 2;
    ctx.strokeRect(middle(chosen) - width / 2 - 2, pitch + 1, width + 4, pitch * network.strips.length - 2);
  }
  return { layerAt: (px) => Math.max(0, Math.min(count - 1, Math.floor((px - left) / step))) };
}

/** A finite value has its colour; minus infinity (all is 0) is empty; what is no number is crossed out. */
function paintCell(ctx, value, x, y, width, height, colours, theme) {
  const isBroken = Number.isNaN(value) || value === Infinity;
  ctx.fillStyle = Number.isFinite(value) ? `rgb(${shade(value, -1, 1, colours).join()})` : theme.colours.paper;
  ctx.fillRect(x, y - height / 2, width, height);
  ctx.strokeStyle = isBroken ? theme.colours.ink : theme.colours.muted;
  ctx.lineWidth = 1;
  if (width > 3) ctx.strokeRect(x + 0.5, y - height / 2 + 0.5, width - 1, height - 1);
  if (!isBroken) return;
  stroke(ctx, [x + 1, y - height / 2 + 1, x + width - 1, y + height / 2 - 1]);
  stroke(ctx, [x + 1, y + height / 2 - 1, x + width - 1, y - height / 2 + 1]);
}

function paintNetworkKey(ctx, network, size, theme, colours, y) {
  const em = theme.letter;
  ctx.font = font(theme);
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  let x = 0.2 * em;
  const invitation = "click a layer";
  const ends = size.width - ctx.measureText(invitation).width;
  for (const [text, colour] of [[network.low, colours[0]], [network.high, colours[63]]]) {
    ctx.fillStyle = `rgb(${colour.join()})`;
    ctx.fillRect(x, y - 0.4 * em, 0.8 * em, 0.8 * em);
    ctx.fillStyle = colourOf(theme, "ink");
    ctx.fillText(text, x + 1.1 * em, y, size.width - x - 1.1 * em);
    x += 2 * em + ctx.measureText(text).width;
  }
  if (x < ends) ctx.fillText(invitation, ends, y);
}
