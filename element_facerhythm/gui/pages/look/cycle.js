// The mean cycle of a component: an arrow for each point that goes round its path, all at one phase.

import { HALF } from "../common/api.js";
import { html } from "../common/view.js";
import { ON_FACE, lineColour } from "./colours.js";

const CYCLE_MS = 1600;
const LEAST_APART_PX = 9; // on the screen; of points nearer together, those that move most are drawn
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Cycle {
  constructor(page, onchange) {
    Object.assign(this, { page, onchange, name: null, found: null, error: null, phase: 0, magnify: 1, isPlaying: !calm.matches });
  }

  isOf({ model, component }) {
    return this.name === `${model} ${component}`;
  }

  async show() {
    const { data, state, spacing } = this.page;
    this.hide();
    const asked = (this.asked = new AbortController());
    Object.assign(this, { name: `${state.model} ${state.component}`, component: state.component, found: null, error: null, phase: 0 });
    this.onchange();
    try {
      const found = await data.cycle(state.model, state.component, asked.signal);
      if (asked.signal.aborted) return;
      this.magnify = found.largest_px > 0 ? +((1.2 * spacing) / found.largest_px).toPrecision(1) : 1;
      this.most = 5 * this.magnify;
      this.found = found;
    } catch (error) {
      if (error.name === "AbortError") return;
      this.error = error.message;
    }
    this.onchange();
    this.play();
  }

  hide() {
    this.asked?.abort();
    Object.assign(this, { name: null, found: null });
  }

  play() {
    cancelAnimationFrame(this.waiting);
    let last = null;
    const next = (now) => {
      if (!this.isPlaying || !this.found || !this.canvas?.isConnected) return;
      const step = CYCLE_MS / this.found.n_phases;
      if (last === null || now - last >= step) {
        this.setPhase((this.phase + (last === null ? 0 : Math.floor((now - last) / step))) % this.found.n_phases);
        last = last === null ? now : now - ((now - last) % step);
      }
      this.waiting = requestAnimationFrame(next);
    };
    this.waiting = requestAnimationFrame(next);
  }

  setPhase(phase) {
    this.phase = phase;
    this.draw();
    const slider = this.canvas?.closest("section").querySelector(".phase");
    if (slider) slider.value = phase;
    const label = this.canvas?.closest("section").querySelector(".phase-number");
    if (label) label.textContent = `phase ${phase} of ${this.found.n_phases}`;
  }

  attach(canvas) {
    this.canvas = canvas;
    this.draw();
  }

  /** Displacement of a point at a phase, in px. */
  moved(phase, point) {
    const { path } = this.found.arrays;
    const begin = 2 * (phase * (path.shape[1]) + point);
    return [HALF[path[begin]], HALF[path[begin + 1]]];
  }

  draw() {
    const { canvas, found } = this;
    if (!canvas || !found) return;
    const { geometry, frame } = this.page;
    const { positions } = geometry.arrays;
    const density = window.devicePixelRatio || 1;
    const [xs, ys] = [0, 1].map((axis) => positions.filter((_, n) => n % 2 === axis));
    const margin = 1.5 * this.page.spacing;
    const [left, top] = [Math.min(...xs) - margin, Math.min(...ys) - margin];
    const [right, bottom] = [Math.max(...xs) + margin, Math.max(...ys) + margin];
    const width = canvas.clientWidth || 300;
    const scale = Math.min(width / (right - left), 340 / (bottom - top));
    const height = (bottom - top) * scale;
    [canvas.width, canvas.height] = [Math.round(width * density), Math.round(height * density)];
    canvas.style.height = `${height}px`;
    const drawing = canvas.getContext("2d");
    drawing.scale(density, density);
    drawing.fillStyle = "#0c0d0f";
    drawing.fillRect(0, 0, width, height);
    const x0 = (width - (right - left) * scale) / 2;
    const at = (x, y) => [x0 + (x + 0.5 - left) * scale, (y + 0.5 - top) * scale];
    if (frame) {
      drawing.globalAlpha = 0.5;
      drawing.drawImage(frame, ...at(-0.5, -0.5), frame.width * scale, frame.height * scale);
      drawing.globalAlpha = 1;
    }
    this.#drawField(drawing, at, this.#chosen(positions, scale));
  }

  /** Points that follow the rhythm, those that move most first, none nearer to another than arrows can be seen apart. */
  #chosen(positions, scale) {
    const { follows, reach } = this.found.arrays;
    const order = [...reach.keys()].filter((point) => follows[point]).sort((a, b) => reach[b] - reach[a]);
    const apart = LEAST_APART_PX / scale;
    if (this.page.spacing >= apart) return order;
    const kept = [];
    for (const point of order) {
      const isFree = kept.every((other) => Math.hypot(positions[2 * point] - positions[2 * other],
        positions[2 * point + 1] - positions[2 * other + 1]) >= apart);
      if (isFree) kept.push(point);
    }
    return kept;
  }

  #drawField(drawing, at, points) {
    const { positions } = this.page.geometry.arrays;
    const place = (point, phase) => {
      const [dx, dy] = this.moved(phase, point);
      return at(positions[2 * point] + this.magnify * dx, positions[2 * point + 1] + this.magnify * dy);
    };
    drawing.strokeStyle = lineColour(this.component);
    drawing.globalAlpha = 0.55;
    drawing.beginPath();
    for (const point of points) {
      for (let phase = 0; phase <= this.found.n_phases; phase++) {
        const [x, y] = place(point, phase % this.found.n_phases);
        if (phase) drawing.lineTo(x, y);
        else drawing.moveTo(x, y);
      }
    }
    drawing.stroke();
    drawing.globalAlpha = 1;
    drawing.beginPath();
    for (const point of points) {
      const [x0, y0] = at(positions[2 * point], positions[2 * point + 1]);
      const [x, y] = place(point, this.phase);
      const length = Math.hypot(x - x0, y - y0);
      if (!(length > 0.5)) continue;
      const head = Math.min(0.4 * length, 5) / length;
      const [back, side] = [head * (x0 - x), head * (y0 - y)];
      drawing.moveTo(x0, y0);
      drawing.lineTo(x, y);
      drawing.moveTo(x + back - 0.5 * side, y + side + 0.5 * back);
      drawing.lineTo(x, y);
      drawing.lineTo(x + back + 0.5 * side, y + side - 0.5 * back);
    }
    for (const [colour, width] of [["rgb(0 0 0 / 60%)", 3], [ON_FACE.arrow, 1.4]]) {
      drawing.strokeStyle = colour;
      drawing.lineWidth = width;
      drawing.stroke();
    }
  }
}

