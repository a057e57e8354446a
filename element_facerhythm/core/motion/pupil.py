"""The pupil: an ellipse fitted to the edge of the darkest patch of a region, frame by frame.

The gray levels of the region are parted in two where that parts them best, and the darker part again and
again (Otsu 1979): the pupil is darker than the iris, and the iris than what is around it. Rays from the
centre of each patch find its edge to a fraction of a pixel; rays that meet a reflection or the border of
the region tell nothing, and an ellipse is fitted to the others, those that do not agree left out. The
darkest patch that has an ellipse is the pupil.

What tells too little is no pupil: all values are NaN, and the confidence is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.motion.levels import histogram, parting_level
from element_facerhythm.core.motion.ray_kernel import agreeing, ray_edges

N_RAYS = 64
_SMOOTHING_PX = 1.0
_REFLECTION = 0.75  # of the way from the median level to the brightest there can be
_LEAST_CONTRAST = 8.0  # gray levels between patch and surround
_SMALLEST_RADIUS_PX = 2.5
_LARGEST_SHARE = 0.9  # of the region
_MOST_OFF = (
    0.12  # distance of an edge point from the ellipse, of its radius; further off does not agree
)
_FEWEST_RAYS, _FEWEST_POINTS = 0.35, 8  # of all; that an ellipse is fitted to
_MOST_OBLONG = 3.0
_OF_BEST = 0.5  # of the best confidence; with that, a darker patch goes before a lighter one
_ROUNDS = 3
_MOST_LEVELS, _FEWEST_PIXELS = 4, 16
_RING_PX = 3  # around a patch: how far off its surround begins, and how wide it is
_NEAR, _FAR = (
    cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * px + 1, 2 * px + 1))
    for px in (_RING_PX, 2 * _RING_PX)
)
_SQUARE_3, _SQUARE_5 = np.ones((3, 3), np.uint8), np.ones((5, 5), np.uint8)


@dataclass(frozen=True)
class Pupil:
    """A pupil in a frame.

    Attributes
    ----------
    x_px, y_px
        Its centre, in pixels of the region's box.
    long_px, short_px
        Its semi-axes.
    angle_rad
        From the x axis to the long one, down the picture, -pi/2 to pi/2.
    confidence
        0 to 1: the share of rays that agree with the ellipse, times how much the edge stands out.
    """

    x_px: float
    y_px: float
    long_px: float
    short_px: float
    angle_rad: float
    confidence: float

    @property
    def area_px2(self) -> float:
        """Its area."""
        return float(np.pi * self.long_px * self.short_px)


class PupilFinder:
    """Finds the pupil in one region.

    Parameters
    ----------
    mask
        (h, w) bool, pixels of the region's box that belong to it.
    hidden
        (h, w) bool, pixels that show something else, such as a reflection that was drawn.
    """

    def __init__(self, mask: NDArray[np.bool_], hidden: NDArray[np.bool_]) -> None:
        self._mask, self._hidden = mask, hidden
        inner = cv2.erode(np.pad(mask, 1).astype(np.uint8), _SQUARE_3)
        self._beyond = ~mask | (inner[1:-1, 1:-1] == 0)
        angles = 2 * np.pi * np.arange(N_RAYS) / N_RAYS
        self._directions = np.stack([np.cos(angles), np.sin(angles)])

    def find(self, picture: NDArray[np.uint8]) -> Pupil | None:
        """Find it in the pixels (h, w) of the region's box; None where there is none."""
        smooth = cv2.GaussianBlur(picture, (0, 0), _SMOOTHING_PX).astype(np.float32)
        median = _median(picture[self._mask])
        bright = picture > median + _REFLECTION * (255 - median)
        unseen = cv2.dilate(bright.view(np.uint8), _SQUARE_5) > 0
        unseen = (unseen | self._hidden) & self._mask
        seen = self._mask & ~unseen
        found: list[Pupil] = []
        for level in reversed(_levels(smooth[seen])):  # of the darkest patch first
            pupil = self._at_level(smooth, level, seen, unseen)
            if pupil is None:
                continue
            if pupil.confidence >= _OF_BEST:  # as good as needs be, however good the others are
                return pupil
            found.append(pupil)
        enough = _OF_BEST * max((pupil.confidence for pupil in found), default=0.0)
        # the outline of an iris, too, makes a good ellipse: the darkest that is good enough
        return next((pupil for pupil in found if pupil.confidence >= enough), None)

    def _at_level(
        self,
        smooth: NDArray[np.float32],
        level: float,
        seen: NDArray[np.bool_],
        unseen: NDArray[np.bool_],
    ) -> Pupil | None:
        """Fit the largest patch that is darker than a level."""
        dark = (smooth < level) & seen
        # a reflection cuts no patch in two
        joined = cv2.morphologyEx((dark | unseen).view(np.uint8), cv2.MORPH_OPEN, _SQUARE_3)
        n, labels, _, _ = cv2.connectedComponentsWithStats(joined, connectivity=4)
        if n < 2:
            return None
        n_dark = np.bincount(labels[dark], minlength=n)
        n_dark[0] = 0
        patch = int(n_dark.argmax())
        if not np.pi * _SMALLEST_RADIUS_PX**2 <= n_dark[patch] <= _LARGEST_SHARE * self._mask.sum():
            return None
        is_patch = labels == patch
        inside, around = is_patch & dark, _ring(is_patch) & seen
        if not around.any():
            return None
        core, surround = (_median(smooth[pixels]) for pixels in (inside, around))
        level, contrast = (core + surround) / 2, surround - core
        if contrast < _LEAST_CONTRAST:
            return None
        rows, columns = np.nonzero(inside)
        centre = np.array([columns.mean(), rows.mean()])
        return self._fitted(smooth, level, contrast, unseen, centre)

    def _fitted(
        self,
        smooth: NDArray[np.float32],
        level: float,
        contrast: float,
        unseen: NDArray[np.bool_],
        centre: NDArray[np.float64],
    ) -> Pupil | None:
        ellipse = None
        for _ in range(_ROUNDS):  # from a better centre rays meet the edge more squarely
            edge, steepness = self._edge_points(smooth, level, unseen, centre)
            ellipse, agrees = _robust_ellipse(edge)
            if ellipse is None:
                return None
            moved, centre = np.abs(ellipse[:2] - centre).max(), ellipse[:2]
            if moved < 0.25:
                break
        assert ellipse is not None
        x, y, long_px, short_px, angle = ellipse
        share = np.count_nonzero(agrees) / N_RAYS
        row, column = round(float(y)), round(float(x))
        is_inside = 0 <= row < self._mask.shape[0] and 0 <= column < self._mask.shape[1]
        if share < _FEWEST_RAYS or short_px < _SMALLEST_RADIUS_PX or not is_inside:
            return None
        if long_px > _MOST_OBLONG * short_px or not self._mask[row, column]:
            return None
        sharp = min(_median(steepness[agrees]) * 4 / contrast, 1.0)
        return Pupil(
            float(x), float(y), float(long_px), float(short_px), float(angle), share * sharp
        )

    def _edge_points(
        self,
        smooth: NDArray[np.float32],
        level: float,
        unseen: NDArray[np.bool_],
        centre: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where rays leave the dark (N_RAYS, 2), NaN if they meet something else first; and how steeply."""
        points, steepness = np.full((N_RAYS, 2), np.nan), np.zeros(N_RAYS)
        ray_edges(smooth, level, unseen, self._beyond, centre, self._directions, points, steepness)
        return points, steepness


def _ring(patch: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels a little off a patch, all around it."""
    whole = patch.view(np.uint8)
    return (cv2.dilate(whole, _FAR) > 0) & (cv2.dilate(whole, _NEAR) == 0)


def _median(values: NDArray[Any]) -> float:
    """Median of values (N,), as numpy's; for short arrays in a fifth of the time."""
    middle = [(len(values) - 1) // 2, len(values) // 2]
    return float(np.partition(values, middle)[middle].mean(dtype=np.float64))


def _levels(values: NDArray[np.float32]) -> list[float]:
    """Gray levels that may part the pupil from the rest: of all, and of the darker part again and again."""
    levels: list[float] = []
    while len(levels) < _MOST_LEVELS and values.size >= _FEWEST_PIXELS:
        level, _, distance = parting_level(histogram(values))
        if distance < _LEAST_CONTRAST:
            break
        levels.append(level)
        values = values[values < level]
    return levels


def _robust_ellipse(
    points: NDArray[np.float64],
) -> tuple[NDArray[np.float64] | None, NDArray[np.bool_]]:
    """Ellipse (x, y, long, short, angle) of points (N, 2), and which of them agree with it."""
    is_there = np.isfinite(points[:, 0])
    agrees, closer = is_there.copy(), np.empty_like(is_there)
    ellipse = None
    for _ in range(4):
        if np.count_nonzero(agrees) < _FEWEST_POINTS:
            return None, agrees
        ellipse = _ellipse(points[agrees])
        if ellipse is None:
            return None, agrees
        if agreeing(points, is_there, ellipse, agrees, _MOST_OFF, closer):
            break
        agrees, closer = closer, agrees
    return ellipse, agrees


def _ellipse(points: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Ellipse of least squares (Fitzgibbon, Pilu and Fisher 1999); None where it is none."""
    (x, y), (wide, high), degrees = cv2.fitEllipseDirect(points.astype(np.float32))
    if not np.isfinite([x, y, wide, high]).all() or min(wide, high) <= 0:
        return None
    long_px, short_px = max(wide, high) / 2, min(wide, high) / 2
    angle = np.deg2rad(degrees + (0 if wide >= high else 90))
    return np.array([x, y, long_px, short_px, (angle + np.pi / 2) % np.pi - np.pi / 2])
