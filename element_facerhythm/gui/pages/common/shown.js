// The frame that is shown, of frames that take a while to get: the last one that is wanted counts.

export class Shown {
  number = -1;
  image = null;
  speed = 1;
  isPlaying = false;
  wanted = null;
  settled = Promise.resolve();
  listeners = new Set();
  #isBusy = false;

  /** Call `onframe(number, image)` with each frame that is there; returns what ends that. */
  listen(onframe) {
    this.listeners.add(onframe);
    return () => this.listeners.delete(onframe);
  }

  /** Show a frame; of several that are wanted in a hurry, the last. Resolves when it is shown. */
  seek(number) {
    this.wanted = Math.max(0, Math.min(Math.round(number), this.nFrames - 1));
    if (!this.#isBusy) this.settled = this.#work();
    return this.settled;
  }

  pause() {
    this.isPlaying = false;
  }

  tell() {
    for (const listener of this.listeners) listener(this.number, this.image);
  }

  async #work() {
    this.#isBusy = true;
    try {
      while (this.wanted !== null) {
        const number = this.wanted;
        const image = await this.imageOf(number);
        if (this.wanted === number) this.wanted = null;
        this.number = number;
        this.image = image;
        this.tell();
      }
    } finally {
      this.wanted = null;
      this.#isBusy = false;
    }
  }
}
