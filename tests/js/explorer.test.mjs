import assert from "node:assert/strict";
import { test } from "node:test";
import { THEMES, called, changeTheme, frontEnd, nextFrame, notebook, shown, texts } from "./front_end.mjs";

const { Link, Player, colourOf, endTicks, format, hold, holdAxis, isWayOut, linearTicks, logTicks, paint, paintNetwork, positionOf, positions, powerOfTen, ramp, scale, unpack, valueAt } =
  frontEnd;
const THEME = { letter: 14, colours: THEMES.light };
const SIZE = { width: 500, height: 300 };
const WIDE = () => 1; // labels that take no room

for (const [value, text] of [[0, "0"], [0.98, "0.98"], [1234, "1230"], [3.04e-12, "3e-12"], [-2.5e7, "-2.5e7"], [Infinity, "inf"], [-Infinity, "-inf"], [NaN, "nan"]])
  test(`${value} is written ${text}`, () => assert.equal(format(value), text));

test("powers of ten have a raised exponent", () => assert.equal(powerOfTen(-12), "10⁻¹²"));

for (const [low, high, wanted, whole, ticks] of [
  [0, 1, 5, false, [0, 0.2, 0.4, 0.6, 0.8, 1]],
  [-3, 3, 6, false, [-3, -2, -1, 0, 1, 2, 3]],
  [0.5, 3.5, 9, true, [1, 2, 3]],
  [0.5, 64.5, 4, true, [20, 40, 60]],
  [2, 2, 5, false, [2]],
])
  test(`ticks from ${low} to ${high}`, () => assert.deepEqual(linearTicks(low, high, wanted, whole), ticks));

test("what is numbered from 1 has its ends as ticks", () => {
  assert.deepEqual(endTicks(1, 20, 5), [1, 5, 10, 15, 20]);
  assert.deepEqual(endTicks(1, 16, 4), [1, 5, 10, 16]);
  assert.deepEqual(endTicks(1, 4, 9), [1, 2, 3, 4]);
  assert.deepEqual(endTicks(1, 1, 9), [1]);
  assert.deepEqual(scale({ low: 0.5, high: 16.5, whole: true }, 0, 160, WIDE).ticks.at(-1), 16);
  assert.deepEqual(scale({ low: 0, high: 16, ticks: [1, 16] }, 0, 160, WIDE).ticks, [1, 16]);
});

test("while a hand moves, a straight axis stays, decades and layers only grow, another quantity has its own", () => {
  const [narrow, wide, far] = [1, 3, 9].map((high) => ({ label: "x", low: 0, high }));
  assert.equal(holdAxis(narrow, wide), narrow);
  assert.equal(holdAxis(wide, narrow), wide);
  assert.equal(holdAxis(narrow, far), far); // nothing would be left to see
  assert.deepEqual(holdAxis({ ...narrow, log: true, low: 0.1 }, { ...wide, log: true, low: 1 }), { label: "x", low: 0.1, high: 3, log: true });
  assert.deepEqual(holdAxis({ ...wide, whole: true }, { ...narrow, whole: true }).high, 3);
  assert.deepEqual(holdAxis(narrow, { ...wide, label: "y" }).label, "y");
  assert.equal(holdAxis(undefined, wide), wide);
});

test("a log axis has ticks at powers of ten, not too many", () => {
  assert.deepEqual(logTicks(1e-3, 10, 6), [1e-3, 1e-2, 0.1, 1, 10]);
  assert.deepEqual(logTicks(1e-12, 1, 4), [1e-12, 1e-9, 1e-6, 1e-3, 1]);
});

test("a scale without a size ends too", () => {
  assert.deepEqual(scale({ low: 0, high: 1 }, Number.NaN, 100, WIDE).ticks, []);
});

test("a scale maps its ends, and equal factors to equal distances", () => {
  const { map, ticks, text } = scale({ low: 0.01, high: 100, log: true }, 0, 400, WIDE);
  assert.deepEqual([0.01, 0.1, 1, 100].map(map).map(Math.round), [0, 100, 200, 400]);
  assert.deepEqual(ticks.map(text), ["10⁻²", "10⁻¹", "10⁰", "10¹", "10²"]);
});

test("an axis of exponents is labelled with powers of ten, however far it reaches", () => {
  const { map, ticks, text } = scale({ low: -120, high: 0, powers: true }, 0, 400, WIDE);
  assert.equal(map(-60), 200);
  assert.ok(ticks.every(Number.isInteger));
  assert.deepEqual([text(-120), text(0)], ["10⁻¹²⁰", "10⁰"]);
  assert.deepEqual(scale({ low: -1, high: 1, powers: true }, 0, 400, WIDE).ticks, [-1, 0, 1]);
});

test("labels that would touch are left out", () => {
  const ticks = scale({ low: 0, high: 100 }, 0, 200, () => 90).ticks;
  assert.deepEqual(ticks, [0, 50, 100]);
});

const GAIN = { low: 0.1, high: 10, log: true, whole: false };
const DEPTH = { low: 1, high: 100, log: false, whole: true };

