// The page for looking at results: what is shown, what changes it, and its address.

import { askJson } from "../common/api.js";
import { listenToKeys } from "../common/keys.js";
import { draw, html } from "../common/view.js";
import { addressOf, readAddress, writeAddress } from "./address.js";
import { SPEEDS, head, layers, timeBar, transport } from "./bars.js";
import { below } from "./below.js";
import { cards, shares } from "./cards.js";
import { onTheme } from "./colours.js";
import { Clips } from "./clips.js";
import { Curation } from "./curate.js";
import { Cycle } from "./cycle.js";
import { ProjectData } from "./data.js";
import { showHelp, showQuery, showShare } from "./dialogs.js";
import { furtherActs, verticesOf } from "./further.js";
import { keysOf } from "./keys.js";
import { Plots } from "./plots.js";
import { Clock, Sequence } from "./sequence.js";
import { divisorsOf } from "./scales.js";
import { saveSnapshot } from "./snapshot.js";
import { Stage, spacingOf } from "./stage.js";

const SPARK_COLUMNS = 250;
const MOST_POINTS = 8;
const ADDRESS_MS = 250;
const NO_EVENT_TABLE = "No table of events is linked to this database: facerhythm gui PROJECT --events FILE shows those of a file";
const element = (id) => document.getElementById(id);

const page = { state: readAddress(), notes: [], flags: null, events: null, steps: null, radius: 20 };
page.clips = new Clips(page, () => drawBelow());
page.cycle = new Cycle(page, () => drawBelow());
const stage = new Stage(element("stage"), {
  onpick: (point, isMore) => act.pickPoint(point, isMore),
  onlasso: (polygon) => act.selectWithin(polygon),
});
let plots = null;

// --- what is drawn ---------------------------------------------------------------------------------------------

function drawHead() {
  draw(html`${head(page, act)}`, element("header"));
}
function drawControls() {
  draw(html`${transport(page, act)}`, element("transport"));
  draw(html`${layers(page, act)}`, element("layers"));
  draw(html`${timeBar(page, act)}`, element("time-bar"));
  showNumber();
}
function drawCards() {
  draw(html`${cards(page, act)}`, element("components"));
}
function drawBelow() {
  draw(html`${below(page, act)}`, element("below"));
}
function drawAll() {
  drawHead();
  drawControls();
  drawCards();
  drawBelow();
  drawScene();
  return plots?.refresh();
}
function say(text, kind = "bad") {
  const messages = element("messages");
  if ([...messages.children].some((one) => one.textContent === text)) return;
  const line = document.createElement("p");
  line.className = `message ${kind}`;
  line.textContent = text;
  line.title = "Click to close";
  line.addEventListener("click", () => line.remove());
  messages.append(line);
}

function showNumber() {
  const { sequence, clock } = page;
  const label = element("frame-number");
  if (!label || !sequence || sequence.number < 0) return;
  label.textContent = `frame ${sequence.number} · ${clock.at(sequence.number).toFixed(3)} s`;
  label.dataset.frame = sequence.number;
  element("scrub").value = sequence.number;
}

function drawScene() {
  const { state, facts, data, sequence, model } = page;
  if (!sequence || sequence.number < 0) return;
  const size = facts.block_frames;
  const number = Math.floor(sequence.number / size);
  const block = data.block(state.video, number, drawScene);
  if (sequence.isPlaying && (number + 1) * size < sequence.nFrames) data.block(state.video, number + 1);
  const row = sequence.number - number * size;
  const flagged = [];
  if (block) {
    block.flagged_frames.forEach((frame, n) => frame === row && flagged.push(block.flagged_points[n]));
  }
  stage.setScene({
    block, row, flagged, layers: state.layers, magnify: state.magnify, opacity: state.opacity, picked: state.points,
    area: verticesOf(state.of),
    heat: model && state.component !== null
      ? (page.heat ??= shares(model, state.component, page.divisors.maps[state.component])) : null,
  });
}

function onFrame(number, image) {
  stage.setFrame(image);
  element("no-picture").hidden = image !== null;
  if (!image) {
    stage.setFrame(page.frame);
    element("no-picture").textContent = "The video is not on this machine: its first frame stands for all.";
  }
  showNumber();
  drawScene();
  plots?.setNow(page.clock.at(number));
  keepAddress();
  if (page.wasPlaying !== page.sequence.isPlaying) {
    page.wasPlaying = page.sequence.isPlaying;
    drawControls();
  }
}

function keepAddress() {
  page.addressTimer ??= setTimeout(() => {
    page.addressTimer = null;
    const time = page.clock.at(Math.max(page.sequence.number, 0));
    writeAddress({ ...page.state, models: page.facts.models }, time);
  }, ADDRESS_MS);
}

// --- what changes it -------------------------------------------------------------------------------------------

