"""Regions of interest: polygons to masks, and the grid of points that is tracked.

Coordinates are pixels of the full frame, x to the right and y down; a whole number is the centre
of a pixel. Masks are (H, W) bool, points are (P, 2) float32 in the order (x, y).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from element_facerhythm.core.arrays import Points
from element_facerhythm.errors import ParameterError, RoiError

BoolMask = NDArray[np.bool_]
Polygon = NDArray[np.float64]

MAX_COORDINATE_PX = 1e7
"""Vertices further away than this are refused; products of coordinates stay finite and exact enough."""

MAX_VERTICES = 10_000
"""Of all polygons under one name; filling them takes time in proportion."""

REGION_KINDS = ("motion", "pupil", "blink", "running", "mask", "exclude")
"""What a region can be for: facemap's kinds, what the tracker sees, and what it does not."""

_ON_CORNER_PX = 1e-12


@dataclass(frozen=True)
class RegionLabel:
    """What a polygon is called and what it is for, for people; None where not stated.

    Attributes
    ----------
    name
        Name of the region.
    kind
        One of `REGION_KINDS`; it says which signals are measured there, and changes nothing else.
    """

    name: str | None = None
    kind: str | None = None


@dataclass(frozen=True, eq=False)
class Rois:
    """Regions as drawn, before the frame size is known.

    Attributes
    ----------
    seed_polygons
        Polygons (N, 2) in (x, y) pixels; points are seeded inside their union.
    mask_polygons
        Polygons (N, 2) in (x, y) pixels; pixels outside their union are hidden from the tracker.
        None given means that the whole frame is seen.
    exclude_polygons
        Polygons (N, 2) in (x, y) pixels; no points are seeded inside, and pixels inside are hidden.
    point_positions
        (P, 2) points to track, taken as they are instead of a seeded grid.
    seed_mask, visible_mask
        (H, W) masks that take the place of the polygons.
    source
        Where they are from (a file, a row), for messages; empty where not known.
    signal_polygons
        Polygons (N, 2) in (x, y) pixels that seed no points: signals are measured in them, by their kind.
    seed_labels, mask_labels, exclude_labels, signal_labels
        Labels of the polygons, in their order; empty where none has one.
    notes
        What reading a file of another program left out or changed.
    """

    seed_polygons: tuple[Polygon, ...] = ()
    mask_polygons: tuple[Polygon, ...] = ()
    point_positions: Points | None = None
    seed_mask: BoolMask | None = None
    visible_mask: BoolMask | None = None
    source: str = ""
    seed_labels: tuple[RegionLabel, ...] = ()
    mask_labels: tuple[RegionLabel, ...] = ()
    exclude_polygons: tuple[Polygon, ...] = ()
    exclude_labels: tuple[RegionLabel, ...] = ()
    signal_polygons: tuple[Polygon, ...] = ()
    signal_labels: tuple[RegionLabel, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class PlacedRois:
    """Regions on a frame of known size: `seed_mask` and `visible_mask` (H, W), points (P, 2)."""

    seed_mask: BoolMask
    visible_mask: BoolMask
    point_positions: Points


def polygon_mask(polygon: ArrayLike, *, height_px: int, width_px: int) -> BoolMask:
    """Fill a polygon; pixels whose centre lies inside, on an edge, or on a vertex belong to it.

    These are face-rhythm's masks, but for polygons that touch the border of the frame, on which it
    fails: here they are cut to the frame. Where a polygon crosses itself, the even-odd rule holds.

    Parameters
    ----------
    polygon
        (N, 2) vertices in (x, y) pixels, N >= 3; the last is joined to the first.
    height_px, width_px
        Size of the frame.

    Returns
    -------
    (H, W) bool
        True inside.

    Raises
    ------
    RoiError
        The polygon is malformed.
    """
    vertices = _as_polygon(polygon, "polygon")
    mask = np.zeros((height_px, width_px), dtype=bool)
    (left, top), (right, bottom) = vertices.min(axis=0), vertices.max(axis=0)
    columns = np.arange(max(0, math.floor(left)), min(width_px, math.ceil(right) + 1))
    rows = np.arange(max(0, math.floor(top)), min(height_px, math.ceil(bottom) + 1))
    if rows.size and columns.size:
        covered = _covered(vertices, columns[None, :], rows[:, None])
        mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = covered
    return mask


def _covered(vertices: Polygon, x: NDArray[np.int_], y: NDArray[np.int_]) -> BoolMask:
    """Which points x (1, C), y (R, 1) a polygon covers: (R, C) bool.

    Rays to the right and to the left are followed; where an odd number of edges crosses the one and
    an even number the other, the point lies on an edge.
    """
    shape = np.broadcast_shapes(x.shape, y.shape)
    right, left, corner = (np.zeros(shape, dtype=bool) for _ in range(3))
    for (x1, y1), (x0, y0) in zip(np.roll(vertices, 1, axis=0), vertices, strict=True):
        near = slice(
            *np.searchsorted(y[:, 0], (min(y0, y1) - 1, max(y0, y1) + 1))
        )  # rows it can cross
        ax, ay, bx, by = x0 - x, y0 - y[near], x1 - x, y1 - y[near]
        corner[near] |= (np.abs(ax) < _ON_CORNER_PX) & (np.abs(ay) < _ON_CORNER_PX)
        if y0 == y1:
            continue
        crossing = (ax * by - bx * ay) / (by - ay)
        right[near] ^= ((ay > 0) != (by > 0)) & (crossing > 0)
        left[near] ^= ((ay < 0) != (by < 0)) & (crossing < 0)
    return right | left | corner


def seed_grid(mask: BoolMask, *, spacing_px: int) -> Points:
    """Place points on a square grid inside a mask, in face-rhythm's positions and order.

    The grid starts at the top left of the mask's bounding box and ends before its last row and
    column; points run down a column, then to the next column.

    Parameters
    ----------
    mask
        (H, W) bool.
    spacing_px
        Distance between neighbouring points, in pixels.

    Returns
    -------
    (P, 2) float32
        (x, y) of each point; P is 0 where nothing fits.
    """
    if isinstance(spacing_px, bool) or int(spacing_px) != spacing_px or spacing_px < 1:
        raise ParameterError(
            f"The point spacing is {spacing_px!r}; expected a whole number of pixels, 1 or more."
        )
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return np.empty((0, 2), dtype=np.float32)
    step = min(int(spacing_px), max(mask.shape))
    x, y = np.meshgrid(
        np.arange(columns[0], columns[-1], step),
        np.arange(rows[0], rows[-1], step),
        indexing="ij",
    )
    inside = mask[y, x]
    return np.stack([x[inside], y[inside]], axis=1).astype(np.float32)


def place_rois(rois: Rois, *, height_px: int, width_px: int, spacing_px: int) -> PlacedRois:
    """Place regions on a frame: masks, and the points to track.

    Parameters
    ----------
    rois
        Regions in pixels of the full frame.
    height_px, width_px
        Size of the frame.
    spacing_px
        Distance between seeded points, in pixels; unused where the regions bring their points.

    Returns
    -------
    PlacedRois

    Raises
    ------
    RoiError
        A vertex, point or mask does not fit the frame; no point is seeded; or the visible mask
        hides every point.
    """
    with _naming(rois):
        return _placed(rois, (height_px, width_px), spacing_px)


def _placed(rois: Rois, size: tuple[int, int], spacing_px: int) -> PlacedRois:
    seed = _seeded(rois, size)
    visible = _union(rois.mask_polygons, rois.visible_mask, size, "mask")
    excluded = _union(rois.exclude_polygons, None, size, "exclude")
    _union(rois.signal_polygons, None, size, "signals")  # raises where one does not fit
    if rois.point_positions is not None:
        points = _given_points(rois.point_positions, size)
    elif seed is None:
        raise RoiError("The ROIs hold no polygon under 'points'; give at least one to seed in.")
    else:
        points = seed_grid(seed, spacing_px=spacing_px)
    if len(points) == 0:
        raise RoiError(
            f"No point fits inside the seed ROIs at a spacing of {spacing_px} px; draw them larger, "
            "exclude less, or lower ROIs.make_rois.point_spacing."
        )
    if seed is None:
        seed = _pixels_of(points, size)
    if visible is None:
        visible = np.ones(size, dtype=bool)
    if excluded is not None:
        visible = visible & ~excluded
    _require_some_visible(points, visible)
    return PlacedRois(seed_mask=seed, visible_mask=visible, point_positions=points)


def seed_region(rois: Rois, *, height_px: int, width_px: int) -> BoolMask | None:
    """Mask (H, W) that points are seeded in; None where regions bring points, or nothing to seed them in.

    Parameters
    ----------
    rois
        Regions of interest; a mask goes before polygons.
    height_px, width_px
        Size of the frame.

    Raises
    ------
    RoiError
        A vertex or mask does not fit the frame.
    """
    if rois.point_positions is not None:
        return None
    with _naming(rois):
        return _seeded(rois, (height_px, width_px))


def _seeded(rois: Rois, size: tuple[int, int]) -> BoolMask | None:
    """Where points are seeded: inside the seed polygons or mask, and outside of what is excluded."""
    seed = _union(rois.seed_polygons, rois.seed_mask, size, "points")
    excluded = _union(rois.exclude_polygons, None, size, "exclude")
    return seed if seed is None or excluded is None else seed & ~excluded


@contextmanager
def _naming(rois: Rois) -> Iterator[None]:
    """Add to every error where the regions are from."""
    try:
        yield
    except RoiError as error:
        if not rois.source:
            raise
        raise RoiError(f"{rois.source}: {error}") from error


def _as_polygon(polygon: ArrayLike, name: str) -> Polygon:
    try:
        vertices = np.asarray(polygon, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RoiError(f"ROI {name} is not a list of [x, y] pairs of numbers: {error}.") from error
    if vertices.ndim != 2 or vertices.shape[1] != 2 or len(vertices) < 3:
        raise RoiError(
            f"ROI {name} has shape {vertices.shape}; expected (N, 2): at least 3 vertices [x, y]."
        )
    if not (np.abs(vertices) <= MAX_COORDINATE_PX).all():
        raise RoiError(
            f"ROI {name} holds a vertex that is not a finite number, or is further than "
            f"{MAX_COORDINATE_PX:g} px away."
        )
    return vertices


def _union(
    polygons: Sequence[Polygon], mask: BoolMask | None, size: tuple[int, int], name: str
) -> BoolMask | None:
    """Mask of all polygons together, or the mask given in their place; None where neither is."""
    if mask is not None:
        if mask.shape != size:
            raise RoiError(
                f"The ROI mask '{name}' is {mask.shape[1]} x {mask.shape[0]} px (width x height), "
                f"the video {size[1]} x {size[0]}; use ROIs drawn on this video."
            )
        return np.asarray(mask, dtype=bool)
    if not polygons:
        return None
    n_vertices = sum(map(len, polygons))
    if n_vertices > MAX_VERTICES:
        raise RoiError(
            f"The ROIs under '{name}' have {n_vertices} vertices; at most {MAX_VERTICES} are filled. Draw "
            "them with fewer."
        )
    union = np.zeros(size, dtype=bool)
    for index, polygon in enumerate(polygons):
        vertices = _as_polygon(polygon, f"{name}[{index}]")
        _require_inside(vertices, size, f"ROI {name}[{index}]", "vertex")
        union |= polygon_mask(vertices, height_px=size[0], width_px=size[1])
    return union


def _require_inside(
    points: NDArray[np.floating],
    size: tuple[int, int],
    owner: str,
    kind: str,
    *,
    margin_px: int = 0,
) -> None:
    # Drawing tools put the frame's corner at -0.5, 0, W - 1 or W; none of these is outside.
    x, y = points[:, 0], points[:, 1]
    outside = (x < -0.5) | (y < -0.5) | (x > size[1] - margin_px) | (y > size[0] - margin_px)
    if outside.any():
        first = int(np.argmax(outside))
        raise RoiError(
            f"{owner} (x {x.min():g} to {x.max():g}, y {y.min():g} to {y.max():g}): {kind} {first} at "
            f"(x={x[first]:g}, y={y[first]:g}) lies outside the frame of {size[1]} x {size[0]} px (width x "
            "height); draw the ROI on this video."
        )


def _given_points(points: ArrayLike, size: tuple[int, int]) -> Points:
    positions = np.array(points, dtype=np.float32)
    if positions.ndim != 2 or positions.shape[1] != 2 or not np.isfinite(positions).all():
        raise RoiError(
            f"The ROIs' point_positions have shape {positions.shape}; "
            "expected (P, 2) finite (x, y)."
        )
    if len(positions) == 0:
        raise RoiError("The ROIs' point_positions hold no point; leave them out to seed a grid.")
    _require_inside(positions, size, "point_positions", "point", margin_px=1)
    return positions


def _pixels_of(points: Points, size: tuple[int, int]) -> BoolMask:
    columns, rows = np.rint(points).astype(np.intp).clip(0).T
    mask = np.zeros(size, dtype=bool)
    mask[rows.clip(max=size[0] - 1), columns.clip(max=size[1] - 1)] = True
    return mask


def _require_some_visible(points: Points, visible: BoolMask) -> None:
    if not (_pixels_of(points, visible.shape) & visible).any():
        raise RoiError(
            f"The mask hides all {len(points)} points; draw the 'mask' polygons around the "
            "'points' polygons and the 'exclude' polygons smaller, or leave both empty to see all of it."
        )
