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
UNLIKE = _f4(0.15)
"""So much less correlation than usual, and the point may have another appearance."""

_LEAST_GAIN, _MOST_GAIN = _f4(0.2), _f4(5)
_LONGEST_STEP_PX = _f4(2)
_INERTIA = _f4(0.8)  # of the last frame's motion is expected again


@inlined
def _blend_columns(pixels, place, stride, n_rows, lanes, share, rows):  # type: ignore[no-untyped-def]
    """Fill in rows of pixels from `place` on, moved to the left by a share of a pixel."""
    for j in range(n_rows):
        begin, cell = place + j * stride, j * lanes
        for i in range(lanes):
            value = _f4(pixels[uintp(begin + i)])
            rows[uintp(cell + i)] = value + share * (_f4(pixels[uintp(begin + i + 1)]) - value)


@inlined
def _cut(pixels, origin, shape, side, lanes, x, y, cells):  # type: ignore[no-untyped-def]
    """Fill in rows around (x, y), blended along x; return the share to blend along y, -1 out of frame."""
    height, width = shape
    x, y = x - _f4(side // 2), y - _f4(side // 2)
    column, row = int(np.floor(x)), int(np.floor(y))
    if column < 0 or row < 0 or column + lanes >= width or row + side >= height:
        return _f4(-1)
    place = origin + row * width + column
    _blend_columns(pixels, place, width, side + 1, lanes, x - _f4(column), cells)
    return y - _f4(row)


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
    x, y, correlation = start_x, start_y, _f4(-1)
    for _ in range(n_steps):
        down = _cut(pixels, origin, shape, side, lanes, x, y, rows)
        if down < _f4(0):
            return start_x, start_y, _f4(-1)
        total, square, product, lean_x, lean_y = _sums(rows, parts, side * lanes, lanes, down)
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


@inlined
def _match_appearances(  # type: ignore[no-untyped-def]
    pixels,
    origin,
    shape,
    side,
    lanes,
    parts,
    sums,
    appearances,
    row,
    usual,
    start_x,
    start_y,
    settings,
    cells,
):
    """Match the appearance in a row of the templates, then the others if the patch is unlike it; the best."""
    x, y, correlation = start_x, start_y, _f4(-1)
    if sums[row, POWER] > _f4(0):
        x, y, correlation = _match(
            pixels,
            origin,
            shape,
            side,
            lanes,
            parts[row],
            sums[row],
            start_x,
            start_y,
            settings,
            cells,
        )
    if correlation >= usual[row] - UNLIKE:
        return x, y, correlation, row
    best = row
    for other in appearances:
        if other < 0 or other == row:
            continue
        there_x, there_y, likeness = _match(
            pixels, origin, shape, side, lanes, parts[other], sums[other], start_x, start_y, settings, cells
        )  # fmt: skip
        if likeness > correlation:
            x, y, correlation, best = there_x, there_y, likeness, other
    return x, y, correlation, best


@compiled
def match_some(  # type: ignore[no-untyped-def]
    stack, frames, rows, starts, side, lanes, parts, sums, settings, places, correlations
):
    """Match templates in frames, each from its own start.

    Parameters
    ----------
    stack
        (B, h, w) int16 frames.
    frames, rows
        (N,) int64 frame, and row of the templates, of every match.
    starts
        (N, 2) float32 where each begins.
    side, lanes
        Rows of a window, and its columns padded to whole vectors.
    parts, sums
        (R, 4, side * lanes) and (R, 7) float32, see `Templates`.
    settings
        Number of steps, the step (pixels) that ends a match, how far it may lead.
    places, correlations
        (N, 2) and (N,) float32, filled in; a correlation of -1 where nothing was found.
    """
    _, height, width = stack.shape
    pixels = stack.reshape(-1)
    cells = np.empty((side + 1) * lanes, np.float32)
    for n in range(len(frames)):
        row = rows[n]
        if sums[row, POWER] <= _f4(0):
            places[n, 0], places[n, 1] = starts[n, 0], starts[n, 1]
            correlations[n] = _f4(-1)
            continue
        x, y, correlation = _match(
            pixels,
            frames[n] * height * width,
            (height, width),
            side,
            lanes,
            parts[row],
            sums[row],
            starts[n, 0],
            starts[n, 1],
            settings,
            cells,
        )
        places[n, 0], places[n, 1], correlations[n] = x, y, correlation


@compiled
def match_block(  # type: ignore[no-untyped-def]
    stack,
    starts,
    appearances,
    usual,
    floors,
    side,
    lanes,
    parts,
    sums,
    settings,
    places,
    correlations,
    rows,
):
    """Match every point in every frame, with the appearance of it that is most alike.

    Parameters are those of `match_some`, but ``starts`` (1 or B, P, 2) are of the first frame, each other one
    then begins where the point is on its way to from where it was found last, or of all; ``appearances``
    (P, K) int64 are rows of the templates, -1 for none: the first is tried first, then the one that was found
    last, and the others where the patch is less alike than ``usual`` (R,); ``floors`` (R,) are correlations
    below which it was not found; ``places`` (B, P, 2), ``correlations`` and ``rows`` (B, P) are of all
    frames. Points are the outer loop: a template stays in the cache.
    """
    n_frames, height, width = stack.shape
    pixels = stack.reshape(-1)
    cells = np.empty((side + 1) * lanes, np.float32)
    for p in range(starts.shape[1]):
        last_x, last_y, row = starts[0, p, 0], starts[0, p, 1], appearances[p, 0]
        speed_x, speed_y, n_found = _f4(0), _f4(0), 0
        for b in range(n_frames):
            x, y = last_x + speed_x, last_y + speed_y
            if len(starts) > 1:
                x, y = starts[b, p, 0], starts[b, p, 1]
            x, y, correlation, row = _match_appearances(
                pixels, b * height * width, (height, width), side, lanes, parts, sums, appearances[p], row,
                usual, x, y, settings, cells,
            )  # fmt: skip
            places[b, p, 0], places[b, p, 1], correlations[b, p] = x, y, correlation
            rows[b, p] = row
            if correlations[b, p] < floors[row]:
                speed_x, speed_y, n_found = _f4(0), _f4(0), 0
                continue
            if n_found > 0:
                speed_x, speed_y = places[b, p, 0] - last_x, places[b, p, 1] - last_y
                speed_x, speed_y = _INERTIA * speed_x, _INERTIA * speed_y
            last_x, last_y, n_found = places[b, p, 0], places[b, p, 1], n_found + 1


@compiled
def cut_patches(stack, frames, places, side, lanes, patches):  # type: ignore[no-untyped-def]
    """Cut out the patch around each place.

    Parameters
    ----------
    stack
        (B, h, w) int16.
    frames, places
        (N,) int64 and (N, 2) float32.
    side, lanes
        Rows and padded columns of a patch.
    patches
        (N, side * lanes) float32, filled in; 0 where a patch leaves the frame.
    """
    _, height, width = stack.shape
    pixels = stack.reshape(-1)
    cells = np.zeros((side + 1) * lanes, np.float32)
    for n in range(len(frames)):
        origin = frames[n] * height * width
        down = _cut(pixels, origin, (height, width), side, lanes, places[n, 0], places[n, 1], cells)
        for k in range(side * lanes):
            value = cells[k] + down * (cells[k + lanes] - cells[k])
            patches[n, k] = _f4(0) if down < _f4(0) else value


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
    pixels = frame.reshape(-1)
    rows = np.empty((side + 1) * lanes, np.float32)
    for p in range(len(places)):
        if weights[p] == _f4(0):
            continue
        down = _cut(pixels, 0, frame.shape, side, lanes, places[p, 0], places[p, 1], rows)
        if down < _f4(0):
            weights[p] = _f4(0)
            continue
        for k in range(side * lanes):
            total[p, k] += weights[p] * (rows[k] + down * (rows[k + lanes] - rows[k]))
