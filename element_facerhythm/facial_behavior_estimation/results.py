"""The results: tracking, spectra and components."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from element_facerhythm.facial_behavior_estimation.array_codec import ArrayReference
from element_facerhythm.facial_behavior_estimation.processing import FaceRhythmProcessing
from element_facerhythm.facial_behavior_estimation.product_files import (
    object_of,
    unchanged_project,
)
from element_facerhythm.facial_behavior_estimation.recording import Key
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.linking import active_link
from element_facerhythm.pipeline.supervision import supervised

if TYPE_CHECKING:
    from element_facerhythm.io.lazy import LazyArray
    from element_facerhythm.pipeline.records import (
        ArrayRef,
        ModelSummary,
        ProjectSummary,
        Verdict,
    )

# Rows per INSERT: a statement with more fails on servers with a small max_allowed_packet (16 MB).
ROWS_PER_INSERT = 2000
ROWS_PER_INSERT_OF = {"ComponentFactor": 8, "ComponentVideoFactor": 8}  # these hold blobs

Product = tuple[str, str, str]  # name, path relative to the data directories, sha256


@schema
class FacialRhythm(dj.Imported):
    """Results of a run; the quantities of the whole recording stand in this table itself."""

    definition = """
    # Facial rhythms of a recording
    -> FaceRhythmProcessing
    ---
    frame_rate_hz        : float64 # frame rate of the analysis
    n_videos             : int32   # number of tracked videos (1 if they were tracked as one)
    n_frames             : int64   # frames of all videos
    duration_s           : float64 # of all videos, by the times of their frames
    n_points             : int32   # tracked points
    n_frequencies        : int32   # centre frequencies of the spectrograms
    n_violations         : int64   # point-frames in which a point left its track and was frozen
    violation_fraction   : float64 # n_violations / all point-frames
    index (violation_fraction)
    """

    class Video(dj.Part):
        """Tracking and spectrogram of each tracked video."""

        definition = """
        # Tracked videos of a recording
        -> master
        video_index              : int32   # order in time
        ---
        file_name                : varchar(512) # name of the video file
        n_frames                 : int64   # tracked frames
        duration_s               : float64 # from the first frame to the end of the last, by their times
        n_dropped_frames         : int64   # missing frames that traces are interpolated across
        n_gaps                   : int32   # longer gaps, which no window spans
        rate_changes             : bool    # the frame rate changes; traces were interpolated to one rate
        n_violations             : int64   # point-frames in which a point was frozen
        violation_fraction       : float64 # n_violations / all point-frames
        violation_frame_fraction : float64 # frames with a frozen point / all frames
        n_held_frames=null       : int64   # frames that show nothing, in which all points were held
        n_dark_frames=null       : int64   # frames below half the usual level and contrast
        n_frozen_frames=null     : int64   # frames that repeat the frame before
        n_windows                : int32   # columns of the spectrogram
        points                   : <facerhythm_array> # (T, P, 2) float32: x, y in pixels
        spectrogram              : <facerhythm_array> # (2, P, F, W)
        window_centres           : <blob>  # (W,) frame at the centre of each spectrogram column
        window_times_s           : <blob>  # (W,) seconds there
        frame_times=null         : <facerhythm_array> # (T,) seconds of each frame; null if not stored
        """

    class Point(dj.Part):
        """How each tracked point moved, over all videos."""

        definition = """
        # Tracked points
        -> master
        point_index         : int32   # number of the point
        ---
        x_px                : float64 # where it was seeded
        y_px                : float64 # where it was seeded
        rms_displacement_px : float64 # from its seed
        max_displacement_px : float64 # from its seed
        path_length_px      : float64 # sum of the steps from frame to frame
        mean_speed_px_s     : float64 # path_length_px / duration without gaps
        violation_fraction  : float64 # fraction of frames in which it was frozen
        """

    class PointTrace(dj.Part):
        """Trace of each point in each video."""

        definition = """
        # Traces of the tracked points
        -> master.Point
        -> master.Video
        ---
        trace               : <facerhythm_array> # (T, 2) float32: x, y in pixels
        """

    class Frequency(dj.Part):
        """Centre frequencies of the spectrograms."""

        definition = """
        # Centre frequencies of the spectrograms
        -> master
        frequency_index     : int32   # row of the spectrograms
        ---
        frequency_hz        : float64 # centre frequency
        """

    class Decomposition(dj.Part):
        """A tensor component analysis: one of the recording, or one per video."""

        definition = """
        # Tensor component analyses of the spectrograms
        -> master
        model_key               : varchar(32) # '0', or the number of the video where each has its own
        ---
        method                  : varchar(64) # CP_NN_HALS, CP or RandomizedCP
        n_components            : int32   # rank
        n_iterations=null       : int32   # iterations until it stopped; null if not known
        explained_variance=null : float64 # fraction, all components together
        stability=null          : float64 # mean over components, 0 to 1
        relative_error=null     : float64 # norm of the residual / norm of the data
        index (relative_error)
        """

    class Component(dj.Part):
        """A component: a rhythm with a place, a frequency and a course in time."""

        definition = """
        # Components
        -> master.Decomposition
        component_index            : int32   # 0 explains most, where that is known
        ---
        weight=null                : float64 # norm of the component
        peak_frequency_hz=null     : float64 # where its frequency factor is largest
        centroid_frequency_hz=null : float64 # mean frequency, weighted by the frequency factor
        bandwidth_hz=null          : float64 # 2 x standard deviation around the centroid frequency
        centroid_x_px=null         : float64 # mean place of its points, weighted by their loadings
        centroid_y_px=null         : float64 # mean place of its points, weighted by their loadings
        xy_ratio=null              : float64 # share of movement along x: 0 all y, 0.5 both, 1 all x
        explained_variance=null    : float64 # fraction
        stability=null             : float64 # 1: found from every random start, 0: from none
        index (weight, peak_frequency_hz)
        """

    class ComponentFactor(dj.Part):
        """Loadings of a component along a dimension that all videos share."""

        definition = """
        # Factors of the components
        -> master.Component
        dimension           : varchar(64) # name of the axis
        ---
        n_loadings          : int32  # length of the factor
        loadings            : <blob> # (n,) float32
        """

    class ComponentVideoFactor(dj.Part):
        """Loadings of a component along a dimension of one video, as its course in time."""

        definition = """
        # Factors of the components for each video
        -> master.Component
        -> master.Video
        dimension           : varchar(64) # name of the axis
        ---
        n_loadings          : int32  # length of the factor
        loadings            : <blob> # (n,) float32
        """

    class Quality(dj.Part):
        """Whether the results are plausible: one row per check, with what to do where it is flagged."""

        definition = """
        # Plausibility of the results
        -> master
        quality_name        : varchar(64)  # name of the check
        ---
        value=null          : float64      # what was measured; null if not known
        threshold           : float64      # limit that was passed, or, where none was, the one that warns
        verdict             : varchar(8)   # ok, warn, red or unknown
        message             : varchar(512) # what was found, and what to do
        index (verdict)
        """

    def make_fetch(self, key: Key) -> tuple[str, tuple[Product, ...]]:
        """Where the project directory and its products lie."""
        output_dir = (FaceRhythmProcessing() & key).fetch1("output_dir")
        return output_dir, FaceRhythmProcessing.product_files(key)

    @supervised
    def make_compute(
        self, key: Key, output_dir: str, products: tuple[Product, ...]
    ) -> tuple["ProjectSummary", tuple[Product, ...]]:
        """Put the project in numbers, once it is certain that it is the one that was processed."""
        from element_facerhythm.pipeline import summarise_project

        files = [(path, sha256) for _, path, sha256 in products]
        project = unchanged_project(output_dir, files)
        return summarise_project(project, active_link().search_dirs()), products

    def make_insert(
        self, key: Key, summary: "ProjectSummary", products: tuple[Product, ...]
    ) -> None:
        """Write the row and its parts."""
        self.insert1({**key, **totals(summary)})
        for name, rows in part_rows(summary, products):
            chunk_size = ROWS_PER_INSERT_OF.get(name, ROWS_PER_INSERT)
            getattr(self, name).insert(({**key, **row} for row in rows), chunk_size=chunk_size)

    @classmethod
    def traces(cls, key: Key, video_index: int = 0) -> "LazyArray":
        """Tracks of one video, (T, P, 2) float32 x, y in pixels; on disk until sliced."""
        return (cls.Video() & key & {"video_index": video_index}).fetch1("points")

    @classmethod
    def spectrogram(cls, key: Key, video_index: int = 0) -> "LazyArray":
        """Spectrogram of one video, (2, P, F, W); on disk until sliced."""
        return (cls.Video() & key & {"video_index": video_index}).fetch1("spectrogram")


Places = dict[str, tuple[str, str]]  # product name to path and sha256


def totals(summary: "ProjectSummary") -> dict[str, Any]:
    """Quantities of the whole recording, which stand in the row of `FacialRhythm` itself."""
    n_frames = sum(video.n_frames for video in summary.videos)
    n_violations = sum(video.n_violations for video in summary.videos)
    return {
        "frame_rate_hz": summary.frame_rate_hz,
        "n_videos": len(summary.videos),
        "n_frames": n_frames,
        "duration_s": sum(video.duration_s for video in summary.videos),
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
    yield "Point", (dict(vars(point)) for point in summary.points)
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


def _quality_row(verdict: "Verdict") -> dict[str, Any]:
    row = dict(vars(verdict))
    return {"quality_name": row.pop("name"), **row}


def _model_row(model: "ModelSummary") -> dict[str, Any]:
    return {
        "model_key": model.model_key,
        "method": model.method,
        "n_components": model.rank,
        "n_iterations": model.n_iterations,
        "explained_variance": _finite(model.explained_variance),
        "stability": _finite(model.stability),
        "relative_error": _finite(model.relative_error),
    }


def _component_rows(model: "ModelSummary") -> Iterator[dict[str, Any]]:
    for index, component in enumerate(model.components):
        numbers = {name: _finite(value) for name, value in _measures(component).items()}
        yield {"model_key": model.model_key, "component_index": index, **numbers}


def _video_rows(summary: "ProjectSummary", places: Places) -> Iterator[dict[str, Any]]:
    for video in summary.videos:
        facts = {name: value for name, value in vars(video).items() if name != "gaps"}
        times = video.frame_times
        yield {
            **facts,
            "n_gaps": sum(not gap.is_bridged for gap in video.gaps),
            "frame_times": None if times is None else _reference(times, places),
            "points": _reference(video.points, places),
            "spectrogram": _reference(video.spectrogram, places),
        }


def _trace_rows(summary: "ProjectSummary", places: Places) -> Iterator[dict[str, Any]]:
    for video in summary.videos:
        n_frames, n_points, _ = video.points.shape
        for index in range(n_points):
            trace = _reference(video.points, places, shape=(n_frames, 2), point_index=index)
            yield {"point_index": index, "video_index": video.video_index, "trace": trace}


def _reference(array: "ArrayRef", places: Places, **changes: Any) -> ArrayReference:
    path, sha256 = places[array.product]
    values = {"shape": tuple(array.shape), "object": object_of(sha256), **changes}
    return ArrayReference(path, array.dataset, dtype=array.dtype, sha256=sha256, **values)


def _measures(component: Any) -> dict[str, float]:
    """Quantities of a component that have a column."""
    names = (
        "weight", "peak_frequency_hz", "centroid_frequency_hz", "bandwidth_hz", "centroid_x_px",
        "centroid_y_px", "xy_ratio", "explained_variance", "stability",
    )  # fmt: skip
    return {name: getattr(component, name) for name in names}


def _factor_row(factor: Any) -> dict[str, Any]:
    row = {
        "component_index": factor.component_index,
        "dimension": factor.dimension,
        "n_loadings": len(factor.loadings),
        "loadings": factor.loadings,
    }
    return row if factor.video_index is None else {**row, "video_index": factor.video_index}


def _finite(value: float | None) -> float | None:
    """Give NULL for a number that is not finite: not every server has NaN."""
    return None if value is None or not math.isfinite(value) else float(value)
