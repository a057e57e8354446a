// A card for each component: where on the face, at what frequency, when, and in numbers.

import { html } from "../common/view.js";
import { RAMP_CSS, lineColour, pageColour } from "./colours.js";
import { SCALE_NAMES, enlargement } from "./scales.js";

const MAP_PX = 92;
const WEAK_SHARE = 0.01; // of the variance; as in the figures, what explains less is faded

export const percent = (share, digits = 0) =>
  share === null || share === undefined ? "–" : `${(100 * share).toFixed(digits)} %`;
export const hertz = (value) => (value === null || value === undefined ? "–" : `${value.toPrecision(3)} Hz`);

/** Length of the loading of each point in a component, as a share of what it is divided by. */
export function shares(model, component, divisor) {
  const [nDirections, rank, nPoints] = model.arrays.maps.shape;
  const lengths = new Float32Array(nPoints);
  for (let direction = 0; direction < nDirections; direction++) {
    const begin = (direction * rank + component) * nPoints;
    for (let n = 0; n < nPoints; n++) lengths[n] += model.arrays.maps[begin + n] ** 2;
  }
  return lengths.map((square) => Math.min(Math.sqrt(square) / divisor, 1));
}

function context(canvas, width, height) {
  const density = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * density);
  canvas.height = Math.round(height * density);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const drawing = canvas.getContext("2d");
  drawing.scale(density, density);
  return drawing;
}

export function drawMap(canvas, { model, component, positions, frame, divisors, size = MAP_PX }) {
  const [xs, ys] = [0, 1].map((axis) => positions.filter((_, n) => n % 2 === axis));
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const [width, height] = [Math.max(...xs) - left || 1, Math.max(...ys) - top || 1];
  const drawing = context(canvas, size, size);
  const scale = (size - 16) / Math.max(width, height);
  const [x0, y0] = [(size - width * scale) / 2, (size - height * scale) / 2];
  drawing.fillStyle = "#16181b";
  drawing.fillRect(0, 0, size, size);
  if (frame) {
    drawing.globalAlpha = 0.45;
    drawing.drawImage(frame, x0 - left * scale, y0 - top * scale, frame.width * scale, frame.height * scale);
    drawing.globalAlpha = 1;
  }
  const radius = Math.max(1.4, Math.min(4.5, 0.62 * Math.sqrt((width * height) / xs.length) * scale));
  const strengths = shares(model, component, divisors.maps[component]);
  const order = [...strengths.keys()].sort((a, b) => strengths[a] - strengths[b]);
  for (const n of order) {
    drawing.globalAlpha = 0.25 + 0.75 * strengths[n];
    drawing.fillStyle = RAMP_CSS[Math.round(255 * (0.15 + 0.85 * strengths[n]))];
    drawing.beginPath();
    drawing.arc(x0 + (xs[n] - left) * scale, y0 + (ys[n] - top) * scale, radius * (0.5 + 0.5 * strengths[n]), 0, 7);
    drawing.fill();
  }
}

/** Spectra of some components over each other; the shape of one that is small is drawn once more, dotted. */
export function drawSpectra(canvas, { model, components, frequencies, divisors, height = 44 }) {
  const width = canvas.clientWidth || 150;
  const drawing = context(canvas, width, height);
  const nFrequencies = frequencies.length;
  const base = height - 12;
  const place = (hz) =>
    (width * Math.log(hz / frequencies[0])) / (Math.log(frequencies[nFrequencies - 1] / frequencies[0]) || 1);
  for (const component of components) {
    const loadings = model.arrays.spectra.subarray(component * nFrequencies, (component + 1) * nFrequencies);
    const values = loadings.map((value) => Math.abs(value) / divisors.spectra[component]);
    const [low, high] = model.components[component].half_power_hz;
    drawing.fillStyle = drawing.strokeStyle = lineColour(component);
    if (low !== null) {
      drawing.globalAlpha = 0.22;
      drawing.fillRect(place(low), 0, Math.max(place(high) - place(low), 1), base + 1);
      drawing.globalAlpha = 1;
    }
    const curve = (factor) => {
      drawing.beginPath();
      values.forEach((value, n) => drawing.lineTo(place(frequencies[n]), base * (1 - factor * value) + 1));
      drawing.stroke();
    };
    drawing.lineWidth = 1.5;
    curve(1);
    enlarged(drawing, enlargement(Math.max(...values)), width, curve);
  }
  drawing.font = "10px system-ui";
  drawing.fillStyle = pageColour("soft");
  drawing.fillText(`${+frequencies[0].toPrecision(2)}`, 0, height - 1);
  drawing.textAlign = "right";
  drawing.fillText(`${+frequencies[nFrequencies - 1].toPrecision(2)} Hz`, width, height - 1);
}

/** Draw a curve once more, dotted, and say by how much it is enlarged. */
function enlarged(drawing, factor, width, curve) {
  if (factor === 1) return;
  drawing.save();
  drawing.strokeStyle = drawing.fillStyle = pageColour("soft");
  drawing.lineWidth = 1;
  drawing.setLineDash([1, 2]);
  curve(factor);
  drawing.font = "10px system-ui";
  drawing.textAlign = "right";
  drawing.fillText(`dotted ×${factor.toLocaleString("en")}`, width, 9);
  drawing.restore();
}

