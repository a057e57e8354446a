"""Triton kernel of one Lucas-Kanade step of all points of all sequences.

The arithmetic is OpenCV's: 14-bit bilinear weights, 5 extra bits for interpolated values, Scharr
gradients that are 0 beyond the frame, pictures mirrored about their border pixels. All of it fits
32-bit integers; the sums over a window are float32 and differ from OpenCV's by their order alone.
One program follows one point through all levels and iterations, so that a step of any number of
points in any number of sequences is one launch.
"""

from __future__ import annotations

import triton
import triton.language as tl

# Adding and subtracting it rounds a float32 below 2**22 to the nearest whole number, ties to even.
_ROUND = tl.constexpr(12582912.0)
_SUM_SCALE = tl.constexpr(1.0 / (1 << 20))
_MIN_EIGENVALUE = tl.constexpr(1e-4)
_MIN_DETERMINANT = tl.constexpr(1.1920929e-07)
_STANDSTILL_PX = tl.constexpr(0.01)


@triton.jit
def mirrored(index, length):
    """Index mirrored about the border pixels, and kept inside whatever happens."""
    index = tl.abs(index)
    last = length - 1
    index = tl.where(index > last, 2 * last - index, index)
    return tl.minimum(tl.maximum(index, 0), last)


@triton.jit
def pixel_at(image, row, column, width):
    """Gray level of a picture at rows and columns."""
    return tl.load(image + row * width + column).to(tl.int32)


@triton.jit
def _weights(fraction_x, fraction_y):
    """Four 14-bit weights of a bilinear interpolation; they sum to 2**14."""
    one = 16384.0
    w00 = ((1.0 - fraction_x) * (1.0 - fraction_y) * one + _ROUND) - _ROUND
    w01 = (fraction_x * (1.0 - fraction_y) * one + _ROUND) - _ROUND
    w10 = ((1.0 - fraction_x) * fraction_y * one + _ROUND) - _ROUND
    a = w00.to(tl.int32)
    b = w01.to(tl.int32)
    c = w10.to(tl.int32)
    return a, b, c, 16384 - a - b - c


@triton.jit
def _blend(p00, p01, p10, p11, w00, w01, w10, w11, SHIFT: tl.constexpr):
    total = w00 * p00 + w01 * p01 + w10 * p10 + w11 * p11
    return (total + (1 << (SHIFT - 1))) >> SHIFT


@triton.jit
def touches(cell_x, cell_y, width, height, WINDOW_W: tl.constexpr, WINDOW_H: tl.constexpr):
    """Whether the window that starts at the cell (float32) still touches the frame: 1 or 0."""
    inside_x = (cell_x >= -1.0 * WINDOW_W) & (cell_x < width)
    inside_y = (cell_y >= -1.0 * WINDOW_H) & (cell_y < height)
    return (inside_x & inside_y).to(tl.int32)


@triton.jit
def _at_edge(cell_x, cell_y, width, height, WINDOW_W: tl.constexpr, N_TILE: tl.constexpr):
    """Whether pixels beyond the frame are read around the window that starts at the cell."""
    n_rows = N_TILE // WINDOW_W + 1  # lanes beyond the window read as well
    inside_x = (cell_x >= 1) & (cell_x + WINDOW_W + 2 < width)
    inside_y = (cell_y >= 1) & (cell_y + n_rows + 2 < height)
    return 1 - (inside_x & inside_y).to(tl.int32)


@triton.jit
def _smooth_and_change(p0, p1, p2, p3):
    """Scharr's sums along one column of four rows: for the second row, and for the third."""
    return 3 * (p0 + p2) + 10 * p1, 3 * (p1 + p3) + 10 * p2, p2 - p0, p3 - p1


@triton.jit
def _column(image, column, row0, row1, row2, row3, width):
    return (
        pixel_at(image, row0, column, width),
        pixel_at(image, row1, column, width),
        pixel_at(image, row2, column, width),
        pixel_at(image, row3, column, width),
    )


