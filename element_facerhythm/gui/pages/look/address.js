// What is shown, as the page's address: every view has a link.

const LAYERS = ["points", "arrows", "heat", "flags", "regions"];
const SHOWN_AT_FIRST = ["points", "flags", "regions"];

const number = (text, otherwise) => (text !== null && text !== "" && Number.isFinite(+text) ? +text : otherwise);

export function readAddress(search = location.search) {
  const query = new URLSearchParams(search);
  const layers = query.has("layers") ? query.get("layers").split(",") : SHOWN_AT_FIRST;
  return {
    project: query.get("project"),
    video: number(query.get("video"), 0),
    time: number(query.get("t"), null),
    model: query.get("model"),
    component: query.get("component") === "none" ? null : number(query.get("component"), 0),
    compare: number(query.get("compare"), null),
    ownScale: query.get("scale") === "own",
    of: query.get("what") || "all",
    points: (query.get("points") || "").split(",").filter((part) => /^\d+$/.test(part)).map(Number),
    span: query.has("from") && query.has("to") ? [number(query.get("from"), 0), number(query.get("to"), 1)] : null,
    layers: Object.fromEntries(LAYERS.map((name) => [name, layers.includes(name)])),
    magnify: number(query.get("m"), 5),
    opacity: number(query.get("o"), 0.9),
  };
}

export function writeAddress(state, time) {
  history.replaceState(null, "", addressOf(state, time));
}

export function addressOf(state, time) {
  const query = new URLSearchParams();
  query.set("project", state.project);
  if (state.video) query.set("video", state.video);
  query.set("t", String(+time.toFixed(7)));
  if (state.model !== state.models?.[0]?.key) query.set("model", state.model);
  query.set("component", state.component ?? "none");
  if (state.compare !== null) query.set("compare", state.compare);
  if (state.ownScale) query.set("scale", "own");
  if (state.of !== "all") query.set("what", state.of);
  if (state.points.length) query.set("points", state.points.join(","));
  if (state.span) {
    query.set("from", state.span[0].toFixed(4));
    query.set("to", state.span[1].toFixed(4));
  }
  const layers = LAYERS.filter((name) => state.layers[name]);
  if (layers.join() !== SHOWN_AT_FIRST.join()) query.set("layers", layers.join(","));
  if (state.magnify !== 5) query.set("m", state.magnify);
  if (state.opacity !== 0.9) query.set("o", state.opacity);
  return `?${query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":")}`;
}
