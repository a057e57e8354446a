// Drawing and changing regions, with the pointer and with keys alone.

import { distanceToEdge, ellipse, polygonMask, rectangle, tenth, withFewVertices } from "./geometry.js";
import { difference, outlines, overlap, stamp, union } from "./raster.js";
import { History, KINDS, region } from "./regions.js";

export const TOOLS = {
  edit: { key: "v", says: "Edit", hint: "drag a vertex or a region; Alt-click on an edge adds a vertex, Delete removes it" },
  polygon: { key: "p", says: "Polygon", hint: "click the vertices; Enter or a double click closes, Backspace takes one back" },
  rectangle: { key: "r", says: "Rectangle", hint: "drag from corner to corner" },
  ellipse: { key: "e", says: "Ellipse", hint: "drag from corner to corner" },
  freehand: { key: "f", says: "Freehand", hint: "draw around the region" },
  brush: { key: "b", says: "Brush", hint: "paint; with Alt, wipe out. A selected region is changed" },
};
const MOST_VERTICES = 40;
const NEAR = 9; // pixels of the screen
const SNAP = 5;
const LEAST_SIDE = 3;

export class Editor {
  constructor(sheet, { onchange, onhint }) {
    Object.assign(this, { sheet, onchange, onhint, tool: "edit", kind: "points", brush: 12, isLocked: false });
    this.history = new History();
    this.#reset();
    this.selected = null;
    this.vertex = -1;
    const { canvas } = sheet;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", () => this.escape());
    canvas.addEventListener("pointerleave", () => this.#penTo(null));
    canvas.addEventListener("dblclick", () => this.tool === "polygon" && this.close());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      sheet.zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
    }, { passive: false });
  }

  get regions() {
    return this.history.now;
  }

  get current() {
    return this.regions.find((one) => one.id === this.selected);
  }

  use(tool) {
    this.#reset();
    this.tool = tool;
    this.onhint(TOOLS[tool].hint);
    this.onchange();
  }

  change(regions, selected = this.selected) {
    this.history.change(regions);
    this.select(selected);
  }

  select(id) {
    this.selected = this.regions.some((one) => one.id === id) ? id : null;
    this.vertex = -1;
    this.onchange();
  }

  replace(id, changes) {
    this.change(this.regions.map((one) => (one.id === id ? { ...one, ...changes } : one)));
  }

  remove(id = this.selected) {
    const one = this.current;
    if (id === this.selected && one && this.vertex >= 0 && one.vertices.length > 3) {
      const vertices = one.vertices.filter((_, k) => k !== this.vertex);
      this.replace(id, { vertices });
    } else if (id) this.change(this.regions.filter((other) => other.id !== id), null);
  }

  undo() {
    this.#reset();
    if (this.history.undo()) this.select(this.selected);
  }

  redo() {
    if (this.history.redo()) this.select(this.selected);
  }

  escape() {
    const wasDrawing = this.draft.length || this.painted;
    this.#reset();
    if (!wasDrawing) this.select(null);
    this.onchange();
  }

  /** End the polygon that is being drawn. */
  close() {
    const vertices = this.draft.filter((place, k) => !k || !same(place, this.draft[k - 1]));
    this.#reset();
    if (vertices.length > 2) this.#add(vertices);
    else this.onhint("a region needs three vertices");
  }

  takeBack() {
    this.draft = this.draft.slice(0, -1);
    this.onchange();
  }

  join() {
    const { width, height } = this.sheet;
    const one = this.current;
    if (!one) return;
    const group = this.regions.filter(
      (other) => other.kind === one.kind && (other === one || overlap(other.vertices, one.vertices, height, width)),
    );
    const made = union(group.map((other) => other.vertices), height, width);
    const joined = made.map((vertices, k) => region(vertices, one.kind, k ? "" : one.name));
    this.change([...this.regions.filter((other) => !group.includes(other)), ...joined], joined[0]?.id);
  }

  cutOut() {
    const { width, height } = this.sheet;
    const cut = this.current;
    if (!cut) return;
    const rest = this.regions.filter((one) => one !== cut).flatMap((one) => {
      if (!overlap(one.vertices, cut.vertices, height, width)) return [one];
      const left = difference(one.vertices, cut.vertices, height, width);
      return left.map((vertices, k) => region(vertices, one.kind, k ? "" : one.name));
    });
    this.change(rest, null);
  }

  /** Move the pen, or what is selected, by keys. */
  nudge(dx, dy) {
    const one = this.current;
    if (this.tool !== "edit") {
      const [x, y] = this.pen ?? [Math.round(this.sheet.width / 2), Math.round(this.sheet.height / 2)];
      this.#penTo(this.#inside([Math.round(x + dx), Math.round(y + dy)]));
      if (this.start && this.tool !== "polygon") this.#stretch(this.pen, false);
    } else if (one) {
      const moved = one.vertices.map(([x, y], k) =>
        this.vertex < 0 || k === this.vertex ? this.#inside([x + dx, y + dy]) : [x, y]);
      this.replace(one.id, { vertices: moved });
    } else return false;
    return true;
  }

  nextVertex(by) {
    const n = this.current?.vertices.length;
    if (!n) return;
    this.vertex = (this.vertex + by + n) % n;
    this.onchange();
  }

  /** What Space does with a drawing tool: set a vertex, or begin and end a shape. */
  press() {
    if (this.tool === "edit" || this.isLocked) return false;
    const place = this.pen ?? this.#inside([this.sheet.width / 2, this.sheet.height / 2].map(Math.round));
    this.#penTo(place);
    if (this.tool === "polygon") this.#setVertex(place);
    else if (this.start) this.#finish();
    else this.#begin(place, false);
    return true;
  }

  #reset() {
    Object.assign(this, { draft: [], start: null, drag: null, painted: null, pen: this.pen ?? null });
  }

  #add(vertices) {
    const made = region(vertices.map(this.#inside), this.kind);
    this.change([...this.regions, made], made.id);
    this.tool = "edit";
    this.onhint(TOOLS.edit.hint);
    this.onchange();
  }

  /** The place within the frame, on its border where it is near. */
  #inside = ([x, y]) => {
    const { width, height, scale } = this.sheet;
    const kept = (value, last) => {
      const snapped = Math.abs(value) < SNAP / scale ? 0 : Math.abs(value - last) < SNAP / scale ? last : value;
      return tenth(Math.max(0, Math.min(snapped, last)));
    };
    return [kept(x, width - 1), kept(y, height - 1)];
  };

  #penTo(place) {
    this.pen = place;
    this.onchange();
  }

  #setVertex(place) {
    const first = this.draft[0];
    const isNearFirst = first && Math.hypot(place[0] - first[0], place[1] - first[1]) * this.sheet.scale < NEAR;
    if (isNearFirst && this.draft.length > 2) this.close();
    else {
      this.draft = [...this.draft, place];
      this.onchange();
    }
  }

  #down(event) {
    this.sheet.canvas.focus();
    if (event.button === 1 || this.isPanning) {
      this.drag = { pan: [event.clientX, event.clientY] };
    } else if (event.button === 0 && !this.isLocked) {
      const place = this.sheet.place(event);
      if (this.tool === "edit") this.#grab(place, event.altKey);
      else if (this.tool === "polygon") this.#setVertex(this.#inside(place));
      else this.#begin(this.#inside(place), event.altKey);
    } else return;
    this.sheet.canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
  }

  #move(event) {
    const place = this.sheet.place(event);
    if (this.drag?.pan) {
      this.sheet.pan(event.clientX - this.drag.pan[0], event.clientY - this.drag.pan[1]);
      this.drag.pan = [event.clientX, event.clientY];
    } else if (this.drag) this.#dragTo(place);
    else if (this.start) this.#stretch(this.#inside(place), event.altKey);
    else if (this.tool !== "edit") this.#penTo(this.#inside(place));
  }

  #up() {
    if (this.start) this.#finish();
    this.drag = null;
  }

  #begin(place, wipes) {
    this.start = place;
    if (this.tool !== "brush") {
      this.draft = [place];
      return;
    }
    const { width, height } = this.sheet;
    const mask = this.current ? polygonMask(this.current.vertices, height, width) : new Uint8Array(width * height);
    const { colour } = KINDS[this.current?.kind ?? this.kind];
    this.painted = { mask, colour };
    this.#stretch(place, wipes);
  }

  #stretch(place, wipes) {
    const { width, height } = this.sheet;
    this.pen = place;
    if (this.tool === "rectangle") this.draft = closed(rectangle(this.start, place));
    else if (this.tool === "ellipse") this.draft = closed(ellipse(this.start, place));
    else if (this.tool === "freehand") this.draft = [...this.draft, place];
    else if (this.painted) {
      stamp(this.painted.mask, height, width, this.start, place, this.brush, wipes ? 0 : 1);
      this.start = place;
    }
    this.onchange();
  }

  #finish() {
    const { draft, painted, start, pen } = this;
    this.#reset();
    if (painted) {
      this.#takePainted(painted.mask);
      return;
    }
    const isDrawn = Math.min(Math.abs(pen[0] - start[0]), Math.abs(pen[1] - start[1])) >= LEAST_SIDE;
    if (this.tool === "freehand" && draft.length > 4) this.#add(withFewVertices(draft, MOST_VERTICES));
    else if (this.tool !== "freehand" && isDrawn) this.#add(draft.slice(0, -1));
    else this.onchange();
  }

  #takePainted(mask) {
    const { width, height } = this.sheet;
    const before = this.current;
    const made = outlines(mask, height, width).map((vertices, k) =>
      region(vertices, before?.kind ?? this.kind, before && !k ? before.name : ""));
    this.change([...this.regions.filter((one) => one !== before), ...made], made[0]?.id);
  }

  #grab(place, adds) {
    const near = NEAR / this.sheet.scale;
    const one = this.current;
    if (one) {
      const vertex = one.vertices.findIndex(([x, y]) => Math.hypot(place[0] - x, place[1] - y) < near);
      if (vertex >= 0) {
        this.vertex = vertex;
        this.drag = { vertex, from: place, before: one.vertices };
        this.onchange();
        return;
      }
      const edge = one.vertices.findIndex((v, k) =>
        distanceToEdge(place, v, one.vertices[(k + 1) % one.vertices.length]) < near);
      if (adds && edge >= 0) {
        const vertices = one.vertices.toSpliced(edge + 1, 0, this.#inside(place));
        this.replace(one.id, { vertices });
        this.vertex = edge + 1;
        this.onchange();
        return;
      }
    }
    const found = this.regions.findLast((other) => this.#holds(other, place));
    this.select(found?.id ?? null);
    if (found) this.drag = { vertex: -1, from: place, before: found.vertices };
  }

  #holds(one, [x, y]) {
    let isIn = false;
    for (const [k, [x0, y0]] of one.vertices.entries()) {
      const [x1, y1] = one.vertices[(k + 1) % one.vertices.length];
      if (y0 > y !== y1 > y && x < ((x1 - x0) * (y - y0)) / (y1 - y0) + x0) isIn = !isIn;
    }
    return isIn;
  }

  #dragTo(place) {
    const one = this.current;
    if (!one) return;
    const { vertex, from, before } = this.drag;
    let [dx, dy] = [place[0] - from[0], place[1] - from[1]];
    if (!this.drag.hasMoved && Math.hypot(dx, dy) * this.sheet.scale < 2) return;
    const { width, height } = this.sheet;
    if (vertex < 0) {
      const [xs, ys] = [before.map((v) => v[0]), before.map((v) => v[1])];
      dx = Math.max(-Math.min(...xs), Math.min(dx, width - 1 - Math.max(...xs)));
      dy = Math.max(-Math.min(...ys), Math.min(dy, height - 1 - Math.max(...ys)));
    }
    const vertices = before.map(([x, y], k) =>
      vertex < 0 ? [tenth(x + dx), tenth(y + dy)] : k === vertex ? this.#inside([x + dx, y + dy]) : [x, y]);
    const regions = this.regions.map((other) => (other === one ? { ...one, vertices } : other));
    if (this.drag.hasMoved) this.history.adjust(regions);
    else this.history.change(regions);
    this.drag.hasMoved = true;
    this.onchange();
  }
}

function closed(vertices) {
  return [...vertices, vertices[0]];
}

function same(a, b) {
  return a[0] === b[0] && a[1] === b[1];
}