function drawSparkline(canvas, { model, courses, component, divisors }) {
  const [width, height] = [canvas.clientWidth || 250, 26];
  const drawing = context(canvas, width, height);
  const { low, high, times } = courses.arrays;
  const n = times.length;
  const divisor = divisors.courses[component];
  const rows = [low, high].map((values) =>
    values.subarray(component * n, (component + 1) * n).map((value) => value / divisor));
  const span = times[n - 1] - times[0] || 1;
  const hasNegative = low.some((value) => value < 0);
  const y = (value) => (hasNegative ? (height / 2) * (1 - value) : (height - 2) * (1 - value) + 1);
  drawing.strokeStyle = lineColour(component);
  const curve = (factor) => {
    let isDown = false;
    drawing.beginPath();
    for (let k = 0; k < n; k++) {
      if (!Number.isFinite(rows[0][k])) {
        isDown = false;
        continue;
      }
      const x = (width * (times[k] - times[0])) / span;
      if (isDown) drawing.lineTo(x, y(factor * rows[0][k]));
      else drawing.moveTo(x, y(factor * rows[0][k]));
      drawing.lineTo(x, y(factor * rows[1][k]));
      isDown = true;
    }
    drawing.stroke();
  };
  curve(1);
  enlarged(drawing, enlargement(model.largest[component][2] / divisor), width, curve);
}

export const canvasOf = (drawing, facts) => (canvas) => canvas && drawing(canvas, facts);

export function cards(page, act) {
  const { model, summary, state, geometry, courses, frame } = page;
  if (!model) return html`<p class="soft">Components are read …</p>`;
  const numbers = summary?.models[state.model]?.components;
  const divisors = page.divisors;
  return html`<div class="row"><label>scale of maps and curves
      <select id="scale" onChange=${act.toggleScale}>${Object.entries(SCALE_NAMES).map(([name, says]) =>
        html`<option value=${name} selected=${(name === "own") === state.ownScale}>${says}</option>`)}</select></label>
      <kbd>s</kbd> ${state.ownScale && html`<span class="warn">weak components look as strong as others</span>`}</div>
    <div class="cards" role="group" aria-label="Components">
    ${model.components.map((one, component) => {
      const own = numbers?.[component];
      const facts = { model, component, positions: geometry.arrays.positions, frame,
        frequencies: geometry.arrays.frequencies, courses, divisors };
      const isChosen = state.component === component;
      const isCompared = state.compare === component;
      const decided = page.curation?.of(state.model, component);
      const isWeak = own && own.explained_variance !== null && own.explained_variance < WEAK_SHARE;
      return html`<button class=${isWeak || decided?.verdict === "noise" ? "part weak" : "part"} aria-pressed=${isChosen || isCompared} key=${component}
        style=${`--own: ${lineColour(component)}`} onClick=${(event) => event.shiftKey && state.component !== null
          ? act.compareWith(isCompared ? null : component) : act.chooseComponent(component)}
        aria-label=${`Component ${component}, peak ${hertz(one.peak_frequency_hz)}`}>
        <span class="part-head"><b>${decided?.name || `Component ${component}`}</b>
          ${decided && decided.verdict !== "undecided" && html`<span class="decided ${decided.verdict}">
            ${decided.verdict}</span>`}
          ${decided?.merged_into !== null && decided?.merged_into !== undefined && html`<span class="soft">
            part of ${decided.merged_into}</span>`}
          ${isCompared && html`<span class="decided">compared</span>`}
          ${component < 9 && html`<kbd>${component + 1}</kbd>`}</span>
        <canvas class="map" ref=${canvasOf(drawMap, facts)} aria-hidden="true"></canvas>
        <span class="part-side">
          <span class="peak">${hertz(one.peak_frequency_hz)}</span>
          <span class="soft number band">${one.half_power_hz[0] === null ? ""
            : `${one.half_power_hz.map((edge) => edge.toPrecision(3)).join(" – ")} Hz`}</span>
          <canvas ref=${canvasOf(drawSpectra, { ...facts, components: [component] })} aria-hidden="true"></canvas>
        </span>
        ${courses && html`<canvas class="spark" ref=${canvasOf(drawSparkline, facts)}
          aria-hidden="true"></canvas>`}
        <span class="shares">
          <span title="What the model explains less without this component">
            ${isWeak ? "explains only" : "explains"} <b>${own ? percent(own.explained_variance, 1) : "…"}</b></span>
          <span title="Squared correlation of this component alone with the spectrograms">
            r² <b>${own?.squared_correlation?.toFixed(2) ?? "…"}</b></span>
          <span title="How well it is found again from other starts, 0 to 1">
            stable <b>${own ? (own.stability ?? NaN) >= 0 ? own.stability.toFixed(2) : "–" : "…"}</b></span>
        </span>
      </button>`;
    })}
  </div>`;
}
