// The face: a frame at its own resolution, and over it points, arrows, a component's map, flags and regions.

import { HALF } from "../common/api.js";
import { ON_FACE, RAMP_CSS, lineColour } from "./colours.js";

const NEAR_PX = 14; // of the screen, within which a click finds a point
const DRAG_PX = 4;

export class Stage {
  constructor(element, { onpick, onlasso }) {
    this.element = element;
    this.picture = element.querySelector("#picture");
    this.overlay = element.querySelector("#overlay");
    Object.assign(this, { onpick, onlasso, isDrawing: false, line: [] });
    this.zoom = { scale: 1, x: 0, y: 0 };
    this.scene = null;
    new ResizeObserver(() => this.layout()).observe(element);
    this.#listen();
  }

  /** Size of the frame, points at home, and regions. */
  setFace({ width, height, positions, regions, spacing }) {
    Object.assign(this, { width, height, positions, regions, spacing });
    this.element.style.aspectRatio = `${width} / ${height}`;
    this.picture.width = width;
    this.picture.height = height;
    this.fit();
  }

  fit() {
    this.zoom = { scale: 1, x: 0, y: 0 };
    this.layout();
  }

  layout() {
    if (!this.width) return;
    const box = this.element.getBoundingClientRect();
    this.base = Math.min(box.width / this.width, box.height / this.height);
    const density = window.devicePixelRatio || 1;
    this.overlay.width = Math.max(1, Math.round(box.width * density));
    this.overlay.height = Math.max(1, Math.round(box.height * density));
    this.scale = this.base * this.zoom.scale;
    this.left = (box.width - this.width * this.base) / 2 + this.zoom.x;
    this.top = (box.height - this.height * this.base) / 2 + this.zoom.y;
    this.picture.style.transform = `translate(${this.left}px, ${this.top}px) scale(${this.scale})`;
    this.picture.style.imageRendering = this.scale > 3 ? "pixelated" : "auto";
    this.draw();
  }

  setFrame(image) {
    if (!image) return;
    this.picture.getContext("2d").drawImage(image, 0, 0, this.width, this.height);
  }

  /** What is drawn over the frame; see `draw` for its parts. */
  setScene(scene) {
    this.scene = scene;
    this.draw();
  }

  /** Whether dragging draws a line around points. */
  setDrawing(isDrawing) {
    Object.assign(this, { isDrawing, line: [] });
    this.element.classList.toggle("drawing", isDrawing);
    this.draw();
  }

  /** A place of the frame on the screen; whole numbers are centres of pixels. */
  at(x, y) {
    return [this.left + (x + 0.5) * this.scale, this.top + (y + 0.5) * this.scale];
  }

  draw() {
    const { scene, positions } = this;
    const canvas = this.overlay.getContext("2d");
    const density = window.devicePixelRatio || 1;
    canvas.setTransform(density, 0, 0, density, 0, 0);
    canvas.clearRect(0, 0, this.overlay.width, this.overlay.height);
    if (!scene || !positions || this.scale === undefined) return;
    canvas.globalAlpha = scene.opacity;
    if (scene.layers.regions) this.#drawRegions(canvas);
    if (scene.layers.heat && scene.heat) this.#drawHeat(canvas, scene.heat);
    const places = this.#places(scene);
    if (scene.layers.arrows && scene.block) this.#drawArrows(canvas, places);
    if (scene.layers.points) this.#drawPoints(canvas, places);
    if (scene.layers.flags && scene.flagged) this.#drawFlags(canvas, places, scene.flagged);
    if (scene.area) this.#drawLine(canvas, scene.area, true);
    if (this.line.length) this.#drawLine(canvas, this.line.flat(), false);
    this.#drawPicked(canvas, places, scene.picked);
  }

