"""Matching of windows on frames as the camera gave them, compiled; `refinement` says what for.

Lucas and Kanade's iteration on one level, in floating point. Three things differ from
`lucas_kanade_kernel`. The mean of the gradients is taken off them, so that a change of brightness
moves nothing. Hidden pixels have no weight, instead of a border of zeros that stands still. And it
tells how well the two windows match in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import uintp

from element_facerhythm.core.compiled import compiled, inlined
from element_facerhythm.core.tracking.window_kernel import (
    difference_sums,
    lane_weights,
    normal_sums,
    scharr_x,
    scharr_y,
    touches,
)

_f4 = np.float32

# Of a Scharr gradient, whose weights add up to 32 gray differences per pixel, to one gray per pixel.
_PER_GRADIENT = _f4(1 / 32)
_LEAST_DETERMINANT = _f4(1e-6)  # of the larger gradient sum's square; below, a window is a line


@cache
def refine_points_kernel(width: int, height: int) -> Callable[..., None]:
    """Make the function that refines matches with a window of this size, in pixels.

    It takes ``(before, after, visible, pad, lanes, points, first, stop, n_iterations, step_px,
    reach_px, moved, found, mismatch, texture)``:

    - before, after: (h + 2 * pad, w + 2 * pad) smoothed frames, mirrored into the border
    - visible: float32 of the same shape, 1 where the frame is visible, 0 elsewhere
    - points, first, stop, pad, lanes: as in `lucas_kanade_kernel.follow_points_kernel`
    - n_iterations, step_px: when the search ends
    - reach_px: a match further than this from where it was is not taken
    - moved, found: where the points are in the second frame, improved in place
    - mismatch, texture: (P,) float32, filled in: mean squared difference of the matched windows,
      brightness apart, and variance within the first; 0 where nothing was measured
    """

    @compiled
    def refine_points(  # type: ignore[no-untyped-def]
        before, after, visible, pad, lanes, points, first, stop, n_iterations, step_px, reach_px,
        moved, found, mismatch, texture,
    ):  # fmt: skip
        window, size = (width, height), (before.shape[1] - 2 * pad, before.shape[0] - 2 * pad)
        stride = before.shape[1]
        origin = pad * stride + pad
        old, new, seen = before.reshape(-1), after.reshape(-1), visible.reshape(-1)
        n_cells = height * lanes
        gradient = np.zeros(n_cells + 2 * lanes, np.float32)
        template = (np.empty(n_cells, np.float32), np.empty(n_cells, np.float32),
                    np.empty(n_cells, np.float32))  # fmt: skip
        values, weights = np.empty(n_cells, np.float32), np.empty((2, n_cells), np.float32)
        lane_weights(window, lanes, weights[0])
        half_x, half_y = _f4((width - 1) * 0.5), _f4((height - 1) * 0.5)
        reach = _f4(reach_px)
        for point in range(first, stop):
            mismatch[point], texture[point] = _f4(0), _f4(0)
            if not found[point]:
                continue
            described, a11, a12, a22, n_visible, variance = _describe(
                old, seen, origin, stride, size, window, lanes, points[point, 0] - half_x,
                points[point, 1] - half_y, gradient, weights[0], weights[1], template,
            )  # fmt: skip
            if not described:
                continue
            x, y = moved[point, 0], moved[point, 1]
            matched, to_x, to_y, difference = _search(
                new, origin, stride, size, window, lanes, x - half_x, y - half_y, a11, a12, a22, n_iterations,
                step_px, template, weights[1], n_visible, values,
            )  # fmt: skip
            if not matched:
                continue
            mismatch[point], texture[point] = difference, variance
            to_x, to_y = to_x + half_x, to_y + half_y
            if abs(to_x - x) <= reach and abs(to_y - y) <= reach:
                moved[point, 0], moved[point, 1] = to_x, to_y

    return refine_points


@inlined
def _describe(  # type: ignore[no-untyped-def]
    pixels, visible, origin, stride, size, window, lanes, x, y, gradient, cells, weights, template
):
    """Fill in values, centred gradients and weights of the window at (x, y).

    Returns whether they determine a step, sums of squares and products of the gradients, the number
    of visible pixels, and the variance of their values.
    """
    zero = _f4(0)
    n_cells, n_rows = window[1] * lanes, window[1] + 1
    column, row = int(np.floor(x)), int(np.floor(y))
    if not touches(size, window, column, row):
        return False, zero, zero, zero, zero, zero
    place = origin + row * stride + column
    _keep_visible(visible, place, stride, window[1], lanes, cells, weights)
    shares = _shares(x - _f4(column), y - _f4(row))
    _sample(pixels, place, stride, window[1], lanes, shares, template[0])
    n_visible, _, variance = _moments(template[0], weights, n_cells)
    scharr_x(pixels, place, stride, n_rows, lanes, gradient)
    _blend(gradient, n_cells, lanes, shares, template[1])
    _centre(template[1], weights, n_visible, n_cells)
    scharr_y(pixels, place, stride, n_rows, lanes, gradient)
    _blend(gradient, n_cells, lanes, shares, template[2])
    _centre(template[2], weights, n_visible, n_cells)
    a11, a12, a22 = normal_sums(template[1], template[2], n_cells)
    largest = max(a11, a22)
    determined = a11 * a22 - a12 * a12 > _LEAST_DETERMINANT * largest * largest
    return determined and largest > zero, a11, a12, a22, n_visible, variance


@inlined
def _search(  # type: ignore[no-untyped-def]
    pixels, origin, stride, size, window, lanes, x, y, a11, a12, a22, n_iterations, step_px,
    template, weights, n_visible, values,
):  # fmt: skip
    """Move the window from (x, y) to where the image fits the template, and how badly it does."""
    inverse = _f4(1) / (a11 * a22 - a12 * a12)
    least = _f4(step_px) * _f4(step_px)
    n_cells = window[1] * lanes
    for _ in range(n_iterations):
        column, row = int(np.floor(x)), int(np.floor(y))
        if not touches(size, window, column, row):
            return False, x, y, _f4(0)
        shares = _shares(x - _f4(column), y - _f4(row))
        place = origin + row * stride + column
        _sample(pixels, place, stride, window[1], lanes, shares, values)
        b1, b2 = difference_sums(values, template[0], template[1], template[2], n_cells)
        step_x, step_y = (a12 * b2 - a22 * b1) * inverse, (a12 * b1 - a11 * b2) * inverse
        x, y = x + step_x, y + step_y
        if step_x * step_x + step_y * step_y <= least:
            break
    for k in range(n_cells):
        values[uintp(k)] -= template[0][uintp(k)]
    _, _, difference = _moments(values, weights, n_cells)
    return True, x, y, difference


@inlined
def _keep_visible(visible, place, stride, n_rows, lanes, cells, weights):  # type: ignore[no-untyped-def]
    """Take the weight of the window's cells off hidden pixels."""
    for j in range(n_rows):
        here = place + j * stride
        for i in range(lanes):
            k = uintp(j * lanes + i)
            weights[k] = cells[k] * visible[uintp(here + i)]


