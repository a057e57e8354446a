"""Steps of many sequences by the fused Triton kernels: a few launches a step."""

from __future__ import annotations

import torch
from torch import Tensor

from element_facerhythm.core.tracking.batched.steps import FOLLOWS, Frames, Scene
from element_facerhythm.core.tracking.batched.torch_refine import BatchedMatches, carry
from element_facerhythm.core.tracking.batched.triton_flow import flow_kernel
from element_facerhythm.core.tracking.batched.triton_refine import refine_kernel
from element_facerhythm.core.tracking.batched.triton_settle import settle_kernel
from element_facerhythm.core.tracking.refinement import (
    FIRST_LOOK,
    LAST_LOOK,
    N_ITERATIONS,
    STEP_PX,
    Look,
)
from element_facerhythm.core.tracking.settings import TrackingSettings

_SETTLE_BLOCK = 128


class TritonStepper:
    """Lucas-Kanade of every point of every sequence in one launch; mesh and the rest in another.

    Parameters
    ----------
    scene, settings
        What the sequences share; flow, mesh, relaxation and threshold.
    flow_warps
        Warps that follow one point; None takes one per 128 pixels of the window.
    """

    def __init__(
        self, scene: Scene, settings: TrackingSettings, flow_warps: int | None = None
    ) -> None:
        self._scene = scene
        self._flow_settings, self._dynamics = settings.flow, settings.dynamics
        width, height = settings.flow.window_px
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
        strayed = torch.zeros_like(modes, dtype=torch.int32)
        for k in range(n_steps):
            stays = held[:, k].contiguous()
            if frames.smooth is None or self._scene.visible is None:
                moved, found = self._search(frames.rows, slots, modes, stays, points, k)
            else:
                moved, found = self._match_or_search(frames, slots, modes, points, k)
                found &= stays == 0
            self._settle(points, moved, found, modes, strayed, k)
        return points[:, 1:], strayed

    def _match_or_search(
        self, frames: Frames, slots: Tensor, modes: Tensor, points: Tensor, k: int
    ) -> tuple[Tensor, Tensor]:
        """Where the points (B, P, 2) went in step k, and (B, P) uint8 where that is known.

        Computed for points held in place, too: how well they match counts.
        """
        before = points[:, k].contiguous()
        follows = (modes[:, k] == FOLLOWS)[:, None].expand(before.shape[:2]).contiguous()
        moved, again = before.clone(), before.clone()
        nowhere = torch.zeros_like(modes[:, k], dtype=torch.uint8)
        matches = self._refine(frames, slots, points, moved, follows, k, FIRST_LOOK, nowhere)
        other_light, gain = matches.in_other_light(), matches.common_gain()
        lit = (follows & other_light[:, None]).contiguous()
        light = other_light.to(torch.uint8)
        # mostly for no sequence; asking the device whether there is one would take longer
        others = self._refine(frames, slots, points, again, lit, k, FIRST_LOOK, light)
        moved = torch.where(other_light[:, None, None], again, moved)
        matches = others.where(lit, matches)
        moved = moved + matches.leaning(gain)
        clear = matches.clear()
        searched, found = self._search(frames.rows, slots, modes, clear.to(torch.uint8), points, k)
        judged = self._refine(frames, slots, points, searched, found != 0, k, LAST_LOOK, light)
        moved = torch.where(clear[..., None], moved, searched + judged.leaning(gain))
        matches = matches.where(clear, judged)
        lost = matches.lost()
        moved, carried = carry(before, moved, lost, matches.clear(), self._scene.neighbors)
        known = (clear | (found != 0)) & (carried | ~lost)
        return moved.contiguous(), known.to(torch.uint8)

    def _search(
        self, rows: Tensor, slots: Tensor, modes: Tensor, stays: Tensor, points: Tensor, k: int
    ) -> tuple[Tensor, Tensor]:
        """Where the points (B, P, 2) went on the prepared frames, and (B, P) uint8 where found."""
        n_sequences, n_points = stays.shape
        n_steps = modes.shape[1]
        moved = points.new_empty((n_sequences, n_points, 2))
        found = torch.empty_like(stays)
        settings, geometry = self._flow_settings, self._scene.geometry
        flow_kernel[(n_points, n_sequences)](
            rows,
            self._levels,
            slots,
            modes,
            stays,
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
            num_warps=self._flow_warps,
            enable_fp_fusion=False,
        )
        return moved, found

    def _refine(
        self,
        frames: Frames,
        slots: Tensor,
        points: Tensor,
        moved: Tensor,
        found: Tensor,
        k: int,
        look: Look,
        lit: Tensor,
    ) -> BatchedMatches:
        """Improve `moved` in place where `found` (B, P), and say how well that matches.

        `lit` (B,) uint8: the second frame is lit otherwise.
        """
        n_sequences, n_points = found.shape
        mismatch, texture, light, gain = moved.new_empty((4, n_sequences, n_points))
        taken = torch.empty((n_sequences, n_points), dtype=torch.uint8, device=moved.device)
        lean = moved.new_empty((n_sequences, n_points, 2))
        visible = self._scene.visible
        assert visible is not None
        width, height = self._flow_settings.window_px
        refine_kernel[(n_points, n_sequences)](
            frames.smooth,
            visible,
            slots,
            points,
            moved,
            found.to(torch.uint8),
            lit,
            mismatch,
            texture,
            light,
            gain,
            lean,
            taken,
            *visible.shape,
            k,
            slots.shape[1] - 1,
            n_points,
            STEP_PX,
            look.reach_px,
            look.doubt,
            WINDOW_W=width,
            WINDOW_H=height,
            N_TILE=self._n_tile,
            N_ITERATIONS=N_ITERATIONS,
            num_warps=self._flow_warps,
            enable_fp_fusion=False,
        )
        return BatchedMatches(mismatch, texture, light, gain, lean, taken != 0)

    def _settle(
        self, points: Tensor, moved: Tensor, found: Tensor, modes: Tensor, strayed: Tensor, k: int
    ) -> None:
        n_sequences, n_points = found.shape
        scene, dynamics = self._scene, self._dynamics
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
            dynamics.mesh_rigidity,
            dynamics.relaxation,
            dynamics.displacement_threshold_px,
            N_NEIGHBORS=scene.neighbors.shape[1],
            N_BLOCK=_SETTLE_BLOCK,
            num_warps=4,
            enable_fp_fusion=False,
        )
