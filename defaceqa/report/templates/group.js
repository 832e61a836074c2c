"use strict";
// Sorting, filtering and the plot of a group page. The page holds all scans already: this only moves and hides them.
(() => {
  const data = JSON.parse(document.getElementById("plots").textContent);
  const body = document.querySelector("#scans tbody");
  const rows = [...body.rows];
  const cards = [...document.querySelectorAll(".card")];
  const form = document.getElementById("filters");
  const totals = [...document.querySelectorAll("[data-only]")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  let shown = rows.map(() => true);

  // ---- filter
  function filter() {
    const wanted = Object.fromEntries(new FormData(form));
    const words = (wanted.text || "").toLowerCase().split(/\s+/).filter(Boolean);
    shown = data.scans.map(() => false);
    let found = 0;
    for (const [place, row] of rows.entries()) {
      const match =
        ["verdict", "method", "site"].every((key) => !wanted[key] || row.dataset[key] === wanted[key]) &&
        words.every((word) => texts[place].includes(word));
      row.hidden = !match;
      shown[row.dataset.row] = match;
      found += match;
    }
    for (const card of cards) card.hidden = !shown[card.dataset.row];
    for (const button of totals) button.setAttribute("aria-pressed", String(button.dataset.only === wanted.verdict));
    document.getElementById("found").textContent =
      found === rows.length ? `${found} scans` : `${found} of ${rows.length} scans`;
    plot();
  }
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  for (const button of totals) {
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") === "true";
      form.elements.verdict.value = on ? "" : button.dataset.only;
      filter();
    });
  }

  // ---- sort
  const heads = [...document.querySelectorAll("#scans thead th")];
  const order = new Intl.Collator("en", { numeric: true });
  const key = (row, column) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
  for (const [column, head] of heads.entries()) {
    head.firstElementChild.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const numbers = rows.every((row) => { const text = key(row, column); return text === "" || !Number.isNaN(Number(text)); });
      const compare = (a, b) => (numbers ? Number(a) - Number(b) : order.compare(a, b));
      // what is not known comes last both ways
      const sorted = rows.slice().sort((a, b) => {
        const [first, second] = [key(a, column), key(b, column)];
        if (first === "" || second === "") return (first === "") - (second === "");
        return up ? compare(first, second) : compare(second, first);
      });
      body.append(...sorted);
    });
  }

  // ---- plot
  const select = document.getElementById("feature");
  const holder = document.getElementById("plot");
  const read = document.getElementById("read");
  const methods = [...new Set(data.scans.map((scan) => scan[3]))].sort();
  const ns = "http://www.w3.org/2000/svg";
  const made = (name, attributes, parent) => {
    const element = document.createElementNS(ns, name);
    for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
    parent.append(element);
    return element;
  };
  const shapes = {
    pass: (x, y) => `M${x - 4} ${y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z`,
    review: (x, y) => `M${x - 4} ${y - 4}h8v8h-8Z`,
    fail: (x, y) => `M${x} ${y - 5}L${x + 5} ${y + 4}H${x - 5}Z`,
    error: (x, y) => `M${x} ${y - 5}L${x + 5} ${y}L${x} ${y + 5}L${x - 5} ${y}Z`,
  };
  const quantile = (sorted, share) => {
    const at = (sorted.length - 1) * share, low = Math.floor(at);
    return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
  };
  const write = (value) => String(Number(value.toPrecision(3)));
  let lines = [];

  function plot() {
    const feature = data.features.find((each) => each.name === select.value);
    const values = data.values[feature.name];
    const known = values.filter((value) => value !== null);
    const low = Math.min(...known), high = Math.max(...known), span = high - low || 1;
    const width = Math.max(320, holder.clientWidth || 900), left = 8, right = width - 12, step = 74;
    const height = methods.length * step + 30;
    const x = (value) => left + ((value - low) / span) * (right - left);
    const svg = document.createElementNS(ns, "svg");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", `${feature.meaning}, by method`);
    lines = methods.map((method, line) => {
      const y = line * step + 50;
      const marks = values
        .map((value, scan) => ({ value, scan }))
        .filter(({ value, scan }) => value !== null && shown[scan] && data.scans[scan][3] === method)
        .sort((a, b) => a.value - b.value);
      made("text", { x: left, y: y - 28, class: "method" }, svg).textContent = `${method} (${marks.length})`;
      if (marks.length) {
        const sorted = marks.map(({ value }) => value);
        const [first, middle, last] = [0.25, 0.5, 0.75].map((share) => x(quantile(sorted, share)));
        made("rect", { x: first, y: y - 18, width: Math.max(1, last - first), height: 36, class: "band" }, svg);
        made("line", { x1: middle, x2: middle, y1: y - 18, y2: y + 18, class: "median" }, svg);
      }
      made("line", { x1: left, x2: right, y1: y, y2: y, class: "axis" }, svg);
      return marks.map(({ value, scan }, place) => {
        const [name, link, verdict] = data.scans[scan];
        const said = `${name}: ${verdict}, ${write(value)} ${feature.unit}`;
        const anchor = made("a", { class: verdict, tabindex: "-1", "aria-label": said }, svg);
        if (link) anchor.setAttribute("href", encodeURIComponent(link));
        const lift = ((place * 7919) % 31) - 15;
        made("path", { class: "mark", d: shapes[verdict](x(value), y + lift) }, anchor);
        anchor.dataset.said = said;
        return anchor;
      });
    });
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      const value = low + share * span;
      const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle";
      made("text", { x: x(value), y: height - 6, "text-anchor": anchor }, svg).textContent =
        write(value) + (share === 1 && feature.unit ? " " + feature.unit : "");
    }
    const first = lines.find((line) => line.length);
    if (first) first[0].setAttribute("tabindex", "0");
    holder.replaceChildren(svg);
  }
  const say = (event) => {
    const anchor = event.target.closest && event.target.closest("a");
    if (anchor) read.textContent = anchor.dataset.said;
  };
  holder.addEventListener("pointerover", say);
  holder.addEventListener("focusin", say);
  holder.addEventListener("keydown", (event) => {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    const full = lines.filter((line) => line.length);
    const line = full.findIndex((each) => each.includes(document.activeElement));
    if (!step || line < 0) return;
    event.preventDefault();
    const target = full[Math.min(Math.max(line + step[0], 0), full.length - 1)];
    const place = full[line].indexOf(document.activeElement);
    const next = target[Math.min(Math.max(place + step[1], 0), target.length - 1)];
    document.activeElement.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });
  select.addEventListener("change", plot);
  let width = 0;
  new ResizeObserver(() => {
    if (holder.clientWidth !== width) { width = holder.clientWidth; plot(); }
  }).observe(holder);
  filter();
})();
