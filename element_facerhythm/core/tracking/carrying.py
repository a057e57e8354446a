"""Occluded points move with their neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import BoolPoints, Points
from element_facerhythm.core.compiled import compiled


def carry(
    before: Points, moved: Points, lost: BoolPoints, clear: BoolPoints, neighbors: NDArray[np.int64]
) -> BoolPoints:
    """Move lost points by the median displacement, along x and y, of their clear neighbours.

    Parameters
    ----------
    before
        (P, 2) float32 positions in the first frame.
    moved
        (P, 2) float32 positions in the second, changed in place for lost points.
    lost, clear
        (P,) bool: points that are occluded, and points whose match is reliable.
    neighbors
        (P, K) int64 neighbours of each point, `Mesh.neighbors`.

    Returns
    -------
    (P,) bool, lost points that have a clear neighbour.
    """
    carried: BoolPoints = np.zeros(len(lost), np.bool_)
    _carry(before, moved, np.flatnonzero(lost), clear, neighbors, carried)
    return carried


@compiled
def _carry(before, moved, lost, clear, neighbors, carried):  # type: ignore[no-untyped-def]
    steps = np.empty((2, neighbors.shape[1]), np.float32)
    for point in lost:
        n = 0
        for other in neighbors[point]:
            if clear[other]:
                steps[0, n] = moved[other, 0] - before[other, 0]
                steps[1, n] = moved[other, 1] - before[other, 1]
                n += 1
        if n > 0:
            carried[point] = True
            for axis in range(2):
                step = np.sort(steps[axis, :n])
                middle = (step[(n - 1) // 2] + step[n // 2]) * np.float32(0.5)
                moved[point, axis] = before[point, axis] + middle
