"""Sums of gray levels over square bins, and how much they change between frames: whole numbers, exact."""

from __future__ import annotations

import numpy as np

from element_facerhythm.core.compiled import compiled


@compiled
def bin_sums(frame, bin_px, sums):  # type: ignore[no-untyped-def]
    """Fill (h, w) int32 with the sums over bins of a frame (H, W) uint8; pixels beyond them are left out."""
    n_rows, n_columns = sums.shape
    for row in range(n_rows):
        for column in range(n_columns):
            sums[row, column] = 0
        for y in range(row * bin_px, (row + 1) * bin_px):
            line = frame[y]
            for column in range(n_columns):
                total = np.int32(0)
                for x in range(column * bin_px, (column + 1) * bin_px):
                    total += line[x]
                sums[row, column] += total


@compiled
def absolute_change(sums, before, change):  # type: ignore[no-untyped-def]
    """Fill (h, w) int32 with the distances of two frames' sums, bin by bin."""
    n_rows, n_columns = sums.shape
    for row in range(n_rows):
        for column in range(n_columns):
            change[row, column] = abs(sums[row, column] - before[row, column])


@compiled
def sum_at(values, places):  # type: ignore[no-untyped-def]
    """Sum of the values (h * w) int32 at some places (N,), as a whole number."""
    total = np.int64(0)
    for k in range(places.shape[0]):
        total += values[places[k]]
    return total
