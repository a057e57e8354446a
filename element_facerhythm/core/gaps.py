"""Values along time in which pauses of the recording are left open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_STEP_FRAMES = 2.0  # more than the jitter of a camera's clock moves a window


def breaks_at(frames: npt.ArrayLike, last_frames: npt.ArrayLike) -> tuple[int, ...]:
    """Numbers of the values before which the recording paused.

    Parameters
    ----------
    frames
        (W,) frame that each value lies at, fractions included; rising.
    last_frames
        Last frame before each pause.

    Returns
    -------
    Rising numbers from 1 to W - 1. Several pauses between two values are one break.
    """
    places = np.searchsorted(np.asarray(frames), np.asarray(last_frames, np.float64) + 0.5)
    n_values = np.size(frames)
    return tuple(sorted({int(place) for place in places if 0 < place < n_values}))


def pause_breaks(
    times_s: npt.NDArray[np.float64], n_pauses: int, frame_rate_hz: float
) -> tuple[int, ...]:
    """Return the breaks of spectrogram windows, of which only the times are known.

    Between pauses windows follow each other in equal steps of time, whatever frames were dropped: a pause is
    where a step differs by more than two frames.

    Parameters
    ----------
    times_s
        (W,) seconds at the centres of the windows.
    n_pauses
        How many pauses there are; some may lie before, after or beside each other.
    frame_rate_hz
        Frames per second.
    """
    steps_s = np.diff(times_s)
    if not n_pauses or not len(steps_s):
        return ()
    excess = np.abs(steps_s - np.median(steps_s)) * frame_rate_hz
    longest = np.argsort(-excess, kind="stable")[:n_pauses]
    return tuple(sorted(int(step) + 1 for step in longest if excess[step] > _STEP_FRAMES))


def opened_at(
    breaks: Sequence[int], times_s: npt.NDArray[np.float64], values: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any]]:
    """Insert two NaN at each break, so that nothing is drawn or interpolated across it.

    Parameters
    ----------
    breaks
        As of `breaks_at`.
    times_s
        (W,) times of the values, rising.
    values
        (W, ...) floats or complex numbers.

    Returns
    -------
    Times and values with two more entries for each break; times still rise.
    """
    step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    before, after = times_s[[b - 1 for b in breaks]], times_s[list(breaks)]
    # one step off the values, so that a column of an image plot is as wide there as anywhere
    inset_s = np.minimum(step_s, (after - before) / 3)
    inside = np.stack([before + inset_s, after - inset_s], axis=1).ravel()
    places = np.repeat(np.asarray(breaks, dtype=np.int64), 2)
    return np.insert(times_s, places, inside), np.insert(values, places, np.nan, axis=0)