export function cycleView(page, act) {
  const { cycle, state } = page;
  if (state.component === null || !page.model) return null;
  const body = () => {
    if (!cycle.isOf(state)) {
      return html`<p class="soft">How every point moves during one period, averaged over the recording.</p>
        <p><button onClick=${act.showCycle}>Show the mean cycle <kbd>c</kbd></button></p>`;
    }
    if (cycle.error) return html`<p class="soft">There is none: ${cycle.error}</p>`;
    if (!cycle.found) return html`<p class="soft">It is averaged … <button onClick=${act.hideCycle}>Stop</button></p>`;
    return shown(cycle, act);
  };
  return html`<section class="card cycle" aria-label="Mean cycle"><h2>Mean cycle of component ${state.component}</h2>${body()}</section>`;
}

function shown(cycle, act) {
  const { found } = cycle;
  const { follows } = found.arrays;
  const share = follows.reduce((sum, one) => sum + one, 0) / follows.length;
  const said = `${found.frequency_hz.toFixed(1)} Hz; largest ${found.largest_px.toPrecision(2)} px; ` +
    `${(100 * share).toFixed(0)} % of points follow it. Averaged over the strongest ${found.averaged_s.toFixed(1)} s ` +
    `of ${found.of_s.toFixed(1)} s` + (found.of_s < 0.99 * found.recorded_s
      ? `, those of ${found.recorded_s.toFixed(0)} s around its strongest moments.` : ".");
  return html`<canvas ref=${(canvas) => canvas && canvas !== cycle.canvas && cycle.attach(canvas)} role="img" aria-label=${`Mean cycle: ${said}`}></canvas>
    <div class="row">
      <button onClick=${act.toggleCycle} aria-label=${cycle.isPlaying ? "Pause the cycle" : "Play the cycle"}>
        ${cycle.isPlaying ? "❚❚" : "▶"}</button>
      <label><span class="phase-number number">phase ${cycle.phase} of ${found.n_phases}</span>
        <input class="phase" type="range" min="0" max=${found.n_phases - 1} step="1" defaultValue=${cycle.phase}
          onInput=${(event) => act.setPhase(+event.target.value)} /></label>
      <label>movement ×<b class="number">${+cycle.magnify.toPrecision(3)}</b>
        <input type="range" min="1" max=${Math.max(cycle.most, 2)} step="any" value=${cycle.magnify}
          onInput=${(event) => act.magnifyCycle(+event.target.value)} /></label>
    </div>
    <p class="soft">${said}</p>`;
}