  #drawLine(canvas, vertices, isClosed) {
    canvas.globalAlpha = 1;
    canvas.beginPath();
    for (let n = 0; n < vertices.length; n += 2) canvas.lineTo(...this.at(vertices[n], vertices[n + 1]));
    if (isClosed) canvas.closePath();
    for (const [colour, width] of [["#000", 4], [ON_FACE.picked, 2]]) {
      canvas.strokeStyle = colour;
      canvas.lineWidth = width;
      canvas.stroke();
    }
  }

  /** Where each point is drawn: at home plus its displacement, made larger. */
  #places({ block, row, magnify }) {
    const places = Float32Array.from(this.positions);
    if (!block) return places;
    const begin = row * places.length;
    for (let n = 0; n < places.length; n++) places[n] += magnify * HALF[block.displacements[begin + n]];
    return places;
  }

  #drawRegions(canvas) {
    canvas.strokeStyle = ON_FACE.region;
    canvas.lineWidth = 1.25;
    canvas.setLineDash([5, 4]);
    for (const polygon of this.regions) {
      canvas.beginPath();
      for (let n = 0; n < polygon.length; n += 2) canvas.lineTo(...this.at(polygon[n], polygon[n + 1]));
      canvas.closePath();
      canvas.stroke();
    }
    canvas.setLineDash([]);
  }

  #drawHeat(canvas, heat) {
    const radius = Math.max(0.56 * this.spacing * this.scale, 2);
    const { opacity } = this.scene;
    for (let n = 0; n < heat.length; n++) {
      if (!(heat[n] > 0.02)) continue;
      const [x, y] = this.at(this.positions[2 * n], this.positions[2 * n + 1]);
      canvas.globalAlpha = opacity * (0.1 + 0.8 * heat[n]);
      canvas.fillStyle = RAMP_CSS[Math.round(255 * (0.2 + 0.8 * heat[n]))];
      canvas.beginPath();
      canvas.arc(x, y, radius, 0, 7);
      canvas.fill();
    }
    canvas.globalAlpha = opacity;
  }

  #drawPoints(canvas, places) {
    const radius = Math.max(Math.min(0.16 * this.spacing * this.scale, 3.2), 1.2);
    canvas.beginPath();
    for (let n = 0; n < places.length; n += 2) {
      const [x, y] = this.at(places[n], places[n + 1]);
      if (Number.isNaN(x)) continue;
      canvas.moveTo(x + radius, y);
      canvas.arc(x, y, radius, 0, 7);
    }
    canvas.strokeStyle = "rgb(0 0 0 / 65%)";
    canvas.lineWidth = 1.5;
    canvas.stroke();
    canvas.fillStyle = ON_FACE.point;
    canvas.fill();
  }

  #drawArrows(canvas, places) {
    canvas.beginPath();
    for (let n = 0; n < places.length; n += 2) {
      const [x0, y0] = this.at(this.positions[n], this.positions[n + 1]);
      const [x, y] = this.at(places[n], places[n + 1]);
      const length = Math.hypot(x - x0, y - y0);
      if (!(length > 1)) continue;
      canvas.moveTo(x0, y0);
      canvas.lineTo(x, y);
      const head = Math.min(0.4 * length, 5) / length;
      const [back, side] = [head * (x0 - x), head * (y0 - y)];
      canvas.moveTo(x + back - 0.5 * side, y + side + 0.5 * back);
      canvas.lineTo(x, y);
      canvas.lineTo(x + back + 0.5 * side, y + side - 0.5 * back);
    }
    for (const [colour, width] of [["rgb(0 0 0 / 55%)", 3], [ON_FACE.arrow, 1.4]]) {
      canvas.strokeStyle = colour;
      canvas.lineWidth = width;
      canvas.stroke();
    }
  }

  #drawFlags(canvas, places, flagged) {
    canvas.beginPath();
    for (const point of flagged) {
      const [x, y] = this.at(places[2 * point], places[2 * point + 1]);
      canvas.moveTo(x - 4, y - 4);
      canvas.lineTo(x + 4, y + 4);
      canvas.moveTo(x - 4, y + 4);
      canvas.lineTo(x + 4, y - 4);
    }
    for (const [colour, width] of [["rgb(0 0 0 / 70%)", 4], [ON_FACE.flag, 2]]) {
      canvas.strokeStyle = colour;
      canvas.lineWidth = width;
      canvas.stroke();
    }
  }

  #drawPicked(canvas, places, picked) {
    canvas.globalAlpha = 1;
    canvas.font = "600 12px system-ui";
    picked.forEach((point, order) => {
      const [x, y] = this.at(places[2 * point], places[2 * point + 1]);
      if (Number.isNaN(x)) return;
      for (const [colour, width] of [["#000", 5], [ON_FACE.picked, 3.5], [lineColour(order), 2]]) {
        canvas.strokeStyle = colour;
        canvas.lineWidth = width;
        canvas.beginPath();
        canvas.arc(x, y, 7, 0, 7);
        canvas.stroke();
      }
      canvas.lineWidth = 3;
      canvas.strokeStyle = "rgb(0 0 0 / 80%)";
      canvas.fillStyle = "#fff";
      canvas.strokeText(point, x + 10, y - 6);
      canvas.fillText(point, x + 10, y - 6);
    });
  }

  #nearest(x, y) {
    const places = this.scene ? this.#places(this.scene) : this.positions;
    let [best, distance] = [-1, NEAR_PX];
    for (let n = 0; n < places.length; n += 2) {
      const [px, py] = this.at(places[n], places[n + 1]);
      const away = Math.hypot(px - x, py - y);
      if (away < distance) [best, distance] = [n / 2, away];
    }
    return best;
  }

  zoomAt(x, y, factor) {
    const scale = Math.max(1, Math.min(this.zoom.scale * factor, 40));
    const real = scale / this.zoom.scale;
    const box = this.element.getBoundingClientRect();
    const [middleX, middleY] = [(box.width - this.width * this.base) / 2, (box.height - this.height * this.base) / 2];
    this.zoom = {
      scale,
      x: scale === 1 ? 0 : x - middleX - (x - middleX - this.zoom.x) * real,
      y: scale === 1 ? 0 : y - middleY - (y - middleY - this.zoom.y) * real,
    };
    this.layout();
  }

  #listen() {
    let drag = null;
    const place = (event) => {
      const box = this.element.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    this.element.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.shiftKey) return;
      event.preventDefault();
      this.zoomAt(...place(event), Math.exp(-(event.deltaY || event.deltaX) / 300));
    }, { passive: false });
    const onFrame = (event) => {
      const [x, y] = place(event);
      return [(x - this.left) / this.scale - 0.5, (y - this.top) / this.scale - 0.5];
    };
    this.element.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      if (this.isDrawing) this.line = [onFrame(event)];
      drag = { from: place(event), zoom: { ...this.zoom }, isMoved: false };
      this.element.setPointerCapture(event.pointerId);
    });
    this.element.addEventListener("pointermove", (event) => {
      if (!drag) return;
      const [x, y] = place(event);
      const [dx, dy] = [x - drag.from[0], y - drag.from[1]];
      drag.isMoved ||= Math.hypot(dx, dy) > DRAG_PX;
      if (this.isDrawing) {
        this.line.push(onFrame(event));
        this.draw();
        return;
      }
      if (!drag.isMoved || this.zoom.scale === 1) return;
      this.zoom = { scale: drag.zoom.scale, x: drag.zoom.x + dx, y: drag.zoom.y + dy };
      this.layout();
    });
    this.element.addEventListener("pointerup", (event) => {
      const isClick = drag && !drag.isMoved;
      drag = null;
      if (this.isDrawing) {
        const { line } = this;
        this.line = [];
        if (line.length > 2) this.onlasso(line);
        else this.draw();
        return;
      }
      if (!isClick) return;
      const point = this.#nearest(...place(event));
      if (point >= 0) this.onpick(point, event.shiftKey || event.ctrlKey || event.metaKey);
    });
    this.element.addEventListener("pointercancel", () => (drag = null));
  }
}

/** Median distance of points to their nearest neighbour, of some of them. */
export function spacingOf(positions) {
  const n = positions.length / 2;
  const nearest = [];
  for (let k = 0; k < n; k += Math.ceil(n / 60)) {
    let best = Infinity;
    for (let other = 0; other < n; other++) {
      if (other === k) continue;
      const [dx, dy] = [0, 1].map((axis) => positions[2 * k + axis] - positions[2 * other + axis]);
      best = Math.min(best, Math.hypot(dx, dy));
    }
    nearest.push(best);
  }
  nearest.sort((a, b) => a - b);
  const median = nearest[nearest.length >> 1];
  return Number.isFinite(median) ? median : 10;
}
