// The rows of controls: the page's head, playing, what is drawn over the face, and the span of time.

import { html } from "../common/view.js";
import { ON_FACE, RAMP_CSS } from "./colours.js";

export const SPEEDS = [0.05, 0.1, 0.25, 0.5, 1, 2, 4];

const LAYERS = [
  ["points", "points", ON_FACE.point],
  ["arrows", "arrows", ON_FACE.arrow],
  ["heat", "component", RAMP_CSS[170]],
  ["flags", "flags ×", ON_FACE.flag],
  ["regions", "regions", ON_FACE.region],
];

const options = (choices, chosen) =>
  choices.map(([value, says]) => html`<option value=${value} selected=${value === chosen}>${says}</option>`);

const sizes = ({ n_points: n, videos, frame_rate_hz: rate }, video) =>
  `${n} points · ${videos[video].n_frames.toLocaleString("en")} frames at ${+rate.toPrecision(5)} Hz`;

export function head({ facts, opened, state }, act) {
  const drawn = facts?.videos[state.video]?.parts.find((part) => part.video)?.video;
  return html`<h1>${facts ? facts.name : "…"}</h1>
    ${opened?.projects.length > 1 && html`<label>project
      <select onChange=${(event) => act.openProject(event.target.value)}>
        ${options(opened.projects.map((one) => [one.id, one.name]), state.project)}
      </select></label>`}
    ${facts?.videos.length > 1 && html`<label>video
      <select onChange=${(event) => act.openVideo(+event.target.value)}>
        ${options(facts.videos.map((one, n) => [n, one.name]), state.video)}
      </select></label>`}
    ${facts?.models.length > 1 && html`<label>model
      <select onChange=${(event) => act.openModel(event.target.value)}>
        ${options(facts.models.map(({ key }) => [key, key]), state.model)}
      </select></label>`}
    ${facts && html`<span class="soft number">${sizes(facts, state.video)}</span>`}
    <nav aria-label="Pages">
      <a href=${drawn ? `draw?video=${drawn}` : "draw"}>Draw</a>
      <a href="look" aria-current="page">Look</a>
      <a href="recordings">Recordings</a>
      <button class="quiet" onClick=${act.showShare}>Share</button>
      <button class="quiet" onClick=${act.showQuery}>Show me the query</button>
      <button class="quiet" onClick=${act.showHelp} aria-label="Keys">?</button>
    </nav>`;
}

export function transport({ sequence, facts, state }, act) {
  if (!sequence) return null;
  const last = sequence.nFrames - 1;
  return html`<div class="transport">
    <button aria-label=${sequence.isPlaying ? "Pause" : "Play"} onClick=${act.togglePlay}
      aria-pressed=${sequence.isPlaying}>${sequence.isPlaying ? "❚❚" : "▶"}</button>
    <button aria-label="Previous frame" onClick=${() => sequence.step(-1)}>‹</button>
    <button aria-label="Next frame" onClick=${() => sequence.step(1)}>›</button>
    <input class="scrub" id="scrub" type="range" min="0" max=${last} step="1" aria-label="Frame"
      onInput=${(event) => act.scrub(+event.target.value)} />
    <span class="number" id="frame-number" aria-live="off"></span>
    <label>speed <select aria-label="Speed" onChange=${(event) => act.setSpeed(+event.target.value)}>
      ${options(SPEEDS.map((speed) => [speed, `${speed}×`]), sequence.speed)}
    </select></label>
    ${sequence.loop && html`<button onClick=${act.endLoop}>end loop</button>`}
  </div>`;
}

export function layers({ state, geometry, isDrawing }, act) {
  if (!geometry) return null;
  return html`<div class="layers">
    ${LAYERS.map(([name, says, colour]) => html`<label>
      <input type="checkbox" checked=${state.layers[name]} onChange=${() => act.toggleLayer(name)} />
      <i class="swatch" style=${`background: ${colour}`}></i>${says}</label>`)}
    <label>movement ×<b class="number">${state.magnify}</b>
      <input type="range" min="0" max="50" step="1" value=${state.magnify}
        aria-label="How many times movement is enlarged" onInput=${(event) => act.set({ magnify: +event.target.value })} /></label>
    <label>opacity <input type="range" min="0" max="1" step="0.05" value=${state.opacity}
        aria-label="Opacity of what is drawn" onInput=${(event) => act.set({ opacity: +event.target.value })} /></label>
    <button aria-pressed=${Boolean(isDrawing)} onClick=${act.toggleLasso}>lasso <kbd>l</kbd></button>
    <button class="quiet" onClick=${act.fitFace}>fit <kbd>0</kbd></button>
    ${isDrawing && html`<span class="warn" role="status">draw a line around points on the face; Esc ends</span>`}
  </div>`;
}

export function timeBar({ facts, state, shownSpan, events, radius }, act) {
  if (!facts || !shownSpan) return null;
  const pickedPoint = state.points[state.points.length - 1];
  const choices = [["all", "all points"], ...facts.regions.map((name, n) => [`region:${n}`, name || `region ${n}`])];
  if (pickedPoint !== undefined) choices.push([`point:${pickedPoint}`, `point ${pickedPoint}`]);
  if (state.of.startsWith("area:")) choices.push([state.of, "drawn area"]);
  if (!choices.some(([value]) => value === state.of)) choices.push([state.of, state.of.replace(":", " ")]);
  const seconds = shownSpan[1] - shownSpan[0];
  return html`<span class="row">
      <label>spectrogram of <select id="of" onChange=${(event) => act.set({ of: event.target.value })}>
        ${options(choices, state.of)}
      </select></label>
      ${state.points.length > 0 && html`<button onClick=${act.clearPoints}>no points</button>
        <span class="row"><button onClick=${act.selectNear}>points near ${pickedPoint} <kbd>n</kbd></button>
        <label>within <input id="radius" type="number" min="1" step="1" value=${radius}
          onChange=${(event) => act.setRadius(+event.target.value)} /> px</label></span>`}
      ${events?.arrays.times?.length > 0 && html`<button onClick=${() => act.jumpEvent(-1)} aria-label="Previous event">‹</button>
        event <button onClick=${() => act.jumpEvent(1)} aria-label="Next event">›</button>`}
    </span>
    <span class="row">
      <span class="soft number">${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s shown</span>
      <button aria-label="Shorter span of time" onClick=${() => act.zoomBy(0.5)}>+</button>
      <button aria-label="Longer span of time" onClick=${() => act.zoomBy(2)}>−</button>
      <button onClick=${act.fitTime}>all</button>
    </span>`;
}
