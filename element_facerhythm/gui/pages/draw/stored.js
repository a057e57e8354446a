// Regions in the database: entered for a recording that the video is a file of.

import { askJson, ServerError, sendJson } from "../common/api.js";
import { html } from "../common/view.js";
import { quoted } from "./quoted.js";
import { toFile } from "./regions.js";

/** What the page does about the database. */
export function storedActions({ page, editor, videoId, busily }) {
  const load = async () => {
    const { recordings } = await askJson(`api/videos/${videoId()}/recordings`);
    const { recording } = page.get();
    const chosen = recordings.some((one) => one.id === recording) ? recording : recordings[0]?.id ?? null;
    page.set({ recordings, recording: chosen });
  };
  return {
    loadRecordings: load,
    chooseRecording: (recording) => page.set({ recording, entered: null }),
    describe: (description) => page.set({ description, entered: null }),
    enter: () => busily("enter", async () => {
      const { recordings, recording, description } = page.get();
      const { version } = recordings.find((one) => one.id === recording);
      const body = { recording, description, rois: toFile(editor().regions) };
      try {
        const answer = await sendJson("POST", `api/videos/${videoId()}/recordings`, body, { "if-match": version });
        const { roi_id: number } = await answer.json();
        page.set({ entered: { number, regions: editor().regions } });
        await load();
      } catch (error) {
        if (error instanceof ServerError && error.status === 412) await load(); // what is new is listed now
        throw error;
      }
    }),
  };
}

export function Stored({ recordings, recording, description, entered, busy, editor, opened, path, actions }) {
  if (!recordings.length) return null;
  const chosen = recordings.find((one) => one.id === recording);
  const isEmpty = !editor.regions.some((one) => one.kind === "points" && !one.isProposed);
  const about = description ? ` --description ${quoted(description)}` : "";
  const isEntered = entered?.regions === editor.regions;
  return html`<section class="card" aria-labelledby="stored-title">
    <h2 id="stored-title">Database</h2>
    <div class="row"><select aria-label="Recording to enter them for" value=${recording}
      onChange=${(event) => actions.chooseRecording(event.target.value)}>
      ${recordings.map((one) => html`<option value=${one.id}>${one.id}</option>`)}</select></div>
    <ul class="entries">${chosen.entries.map((one) => html`
      <li>roi_id ${one.roi_id}${one.description && `: ${one.description}`}</li>`)}</ul>
    ${!chosen.entries.length && html`<p class="soft">It has no regions yet.</p>`}
    <div class="row"><label for="description">description</label>
      <input id="description" maxlength="255" value=${description} onInput=${(event) => actions.describe(event.target.value)} /></div>
    <pre class="command" tabindex="0" aria-label="Entering them on the command line"
      >facerhythm rois enter ${quoted(path)} ${chosen.options}${about}</pre>
    <div class="row">
      <button class="primary" onClick=${actions.enter} disabled=${busy !== "" || isEmpty || opened.read_only}>
        ${busy === "enter" ? "Entering..." : "Enter into the database"}</button>
      ${isEntered && html`<span role="status" class="soft">roi_id ${entered.number}</span>`}
    </div>
  </section>`;
}
