"""Pyramidal Lucas-Kanade, one point after another, compiled.

The method is that of Bouguet, "Pyramidal implementation of the Lucas Kanade feature tracker"
(Intel, 2000): on every level, a 2 x 2 system made of the gradients of the first image is solved
again and again for the step that lessens the difference to the second image.

Gray values are interpolated with weights of 14 bits and kept with 5 bits more, gradients are whole
numbers, as in OpenCV, so that the two differ by the order of their sums alone. All of these are
whole numbers that float32 holds (nearly) exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import uintp

from element_facerhythm.core.compiled import compiled, inlined
from element_facerhythm.core.tracking.window_kernel import (
    clear_outside,
    difference_sums,
    lane_weights,
    normal_sums,
    scharr_x,
    scharr_y,
    touches,
)

_f4 = np.float32

_ONE = _f4(1 << 14)
_PER_ONE = _f4(1.0 / (1 << 14))
_HALF_STEP = _f4(1 << 8)
_PER_STEP = _f4(1.0 / (1 << 9))
_SUM_SCALE = _f4(1.0 / (1 << 20))
_LEAST_EIGENVALUE = _f4(1e-4)
_LEAST_DETERMINANT = _f4(1.1920929e-07)
_STANDSTILL_PX = _f4(0.01)  # two opposite steps that cancel to this are an oscillation


@cache
def follow_points_kernel(width: int, height: int) -> Callable[..., None]:
    """Make the function that follows points with a window of this size, in pixels.

    It takes ``(before, after, levels, lanes, points, first, stop, n_iterations, step_px, moved,
    found)``:

    - before, after: pixels of two pyramids, `pyramid.Pyramid.pixels`
    - levels: where their levels lie, `pyramid.Pyramid.levels`
    - lanes: `window_kernel.n_lanes` of its width
    - points: (P, 2) float32 (x, y) in the first image, of which `first` to `stop` are followed
    - n_iterations, step_px: when the search on a level ends
    - moved, found: (P, 2) float32 and (P,) bool, filled in

    The window's size is a constant to the compiler, which makes the kernel twice as fast; that the
    number of lanes is not lets it choose vectors.
    """

    @compiled
    def follow_points(  # type: ignore[no-untyped-def]
        before,
        after,
        levels,
        lanes,
        points,
        first,
        stop,
        n_iterations,
        step_px,
        moved,
        found,
    ):
        window = (width, height)
        n_cells = height * lanes
        gradient = np.zeros(n_cells + 2 * lanes, np.float32)
        template = (np.empty(n_cells, np.float32), np.empty(n_cells, np.float32),
                    np.empty(n_cells, np.float32))  # fmt: skip
        values, weights = np.empty(n_cells, np.float32), np.empty(n_cells, np.float32)
        lane_weights(window, lanes, weights)
        top = len(levels) - 1
        half_x, half_y = _f4((width - 1) * 0.5), _f4((height - 1) * 0.5)
        for point in range(first, stop):
            x, y = points[point, 0], points[point, 1]
            scale = _f4(1.0 / (1 << top))
            to_x, to_y = x * scale, y * scale
            measured = True
            for level in range(top, -1, -1):
                if level < top:
                    to_x, to_y = to_x * _f4(2), to_y * _f4(2)
                origin, stride = levels[level, 0], levels[level, 1]
                size = (levels[level, 2], levels[level, 3])
                scale = _f4(1.0 / (1 << level))
                measured, a11, a12, a22 = _describe(
                    before, origin, stride, size, window, lanes, x * scale - half_x, y * scale - half_y,
                    gradient, weights, template,
                )  # fmt: skip
                if measured:
                    measured, to_x, to_y = _search(
                        after, origin, stride, size, window, lanes, to_x - half_x, to_y - half_y,
                        a11, a12, a22, n_iterations, step_px, template, values,
                    )  # fmt: skip
                    to_x, to_y = to_x + half_x, to_y + half_y
            found[point] = measured
            moved[point, 0], moved[point, 1] = to_x, to_y

    return follow_points


@inlined
def _describe(  # type: ignore[no-untyped-def]
    pixels, origin, stride, size, window, lanes, x, y, gradient, weights, template
):
    """Fill in values and gradients of the window at (x, y); return whether they determine a step.

    Also the sums of squares and products of the gradients.
    """
    column, row = int(np.floor(x)), int(np.floor(y))
    if not touches(size, window, column, row):
        return False, _f4(0), _f4(0), _f4(0)
    shares = _shares(x - _f4(column), y - _f4(row))
    place, n_rows = origin + row * stride + column, window[1] + 1
    scharr_x(pixels, place, stride, n_rows, lanes, gradient)
    clear_outside(size, column, row, n_rows, lanes, gradient)
    _blend(gradient, window[1] * lanes, lanes, shares, weights, template[1])
    scharr_y(pixels, place, stride, n_rows, lanes, gradient)
    clear_outside(size, column, row, n_rows, lanes, gradient)
    _blend(gradient, window[1] * lanes, lanes, shares, weights, template[2])
    _sample(pixels, place, stride, window[1], lanes, shares, template[0])
    a11, a12, a22 = normal_sums(template[1], template[2], window[1] * lanes)
    a11, a12, a22 = a11 * _SUM_SCALE, a12 * _SUM_SCALE, a22 * _SUM_SCALE
    spread = np.sqrt((a11 - a22) * (a11 - a22) + _f4(4) * a12 * a12)
    eigenvalue = (a11 + a22 - spread) / _f4(2 * window[0] * window[1])
    textured = eigenvalue >= _LEAST_EIGENVALUE and a11 * a22 - a12 * a12 >= _LEAST_DETERMINANT
    return textured, a11, a12, a22


@inlined
def _search(  # type: ignore[no-untyped-def]
    pixels, origin, stride, size, window, lanes, x, y, a11, a12, a22, n_iterations, step_px,
    template, values,
):  # fmt: skip
    """Move the window from (x, y) to where the image fits the template; whether it got there."""
    inverse = _f4(1) / (a11 * a22 - a12 * a12)
    least = _f4(step_px) * _f4(step_px)
    last_x, last_y = _f4(0), _f4(0)
    for iteration in range(n_iterations):
        column, row = int(np.floor(x)), int(np.floor(y))
        if not touches(size, window, column, row):
            return False, x, y
        shares = _shares(x - _f4(column), y - _f4(row))
        place = origin + row * stride + column
        _sample(pixels, place, stride, window[1], lanes, shares, values)
        b1, b2 = difference_sums(values, template[0], template[1], template[2], window[1] * lanes)
        b1, b2 = b1 * _SUM_SCALE, b2 * _SUM_SCALE
        step_x, step_y = (a12 * b2 - a22 * b1) * inverse, (a12 * b1 - a11 * b2) * inverse
        x, y = x + step_x, y + step_y
        if step_x * step_x + step_y * step_y <= least:
            break
        if (
            iteration > 0
            and abs(step_x + last_x) < _STANDSTILL_PX
            and abs(step_y + last_y) < _STANDSTILL_PX
        ):
            x, y = x - step_x * _f4(0.5), y - step_y * _f4(0.5)
            break
        last_x, last_y = step_x, step_y
    return True, x, y


@inlined
def _shares(a, b):  # type: ignore[no-untyped-def]
    """Bilinear weights of the four pixels around a point, whole numbers that add up to 2 ** 14."""
    w00 = np.rint((_f4(1) - a) * (_f4(1) - b) * _ONE)
    w01 = np.rint(a * (_f4(1) - b) * _ONE)
    w10 = np.rint((_f4(1) - a) * b * _ONE)
    return w00, w01, w10, _ONE - w00 - w01 - w10


@inlined
def _blend(patch, n_cells, lanes, shares, weights, out):  # type: ignore[no-untyped-def]
    """Bilinear values of a patch, rounded, times the cells' weights."""
    w00, w01, w10, w11 = shares
    for k in range(n_cells):
        total = w00 * patch[uintp(k)] + w01 * patch[uintp(k + 1)]
        total += w10 * patch[uintp(k + lanes)] + w11 * patch[uintp(k + lanes + 1)]
        out[uintp(k)] = np.floor(total * _PER_ONE + _f4(0.5)) * weights[uintp(k)]


@inlined
def _sample(pixels, place, stride, n_rows, lanes, shares, out):  # type: ignore[no-untyped-def]
    """Bilinear gray values in units of 2 ** -5, rounded."""
    w00, w01, w10, w11 = shares
    for j in range(n_rows):
        here, below = place + j * stride, place + (j + 1) * stride
        for i in range(lanes):
            total = w00 * _f4(pixels[uintp(here + i)]) + w01 * _f4(pixels[uintp(here + i + 1)])
            total += w10 * _f4(pixels[uintp(below + i)]) + w11 * _f4(pixels[uintp(below + i + 1)])
            out[uintp(j * lanes + i)] = np.floor((total + _HALF_STEP) * _PER_STEP)
