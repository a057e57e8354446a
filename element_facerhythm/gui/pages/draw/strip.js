// Frequencies of the analysis: the mean spectrum of a try, with F_min and F_max to be dragged, and what limits them.

import { html } from "../common/view.js";

const WIDTH = 340;
const HEIGHT = 132;
const TOP = 26;
const BOTTOM = 104;
const STEP = 1.02;
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500];
const SETTINGS = {
  low: "VQT_Analyzer.params_VQT.F_min",
  high: "VQT_Analyzer.params_VQT.F_max",
};

/** Whether a line `NAME=VALUE` sets a parameter: `NAME` is the end of its name, as for `--set`. */
function sets(line, name) {
  const typed = line.split("=")[0].trim();
  return typed !== "" && (name === typed || name.endsWith(`.${typed}`));
}

/** The number that settings, one a line, give a parameter; null where they do not. */
function valueIn(settings, name) {
  const line = settings.split("\n").findLast((one) => sets(one, name));
  const value = line === undefined ? NaN : Number(line.split("=")[1]);
  return Number.isFinite(value) && value > 0 ? value : null;
}

/** Settings that give a parameter a value; without one, that leave it to be fitted. */
function withValue(settings, name, value) {
  const others = settings.split("\n").filter((one) => one.trim() && !sets(one, name));
  return [...others, ...(value === null ? [] : [`${name}=${value}`])].join("\n");
}

/** Three digits: what a handle can tell apart. */
function rounded(value) {
  return Number(value.toPrecision(3));
}

/** Samples of the longest filter that fits into some; filters have an odd number. */
function longest(nSamples) {
  return Math.max(nSamples - 1 + (nSamples % 2), 1);
}

/** What is chosen, what would be fitted, and the limits; frequencies in Hz, lengths in seconds. */
export function frequenciesOf({ settings, fitted, facts, tryS }) {
  const q = fitted.least_periods;
  const low = valueIn(settings, SETTINGS.low);
  const high = valueIn(settings, SETTINGS.high);
  const nTried = Math.min(Math.round(tryS * facts.frame_rate_hz), fitted.n_samples);
  return {
    low: low ?? fitted.F_min,
    high: high ?? fitted.F_max,
    isLowFitted: low === null,
    isHighFitted: high === null,
    lowest: (q * fitted.rate_hz) / longest(fitted.n_samples),
    lowestTried: (q * fitted.rate_hz) / longest(nTried),
    nyquist: fitted.rate_hz / 2,
    filterS: fitted.Q_lowF / (low ?? fitted.F_min),
    wholeS: fitted.n_samples / fitted.rate_hz,
    triedS: nTried / fitted.rate_hz,
  };
}

export function Strip({ settings, fitted, facts, tryS, tracks, actions }) {
  if (!fitted) return null;
  const now = frequenciesOf({ settings, fitted, facts, tryS });
  const first = Math.min(now.lowest, now.low) / 1.6;
  const last = Math.max(now.nyquist, now.high) * 1.25;
  const x = (hz) => (Math.log(hz / first) / Math.log(last / first)) * WIDTH;
  const hzAt = (event) => {
    const box = event.currentTarget.ownerSVGElement.getBoundingClientRect();
    return first * (last / first) ** ((event.clientX - box.left) / box.width);
  };
  /** As of this moment: keys that repeat come faster than the page is drawn. */
  const fresh = () => frequenciesOf({ settings: actions.page.get().settings, fitted, facts, tryS });
  const put = (end, hz) => {
    const { lowest, low, high, nyquist } = fresh();
    const [least, most] = end === "low" ? [lowest, high / 1.05] : [low * 1.05, nyquist];
    const up = (value) => Math.ceil(value * 1000) / 1000; // a limit is kept, not rounded beyond
    const down = (value) => Math.floor(value * 1000) / 1000;
    const kept = hz <= least ? up(least) : hz >= most ? down(most) : rounded(hz);
    actions.setSettings(withValue(actions.page.get().settings, SETTINGS[end], kept));
  };
  const handle = (end) => html`<${Handle} ...${{ end, now, fresh, x, hzAt, put }} />`;
  const isLong = now.filterS > now.triedS;
  return html`<div class="strip">
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="group" aria-label="Frequencies of the analysis">
      <rect class="taken" x=${x(now.low)} y=${TOP} width=${Math.max(x(now.high) - x(now.low), 0)} height=${BOTTOM - TOP} />
      ${tracks?.frequencies.length > 0 && html`<path class="spectrum" d=${spectrum(tracks, x)} />`}
      <${Limit} at=${x(now.lowest)} from=${0} says="too slow" />
      <${Limit} at=${x(now.nyquist)} from=${WIDTH} says="Nyquist" />
      ${now.lowestTried > now.lowest * 1.02 && html`<line class="tried" x1=${x(now.lowestTried)} x2=${x(now.lowestTried)}
        y1=${TOP} y2=${BOTTOM} />`}
      <line class="axis" x1="0" x2=${WIDTH} y1=${BOTTOM} y2=${BOTTOM} />
      ${TICKS.filter((hz) => hz >= first && hz <= last).map((hz) => html`
        <line class="axis" x1=${x(hz)} x2=${x(hz)} y1=${BOTTOM} y2=${BOTTOM + 4} />
        <text x=${x(hz)} y=${BOTTOM + 16} text-anchor="middle">${hz}</text>`)}
      <text x=${WIDTH} y=${HEIGHT - 1} text-anchor="end">Hz</text>
      ${handle("low")}${handle("high")}
    </svg>
    <p class="soft" id="frequencies">${rounded(now.low)} to ${rounded(now.high)} Hz${both(now)}; the longest filter
      needs ${now.filterS.toFixed(1)} s of ${now.wholeS.toFixed(1)} s
      ${!(now.isLowFitted && now.isHighFitted) && html`<button class="quiet"
        onClick=${() => actions.setSettings(withValue(withValue(settings, SETTINGS.low, null), SETTINGS.high, null))}
        >fit</button>`}</p>
    ${isLong && html`<p class="warn">longer than the ${now.triedS.toFixed(1)} s that are tried (dashed line): a try
      would be refused, the whole video not</p>`}
  </div>`;
}

