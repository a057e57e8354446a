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
from element_facerhythm.core.tracking.lucas_kanade_kernel import fill_gradients, scratch, touches

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
        window = (width, height)
        gradients, template, sums = scratch(height, lanes)
        weights = np.empty(height * lanes, np.float32)
        half_x, half_y = _f4((width - 1) * 0.5), _f4((height - 1) * 0.5)
        reach = _f4(reach_px)
        for point in range(first, stop):
            mismatch[point], texture[point] = _f4(0), _f4(0)
            if not found[point]:
                continue
            described, a11, a12, a22, n_visible, variance = _describe(
                before, visible, pad, window, lanes, points[point, 0] - half_x,
                points[point, 1] - half_y, gradients, template, weights,
            )  # fmt: skip
            if not described:
                continue
            x, y = moved[point, 0], moved[point, 1]
            matched, to_x, to_y, difference = _search(
                after, pad, window, lanes, x - half_x, y - half_y, a11, a12, a22, n_iterations,
                step_px, template, weights, n_visible, sums,
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
    image, visible, pad, window, lanes, x, y, gradients, template, weights
):
    """Fill in values, centred gradients and weights of the window at (x, y).

    Returns whether they determine a step, sums of squares and products of the gradients, the number
    of visible pixels, and the variance of their values.
    """
    zero = _f4(0)
    column, row = int(np.floor(x)), int(np.floor(y))
    if not touches(image, pad, window, column, row):
        return False, zero, zero, zero, zero, zero
    fill_gradients(image, row + pad, column + pad, window[1] + 1, lanes, gradients)
    values, slope_x, slope_y = template
    along_x, along_y = gradients
    w00, w01, w10, w11 = _shares(x - _f4(column), y - _f4(row))
    n_visible, sum_x, sum_y, sum_value, sum_square = zero, zero, zero, zero, zero
    for j in range(window[1]):
        for i in range(lanes):
            k = uintp(j * lanes + i)
            seen = visible[uintp(row + pad + j), uintp(column + pad + i)]
            weight = seen if i < window[0] else zero
            value = _value(image, row + pad + j, column + pad + i, w00, w01, w10, w11)
            dx = _blend(along_x, k, lanes, w00, w01, w10, w11) * weight
            dy = _blend(along_y, k, lanes, w00, w01, w10, w11) * weight
            values[k] = value
            slope_x[k] = dx
            slope_y[k] = dy
            weights[k] = weight
            n_visible += weight
            sum_x += dx
            sum_y += dy
            sum_value += value * weight
            sum_square += value * value * weight
    share = _f4(1) / max(n_visible, _f4(1))
    mean_x, mean_y, mean_value = sum_x * share, sum_y * share, sum_value * share
    a11, a12, a22 = zero, zero, zero
    for k in range(window[1] * lanes):
        dx = slope_x[uintp(k)] - mean_x * weights[uintp(k)]
        dy = slope_y[uintp(k)] - mean_y * weights[uintp(k)]
        slope_x[uintp(k)] = dx
        slope_y[uintp(k)] = dy
        a11 += dx * dx
        a12 += dx * dy
        a22 += dy * dy
    largest = max(a11, a22)
    determined = a11 * a22 - a12 * a12 > _LEAST_DETERMINANT * largest * largest
    variance = max(sum_square * share - mean_value * mean_value, zero)
    return determined and largest > zero, a11, a12, a22, n_visible, variance


@inlined
def _search(  # type: ignore[no-untyped-def]
    image, pad, window, lanes, x, y, a11, a12, a22, n_iterations, step_px, template, weights,
    n_visible, sums,
):  # fmt: skip
    """Move the window from (x, y) to where the image fits the template, and how badly it does."""
    inverse = _f4(1) / (a11 * a22 - a12 * a12)
    least = _f4(step_px) * _f4(step_px)
    difference = _f4(0)
    for _ in range(n_iterations):
        column, row = int(np.floor(x)), int(np.floor(y))
        if not touches(image, pad, window, column, row):
            return False, x, y, difference
        b1, b2, difference = _mismatch(
            image, pad, window, lanes, column, row, x, y, template, weights, n_visible, sums
        )
        step_x, step_y = (a12 * b2 - a22 * b1) * inverse, (a12 * b1 - a11 * b2) * inverse
        x, y = x + step_x, y + step_y
        if step_x * step_x + step_y * step_y <= least:
            break
    return True, x, y, difference


@inlined
def _mismatch(  # type: ignore[no-untyped-def]
    image, pad, window, lanes, column, row, x, y, template, weights, n_visible, sums
):
    """Sum up (difference to the template) x (its gradients); also the difference's variance."""
    values, slope_x, slope_y = template
    along_x, along_y, squares = sums
    w00, w01, w10, w11 = _shares(x - _f4(column), y - _f4(row))
    along_x[:], along_y[:], squares[:] = _f4(0), _f4(0), _f4(0)
    total = _f4(0)
    for j in range(window[1]):
        for i in range(lanes):
            k = uintp(j * lanes + i)
            value = _value(image, row + pad + j, column + pad + i, w00, w01, w10, w11)
            change = value - values[k]
            along_x[uintp(i)] += change * slope_x[k]
            along_y[uintp(i)] += change * slope_y[k]
            squares[uintp(i)] += change * change * weights[k]
            total += change * weights[k]
    b1, b2, square = _f4(0), _f4(0), _f4(0)
    for i in range(lanes):
        b1, b2, square = b1 + along_x[i], b2 + along_y[i], square + squares[i]
    mean = total / n_visible
    return b1, b2, max(square / n_visible - mean * mean, _f4(0))


@inlined
def _shares(a, b):  # type: ignore[no-untyped-def]
    """Bilinear weights of the four pixels around a point."""
    w11 = a * b
    return _f4(1) - a - b + w11, a - w11, b - w11, w11


@inlined
def _blend(patch, k, lanes, w00, w01, w10, w11):  # type: ignore[no-untyped-def]
    """Bilinear gradient at place `k` of a patch with rows of `lanes`, per pixel."""
    total = w00 * patch[uintp(k)] + w01 * patch[uintp(k + 1)]
    total += w10 * patch[uintp(k + lanes)] + w11 * patch[uintp(k + lanes + 1)]
    return total * _PER_GRADIENT


@inlined
def _value(image, row, column, w00, w01, w10, w11):  # type: ignore[no-untyped-def]
    """Bilinear gray value."""
    r0, r1, c0, c1 = uintp(row), uintp(row + 1), uintp(column), uintp(column + 1)
    total = w00 * _f4(image[r0, c0]) + w01 * _f4(image[r0, c1])
    return total + w10 * _f4(image[r1, c0]) + w11 * _f4(image[r1, c1])
