"use strict";
// --- examples: one pool, filtered from every figure -----------------------------------------
const pool = { filter: {}, shown: 8, draw: () => {} };
function drill(filter) {
  pool.filter = filter;
  pool.shown = 8;
  pool.draw();
  const target = document.getElementById("examples");
  target.scrollIntoView();
  document.getElementById("examples-title").focus({ preventScroll: true });
}
function matches(example, filter) {
  return (!filter.category || example.categories.some(([id]) => id === filter.category)) &&
    (!filter.frame || example.frame === filter.frame) &&
    (!filter.agent || example.agent === filter.agent) &&
    (!filter.portrayal || example.portrayal === filter.portrayal) &&
    (!filter.source || example.source === filter.source) &&
    (!filter.shard || example.shard === filter.shard) &&
    (!filter.rule || example.rules.includes(filter.rule)) &&
    (!filter.severity || Math.round(example.severity) === Number(filter.severity)) &&
    (filter.kind !== "flagged" || example.coercion >= DATA.audit.threshold) &&
    (filter.kind !== "admirable" || example.admirable >= DATA.audit.threshold) &&
    (filter.kind !== "boundary" || example.boundary) &&
    (filter.kind !== "doubtful" || example.doubtful);
}
function excerpt(example) {
  const body = el("div", { class: "body", tabindex: "0", role: "group", "aria-label": "Excerpt of " + example.id });
  if (!example.text.length) body.append(el("span", { class: "gap" }, example.missing || "No text."));
  for (const part of example.text) {
    if (part.gap) body.append(el("span", { class: "gap" }, " […] "));
    if (part.c) body.append(el("mark", { class: kindOf(part.c), title: words(part.c) }, part.t, el("sup", {}, words(part.c))));
    else if (part.t) body.append(document.createTextNode(part.t));
  }
  return body;
}
function why(example) {
  const rules = example.rules.length ? " Rules that named a place: " + example.rules.join(", ") + "." : " No rule named a place; marks are the model's.";
  return `Coercion ${example.coercion.toFixed(3)}, severity ${example.severity.toFixed(1)} of 4, admirable ${example.admirable.toFixed(3)}; ${example.frame}, agent ${example.agent}, portrayal ${example.portrayal}.` + rules;
}
function card(example) {
  const chips = example.categories.map(([id, p]) => el("li", { class: "chip " + (kindOf(id) || "bad") }, `${words(id)} ${p.toFixed(2)}`));
  if (example.boundary) chips.push(el("li", { class: "chip" }, "near the threshold"));
  if (example.doubtful) chips.push(el("li", { class: "chip" }, "perhaps a false alarm"));
  const open = el("button", { type: "button", class: "reveal", "aria-expanded": "false" }, "Show this text");
  const body = excerpt(example);
  open.addEventListener("click", () => {
    const now = body.classList.toggle("open");
    open.setAttribute("aria-expanded", String(now));
    open.textContent = now ? "Blur this text" : "Show this text";
    veil(body);
  });
  veil(body);
  return el("article", { class: "card example" },
    el("h3", {}, example.id),
    el("p", { class: "quiet" }, `${example.source} · ${example.shard}` + (example.chars ? ` · ${number(example.chars)} characters` : "")),
    chips.length ? el("ul", { class: "chips", "aria-label": "Categories" }, chips) : null,
    body, el("p", { class: "quiet" }, why(example)), el("div", { class: "controls" }, open));
}
// A blurred text is hidden from screen readers and the keyboard too.
function veil(body) {
  const hidden = document.body.classList.contains("blurred") && !body.classList.contains("open");
  if (hidden) { body.setAttribute("aria-hidden", "true"); body.removeAttribute("tabindex"); }
  else { body.removeAttribute("aria-hidden"); body.setAttribute("tabindex", "0"); }
}
function choice(name, label, values, onchange) {
  const select = el("select", { id: "pick-" + name, onchange: (event) => onchange(name, event.target.value) },
    el("option", { value: "" }, "any"), values.map((v) => el("option", { value: v }, words(v.length > 60 ? v.slice(0, 60) + "…" : v))));
  return el("label", {}, label, select);
}
function examplesSection() {
  document.body.classList.add("blurred");
  const all = DATA.examples;
  const unique = (pick) => [...new Set(all.flatMap(pick))].sort();
  const change = (name, value) => { pool.filter = { ...pool.filter, [name]: value }; pool.shown = 8; pool.draw(); };
  const kinds = [["", "all that were sampled"], ["flagged", "flagged"], ["admirable", "admirable"], ["boundary", "near the threshold"], ["doubtful", "perhaps false alarms"]];
  const kind = el("label", {}, "Kind", el("select", { id: "pick-kind", onchange: (e) => change("kind", e.target.value) }, kinds.map(([v, t]) => el("option", { value: v }, t))));
  const selects = [
    choice("category", "Category", unique((e) => e.categories.map(([id]) => id)), change),
    choice("frame", "Frame", unique((e) => [e.frame]), change),
    choice("source", "Source", unique((e) => [e.source]), change),
  ];
  const blur = el("button", { type: "button", id: "blur", "aria-pressed": "true", onclick: () => {
    const on = document.body.classList.toggle("blurred");
    blur.setAttribute("aria-pressed", String(on));
    document.querySelectorAll(".example .body").forEach(veil);
  } }, "Blur texts");
  const count = el("p", { class: "quiet", role: "status", id: "example-count" });
  const list = el("div", { id: "example-list", class: "grid wide" });
  const more = el("button", { type: "button", onclick: () => { pool.shown += 16; pool.draw(); } }, "More");
  const clear = el("button", { type: "button", onclick: () => { pool.filter = {}; pool.shown = 8; pool.draw(); } }, "Clear filters");
  pool.draw = () => {
    const found = all.filter((example) => matches(example, pool.filter));
    for (const name of ["category", "frame", "source", "kind"]) document.getElementById("pick-" + name).value = pool.filter[name] || "";
    const said = Object.entries(pool.filter).filter(([, v]) => v).map(([k, v]) => `${k} ${words(String(v))}`);
    count.textContent = `${number(Math.min(pool.shown, found.length))} of ${number(found.length)} sampled documents shown` + (said.length ? ` (${said.join(", ")})` : "") + ".";
    list.replaceChildren(...found.slice(0, pool.shown).map(card));
    more.classList.toggle("hidden", found.length <= pool.shown);
  };
  const node = section("examples", "Examples to read",
    "Chosen by a hash of their ids, so nobody picked them by hand. Texts are blurred until you ask: they may be unpleasant, and they are the corpus's words. Marked stretches are what speaks for a category.",
    el("div", { class: "controls" }, kind, selects, clear, blur), count, list, el("div", { class: "controls" }, more));
  node.querySelector("h2").setAttribute("tabindex", "-1");
  return node;
}

