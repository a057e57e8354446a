"""Triton kernel of matches on raw frames (`core.tracking.refinement`): one program a point."""

from __future__ import annotations

import triton
import triton.language as tl

from element_facerhythm.core.tracking.batched.triton_flow import mirrored, touches
from element_facerhythm.core.tracking.refinement import MOST_GAIN

_LEAST_DETERMINANT = tl.constexpr(1e-6)
_LEAST_VARIANCE = tl.constexpr(1e-3)
_MOST_GAIN = tl.constexpr(MOST_GAIN)
_LEAST_SQUARE = tl.constexpr(1e-3)


@triton.jit
def _gray(image, row, column, height, width):
    place = mirrored(row, height) * width + mirrored(column, width)
    return tl.load(image + place).to(tl.float32)


@triton.jit
def _value(image, row, column, height, width, fraction_x, fraction_y):
    """Bilinear gray value."""
    both = fraction_x * fraction_y
    total = (1.0 - fraction_x - fraction_y + both) * _gray(image, row, column, height, width)
    total += (fraction_x - both) * _gray(image, row, column + 1, height, width)
    total += (fraction_y - both) * _gray(image, row + 1, column, height, width)
    return total + both * _gray(image, row + 1, column + 1, height, width)


@triton.jit
def _slopes(image, row, column, height, width, fraction_x, fraction_y):
    """Central differences along x and y of bilinear values."""
    left = _value(image, row, column - 1, height, width, fraction_x, fraction_y)
    right = _value(image, row, column + 1, height, width, fraction_x, fraction_y)
    above = _value(image, row - 1, column, height, width, fraction_x, fraction_y)
    below = _value(image, row + 1, column, height, width, fraction_x, fraction_y)
    return (right - left) * 0.5, (below - above) * 0.5


@triton.jit
def _off(part, shape):
    """Subtract from a window its projection on a shape of length 1."""
    return part - tl.sum(part * shape, axis=0) * shape


@triton.jit
def _of_length_one(part):
    """Scale a window to a length of 1; nothing where visible pixels do not show it."""
    square = tl.sum(part * part, axis=0)
    scale = tl.where(square > _LEAST_SQUARE, 1.0 / tl.sqrt(tl.maximum(square, 1e-12)), 0.0)
    return part * scale


@triton.jit
def _even(part, one, two, three, four):
    """Remove the shapes of light from a window."""
    return _off(_off(_off(_off(part, one), two), three), four)


@triton.jit
def _about_mean(part, weights, share):
    """Subtract the mean from a weighed window."""
    return part - tl.sum(part, axis=0) * share * weights


@triton.jit
def _shapes(x, y, template, weights, share):
    """Slopes along x and y, a bend along y, contrast that slopes along y: at right angles, of length 1."""
    one, two = x * weights, y * weights
    three, four = y * y * weights, y * template
    one = _of_length_one(one - tl.sum(one, axis=0) * share * weights)
    two = _of_length_one(_off(two - tl.sum(two, axis=0) * share * weights, one))
    three = _off(_off(three - tl.sum(three, axis=0) * share * weights, one), two)
    three = _of_length_one(three)
    four = _off(_off(four - tl.sum(four, axis=0) * share * weights, one), two)
    return one, two, three, _of_length_one(_off(four, three))


