"use strict";
// Loss curves that can be read, zoomed and switched. Every name and text is data, never markup.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const UNITS = {
  step: [[1, "step"]],
  tokens: [[1, "tokens"], [1e6, "million tokens"], [1e9, "billion tokens"]],
  time: [[1, "seconds of training"], [60, "minutes of training"], [3600, "hours of training"]],
};
const TITLES = { lr: "learning rate", grad_norm: "gradient norm", speed: "tokens/s" };
const DASHES = ["", "7 4", "2 3"];
const LEFT = 62, RIGHT = 14, TOP = 24, BOTTOM = 24;
const state = {
  x: data.view.x, log: data.view.log, full: data.view.full, smooth: data.view.smooth,
  panels: new Set(data.view.panels), hidden: new Set(), range: null, cursor: null, drag: null,
};
let charts = [];

// --- numbers ---------------------------------------------------------------------------------

const number = (v) => v === 0 ? "0" : Math.abs(v) >= 1000 ? Math.round(v).toLocaleString("en")
  : Math.abs(v) < 0.001 ? v.toExponential(2) : String(Number(v.toFixed(4)));

function ticks(low, high, count) {
  const raw = (high - low) / Math.max(count, 2), power = 10 ** Math.floor(Math.log10(raw));
  const gap = [1, 2, 5, 10].map((m) => m * power).find((g) => g >= raw * 0.999);
  const digits = Math.max(0, -Math.floor(Math.log10(gap * 1.001))), found = [];
  for (let n = Math.ceil(low / gap); n <= Math.floor(high / gap + 1e-9); n++) {
    const label = n === 0 ? "0" : gap < 1e-4 ? (n * gap).toExponential(1)
      : (n * gap).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    found.push([n * gap, label]);
  }
  return found;
}

// A centred average, as the terminal and the pictures have it: at the start it shrinks.
function smoothed(values, reach) {
  const sums = [0];
  for (const value of values) sums.push(sums[sums.length - 1] + value);
  return values.map((_, i) => {
    const left = Math.min(i, reach), right = Math.min(left, values.length - 1 - i);
    return (sums[i + right + 1] - sums[i - left]) / (left + right + 1);
  });
}

function reachOf(count) {
  return state.smooth === null ? Math.floor(count / 30) : Math.floor(count * state.smooth / 200);
}

// [x, value] pairs of a series along the present axis
function points(run, name, smooth) {
  const series = run.series[name];
  if (!series) return [];
  const values = smooth ? smoothed(series.value, reachOf(series.value.length)) : series.value;
  const along = series[state.x], found = [];
  values.forEach((v, i) => { if (along[i] !== null) found.push([along[i], v, i]); });
  return found;
}

const nearest = (line, x) => line.reduce((a, b) => Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a);
const visibleRuns = () => data.runs.filter((_, i) => !state.hidden.has(i));

// --- drawing ---------------------------------------------------------------------------------

