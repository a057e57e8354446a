"""What a frame goes through before points are tracked in it: mask, then local contrast (CLAHE)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import ParameterError, RoiError

GrayFrame = NDArray[np.uint8]


class FramePreparation:
    """Hides what lies outside the mask and equalises local contrast.

    The mask comes first, as in face-rhythm: its edge then is a static edge of the picture. One
    object serves one thread at a time (OpenCV's CLAHE keeps state).

    Parameters
    ----------
    visible_mask
        (H, W) bool; pixels outside are set to 0.
    clahe_clip_limit
        Contrast limit of CLAHE.
    clahe_tile_grid
        Number of tiles (across, down); None leaves contrast as it is.
    """

    def __init__(
        self,
        visible_mask: NDArray[np.bool_],
        *,
        clahe_clip_limit: float,
        clahe_tile_grid: tuple[int, int] | None,
    ) -> None:
        self._shape = visible_mask.shape
        self._mask = None if visible_mask.all() else visible_mask.astype(np.uint8) * np.uint8(255)
        self._clahe = None
        if clahe_tile_grid is not None:
            across, down = (int(n) for n in clahe_tile_grid)
            if across < 1 or down < 1:
                raise ParameterError(
                    f"The CLAHE tile grid is {clahe_tile_grid}; expected two numbers of tiles >= 1."
                )
            self._clahe = cv2.createCLAHE(
                clipLimit=float(clahe_clip_limit), tileGridSize=(across, down)
            )

    def __call__(self, frame: GrayFrame) -> GrayFrame:
        """Prepare one (H, W) uint8 frame; the result is a new array unless nothing is to be done."""
        if frame.shape != self._shape:
            raise RoiError(
                f"A frame is {frame.shape[1]} x {frame.shape[0]} px (width x height), the mask "
                f"{self._shape[1]} x {self._shape[0]}; use ROIs drawn on this video."
            )
        if self._mask is not None:
            frame = cv2.bitwise_and(frame, self._mask)
        if self._clahe is not None:
            frame = self._clahe.apply(frame)
        return frame
