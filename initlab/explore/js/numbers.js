// Numbers as text, ticks, the positions of a slider, and arrays out of a buffer.

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

/** First, last, and round numbers between them: for layers, units and places, which start at 1. */
export function endTicks(first, last, wanted) {
  const inner = linearTicks(first, last, wanted, true);
  const room = 0.7 * (inner.length > 1 ? inner[1] - inner[0] : 1);
  return [...new Set([first, ...inner.filter((tick) => tick - first >= room && last - tick >= room), last])];
}

/** An axis as a function from values to pixels, with as many ticks as have room. */
export function scale(axis, from, to, roomOf) {
  const warp = axis.log ? Math.log10 : (v) => v;
  const low = warp(axis.low);
  const span = warp(axis.high) - low || 1;
  const map = (value) => from + ((warp(value) - low) / span) * (to - from);
  const text = axis.log ? (t) => powerOfTen(Math.round(Math.log10(t))) : axis.powers ? powerOfTen : format;
  const ticksFor = (wanted) => {
    if (axis.log) return logTicks(axis.low, axis.high, wanted);
    if (axis.whole && axis.low % 1) return endTicks(Math.ceil(axis.low), Math.floor(axis.high), wanted);
    return linearTicks(axis.low, axis.high, wanted, axis.whole || axis.powers);
  };
  let ticks = axis.ticks ?? null;
  for (let wanted = Math.ceil(Math.abs(to - from) / 30); !ticks; wanted--) {
    const some = ticksFor(wanted);
    const need = Math.max(0, ...some.map((tick) => roomOf(text(tick))));
    const gaps = some.slice(1).map((tick, k) => Math.abs(map(tick) - map(some[k])));
    if (!(wanted > 1) || need <= Math.min(Infinity, ...gaps)) ticks = some;
  }
  return { map, ticks, text };
}

const MOST = 4;

/**
 * The axis to draw on while a hand moves a control: the one it had, so that the effect is seen, and
 * not absorbed. Where the data could leave it for good (decades, layers) it grows, but never shrinks.
 */
export function holdAxis(old, fresh) {
  const isSame = old && ["label", "log", "powers", "whole"].every((key) => old[key] === fresh[key]);
  if (!isSame) return fresh;
  const grows = fresh.log || fresh.powers || fresh.whole;
  if (grows) return { ...fresh, low: Math.min(old.low, fresh.low), high: Math.max(old.high, fresh.high) };
  const isFarOut = fresh.high - fresh.low > MOST * (old.high - old.low); // hardly a bin would be left on it
  return isFarOut ? fresh : old;
}

/** How many positions a slider has behind its first: one for each of its stops or integers, else 200. */
export const positions = (slider) => (slider.stops ? slider.stops.length - 1 : slider.whole ? slider.high - slider.low : 200);

/** The value at a slider's position, as it is shown and as Python gets it. */
export function valueAt(slider, position) {
  if (slider.stops) return slider.stops[position];
  const share = position / positions(slider);
  if (slider.whole) return slider.low + position;
  const value = slider.log
    ? slider.low * (slider.high / slider.low) ** share
    : slider.low + (slider.high - slider.low) * share;
  return Number(value.toPrecision(3));
}

export function positionOf(slider, value) {
  if (slider.stops) return nearestStop(slider.stops, value);
  const share = slider.log
    ? Math.log(value / slider.low) / Math.log(slider.high / slider.low)
    : (value - slider.low) / (slider.high - slider.low);
  return Math.round(share * positions(slider));
}

function nearestStop(stops, value) {
  const away = stops.map((stop) => Math.abs(stop - value));
  return away.indexOf(Math.min(...away));
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
