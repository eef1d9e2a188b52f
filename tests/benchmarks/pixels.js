// When do new pixels appear? `explorer_speed.py` puts this into JupyterLab's page.
window.pixels = (() => {
  const SIDE = 128; // pixels: smaller, and a moved cursor would be lost between two of them
  const small = document.createElement("canvas");
  small.width = small.height = SIDE;
  const context = small.getContext("2d", { willReadFrequently: true });
  const mix = (hash, number) => Math.imul(hash ^ number, 16777619);

  // A number that changes with what the images and canvases show; null while one is not decoded.
  function signature(root) {
    let hash = 2166136261;
    for (const image of root.querySelectorAll("img")) {
      if (!image.complete) return null;
      const step = Math.max(1, Math.floor(image.src.length / 400));
      for (let k = 0; k < image.src.length; k += step) hash = mix(hash, image.src.charCodeAt(k));
    }
    for (const canvas of root.querySelectorAll("canvas")) {
      if (!canvas.width || !canvas.height) continue;
      context.clearRect(0, 0, SIDE, SIDE);
      context.drawImage(canvas, 0, 0, SIDE, SIDE);
      for (const pixel of new Uint32Array(context.getImageData(0, 0, SIDE, SIDE).data.buffer)) hash = mix(hash, pixel);
    }
    return hash >>> 0;
  }

  let watch = null;
  const note = (event) => {
    if (!watch) return;
    watch.first ??= event.timeStamp;
    watch.last = event.timeStamp;
  };
  for (const kind of ["keydown", "pointerdown", "pointermove"]) document.addEventListener(kind, note, true);

  // Note the time of each frame after new pixels were found in the slider's output.
  function start(slider) {
    const root = slider.closest(".jp-Cell-outputWrapper");
    const mine = (watch = { first: null, last: null, changes: [] });
    let before = signature(root);
    let changed = false;
    const look = () => {
      if (watch !== mine) return;
      if (changed) mine.changes.push(performance.now());
      const now = signature(root);
      changed = now !== null && now !== before;
      if (changed) before = now;
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }

  const seen = () => watch.changes.length;
  function stop() {
    const { first, last, changes } = watch;
    watch = null;
    return { first, last, changes };
  }

  return { start, seen, stop };
})();
