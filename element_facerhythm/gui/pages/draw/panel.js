// Everything around the picture: head, tools, time, and the panel with regions and runs.

import { draw, html } from "../common/view.js";
import { Copying } from "./copying.js";
import { TOOLS } from "./editor.js";
import { area } from "./geometry.js";
import { quoted } from "./quoted.js";
import { KINDS } from "./regions.js";
import { settingsOf } from "./runs.js";
import { Stored } from "./stored.js";
import { Strip } from "./strip.js";

const BYTES_PER_POINT = 10; // x and y as 32 bit floats, the confidence as a 16 bit one
const BACKGROUNDS = { frame: "Frame", mean: "Mean", deviation: "Deviation", energy: "Motion" };

export function drawHead(element, state, actions) {
  const { facts, opened } = state;
  const own = opened?.projects.find((one) => one.videos.includes(facts?.id)) ?? opened?.projects[0];
  draw(html`
    <header class="bar">
      <h1>${facts?.name ?? "facerhythm"}</h1>
      ${facts && html`<span class="soft number">${facts.width_px} x ${facts.height_px} px, ${facts.n_frames} frames,
        ${" "}${rounded(facts.frame_rate_hz)} Hz</span>`}
      ${opened?.videos.length > 1 && html`
        <select aria-label="Video" value=${facts?.id} onChange=${(event) => {
          location.search = `?video=${event.target.value}`;
        }}>${opened.videos.map((one) => html`<option value=${one.id}>${one.name}</option>`)}</select>`}
      <nav aria-label="Pages">
        <a href="draw" aria-current="page">Draw</a>
        ${own && html`<a href="look?project=${own.id}">Look</a>
          <a href="recordings">Recordings</a>`}
        <button class="quiet" onClick=${actions.help} aria-label="Keys">?</button>
      </nav>
    </header>
    ${state.message && html`<div class="message bad" role="alert">${state.message}
      <button class="quiet" onClick=${actions.dismiss} aria-label="Dismiss">x</button></div>`}
    ${opened?.notes.map((note) => html`<div class="message">${note}</div>`)}`, element);
}

export function drawTools(element, view) {
  const { editor, actions } = view;
  draw(html`
    <div class="group" role="toolbar" aria-label="Tools">
      ${Object.entries(TOOLS).map(([name, { key, says }]) => html`
        <button aria-pressed=${editor.tool === name} title="${says} (${key.toUpperCase()})"
          disabled=${editor.isLocked && name !== "edit"} onClick=${() => editor.use(name)}>${says}</button>`)}
    </div>
    <div class="group">
      <label class="row">new regions are
        <select value=${editor.kind} onChange=${(event) => { editor.kind = event.target.value; }}>
          ${Object.entries(KINDS).map(([kind, { says }]) => html`<option value=${kind}>${says}</option>`)}
        </select></label>
      ${editor.tool === "brush" && html`<label>radius <input type="range" min="2" max="60" value=${editor.brush}
        onInput=${(event) => { editor.brush = Number(event.target.value); editor.onchange(); }} /></label>`}
    </div>
    <div class="group">
      <button onClick=${() => editor.undo()} disabled=${!editor.history.past.length}>Undo</button>
      <button onClick=${() => editor.redo()} disabled=${!editor.history.future.length}>Redo</button>
      <button onClick=${() => editor.join()} disabled=${!editor.current}
        title="Join the selected region with those of its kind that it touches">Join</button>
      <button onClick=${() => editor.cutOut()} disabled=${!editor.current}
        title="Take the selected region out of the others">Cut out</button>
    </div>
    <div class="group" role="toolbar" aria-label="Background">
      ${Object.entries(BACKGROUNDS).map(([kind, says]) => html`
        <button aria-pressed=${view.background === kind} onClick=${() => actions.background(kind)}>${says}</button>`)}
    </div>`, element);
}