test("a slider's positions and values belong together", () => {
  assert.deepEqual([0, 100, 200].map((p) => valueAt(GAIN, p)), [0.1, 1, 10]);
  assert.equal(positions(DEPTH), 99);
  assert.equal(valueAt(DEPTH, 19), 20);
  for (const slider of [GAIN, DEPTH, { low: 0, high: 0.5 }])
    for (let p = 0; p <= positions(slider); p++) assert.equal(positionOf(slider, valueAt(slider, p)), p);
});

test("arrays come back where they were cut out", () => {
  const floats = Float32Array.of(1, 2, 3, 4, 5);
  const found = unpack([{ x: { $: [1, 2] }, more: [{ y: { $: [4, 1] } }], title: "t", none: null }], floats);
  assert.deepEqual(found, [{ x: Float32Array.of(2, 3), more: [{ y: Float32Array.of(5) }], title: "t", none: null }]);
});

test("a buffer that is not aligned is copied", () => {
  const bytes = new Uint8Array(9);
  bytes.set(new Uint8Array(Float32Array.of(7, 8).buffer), 1);
  assert.deepEqual(frontEnd.floatsOf(new DataView(bytes.buffer, 1, 8)), Float32Array.of(7, 8));
});

/* ---------------------------------------------------------------- few requests in flight */

test("while an answer is awaited only the newest value of each control is kept", () => {
  const sent = [];
  const link = new Link((request) => sent.push(request), "v");
  for (const gain of [1, 2, 3, 4]) link.ask({ set: { gain } });
  link.ask({ set: { depth: 7 } });
  assert.deepEqual(sent, [{ set: { gain: 1 }, id: "v:1" }]);
  assert.equal(link.pending("gain"), true);
  assert.equal(link.answered({ answer: "v:1" }), true);
  assert.deepEqual(sent[1], { set: { gain: 4, depth: 7 }, id: "v:2" });
  link.answered({ answer: "v:2" });
  assert.equal(sent.length, 2);
  assert.equal(link.pending("gain"), false);
});

test("answers to others, and old ones, do not release the next request", () => {
  const sent = [];
  const link = new Link((request) => sent.push(request), "v");
  link.ask({ set: { gain: 1 } });
  link.ask({ set: { gain: 2 } });
  for (const answer of [null, undefined, "v:0", "other:1"]) assert.equal(link.answered({ answer }), false);
  assert.equal(sent.length, 1);
});

test("a preset overrules what was moved before it, and what is moved after it overrules the preset", () => {
  const sent = [];
  const link = new Link((request) => sent.push(request), "v");
  link.ask({ ready: true });
  link.ask({ set: { gain: 1 } });
  link.ask({ preset: "zeros" });
  link.ask({ set: { depth: 3 } });
  link.answered({ answer: "v:1" });
  assert.deepEqual(sent[1], { preset: "zeros", set: { depth: 3 }, id: "v:2" });
});

test("a quick kernel finds one more request when it is done, a slow one does not", () => {
  const sent = [];
  const link = new Link((request) => sent.push(request), "v");
  const ask = (gain) => (link.ask({ set: { gain } }), sent.length);
  const answer = (answer, took) => (link.answered({ answer, took }), sent.length);
  assert.deepEqual([ask(1), ask(2), answer("v:1", 12)], [1, 1, 2]);
  assert.deepEqual([link.isFree, ask(3), link.isFree, ask(4), ask(5)], [true, 3, false, 3, 3]);
  assert.equal(answer("v:2", 12), 4);
  assert.deepEqual(sent.at(-1), { set: { gain: 5 }, id: "v:4" });
  assert.deepEqual([ask(6), answer("v:3", 80), answer("v:4", 80)], [4, 4, 5]);
  assert.deepEqual(sent.at(-1), { set: { gain: 6 }, id: "v:5" });
  assert.equal(link.pending("gain"), true);
  link.answered({ answer: "v:5", took: 80 });
  assert.deepEqual([link.pending("gain"), link.isWaiting], [false, false]);
});

test("an unfinished computation goes on, unless a control has moved", () => {
  const sent = [];
  const link = new Link((request) => sent.push(request), "v");
  link.ask({ set: { gain: 1 } });
  link.answered({ answer: "v:1", unfinished: true });
  assert.deepEqual(sent[1], { go_on: true, id: "v:2" });
  link.ask({ set: { gain: 5 } });
  link.answered({ answer: "v:2", unfinished: true });
  assert.deepEqual(sent[2], { set: { gain: 5 }, id: "v:3" });
  link.answered({ answer: "v:3" });
  assert.equal(sent.length, 3);
});

/* ---------------------------------------------------------------- painting */

const AXES = { x: { label: "layer", low: 0.5, high: 3.5, whole: true }, y: { label: "rms", low: 1e-3, high: 10, log: true } };

function profile(y, extra = {}) {
  const series = [{ name: "activations", x: [1, 2, 3], y, style: "dots", symbol: "circle", colour: "gradient" }];
  const context = notebook();
  const painted = paint(context, { kind: "lines", title: "Profile", ...AXES, series, ...extra }, SIZE, THEME);
  return { context, painted };
}

