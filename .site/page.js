// Brings the recorded explorers of a page to life: each once it is near the screen.

async function bringToLife(element) {
  const model = await readRecord(element.querySelector("script").textContent);
  const place = document.createElement("div");
  element.replaceChildren(place);
  frontEnd.render({ model, el: place });
}

/** The front end asks JupyterLab's attribute whether the page is dark; the site's theme has its own. */
function followTheme() {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const { body } = document;
  const tell = () => {
    const theme = body.dataset.theme;
    const isLight = String(theme === "light" || (theme !== "dark" && !dark.matches));
    if (body.dataset.jpThemeLight !== isLight) body.dataset.jpThemeLight = isLight;
  };
  if (!body.dataset.theme) return; // not Furo's page
  new MutationObserver(tell).observe(body, { attributes: true, attributeFilter: ["data-theme"] });
  dark.addEventListener("change", tell);
  tell();
}

followTheme();
const seen = new IntersectionObserver(
  (entries) =>
    entries.filter(({ isIntersecting }) => isIntersecting).forEach(({ target }) => {
      seen.unobserve(target);
      bringToLife(target);
    }),
  { rootMargin: "300px" },
);
for (const element of document.querySelectorAll(".initlab-recorded:not([data-watched])")) {
  element.dataset.watched = ""; // another explorer's copy of this code leaves it alone
  seen.observe(element);
}
