"""Regions in which signals are measured, on a frame of known size and on its bins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.rois import Polygon, RegionLabel, Rois, polygon_mask
from element_facerhythm.errors import RoiError

WHOLE_FRAME = "whole frame"
SMALLEST_SIDE_PX = 8
"""Of a region in which a pupil, an eye or a treadmill is looked for."""

_OF_MOTION = ("motion", "svd", "movie_svd")
_HALF = 0.5


@dataclass(frozen=True, eq=False)
class SignalRegion:
    """One region.

    Attributes
    ----------
    name, kind
        What it is called, and `motion`, `pupil`, `blink` or `running`.
    polygon
        (V, 2) vertices in pixels (x, y) of the full frame.
    x_range, y_range
        Pixels ``[first, stop)`` of its bounding box.
    mask
        (h, w) bool, pixels of the box that belong to it.
    x_range_bin, y_range_bin
        Bins ``[first, stop)`` of the box of its bins.
    bin_mask
        (y, x) bool, bins of that box that belong to it: those with at least half of their pixels inside.
    """

    name: str
    kind: str
    polygon: Polygon
    x_range: tuple[int, int]
    y_range: tuple[int, int]
    mask: NDArray[np.bool_]
    x_range_bin: tuple[int, int]
    y_range_bin: tuple[int, int]
    bin_mask: NDArray[np.bool_]

    @property
    def n_bins(self) -> int:
        """Bins that belong to it."""
        return int(np.count_nonzero(self.bin_mask))

    def places(self, n_columns: int) -> NDArray[np.int64]:
        """Where its bins lie in a flat picture of bins that has `n_columns` columns."""
        rows, columns = np.nonzero(self.bin_mask)
        return (rows + self.y_range_bin[0]) * n_columns + columns + self.x_range_bin[0]

    def crop(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the pixels of its bounding box in a frame (H, W)."""
        return frame[slice(*self.y_range), slice(*self.x_range)]


def place_signal_regions(
    rois: Rois, signals: Sequence[str], *, height_px: int, width_px: int, bin_px: int
) -> tuple[SignalRegion, ...]:
    """Place the regions of the signals that are asked for; the whole frame first where motion is.

    Parameters
    ----------
    rois
        Polygons of `points` and of `signals` are regions, by their kind; those without one are of motion.
        What is excluded is no part of any.
    signals
        Of `parameters.signals.SIGNALS`.
    height_px, width_px
        Size of the frame.
    bin_px
        Side of the bins that motion is measured in.

    Returns
    -------
    tuple of SignalRegion

    Raises
    ------
    RoiError
        A region lies outside the frame or is too small for its bins, or there is none of a kind that is
        asked for.
    """
    size = (height_px, width_px)
    if bin_px > min(size):
        raise RoiError(
            f"FacialSignal.bin_px is {bin_px}, the frame {width_px} x {height_px} px (width x height): "
            "not one bin fits in; give a smaller one"
        )
    kinds = {"motion" if signal in _OF_MOTION else signal for signal in signals}
    excluded = np.zeros(size, bool)
    for polygon in rois.exclude_polygons:
        excluded |= polygon_mask(polygon, height_px=height_px, width_px=width_px)
    found = []
    if "motion" in kinds:
        corners = np.array(
            [[0, 0], [width_px - 1, 0], [width_px - 1, height_px - 1], [0, height_px - 1]]
        )
        everything = np.ones(size, bool)
        found.append(_placed(WHOLE_FRAME, "motion", corners.astype(float), everything, bin_px))
    for name, kind, polygon in _drawn(rois):
        if kind in kinds:
            inside = polygon_mask(polygon, height_px=height_px, width_px=width_px) & ~excluded
            inside |= (kind == "pupil") & polygon_mask(
                polygon, height_px=height_px, width_px=width_px
            )
            found.append(_placed(name, kind, polygon, inside, bin_px))
    missing = sorted(kinds - {region.kind for region in found})
    if missing:
        where = f"{rois.source}: " if rois.source else ""
        raise RoiError(
            f"{where}{missing[0]} is asked for, and there is no region of kind {missing[0]}; add a polygon "
            f"under 'signals' and give it that kind, or take {missing[0]} out of FacialSignal.signals"
        )
    return tuple(found)


def excluded_pixels(rois: Rois, region: SignalRegion) -> NDArray[np.bool_]:
    """Pixels (h, w) of a region's box that `exclude` polygons cover, such as a reflection on an eye.

    Parameters
    ----------
    rois
        With those polygons.
    region
        The region.
    """
    shift = np.array([region.x_range[0], region.y_range[0]])
    height_px, width_px = region.mask.shape
    covered = np.zeros(region.mask.shape, bool)
    for polygon in rois.exclude_polygons:
        covered |= polygon_mask(polygon - shift, height_px=height_px, width_px=width_px)
    return covered


def _drawn(rois: Rois) -> Iterable[tuple[str, str, Polygon]]:
    """Name, kind and polygon of every region that may hold a signal."""
    for role, polygons, labels in (
        ("points", rois.seed_polygons, rois.seed_labels),
        ("signals", rois.signal_polygons, rois.signal_labels),
    ):
        given = labels or (RegionLabel(),) * len(polygons)
        for index, (polygon, label) in enumerate(zip(polygons, given, strict=True)):
            yield label.name or f"{role}_{index}", label.kind or "motion", polygon


def _placed(
    name: str, kind: str, polygon: Polygon, inside: NDArray[np.bool_], bin_px: int
) -> SignalRegion:
    y_range, x_range = _box(inside)
    if (
        kind != "motion"
        and min(y_range[1] - y_range[0], x_range[1] - x_range[0]) < SMALLEST_SIDE_PX
    ):
        raise RoiError(
            f"region {name!r} of kind {kind} has {x_range[1] - x_range[0]} x {y_range[1] - y_range[0]} px "
            f"inside the frame; expected at least {SMALLEST_SIDE_PX} x {SMALLEST_SIDE_PX}: draw it larger"
        )
    n_rows, n_columns = (side // bin_px for side in inside.shape)
    cut = inside[: n_rows * bin_px, : n_columns * bin_px]
    share = cut.reshape(n_rows, bin_px, n_columns, bin_px).mean(axis=(1, 3))
    bins = share >= _HALF
    if kind == "motion" and not bins.any():
        raise RoiError(
            f"region {name!r} fills not half of any bin of {bin_px} x {bin_px} px; draw it larger, or give a "
            "smaller FacialSignal.bin_px"
        )
    y_bins, x_bins = _box(bins)
    return SignalRegion(
        name,
        kind,
        polygon,
        x_range,
        y_range,
        inside[slice(*y_range), slice(*x_range)],
        x_bins,
        y_bins,
        bins[slice(*y_bins), slice(*x_bins)],
    )


def _box(mask: NDArray[np.bool_]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns ``[first, stop)`` that hold all of a mask; nothing of an empty one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return (0, 0), (0, 0)
    return (int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1)