test("lines: title, axis labels, whole ticks and legend are written", () => {
  const written = texts(profile([1, 0.1, 0.01]).context);
  for (const text of ["Profile", "layer", "rms", "1", "2", "3", "10⁻³", "10⁰", "activations"]) assert.ok(written.includes(text), text);
  assert.ok(!written.includes("1.5"));
});

test("lines: one dot in its colour for each number, and one in the legend", () => {
  const dots = called(profile([1, 0.1, 0.01]).context, "arc");
  assert.equal(dots.length, 4);
  assert.ok(dots.every((dot) => dot.fillStyle === "#0000ff"));
});

test("lines: on a log axis 0 lies on the floor and infinity under the ceiling", () => {
  const { context, painted } = profile([0, 1, Infinity]);
  assert.equal(called(context, "arc").length, 2);
  assert.equal(called(context, "closePath").length, 2);
  const [left, top] = called(context, "rect")[0].values;
  const [, , width, height] = called(context, "rect")[0].values;
  assert.equal(painted.pick(left + width / 6, top + height - 8), "activations: 0 at 1");
  assert.equal(painted.pick(left + (5 * width) / 6, top + 8), "activations: inf at 3");
  assert.equal(painted.pick(0, 0), null);
});

test("lines: an exponent is read off as the number, and minus infinity is 0", () => {
  const { context, painted } = profile([-3, -120, -Infinity], { y: { label: "size", low: -130, high: 0, powers: true } });
  assert.equal(called(context, "arc").length, 3); // two dots, and one in the legend
  const [left, top, width, height] = called(context, "rect")[0].values;
  const y = (exponent) => top + 6 + ((height - 12) * -exponent) / 130;
  assert.equal(painted.pick(left + width / 6, y(-3)), "activations: 0.001 at 1");
  assert.equal(painted.pick(left + width / 2, y(-120)), "activations: 1e-120 at 2");
  assert.equal(painted.pick(left + (5 * width) / 6, top + height - 8), "activations: 0 at 3");
});

test("lines: theory is dashed and has gaps where it is silent", () => {
  const theory = { name: "theory", x: [1, 2, 3, 4, 5], y: [1, 1, NaN, 1, 1], style: "dashes", colour: "ink" };
  const context = notebook();
  paint(context, { kind: "lines", title: "", ...AXES, series: [theory] }, SIZE, THEME);
  const dashes = called(context, "setLineDash").map((c) => c.values[0].length);
  assert.equal(Math.max(...dashes), 2);
  assert.equal(called(context, "arc").length + called(context, "closePath").length, 0);
});

test("lines: rule, cursor, note and remark are drawn", () => {
  const { context } = profile([1, 1, 1], { rules: [{ y: 1, label: "ln 10" }], cursor: 2, note: "no theory", remark: "nan from layer 3" });
  for (const text of ["ln 10", "no theory", "nan from layer 3"]) assert.ok(texts(context).includes(text), text);
});

test("lines: a long note is broken between words, and no letter is squeezed", () => {
  const note = "Theory does not apply: uniform does not draw independent weights with mean 0 and one variance.";
  const { context } = profile([1, 1, 1], { note });
  const lines = called(context, "fillText").filter(({ values }) => note.includes(values[0]) && values[0].includes(" "));
  assert.equal(lines.map(({ values }) => values[0]).join(" "), note);
  for (const { values } of lines) assert.ok(8 * values[0].length <= SIZE.width && values.length === 3, values[0]);
});

test("lines: the legend names theory once, and nothing that the table names", () => {
  const curve = (name, style, more) => ({ name, x: [1], y: [1], style, colour: "ink", ...more });
  const series = [curve("with", "dots", { listed: false }), curve("theory", "dashes"), curve("without", "dots"), curve("theory", "dashes")];
  const context = notebook();
  paint(context, { kind: "lines", title: "", ...AXES, series }, SIZE, THEME);
  assert.deepEqual(texts(context).filter((text) => ["with", "without", "theory"].includes(text)), ["without", "theory"]);
});

test("lines: what was there before is a pale line, and is named", () => {
  const context = notebook();
  const panel = { kind: "lines", title: "", ...AXES, series: [{ name: "a", x: [1, 2, 3], y: [1, 1, 1], style: "dots", colour: "gradient" }] };
  const strokes = (extras) => {
    context.calls.length = 0;
    paint(context, panel, SIZE, THEME, extras);
    return called(context, "stroke").length;
  };
  const without = strokes({});
  assert.equal(strokes({ ghost: panel }), without + 2); // the line and its sample
  assert.ok(texts(context).includes("before"));
  assert.equal(strokes({ ghost: { ...panel, y: { ...panel.y, label: "loss" } } }), without); // not the same quantity
});

test("a panel on held axes keeps its own data where they are", () => {
  const old = { kind: "ridgeline", x: { label: "a", low: -1, high: 1 }, y: { label: "layer", low: 0.5, high: 3.5, whole: true } };
  const held = hold({ ...old, x: { label: "a", low: -2, high: 2 } }, old);
  assert.deepEqual([held.x.high, held.edges.high], [1, 2]);
  assert.equal(hold({ ...old, kind: "lines" }, old).kind, "lines");
  const map = (low, high) => ({ kind: "heatmap", palette: "diverging", low, high });
  const both = hold(map(-1, 1), map(-3, 3));
  assert.deepEqual([both.low, both.high], [-3, 3]);
});

