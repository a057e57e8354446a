"""The mesh between tracked points: the neighbours of each, and its place among them at rest.

On a grid most neighbours are equally near, so the mesh depends on how ties are broken. face-rhythm
leaves that to an unstable sort, whose outcome belongs to the library it was built with. Here the
ties are broken by one fixed procedure, written out in `nearest_first`, which gives the same mesh on
every machine; face-rhythm's sort follows it on Linux, so that the meshes are equal there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import Points
from element_facerhythm.errors import ParameterError

Indices = NDArray[np.int64]

_SHORT = 16  # parts of this length or less are finished by a stable sort


@dataclass(frozen=True, eq=False)
class Mesh:
    """Neighbours of every point and its place among them at rest.

    Attributes
    ----------
    neighbors
        (P, K) int64: indices of each point's K nearest points; the point itself is one of them.
    rest_offsets
        (P, 2) float32: mean of (own position - neighbour's position) at rest, in pixels (x, y).
    """

    neighbors: Indices
    rest_offsets: Points


def mesh_offsets(points: Points, neighbors: Indices) -> Points:
    """Mean offset (P, 2), in pixels, of each point from its neighbours.

    Parameters
    ----------
    points
        (P, 2) positions in pixels (x, y).
    neighbors
        (P, K) numbers of the neighbours.
    """
    offsets: Points = (points[:, None, :] - points[neighbors]).mean(axis=1)
    return offsets


def make_mesh(point_positions: Points, *, n_neighbors: int) -> Mesh:
    """Join every point to its nearest ones.

    Parameters
    ----------
    point_positions
        (P, 2) float32 positions at rest, in pixels (x, y).
    n_neighbors
        K, the point itself included. With fewer points than that, all are taken.

    Returns
    -------
    Mesh

    Raises
    ------
    ParameterError
        `n_neighbors` is below 1.
    """
    if n_neighbors < 1:
        raise ParameterError(
            f"mesh_n_neighbors is {n_neighbors}; expected 1 or more (the point itself is one)."
        )
    points = np.ascontiguousarray(point_positions, dtype=np.float32)
    n_taken = min(int(n_neighbors), len(points))
    neighbors = np.empty((len(points), n_taken), dtype=np.int64)
    for index, point in enumerate(points):
        apart = points - point
        distance = np.sqrt(apart[:, 0] * apart[:, 0] + apart[:, 1] * apart[:, 1])
        neighbors[index] = nearest_first(distance, n_taken)
    return Mesh(neighbors=neighbors, rest_offsets=mesh_offsets(points, neighbors))


def nearest_first(distances: NDArray[np.float32], n_taken: int) -> Indices:
    """Return the places of the `n_taken` smallest distances, ascending, ties broken as said above.

    The procedure is an introsort that leaves the parts beyond `n_taken` unsorted: while a part is
    longer than 16, it is split about the median of its second, middle and last value by exchanging
    values from both ends (equal values are exchanged too); a short part is sorted stably.

    Parameters
    ----------
    distances
        (P,) distances, finite.
    n_taken
        How many to return, at most P.

    Returns
    -------
    (n_taken,) int64
    """
    order = np.arange(len(distances), dtype=np.int64)
    limit = 2 * (max(len(distances), 1).bit_length() - 1)
    todo = [(0, len(order), limit)]
    while todo:
        first, stop, depth = todo.pop()
        if stop - first <= _SHORT or depth == 0 or first >= n_taken:
            continue
        cut = first + _split(distances, order[first:stop])
        todo += [(cut, stop, depth - 1), (first, cut, depth - 1)]
    return order[np.argsort(distances[order], kind="stable")[:n_taken]]


def _split(distances: NDArray[np.float32], part: Indices) -> int:
    """Reorder a part in place so that no value before the returned place exceeds one after it."""
    chosen = _median_place(distances[part])
    part[[0, chosen]] = part[[chosen, 0]]
    values = distances[part]
    pivot = values[0]
    from_left = np.flatnonzero(values[1:] >= pivot) + 1
    from_right = np.flatnonzero(values[1:] <= pivot)[::-1] + 1
    n_pairs = min(len(from_left), len(from_right))
    n_swaps = int(np.count_nonzero(from_left[:n_pairs] < from_right[:n_pairs]))
    left, right = from_left[:n_swaps], from_right[:n_swaps]
    part[left], part[right] = part[right], part[left]
    ends = [*from_left[n_swaps : n_swaps + 1], *right[-1:], len(part)]
    return int(min(ends))


def _median_place(values: NDArray[np.float32]) -> int:
    """Place of the median of the second, middle and last value."""
    a, b, c = 1, len(values) // 2, len(values) - 1
    if values[a] < values[b]:
        if values[b] < values[c]:
            return b
        return c if values[a] < values[c] else a
    if values[a] < values[c]:
        return a
    return c if values[b] < values[c] else b
