// Polygons on pixels, by the rules of core/rois.py: whole numbers are centres of pixels.

const ON_CORNER = 1e-12;

/** Pixels (h x w, row by row, 0 or 1) that a polygon covers, those on its edges and vertices too. */
export function polygonMask(polygon, height, width, mask = new Uint8Array(height * width)) {
  const xs = polygon.map((vertex) => vertex[0]);
  const ys = polygon.map((vertex) => vertex[1]);
  const left = Math.max(0, Math.floor(Math.min(...xs)));
  const right = Math.min(width, Math.ceil(Math.max(...xs)) + 1);
  const top = Math.max(0, Math.floor(Math.min(...ys)));
  const bottom = Math.min(height, Math.ceil(Math.max(...ys)) + 1);
  const n = right - left;
  if (n <= 0) return mask;
  const toRight = new Uint8Array(n);
  const toLeft = new Uint8Array(n);
  for (let y = top; y < bottom; y++) {
    toRight.fill(0);
    toLeft.fill(0);
    const begin = y * width + left;
    for (let k = 0; k < polygon.length; k++) {
      const [x0, y0] = polygon[k];
      const [x1, y1] = polygon[(k + polygon.length - 1) % polygon.length];
      if (y < Math.min(y0, y1) - 1 || y >= Math.max(y0, y1) + 1) continue;
      const ay = y0 - y;
      const by = y1 - y;
      if (Math.abs(ay) < ON_CORNER) {
        const corner = Math.round(x0) - left;
        if (corner >= 0 && corner < n && Math.abs(x0 - (corner + left)) < ON_CORNER) mask[begin + corner] = 1;
      }
      if (y0 === y1) continue;
      const crossesRight = ay > 0 !== by > 0;
      const crossesLeft = ay < 0 !== by < 0;
      if (!crossesRight && !crossesLeft) continue;
      for (let i = 0; i < n; i++) {
        const ax = x0 - (left + i);
        const bx = x1 - (left + i);
        const crossing = (ax * by - bx * ay) / (by - ay);
        if (crossesRight && crossing > 0) toRight[i] ^= 1;
        if (crossesLeft && crossing < 0) toLeft[i] ^= 1;
      }
    }
    for (let i = 0; i < n; i++) if (toRight[i] | toLeft[i]) mask[begin + i] = 1;
  }
  return mask;
}

/** Pixels in which points are seeded: those of all polygons of kind points, less those that are excluded. */
export function seedMask(regions, height, width) {
  const mask = new Uint8Array(height * width);
  for (const one of regions) if (one.kind === "points") polygonMask(one.vertices, height, width, mask);
  for (const one of regions) {
    if (one.kind !== "exclude") continue;
    const out = polygonMask(one.vertices, height, width);
    for (let k = 0; k < mask.length; k++) if (out[k]) mask[k] = 0;
  }
  return mask;
}

/** Points [x0, y0, x1, y1, ...] on a square grid inside a mask, in the order in which they are tracked. */
export function seedGrid(mask, height, width, spacing) {
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!mask[y * width + x]) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  }
  const step = Math.min(Math.trunc(spacing), Math.max(height, width));
  const points = [];
  for (let x = left; x < right; x += step) {
    for (let y = top; y < bottom; y += step) if (mask[y * width + x]) points.push(x, y);
  }
  return points;
}

export function area(polygon) {
  let twice = 0;
  for (let k = 0; k < polygon.length; k++) {
    const [x0, y0] = polygon[k];
    const [x1, y1] = polygon[(k + 1) % polygon.length];
    twice += x0 * y1 - x1 * y0;
  }
  return Math.abs(twice) / 2;
}

/** Distance of a place from the line between two others. */
export function distanceToEdge([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const square = dx * dx + dy * dy;
  const share = square ? Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / square)) : 0;
  return Math.hypot(x - ax - share * dx, y - ay - share * dy);
}

/** Fewer vertices (Douglas-Peucker): none that is left out lies further off than the tolerance. */
export function simplified(polygon, tolerance) {
  if (polygon.length < 4) return polygon;
  let far = 0;
  for (let k = 1; k < polygon.length; k++) {
    const apart = (n) => Math.hypot(polygon[n][0] - polygon[0][0], polygon[n][1] - polygon[0][1]);
    if (apart(k) > apart(far)) far = k;
  }
  const first = between(polygon.slice(0, far + 1), tolerance);
  const second = between([...polygon.slice(far), polygon[0]], tolerance);
  return [...first.slice(0, -1), ...second.slice(0, -1)];
}

function between(line, tolerance) {
  const last = line.length - 1;
  let [far, most] = [0, tolerance];
  for (let k = 1; k < last; k++) {
    const off = distanceToEdge(line[k], line[0], line[last]);
    if (off > most) [far, most] = [k, off];
  }
  if (!far) return [line[0], line[last]];
  return [...between(line.slice(0, far + 1), tolerance).slice(0, -1), ...between(line.slice(far), tolerance)];
}

/** A polygon with at most so many vertices. */
export function withFewVertices(polygon, most, tolerance = 0.75) {
  let few = simplified(polygon, tolerance);
  while (few.length > most) few = simplified(polygon, (tolerance *= 1.3));
  return few;
}

export function rectangle([x0, y0], [x1, y1]) {
  return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
}

export function ellipse([x0, y0], [x1, y1], n = 24) {
  const [cx, cy, rx, ry] = [(x0 + x1) / 2, (y0 + y1) / 2, Math.abs(x1 - x0) / 2, Math.abs(y1 - y0) / 2];
  return Array.from({ length: n }, (_, k) => {
    const turn = (2 * Math.PI * k) / n;
    return [tenth(cx + rx * Math.cos(turn)), tenth(cy + ry * Math.sin(turn))];
  });
}

export function tenth(value) {
  return Math.round(value * 10) / 10;
}