export function drawTime(element, { frame, facts, actions }) {
  const frames = actions.frames();
  draw(html`
    <button onClick=${() => { frames.isPlaying ? frames.pause() : frames.play(); actions.page.set({}); }}
      aria-label=${frames.isPlaying ? "Pause" : "Play"}>${frames.isPlaying ? "❚❚" : "▶"}</button>
    <input type="range" min="0" max=${facts.n_frames - 1} value=${frame} aria-label="Frame"
      onInput=${(event) => { frames.pause(); frames.seek(Number(event.target.value)); }} />
    <output class="number" id="frame-number">frame ${frame} (${(frame / facts.frame_rate_hz).toFixed(3)} s)</output>`,
  element);
}

export function drawPanel(element, view) {
  draw(html`
    <${Regions} ...${view} />
    <${Copying} ...${view} />
    <${Counts} ...${view} />
    <${Saving} ...${view} />
    <${Stored} ...${view} />
    <${Trying} ...${view} />
    <${Running} ...${view} />`, element);
}

function Regions({ editor, actions, busy }) {
  return html`<section class="card" aria-labelledby="regions-title">
    <h2 id="regions-title">Regions</h2>
    ${!editor.regions.length && html`<p class="soft">None yet: draw one around what moves, or let one be proposed.</p>`}
    <ul class="regions">${editor.regions.map((one, k) => html`
      <li key=${one.id} aria-current=${one.id === editor.selected} onClick=${() => editor.select(one.id)}>
        <span class="swatch" style=${{ background: KINDS[one.kind].colour }}></span>
        <input key=${one.name} defaultValue=${one.name} placeholder="region ${k + 1}" aria-label="Name of region ${k + 1}" maxlength="64"
          onChange=${(event) => editor.replace(one.id, { name: event.target.value })} />
        <select value=${one.kind} aria-label="Kind of region ${k + 1}" title=${KINDS[one.kind].tells}
          onChange=${(event) => editor.replace(one.id, { kind: event.target.value })}>
          ${Object.entries(KINDS).map(([kind, { says }]) => html`<option value=${kind}>${says}</option>`)}
        </select>
        <button class="quiet" aria-label="Delete region ${k + 1}"
          onClick=${(event) => { event.stopPropagation(); editor.remove(one.id); }}>✕</button>
        <span class="facts">${one.vertices.length} vertices, ${Math.round(area(one.vertices))} px²
          ${one.isProposed && html`<button onClick=${() => actions.accept(one.id)}>Accept</button>`}</span>
      </li>`)}
    </ul>
    ${editor.regions.length > 0 && lacksPoints(editor) && html`<p class="soft">${editor.regions.some((one) => one.isProposed)
      ? "Proposed regions do not count before you accept them." : "None is for points yet: nothing would be tracked."}</p>`}
    <div class="row">
      <button onClick=${actions.propose} disabled=${busy !== "" || editor.isLocked}>
        ${busy === "propose" ? "Looking..." : "Propose"}</button>
    </div>
  </section>`;
}

function Counts({ spacing, isSpacingFitted, points, nWeak, check, facts, actions }) {
  const n = points.length / 2;
  return html`<section class="card" aria-labelledby="counts-title">
    <h2 id="counts-title">Points</h2>
    <div class="row"><label for="spacing">spacing, px</label>
      <input id="spacing" type="range" min="2" max="40" value=${spacing}
        onInput=${(event) => actions.setSpacing(Number(event.target.value))} />
      <output class="number">${spacing}</output>
      ${isSpacingFitted ? html`<span class="soft">fitted</span>`
        : html`<button class="quiet" onClick=${actions.fitSpacing}>fit</button>`}</div>
    <dl class="counts">
      <dt>points</dt><dd id="n-points">${n}</dd>
      <dt class=${nWeak ? "bad" : ""}>with nothing to follow (red)</dt><dd>${nWeak}</dd>
      <dt>of the frame</dt><dd>${check ? `${(100 * check.area_fraction).toFixed(1)} %` : "-"}</dd>
      <dt>tracks on disk</dt><dd>${size(n * facts.n_frames * BYTES_PER_POINT)}</dd>
    </dl>
  </section>`;
}

