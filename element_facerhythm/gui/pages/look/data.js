// What the page asks of the server about one project; what is still being made is asked for again.

import { arraysOf, ask, askArrays, askJson } from "../common/api.js";

const AGAIN_MS = 400;
const BLOCKS_KEPT = 12;

const jsonOf = (answer) => answer.json();

export class ProjectData {
  constructor(id) {
    this.base = `api/projects/${id}`;
    this.kept = new Map();
  }

  facts() {
    return askJson(this.base);
  }

  state() {
    return askJson(`${this.base}/state`);
  }

  summary(signal) {
    return this.#whenMade(`${this.base}/summary`, jsonOf, signal);
  }

  point(index, signal) {
    return this.#whenMade(`${this.base}/points/${index}`, jsonOf, signal);
  }

  geometry() {
    return askArrays(`${this.base}/geometry`);
  }

  model(key) {
    return askArrays(`${this.base}/models/${encodeURIComponent(key)}`);
  }

  courses(key, video, [from, to], width, signal) {
    const query = `from=${from}&to=${to}&width=${width}`;
    return askArrays(`${this.base}/models/${encodeURIComponent(key)}/videos/${video}/courses?${query}`, { signal });
  }

  allCourses(key, video, width) {
    return askArrays(`${this.base}/models/${encodeURIComponent(key)}/videos/${video}/courses?width=${width}`);
  }

  times(video) {
    return askArrays(`${this.base}/videos/${video}/times`);
  }

  flags(video, width) {
    return askArrays(`${this.base}/videos/${video}/flags?width=${width}`);
  }

  traces(video, points, [first, stop], width, signal) {
    const query = `points=${points.join(",")}&first=${first}&stop=${stop}&width=${width}`;
    return this.#whenMade(`${this.base}/videos/${video}/traces?${query}`, arraysOf, signal);
  }

  spectrogram(video, of, [from, to], width, signal) {
    const query = `of=${of}&from=${from}&to=${to}&width=${width}`;
    return this.#whenMade(`${this.base}/videos/${video}/spectrogram?${query}`, arraysOf, signal);
  }

  /** Mean displacement of the points of a selection, in columns of `size` frames; 0 takes those that `width` needs. */
  meanTrace(video, of, [first, stop], width, size, signal) {
    const query = `of=${of}&first=${first}&stop=${stop}&width=${width}&size=${size}`;
    return this.#whenMade(`${this.base}/videos/${video}/mean-trace?${query}`, arraysOf, signal);
  }

  /** Signals of regions, a row each; no rows where none were measured. */
  signals(video, [first, stop], width, signal) {
    return askArrays(`${this.base}/videos/${video}/signals?first=${first}&stop=${stop}&width=${width}`, { signal });
  }

  events(video) {
    return askArrays(`${this.base}/videos/${video}/events`);
  }

  componentAddress(key, component) {
    return `${this.base}/models/${encodeURIComponent(key)}/components/${component}`;
  }

  cycle(key, component, signal) {
    return this.#whenMade(`${this.componentAddress(key, component)}/cycle`, arraysOf, signal);
  }

  /** Facts on the clips, or how far they are. */
  clips(address, signal) {
    return askJson(`${address}/clips`, { signal });
  }

  query(parameters) {
    return askJson(`${this.base}/query?${new URLSearchParams(parameters)}`);
  }

  /** Points of a block of frames if it is there; else it is fetched, and `onblock` called. */
  block(video, number, onblock = () => {}) {
    const name = `${video}/${number}`;
    const found = this.kept.get(name);
    if (found) return found.value ?? null;
    const entry = { value: null };
    this.kept.set(name, entry);
    while (this.kept.size > BLOCKS_KEPT) this.kept.delete(this.kept.keys().next().value);
    askArrays(`${this.base}/videos/${video}/blocks/${number}`).then(
      ({ arrays }) => {
        entry.value = arrays;
        onblock();
      },
      () => this.kept.delete(name),
    );
    return null;
  }

  async #whenMade(address, reading, signal) {
    for (;;) {
      const answer = await ask(address, { signal });
      if (answer.status !== 202) return reading(answer);
      await answer.text(); // else it stays open until it is aborted
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      if (signal?.aborted) throw new DOMException("not wanted any more", "AbortError");
    }
  }
}
