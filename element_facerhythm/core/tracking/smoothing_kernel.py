"""Smoothing of a part of a frame, compiled."""

from __future__ import annotations

import numpy as np
from numba import uintp

from element_facerhythm.core.compiled import compiled, inlined

_i2 = np.int16


@compiled
def smooth_part(frame, rows, columns, out):  # type: ignore[no-untyped-def]
    """Smooth a part of a frame by (1, 2, 1) along both axes.

    Parameters
    ----------
    frame
        (H, W) uint8.
    rows, columns
        (h + 2,) and (w + 2,) int64: pixels of the frame that make up the part, and one more on
        either side.
    out
        (h, w) int16, filled in: sixteen times the smoothed gray.
    """
    n_rows, n_columns = out.shape
    sums = np.empty(n_columns + 2, np.int16)
    first, stop = _consecutive(columns)
    within = slice(columns[first], columns[first] + stop - first)
    for j in range(n_rows):
        above, here, below = frame[rows[j]], frame[rows[j + 1]], frame[rows[j + 2]]
        _add(above[within], here[within], below[within], sums[first:stop])
        for i in range(first):
            k = columns[i]
            sums[i] = _weigh(above[k], here[k], below[k])
        for i in range(stop, n_columns + 2):
            k = columns[i]
            sums[i] = _weigh(above[k], here[k], below[k])
        _add(sums[:-2], sums[1:-1], sums[2:], out[j])


@inlined
def _add(before, here, after, out):  # type: ignore[no-untyped-def]
    """Weigh three rows by (1, 2, 1)."""
    for i in range(out.size):
        k = uintp(i)
        out[k] = _weigh(before[k], here[k], after[k])


@inlined
def _weigh(before, here, after):  # type: ignore[no-untyped-def]
    """Weigh three values by (1, 2, 1)."""
    return _i2(_i2(before) + _i2(2) * _i2(here) + _i2(after))


@compiled
def _consecutive(columns):  # type: ignore[no-untyped-def]
    """First and stop of the longest run in which each column follows the one before."""
    best_first, best_stop, first = 0, 1, 0
    for i in range(1, columns.size + 1):
        if i == columns.size or columns[i] != columns[i - 1] + 1:
            if i - first > best_stop - best_first:
                best_first, best_stop = first, i
            first = i
    return best_first, best_stop
