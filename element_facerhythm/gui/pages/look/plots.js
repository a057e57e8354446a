// The panels of the page, and what they ask for when the span of time or the choice changes.

import { lineColour, pageColour } from "./colours.js";
import { eventPainter, heightOf, namesOf } from "./events.js";
import { Panel, flagPainter, octaves, spectrogramPainter, zigzag } from "./panels.js";

const SOONER_MS = 60;
const FLAG_COLUMNS = 2000;

/** Lowest and highest displacements of one of several traces, each as [x, y]. */
function rowOf({ low, high = low }, order) {
  const n = low.shape[2];
  const own = (all) => [0, 1].map((axis) => all.subarray((2 * order + axis) * n, (2 * order + axis + 1) * n));
  return { low: own(low), high: own(high) };
}

export class Plots {
  constructor(element, page, acts) {
    Object.assign(this, { element, page, acts });
    this.courses = new Panel(element, { title: "", height: 118, acts });
    this.spectrogram = new Panel(element, { title: "", height: 118, acts });
    this.traces = new Panel(element, { title: "", height: 130, acts });
    this.signals = new Panel(element, { title: "", height: 60, acts });
    this.signals.figure.hidden = true;
    this.events = new Panel(element, { title: "", height: 24, acts, options: { axis: { grid: { show: false } } } });
    this.events.figure.hidden = true;
    this.flags = new Panel(element, { title: "", height: 44, acts, hasTimes: true, options: { axis: { show: true } } });
    this.all = [this.courses, this.spectrogram, this.traces, this.signals, this.events, this.flags];
    new ResizeObserver(() => this.all.forEach((panel) => panel.resize())).observe(element);
  }

  setNow(time) {
    for (const panel of this.all) panel.setNow(time);
  }

  /** Fetch and draw what is shown now; a later call ends an earlier one. */
  refresh() {
    clearTimeout(this.timer);
    return new Promise((resolve) => {
      this.timer = setTimeout(() => this.#refresh().then(resolve), SOONER_MS);
    });
  }

  async #refresh() {
    this.asked?.abort();
    this.asked = new AbortController();
    const { signal } = this.asked;
    const results = await Promise.allSettled([
      this.#showCourses(signal), this.#showSpectrogram(signal), this.#showTraces(signal), this.#showSignals(signal),
      this.#showEvents(), this.#showFlags(),
    ]);
    for (const { reason } of results) if (reason && reason.name !== "AbortError") this.acts.say(reason.message);
  }

