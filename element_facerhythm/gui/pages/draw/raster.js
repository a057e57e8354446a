// Regions as pixels: what a brush paints, and regions that are joined or cut, become polygons again.

import { polygonMask, withFewVertices } from "./geometry.js";

const MOST_VERTICES = 40;
const FEWEST_PIXELS = 12;

/** Set the pixels within a radius of a line to a value. */
export function stamp(mask, height, width, from, to, radius, value) {
  const n = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / Math.max(radius / 2, 1)));
  for (let k = 0; k <= n; k++) {
    const cx = from[0] + ((to[0] - from[0]) * k) / n;
    const cy = from[1] + ((to[1] - from[1]) * k) / n;
    for (let y = Math.max(0, Math.ceil(cy - radius)); y <= Math.min(height - 1, cy + radius); y++) {
      const half = Math.sqrt(radius * radius - (y - cy) ** 2);
      const left = Math.max(0, Math.ceil(cx - half));
      const right = Math.min(width - 1, Math.floor(cx + half));
      if (left <= right) mask.fill(value, y * width + left, y * width + right + 1);
    }
  }
}

/** Polygons around the connected parts of a mask, the largest first; small ones and holes are left out. */
export function outlines(mask, height, width) {
  const seen = new Uint8Array(mask.length);
  const parts = [];
  for (let start = 0; start < mask.length; start++) {
    if (!mask[start] || seen[start]) continue;
    const n = flood(mask, seen, start, height, width);
    if (n >= FEWEST_PIXELS) parts.push({ n, outline: boundary(mask, start, height, width) });
  }
  parts.sort((a, b) => b.n - a.n);
  return parts.map((part) => withFewVertices(part.outline, MOST_VERTICES)).filter((one) => one.length > 2);
}

function flood(mask, seen, start, height, width) {
  const todo = [start];
  seen[start] = 1;
  let n = 0;
  while (todo.length) {
    const place = todo.pop();
    const [x, y] = [place % width, Math.floor(place / width)];
    n++;
    for (const [nx, ny] of [[x + 1, y], [x - 1, y], [x, y + 1], [x, y - 1]]) {
      const other = ny * width + nx;
      if (nx < 0 || ny < 0 || nx >= width || ny >= height || seen[other] || !mask[other]) continue;
      seen[other] = 1;
      todo.push(other);
    }
  }
  return n;
}

const AROUND = [[1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0], [-1, -1], [0, -1], [1, -1]];

/** Pixels around a part, from its first one in reading order on (Moore's neighbour tracing). */
function boundary(mask, start, height, width) {
  const [x0, y0] = [start % width, Math.floor(start / width)];
  const isIn = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x];
  const line = [[x0, y0]];
  let [x, y, direction] = [x0, y0, 7];
  for (let n = 0; n < 4 * mask.length; n++) {
    let turned = 0;
    for (; turned < 8; turned++) {
      const next = (direction + turned) % 8;
      if (!isIn(x + AROUND[next][0], y + AROUND[next][1])) continue;
      [x, y] = [x + AROUND[next][0], y + AROUND[next][1]];
      direction = (next + (next % 2 ? 6 : 7)) % 8;
      break;
    }
    if (turned === 8 || (x === x0 && y === y0)) break;
    line.push([x, y]);
  }
  return line;
}

export function union(polygons, height, width) {
  const mask = new Uint8Array(height * width);
  for (const polygon of polygons) polygonMask(polygon, height, width, mask);
  return outlines(mask, height, width);
}

export function difference(polygon, cut, height, width) {
  const mask = polygonMask(polygon, height, width);
  const out = polygonMask(cut, height, width);
  for (let k = 0; k < mask.length; k++) if (out[k]) mask[k] = 0;
  return outlines(mask, height, width);
}

export function overlap(a, b, height, width) {
  const one = polygonMask(a, height, width);
  const other = polygonMask(b, height, width);
  return one.some((inside, k) => inside && other[k]);
}