test("a ridge line has one ridge for each row, and tells the row under the pointer", () => {
  const context = notebook();
  const panel = {
    kind: "ridgeline", title: "Ridges", x: { label: "activation", low: -1, high: 1 }, y: { label: "layer", low: 0, high: 3 },
    rows: 3, heights: Float32Array.of(0, 1, 0, 0, 1, 0, 1, 0, 1), zeros: Float32Array.of(0, 0.5, 1), colour: "activation", hovers: ["one", "two", "three"],
  };
  const painted = paint(context, panel, SIZE, THEME);
  assert.equal(called(context, "closePath").length, 3);
  for (const text of ["1", "2", "3", "exactly 0", "activation", "layer"]) assert.ok(texts(context).includes(text), text);
  const bars = called(context, "fillRect").slice(1).map(({ values }) => Math.round(values[3])); // after the key
  assert.equal(bars.length, 2); // a bar of zeros where there are zeros, as high as their share
  assert.ok(Math.abs(bars[1] - 2 * bars[0]) <= 1);
  assert.deepEqual([110, 170, 230].map((y) => painted.pick(250, y)), ["one", "two", "three"]);
});

test("a heat map has row 1 on top, low and high in their colours, and reads off a cell", () => {
  const context = notebook();
  const panel = {
    kind: "heatmap", title: "W", x: { label: "input", low: 0.5, high: 2.5, whole: true }, y: { label: "unit", low: 0.5, high: 2.5, whole: true },
    rows: 2, columns: 2, values: Float32Array.of(-1, 0, 0, 1), low: -1, high: 1, palette: "diverging", bar: true,
  };
  const painted = paint(context, panel, SIZE, THEME);
  const [cells, left, top, width, height] = called(context, "drawImage")[0].values;
  assert.deepEqual([...cells.pixels.slice(0, 3)], [255, 0, 0]);
  assert.deepEqual([...cells.pixels.slice(12, 15)], [0, 0, 255]);
  assert.equal(painted.pick(left + 1, top + 1), "unit 1, input 1: -1");
  assert.equal(painted.pick(left + width - 1, top + height - 1), "unit 2, input 2: 1");
  assert.equal(painted.pick(left - 5, top), null);
});

test("regions: row 1 below, a mark for each example in the colour of its class, and the class under the pointer", () => {
  const context = notebook();
  const panel = {
    kind: "regions", title: "R", x: { label: "input 1", low: -1, high: 1 }, y: { label: "input 2", low: 0, high: 4 },
    rows: 2, columns: 2, values: Float32Array.of(0, 1, 2, 2), points_x: Float32Array.of(0, 0.5, 0.5), points_y: Float32Array.of(1, 1, 3), labels: Float32Array.of(0, 1, 1),
  };
  const painted = paint(context, panel, SIZE, THEME);
  const [cells, left, top, width, height] = called(context, "drawImage")[0].values;
  assert.deepEqual([...cells.pixels.slice(0, 3)], [153, 255, 153]); // class 2 above, 40 % of its colour
  assert.deepEqual([...cells.pixels.slice(8, 11)], [255, 153, 153]);
  assert.equal(called(context, "arc").length, 1);
  assert.equal(called(context, "rect").length, 2);
  assert.ok(Math.abs(width / height - 2 / 4) < 0.01); // one unit is as long across as upwards
  assert.equal(painted.pick(left + 1, top + height - 1), "(-0.5, 1): class 0");
  assert.equal(painted.pick(left + width - 1, top + 1), "(0.5, 3): class 2");
  assert.equal(painted.pick(left - 5, top), null);
});

test("a colour has a role, and a role without a colour is named", () => {
  assert.equal(colourOf(THEME, "gradient"), "#0000ff");
  assert.throws(() => colourOf(THEME, "love"), /no colour for "love"/);
});

test("the network has a cell for each layer, empty where all is 0, crossed out where a number is lost", () => {
  const context = notebook();
  const network = { strips: [{ values: [-1, 1, -Infinity, NaN], notes: [] }], low: "smaller", high: "larger", room: 1 };
  const painted = paintNetwork(context, network, SIZE, THEME, 1);
  const cells = called(context, "fillRect").slice(2).map(({ fillStyle }) => fillStyle); // after the key
  assert.deepEqual(cells, ["rgb(255,0,0)", "rgb(0,0,255)", "#ffffff", "#ffffff"]);
  assert.equal(called(context, "stroke").length, 3); // the wire, and a cross
  for (const text of ["smaller", "larger", "click a layer"]) assert.ok(texts(context).includes(text), text);
  assert.deepEqual([0, 30, 250, 499].map(painted.layerAt), [0, 0, 2, 3]);
});

