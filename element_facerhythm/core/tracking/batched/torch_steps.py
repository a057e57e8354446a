"""Steps of many sequences by torch's own operations, where Triton is not at hand."""

from __future__ import annotations

import torch
from torch import Tensor

from element_facerhythm.core.tracking.batched.steps import FOLLOWS, STANDS, Motion, Scene
from element_facerhythm.core.tracking.batched.torch_flow import batched_flow


class TorchStepper:
    """The arithmetic of `TritonStepper` in a few thousand launches a step."""

    def __init__(self, scene: Scene, motion: Motion) -> None:
        self._scene = scene
        self._motion = motion

    def __call__(
        self, rows: Tensor, slots: Tensor, modes: Tensor, held: Tensor, start: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Points (B, K, P, 2) after each step, and (B, K) where one strayed."""
        points, strayed = [start], []
        for k in range(modes.shape[1]):
            before = points[-1]
            moved, found = batched_flow(
                rows,
                self._scene.geometry,
                slots[:, k],
                slots[:, k + 1],
                before,
                (modes[:, k] == FOLLOWS)[:, None] & (held[:, k] == 0),
                self._motion.flow,
            )
            after = self._settled(torch.where(found[..., None], moved, before))
            points.append(torch.where((modes[:, k] >= STANDS)[:, None, None], before, after))
            apart = torch.linalg.vector_norm(points[-1] - self._scene.home, dim=2)
            strayed.append((apart > self._motion.threshold_px).any(1))
        return torch.stack(points[1:], 1), torch.stack(strayed, 1).to(torch.int32)

    def _settled(self, points: Tensor) -> Tensor:
        """Take back shares of the way to the mesh and home."""
        scene, motion = self._scene, self._motion
        total = torch.zeros_like(points)
        for neighbor in scene.neighbors.to(torch.int64).T:
            total += points - points[:, neighbor]
        points = points - (total / scene.neighbors.shape[1] - scene.rest) * motion.mesh_rigidity
        return points - (points - scene.home) * motion.relaxation
