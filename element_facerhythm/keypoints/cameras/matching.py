"""Frames of several cameras that show the same moment, by the times on their clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError

Times = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FrameMatch:
    """Which frame of each camera belongs to each frame of the first one.

    Attributes
    ----------
    rows
        (V, T) rows of each camera's times, of T frames of the first camera; -1 where the camera has none.
    apart_s
        (V,) median time between frames that belong together, seconds; NaN where there are none.
    n_matched
        (V,) frames of the first camera that have a frame of each.
    n_left
        (V,) frames of each camera that belong to none of the first camera's.
    tolerances_s
        (V,) frames of each camera that lie further from those of the first do not belong to them.
    """

    rows: NDArray[np.int64]
    apart_s: NDArray[np.float64]
    n_matched: NDArray[np.int64]
    n_left: NDArray[np.int64]
    tolerances_s: NDArray[np.float64]

    def notes(self, names: Sequence[str]) -> tuple[str, ...]:
        """Sentences on frames that belong to none; none where all do.

        Parameters
        ----------
        names
            Of the V cameras.
        """
        n_frames = self.rows.shape[1]
        notes = []
        for view, name in enumerate(names[1:], start=1):
            lacking, left = n_frames - int(self.n_matched[view]), int(self.n_left[view])
            if lacking:
                notes.append(
                    f"{lacking} of {n_frames} frames of {names[0]} have no frame of {name} within "
                    f"{1000 * self.tolerances_s[view]:.4g} ms"
                )
            if left:
                notes.append(f"{left} frames of {name} belong to no frame of {names[0]}: left out")
        return tuple(notes)


def match_frames(
    times_s: Sequence[Times],
    names: Sequence[str],
    tolerances_s: Sequence[float | None] | None = None,
) -> FrameMatch:
    """Find the frame of each camera that is nearest in time to each frame of the first one.

    Two frames belong together where each is the nearest of its camera to the other, and they lie no further
    apart than the tolerance. So a frame is used once, also where cameras have different rates.

    Parameters
    ----------
    times_s
        For each camera (T_v,) seconds on a clock that all of them share, rising.
    names
        Of the cameras, for messages.
    tolerances_s
        For each camera, largest time between its frame and that of the first one; None or left out, half the
        usual interval of the camera that is slowest.

    Raises
    ------
    KeypointError
        A camera has no frame, or times that do not rise; or none of its frames is near one of the first
        camera's.
    """
    for name, times in zip(names, times_s, strict=True):
        if len(times) == 0 or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
            raise KeypointError(
                f"camera {name} has {len(times)} frame times that do not rise from frame to frame; "
                "expected one "
                "time for each frame, in seconds"
            )
    usual = [float(np.median(np.diff(times))) for times in times_s if len(times) > 1]
    half_s = max(usual, default=np.inf) / 2
    given = tolerances_s or [None] * len(names)
    limits_s = np.array([half_s if limit is None else limit for limit in given])
    first = times_s[0]
    rows = np.full((len(names), len(first)), -1, dtype=np.int64)
    rows[0] = np.arange(len(first))
    apart_s = np.zeros(len(names))
    for view, times in enumerate(times_s[1:], start=1):
        there, back = _nearest(times, first), _nearest(first, times)
        away = np.abs(times[there] - first)
        # rounding of times may not decide about frames exactly half an interval apart
        belongs = (back[there] == np.arange(len(first))) & (away <= limits_s[view] * (1 + 1e-9))
        if not belongs.any():
            raise KeypointError(
                f"no frame of {names[view]} ({_range(times)}) lies within {1000 * limits_s[view]:.4g} ms of "
                "one of "
                f"{names[0]} ({_range(first)}): their times are not of one clock; give the times of their "
                "frames on a clock that they share (--times), or when each began (--start)"
            )
        rows[view, belongs] = there[belongs]
        apart_s[view] = float(np.median(away[belongs]))
    n_matched = (rows >= 0).sum(axis=1)
    n_left = np.array([len(times) for times in times_s]) - n_matched
    return FrameMatch(rows, apart_s, n_matched, n_left, limits_s)


def _nearest(times: Times, wanted: Times) -> NDArray[np.int64]:
    """Return the number of the time that is nearest to each wanted one."""
    after = np.clip(np.searchsorted(times, wanted), 1, max(len(times) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(times) - 1)
    is_nearer = np.abs(times[after] - wanted) < np.abs(times[before] - wanted)
    return np.where(is_nearer, after, before).astype(np.int64)


def _range(times: Times) -> str:
    return f"{times[0]:.6g} to {times[-1]:.6g} s"
