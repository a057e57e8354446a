"""Matches weighed against what the neighbours say, and how far off a place may be then, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import Points
from element_facerhythm.core.compiled import compiled, inlined

_f4 = np.float32

_UNDONE = 0.5  # of what windows average away: the rest would cost more in noise than it brings
_MOST_UNDONE = 1.0
_BALANCED = 0.05
MOST_OFF_PX = 1.0
"""A match is not corrected by more for the deformation of its patch."""
_MOST_OFF = _f4(MOST_OFF_PX)
_SWEEPS_OF_CARRIED = 8  # times as many sweeps where the neighbours say more than the picture


@inlined
def _sum_of_others(places, near, point):  # type: ignore[no-untyped-def]
    """Sum x and y over the neighbours of a point but itself; return with it how many these are."""
    near_x, near_y, n = _f4(0), _f4(0), _f4(0)
    for other in near:
        if other != point:
            near_x, near_y, n = near_x + places[other, 0], near_y + places[other, 1], n + _f4(1)
    return near_x, near_y, n


@compiled
def settle(found, information, neighbors, stiffness, n_sweeps, settled):  # type: ignore[no-untyped-def]
    """Weigh what was measured against what the neighbours say, frame by frame.

    Minimises the sum over points of (u - found)' information (u - found), plus ``stiffness`` times the sum
    over neighbours of |u - u_neighbour|^2, by Gauss-Seidel sweeps from the frame before.

    Parameters
    ----------
    found
        (B, P, 2) float32 displacements.
    information
        (B, P, 3) float32 (xx, xy, yy) of their inverse covariance, per square pixel; 0 where nothing was
        measured.
    neighbors
        (P, K) int64.
    stiffness
        Per square pixel.
    n_sweeps
        Number of sweeps.
    settled
        (B, P, 2) float32, filled in.
    """
    n_frames, n_points, _ = found.shape
    for b in range(n_frames):
        u = settled[b]
        for p in range(n_points):
            is_measured = information[b, p, 0] + information[b, p, 2] > _f4(0)
            source = found[b, p] if is_measured or b == 0 else settled[b - 1, p]
            u[p, 0], u[p, 1] = source[0], source[1]
        for sweep in range(_SWEEPS_OF_CARRIED * n_sweeps):
            for p in range(n_points):
                xx, xy, yy = information[b, p, 0], information[b, p, 1], information[b, p, 2]
                if sweep >= n_sweeps and xx + yy > stiffness:
                    continue
                near_x, near_y, n = _sum_of_others(u, neighbors[p], p)
                if n == _f4(0):
                    continue
                pull_x = xx * found[b, p, 0] + xy * found[b, p, 1] + stiffness * near_x
                pull_y = xy * found[b, p, 0] + yy * found[b, p, 1] + stiffness * near_y
                xx, yy = xx + stiffness * n, yy + stiffness * n
                determinant = xx * yy - xy * xy
                u[p, 0] = (yy * pull_x - xy * pull_y) / determinant
                u[p, 1] = (xx * pull_y - xy * pull_x) / determinant


@compiled
def expected_error(found, settled, information, neighbors, stiffness, square):  # type: ignore[no-untyped-def]
    """Tell how far off places may be: by the precision of the matches, by neighbours, by time.

    Parameters
    ----------
    found, settled, information, neighbors, stiffness
        As `settle` takes and gives them.
    square
        (B, P) float32, filled in, square pixels: half the variance that the information leaves; the square
        of how far the matches of the neighbourhood are from what is settled; four times the square of what a
        point jumps, against its neighbours, from the mean of the frames before and after.
    """
    n_frames, n_points, _ = found.shape
    alone = np.empty_like(settled)
    for b in range(n_frames):
        for p in range(n_points):
            apart, near_x, near_y = _f4(0), _f4(0), _f4(0)
            for other in neighbors[p]:
                x, y = settled[b, other, 0], settled[b, other, 1]
                off_x, off_y = found[b, other, 0] - x, found[b, other, 1] - y
                apart += np.sqrt(off_x * off_x + off_y * off_y)
                near_x, near_y = near_x + x, near_y + y
            n = _f4(neighbors.shape[1])
            apart, near_x, near_y = apart / n, near_x / n, near_y / n
            alone[b, p, 0], alone[b, p, 1] = settled[b, p, 0] - near_x, settled[b, p, 1] - near_y
            xx, xy, yy = information[b, p, 0], information[b, p, 1], information[b, p, 2]
            xx, yy = xx + stiffness, yy + stiffness
            variance = (xx + yy) / max(xx * yy - xy * xy, _f4(1e-9))
            square[b, p] = _f4(0.5) * variance + apart * apart
    if n_frames < 3:
        return
    for b in range(n_frames):
        middle = min(max(b, 1), n_frames - 2)
        for p in range(n_points):
            for axis in range(2):
                around = alone[middle - 1, p, axis] + alone[middle + 1, p, axis]
                jump = alone[middle, p, axis] - _f4(0.5) * around
                square[b, p] += _f4(4) * jump * jump


@compiled
def deform(settled, neighbors, slopes, leverage, rows, found):  # type: ignore[no-untyped-def]
    """Correct matches for the deformation of their patches.

    How displacements change from place to place is the mean over a point's neighbours: less noise.

    Parameters
    ----------
    settled
        (B, P, 2) float32 displacements.
    neighbors
        (P, K) int64, see `Mesh`.
    slopes
        (P, 2, K) float32, see `slopes_of`.
    leverage
        (R, 2, 4) float32, see `Templates`.
    rows
        (B, P) int64 rows of the templates that were matched.
    found
        (B, P, 2) float32 displacements that matches give, corrected in place.
    """
    n_frames, n_points, _ = settled.shape
    n_neighbors = neighbors.shape[1]
    gradients = np.empty((n_points, 4), np.float32)
    for b in range(n_frames):
        for p in range(n_points):
            gradients[p, 0] = gradients[p, 1] = gradients[p, 2] = gradients[p, 3] = _f4(0)
            for k in range(n_neighbors):
                other = neighbors[p, k]
                for axis in range(2):
                    apart = settled[b, other, axis] - settled[b, p, axis]
                    gradients[p, 2 * axis] += slopes[p, 0, k] * apart
                    gradients[p, 2 * axis + 1] += slopes[p, 1, k] * apart
        for p in range(n_points):
            row = rows[b, p]
            off_x, off_y = _f4(0), _f4(0)
            for n in range(4):
                gradient = _f4(0)
                for other in neighbors[p]:
                    gradient += gradients[other, n]
                gradient /= _f4(n_neighbors)
                off_x += leverage[row, 0, n] * gradient
                off_y += leverage[row, 1, n] * gradient
            found[b, p, 0] -= min(max(off_x, -_MOST_OFF), _MOST_OFF)
            found[b, p, 1] -= min(max(off_y, -_MOST_OFF), _MOST_OFF)


def slopes_of(home: Points, neighbors: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return weights (P, 2, K) that make the gradient along x and y of differences from the neighbours.

    By least squares; 0 where all neighbours lie on a line.

    Parameters
    ----------
    home
        (P, 2).
    neighbors
        (P, K), the point itself included.
    """
    offsets = (home[neighbors] - home[:, None]).astype(np.float64)
    products = offsets.transpose(0, 2, 1) @ offsets
    is_plane = np.linalg.det(products) > 1e-3 * np.trace(products, axis1=1, axis2=2) ** 2
    products[~is_plane] = np.eye(2)
    slopes = np.linalg.solve(products, offsets.transpose(0, 2, 1))
    slopes[~is_plane] = 0
    return slopes.astype(np.float32)


