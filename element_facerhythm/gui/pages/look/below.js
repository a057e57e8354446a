// What stands under the panels: strongest episodes, numbers of the picked point, plausibility, notes.

import { html } from "../common/view.js";
import { percent } from "./cards.js";
import { clipsView } from "./clips.js";
import { compareView } from "./compare.js";
import { curating } from "./curate.js";
import { cycleView } from "./cycle.js";

const px = (value) => (value === null || value === undefined ? "–" : `${value.toPrecision(3)} px`);

export function below(page, act) {
  return html`${curating(page)}${episodes(page, act)}${cycleView(page, act)}${compareView(page, act)}${point(page)}${quality(page)}`;
}

function episodes(page, act) {
  const { model, state, facts } = page;
  const component = state.component === null ? null : model?.components[state.component];
  if (!component) {
    return model && html`<section class="card"><h2>No component is chosen</h2>
      <p class="soft">Click a card, or press its number, to see when it is strongest and to decide what it is.</p>
    </section>`;
  }
  return html`<section class="card strongest" aria-label="Strongest episodes">
    <h2>Component ${state.component} is strongest at</h2>
    <ol class="episodes">${component.episodes.map((one) => html`<li>
      <button onClick=${() => act.playEpisode(one)}
        aria-label=${`Play the episode at ${one.peak_s.toFixed(1)} seconds`}>
        ${facts.videos.length > 1 && html`<span class="soft">${one.video_index} · </span>`}
        ${one.peak_s.toFixed(1)} s <span class="soft">${percent(one.strength)}</span></button></li>`)}</ol>
    ${clipsView(page, act)}
    ${component.episodes.length === 0 && html`<p class="soft">Its time course has no peak.</p>`}
  </section>`;
}

function point({ state, pointFacts }) {
  const chosen = state.points[state.points.length - 1];
  if (chosen === undefined) {
    return html`<section class="card"><h2>Points</h2>
      <p class="soft">Click a point on the face for its trace and its spectrogram; with Shift for several.</p>
    </section>`;
  }
  const own = pointFacts?.point_index === chosen ? pointFacts : null;
  return html`<section class="card" aria-label="Picked point"><h2>Point ${chosen}</h2>
    ${own ? html`<dl class="facts">
      <dt>home</dt><dd>x ${own.x_px.toFixed(1)}, y ${own.y_px.toFixed(1)} px</dd>
      <dt>displacement</dt><dd>${px(own.rms_displacement_px)} r.m.s., at most ${px(own.max_displacement_px)}</dd>
      <dt>speed</dt><dd>${px(own.mean_speed_px_s)}/s</dd>
      <dt>flagged</dt><dd>${percent(own.point_violation_fraction, 2)} of frames</dd>
      ${own.point_mean_confidence !== null &&
        html`<dt>confidence</dt><dd>${own.point_mean_confidence.toFixed(3)} mean</dd>`}
    </dl>` : html`<p class="soft">Numbers are gathered …</p>`}</section>`;
}

const listed = ([name, verdicts]) =>
  verdicts.map((one) => html`<li><b class=${`verdict-${name}`}>${name}</b><span>${one.message}</span></li>`);

function quality({ summary, notes, steps }) {
  const verdicts = summary?.quality ?? [];
  const of = (name) => verdicts.filter((one) => one.verdict === name);
  const counted = ["red", "warn", "unknown", "ok"].map((name) => [name, of(name)]);
  const failed = Object.entries(steps ?? {}).filter(([, step]) => step.error);
  return html`<section class="card" aria-label="Is it plausible?"><h2>Is it plausible?</h2>
    ${failed.map(([name, step]) => html`<p class="bad">${name}: ${step.error}</p>`)}
    ${!summary && !failed.some(([name]) => name === "summary") && html`<p class="soft">Numbers are gathered …</p>`}
    ${summary && html`<div class="row">${counted.map(([name, own]) => own.length > 0 &&
      html`<span class=${`verdict-${name}`}>${own.length} ${name}</span>`)}</div>
    <ul class="verdicts">${counted.slice(0, 2).flatMap(listed)}</ul>
    <details><summary>other checks</summary><ul class="verdicts">${counted.slice(2).flatMap(listed)}</ul></details>`}
    ${notes.length > 0 && html`<ul class="verdicts">${notes.map((note) => html`<li class="warn">${note}</li>`)}</ul>`}
  </section>`;
}