function Saving({ isSaved, path, busy, editor, opened, actions }) {
  const isEmpty = lacksPoints(editor);
  return html`<section class="card" aria-labelledby="saving-title">
    <h2 id="saving-title">ROI file</h2>
    <div class="row">
      <button class="primary" onClick=${actions.save} disabled=${isEmpty || opened.read_only || busy === "save"}>
        ${isSaved && !isEmpty ? "Saved" : "Save"}</button>
      <button onClick=${actions.download} disabled=${isEmpty}>Download</button>
      <label class="row">Open <input type="file" accept=".json" aria-label="Open a ROI file"
        onChange=${(event) => event.target.files[0] && actions.upload(event.target.files[0])} /></label>
    </div>
    <p class="soft"><code>${path}</code></p>
  </section>`;
}

function Trying(view) {
  const { tries, shownTry, settings, busy, editor, opened, run, actions } = view;
  const isEmpty = lacksPoints(editor);
  const shown = tries.find((one) => one.id === shownTry);
  return html`<section class="card" aria-labelledby="trying-title">
    <h2 id="trying-title">Try five seconds</h2>
    <label for="settings">settings, one a line, as for <code>--set</code></label>
    <textarea id="settings" value=${settings} placeholder="VQT_Analyzer.params_VQT.F_max=30"
      onInput=${(event) => actions.setSettings(event.target.value)}></textarea>
    <${Strip} ...${view} tracks=${shown?.tracks} />
    <div class="row">
      <button onClick=${actions.tryIt} disabled=${busy !== "" || isEmpty || opened.read_only}>
        ${busy === "try" ? "Tracking..." : "Try from this frame"}</button>
      ${busy === "try" && run && html`<span class="soft number">${run.seconds.toFixed(0)} s</span>`}
    </div>
    ${tries.length > 0 && html`<table class="tries">
      <thead><tr><th>try</th><th>points</th><th>not found</th><th>moved, px</th><th>s</th><th></th></tr></thead>
      <tbody>${tries.map((one) => html`<tr>
        <td><button class="quiet" aria-pressed=${one.id === shownTry} title="from frame ${one.tracks.first}"
          onClick=${() => actions.showTry(one.id)}>${one.id}</button></td>
        <td>${one.tracks.nPoints}</td>
        <td>${(100 * one.tracks.violation_fraction).toFixed(1)} %</td>
        <td>${one.tracks.typical_px.toFixed(2)}</td>
        <td>${one.seconds.toFixed(1)}</td>
        <td><button class="quiet" onClick=${() => actions.takeSettings(one.id)}>use</button></td></tr>`)}
      </tbody></table>`}
  </section>`;
}

function Running({
  run, busy, editor, opened, facts, path, settings, spacing, isSpacingFitted, isSaved, actions,
}) {
  const isEmpty = lacksPoints(editor);
  const isOurs = run && busy !== "try";
  const sets = settingsOf({ settings, spacing, isSpacingFitted }).map((one) => ` --set ${quoted(one)}`);
  const files = `${quoted(facts.path)} --rois ${quoted(path)} -o ${quoted(facts.project_dir)}`;
  const command = `facerhythm run ${files}${sets.join("")}`;
  return html`<section class="card" aria-labelledby="running-title">
    <h2 id="running-title">Run</h2>
    <pre class="command" tabindex="0" aria-label="The same on the command line">${command}</pre>
    <div class="row">
      <button class="primary" onClick=${actions.run} disabled=${busy !== "" || isEmpty || opened.read_only}>
        ${busy === "run" ? "Running..." : isSaved ? "Run" : "Save and run"}</button>
      ${isOurs && run.state === "running" && html`
        <button onClick=${() => actions.cancel(run.id)}>Cancel</button>`}
      ${isOurs && html`<span role="status" class=${run.state === "failed" ? "bad" : "soft"}>
        ${run.state}, ${run.seconds.toFixed(0)} s</span>`}
      ${isOurs && run.project && html`<a href="look?project=${run.project}">Look at the results</a>`}
    </div>
    ${isOurs && run.lines.length > 0 && html`<pre class="lines">${run.lines.slice(-6).join("\n")}</pre>`}
  </section>`;
}

/** Whether nothing could be tracked yet: what is proposed does not count before it is accepted. */
function lacksPoints(editor) {
  return !editor.regions.some((one) => one.kind === "points" && !one.isProposed);
}

function rounded(value) {
  return Number(value.toPrecision(6)).toString();
}

function size(bytes) {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(0)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