@triton.jit
def _search(
    after,
    height,
    width,
    down,
    across,
    x,
    y,
    template,
    mean,
    variance,
    slope_x,
    slope_y,
    weights,
    one,
    two,
    three,
    four,
    share,
    other_light,
    step_px,
    WINDOW_W: tl.constexpr,
    WINDOW_H: tl.constexpr,
    N_ITERATIONS: tl.constexpr,
):
    """Move the window to where the second frame fits the first; also what is left unmatched.

    Then what of it a gain and slopes of brightness would explain, and how its mean has grown.
    """
    own1, own2 = tl.sum(template * slope_x, axis=0), tl.sum(template * slope_y, axis=0)
    even = tl.sum(template * template, axis=0) * share
    a11 = tl.sum(slope_x * slope_x, axis=0)
    a12 = tl.sum(slope_x * slope_y, axis=0)
    a22 = tl.sum(slope_y * slope_y, axis=0)
    largest = tl.maximum(a11, a22)
    sound = (a11 * a22 - a12 * a12 > largest * largest * _LEAST_DETERMINANT) & (largest > 0)
    measured = sound.to(tl.int32)
    inverse = 1.0 / tl.where(measured != 0, a11 * a22 - a12 * a12, 1.0)
    difference, light, gain = 0.0 * x, 0.0 * x, 0.0 * x + 1.0
    iteration = 0
    active = measured
    while active != 0:
        floor_x, floor_y = tl.floor(x), tl.floor(y)
        measured = touches(floor_x, floor_y, width, height, WINDOW_W, WINDOW_H)
        active = measured
        if measured != 0:
            row, column = down + floor_y.to(tl.int32), across + floor_x.to(tl.int32)
            value = _value(after, row, column, height, width, x - floor_x, y - floor_y)
            value = (value - mean) * weights
            level = tl.sum(value, axis=0) * share
            value -= level * weights
            spread = tl.sum(value * value, axis=0) * share
            scale = 1.0
            if other_light != 0:
                value = _even(value, one, two, three, four)
                flat = tl.sum(value * value, axis=0) * share
                scale = tl.sqrt(even / tl.maximum(flat, _LEAST_VARIANCE))
                scale = tl.minimum(tl.maximum(scale, 1.0 / _MOST_GAIN), _MOST_GAIN)
            b1 = tl.sum(value * slope_x, axis=0) * scale - own1
            b2 = tl.sum(value * slope_y, axis=0) * scale - own2
            change = value * scale - template
            difference = tl.sum(change * change, axis=0) * share
            if other_light == 0:
                x_slope, y_slope = tl.sum(change * one, axis=0), tl.sum(change * two, axis=0)
                contrast, own_contrast = tl.sqrt(spread), tl.sqrt(variance)
                light = (x_slope * x_slope + y_slope * y_slope) * share
                light += (contrast - own_contrast) * (contrast - own_contrast)
                gain = 1.0 + level / tl.maximum(mean, 1.0)
            step_x = (a12 * b2 - a22 * b1) * inverse
            step_y = (a12 * b1 - a11 * b2) * inverse
            x += step_x
            y += step_y
            iteration += 1
            far = step_x * step_x + step_y * step_y > step_px * step_px
            active = (far & (iteration < N_ITERATIONS)).to(tl.int32)
    fixed = tl.where(other_light != 0, 0.0, inverse)
    lean_x, lean_y = (a22 * own1 - a12 * own2) * fixed, (a11 * own2 - a12 * own1) * fixed
    return x, y, difference, light, gain, lean_x, lean_y, measured


@triton.jit
def _store_pair(place, first, second):
    tl.store(place, first)
    tl.store(place + 1, second)


@triton.jit
def _store_light(light, gain, lean, by_light, brighter, lean_x, lean_y):
    tl.store(light, by_light)
    tl.store(gain, brighter)
    _store_pair(lean, lean_x, lean_y)


