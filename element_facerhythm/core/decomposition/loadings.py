"""What a decomposition says of each point, frequency and moment, over whatever axes it was made.

The functions below turn `Factors` into maps, spectra and time courses. Figures, rows and the methods of
the tables all go through here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.decomposition.components import peak_frequencies_hz
from element_facerhythm.core.decomposition.factors import Factors, holder
from element_facerhythm.core.decomposition.unfold import (
    Loadings,
    element_part,
    is_element_axis,
    unfold_axis,
)
from element_facerhythm.core.gaps import opened_at
from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters.axes import FREQUENCY, POINTS, TIME, XY


@dataclass(frozen=True, eq=False)
class VideoWindows:
    """Spectrogram windows of one video that a model was fitted to.

    Attributes
    ----------
    video_index
        Number of the video.
    times_s
        (W,) seconds at their centres, on the clock of the video.
    centres
        (W,) frame at their centres, fractions included.
    breaks
        Windows before which the recording paused; see `core.gaps.breaks_at`.
    """

    video_index: int
    times_s: npt.NDArray[np.float64]
    centres: npt.NDArray[np.float32]
    breaks: tuple[int, ...] = ()

    def part(self, first: int, last: int) -> VideoWindows:
        """Cut out some of the windows.

        Parameters
        ----------
        first, last
            Numbers of the first and the last one, both included.

        Returns
        -------
        VideoWindows
            Of the same video.
        """
        breaks = tuple(b - first for b in self.breaks if first < b <= last)
        kept = slice(first, last + 1)
        return VideoWindows(self.video_index, self.times_s[kept], self.centres[kept], breaks)


@dataclass(frozen=True, eq=False)
class TimeCourse:
    """How strong one component is over the time of one video.

    Attributes
    ----------
    component_index
        Number of the component.
    video_index
        Number of the video.
    times_s
        (W,) seconds at the centres of the spectrogram windows, on the clock of the video. Where the
        recording paused, two more lie between the windows on either side.
    loadings
        (W,) loadings as the model has them, complex where its are; NaN at the two times of a pause.
    """

    component_index: int
    video_index: int
    times_s: npt.NDArray[np.float64]
    loadings: Loadings


@dataclass(frozen=True, eq=False)
class SpatialMaps:
    """Where on the face each component of a model moves.

    Attributes
    ----------
    x_px, y_px
        (P,) where the points were seeded, in pixels of the frame, y down.
    loadings
        By direction of the motion, ``"x"`` and ``"y"``, (R, P) loadings of R components; ``"xy"`` alone
        where the model does not separate the directions.
    """

    x_px: npt.NDArray[np.float64]
    y_px: npt.NDArray[np.float64]
    loadings: Mapping[str, Loadings]


@dataclass(frozen=True, eq=False)
class Spectra:
    """How fast each component of a model is.

    Attributes
    ----------
    frequencies_hz
        (F,) centre frequencies.
    loadings
        (R, F) loadings of R components.
    """

    frequencies_hz: npt.NDArray[np.float64]
    loadings: Loadings

    @property
    def peaks_hz(self) -> npt.NDArray[np.float64]:
        """(R,) frequencies with the largest magnitudes; see `peak_frequencies_hz`."""
        return peak_frequencies_hz(self.loadings.T, self.frequencies_hz)


def real_loadings(loadings: Loadings) -> npt.NDArray[np.floating]:
    """Return loadings to be drawn or correlated: as they are, and of complex ones the magnitudes."""
    return np.abs(loadings) if np.iscomplexobj(loadings) else loadings


def spatial_maps(factors: Factors, positions_px: npt.ArrayLike, n_frequencies: int) -> SpatialMaps:
    """Return the maps of all components.

    Loadings are as stored; where points share their axis with frequency or time, sums of magnitudes.

    Parameters
    ----------
    factors
        Of the model.
    positions_px
        (P, 2) where the points were seeded.
    n_frequencies
        Length of the axis of frequencies.

    Returns
    -------
    SpatialMaps
        In the order of the components.

    Raises
    ------
    ParameterError
        The model has no axis of points, or another number of them.
    """
    positions = np.asarray(positions_px, dtype=np.float64)
    sizes = {XY: 2, POINTS: len(positions), FREQUENCY: n_frequencies}
    together = factors.along((XY, POINTS), sizes)
    if together is None:
        points, directions = (factors.along((part,), sizes) for part in (POINTS, XY))
        if points is None:
            raise ParameterError(f"a model over {factors.axes} has no points: it gives no map.")
        together = points[None] if directions is None else directions[:, None] * points[None]
    names = ("x", "y") if len(together) == 2 else ("xy",)
    maps = {name: loadings.T for name, loadings in zip(names, together, strict=True)}
    return SpatialMaps(positions[:, 0], positions[:, 1], maps)


def spectra(factors: Factors, frequencies_hz: npt.ArrayLike, n_points: int) -> Spectra:
    """Return the spectra of all components.

    Loadings are as stored; where frequencies share their axis with points or time, sums of magnitudes.

    Parameters
    ----------
    factors
        Of the model.
    frequencies_hz
        (F,) centre frequencies.
    n_points
        Length of the axis of points.

    Returns
    -------
    Spectra
        In the order of the components.

    Raises
    ------
    ParameterError
        The model has no axis of frequencies, or another number of them.
    """
    frequencies = np.asarray(frequencies_hz, dtype=np.float64)
    sizes = {XY: 2, POINTS: n_points, FREQUENCY: len(frequencies)}
    loadings = factors.along((FREQUENCY,), sizes)
    if loadings is None:
        raise ParameterError(
            f"a model over {factors.axes} has no frequencies: it gives no spectrum."
        )
    return Spectra(frequencies, loadings.T)


def time_courses(
    factors: Factors, windows: Sequence[VideoWindows], n_points: int, n_frequencies: int
) -> tuple[TimeCourse, ...]:
    """Return the time courses of all components, in each video that the model is of.

    Loadings are as stored, but for two cases: where time shares its axis with points or frequencies, they
    are sums of magnitudes; where the videos are an axis of their own, the loading of the video is
    multiplied in.

    Parameters
    ----------
    factors
        Of the model.
    windows
        Of every video that it may be of.
    n_points, n_frequencies
        Lengths of these axes.

    Returns
    -------
    One time course per component and video, by component.

    Raises
    ------
    ParameterError
        The model has no axis of time, or another number of windows.
    """
    sizes = {XY: 2, POINTS: n_points, FREQUENCY: n_frequencies}
    by_video = {}
    for own in windows:
        loadings = _course_of(factors, own.video_index, sizes)
        if loadings is None:
            continue
        if len(loadings) != len(own.times_s):
            raise ParameterError(
                f"the components have {len(loadings)} loadings over the time of video {own.video_index}, "
                f"which has {len(own.times_s)} spectrogram windows; which of them they are of is not known."
            )
        by_video[own.video_index] = opened_at(own.breaks, own.times_s, loadings)
    if not by_video:
        raise ParameterError(
            f"a model over {factors.axes} has no axis of time, and so no time courses."
        )
    rank = next(iter(by_video.values()))[1].shape[1]
    return tuple(
        TimeCourse(component, video, times_s, loadings[:, component])
        for component in range(rank)
        for video, (times_s, loadings) in by_video.items()
    )


def _course_of(factors: Factors, video: int, sizes: Mapping[str, int]) -> Loadings | None:
    """(W, R) loadings over the time of a video; None where the model is not of it."""
    own = holder(factors.by_video.get(video, {}), (TIME,))
    if own is not None:
        return unfold_axis(*own, (TIME,), sizes)
    name_and_loadings = holder(factors.shared, (TIME,))
    if name_and_loadings is None:
        return None
    name, loadings = name_and_loadings
    if element_part(name) is not None:
        raise ParameterError(
            f"axis {name!r} joins the windows of all videos, and has {len(loadings)} loadings: where it is "
            "to be cut is not known."
        )
    loadings_of_video = unfold_axis(name, loadings, (TIME,), sizes)
    of_videos = [factor for axis, factor in factors.shared.items() if is_element_axis(axis)]
    if of_videos and video in factors.video_order:
        loadings_of_video = loadings_of_video * of_videos[0][factors.video_order.index(video)]
    return loadings_of_video
