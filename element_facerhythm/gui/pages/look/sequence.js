// Frames of a tracked sequence: of one video, of several that follow each other, or without pictures.

import { openFrames } from "../common/frames.js";
import { Shown } from "../common/shown.js";

/** Seconds of frames, and back; frames of a plain clock lie at equal distances. */
export class Clock {
  constructor(facts, times = null) {
    Object.assign(this, { facts, times, n: facts.n_frames });
  }

  at(frame) {
    if (this.times) return this.times[Math.max(0, Math.min(frame, this.n - 1))];
    return this.facts.start_s + frame / this.facts.frame_rate_hz;
  }

  get end() {
    return this.facts.start_s + this.facts.duration_s;
  }

  /** Frame that is shown at a moment: the last one that began before it. */
  frameAt(time) {
    if (!this.times) {
      return this.#within(Math.floor((time - this.facts.start_s) * this.facts.frame_rate_hz + 1e-3));
    }
    let low = 0;
    let high = this.n;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.times[middle] <= time + 1e-7) low = middle;
      else high = middle;
    }
    return low;
  }

  #within(frame) {
    return Math.max(0, Math.min(frame, this.n - 1));
  }
}

export class Sequence extends Shown {
  constructor(clock, parts, onstate) {
    super();
    Object.assign(this, { clock, parts, onstate, loop: null });
    this.opened = new Map();
  }

  get nFrames() {
    return this.clock.n;
  }

  step(by) {
    this.pause();
    this.loop = null;
    return this.seek((this.wanted ?? this.number) + by);
  }

  play() {
    if (this.isPlaying) return;
    this.isPlaying = true;
    this.#run();
  }

  close() {
    this.pause();
    for (const frames of this.opened.values()) frames.then((one) => one.close(), () => {});
  }

  /** How frames get here: "video", "pictures", or null where there are none. */
  get way() {
    return this.current?.way ?? null;
  }

  async imageOf(number) {
    let place = number;
    const part = this.parts.find((one) => place < one.n_frames || ((place -= one.n_frames), false));
    if (!part?.video) return null;
    try {
      if (!this.opened.has(part.video)) {
        this.opened.set(part.video, openFrames(part.video, { onstate: this.onstate }));
      }
      const frames = await this.opened.get(part.video);
      this.current = frames;
      await frames.seek(part.first + place);
      return frames.number === part.first + place ? frames.image : null;
    } catch (error) {
      this.onstate(`frame ${number} cannot be shown: ${error.message}`);
      return null;
    }
  }

  async #run() {
    const span = () => this.loop ?? { first: 0, stop: this.nFrames };
    let begin = performance.now();
    let from = this.number;
    if (from < span().first || from >= span().stop - 1) from = span().first;
    let speed = this.speed;
    while (this.isPlaying) {
      if (speed !== this.speed) [speed, from, begin] = [this.speed, this.number, performance.now()];
      const passed = ((performance.now() - begin) / 1000) * speed;
      let number = this.clock.frameAt(this.clock.at(from) + passed);
      if (number >= span().stop - 1 && this.number >= span().stop - 2) {
        if (!this.loop) {
          await this.seek(this.nFrames - 1);
          this.pause();
          break;
        }
        [from, begin, number] = [this.loop.first, performance.now(), this.loop.first];
      }
      number = Math.min(number, span().stop - 1);
      if (number !== this.number) await this.seek(number);
      await new Promise(requestAnimationFrame);
    }
    this.tell();
  }
}
