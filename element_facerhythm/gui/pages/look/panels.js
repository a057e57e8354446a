// Panels over time under each other: one axis of seconds, one cursor, one line at the frame that is shown.

import { RAMP, pageColour } from "./colours.js";
import { nearest } from "./events.js";

const LEFT_PX = 62;
const SNAP_PX = 7; // from an event or an episode, within which a click is one on its beginning
const OCTAVE_TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500];

const isHover = (type) => type === "mousemove" || type === "mouseleave";
const finite = (value) => (Number.isFinite(value) ? value : null);

/** Lowest and highest value of each column, one after the other, as one line. */
export function zigzag(times, low, high, step) {
  if (low === high) return [times, Array.from(low, finite)];
  const [xs, ys] = [new Float64Array(2 * times.length), new Array(2 * times.length)];
  for (let n = 0; n < times.length; n++) {
    [xs[2 * n], xs[2 * n + 1]] = [times[n], times[n] + step / 2];
    [ys[2 * n], ys[2 * n + 1]] = [finite(low[n]), finite(high[n])];
  }
  return [xs, ys];
}

/** A panel; `acts` has seek(time), zoom(span) and fitTime(). */
export class Panel {
  constructor(parent, { title, height, acts, hasTimes = false, options = {}, paint = null }) {
    const figure = document.createElement("figure");
    figure.className = "panel";
    this.caption = document.createElement("figcaption");
    this.caption.textContent = title;
    this.plot = document.createElement("div");
    figure.append(this.caption, this.plot);
    parent.append(figure);
    Object.assign(this, { figure, height, acts, hasTimes, options, paint, snaps: null, span: [0, 1], now: 0 });
    this.line = document.createElement("div");
    this.line.className = "now";
  }

  /** Draw the panel anew with these series: [{label, colour, width, alpha}, ...] and their values. */
  show(span, data, series = [], { splits, values, range } = {}) {
    this.span = span;
    this.u?.destroy();
    const [ink, soft, grid] = ["ink", "soft", "line"].map(pageColour);
    const axis = { stroke: soft, grid: { stroke: grid, width: 0.5 }, ticks: { stroke: grid, width: 0.5, size: 4 },
      font: "11px system-ui" };
    this.u = new uPlot({
      width: this.width(), height: this.height + (this.hasTimes ? 34 : 8), pxAlign: 1,
      padding: [6, 10, this.hasTimes ? 0 : 4, 0],
      legend: { show: false },
      cursor: { sync: { key: "look", setSeries: false, filters: { pub: isHover, sub: isHover } }, drag: { x: true, y: false, setScale: false, dist: 5 },
        bind: { dblclick: () => () => this.acts.fitTime() }, points: { show: false } },
      scales: { x: { time: false, range: () => this.span }, y: { range: range ?? ((_, low, high) => [low, high]) } },
      axes: [
        { ...axis, show: this.hasTimes, size: 34, label: this.hasTimes ? "time (s)" : undefined, labelSize: 14,
          labelFont: "11px system-ui", stroke: ink },
        { ...axis, size: LEFT_PX, splits, values, ...this.options.axis },
      ],
      series: [{}, ...series.map(({ label, colour, width = 1, alpha = 1 }) =>
        ({ label, stroke: colour, width, alpha, points: { show: false }, spanGaps: false }))],
      hooks: {
        drawAxes: [(u) => this.paint?.(u, this)],
        setSelect: [(u) => u.select.width > 4 && this.#zoomTo(u)],
      },
    }, data, this.plot);
    this.u.over.append(this.line);
    this.#listen(this.u);
    this.setNow(this.now);
  }

  width() {
    return Math.max(this.plot.clientWidth || this.figure.clientWidth, 200);
  }

  resize() {
    this.u?.setSize({ width: this.width(), height: this.height + (this.hasTimes ? 34 : 8) });
    this.setNow(this.now);
  }

  setNow(time) {
    this.now = time;
    if (!this.u) return;
    const isInside = time >= this.span[0] && time <= this.span[1];
    this.line.hidden = !isInside;
    if (isInside) this.line.style.transform = `translateX(${this.u.valToPos(time, "x")}px)`;
  }

  #zoomTo(u) {
    const span = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.acts.zoom(span);
  }

  #listen(u) {
    let down = null;
    u.over.addEventListener("mousedown", (event) => (down = event.clientX));
    u.over.addEventListener("click", (event) => {
      if (down !== null && Math.abs(event.clientX - down) > 4) return;
      const time = u.posToVal(event.clientX - u.over.getBoundingClientRect().left, "x");
      const within = (SNAP_PX * (this.span[1] - this.span[0])) / u.over.clientWidth;
      this.acts.seek(this.snaps ? nearest(this.snaps, time, within) : time);
    });
    u.over.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.shiftKey) return;
      event.preventDefault();
      const middle = u.posToVal(event.clientX - u.over.getBoundingClientRect().left, "x");
      const [from, to] = this.span;
      if (event.shiftKey) {
        const by = ((event.deltaX || event.deltaY) / 600) * (to - from);
        this.acts.zoom([from + by, to + by]);
        return;
      }
      const factor = Math.exp(event.deltaY / 300);
      this.acts.zoom([middle - (middle - from) * factor, middle + (to - middle) * factor]);
    }, { passive: false });
  }
}

