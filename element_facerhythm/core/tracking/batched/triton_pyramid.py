"""Triton kernel that halves a level of many pyramids."""

from __future__ import annotations

import triton
import triton.language as tl

from element_facerhythm.core.tracking.batched.triton_flow import mirrored, pixel_at


@triton.jit
def halve_kernel(
    pool,  # (n_slots, frame_bytes) uint8
    slots,  # (N,) int64: the frames to halve
    source_offset,
    source_width,
    source_height,
    target_offset,
    target_width,
    target_height,
    frame_bytes,
    N_BLOCK: tl.constexpr,
):
    """Smooth a level with (1, 4, 6, 4, 1) / 16 along both axes, keep every second pixel."""
    pixel = tl.program_id(0) * N_BLOCK + tl.arange(0, N_BLOCK)
    exists = pixel < target_width * target_height
    frame = pool + tl.load(slots + tl.program_id(1)).to(tl.int64) * frame_bytes
    image = frame + source_offset
    row = tl.where(exists, pixel // target_width, 0)
    column = tl.where(exists, pixel % target_width, 0)
    total = 0 * pixel
    for i in range(5):
        weight_i = tl.where(i == 2, 6, tl.where((i == 1) | (i == 3), 4, 1))
        source_row = mirrored(2 * row + i - 2, source_height)
        for j in range(5):
            weight_j = tl.where(j == 2, 6, tl.where((j == 1) | (j == 3), 4, 1))
            source_column = mirrored(2 * column + j - 2, source_width)
            total += weight_i * weight_j * pixel_at(image, source_row, source_column, source_width)
    tl.store(frame + target_offset + pixel, ((total + 128) >> 8).to(tl.uint8), mask=exists)
