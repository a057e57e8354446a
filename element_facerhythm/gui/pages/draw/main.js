// The page for drawing regions: what is shown, and what buttons and keys do.

import { ask, askJson, sendJson } from "../common/api.js";
import { openFrames } from "../common/frames.js";
import { listenToKeys } from "../common/keys.js";
import { keep } from "../common/view.js";
import { Sheet } from "./canvas.js";
import { copyActions } from "./copying.js";
import { Editor, TOOLS } from "./editor.js";
import { seedGrid, seedMask } from "./geometry.js";
import { keyTable, showHelp } from "./keys.js";
import { drawHead, drawPanel, drawTime, drawTools } from "./panel.js";
import { fromFile, region, toFile } from "./regions.js";
import { followRun, settingsOf, startRun, tracksOf } from "./runs.js";
import { storedActions } from "./stored.js";

const BACKGROUNDS = ["frame", "mean", "deviation", "energy"];
const TRY_S = 5;
const PROPOSED = "proposed regions are dashed: drag their vertices, then accept or delete each";

const page = keep(
  {
    facts: null, opened: null, frame: 0, background: "frame", spacing: 7, isSpacingFitted: true, check: null,
    message: null, hint: "", path: "", isSaved: true, busy: "", tries: [], shownTry: null, run: null, settings: "",
    fitted: null, tryS: TRY_S, sources: null, source: null, copy: null, blink: "own", isBlinking: false,
    recordings: [], recording: null, description: "", entered: null,
  },
  show,
);
let frames, sheet, editor, texture, version, grid = [], gridOf = null, checking = 0, fitting = 0, checked = {};
const pictures = {};

start().catch(fail);

async function start() {
  const opened = await askJson("api/opened");
  const id = new URLSearchParams(location.search).get("video") ?? opened.videos[0]?.id;
  page.set({ opened });
  if (!id) {
    fail(new Error("no video was opened; start `facerhythm gui VIDEO`"));
    return;
  }
  frames = await openFrames(id, { onstate: (hint) => page.set({ hint }) });
  const { facts } = frames;
  document.title = `${facts.name} - draw regions`;
  sheet = new Sheet(document.querySelector("#canvas"), facts.width_px, facts.height_px);
  editor = new Editor(sheet, { onchange: changed, onhint: (hint) => page.set({ hint }) });
  editor.isLocked = opened.read_only;
  sheet.onchange = () => page.set({});
  sheet.fit();
  frames.listen((frame) => page.set({ frame }));
  listenToKeys(keyTable(actions));
  page.set({ facts });
  await frames.seek(Math.floor(facts.n_frames / 2));
  await load();
  editor.use(editor.regions.length ? "edit" : "polygon");
  loadTexture().catch(fail);
  actions.loadRecordings().catch(fail);
  fitFrequencies("").catch(fail);
}

async function load() {
  const answer = await ask(`api/videos/${frames.facts.id}/rois`);
  version = answer.headers.get("etag");
  const { rois, path } = await answer.json();
  if (rois) {
    editor.history.change(fromFile(rois));
    editor.history.past = [];
    editor.history.saved = editor.history.now;
  }
  page.set({ path });
  changed();
}

async function loadTexture() {
  const bitmap = await pictureOf("texture");
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  texture = context.getImageData(0, 0, bitmap.width, bitmap.height);
  page.set({});
}

async function pictureOf(kind) {
  const answer = await ask(`api/videos/${frames.facts.id}/background/${kind}.png`);
  return createImageBitmap(await answer.blob());
}

/** Ask what a run would take with these settings: filters are fitted to the frequencies that are chosen. */
async function fitFrequencies(settings) {
  const query = new URLSearchParams({ settings: settingsOf({ settings, isSpacingFitted: true }).join("\n") });
  const fitted = await askJson(`api/videos/${frames.facts.id}/frequencies?${query}`);
  if (page.get().settings === settings) page.set({ fitted });
}

