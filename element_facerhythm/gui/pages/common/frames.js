// Frames of a video by number. The number that is shown is that of the frame that was decoded.
//
// Where the browser plays the file itself, a <video> is set to the middle of a frame; that this shows the
// right frame is checked once against the server's own decoding. Else each frame is fetched as a picture.

import { ask, askJson } from "./api.js";
import { Shown } from "./shown.js";

const N_CHECKED = 5;
const SIDE_CHECKED = 48;
const MOST_APART = 14; // mean gray levels between two decodings of one frame
const LEAST_RATIO = 0.6; // a neighbouring frame must not be as near as that
const N_AHEAD = 6;
const PATIENCE_MS = 1000;

export async function openFrames(id, { onstate = () => {} } = {}) {
  const facts = await askJson(`api/videos/${id}`);
  const pictures = new Pictures(facts);
  if (!facts.is_played) return new Frames(facts, pictures, "pictures");
  try {
    const player = await Player.open(facts);
    if (await isExact(player, pictures, facts)) return new Frames(facts, player, "video");
    player.close();
    onstate("the browser's own player shows other frames: frames are fetched one by one");
  } catch {
    onstate("the browser cannot play this file: frames are fetched one by one");
  }
  return new Frames(facts, pictures, "pictures");
}

/** Shows frames of one video, and plays them. */
class Frames extends Shown {
  constructor(facts, source, way) {
    super();
    Object.assign(this, { facts, source, way });
  }

  get nFrames() {
    return this.facts.n_frames;
  }

  imageOf(number) {
    return this.source.at(number);
  }

  /** Go on by some frames; the next ones in that direction are fetched meanwhile. */
  step(by) {
    const number = (this.wanted ?? this.number) + by;
    const shown = this.seek(number);
    this.source.ahead?.(number, by);
    return shown;
  }

  play(speed = this.speed) {
    this.speed = speed;
    if (this.isPlaying) return;
    this.isPlaying = true;
    this.#run();
  }

  close() {
    this.pause();
    this.source.close();
  }

  async #run() {
    const begin = performance.now();
    const first = this.number >= this.nFrames - 1 ? 0 : Math.max(this.number, 0);
    const rate = this.facts.frame_rate_hz * this.speed;
    while (this.isPlaying) {
      const number = first + Math.floor(((performance.now() - begin) / 1000) * rate);
      if (number >= this.nFrames) {
        await this.seek(this.nFrames - 1);
        this.pause();
        this.tell();
        return;
      }
      if (number !== this.number) {
        this.source.ahead?.(number, Math.max(1, Math.round(rate / 30)));
        await this.seek(number);
      }
      await new Promise(requestAnimationFrame);
    }
  }
}

class Pictures {
  constructor(facts) {
    this.facts = facts;
    this.kept = new Map();
  }

  at(number) {
    if (!this.kept.has(number)) this.kept.set(number, this.#fetch(number));
    while (this.kept.size > 4 * N_AHEAD) {
      const [oldest, picture] = this.kept.entries().next().value;
      this.kept.delete(oldest);
      picture.then((image) => image.close(), () => {});
    }
    return this.kept.get(number);
  }

  ahead(number, by) {
    for (let n = 1; n <= 2; n++) {
      const next = number + n * by;
      if (next >= 0 && next < this.facts.n_frames) this.at(next).catch(() => {}); // told when it is shown
    }
  }

  close() {
    this.kept.clear();
  }

  async #fetch(number) {
    try {
      const answer = await ask(`api/videos/${this.facts.id}/frames/${number}.jpg`);
      return await createImageBitmap(await answer.blob());
    } catch (error) {
      this.kept.delete(number);
      throw error;
    }
  }
}

class Player {
  static async open(facts) {
    const element = document.createElement("video");
    Object.assign(element, { muted: true, playsInline: true, preload: "auto" });
    element.src = `api/videos/${facts.id}/file`;
    await new Promise((resolve, reject) => {
      element.addEventListener("loadeddata", resolve, { once: true });
      element.addEventListener("error", () => reject(element.error), { once: true });
      setTimeout(reject, 8000);
    });
    return new Player(facts, element);
  }

  constructor(facts, element) {
    Object.assign(this, { facts, element });
  }

  async at(number) {
    const time = (number + 0.5) / this.facts.frame_rate_hz;
    if (Math.abs(this.element.currentTime - time) > 1e-6) {
      this.element.currentTime = time;
      await new Promise((resolve, reject) => {
        this.element.addEventListener("seeked", resolve, { once: true });
        this.element.addEventListener("error", () => reject(this.element.error), { once: true });
      });
    }
    await this.#isThere(number);
    return this.element;
  }

  /** Wait until the frame that would be drawn is the right one: `seeked` comes a moment too early now and then. */
  async #isThere(number) {
    const begin = performance.now();
    if (typeof VideoFrame === "undefined") {
      await new Promise((resolve) => setTimeout(resolve, 30)); // no secure context: it cannot be asked
      return;
    }
    for (;;) {
      const frame = new VideoFrame(this.element);
      const place = (frame.timestamp / 1e6) * this.facts.frame_rate_hz;
      frame.close();
      if (Math.abs(place - number) < 0.5) return;
      if (performance.now() - begin > PATIENCE_MS) throw new Error(`the browser does not show frame ${number}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  close() {
    this.element.removeAttribute("src");
    this.element.load();
  }
}

/** Whether the player shows the frames that the server decodes, on a few of them, told from their neighbours. */
async function isExact(player, pictures, facts) {
  const last = facts.n_frames - 1;
  for (let n = 0; n < N_CHECKED; n++) {
    const number = Math.round((last * (n + 0.5)) / N_CHECKED);
    const shown = pixels(await player.at(number));
    const right = difference(shown, pixels(await pictures.at(number)));
    if (right > MOST_APART) return false;
    for (const other of [number - 1, number + 1]) {
      if (other < 0 || other > last) continue;
      const wrong = difference(shown, pixels(await pictures.at(other)));
      if (wrong < LEAST_RATIO * right) return false;
    }
  }
  return true;
}

function pixels(image) {
  const canvas = new OffscreenCanvas(SIDE_CHECKED, SIDE_CHECKED);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, SIDE_CHECKED, SIDE_CHECKED);
  return context.getImageData(0, 0, SIDE_CHECKED, SIDE_CHECKED).data;
}

function difference(a, b) {
  let sum = 0;
  for (let n = 0; n < a.length; n++) sum += Math.abs(a[n] - b[n]);
  return sum / a.length;
}
