// Questions with radio buttons: one fieldset each, and a line of feedback that screen readers announce.
// Traits: questions [{question, options}], chosen [index, -1 for none], feedback [{kind, text}], and
// holds: the measurement that follows is hidden until an option is chosen or a button is pressed.

const MOST_CELLS = 8; // between a question and the cell that reveals

/** The cells that would give the answer away: [cell, what is hidden of it]. None outside of JupyterLab. */
function telltale(el) {
  const cell = el.closest(".jp-Cell");
  if (!cell?.parentElement) return [];
  const cells = [...cell.parentElement.children];
  const after = cells.slice(cells.indexOf(cell) + 1, cells.indexOf(cell) + 1 + MOST_CELLS);
  const code = (one) => one.querySelector(".jp-InputArea-editor")?.textContent ?? "";
  const last = after.findIndex((one) => one.matches(".jp-CodeCell") && code(one).includes(".reveal("));
  if (last < 0) return [];
  const measuring = after.slice(0, last).filter((one) => one.matches(".jp-CodeCell"));
  const why = after[last + 1];
  const explains = why?.matches(".jp-MarkdownCell") && !why.querySelector(":is(h1, h2, h3)");
  return [
    ...measuring.map((one) => [one, "initlab-held-output"]),
    ...[after[last], ...(explains ? [why] : [])].map((one) => [one, "initlab-held"]),
  ];
}

/** Hide what follows as long as `model` holds it; `button` shows it. Returns what ends the watch. */
function hold(model, el, button) {
  const hidden = new Map(); // only grows: JupyterLab may take cells that are not seen out of the page
  let scheduled = 0;
  const show = () => {
    page.disconnect();
    clearTimeout(scheduled);
    hidden.forEach((name, cell) => cell.classList.remove(name));
    hidden.clear();
    button.hidden = true;
  };
  const look = () => {
    scheduled = 0;
    telltale(el).forEach(([cell, name]) => {
      cell.classList.add(name);
      hidden.set(cell, name);
    });
    button.hidden = hidden.size === 0;
  };
  // The question comes into the page after this, and cells come, go and are rendered.
  const page = new MutationObserver(() => (scheduled ||= setTimeout(look, 100)));
  const changed = () => {
    if (!model.get("holds")) return show();
    page.observe(document.body, { childList: true, subtree: true });
    look();
  };
  model.on("change:holds", changed);
  button.addEventListener("click", () => {
    model.set("holds", false);
    model.save_changes();
  });
  changed();
  return () => {
    model.off("change:holds", changed);
    show();
  };
}

function write(element, text) {
  // what stands in backticks is code
  element.replaceChildren(
    ...text.split("`").map((part, i) => {
      if (i % 2 === 0) return document.createTextNode(part);
      const code = document.createElement("code");
      code.textContent = part;
      return code;
    }),
  );
}

function option(text, group, choose) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  const words = document.createElement("span");
  input.type = "radio";
  input.name = group;
  input.addEventListener("change", choose);
  write(words, text);
  label.append(input, words);
  return label;
}

function question({ question, options }, choose) {
  // Radio buttons belong together by name, in the whole page; each widget loads this file anew, so
  // that a counter would start at 0 again.
  const group = `initlab-${Math.random().toString(36).slice(2)}`;
  const fieldset = document.createElement("fieldset");
  const legend = document.createElement("legend");
  const feedback = document.createElement("p");
  write(legend, question);
  feedback.setAttribute("role", "status");
  fieldset.append(legend, ...options.map((text, i) => option(text, group, () => choose(i))), feedback);
  return fieldset;
}

function render({ model, el }) {
  const fieldsets = model.get("questions").map((asked, q) =>
    question(asked, (i) => {
      model.set("chosen", model.get("chosen").map((old, at) => (at === q ? i : old)));
      model.set("holds", false);
      model.save_changes();
    }),
  );
  const update = () => {
    fieldsets.forEach((fieldset, q) => {
      fieldset.querySelectorAll("input").forEach((input, i) => {
        input.checked = model.get("chosen")[q] === i;
      });
      const feedback = fieldset.querySelector("p");
      const { kind, text } = model.get("feedback")[q];
      feedback.className = `feedback ${kind}`;
      feedback.hidden = !text;
      if (feedback.dataset.text !== text) write(feedback, text); // announce once
      feedback.dataset.text = text;
    });
  };
  // JupyterLab takes arrow keys and letters for itself; combinations such as Shift+Enter stay its own.
  // It looks for them once the key has passed `el`, Notebook 7 before: so it must find its mark where the key goes.
  const isOurs = (event) => !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey;
  const mark = (event) => el.contains(event.target) && event.target.toggleAttribute("data-lm-suppress-shortcuts", isOurs(event));
  const keep = (event) => isOurs(event) && event.stopPropagation();
  el.classList.add("initlab-choices");
  window.addEventListener("keydown", mark, true);
  el.addEventListener("keydown", keep);
  const button = document.createElement("button");
  button.textContent = "Show the measurement";
  button.className = "initlab-show";
  button.hidden = true;
  el.replaceChildren(...fieldsets, button);
  const release = hold(model, el, button);
  model.on("change:chosen", update);
  model.on("change:feedback", update);
  update();
  return () => {
    release();
    model.off("change:chosen", update);
    model.off("change:feedback", update);
    window.removeEventListener("keydown", mark, true);
    el.removeEventListener("keydown", keep);
  };
}

export default { render };
