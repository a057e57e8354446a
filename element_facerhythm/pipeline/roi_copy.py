"""Regions of one recording on another, moved as the camera moved between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from element_facerhythm.core.alignment import Alignment, align
from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.core.rois import BoolMask, Polygon, Rois, place_rois
from element_facerhythm.errors import RoiError
from element_facerhythm.io.region_labels import ATTRIBUTE_OF_ROLE
from element_facerhythm.pipeline.background import background_image, whole
from element_facerhythm.pipeline.records import NullProgress, Progress
from element_facerhythm.video import VideoMetadata


@dataclass(frozen=True, eq=False)
class CopiedRois:
    """Regions on another recording.

    Attributes
    ----------
    rois
        The regions there.
    alignment
        The map that moved them.
    image, other
        (H, W) background images of both recordings.
    notes
        What was left out or changed.
    """

    rois: Rois
    alignment: Alignment
    image: GrayFrame
    other: GrayFrame
    notes: tuple[str, ...]


def copy_rois(
    rois: Rois, video: VideoMetadata, other: VideoMetadata, *, progress: Progress | None = None
) -> CopiedRois:
    """Carry regions over from one recording to another.

    Parameters
    ----------
    rois
        Regions of the first; their polygons are moved, masks and point positions are left out.
    video, other
        Both recordings, of one frame size.
    progress
        Notified of the videos that were read.

    Raises
    ------
    RoiError
        The regions hold no polygon or do not fit the first video, the frames differ in size, or a region
        lies outside of the other frame altogether.
    """
    (copied,) = copy_rois_to_many(rois, video, [other], progress=progress)
    if isinstance(copied, RoiError):
        raise copied
    return copied


def copy_rois_to_many(
    rois: Rois,
    video: VideoMetadata,
    others: Sequence[VideoMetadata],
    *,
    progress: Progress | None = None,
) -> tuple[CopiedRois | RoiError, ...]:
    """Carry regions over from one recording to many, whose pictures are each aligned with that of the first.

    Parameters
    ----------
    rois, video
        As of `copy_rois`.
    others
        The recordings that the regions are wanted on.
    progress
        Notified of the videos that were read.

    Returns
    -------
    For each recording its regions, or why they cannot be carried over; those of the others are not touched by
    that.

    Raises
    ------
    RoiError
        The regions hold no polygon or do not fit the first video, or the only other recording has another
        size of frame.
    """
    if not rois.seed_polygons:
        raise RoiError(
            f"{rois.source or 'the ROIs'}: no polygon seeds points; masks alone are not carried over"
        )
    if len(others) == 1:  # before anything is read
        _require_size(video, others[0])
    size = {"height_px": video.height_px, "width_px": video.width_px}
    region = place_rois(_polygons_alone(rois), **size, spacing_px=1).seed_mask
    copied: list[CopiedRois | RoiError] = []
    with (progress or NullProgress()).stage("align", 1 + len(others), "videos") as advance:
        image = background_image([whole(video)])
        advance(1)
        for n_done, other in enumerate(others, 2):
            try:
                _require_size(video, other)
                copied.append(_copied(rois, image, background_image([whole(other)]), region))
            except RoiError as error:
                copied.append(error)
            advance(n_done)
    return tuple(copied)


def _require_size(video: VideoMetadata, other: VideoMetadata) -> None:
    if (other.height_px, other.width_px) != (video.height_px, video.width_px):
        raise RoiError(
            f"{video.path} has frames of {video.width_px} x {video.height_px} px, {other.path} of "
            f"{other.width_px} x {other.height_px} (width x height): regions are copied between frames "
            "of one size"
        )


def _copied(rois: Rois, image: GrayFrame, other_image: GrayFrame, region: BoolMask) -> CopiedRois:
    alignment = align(image, other_image, region)
    height_px, width_px = image.shape
    moved, n_cut = _moved(rois, alignment, {"height_px": height_px, "width_px": width_px})
    notes = [
        f"{n_cut} region{'s' * (n_cut > 1)} reached beyond the frame: cut at its border"
        if n_cut
        else "",
        "points are seeded anew, on a grid inside the regions"
        if rois.point_positions is not None
        else "",
    ]
    told = tuple(note for note in notes if note)
    return CopiedRois(moved, alignment, image, other_image, told)


def _polygons_alone(rois: Rois) -> Rois:
    return Rois(
        seed_polygons=rois.seed_polygons,
        mask_polygons=rois.mask_polygons,
        exclude_polygons=rois.exclude_polygons,
        seed_labels=rois.seed_labels,
        mask_labels=rois.mask_labels,
        exclude_labels=rois.exclude_labels,
        signal_polygons=rois.signal_polygons,
        signal_labels=rois.signal_labels,
        source=rois.source,
    )


def _moved(rois: Rois, alignment: Alignment, size: dict[str, int]) -> tuple[Rois, int]:
    """Regions in the other frame, and how many of them were cut at its border."""
    kept: dict[str, Any] = {}
    n_cut = 0
    for name in (f"{role}_polygons" for role in ATTRIBUTE_OF_ROLE.values()):
        polygons = []
        for index, polygon in enumerate(getattr(rois, name)):
            there = alignment.moved(polygon)
            inside = cut_to_frame(there, **size)
            if len(inside) < 3:
                raise RoiError(
                    f"{name.removesuffix('_polygons')} region {index} lies outside of the other frame; "
                    "draw the regions there"
                )
            n_cut += inside is not there
            polygons.append(np.round(inside, 3))
        kept[name] = tuple(polygons)
    names = [f"{role}_labels" for role in ATTRIBUTE_OF_ROLE.values()]
    labels = {name: getattr(rois, name) for name in names}
    return Rois(**kept, **labels), n_cut


def cut_to_frame(polygon: Polygon, *, height_px: int, width_px: int) -> Polygon:
    """Part of a polygon (N, 2) inside a frame, by Sutherland and Hodgman's rule; itself where all of it is.

    Parameters
    ----------
    polygon
        Vertices (x, y) in pixels.
    height_px, width_px
        Size of the frame, whose border lies at -0.5 and at its width and height.
    """
    for axis, limit in ((0, float(width_px)), (1, float(height_px))):
        for sign, bound in ((1, -0.5), (-1, limit)):
            beyond = sign * (polygon[:, axis] - bound) < 0
            if beyond.any():
                polygon = _cut(polygon, axis, bound, beyond)
    return polygon


def _cut(polygon: Polygon, axis: int, bound: float, beyond: np.ndarray) -> Polygon:
    kept = []
    for i, vertex in enumerate(polygon):
        before = polygon[i - 1]
        if beyond[i] != beyond[i - 1]:
            crossing = before + (vertex - before) * (bound - before[axis]) / (vertex - before)[axis]
            crossing[axis] = bound
            kept.append(crossing)
        if not beyond[i]:
            kept.append(vertex)
    return np.array(kept).reshape(-1, 2)
