"""Polygons of few vertices around regions of pixels: simple ones, that never cross themselves."""

from __future__ import annotations

import itertools

import numpy as np

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.core.rois import BoolMask, Polygon
from element_facerhythm.errors import RoiError

MAX_VERTICES = 12
"""Of a polygon that a person is to correct by hand."""

_STEPS_PX = (4, 2, 1)
_DIRECTIONS = np.array(
    [(x, y) for x, y in itertools.product((-1, 0, 1), repeat=2) if x or y], dtype=np.float64
)


def outline_region(
    region: BoolMask, *, max_vertices: int = MAX_VERTICES, tolerance: float = 0.03
) -> Polygon:
    """Outer outline of a region with as few vertices as a tolerance allows.

    Vertices of the outline are taken away one by one, each time the one whose triangle with its neighbours
    is smallest (Visvalingam's rule), unless the polygon would then cross itself. Those that are left move by
    whole pixels as long as the polygon then covers the region better.

    Parameters
    ----------
    region
        (H, W) true inside; of several parts, the largest is outlined, and holes are filled.
    max_vertices
        At most this many, 3 or more.
    tolerance
        Below `max_vertices`, vertices are taken away as long as the polygon's pixels differ from the
        region's by no more than this fraction of them.

    Returns
    -------
    (N, 2) float64
        Vertices (x, y) in pixels, inside the frame.

    Raises
    ------
    RoiError
        The region has no area.
    """
    contour = _contour(region)
    polygon = _thinned(contour, max_vertices)
    if len(polygon) > max_vertices or not is_simple(polygon):  # the region touches itself somewhere
        polygon = _thinned(_hull(contour), max_vertices)
    target = _filled(contour, region.shape)
    polygon = _fitted(polygon, target)
    while len(polygon) > 3:
        fewer = _thinned(polygon, len(polygon) - 1)
        if len(fewer) == len(polygon):
            break
        fewer = _fitted(fewer, target)
        if _n_different(fewer, target) > tolerance * target.sum():
            break
        polygon = fewer
    return polygon


def is_simple(polygon: Polygon) -> bool:
    """Whether no two edges of a polygon meet, but at the vertex that they share."""
    n = len(polygon)
    starts, stops = polygon, np.roll(polygon, -1, axis=0)
    for i in range(n):
        others = [j for j in range(n) if j not in (i, (i + 1) % n, (i - 1) % n)]
        if _meets(starts[i], stops[i], starts[others], stops[others]).any():
            return False
    return n >= 3 and not any(_folds(polygon, i) for i in range(n))


def _contour(region: BoolMask) -> Polygon:
    """Outermost pixels of the largest part, in order."""
    import cv2

    found, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    contour = max(found, key=cv2.contourArea, default=None)
    if contour is None or cv2.contourArea(contour) == 0:
        raise RoiError("a region without area has no outline; it is at most one pixel wide")
    return np.asarray(contour[:, 0, :], dtype=np.float64)


def _hull(points: Polygon) -> Polygon:
    import cv2

    return np.asarray(cv2.convexHull(points.astype(np.int32))[:, 0, :], dtype=np.float64)


def _thinned(polygon: Polygon, n_vertices: int) -> Polygon:
    """Polygon of `n_vertices`, or of more where each further one taken away would make it cross itself."""
    while len(polygon) > n_vertices:
        order = np.argsort(_triangle_areas(polygon), kind="stable")
        index = next((int(i) for i in order if _can_lose(polygon, int(i))), None)
        if index is None:
            break
        polygon = np.delete(polygon, index, axis=0)
    return polygon


def _triangle_areas(polygon: Polygon) -> Polygon:
    """(N,) area of the triangle of each vertex with its neighbours, which is lost or won without it."""
    before, after = np.roll(polygon, 1, axis=0) - polygon, np.roll(polygon, -1, axis=0) - polygon
    return np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) / 2


def _can_lose(polygon: Polygon, index: int) -> bool:
    """Whether the edge that replaces a vertex meets no other edge."""
    rest = np.delete(polygon, index, axis=0)
    n = len(rest)
    start = (index - 1) % n
    if any(_folds(rest, corner % n) for corner in (start, start + 1)):
        return False
    others = [(start + step) % n for step in range(2, n - 1)]
    first, last = rest[start], rest[(start + 1) % n]
    return not _meets(first, last, rest[others], rest[[(j + 1) % n for j in others]]).any()


def _folds(polygon: Polygon, index: int) -> bool:
    """Whether the outline turns back on itself at a vertex."""
    here = polygon[index]
    before, after = polygon[index - 1] - here, polygon[(index + 1) % len(polygon)] - here
    return bool(before[0] * after[1] == before[1] * after[0] and before @ after >= 0)


def _meets(first: Polygon, last: Polygon, starts: Polygon, stops: Polygon) -> BoolMask:
    """(N,) whether the edge from `first` to `last` meets each of the edges from `starts` to `stops`."""
    a, b = _side(first, last, starts), _side(first, last, stops)
    c, d = _side(starts, stops, first), _side(starts, stops, last)
    apart = (np.maximum(first, last) < np.minimum(starts, stops)) | (
        np.minimum(first, last) > np.maximum(starts, stops)
    )
    return (a * b <= 0) & (c * d <= 0) & ~apart.any(axis=-1)


def _side(start: Polygon, stop: Polygon, point: Polygon) -> Polygon:
    along, to = stop - start, point - start
    return np.asarray(np.sign(along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0]))


def _fitted(polygon: Polygon, target: GrayFrame) -> Polygon:
    """Polygon whose vertices moved, one after the other, to where it covers the target best."""
    height, width = target.shape
    polygon, least = polygon.copy(), _n_different(polygon, target)
    for step_px in _STEPS_PX:
        improved = True
        while improved:
            improved = False
            for index, move in itertools.product(range(len(polygon)), _DIRECTIONS):
                trial = polygon.copy()
                trial[index] = np.clip(trial[index] + step_px * move, 0, (width - 1, height - 1))
                n = _n_different(trial, target)
                if n < least and is_simple(trial):
                    polygon, least, improved = trial, n, True
    return polygon


def _filled(polygon: Polygon, size: tuple[int, ...]) -> GrayFrame:
    import cv2

    filled = np.zeros(size, np.uint8)
    cv2.fillPoly(filled, [np.rint(polygon).astype(np.int32)], 1)
    return filled


def _n_different(polygon: Polygon, target: GrayFrame) -> int:
    """Pixels in one of the two alone."""
    import cv2

    return int(cv2.countNonZero(cv2.bitwise_xor(_filled(polygon, target.shape), target)))
