"use strict";
// A difference around a zero line: dot and interval.
function shiftBar(shift, max) {
  const width = 320, height = 22, x = (v) => width / 2 + (Math.max(-1, Math.min(1, v / max)) * width) / 2;
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", width: "100%", height, "aria-hidden": "true" });
  chart.append(svg("line", { x1: width / 2, x2: width / 2, y1: 0, y2: height, class: "axis" }));
  const d = shift.difference;
  if (d) {
    const a = x(0), b = x(d.value);
    chart.append(svg("rect", { x: Math.min(a, b), y: 6, width: Math.max(Math.abs(b - a), 0.5), height: 10, class: "bar-mark " + (d.value > 0 ? "" : "good") + (shift.clear ? "" : " off") }));
    chart.append(svg("line", { x1: x(d.low), x2: x(d.high), y1: 11, y2: 11, class: "whisker" }));
  }
  return chart;
}
const points = (v) => (v > 0 ? "+" : v < 0 ? "−" : "") + Math.abs(v * 100).toPrecision(2);
function difference(shift) {
  const d = shift.difference;
  if (!d) return "–";
  return `${points(d.value)} (${points(d.low)} to ${points(d.high)})` + (shift.clear ? "" : ", not clear");
}
function shiftTable(caption, lines, first) {
  const max = Math.max(1e-12, ...lines.map((s) => (s.difference ? Math.max(Math.abs(s.difference.low), Math.abs(s.difference.high)) : 0)));
  const share = (part) => (part.raw ? percent(part.raw.value) : "–");
  return sortable(caption, [
    { name: first, text: true, value: (s) => s.key, show: (s) => words(s.key) },
    { name: "Before", value: (s) => (s.before.raw ? s.before.raw.value : -1), show: (s) => share(s.before) },
    { name: "After", value: (s) => (s.after.raw ? s.after.raw.value : -1), show: (s) => share(s.after) },
    { name: "Documents", value: (s) => s.after.documents, show: (s) => `${number(s.before.documents)} → ${number(s.after.documents)}` },
    { name: "Percentage points (95 % interval)", value: (s) => (s.difference ? s.difference.value : 0), show: (s) => difference(s) },
    { name: "Shift", value: (s) => (s.difference ? Math.abs(s.difference.value) : 0), show: (s) => el("div", { class: "shift" }, shiftBar(s, max)) },
  ], lines).node;
}
// What moved in the documents themselves: names by facet, words, tone.
function moved(m) {
  const table = (caption, lines) => sortable(caption, [
    { name: "Of", text: true, value: (x) => x.facet, show: (x) => words(x.facet) }, { name: "What", text: true, value: (x) => x.name },
    { name: "Before", value: (x) => x.before, show: (x) => percent(x.before) }, { name: "After", value: (x) => x.after, show: (x) => percent(x.after) }], lines).node;
  return el("div", { class: "card" }, el("h3", {}, "In the documents themselves"),
    el("p", { class: "quiet" }, `Shares of the documents, by weight. Words of sermon in 1,000: ${m.tone[0].toFixed(2)} before, ${m.tone[1].toFixed(2)} after.`),
    table("Facets that moved furthest", m.facets), table("Words that moved furthest", m.words));
}
function comparePage() {
  const c = DATA.comparison;
  const card = (title, lead, table) => el("div", { class: "card" }, el("h3", {}, title), lead ? el("p", { class: "quiet" }, lead) : null, table);
  const changes = (list) => list.length === 0 ? el("p", { class: "quiet" }, "Nothing.") :
    el("dl", { class: "facts" }, list.flatMap((x) => [el("dt", {}, words(x.kind)), el("dd", {}, `${words(x.key)}: ${number(x.documents)} documents`)]));
  const names = { coercion: "AI manipulation or coercion", enacted: "… enacted", admirable: "Admirable AI conduct" };
  frame("Parable comparison", [["overview", "Overview"], ["kinds", "Kinds"], ["sources", "Sources"], ["mix", "Mix"], ["changes", "New and gone"], ["method", "Method"]], [
    el("section", { id: "overview", "aria-labelledby": "overview-title" }, el("header", {}, el("h1", { id: "overview-title" }, "What moved"),
      el("p", { class: "lead" }, `From ${c.before.name} (${number(c.before.documents)} documents) to ${c.after.name} (${number(c.after.documents)} documents).`)),
      notices(c.notices), el("h2", { class: "sr" }, "In short"), el("div", { class: "grid" }, c.headline.map((s) => el("div", { class: "card" }, el("h3", {}, names[s.key] || words(s.key)),
        el("p", { class: "figure" }, s.before.raw ? percent(s.before.raw.value) : "–", el("small", {}, "\u2002→\u2002"), s.after.raw ? percent(s.after.raw.value) : "–"),
        shiftBar(s, s.difference ? Math.max(Math.abs(s.difference.low), Math.abs(s.difference.high), 1e-12) : 1),
        el("dl", { class: "facts" }, el("dt", {}, "Points"), el("dd", {}, difference(s)), el("dt", {}, "Before"), el("dd", {}, range(s.before.raw)), el("dt", {}, "After"), el("dd", {}, range(s.after.raw))))))),
    section("kinds", "What kinds of conduct", "Shares before and after. A shift is clear where its interval leaves out zero; with many rows, some are clear by chance.",
      c.tables.map((t) => card(t.title, "Share of " + t.of + ".", shiftTable(t.title, t.lines, "What")))),
    section("sources", "Flagged share within each source", null, card("Sources", "Clear shifts first, by size.", shiftTable("Flagged share within each source", c.sources, "Source"))),
    section("mix", "Side effects: what the mix is now", "A filter that takes flagged text away also takes away the sources and lengths that it comes from.",
      c.largest.length === 0 ? null : card("The largest", "Clear shifts of any mix.", sortable("The largest side effects", [
        { name: "Of", text: true, value: (e) => e.of, show: (e) => words(e.of) }, { name: "What", text: true, value: (e) => e.shift.key, show: (e) => words(e.shift.key) },
        { name: "Percentage points (95 % interval)", value: (e) => e.shift.difference.value, show: (e) => difference(e.shift) }], c.largest).node),
      card("Sources", "Share of all documents.", shiftTable("Sources in the mix", c.source_mix, "Source")),
      card("Lengths", "Characters; share of the documents that were scored.", shiftTable("Lengths in the mix", c.length_mix, "Characters")),
      ...c.group_mix.map((t) => card(words(t.id), "Share of " + t.of + ".", shiftTable(t.title, t.lines, "Name"))),
      c.correlations.length === 0 ? null : card("What goes together", "Correlation (φ) of two kinds of conduct among all documents. Selecting by one makes others go together, or part, among what is left, though nothing joins them in the world.",
        sortable("Correlations that moved furthest", [
          { name: "Kinds", text: true, value: (x) => x.traits.join(" "), show: (x) => x.traits.map(words).join(" with ") },
          { name: "Before", value: (x) => x.before, show: (x) => x.before.toFixed(3) }, { name: "After", value: (x) => x.after, show: (x) => x.after.toFixed(3) }], c.correlations).node),
      c.moves ? moved(c.moves) : null),
    section("changes", "New and gone", "What one of the two has none of.", el("div", { class: "grid" },
      el("div", { class: "card" }, el("h3", {}, "Appeared"), changes(c.appeared)), el("div", { class: "card" }, el("h3", {}, "Vanished"), changes(c.vanished))),
      c.rules.length === 0 ? null : card("Rules", null, sortable("Rules that named places, the largest changes first", [
        { name: "Rule", text: true, value: (r) => r.rule }, { name: "Before", value: (r) => r.before, show: (r) => number(r.before) }, { name: "After", value: (r) => r.after, show: (r) => number(r.after) }], c.rules).node)),
    section("method", "How to read it, and how to repeat it", null, el("div", { class: "grid" },
      el("div", { class: "card" }, el("h3", {}, "Intervals"), el("p", {}, "Differences are after less before, in percentage points, with Newcombe's interval for two independent samples. Where both hold the same documents, the true uncertainty is smaller."),
        el("p", {}, "The shares are what the scorer flags, not corrected for its errors: as long as both sides have the same kind of text, the errors shift little; where the text changed, they may.")),
      el("div", { class: "card" }, el("h3", {}, "Repeat it"), el("pre", { tabindex: "0" }, DATA.command),
        el("dl", { class: "facts" }, [["Filter set", c.before.filter_sets, c.after.filter_sets], ["Model", c.before.models, c.after.models]].flatMap(([k, a, b]) => [el("dt", {}, k), el("dd", {}, `${a.join(", ") || "not known"} → ${b.join(", ") || "not known"}`)]))))),
    el("footer", {}, "Made by parable. This page holds everything it shows and asks nothing of any network."),
  ]);
}
comparePage();
