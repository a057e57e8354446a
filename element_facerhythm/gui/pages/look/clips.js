// Clips of the strongest episodes of a component, in step: one movie that the server makes while it is asked for.

import { html } from "../common/view.js";

const AGAIN_MS = 500;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Clips {
  constructor(page, onchange) {
    Object.assign(this, { page, onchange, name: null, made: null, error: null, share: 0, isPaused: calm.matches });
  }

  /** Have the clips of the chosen component made; the server stops when it is not asked any more. */
  async make() {
    const { data, state } = this.page;
    this.stop();
    const asked = (this.asked = new AbortController());
    Object.assign(this, { name: `${state.model} ${state.component}`, made: null, error: null, share: 0 });
    this.address = data.componentAddress(state.model, state.component);
    this.onchange();
    try {
      for (;;) {
        const found = await data.clips(this.address, asked.signal);
        if (asked.signal.aborted) return;
        if (found.episodes) {
          this.made = found;
          break;
        }
        this.share = found.share;
        this.onchange();
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      this.error = error.message;
    }
    this.asked = null;
    this.onchange();
  }

  stop() {
    this.asked?.abort();
    this.asked = null;
    this.name = null;
  }

  isOf({ model, component }) {
    return this.name === `${model} ${component}`;
  }
}

export function clipsView(page, act) {
  const { clips, state, model } = page;
  if (!model.components[state.component].episodes.length) return null;
  if (!clips.isOf(state)) {
    return html`<p><button onClick=${act.makeClips}>Show them as clips <kbd>v</kbd></button></p>`;
  }
  if (clips.error) return html`<p class="bad">${clips.error}</p>`;
  if (!clips.made) {
    return html`<div class="row"><label>clips are drawn <progress value=${clips.share} max="1"></progress></label>
      <button onClick=${act.stopClips}>Stop</button></div>`;
  }
  const { made } = clips;
  const rows = Math.ceil(made.n / made.columns);
  const [width, height] = made.tile_px;
  const total = [made.columns, rows].map((n, axis) => n * made.tile_px[axis] + (n - 1) * made.gap_px);
  const percent = (part, axis) => `${(100 * part) / total[axis]}%`;
  return html`<div class="clips">
      <video key=${clips.name} src=${`${clips.address}/clips.mp4`} loop muted playsinline autoplay=${!clips.isPaused}
        ref=${(video) => video && (clips.video = video)} onError=${() => act.say("the browser cannot play the clips")}
        aria-label=${`Clips of component ${state.component}, in step; each is named by its link`}></video>
      ${made.episodes.map((one, n) => html`<a class="clip" href=${act.addressAt(one.peak_s, one.video_index)}
        style=${`left: ${percent((n % made.columns) * (width + made.gap_px), 0)}; width: ${percent(width, 0)};
          top: ${percent(Math.floor(n / made.columns) * (height + made.gap_px), 1)}; height: ${percent(height, 1)}`}
        aria-label=${`Clip ${n + 1}, peak at ${one.peak_s.toFixed(2)} seconds: play it on the face`}
        onClick=${(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          act.playEpisode(one);
        }}></a>`)}
    </div>
    <div class="row"><button onClick=${act.pauseClips} aria-pressed=${clips.isPaused}>
      ${clips.isPaused ? "Play clips" : "Pause clips"}</button>
      <span class="soft">${made.n} clips of ${made.seconds} s, each in its video's own time; click one for that moment</span></div>
    ${made.notes.map((note) => html`<p class="soft">${note}</p>`)}`;
}