  get #width() {
    return Math.min(Math.round((this.element.clientWidth || 800) * (window.devicePixelRatio || 1)), 2000);
  }

  async #showCourses(signal) {
    const { data, state, shownSpan: span, model } = this.page;
    if (!model.videos.includes(state.video)) {
      this.courses.caption.textContent = `model ${state.model} is not of this video`;
      this.courses.show(span, [[span[0], span[1]]]);
      return;
    }
    const found = await data.courses(state.model, state.video, span, Math.round(this.#width / 2), signal);
    if (signal.aborted) return;
    const { times, low, high } = found.arrays;
    const n = times.length;
    const step = n > 1 ? (times[n - 1] - times[0]) / (n - 1) : 0;
    const { component: chosen, compare, ownScale } = state;
    const isPair = compare !== null;
    const order = isPair ? [compare] : [...model.components.keys()].filter((one) => one !== chosen);
    if (chosen !== null) order.push(chosen);
    const drawn = [];
    for (const component of order) {
      const divisor = isPair ? this.page.commonDivisors.courses[component] : this.page.divisors.courses[component];
      const scaled = [low, high].map((values) =>
        values.subarray(component * n, (component + 1) * n).map((value) => value / divisor));
      const [xs, ys] = found.size === 1 ? zigzag(times, scaled[0], scaled[0]) : zigzag(times, ...scaled, step);
      drawn[0] ??= xs;
      drawn.push(ys);
    }
    const series = order.map((component) => ({
      label: `component ${component}`, colour: lineColour(component),
      width: component === chosen ? 2 : 1,
      alpha: component === chosen || chosen === null || isPair ? 1 : 0.45,
    }));
    this.page.shownCourses = { ...found, order };
    this.courses.caption.textContent = isPair
      ? `loadings of components ${chosen} and ${compare} over time, on the scale of all components`
      : `loadings of all components over time, ${ownScale ? "each as a share of its own largest" : "as a share of the largest of all"}`;
    const lowest = this.page.hasNegative ? -1.05 : 0;
    const splits = lowest ? [-1, 0, 1] : [0, 0.5, 1];
    this.courses.show(span, drawn, series, { range: () => [lowest, 1.05], splits: () => splits });
  }

  async #showSpectrogram(signal) {
    const { data, state, shownSpan: span, geometry, model } = this.page;
    this.spectrogram.caption.textContent = `spectrogram of ${this.#nameOfSelection()} …`;
    const tile = await data.spectrogram(state.video, state.of, span, Math.round(this.#width / 2), signal);
    if (signal.aborted) return;
    const band = state.component === null ? null : { edges: model.components[state.component].half_power_hz };
    this.page.shownTile = tile;
    this.spectrogram.paint = spectrogramPainter(tile, geometry.arrays.frequencies, band);
    const banded = band?.edges[0] != null ? `; dashed: half-power band of component ${state.component}` : "";
    this.spectrogram.caption.textContent =
      `spectrogram of ${this.#nameOfSelection()}, 0 to ${tile.top.toPrecision(2)} (normalised magnitude)${banded}`;
    this.spectrogram.show(span, ...this.#nothing(span), octaves(geometry.arrays.frequencies));
  }

  /** Data and series of a panel on which everything is painted. */
  #nothing(span) {
    return [[[span[0], span[1]], [null, null]], [{ label: "" }]];
  }

  #nameOfSelection() {
    const { state, facts } = this.page;
    const [kind, number] = state.of.split(":");
    if (kind === "area") return "the points within the line";
    if (kind === "region") return facts.regions[+number] || `region ${number}`;
    return kind === "point" ? `point ${number}` : "all points";
  }

  async #showTraces(signal) {
    const { data, state, shownSpan: span, clock } = this.page;
    const isArea = /^(region|area):/.test(state.of);
    if (!state.points.length && !isArea) {
      this.page.shownTraces = null;
      this.traces.caption.textContent = "displacement of points: click one on the face, or draw a line around some";
      this.traces.show(span, ...this.#nothing(span), { range: () => [-1, 1], splits: () => [] });
      return;
    }
    this.traces.caption.textContent = "displacement …";
    const frames = [clock.frameAt(span[0]), Math.min(clock.frameAt(span[1]) + 2, clock.n)];
    const width = Math.round(this.#width / 2);
    const found = state.points.length ? await data.traces(state.video, state.points, frames, width, signal) : null;
    const mean = isArea ? await data.meanTrace(state.video, state.of, frames, width, found?.size ?? 0, signal) : null;
    if (signal.aborted) return;
    const rows = state.points.map((point, order) => ({ ...rowOf(found.arrays, order), name: `point ${point}`, colour: lineColour(order) }));
    if (mean) rows.unshift({ ...rowOf(mean.arrays, 0), name: `mean of ${mean.n_points} points`, short: "mean", colour: pageColour("ink") });
    const { first, size } = found ?? mean;
    this.page.shownTraces = { ...found, mean, first, size, rows, points: [...state.points] };
    this.#drawTraces(rows, first, size);
  }

  /** Rows under each other, x strong and y pale, all on the scale of the largest displacement. */
  #drawTraces(rows, first, size) {
    const { shownSpan: span, clock } = this.page;
    const times = Float64Array.from({ length: rows[0].low[0].length }, (_, k) => clock.at(first + k * size));
    const reach = this.#reach(rows.flatMap(({ low, high }) => [...low, ...high]));
    const spread = 2.1 * reach;
    const [series, values] = [[], []];
    let xs = null;
    rows.forEach(({ low, high, name, colour }, order) => {
      for (const axis of [1, 0]) {
        const [lower, upper] = [low, high].map((both) => both[axis].map((value) => value - order * spread));
        const step = size > 1 ? clock.at(size) - clock.at(0) : 0;
        const [own, ys] = size === 1 ? zigzag(times, lower, lower) : zigzag(times, lower, upper, step);
        xs ??= own;
        values.push(ys);
        const look = axis ? { alpha: 0.5, width: 1 } : { alpha: 1, width: 1.4 };
        series.push({ label: `${name} ${"xy"[axis]}`, colour, ...look });
      }
    });
    const names = rows.map(({ name }) => name);
    this.traces.caption.textContent =
      `displacement: ${names.join(", ")}, in px; x strong, y pale; ±${reach.toPrecision(2)} px fits into a row`;
    const bases = rows.map((_, order) => -order * spread);
    this.traces.height = Math.max(130, 62 * rows.length);
    this.traces.show(span, [xs, ...values], series, {
      range: () => [bases[bases.length - 1] - 1.1 * reach, 1.1 * reach],
      splits: rows.length === 1 ? undefined : () => [...bases].reverse(),
      values: rows.length === 1 ? undefined : () => rows.map(({ short, name }) => short ?? name).reverse(),
    });
  }

  #reach(rows) {
    let reach = 0.1;
    for (const row of rows) for (const value of row) if (Math.abs(value) > reach) reach = Math.abs(value);
    return Number.isFinite(reach) ? reach : 1;
  }

  /** Motion energy, pupils, eyes and treadmill under each other, each between what it reaches in the recording. */
  async #showSignals(signal) {
    const { data, state, shownSpan: span, clock } = this.page;
    if (this.page.hasSignals === false) return;
    const frames = [clock.frameAt(span[0]), Math.min(clock.frameAt(span[1]) + 2, clock.n)];
    const found = await data.signals(state.video, frames, Math.round(this.#width / 2), signal);
    if (signal.aborted) return;
    const { rows, first, size, note } = found;
    this.page.hasSignals = rows.length > 0 || note !== "";
    this.signals.figure.hidden = !this.page.hasSignals;
    this.page.shownSignals = found;
    this.signals.caption.textContent = rows.length
      ? `${rows.map(({ name, says }) => `${name}: ${says}`).join("; ")}; each from its least to its most${note && `; ${note}`}`
      : note;
    if (!rows.length) return;
    const { low, high, reach } = found.arrays;
    const n = low.length / rows.length;
    const times = Float64Array.from({ length: n }, (_, k) => clock.at(first + k * size));
    const step = size > 1 ? clock.at(size) - clock.at(0) : 0;
    const [values, series] = [[], []];
    rows.forEach(({ name }, row) => {
      const [least, most] = [reach[2 * row], reach[2 * row + 1]];
      const scaled = [low, high].map((all) =>
        all.subarray(row * n, (row + 1) * n).map((value) => (value - least) / (most - least || 1) - 1.15 * row));
      const [xs, ys] = size === 1 ? zigzag(times, scaled[0], scaled[0]) : zigzag(times, ...scaled, step);
      values[0] ??= xs;
      values.push(ys);
      series.push({ label: name, colour: lineColour(row) });
    });
    this.signals.height = Math.max(60, 44 * rows.length);
    const middles = rows.map((_, row) => 0.5 - 1.15 * row);
    this.signals.show(span, values, series, {
      range: () => [1.05 - 1.15 * rows.length, 1.1],
      splits: () => [...middles].reverse(), values: () => rows.map(({ name }) => (name.length > 10 ? `${name.slice(0, 9)}…` : name)).reverse(),
    });
  }

  /** Events of the file that was given, a row for each label; nothing where there is none. */
  async #showEvents() {
    const { data, state, shownSpan: span } = this.page;
    if (!this.page.events) {
      this.page.events = await data.events(state.video);
      this.page.eventsCame?.();
    }
    const { events } = this.page;
    this.events.figure.hidden = events.file === null;
    if (events.file === null) return;
    const { times } = events.arrays;
    this.events.caption.textContent = `${times.length} events of ${events.file}` +
      (events.notes.length ? `; ${events.notes.join("; ")}` : "");
    this.events.snaps = times;
    if (!times.length) return;
    this.events.height = heightOf(events);
    this.events.paint = eventPainter(events);
    const names = namesOf(events);
    this.events.show(span, ...this.#nothing(span), {
      range: () => [0, names.length], splits: () => names.map((_, row) => names.length - row - 0.5), values: () => names,
    });
  }

  async #showFlags() {
    const { data, state, shownSpan: span, clock, facts } = this.page;
    this.page.flags ??= await data.flags(state.video, FLAG_COLUMNS);
    const { flags } = this.page;
    const { held, dark, frozen, gaps } = flags.arrays;
    const inPairs = (length, span) => Array.from({ length }, (_, n) => span(n).map((frame) => clock.at(frame)));
    const spans = (array) => inPairs(array.length / 2, (n) => [array[2 * n], array[2 * n + 1]]);
    const missing = inPairs(gaps.length / 3, (n) => [gaps[3 * n], gaps[3 * n] + 1]);
    const kinds = [
      { says: "missing frames", spans: missing, colour: pageColour("bad") },
      { says: "held", spans: spans(held), colour: lineColour(0) },
      { says: "dark", spans: spans(dark), colour: pageColour("ink") },
      { says: "repeated", spans: spans(frozen), colour: lineColour(3) },
    ].filter((kind) => kind.spans.length);
    const highest = flags.arrays.shares.reduce((top, share) => Math.max(top, share), 0);
    const counted = kinds.map((kind) => `${kind.spans.length} × ${kind.says}`).join(", ");
    const nEpisodes = flags.arrays.episodes.length / 2;
    this.flags.caption.textContent =
      `flagged points, at most ${(100 * highest).toFixed(1)} % of ${facts.n_points}; ` +
      `${nEpisodes} episode${nEpisodes === 1 ? "" : "s"}${counted ? `; above: ${counted}` : ""}`;
    const starts = [...Array.from(flags.arrays.episodes).filter((_, n) => n % 2 === 0).map((frame) => clock.at(frame)),
      ...kinds.flatMap((kind) => kind.spans.map(([from]) => from))];
    this.flags.snaps = starts;
    this.flags.paint = flagPainter(flags, clock, kinds);
    this.flags.show(span, ...this.#nothing(span), { range: () => [0, 1], splits: () => [] });
  }
}
