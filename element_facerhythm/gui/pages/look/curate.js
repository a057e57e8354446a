// Decisions about a component, points and spans: shown, made, undone; each is kept with who made it and when.

import { askJson, sendJson } from "../common/api.js";
import { html } from "../common/view.js";

const VERDICTS = { keep: "keep", noise: "noise", undecided: "undecided" };

export class Curation {
  constructor(projectId, onchange, onfail) {
    Object.assign(this, { address: `api/projects/${projectId}/curation`, onchange, onfail, now: null, last: Promise.resolve() });
  }

  async read() {
    try {
      this.now = await askJson(this.address);
      this.onchange();
    } catch (error) {
      this.onfail(error.message);
    }
  }

  /** Decision about a component; undecided where there is none. */
  of(model, component) {
    const found = this.now?.components.find(
      (one) => one.model_key === model && one.component_index === component,
    );
    return found ?? { verdict: "undecided", name: "", note: "", merged_into: null };
  }

  change(change) {
    return this.#send({ change });
  }

  undo() {
    return this.#send({ undo: true });
  }

  /** One after the other: each goes on from the revision that the one before has made. */
  #send(body) {
    this.last = this.last.then(() => this.#sendOne(body));
    return this.last;
  }

  async #sendOne(body) {
    try {
      const headers = { "if-match": `"${this.now.revision}"` };
      this.now = await (await sendJson("POST", this.address, body, headers)).json();
    } catch (error) {
      this.onfail(error.message);
      if (error.status === 412) await this.read();
    }
    this.onchange();
  }
}

/**
 * Card to decide about the component that is chosen, the point that was picked last, the span that is shown.
 *
 * What is being typed must outlast a page that is drawn again: fields are made anew with another text alone.
 */
export function curating({ curation, state, model, opened, shownSpan }) {
  if (!curation?.now || state.component === null || !model) return null;
  const { component, points, video } = state;
  const own = curation.of(state.model, component);
  const isLocked = opened.read_only;
  const judge = (changes) =>
    curation.change({ kind: "component", model_key: state.model, component_index: component, ...changes });
  const point = points[points.length - 1];
  const isOut = curation.now.points.includes(point);
  const [from, to] = shownSpan ?? [0, 0];
  const span = { kind: "span", video_index: video, start_s: from, end_s: to };
  return html`<section class="card" aria-label="Decide about component ${component}">
    <h2>Component ${component}: what is it?</h2>
    <div class="row" role="group" aria-label="Verdict">${Object.entries(VERDICTS).map(([verdict, says]) => html`
      <button aria-pressed=${own.verdict === verdict} disabled=${isLocked} onClick=${() => judge({ verdict })}>${says}</button>`)}</div>
    <div class="row"><label for="curated-name">name</label>
      <input id="curated-name" key=${`${component} ${own.name}`} defaultValue=${own.name} maxlength="64" disabled=${isLocked} placeholder="for example whisking"
        onChange=${(event) => judge({ name: event.target.value })} /></div>
    <div class="row"><label for="curated-note">note</label>
      <input id="curated-note" key=${`${component} ${own.note}`} defaultValue=${own.note} maxlength="1024" disabled=${isLocked}
        onChange=${(event) => judge({ note: event.target.value })} /></div>
    <div class="row"><label for="curated-part">part of</label>
      <select id="curated-part" disabled=${isLocked} value=${own.merged_into ?? ""} onChange=${(event) => {
        const into = event.target.value;
        const group = { model_key: state.model, component_indices: [component] };
        curation.change(into === "" ? { kind: "split", ...group } : { kind: "merge", ...group, into: Number(into) });
      }}>
        <option value="">itself</option>
        ${model.components.map((_, k) => k !== component && html`<option value=${k}>component ${k}</option>`)}
      </select></div>
    <div class="row">
      ${point !== undefined && html`<button disabled=${isLocked} onClick=${() =>
        curation.change({ kind: "points", point_indices: [point], excluded: !isOut })}>
        ${isOut ? `Take point ${point} in again` : `Leave out point ${point}`}</button>`}
      <button disabled=${isLocked} onClick=${() => curation.change({ ...span, excluded: true })}
        title="The span that the panels show: zoom into it first">
        Leave out ${from.toFixed(1)} to ${to.toFixed(1)} s</button>
      <button disabled=${isLocked || !curation.now.history.length} onClick=${() => curation.undo()}>Undo</button>
    </div>
    ${left(curation.now)}
    ${curation.now.notes.map((note) => html`<p class="warn">${note}</p>`)}
    <details><summary>who decided what, and when</summary><ul class="verdicts">
      ${curation.now.history.toReversed().map((one) => html`<li><span class="number soft">${one.time.slice(0, 16)}</span>
        <span>${one.curator}: ${said(one.change)}</span></li>`)}</ul></details>
  </section>`;
}

function left({ points, spans }) {
  if (!points.length && !spans.length) return null;
  const times = spans.map((one) => `${one.start_s.toFixed(1)} to ${one.end_s.toFixed(1)} s`);
  const numbers = points.length ? [`point${points.length > 1 ? "s" : ""} ${points.join(", ")}`] : [];
  return html`<p class="soft">left out: ${[...numbers, ...times].join("; ")}</p>`;
}

function said({ kind, ...change }) {
  const parts = Object.entries(change).filter(([name, value]) => value !== null && name !== "model_key");
  return `${kind} ${parts.map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`).join(", ")}`;
}
