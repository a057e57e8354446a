"""A project in numbers: what the database rows hold, streamed from the products."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.io.layout import PRODUCTS
from element_facerhythm.io.lazy import LazyArray
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.records import (
    ArrayRef,
    PointSummary,
    ProjectSummary,
    VideoSummary,
)
from element_facerhythm.pipeline.results.model_summary import summarise_models
from element_facerhythm.pipeline.results.point_statistics import PointStatistics, mean_over_frames
from element_facerhythm.pipeline.results.quality import assess
from element_facerhythm.pipeline.run.light import frame_kinds


def summarise_project(project_dir: str | Path, roots: Iterable[str | Path] = ()) -> ProjectSummary:
    """Per-video, per-point and per-component numbers of a finished project.

    Of tracks, spectrograms and loadings that are not finite, what would be computed from them is NaN.

    Tracks are streamed; nothing larger than a block of frames or one spectrogram is in memory.

    Parameters
    ----------
    project_dir
        The project.
    roots
        Data directories that files of it may be links into; see `Project.open`.

    Raises
    ------
    ProjectError
        A product is missing or damaged.
    """
    project = Project.open(project_dir, roots)
    project.require(*PRODUCTS)
    project.require_intact()
    statistics = PointStatistics(project.point_positions)
    videos = tuple(_summarise_video(project, i, statistics) for i in range(len(project.video_keys)))
    summary = ProjectSummary(
        frame_rate_hz=project.frame_rate_hz,
        n_points=len(project.point_positions),
        videos=videos,
        points=_summarise_points(
            statistics,
            sum(map(_duration_without_gaps_s, videos)),
            _mean_confidence(videos, statistics.n_frames),
        ),
        frequencies_hz=project.frequencies_hz,
        models=summarise_models(project),
    )
    return replace(summary, quality=assess(project, summary))


def _summarise_video(project: Project, index: int, statistics: PointStatistics) -> VideoSummary:
    tracking = project.tracking(index)
    n_frames, n_points, _ = tracking.points.shape
    statistics.add_video(tracking.points, tracking.violation_cols)
    n_violations = len(tracking.violation_rows)
    clock = project.clock(index)
    spectrogram = project.spectrogram(index)
    kinds, confidence = frame_kinds(tracking), tracking.confidence
    return VideoSummary(
        video_index=index,
        file_name=project.video_names[index],
        n_frames=n_frames,
        duration_s=clock.duration_s,
        n_dropped_frames=clock.n_dropped_frames,
        gaps=clock.gaps,
        rate_changes=not clock.is_even,
        n_violations=n_violations,
        violation_fraction=n_violations / (n_frames * n_points),
        violation_frame_fraction=len(np.unique(tracking.violation_rows)) / n_frames,
        n_held_frames=None if kinds is None else len(kinds.held),
        n_dark_frames=None if kinds is None else len(kinds.dark),
        n_frozen_frames=None if kinds is None else len(kinds.frozen),
        n_windows=spectrogram.shape[3],
        points=_reference("PointTracker", tracking.points),
        spectrogram=_reference("VQT_Analyzer", spectrogram),
        window_centres=project.window_centres(index),
        window_times_s=project.window_times_s(index),
        frame_times=_frame_times(project, index, n_frames),
        confidence=None if confidence is None else _reference("PointTracker", confidence),
        point_confidence=None if confidence is None else mean_over_frames(confidence),
    )


def _frame_times(project: Project, index: int, n_frames: int) -> ArrayRef | None:
    if not project.has_clock:
        return None
    dataset = f"clock/{project.video_keys[index]}/frame_times_s"
    return ArrayRef("VQT_Analyzer", dataset, (n_frames,), "float64")


def _reference(product: str, array: LazyArray) -> ArrayRef:
    return ArrayRef(product, array.dataset, array.shape, str(array.dtype))


def _duration_without_gaps_s(video: VideoSummary) -> float:
    """Duration of a video without its gaps."""
    return video.duration_s - sum(gap.seconds for gap in video.gaps if not gap.is_bridged)


def _mean_confidence(videos: Sequence[VideoSummary], n_frames: int) -> NDArray[np.float64] | None:
    """Mean (P,) over the frames of all videos."""
    known = [v.n_frames * v.point_confidence for v in videos if v.point_confidence is not None]
    return np.sum(known, axis=0) / n_frames if len(known) == len(videos) else None


def _summarise_points(
    statistics: PointStatistics, seen_s: float, confidence: NDArray[np.float64] | None
) -> tuple[PointSummary, ...]:
    columns = zip(
        statistics.point_positions,
        statistics.rms_displacement_px,
        statistics.max_displacement_px,
        statistics.path_length_px,
        statistics.violation_fraction,
        strict=True,
    )
    return tuple(
        PointSummary(
            point_index=i,
            x_px=float(position[0]),
            y_px=float(position[1]),
            rms_displacement_px=float(rms),
            max_displacement_px=float(largest),
            path_length_px=float(path),
            mean_speed_px_s=float(path) / seen_s,
            point_violation_fraction=float(violated),
            point_mean_confidence=None if confidence is None else float(confidence[i]),
        )
        for i, (position, rms, largest, path, violated) in enumerate(columns)
    )
