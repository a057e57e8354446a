"""How far a camera moved between two recordings: an affine map from one background image to the other.

Rotation and shift are first found by phase correlation of small pictures, turned by a range of angles.
Enhanced correlation (ECC) then refines them, and scale and shear, on the full pictures within the regions of
interest. Both look at structure alone: pictures are freed of their slow brightness and scaled by their local
contrast. What is left is measured by following corners from one picture into the other, laid over it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.core.rois import BoolMask, Polygon
from element_facerhythm.errors import RoiError

Matrix = NDArray[np.float64]
Picture = NDArray[np.float32]

LEAST_CORRELATION = 0.5
"""Of the structure of two aligned pictures; below, they are not of one scene in one view."""
LARGEST_RESIDUAL_PX = 1.5
"""Median distance of corners after the alignment."""
LARGEST_SCALING = 1.25
"""In any direction, or its inverse."""

_LARGEST_TURN_DEG, _TURN_STEP_DEG = 24, 3
_SMALL_SIDE_PX = 160
_SMOOTHING_PX = 1.0
_LEAST_CORNERS = 12
_MARGIN_FRACTION = 0.05


@dataclass(frozen=True, eq=False)
class Alignment:
    """A map from pixels of one picture to those of another, and how well it holds.

    Attributes
    ----------
    matrix
        (2, 3): x and y of the other picture are ``matrix @ (x, y, 1)``.
    correlation
        Of the structure of both pictures within the regions, -1 to 1.
    residual_px
        Median distance of corners after the alignment, px; NaN where fewer than 12 could be followed.
    n_corners
        Corners that were followed.
    """

    matrix: Matrix
    correlation: float
    residual_px: float
    n_corners: int

    @property
    def shift_px(self) -> float:
        """Length of the translation at the origin of the picture, px."""
        return float(np.hypot(*self.matrix[:, 2]))

    @property
    def turn_deg(self) -> float:
        """Rotation, degrees, clockwise as shown."""
        return math.degrees(math.atan2(self.matrix[1, 0], self.matrix[0, 0]))

    @property
    def scalings(self) -> tuple[float, float]:
        """Largest and smallest scaling in any direction."""
        largest, smallest = np.linalg.svd(self.matrix[:, :2], compute_uv=False)
        return float(largest), float(smallest)

    def doubts(self) -> tuple[str, ...]:
        """Reasons not to trust it; empty where there are none."""
        largest, smallest = self.scalings
        found = []
        if not self.correlation >= LEAST_CORRELATION:
            found.append(
                f"the pictures correlate by {self.correlation:.2f} only (at least {LEAST_CORRELATION})"
            )
        if not self.residual_px <= LARGEST_RESIDUAL_PX:
            found.append(
                f"only {self.n_corners} corners could be followed (at least {_LEAST_CORNERS})"
                if math.isnan(self.residual_px)
                else f"corners are {self.residual_px:.1f} px apart after it (at most {LARGEST_RESIDUAL_PX})"
            )
        if largest > LARGEST_SCALING or smallest < 1 / LARGEST_SCALING:
            found.append(f"it scales by {smallest:.2f} to {largest:.2f}")
        return tuple(found)

    def moved(self, polygon: Polygon) -> Polygon:
        """Vertices (N, 2) in the other picture."""
        return np.asarray(polygon @ self.matrix[:, :2].T + self.matrix[:, 2])


def align(image: GrayFrame, other: GrayFrame, region: BoolMask) -> Alignment:
    """Align a picture with another of the same size.

    Parameters
    ----------
    image, other
        (H, W) uint8 background images of two recordings.
    region
        (H, W) true where `image` has regions of interest: there, and around it, the alignment has to hold.

    Raises
    ------
    RoiError
        The pictures differ in size.
    """
    if image.shape != other.shape:
        raise RoiError(
            f"the frames are of {image.shape[1]} x {image.shape[0]} and "
            f"{other.shape[1]} x {other.shape[0]} px (width x height): regions are copied between frames of "
            "one size"
        )
    size = max(image.shape)
    reach = 2 * max(1, round(_MARGIN_FRACTION * size)) + 1
    looked_at = cv2.dilate(region.astype(np.uint8), np.ones((reach, reach), np.uint8))
    one, two = (_structure(picture, size) for picture in (image, other))
    matrix = _first_guess(image, other)
    for motion in (cv2.MOTION_EUCLIDEAN, cv2.MOTION_AFFINE):
        matrix = _refined(one, two, matrix, motion, looked_at)
    back, is_seen = _laid_over(two, matrix)
    residual_px, n_corners = _residual(
        _visible_image(image), _visible_image(other), matrix, looked_at
    )
    return Alignment(
        matrix=matrix,
        correlation=_correlation(one, back, (looked_at > 0) & is_seen),
        residual_px=residual_px,
        n_corners=n_corners,
    )


def laid_over(other: GrayFrame, matrix: Matrix) -> GrayFrame:
    """(H, W) other picture in the pixels of the first.

    Parameters
    ----------
    other
        (H, W) uint8.
    matrix
        (2, 3) of an `Alignment`.
    """
    return np.asarray(_laid_over(other, matrix)[0])


def _structure(image: GrayFrame, size: int) -> Picture:
    """Picture without its slow brightness, scaled by its local contrast."""
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), _SMOOTHING_PX)
    wide = max(4.0, size / 40)
    fine = smooth - cv2.GaussianBlur(smooth, (0, 0), wide)
    contrast = np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 2 * wide))
    return np.asarray(fine / (contrast + 2.0), dtype=np.float32)


def _first_guess(image: GrayFrame, other: GrayFrame) -> Matrix:
    """Turn and shift, by small pictures."""
    factor = min(1.0, _SMALL_SIDE_PX / max(image.shape))
    shape = tuple(max(8, round(side * factor)) for side in image.shape)
    small = [
        _structure(cv2.resize(picture, shape[::-1], interpolation=cv2.INTER_AREA), max(shape))
        for picture in (image, other)
    ]
    window = cv2.createHanningWindow(shape[::-1], cv2.CV_32F)
    best, best_matrix = -2.0, np.eye(2, 3)
    for angle in range(-_LARGEST_TURN_DEG, _LARGEST_TURN_DEG + 1, _TURN_STEP_DEG):
        turn = cv2.getRotationMatrix2D(((shape[1] - 1) / 2, (shape[0] - 1) / 2), -angle, 1.0)
        turned = cv2.warpAffine(small[0], turn, shape[::-1])
        (dx, dy), _ = cv2.phaseCorrelate(turned * window, small[1] * window)
        turn[:, 2] += dx, dy
        back, is_seen = _laid_over(small[1], turn)
        correlation = _correlation(small[0], back, is_seen) if is_seen.mean() > 0.4 else -2.0
        if correlation > best:
            best, best_matrix = correlation, turn
    # pixel centres of the small picture lie between those of the large one
    scale = np.array([image.shape[1] / shape[1], image.shape[0] / shape[0]])
    linear = best_matrix[:, :2] * (scale[:, None] / scale[None, :])
    shift = (
        scale * (best_matrix[:, 2] + 0.5 - best_matrix[:, :2] @ np.full(2, 0.5))
        - 0.5
        + linear @ np.full(2, 0.5)
    )
    return np.column_stack([linear, shift])


def _refined(
    one: Picture, two: Picture, matrix: Matrix, motion: int, looked_at: GrayFrame
) -> Matrix:
    """Map after ECC; as it was where ECC finds nothing to follow."""
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 80, 1e-6)
    inside = cv2.warpAffine(looked_at, matrix, two.shape[::-1], flags=cv2.INTER_NEAREST)
    try:
        _, found = cv2.findTransformECC(
            one, two, matrix.astype(np.float32), motion, criteria, inside, 5
        )
    except cv2.error:  # it does not converge, which the correlation shows
        return matrix
    return np.asarray(found, dtype=np.float64)


def _laid_over(picture: Any, matrix: Matrix) -> tuple[Any, BoolMask]:
    """Other picture in the pixels of the first, and which of them it has."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = picture.shape[::-1]
    back = cv2.warpAffine(picture, matrix, size, flags=flags)
    seen = cv2.warpAffine(
        np.ones(picture.shape, np.uint8),
        matrix,
        size,
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
    )
    return back, np.asarray(seen > 0)


