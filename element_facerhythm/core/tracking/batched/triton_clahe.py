"""Triton kernels of CLAHE: a table of gray levels per tile, and its use between the tiles."""

from __future__ import annotations

import triton
import triton.language as tl

_ROUND = tl.constexpr(12582912.0)  # rounds a float32 below 2**22 when added and subtracted


@triton.jit
def _mirrored_far(index, length):
    """Index mirrored about the border pixels as often as needed."""
    period = tl.maximum(2 * (length - 1), 1)
    index = tl.abs(index) % period
    return tl.minimum(index, period - index) % length


@triton.jit
def tables_kernel(
    frames,  # (N, height, width) uint8
    tables,  # (N, n_tiles, 256) uint8, written
    height,
    width,
    n_across,
    tile_width,
    tile_height,
    clip_limit,  # 0 for none
    scale,
    N_CHUNKS: tl.constexpr,
    N_TILE: tl.constexpr,
):
    """Histogram of one tile, clipped, the excess dealt out, summed up to a table."""
    tile = tl.program_id(0)
    frame = tl.program_id(1).to(tl.int64)
    image = frames + frame * height * width
    first_row = tile // n_across * tile_height
    first_column = tile % n_across * tile_width
    n_pixels = tile_width * tile_height
    level = tl.arange(0, 256)
    counts = 0 * level
    for chunk in range(N_CHUNKS):
        pixel = chunk * N_TILE + tl.arange(0, N_TILE)
        exists = pixel < n_pixels
        row = _mirrored_far(first_row + pixel // tile_width, height)
        column = _mirrored_far(first_column + pixel % tile_width, width)
        value = tl.load(image + row * width + column, mask=exists, other=0).to(tl.int32)
        n_missing = N_TILE - tl.sum(exists.to(tl.int32), axis=0)
        counts += tl.histogram(value, 256) - tl.where(level == 0, n_missing, 0)
    if clip_limit > 0:
        excess = tl.sum(tl.maximum(counts - clip_limit, 0), axis=0)
        residue = excess % 256
        stride = tl.maximum(256 // tl.maximum(residue, 1), 1)
        dealt = (level % stride == 0) & (level // stride < residue)
        counts = tl.minimum(counts, clip_limit) + excess // 256 + dealt.to(tl.int32)
    summed = tl.cumsum(counts, axis=0).to(tl.float32) * scale
    rounded = tl.minimum((summed + _ROUND) - _ROUND, 255.0)
    n_tiles = tl.num_programs(0)
    tl.store(tables + (frame * n_tiles + tile) * 256 + level, rounded.to(tl.uint8))


@triton.jit
def equalise_kernel(
    frames,  # (N, height, width) uint8
    tables,  # (N, n_tiles, 256) uint8
    equalised,  # (N, height, width) uint8, written; may be `frames`
    left,  # (width,) int32: tile to the left of a column's centre, and to the right
    right,
    share_right,  # (width,) float32
    upper,  # (height,) int32
    lower,
    share_lower,  # (height,) float32
    height,
    width,
    n_across,
    n_tiles,
    N_BLOCK: tl.constexpr,
):
    """Look every pixel up in the tables of the four nearest tiles, and blend."""
    pixel = tl.program_id(0) * N_BLOCK + tl.arange(0, N_BLOCK)
    exists = pixel < height * width
    frame = tl.program_id(1).to(tl.int64)
    place = frame * height * width + pixel
    value = tl.load(frames + place, mask=exists, other=0).to(tl.int32)
    row = tl.where(exists, pixel // width, 0)
    column = tl.where(exists, pixel % width, 0)
    table = tables + frame * n_tiles * 256 + value
    row_above, row_below = tl.load(upper + row) * n_across, tl.load(lower + row) * n_across
    to_left, to_right = tl.load(left + column), tl.load(right + column)
    xa, ya = tl.load(share_right + column), tl.load(share_lower + row)
    v00 = tl.load(table + (row_above + to_left) * 256).to(tl.float32)
    v01 = tl.load(table + (row_above + to_right) * 256).to(tl.float32)
    v10 = tl.load(table + (row_below + to_left) * 256).to(tl.float32)
    v11 = tl.load(table + (row_below + to_right) * 256).to(tl.float32)
    blended = (v00 * (1.0 - xa) + v01 * xa) * (1.0 - ya) + (v10 * (1.0 - xa) + v11 * xa) * ya
    rounded = tl.minimum((blended + _ROUND) - _ROUND, 255.0)
    tl.store(equalised + place, rounded.to(tl.uint8), mask=exists)