const act = {
  say,
  set(changes) {
    const before = page.state;
    page.state = { ...before, ...changes };
    if (page.state.compare === page.state.component) page.state.compare = null;
    if ("ownScale" in changes) page.divisors = divisorsOf(page.model, page.state.ownScale);
    if ("component" in changes || "ownScale" in changes) page.heat = null;
    if (["component", "compare", "model", "ownScale"].some((name) => name in changes)) drawCards();
    drawControls();
    drawBelow();
    drawScene();
    keepAddress();
    if (["component", "compare", "ownScale", "of", "points", "span", "model"].some((name) => name in changes)) plots?.refresh();
  },
  seek(time) {
    const { clock, sequence } = page;
    sequence.loop = null;
    sequence.pause();
    return sequence.seek(clock.frameAt(time));
  },
  scrub(number) {
    page.sequence.pause();
    page.sequence.seek(number);
  },
  togglePlay() {
    const { sequence } = page;
    if (sequence.isPlaying) sequence.pause();
    else sequence.play();
    page.wasPlaying = sequence.isPlaying;
    drawControls();
  },
  setSpeed(speed) {
    page.sequence.speed = speed;
    drawControls();
  },
  stepSpeed(by) {
    const place = SPEEDS.indexOf(page.sequence.speed) + by;
    act.setSpeed(SPEEDS[Math.max(0, Math.min(place, SPEEDS.length - 1))]);
  },
  endLoop() {
    page.sequence.loop = null;
    page.sequence.pause();
    drawControls();
  },
  async playEpisode({ video_index: video, first, stop }) {
    if (video !== page.state.video) await act.openVideo(video);
    const { sequence } = page;
    sequence.pause();
    await sequence.seek(first);
    sequence.loop = { first, stop };
    act.togglePlay();
    element("stage").scrollIntoView({ block: "nearest" });
  },
  async jumpEpisode(direction) {
    const { flags, sequence } = page;
    const episodes = flags?.arrays.episodes ?? [];
    const firsts = [];
    for (let n = 0; n < episodes.length; n += 2) firsts.push(episodes[n]);
    const target = direction > 0
      ? firsts.find((first) => first > sequence.number)
      : firsts.findLast((first) => first < sequence.number);
    if (target !== undefined) await sequence.step(target - sequence.number);
  },
  pickPoint(point, isMore) {
    const { points } = page.state;
    const others = points.filter((one) => one !== point);
    const isRemoved = isMore && others.length < points.length;
    const chosen = isRemoved ? others : isMore ? [...others, point].slice(-MOST_POINTS) : [point];
    act.set({ points: chosen, of: isRemoved ? page.state.of : `point:${point}` });
    showPointFacts();
  },
  addressAt(time, video) {
    return addressOf({ ...page.state, video, models: page.facts.models }, time);
  },
  clearPoints() {
    act.set({ points: [], of: page.state.of.startsWith("point") ? "all" : page.state.of });
  },
  chooseComponent(component) {
    act.set({ component: page.state.component === component ? null : component });
  },
  toggleLayer(name) {
    act.set({ layers: { ...page.state.layers, [name]: !page.state.layers[name] } });
  },
  stepOpacity() {
    const steps = [0.9, 0.5, 0];
    const next = steps[(steps.findIndex((one) => one <= page.state.opacity) + 1) % steps.length];
    act.set({ opacity: next });
  },
  fitFace: () => stage.fit(),
  fitTime() {
    page.shownSpan = [page.clock.at(0), page.clock.end];
    act.set({ span: null });
  },
  zoom([from, to]) {
    const [begin, end] = [page.clock.at(0), page.clock.end];
    const least = 4 / page.clock.facts.frame_rate_hz;
    const length = Math.min(Math.max(to - from, least), end - begin);
    const first = Math.max(begin, Math.min((from + to - length) / 2, end - length));
    page.shownSpan = [first, first + length];
    act.set({ span: length < end - begin ? page.shownSpan : null });
  },
  zoomBy(factor) {
    const [from, to] = page.shownSpan;
    const now = page.clock.at(page.sequence.number);
    const middle = now >= from && now <= to ? now : (from + to) / 2;
    act.zoom([middle - ((to - from) * factor) / 2, middle + ((to - from) * factor) / 2]);
  },
  openProject(id) {
    location.search = `?project=${id}`;
  },
  async openVideo(video) {
    page.state = { ...page.state, video, span: null };
    await openVideo(null);
    await readModel();
    await drawAll();
  },
  async openModel(key) {
    page.state = { ...page.state, model: key, component: 0 };
    await readModel();
    await drawAll();
  },
  pickNext(by) {
    const { facts, state } = page;
    const last = state.points[state.points.length - 1] ?? (by > 0 ? -1 : 0);
    act.pickPoint((last + by + facts.n_points) % facts.n_points, false);
  },
  showShare: () => showShare(element("share"), { figures: page.facts.figures, base: page.data.base }, () =>
    saveSnapshot(page, stage, plots).catch((error) => say(error.message))),
  showHelp: () => showHelp(element("help"), KEYS.filter((entry) => entry.shown)),
  async showQuery() {
    const { state, clock, shownSpan, data } = page;
    const [first, stop] = [clock.frameAt(shownSpan[0]), Math.min(clock.frameAt(shownSpan[1]) + 1, clock.n)];
    const { video, model, of } = state;
    const query = { video, model, of, first, stop, points: state.points.join(",") };
    if (state.component !== null) query.component = state.component;
    try {
      showQuery(element("query"), await data.query(query));
    } catch (error) {
      say(error.message);
    }
  },
};

