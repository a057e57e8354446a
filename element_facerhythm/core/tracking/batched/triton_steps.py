"""Steps of many sequences by the fused Triton kernels: two launches a step."""

from __future__ import annotations

import torch
from torch import Tensor

from element_facerhythm.core.tracking.batched.steps import Frames, Motion, Scene
from element_facerhythm.core.tracking.batched.torch_refine import lost
from element_facerhythm.core.tracking.batched.triton_flow import flow_kernel
from element_facerhythm.core.tracking.batched.triton_refine import refine_kernel
from element_facerhythm.core.tracking.batched.triton_settle import settle_kernel
from element_facerhythm.core.tracking.refinement import N_ITERATIONS, REACH_PX, STEP_PX

_SETTLE_BLOCK = 128


class TritonStepper:
    """Lucas-Kanade of every point of every sequence in one launch; mesh and the rest in another.

    Parameters
    ----------
    scene, motion
        What the sequences share, and how points move.
    flow_warps
        Warps that follow one point; None takes one per 128 pixels of the window.
    """

    def __init__(self, scene: Scene, motion: Motion, flow_warps: int | None = None) -> None:
        self._scene = scene
        self._motion = motion
        width, height = motion.flow.window_px
        self._n_tile = 1 << (width * height - 1).bit_length()
        self._flow_warps = flow_warps or min(max(self._n_tile // 128, 1), 8)
        levels = [[level.offset, level.width, level.height] for level in scene.geometry.levels]
        self._levels = torch.tensor(levels, dtype=torch.int32, device=scene.home.device)

    def __call__(
        self, frames: Frames, slots: Tensor, modes: Tensor, held: Tensor, start: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Points (B, K, P, 2) after each step, and (B, K) where one strayed."""
        n_sequences, n_steps, n_points = held.shape
        points = start.new_empty((n_sequences, n_steps + 1, n_points, 2))
        points[:, 0] = start
        moved = torch.empty_like(start)
        found = torch.empty((n_sequences, n_points), dtype=torch.uint8, device=start.device)
        strayed = torch.zeros_like(modes, dtype=torch.int32)
        for k in range(n_steps):
            self._flow(frames.rows, slots, modes, held, points, moved, found, k)
            if frames.smooth is not None and self._scene.visible is not None:
                judged = self._refine(
                    frames.smooth, self._scene.visible, slots, points, moved, found, k
                )
                found = (judged & (held[:, k] == 0)).to(torch.uint8)
            self._settle(points, moved, found, modes, strayed, k)
        return points[:, 1:], strayed

    def _flow(
        self,
        rows: Tensor,
        slots: Tensor,
        modes: Tensor,
        held: Tensor,
        points: Tensor,
        moved: Tensor,
        found: Tensor,
        k: int,
    ) -> None:
        n_sequences, n_steps, n_points = held.shape
        settings, geometry = self._motion.flow, self._scene.geometry
        flow_kernel[(n_points, n_sequences)](
            rows,
            self._levels,
            slots,
            modes,
            held,
            points,
            moved,
            found,
            k,
            n_steps,
            n_points,
            geometry.n_bytes,
            settings.step_px,
            N_LEVELS=len(geometry.levels),
            WINDOW_W=settings.window_px[0],
            WINDOW_H=settings.window_px[1],
            N_TILE=self._n_tile,
            N_ITERATIONS=settings.n_iterations,
            ALL_POINTS=self._scene.visible is not None,
            num_warps=self._flow_warps,
            enable_fp_fusion=False,
        )

    def _refine(
        self,
        smooth: Tensor,
        visible: Tensor,
        slots: Tensor,
        points: Tensor,
        moved: Tensor,
        found: Tensor,
        k: int,
    ) -> Tensor:
        """Improve `moved` in place; return (B, P) bool, which matches are to be believed."""
        n_sequences, n_points = found.shape
        mismatch, texture = moved.new_empty((2, n_sequences, n_points))
        width, height = self._motion.flow.window_px
        refine_kernel[(n_points, n_sequences)](
            smooth,
            visible,
            slots,
            points,
            moved,
            found,
            mismatch,
            texture,
            *visible.shape,
            k,
            slots.shape[1] - 1,
            n_points,
            STEP_PX,
            REACH_PX,
            WINDOW_W=width,
            WINDOW_H=height,
            N_TILE=self._n_tile,
            N_ITERATIONS=N_ITERATIONS,
            num_warps=self._flow_warps,
            enable_fp_fusion=False,
        )
        return (found != 0) & ~lost(mismatch, texture)

    def _settle(
        self, points: Tensor, moved: Tensor, found: Tensor, modes: Tensor, strayed: Tensor, k: int
    ) -> None:
        n_sequences, n_points = found.shape
        scene, motion = self._scene, self._motion
        settle_kernel[(-(-n_points // _SETTLE_BLOCK), n_sequences)](
            points,
            moved,
            found,
            scene.home,
            scene.neighbors,
            scene.rest,
            modes,
            strayed,
            k,
            modes.shape[1],
            n_points,
            motion.mesh_rigidity,
            motion.relaxation,
            motion.threshold_px,
            N_NEIGHBORS=scene.neighbors.shape[1],
            N_BLOCK=_SETTLE_BLOCK,
            num_warps=4,
            enable_fp_fusion=False,
        )
