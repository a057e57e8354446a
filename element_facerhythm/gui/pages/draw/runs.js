// Runs that this page starts, and the tracks of those that try a span.

import { HALF, askArrays, askJson, sendJson } from "../common/api.js";

/** What stands behind `--set`: what was typed, and the spacing where it was chosen. */
export function settingsOf({ settings, spacing, isSpacingFitted }) {
  const typed = settings.split("\n").map((line) => line.trim()).filter(Boolean);
  return isSpacingFitted ? typed : [`ROIs.make_rois.point_spacing=${spacing}`, ...typed];
}

export async function startRun(videoId, body) {
  return (await sendJson("POST", `api/videos/${videoId}/runs`, body)).json();
}

/** Follow a run until it is over; `onstate` is called with each state. */
export function followRun(run, onstate) {
  onstate(run);
  return new Promise((resolve, reject) => {
    const events = new EventSource(`api/runs/${run.id}/events`);
    events.onmessage = ({ data }) => {
      const state = JSON.parse(data);
      onstate(state);
      if (state.is_over) {
        events.close();
        resolve(state);
      }
    };
    events.onerror = async () => {
      if (events.readyState !== EventSource.CLOSED) return; // it connects again by itself
      try {
        resolve(await askJson(`api/runs/${run.id}`));
      } catch (error) {
        reject(error);
      }
    };
  });
}

/** Tracks of a try: homes, displacements of a frame, which points were not found in it, its spectrum. */
export async function tracksOf(runId) {
  const { first, arrays, ...facts } = await askArrays(`api/runs/${runId}/tracks`);
  const [nFrames, nPoints] = arrays.displacements.shape;
  const row = new Float32Array(2 * nPoints);
  return {
    ...facts,
    first,
    nFrames,
    nPoints,
    homes: arrays.homes,
    frequencies: arrays.frequencies,
    spectrum: arrays.spectrum,
    displacements(frame) {
      const begin = 2 * nPoints * frame;
      for (let k = 0; k < row.length; k++) row[k] = HALF[arrays.displacements[begin + k]];
      return row;
    },
    isFlagged: (frame, point) => arrays.flagged[nPoints * frame + point] === 1,
  };
}
