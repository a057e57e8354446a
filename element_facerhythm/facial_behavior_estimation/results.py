"""The results: tracking, spectra and components."""

from typing import TYPE_CHECKING, Any

from element_facerhythm.database.keys import restriction_of
from element_facerhythm.facial_behavior_estimation.processing import FaceRhythmProcessing
from element_facerhythm.facial_behavior_estimation.recording import Key
from element_facerhythm.facial_behavior_estimation.result_views import ResultViews
from element_facerhythm.facial_behavior_estimation.rows import Product, part_rows, totals
from element_facerhythm.facial_behavior_estimation.run_products import (
    MadeOfProducts,
    project_of_run,
)
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.linking import active_link
from element_facerhythm.pipeline.supervision import supervised

if TYPE_CHECKING:
    from element_facerhythm.io.lazy import LazyArray
    from element_facerhythm.pipeline.records import ProjectSummary

# Rows per INSERT: a statement with more fails on servers with a small max_allowed_packet (16 MB).
ROWS_PER_INSERT = 2000
ROWS_PER_INSERT_OF = {"ComponentFactor": 8, "ComponentVideoFactor": 8}  # these hold blobs

DECOMPOSED = {"stage": "decomposition"}


@schema
class FacialRhythm(ResultViews, MadeOfProducts, dj.Imported):
    """Results of a run; the quantities of the whole recording are columns of this table itself."""

    definition = """
    # Facial rhythms of a recording
    -> FaceRhythmProcessing
    ---
    analysis_frame_rate_hz : float64 # frames per second of the analysis, between gaps
    n_videos             : int32   # number of tracked videos (1 if they were tracked as one)
    n_tracked_frames     : int64   # sum of video_n_frames
    tracked_duration_s   : float64 # sum of video_duration_s, seconds
    n_points             : int32   # tracked points
    n_frequencies        : int32   # centre frequencies of the spectrograms
    n_violations         : int64   # point-frames where a point was not found, or strayed (by flow)
    violation_fraction   : float64 # n_violations / (n_tracked_frames x n_points)
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
        video_n_frames           : int64   # tracked frames
        video_duration_s         : float64 # seconds from the first frame to the end of the last
        video_n_dropped_frames   : int64   # missing frames that traces are interpolated across
        video_n_gaps             : int32   # longer gaps, which no window spans
        video_rate_changes       : bool    # the frame rate changes; traces were interpolated to one rate
        video_n_violations       : int64   # point-frames where a point was not found, or strayed
        video_violation_fraction : float64 # video_n_violations / (video_n_frames x n_points)
        violation_frame_fraction : float64 # frames with such a point / video_n_frames
        n_held_frames=null       : int64   # frames that show nothing, in which all points were held
        n_dark_frames=null       : int64   # frames below half the usual level and contrast
        n_frozen_frames=null     : int64   # frames that repeat the frame before
        n_windows                : int32   # columns of the spectrogram
        points                   : <facerhythm_array> # (T, P, 2) float32: x, y in pixels
        spectrogram              : <facerhythm_array> # (2, P, F, W)
        window_centres           : <blob>  # (W,) frame at the centre of each spectrogram column
        window_times_s           : <blob>  # (W,) seconds of these, by the times of the frames
        video_frame_times=null   : <facerhythm_array> # (T,) seconds of each frame; null if not stored
        confidence=null          : <facerhythm_array> # (T, P) float16, 0 to 1; null by flow
        video_mean_confidence=null : float64 # mean of 1 / (1 + (expected error / 0.5 px)^2)
        """

    class Point(dj.Part):
        """Movement of each tracked point, over all videos."""

        definition = """
        # Tracked points
        -> master
        point_index         : int32   # number of the point
        ---
        x_px                : float64 # where it was seeded, pixels to the right
        y_px                : float64 # where it was seeded, pixels down
        rms_displacement_px=null : float64 # root mean square distance from the seed, pixels
        max_displacement_px=null : float64 # largest distance from the seed, pixels
        path_length_px=null : float64 # sum of the distances from frame to frame, pixels
        mean_speed_px_s=null : float64 # path_length_px / (tracked_duration_s less gaps), pixels per second
        point_violation_fraction : float64 # frames where it was not found, or strayed / n_tracked_frames
        point_mean_confidence=null : float64 # mean of confidence over all frames, 0 to 1
        """

    class PointTrace(dj.Part):
        """Trace of each point in each video."""

        definition = """
        # Traces of the tracked points
        -> master.Point
        -> master.Video
        ---
        trace               : <facerhythm_array> # (T, 2) float32: x, y in pixels
        trace_mean_confidence=null : float64 # mean of the point's confidence in this video, 0 to 1
        """

    class Frequency(dj.Part):
        """Centre frequencies of the spectrograms."""

        definition = """
        # Centre frequencies of the spectrograms
        -> master
        frequency_index     : int32   # row of the spectrograms
        ---
        frequency_hz        : float64 # centre frequency, Hz
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
        model_explained_variance=null : float64 # 1 - |data - sum of all components|^2 / |data|^2
        r_squared=null          : float64 # 1 - var(data - sum of all components) / var(data), about the mean
        model_stability=null    : float64 # mean of stability over the components
        relative_error=null     : float64 # |data - sum of all components| / |data|
        index (relative_error)
        """

    class Component(dj.Part):
        """A component: a rhythm with a place, a frequency and a time course."""

        definition = """
        # Components
        -> master.Decomposition
        component_index            : int32   # by squared_correlation, largest first; face-rhythm's: as stored
        ---
        weight=null                : float64 # |component|: weight times the norms of its factors
        peak_frequency_hz=null     : float64 # frequency_hz with the largest |loading|
        centroid_frequency_hz=null : float64 # mean of frequency_hz, weighted by |loading|
        bandwidth_hz=null          : float64 # 2 x standard deviation of frequency_hz, weighted by |loading|
        centroid_x_px=null         : float64 # mean x_px of the points, weighted by |loading|
        centroid_y_px=null         : float64 # mean y_px of the points, weighted by |loading|
        xy_ratio=null              : float64 # sum of squared x loadings / that of x and y: 1 all x, 0 all y
        explained_variance=null    : float64 # drop of model_explained_variance when it alone is left out
        squared_correlation=null   : float64 # squared correlation of data and component, 0 to 1
        stability=null             : float64 # mean congruence with its match from other starts, 0 to 1
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
        """Loadings of a component along a dimension of one video, such as its time course."""

        definition = """
        # Factors of the components for each video
        -> master.Component
        -> master.Video
        video_dimension     : varchar(64) # name of the axis
        ---
        n_video_loadings    : int32  # length of the factor
        video_loadings      : <blob> # (n,) float32
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

    @property
    def key_source(self) -> Any:
        """Runs that were decomposed; those that hold signals of another program alone are none."""
        return FaceRhythmProcessing() & (FaceRhythmProcessing.Stage() & DECOMPOSED)

    @supervised
    def make_compute(
        self, key: Key, output_dir: str, products: tuple[Product, ...]
    ) -> tuple["ProjectSummary", tuple[Product, ...]]:
        """Summarise the project, once it is certain that it is the one that was processed.

        Parameters
        ----------
        key
            Primary key of the run.
        output_dir, products
            As `make_fetch` returns them.

        Returns
        -------
        The project in numbers, and `products` as they were given.

        Raises
        ------
        RequestError
            A product is missing or changed since the run, or the store refuses.
        ProcessingError
            The store does not answer.
        """
        from element_facerhythm.pipeline import summarise_project

        project = project_of_run(output_dir, products)
        return summarise_project(project, active_link().search_dirs()), products

    def make_insert(
        self, key: Key, summary: "ProjectSummary", products: tuple[Product, ...]
    ) -> None:
        """Insert the row and its parts.

        Parameters
        ----------
        key
            Primary key of the run.
        summary, products
            As `make_compute` returns them.
        """
        self.insert1({**key, **totals(summary)})
        for name, rows in part_rows(summary, products):
            chunk_size = ROWS_PER_INSERT_OF.get(name, ROWS_PER_INSERT)
            getattr(self, name).insert(({**key, **row} for row in rows), chunk_size=chunk_size)

    @classmethod
    def traces(cls, key: Key, video_index: int = 0) -> "LazyArray":
        """Tracks of one video, (T, P, 2) float32 x, y in pixels; on disk until sliced.

        Parameters
        ----------
        key
            Primary key of a result, or a part of one that leaves one.
        video_index
            Number of the tracked video.

        Raises
        ------
        RequestError
            The key has no column of the primary key.
        """
        key = restriction_of(cls, key)
        return (cls.Video() & key & {"video_index": video_index}).fetch1("points")

    @classmethod
    def spectrogram(cls, key: Key, video_index: int = 0) -> "LazyArray":
        """Spectrogram of one video, (2, P, F, W); on disk until sliced.

        Parameters
        ----------
        key, video_index
            As of `traces`.

        Raises
        ------
        RequestError
            The key has no column of the primary key.
        """
        key = restriction_of(cls, key)
        return (cls.Video() & key & {"video_index": video_index}).fetch1("spectrogram")
