"""Triton kernel of what follows the flow in a step: mesh, relaxation, the check for strayed points."""

from __future__ import annotations

import triton
import triton.language as tl


# their values would otherwise have the kernel compiled again and again
@triton.jit(do_not_specialize=["k", "n_steps"])
def settle_kernel(
    points,  # (B, K + 1, P, 2) float32: row k is read, row k + 1 written
    moved,  # (B, P, 2) float32
    found,  # (B, P) uint8
    home,  # (P, 2) float32
    neighbors,  # (P, N_NEIGHBORS) int32
    rest,  # (P, 2) float32
    modes,  # (B, K) int8: 0 follows the flow, 1 mesh and relaxation alone, else stands still
    strayed,  # (B, K) int32, set to 1 where any point is too far from home
    k,
    n_steps,
    n_points,
    mesh_rigidity,
    relaxation,
    threshold_px,
    N_NEIGHBORS: tl.constexpr,
    N_BLOCK: tl.constexpr,
):
    """Mesh, relaxation and the check for strayed points, after the flow of step k."""
    sequence = tl.program_id(1)
    point = tl.program_id(0) * N_BLOCK + tl.arange(0, N_BLOCK)
    exists = point < n_points
    mode = tl.load(modes + sequence * n_steps + k)
    before = points + (sequence * (n_steps + 1) + k).to(tl.int64) * n_points * 2
    after = before + n_points * 2
    old_x = tl.load(before + point * 2, mask=exists, other=0.0)
    old_y = tl.load(before + point * 2 + 1, mask=exists, other=0.0)
    if mode > 1:
        tl.store(after + point * 2, old_x, mask=exists)
        tl.store(after + point * 2 + 1, old_y, mask=exists)
    else:
        flow = moved + sequence.to(tl.int64) * n_points * 2
        seen = found + sequence.to(tl.int64) * n_points
        own = tl.load(seen + point, mask=exists, other=0) != 0
        x = tl.where(own, tl.load(flow + point * 2, mask=exists, other=0.0), old_x)
        y = tl.where(own, tl.load(flow + point * 2 + 1, mask=exists, other=0.0), old_y)
        sum_x, sum_y = 0.0 * x, 0.0 * y
        for j in range(N_NEIGHBORS):
            other = tl.load(neighbors + point * N_NEIGHBORS + j, mask=exists, other=0)
            there = tl.load(seen + other, mask=exists, other=0) != 0
            other_x = tl.where(
                there,
                tl.load(flow + other * 2, mask=exists, other=0.0),
                tl.load(before + other * 2, mask=exists, other=0.0),
            )
            other_y = tl.where(
                there,
                tl.load(flow + other * 2 + 1, mask=exists, other=0.0),
                tl.load(before + other * 2 + 1, mask=exists, other=0.0),
            )
            sum_x += x - other_x
            sum_y += y - other_y
        n_neighbors = N_NEIGHBORS * 1.0
        rest_x = tl.load(rest + point * 2, mask=exists, other=0.0)
        rest_y = tl.load(rest + point * 2 + 1, mask=exists, other=0.0)
        x -= (tl.div_rn(sum_x, n_neighbors + 0.0 * sum_x) - rest_x) * mesh_rigidity
        y -= (tl.div_rn(sum_y, n_neighbors + 0.0 * sum_y) - rest_y) * mesh_rigidity
        home_x = tl.load(home + point * 2, mask=exists, other=0.0)
        home_y = tl.load(home + point * 2 + 1, mask=exists, other=0.0)
        x -= (x - home_x) * relaxation
        y -= (y - home_y) * relaxation
        tl.store(after + point * 2, x, mask=exists)
        tl.store(after + point * 2 + 1, y, mask=exists)
        apart_x, apart_y = x - home_x, y - home_y
        far = exists & (tl.sqrt_rn(apart_x * apart_x + apart_y * apart_y) > threshold_px)
        if tl.sum(far.to(tl.int32), axis=0) > 0:
            tl.store(strayed + sequence * n_steps + k, 1)
