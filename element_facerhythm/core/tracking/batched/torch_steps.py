"""Steps of many sequences by torch's own operations, where Triton is not available."""

from __future__ import annotations

import torch
from torch import Tensor

from element_facerhythm.core.tracking.batched.steps import FOLLOWS, STANDS, Frames, Scene
from element_facerhythm.core.tracking.batched.torch_flow import batched_flow
from element_facerhythm.core.tracking.batched.torch_refine import (
    BatchedMatches,
    TorchRefinement,
    carry,
)
from element_facerhythm.core.tracking.refinement import FIRST_LOOK, LAST_LOOK, Look
from element_facerhythm.core.tracking.settings import TrackingSettings


class TorchStepper:
    """The arithmetic of `TritonStepper` in a few thousand launches a step."""

    def __init__(self, scene: Scene, settings: TrackingSettings) -> None:
        self._scene = scene
        self._flow_settings, self._dynamics = settings.flow, settings.dynamics

    def __call__(
        self, frames: Frames, slots: Tensor, modes: Tensor, held: Tensor, start: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Points (B, K, P, 2) after each step, and (B, K) where one strayed."""
        points, strayed = [start], []
        for k in range(modes.shape[1]):
            before = points[-1]
            moved, found = self._flow(frames, slots[:, k : k + 2], before, modes[:, k] == FOLLOWS)
            found &= held[:, k] == 0
            after = self._settled(torch.where(found[..., None], moved, before))
            points.append(torch.where((modes[:, k] >= STANDS)[:, None, None], before, after))
            apart = torch.linalg.vector_norm(points[-1] - self._scene.home, dim=2)
            strayed.append((apart > self._dynamics.displacement_threshold_px).any(1))
        return torch.stack(points[1:], 1), torch.stack(strayed, 1).to(torch.int32)

    def _flow(
        self, frames: Frames, slots: Tensor, before: Tensor, follows: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Where the points (B, P, 2) went, and where that could be measured (B, P)."""
        everyone = follows[:, None].expand(before.shape[:2])
        if self._scene.visible is None or frames.smooth is None:
            return self._searched(frames, slots, before, everyone)
        refine = TorchRefinement(frames.smooth, self._scene.visible, self._flow_settings)
        nowhere = torch.zeros_like(follows)
        moved, matches = _matched(refine, slots, before, before, everyone, FIRST_LOOK, nowhere)
        other_light, gain = matches.in_other_light(), matches.common_gain()
        if bool(other_light.any()):
            lit = everyone & other_light[:, None]
            again, others = _matched(refine, slots, before, before, lit, FIRST_LOOK, other_light)
            moved = torch.where(other_light[:, None, None], again, moved)
            matches = others.where(lit, matches)
        moved = moved + matches.leaning(gain)
        clear = matches.clear()
        searched, found = self._searched(frames, slots, before, everyone & ~clear)
        refined, judged = _matched(refine, slots, before, searched, found, LAST_LOOK, other_light)
        moved = torch.where(clear[..., None], moved, refined + judged.leaning(gain))
        matches = matches.where(clear, judged)
        lost = matches.lost()
        moved, carried = carry(before, moved, lost, matches.clear(), self._scene.neighbors)
        return moved, (clear | found) & (carried | ~lost)

    def _searched(
        self, frames: Frames, slots: Tensor, before: Tensor, follows: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Search for the points that follow (B, P) on the prepared frames."""
        settings, geometry = self._flow_settings, self._scene.geometry
        return batched_flow(
            frames.rows, geometry, slots[:, 0], slots[:, 1], before, follows, settings
        )

    def _settled(self, points: Tensor) -> Tensor:
        """Move points by a share of the way to the mesh and home."""
        scene, dynamics = self._scene, self._dynamics
        total = torch.zeros_like(points)
        for neighbor in scene.neighbors.to(torch.int64).T:
            total += points - points[:, neighbor]
        points = points - (total / scene.neighbors.shape[1] - scene.rest) * dynamics.mesh_rigidity
        return points - (points - scene.home) * dynamics.relaxation


def _matched(
    refine: TorchRefinement,
    slots: Tensor,
    before: Tensor,
    moved: Tensor,
    found: Tensor,
    look: Look,
    other_light: Tensor,
) -> tuple[Tensor, BatchedMatches]:
    """Improve `moved` (B, P, 2) where `found`, and say how well that matches.

    `other_light` (B,) bool: the second frame is lit otherwise.
    """
    shape = found.shape
    first, second = (slots[:, i].repeat_interleave(shape[1]) for i in (0, 1))
    lit = other_light.repeat_interleave(shape[1])
    improved, *judged = refine(
        first, second, before.reshape(-1, 2), moved.reshape(-1, 2), found.reshape(-1), look, lit
    )
    views = (values.view(*shape, *values.shape[1:]) for values in judged)
    return improved.view(before.shape), BatchedMatches(*views)
