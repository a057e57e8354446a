"""How points move besides following the flow: drawn to their neighbours and to their home."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.compiled import compiled
from element_facerhythm.core.tracking.mesh import Mesh
from element_facerhythm.errors import ParameterError

Points = NDArray[np.float32]
BoolPoints = NDArray[np.bool_]
Rewind = Literal["correct", "face-rhythm"]

_f4 = np.float32


@dataclass(frozen=True, eq=False)
class Motion:
    """What acts on points in every frame, and when they are held.

    Attributes
    ----------
    home
        (P, 2) float32 positions at rest, in pixels (x, y).
    mesh
        Neighbours and rest offsets.
    mesh_rigidity, relaxation
        Share of the way back to the mesh, and home, in every frame.
    threshold_px
        A point further from home than this violates.
    n_before, n_after
        Frames flagged before a violation, and from it on.
    frames_freeze
        (T,) bool: frames in which the flow is not followed; None for none.
    relaxation_during_freeze
        Whether mesh and relaxation still act in those frames.
    rewind
        `correct`, or `face-rhythm` for its numbers; see `track_points`.
    """

    home: Points
    mesh: Mesh
    mesh_rigidity: float
    relaxation: float
    threshold_px: float
    n_before: int
    n_after: int
    frames_freeze: BoolPoints | None
    relaxation_during_freeze: bool
    rewind: Rewind

    def __post_init__(self) -> None:
        """Refuse what has no meaning.

        Raises
        ------
        ParameterError
            A number of halted frames is negative, or the rewind is unknown.
        """
        if self.n_before < 0 or self.n_after < 0:
            raise ParameterError(
                f"framesHalted_before is {self.n_before}, framesHalted_after {self.n_after}; "
                "expected 0 or more."
            )
        if self.rewind not in ("correct", "face-rhythm"):
            raise ParameterError(f"rewind is {self.rewind!r}; expected 'correct' or 'face-rhythm'.")

    @property
    def as_face_rhythm(self) -> bool:
        """Whether face-rhythm's numbers are wanted, defects included."""
        return self.rewind == "face-rhythm"

    def freezes(self, index: int) -> bool:
        """Whether the flow is not followed in a frame."""
        return self.frames_freeze is not None and bool(self.frames_freeze[index])

    def settled(self, before: Points, moved: Points, found: BoolPoints, held: BoolPoints) -> Points:
        """Points (P, 2) after the flow took them from `before` to `moved`: held, or drawn back."""
        if self.as_face_rhythm:
            points = np.where(held[:, None], before, moved)
            offsets = _offsets_by_torch(points, self.mesh) - self.mesh.rest_offsets
            points -= offsets * _f4(self.mesh_rigidity)
            points -= (points - self.home) * _f4(self.relaxation)
            return points
        points = np.empty_like(before)
        _settle(
            before,
            moved,
            held | ~found,
            self.home,
            self.mesh.neighbors,
            self.mesh.rest_offsets,
            _f4(self.mesh_rigidity),
            _f4(self.relaxation),
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
def _settle(  # type: ignore[no-untyped-def]
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
