"""Preparation of many frames at once on a torch device: mask, then local contrast (CLAHE).

OpenCV's arithmetic: the frame is extended by mirroring until it holds a whole number of tiles, each
tile's histogram is clipped and the excess dealt out evenly, and a pixel is looked up in the tables
of the four nearest tiles, blended bilinearly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from element_facerhythm.core.tracking.settings import ClaheSettings

_N_GRAY = 256
_EAGER_TABLES_BYTES = 64 * 2**20  # histograms that the eager path holds at once


@dataclass(frozen=True)
class Tiles:
    """How a frame is cut into tiles.

    Attributes
    ----------
    n_across, n_down
        Number of tiles.
    width, height
        Of a tile, in pixels.
    clip_limit
        Most pixels of one gray level in a tile; 0 for no limit.
    """

    n_across: int
    n_down: int
    width: int
    height: int
    clip_limit: int

    @property
    def n_tiles(self) -> int:
        """Number of tiles in a frame."""
        return self.n_across * self.n_down

    @property
    def scale(self) -> float:
        """Gray levels per pixel of a tile."""
        return float(np.float32(_N_GRAY - 1) / np.float32(self.width * self.height))


def make_tiles(shape: tuple[int, int], settings: ClaheSettings) -> Tiles:
    """Cut a frame into tiles.

    Parameters
    ----------
    shape
        (height, width) of the frame in pixels.
    settings
        Contrast limit and grid of tiles.
    """
    height, width = shape
    (across, down), clip_limit = settings.tile_grid, settings.clip_limit
    if width % across or height % down:
        # both sides are extended as soon as one has to be, by a whole row of tiles if need be
        width += across - width % across
        height += down - height % down
    tile_width, tile_height = width // across, height // down
    limit = max(int(clip_limit * tile_width * tile_height / _N_GRAY), 1) if clip_limit > 0 else 0
    return Tiles(across, down, tile_width, tile_height, limit)


class BatchedPreparation:
    """Hides what lies outside the mask and equalises local contrast, many frames at a time.

    Parameters
    ----------
    visible_mask
        (H, W) bool; pixels outside are set to 0.
    clahe
        Local contrast; None leaves it as it is.
    device
        Where the frames are.
    use_triton
        Compute with Triton's kernels; otherwise with torch's operations. The results are equal.
    """

    def __init__(
        self,
        visible_mask: NDArray[np.bool_],
        clahe: ClaheSettings | None,
        *,
        device: torch.device,
        use_triton: bool,
    ) -> None:
        self.shape: tuple[int, int] = (visible_mask.shape[0], visible_mask.shape[1])
        self._use_triton = use_triton
        self._mask = None
        if not visible_mask.all():
            self._mask = torch.from_numpy(visible_mask.astype(np.uint8)).to(device)
        self._tiles = None
        if clahe is not None:
            self._tiles = make_tiles(self.shape, clahe)
            across = _neighbours(self.shape[1], self._tiles.width, self._tiles.n_across)
            down = _neighbours(self.shape[0], self._tiles.height, self._tiles.n_down)
            self._places = tuple(torch.from_numpy(a).to(device) for a in (*across, *down))

    @property
    def bytes_per_frame(self) -> int:
        """Memory that preparing one frame takes beside the frame itself."""
        n_tiles = 0 if self._tiles is None else self._tiles.n_tiles
        return n_tiles * _N_GRAY + 2 * self.shape[0] * self.shape[1]

    def __call__(self, frames: Tensor) -> Tensor:
        """Prepare (N, H, W) uint8 frames; the result is new unless nothing is to be done."""
        if self._mask is not None:
            frames = frames * self._mask
        if self._tiles is None:
            return frames
        if self._use_triton:
            return self._equalised_by_triton(frames.contiguous(), self._tiles)
        n_at_once = max(_EAGER_TABLES_BYTES // (self._tiles.n_tiles * _N_GRAY * 4), 1)
        parts = [self._equalised(part, self._tiles) for part in frames.split(n_at_once)]
        return torch.cat(parts)

    def _equalised_by_triton(self, frames: Tensor, tiles: Tiles) -> Tensor:
        from element_facerhythm.core.tracking.batched import triton_clahe

        n_frames, height, width = frames.shape
        tables = frames.new_empty((n_frames, tiles.n_tiles, _N_GRAY))
        n_pixels = tiles.width * tiles.height
        n_tile = min(max(1 << (n_pixels - 1).bit_length(), 32), 1024)
        triton_clahe.tables_kernel[(tiles.n_tiles, n_frames)](
            frames,
            tables,
            height,
            width,
            tiles.n_across,
            tiles.width,
            tiles.height,
            tiles.clip_limit,
            tiles.scale,
            N_CHUNKS=-(-n_pixels // n_tile),
            N_TILE=n_tile,
            num_warps=1 if n_tile <= 256 else 4,
            enable_fp_fusion=False,
        )
        equalised = torch.empty_like(frames)
        n_block = 1024
        triton_clahe.equalise_kernel[(-(-height * width // n_block), n_frames)](
            frames,
            tables,
            equalised,
            *self._places,
            height,
            width,
            tiles.n_across,
            tiles.n_tiles,
            N_BLOCK=n_block,
            num_warps=4,
            enable_fp_fusion=False,
        )
        return equalised

    def _equalised(self, frames: Tensor, tiles: Tiles) -> Tensor:
        tables = _tables(frames, tiles).view(len(frames), -1)
        left, right, share_right, upper, lower, share_lower = self._places
        values = frames.to(torch.int64)

        def looked_up(rows: Tensor, columns: Tensor) -> Tensor:
            tile = rows[:, None].to(torch.int64) * tiles.n_across + columns[None]
            place = (tile * _N_GRAY + values).view(len(frames), -1)
            return tables.gather(1, place).view(values.shape).to(torch.float32)

        xa, ya = share_right, share_lower[:, None]
        above = looked_up(upper, left) * (1.0 - xa) + looked_up(upper, right) * xa
        below = looked_up(lower, left) * (1.0 - xa) + looked_up(lower, right) * xa
        return (above * (1.0 - ya) + below * ya).round().clamp(max=255).to(torch.uint8)


def _neighbours(
    length: int, tile_length: int, n_tiles: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """For every pixel of an axis: the tiles before and after it, and the share of the latter."""
    place = np.arange(length, dtype=np.float32) * (np.float32(1) / np.float32(tile_length))
    place -= np.float32(0.5)
    before = np.floor(place)
    share = (place - before).astype(np.float32)
    first = np.maximum(before, 0).astype(np.int32)
    second = np.minimum(before + 1, n_tiles - 1).astype(np.int32)
    return first, second, share


def _mirrored(length: int, n_wanted: int, device: torch.device) -> Tensor:
    """Index an axis extended at its end, mirrored about its border pixels."""
    period = max(2 * (length - 1), 1)
    index = torch.arange(n_wanted, device=device) % period
    return torch.minimum(index, period - index) % length


def _tables(frames: Tensor, tiles: Tiles) -> Tensor:
    """Gray level tables (N, n_tiles, 256) uint8 of every tile."""
    n_frames, height, width = frames.shape
    rows = _mirrored(height, tiles.n_down * tiles.height, frames.device)
    columns = _mirrored(width, tiles.n_across * tiles.width, frames.device)
    extended = frames[:, rows][:, :, columns].to(torch.int64)
    cut = extended.view(n_frames, tiles.n_down, tiles.height, tiles.n_across, tiles.width)
    pixels = cut.transpose(2, 3).reshape(n_frames, tiles.n_tiles, -1)
    counts = torch.zeros((*pixels.shape[:2], _N_GRAY), dtype=torch.int32, device=frames.device)
    one = torch.ones((), dtype=torch.int32, device=frames.device)
    counts.scatter_add_(2, pixels, one.expand_as(pixels))
    if tiles.clip_limit > 0:
        excess = (counts - tiles.clip_limit).clamp(min=0).sum(2, keepdim=True)
        residue = excess % _N_GRAY
        stride = (_N_GRAY // residue.clamp(min=1)).clamp(min=1)
        level = torch.arange(_N_GRAY, device=frames.device)
        dealt = (level % stride == 0) & (level // stride < residue)
        counts = counts.clamp(max=tiles.clip_limit) + excess // _N_GRAY + dealt
    summed = counts.cumsum(2).to(torch.float32) * tiles.scale
    return summed.round().clamp(max=255).to(torch.uint8)
