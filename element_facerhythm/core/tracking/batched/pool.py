"""Prepared frames and their pyramids on a device, one row of bytes per frame."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from element_facerhythm.core.tracking.batched.clahe import BatchedPreparation
from element_facerhythm.core.tracking.batched.geometry import Level, PyramidGeometry
from element_facerhythm.core.tracking.batched.steps import Frames
from element_facerhythm.core.tracking.batched.torch_refine import smoothed
from element_facerhythm.errors import RoiError

_TAPS = (1, 4, 6, 4, 1)


class FramePool:
    """Memory for `n_slots` prepared frames with their pyramids.

    Parameters
    ----------
    geometry
        Where the levels lie in a row.
    preparation
        What a frame goes through first.
    n_slots
        How many frames fit.
    n_at_once
        How many frames are prepared at once.
    device
        Where the memory is.
    use_triton
        Halve with Triton's kernel; otherwise with torch's operations. The results are equal.
    keep_smooth
        Keep the raw frames, too, smoothed.
    """

    def __init__(
        self,
        geometry: PyramidGeometry,
        preparation: BatchedPreparation,
        *,
        n_slots: int,
        n_at_once: int,
        device: torch.device,
        use_triton: bool,
        keep_smooth: bool = False,
    ) -> None:
        self._geometry = geometry
        self._preparation = preparation
        self._n_at_once = n_at_once
        self._use_triton = use_triton
        self.rows = torch.empty((n_slots, geometry.n_bytes), dtype=torch.uint8, device=device)
        self.smooth = None
        if keep_smooth:
            n_pixels = geometry.levels[0].n_bytes
            self.smooth = torch.empty((n_slots, n_pixels), dtype=torch.int16, device=device)

    @property
    def frames(self) -> Frames:
        """What the slots hold."""
        return Frames(self.rows, self.smooth)

    def put(self, slots: list[int], frames: Tensor) -> None:
        """Prepare raw frames and keep them.

        Parameters
        ----------
        slots
            N places to keep them in.
        frames
            (N, H, W) uint8 raw frames.

        Raises
        ------
        RoiError
            The frames are not of the mask's size.
        """
        if tuple(frames.shape[1:]) != self._preparation.shape:
            height, width = self._preparation.shape
            raise RoiError(
                f"A frame is {frames.shape[2]} x {frames.shape[1]} px (width x height), the mask "
                f"{width} x {height}; use ROIs drawn on this video."
            )
        places = torch.tensor(slots, dtype=torch.int64, device=self.rows.device)
        for part, raw in zip(
            places.split(self._n_at_once), frames.split(self._n_at_once), strict=True
        ):
            there = raw.to(self.rows.device, non_blocking=True)
            if self.smooth is not None:
                self.smooth[part] = smoothed(there).reshape(len(part), -1)
            prepared = self._preparation(there)
            if not self._use_triton:
                self.rows[part] = pyramid_rows(prepared, self._geometry)
                continue
            levels = self._geometry.levels
            self.rows[part, : levels[0].n_bytes] = prepared.reshape(len(part), -1)
            for source, target in pairwise(levels):
                self._halve_by_triton(part, source, target)

    def _halve_by_triton(self, slots: Tensor, source: Level, target: Level) -> None:
        from element_facerhythm.core.tracking.batched import triton_pyramid

        n_block = 256
        triton_pyramid.halve_kernel[(-(-target.n_bytes // n_block), len(slots))](
            self.rows,
            slots,
            source.offset,
            source.width,
            source.height,
            target.offset,
            target.width,
            target.height,
            self._geometry.n_bytes,
            N_BLOCK=n_block,
            num_warps=4,
        )


def pyramid_rows(images: Tensor, geometry: PyramidGeometry) -> Tensor:
    """Lay out the pyramids of images as rows (N, n_bytes).

    Parameters
    ----------
    images
        (N, H, W) uint8 gray levels.
    geometry
        Where the levels lie in a row.
    """
    levels = [images]
    for _ in geometry.levels[1:]:
        levels.append(halved(levels[-1]))
    rows = torch.cat([level.reshape(len(images), -1) for level in levels], dim=1)
    return torch.nn.functional.pad(rows, (0, geometry.n_bytes - rows.shape[1]))


def halved(images: Tensor) -> Tensor:
    """Smooth (N, H, W) uint8 with (1, 4, 6, 4, 1) / 16 along both axes, keep every second pixel.

    Border pixels are mirrored, sums are rounded once, as in OpenCV's pyramid.
    """
    n_rows, n_columns = (images.shape[1] + 1) // 2, (images.shape[2] + 1) // 2
    extended = images[:, _mirrored(images.shape[1], images.device)].to(torch.int32)
    extended = extended[:, :, _mirrored(images.shape[2], images.device)]
    across = torch.zeros((1,), dtype=torch.int32, device=images.device)
    for tap, weight in enumerate(_TAPS):
        across = across + weight * extended[:, :, tap : tap + 2 * n_columns - 1 : 2]
    down = torch.zeros((1,), dtype=torch.int32, device=images.device)
    for tap, weight in enumerate(_TAPS):
        down = down + weight * across[:, tap : tap + 2 * n_rows - 1 : 2]
    return ((down + 128) >> 8).to(torch.uint8)


def _mirrored(length: int, device: torch.device) -> Tensor:
    """Index an axis extended by two on both sides, mirrored about its border pixels."""
    index = np.abs(np.arange(-2, length + 2))
    return torch.from_numpy(np.minimum(index, 2 * (length - 1) - index)).to(device)
