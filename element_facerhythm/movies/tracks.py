"""Tracks of one sequence frame by frame, read from its product in blocks."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from element_facerhythm.io.lazy import LazyArray
from element_facerhythm.io.project import Project

Points = npt.NDArray[np.floating]

_BLOCK_BYTES = 8 << 20


class Tracks:
    """Where the points of a sequence are in a frame, and what the tracking says of it.

    Parameters
    ----------
    project
        With its tracks.
    video_index
        Number of the sequence.
    """

    def __init__(self, project: Project, video_index: int) -> None:
        self._tracking = project.tracking(video_index)
        self.homes: Points = project.point_positions.astype(np.float64)
        self.n_frames = len(self._tracking.points)
        self._positions = _Blocks(self._tracking.points)
        confidence = self._tracking.confidence
        self._confidence = None if confidence is None else _Blocks(confidence)

    @property
    def has_confidence(self) -> bool:
        """Whether the tracking tells how sure it is."""
        return self._confidence is not None

    @cached_property
    def spacing_px(self) -> float:
        """Median distance of a point from its nearest neighbour; of a single one, 20 px."""
        from scipy.spatial import cKDTree

        if len(self.homes) == 1:
            return 20.0
        distances, _ = cKDTree(self.homes).query(self.homes, k=2)
        return float(np.median(distances[:, 1]))

    def displacements(self, frame: int) -> Points:
        """(P, 2) displacement of each point from where it was seeded, in pixels."""
        return self._positions[frame].astype(np.float64) - self.homes

    def displaced(self, frame: int, magnify: float) -> Points:
        """(P, 2) places of the points, their displacements from home magnified.

        Parameters
        ----------
        frame
            Of the sequence.
        magnify
            Factor on the displacements.
        """
        if magnify == 1:
            return self._positions[frame].astype(np.float64)
        return self.homes + magnify * self.displacements(frame)

    def confidence(self, frame: int) -> Points | None:
        """(P,) 0 to 1; None where the tracking does not tell."""
        return None if self._confidence is None else self._confidence[frame].astype(np.float64)

    def flagged(self, frame: int) -> npt.NDArray[np.int32]:
        """Points that are flagged in a frame."""
        rows, points = self._flags
        first, stop = np.searchsorted(rows, (frame, frame + 1))
        return points[first:stop]

    @cached_property
    def _flags(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        return self._tracking.flags_by_frame()


class _Blocks:
    """Rows of an array on disk, of which the block that is used is kept in memory."""

    def __init__(self, array: LazyArray) -> None:
        self._array = array
        row_bytes = array.nbytes // max(len(array), 1) or 1
        self._n = max(_BLOCK_BYTES // row_bytes, 1)
        self._first, self._rows = 0, np.empty((0,))

    def __getitem__(self, row: int) -> npt.NDArray[Any]:
        if not self._first <= row < self._first + len(self._rows):
            self._first = row - row % self._n
            self._rows = self._array[self._first : self._first + self._n]
        return np.asarray(self._rows[row - self._first])
