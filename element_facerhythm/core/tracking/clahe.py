"""Contrast-limited adaptive histogram equalisation (CLAHE) of the visible part of frames.

Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV (1994), in OpenCV's
arithmetic. The frame is cut into tiles; each tile's clipped histogram gives it a gray curve, and a
pixel is mapped by the curves of the four tiles around it, blended. What lies among hidden tiles has
one gray, whatever the frame, and is filled in without work.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.core.tracking.clahe_kernel import MOST_FEW, N_GRAYS, equalise
from element_facerhythm.core.tracking.settings import ClaheSettings

_Blending = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


class Clahe:
    """Equaliser for frames of one size and mask; may be called from several threads at once.

    Parameters
    ----------
    mask
        (H, W) uint8, 255 where the frame is visible and 0 elsewhere.
    settings
        Contrast limit and grid of tiles.
    """

    def __init__(self, mask: GrayFrame, settings: ClaheSettings) -> None:
        (across, down), clip_limit = settings.tile_grid, settings.clip_limit
        self._mask = np.ascontiguousarray(mask)
        height, width = mask.shape
        extended = _extended(height, down, width, across)
        self._places = tuple(
            _mirrored(n, n_extended) for n, n_extended in zip(mask.shape, extended, strict=True)
        )
        tile = (extended[0] // down, extended[1] // across)
        area = tile[0] * tile[1]
        self._clip_limit = max(int(clip_limit * area / N_GRAYS), 1) if clip_limit > 0 else area
        self._blending = (
            _blending(height, tile[0], down),
            _blending(width, tile[1], across),
        )
        visible = mask[self._places[0]][:, self._places[1]] > 0
        shown = visible.reshape(down, tile[0], across, tile[1]).any(axis=(1, 3))
        self._hidden: NDArray[np.bool_] = np.logical_not(shown)
        self._spans, self._tile_spans = self._needed()
        self._scale = np.float32(255) / np.float32(area)
        self._staircase = _staircase(area)
        values = np.arange(N_GRAYS, dtype=np.float32)
        if area <= MOST_FEW:
            values = np.minimum(np.rint(values * self._scale), np.float32(255))
        self._levels = values
        n_kept = min(self._clip_limit, area)
        n_each, n_rest = divmod(area - n_kept, N_GRAYS)
        darkest = np.float32(n_kept + n_each + (n_rest > 0))
        self._hidden_gray = np.uint8(min(np.rint(darkest * self._scale), 255))

    def __call__(self, frame: GrayFrame) -> GrayFrame:
        """Equalise one (H, W) uint8 frame into a new array."""
        out = np.full(frame.shape, self._hidden_gray, dtype=np.uint8)
        equalise(
            frame,
            self._mask,
            self._places,
            self._tile_spans,
            self._hidden,
            self._spans,
            self._blending,
            self._clip_limit,
            self._staircase,
            self._levels,
            self._scale,
            out,
        )
        return out

    def _needed(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Columns of each row, and tiles of each row of tiles, that are not among hidden tiles."""
        (up, down, _), (left, right, _) = self._blending
        shown: NDArray[np.bool_] = np.logical_not(self._hidden)
        over_rows = shown[up] | shown[down]
        spans = _first_and_stop(over_rows[:, left] | over_rows[:, right])
        tile_spans = np.zeros((len(shown), 2), np.int64)
        for row in np.flatnonzero(spans[:, 0] < spans[:, 1]):
            first, stop = left[spans[row, 0]], right[spans[row, 1] - 1] + 1
            for tile_row in (up[row], down[row]):
                old = tile_spans[tile_row]
                empty = old[0] >= old[1]
                tile_spans[tile_row] = (
                    first if empty else min(old[0], first),
                    stop if empty else max(old[1], stop),
                )
        return spans, tile_spans


def _extended(height: int, down: int, width: int, across: int) -> tuple[int, int]:
    """Size to which OpenCV extends a frame: not at all, or both ways by up to one grid."""
    if height % down == 0 and width % across == 0:
        return height, width
    return height + down - height % down, width + across - width % across


def _mirrored(length: int, extended: int) -> NDArray[np.int64]:
    """Pixel that each place of an axis repeats, mirrored about the last pixel."""
    index = np.arange(extended)
    period = max(2 * (length - 1), 1)
    index = index % period
    return np.minimum(index, period - index) % length


def _blending(length: int, tile: int, n_tiles: int) -> _Blending:
    """Tiles before and after each pixel of an axis, by their centres, and the latter's weight."""
    place = np.arange(length, dtype=np.float32) * (np.float32(1) / np.float32(tile)) - np.float32(
        0.5
    )
    before = np.floor(place)
    weight = (place - before).astype(np.float32)
    first = before.astype(np.int64)
    return np.maximum(first, 0), np.minimum(first + 1, n_tiles - 1), weight


def _staircase(area: int) -> NDArray[np.uint8]:
    """Sum up what n clipped pixels add until each gray: (n + 1, 256), for tiles of few pixels."""
    n_clipped = np.arange(min(area, MOST_FEW) + 1)[:, None]
    stride = N_GRAYS // np.maximum(n_clipped, 1)
    return np.minimum(np.arange(N_GRAYS) // stride + 1, n_clipped).astype(np.uint8)


def _first_and_stop(needed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(H, 2) first True of each row and the place after the last; 0, 0 where there is none."""
    width = needed.shape[1]
    some = needed.any(axis=1)
    first = np.where(some, needed.argmax(axis=1), 0)
    stop = np.where(some, width - needed[:, ::-1].argmax(axis=1), 0)
    return np.stack([first, stop], axis=1).astype(np.int64)