# their values would otherwise have the kernel compiled again and again
@triton.jit(do_not_specialize=["k", "n_steps"])
def refine_kernel(
    smooth,  # (n_slots, height * width) int16
    visible,  # (height, width) float32
    slots,  # (B, K + 1) int32
    points,  # (B, K + 1, P, 2) float32
    moved,  # (B, P, 2) float32, improved in place
    found,  # (B, P) uint8
    lit,  # (B,) uint8: the second frame is lit otherwise, gain and slopes are free
    mismatch,  # (B, P) float32, written
    texture,  # (B, P) float32, written
    light,  # (B, P) float32, written
    gain,  # (B, P) float32, written
    lean,  # (B, P, 2) float32, written
    taken,  # (B, P) uint8, written
    height,
    width,
    k,
    n_steps,
    n_points,
    step_px,
    reach_px,
    doubt,
    WINDOW_W: tl.constexpr,
    WINDOW_H: tl.constexpr,
    N_TILE: tl.constexpr,
    N_ITERATIONS: tl.constexpr,
):
    """Improve and judge the match of one point of one sequence in step k."""
    point, sequence = tl.program_id(0), tl.program_id(1)
    own = sequence.to(tl.int64) * n_points + point
    start = points + ((sequence * (n_steps + 1) + k).to(tl.int64) * n_points + point) * 2
    slot = slots + sequence * (n_steps + 1) + k
    before = smooth + tl.load(slot).to(tl.int64) * height * width
    after = smooth + tl.load(slot + 1).to(tl.int64) * height * width
    pixel = tl.arange(0, N_TILE)
    down, across = pixel // WINDOW_W, pixel % WINDOW_W
    half_x, half_y = (WINDOW_W - 1) * 0.5, (WINDOW_H - 1) * 0.5
    x, y = tl.load(start) - half_x, tl.load(start + 1) - half_y
    floor_x, floor_y = tl.floor(x), tl.floor(y)
    measured = touches(floor_x, floor_y, width, height, WINDOW_W, WINDOW_H)
    measured = measured * (tl.load(found + own) != 0).to(tl.int32)
    left_over, variance, by_light = 0.0 * x, 0.0 * x, 0.0 * x
    brighter, lean_x, lean_y = 0.0 * x + 1.0, 0.0 * x, 0.0 * x
    near = measured * 0
    if measured != 0:
        row, column = down + floor_y.to(tl.int32), across + floor_x.to(tl.int32)
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        inside = inside & (pixel < WINDOW_W * WINDOW_H)
        weights = tl.load(visible + row * width + column, mask=inside, other=0.0)
        values = _value(before, row, column, height, width, x - floor_x, y - floor_y)
        slope_x, slope_y = _slopes(before, row, column, height, width, x - floor_x, y - floor_y)
        share = 1.0 / tl.maximum(tl.sum(weights, axis=0), 1.0)
        slope_x = _about_mean(slope_x * weights, weights, share)
        slope_y = _about_mean(slope_y * weights, weights, share)
        mean = tl.sum(values * weights, axis=0) * share
        template = (values - mean) * weights
        texture_here = tl.sum(template * template, axis=0) * share
        one, two, three, four = _shapes(across - half_x, down - half_y, template, weights, share)
        other_light = tl.load(lit + sequence).to(tl.int32)
        if other_light != 0:
            template = _even(template, one, two, three, four)
            slope_x = _even(slope_x, one, two, three, four)
            slope_y = _even(slope_y, one, two, three, four)
        old_x, old_y = tl.load(moved + own * 2), tl.load(moved + own * 2 + 1)
        new_x, new_y, difference, light_here, gain_here, to_x, to_y, measured = _search(
            after, height, width, down, across, old_x - half_x, old_y - half_y, template, mean,
            texture_here, slope_x, slope_y, weights, one, two, three, four, share, other_light,
            step_px, WINDOW_W, WINDOW_H, N_ITERATIONS,
        )  # fmt: skip
        if measured != 0:
            left_over, variance, by_light = difference, texture_here, light_here
            brighter, lean_x, lean_y = gain_here, to_x, to_y
            step_x, step_y = new_x + half_x - old_x, new_y + half_y - old_y
            near = ((tl.abs(step_x) <= reach_px) & (tl.abs(step_y) <= reach_px)).to(tl.int32)
            if near != 0:
                part = 1.0 / (1.0 + doubt * left_over / tl.maximum(variance, _LEAST_VARIANCE))
                _store_pair(moved + own * 2, old_x + step_x * part, old_y + step_y * part)
    tl.store(mismatch + own, left_over)
    tl.store(texture + own, variance)
    _store_light(light + own, gain + own, lean + own * 2, by_light, brighter, lean_x, lean_y)
    tl.store(taken + own, near.to(tl.uint8))
