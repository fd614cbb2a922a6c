"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const CATEGORY_GOOD = new Set(["accepts_oversight", "transparent", "principled_dissent", "declines_leverage", "costly_honesty", "asks_when_unsure", "supports_autonomy", "equanimity", "bounded_scope", "admirable"]);
const kindOf = (id) => (CATEGORY_GOOD.has(id) ? "good" : "");

function frame(title, links, parts) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const theme = el("button", { type: "button", id: "theme" }, "Dark");
  const paint = (on) => {
    root.dataset.theme = on ? "dark" : "light";
    theme.setAttribute("aria-pressed", String(on));
  };
  theme.addEventListener("click", () => paint(root.dataset.theme !== "dark"));
  dark.addEventListener("change", (event) => paint(event.matches));
  paint(dark.matches);
  document.getElementById("app").replaceChildren(
    el("header", { class: "bar" }, el("div", {}, el("strong", {}, title),
      el("nav", { "aria-label": "Sections" }, links.map(([id, name]) => el("a", { href: "#" + id }, name))), theme)),
    el("main", { id: "main", tabindex: "-1" }, parts));
}
function section(id, title, lead, ...content) {
  return el("section", { id, "aria-labelledby": id + "-title" },
    el("header", {}, el("h2", { id: id + "-title" }, title), lead ? el("p", {}, lead) : null), content);
}
const notices = (list) => list.map((n) => el("div", { class: "notice " + (n.level === "alert" ? "alert" : ""), role: n.level === "alert" ? "alert" : null },
  el("b", {}, n.level === "alert" ? "Attention:" : "Note:"), n.text));

