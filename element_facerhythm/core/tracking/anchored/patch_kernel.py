"""Patches of frames matched against templates by inverse-compositional Gauss-Newton, compiled.

S. Baker and I. Matthews, "Lucas-Kanade 20 years on: a unifying framework", IJCV 56 (2004). A patch may be
brighter than its template and have another contrast: both are free. Since the template and its gradients have
no mean (in the patch's weights), one pass over the patch gives all sums that a step needs.

Frames are int16 in one stack (B, h, w); places are (x, y) in pixels of these arrays. Windows are flat, their
rows padded to whole vectors.
"""

from __future__ import annotations

import numpy as np
from numba import uintp

from element_facerhythm.core.compiled import compiled, inlined

_f4 = np.float32

WEIGHT, TEMPLATE, SLOPE_X, SLOPE_Y = range(4)
"""Parts of a template, each times the weight of its cell (but the weight itself)."""
SUM_WEIGHT, POWER, INVERSE_XX, INVERSE_XY, INVERSE_YY, LEAN_X, LEAN_Y = range(7)
"""Sums over a template: weights, squares, inverse of the products of gradients, values x gradients."""

_LEAST_GAIN, _MOST_GAIN = _f4(0.2), _f4(5)
_LONGEST_STEP_PX = _f4(2)


@inlined
def _blend_columns(pixels, place, stride, n_rows, lanes, share, rows):  # type: ignore[no-untyped-def]
    """Fill in rows of pixels from `place` on, moved to the left by a share of a pixel."""
    for j in range(n_rows):
        begin, cell = place + j * stride, j * lanes
        for i in range(lanes):
            value = _f4(pixels[uintp(begin + i)])
            rows[uintp(cell + i)] = value + share * (_f4(pixels[uintp(begin + i + 1)]) - value)


@inlined
def _sums(rows, parts, n_cells, lanes, share):  # type: ignore[no-untyped-def]
    """Weighted sums over a patch, moved up by a share of a pixel: values, squares, products with parts."""
    total, square, product, lean_x, lean_y = _f4(0), _f4(0), _f4(0), _f4(0), _f4(0)
    for cell in range(n_cells):
        k = uintp(cell)
        value = rows[k] + share * (rows[uintp(cell + lanes)] - rows[k])
        weighed = parts[WEIGHT, k] * value
        total += weighed
        square += weighed * value
        product += parts[TEMPLATE, k] * value
        lean_x += parts[SLOPE_X, k] * value
        lean_y += parts[SLOPE_Y, k] * value
    return total, square, product, lean_x, lean_y


