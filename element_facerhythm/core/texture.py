"""How much structure a picture has around points: without any, nothing can be followed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

LEAST_TEXTURE = 0.25
"""Gray levels per pixel; around a point with less there is nothing to follow."""
USUAL_WINDOW_PX = 20
"""Side of the window that a tracker matches, where it is not known."""

_SMOOTHING_PX = 1.5
_LARGEST_WINDOW_PX = 1000


def texture_map(gray: NDArray[np.float32], side_px: int) -> NDArray[np.float32]:
    """(H, W) what `texture_at` gives around each pixel.

    Parameters
    ----------
    gray
        (H, W) gray levels.
    side_px
        Side of the square around a pixel.
    """
    smooth = cv2.GaussianBlur(gray, (0, 0), _SMOOTHING_PX)
    side_px = min(max(side_px, 3), _LARGEST_WINDOW_PX, *smooth.shape)
    weaker = np.sqrt(np.maximum(cv2.cornerMinEigenVal(smooth, side_px, ksize=3), 0))
    return np.asarray(weaker / 2)  # OpenCV's derivative is of two pixels


def texture_at(
    image: NDArray[np.uint8], positions: NDArray[np.float32], side_px: int = USUAL_WINDOW_PX
) -> NDArray[np.float64]:
    """(P,) root mean square gradient in the weaker direction around each point, gray levels per pixel.

    The root of the smaller eigenvalue of the mean structure tensor within a square of `side_px`, of the gray
    image smoothed by a Gaussian of 1.5 px; noise of standard deviation s gives about 0.065 s.

    Parameters
    ----------
    image
        (H, W, 3) image.
    positions
        (P, 2) x, y in pixels.
    side_px
        Side of the square, as the tracker's window.
    """
    weaker = texture_map(image.astype(np.float32).mean(axis=2), side_px)
    inside = np.clip(np.rint(positions), 0, np.array(weaker.shape[::-1]) - 1)
    x, y = inside.astype(int).T
    at_points = weaker[y, x]
    return np.asarray(at_points, dtype=np.float64)
