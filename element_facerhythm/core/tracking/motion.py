"""How points move besides following the flow: towards their neighbours (mesh) and home (relaxation)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from element_facerhythm.core.arrays import BoolPoints, Points
from element_facerhythm.core.compiled import compiled
from element_facerhythm.core.tracking.mesh import Mesh
from element_facerhythm.core.tracking.settings import PointDynamics
from element_facerhythm.core.tracking.violations import violating_points

_f4 = np.float32


@dataclass(frozen=True, eq=False)
class Motion:
    """What acts on points besides the flow.

    Attributes
    ----------
    home
        (P, 2) float32 positions at rest, in pixels (x, y).
    mesh
        Neighbours and rest offsets.
    dynamics
        Shares taken back in every frame, and what counts as a violation.
    """

    home: Points
    mesh: Mesh
    dynamics: PointDynamics

    def strayed(self, points: Points) -> BoolPoints:
        """(P,) points that violate where points are (P, 2), with their neighbours."""
        threshold_px = self.dynamics.displacement_threshold_px
        return violating_points(points, self.home, self.mesh.neighbors, threshold_px)

    def regularised(
        self, before: Points, moved: Points, found: BoolPoints, held: BoolPoints
    ) -> Points:
        """Return points after a frame: flagged ones stay, then mesh and relaxation act on all.

        Parameters
        ----------
        before
            (P, 2) points in the frame before.
        moved
            (P, 2) where the flow took them; overwritten.
        found
            (P,) whether the flow could be measured.
        held
            (P,) whether a point is flagged, and does not follow the flow.

        Returns
        -------
        (P, 2) float32
        """
        if self.dynamics.as_face_rhythm:
            points = np.where(held[:, None], before, moved)
            offsets = _offsets_by_torch(points, self.mesh) - self.mesh.rest_offsets
            points -= offsets * _f4(self.dynamics.mesh_rigidity)
            points -= (points - self.home) * _f4(self.dynamics.relaxation)
            return points
        points = np.empty_like(before)
        _regularise(
            before,
            moved,
            held | ~found,
            self.home,
            self.mesh.neighbors,
            self.mesh.rest_offsets,
            _f4(self.dynamics.mesh_rigidity),
            _f4(self.dynamics.relaxation),
            points,
        )
        return points


def _offsets_by_torch(points: Points, mesh: Mesh) -> Points:
    """Mean offsets (P, 2), summed in torch's order as face-rhythm does: the last bit decides."""
    import torch

    xy = torch.from_numpy(np.ascontiguousarray(points.T))
    apart = xy[:, :, None] - xy[:, torch.from_numpy(mesh.neighbors)]
    offsets: Points = apart.contiguous().mean(dim=2).T.numpy()
    return offsets


@compiled
def _regularise(  # type: ignore[no-untyped-def]
    before, moved, stays, home, neighbors, rest_offsets, rigidity, relaxation, points
):
    n_points, n_neighbors = neighbors.shape
    share = _f4(1) / _f4(max(n_neighbors, 1))
    for p in range(n_points):
        if stays[p]:
            moved[p, 0], moved[p, 1] = before[p, 0], before[p, 1]
    for p in range(n_points):
        sum_x, sum_y = _f4(0), _f4(0)
        for k in range(n_neighbors):
            sum_x += moved[p, 0] - moved[neighbors[p, k], 0]
            sum_y += moved[p, 1] - moved[neighbors[p, k], 1]
        x = moved[p, 0] - (sum_x * share - rest_offsets[p, 0]) * rigidity
        y = moved[p, 1] - (sum_y * share - rest_offsets[p, 1]) * rigidity
        points[p, 0] = x - (x - home[p, 0]) * relaxation
        points[p, 1] = y - (y - home[p, 1]) * relaxation
