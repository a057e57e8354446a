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
    VECTOR,
    lane_weights,
    touches,
)

_f4 = np.float32

_LEAST_DETERMINANT = _f4(1e-6)  # of the larger gradient sum's square; below, a window is a line
_LEAST_VARIANCE = _f4(1e-3)  # far below that of a single step of gray in a window


@cache
def refine_points_kernel(width: int, height: int) -> Callable[..., None]:
    """Make the function that refines matches with a window of this size, in pixels.

    It takes ``(before, after, visible, layout, lanes, points, first, stop, n_iterations, step_px,
    look, moved, found, mismatch, texture, taken)``:

    - before, after: parts of smoothed frames, `refinement.VisiblePart.smoothed`
    - visible, layout: `weights` and `layout` of that part
    - points, first, stop, lanes: as in `lucas_kanade_kernel.follow_points_kernel`
    - n_iterations, step_px: when the search ends
    - look: `refinement.Look`
    - moved, found: where the points are in the second frame, improved in place
    - mismatch, texture: (P,) float32, filled in: mean squared difference of the matched windows,
      brightness apart, and variance within the first; 0 where nothing was measured
    - taken: (P,) bool, filled in: whether the match was taken
    """

    @compiled
    def refine_points(  # type: ignore[no-untyped-def]
        before, after, visible, layout, lanes, points, first, stop, n_iterations, step_px, look,
        moved, found, mismatch, texture, taken,
    ):  # fmt: skip
        window, origin, stride = (width, height), layout[0], layout[1]
        part = (layout[2], layout[3], layout[4], layout[5])
        old, new, seen = before.reshape(-1), after.reshape(-1), visible.reshape(-1)
        n_cells = height * lanes
        # the window with one pixel around it, in padded rows of its own
        wide = lanes if width + 2 <= lanes else lanes + VECTOR
        patch = np.zeros((height + 2) * wide + VECTOR, np.float32)
        template = (np.empty(n_cells, np.float32), np.empty(n_cells, np.float32),
                    np.empty(n_cells, np.float32))  # fmt: skip
        values, weights = np.empty(n_cells, np.float32), np.empty((2, n_cells), np.float32)
        lane_weights(window, lanes, weights[0])
        half_x, half_y = _f4((width - 1) * 0.5), _f4((height - 1) * 0.5)
        reach, doubt = _f4(look.reach_px), _f4(look.doubt)
        for point in range(first, stop):
            mismatch[point], texture[point], taken[point] = _f4(0), _f4(0), False
            if not found[point]:
                continue
            described, normal, means, n_visible, variance = _describe(
                old, seen, origin, stride, part, window, lanes, points[point, 0] - half_x,
                points[point, 1] - half_y, wide, patch, weights[0], weights[1], template,
            )  # fmt: skip
            if not described:
                continue
            x, y = moved[point, 0], moved[point, 1]
            matched, to_x, to_y, difference = _search(
                new, origin, stride, part, window, lanes, x - half_x, y - half_y, normal, means,
                n_iterations, step_px, template, weights[1], n_visible, values,
            )  # fmt: skip
            if not matched:
                continue
            mismatch[point], texture[point] = difference, variance
            to_x, to_y = to_x + half_x, to_y + half_y
            taken[point] = abs(to_x - x) <= reach and abs(to_y - y) <= reach
            if taken[point]:
                share = _f4(1) / (_f4(1) + doubt * difference / max(variance, _LEAST_VARIANCE))
                moved[point, 0], moved[point, 1] = x + (to_x - x) * share, y + (to_y - y) * share

    return refine_points


@inlined
def _describe(  # type: ignore[no-untyped-def]
    pixels,
    visible,
    origin,
    stride,
    part,
    window,
    lanes,
    x,
    y,
    wide,
    patch,
    cells,
    weights,
    template,
):
    """Fill in values, gradients and weights of the window at (x, y).

    Returns whether they determine a step; sums of squares and products of the gradients about their
    means; these means; the number of visible pixels; and the variance of their values.
    """
    zero = _f4(0)
    column, row = int(np.floor(x)), int(np.floor(y))
    if not _touches(part, window, column, row):
        return False, (zero, zero, zero), (zero, zero), zero, zero
    place = origin + row * stride + column
    _keep_visible(visible, place, stride, window[1], lanes, cells, weights)
    shares = _shares(x - _f4(column), y - _f4(row))
    _sample(pixels, place - stride - 1, stride, window[1] + 2, wide, shares, patch)
    _inner(patch, window[1], lanes, wide, template[0])
    _slopes(patch, 1, window[1], lanes, wide, weights, template[1])
    _slopes(patch, wide, window[1], lanes, wide, weights, template[2])
    n_visible, mean, square, x_mean, y_mean, a11, a12, a22 = _moments(
        template[0], template[1], template[2], weights, window[1] * lanes
    )
    a11, a22 = a11 - n_visible * x_mean * x_mean, a22 - n_visible * y_mean * y_mean
    a12 -= n_visible * x_mean * y_mean
    largest = max(a11, a22)
    determined = a11 * a22 - a12 * a12 > _LEAST_DETERMINANT * largest * largest
    variance = max(square - mean * mean, zero)
    return determined and largest > zero, (a11, a12, a22), (x_mean, y_mean), n_visible, variance