@compiled
def sharpen(settled, neighbors, share, out):  # type: ignore[no-untyped-def]
    """Undo what windows average away: move each point on from the mean of its neighbours.

    Parameters
    ----------
    settled
        (B, P, 2) float32 displacements.
    neighbors
        (P, K) int64, see `Mesh`.
    share
        (P,) float32, see `lost_in_windows`.
    out
        (B, P, 2) float32, filled in.
    """
    n_frames, n_points, _ = settled.shape
    for b in range(n_frames):
        for p in range(n_points):
            near_x, near_y, n = _sum_of_others(settled[b], neighbors[p], p)
            n = max(n, _f4(1))
            x, y = settled[b, p, 0], settled[b, p, 1]
            out[b, p, 0] = x + share[p] * (x - near_x / n)
            out[b, p, 1] = y + share[p] * (y - near_y / n)


def lost_in_windows(
    home: Points, neighbors: NDArray[np.int64], window_sd_px: float
) -> NDArray[np.float32]:
    """Return which share (P,) of the difference between a point and its neighbours windows average away.

    A match gives the mean of the displacements in its window. For weights of standard deviation s and a
    smooth field u that is u + s^2 / 2 times its Laplacian, which the neighbours show: at a mean square
    distance of d^2, and around the point, their mean is u + d^2 / 4 times the Laplacian. Where they lie to
    one side, it shows a slope as well, and nothing is undone.

    Parameters
    ----------
    home
        (P, 2).
    neighbors
        (P, K), the point itself included.
    window_sd_px
        Standard deviation s of the weights along one axis.
    """
    n_others = max(neighbors.shape[1] - 1, 1)
    offsets = home[neighbors] - home[:, None]
    square = np.maximum((offsets**2).sum(axis=(1, 2)) / n_others, 1e-6)
    to_one_side = ((offsets.sum(axis=1) / n_others) ** 2).sum(axis=1)
    share = np.minimum(_UNDONE * 2 * window_sd_px**2 / square, _MOST_UNDONE)
    return np.where(to_one_side < _BALANCED * square, share, 0).astype(np.float32)