function both({ isLowFitted, isHighFitted }) {
  if (isLowFitted && isHighFitted) return " (fitted)";
  return isLowFitted || isHighFitted ? ` (${isLowFitted ? "the first" : "the second"} is fitted)` : "";
}

function Handle({ end, now, fresh, x, hzAt, put }) {
  const value = now[end];
  const by = (factor) => put(end, fresh()[end] * factor);
  const [least, most] = end === "low" ? [now.lowest, now.high] : [now.low, now.nyquist];
  const name = end === "low" ? "F_min" : "F_max";
  const keys = {
    ArrowRight: () => by(STEP), ArrowUp: () => by(STEP), ArrowLeft: () => by(1 / STEP), ArrowDown: () => by(1 / STEP),
    PageUp: () => by(STEP ** 6), PageDown: () => by(STEP ** -6),
    Home: () => put(end, least), End: () => put(end, most),
  };
  return html`<g class="handle" role="slider" tabindex="0" aria-label="${name}, lowest or highest frequency"
    aria-valuemin=${rounded(least)} aria-valuemax=${rounded(most)} aria-valuenow=${rounded(value)}
    aria-valuetext="${rounded(value)} Hz" data-end=${end}
    onPointerDown=${(event) => { event.currentTarget.setPointerCapture(event.pointerId); event.preventDefault();
      event.currentTarget.focus(); }}
    onPointerMove=${(event) => event.buttons & 1 && put(end, hzAt(event))}
    onKeyDown=${(event) => {
      if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation(); // the page's own arrows go from frame to frame
      keys[event.key]();
    }}>
    <rect class="grip" x=${x(value) - 12} y=${TOP - 24} width="24" height=${BOTTOM - TOP + 24} />
    <line x1=${x(value)} x2=${x(value)} y1=${TOP - 4} y2=${BOTTOM} />
    <path d="M ${x(value)} ${TOP + 4} l -7 -8 v -8 h 14 v 8 z" />
    <text x=${x(value) + (end === "low" ? 10 : -10)} y=${TOP - 12} text-anchor=${end === "low" ? "start" : "end"}>${name}</text>
  </g>`;
}

function Limit({ at, from, says }) {
  const left = Math.min(at, from);
  return html`<rect class="beyond" x=${left} y=${TOP} width=${Math.abs(at - from)} height=${BOTTOM - TOP} />
    <line class="limit" x1=${at} x2=${at} y1=${TOP} y2=${BOTTOM} />
    <text class="says" transform="translate(${(at + from) / 2 + 4} ${(TOP + BOTTOM) / 2}) rotate(-90)"
      text-anchor="middle">${says}</text>`;
}

function spectrum({ frequencies, spectrum: values }, x) {
  const most = Math.max(...values) || 1;
  const y = (value) => BOTTOM - (0.92 * (BOTTOM - TOP) * value) / most;
  const places = Array.from(frequencies, (hz, k) => `${x(hz).toFixed(1)} ${y(values[k]).toFixed(1)}`);
  const end = x(frequencies.at(-1)).toFixed(1);
  return `M ${x(frequencies[0]).toFixed(1)} ${BOTTOM} L ${places.join(" L ")} L ${end} ${BOTTOM} Z`;
}
