"""The shapes that light has in a window, in pieces for `refinement_kernel`.

A window is a flat array of `n_cells` values; weights are 1 where a pixel is visible, 0 elsewhere.
"""

from __future__ import annotations

import numpy as np
from numba import uintp

from element_facerhythm.core.compiled import inlined

_f4 = np.float32

LEAST_DETERMINANT = _f4(1e-6)
"""Of the larger sum's square; below, a window is a line."""
N_SHAPES = 4
"""Brightness that slopes along x, along y, that bends along y; contrast that slopes along y."""

_LEAST_SQUARE = _f4(1e-3)  # of a shape within the visible pixels; below, they do not show it


@inlined
def make_shapes(shapes, template, weights, n_visible, slopes, n_cells):  # type: ignore[no-untyped-def]
    """Fill in the shapes of light that are free, about their means, of length 1, at right angles."""
    for k in range(n_cells):
        i = uintp(k)
        across, down = slopes[0][i], slopes[1][i]
        shapes[0, i] = across * weights[i]
        shapes[1, i] = down * weights[i]
        shapes[2, i] = down * down * weights[i]
        shapes[3, i] = down * template[i]
    for n in range(N_SHAPES):
        shape = shapes[n]
        center(shape, dot(shape, weights, n_cells) / n_visible, weights, n_cells)
        for other in range(n):
            _take_off(shape, shapes[other], n_cells)
        length = square(shape, n_cells)
        scale = _f4(1) / np.sqrt(length) if length > _LEAST_SQUARE else _f4(0)
        for k in range(n_cells):
            shape[uintp(k)] *= scale


@inlined
def _take_off(part, shape, n_cells):  # type: ignore[no-untyped-def]
    """Subtract from values their projection on a shape of length 1."""
    fit = dot(part, shape, n_cells)
    for k in range(n_cells):
        part[uintp(k)] -= fit * shape[uintp(k)]


@inlined
def take_shapes_off(template, shapes, n_cells):  # type: ignore[no-untyped-def]
    """Remove the shapes of light from a template's values and gradients; sum of squares of its values."""
    for part in template:
        for n in range(N_SHAPES):
            _take_off(part, shapes[n], n_cells)
    return square(template[0], n_cells)


@inlined
def square_of_shapes(values, shapes, n_cells):  # type: ignore[no-untyped-def]
    """Sum of squares of what is a shape of light in values."""
    total = _f4(0)
    for n in range(N_SHAPES):
        fit = dot(values, shapes[n], n_cells)
        total += fit * fit
    return total


@inlined
def slope_square(values, weights, n_visible, slopes, n_cells):  # type: ignore[no-untyped-def]
    """Mean square, about its mean, of the plane that fits weighed values best."""
    total, tx, ty = _f4(0), _f4(0), _f4(0)
    x, y, xx, xy, yy = _f4(0), _f4(0), _f4(0), _f4(0), _f4(0)
    for k in range(n_cells):
        i = uintp(k)
        value, across, down = values[i], slopes[0][i], slopes[1][i]
        wx, wy = weights[i] * across, weights[i] * down
        total += value
        tx += value * across
        ty += value * down
        x += wx
        y += wy
        xx += wx * across
        xy += wx * down
        yy += wy * down
    share = _f4(1) / n_visible
    total, x, y = total * share, x * share, y * share
    tx, ty = tx * share - total * x, ty * share - total * y
    xx, xy, yy = xx * share - x * x, xy * share - x * y, yy * share - y * y
    determinant = xx * yy - xy * xy
    if determinant <= LEAST_DETERMINANT * max(xx, yy) * max(xx, yy):  # a line of visible pixels
        return _f4(0)
    return (tx * tx * yy - _f4(2) * tx * ty * xy + ty * ty * xx) / determinant


@inlined
def center(part, mean, weights, n_cells):  # type: ignore[no-untyped-def]
    """Subtract their mean from weighed values."""
    for k in range(n_cells):
        part[uintp(k)] -= mean * weights[uintp(k)]


@inlined
def dot(a, b, n_cells):  # type: ignore[no-untyped-def]
    """Sum up products."""
    total = _f4(0)
    for k in range(n_cells):
        total += a[uintp(k)] * b[uintp(k)]
    return total


@inlined
def square(a, n_cells):  # type: ignore[no-untyped-def]
    """Sum up squares."""
    return dot(a, a, n_cells)