@inlined
def _moments(values, weights, n_cells):  # type: ignore[no-untyped-def]
    """Sum of the weights, weighted mean and weighted variance; the window's scale is about 1e3."""
    total, first, second = _f4(0), _f4(0), _f4(0)
    for k in range(n_cells):
        weighted = values[uintp(k)] * weights[uintp(k)]
        total += weights[uintp(k)]
        first += weighted
        second += weighted * values[uintp(k)]
    share = _f4(1) / max(total, _f4(1))
    mean = first * share
    return total, mean, max(second * share - mean * mean, _f4(0))


@inlined
def _centre(slopes, weights, n_visible, n_cells):  # type: ignore[no-untyped-def]
    """Weigh gradients and take their mean off them."""
    total = _f4(0)
    for k in range(n_cells):
        total += slopes[uintp(k)] * weights[uintp(k)]
    mean = total / max(n_visible, _f4(1))
    for k in range(n_cells):
        slopes[uintp(k)] = (slopes[uintp(k)] - mean) * weights[uintp(k)]


@inlined
def _shares(a, b):  # type: ignore[no-untyped-def]
    """Bilinear weights of the four pixels around a point."""
    w11 = a * b
    return _f4(1) - a - b + w11, a - w11, b - w11, w11


@inlined
def _blend(patch, n_cells, lanes, shares, out):  # type: ignore[no-untyped-def]
    """Bilinear gradients of a patch, per pixel."""
    w00, w01, w10, w11 = shares
    for k in range(n_cells):
        total = w00 * patch[uintp(k)] + w01 * patch[uintp(k + 1)]
        total += w10 * patch[uintp(k + lanes)] + w11 * patch[uintp(k + lanes + 1)]
        out[uintp(k)] = total * _PER_GRADIENT


@inlined
def _sample(pixels, place, stride, n_rows, lanes, shares, out):  # type: ignore[no-untyped-def]
    """Bilinear gray values."""
    w00, w01, w10, w11 = shares
    for j in range(n_rows):
        here, below = place + j * stride, place + (j + 1) * stride
        for i in range(lanes):
            upper = w00 * _f4(pixels[uintp(here + i)]) + w01 * _f4(pixels[uintp(here + i + 1)])
            lower = w10 * _f4(pixels[uintp(below + i)]) + w11 * _f4(pixels[uintp(below + i + 1)])
            out[uintp(j * lanes + i)] = upper + lower
