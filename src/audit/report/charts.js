"use strict";
// Small helpers for elements, numbers and charts. Text only ever goes in through textContent.
const NS = "http://www.w3.org/2000/svg";
function el(name, props, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined));
  return node;
}
function svg(name, props, ...children) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(props || {})) node.setAttribute(key, String(value));
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined));
  return node;
}
const whole = new Intl.NumberFormat("en-GB");
const small = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 12 });
const number = (n) => whole.format(n);
function percent(share) {
  if (share === null || share === undefined) return "–";
  const p = share * 100;
  if (p === 0) return "0 %";
  const shown = p >= 99.95 ? p.toFixed(0) : p >= 10 ? p.toFixed(1) : p >= 1 ? p.toFixed(2) : small.format(Number(p.toPrecision(2)));
  return shown + " %";
}
function bytes(n) {
  if (n === null || n === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (n >= 1000 && at < 4) { n /= 1000; at++; }
  return (at === 0 ? n : n.toPrecision(3)) + " " + units[at];
}
function range(estimate) {
  if (!estimate) return "–";
  if (estimate.bound) return "at most " + percent(estimate.high);
  return percent(estimate.low) + " to " + percent(estimate.high);
}
const words = (id) => id.replaceAll("_", " ");
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// A bar with the raw interval (thin) and the corrected one (wide, behind). `max` is the right edge.
function shareBar(line, max, kind) {
  const width = 320, height = 22, x = (v) => Math.min(v / max, 1) * width;
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", width: "100%", height, "aria-hidden": "true" });
  chart.append(svg("line", { x1: 0, x2: width, y1: height - 1, y2: height - 1, class: "gridline" }));
  const fix = line.corrected;
  if (fix) chart.append(svg("line", { x1: x(fix.low), x2: Math.max(x(fix.high), x(fix.low) + 1), y1: 18, y2: 18, class: "whisker fix" }));
  if (line.raw) {
    chart.append(svg("rect", { x: 0, y: 4, width: Math.max(x(line.raw.value), line.documents ? 1 : 0), height: 10, rx: 2, class: "bar-mark " + kind }));
    chart.append(svg("line", { x1: x(line.raw.low), x2: Math.max(x(line.raw.high), x(line.raw.low) + 1), y1: 9, y2: 9, class: "whisker" }));
  }
  return chart;
}
// A histogram; `from` is the share of the width from which bars are in full colour.
function bars(counts, options) {
  const { width = 640, height = 150, from = 0, kind = "", max = 1, log = true, label } = options;
  const scale = (n) => (log ? Math.log10(n + 1) : n);
  const top = Math.max(1e-9, ...counts.map(scale));
  const pad = options.bare ? 0 : 20, inner = height - pad, w = width / counts.length;
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, width: "100%", role: "img", "aria-label": label });
  counts.forEach((n, i) => {
    const h = (scale(n) / top) * (inner - 4);
    if (n > 0) chart.append(svg("rect", { x: i * w + 0.3, y: inner - h, width: Math.max(w - 0.6, 0.5), height: h, class: "bar-mark " + kind + (i / counts.length + 1e-9 < from ? " off" : "") }));
  });
  chart.append(svg("line", { x1: 0, x2: width, y1: inner, y2: inner, class: "axis" }));
  if (!options.bare) {
    for (let i = 0; i <= 4; i++) {
      const anchor = i === 0 ? "start" : i === 4 ? "end" : "middle";
      chart.append(svg("text", { x: (width * i) / 4, y: height - 5, "text-anchor": anchor }, String((max * i) / 4)));
    }
    chart.append(svg("line", { x1: from * width, x2: from * width, y1: 0, y2: inner, class: "rule" }));
  }
  return chart;
}
// A table that sorts by any column. A column: {name, text?, value(row), show(row)}.
function sortable(caption, columns, rows, start) {
  const state = { by: start === undefined ? -1 : start, down: true };
  const body = el("tbody");
  const heads = columns.map((column, i) =>
    el("th", { scope: "col", class: column.text ? "text" : "" }, el("button", { type: "button", onclick: () => {
      state.down = state.by === i ? !state.down : !column.text;
      state.by = i;
      draw();
    } }, column.name)));
  let shown = rows;
  function draw() {
    heads.forEach((head, i) => {
      if (i === state.by) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const list = shown.slice();
    if (state.by >= 0) {
      const value = columns[state.by].value;
      list.sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        const order = typeof x === "string" ? x.localeCompare(y) : (x ?? -1) - (y ?? -1);
        return state.down ? -order : order;
      });
    }
    body.replaceChildren(...list.map((row) => el("tr", {}, columns.map((column, i) => {
      const content = column.show ? column.show(row) : String(column.value(row));
      return i === 0 ? el("th", { scope: "row" }, content) : el("td", { class: column.text ? "text" : "" }, content);
    }))));
  }
  draw();
  const node = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, heads)), body));
  return { node, filter(keep) { shown = rows.filter(keep); draw(); return shown.length; } };
}
