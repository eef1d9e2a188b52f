// Questions with radio buttons: one fieldset each, and a line of feedback that screen readers announce.
// Traits: questions [{question, options}], chosen [index, -1 for none], feedback [{kind, text}].

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
  const keep = (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey) event.stopPropagation();
  };
  el.classList.add("initlab-choices");
  el.addEventListener("keydown", keep);
  el.replaceChildren(...fieldsets);
  model.on("change:chosen", update);
  model.on("change:feedback", update);
  update();
  return () => {
    model.off("change:chosen", update);
    model.off("change:feedback", update);
    el.removeEventListener("keydown", keep);
  };
}

export default { render };