test("lines: what lies above the axis is a mark under the ceiling, and a line may carry its symbol", () => {
  const context = notebook();
  const series = [{ name: "loss", x: [0, 1, 2, 3], y: [1, 5, 1, 1], symbol: "circle", every: 2, colour: "ink" }];
  const panel = { kind: "lines", title: "", x: { low: 0, high: 3 }, y: { low: 0, high: 2 }, series };
  const painted = paint(context, panel, SIZE, THEME);
  assert.equal(called(context, "arc").length, 3); // points 0 and 2, and the legend
  assert.equal(called(context, "closePath").length, 1);
  const [left, top, width] = called(context, "rect")[0].values;
  assert.equal(painted.pick(left + 6 + (width - 12) / 3, top + 6), "loss: 5 at 1");
});

const SURFACE = {
  kind: "plane", title: "Plane", x: { label: "w", low: 0, high: 4 }, y: { label: "b", low: 0, high: 1 }, rows: 2, columns: 2,
  values: Float32Array.of(-1, 0, 0, 1), low: -1, high: 1, quantity: "chi", point: [1, 0.5], picks: ["gain", "bias"],
  series: [{ name: "edge", x: [1, 2], y: [0, 1], style: "dashes", colour: "ink" }],
};

test("a plane has its lowest row below, its curve, its point, and reads off and gives back a place", () => {
  const context = notebook();
  const painted = paint(context, SURFACE, SIZE, THEME);
  const [cells, left, top, width, height] = called(context, "drawImage")[0].values;
  assert.deepEqual([...cells.pixels.slice(8, 11)], [255, 0, 0]); // low, low
  assert.deepEqual([...cells.pixels.slice(4, 7)], [0, 0, 255]); // high, high
  for (const text of ["Plane", "w", "b", "chi", "edge", "10", "0.1"]) assert.ok(texts(context).includes(text), text);
  const [x, y] = called(context, "arc").at(-1).values;
  assert.deepEqual([Math.round(x), Math.round(y)], [Math.round(left + width / 4), Math.round(top + height / 2)]);
  assert.equal(painted.pick(left + width / 4, top + (3 * height) / 4), "chi 0.1 at w 1, b 0.25");
  assert.equal(painted.pick(left - 9, top), null);
  assert.deepEqual(painted.at(left + width / 2, top + height / 2).map((v) => Number(v.toFixed(6))), [2, 0.5]);
  assert.deepEqual(painted.at(left - 50, top - 50), [0, 1]);
});

test("colours run from paper to ink", () => {
  assert.deepEqual(ramp("gradient", THEME).at(0), [255, 255, 255]);
  assert.deepEqual(ramp("gradient", THEME).at(-1), [0, 0, 255]);
});

test("the pointer's value is written beside it", () => {
  const context = notebook();
  const series = [{ name: "loss", x: [1], y: [1], style: "dots", colour: "ink" }];
  const panel = { kind: "lines", title: "", x: { low: 0, high: 2 }, y: { low: 0, high: 2 }, series };
  paint(context, panel, SIZE, THEME, { pointer: { x: 270, y: 160 } });
  assert.ok(texts(context).includes("loss: 1 at 1"));
});

test("an unknown kind of panel is named", () => {
  assert.throws(() => paint(notebook(), { kind: "pie" }, SIZE, THEME), /no painter for a panel of kind "pie"/);
});

/* ---------------------------------------------------------------- the view */

const SETUP = {
  controls: [
    { kind: "slider", name: "gain", label: "gain", unit: "× std", main: true, hint: "a factor", ...GAIN },
    { kind: "choice", name: "width", label: "width", options: [[32, "32"], [64, "64"]] },
    { kind: "switch", name: "norm", label: "BatchNorm" },
  ],
  presets: ["zeros"],
  buttons: ["again"],
};
const VALUES = { gain: 1, width: 64, norm: false };
const PANEL = { kind: "lines", title: "Loss", x: { label: "step", low: 0, high: 2 }, y: { label: "nats", low: 0, high: 2 }, span: 6, height: 230, series: [{ name: "loss", x: { $: [0, 2] }, y: { $: [2, 2] }, colour: "ink" }] };
const TABLE = { columns: [{ label: "rms", hint: "root mean square" }], rows: [{ name: "signals", cells: ["1"], colour: "ink", mark: "●" }], room: 1 };
const answer = (id, more = {}) => ({ answer: id, values: VALUES, headline: "All is well.", sentence: "All is well: 1.", table: TABLE, network: null, error: "", panels: [PANEL], ...more });
const FLOATS = [0, 1, 1, 2];

test("the view greets the kernel and shows its answer", () => {
  const page = shown(SETUP);
  assert.deepEqual(page.sent.map(({ ready }) => ready), [true]);
  page.say(answer(page.sent[0].id), FLOATS);
  assert.equal(page.byClass("initlab-headline").textContent, "All is well.");
  assert.equal(page.byClass("initlab-picture").attributes["aria-label"], "All is well: 1.");
  assert.equal(page.byClass("initlab-picture").attributes.role, "img");
  const [, canvas] = page.find("canvas"); // the first is the network's
  assert.ok(texts(canvas.context).includes("Loss"));
  assert.deepEqual([canvas.width, canvas.height], [1200, 600]); // two dots for each CSS pixel
  assert.equal(page.byClass("initlab-error").hidden, true);
  page.dispose();
  assert.deepEqual(page.handlers, {});
});

