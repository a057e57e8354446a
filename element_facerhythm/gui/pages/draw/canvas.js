// The picture with regions, points and what is being drawn; places are pixels of the frame.

import { KINDS } from "./regions.js";

const HANDLE = 4.5;
const WEAK = "#e3342f";

export class Sheet {
  constructor(canvas, width, height) {
    Object.assign(this, { canvas, width, height, scale: 1, left: 0, top: 0, isFitted: true });
    new ResizeObserver(() => this.#resized()).observe(canvas);
    this.#resized();
  }

  onchange = () => {};

  fit() {
    this.isFitted = true;
    const [w, h] = [this.canvas.clientWidth, this.canvas.clientHeight];
    this.scale = Math.max(Math.min(w / this.width, h / this.height), 0.01);
    this.left = (w - this.width * this.scale) / 2;
    this.top = (h - this.height * this.scale) / 2;
    this.onchange();
  }

  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const scale = Math.max(0.05, Math.min(this.scale * factor, 60));
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.isFitted = false;
    this.onchange();
  }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.isFitted = false;
    this.onchange();
  }

  /** Place in the frame of a place on the canvas; the centre of the first pixel is (0, 0). */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = (event.clientX - box.left - this.left) / this.scale - 0.5;
    const y = (event.clientY - box.top - this.top) / this.scale - 0.5;
    return [x, y];
  }

  #resized() {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(Math.round(this.canvas.clientWidth * ratio), 1);
    this.canvas.height = Math.max(Math.round(this.canvas.clientHeight * ratio), 1);
    if (this.isFitted) this.fit();
    else this.onchange();
  }

  /** Draw `scene`: {image, regions, selected, points, isWeak, tracks, draft, pen, brush, vertex}. */
  draw(scene) {
    const ratio = window.devicePixelRatio || 1;
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingEnabled = this.scale < 3;
    if (scene.image) {
      context.drawImage(scene.image, this.left, this.top, this.width * this.scale, this.height * this.scale);
    }
    for (const one of scene.regions) this.#region(context, one, one.id === scene.selected, scene.vertex);
    if (scene.points) this.#points(context, scene.points, scene.isWeak, scene.tracks);
    if (scene.draft?.length) this.#draft(context, scene.draft);
    if (scene.painted) this.#painted(context, scene.painted);
    if (scene.pen) this.#pen(context, scene.pen, scene.brush);
  }

  #x(x) {
    return this.left + (x + 0.5) * this.scale;
  }

  #y(y) {
    return this.top + (y + 0.5) * this.scale;
  }

  #path(context, vertices, isClosed) {
    context.beginPath();
    for (const [x, y] of vertices) context.lineTo(this.#x(x), this.#y(y));
    if (isClosed) context.closePath();
  }

  #region(context, one, isSelected, vertex) {
    const { colour } = KINDS[one.kind];
    this.#path(context, one.vertices, true);
    context.globalAlpha = one.kind === "exclude" ? 0.3 : 0.08;
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = 1;
    context.setLineDash(one.isProposed ? [6, 5] : one.kind === "mask" ? [10, 4] : []);
    context.lineWidth = isSelected ? 5 : 3.5;
    context.strokeStyle = "rgb(0 0 0 / 0.65)";
    context.stroke();
    context.lineWidth = isSelected ? 2.5 : 1.5;
    context.strokeStyle = colour;
    context.stroke();
    context.setLineDash([]);
    if (!isSelected) return;
    for (const [k, [x, y]] of one.vertices.entries()) {
      const half = k === vertex ? HANDLE + 2 : HANDLE;
      context.fillStyle = k === vertex ? "#ffffff" : colour;
      context.strokeStyle = "#000000";
      context.lineWidth = 1;
      context.fillRect(this.#x(x) - half, this.#y(y) - half, 2 * half, 2 * half);
      context.strokeRect(this.#x(x) - half, this.#y(y) - half, 2 * half, 2 * half);
    }
  }

  #points(context, points, isWeak, tracks) {
    const radius = Math.max(1.2, Math.min(this.scale * 0.9, 3));
    for (const weak of [false, true]) {
      context.fillStyle = weak ? WEAK : "#ffffff";
      context.strokeStyle = "rgb(0 0 0 / 0.7)";
      context.lineWidth = 0.7;
      context.beginPath();
      for (let k = 0; k < points.length; k += 2) {
        if ((isWeak?.(points[k], points[k + 1], k / 2) ?? false) !== weak) continue;
        const x = this.#x(points[k] + (tracks ? tracks[k] : 0));
        const y = this.#y(points[k + 1] + (tracks ? tracks[k + 1] : 0));
        context.moveTo(x + radius, y);
        context.arc(x, y, radius, 0, 2 * Math.PI);
      }
      context.fill();
      if (radius > 1.5) context.stroke();
    }
  }

  #draft(context, vertices) {
    this.#path(context, vertices, false);
    context.lineWidth = 3.5;
    context.strokeStyle = "rgb(0 0 0 / 0.7)";
    context.stroke();
    context.lineWidth = 1.5;
    context.strokeStyle = "#ffffff";
    context.stroke();
    context.fillStyle = "#ffffff";
    for (const [x, y] of vertices) context.fillRect(this.#x(x) - 3, this.#y(y) - 3, 6, 6);
  }

  #painted(context, { mask, colour }) {
    context.globalAlpha = 0.45;
    context.fillStyle = colour;
    for (let y = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++) {
        if (!mask[y * this.width + x]) continue;
        const begin = x;
        while (x < this.width && mask[y * this.width + x]) x++;
        const side = (x - begin) * this.scale;
        context.fillRect(this.left + begin * this.scale, this.top + y * this.scale, side, this.scale + 0.5);
      }
    }
    context.globalAlpha = 1;
  }

  #pen(context, [x, y], brush) {
    context.strokeStyle = "#ffffff";
    context.lineWidth = 1;
    context.beginPath();
    if (brush) context.arc(this.#x(x), this.#y(y), brush * this.scale, 0, 2 * Math.PI);
    else {
      context.moveTo(this.#x(x) - 8, this.#y(y));
      context.lineTo(this.#x(x) + 8, this.#y(y));
      context.moveTo(this.#x(x), this.#y(y) - 8);
      context.lineTo(this.#x(x), this.#y(y) + 8);
    }
    context.stroke();
  }
}
