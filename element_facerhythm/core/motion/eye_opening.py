"""How far an eye is open: the share of its region that is as dark as the eye.

Under infrared light an eye is darker than the fur and the lid. The level that parts the two is that of the
whole recording (`levels.parting_level`), so that a closed eye is one of which nothing dark is left. Frames
without light tell nothing: their value is NaN, with confidence 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.motion.levels import parting_level
from element_facerhythm.core.motion.streamed_svd import Rows

N_BINS = 64
_WIDTH = 256 // N_BINS
_ROWS_AT_ONCE = 4096
_DARK = 6.0  # mean gray level; below, there is no light
_LEAST_DISTANCE = 12.0  # gray levels between eye and lid


class EyeOpening:
    """Takes the pixels of one region frame by frame; the level is known at the end.

    Parameters
    ----------
    mask
        (h, w) bool, pixels of the region's box that belong to it.
    store
        (T, `N_BINS`) float32 anywhere, that shares of gray levels are kept in.
    """

    def __init__(self, mask: NDArray[np.bool_], store: Rows) -> None:
        self._places = np.flatnonzero(mask)
        self._store = store
        self._counts = np.zeros(256)
        self._shares = np.empty((_ROWS_AT_ONCE, N_BINS), np.float32)
        self._n_written = self._n_waiting = 0

    def push(self, picture: NDArray[np.uint8]) -> None:
        """Take the pixels (h, w) of the region's box."""
        counts = np.bincount(picture.reshape(-1)[self._places], minlength=256)
        self._counts += counts
        self._shares[self._n_waiting] = counts.reshape(N_BINS, _WIDTH).sum(axis=1) / len(
            self._places
        )
        self._n_waiting += 1
        if self._n_waiting == _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        stop = self._n_written + self._n_waiting
        self._store[self._n_written : stop] = self._shares[: self._n_waiting]
        self._n_written, self._n_waiting = stop, 0

    def finish(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return opening and confidence (T,), both 0 to 1."""
        self._flush()
        opening = np.full(self._n_written, np.nan)
        confidence = np.zeros(self._n_written)
        level, share, distance = parting_level(self._counts)
        if distance < _LEAST_DISTANCE:
            return opening, confidence
        edges = np.arange(N_BINS) * _WIDTH
        darker = np.clip((level - edges) / _WIDTH, 0, 1)
        near = np.clip(1 - np.abs(edges + _WIDTH / 2 - level) / (distance / 2), 0, 1)
        for first in range(0, self._n_written, _ROWS_AT_ONCE):
            rows = slice(first, min(first + _ROWS_AT_ONCE, self._n_written))
            shares = np.asarray(self._store[rows], np.float64)
            has_light = shares @ (edges + _WIDTH / 2) >= _DARK
            opening[rows] = np.where(has_light, shares @ darker, np.nan)
            confidence[rows] = np.where(has_light, share * (1 - shares @ near), 0)
        return opening, np.clip(confidence, 0, 1)
