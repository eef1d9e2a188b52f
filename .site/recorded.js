// Answers an explorer's front end where no kernel runs: from the record that `record.py` has packed.

/** Stands where anywidget's model stands: the same four methods, answered at once. */
class RecordedModel {
  constructor(record, data) {
    this.record = record;
    this.names = record.setup.controls.map(({ name }) => name);
    this.frames = new Map(record.frames.map(([shape, row, values]) => [JSON.stringify(values), { shape, row, values }]));
    this.now = this.start = record.frames[0][2];
    this.floats = new DataView(this.decode(data).buffer);
    this.listeners = new Set();
  }

  get(name) {
    return name === "_setup" ? this.record.setup : null;
  }

  on(event, act) {
    if (event === "msg:custom") this.listeners.add(act);
  }

  off(event, act) {
    this.listeners.delete(act);
  }

  /** What has no record changes nothing: the controls do not offer it. */
  send(request) {
    const wanted = this.wanted(request);
    if (this.frames.has(JSON.stringify(wanted))) this.now = wanted;
    const frame = this.frames.get(JSON.stringify(this.now));
    const content = { ...this.describe(frame), answer: request.id, stops: this.stops() };
    queueMicrotask(() => this.listeners.forEach((act) => act(content, [this.floats])));
  }

  wanted({ reset, preset, set = {} }) {
    const base = reset ? this.start : preset ? Object.values(this.record.presets[preset]) : this.now;
    return this.names.map((name, k) => set[name] ?? base[k]);
  }

  /** For each control the values that are recorded while all others stay. */
  stops() {
    const found = this.names.map(() => []);
    for (const { values } of this.frames.values()) {
      const other = values.flatMap((value, k) => (value === this.now[k] ? [] : [k]));
      if (other.length === 1) found[other[0]].push(values[other[0]]);
    }
    const ordered = found.map((values, k) => [...values, this.now[k]].sort((a, b) => a - b));
    return Object.fromEntries(this.names.map((name, k) => [name, ordered[k]]));
  }

  /** Put a message together again: its shape, with a leaf from each column. */
  describe({ shape, row }) {
    const { shape: form, columns } = this.record.shapes[shape];
    let place = 0;
    const leaf = () => {
      const column = columns[place++];
      return column.length > 1 ? column[row] : column[0];
    };
    const build = (node) => {
      if (Array.isArray(node)) return node.map(build);
      if (node === 0) return leaf();
      if ("$" in node) return { $: this.places[leaf()] };
      return Object.fromEntries(Object.entries(node).map(([key, child]) => [key, build(child)]));
    };
    return build(form);
  }

  /** All numbers: bytes times a factor, and upper halves of float32. */
  decode(data) {
    const { arrays, bytes } = this.record;
    const count = (data.length - bytes) / 2;
    const halves = new Float32Array(count);
    const bits = new Uint32Array(halves.buffer);
    for (let k = 0; k < count; k++) bits[k] = (data[bytes + k] << 24) | (data[bytes + count + k] << 16);
    const whole = new Int8Array(data.buffer, data.byteOffset, bytes);
    const floats = new Float32Array(arrays.reduce((sum, [, length]) => sum + length, 0));
    let end = 0;
    this.places = arrays.map(([factor, length, start]) => {
      for (let k = 0; k < length; k++) floats[end + k] = factor ? factor * whole[start + k] : halves[start + k];
      end += length;
      return [end - length, length];
    });
    return floats;
  }
}

/** Read a record, a text in base64, without a request. */
async function readRecord(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(stream).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const record = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return new RecordedModel(record, new Uint8Array(buffer, 4 + length));
}