/** Values, ticks and range of an axis of frequencies, in octaves. */
export function octaves(frequencies) {
  const [low, high] = [Math.log2(frequencies[0]), Math.log2(frequencies[frequencies.length - 1])];
  const margin = (high - low) / Math.max(2 * (frequencies.length - 1), 2) || 0.5;
  const ticks = OCTAVE_TICKS.map(Math.log2).filter((tick) => tick >= low - margin && tick <= high + margin);
  return {
    range: () => [low - margin, high + margin],
    splits: () => ticks,
    values: (_, splits) => splits.map((split) => `${+(2 ** split).toPrecision(3)} Hz`),
  };
}

/** Paint a spectrogram: a picture for each run of columns without a pause, one row for each frequency. */
export function spectrogramPainter(tile, frequencies, band) {
  const { levels, times, is_after_pause: afterPause } = tile.arrays;
  const [nRows, nColumns] = levels.shape;
  const rows = Array.from(frequencies, Math.log2);
  const edges = rows.map((row, n) => (n ? (row + rows[n - 1]) / 2 : row - (rows[1] - row) / 2 || row - 0.25));
  edges.push(2 * rows[nRows - 1] - edges[nRows - 1]);
  const picture = new OffscreenCanvas(nColumns, nRows);
  const drawing = picture.getContext("2d");
  const pixels = drawing.createImageData(nColumns, nRows);
  for (let n = 0; n < levels.length; n++) {
    for (let part = 0; part < 3; part++) pixels.data[4 * n + part] = RAMP[3 * levels[n] + part];
    pixels.data[4 * n + 3] = 255;
  }
  drawing.putImageData(pixels, 0, 0);
  const runs = [0, ...Array.from(afterPause.keys()).filter((n) => n && afterPause[n]), nColumns];
  return (u) => {
    const canvas = u.ctx;
    canvas.save();
    canvas.beginPath();
    canvas.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    canvas.clip();
    canvas.imageSmoothingEnabled = false;
    for (let run = 0; run + 1 < runs.length; run++) {
      const [first, stop] = [runs[run], runs[run + 1]];
      const step = stop - first > 1 ? (times[stop - 1] - times[first]) / (stop - first - 1) : tile.step_s;
      const left = u.valToPos(times[first] - step / 2, "x", true);
      const right = u.valToPos(times[stop - 1] + step / 2, "x", true);
      for (let row = 0; row < nRows; row++) {
        const [top, bottom] = [u.valToPos(edges[row + 1], "y", true), u.valToPos(edges[row], "y", true)];
        canvas.drawImage(picture, first, row, stop - first, 1, left, top, right - left, bottom - top + 0.6);
      }
    }
    if (band && band.edges[0] !== null) {
      canvas.strokeStyle = "#ffffff";
      canvas.lineWidth = devicePixelRatio;
      canvas.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
      for (const edge of band.edges) {
        const y = u.valToPos(Math.log2(edge), "y", true);
        canvas.beginPath();
        canvas.moveTo(u.bbox.left, y);
        canvas.lineTo(u.bbox.left + u.bbox.width, y);
        canvas.stroke();
      }
    }
    canvas.restore();
  };
}

/** Paint what went wrong: share of flagged points as an area, and bars for spans of frames of each kind. */
export function flagPainter(flags, clock, kinds) {
  const { shares } = flags.arrays;
  const highest = Math.max(0.05, shares.reduce((top, share) => Math.max(top, share), 0));
  return (u) => {
    const canvas = u.ctx;
    const { left, top, width, height } = u.bbox;
    const x = (time) => u.valToPos(time, "x", true);
    canvas.save();
    canvas.beginPath();
    canvas.rect(left, top, width, height);
    canvas.clip();
    canvas.fillStyle = pageColour("warn");
    canvas.beginPath();
    canvas.moveTo(left, top + height);
    for (let n = 0; n < shares.length; n++) {
      const y = top + height * (1 - (0.6 * shares[n]) / highest);
      canvas.lineTo(x(clock.at(n * flags.size)), y);
      canvas.lineTo(x(clock.at(Math.min((n + 1) * flags.size, clock.n))), y);
    }
    canvas.lineTo(left + width, top + height);
    canvas.fill();
    kinds.forEach(({ spans, colour }, row) => {
      canvas.fillStyle = colour;
      for (const [from, to] of spans) {
        canvas.fillRect(x(from), top + (row * height * 0.36) / kinds.length,
          Math.max(x(to) - x(from), 2 * devicePixelRatio), (0.3 * height) / kinds.length);
      }
    });
    canvas.restore();
  };
}
