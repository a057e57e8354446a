"""Lucas-Kanade between two frames in torch: the batched flow with a single sequence."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from element_facerhythm.core.tracking.batched.geometry import PyramidGeometry, pyramid_geometry
from element_facerhythm.core.tracking.batched.pool import pyramid_rows
from element_facerhythm.core.tracking.batched.torch_flow import batched_flow
from element_facerhythm.core.tracking.settings import FlowSettings, GrayFrame, Points, Prepare


class TorchFlow:
    """Lucas-Kanade on a torch device; the pyramid of the last frame is kept for the next call."""

    def __init__(
        self, settings: FlowSettings, device: torch.device | str, *, prepare: Prepare
    ) -> None:
        self._settings = settings
        self._prepare = prepare
        self._device = torch.device(device)
        self._last: tuple[GrayFrame, torch.Tensor] | None = None

    def describe(self, frame: GrayFrame) -> GrayFrame:
        """Return the prepared frame."""
        return self._prepare(frame)

    def close(self) -> None:
        """There is nothing to let go of."""

    def __call__(
        self, frame_before: GrayFrame, frame_after: GrayFrame, points: Points
    ) -> tuple[Points, NDArray[np.bool_]]:
        """Points in the second frame, and where they were found."""
        height, width = frame_before.shape
        geometry = pyramid_geometry((height, width), self._settings)
        rows = torch.cat([self._row(f, geometry) for f in (frame_before, frame_after)])
        self._last = (frame_after, rows[1:])
        start = torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32)).to(self._device)
        place = torch.arange(2, device=self._device)
        follows = torch.ones((1, len(start)), dtype=torch.bool, device=self._device)
        moved, found = batched_flow(
            rows, geometry, place[:1], place[1:], start[None], follows, self._settings
        )
        return moved[0].cpu().numpy(), found[0].cpu().numpy()

    def _row(self, frame: GrayFrame, geometry: PyramidGeometry) -> torch.Tensor:
        if self._last is not None and self._last[0] is frame:
            return self._last[1]
        image = torch.from_numpy(np.ascontiguousarray(frame)).to(self._device)
        return pyramid_rows(image[None], geometry)
