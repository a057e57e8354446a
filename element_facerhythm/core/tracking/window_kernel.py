"""Windows of images around points that are no whole pixels, in pieces that compile to vector code.

Frames are flat arrays of pixels with a border; a place in them is an index, and `stride` leads from
a row to the next. Windows are flat too, their rows padded to whole vectors (`n_lanes`). Each piece
writes to one array only, and sums are taken in loops that write nothing: compilers make vectors of
such loops.
"""

from __future__ import annotations

import numpy as np
from numba import uintp

from element_facerhythm.core.compiled import inlined

_f4 = np.float32

VECTOR = 8
"""Columns of a window are padded to a multiple of this; the spare ones weigh nothing."""


def n_lanes(width: int) -> int:
    """Columns of a padded window of this width."""
    return (width + VECTOR) // VECTOR * VECTOR


@inlined
def touches(size, window, column, row):  # type: ignore[no-untyped-def]
    """Return whether a window that starts at (column, row) still touches a frame of (width, height)."""
    return -window[0] <= column < size[0] and -window[1] <= row < size[1]


@inlined
def lane_weights(window, lanes, weights):  # type: ignore[no-untyped-def]
    """Fill in 1 for the cells of the window, 0 for the spare ones."""
    for j in range(window[1]):
        for i in range(lanes):
            weights[j * lanes + i] = _f4(1) if i < window[0] else _f4(0)


@inlined
def scharr_x(pixels, place, stride, n_rows, lanes, out):  # type: ignore[no-untyped-def]
    """Gradient along x, times 32, of `n_rows` x `lanes` pixels from `place` on."""
    for j in range(n_rows):
        above, here, below = place + (j - 1) * stride, place + j * stride, place + (j + 1) * stride
        for i in range(lanes):
            outer = _f4(pixels[uintp(above + i + 1)]) - _f4(pixels[uintp(above + i - 1)])
            outer += _f4(pixels[uintp(below + i + 1)]) - _f4(pixels[uintp(below + i - 1)])
            inner = _f4(pixels[uintp(here + i + 1)]) - _f4(pixels[uintp(here + i - 1)])
            out[uintp(j * lanes + i)] = _f4(3) * outer + _f4(10) * inner


@inlined
def scharr_y(pixels, place, stride, n_rows, lanes, out):  # type: ignore[no-untyped-def]
    """Gradient along y, times 32, of `n_rows` x `lanes` pixels from `place` on."""
    for j in range(n_rows):
        above, below = place + (j - 1) * stride, place + (j + 1) * stride
        for i in range(lanes):
            outer = _f4(pixels[uintp(below + i - 1)]) - _f4(pixels[uintp(above + i - 1)])
            outer += _f4(pixels[uintp(below + i + 1)]) - _f4(pixels[uintp(above + i + 1)])
            inner = _f4(pixels[uintp(below + i)]) - _f4(pixels[uintp(above + i)])
            out[uintp(j * lanes + i)] = _f4(3) * outer + _f4(10) * inner


@inlined
def clear_outside(size, column, row, n_rows, lanes, out):  # type: ignore[no-untyped-def]
    """Set what lies beyond the frame to 0; the patch starts at pixel (column, row)."""
    width, height = size
    if column >= 0 and row >= 0 and column + lanes <= width and row + n_rows <= height:
        return
    for j in range(n_rows):
        for i in range(lanes):
            if not (0 <= column + i < width and 0 <= row + j < height):
                out[j * lanes + i] = _f4(0)


@inlined
def normal_sums(slope_x, slope_y, n_cells):  # type: ignore[no-untyped-def]
    """Sum up squares and products of gradients."""
    a11, a12, a22 = _f4(0), _f4(0), _f4(0)
    for k in range(n_cells):
        dx, dy = slope_x[uintp(k)], slope_y[uintp(k)]
        a11 += dx * dx
        a12 += dx * dy
        a22 += dy * dy
    return a11, a12, a22


@inlined
def difference_sums(values, template, slope_x, slope_y, n_cells):  # type: ignore[no-untyped-def]
    """Sum up (values - template) x gradients."""
    b1, b2 = _f4(0), _f4(0)
    for k in range(n_cells):
        change = values[uintp(k)] - template[uintp(k)]
        b1 += change * slope_x[uintp(k)]
        b2 += change * slope_y[uintp(k)]
    return b1, b2