test("a kernel that is busy has sent the first picture along", () => {
  const floats = new DataView(Float32Array.from(FLOATS).buffer);
  const page = shown(SETUP, { content: answer(null), floats });
  assert.equal(page.byClass("initlab-headline").textContent, "All is well.");
  assert.equal(page.find("canvas").length, 2);
  assert.equal(page.find("input")[0].attributes["aria-valuetext"], "1 × std");
  page.dispose();
});

test("each control has a label, shows its value, and asks when it is moved", () => {
  const page = shown(SETUP);
  page.say(answer(page.sent[0].id), FLOATS);
  const labels = page.find("label").map((label) => label.textContent);
  assert.deepEqual(labels.map((l) => l.replace(/32.*/, "")), ["gain", "width", "BatchNorm"]);
  const [range, box] = page.find("input");
  assert.deepEqual([Number(range.value), range.attributes["aria-valuetext"]], [100, "1 × std"]);
  assert.equal(box.checked, false);
  range.value = "200";
  range.fire("input");
  assert.equal(range.attributes["aria-valuetext"], "10 × std");
  const answered = () => page.say(answer(page.sent.at(-1).id), FLOATS);
  answered();
  box.checked = true;
  box.fire("change");
  answered();
  const [width] = page.find("select");
  assert.equal(width.selectedIndex, 1);
  width.selectedIndex = 0;
  width.fire("change");
  answered();
  const [preset, reset, again] = page.find("button");
  again.fire("click");
  answered();
  preset.fire("click");
  assert.equal(preset.attributes["aria-pressed"], "true");
  answered();
  reset.fire("click");
  assert.equal(preset.attributes["aria-pressed"], "false");
  const requests = page.sent.slice(1).map(({ id, ...request }) => request);
  assert.deepEqual(requests, [{ set: { gain: 10 } }, { set: { norm: true } }, { set: { width: 32 } }, { press: "again" }, { preset: "zeros" }, { reset: true }]);
  page.dispose();
});

test("main controls are in sight with their hint, the others are folded away", () => {
  const page = shown(SETUP);
  const [folded] = page.el.find((e) => e.tag === "details");
  const tags = (of) => of.find((e) => ["input", "select"].includes(e.tag)).map((e) => e.attributes.type ?? e.tag);
  assert.deepEqual(tags(folded), ["select", "checkbox"]);
  assert.equal(page.find("input")[0].attributes.title, "a factor");
  assert.equal(page.byClass("initlab-hint").textContent, "a factor");
  page.dispose();
});

test("the numbers stand in a table, whose texts change without building it anew", () => {
  const page = shown(SETUP);
  const say = (cell) => page.say(answer(null, { table: { ...TABLE, rows: [{ ...TABLE.rows[0], cells: [cell] }] } }), FLOATS);
  say("1");
  const [before] = page.find("td").slice(1);
  say("2");
  const [after] = page.find("td").slice(1);
  assert.equal(before, after);
  assert.equal(after.textContent, "2");
  assert.deepEqual(page.find("th").map((th) => [th.textContent, th.attributes.title ?? th.attributes["data-mark"]]), [["rms", "root mean square"], ["signals", "●"]]);
  page.dispose();
});

test("a layer that is chosen by hand or key tells where its size comes from, until it is closed", () => {
  const page = shown(SETUP);
  const network = { strips: [{ values: { $: [0, 4] }, notes: ["one", "two", "three", "four"] }], low: "smaller", high: "larger" };
  page.say(answer(null, { network }), FLOATS);
  const [canvas] = page.find("canvas");
  const story = page.byClass("initlab-story");
  const press = (key) => (canvas.fire("keydown", { key, preventDefault() {} }), [story.hidden, story.textContent, canvas.attributes["aria-valuenow"]]);
  assert.equal(story.hidden, true);
  assert.deepEqual(press("ArrowRight"), [false, "one", "1"]);
  assert.deepEqual(press("End"), [false, "four", "4"]);
  assert.deepEqual(press("Escape"), [true, "", "1"]);
  canvas.fire("click", { offsetX: 250 });
  assert.equal(story.textContent, "two");
  canvas.fire("click", { offsetX: 250 });
  assert.equal(story.hidden, true);
  page.dispose();
});

test("axes hold from the first movement of a slider until it has rested, and the ghost stays", ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const page = shown(SETUP);
  const panel = (high) => ({ ...PANEL, y: { label: "nats", low: 0, high } });
  const reply = (high) => page.say(answer(page.sent.at(-1).id, { panels: [panel(high)] }), FLOATS);
  reply(2);
  const [, canvas] = page.find("canvas");
  const last = () => {
    const calls = canvas.context.calls;
    return texts({ calls: calls.slice(calls.findLastIndex((c) => c.name === "clearRect")) });
  };
  const [range] = page.find("input");
  assert.ok(!last().includes("before"));
  range.value = "120";
  range.fire("input");
  reply(6);
  assert.ok(!last().includes("6") && last().includes("before"));
  range.fire("change");
  mock.timers.tick(500);
  assert.ok(last().includes("6") && last().includes("before"));
  page.dispose();
});

