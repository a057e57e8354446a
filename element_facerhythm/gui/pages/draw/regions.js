// Regions and their history: every change makes a new list, and can be undone.

let count = 0;

export const KINDS = {
  points: { says: "points", colour: "#56b4e9", tells: "points are tracked inside" },
  mask: { says: "mask", colour: "#f0e442", tells: "the tracker sees only what lies inside" },
  exclude: { says: "exclude", colour: "#cc79a7", tells: "no points inside, and the tracker does not see it" },
  pupil: { says: "pupil", colour: "#009e73", tells: "the pupil is measured here; no points", role: "signals" },
  blink: { says: "blink", colour: "#009e73", tells: "how far the eye is open is measured here; no points", role: "signals" },
  running: { says: "running", colour: "#009e73", tells: "a treadmill's flow is measured here; no points", role: "signals" },
  motion: { says: "motion only", colour: "#009e73", tells: "motion is measured here; no points", role: "signals" },
};

const ROLES = ["points", "mask", "exclude", "signals"];

/** `stated`: what a file says that a region of points, mask or exclude is for; kept as it is. */
export function region(vertices, kind = "points", name = "", isProposed = false, stated = null) {
  return { id: `r${++count}`, vertices, kind, name, isProposed, stated };
}

export class History {
  constructor() {
    this.past = [];
    this.future = [];
    this.now = [];
    this.saved = this.now;
  }

  change(regions) {
    this.past.push(this.now);
    this.future = [];
    this.now = regions;
  }

  /** Change without a step of its own: while a vertex is dragged, after `change` made one. */
  adjust(regions) {
    this.now = regions;
  }

  undo() {
    if (!this.past.length) return false;
    this.future.push(this.now);
    this.now = this.past.pop();
    return true;
  }

  redo() {
    if (!this.future.length) return false;
    this.past.push(this.now);
    this.now = this.future.pop();
    return true;
  }

  get isSaved() {
    return this.saved === this.now;
  }
}

/** What a ROI file holds, of regions that are accepted; kinds without polygons are left out. */
export function toFile(regions) {
  const accepted = regions.filter((one) => !one.isProposed);
  const value = { points: [], mask: [] };
  const names = { points: [], mask: [] };
  const kinds = { points: [], mask: [] };
  for (const one of accepted) {
    const { role = one.kind } = KINDS[one.kind];
    for (const lists of [value, names, kinds]) lists[role] ??= [];
    value[role].push(one.vertices);
    names[role].push(one.name.trim() || null);
    kinds[role].push(role === "signals" ? one.kind : one.stated);
  }
  for (const [key, texts] of Object.entries({ names, kinds })) {
    if (Object.values(texts).flat().some((text) => text !== null)) value[key] = texts;
  }
  return value;
}

export function fromFile(value) {
  const said = (key, role, k) => (Array.isArray(value[key]) ? null : value[key]?.[role]?.[k]) ?? null;
  const regions = [];
  for (const role of ROLES) {
    for (const [k, vertices] of (value[role] || []).entries()) {
      const stated = said("kinds", role, k);
      const kind = role !== "signals" ? role : stated in KINDS ? stated : "motion";
      regions.push(region(vertices, kind, said("names", role, k) || "", false, role === "signals" ? null : stated));
    }
  }
  return regions;
}
