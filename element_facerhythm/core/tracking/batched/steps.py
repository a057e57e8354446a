"""Some steps of many sequences at once: what goes in and comes out, for every backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from element_facerhythm.core.arrays import Points
from element_facerhythm.core.tracking.batched.geometry import PyramidGeometry
from element_facerhythm.core.tracking.mesh import Mesh

FOLLOWS, SETTLES, STANDS = 0, 1, 2
"""What happens in a step: points follow the flow; mesh and relaxation alone; nothing."""


@dataclass(frozen=True)
class Frames:
    """Frames on the device, one row each.

    Attributes
    ----------
    rows
        (n_slots, n_bytes) uint8 pyramids of prepared frames.
    smooth
        (n_slots, H * W) int16 raw frames, smoothed; None where matches are not refined.
    """

    rows: Tensor
    smooth: Tensor | None


@dataclass(frozen=True)
class Scene:
    """What all sequences share, on the device.

    Attributes
    ----------
    home
        (P, 2) float32.
    neighbors
        (P, K) int32.
    rest
        (P, 2) float32 rest offsets.
    geometry
        Where the levels of a frame lie.
    visible
        (H, W) float32, 1 where the frame is visible, to refine matches there; None to leave them.
    """

    home: Tensor
    neighbors: Tensor
    rest: Tensor
    geometry: PyramidGeometry
    visible: Tensor | None = None

    @classmethod
    def of(
        cls,
        home: Points,
        mesh: Mesh,
        geometry: PyramidGeometry,
        device: torch.device,
        refine_within: NDArray[np.bool_] | None = None,
    ) -> Scene:
        """Bring home, mesh and mask to a device.

        Parameters
        ----------
        home
            (P, 2) float32 positions at rest.
        mesh
            Of these points.
        geometry
            Where the levels of a frame lie.
        device
            Where to.
        refine_within
            (H, W) bool, where matches are refined; None to leave them.
        """
        visible = None
        if refine_within is not None:
            visible = torch.from_numpy(refine_within.astype(np.float32)).to(device)
        return cls(
            torch.from_numpy(np.ascontiguousarray(home, np.float32)).to(device),
            torch.from_numpy(np.ascontiguousarray(mesh.neighbors, np.int32)).to(device),
            torch.from_numpy(np.ascontiguousarray(mesh.rest_offsets, np.float32)).to(device),
            geometry,
            visible,
        )


class Stepper(Protocol):
    """Computes K steps of B sequences; all tensors are on the device.

    Arguments
    ---------
    frames
        Prepared frames.
    slots
        (B, K + 1) int32: the row of the frame before the first step, and of each step's frame.
    modes
        (B, K) int8: what each sequence does.
    held
        (B, K, P) uint8: 1 where a point does not follow the flow.
    start
        (B, P, 2) float32 points before the first step.

    Returns
    -------
    points
        (B, K, P, 2) float32 after each step.
    strayed
        (B, K) int32, not 0 where a point is further from home than the threshold.
    """

    def __call__(
        self, frames: Frames, slots: Tensor, modes: Tensor, held: Tensor, start: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Points after each step, and where one strayed."""
        ...