/** The page is drawn again; counts are only asked for where regions or the spacing are others than before. */
function changed() {
  page.set({ isSaved: editor.history.isSaved });
  if (page.get().hint === PROPOSED && !editor.regions.some((one) => one.isProposed)) {
    page.set({ hint: TOOLS[editor.tool].hint });
  }
  const { isSpacingFitted, spacing } = page.get();
  const wanted = { regions: editor.regions, spacing: isSpacingFitted ? null : spacing };
  if (wanted.regions === checked.regions && wanted.spacing === checked.spacing) return;
  checked = wanted;
  clearTimeout(checking);
  checking = setTimeout(() => check().catch(() => page.set({ check: null })), 250);
}

/** Ask for the counts that `facerhythm rois check` gives; without points there is nothing to count. */
async function check() {
  const rois = toFile(editor.regions);
  if (!rois.points.length) {
    page.set({ check: null });
    return;
  }
  const { spacing, isSpacingFitted } = page.get();
  const body = { rois, spacing_px: isSpacingFitted ? null : spacing };
  const answer = await sendJson("POST", `api/videos/${frames.facts.id}/rois/check`, body);
  const found = await answer.json();
  page.set({ check: found, spacing: found.spacing_px });
}

function points() {
  const { spacing } = page.get();
  if (gridOf?.regions !== editor.regions || gridOf.spacing !== spacing) {
    const { width, height } = sheet;
    const accepted = editor.regions.filter((one) => !one.isProposed);
    grid = seedGrid(seedMask(accepted, height, width), height, width, spacing);
    gridOf = { regions: editor.regions, spacing, texture: null, nWeak: 0 };
  }
  return grid;
}

function isWeak(x, y) {
  return texture ? texture.data[4 * (y * texture.width + x)] === 0 : false;
}

function show(state) {
  if (!editor) {
    drawHead(document.querySelector("#head"), state, actions);
    return;
  }
  const view = { ...state, editor, points: points(), isWeak, nWeak: countWeak(), actions };
  drawHead(document.querySelector("#head"), state, actions);
  drawTools(document.querySelector("#tools"), view);
  drawTime(document.querySelector("#time"), view);
  drawPanel(document.querySelector("#panel"), view);
  document.querySelector("#hint").textContent = state.hint;
  const tried = state.tries.find((one) => one.id === state.shownTry)?.tracks;
  const frameOfTry = tried ? state.frame - tried.first : -1;
  const isTried = tried && frameOfTry >= 0 && frameOfTry < tried.nFrames;
  sheet.draw({
    image: state.copy?.images[state.blink]
      ?? (state.background === "frame" ? frames.image : pictures[state.background]),
    regions: state.copy ? [...editor.regions, ...state.copy.regions] : editor.regions,
    selected: editor.selected,
    vertex: editor.vertex,
    points: isTried ? tried.homes : view.points,
    tracks: isTried ? tried.displacements(frameOfTry) : null,
    isWeak: isTried ? (_x, _y, k) => tried.isFlagged(frameOfTry, k) : isWeak,
    draft: editor.draft,
    painted: editor.painted,
    pen: editor.tool === "edit" ? null : editor.pen,
    brush: editor.tool === "brush" ? editor.brush : 0,
  });
}

/** Points of the grid with nothing to follow; counted once for each grid. */
function countWeak() {
  if (gridOf.texture === texture) return gridOf.nWeak;
  let n = 0;
  for (let k = 0; k < grid.length; k += 2) n += isWeak(grid[k], grid[k + 1]);
  Object.assign(gridOf, { texture, nWeak: n });
  return n;
}

function fail(error) {
  page.set({ message: error.message, busy: "" });
}

/** Do one thing that takes a while; meanwhile its button says so. */
async function busily(busy, work) {
  page.set({ busy, message: null });
  try {
    await work();
  } catch (error) {
    fail(error);
  }
  page.set({ busy: "" });
}

