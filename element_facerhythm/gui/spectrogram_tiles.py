"""Parts of spectrograms as pictures of 8 bits, as many columns as a screen shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.extremes import run_size
from element_facerhythm.io.lazy import LazyArray

_LOUDEST = 0.998
_COLUMNS_FOR_SCALE = 2000
_BLOCK_BYTES = 8 << 20


@dataclass(frozen=True)
class Tile:
    """Part of a spectrogram.

    Attributes
    ----------
    levels
        (F, columns) uint8; 255 is `top` and above.
    top
        Magnitude at 255.
    firsts
        (columns,) window at which each column begins.
    """

    levels: npt.NDArray[np.uint8]
    top: float
    firsts: npt.NDArray[np.int64]


class Magnitudes:
    """Magnitudes (F, W) of one selection, read in blocks of frequencies.

    Parameters
    ----------
    arrays
        (F, W) each; their magnitudes are averaged.
    breaks
        Windows before which the recording paused; no column reaches across.
    """

    def __init__(self, arrays: Sequence[LazyArray], breaks: Sequence[int]) -> None:
        self._arrays, self._breaks = arrays, breaks
        self._top: float | None = None

    @property
    def n_windows(self) -> int:
        """Number of windows W."""
        return self._arrays[0].shape[1]

    @property
    def top(self) -> float:
        """Magnitude that is shown brightest: of all windows, the same for every part."""
        if self._top is None:
            means, _ = self._columns(0, self.n_windows, _COLUMNS_FOR_SCALE)
            finite = means[np.isfinite(means)]
            self._top = float(np.quantile(finite, _LOUDEST)) if len(finite) else 0.0
        return self._top or 1.0

    def tile(self, first: int, stop: int, n_columns: int) -> Tile:
        """Return windows ``[first, stop)``; neighbouring ones are averaged where there are more than columns.

        Parameters
        ----------
        first, stop
            Windows.
        n_columns
            How many can be shown.
        """
        means, firsts = self._columns(first, stop, n_columns)
        levels = np.clip(np.nan_to_num(means, nan=0.0, posinf=self.top) / self.top, 0, 1) * 255
        return Tile(np.rint(levels).astype(np.uint8), self.top, firsts)

    def _columns(
        self, first: int, stop: int, n_columns: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        size = run_size(stop - first, n_columns)
        starts = {*range(first, stop, size), *(b for b in self._breaks if first < b < stop)}
        firsts = np.array(sorted(starts), dtype=np.int64)
        counts = np.diff([*firsts, stop])
        n_frequencies = self._arrays[0].shape[0]
        means = np.empty((n_frequencies, len(firsts)))
        n_rows = max(_BLOCK_BYTES // (8 * (stop - first)), 1)
        for row in range(0, n_frequencies, n_rows):
            rows = slice(row, row + n_rows)
            parts = [np.abs(array[rows, first:stop]) for array in self._arrays]
            magnitudes = np.mean(parts, axis=0, dtype=np.float64)
            means[rows] = np.add.reduceat(magnitudes, firsts - first, axis=1) / counts
        return means, firsts
