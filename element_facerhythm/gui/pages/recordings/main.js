// The page of all recordings: a table to filter and sort, a scatter to brush, the checks of one recording.

import { askJson } from "../common/api.js";
import { listenToKeys } from "../common/keys.js";
import { draw, html, keep } from "../common/view.js";
import { Scatter } from "./scatter.js";
import { formatted, ROW_PX, Table } from "./table.js";

const LEVELS = { red: "red", warn: "warns", unknown: "not known", ok: "ok" };
const rows = document.querySelector("#rows");

const page = keep(
  { words: "", verdicts: new Set(Object.keys(LEVELS)), selected: null, x: null, y: null, checks: null, message: null },
  show,
);
let table = null;
let opened = null;
const scatter = new Scatter(document.querySelector("#scatter"), { onbrush: () => page.set({}), onpick: select });

start().catch((error) => page.set({ message: error.message }));

async function start() {
  const [answer, what] = await Promise.all([askJson("api/recordings"), askJson("api/opened")]);
  opened = what;
  table = new Table(answer.columns);
  const numbers = table.columns.filter((one) => table.isNumeric(one.name)).map((one) => one.name);
  const prefer = (name, other) => (numbers.includes(name) ? name : numbers[other]);
  page.set({ x: prefer("duration_s", 0), y: prefer("violation_fraction", 1) });
  rows.addEventListener("scroll", () => page.set({}), { passive: true });
  new ResizeObserver(() => page.set({})).observe(rows);
  listenToKeys([
    { keys: ["/"], run: () => document.querySelector("#words").focus() },
    { keys: ["?"], run: () => help() },
    { keys: ["ArrowDown", "j"], run: () => move(1) },
    { keys: ["ArrowUp", "k"], run: () => move(-1) },
    { keys: ["PageDown"], run: () => move(Math.floor(rows.clientHeight / ROW_PX)) },
    { keys: ["PageUp"], run: () => move(-Math.floor(rows.clientHeight / ROW_PX)) },
    { keys: ["Enter"], run: () => look(page.get().selected) },
    { keys: ["Escape"], run: () => { scatter.forget(); page.set({ words: "" }); } },
  ]);
}

function move(by) {
  const place = table.shown.indexOf(page.get().selected);
  const next = Math.max(0, Math.min(place < 0 ? 0 : place + by, table.shown.length - 1));
  select(table.shown[next]);
  const top = next * ROW_PX;
  if (top < rows.scrollTop) rows.scrollTop = top;
  if (top + ROW_PX > rows.scrollTop + rows.clientHeight) rows.scrollTop = top + ROW_PX - rows.clientHeight;
}

async function select(row) {
  if (row === undefined || row === null) return;
  page.set({ selected: row, checks: null });
  try {
    const { checks } = await askJson(`api/recordings/${row}/checks`);
    if (page.get().selected === row) page.set({ checks });
  } catch (error) {
    page.set({ message: error.message });
  }
}

async function look(row) {
  if (row === null) return;
  page.set({ message: "fetching the results..." });
  try {
    const { project } = await askJson(`api/recordings/${row}/project`);
    location.href = `look?project=${project}`;
  } catch (error) {
    page.set({ message: error.message });
  }
}

async function drawOn(row) {
  page.set({ message: "looking for the video..." });
  try {
    const { videos } = await askJson(`api/recordings/${row}/videos`);
    location.href = `draw?video=${videos[0]}`;
  } catch (error) {
    page.set({ message: error.message });
  }
}

function help() {
  const dialog = document.querySelector("#help");
  draw(html`<h1 id="help-title">Keys</h1><dl>
    <dt><kbd>/</kbd></dt><dd>filter by words of the texts</dd>
    <dt><kbd>↑</kbd> <kbd>↓</kbd></dt><dd>one recording up or down</dd>
    <dt><kbd>Enter</kbd></dt><dd>look at its results</dd>
    <dt><kbd>Esc</kbd></dt><dd>no words, no brushed area</dd></dl>
    <button autofocus onClick=${() => dialog.close()}>Close</button>`, dialog);
  dialog.showModal();
}

function show(state) {
  drawHead(state);
  if (!table) return;
  table.choose({ words: state.words, verdicts: state.verdicts, brush: scatter.brush });
  const widths = table.columns.map((_, k) => (k ? "minmax(3.2rem, 1fr)" : "minmax(7rem, 2.4fr)"));
  document.querySelector("#list").style.setProperty("--columns", widths.join(" "));
  drawFilters(state);
  drawTitles();
  drawRows(state);
  drawSide(state);
  if (state.x && state.y) scatter.show(table, state.x, state.y, state.selected);
}

