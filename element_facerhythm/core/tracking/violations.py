"""Which points were held in place in which frames, because they had strayed too far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import BoolPoints


def violating_points(
    points: NDArray[np.float32],
    point_positions: NDArray[np.float32],
    neighbors: NDArray[np.int64],
    threshold_px: float,
) -> BoolPoints:
    """Points (P,) bool further from home than the threshold, their mesh neighbours included.

    Parameters
    ----------
    points, point_positions
        (P, 2) positions now and at rest, in pixels.
    neighbors
        (P, K) mesh neighbours.
    threshold_px
        Largest distance from home that is allowed.
    """
    strayed: BoolPoints = np.linalg.norm(points - point_positions, axis=1) > threshold_px
    if strayed.any():
        strayed[neighbors[strayed].ravel()] = True
    return strayed


class ViolationLog:
    """Flags (frame, point); they are only ever added, and memory grows with their number alone."""

    def __init__(self, n_frames: int, n_points: int) -> None:
        self._n_frames = n_frames
        self._none = np.zeros(n_points, dtype=bool)
        self._none.flags.writeable = False
        self._columns: dict[int, NDArray[np.int32]] = {}

    def row(self, index: int) -> BoolPoints:
        """Return the flags (P,) bool of one frame."""
        columns = self._columns.get(index)
        if columns is None:
            return self._none
        flags = self._none.copy()
        flags[columns] = True
        return flags

    def add(self, first: int, stop: int, points: BoolPoints) -> bool:
        """Flag points in a span of frames.

        Parameters
        ----------
        first, stop
            First frame, and the one after the last; what lies outside the video is left out.
        points
            (P,) which points.

        Returns
        -------
        Whether any flag is new.
        """
        columns = np.flatnonzero(points).astype(np.int32)
        grown = False
        for index in range(max(first, 0), min(stop, self._n_frames)):
            before = self._columns.get(index)
            after = columns if before is None else np.union1d(before, columns)
            if after.size > (0 if before is None else before.size):
                self._columns[index] = after
                grown = True
        return grown

    def coordinates(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Frame index and point index of every flag (N,), by frame, then by point."""
        frames = sorted(self._columns)
        sizes = [self._columns[frame].size for frame in frames]
        rows = np.repeat(np.asarray(frames, dtype=np.int32), sizes)
        columns = [self._columns[frame] for frame in frames]
        return rows, np.concatenate(columns) if columns else np.empty(0, dtype=np.int32)
