// One HTML file of what is shown: pictures, and the numbers in them as tables; the server gives the page around it.

import { ask } from "../common/api.js";
import { addressOf } from "./address.js";
import { pageColour } from "./colours.js";
import { SCALE_NAMES } from "./scales.js";

const MOST_BYTES = 20e6;
const FACE_PX = 960;
const PLACE = "<!--shown-->";

const escaped = (text) => String(text).replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);
const figure = (picture, caption, width) => `<figure><img src="${picture}" alt="${escaped(caption)}" style="max-width: 100%"
  width="${Math.round(width)}"><figcaption>${escaped(caption)}</figcaption></figure>`;

/** A canvas on the page's own background, as a picture. */
function pictureOf(canvas) {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const drawing = copy.getContext("2d");
  drawing.fillStyle = pageColour("card");
  drawing.fillRect(0, 0, copy.width, copy.height);
  drawing.drawImage(canvas, 0, 0);
  return copy.toDataURL("image/png");
}

/** The face with what is drawn over it, as it is zoomed. */
function faceOf(stage) {
  const { overlay, picture } = stage;
  const density = window.devicePixelRatio || 1;
  const factor = Math.min(FACE_PX / overlay.width, 1);
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [overlay.width * factor, overlay.height * factor];
  const drawing = copy.getContext("2d");
  drawing.scale(factor, factor);
  drawing.fillRect(0, 0, overlay.width, overlay.height);
  drawing.drawImage(picture, stage.left * density, stage.top * density,
    stage.width * stage.scale * density, stage.height * stage.scale * density);
  drawing.drawImage(overlay, 0, 0);
  return copy.toDataURL("image/jpeg", 0.9);
}

const csvOf = (names, rows) => [names.join(","), ...rows.map((row) => row.join(","))].join("\n");
const rowsOf = (n, row) => Array.from({ length: n }, (_, k) => row(k));

/** Tables of what the panels show, by the names of their files; columns of several frames have a lowest and a highest value. */
function tablesOf(page) {
  const { shownCourses, shownTraces, shownSignals, shownTile, clock, geometry, model } = page;
  const tables = {};
  if (shownCourses) {
    const { times, low, high } = shownCourses.arrays;
    const n = times.length;
    const order = [...shownCourses.order].sort((a, b) => a - b);
    tables["loadings.csv"] = csvOf(["time_s", ...order.flatMap((one) => [`component_${one}_low`, `component_${one}_high`])],
      rowsOf(n, (k) => [times[k], ...order.flatMap((one) => [low[one * n + k], high[one * n + k]])]));
  }
  if (shownTraces) {
    const { rows, first, size } = shownTraces;
    const names = rows.flatMap(({ name }) => ["x", "y"].flatMap((axis) =>
      ["low", "high"].map((end) => `${name.replaceAll(" ", "_")}_${axis}_px_${end}`)));
    tables["displacements.csv"] = csvOf(["frame", "time_s", ...names], rowsOf(rows[0].low[0].length, (k) =>
      [first + k * size, clock.at(first + k * size), ...rows.flatMap(({ low, high }) =>
        [0, 1].flatMap((axis) => [low[axis][k], high[axis][k]]))]));
  }
  if (shownSignals?.rows.length) {
    const { rows, first, size, arrays: { low, high } } = shownSignals;
    const n = low.length / rows.length;
    const names = rows.flatMap(({ name, says }) =>
      ["low", "high"].map((end) => `${name}_${says}_${end}`.replaceAll(/[ (),]+/g, "_")));
    tables["signals.csv"] = csvOf(["frame", "time_s", ...names], rowsOf(n, (k) => [first + k * size,
      clock.at(first + k * size), ...rows.flatMap((_, row) => [low[row * n + k], high[row * n + k]])]));
  }
  const { frequencies } = geometry.arrays;
  const nFrequencies = frequencies.length;
  tables["spectra.csv"] = csvOf(["frequency_hz", ...model.components.map((_, n) => `component_${n}`)],
    rowsOf(nFrequencies, (k) => [frequencies[k], ...model.components.map((_, n) => model.arrays.spectra[n * nFrequencies + k])]));
  if (shownTile) {
    const { levels, times } = shownTile.arrays;
    const n = times.length;
    tables["spectrogram.csv"] = csvOf(["time_s", ...Array.from(frequencies, (hz) => `${hz.toPrecision(4)}_hz`)],
      rowsOf(n, (k) => [times[k], ...rowsOf(nFrequencies, (row) =>
        ((levels[row * n + k] * shownTile.top) / 255).toPrecision(4))]));
  }
  return tables;
}

const linkOf = ([name, text]) => `<li><a download="${name}" href="data:text/csv;charset=utf-8,${encodeURIComponent(text)}">${name}</a></li>`;

/** The whole page as text. */
export async function snapshotOf(page, stage, plots) {
  const { state, data, clock, sequence, facts } = page;
  const time = clock.at(sequence.number);
  const view = addressOf({ ...state, models: facts.models }, time).slice(1);
  const query = new URLSearchParams({ model: state.model, view });
  const around = await (await ask(`${data.base}/snapshot.html?${query}`)).text();
  const shown = [`<p>${escaped(facts.name)}, ${escaped(facts.videos[state.video].name)}: frame ${sequence.number}, ${time.toFixed(3)} s;
    ${page.shownSpan.map((edge) => edge.toFixed(2)).join(" to ")} s are shown. Saved ${new Date().toISOString().slice(0, 16)} UTC.</p>`];
  shown.push(figure(faceOf(stage), `Face at frame ${sequence.number}; movement × ${state.magnify}`, FACE_PX));
  for (const panel of plots.all) {
    if (panel.u && !panel.figure.hidden) shown.push(figure(pictureOf(panel.u.ctx.canvas), panel.caption.textContent, panel.width()));
  }
  for (const card of document.querySelectorAll("button.part")) {
    const says = `${card.getAttribute("aria-label")}; scale: ${SCALE_NAMES[state.ownScale ? "own" : "common"]}`;
    const [map, spectrum] = card.querySelectorAll("canvas");
    shown.push(figure(pictureOf(map), `${says}, map`, map.clientWidth), figure(pictureOf(spectrum), `${says}, spectrum`, spectrum.clientWidth));
  }
  for (const canvas of document.querySelectorAll(".cycle canvas, .spectra, .pair canvas")) {
    shown.push(figure(pictureOf(canvas), canvas.getAttribute("aria-label"), canvas.clientWidth));
  }
  const tables = Object.entries(tablesOf(page));
  const joined = (kept, note = "") => around.replace(PLACE, () =>
    `${shown.join("")}<p>The numbers that are drawn:</p><ul>${kept.map(linkOf).join("")}</ul>${note}`);
  let text = joined(tables);
  if (text.length > MOST_BYTES) { // spectrogram and traces of a wide screen alone could be as much
    text = joined(tables.slice(0, 1), "<p>Tables are left out: the file would be larger than 20 MB.</p>");
  }
  if (text.length > MOST_BYTES) throw new Error("the snapshot would be larger than 20 MB: make the window smaller");
  return text;
}

export async function saveSnapshot(page, stage, plots) {
  const text = await snapshotOf(page, stage, plots);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/html" }));
  link.download = `${page.facts.name}-frame-${page.sequence.number}.html`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
