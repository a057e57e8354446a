"""Tracked points on their way to where they are kept: an array, or a dataset on disk."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from element_facerhythm.core.arrays import Points


class PointArray(Protocol):
    """What points are written to: a numpy array, an h5py dataset, or the like; (T, P, 2)."""

    shape: tuple[int, ...]

    def __getitem__(self, index: Any, /) -> Any:
        """Return what is stored at an index or slice."""
        ...

    def __setitem__(self, index: Any, value: Any, /) -> None:
        """Store a value at an index or slice."""
        ...


class PointStore:
    """Rows of points, written in blocks once a rewind no longer reaches them.

    Frames are written in order; going back is allowed, within the last rows at no cost, further at
    the cost of writing some rows twice.

    Parameters
    ----------
    out
        (T, P, 2) target.
    n_recent
        How many of the last rows stay in memory, so that they can be replaced cheaply.
    n_block
        How many rows are written at once.
    """

    def __init__(self, out: PointArray, *, n_recent: int, n_block: int = 512) -> None:
        self._out = out
        self._n_recent = n_recent
        self._rows = np.empty((n_recent + n_block, *out.shape[1:]), dtype=np.float32)
        self._first = 0
        self._stop = 0

    def __getitem__(self, index: int) -> Points:
        """Points (P, 2) of one frame that was stored before."""
        if self._first <= index < self._stop:
            row: Points = self._rows[index - self._first]
        else:
            row = np.asarray(self._out[index], dtype=np.float32)
        return row.copy()

    def __setitem__(self, index: int, points: Points) -> None:
        """Store the points (P, 2) of the frame after the last, or of an earlier one again."""
        if index < self._first:
            self.flush()
            self._first = self._stop = index
        elif index - self._first == len(self._rows):
            self._write_old_rows(len(self._rows) - self._n_recent)
        self._rows[index - self._first] = points
        self._stop = index + 1

    def flush(self) -> None:
        """Write all rows that are still in memory."""
        self._write_old_rows(self._stop - self._first)

    def _write_old_rows(self, n_rows: int) -> None:
        self._out[self._first : self._first + n_rows] = self._rows[:n_rows]
        n_left = self._stop - self._first - n_rows
        self._rows[:n_left] = self._rows[n_rows : n_rows + n_left].copy()
        self._first += n_rows