const about = { page, editor: () => editor, videoId: () => frames.facts.id, busily };
const actions = {
  ...copyActions(about),
  ...storedActions(about),
  page,
  editor: () => editor,
  frames: () => frames,
  sheet: () => sheet,
  help: () => showHelp(keyTable(actions)),
  dismiss: () => page.set({ message: null }),
  setSpacing: (spacing) => {
    page.set({ spacing, isSpacingFitted: false });
    changed();
  },
  fitSpacing: () => {
    page.set({ isSpacingFitted: true });
    changed();
  },
  setSettings: (settings) => {
    page.set({ settings });
    clearTimeout(fitting);
    fitting = setTimeout(() => fitFrequencies(settings).catch((error) => page.set({ hint: error.message })), 200);
  },
  background: (background) => {
    if (!BACKGROUNDS.includes(background)) return;
    page.set({ background });
    if (background === "frame" || pictures[background]) return;
    busily("background", async () => {
      pictures[background] = await pictureOf(background);
    });
  },
  propose: () => busily("propose", async () => {
    const answer = await sendJson("POST", `api/videos/${frames.facts.id}/rois/propose`, {});
    const found = await answer.json();
    const proposed = found.points.map((vertices) => region(vertices, "points", "", true));
    editor.use("edit");
    editor.change([...editor.regions, ...proposed], proposed[0]?.id);
    page.set({ hint: PROPOSED });
  }),
  accept: (id) => editor.replace(id, { isProposed: false }),
  save: () => busily("save", async () => {
    if (page.get().opened.read_only) throw new Error("the server was started with --read-only");
    const address = `api/videos/${frames.facts.id}/rois`;
    const now = editor.history.now;
    const answer = await sendJson("PUT", address, toFile(now), { "if-match": version });
    version = answer.headers.get("etag");
    editor.history.saved = now;
    page.set({ path: (await answer.json()).path, isSaved: editor.history.isSaved, hint: "saved" });
  }),
  download: () => {
    const blob = new Blob([JSON.stringify(toFile(editor.regions)) + "\n"], { type: "application/json" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${frames.facts.name.replace(/\.[^.]*$/, "")}.rois.json`;
    link.click();
    URL.revokeObjectURL(link.href);
  },
  upload: (file) => busily("open", async () => {
    const value = JSON.parse(await file.text());
    await sendJson("POST", `api/videos/${frames.facts.id}/rois/check`, { rois: value, spacing_px: 50 });
    editor.change(fromFile(value), null);
  }),
  tryIt: () => busily("try", async () => {
    const { facts } = frames;
    const n = Math.min(Math.round(TRY_S * facts.frame_rate_hz), facts.n_frames);
    const first = Math.max(0, Math.min(page.get().frame, facts.n_frames - n));
    const { settings } = page.get();
    const rois = toFile(editor.regions);
    const body = { is_try: true, rois, frames: [first, first + n], settings: settingsOf(page.get()) };
    const run = await followRun(await startRun(facts.id, body), (state) => page.set({ run: state }));
    if (run.state !== "done") throw new Error(run.lines.at(-1) || `the try ${run.state}`);
    const tracks = await tracksOf(run.id);
    const tried = { id: run.id, settings, seconds: run.seconds, tracks, quality: run.result.quality };
    page.set({ tries: [...page.get().tries, tried], shownTry: run.id, run: null });
    await frames.seek(first);
    page.set({ hint: `tried frames ${first} to ${first + n - 1}: Space plays them` });
  }),
  showTry: async (id) => {
    const tried = page.get().tries.find((one) => one.id === id);
    page.set({ shownTry: page.get().shownTry === id ? null : id });
    await frames.seek(tried.tracks.first);
  },
  takeSettings: (id) => actions.setSettings(page.get().tries.find((one) => one.id === id).settings),
  run: () => busily("run", async () => {
    if (!editor.history.isSaved) await actions.save();
    if (!editor.history.isSaved) return;
    const body = { settings: settingsOf(page.get()) };
    const run = await followRun(await startRun(frames.facts.id, body), (state) => page.set({ run: state }));
    if (run.state === "done") page.set({ opened: await askJson("api/opened") });
  }),
  cancel: (id) => ask(`api/runs/${id}`, { method: "DELETE" }).catch(fail),
};


window.addEventListener("beforeunload", (event) => {
  if (editor && !editor.history.isSaved) event.preventDefault();
});
