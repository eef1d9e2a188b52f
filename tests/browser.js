// What a reader does and sees in an open notebook. `browser.py` puts this into JupyterLab's page.
window.reader = (() => {
  const panel = () => window.jupyterapp.shell.currentWidget;
  const cells = () => panel().content.widgets.filter((cell) => cell.model.type === "code");
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const beforeLong = (promise, ms, what) =>
    Promise.race([promise, pause(ms).then(() => Promise.reject(new Error(`${what} took over ${ms} ms`)))]);
  const unasked = []; // what the kernel says outside of any cell: a widget's callback speaks here alone

  function listen(session) {
    session.iopubMessage.connect((_, message) => {
      if (message.parent_header.msg_type === "execute_request") return;
      const { msg_type } = message.header, content = message.content;
      if (msg_type === "error") unasked.push(`callback error: ${content.ename}: ${content.evalue}`);
      // JupyterLab asks for widgets before and after they live, and the kernel says so.
      if (msg_type === "stream" && content.name === "stderr" && !content.text.startsWith("No such comm"))
        unasked.push(`callback stderr: ${content.text}`);
    });
  }

  async function kernelReady(ms) {
    const start = async () => {
      await panel().context.ready;
      await panel().sessionContext.ready;
      while (panel().sessionContext.session?.kernel?.status !== "idle") await pause(50);
    };
    await beforeLong(start(), ms, "the kernel's start");
    listen(panel().sessionContext);
  }

  // Until the kernel has been idle and the page unchanged for `quiet` ms.
  async function settled(quiet, ms) {
    let last = performance.now();
    const touch = () => { last = performance.now(); };
    const watch = new MutationObserver(touch);
    watch.observe(panel().node, { subtree: true, childList: true, attributes: true, characterData: true });
    const wait = async () => {
      while (performance.now() - last < quiet) {
        if (panel().sessionContext.session.kernel.status !== "idle") touch();
        await pause(25);
      }
    };
    try { await beforeLong(wait(), ms, "settling"); } finally { watch.disconnect(); }
  }

  async function runAll(ms) {
    await beforeLong(window.jupyterapp.commands.execute("notebook:run-all-cells"), ms, "Run All");
    await settled(300, ms);
  }

  function cellProblems(cell, index) {
    const found = cell.model.executionCount === null ? ["was not run"] : [];
    for (const output of cell.model.outputs.toJSON()) {
      if (output.output_type === "error") found.push(`error: ${output.ename}: ${output.evalue}`);
      if (output.name === "stderr") found.push(`stderr: ${[output.text].flat().join("")}`);
    }
    // What an Output widget shows is in no cell's outputs, so look at the page as well.
    const nested = (kind) => `.jp-OutputArea .jp-OutputArea [data-mime-type="application/vnd.jupyter.${kind}"]`;
    for (const shown of cell.node.querySelectorAll(`${nested("error")}, ${nested("stderr")}`))
      found.push(`in a widget: ${shown.textContent}`);
    for (const shown of cell.node.querySelectorAll(
      ".jupyter-widgets-error-widget, .jupyter-widgets-disconnected, .jp-OutputArea [role=alert]"))
      if (shown.textContent.trim() && shown.checkVisibility()) found.push(`widget error: ${shown.textContent.trim()}`);
    return found.map((problem) => `code cell ${index + 1}: ${problem}`);
  }

  const outputs = () => cells().map((cell) => cell.model.outputs.toJSON());

  const problems = () => [...cells().flatMap(cellProblems), ...unasked];

  // All that is drawn in the output that holds `slider`, as text to compare.
  function picture(slider) {
    const output = slider.closest(".jp-Cell-outputWrapper");
    const drawn = output.querySelectorAll(".jp-OutputArea-output :is(canvas, img, svg)");
    return [...drawn].map((e) => (e.tagName === "CANVAS" ? e.toDataURL() : e.src || e.outerHTML)).join("\n");
  }

  // A slider's name, whether it is at its right end, and the picture beside it.
  function state(slider) {
    const plain = slider.tagName === "INPUT";
    const name = plain ? slider.labels[0] ?? slider : slider.closest(".widget-slider");
    const value = plain ? slider.value : slider.ariaValueNow;
    const top = plain ? slider.max || 100 : slider.ariaValueMax;
    return [name.textContent || slider.ariaLabel, Number(value) >= Number(top), picture(slider)];
  }

  // The `repr` of an expression in the kernel; "" where it raises.
  async function ask(expression, ms) {
    const asked = panel().sessionContext.session.kernel.requestExecute({
      code: "", silent: true, user_expressions: { it: expression },
    });
    const { it } = (await beforeLong(asked.done, ms, "asking the kernel")).content.user_expressions;
    return it.status === "ok" ? it.data["text/plain"] : "";
  }

  async function restart(ms) {
    await beforeLong(panel().sessionContext.session.kernel.restart(), ms, "the kernel's restart");
    await settled(300, ms);
  }

  const close = () => panel().sessionContext.shutdown();

  return { kernelReady, settled, runAll, outputs, problems, picture, state, ask, restart, close };
})();