@inlined
def _search(  # type: ignore[no-untyped-def]
    pixels, origin, stride, part, window, lanes, x, y, normal, means, n_iterations, step_px,
    template, weights, n_visible, values,
):  # fmt: skip
    """Move the window from (x, y) to where the image fits the template, and how badly it does."""
    a11, a12, a22 = normal
    inverse = _f4(1) / (a11 * a22 - a12 * a12)
    least = _f4(step_px) * _f4(step_px)
    difference = _f4(0)
    for _ in range(n_iterations):
        column, row = int(np.floor(x)), int(np.floor(y))
        if not _touches(part, window, column, row):
            return False, x, y, _f4(0)
        shares = _shares(x - _f4(column), y - _f4(row))
        place = origin + row * stride + column
        _sample(pixels, place, stride, window[1], lanes, shares, values)
        b1, b2, total, square = _changes(values, template, weights, window[1] * lanes)
        brighter = total / n_visible
        b1, b2 = b1 - total * means[0], b2 - total * means[1]
        difference = max(square / n_visible - brighter * brighter, _f4(0))
        step_x, step_y = (a12 * b2 - a22 * b1) * inverse, (a12 * b1 - a11 * b2) * inverse
        x, y = x + step_x, y + step_y
        if step_x * step_x + step_y * step_y <= least:
            break
    return True, x, y, difference


@inlined
def _touches(part, window, column, row):  # type: ignore[no-untyped-def]
    """Tell whether a window touches a part of a frame: first column and row, width and height."""
    return touches((part[2], part[3]), window, column - part[0], row - part[1])


@inlined
def _keep_visible(visible, place, stride, n_rows, lanes, cells, weights):  # type: ignore[no-untyped-def]
    """Take the weight of the window's cells off hidden pixels."""
    for j in range(n_rows):
        here = place + j * stride
        for i in range(lanes):
            k = uintp(j * lanes + i)
            weights[k] = cells[k] * visible[uintp(here + i)]


@inlined
def _moments(values, slope_x, slope_y, weights, n_cells):  # type: ignore[no-untyped-def]
    """Sum of the weights, mean and mean square of values, means and products of weighed gradients."""
    total, first, second = _f4(0), _f4(0), _f4(0)
    x, y, xx, xy, yy = _f4(0), _f4(0), _f4(0), _f4(0), _f4(0)
    for k in range(n_cells):
        weight, value = weights[uintp(k)], values[uintp(k)]
        dx, dy = slope_x[uintp(k)], slope_y[uintp(k)]
        total += weight
        first += weight * value
        second += weight * value * value
        x += dx
        y += dy
        xx += dx * dx
        xy += dx * dy
        yy += dy * dy
    share = _f4(1) / max(total, _f4(1))
    return total, first * share, second * share, x * share, y * share, xx, xy, yy


@inlined
def _changes(values, template, weights, n_cells):  # type: ignore[no-untyped-def]
    """Sum up changes x gradients, changes, and their squares."""
    b1, b2, total, square = _f4(0), _f4(0), _f4(0), _f4(0)
    for k in range(n_cells):
        change = values[uintp(k)] - template[0][uintp(k)]
        weighed = change * weights[uintp(k)]
        b1 += change * template[1][uintp(k)]
        b2 += change * template[2][uintp(k)]
        total += weighed
        square += weighed * change
    return b1, b2, total, square


@inlined
def _shares(a, b):  # type: ignore[no-untyped-def]
    """Bilinear weights of the four pixels around a point."""
    w11 = a * b
    return _f4(1) - a - b + w11, a - w11, b - w11, w11


@inlined
def _inner(patch, n_rows, lanes, wide, out):  # type: ignore[no-untyped-def]
    """Take a window out of its patch."""
    for j in range(n_rows):
        here = (j + 1) * wide + 1
        for i in range(lanes):
            out[uintp(j * lanes + i)] = patch[uintp(here + i)]


@inlined
def _slopes(patch, next_to, n_rows, lanes, wide, weights, out):  # type: ignore[no-untyped-def]
    """Weighed gradients of a window, per pixel; `next_to` leads on along the axis."""
    for j in range(n_rows):
        here = (j + 1) * wide + 1
        for i in range(lanes):
            change = patch[uintp(here + i + next_to)] - patch[uintp(here + i - next_to)]
            out[uintp(j * lanes + i)] = change * _f4(0.5) * weights[uintp(j * lanes + i)]


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