def _correlation(one: Picture, two: Picture, where: BoolMask) -> float:
    """Pearson's correlation of two pictures; -1 where nothing varies."""
    if where.sum() < 2:
        return -1.0
    a, b = one[where] - one[where].mean(), two[where] - two[where].mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else -1.0


def _visible_image(image: GrayFrame) -> GrayFrame:
    """Return a picture of raised contrast."""
    return np.asarray(cv2.createCLAHE(2.0, (8, 8)).apply(image))


def _residual(
    image: GrayFrame, other: GrayFrame, matrix: Matrix, looked_at: GrayFrame
) -> tuple[float, int]:
    """Median distance of corners in both pictures after the alignment, and how many there are."""
    back, is_seen = _laid_over(other, matrix)
    where = looked_at * is_seen.astype(np.uint8)
    corners = cv2.goodFeaturesToTrack(image, 200, 0.02, max(4, max(image.shape) // 80), mask=where)
    if corners is None:
        return float("nan"), 0
    there, found, _ = cv2.calcOpticalFlowPyrLK(image, back, corners, None, winSize=(21, 21))
    again, returned, _ = cv2.calcOpticalFlowPyrLK(back, image, there, None, winSize=(21, 21))
    is_good = (found[:, 0] > 0) & (returned[:, 0] > 0)
    is_good &= np.linalg.norm((again - corners)[:, 0], axis=-1) < 0.5
    n_good = int(is_good.sum())
    if n_good < _LEAST_CORNERS:
        return float("nan"), n_good
    return float(np.median(np.linalg.norm((there - corners)[is_good, 0], axis=-1))), n_good
