"""A second look at every match, on frames as the camera gave them.

CLAHE makes faint texture count and keeps tracks from slipping, but it bends gray levels differently
in every tile, so that a displacement measured on equalised frames is off by some hundredths of a
pixel, and more where tiles are small. Here a match found on equalised frames is improved on the
frames themselves, lightly smoothed, and judged: where the two windows differ much more than those of
most points do, something has come between, and the point is not moved by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

GrayFrame = NDArray[np.uint8]
SmoothFrame = NDArray[np.int16]

N_ITERATIONS = 10
STEP_PX = 0.003
REACH_PX = 1.5
"""An improvement beyond this is no improvement: the search has slipped to another match."""
WORST_MISMATCH = 0.15
"""Share of a window's variance that may be left unmatched ..."""
WORST_RATIO = 4.0
"""... unless it is below this multiple of what most points leave, which then is noise."""

# Binomial, a standard deviation of 0.7 pixels; with it a frame is stored in sixteenths of a gray.
_TAPS = np.array([1.0, 2.0, 1.0])


@dataclass(frozen=True, eq=False)
class Matches:
    """How well matched windows match.

    Attributes
    ----------
    mismatch
        (P,) float32 mean squared difference, brightness apart.
    texture
        (P,) float32 variance within the window of the first frame; 0 where nothing was measured.
    """

    mismatch: NDArray[np.float32]
    texture: NDArray[np.float32]

    def lost(self) -> NDArray[np.bool_]:
        """(P,) bool, where something has come between."""
        measured = self.texture > 0
        if not measured.any():
            return measured
        usual = float(np.median(self.mismatch[measured]))
        differs: NDArray[np.bool_] = self.mismatch > WORST_MISMATCH * self.texture
        return measured & differs & (self.mismatch > WORST_RATIO * usual)


def smoothed(frame: GrayFrame, pad_px: int) -> SmoothFrame:
    """Smooth a frame (H, W) into (H + 2 * pad, W + 2 * pad) int16, sixteenths of a gray."""
    smooth = cv2.sepFilter2D(frame, cv2.CV_16S, _TAPS, _TAPS, borderType=cv2.BORDER_REFLECT_101)
    bordered: SmoothFrame = cv2.copyMakeBorder(
        smooth, pad_px, pad_px, pad_px, pad_px, cv2.BORDER_REFLECT_101
    )
    return bordered


def weights_of(visible_mask: NDArray[np.bool_], pad_px: int) -> NDArray[np.float32]:
    """Weight of every pixel of a bordered frame: 1 where it is visible, 0 elsewhere and outside."""
    return np.pad(visible_mask.astype(np.float32), pad_px)
