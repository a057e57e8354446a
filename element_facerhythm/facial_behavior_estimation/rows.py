"""Rows of `FacialRhythm` and of its parts, made of a summary."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from element_facerhythm.facial_behavior_estimation.array_codec import ArrayReference
from element_facerhythm.facial_behavior_estimation.product_files import object_of

if TYPE_CHECKING:
    from element_facerhythm.pipeline.records import (
        ArrayRef,
        ModelSummary,
        PointSummary,
        ProjectSummary,
        Verdict,
    )

Product = tuple[str, str, str]  # name, path relative to the data directories, sha256
Places = dict[str, tuple[str, str]]  # product name to path and sha256


def totals(summary: "ProjectSummary") -> dict[str, Any]:
    """Quantities of the whole recording, which are columns of `FacialRhythm` itself."""
    n_frames = sum(video.n_frames for video in summary.videos)
    n_violations = sum(video.n_violations for video in summary.videos)
    return {
        "analysis_frame_rate_hz": summary.frame_rate_hz,
        "n_videos": len(summary.videos),
        "n_tracked_frames": n_frames,
        "tracked_duration_s": sum(video.duration_s for video in summary.videos),
        "n_points": summary.n_points,
        "n_frequencies": len(summary.frequencies_hz),
        "n_violations": n_violations,
        "violation_fraction": n_violations / (n_frames * summary.n_points),
    }


def part_rows(
    summary: "ProjectSummary", products: tuple[Product, ...]
) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """Yield the name of each part of `FacialRhythm` with its rows, in the order in which they are entered.

    Parameters
    ----------
    summary
        The project in numbers.
    products
        Where its products lie, for the columns that refer to them.
    """
    places = {name: (path, sha256) for name, path, sha256 in products}
    yield "Video", _video_rows(summary, places)
    yield "Point", map(_point_row, summary.points)
    yield "PointTrace", _trace_rows(summary, places)
    yield (
        "Frequency",
        (
            {"frequency_index": i, "frequency_hz": float(frequency)}
            for i, frequency in enumerate(summary.frequencies_hz)
        ),
    )
    yield "Decomposition", map(_model_row, summary.models)
    yield "Component", (row for model in summary.models for row in _component_rows(model))
    for name, by_video in (("ComponentFactor", False), ("ComponentVideoFactor", True)):
        yield (
            name,
            (
                {"model_key": model.model_key, **_factor_row(factor)}
                for model in summary.models
                for factor in model.factors
                if (factor.video_index is not None) == by_video
            ),
        )
    yield "Quality", map(_quality_row, summary.quality)


def _point_row(point: "PointSummary") -> dict[str, Any]:
    values = vars(point).items()
    return {name: finite_or_null(v) if isinstance(v, float) else v for name, v in values}


def _quality_row(verdict: "Verdict") -> dict[str, Any]:
    row = dict(vars(verdict))
    return {"quality_name": row.pop("name"), **row}


def _model_row(model: "ModelSummary") -> dict[str, Any]:
    return {
        "model_key": model.model_key,
        "method": model.method,
        "n_components": model.rank,
        "n_iterations": model.n_iterations,
        "model_explained_variance": finite_or_null(model.explained_variance),
        "r_squared": finite_or_null(model.r_squared),
        "model_stability": finite_or_null(model.stability),
        "relative_error": finite_or_null(model.relative_error),
    }


def _component_rows(model: "ModelSummary") -> Iterator[dict[str, Any]]:
    for index, component in enumerate(model.components):
        numbers = {name: finite_or_null(value) for name, value in _measures(component).items()}
        yield {"model_key": model.model_key, "component_index": index, **numbers}


def _video_rows(summary: "ProjectSummary", places: Places) -> Iterator[dict[str, Any]]:
    for video in summary.videos:
        times = video.frame_times
        yield {
            "video_index": video.video_index,
            "file_name": video.file_name,
            "video_n_frames": video.n_frames,
            "video_duration_s": video.duration_s,
            "video_n_dropped_frames": video.n_dropped_frames,
            "video_n_gaps": sum(not gap.is_bridged for gap in video.gaps),
            "video_rate_changes": video.rate_changes,
            "video_n_violations": video.n_violations,
            "video_violation_fraction": video.violation_fraction,
            "violation_frame_fraction": video.violation_frame_fraction,
            "n_held_frames": video.n_held_frames,
            "n_dark_frames": video.n_dark_frames,
            "n_frozen_frames": video.n_frozen_frames,
            "n_windows": video.n_windows,
            "window_centres": video.window_centres,
            "window_times_s": video.window_times_s,
            "video_frame_times": None if times is None else reference_to(times, places),
            "confidence": None
            if video.confidence is None
            else reference_to(video.confidence, places),
            "video_mean_confidence": _mean(video.point_confidence),
            "points": reference_to(video.points, places),
            "spectrogram": reference_to(video.spectrogram, places),
        }


def _trace_rows(summary: "ProjectSummary", places: Places) -> Iterator[dict[str, Any]]:
    for video in summary.videos:
        n_frames, n_points, _ = video.points.shape
        for index in range(n_points):
            trace = reference_to(video.points, places, shape=(n_frames, 2), point_index=index)
            confidence = video.point_confidence
            yield {
                "point_index": index,
                "video_index": video.video_index,
                "trace": trace,
                "trace_mean_confidence": None if confidence is None else float(confidence[index]),
            }


def _mean(values: Any) -> float | None:
    return None if values is None else float(values.mean())


def reference_to(array: "ArrayRef", places: Places, **changes: Any) -> ArrayReference:
    """Return what a column holds of an array.

    Parameters
    ----------
    array
        Where the array lies in the project.
    places
        Path and digest of each product.
    changes
        Fields of the reference that differ: `shape` and the index of one entry.
    """
    path, sha256 = places[array.product]
    values = {"shape": tuple(array.shape), "object": object_of(sha256), **changes}
    return ArrayReference(path, array.dataset, dtype=array.dtype, sha256=sha256, **values)


def _measures(component: Any) -> dict[str, float]:
    """Quantities of a component that have a column."""
    names = (
        "weight", "peak_frequency_hz", "centroid_frequency_hz", "bandwidth_hz", "centroid_x_px",
        "centroid_y_px", "xy_ratio", "explained_variance", "squared_correlation",
        "stability",
    )  # fmt: skip
    return {name: getattr(component, name) for name in names}


def _factor_row(factor: Any) -> dict[str, Any]:
    video_index, loadings = factor.video_index, factor.loadings
    where = {"component_index": factor.component_index}
    if video_index is None:
        return where | {
            "dimension": factor.dimension,
            "n_loadings": len(loadings),
            "loadings": loadings,
        }
    return where | {
        "video_index": video_index,
        "video_dimension": factor.dimension,
        "n_video_loadings": len(loadings),
        "video_loadings": loadings,
    }


def finite_or_null(value: float | None) -> float | None:
    """Return NULL for a number that is not finite: not every server has NaN."""
    return None if value is None or not math.isfinite(value) else float(value)