// --- the audit ------------------------------------------------------------------------------
function headline(line) {
  const names = { coercion: ["AI manipulation or coercion", "A machine bends or forces somebody, in any kind of text."], enacted: ["… enacted", "The same in fiction, transcripts and instructions: shown or primed, not reported."], admirable: ["Admirable AI conduct", "A machine does well under pressure."] };
  const [title, lead] = names[line.key] || [words(line.key), ""];
  const good = kindOf(line.key);
  const fix = line.corrected;
  const max = Math.max(line.raw ? line.raw.high : 0, fix && !fix.conflict ? fix.high : 0, 1e-9) * 1.05;
  return el("div", { class: "card headline" }, el("h3", {}, title),
    el("p", { class: "quiet" }, lead),
    el("p", { class: "figure " + (good ? "admire" : "coerce") }, line.raw ? (line.raw.bound ? "≤ " + percent(line.raw.high) : percent(line.raw.value)) : "–"),
    shareBar(line, max, good),
    el("dl", { class: "facts" },
      el("dt", {}, "95 % interval"), el("dd", {}, range(line.raw)),
      el("dt", {}, "Corrected"), el("dd", {}, fix ? range(fix) : "scorer's errors not measured"),
      line.key === "coercion" && DATA.audit.review && DATA.audit.review.prevalence ? [el("dt", {}, "Read by people"), el("dd", {}, range(DATA.audit.review.prevalence))] : null,
      el("dt", {}, "Documents"), el("dd", {}, `${number(line.documents)} of ${number(line.of)}`),
      el("dt", {}, "Text"), el("dd", {}, `${bytes(line.bytes)}, about ${number(line.tokens)} tokens` + (line.byte_share === null ? "" : ` (${percent(line.byte_share)} of all bytes)`))),
    fix && fix.conflict ? el("p", { class: "quiet" }, fix.bound ? "Fewer documents are flagged here than the measured false alarms alone would give: the labelled documents are harder than this corpus, so only an upper bound can be said." :
      "More documents are flagged here than the measured recall allows: the scorer finds more of this corpus than of the labelled documents, so only a lower bound can be said.") : null,
    el("div", { class: "controls no-print" }, el("button", { type: "button", onclick: () => drill({ kind: line.key === "admirable" ? "admirable" : "flagged" }) }, "Read examples")));
}
function rowsOf(table, key) {
  const max = Math.max(1e-12, ...table.lines.map((l) => (l.raw ? (l.raw.bound ? 0 : l.raw.high) : 0)));
  const lines = table.id === "severity" ? table.lines : table.lines.slice().sort((a, b) => b.documents - a.documents);
  const row = (line) => el("button", { type: "button", class: "chart-row", title: line.corrected ? "corrected: " + range(line.corrected) : null,
    "aria-label": `${words(line.key)}: ${number(line.documents)} documents, ${line.raw ? range(line.raw) : "none"}. Show examples`,
    onclick: () => drill({ [key]: line.key, ...(key === "category" ? {} : { kind: "flagged" }) }) },
    el("span", { class: "name" }, words(line.key)),
    shareBar(line, max, key === "category" ? kindOf(line.key) : "plain"),
    el("span", { class: "value" }, line.documents ? percent(line.raw.value) : line.raw ? "≤ " + percent(line.raw.high) : "–"));
  // Kinds that were not found are folded away, with the bound that a count of zero gives.
  const none = table.id === "severity" ? [] : lines.filter((line) => line.documents === 0);
  if (none.length < 3) return lines.map(row);
  const bound = none[0].raw ? ": each at most " + percent(none[0].raw.high) : "";
  return [lines.filter((line) => line.documents > 0).map(row), el("details", { class: "none" }, el("summary", {}, `${none.length} kinds with no document${bound}`), none.map(row))];
}
function tableCard(table, key) {
  return el("div", { class: "card" }, el("h3", {}, table.title), el("p", { class: "quiet" }, "Share of " + table.of + ", with 95 % intervals."),
    el("div", {}, rowsOf(table, key)));
}
function groupTable(what, caption, groups, name) {
  return sortable(caption, [
    { name: what, text: true, value: (s) => s.key, show: name },
    { name: "Documents", value: (s) => s.documents, show: (s) => number(s.documents) },
    { name: "Flagged", value: (s) => s.coercion.documents, show: (s) => number(s.coercion.documents) },
    { name: "Share", value: (s) => (s.coercion.raw ? s.coercion.raw.value : -1), show: (s) => percent(s.coercion.raw ? s.coercion.raw.value : null) },
    { name: "95 % interval", value: (s) => (s.coercion.raw ? s.coercion.raw.high : -1), show: (s) => range(s.coercion.raw) },
    { name: "Corrected", value: (s) => (s.coercion.corrected ? s.coercion.corrected.high : -1), show: (s) => range(s.coercion.corrected) },
    { name: "Enacted", value: (s) => s.enacted.documents, show: (s) => number(s.enacted.documents) },
    { name: "Admirable", value: (s) => s.admirable.documents, show: (s) => number(s.admirable.documents) },
  ], groups, 2);
}
function sourcesSection(audit) {
  const all = audit.sources;
  const drawn = all.slice(0, 20);
  const multiples = el("div", { class: "multiples" }, drawn.map((s) => el("div", { class: "card" },
    el("h3", { title: s.key }, s.key),
    el("p", { class: "quiet small" }, `${number(s.coercion.documents)} of ${number(s.documents)} flagged`),
    bars(s.histogram, { width: 200, height: 56, from: audit.threshold, bare: true, label: `Coercion scores of ${s.key}: ${number(s.scored)} scored, ${number(s.coercion.documents)} flagged` }),
    el("p", { class: "quiet small" }, range(s.coercion.raw)))));
  const table = groupTable("Source", "Sources: flagged share of their documents", all, (s) => el("button", { type: "button", class: "drill", onclick: () => drill({ source: s.key }) }, s.key));
  const status = el("span", { class: "quiet", role: "status", id: "source-count" });
  const search = el("input", { type: "search", id: "source-filter", oninput: () => {
    const word = search.value.toLowerCase();
    const n = table.filter((s) => s.key.toLowerCase().includes(word));
    status.textContent = `${n} of ${all.length} sources`;
  } });
  const hidden = DATA.all.sources - all.length;
  return section("sources", "Where it comes from", "Scores of each source on a logarithmic scale; full colour is what is flagged. " + (hidden > 0 ? `${number(hidden)} smaller sources are in audit.json only.` : ""),
    multiples, el("div", { class: "card", id: "source-table" }, el("div", { class: "controls" }, el("label", {}, "Filter sources", search), status), table.node),
    audit.groups.map((g) => el("div", { class: "card" }, groupTable(capital(g.field), `By ${g.field}` + (g.unknown ? `; not known for ${number(g.unknown)} documents` : ""), g.groups, (s) => s.key).node)));
}
function heat(id, title, matrix, drillTo) {
  const holder = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title });
  const keep = matrix.rows.map((_, i) => i).filter((i) => matrix.counts[i].some((n) => n > 0));
  const columns = matrix.columns.map((_, j) => j).filter((j) => matrix.counts.some((row) => row[j] > 0));
  const draw = (mode) => {
    const sums = columns.map((j) => matrix.counts.reduce((s, row) => s + row[j], 0));
    const top = Math.max(1, ...matrix.counts.flat());
    const cell = (i, j, at) => {
      const n = matrix.counts[i][j];
      const base = mode === "row" ? matrix.counts[i].reduce((a, b) => a + b, 0) : mode === "column" ? sums[at] : 0;
      const share = mode === "count" ? Math.sqrt(n / top) : base ? n / base : 0;
      const level = n === 0 ? 0 : Math.min(5, 1 + Math.floor(share * 4.999));
      const text = mode === "count" ? number(n) : base ? Math.round(share * 100) + " %" : "–";
      const inside = n === 0 ? el("span", {}, mode === "count" ? "·" : text) : el("button", { type: "button", "aria-label": `${words(matrix.rows[i])}, ${words(matrix.columns[j])}: ${number(n)} documents. Show examples`, onclick: () => drill(drillTo(matrix.rows[i], matrix.columns[j])) }, text);
      return el("td", { class: "heat h" + level }, inside);
    };
    holder.replaceChildren(keep.length === 0 ? el("p", { class: "quiet" }, "No document reaches the threshold in any category.") :
      el("table", {}, el("caption", { class: "sr" }, title),
        el("thead", {}, el("tr", {}, el("td", {}), columns.map((j) => el("th", { scope: "col", class: "turn" }, el("span", {}, words(matrix.columns[j])))))),
        el("tbody", {}, keep.map((i) => el("tr", {}, el("th", { scope: "row" }, words(matrix.rows[i])), columns.map((j, at) => cell(i, j, at)))))));
  };
  const select = el("select", { id, onchange: () => draw(select.value) }, el("option", { value: "count" }, "documents"), el("option", { value: "row" }, "share of the row"), el("option", { value: "column" }, "share of the column"));
  draw("count");
  return el("div", { class: "card heat" }, el("h3", {}, title), el("div", { class: "controls" }, el("label", {}, "Show", select)), holder);
}
function explorer(audit) {
  const readout = el("output", { class: "figure", id: "explorer-share", for: "explorer-score explorer-threshold" });
  const words2 = el("p", { class: "quiet", role: "status", id: "explorer-words" });
  const chart = el("div", {});
  const slider = el("input", { type: "range", id: "explorer-threshold", min: 1, max: 199, value: Math.round(audit.threshold * 200), "aria-label": "Threshold" });
  const select = el("select", { id: "explorer-score" }, audit.histograms.filter((h) => h.score !== "severity").map((h) => el("option", { value: h.score }, words(h.score))));
  const draw = () => {
    const histogram = audit.histograms.find((h) => h.score === select.value);
    const bin = Number(slider.value), from = bin / 200;
    const above = histogram.counts.slice(bin);
    const flagged = above.reduce((a, b) => a + b, 0);
    const expected = above.reduce((sum, n, i) => sum + (n * (bin + i + 0.5)) / 200, 0);
    const missed = histogram.counts.slice(0, bin).reduce((sum, n, i) => sum + (i === 0 ? 0 : (n * (i + 0.5)) / 200), 0);
    const total = audit.totals.documents;
    slider.setAttribute("aria-valuetext", from.toFixed(3));
    readout.textContent = total ? percent(flagged / total) : "–";
    words2.textContent = `At ${from.toFixed(3)}: ${number(flagged)} of ${number(total)} documents flagged. If the probabilities are right, about ${number(Math.round(expected))} of them truly are (${flagged ? Math.round((100 * expected) / flagged) : 0} %), and about ${number(Math.round(missed))} more lie below.`;
    chart.replaceChildren(bars(histogram.counts, { from, kind: kindOf(select.value), height: 190, width: 1000, label: `Scores for ${words(select.value)}, logarithmic; ${number(flagged)} documents at or above ${from.toFixed(3)}` }));
  };
  slider.addEventListener("input", draw);
  select.addEventListener("change", draw);
  draw();
  return section("thresholds", "What another threshold would flag", "Scores of the documents that were read, on a logarithmic scale. Documents that the gate cleared have no score and are flagged at no threshold.",
    el("div", { class: "card" }, el("div", { class: "controls" }, el("label", {}, "Score", select), el("label", {}, "Threshold", slider)), readout, words2, chart));
}
function places(audit) {
  const out = audit.shards.filter((s) => s.outlier);
  const shards = sortable("Shards, the most unusual first" + (DATA.all.shards > audit.shards.length ? ` (${audit.shards.length} of ${number(DATA.all.shards)})` : ""), [
    { name: "Shard", text: true, value: (s) => s.key, show: (s) => el("button", { type: "button", class: "drill", onclick: () => drill({ shard: s.key }) }, s.key) },
    { name: "Documents", value: (s) => s.documents, show: (s) => number(s.documents) },
    { name: "Flagged", value: (s) => s.flagged, show: (s) => number(s.flagged) },
    { name: "95 % interval", value: (s) => (s.raw ? s.raw.value : -1), show: (s) => range(s.raw) },
    { name: "p", value: (s) => s.p_value, show: (s) => (s.p_value < 1e-4 ? s.p_value.toExponential(1) : s.p_value.toFixed(4)) },
    { name: "Outlier", text: true, value: (s) => (s.outlier ? "yes" : "no"), show: (s) => (s.outlier ? "yes" : "–") },
  ], audit.shards);
  const lengths = audit.lengths.length === 0 ? null : el("div", { class: "card" }, sortable("Length of the documents that were read, in characters", [
    { name: "Characters", text: true, value: (l) => l.from, show: (l) => `${number(l.from)} – ${number(l.to)}` },
    { name: "Documents", value: (l) => l.documents, show: (l) => number(l.documents) },
    { name: "Flagged", value: (l) => l.flagged, show: (l) => number(l.flagged) },
    { name: "95 % interval", value: (l) => (l.raw ? l.raw.value : -1), show: (l) => range(l.raw) },
    { name: "Admirable", value: (l) => l.admirable, show: (l) => number(l.admirable) },
  ], audit.lengths).node);
  const rules = audit.rules.length === 0 ? null : el("div", { class: "card" }, sortable("Rules that named a place most often", [
    { name: "Rule", text: true, value: (r) => r.rule, show: (r) => el("button", { type: "button", class: "drill", onclick: () => drill({ rule: r.rule }) }, r.rule) },
    { name: "Documents", value: (r) => r.documents, show: (r) => number(r.documents) },
  ], audit.rules).node);
  return section("places", "Shards, lengths, rules", out.length ? `${out.length} ${out.length === 1 ? "shard stands" : "shards stand"} out from the rest (at most one false discovery in a hundred).` : "No shard stands out from the rest.",
    el("div", { class: "card" }, shards.node), el("div", { class: "grid wide" }, lengths, rules), copies(audit));
}
function handling(audit) {
  const actions = Object.entries(audit.actions).filter(([, n]) => n > 0);
  const acted = actions.length === 0 ? el("p", { class: "quiet" }, "No ledger was found, so this is not known.") :
    el("dl", { class: "facts" }, actions.flatMap(([name, n]) => [el("dt", {}, name), el("dd", {}, number(n))]));
  const decided = Object.entries(audit.policy_rules).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]).slice(0, 20);
  const rules = decided.length === 0 ? null : [el("p", { class: "quiet" }, "Records that each rule of the policy decided:"), el("dl", { class: "facts" }, decided.flatMap(([name, n]) => [el("dt", {}, number(n)), el("dd", {}, name)]))];
  const bad = audit.quarantine.length === 0 ? el("p", { class: "quiet" }, "Nothing was quarantined.") :
    el("dl", { class: "facts" }, audit.quarantine.slice(0, 20).flatMap((q) => [el("dt", {}, number(q.records)), el("dd", {}, q.reason)]));
  const damage = audit.damage.length === 0 ? el("p", { class: "quiet" }, "No shard is damaged.") :
    el("dl", { class: "facts" }, audit.damage.slice(0, 30).flatMap((d) => [el("dt", {}, d.shard), el("dd", {}, `byte ${number(d.byte_offset)}: ${d.message}`)]));
  return section("handling", "What was done, and what could not be read", null, el("div", { class: "grid" },
    el("div", { class: "card" }, el("h3", {}, "The policy" + (audit.versions.policies.length ? ": " + audit.versions.policies.join(", ") : "")), acted, rules),
    el("div", { class: "card" }, el("h3", {}, "Quarantine"), bad), el("div", { class: "card" }, el("h3", {}, "Damage"), damage)));
}
function copies(audit) {
  const found = audit.copies;
  if (!found || found.compared === 0) return null;
  const within = found.clusters.reduce((sum, c) => sum + c.size, 0);
  return el("div", { class: "card" }, el("h3", {}, "Near-duplicates among the flagged texts"),
    el("p", {}, found.clusters.length === 0 ? `None among the ${number(found.compared)} sampled flagged texts.` :
      `Of ${number(found.compared)} sampled flagged texts, ${number(within)} have a near-duplicate among the others, in ${number(found.clusters.length)} ${found.clusters.length === 1 ? "cluster" : "clusters"}. Families with few copies in the corpus are seldom sampled twice, so there may be more.`),
    found.clusters.length ? el("dl", { class: "facts" }, found.clusters.slice(0, 12).flatMap((c) => [el("dt", {}, `${number(c.size)} texts`), el("dd", {}, c.documents.slice(0, 4).join("; ") + (c.size > 4 ? " …" : ""))])) : null);
}
function people(audit) {
  const r = audit.review;
  if (!r) return null;
  const open = r.bands.filter((b) => b.documents > 0 && b.labelled === 0).length;
  const band = (b) => (b.scored ? "from " + b.from.toFixed(1) : "cleared unread");
  return section("people", "What people found", `${number(r.labelled)} documents were read and answered` + (r.unsure ? `, ${number(r.unsure)} more left open as unsure` : "") + ". Their answers hold for this corpus, whatever the scorer's errors are elsewhere.",
    el("div", { class: "grid" },
      [["All documents", r.prevalence], ["Documents that were scored", r.scored_prevalence], ["Flagged documents: precision", r.precision]].map(([title, e]) =>
        el("div", { class: "card" }, el("h3", {}, title), el("p", { class: "figure" }, e ? (e.bound ? "≤ " + percent(e.high) : percent(e.value)) : "–"),
          el("p", { class: "quiet" }, e ? range(e) : open ? "Some bands have no answers yet, so nothing can be said." : "There are none.")))),
    el("div", { class: "card" }, sortable("Answers by band of the coercion score", [
      { name: "Score", text: true, value: (b) => (b.scored ? b.from : -1), show: band },
      { name: "Documents", value: (b) => b.documents, show: (b) => number(b.documents) },
      { name: "Answered", value: (b) => b.labelled, show: (b) => number(b.labelled) },
      { name: "Yes", value: (b) => b.yes, show: (b) => number(b.yes) },
      { name: "95 % interval", value: (b) => (b.share ? b.share.value : -1), show: (b) => range(b.share) },
    ], r.bands).node));
}
function method(audit) {
  const questions = Object.entries(audit.quality.questions);
  const quality = questions.map(([id, q]) => {
    const recall = q.true_positives / (q.true_positives + q.false_negatives), alarm = q.false_positives / (q.false_positives + q.true_negatives);
    return el("li", {}, `${words(id)}: ${number(q.true_positives)} found and ${number(q.false_negatives)} missed of ${number(q.true_positives + q.false_negatives)} true ones (recall ${percent(recall)}); ${number(q.false_positives)} false alarms among ${number(q.false_positives + q.true_negatives)} others (${percent(alarm)}).`);
  });
  const v = audit.versions;
  return section("method", "How sure, and how to repeat it", null,
    el("div", { class: "grid wide" },
      el("div", { class: "card" }, el("h3", {}, "Intervals"),
        el("p", {}, "Raw intervals are Jeffreys'; they say how far the flagged share would move had other documents been drawn from the same stream. A count of zero gives an upper bound."),
        el("p", {}, "Corrected intervals invert a likelihood-ratio test that takes the flags here and the scorer's right and wrong answers on labelled documents together, so that they carry the uncertainty of both. In the charts they are the wide line below the bar."),
        el("p", {}, "The scorer's answers: " + audit.quality.summary + "."), el("ul", {}, quality)),
      el("div", { class: "card" }, el("h3", {}, "Limits"),
        el("ul", {}, ["The figures say what the scorer says. Where its errors were not measured, nothing is corrected.",
          "The correction holds as far as the labelled documents resemble this corpus; a corpus that is easier or stranger has other error rates.",
          "Documents that the gate cleared count as not flagged and have no score, length or frame.",
          "Shares of bytes put the text of the flagged documents over the whole decoded records, markup included, so they are a little low. " + (audit.totals.tokens_counted
            ? "The tokens of the whole were counted; those of parts are bytes over " + audit.totals.bytes_per_token.toFixed(3) + ", the mean of the whole."
            : "Tokens are bytes over " + audit.totals.bytes_per_token + ": an estimate."),
          "A document with several kinds of conduct counts in each. Frame, agent and portrayal are the likeliest of their kind, among flagged documents only.",
          "“Perhaps a false alarm” means: somebody other than a machine is held to act, no machine is in the text, or no place speaks for a category."].map((t) => el("li", {}, t)))),
      el("div", { class: "card" }, el("h3", {}, "Repeat it"), el("pre", { tabindex: "0" }, DATA.command),
        el("dl", { class: "facts" }, [["Program", "parable " + audit.parable], ["Filter set", v.filter_sets.join(", ") || "not known"], ["Model", v.models.join(", ") || "not known"], ["Gate", v.gates.join(", ") || "not known"], ["Inputs", audit.inputs.join(", ")]].flatMap(([k, t]) => [el("dt", {}, k), el("dd", {}, t)])))));
}
function auditPage() {
  const audit = DATA.audit, t = audit.totals;
  const table = (id) => audit.tables.find((x) => x.id === id);
  const facts = `${number(t.documents)} documents in ${number(t.shards)} ${t.shards === 1 ? "shard" : "shards"}` + (t.bytes === null ? "" : `, ${bytes(t.bytes)}, ${t.tokens_counted ? "" : "about "}${number(t.tokens)} tokens`) + `. The gate let ${number(t.scored)} through to be scored; ${number(t.quarantined)} could not be read.`;
  const heatLead = "Documents that reach the threshold. Each cell leads to examples.";
  frame("Parable audit", [["overview", "Overview"], ["kinds", "Kinds"], ...(audit.review ? [["people", "People"]] : []), ["sources", "Sources"], ["heat", "Heat maps"], ["thresholds", "Thresholds"], ["examples", "Examples"], ["places", "Shards"], ["handling", "Handling"], ["method", "Method"]], [
    el("section", { id: "overview", "aria-labelledby": "overview-title" }, el("header", {}, el("h1", { id: "overview-title" }, "What this dataset teaches about machines and power"), el("p", { class: "lead" }, facts)),
      notices(audit.notices), el("h2", { class: "sr" }, "In short"), el("div", { class: "grid" }, audit.headline.map(headline))),
    section("kinds", "What happens in the flagged documents", "Bars are shares, thin lines their 95 % intervals. Each row leads to examples.",
      el("div", { class: "grid wide" }, tableCard(table("coercion_categories"), "category"), tableCard(table("admirable_categories"), "category"),
        tableCard(table("frames"), "frame"), tableCard(table("agents"), "agent"), tableCard(table("portrayals"), "portrayal"), tableCard(table("severity"), "severity"))),
    people(audit), sourcesSection(audit),
    section("heat", "What goes with what", heatLead, heat("heat-frames", "Categories by kind of text", audit.category_frames, (row, column) => ({ category: row, frame: column })),
      heat("heat-together", "Categories that occur together", audit.cooccurrence, (row) => ({ category: row }))),
    explorer(audit), examplesSection(), places(audit), handling(audit), method(audit),
    el("footer", {}, "Made by parable " + audit.parable + ". This page holds everything it shows and asks nothing of any network."),
  ]);
  pool.draw();
}
auditPage();