function node(kind, attributes, parent, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

function whole() {
  const all = data.runs.flatMap((run) => ["train", "val"].flatMap((n) => points(run, n).map((p) => p[0])));
  const low = all.length ? Math.min(...all) : 0, high = all.length ? Math.max(...all) : 1;
  return [low, high > low ? high : low + 1];
}

function lossRange(lines, [first, last]) {
  const inside = lines.flatMap((line) => line.filter((p) => p[0] >= first && p[0] <= last));
  const values = inside.map((p) => p[1]).filter((v) => !state.log || v > 0);
  if (!values.length) return [state.log ? 0.1 : 0, 1, null];
  const scale = state.log ? Math.log : (v) => v;
  const low = Math.min(...values), top = Math.max(...values), [start, end] = whole();
  const later = inside.filter((p) => p[0] > start + 0.05 * (end - start)).map((p) => p[1]);
  const high = later.length >= 5 ? Math.max(...later) : top;
  const cut = !state.full && scale(top) - scale(low) > 2 * (scale(high) - scale(low));
  const shown = cut ? high : top;
  const room = 0.06 * (scale(shown) - scale(low)) || 0.1;
  const back = state.log ? Math.exp : (v) => v;
  return [back(scale(low) - room), back(scale(shown) + room), cut ? top : null];
}

// smoothed, peaks no higher than the rest
function even(found, most) {
  const values = smoothed(found.map((p) => Math.min(p[1], most)), reachOf(found.length));
  return found.map((p, i) => [p[0], values[i]]);
}

function panelRange(lines, [first, last]) {
  const inside = lines.flatMap((line) => line.filter((p) => p[0] >= first && p[0] <= last).map((p) => p[1]));
  if (!inside.length) return [0, 1, 1];
  const sorted = inside.sort((a, b) => a - b), high = sorted[Math.ceil(sorted.length * 0.98) - 1];
  const top = sorted[sorted.length - 1] <= 2 * high ? sorted[sorted.length - 1] : 1.3 * high;
  return [Math.min(0, sorted[0]), 1.08 * top || 1, high];
}

function frame(kind, height, title, unit, label) {
  const width = Math.max(280, $("charts").clientWidth);
  const svg = node("svg", { height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title }, $("charts"));
  const [first, last] = state.range || whole();
  const x = (v) => LEFT + (v - first) / (last - first) * (width - LEFT - RIGHT);
  const chart = { kind, svg, x, width, height, first, last };
  node("text", { x: LEFT, y: 14, class: "title" }, svg, title);
  const clip = `clip-${kind}`;
  const box = node("clipPath", { id: clip }, node("defs", {}, svg));
  node("rect", { x: LEFT - 6, y: TOP - 6, width: width - LEFT - RIGHT + 12, height: height - TOP - BOTTOM + 12 }, box);
  chart.grid = node("g", {}, svg);
  chart.inside = node("g", { "clip-path": `url(#${clip})` }, svg);
  chart.over = node("g", {}, svg);
  const found = ticks(first / unit, last / unit, Math.floor(width / 130)).filter(([v]) => state.x === "time" || unit > 1 || Number.isInteger(Number(v.toFixed(6))));
  for (const [v, text] of found) {
    const at = x(v * unit);
    const anchor = at > width - 40 ? "end" : "middle";
    node("text", { x: at, y: height - 6, "text-anchor": anchor }, svg, text);
  }
  if (label) node("text", { x: width - RIGHT, y: 14, "text-anchor": "end" }, svg, label);
  return chart;
}

function rule(chart, low, high, log) {
  const scale = log ? Math.log : (v) => v, bottom = chart.height - BOTTOM;
  chart.y = (v) => bottom - (scale(v) - scale(low)) / (scale(high) - scale(low)) * (bottom - TOP);
  let marks = ticks(low, high, Math.floor(chart.height / 55));
  if (log && high / low > 4) {
    marks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
      for (const m of [1, 2, 5]) marks.push([m * 10 ** power, number(m * 10 ** power)]);
  }
  for (const [v, text] of marks.filter(([v]) => v >= low && v <= high && (!log || v > 0))) {
    const y = chart.y(v);
    node("line", { x1: LEFT, x2: chart.width - RIGHT, y1: y, y2: y, class: "grid" }, chart.grid);
    node("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, chart.grid, text);
  }
}

function line(chart, run, kind, found) {
  const drawn = found.filter((p) => !state.log || chart.kind !== "loss" || p[1] > 0);
  if (!drawn.length) return;
  const style = `stroke: var(--hue${run.hue})`;
  if (drawn.length === 1) {
    node("circle", { cx: chart.x(drawn[0][0]), cy: chart.y(drawn[0][1]), r: 3.5, style: `fill: var(--hue${run.hue})` }, chart.inside);
    return;
  }
  const path = drawn.map((p, i) => `${i ? "L" : "M"}${chart.x(p[0]).toFixed(1)} ${chart.y(p[1]).toFixed(1)}`).join("");
  node("path", { d: path, class: kind, style, "stroke-dasharray": kind === "raw" ? "" : DASHES[run.dash] }, chart.inside);
}

function drawLoss(unit, label) {
  const runs = visibleRuns();
  const chart = frame("loss", Math.max(260, Math.min(420, innerHeight * 0.5)), $("charts").clientWidth < 560 ? "loss" : "loss: validation (thick), training (thin)", unit, label);
  const lines = runs.flatMap((run) => [points(run, "train", true), points(run, "val")]);
  const [low, high, top] = lossRange(lines, [chart.first, chart.last]);
  rule(chart, low, high, state.log);
  if (top !== null) node("text", { x: chart.width - RIGHT, y: TOP + 12, "text-anchor": "end" }, chart.over, `▲ up to ${number(top)}: first steps`);
  let onsets = 0;
  for (const run of runs) {
    const start = run.untrained ? 1 : 0, val = points(run, "val");
    line(chart, run, "raw", points(run, "train"));
    line(chart, run, "train", points(run, "train", true));
    line(chart, run, "val", val.slice(start));
    if (start) line(chart, run, "val", val.slice(0, 1));
    for (const [x, v, i] of val) {
      if (i === run.best && (!state.log || v > 0))
        node("circle", { cx: chart.x(x), cy: chart.y(v), r: 5, class: "best", style: `stroke: var(--hue${run.hue})` }, chart.inside);
      if (i === run.best && run.overfits) {
        const at = chart.x(x), left = at > chart.width - 140;
        node("line", { x1: at, x2: at, y1: TOP, y2: chart.height - BOTTOM, class: "onset", style: `stroke: var(--hue${run.hue})` }, chart.inside);
        node("text", { x: at + (left ? -6 : 6), y: TOP + 12 + 15 * (onsets++ + (top !== null)), class: "onset-label", "text-anchor": left ? "end" : "start", style: `fill: var(--hue${run.hue})` }, chart.inside, "overfits from here");
      }
    }
  }
  const told = data.runs[Number($("of").value)];
  for (const sample of told && !state.hidden.has(data.runs.indexOf(told)) ? told.samples : []) {
    if (sample[state.x] === null) continue;
    const at = chart.x(sample[state.x]), y = chart.height - BOTTOM;
    node("line", { x1: at, x2: at, y1: y, y2: y - 7, class: "sample" }, chart.inside);
  }
  return chart;
}

function draw() {
  $("charts").replaceChildren($("tip"));
  const last = (state.range || whole())[1];
  const [unit, label] = UNITS[state.x].filter(([u]) => u === 1 || last >= 2 * u).pop();
  charts = [drawLoss(unit, label)];
  for (const name of Object.keys(TITLES).filter((n) => state.panels.has(n))) {
    const chart = frame(name, 150, TITLES[name], unit, "");
    const lines = visibleRuns().map((run) => points(run, name));
    const [low, high, most] = panelRange(lines, [chart.first, chart.last]);
    rule(chart, low, high, false);
    visibleRuns().forEach((run, i) => {
      if (name !== "lr") line(chart, run, "raw", lines[i]);
      line(chart, run, "panel", name === "lr" ? lines[i] : even(lines[i], most));
    });
    charts.push(chart);
  }
  $("whole").disabled = state.range === null;
  point();
}

// --- reading values --------------------------------------------------------------------------

function point() {
  for (const chart of charts) chart.over.querySelectorAll(".now").forEach((n) => n.remove());
  $("tip").hidden = state.cursor === null;
  if (state.cursor === null) return;
  const steps = visibleRuns().flatMap((run) => ["train", "val"].flatMap((n) => points(run, n)));
  if (!steps.length) { $("tip").hidden = true; return; }
  const x = nearest(steps, state.cursor)[0];
  const names = ["val", "train", ...Object.keys(TITLES).filter((n) => state.panels.has(n))];
  for (const chart of charts)
    node("line", { x1: chart.x(x), x2: chart.x(x), y1: TOP, y2: chart.height - BOTTOM, class: "cursor now" }, chart.over);
  const rows = visibleRuns().map((run) => [run, names.map((name) => {
    const found = points(run, name, name === "train");
    if (!found.length) return "–";
    const at = nearest(found, x), chart = charts.find((c) => c.kind === name) || charts[0];
    if (!state.log || chart !== charts[0] || at[1] > 0)
      node("circle", { cx: chart.x(at[0]), cy: chart.y(at[1]), r: 3, class: "now", style: `fill: var(--hue${run.hue})` }, chart.over);
    return number(at[1]);
  })]);
  tell(x, names, rows);
}

function tell(x, names, rows) {
  const [unit, label] = UNITS[state.x].filter(([u]) => u === 1 || charts[0].last >= 2 * u).pop();
  const head = document.createElement("div"), table = document.createElement("table");
  head.textContent = `${label} ${unit > 1 || state.x === "time" ? (x / unit).toFixed(2) : number(x)}`;
  const cells = [["", ...names.map((n) => ({ val: "validation", train: "training" }[n] || TITLES[n]))],
    ...rows.map(([run, values]) => [run.name, ...values])];
  cells.forEach((texts, r) => {
    const row = table.insertRow();
    texts.forEach((text, c) => {
      const cell = document.createElement(r ? "td" : "th");
      cell.textContent = text;
      if (r && !c) cell.style.color = `var(--hue${rows[r - 1][0].hue})`;
      row.append(cell);
    });
  });
  $("tip").replaceChildren(head, table);
  const at = charts[0].x(x), width = $("tip").offsetWidth, room = $("charts").clientWidth;
  $("tip").style.left = `${Math.max(0, at + 14 + width > room ? at - 14 - width : at + 14)}px`;
  $("tip").style.top = `${TOP + 8}px`;
}

// --- what a user does ------------------------------------------------------------------------

function place(event) {
  const chart = charts[0], at = event.clientX - chart.svg.getBoundingClientRect().left;
  const part = (at * chart.width / chart.svg.getBoundingClientRect().width - LEFT) / (chart.width - LEFT - RIGHT);
  return chart.first + Math.min(1, Math.max(0, part)) * (chart.last - chart.first);
}

function select(from, to) {
  for (const chart of charts) {
    chart.over.querySelectorAll(".chosen").forEach((n) => n.remove());
    const [a, b] = [chart.x(from), chart.x(to)].sort((m, n) => m - n);
    node("rect", { x: a, width: b - a, y: TOP, height: chart.height - TOP - BOTTOM, class: "chosen" }, chart.over);
  }
}

function zoom(range) { state.range = range; draw(); }

$("charts").addEventListener("pointerdown", (event) => { if (event.button === 0) state.drag = place(event); });
$("charts").addEventListener("pointermove", (event) => {
  state.cursor = place(event);
  if (state.drag !== null) select(state.drag, state.cursor);
  point();
});
$("charts").addEventListener("pointerleave", () => { if (state.drag === null) { state.cursor = null; point(); } });
addEventListener("pointercancel", () => { state.drag = null; draw(); });
addEventListener("pointerup", (event) => {
  if (state.drag === null) return;
  const ends = [state.drag, place(event)].sort((a, b) => a - b), chart = charts[0];
  state.drag = null;
  if (chart.x(ends[1]) - chart.x(ends[0]) > 8) zoom(ends);
  else { chooseSample(ends[0]); draw(); }
});
$("charts").addEventListener("dblclick", () => zoom(null));
$("charts").addEventListener("keydown", (event) => {
  const { first, last } = charts[0], now = state.cursor === null ? first : state.cursor;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) { state.cursor = Math.min(last, Math.max(first, now + step * (last - first) / 60)); point(); }
  else if (event.key === "+") zoom([Math.max(first, now - (last - first) / 4), Math.min(last, now + (last - first) / 4)]);
  else if (event.key === "0" || event.key === "-") zoom(null);
  else if (event.key === "Escape") { state.cursor = null; point(); }
  else return;
  event.preventDefault();
});

function choose(id, change, value) {
  const control = $(id);
  if (control.type === "checkbox") control.checked = value; else control.value = value;
  control.addEventListener("input", () => { change(control); draw(); });
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  $("theme").textContent = name === "dark" ? "Light" : "Dark";
}

function chooseSample(x) {
  const run = data.runs[Number($("of").value)];
  if (!run || !run.samples.length) return;
  const along = run.samples.map((s, i) => [s[state.x], i]).filter(([at]) => at !== null);
  if (along.length) { $("which").value = nearest(along, x)[1]; showSample(); }
}

function showSample() {
  const run = data.runs[Number($("of").value)], sample = run.samples[Number($("which").value)];
  $("at").textContent = `step ${sample.step.toLocaleString("en")}`;
  const prompt = document.createElement("span");
  prompt.className = "prompt";
  prompt.textContent = sample.prompt;
  $("text").replaceChildren(prompt, sample.text);
}

function setUpSamples() {
  data.runs.forEach((run, i) => { if (run.samples.length) $("of").add(new Option(run.name, i)); });
  $("samples").hidden = !$("of").options.length;
  if ($("samples").hidden) return;
  const chosen = () => {
    const count = data.runs[Number($("of").value)].samples.length;
    $("which").max = count - 1;
    $("which").value = count - 1;
    showSample();
  };
  $("of").hidden = $("of").options.length === 1;
  $("of").addEventListener("input", () => { chosen(); draw(); });
  $("which").addEventListener("input", showSample);
  chosen();
}

function setUpRuns() {
  data.runs.forEach((run, i) => {
    const item = document.createElement("li"), button = document.createElement("button"), mark = document.createElement("i");
    mark.style.background = `var(--hue${run.hue})`;
    button.append(mark, `${run.name}${run.told ? `: ${run.told}` : ""}`);
    button.setAttribute("aria-pressed", "true");
    button.title = "show or hide this run";
    button.addEventListener("click", () => {
      const hide = !state.hidden.has(i);
      if (hide) state.hidden.add(i); else state.hidden.delete(i);
      button.setAttribute("aria-pressed", String(!hide));
      draw();
    });
    item.append(button);
    $("runs").append(item);
  });
}

function setUp() {
  const has = (name, x) => data.runs.some((run) => run.series[name] && (!x || run.series[name][x].some((v) => v !== null)));
  for (const x of ["step", "tokens", "time"])
    if (x === "step" || has("train", x) || has("val", x)) $("x").add(new Option(x, x));
  for (const name of Object.keys(TITLES)) if (!has(name)) $(name).parentElement.hidden = true;
  choose("x", (c) => { state.x = c.value; state.range = null; state.cursor = null; }, state.x);
  choose("log", (c) => { state.log = c.checked; }, state.log);
  choose("full", (c) => { state.full = c.checked; }, state.full);
  choose("smooth", (c) => { state.smooth = Number(c.value); }, state.smooth === null ? 7 : state.smooth);
  for (const name of Object.keys(TITLES))
    choose(name, (c) => { if (c.checked) state.panels.add(name); else state.panels.delete(name); }, state.panels.has(name));
  $("whole").addEventListener("click", () => zoom(null));
  $("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  setUpRuns();
  setUpSamples();
  let width = 0;
  new ResizeObserver(() => {
    if ($("charts").clientWidth !== width) { width = $("charts").clientWidth; draw(); }
  }).observe($("charts"));
  draw();
}

setUp();
