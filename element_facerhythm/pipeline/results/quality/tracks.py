"""Checks of the tracked points: violations, drift, texture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.texture import LEAST_TEXTURE, USUAL_WINDOW_PX, texture_at
from element_facerhythm.io.lazy import LazyArray
from element_facerhythm.io.product_stamps import stage_fingerprint
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.records import PointSummary, VideoSummary
from element_facerhythm.pipeline.results.quality.judging import Measure, unknown

_MOSTLY = 0.5
_FEWEST_FRAMES = 20
_N_FRAMES_OF_TENTH = 2000
_SMALLEST_MOVEMENT_PX = 1.0


def track_measures(
    project: Project, videos: Sequence[VideoSummary], points: Sequence[PointSummary]
) -> Iterator[Measure]:
    """Measure violations, drift and texture of the tracks of a project.

    Parameters
    ----------
    project
        The project, for its tracks and its first frame.
    videos, points
        Its videos and its points in numbers.
    """
    yield _violations(videos)
    yield _mostly_flagged(points)
    yield _drift(project, videos)
    yield _texture(project)


def _violations(videos: Sequence[VideoSummary]) -> Measure:
    fractions = [video.violation_fraction for video in videos]
    worst = int(np.argmax(fractions))
    told = f"{fractions[worst]:.1%} of the point-frames of {videos[worst].file_name}"
    if videos[worst].confidence is not None:
        return Measure(
            "violations",
            fractions[worst],
            f"{told} were not found, and move with their neighbours",
            "look at the overlay, and take what is often hidden out of the ROI; where the animal shifts or "
            'changes its looks for good, PointTracker.method "flow" follows it',
        )
    return Measure(
        "violations",
        fractions[worst],
        f"{told} were flagged and frozen",
        "look at the overlay where points stray, raise threshold_displacement if they are right there, or "
        "take what is often hidden out of the ROI",
    )


def _mostly_flagged(points: Sequence[PointSummary]) -> Measure:
    flagged = [p.point_index for p in points if p.point_violation_fraction > _MOSTLY]
    return Measure(
        "points_mostly_flagged",
        len(flagged) / len(points),
        f"{len(flagged)} of {len(points)} points were flagged in more than half of the frames"
        + (f" ({_some(flagged)})" if flagged else ""),
        "their place is hidden or has nothing to follow, so take it out of the ROI",
    )


def _drift(project: Project, videos: Sequence[VideoSummary]) -> Measure:
    drifts = [drift_in_movements(project.tracking(v.video_index).points) for v in videos]
    long = [v.n_frames >= _FEWEST_FRAMES for v in videos]
    if not np.isfinite(np.array(drifts)[long]).all():
        return unknown("drift", "the tracks hold numbers that are not finite")
    if not np.isfinite(drifts).any():
        return unknown(
            "drift", f"the videos have fewer than {_FEWEST_FRAMES} frames, too few to measure drift"
        )
    worst = int(np.nanargmax(drifts))
    advice = "the animal or the camera moved, so cut the recording where it moved"
    if videos[worst].confidence is None:
        advice = (
            "the animal or the camera moved, so cut the recording where it moved, or tracks slid off, which "
            'those of PointTracker.method "anchored" do not'
        )
    return Measure(
        "drift",
        drifts[worst],
        f"the points of {videos[worst].file_name} end {drifts[worst]:.2g} times their movement away from "
        "where they began",
        advice,
    )


def drift_in_movements(points: LazyArray | NDArray[Any]) -> float:
    """Median over points of |mean of the last tenth - mean of the first tenth|, in units of the movement.

    The movement is the median over points of the root mean square distance from these means within the two
    tenths, at least 1 px. NaN where there are fewer than 20 frames, and of tracks that are not finite there.

    Parameters
    ----------
    points
        (T, P, 2) tracks in pixels.
    """
    n_frames = points.shape[0]
    tenth = n_frames // 10
    if n_frames < _FEWEST_FRAMES:
        return float("nan")
    step = -(-tenth // _N_FRAMES_OF_TENTH)
    parts = [
        np.asarray(points[start : start + tenth : step], dtype=np.float64)
        for start in (0, n_frames - tenth)
    ]
    if not all(np.isfinite(part).all() for part in parts):
        return float("nan")
    means = [part.mean(axis=0) for part in parts]
    squares = [
        np.square(part - mean).sum(axis=2).mean(axis=0)
        for part, mean in zip(parts, means, strict=True)
    ]
    movement_px = float(np.median(np.sqrt(np.mean(squares, axis=0))))
    distance_px = float(np.median(np.linalg.norm(means[1] - means[0], axis=1)))
    return distance_px / max(movement_px, _SMALLEST_MOVEMENT_PX)


def _texture(project: Project) -> Measure:
    side_px = _window_px(project)
    image = project.example_image()
    if image.ndim != 3 or not image.size:
        return unknown("points_without_texture", "the project holds no first frame of the video")
    has_texture = texture_at(image, project.point_positions, side_px) >= LEAST_TEXTURE
    n_weak, n_points = np.count_nonzero(~has_texture), len(has_texture)
    return Measure(
        "points_without_texture",
        n_weak / n_points,
        f"{n_weak} of {n_points} points have hardly any structure around them in the first frame",
        "they go along with their neighbours at best, so take even skin, glare and shadow out of the ROI, or "
        "improve light and focus",
    )


def _window_px(project: Project) -> int:
    """Side of the window that points were matched in: an anchored run's own, or the flow's."""
    stamped = (stage_fingerprint(project.product_path("PointTracker")) or {}).get("parameters")
    side = stamped.get("window_px") if isinstance(stamped, dict) else None
    if type(side) is int:
        return side
    flow = project.settings("PointTracker").get("params_optical_flow")
    method = flow.get("kwargs_method") if isinstance(flow, dict) else None
    window = method.get("winSize") if isinstance(method, dict) else None
    plain = isinstance(window, list | tuple) and all(type(side) is int for side in window)
    return max(window) if plain and window else USUAL_WINDOW_PX


def _some(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return shown + (" ..." if len(numbers) > 5 else "")
