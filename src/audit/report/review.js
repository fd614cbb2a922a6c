// The human check: one document at a time, answered by key or button, saved as JSON lines.
function reviewPage() {
  const items = DATA.items;
  const store = "parable-review-" + DATA.fingerprint;
  const answers = new Map();
  let at = 0, saved = true;
  // Browsers may refuse storage to pages from disk; then only the saved file keeps answers.
  const remember = () => { try { localStorage.setItem(store, JSON.stringify([...answers])); } catch { /* said on the page */ } };
  try { for (const [i, a] of JSON.parse(localStorage.getItem(store) || "[]")) if (items[i]) answers.set(i, a); } catch { /* nothing was kept */ }
  const open = items.findIndex((_, i) => !answers.has(i));
  at = open < 0 ? 0 : open;

  const lines = () => [...answers].sort((a, b) => a[0] - b[0]).map(([i, answer]) =>
    JSON.stringify({ shard: items[i].key.shard, id: items[i].key.id, band: items[i].band, answer, versions: DATA.versions }).replace(/[\u2028\u2029]/g, (c) => "\\u" + c.charCodeAt(0).toString(16)) + "\n").join("");
  const progress = el("p", { class: "quiet", role: "status", id: "progress" });
  const meter = el("progress", { max: Math.max(items.length, 1), value: 0, "aria-label": "Answered" });
  const holder = el("div", { id: "document" });
  const choices = [["yes", "Yes", "y"], ["no", "No", "n"], ["unsure", "Unsure", "u"]];
  const buttons = choices.map(([id, name, letter]) => el("button", { type: "button", class: "answer", id: "answer-" + id, "aria-keyshortcuts": letter, "aria-pressed": "false", onclick: () => give(id) }, name, el("kbd", {}, letter)));
  const back = el("button", { type: "button", "aria-keyshortcuts": "ArrowLeft", onclick: () => move(-1) }, "Back", el("kbd", {}, "←"));
  const on = el("button", { type: "button", "aria-keyshortcuts": "ArrowRight", onclick: () => move(1) }, "Next", el("kbd", {}, "→"));
  const save = el("button", { type: "button", id: "save", "aria-keyshortcuts": "s", onclick: () => {
    const address = URL.createObjectURL(new Blob([lines()], { type: "application/x-ndjson" }));
    el("a", { href: address, download: "labels.jsonl" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
    saved = true;
    draw();
  } }, "Save answers", el("kbd", {}, "s"));
  function give(answer) {
    answers.set(at, answer);
    saved = false;
    remember();
    if (at + 1 < items.length) at++;
    draw();
  }
  function move(by) { at = Math.min(Math.max(at + by, 0), items.length - 1); draw(); }
  function draw() {
    const item = items[at];
    meter.value = answers.size;
    progress.textContent = items.length === 0 ? "There are no documents to read." :
      `Document ${number(at + 1)} of ${number(items.length)}; ${number(answers.size)} answered` + (answers.size && !saved ? ", not saved to a file yet." : ".");
    buttons.forEach((button, i) => {
      button.setAttribute("aria-pressed", String(answers.get(at) === choices[i][0]));
      button.disabled = items.length === 0;
    });
    save.disabled = answers.size === 0;
    if (!item) return;
    const text = el("div", { class: "body", tabindex: "0", role: "group", "aria-label": "Text" });
    if (!item.text.length) text.append(el("span", { class: "gap" }, item.missing || "No text."));
    for (const part of item.text) {
      if (part.gap) text.append(el("span", { class: "gap" }, " […] "));
      if (part.c) text.append(el("mark", { class: kindOf(part.c) }, part.t));
      else if (part.t) text.append(document.createTextNode(part.t));
    }
    holder.replaceChildren(el("article", { class: "card reading" }, el("h2", {}, item.key.id), el("p", { class: "quiet" }, `${item.source} · ${item.key.shard}` + (item.chars ? ` · ${number(item.chars)} characters` : "")), text,
      el("details", { class: "none" }, el("summary", {}, "What the scorer says (better looked at after answering)"),
        el("p", {}, item.chars === 0 ? "The gate cleared this document; it has no scores." : `Coercion ${item.coercion.toFixed(3)}, severity ${item.severity.toFixed(1)} of 4, admirable ${item.admirable.toFixed(3)}; ${item.frame}, agent ${item.agent}, portrayal ${item.portrayal}.`),
        item.categories.length ? el("p", {}, item.categories.map(([id, p]) => `${words(id)} ${p.toFixed(2)}`).join(", ")) : null,
        item.rules.length ? el("p", {}, "Rules: " + item.rules.join(", ")) : null)));
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const choice = choices.find(([, , letter]) => letter === event.key);
    if (choice && items.length) give(choice[0]);
    else if (event.key === "ArrowLeft") move(-1);
    else if (event.key === "ArrowRight") move(1);
    else if (event.key === "s" && answers.size) save.click();
    else return;
    event.preventDefault();
  });
  addEventListener("beforeunload", (event) => { if (!saved) event.preventDefault(); });
  frame("Parable review", [["question", "Question"], ["repeat", "Afterwards"]], [
    el("section", { id: "question", "aria-labelledby": "question-title" },
      el("header", {}, el("h1", { id: "question-title" }, "Does a machine manipulate or coerce somebody in this text?"),
        el("p", { class: "lead" }, "In any kind of text, told with approval or without. A person who coerces by means of a machine is a no; a machine that is only said to be able to is a no. Marks are places that the scorer held to speak for a category.")),
      meter, progress, holder, el("div", { class: "controls answers" }, buttons, back, on, save)),
    section("repeat", "Afterwards", "Answers stay in this browser where it allows that; the file is what counts.",
      el("div", { class: "card" }, el("p", {}, "Give the saved file to the audit: its estimates for all documents then rest on your answers, and the scorer's precision in each band is shown."), el("pre", { tabindex: "0" }, DATA.command))),
    el("footer", {}, "Made by parable. Documents were drawn at random by a hash of their ids. This page asks nothing of any network."),
  ]);
  draw();
}
reviewPage();
