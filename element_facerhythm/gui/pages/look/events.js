// Events as rows over time: one row for each label, a bar for each event.

import { lineColour, pageColour } from "./colours.js";

export const MOST_ROWS = 8;
const ROW_PX = 17;

export const rowsOf = (events) => Math.min(events.names.length, MOST_ROWS);
export const heightOf = (events) => Math.max(rowsOf(events) * ROW_PX, 24);

/** Name of each row, the last one for all further labels. */
export function namesOf({ names }) {
  if (names.length <= MOST_ROWS) return names;
  return [...names.slice(0, MOST_ROWS - 1), `${names.length - MOST_ROWS + 1} others`];
}

export function eventPainter(events) {
  const { times, durations, labels } = events.arrays;
  const nRows = rowsOf(events);
  const soft = pageColour("soft");
  return (u) => {
    const canvas = u.ctx;
    const { left, top, width, height } = u.bbox;
    canvas.save();
    canvas.beginPath();
    canvas.rect(left, top, width, height);
    canvas.clip();
    const least = 2 * (window.devicePixelRatio || 1);
    for (let n = 0; n < times.length; n++) {
      const row = Math.min(labels[n], nRows - 1);
      const x = u.valToPos(times[n], "x", true);
      const end = u.valToPos(times[n] + durations[n], "x", true);
      if (end < left || x > left + width) continue;
      canvas.fillStyle = row === MOST_ROWS - 1 ? soft : lineColour(row);
      canvas.fillRect(x, top + ((row + 0.15) * height) / nRows, Math.max(end - x, least), (0.7 * height) / nRows);
    }
    canvas.restore();
  };
}

/** The moment among some that is nearest to another, where it is no further off than that. */
export function nearest(times, time, within) {
  let best = null;
  for (const one of times) {
    if (Math.abs(one - time) <= within && (best === null || Math.abs(one - time) < Math.abs(best - time))) best = one;
  }
  return best ?? time;
}
