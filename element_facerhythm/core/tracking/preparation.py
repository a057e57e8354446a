"""What a frame goes through before points are tracked in it: mask, then local contrast (CLAHE)."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.core.tracking.clahe import Clahe
from element_facerhythm.core.tracking.settings import ClaheSettings
from element_facerhythm.errors import RoiError


class FramePreparation:
    """Hides what lies outside the mask and equalises local contrast.

    The mask comes first, as in face-rhythm: its edge then is a static edge in the frame.

    Parameters
    ----------
    visible_mask
        (H, W) bool; pixels outside are set to 0.
    clahe
        Local contrast; None leaves it as it is.
    by_opencv
        Let OpenCV equalise: slower, and from one thread at a time (it keeps state). The two differ
        by one gray in a few pixels of 10,000, where a blend of curves is a half.
    """

    def __init__(
        self,
        visible_mask: NDArray[np.bool_],
        clahe: ClaheSettings | None,
        *,
        by_opencv: bool = False,
    ) -> None:
        self._shape = visible_mask.shape
        self._mask = visible_mask.astype(np.uint8) * np.uint8(255)
        self._hides = not visible_mask.all()
        self._equalise: Callable[[GrayFrame], GrayFrame] | None = None
        if clahe is None:
            return
        if by_opencv:
            by_cv2 = cv2.createCLAHE(clipLimit=clahe.clip_limit, tileGridSize=clahe.tile_grid)
            self._equalise = lambda frame: by_cv2.apply(self._masked(frame))
        else:
            self._equalise = Clahe(self._mask, clahe)

    def __call__(self, frame: GrayFrame) -> GrayFrame:
        """Prepare one (H, W) uint8 frame; the result is a new array unless nothing is to be done.

        Raises
        ------
        RoiError
            The frame is not of the mask's size.
        """
        require_size(frame.shape, self._shape)
        return self._masked(frame) if self._equalise is None else self._equalise(frame)

    def _masked(self, frame: GrayFrame) -> GrayFrame:
        if not self._hides:
            return frame
        masked: GrayFrame = cv2.bitwise_and(frame, self._mask)
        return masked


def require_size(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Refuse a frame that is not of the mask's size.

    Parameters
    ----------
    shape
        (H, W) of the frame.
    expected
        (H, W) of the mask.

    Raises
    ------
    RoiError
        The shapes differ.
    """
    if shape != expected:
        raise RoiError(
            f"A frame is {shape[1]} x {shape[0]} px (width x height), the mask "
            f"{expected[1]} x {expected[0]}; use ROIs drawn on this video."
        )