function drawHead({ message }) {
  draw(html`<header class="bar"><h1>Recordings</h1>
    <nav aria-label="Pages">
      ${opened?.videos.length > 0 && html`<a href="draw">Draw</a>`}
      <a href="recordings" aria-current="page">Recordings</a>
      <button class="quiet" aria-label="Keys" onClick=${help}>?</button>
    </nav></header>
    ${message && html`<div class="message" role="status">${message}</div>`}
    ${opened?.notes.map((note) => html`<div class="message">${note}</div>`)}`, document.querySelector("#head"));
}

function drawFilters({ words, verdicts }) {
  const toggle = (level) => {
    const wanted = new Set(verdicts);
    if (!wanted.delete(level)) wanted.add(level);
    page.set({ verdicts: wanted });
  };
  draw(html`
    <input id="words" type="search" placeholder="filter" aria-label="Filter by words" value=${words}
      onInput=${(event) => page.set({ words: event.target.value })} />
    ${Object.entries(LEVELS).map(([level, says]) => html`<label class="row">
      <input type="checkbox" checked=${verdicts.has(level)} onChange=${() => toggle(level)} />
      <span class="verdict ${level}">${says}</span></label>`)}
    <span class="soft" role="status" id="count">${table.shown.length} of ${table.nRows}</span>`,
  document.querySelector("#filters"));
}

function drawTitles() {
  const { name: sorted, isFalling } = table.sorted;
  draw(html`${table.columns.map(({ name, unit }) => html`
    <button title=${name} aria-sort=${name === sorted ? (isFalling ? "descending" : "ascending") : undefined}
      onClick=${() => { table.sortBy(name); page.set({}); }}>
      ${name.replaceAll("_", " ")}${unit && !name.endsWith(`_${unit.toLowerCase()}`) ? `, ${unit}` : ""}
      ${name === sorted ? (isFalling ? " ▼" : " ▲") : ""}</button>`)}`, document.querySelector("#titles"));
}

function drawRows({ selected }) {
  const space = document.querySelector("#space");
  space.style.height = `${table.shown.length * ROW_PX}px`;
  const first = Math.max(0, Math.floor(rows.scrollTop / ROW_PX) - 4);
  const last = Math.min(table.shown.length, Math.ceil((rows.scrollTop + rows.clientHeight) / ROW_PX) + 4);
  draw(html`${table.shown.slice(first, last).map((row, k) => html`
    <div class="line" key=${row} role="row" aria-selected=${row === selected} style=${{ top: `${(first + k) * ROW_PX}px` }}
      onClick=${() => select(row)} onDblClick=${() => look(row)}>
      ${table.columns.map(({ name }) => {
        const value = table.value(name, row);
        if (name !== "verdict") return html`<span role="gridcell">${formatted(value)}</span>`;
        return html`<span role="gridcell" class="verdict ${value}">${LEVELS[value]}</span>`;
      })}
    </div>`)}`, space);
}

function drawSide({ x, y, selected, checks }) {
  const numbers = table.columns.filter((one) => table.isNumeric(one.name));
  const choice = (axis, value) => html`<label class="row">${axis === "x" ? "across" : "up"}
    <select value=${value} onChange=${(event) => { scatter.forget(); page.set({ [axis]: event.target.value }); }}>
      ${numbers.map(({ name }) => html`<option value=${name}>${name}</option>`)}</select></label>`;
  draw(html`<div class="row">${choice("x", x)} ${choice("y", y)}</div>`, document.querySelector("#scatter-choice"));
  const flagged = (checks ?? []).filter((one) => one.verdict !== "ok");
  draw(selected === null
    ? html`<p class="soft">Choose a recording; brush an area of the scatter to see those in it.</p>`
    : html`<section class="card"><h2>${table.value(table.columns[0].name, selected)}</h2>
        <button class="primary" onClick=${() => look(selected)}>Look at its results</button>
        ${" "}<button onClick=${() => drawOn(selected)}>Draw regions</button>
        ${checks && html`<p class="soft">${checks.length} checks, ${checks.length - flagged.length} ok</p>`}
        <ul>${flagged.map((one) => html`<li><span class="verdict ${one.verdict}">${one.quality_name ?? one.name}</span>
          ${" "}${one.message}</li>`)}</ul></section>`, document.querySelector("#checks"));
}
