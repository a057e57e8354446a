"""Signals of the whole face: motion energy and its singular vectors, pupils, blinks, running."""

from typing import TYPE_CHECKING, Any

from element_facerhythm.facial_behavior_estimation.processing import FaceRhythmProcessing
from element_facerhythm.facial_behavior_estimation.recording import Key
from element_facerhythm.facial_behavior_estimation.rows import Product
from element_facerhythm.facial_behavior_estimation.run_products import (
    MadeOfProducts,
    project_of_run,
)
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.facial_behavior_estimation.signal_rows import (
    signal_part_rows,
    signal_totals,
)
from element_facerhythm.linking import active_link
from element_facerhythm.pipeline.supervision import supervised

if TYPE_CHECKING:
    import xarray as xr

    from element_facerhythm.pipeline.results.signal_summary import SignalSummary

ROWS_PER_INSERT = 500
OF_SIGNALS = {"product": "FacialSignal"}
"""Of a run that measured regions: the row of its product."""


@schema
class FacialSignal(MadeOfProducts, dj.Imported):
    """Signals of the regions of a recording, of a run that measured some or of another program.

    A run without signals has no entry here, and none is due: it is not among the keys to populate.
    """

    definition = """
    # Signals of the regions of a recording
    -> FaceRhythmProcessing
    ---
    signal_source        : varchar(64) # who computed them
    n_signal_frames=null : int64 # frames of the traces: those of all videos; null if there is no trace
    n_signal_regions     : int32 # regions that were measured
    signal_notes         : json  # list of remarks: what was left out or guessed
    """

    class Region(dj.Part):
        """A region: where it lies, its motion energy, and what was decomposed."""

        definition = """
        # Regions that were measured
        -> master
        roi_no               : int32       # number of the region; 0: the whole frame, if asked for
        ---
        region_name          : varchar(64) # its name
        signal_kind          : varchar(8)  # 'motion', 'pupil', 'blink' or 'running'
        region_vertices=null : json        # list of [x, y] in pixels; null if not stored
        xrange=null          : json        # [first, stop] of its pixels to the right, stop not included
        yrange=null          : json        # [first, stop] of its pixels down
        xrange_bin=null      : json        # the same in bins of sbin pixels
        yrange_bin=null      : json        # the same in bins, down
        motion=null          : <facerhythm_array> # (T,) motion energy of each frame; NaN where not known
        motion_mean=null     : float64 # mean of motion over the frames that have a value
        motion_sd=null       : float64 # standard deviation of motion over these frames
        motion_max=null      : float64 # largest of motion
        n_motion_frames=null : int64   # frames that have a value of motion
        motion_svd_method=null : varchar(64) # how singular vectors of motion were computed; null if none
        n_motion_components=0  : int32   # rows of MotionSVD
        motion_svd_error=null  : float64 # norm of what all components leave of motion / norm of motion
        motion_total_variance=null : float64 # variance of motion in all bins together
        motion_projections=null : <facerhythm_array> # (T, n) projections of all components
        motion_masks=null    : <facerhythm_array> # (n, y, x) masks of all components
        movie_svd_method=null : varchar(64) # as motion_svd_method, of the frames themselves
        n_movie_components=0 : int32   # rows of MovieSVD
        movie_svd_error=null : float64 # as motion_svd_error, of the frames
        movie_total_variance=null : float64 # variance of the frames in all bins together
        movie_projections=null : <facerhythm_array> # (T, n) projections of all components
        movie_masks=null     : <facerhythm_array> # (n, y, x) masks of all components
        index (signal_kind)
        """

    class MotionSVD(dj.Part):
        """A singular vector of the motion energy of a region, and its time course."""

        definition = """
        # Components of the motion energy
        -> master.Region
        component_id           : int32   # largest singular value first, from 0
        ---
        singular_value=null    : float64 # null where it is not known
        share_of_variance=null : float64 # of motion_total_variance, 0 to 1; null where it is not known
        motmask=null           : <facerhythm_array> # (y, x) bins
        projection=null        : <facerhythm_array> # (T,) of each frame on the mask
        """

    class MovieSVD(dj.Part):
        """A singular vector of the frames of a region, and its time course."""

        definition = """
        # Components of the frames
        -> master.Region
        movie_component_id     : int32   # largest singular value first, from 0
        ---
        movie_singular_value=null    : float64 # null where it is not known
        movie_share_of_variance=null : float64 # of movie_total_variance, 0 to 1; null where it is not known
        movmask=null           : <facerhythm_array> # (y, x) bins
        movie_projection=null  : <facerhythm_array> # (T,) of each frame on the mask
        """

    class Summary(dj.Part):
        """Mean images of the whole frame, in bins."""

        definition = """
        # Mean images of the recording
        -> master
        ---
        sbin=null            : int32 # pixels along one side of a bin; null if not stored
        avgframe=null        : <facerhythm_array> # (y, x) mean frame
        avgmotion=null       : <facerhythm_array> # (y, x) mean motion energy
        signal_video_frames  : json  # list of the frames of each video; empty if not stored
        """

    class Pupil(dj.Part):
        """A pupil in each frame."""

        definition = """
        # Pupils
        -> master.Region
        ---
        pupil_area=null       : <facerhythm_array> # (T,) square pixels; NaN without a pupil
        pupil_centre=null     : <facerhythm_array> # (T, 2) x, y in pixels of the frame
        pupil_axes=null       : <facerhythm_array> # (T, 2) semi-axes of the ellipse, pixels
        pupil_angle=null      : <facerhythm_array> # (T,) direction of the first axis, radians
        pupil_confidence=null : <facerhythm_array> # (T,) 0 to 1
        pupil_area_median_px2=null : float64 # median of pupil_area over frames with a pupil
        pupil_area_min_px2=null    : float64 # smallest of pupil_area
        pupil_area_max_px2=null    : float64 # largest of pupil_area
        pupil_fraction=null   : float64 # frames with a pupil (an area above 0) / all frames
        pupil_mean_confidence=null : float64 # mean of pupil_confidence over frames that have one
        """

    class Blink(dj.Part):
        """How far an eye is open in each frame, and how often it closes."""

        definition = """
        # Openings of eyes
        -> master.Region
        ---
        eye_opening=null      : <facerhythm_array> # (T,) in the unit of its source
        blink_confidence=null : <facerhythm_array> # (T,) 0 to 1
        eye_opening_median=null : float64 # median of eye_opening
        n_blinks=null         : int32   # runs of frames with an opening below half of its 95th percentile
        blink_fraction=null   : float64 # such frames / frames with an opening
        blink_mean_confidence=null : float64 # mean of blink_confidence over frames that have one
        """

    class Running(dj.Part):
        """Movement of what a region shows, such as a treadmill, from frame to frame."""

        definition = """
        # Running
        -> master.Region
        ---
        running=null          : <facerhythm_array> # (T, 2) x, y in pixels since the frame before
        running_speed_mean_px=null : float64 # mean distance per frame, pixels
        running_speed_max_px=null  : float64 # largest distance per frame, pixels
        n_running_frames=null : int64   # frames that have a value
        """

    @property
    def key_source(self) -> Any:
        """Runs that have signals."""
        return FaceRhythmProcessing() & (FaceRhythmProcessing.Product() & OF_SIGNALS)

    @supervised
    def make_compute(
        self, key: Key, output_dir: str, products: tuple[Product, ...]
    ) -> tuple["SignalSummary", tuple[Product, ...]]:
        """Summarise the signals, once it is certain that the project is the one that was processed.

        Parameters
        ----------
        key
            Primary key of the run.
        output_dir, products
            As `make_fetch` returns them.

        Returns
        -------
        The signals in numbers, and `products` as they were given.

        Raises
        ------
        RequestError
            A product is missing, damaged or changed since the run, or the store refuses.
        ProcessingError
            The store does not answer.
        """
        from element_facerhythm.pipeline.results.signal_summary import summarise_signals

        project = project_of_run(output_dir, products)
        return summarise_signals(project, active_link().search_dirs()), products

    def make_insert(
        self, key: Key, summary: "SignalSummary", products: tuple[Product, ...]
    ) -> None:
        """Insert the row and its parts.

        Parameters
        ----------
        key
            Primary key of the run.
        summary, products
            As `make_compute` returns them.
        """
        self.insert1({**key, **signal_totals(summary)})
        for name, rows in signal_part_rows(summary, products):
            part = getattr(self, name)
            part.insert(({**key, **row} for row in rows), chunk_size=ROWS_PER_INSERT)

    @classmethod
    def to_xarray(cls, key: Key) -> "xr.Dataset":
        """Return the signals of one entry as a dataset of xarray; see `FacialRhythm.to_xarray`.

        Parameters
        ----------
        key
            Restriction to one entry.
        """
        from element_facerhythm.facial_behavior_estimation.result_views import dataset_of_result

        return dataset_of_result(cls, key, "signals")
