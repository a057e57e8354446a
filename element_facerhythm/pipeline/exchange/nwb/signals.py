"""Signals of regions: motion energy and its components, pupils, eyes and running."""

from __future__ import annotations

from typing import Any

import numpy as np
from pynwb import TimeSeries
from pynwb.behavior import BehavioralTimeSeries, PupilTracking, SpatialSeries

from element_facerhythm.errors import ProjectError
from element_facerhythm.io.lazy import LazyArray
from element_facerhythm.io.stored_signals import StoredRegion, StoredSvd, signals_of_project
from element_facerhythm.keypoints.nwb_export import REFERENCE_FRAME, nwb_name
from element_facerhythm.pipeline.exchange.nwb.contents import PREFIX, Contents, table
from element_facerhythm.pipeline.exchange.nwb.streams import blocks

_WHAT = {
    "motion": ("n.a.", "motion energy: sum over bins of the change of gray level from the frame before"),
    "area": ("pixels^2", "area of the pupil"),
    "centre": ("pixels", "centre of the pupil, (frames, x and y)"),
    "axes": ("pixels", "semi-axes of the pupil, long and short; (frames, 2)"),
    "angle": ("radians", "angle from the x axis to the long axis of the pupil, down the frame"),
    "opening": ("n.a.", "opening of the eye: share of the region that is as dark as the eye"),
    "running": ("pixels", "movement of the treadmill from frame to frame, along x and y; (frames, 2)"),
    "confidence": ("n.a.", "how sure the measurement is, 0 to 1"),
}  # fmt: skip
_SVD = {"motion_svd": "motion energy", "movie_svd": "frames"}


def add_signals(contents: Contents) -> None:
    """Add what ``FacialSignal.h5`` of the project holds.

    Parameters
    ----------
    contents
        What the signals are added to.

    Raises
    ------
    ProjectError
        The file is damaged, or of another number of frames than the tracks.
    """
    signals = signals_of_project(contents.project)
    n_frames = len(contents.clock.frames)
    if signals.n_frames not in (None, n_frames):
        raise ProjectError(
            f"{contents.project.directory}: FacialSignal.h5 has {signals.n_frames} frames and the tracks "
            f"have {n_frames}; the two are of different runs, so run the project again"
        )
    of_pupils, others = PupilTracking(name=f"{PREFIX}PupilTracking"), BehavioralTimeSeries(
        name=f"{PREFIX}Signals"
    )  # fmt: skip
    for region in signals.regions:
        container = of_pupils if region.kind == "pupil" else others
        for name, array in region.arrays.items():
            unit, what = _WHAT[name]
            container.add_timeseries(
                _series(
                    contents, f"{_called(region)}_{name}", array, unit, f"{what}, in {region.name}"
                )
            )
        for name, svd in region.svd.items():
            _add_svd(contents, others, f"{_called(region)}_{name}", region, name, svd)
    contents.made += [made for made in (of_pupils, others) if len(made.time_series)]
    contents.notes += signals.notes


def _called(region: StoredRegion) -> str:
    return nwb_name(f"region{region.index}_{region.name}").replace(" ", "_")


def _series(contents: Contents, name: str, array: LazyArray, unit: str, what: str) -> Any:
    """Make the series of an array by frame, filled from disk."""
    dtype = np.dtype(array.dtype if array.dtype.itemsize > 2 else np.float32)
    stored = contents.streams.lay_out(array.shape, dtype)

    def fill() -> None:
        for rows in blocks(array.shape[0], array.nbytes // max(array.shape[0], 1)):
            stored.dataset[rows] = array[rows]

    contents.streams.then(fill)
    about: dict[str, Any] = {"name": name, "data": stored, "unit": unit, "description": what}
    if name.endswith("_centre"):
        return contents.clock.frames.series(SpatialSeries, reference_frame=REFERENCE_FRAME, **about)
    return contents.clock.frames.series(TimeSeries, **about)


def _add_svd(
    contents: Contents, container: Any, name: str, region: StoredRegion, of: str, svd: StoredSvd
) -> None:
    """Add the projections as a series, and masks and singular values as a table."""
    table_name = f"{PREFIX}_{name}"
    if svd.projection is not None:
        what = (
            f"strength of each singular vector of the {_SVD[of]} of {region.name} in each frame; (frames, "
            f"vectors), rows of {table_name}"
        )
        container.add_timeseries(_series(contents, name, svd.projection, "n.a.", what))
    if not svd.n_components:
        return
    columns: dict[str, tuple[str, Any]] = {
        "singular_value": ("singular value; NaN where not known", svd.singular_values),
        "share_of_variance": ("share of the total variance; NaN where not known", svd.share_of_variance),
    }  # fmt: skip
    if svd.mask is not None:
        columns["mask"] = (
            "spatial mask, (vectors, bins down, bins to the right)",
            np.asarray(svd.mask),
        )
    contents.made.append(
        table(
            table_name,
            f"Singular vectors of the {_SVD[of]} of {region.name}. {svd.method or 'method not known'}; total "
            f"variance {_shown(svd.total_variance)}, relative error {_shown(svd.relative_error)}.",
            columns,
        )
    )


def _shown(value: float | None) -> str:
    return "not known" if value is None else f"{value:.6g}"
