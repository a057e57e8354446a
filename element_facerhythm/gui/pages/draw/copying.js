// Regions of another recording, moved as the camera moved: both pictures in turn, then accepted, adjusted or left.

import { askJson, sendJson } from "../common/api.js";
import { html } from "../common/view.js";
import { fromFile } from "./regions.js";

const BLINK_MS = 600;

/** What the page does about copies. */
export function copyActions({ page, editor, videoId, busily }) {
  let blinking = null;
  const show = (blink) => page.set({ blink });
  const stop = () => {
    clearInterval(blinking);
    blinking = null;
  };
  const end = () => {
    stop();
    page.set({ copy: null, blink: "own", isBlinking: false });
  };
  const take = (isProposed, hint) => {
    const { copy } = page.get();
    if (!copy || copy.doubts.length) return;
    const taken = copy.regions.map((one) => ({ ...one, isProposed }));
    end();
    editor().use("edit");
    editor().change([...editor().regions, ...taken], taken[0]?.id);
    page.set({ hint });
  };
  return {
    listSources: () => busily("sources", async () => {
      const { sources } = await askJson(`api/videos/${videoId()}/rois/sources`);
      page.set({ sources, source: sources[0]?.id ?? null });
    }),
    chooseSource: (source) => page.set({ source }),
    copy: () => busily("copy", async () => {
      const { source, sources } = page.get();
      const { name } = sources.find((one) => one.id === source);
      const answer = await sendJson("POST", `api/videos/${videoId()}/rois/copy`, { source });
      const { rois, pictures, ...found } = await answer.json();
      const images = { own: await imageOf(pictures.own), other: await imageOf(pictures.other) };
      const regions = fromFile(rois).map((one) => ({ ...one, isProposed: true }));
      page.set({ copy: { ...found, name, regions, images }, blink: "own", hint: "B shows both recordings in turn" });
    }),
    blink: () => {
      const { copy, blink, isBlinking } = page.get();
      if (!copy) return false;
      const other = blink === "own" ? "other" : "own";
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) show(other);
      else if (isBlinking) {
        stop();
        page.set({ isBlinking: false, blink: "own" });
      } else {
        page.set({ isBlinking: true, blink: other });
        blinking = setInterval(() => show(page.get().blink === "own" ? "other" : "own"), BLINK_MS);
      }
      return true;
    },
    acceptCopy: () => take(false, "taken as they are"),
    adjustCopy: () => take(true, "dashed regions count when they are accepted: drag their vertices first"),
    leaveCopy: end,
  };
}

async function imageOf(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}

export function Copying({ sources, source, copy, isBlinking, blink, busy, editor, actions }) {
  const label = busy === "copy" ? "Aligning..." : "Copy";
  return html`<section class="card" aria-labelledby="copying-title">
    <h2 id="copying-title">Copy from recording</h2>
    ${sources === null && html`<div class="row"><button onClick=${actions.listSources}
      disabled=${busy !== "" || editor.isLocked}>Copy from recording...</button></div>`}
    ${sources?.length === 0 && html`<p class="soft">There are no regions of another recording of this subject, or of
      another video or project beside this one.</p>`}
    ${sources?.length > 0 && html`<div class="row">
      <select aria-label="Recording to copy from" value=${source} onChange=${(event) => actions.chooseSource(event.target.value)}>
        ${sources.map((one) => html`<option value=${one.id}>${one.name}</option>`)}</select>
      <button onClick=${actions.copy} disabled=${busy !== ""}>${label}</button></div>`}
    ${copy && html`<${Copied} ...${{ copy, isBlinking, blink, actions }} />`}
  </section>`;
}

function Copied({ copy, isBlinking, blink, actions }) {
  const isRefused = copy.doubts.length > 0;
  const residual = copy.residual_px === null ? "not known" : `${copy.residual_px.toFixed(2)} px`;
  return html`<dl class="counts" id="alignment">
      <dt class=${isRefused ? "bad" : ""}>residual (at most ${copy.largest_residual_px} px)</dt>
      <dd id="residual">${residual}</dd>
      <dt>correlation (at least ${copy.least_correlation})</dt><dd>${copy.correlation.toFixed(2)}</dd>
      <dt>turned by</dt><dd>${copy.turn_deg.toFixed(2)}°</dd>
    </dl>
    ${copy.notes.map((note) => html`<p class="soft">${note}</p>`)}
    ${isRefused && html`<p class="bad" role="status">The pictures cannot be aligned: ${copy.doubts.join("; ")}. Draw the
      regions on this recording.</p>`}
    <div class="row">
      ${!isRefused && html`<button class="primary" onClick=${actions.acceptCopy}>Accept</button>
        <button onClick=${actions.adjustCopy}>Adjust</button>`}
      <button onClick=${actions.leaveCopy}>Leave</button>
      <button aria-pressed=${isBlinking} onClick=${actions.blink} title="Both recordings in turn (B)">Blink</button>
      <span class="soft" id="blink">${blink === "own" ? "this recording" : "the other one"}</span>
    </div>`;
}