test("a control that has moved on does not jump back to an old answer", () => {
  const page = shown(SETUP);
  const [range] = page.find("input");
  range.value = "200";
  range.fire("input"); // the greeting is still unanswered
  page.say(answer(page.sent[0].id), FLOATS);
  assert.equal(Number(range.value), 200);
  page.say(answer(page.sent[1].id, { values: { ...VALUES, gain: 10 } }), FLOATS);
  assert.equal(Number(range.value), 200);
  page.dispose();
});

/* ---------------------------------------------------------------- a record instead of a kernel */

test("a slider with stops has these positions only", () => {
  const slider = { ...GAIN, stops: [0.1, 0.5, 1, 10] };
  assert.equal(positions(slider), 3);
  assert.deepEqual([0, 1, 2, 3].map((k) => valueAt(slider, k)), slider.stops);
  assert.deepEqual([0.1, 0.6, 0.8, 9].map((value) => positionOf(slider, value)), [0, 1, 2, 3]);
});

test("controls offer what there is, and say where the rest is", () => {
  const page = shown(SETUP);
  const stops = { gain: [1, 2, 5], width: [32] };
  page.say(answer(page.sent[0].id, { stops, values: { ...VALUES, gain: 2, width: 32 } }), FLOATS);
  const [gain] = page.find("input");
  const [width] = page.find("select");
  assert.deepEqual([gain.max, Number(gain.value), gain.disabled, width.disabled], [2, 1, false, true]);
  assert.deepEqual(page.find("option").map((option) => option.textContent), ["32", "64 (in the notebook)"]);
  const hints = page.el.find((e) => e.attributes.class === "initlab-hint").filter((e) => !e.hidden);
  assert.deepEqual(hints.map((e) => e.textContent), ["a factor", "in the notebook"]);
  gain.value = "2";
  gain.fire("input");
  assert.deepEqual(page.sent.at(-1).set, { gain: 5 });
  page.say(answer(page.sent[1].id, { stops: { gain: [2], width: [32, 64] }, values: VALUES }), FLOATS);
  assert.deepEqual([gain.disabled, width.disabled], [true, false]);
  page.dispose();
});

test("a film of few pictures is not over in a moment", ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { player, moves } = film({ ...STEP, stops: [0, 50, 100, 200] });
  player.play();
  pass(mock, 2000);
  assert.deepEqual(moves, [1]);
  player.pause();
});

/* ---------------------------------------------------------------- a slider that moves by itself */

const STEP = { kind: "slider", name: "step", label: "step", low: 0, high: 3, whole: true, play: true };

/** Let time pass, a timer at a time: Node's clock does not see timers that timers set. */
function pass(mock, ms, step = 50) {
  for (let passed = 0; passed < ms; passed += step) mock.timers.tick(step);
}

function film(control = STEP) {
  let at = 0;
  const told = [];
  const it = { moves: [], told, isFree: true };
  it.player = new Player(control, {
    now: () => at,
    move: (to) => it.moves.push((at = to)),
    isFree: () => it.isFree,
    tell: (isPlaying) => told.push(isPlaying),
  });
  return it;
}

test("playing moves one position after the other, stops at the end, and starts again from the start", ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { player, moves, told } = film();
  player.play();
  player.play(); // twice is once
  pass(mock, 50 * 10);
  assert.deepEqual([moves, told, player.isPlaying], [[1, 2, 3], [true, false], false]);
  player.play();
  pass(mock, 50);
  assert.deepEqual(moves.slice(3), [0, 1]);
  player.pause();
  pass(mock, 500);
  assert.equal(moves.length, 5);
});

test("while an answer is awaited nothing is asked", ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const it = film();
  it.player.play();
  pass(mock, 50);
  it.isFree = false;
  pass(mock, 5000);
  assert.deepEqual(it.moves, [1]);
  it.isFree = true;
  pass(mock, 50);
  assert.deepEqual(it.moves, [1, 2]);
  it.player.pause();
});

test("who wants less motion gets one picture a second", ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  window.matchMedia = () => ({ matches: true });
  const { player, moves } = film({ ...STEP, high: 100 });
  player.play();
  pass(mock, 3000);
  delete window.matchMedia;
  assert.deepEqual(moves, [20, 40, 60]);
  player.pause();
});

test("a button plays and pauses; the hand, an error and the end of the page stop the film", ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const page = shown({ ...SETUP, controls: [STEP] });
  const answered = (more) => {
    const { id, set } = page.sent.at(-1);
    page.say(answer(id, { values: { step: set?.step ?? 0 }, ...more }), FLOATS);
  };
  answered();
  const play = page.byClass("initlab-play");
  const says = () => play.attributes["aria-label"];
  assert.equal(says(), "play step");
  play.fire("click");
  assert.equal(says(), "pause step");
  pass(mock, 200); // the first picture is not answered
  assert.deepEqual(page.sent.slice(1).map(({ set }) => set), [{ step: 1 }]);
  answered();
  pass(mock, 50);
  assert.deepEqual(page.sent.at(-1).set, { step: 2 });
  answered({ error: "ValueError: no" });
  assert.equal(says(), "play step");
  play.fire("click");
  const [range] = page.find("input");
  range.fire("input");
  assert.equal(says(), "play step");
  play.fire("click");
  page.dispose();
  const before = page.sent.length;
  pass(mock, 1000);
  assert.equal(page.sent.length, before);
});

