"""Regions of interest: pictures of the face, masks, polygons; and the video as an external file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pynwb.base import Images
from pynwb.image import GrayscaleImage, ImageSeries, RGBImage

from element_facerhythm.core.rois import Rois
from element_facerhythm.errors import RequestError
from element_facerhythm.io.lazy import LazyArray
from element_facerhythm.io.project import Project
from element_facerhythm.movies.source import frame_source, recorded_videos
from element_facerhythm.pipeline.exchange.nwb.clock import SessionClock
from element_facerhythm.pipeline.exchange.nwb.contents import PREFIX, Contents, table
from element_facerhythm.video.packets import scan_packets

_LAYOUT = "rows down the frame, then columns"
_MASKS = {
    "mask_0": ("seed_mask", "1 where points are seeded"),
    "mask_1": ("visible_mask", "1 where the tracker sees the frame"),
}
_ROLES = {
    "points": "seed",
    "mask": "mask",
    "exclude": "exclude",
    "signals": "signal",
}


def add_pictures(contents: Contents) -> None:
    """Add the first frame, the background, the masks and the polygons.

    Parameters
    ----------
    contents
        What they are added to.
    """
    project = contents.project
    images: list[Any] = [
        RGBImage(
            name="first_frame",
            data=project.example_image(),
            description=f"first frame of the first video; {_LAYOUT}, then red, green and blue",
        )
    ]
    background = project.background_image()
    pictures = {} if background is None else {
        "background": (background, "mean of frames from all over the recording")
    }  # fmt: skip
    path = project.product_path("ROIs")
    pictures |= {
        name: (np.asarray(LazyArray(path, f"mask_images/{stored}")).astype(np.uint8), what)
        for stored, (name, what) in _MASKS.items()
    }
    images += [
        GrayscaleImage(name=name, data=picture, description=f"{what}; {_LAYOUT}")
        for name, (picture, what) in pictures.items()
    ]
    contents.made.append(
        Images(name=f"{PREFIX}Images", images=images, description="regions of interest on the face")
    )
    polygons = _polygons(project.rois())
    if polygons is not None:
        contents.made.append(polygons)


def _polygons(rois: Rois) -> Any:
    """Table of the polygons; None where there are masks alone."""
    rows = [
        (role, i, polygon, labels[i] if labels else None)
        for role, prefix in _ROLES.items()
        for labels in [getattr(rois, f"{prefix}_labels")]
        for i, polygon in enumerate(getattr(rois, f"{prefix}_polygons"))
    ]
    if not rows:
        return None
    return table(
        f"{PREFIX}Regions",
        "Polygons as they were drawn.",
        {
            "role": ("points: points are seeded inside; mask: pixels outside are hidden from the tracker; "
                     "exclude: pixels inside are; signals: signals are measured there",
                     [role for role, *_ in rows]),
            "region": ("name of the region", [
                (label and label.name) or f"{role}_{i}" for role, i, _, label in rows]),
            "kind": ("what it is for, where somebody said so", [
                (label and label.kind) or "" for *_, label in rows]),
            "vertices": ("vertices (x, y) in pixels of the frame, y down",
                         [np.asarray(polygon, np.float64) for _, _, polygon, _ in rows]),
        },
    )  # fmt: skip


def external_video(
    project: Project,
    clock: SessionClock,
    videos: Sequence[Path],
    beside: Path,
    device: Any,
    name: str,
) -> ImageSeries:
    """Make the series of the frames that were tracked, which stay in their video files.

    Parameters
    ----------
    project
        The project.
    clock
        When the frames were taken.
    videos
        The files, in the order of the project; compared with those that were analysed.
    beside
        Directory of the NWB file, which the paths are relative to.
    device
        The camera; None where it is not known.
    name
        Of the series.

    Raises
    ------
    VideoError
        A file is not there, or is not the one that was analysed.
    RequestError
        Only a part of a file was analysed: its frames would have no times.
    """
    parts = [
        part
        for i in range(len(project.video_keys))
        for part in frame_source(project, i, given=videos).parts
    ]
    for part in parts:
        if (part.first, part.stop) != (0, scan_packets(part.path).n_frames):
            raise RequestError(
                f"frames {part.first} to {part.stop} of {part.path} were analysed, and NWB refers to a video "
                "as a whole; leave out --video"
            )
    lengths = [part.stop for part in parts]
    series: ImageSeries = clock.frames.series(
        ImageSeries,
        name=name,
        description=f"video of the face, {len(recorded_videos(project))} file(s)",
        external_file=[os.path.relpath(part.path.absolute(), beside.absolute()) for part in parts],
        starting_frame=[sum(lengths[:i]) for i in range(len(lengths))],
        format="external",
        unit="n.a.",
        **({} if device is None else {"device": device}),
    )
    return series