@triton.jit
def _template(image, row, column, width, height, fraction_x, fraction_y, at_edge):
    """Interpolated picture and its gradients along x and y at every pixel of a window."""
    row0, row1, row2, row3 = row - 1, row, row + 1, row + 2
    column0, column1, column2, column3 = column - 1, column, column + 1, column + 2
    if at_edge != 0:
        row0, row1 = mirrored(row0, height), mirrored(row1, height)
        row2, row3 = mirrored(row2, height), mirrored(row3, height)
        column0, column1 = mirrored(column0, width), mirrored(column1, width)
        column2, column3 = mirrored(column2, width), mirrored(column3, width)
    p0, p1, p2, p3 = _column(image, column0, row0, row1, row2, row3, width)
    s00, s10, c00, c10 = _smooth_and_change(p0, p1, p2, p3)
    p0, p01, p11, p3 = _column(image, column1, row0, row1, row2, row3, width)
    s01, s11, c01, c11 = _smooth_and_change(p0, p01, p11, p3)
    p0, p02, p12, p3 = _column(image, column2, row0, row1, row2, row3, width)
    s02, s12, c02, c12 = _smooth_and_change(p0, p02, p12, p3)
    p0, p1, p2, p3 = _column(image, column3, row0, row1, row2, row3, width)
    s03, s13, c03, c13 = _smooth_and_change(p0, p1, p2, p3)
    left = (column >= 0) & (column < width)
    right = (column + 1 >= 0) & (column + 1 < width)
    upper = (row >= 0) & (row < height)
    lower = (row + 1 >= 0) & (row + 1 < height)
    w00, w01, w10, w11 = _weights(fraction_x, fraction_y)
    picture = _blend(p01, p02, p11, p12, w00, w01, w10, w11, 9)
    x00 = tl.where(upper & left, s02 - s00, 0)
    x01 = tl.where(upper & right, s03 - s01, 0)
    x10 = tl.where(lower & left, s12 - s10, 0)
    x11 = tl.where(lower & right, s13 - s11, 0)
    along_x = _blend(x00, x01, x10, x11, w00, w01, w10, w11, 14)
    y00 = tl.where(upper & left, 3 * (c00 + c02) + 10 * c01, 0)
    y01 = tl.where(upper & right, 3 * (c01 + c03) + 10 * c02, 0)
    y10 = tl.where(lower & left, 3 * (c10 + c12) + 10 * c11, 0)
    y11 = tl.where(lower & right, 3 * (c11 + c13) + 10 * c12, 0)
    along_y = _blend(y00, y01, y10, y11, w00, w01, w10, w11, 14)
    return picture, along_x, along_y


@triton.jit
def _picture(image, row, column, width, height, fraction_x, fraction_y, at_edge):
    """Interpolated picture at every pixel of a window."""
    upper, lower, left, right = row, row + 1, column, column + 1
    if at_edge != 0:
        upper, lower = mirrored(upper, height), mirrored(lower, height)
        left, right = mirrored(left, width), mirrored(right, width)
    w00, w01, w10, w11 = _weights(fraction_x, fraction_y)
    p00 = pixel_at(image, upper, left, width)
    p01 = pixel_at(image, upper, right, width)
    p10 = pixel_at(image, lower, left, width)
    p11 = pixel_at(image, lower, right, width)
    return _blend(p00, p01, p10, p11, w00, w01, w10, w11, 9)


@triton.jit
def _iterate(
    after,
    width,
    height,
    moved_x,
    moved_y,
    template,
    gradient_x,
    gradient_y,
    a11,
    a12,
    a22,
    inverse,
    measured,
    step_px,
    WINDOW_W: tl.constexpr,
    WINDOW_H: tl.constexpr,
    N_TILE: tl.constexpr,
    N_ITERATIONS: tl.constexpr,
):
    """Step towards the place where the second frame looks like the template."""
    pixel = tl.arange(0, N_TILE)
    down = pixel // WINDOW_W
    across = pixel % WINDOW_W
    last_x, last_y = 0.0 * moved_x, 0.0 * moved_y
    iteration = 0
    active = measured * (N_ITERATIONS > 0)
    while active != 0:
        floor_x, floor_y = tl.floor(moved_x), tl.floor(moved_y)
        measured = touches(floor_x, floor_y, width, height, WINDOW_W, WINDOW_H)
        active = measured
        if measured != 0:
            cell_x, cell_y = floor_x.to(tl.int32), floor_y.to(tl.int32)
            patch = _picture(
                after,
                down + cell_y,
                across + cell_x,
                width,
                height,
                moved_x - floor_x,
                moved_y - floor_y,
                _at_edge(cell_x, cell_y, width, height, WINDOW_W, N_TILE),
            )
            # beyond the window the gradients are 0
            difference = (patch - template).to(tl.float32)
            b1 = tl.sum(difference * gradient_x, axis=0) * _SUM_SCALE
            b2 = tl.sum(difference * gradient_y, axis=0) * _SUM_SCALE
            step_x = (a12 * b2 - a22 * b1) * inverse
            step_y = (a12 * b1 - a11 * b2) * inverse
            moved_x += step_x
            moved_y += step_y
            swings = (
                (iteration > 0)
                & (tl.abs(step_x + last_x) < _STANDSTILL_PX)
                & (tl.abs(step_y + last_y) < _STANDSTILL_PX)
            )
            far = step_x * step_x + step_y * step_y > step_px * step_px
            back = tl.where(far & swings, 0.5, 0.0)
            moved_x -= back * step_x
            moved_y -= back * step_y
            last_x, last_y = step_x, step_y
            iteration += 1
            active = (far & (back == 0.0) & (iteration < N_ITERATIONS)).to(tl.int32)
    return moved_x, moved_y, measured


