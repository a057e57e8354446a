"""Matching of windows on raw frames, compiled; `refinement` says what for.

Lucas and Kanade's iteration on one level, in floating point. Four things differ from
`lucas_kanade_kernel`. The mean of the gradients is subtracted, so that a change of brightness
moves nothing. Where the second frame is lit otherwise (`other_light`), the shapes that light has in a
window are removed as well (brightness that slopes along x or y or bends along y, and contrast that
slopes along y, since lamps that flicker make bands across the rows of a rolling shutter), and the
second window is given the standard deviation of the first. (The gain is not fitted: noise makes every
fit of one window to another too small, by the same share in every frame, and the track drifts.) Hidden
pixels have no weight, instead of a border of zeros that stands still. And the kernel returns how well the
two windows match in the end, and how much of the difference is light.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import uintp

from element_facerhythm.core.compiled import compiled, inlined
from element_facerhythm.core.tracking.light_kernel import (
    LEAST_DETERMINANT,
    N_SHAPES,
    center,
    dot,
    make_shapes,
    slope_square,
    square,
    square_of_shapes,
    take_shapes_off,
)
from element_facerhythm.core.tracking.refinement import MOST_GAIN
from element_facerhythm.core.tracking.window_kernel import (
    VECTOR,
    lane_weights,
    touches,
)

_f4 = np.float32

_LEAST_VARIANCE = _f4(1e-3)  # far below that of a single step of gray in a window
_MOST_GAIN = _f4(MOST_GAIN)


@cache
def refine_points_kernel(width: int, height: int) -> Callable[..., None]:
    """Make the function that refines matches with a window of this size, in pixels.

    It takes ``(before, after, visible, layout, lanes, points, first, stop, n_iterations, step_px,
    look, other_light, moved, found, mismatch, texture, light, gain, lean,
    taken)``:

    - before, after: parts of smoothed frames, `refinement.VisiblePart.smoothed`
    - visible, layout: `weights` and `layout` of that part
    - points, first, stop, lanes: as in `lucas_kanade_kernel.follow_points_kernel`
    - n_iterations, step_px: when the search ends
    - look: `refinement.Look`
    - other_light: whether the second frame is lit otherwise: gain and shapes of light are free
    - moved, found: where the points are in the second frame, improved in place
    - mismatch, texture: (P,) float32, filled in: mean squared difference of the matched windows,
      brightness apart (and gain and shapes of light where they are free), and variance within the
      first; 0 where nothing was measured
    - light: (P,) float32, filled in: what of the mismatch a gain and slopes of brightness would
      explain; 0 where they are free
    - gain: (P,) float32, filled in: mean of the second window over that of the first; 1 where gain is
      free
    - lean: (P, 2) float32, filled in: how far a match is moved by a gain of 1 more, in px; 0 where gain
      is free
    - taken: (P,) bool, filled in: whether the match was taken
    """

    @compiled
    def refine_points(  # type: ignore[no-untyped-def]
        before, after, visible, layout, lanes, points, first, stop, n_iterations, step_px, look,
        other_light, moved, found, mismatch, texture, light, gain, lean, taken,
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
        across, down = np.empty(n_cells, np.float32), np.empty(n_cells, np.float32)
        half_x, half_y = _f4((width - 1) * 0.5), _f4((height - 1) * 0.5)
        for k in range(n_cells):
            across[k], down[k] = _f4(k % lanes) - half_x, _f4(k // lanes) - half_y
        slopes = (across, down)
        shapes = np.empty((N_SHAPES, n_cells), np.float32)
        reach, doubt = _f4(look.reach_px), _f4(look.doubt)
        for point in range(first, stop):
            mismatch[point], texture[point], light[point] = _f4(0), _f4(0), _f4(0)
            gain[point], taken[point] = _f4(1), False
            lean[point, 0], lean[point, 1] = _f4(0), _f4(0)
            if not found[point]:
                continue
            described, n_visible, mean, variance = _describe(
                old, seen, origin, stride, part, window, lanes, points[point, 0] - half_x,
                points[point, 1] - half_y, wide, patch, weights[0], weights[1], template,
            )  # fmt: skip
            if not described:
                continue
            x, y = moved[point, 0], moved[point, 1]
            even = variance
            if other_light:
                make_shapes(shapes, template[0], weights[1], n_visible, slopes, n_cells)
                even = take_shapes_off(template, shapes, n_cells) / n_visible
            matched, to_x, to_y, left, by_light, brighter, lean_x, lean_y = _search(
                new, origin, stride, part, window, lanes, x - half_x, y - half_y, n_iterations,
                step_px, template, weights[1], n_visible, mean, even, other_light, slopes,
                shapes, values,
            )  # fmt: skip
            if not matched:
                continue
            mismatch[point], texture[point] = left, variance
            light[point], gain[point] = by_light, brighter
            lean[point, 0], lean[point, 1] = lean_x, lean_y
            to_x, to_y = to_x + half_x, to_y + half_y
            taken[point] = abs(to_x - x) <= reach and abs(to_y - y) <= reach
            if taken[point]:
                share = _f4(1) / (_f4(1) + doubt * left / max(variance, _LEAST_VARIANCE))
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
    """Fill in values and gradients, both about their means, and weights of the window at (x, y).

    Returns whether the gradients determine a step, the number of visible pixels, and mean and
    variance of their values.
    """
    zero = _f4(0)
    column, row = int(np.floor(x)), int(np.floor(y))
    if not _touches(part, window, column, row):
        return False, zero, zero, zero
    place = origin + row * stride + column
    _keep_visible(visible, place, stride, window[1], lanes, cells, weights)
    shares = _shares(x - _f4(column), y - _f4(row))
    _sample(pixels, place - stride - 1, stride, window[1] + 2, wide, shares, patch)
    _inner(patch, window[1], lanes, wide, template[0])
    _slopes(patch, 1, window[1], lanes, wide, weights, template[1])
    _slopes(patch, wide, window[1], lanes, wide, weights, template[2])
    n_cells = window[1] * lanes
    n_visible, mean, x_mean, y_mean = _means(template, weights, n_cells)
    _subtract(template[0], mean, weights, n_cells)
    center(template[1], x_mean, weights, n_cells)
    center(template[2], y_mean, weights, n_cells)
    determined = _determined(*_products(template, n_cells))
    return determined, n_visible, mean, square(template[0], n_cells) / max(n_visible, _f4(1))


@inlined
def _determined(a11, a12, a22):  # type: ignore[no-untyped-def]
    """Return whether sums of squares and products of gradients determine a step."""
    largest = max(a11, a22)
    return largest > _f4(0) and a11 * a22 - a12 * a12 > LEAST_DETERMINANT * largest * largest


@inlined
def _search(  # type: ignore[no-untyped-def]
    pixels, origin, stride, part, window, lanes, x, y, n_iterations, step_px, template, weights,
    n_visible, mean, variance, other_light, slopes, shapes, values,
):  # fmt: skip
    """Move the window from (x, y) to where the image fits the template, and how badly it does.

    Returns whether it got there, where it is, the mean squared difference, what of it a gain and
    slopes of brightness would explain, the second window's mean over the first's,
    and how far a gain of 1 more moves the match.
    """
    n_cells = window[1] * lanes
    a11, a12, a22 = _products(template, n_cells)
    own1, own2 = dot(template[0], template[1], n_cells), dot(template[0], template[2], n_cells)
    if not _determined(a11, a12, a22):
        return False, x, y, _f4(0), _f4(0), _f4(1), _f4(0), _f4(0)
    inverse = _f4(1) / (a11 * a22 - a12 * a12)
    least = _f4(step_px) * _f4(step_px)
    scale, level, spread, to_x, to_y = _f4(1), _f4(0), _f4(0), x, y
    for _ in range(n_iterations):
        x, y = to_x, to_y
        column, row = int(np.floor(x)), int(np.floor(y))
        if not _touches(part, window, column, row):
            return False, x, y, _f4(0), _f4(0), _f4(1), _f4(0), _f4(0)
        shares = _shares(x - _f4(column), y - _f4(row))
        place = origin + row * stride + column
        _sample(pixels, place, stride, window[1], lanes, shares, values)
        b1, b2, total, squares = _sums(values, mean, template, weights, n_cells)
        level = total / n_visible
        spread = squares / n_visible - level * level
        if other_light:
            _subtract(values, mean + level, weights, n_cells)
            spread -= square_of_shapes(values, shapes, n_cells) / n_visible
            scale = np.sqrt(variance / max(spread, _LEAST_VARIANCE))
            scale = min(max(scale, _f4(1) / _MOST_GAIN), _MOST_GAIN)
        b1, b2 = b1 * scale - own1, b2 * scale - own2
        step_x, step_y = (a12 * b2 - a22 * b1) * inverse, (a12 * b1 - a11 * b2) * inverse
        to_x, to_y = x + step_x, y + step_y
        if step_x * step_x + step_y * step_y <= least:
            break
    if other_light:
        _leave(values, _f4(0), scale, template[0], weights, n_cells)
        left = square(values, n_cells) - square_of_shapes(values, shapes, n_cells)
        return True, to_x, to_y, max(left, _f4(0)) / n_visible, _f4(0), _f4(1), _f4(0), _f4(0)
    _leave(values, mean + level, scale, template[0], weights, n_cells)
    left = square(values, n_cells) / n_visible
    slope = slope_square(values, weights, n_visible, slopes, n_cells)
    first, second = np.sqrt(variance), np.sqrt(max(spread, _f4(0)))
    by_gain = (second - first) * (second - first)
    brighter = _f4(1) + level / max(mean, _f4(1))
    lean_x, lean_y = (a22 * own1 - a12 * own2) * inverse, (a11 * own2 - a12 * own1) * inverse
    return True, to_x, to_y, left, slope + by_gain, brighter, lean_x, lean_y


@inlined
def _touches(part, window, column, row):  # type: ignore[no-untyped-def]
    """Return whether a window touches a part of a frame: first column and row, width and height."""
    return touches((part[2], part[3]), window, column - part[0], row - part[1])


@inlined
def _keep_visible(visible, place, stride, n_rows, lanes, cells, weights):  # type: ignore[no-untyped-def]
    """Set the weight of the window's cells to 0 at hidden pixels."""
    for j in range(n_rows):
        here = place + j * stride
        for i in range(lanes):
            k = uintp(j * lanes + i)
            weights[k] = cells[k] * visible[uintp(here + i)]


