"""Components in time: displacement, amplitude, phase and frequency in every frame."""

from typing import TYPE_CHECKING, Any

from element_facerhythm.facial_behavior_estimation.recording import Key
from element_facerhythm.facial_behavior_estimation.results import (
    FacialRhythm,  # noqa: F401  named in the definition
)
from element_facerhythm.facial_behavior_estimation.rhythm_rows import (
    ROWS_PER_INSERT,
    rhythm_part_rows,
    rhythms_of_rows,
)
from element_facerhythm.facial_behavior_estimation.rows import Product
from element_facerhythm.facial_behavior_estimation.run_products import (
    MadeOfProducts,
    project_of_run,
)
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.linking import active_link
from element_facerhythm.pipeline.supervision import supervised

if TYPE_CHECKING:
    from element_facerhythm.pipeline.results.component_rhythms import Rhythm, Rhythms


@schema
class ComponentRhythm(MadeOfProducts, dj.Computed):
    """Components followed in time, in every frame of the tracked videos."""

    definition = """
    # Recordings whose components were followed in time
    -> FacialRhythm
    ---
    n_rhythms            : int32 # components that were followed
    rhythm_notes         : json  # list of remarks: components that were left out, and why
    """

    class Component(dj.Part):
        """A component in time: in which band, along which pattern, and how large."""

        definition = """
        # Components in time
        -> master
        -> FacialRhythm.Component
        ---
        rhythm_hz            : float64 # frequency of the largest loading, which the band lies around
        band_low_hz          : float64 # lower edge of the band that displacements are kept to
        band_high_hz         : float64 # upper edge
        pattern              : <blob>  # (P, 2) float32: weights of displacements along x and y
        rhythm_noise_px=null : float64 # amplitude scale where there is no rhythm; null if no frame is known
        rhythm_median_px=null : float64 # median of the amplitude
        rhythm_p99_px=null   : float64 # 99th percentile of the amplitude
        rhythm_mean_hz=null  : float64 # mean of the frequency, weighted by the square of the amplitude
        rhythm_known_s       : float64 # seconds in which it is known: not beside gaps or held frames
        """

    class Trace(dj.Part):
        """A component in the frames of a video, up to 65,536 in a row of the table."""

        definition = """
        # Components in the frames of the videos
        -> master.Component
        -> FacialRhythm.Video
        first_frame          : int64  # first frame of the row
        ---
        n_frames_of_row      : int32  # frames of the row
        analytic_px          : <blob> # (n,) complex64: amplitude x exp(i phase); NaN where not known
        """

    class FrameTime(dj.Part):
        """Times of the frames of a video, for the traces of all components."""

        definition = """
        # Times of the frames
        -> master
        -> FacialRhythm.Video
        first_timed_frame    : int64  # first frame of the row
        ---
        n_timed_frames       : int32  # frames of the row
        even_rate_hz=null    : float64 # frames per second between gaps; null where the rate changes
        frame_times_s        : <blob> # (n,) float64: seconds on the clock of the video
        """

    @supervised
    def make_compute(
        self, key: Key, output_dir: str, products: tuple[Product, ...]
    ) -> tuple["Rhythms"]:
        """Follow the components, once it is certain that the files are those that were entered.

        Parameters
        ----------
        key
            Primary key of the run.
        output_dir, products
            As `make_fetch` returns them.

        Returns
        -------
        The rhythms.

        Raises
        ------
        RequestError
            A product is missing or changed since the run, or the store refuses.
        ProcessingError
            The store does not answer.
        """
        from element_facerhythm.pipeline.results.component_rhythms import component_rhythms

        project = project_of_run(output_dir, products)
        return (component_rhythms(project, active_link().search_dirs()),)

    def make_insert(self, key: Key, found: "Rhythms") -> None:
        """Insert the row and its parts.

        Parameters
        ----------
        key
            Primary key of the run.
        found
            As `make_compute` returns it.
        """
        self.insert1({**key, "n_rhythms": len(found.rhythms), "rhythm_notes": list(found.left_out)})
        for name, rows in rhythm_part_rows(found.rhythms):
            part = getattr(self, name)
            part.insert(({**key, **row} for row in rows), chunk_size=ROWS_PER_INSERT)

    @classmethod
    def rhythms(cls, key: Key, **restriction: Any) -> tuple["Rhythm", ...]:
        """Components of one run in time: amplitude, phase and frequency as arrays.

        Parameters
        ----------
        key
            Primary key of the run.
        **restriction
            Columns of the component, such as ``component_index=0``; without, all of them.
        """
        wanted = {**key, **restriction}
        return rhythms_of_rows(
            (cls.Component() & wanted).to_dicts(order_by="KEY"),
            (cls.Trace() & wanted).to_dicts(order_by="KEY"),
            (cls.FrameTime() & key).to_dicts(order_by="KEY"),
        )