@inlined
def _match(pixels, origin, shape, side, lanes, parts, sums, start_x, start_y, settings, rows):  # type: ignore[no-untyped-def]
    """Place that matches best near a start, and its correlation with the template; -1 where none is found."""
    n_steps, step_px, reach_px = settings
    height, width = shape
    half = _f4(side // 2)
    x, y, correlation = start_x, start_y, _f4(-1)
    for _ in range(n_steps):
        left, top = np.floor(x - half), np.floor(y - half)
        column, row = int(left), int(top)
        if column < 0 or row < 0 or column + lanes >= width or row + side >= height:
            return start_x, start_y, _f4(-1)
        place = origin + row * width + column
        _blend_columns(pixels, place, width, side + 1, lanes, x - half - _f4(left), rows)
        total, square, product, lean_x, lean_y = _sums(
            rows, parts, side * lanes, lanes, y - half - _f4(top)
        )
        variance = square - total * total / sums[SUM_WEIGHT]
        correlation = product / np.sqrt(max(variance * sums[POWER], _f4(1e-6)))
        gain = min(max(product / sums[POWER], _LEAST_GAIN), _MOST_GAIN)
        off_x, off_y = lean_x / gain - sums[LEAN_X], lean_y / gain - sums[LEAN_Y]
        step_x = -(sums[INVERSE_XX] * off_x + sums[INVERSE_XY] * off_y)
        step_y = -(sums[INVERSE_XY] * off_x + sums[INVERSE_YY] * off_y)
        length = np.sqrt(step_x * step_x + step_y * step_y)
        scale = min(_f4(1), _LONGEST_STEP_PX / max(length, _f4(1e-9)))
        x, y = x + step_x * scale, y + step_y * scale
        if (x - start_x) * (x - start_x) + (y - start_y) * (y - start_y) > reach_px * reach_px:
            return start_x, start_y, _f4(-1)
        # steps shrink by far more than half: what is left is less than matters
        if length < step_px:
            break
    return x, y, correlation


@compiled
def match_some(  # type: ignore[no-untyped-def]
    stack, frames, points, starts, side, lanes, parts, sums, settings, places, correlations
):
    """Match points in frames, each from its own start.

    Parameters
    ----------
    stack
        (B, h, w) int16 frames.
    frames, points
        (N,) int64 frame and point of every match.
    starts
        (N, 2) float32 where each begins.
    side, lanes
        Rows of a window, and its columns padded to whole vectors.
    parts, sums
        (P, 4, side * lanes) and (P, 7) float32, see `Templates`.
    settings
        Number of steps, the step (pixels) that ends a match, how far it may lead.
    places, correlations
        (N, 2) and (N,) float32, filled in; a correlation of -1 where nothing was found.
    """
    _, height, width = stack.shape
    pixels = stack.reshape(-1)
    rows = np.empty((side + 1) * lanes, np.float32)
    for n in range(len(frames)):
        p = points[n]
        if sums[p, POWER] <= _f4(0):
            places[n] = starts[n]
            correlations[n] = _f4(-1)
            continue
        x, y, correlation = _match(
            pixels,
            frames[n] * height * width,
            (height, width),
            side,
            lanes,
            parts[p],
            sums[p],
            starts[n, 0],
            starts[n, 1],
            settings,
            rows,
        )
        places[n, 0], places[n, 1], correlations[n] = x, y, correlation


@compiled
def match_block(  # type: ignore[no-untyped-def]
    stack, starts, floors, side, lanes, parts, sums, settings, places, correlations
):
    """Match every point in every frame.

    Parameters are those of `match_some`, but ``starts`` (1 or B, P, 2) are of the first frame, each other one
    then begins where the point was found before, or of all; ``floors`` (P,) are correlations below which it
    was not found; ``places`` (B, P, 2) and ``correlations`` (B, P) are of all frames. Points are the outer
    loop: a template stays in the cache.
    """
    n_frames, height, width = stack.shape
    pixels = stack.reshape(-1)
    rows = np.empty((side + 1) * lanes, np.float32)
    for p in range(starts.shape[1]):
        x, y = starts[0, p, 0], starts[0, p, 1]
        for b in range(n_frames):
            if b > 0 and len(starts) > 1:
                x, y = starts[b, p, 0], starts[b, p, 1]
            places[b, p, 0], places[b, p, 1], correlations[b, p] = x, y, _f4(-1)
            if sums[p, POWER] <= _f4(0):
                continue
            found_x, found_y, correlation = _match(
                pixels,
                b * height * width,
                (height, width),
                side,
                lanes,
                parts[p],
                sums[p],
                x,
                y,
                settings,
                rows,
            )
            places[b, p, 0], places[b, p, 1], correlations[b, p] = found_x, found_y, correlation
            if correlation >= floors[p]:
                x, y = found_x, found_y


@compiled
def add_patches(frame, places, weights, side, lanes, total):  # type: ignore[no-untyped-def]
    """Add the patch around each place, times its weight.

    Parameters
    ----------
    frame
        (h, w) int16.
    places, weights
        (P, 2) and (P,) float32; a patch that leaves the frame adds nothing, and its weight becomes 0.
    side, lanes
        Rows and padded columns of a patch.
    total
        (P, side * lanes) float32, added to.
    """
    height, width = frame.shape
    half = _f4(side // 2)
    pixels = frame.reshape(-1)
    rows = np.empty((side + 1) * lanes, np.float32)
    for p in range(len(places)):
        x, y = places[p, 0] - half, places[p, 1] - half
        column, row = int(np.floor(x)), int(np.floor(y))
        if column < 0 or row < 0 or column + lanes >= width or row + side >= height:
            weights[p] = _f4(0)
        if weights[p] == _f4(0):
            continue
        place, down = row * width + column, y - _f4(row)
        _blend_columns(pixels, place, width, side + 1, lanes, x - _f4(column), rows)
        for k in range(side * lanes):
            total[p, k] += weights[p] * (rows[k] + down * (rows[k + lanes] - rows[k]))


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
        for _ in range(n_sweeps):
            for p in range(n_points):
                near_x, near_y, n = _f4(0), _f4(0), _f4(0)
                for other in neighbors[p]:
                    if other != p:
                        near_x, near_y, n = near_x + u[other, 0], near_y + u[other, 1], n + _f4(1)
                if n == _f4(0):
                    continue
                xx, xy, yy = information[b, p, 0], information[b, p, 1], information[b, p, 2]
                pull_x = xx * found[b, p, 0] + xy * found[b, p, 1] + stiffness * near_x
                pull_y = xy * found[b, p, 0] + yy * found[b, p, 1] + stiffness * near_y
                xx, yy = xx + stiffness * n, yy + stiffness * n
                determinant = xx * yy - xy * xy
                u[p, 0] = (yy * pull_x - xy * pull_y) / determinant
                u[p, 1] = (xx * pull_y - xy * pull_x) / determinant