@inlined
def _means(template, weights, n_cells):  # type: ignore[no-untyped-def]
    """Sum of the weights, and means of values and of weighed gradients."""
    total, first, x, y = _f4(0), _f4(0), _f4(0), _f4(0)
    for k in range(n_cells):
        weight = weights[uintp(k)]
        total += weight
        first += weight * template[0][uintp(k)]
        x += template[1][uintp(k)]
        y += template[2][uintp(k)]
    share = _f4(1) / max(total, _f4(1))
    return total, first * share, x * share, y * share


@inlined
def _subtract(part, mean, weights, n_cells):  # type: ignore[no-untyped-def]
    """Weigh values about their mean."""
    for k in range(n_cells):
        part[uintp(k)] = (part[uintp(k)] - mean) * weights[uintp(k)]


@inlined
def _leave(values, level, scale, template, weights, n_cells):  # type: ignore[no-untyped-def]
    """Replace values by their difference, in the template's light, from the template."""
    for k in range(n_cells):
        i = uintp(k)
        values[i] = (values[i] - level) * scale * weights[i] - template[i]


@inlined
def _products(template, n_cells):  # type: ignore[no-untyped-def]
    """Sum up squares and products of gradients."""
    xx, xy, yy = _f4(0), _f4(0), _f4(0)
    for k in range(n_cells):
        dx, dy = template[1][uintp(k)], template[2][uintp(k)]
        xx += dx * dx
        xy += dx * dy
        yy += dy * dy
    return xx, xy, yy


@inlined
def _sums(values, mean, template, weights, n_cells):  # type: ignore[no-untyped-def]
    """Sum up values x gradients, values, and their squares, all about a mean."""
    b1, b2, total, square = _f4(0), _f4(0), _f4(0), _f4(0)
    for k in range(n_cells):
        value = values[uintp(k)] - mean
        weighed = value * weights[uintp(k)]
        b1 += value * template[1][uintp(k)]
        b2 += value * template[2][uintp(k)]
        total += weighed
        square += weighed * value
    return b1, b2, total, square


@inlined
def _shares(a, b):  # type: ignore[no-untyped-def]
    """Bilinear weights of the four pixels around a point."""
    w11 = a * b
    return _f4(1) - a - b + w11, a - w11, b - w11, w11


@inlined
def _inner(patch, n_rows, lanes, wide, out):  # type: ignore[no-untyped-def]
    """Copy a window out of its patch."""
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