@triton.jit
def _level_flow(
    before,
    after,
    width,
    height,
    start_x,
    start_y,
    guess_x,
    guess_y,
    step_px,
    WINDOW_W: tl.constexpr,
    WINDOW_H: tl.constexpr,
    N_TILE: tl.constexpr,
    N_ITERATIONS: tl.constexpr,
):
    """Refine one point on one level; returns x, y and whether it could be measured (1 or 0)."""
    pixel = tl.arange(0, N_TILE)
    down = pixel // WINDOW_W
    across = pixel % WINDOW_W
    in_window = pixel < WINDOW_W * WINDOW_H
    half_x = (WINDOW_W - 1) * 0.5
    half_y = (WINDOW_H - 1) * 0.5

    origin_x, origin_y = start_x - half_x, start_y - half_y
    floor_x, floor_y = tl.floor(origin_x), tl.floor(origin_y)
    moved_x, moved_y = guess_x - half_x, guess_y - half_y
    measured = touches(floor_x, floor_y, width, height, WINDOW_W, WINDOW_H)
    if measured != 0:
        cell_x, cell_y = floor_x.to(tl.int32), floor_y.to(tl.int32)
        template, along_x, along_y = _template(
            before,
            down + cell_y,
            across + cell_x,
            width,
            height,
            origin_x - floor_x,
            origin_y - floor_y,
            _at_edge(cell_x, cell_y, width, height, WINDOW_W, N_TILE),
        )
        gradient_x = tl.where(in_window, along_x, 0).to(tl.float32)
        gradient_y = tl.where(in_window, along_y, 0).to(tl.float32)
        a11 = tl.sum(gradient_x * gradient_x, axis=0) * _SUM_SCALE
        a12 = tl.sum(gradient_x * gradient_y, axis=0) * _SUM_SCALE
        a22 = tl.sum(gradient_y * gradient_y, axis=0) * _SUM_SCALE
        determinant = a11 * a22 - a12 * a12
        spread = tl.sqrt_rn((a11 - a22) * (a11 - a22) + 4.0 * a12 * a12)
        eigenvalue = (a22 + a11 - spread) / (2.0 * WINDOW_W * WINDOW_H)
        sound = (eigenvalue >= _MIN_EIGENVALUE) & (determinant >= _MIN_DETERMINANT)
        inverse = 1.0 / tl.where(sound, determinant, 1.0)
        moved_x, moved_y, measured = _iterate(
            after,
            width,
            height,
            moved_x,
            moved_y,
            template,
            gradient_x,
            gradient_y,
            a11,
            a12,
            a22,
            inverse,
            sound.to(tl.int32),
            step_px,
            WINDOW_W,
            WINDOW_H,
            N_TILE,
            N_ITERATIONS,
        )
    return moved_x + half_x, moved_y + half_y, measured


# their values would otherwise have the kernel compiled again and again
@triton.jit(do_not_specialize=["k", "n_steps"])
def flow_kernel(
    pool,  # (n_slots, frame_bytes) uint8 pyramids
    geometry,  # (N_LEVELS, 3) int32: offset, width, height
    slots,  # (B, K + 1) int32: where the frames of a sequence lie
    modes,  # (B, K) int8: 0 follows the flow
    stays,  # (B, P) uint8: 1 is not searched for
    points,  # (B, K + 1, P, 2) float32
    moved,  # (B, P, 2) float32, written
    found,  # (B, P) uint8, written
    k,
    n_steps,
    n_points,
    frame_bytes,
    step_px,
    N_LEVELS: tl.constexpr,
    WINDOW_W: tl.constexpr,
    WINDOW_H: tl.constexpr,
    N_TILE: tl.constexpr,
    N_ITERATIONS: tl.constexpr,
):
    """Follow one point of one sequence into step k's frame."""
    point = tl.program_id(0)
    sequence = tl.program_id(1)
    row = ((sequence * (n_steps + 1) + k).to(tl.int64) * n_points + point) * 2
    x, y = tl.load(points + row), tl.load(points + row + 1)
    follows = tl.load(modes + sequence * n_steps + k) == 0
    follows = follows & (tl.load(stays + sequence.to(tl.int64) * n_points + point) == 0)
    new_x, new_y = x, y
    measured = follows.to(tl.int32)
    if measured != 0:
        slot = slots + sequence * (n_steps + 1) + k
        before = pool + tl.load(slot).to(tl.int64) * frame_bytes
        after = pool + tl.load(slot + 1).to(tl.int64) * frame_bytes
        scale = 1.0 / (1 << (N_LEVELS - 1))
        guess_x, guess_y = x * scale, y * scale
        for i in range(N_LEVELS):
            level = geometry + (N_LEVELS - 1 - i) * 3
            offset = tl.load(level)
            guess_x, guess_y, measured = _level_flow(
                before + offset,
                after + offset,
                tl.load(level + 1),
                tl.load(level + 2),
                x * scale,
                y * scale,
                guess_x,
                guess_y,
                step_px,
                WINDOW_W,
                WINDOW_H,
                N_TILE,
                N_ITERATIONS,
            )
            if i < N_LEVELS - 1:
                guess_x, guess_y = guess_x * 2.0, guess_y * 2.0
                scale = scale * 2.0
        new_x, new_y = guess_x, guess_y
    target = (sequence.to(tl.int64) * n_points + point) * 2
    tl.store(moved + target, new_x)
    tl.store(moved + target + 1, new_y)
    tl.store(found + sequence.to(tl.int64) * n_points + point, measured.to(tl.uint8))