Object.assign(act, furtherActs(page, act, { stage, drawControls, drawBelow }));
const KEYS = keysOf(page, act);

// --- how it begins ---------------------------------------------------------------------------------------------

async function showPointFacts() {
  const point = page.state.points[page.state.points.length - 1];
  if (point === undefined) return;
  try {
    const found = await page.data.point(point);
    if (point !== page.state.points[page.state.points.length - 1]) return; // another one was picked meanwhile
    page.pointFacts = found;
    drawBelow();
  } catch (error) {
    say(error.message);
  }
}

async function readModel() {
  const { state, data, facts } = page;
  state.model ??= facts.models[0].key;
  page.model = await data.model(state.model);
  const rank = page.model.components.length;
  if (state.component !== null && !(state.component < rank)) state.component = 0;
  if (!(state.compare < rank) || state.component === null) state.compare = null;
  page.divisors = divisorsOf(page.model, state.ownScale);
  page.commonDivisors = divisorsOf(page.model, false);
  page.heat = null;
  page.courses = null;
  const video = page.model.videos.includes(state.video) ? state.video : page.model.videos[0];
  page.courses = await data.allCourses(state.model, video, SPARK_COLUMNS);
  page.hasNegative = page.courses.arrays.low.some((value) => value < 0);
}

async function openVideo(time) {
  const { state, facts, data } = page;
  page.sequence?.close();
  state.video = facts.videos[state.video] ? state.video : 0;
  const video = facts.videos[state.video];
  const times = video.is_plain ? null : (await data.times(state.video)).arrays.times;
  page.clock = new Clock(video, times);
  page.flags = null;
  page.events = null;
  page.shownSpan = state.span ?? [page.clock.at(0), page.clock.end];
  page.sequence = new Sequence(page.clock, video.parts, (text) => say(text, "warn"));
  page.sequence.listen(onFrame);
  page.eventsCame = drawControls;
  plots ??= new Plots(element("panels"), page, act);
  page.sequence.seek(time === null ? 0 : page.clock.frameAt(time));
}

async function start() {
  listenToKeys(KEYS);
  drawHead();
  page.opened = await askJson("api/opened");
  page.state.project ??= page.opened.projects[0]?.id;
  if (!page.state.project) throw new Error("no project was opened: start the server on one");
  const data = (page.data = new ProjectData(page.state.project));
  [page.facts, page.geometry] = await Promise.all([data.facts(), data.geometry()]);
  document.title = `${page.facts.name} - look`;
  if (page.facts.is_of_database) page.facts.notes.push(NO_EVENT_TABLE);
  page.notes = page.facts.notes;
  const { width_px: width, height_px: height, n_points: n } = page.facts;
  const { positions, region_sizes: sizes, region_vertices: vertices } = page.geometry.arrays;
  page.state.points = page.state.points.filter((point) => point < n).slice(-MOST_POINTS);
  let begin = 0;
  const regions = Array.from(sizes, (size) => vertices.subarray(2 * begin, 2 * (begin += size)));
  page.spacing = spacingOf(positions);
  page.radius = Math.round(2 * page.spacing);
  stage.setFace({ width, height, positions, regions, spacing: page.spacing });
  drawHead();
  await Promise.all([openVideo(page.state.time), readFrame(), readModel()]);
  page.curation = new Curation(page.state.project, () => (drawCards(), drawBelow()), say);
  await drawAll();
  showPointFacts();
  page.curation.read();
  const rest = Promise.all([readSummary(), readState()]);
  await page.sequence.settled;
  document.body.dataset.ready = "yes";
  await rest;
}

async function readFrame() {
  const answer = await fetch(`${page.data.base}/image.png`);
  if (answer.ok) page.frame = await createImageBitmap(await answer.blob());
}

async function readSummary() {
  try {
    page.summary = await page.data.summary();
  } catch {
    // the state of the steps says why
  }
  drawCards();
  drawBelow();
}

async function readState() {
  for (;;) {
    const { steps, notes } = await page.data.state();
    page.steps = steps;
    page.notes = [...page.facts.notes, ...notes];
    drawBelow();
    if (Object.values(steps).every(({ state }) => ["done", "failed"].includes(state))) return;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

onTheme(() => page.facts && (drawAll(), page.cycle.draw()));
window.look = { page, act, stage, get plots() { return plots; } }; // for tests and the console
start().catch((error) => say(error.message));
