// Enlarges a picture at a click, and keeps formulas in TeX out of what the search shows.

addEventListener("click", (event) => {
  const picture = event.target.closest(".cell_output img");
  if (!picture || picture.closest(".initlab-zoom, .initlab-recorded")) return;
  const zoom = document.createElement("dialog");
  zoom.className = "initlab-zoom";
  zoom.append(picture.cloneNode());
  zoom.addEventListener("click", () => zoom.close());
  zoom.addEventListener("close", () => zoom.remove());
  document.body.append(zoom);
  zoom.showModal();
});

addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  const plain = Search.htmlToText;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    page.querySelectorAll(".math, script, .initlab-recorded").forEach((one) => one.remove());
    return plain(page.documentElement.outerHTML, anchor);
  };
});
