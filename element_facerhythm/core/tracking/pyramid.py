"""Image pyramids whose levels have a mirrored border, so that windows may hang over the edge."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.core.tracking.window_kernel import VECTOR


@dataclass(frozen=True, eq=False)
class Pyramid:
    """Levels of one frame in one flat array, finest first, each with a border mirrored from within.

    Attributes
    ----------
    pixels
        (N,) uint8.
    levels
        (n, 4) int64, per level: index of its first pixel, pixels from a row to the next, width and
        height. Width and height halve from level to level.
    """

    pixels: NDArray[np.uint8]
    levels: NDArray[np.int64]


def border_px(window_px: tuple[int, int]) -> int:
    """Width of the border that windows of this size, and the kernel's whole vectors, reach into."""
    return max(window_px) + VECTOR + 2


@lru_cache(maxsize=16)  # asked for every frame
def pyramid_levels(
    shape: tuple[int, int], *, max_level: int, window_px: tuple[int, int]
) -> NDArray[np.int64]:
    """Lay out the pyramid of a frame (H, W); as in OpenCV, no level is as small as the window.

    Parameters
    ----------
    shape
        Of the frame.
    max_level
        Levels above the frame itself.
    window_px
        (width, height) of the window that will be matched.

    Returns
    -------
    (n, 4) int64, see `Pyramid.levels`.
    """
    pad = border_px(window_px)
    height, width = shape
    rows, start = [], 0
    for level in range(max_level + 1):
        if level and (width <= window_px[0] or height <= window_px[1]):
            break
        stride = width + 2 * pad
        rows.append((start + pad * stride + pad, stride, width, height))
        start += stride * (height + 2 * pad)
        height, width = (height + 1) // 2, (width + 1) // 2
    return np.array(rows, dtype=np.int64)


def make_pyramid(frame: GrayFrame, levels: NDArray[np.int64], pad_px: int) -> Pyramid:
    """Make the pyramid of a frame.

    Parameters
    ----------
    frame
        (H, W) uint8 gray levels.
    levels
        Where the levels lie, from `pyramid_levels`.
    pad_px
        Mirrored pixels around every level.
    """
    _, stride, _, height = levels[-1]
    first, last = levels[0, 0], levels[-1, 0]
    start = first - pad_px * levels[0, 1] - pad_px
    pixels = np.empty(
        last - pad_px * stride - pad_px - start + stride * (height + 2 * pad_px), np.uint8
    )
    for number, (origin, stride, _, height) in enumerate(levels):
        if number:
            frame = cv2.pyrDown(frame)
        begin = origin - pad_px * stride - pad_px
        bordered = pixels[begin : begin + stride * (height + 2 * pad_px)].reshape(-1, stride)
        cv2.copyMakeBorder(
            frame, pad_px, pad_px, pad_px, pad_px, cv2.BORDER_REFLECT_101, dst=bordered
        )
    return Pyramid(pixels, levels)
