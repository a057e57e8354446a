// One dot a recording, over two of its numbers; a brushed area chooses.

import { colourOf } from "../common/view.js";

const MARGIN = { left: 50, right: 10, top: 10, bottom: 34 };
const COLOURS = { ok: "--good", warn: "--warn", red: "--bad", unknown: "--soft" };

export class Scatter {
  constructor(canvas, { onbrush, onpick }) {
    Object.assign(this, { canvas, onbrush, onpick, area: null, drag: null });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.drag = { from: [event.offsetX, event.offsetY], to: null };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.drag) return;
      this.drag.to = [event.offsetX, event.offsetY];
      this.draw();
    });
    canvas.addEventListener("pointerup", () => this.#released());
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  show(table, x, y, selected) {
    Object.assign(this, { table, x, y, selected });
    const range = (name) => {
      const values = table.byName[name].values.filter((value) => typeof value === "number");
      const [low, high] = [Math.min(...values), Math.max(...values)];
      return low < high ? [low, high] : [low - 1, high + 1];
    };
    this.ranges = [range(x), range(y)];
    this.draw();
  }

  /** Whether a row lies in the brushed area; null where none is. */
  get brush() {
    if (!this.area) return null;
    const [[left, top], [right, bottom]] = this.area;
    return (row) => {
      const place = this.#place(row);
      return place && place[0] >= left && place[0] <= right && place[1] >= top && place[1] <= bottom;
    };
  }

  forget() {
    this.area = null;
  }

  draw() {
    if (!this.table) return;
    const { canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.max(width * ratio, 1);
    canvas.height = Math.max(height * ratio, 1);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const colours = Object.fromEntries(Object.entries(COLOURS).map(([verdict, name]) => [verdict, colourOf(name)]));
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = colours.unknown;
    context.textAlign = "right";
    for (const share of [0, 0.5, 1]) {
      const y = this.ranges[1][0] + share * (this.ranges[1][1] - this.ranges[1][0]);
      context.fillText(short(y), MARGIN.left - 5, this.#y(y) + 4);
    }
    context.textAlign = "center";
    for (const share of [0, 0.5, 1]) {
      const x = this.ranges[0][0] + share * (this.ranges[0][1] - this.ranges[0][0]);
      context.fillText(short(x), Math.min(this.#x(x), width - 18), height - MARGIN.bottom + 14);
    }
    context.fillText(this.x, (MARGIN.left + width) / 2, height - 6);
    const chosen = new Set(this.table.shown);
    for (let row = 0; row < this.table.nRows; row++) {
      const place = this.#place(row);
      if (!place) continue;
      context.globalAlpha = chosen.has(row) ? 0.85 : 0.12;
      context.fillStyle = colours[this.table.value("verdict", row)] ?? colours.unknown;
      context.beginPath();
      context.arc(place[0], place[1], row === this.selected ? 6 : 3, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
    const area = this.drag?.to ? boxOf(this.drag.from, this.drag.to) : this.area;
    if (!area) return;
    context.strokeStyle = colourOf("--accent");
    context.strokeRect(area[0][0], area[0][1], area[1][0] - area[0][0], area[1][1] - area[0][1]);
  }

  #released() {
    const { from, to } = this.drag ?? {};
    this.drag = null;
    if (!from) return;
    if (to && Math.hypot(to[0] - from[0], to[1] - from[1]) > 5) this.area = boxOf(from, to);
    else {
      this.area = null;
      const near = this.#nearest(from);
      if (near !== null) this.onpick(near);
    }
    this.onbrush();
  }

  #nearest([x, y]) {
    let [best, least] = [null, 10];
    for (const row of this.table.shown) {
      const place = this.#place(row);
      const apart = place ? Math.hypot(place[0] - x, place[1] - y) : Infinity;
      if (apart < least) [best, least] = [row, apart];
    }
    return best;
  }

  #place(row) {
    const [x, y] = [this.table.value(this.x, row), this.table.value(this.y, row)];
    return typeof x === "number" && typeof y === "number" ? [this.#x(x), this.#y(y)] : null;
  }

  #x(value) {
    const [low, high] = this.ranges[0];
    return MARGIN.left + ((value - low) / (high - low)) * (this.canvas.clientWidth - MARGIN.left - MARGIN.right);
  }

  #y(value) {
    const [low, high] = this.ranges[1];
    const bottom = this.canvas.clientHeight - MARGIN.bottom;
    return bottom - ((value - low) / (high - low)) * (bottom - MARGIN.top);
  }
}

function boxOf([x0, y0], [x1, y1]) {
  return [[Math.min(x0, x1), Math.min(y0, y1)], [Math.max(x0, x1), Math.max(y0, y1)]];
}

function short(value) {
  return Math.abs(value) >= 10000 || (value && Math.abs(value) < 0.001)
    ? value.toExponential(1)
    : String(Number(value.toPrecision(3)));
}