test("an error is shown, and the last good picture stays", () => {
  const page = shown(SETUP);
  page.say(answer(page.sent[0].id), FLOATS);
  page.say(answer(null, { error: "ValueError: no" }), FLOATS);
  assert.deepEqual([page.byClass("initlab-error").textContent, page.byClass("initlab-error").hidden], ["ValueError: no", false]);
  assert.equal(page.find("canvas").length, 2);
  page.say({ ...answer(null), panels: [{ ...PANEL, kind: "pie" }] }, FLOATS);
  assert.match(page.byClass("initlab-error").textContent, /could not be drawn: no painter/);
  page.lose();
  page.model.send = () => {
    throw new Error("Cannot send");
  };
  for (let k = 0; k < 2; k++) {
    assert.match(page.byClass("initlab-error").textContent, /Run this cell again/);
    page.find("button")[0].fire("click");
  }
  page.dispose();
});

test("a change of theme that hides the page for a moment is painted when it comes back", () => {
  const page = shown(SETUP);
  page.say(answer(page.sent[0].id), FLOATS);
  const [, canvas] = page.find("canvas"); // the first is the network's
  const painted = () => called(canvas.context, "clearRect").length;
  const before = painted();
  Object.defineProperty(canvas, "clientWidth", { value: 0, configurable: true });
  changeTheme();
  assert.equal(painted(), before);
  delete canvas.clientWidth;
  nextFrame();
  assert.equal(painted(), before + 1);
  page.dispose();
});

test("a press or a drag on a plane sets both sliders, and the point follows at once", () => {
  const slider = (name, low, high) => ({ kind: "slider", name, label: name, low, high, log: false, whole: false, unit: "" });
  const page = shown({ controls: [slider("gain", 0, 4), slider("bias", 0, 1)] });
  const say = (id) => page.say({ ...answer(id), values: { gain: 1, bias: 0.5 }, panels: [PANEL, SURFACE] }, FLOATS);
  say(page.sent[0].id);
  const [, lines, plane] = page.find("canvas");
  assert.deepEqual([lines.style.cursor, plane.style.cursor, plane.style.touchAction], ["", "crosshair", "none"]);
  const [, left, top, width, height] = called(plane.context, "drawImage").at(-1).values;
  const event = (x, y) => ({ offsetX: left + x * width, offsetY: top + (1 - y) * height, pointerId: 7 });
  plane.fire("pointermove", event(0.9, 0.9)); // only looks
  lines.fire("pointerdown", event(0.9, 0.9)); // nothing to pick
  assert.equal(page.sent.length, 1);
  plane.fire("pointerdown", event(0.5, 0.25));
  assert.equal(plane.captured, 7);
  assert.deepEqual(page.sent[1].set, { gain: 2, bias: 0.25 });
  assert.deepEqual(page.find("input").map((input) => input.attributes["aria-valuetext"]), ["2", "0.25"]);
  plane.fire("pointermove", event(0.7512, 2)); // beyond the edge
  const [x] = called(plane.context, "arc").at(-1).values;
  assert.equal(Math.round(x), Math.round(left + 0.75 * width));
  say(page.sent[1].id);
  assert.deepEqual(page.sent[2].set, { gain: 3, bias: 1 });
  plane.fire("pointerup");
  plane.fire("pointermove", event(0.1, 0.1));
  assert.equal(page.sent.length, 3);
  page.dispose();
});

test("the picture is pale only while no answer comes, not while an unfinished one goes on", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const page = shown(SETUP);
  page.say(answer(page.sent[0].id), FLOATS);
  const isPale = () => page.byClass("initlab-explorer").classList.contains("initlab-busy");
  page.find("button")[0].fire("click");
  t.mock.timers.tick(500);
  assert.equal(isPale(), true);
  page.say(answer(page.sent.at(-1).id, { unfinished: true }), FLOATS);
  assert.equal(page.sent.at(-1).go_on, true);
  assert.equal(isPale(), false);
  t.mock.timers.tick(500);
  assert.equal(isPale(), false);
  page.find("button")[0].fire("click"); // waits behind the slice that is being computed
  page.say(answer(page.sent.at(-1).id, { unfinished: true }), FLOATS);
  t.mock.timers.tick(500);
  assert.equal(isPale(), true);
  page.dispose();
});

test("fewer panels leave no old canvas behind", () => {
  const page = shown(SETUP);
  page.say({ ...answer(page.sent[0].id), panels: [PANEL, PANEL] }, FLOATS);
  assert.equal(page.find("canvas").length, 3);
  page.say(answer(null), FLOATS);
  assert.equal(page.find("canvas").length, 2);
  page.dispose();
});

for (const [event, kept] of [
  [{ key: "ArrowRight" }, true],
  [{ key: "a" }, true],
  [{ key: "Escape" }, false],
  [{ key: "Enter", shiftKey: true }, false],
  [{ key: "s", ctrlKey: true }, false],
])
  test(`${JSON.stringify(event)} is ${kept ? "kept from" : "left to"} JupyterLab`, () => assert.equal(!isWayOut(event), kept));
