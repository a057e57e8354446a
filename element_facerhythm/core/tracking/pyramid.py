"""Image pyramids whose levels have a mirrored border, so that windows may hang over the edge."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.tracking.window_kernel import VECTOR

GrayFrame = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Pyramid:
    """Levels of one frame, finest first.

    Attributes
    ----------
    levels
        Each (h + 2 * pad_px, w + 2 * pad_px) uint8; h and w halve from level to level.
    pad_px
        Width of the border.
    """

    levels: tuple[GrayFrame, ...]
    pad_px: int


def border_px(window_px: tuple[int, int]) -> int:
    """Width of the border that windows of this size, and the kernel's whole vectors, reach into."""
    return max(window_px) + VECTOR + 2


def make_pyramid(frame: GrayFrame, *, max_level: int, window_px: tuple[int, int]) -> Pyramid:
    """Halve a frame up to `max_level` times; as in OpenCV, no level is as small as the window.

    Parameters
    ----------
    frame
        (H, W) uint8.
    max_level
        Levels above the frame itself.
    window_px
        (width, height) of the window that will be matched.
    """
    pad = border_px(window_px)
    levels = [_bordered(frame, pad)]
    for _ in range(max_level):
        height, width = ((side + 1) // 2 for side in frame.shape)
        if width <= window_px[0] or height <= window_px[1]:
            break
        frame = cv2.pyrDown(frame)
        levels.append(_bordered(frame, pad))
    return Pyramid(tuple(levels), pad)


def _bordered(frame: GrayFrame, pad: int) -> GrayFrame:
    bordered: GrayFrame = cv2.copyMakeBorder(
        frame, pad, pad, pad, pad, cv2.BORDER_REFLECT_101
    )
    return bordered
