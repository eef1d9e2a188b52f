// Enlarges a picture at a click, keeps formulas in TeX out of what the search shows, and puts right
// what the theme leaves out for a keyboard and a screen reader.

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
  document.querySelectorAll(".caption[role=heading]").forEach((one) => one.setAttribute("aria-level", "2"));
  document.querySelectorAll("article :is(table, .table-wrapper)").forEach((one) => {
    if (one.scrollWidth > one.clientWidth) one.tabIndex = 0; // so that arrow keys scroll it
  });
  if (typeof Search === "undefined") return;
  const plain = Search.htmlToText;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    page.querySelectorAll(".math, script, .initlab-recorded").forEach((one) => one.remove());
    return plain(page.documentElement.outerHTML, anchor);
  };
});
