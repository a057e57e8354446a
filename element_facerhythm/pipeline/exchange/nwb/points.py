"""Tracked points: where each was seeded, where it was in every frame, and how sure that is.

ndx-pose has a series of its own for each point. That suits keypoints and some dozens of points; of a grid
of hundreds it makes thousands of small datasets, slow to open and to read by frame. Beyond `MOST_POSES`
points they are therefore arrays by frame, with a table that says what each column is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ndx_pose
import numpy as np
from pynwb import TimeSeries

from element_facerhythm.io.stored_tracks import TrackingView
from element_facerhythm.keypoints.nwb_export import REFERENCE_FRAME
from element_facerhythm.pipeline.exchange.nwb.contents import PREFIX, Contents, table
from element_facerhythm.pipeline.exchange.nwb.streams import blocks

MOST_POSES = 100
"""Points that are poses of ndx-pose unless said otherwise."""
_POSITION = (
    "position of each tracked point in each frame, as tracked: nothing is interpolated across gaps"
)


def add_points(contents: Contents, as_poses: bool | None) -> None:
    """Add the table of points, their positions, confidences and violations.

    Parameters
    ----------
    contents
        What they are added to.
    as_poses
        Whether the points are poses of ndx-pose; None says it by their number.
    """
    project = contents.project
    views = [project.tracking(i) for i in range(len(project.video_keys))]
    contents.made.append(_point_table(contents))
    if as_poses is None:
        as_poses = len(project.point_positions) <= MOST_POSES
    (_add_poses if as_poses else _add_arrays)(contents, views)
    _add_violations(contents, views)


def _point_table(contents: Contents) -> Any:
    positions = contents.project.point_positions
    names: list[list[str]] = [[] for _ in positions]
    for region in contents.regions:
        for point in region.points:
            names[point].append(region.name)
    return table(
        f"{PREFIX}PointTable",
        "Tracked points, in the order of all arrays by point.",
        {
            "x_px": ("where it was seeded, pixels to the right", positions[:, 0]),
            "y_px": ("where it was seeded, pixels down", positions[:, 1]),
            "region": ("regions that it was seeded in, by comma", [", ".join(n) for n in names]),
        },
    )


def _add_poses(contents: Contents, views: Sequence[TrackingView]) -> None:
    """Add the points as poses; one pass over the tracks fills the series of all of them."""
    streams, n_frames = contents.streams, len(contents.clock.frames)
    n_points = len(contents.project.point_positions)
    names = [f"point_{p:04d}" for p in range(n_points)]
    has_confidence = all(view.confidence is not None for view in views)
    positions = [streams.lay_out((n_frames, 2), np.float32) for _ in names]
    confidences = [streams.lay_out((n_frames,), np.float32) for _ in names if has_confidence]
    series = [
        contents.clock.frames.series(
            ndx_pose.PoseEstimationSeries,
            name=name,
            description=f"{_POSITION}; row {p} of {PREFIX}PointTable",
            data=positions[p],
            unit="pixels",
            reference_frame=REFERENCE_FRAME,
            **(
                {
                    "confidence": confidences[p],
                    "confidence_definition": "1 / (1 + (expected error / 0.5 px)^2)",
                }
                if has_confidence
                else {}
            ),
        )
        for p, name in enumerate(names)
    ]
    skeleton = ndx_pose.Skeleton(name=f"{PREFIX}PointGrid", nodes=names)
    contents.made.append(ndx_pose.Skeletons(name=f"{PREFIX}PointSkeletons", skeletons=[skeleton]))
    contents.made.append(
        ndx_pose.PoseEstimation(
            name=f"{PREFIX}Points",
            pose_estimation_series=series,
            description=f"{_POSITION}; rows of {PREFIX}PointTable",
            scorer="element-facerhythm",
            source_software="element-facerhythm",
            skeleton=skeleton,
            **contents.about,
        )
    )

    def fill() -> None:
        for video, view in enumerate(views):
            first = contents.clock.part(contents.clock.n_frames, video).start
            for rows in blocks(view.points.shape[0], n_points * 8):
                place = slice(first + rows.start, first + rows.stop)
                values = view.points[rows]
                for p, stored in enumerate(positions):
                    stored.dataset[place] = values[:, p]
                if has_confidence and view.confidence is not None:
                    surely = view.confidence[rows].astype(np.float32)
                    for p, stored in enumerate(confidences):
                        stored.dataset[place] = surely[:, p]

    streams.then(fill)


def _add_arrays(contents: Contents, views: Sequence[TrackingView]) -> None:
    n_points = len(contents.project.point_positions)
    arrays: dict[str, tuple[list[Any], tuple[int, ...], str, str]] = {
        "PointPositions": ([view.points for view in views], (n_points, 2), "pixels",
                           f"{_POSITION}; (frames, points, x and y). {REFERENCE_FRAME}"),
    }  # fmt: skip
    surely = [view.confidence for view in views if view.confidence is not None]
    if len(surely) == len(views):
        arrays["PointConfidence"] = (surely, (n_points,), "n.a.",
            "0 to 1, (frames, points): 1 / (1 + (expected error / 0.5 px)^2); a quarter of that where a "
            "point was not found")  # fmt: skip
    for name, (sources, shape, unit, what) in arrays.items():
        _add_array(contents, name, sources, shape, unit=unit, description=what)


def _add_array(
    contents: Contents, name: str, sources: Sequence[Any], shape: tuple[int, ...], **about: str
) -> None:
    """Add a series of arrays on disk, one for each video, end to end."""
    stored = contents.streams.lay_out((len(contents.clock.frames), *shape), np.float32)
    contents.made.append(
        contents.clock.frames.series(TimeSeries, name=f"{PREFIX}{name}", data=stored, **about)
    )

    def fill() -> None:
        for video, source in enumerate(sources):
            first = contents.clock.part(contents.clock.n_frames, video).start
            for rows in blocks(source.shape[0], int(np.prod(shape)) * 4):
                stored.dataset[first + rows.start : first + rows.stop] = source[rows]

    contents.streams.then(fill)


def _add_violations(contents: Contents, views: Sequence[TrackingView]) -> None:
    n_points = len(contents.project.point_positions)
    stored = contents.streams.lay_out((len(contents.clock.frames), n_points), np.uint8)
    contents.made.append(
        contents.clock.frames.series(
            TimeSeries,
            name=f"{PREFIX}PointViolations",
            data=stored,
            unit="n.a.",
            description="1 where a point was not found in a frame, or strayed, else 0; (frames, points)",
        )
    )

    def fill() -> None:
        for video, view in enumerate(views):
            first = contents.clock.part(contents.clock.n_frames, video).start
            for rows in blocks(view.points.shape[0], n_points):
                flags = np.zeros((rows.stop - rows.start, n_points), np.uint8)
                of_block = (view.violation_rows >= rows.start) & (view.violation_rows < rows.stop)
                flags[view.violation_rows[of_block] - rows.start, view.violation_cols[of_block]] = 1
                stored.dataset[first + rows.start : first + rows.stop] = flags

    contents.streams.then(fill)
